"""Wires of all kinds for the tests of the client: scripted ones, real ones, sealed ones; and what stock clients see.

Nothing here goes further than a pair of sockets inside this process.
"""

from __future__ import annotations

import _socket
import io
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any, Final

import requests
import trustme
import urllib3
from gevent import get_hub
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from loads.client.clock import monotonic_ns
from loads.client.origin import Origin, place_of
from loads.client.transport import Connection, Sweeper

SECOND_NS: Final = 1_000_000_000
LONG_NS: Final = 20 * SECOND_NS
"""For waits that are to end before."""

Step = bytes | Exception


def origin(scheme: str = "http") -> Origin:
    return Origin(scheme, "site.test", 80 if scheme == "http" else 443, True)


@lru_cache(maxsize=1)
def _readable() -> tuple[socket.socket, socket.socket]:
    """A pair whose first one always has something to read."""
    pair = socket.socketpair()
    pair[1].send(b"!")
    return pair


class Scripted:
    """A socket that receives one step at a time: bytes, or an exception; then the end. What is sent is kept."""

    def __init__(self, steps: Iterable[Step] = (), sends: Iterable[int | Exception] = ()) -> None:
        self.steps = list(steps)
        self.sends = list(sends)
        self.sent = b""
        self.closed = 0

    def fileno(self) -> int:
        return _readable()[0].fileno()

    def send(self, data: Any) -> int:
        most = self.sends.pop(0) if self.sends else len(data)
        if isinstance(most, Exception):
            raise most
        self.sent += bytes(data[:most])
        return min(most, len(data))

    def recv_into(self, target: Any) -> int:
        if not self.steps:
            return 0
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        if len(step) > len(target):
            self.steps.insert(0, step[len(target) :])
            step = step[: len(target)]
        target[: len(step)] = step
        return len(step)

    def recv(self, _count: int, _flags: int) -> bytes:
        step = self.steps[0] if self.steps else b""
        if isinstance(step, Exception):
            raise step
        return step[:1]

    def close(self) -> None:
        self.closed += 1


@contextmanager
def scripted(
    steps: Iterable[Step] = (), sends: Iterable[int | Exception] = ()
) -> Iterator[tuple[Connection, Scripted]]:
    """A connection over a `Scripted`."""
    sock = Scripted(steps, sends)
    connection = Connection(origin(), sock)  # type: ignore[arg-type]
    try:
        yield connection, sock
    finally:
        connection.close()


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """As `socket.socketpair`, over the loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs = listener.accept()[0]
    theirs.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return ours, theirs


@contextmanager
def joined(scheme: str = "http", *, tcp: bool = False) -> Iterator[tuple[Connection, socket.socket]]:
    """A connection, and the other side's (blocking) socket."""
    ours, theirs = tcp_pair() if tcp else socket.socketpair()
    sock = _socket.socket(fileno=ours.detach())
    sock.setblocking(False)
    theirs.settimeout(10)
    connection = Connection(origin(scheme), sock)
    try:
        yield connection, theirs
    finally:
        connection.close()
        theirs.close()


@contextmanager
def quick_sweeper() -> Iterator[Sweeper]:
    """A sweeper of its own for the connections that are made meanwhile, apart from any other."""
    hub = get_hub()
    before = getattr(hub, "loads_sweeper", None)
    sweeper = hub.loads_sweeper = Sweeper(hub)
    try:
        yield sweeper
    finally:
        sweeper._end()
        hub.loads_sweeper = before


@contextmanager
def beside(work: Callable[[], Any]) -> Iterator[None]:
    """`work` runs in a thread meanwhile; what it raises is raised here."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join(10)
    if errors:
        raise errors[0]


# TLS


@lru_cache(maxsize=2)
def authority(number: int) -> trustme.CA:
    return trustme.CA()


@lru_cache(maxsize=4)
def client_context(number: int) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority(number).configure_trust(context)
    return context


@lru_cache(maxsize=4)
def server_context(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = version
    authority(0).issue_cert("site.test").configure_cert(context)
    return context


class Sealer:
    """The server's side of TLS, over `sock`, byte for byte in the test's hands."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self.sock = sock
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def shake(self) -> None:
        """Hands."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self.sock.sendall(self._outgoing.read())
                self._incoming.write(self.sock.recv(65_536))
            else:
                return self.sock.sendall(self._outgoing.read())

    def sealed(self, *records: bytes) -> bytes:
        """What goes over the wire for these."""
        for record in records:
            self._tls.write(record)
        return self._outgoing.read()

    def farewell(self) -> bytes:
        """A close_notify."""
        with suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        return self._outgoing.read()

    def read(self, count: int) -> bytes:
        """So many bytes of what the client says."""
        data = b""
        while len(data) < count:
            try:
                data += self._tls.read(count - len(data))
            except ssl.SSLWantReadError:
                self._incoming.write(self.sock.recv(65_536))
        return data


@contextmanager
def sealed(
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3, *, tcp: bool = True
) -> Iterator[tuple[Connection, Sealer]]:
    """A connection after its handshake, and the server's side."""
    with joined("https", tcp=tcp) as (connection, theirs):
        sealer = Sealer(theirs, server_context(version))
        with beside(sealer.shake):
            connection.start_tls(client_context(0), "site.test", LONG_NS)
        yield connection, sealer


# What stock clients make of the same


class Fake:
    """A socket for http.client: keeps what is sent, and plays `data`."""

    def __init__(self, data: bytes = b"") -> None:
        self.sent = b""
        self._data = data

    def sendall(self, data: Any) -> None:
        self.sent += bytes(data)

    def makefile(self, *_: object) -> io.BytesIO:
        return io.BytesIO(self._data)

    def settimeout(self, _timeout: Any) -> None:
        pass

    def shutdown(self, _how: int) -> None:
        pass

    def close(self) -> None:
        pass


def stock_connection(url: str, data: bytes = b"") -> tuple[HTTPConnection, Fake]:
    """urllib3's own, over a `Fake`."""
    place = place_of(url)
    assert place is not None
    scheme, host, port = place
    connection = (HTTPConnection if scheme == "http" else HTTPSConnection)(host, port)
    fake = Fake(data)
    connection.sock = fake  # type: ignore[assignment]
    return connection, fake


def stock_bytes(request: requests.PreparedRequest) -> bytes:
    """What requests and urllib3 send for `request`."""
    connection, fake = stock_connection(str(request.url))
    chunked = not (request.body is None or "Content-Length" in request.headers)
    connection.request(
        str(request.method), request.path_url, body=request.body, headers=request.headers, chunked=chunked
    )
    return fake.sent


def stock_answer(data: bytes, request: requests.PreparedRequest | None = None) -> urllib3.HTTPResponse:
    """What urllib3 makes of `data`, its body not read yet."""
    if request is None:
        request = requests.Request("GET", "http://site.test/").prepare()
    connection, _ = stock_connection(str(request.url), data)
    connection.request(
        str(request.method), request.path_url, headers=request.headers, preload_content=False, decode_content=False
    )
    return connection.getresponse()


def stock_response(data: bytes, request: requests.PreparedRequest) -> requests.Response:
    """What requests makes of `data`, its body read."""
    response = HTTPAdapter().build_response(request, stock_answer(data, request))
    response.content  # noqa: B018 - requests reads it now
    return response


def now_ns() -> int:
    return monotonic_ns()

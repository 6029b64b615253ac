"""An HTTP/1.1 server that treats its clients as a test says, and remembers every byte that they sent.

Native threads and plain sockets, so it stays apart from the event loop of a client in the same process. The n-th
request is given the n-th scripted `Answer` (a row of bytes, pieces, stalls and ends), whatever it asks for; a path in
`at` goes before that. It never waits for ever: a client that stays silent, or that was promised a stall, is let go
after a bounded time.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

import pytest

from tests.torture_answers import OK, OK_TO_HEAD, Answer, Close, Early, Pieces, Reset, Stall, Step

BODY_WAIT_S: Final = 0.12
"""How long a request's body may be silent before it counts as all there is."""
PATIENCE_S: Final = 5.0
PAUSE_S: Final = 0.0002
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
_MAX_HEAD_BYTES: Final = 1_000_000


@dataclass
class Seen:
    """One request as it came: `whole` if it had the head and the body that it announced."""

    head: bytes
    body: bytes = b""
    whole: bool = True
    answered: bool = True
    number: int = field(default_factory=itertools.count().__next__)

    @property
    def raw(self) -> bytes:
        """All its bytes."""
        return self.head + self.body

    @property
    def path(self) -> str:
        """What it asks for, without the query."""
        parts = self.head.split(b" ", 2)
        return parts[1].split(b"?", 1)[0].decode("latin-1") if len(parts) > 1 else ""

    def header(self, name: str) -> str | None:
        """The value of its first header of this name."""
        for line in self.head.split(b"\r\n")[1:]:
            key, colon, value = line.partition(b":")
            if colon and key.strip().lower() == name.lower().encode():
                return value.strip().decode("latin-1")
        return None


@dataclass
class Connection:
    """What came over one connection; `refused`: why there was no TLS handshake."""

    requests: list[Seen] = field(default_factory=list)
    refused: str | None = None


class _Gone(Exception):
    """The client hung up, or this connection was scripted to end."""


class Torture:
    """A running server; see the module. Made by `run_torture`."""

    def __init__(self, context: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self._context = context
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family, backlog=128)
        self.port = int(self._listener.getsockname()[1])
        self.url = f"{'https' if context else 'http'}://{f'[{host}]' if ':' in host else host}:{self.port}"
        self.at: dict[str, Answer] = {}
        self.greeting: Answer = ()
        """What every client is treated to before it has said a word."""
        self._changed = threading.Condition()
        self._connections: list[Connection] = []
        self._script: list[Answer] = []
        self._busy: set[Connector] = set()
        self._open: set[Connector] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        seen = "; ".join(" ".join(str(one.head[:20]) for one in conn.requests) for conn in self.connections())
        return f"<Torture {self.url} open={len(self._open)} busy={len(self._busy)} seen=[{seen}]>"

    def play(self, *answers: Answer) -> None:
        """Forget what was seen, and give the next requests these answers; those after them get `OK`."""
        with self._changed:
            self._script = list(answers)
            self._connections = []

    def connections(self) -> list[Connection]:
        """All since the last `play` over which a request or a refusal came, in the order they were opened."""
        with self._changed:
            return [conn for conn in self._connections if conn.requests or conn.refused]

    def seen(self) -> list[list[bytes]]:
        """The requests of each connection, byte by byte."""
        return [[request.raw for request in conn.requests] for conn in self.connections()]

    def requests(self) -> list[Seen]:
        """All requests, in the order in which they came."""
        requests = (request for conn in self.connections() for request in conn.requests)
        return sorted(requests, key=attrgetter("number"))

    def wait_idle(self, deadline_s: float = PATIENCE_S) -> None:
        """Until nothing is scripted any more: what is open waits for a request."""
        self._wait_for_none(self._busy, "be done with its answers", deadline_s)

    def wait_gone(self, deadline_s: float = PATIENCE_S, *, collect: bool = True) -> None:
        """Until all clients have hung up, if need be with the help of the garbage collector."""
        with self._changed:
            hung_up = self._changed.wait_for(lambda: not self._open, 0.1)
        if collect and not hung_up:
            gc.collect()  # urllib3 leaves it to the garbage collection to close what a dropped pool kept
        self._wait_for_none(self._open, "see the last client hang up", deadline_s)

    def _wait_for_none(self, connectors: set[Connector], what: str, deadline_s: float) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: not connectors, deadline_s):
                pytest.fail(f"the server did not {what} within {deadline_s} s: {self!r}")

    def stop(self) -> None:
        """No more connections; those that are open are cut."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(PATIENCE_S)
        with self._changed:
            left = list(self._open)
        for connector in left:
            connector.cut()
        self.wait_gone()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection()
            connector = Connector(self, sock, connection)
            with self._changed:
                self._connections.append(connection)
                self._open.add(connector)
                self._busy.add(connector)
            threading.Thread(target=connector.run, args=(self._context,), daemon=True).start()

    def next_answer(self, request: Seen) -> Answer:
        """What `request` is to get."""
        with self._changed:
            found = self.at.get(request.path)
            if found is not None:
                return found
            if self._script:
                return self._script.pop(0)
            return OK_TO_HEAD if request.head.startswith(b"HEAD ") else OK

    def mark(self, connector: Connector, *, busy: bool, is_open: bool = True) -> None:
        """Keep account of what is going on."""
        with self._changed:
            for group, inside in ((self._busy, busy), (self._open, is_open)):
                if inside:
                    group.add(connector)
                else:
                    group.discard(connector)
            self._changed.notify_all()


class Connector:
    """The thread behind one connection."""

    def __init__(self, server: Torture, sock: socket.socket, connection: Connection) -> None:
        self._server = server
        self._sock = sock
        self._connection = connection
        self._buffer = b""
        self._unread: Seen | None = None

    def cut(self) -> None:
        """From another thread."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def run(self, context: ssl.SSLContext | None) -> None:
        """Until one side has had enough."""
        try:
            self._sock.settimeout(PATIENCE_S)
            if context is not None:
                self._handshake(context)
            for step in self._server.greeting:
                self._play(step)
            while True:
                self._serve()
        except (_Gone, OSError):
            pass
        finally:
            self._sock.close()
            self._server.mark(self, busy=False, is_open=False)

    def _handshake(self, context: ssl.SSLContext) -> None:
        try:
            self._sock = context.wrap_socket(self._sock, server_side=True)
        except OSError as error:
            self._connection.refused = str(getattr(error, "reason", None) or type(error).__name__)
            raise

    def _serve(self) -> None:
        self._server.mark(self, busy=False)
        while b"\r\n\r\n" not in self._buffer and len(self._buffer) < _MAX_HEAD_BYTES:
            try:
                self._receive()
            except (_Gone, OSError):
                if self._buffer:
                    self._connection.requests.append(Seen(self._buffer, whole=False, answered=False))
                raise
        self._server.mark(self, busy=True)
        head, end, self._buffer = self._buffer.partition(b"\r\n\r\n")
        request = Seen(head + end)
        self._connection.requests.append(request)
        answer = self._server.next_answer(request)
        early = bool(answer) and isinstance(answer[0], Early)
        self._unread = request if early else None
        if not early:
            self._read_body(request)
        for step in answer[early:]:
            self._play(step)
        if early:
            self._read_body(request)

    def _receive(self) -> None:
        data = self._sock.recv(1 << 16)
        if not data:
            raise _Gone
        self._buffer += data

    def _read_body(self, request: Seen) -> None:
        """As its head announces it; a body that stays silent for too long is what it is."""
        body = bytearray()
        self._sock.settimeout(BODY_WAIT_S)
        try:
            if "chunked" in (request.header("transfer-encoding") or "").lower():
                size = 1
                while size:
                    line = self._take_line(body)
                    size = int(line.split(b";")[0], 16)
                    self._take(body, size + 2)
            else:
                announced = (request.header("content-length") or "").strip()
                self._take(body, int(announced) if announced.isdecimal() else 0)
        except (TimeoutError, ValueError, _Gone):
            request.whole = False
            body, self._buffer = body + self._buffer, b""
        finally:
            request.body = bytes(body)
            self._sock.settimeout(PATIENCE_S)

    def _take_line(self, body: bytearray) -> bytes:
        while b"\n" not in self._buffer:
            self._receive()
        line, end, self._buffer = self._buffer.partition(b"\n")
        body += line + end
        return line

    def _take(self, body: bytearray, size: int) -> None:
        end = len(body) + size
        while True:
            part, self._buffer = self._buffer[: end - len(body)], self._buffer[end - len(body) :]
            body += part
            if len(body) == end:
                return
            self._receive()

    def _play(self, step: Step) -> None:
        match step:
            case bytes():
                self._sock.sendall(step)
            case Pieces(data, size):
                for at in range(0, len(data), size):
                    self._sock.sendall(data[at : at + size])
                    time.sleep(PAUSE_S)
            case Stall(seconds):
                self._stall(seconds)
            case Close():
                self._end_of_data()
            case Reset():
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                raise _Gone
            case Early():
                raise TypeError("Early() is a first step")

    def _stall(self, seconds: float) -> None:
        """What the client sends meanwhile is kept for later; only its end is news."""
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            if select.select([self._sock], [], [], left_s)[0]:
                self._receive()

    def _end_of_data(self) -> None:
        over_tls = isinstance(self._sock, ssl.SSLSocket)
        if isinstance(self._sock, ssl.SSLSocket):
            self._sock = self._unwrapped(self._sock)
        self._sock.shutdown(socket.SHUT_WR)
        self._server.mark(self, busy=False)
        late = self._buffer
        try:
            while data := self._sock.recv(1 << 16):
                late += data
        finally:
            if self._unread is not None:
                self._unread.body = late
            elif late and not over_tls:
                self._connection.requests.append(Seen(late, whole=False, answered=False))
        raise _Gone

    @staticmethod
    def _unwrapped(sock: ssl.SSLSocket) -> socket.socket:
        """Say that this was all, as TLS does, without waiting to hear the same."""
        sock.settimeout(0)
        with contextlib.suppress(OSError):
            sock.unwrap()
        plain = socket.socket(fileno=sock.detach())
        plain.settimeout(PATIENCE_S)
        return plain


@contextmanager
def run_torture(context: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[Torture]:
    """A server on a port of its own of the loopback address `host`; over TLS with a `context`."""
    server = Torture(context, host)
    try:
        yield server
    finally:
        server.stop()

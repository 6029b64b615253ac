"""Records what goes through urllib3, and so through requests, in one place: `HTTPConnectionPool._make_request`.

That is where exactly one request goes over one connection, after a connection was chosen and before anybody retries or
follows a redirect: one call, one hit, whoever asked. `sent` is decided where bytes are handed to the socket, the end
where http.client lets go of the body. Only a worker installs this; nothing here runs under plain unittest.

_make_request is urllib3's own business and might move; the tests hold us to every urllib3 we allow.
"""

from __future__ import annotations

import functools
import http.client
import io
import select
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import urllib3.connection
import urllib3.connectionpool

from loads.client.kinds import BEFORE_THE_WIRE, ErrorKind, kind_of
from loads.client.user import hit_name, running
from loads.metrics.summary import SeriesKey

if TYPE_CHECKING:
    from loads.client.recorder import Recorder
    from loads.client.user import VirtualUser

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_open: Final[set[Hit]] = set()


class Hit:
    """One request on its way: started, perhaps sent, answered or failed, and ended with its body."""

    __slots__ = (
        "_answered",
        "_closed_ns",
        "_error",
        "_key",
        "_recorder",
        "_start_ns",
        "_status",
        "bytes_received",
        "bytes_sent",
        "was_sent",
    )

    def __init__(self, recorder: Recorder, key: SeriesKey) -> None:
        self._recorder = recorder
        self._key = key
        self._status: int | None = None
        self._error: ErrorKind | None = None
        self._answered = False
        self._closed_ns: int | None = None
        self.was_sent = False
        self.bytes_sent = 0
        self.bytes_received = 0
        self._start_ns = time.monotonic_ns()
        _open.add(self)

    def sending(self) -> None:
        """Bytes of it are about to be handed to the socket."""
        if not self.was_sent:
            self.was_sent = True
            self._recorder.sending()

    def broken(self, error: ErrorKind) -> None:
        """Its connection failed while the answer was read; the first reason counts."""
        if self._error is None:
            self._error = error

    def answered(self, status: int) -> None:
        """The head of the answer is here; the hit ends with the body."""
        self._answered = True
        self._status = status
        if self._closed_ns is not None:
            self._record(self._closed_ns)

    def failed(self, error: BaseException) -> None:
        """No answer came."""
        self._error = kind_of(error, sent=self.was_sent) if self._error is None else self._error
        self._record(time.monotonic_ns())

    def closed(self) -> None:
        """The body was read to its end, or given up."""
        if self._closed_ns is None:
            self._closed_ns = time.monotonic_ns()
            if self._answered:
                self._record(self._closed_ns)

    def forget(self) -> None:
        """It was no request after all."""
        _open.discard(self)

    def _record(self, end_ns: int) -> None:
        if self not in _open:
            return
        _open.discard(self)
        if not self.was_sent and self._error not in BEFORE_THE_WIRE and self._error is not ErrorKind.INTERRUPTED:
            self._error = ErrorKind.CONNECT
        service_us = (end_ns - self._start_ns) // 1_000
        self._recorder.hit(
            self._key, service_us, self._status, self._error, self.was_sent, self.bytes_sent, self.bytes_received
        )


class _Wire(io.RawIOBase):
    """The receiving side of a socket: counts bytes and notices how it breaks."""

    def __init__(self, inner: Any, hit: Hit) -> None:
        self._inner = inner
        self._hit = hit
        self.at_end = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        try:
            count: int | None = self._inner.readinto(buffer)
        except BaseException as error:
            self._hit.broken(kind_of(error, sent=True))
            raise
        if count:
            self._hit.bytes_received += count
        elif count == 0:
            self.at_end = True
        return count

    def fileno(self) -> int:
        return int(self._inner.fileno())

    def close(self) -> None:
        if not self.closed:
            self._inner.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """http.client's response, which tells its hit when the body is over."""

    def __init__(self, hit: Hit, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._loads_hit = hit
        self._loads_wire = _Wire(self.fp.detach(), hit)
        self.fp = io.BufferedReader(self._loads_wire)

    def _close_conn(self) -> None:
        super()._close_conn()  # type: ignore[misc]
        missing = self.chunked is True or (isinstance(self.length, int) and self.length > 0)
        if missing and self._loads_wire.at_end:
            self._loads_hit.broken(ErrorKind.INCOMPLETE)
        self._loads_hit.closed()


def install(fallback: VirtualUser, unpatched_poll: Callable[[], Any] | None = None) -> None:
    """Record every request that this process makes through urllib3, from now on. Call once per process.

    Requests of greenlets that work for no virtual user count for `fallback`. `unpatched_poll` is the system's
    `select.poll`, where it was replaced by one that goes through an event loop.
    """
    pools: Any = urllib3.connectionpool.HTTPConnectionPool
    connections: Any = urllib3.connection.HTTPConnection
    tunnels: Any = urllib3.connectionpool.HTTPSConnectionPool
    make_request, prepare_proxy = pools._make_request, tunnels._prepare_proxy
    send, tunnel = connections.send, connections._tunnel

    @functools.wraps(make_request)
    def recorded(pool: Any, conn: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        user = running() or fallback
        if user.recorder is None:
            return make_request(pool, conn, method, url, *args, **kwargs)
        hit = Hit(user.recorder, _series_key(user.scenario, method, pool, url))
        conn._loads_hit = hit
        conn.response_class = functools.partial(_Response, hit)
        try:
            response = make_request(pool, conn, method, url, *args, **kwargs)
        except BaseException as error:
            hit.failed(error)
            raise
        finally:
            conn._loads_hit = None
        hit.answered(response.status)
        return response

    def recorded_proxy(pool: Any, conn: Any) -> None:
        """urllib3 opens a tunnel before it makes the request: one that can't be opened is a hit that was not sent."""
        user = running() or fallback
        if user.recorder is None:
            prepare_proxy(pool, conn)
            return
        hit = Hit(user.recorder, _series_key(user.scenario, "CONNECT", pool, "/"))
        try:
            prepare_proxy(pool, conn)
        except BaseException as error:
            hit.failed(error)
            raise
        hit.forget()

    def counted_send(conn: Any, data: Any) -> None:
        hit: Hit | None = conn._loads_hit
        if hit is None:
            send(conn, data)
            return
        if conn.sock is None and conn.auto_open:
            conn.connect()
        hit.sending()
        send(conn, data)
        hit.bytes_sent += len(data) if isinstance(data, (bytes, bytearray)) else memoryview(data).nbytes

    def uncounted_tunnel(conn: Any) -> None:
        """A CONNECT to a proxy is no part of the request."""
        hit, conn._loads_hit = conn._loads_hit, None
        try:
            tunnel(conn)
        finally:
            conn._loads_hit = hit

    module: Any = urllib3.connection
    wait_for_read = module.wait_for_read

    def quick_wait_for_read(sock: Any, timeout: float | None = None) -> bool:
        """Whether a kept connection was closed needs no wait, so it needs no event loop either."""
        if timeout != 0.0 or unpatched_poll is None:
            return bool(wait_for_read(sock, timeout))
        poll = unpatched_poll()
        poll.register(sock.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    module.wait_for_read = quick_wait_for_read
    connections._loads_hit = None
    connections.send = counted_send
    connections._tunnel = uncounted_tunnel
    pools._make_request, tunnels._prepare_proxy = recorded, recorded_proxy


def close_open_hits() -> None:
    """Count requests whose answers nobody read to the end, before the last summary leaves the worker."""
    for hit in list(_open):
        hit.broken(ErrorKind.INTERRUPTED)
        hit.answered(0)
        hit.closed()


def _series_key(scenario: str, method: str, pool: Any, url: str) -> SeriesKey:
    name = hit_name.get()
    if name is not None:
        return SeriesKey(scenario, method, name, True)
    path = url.partition("?")[0].partition("#")[0]
    if not path.startswith("/"):
        parts = urlsplit(path)
        return SeriesKey(scenario, method, f"{parts.scheme}://{parts.netloc}{parts.path}")
    host = f"[{pool.host}]" if ":" in pool.host else pool.host
    port = "" if pool.port in (None, _DEFAULT_PORTS.get(pool.scheme)) else f":{pool.port}"
    return SeriesKey(scenario, method, f"{pool.scheme}://{host}{port}{path}")

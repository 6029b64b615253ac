"""One connection: bytes out, bytes in, and waiting without holding anybody up.

Sockets here are the system's own, not gevent's: a request costs one send, one wait in gevent's loop and one receive.
The watcher of a connection is made once. Nobody sets a timer for a wait: it leaves a deadline, and one `Sweeper` for
all connections looks for those that have passed. What is received lands in one buffer that all share, for nobody else
runs between receiving and taking it out.

Knows nothing of HTTP. `dialer` makes connections, `exchange` uses them.
"""

from __future__ import annotations

import ssl
from _socket import MSG_DONTWAIT, MSG_PEEK
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

from gevent import get_hub
from gevent.hub import Hub
from greenlet import getcurrent, greenlet

from loads.client.clock import monotonic_ns
from loads.client.origin import LOOK_AFTER_NS

if TYPE_CHECKING:
    import _socket

    from loads.client.origin import Origin

NS_PER_S: Final = 1_000_000_000
READ: Final = 1
WRITE: Final = 2
_FOREVER_NS: Final = 1 << 62
_BUFFER_BYTES: Final = 256 * 1024
_RECORD_BYTES: Final = 16 * 1024
"""The most plain text that TLS seals at once."""

_switch: Final = greenlet.switch
"""Without gevent's own around it, which tells those who are switched out, and nobody here asks."""

_NOTICED: Final = -1
"""Idle since: an end, or bytes that nobody asked for, came meanwhile."""


class Sweeper:
    """What the connections of one event loop share: the buffer that they receive into, and the end of their waits.

    One timer ends all waits whose deadline has passed.

    It looks through all connections when the earliest deadline is there, and now and then anyhow: most waits end by
    themselves, long before, and never cost more than a comparison.
    """

    _MOST_NS: Final = NS_PER_S // 2
    _LEAST_NS: Final = 1_000_000

    def __init__(self, hub: Hub) -> None:
        self.buffer = bytearray(_BUFFER_BYTES)
        self.view = memoryview(self.buffer)
        self.sealed_room = self.view[: _BUFFER_BYTES - 2 * _RECORD_BYTES]
        """For what comes sealed: all of it, and the record before that had only begun, has room when it is plain."""
        self.connections: set[Connection] = set()
        self.next_ns = _FOREVER_NS
        self._hub = hub
        self._timer: Any = None

    def __repr__(self) -> str:
        return f"<Sweeper connections={len(self.connections)}>"

    def join(self, connection: Connection) -> None:
        """Look after `connection` until it leaves."""
        self.connections.add(connection)
        if self._timer is None:
            self.look_at(monotonic_ns() + self._MOST_NS)

    def leave(self, connection: Connection) -> None:
        """It was closed."""
        self.connections.discard(connection)

    def look_at(self, at_ns: int) -> None:
        """Look next at `at_ns`."""
        self._end()
        self.next_ns = at_ns
        after_s = max(self._LEAST_NS, at_ns - monotonic_ns()) / NS_PER_S
        self._timer = self._hub.loop.timer(after_s, ref=False)
        self._timer.start(self._sweep)

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None
            self.next_ns = _FOREVER_NS

    def _sweep(self) -> None:
        """Runs in the hub, so nobody's wait can end meanwhile, except by this."""
        now_ns = monotonic_ns()
        for connection in [each for each in self.connections if each.deadline_ns <= now_ns]:
            if connection.deadline_ns <= now_ns:
                connection.deadline_ns = _FOREVER_NS
                connection.waiting.throw(TimeoutError("timed out"))
        self._end()
        if self.connections:
            self.look_at(min(now_ns + self._MOST_NS, *(each.deadline_ns for each in self.connections)))


def sweeper_of(hub: Hub) -> Sweeper:
    """The one sweeper of `hub`."""
    found: Sweeper | None = getattr(hub, "loads_sweeper", None)
    if found is None:
        found = hub.loads_sweeper = Sweeper(hub)
    return found


class Connection:
    """A socket to `origin`, with TLS if that is what it speaks. For one greenlet at a time.

    Attributes:
        deadline_ns: when the wait that is going on is over; far away while nobody waits.
        head_bytes: of the answer before; the next one's head is mostly as long.
        idle_ns: since when it has been idle.
        opened: how long opening it took (see `dialer`); the first exchange takes it.
        timeout_ns: of the exchange that is going on.
    """

    __slots__ = (
        "_ciphertext",
        "_is_over",
        "_reader",
        "_sock",
        "_tls",
        "_to_send",
        "_writer",
        "buffer",
        "deadline_ns",
        "head_bytes",
        "hub",
        "idle_ns",
        "opened",
        "origin",
        "receive_into",
        "send_some",
        "sweeper",
        "timeout_ns",
        "view",
        "waiting",
    )

    def __init__(self, origin: Origin, sock: _socket.socket) -> None:
        self.origin = origin
        self.hub = get_hub()
        self.sweeper = sweeper_of(self.hub)
        self.buffer, self.view = self.sweeper.buffer, self.sweeper.view
        self.waiting: Any = None
        self.deadline_ns = _FOREVER_NS
        self.idle_ns = 0
        self.head_bytes = 0
        self.opened: Any = None
        self.timeout_ns = _FOREVER_NS
        self._sock: _socket.socket | None = sock
        self._reader = self.hub.loop.io(sock.fileno(), READ)
        self._writer: Any = None
        self._tls: ssl.SSLObject | None = None
        self._is_over = False
        """TLS said farewell, though the socket may be open."""
        self._ciphertext: ssl.MemoryBIO
        self._to_send: ssl.MemoryBIO
        self.send_some: Callable[[Any], int] = sock.send
        self.receive_into: Callable[[Any], int] = sock.recv_into
        self.sweeper.join(self)

    def __repr__(self) -> str:
        state = "closed" if self._sock is None else "waiting" if self.deadline_ns < _FOREVER_NS else "open"
        return f"<Connection {self.origin} {state}{' tls' if self._tls else ''}>"

    @property
    def is_closed(self) -> bool:
        """`close` was called."""
        return self._sock is None

    def close(self) -> None:
        """Let go of the socket. May be called again, and from another thread, which leaves it to its own."""
        if get_hub() is not self.hub:
            self.hub.loop.run_callback_threadsafe(self.close)
            return
        sock, self._sock = self._sock, None
        if sock is not None:
            self.sweeper.leave(self)
            for watcher in (self._reader, self._writer):
                if watcher is not None:
                    watcher.stop()
                    watcher.close()
            self._tls = None
            sock.close()

    def wait(self, deadline_ns: int) -> None:
        """Until there is something to receive.

        Raises:
            TimeoutError: nothing came until then.
        """
        reader = self._reader
        self.waiting = me = getcurrent()
        self.deadline_ns = deadline_ns
        if deadline_ns < self.sweeper.next_ns:
            self.sweeper.look_at(deadline_ns)
        reader.start(me.switch)
        try:
            _switch(self.hub)
        finally:
            self.deadline_ns = _FOREVER_NS
            reader.callback = self._notice

    def _notice(self) -> None:
        """Something came that nobody waits for."""
        self._reader.stop()
        if monotonic_ns() - self.idle_ns <= LOOK_AFTER_NS:
            self.origin.found(alive=False, idle_ns=0)
        self.idle_ns = _NOTICED

    def wait_to_send(self, deadline_ns: int) -> None:
        """Until there is room for more, or (at first) until the connection stands.

        Raises:
            TimeoutError: there was none until then.
        """
        if self._writer is None:
            assert self._sock is not None
            self._writer = self.hub.loop.io(self._sock.fileno(), WRITE)
        self.waiting = me = getcurrent()
        self.deadline_ns = deadline_ns
        if deadline_ns < self.sweeper.next_ns:
            self.sweeper.look_at(deadline_ns)
        self._writer.start(me.switch)
        try:
            _switch(self.hub)
        finally:
            self.deadline_ns = _FOREVER_NS
            self._writer.stop()

    def send(self, data: Any, timeout_ns: int) -> None:
        """Hand all of `data` to the socket; each wait for room may take `timeout_ns`."""
        if self._tls is not None:
            self._tls.write(data)
            data = self._to_send.read()
        self.send_plain(data, timeout_ns)

    def send_plain(self, data: Any, timeout_ns: int) -> None:
        """Hand `data` to the socket as it is. With TLS that is for what is sealed already."""
        assert self._sock is not None
        send = self._sock.send
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[send(rest) :]
            except BlockingIOError:
                self.wait_to_send(monotonic_ns() + timeout_ns)

    def receive(self, deadline_ns: int) -> int:
        """Wait, and receive into `buffer`: how many bytes; 0: the other side has closed."""
        while not self._is_over:
            self.wait(deadline_ns)
            try:
                return self.receive_into(self.buffer)
            except BlockingIOError:
                pass
        return 0

    def is_alive(self, now_ns: int) -> bool:
        """Whether this idle connection can be used again."""
        if self.idle_ns == _NOTICED:
            return False
        idle_ns = now_ns - self.idle_ns
        if idle_ns <= self.origin.look_after_ns:
            return True
        alive = self._looks_alive()
        self.origin.found(alive=alive, idle_ns=idle_ns)
        return alive

    def _looks_alive(self) -> bool:
        """Nothing to read is a good sign. What there is, is an end, or something that nobody asked for."""
        assert self._sock is not None
        try:
            while self._sock.recv(1, MSG_PEEK | MSG_DONTWAIT):
                if self._tls is None or not self._takes_tickets():
                    return False
        except BlockingIOError:
            return not self._is_over
        except OSError:
            pass
        return False

    def _takes_tickets(self) -> bool:
        """Whether what is there is between the two ends of TLS alone."""
        try:
            self.receive_into(self.buffer)
        except BlockingIOError:
            return True
        return False

    def start_tls(self, context: ssl.SSLContext, hostname: str, timeout_ns: int) -> None:
        """Shake hands as a client.

        Raises:
            ssl.SSLError: the other side can't be trusted, or doesn't speak TLS.
            TimeoutError, OSError: of the socket.
        """
        self._ciphertext, self._to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(self._ciphertext, self._to_send, server_hostname=hostname)
        assert self._sock is not None
        receive = self._sock.recv_into
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                pass
            finally:
                if self._to_send.pending:
                    self._send_quietly(timeout_ns)
            self.wait(monotonic_ns() + timeout_ns)
            try:
                count = receive(self.buffer)
            except BlockingIOError:
                continue
            if count:
                self._ciphertext.write(self.view[:count])
            else:
                self._ciphertext.write_eof()
        if self._to_send.pending:
            self.send_plain(self._to_send.read(), timeout_ns)
        self._tls = tls
        self.send_some, self.receive_into = self._send_sealed, self._receive_sealed

    def _send_quietly(self, timeout_ns: int) -> None:
        """What TLS has to say by itself; an alert that nobody listens to any more is no news."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.send_plain(self._to_send.read(), timeout_ns)

    def _send_sealed(self, data: bytes) -> int:
        """As the socket's send, but all of `data` is taken: what there is no room for now is sent by and by."""
        assert self._tls is not None
        assert self._sock is not None
        self._tls.write(data)
        sealed = self._to_send.read()
        try:
            sent = self._sock.send(sealed)
        except BlockingIOError:
            sent = 0
        if sent < len(sealed):
            self.send_plain(memoryview(sealed)[sent:], self.timeout_ns)
        return len(data)

    def _receive_sealed(self, target: Any) -> int:
        """As the socket's recv_into: BlockingIOError while there is no whole record."""
        assert self._sock is not None
        try:
            count = self._sock.recv_into(self.sweeper.sealed_room)
        except BlockingIOError:
            count = -1
        if count > 0:
            self._ciphertext.write(self.view[:count])
        elif count == 0:
            self._ciphertext.write_eof()
        try:
            return self._unseal()
        finally:
            if self._to_send.pending:
                self._send_quietly(self.timeout_ns)

    def _unseal(self) -> int:
        """All whole records that are here, so that nobody waits for what has come already."""
        assert self._tls is not None
        read, ciphertext = self._tls.read, self._ciphertext
        total = 0
        try:
            while True:
                count = cast(int, read(_BUFFER_BYTES - total, self.view[total:]))
                total += count
                if not count:
                    self._is_over = True
                if not count or not ciphertext.pending:
                    break
        except ssl.SSLWantReadError:
            if not total:
                raise BlockingIOError from None
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            self._is_over = True
        except ssl.SSLError:
            if not total:
                raise
        return total

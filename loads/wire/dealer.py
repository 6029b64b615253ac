"""A peer's one connection to the broker, for agents and runners: made, watched, and made again.

A DEALER on asyncio's loop, without zmq.asyncio. A turn reads until nothing is left, or until its slice of time is over
and the others of the loop have theirs. It says Hello by itself on each new connection. It keeps nothing for later: what
can't be sent now is not sent, and who cares says it again.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

import zmq

from loads.errors import LoadsError, ProtocolError, UsageError
from loads.wire.cluster import FromBroker, Hello, Role, ToBroker, WhoAreYou
from loads.wire.codec import MAX_ANSWER_BYTES, MAX_MESSAGE_BYTES, SEAL_BYTES, decode_from_broker, encode
from loads.wire.endpoint import Endpoint, check_directory
from loads.wire.handshake import FAILURES, why_not
from loads.wire.messages import PROTOCOL
from loads.wire.monitor import SILENT_MS, descriptor_of, events_of, open_monitor, readiness_of

SLICE_S: Final = 0.005
"""So long a turn lasts at the most, but for its last message."""
AGAIN_S: Final = 1.0
"""After a broker said what is not in the protocol it is left alone for this long."""
CLOSING_S: Final = 1.0

_OPTIONS: Final = (
    (zmq.SocketOption.IMMEDIATE, 1),
    (zmq.SocketOption.LINGER, 0),
    (zmq.SocketOption.SNDHWM, 16),
    (zmq.SocketOption.RCVHWM, 64),
    (zmq.SocketOption.MAXMSGSIZE, MAX_ANSWER_BYTES),
    (zmq.SocketOption.CONNECT_TIMEOUT, 5_000),
    (zmq.SocketOption.HANDSHAKE_IVL, 5_000),
    (zmq.SocketOption.RECONNECT_IVL, 100),
    (zmq.SocketOption.RECONNECT_IVL_MAX, 1_000),
    (zmq.SocketOption.TCP_MAXRT, SILENT_MS),
    (zmq.SocketOption.TCP_KEEPALIVE, 1),
    (zmq.SocketOption.TCP_KEEPALIVE_IDLE, 30),
    (zmq.SocketOption.TCP_KEEPALIVE_INTVL, 10),
    (zmq.SocketOption.TCP_KEEPALIVE_CNT, 3),
)
_EVENTS: Final = zmq.Event.CONNECTED | zmq.Event.HANDSHAKE_SUCCEEDED | zmq.Event.DISCONNECTED | FAILURES


class _Line:
    """A ZeroMQ socket that connects to the endpoint, and the monitor of it."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(1)
        self.socket = self.context.socket(zmq.SocketType.DEALER)
        for option, value in _OPTIONS:
            self.socket.setsockopt(option, value)
        self.socket.setsockopt(zmq.SocketOption.IPV6, int(endpoint.is_ipv6))
        if endpoint.keys is not None and not endpoint.is_local:
            self.socket.setsockopt(zmq.SocketOption.MAXMSGSIZE, MAX_ANSWER_BYTES + SEAL_BYTES)
            self.socket.setsockopt(zmq.SocketOption.CURVE_SERVERKEY, endpoint.keys.broker)
            self.socket.setsockopt(zmq.SocketOption.CURVE_PUBLICKEY, endpoint.keys.pair.public)
            self.socket.setsockopt(zmq.SocketOption.CURVE_SECRETKEY, endpoint.keys.pair.secret)
        self.monitor = open_monitor(self.context, self.socket, _EVENTS)
        self.descriptors = (descriptor_of(self.socket), descriptor_of(self.monitor))
        try:
            self.socket.connect(endpoint.url)
        except zmq.ZMQError as error:
            self.let_go(0)
            self.context.term()
            raise UsageError(f"can't connect to {endpoint}: {error}", "look at the address") from None

    def let_go(self, linger_ms: int) -> None:
        self.socket.disable_monitor()
        self.monitor.close(0)
        self.socket.close(linger_ms)

    async def ended(self, limit_s: float) -> bool:
        """Whether the I/O thread got through in time; else it is left to itself.

        In a thread of its own that nobody waits for: a name that is being looked up holds it for many seconds.
        """
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def end() -> None:
            self.context.term()
            if not loop.is_closed():
                loop.call_soon_threadsafe(done.set)

        threading.Thread(target=end, name="dealer's end", daemon=True).start()
        try:
            await asyncio.wait_for(done.wait(), limit_s)
        except TimeoutError:
            return False
        return True


class Dealer:
    """A connection to the broker; `async with` opens and ends it.

    Args:
        heard: each message of the broker, once said Hello to.
        changed: True: connected, and Hello is said; False: not any more.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        role: Role,
        version: str,
        heard: Callable[[FromBroker], None],
        changed: Callable[[bool], None],
    ) -> None:
        self._endpoint, self._role, self._version = endpoint, role, version
        self._heard, self._changed = heard, changed
        self._line: _Line | None = None
        self._old: set[asyncio.Task[bool]] = set()
        self._again: asyncio.TimerHandle | None = None
        self._news: list[tuple[int, int]] = []
        self._hello = b""
        self._fd = -1
        self._scheduled = self._in_turn = False
        self._sent = self._unsent = self._received = self._connections = 0
        self.connected = False
        self.trouble: LoadsError | None = None
        """Why there was no connection the last time that there was a reason to be had. None again once there is one.

        A `UsageError` is one that goes away only when somebody does something.
        """

    def __repr__(self) -> str:
        state = "connected" if self.connected else "closed" if self._is_closed else "connecting"
        told = f"sent={self._sent} unsent={self._unsent} heard={self._received} connections={self._connections}"
        trouble = f" trouble={self.trouble.message!r}" if self.trouble is not None else ""
        return f"<Dealer {self._role.value} to {self._endpoint} {state} {told}{trouble}>"

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        if self._endpoint.path is not None:
            check_directory(self._endpoint.path.parent)
        self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None
        line = self._detach()
        if line is not None:
            line.let_go(0)
            await line.ended(CLOSING_S)
        if self._old:
            await asyncio.wait(self._old)

    def send(self, message: ToBroker | bytes) -> bool:
        """Say `message` (or what `encode` made of it); False: not connected or the way is full, and it is not said.

        True is no promise that it arrives.

        Raises:
            ProtocolError: the message is larger than the broker would take.
        """
        body = message if isinstance(message, bytes) else encode(message)
        if len(body) > MAX_MESSAGE_BYTES:
            raise ProtocolError(f"a message of {len(body):,} bytes is too large to send")
        if not self.connected or not self._put(body):
            self._unsent += 1
            return False
        self._sent += 1
        return True

    async def flush(self, timeout_s: float) -> bool:
        """Last words: whether all that was sent reached the other machine in time.

        Nothing can be said or heard after; `changed` is not told.
        """
        line, connected, end_s = self._line, self.connected, time.monotonic() + timeout_s
        if line is None:
            return False
        # ZeroMQ closes the connection once it has written all; that would throw away what the kernel has not sent yet
        # if there is something unread. A double of the descriptor holds it open.
        double = self._double() if connected else None
        self._detach()
        line.let_go(max(0, round(timeout_s * 1_000)))
        try:
            written = await line.ended(timeout_s + CLOSING_S)
            if double is None:
                return False
            return written and await _until_closed(double, end_s - time.monotonic())
        finally:
            if double is not None:
                double.close()

    # The connection.

    @property
    def _is_closed(self) -> bool:
        return self._line is None and self._again is None

    def _open(self) -> None:
        self._again = None
        self._line = _Line(self._endpoint)
        for descriptor in self._line.descriptors:
            self._loop.add_reader(descriptor, self._turn)
        self._schedule()

    def _detach(self) -> _Line | None:
        """From now on the line is not looked at."""
        line, self._line = self._line, None
        self.connected = False
        self._fd = -1
        self._news.clear()
        if line is not None:
            for descriptor in line.descriptors:
                self._loop.remove_reader(descriptor)
        return line

    def _drop(self, error: LoadsError) -> None:
        """There is no speaking with it: leave, and come again later."""
        self.trouble = error
        was_connected = self.connected
        line = self._detach()
        assert line is not None
        line.let_go(0)
        ending = self._loop.create_task(line.ended(CLOSING_S))
        self._old.add(ending)
        ending.add_done_callback(self._old.discard)
        self._again = self._loop.call_later(AGAIN_S, self._open)
        if was_connected:
            self._changed(False)

    def _greet(self) -> None:
        """A connection is made: it is this peer's once Hello is said."""
        hello = Hello(protocol=PROTOCOL, version=self._version, role=self._role, session=secrets.randbits(64))
        self._hello = encode(hello)
        self._connections += 1
        if any(event == zmq.Event.DISCONNECTED for event, _ in self._news):
            return  # and gone again
        if not self._put(self._hello):
            self._drop(ProtocolError("the connection was gone before a word was said"))
            return
        self.connected = True
        self._changed(True)

    def _fail(self, event: int) -> None:
        """The handshake did not come to its end. ZeroMQ itself tries again only where nobody said no."""
        trouble = why_not(event, self._endpoint)
        if event == zmq.Event.HANDSHAKE_FAILED_NO_DETAIL:
            if not isinstance(self.trouble, UsageError):  # which says more; it depends on who hangs up first
                self.trouble = trouble
        else:
            self._drop(trouble)

    def _double(self) -> socket.socket | None:
        try:
            return socket.socket(fileno=os.dup(self._fd))
        except OSError:
            return None

    # Reading and writing.

    def _put(self, body: bytes) -> bool:
        line = self._line
        if line is None:
            return False
        # Looking first takes in what the I/O thread told: a connection that is ready, room that was made.
        if not readiness_of(line.socket) & zmq.PollEvent.POLLOUT:
            sent = False
        else:
            try:
                line.socket.send(body, zmq.Flag.NOBLOCK)
                sent = True
            except zmq.Again:
                sent = False
        if not self._in_turn and readiness_of(line.socket) & zmq.PollEvent.POLLIN:
            self._schedule()  # sending takes the wake-up that was meant for reading
        return sent

    def _schedule(self) -> None:
        if not self._scheduled and self._line is not None:
            self._scheduled = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Read until nothing is left, or the slice is over. Goes on later even if what hears it raises.

        What the monitor told is acted upon once the socket was found empty after it. So all of an old connection is
        read before the next one begins, and nothing of the old is taken for an answer to the new one's Hello.
        """
        self._scheduled = False
        line = self._line
        if line is None:
            return
        self._in_turn = True
        is_done = False
        try:
            self._news += events_of(line.monitor)
            if self._read_all(line, time.monotonic() + SLICE_S):
                while self._news and self._line is line:
                    self._note(*self._news.pop(0))
                is_done = True
        finally:
            self._in_turn = False
            if not is_done or (self._line is not None and readiness_of(self._line.socket) & zmq.PollEvent.POLLIN):
                self._schedule()

    def _read_all(self, line: _Line, until_s: float) -> bool:
        """Whether nothing is left."""
        while self._line is line:
            try:
                frame = line.socket.recv(zmq.Flag.NOBLOCK, copy=False)
            except zmq.Again:
                return True
            self._take(frame)
            if time.monotonic() > until_s:
                return False
        return False

    def _take(self, frame: zmq.Frame) -> None:
        if not self.connected:
            return
        try:
            if frame.more:
                raise ProtocolError("a message of more than one frame")
            message = decode_from_broker(frame.buffer)
        except ProtocolError as error:
            self._drop(error)
            return
        self._received += 1
        self.trouble = None
        if isinstance(message, WhoAreYou):
            self._put(self._hello)  # if there is no room, it will ask again
        self._heard(message)

    def _note(self, event: int, value: int) -> None:
        if event == zmq.Event.CONNECTED:
            self._fd = value
        elif event == zmq.Event.HANDSHAKE_SUCCEEDED:
            self._greet()
        elif event & FAILURES:
            self._fail(event)
        elif self.connected:
            self.connected = False
            self._changed(False)


async def _until_closed(double: socket.socket, limit_s: float) -> bool:
    """Say that nothing follows, and wait until the other side has read that, too."""
    loop = asyncio.get_running_loop()
    double.setblocking(False)
    try:
        double.shutdown(socket.SHUT_WR)
        async with asyncio.timeout(limit_s):
            while await loop.sock_recv(double, 65_536):
                pass
    except (OSError, TimeoutError):
        return False
    return True

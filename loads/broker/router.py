"""The broker's one socket: what peers say comes in, answers go out, and who vanishes is told in milliseconds.

A ROUTER on asyncio's loop, without zmq.asyncio. A turn reads until nothing is left, or until its slice of time is over
and the others of the loop have theirs. Nothing here blocks, nothing is raised because of a peer, and what waits for one
is bounded: a few messages each way, each of a bounded size.

Knows frames and connections, not what messages mean. `connections` knows whose message it is.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import zmq

from loads.broker.connections import UNCLEAR, Connection, Connections
from loads.broker.doorman import Caller, Doorman, caller_of
from loads.errors import LoadsError, ProtocolError
from loads.wire.cluster import FromBroker, ToBroker
from loads.wire.codec import MAX_MESSAGE_BYTES, decode_to_broker, encode
from loads.wire.endpoint import Endpoint, secure_directory
from loads.wire.handshake import FAILURES
from loads.wire.keys import KeyPair
from loads.wire.monitor import SILENT_MS, descriptor_of, events_of, open_monitor, readiness_of

SLICE_S: Final = 0.005
"""So long a turn lasts at the most, but for its last message."""
LEAVING_S: Final = 0.05
"""What a peer that is gone said before is heard first; but if the socket is never found empty, no longer than this."""
SILENCE_S: Final = 3.0
"""A peer's first word comes with its connection. Who says none for this long, and at most twice as long, is no peer of
ours. A browser is one: what it says passes for the ZeroMQ of 2011."""

_OPTIONS: Final = (
    (zmq.SocketOption.LINGER, 0),
    (zmq.SocketOption.ROUTER_MANDATORY, 1),
    (zmq.SocketOption.SNDHWM, 32),
    (zmq.SocketOption.RCVHWM, 16),
    (zmq.SocketOption.MAXMSGSIZE, MAX_MESSAGE_BYTES),
    (zmq.SocketOption.HANDSHAKE_IVL, 3_000),
    (zmq.SocketOption.BACKLOG, 512),
    (zmq.SocketOption.TCP_MAXRT, SILENT_MS),
    (zmq.SocketOption.TCP_KEEPALIVE, 1),
    (zmq.SocketOption.TCP_KEEPALIVE_IDLE, 30),
    (zmq.SocketOption.TCP_KEEPALIVE_INTVL, 10),
    (zmq.SocketOption.TCP_KEEPALIVE_CNT, 3),
)
_EVENTS: Final = zmq.Event.ACCEPTED | zmq.Event.DISCONNECTED | (FAILURES & ~zmq.Event.HANDSHAKE_FAILED_AUTH)
_UNREACHABLE: Final = (errno.EAGAIN, errno.EHOSTUNREACH)
_GIVEN_ID_BYTES: Final = 5
"""Routing ids that the socket gives have these many, the first of them 0."""


class Router:
    """The broker's socket; made within a running loop.

    Args:
        met: a peer that was not known is about to be heard, and who it is.
        heard: a peer's message, and the bytes that it came in. A peer is its routing id, new for each connection.
        gone: its connection ended; told once for each peer that was heard.
        broken: it said what is not in the protocol, and its connection is cut. `gone` follows.
        turned_away: somebody was not let in: his public key, and where he is; or what came of a handshake without one.
        admits: whether a public key may come in.
    """

    def __init__(
        self,
        met: Callable[[bytes, Caller], None],
        heard: Callable[[bytes, ToBroker, bytes], None],
        gone: Callable[[bytes], None],
        broken: Callable[[bytes, ProtocolError], None],
        turned_away: Callable[[bytes | None, str], None],
        admits: Callable[[bytes], bool],
    ) -> None:
        self._met, self._heard, self._gone, self._broken = met, heard, gone, broken
        self._turned_away, self._admits = turned_away, admits
        self._doorman: Doorman | None = None
        self._connections = Connections()
        self._loop = asyncio.get_running_loop()
        self._files: list[tuple[Path, int]] = []
        self._endpoints: list[Endpoint] = []
        self._messages = 0
        self._scheduled = self._in_turn = self._skipping = self._closed = False
        self._leaving_since_s: float | None = None
        # One I/O thread: the order that `connections` counts on is the order of one.
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(1)
        self._socket = self._context.socket(zmq.SocketType.ROUTER)
        for option, value in _OPTIONS:
            self._socket.setsockopt(option, value)
        self._monitor = open_monitor(self._context, self._socket, _EVENTS)
        for end in (self._socket, self._monitor):
            self._loop.add_reader(descriptor_of(end), self._turn)
        self._sweeper = self._loop.call_later(SILENCE_S, self._sweep)

    def __repr__(self) -> str:
        at = " ".join(str(endpoint) for endpoint in self._endpoints) or "nowhere"
        state = "closed" if self._closed else f"connections={self._connections.open} messages={self._messages}"
        return f"<Router at {at} {state}>"

    def bind(self, endpoint: Endpoint, pair: KeyPair | None = None) -> None:
        """Listen there, too; with a `pair` only for peers that have a key that is admitted, and can know this one.

        What asks for no keys comes first: once one address does, all that follow do.

        Raises:
            LoadsError: somebody listens there, or nobody can.
        """
        if pair is not None:
            if self._doorman is None:
                self._doorman = Doorman(self._context, self._admits, self._turned_away)
            self._doorman.guard(self._socket, pair)
        elif self._doorman is not None:
            raise ValueError(f"{endpoint} would ask for keys: bind it before")
        if endpoint.path is None:
            self._listen(endpoint)
        else:
            self._listen_at(endpoint, endpoint.path)
        self._endpoints.append(endpoint)

    def send(self, peer: bytes, message: FromBroker | bytes) -> bool:
        """Say `message` (or what `encode` made of it) to `peer`; False: it is gone, or does not keep up.

        Raises:
            ProtocolError: the message is larger than any peer would take.
        """
        body = message if isinstance(message, bytes) else encode(message)
        if self._closed:
            return False
        sent = self._try(peer, body)
        if not self._in_turn and readiness_of(self._socket) & zmq.PollEvent.POLLIN:
            self._schedule()  # sending takes the wake-up that was meant for reading
        return sent

    def kick(self, peer: bytes) -> None:
        """Cut the connection of `peer`: nothing of it is heard any more, and `gone` follows."""
        connection = self._connections.of(peer)
        if connection is not None and not self._closed:
            self._cut(connection)

    def close(self) -> None:
        """Let go of all peers, and take the socket files away."""
        if self._closed:
            return
        self._closed = True
        self._sweeper.cancel()
        for end in (self._monitor, self._socket):
            self._loop.remove_reader(descriptor_of(end))
        if self._doorman is not None:
            self._doorman.close()
        self._socket.disable_monitor()
        self._monitor.close(0)
        self._socket.close(0)
        self._context.term()
        for path, inode in self._files:
            if path.exists() and path.stat().st_ino == inode:  # else it is another broker's by now
                path.unlink()

    # Listening.

    def _listen(self, endpoint: Endpoint) -> None:
        self._socket.setsockopt(zmq.SocketOption.IPV6, int(endpoint.is_ipv6))
        try:
            self._socket.bind(endpoint.url)
        except zmq.ZMQError as error:
            if error.errno == errno.EADDRINUSE:
                raise LoadsError(
                    f"something listens at {endpoint} already", "stop it, or choose another address with --bind"
                ) from None
            raise LoadsError(f"can't listen at {endpoint}: {error}", "choose an address of this machine") from None

    def _listen_at(self, endpoint: Endpoint, path: Path) -> None:
        secure_directory(path.parent)
        with _alone_in(path.parent):
            _make_way(path)
            mask = os.umask(0o177)
            try:
                self._listen(endpoint)
            finally:
                os.umask(mask)
            self._files.append((path, path.stat().st_ino))

    # Reading.

    def _schedule(self) -> None:
        if not self._scheduled and not self._closed:
            self._scheduled = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Read until nothing is left, or the slice is over. Goes on later even if what hears it raises."""
        self._scheduled = False
        if self._closed:
            return
        self._in_turn = True
        is_empty = False
        try:
            self._hear_monitor()
            is_empty = self._read_all(time.monotonic() + SLICE_S)
            self._tell_gone(is_empty)
        finally:
            self._in_turn = False
            if not is_empty or self._connections.is_leaving:
                self._schedule()

    def _read_all(self, until_s: float) -> bool:
        """Whether nothing is left."""
        while not self._closed:
            try:
                frame = self._socket.recv(zmq.Flag.NOBLOCK, copy=False)
            except zmq.Again:
                return True
            if self._skipping:
                self._skipping = frame.more
            elif frame.more:
                self._take(frame)
            if time.monotonic() > until_s:
                return False
        return False

    def _take(self, head: zmq.Frame) -> None:
        """A message begins: its first frame is the peer's routing id, and the rest is there, too."""
        body = self._socket.recv(zmq.Flag.NOBLOCK, copy=False)
        self._skipping = body.more
        peer = head.bytes
        connection = self._connections.of(peer)
        if connection is None:
            connection = self._meet(peer, head)
        if connection is not None and not connection.muted:
            self._messages += 1
            self._decode(peer, body)

    def _meet(self, peer: bytes, head: zmq.Frame) -> Connection | None:
        """The connection over which a new peer speaks; None: it is not heard."""
        self._hear_monitor()
        try:
            fd = head.get(zmq.MessageOption.SRCFD)
        except zmq.ZMQError:
            return None  # ZeroMQ as it was before 4.0, where messages don't tell; `_sweep` ends it
        assert isinstance(fd, int)
        if len(peer) != _GIVEN_ID_BYTES or peer[0]:
            self._refuse(peer, fd)
            return None
        connection = self._connections.meet(peer, fd)
        if connection is UNCLEAR:
            self._cut_latest(fd)
        if not isinstance(connection, Connection):
            return None
        self._met(peer, caller_of(head, fd))
        return connection

    def _decode(self, peer: bytes, body: zmq.Frame) -> None:
        try:
            if body.more:
                raise ProtocolError("a message of more than one frame")
            data = body.bytes
            message = decode_to_broker(data)
        except ProtocolError as error:
            self.kick(peer)
            self._broken(peer, error)
        else:
            self._heard(peer, message, data)

    def _refuse(self, peer: bytes, fd: int) -> None:
        """It never becomes a peer: the name that it chose may be another's tomorrow."""
        connection = self._connections.latest(fd)
        if connection is not None and not connection.muted:
            self._cut(connection)
            self._broken(peer, ProtocolError("a peer may not choose its own routing id"))

    # Whom the monitor tells of.

    def _hear_monitor(self) -> None:
        for event, value in events_of(self._monitor):
            if event == zmq.Event.ACCEPTED:
                self._connections.accepted(value)
            elif event & FAILURES:
                self._turned_away(None, "its handshake failed")  # of keys that are not admitted the doorman tells
            else:
                self._connections.disconnected(value)

    def _tell_gone(self, is_empty: bool) -> None:
        """`gone` comes after what the peer said last, unless a flood of others hides the end of that."""
        if not self._connections.is_leaving:
            self._leaving_since_s = None
        elif self._leaving_since_s is None:
            self._leaving_since_s = time.monotonic()
        overdue = self._leaving_since_s is not None and time.monotonic() - self._leaving_since_s > LEAVING_S
        left = self._connections.left() if is_empty or overdue else []
        if is_empty:
            self._connections.found_empty()
        # Only now: what hears it may raise.
        for peer in left:
            self._gone(peer)

    def _sweep(self) -> None:
        self._sweeper = self._loop.call_later(SILENCE_S, self._sweep)
        for connection in self._connections.silent():
            self._cut(connection)

    def _cut_latest(self, fd: int) -> None:
        connection = self._connections.latest(fd)
        if connection is not None:
            self._cut(connection)

    def _cut(self, connection: Connection) -> None:
        """Shut the connection down, and be sure that it is this one.

        The I/O thread may close the descriptor at any time, and its number be another's. So it is doubled first: if the
        monitor has not told of an end after that, then the descriptor was not closed before, and the double is of it.
        """
        connection.muted = True
        try:
            twin = os.dup(connection.fd)
        except OSError:
            return  # closed: the monitor will tell
        try:
            double = socket.socket(fileno=twin)
        except OSError:
            os.close(twin)  # closed, and the number is a file's by now
            return
        with double:
            self._hear_monitor()
            self._schedule()  # for what the monitor told
            if not connection.ended:
                try:
                    double.shutdown(socket.SHUT_RDWR)
                except OSError as error:
                    if error.errno != errno.ENOTCONN:
                        raise

    # Sending.

    def _try(self, peer: bytes, body: bytes) -> bool:
        try:
            self._put(peer, body)
        except zmq.Again:
            # The room that a peer makes is seen once a millisecond, unless one looks.
            readiness_of(self._socket)
        except zmq.ZMQError as error:
            if error.errno not in _UNREACHABLE:
                raise
            return False
        else:
            return True
        try:
            self._put(peer, body)
        except zmq.ZMQError as error:
            if error.errno not in _UNREACHABLE:
                raise
            return False
        return True

    def _put(self, peer: bytes, body: bytes) -> None:
        self._socket.send(peer, zmq.Flag.NOBLOCK | zmq.Flag.SNDMORE)
        self._socket.send(body, zmq.Flag.NOBLOCK)


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Two brokers that start at once look and listen one after the other."""
    held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def _make_way(path: Path) -> None:
    """Remove a socket file that a killed broker left behind, and nothing else.

    ZeroMQ itself would remove whatever is there, a living broker's socket and any other file included.
    """
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise LoadsError(f"{path} is there already, and it is no socket", "move it away, or choose another path")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except FileNotFoundError:
            return
        except BlockingIOError:
            pass  # its queue is full: somebody is there, only slow
    raise LoadsError(f"a broker already listens at {path}", "use it, stop it, or choose another path with --bind")

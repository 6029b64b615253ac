"""Which connection a message came over: what the socket's monitor tells of descriptors, put together with routing ids.

The monitor tells that descriptor 7 was accepted, or is disconnected; a message tells that peer A speaks, over 7. But
numbers are used again: "7" may be another connection each time. What makes the two meet safely is the order in which
ZeroMQ's one I/O thread does things, for each connection:

    1. accept, which gives the descriptor; ACCEPTED goes to the monitor
    2. messages go to the socket's queue
    3. DISCONNECTED goes to the monitor; what was read last may follow 2 by a hair
    4. close: only from here on can the number be given out again

and that both queues are read by one thread. So when a message is in hand and the monitor has been emptied since, the
message's connection is known by its step 1. It is then one of that descriptor that has no peer yet, for each has one
peer for life, and each peer one connection (ids are not used twice; the router refuses those that peers chose).

If there are two without a peer, an older that ended before its first message was looked at and one that followed, the
message may be either's. That is not guessed: the connection is cut, and its peer comes again. It stays rare, because
once the socket was found empty, all that a connection with a successor ever said has been read, and it is forgotten.

Pure: no socket, no clock.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Final

MOST_PAST: Final = 10_000
"""So many ended connections are remembered while the socket is never found empty. Peers are read in turn, one message
each: one whose rest is still unread so much later can't be."""


class Unclear(Enum):
    """More than one connection may have said it."""

    UNCLEAR = "unclear"


UNCLEAR: Final = Unclear.UNCLEAR


class Connection:
    """One connection's life. `peer` is None until its first message; `muted`: nothing of it is heard any more."""

    __slots__ = ("ended", "fd", "muted", "peer")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.peer: bytes | None = None
        self.ended = False
        self.muted = False

    def __repr__(self) -> str:
        end = " muted" if self.muted else " ended" if self.ended else ""
        return f"<Connection {self.fd} of {self.peer.hex() if self.peer is not None else 'nobody yet'}{end}>"


class Connections:
    """All connections of the router's socket, as the monitor and the messages tell of them."""

    def __init__(self) -> None:
        self._of_fd: dict[int, list[Connection]] = {}
        self._of_peer: dict[bytes, Connection] = {}
        self._leaving: deque[Connection] = deque()
        self._past: deque[Connection] = deque()
        self._new: list[Connection] = []
        self._watched: list[Connection] = []
        self.open = 0

    def accepted(self, fd: int) -> None:
        """The monitor: a connection begins."""
        self.disconnected(fd)
        lives = self._of_fd.setdefault(fd, [])
        if lives:
            self._past.append(lives[-1])
        lives.append(Connection(fd))
        self._new.append(lives[-1])
        self.open += 1
        if len(self._past) > MOST_PAST:
            self._forget(self._past.popleft())

    def disconnected(self, fd: int) -> None:
        """The monitor: the descriptor's connection ends."""
        connection = self.latest(fd)
        if connection is None or connection.ended:
            return
        connection.ended = True
        self.open -= 1
        if connection.peer is not None:
            self._leaving.append(connection)

    def of(self, peer: bytes) -> Connection | None:
        """The connection of `peer`, if it is known. Then its messages need no look at the monitor."""
        return self._of_peer.get(peer)

    def meet(self, peer: bytes, fd: int) -> Connection | Unclear | None:
        """A peer that is not known spoke over `fd`, and the monitor was emptied since: over which connection?

        None: over one that is forgotten.
        """
        free = [connection for connection in self._of_fd.get(fd, ()) if connection.peer is None]
        if len(free) > 1:
            return UNCLEAR
        if not free:
            return None
        (connection,) = free
        connection.peer = peer
        self._of_peer[peer] = connection
        if connection.ended:
            self._leaving.append(connection)
        return connection

    def latest(self, fd: int) -> Connection | None:
        """The last connection that had this descriptor."""
        lives = self._of_fd.get(fd)
        return lives[-1] if lives else None

    def silent(self) -> list[Connection]:
        """Those that are open, have said nothing, and are older than the last time that this was asked."""
        watched, self._watched, self._new = self._watched, self._new, []
        return [connection for connection in watched if connection.peer is None and not connection.ended]

    @property
    def is_leaving(self) -> bool:
        """Whether there are peers that are gone and not yet told to be."""
        return bool(self._leaving)

    def found_empty(self) -> None:
        """The socket had no message left: what connections with a successor had to say was read."""
        while self._past:
            self._forget(self._past.popleft())

    def left(self) -> list[bytes]:
        """Peers whose connections ended. Each is told once, and not heard any more."""
        peers = []
        while self._leaving:
            connection = self._leaving.popleft()
            connection.muted = True
            if connection.peer is not None:
                peers.append(connection.peer)
        return peers

    def __repr__(self) -> str:
        return f"<Connections open={self.open} peers={len(self._of_peer)} past={len(self._past)}>"

    def _forget(self, connection: Connection) -> None:
        self._of_fd[connection.fd].remove(connection)
        if connection.peer is not None:
            del self._of_peer[connection.peer]

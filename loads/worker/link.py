"""The worker's end of the socketpair, and its page of counters.

What was said is not yet heard: a parent that dies takes along what lies unread in its socket. So deltas are kept until
it says that they are safe. Once it is gone, those that are not, and all that is said from then on, go to a file beside
the page, framed as on the socket. A delta whose `Kept` was on its way may be there although the parent had it: the
reader tells by its number.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import socket
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from gevent.lock import BoundedSemaphore

from loads.metrics.counters import PAGE_BYTES
from loads.wire.codec import frame, from_parent
from loads.wire.messages import Delta, Down, Up

_READ_BYTES = 1 << 16
LAST_WORDS_SUFFIX = ".last"


class Link:
    """Messages to and from the parent, or to the file `last_words` once the parent is gone."""

    def __init__(self, sock: socket.socket, last_words: Path) -> None:
        self._socket = sock
        self._last_words = last_words
        self._one_at_a_time = BoundedSemaphore(1)
        self._unkept: deque[tuple[int, bytes]] = deque()
        self._gone = False
        self._disowned = False

    def send(self, message: Up) -> None:
        """Hand `message` over; waits while the parent is slow, so that little is kept here."""
        if self._disowned:
            return
        data = frame(message)
        with self._one_at_a_time:
            if self._gone:
                self._write(data)
                return
            if isinstance(message, Delta):
                self._unkept.append((message.seq, data))
            try:
                self._socket.sendall(data)
            except OSError:
                self.lose_parent()
                if not isinstance(message, Delta):
                    self._write(data)

    def __iter__(self) -> Iterator[Down]:
        """Messages from the parent, until it is gone."""
        unframer = from_parent()
        while True:
            try:
                data = self._socket.recv(_READ_BYTES)
            except OSError:
                data = b""
            if not data:
                self.lose_parent()
                return
            yield from unframer.feed(data)

    def kept(self, seq: int) -> None:
        """All deltas through `seq` are safe."""
        while self._unkept and self._unkept[0][0] <= seq:
            self._unkept.popleft()

    def lose_parent(self) -> None:
        """There is no parent any more. May be called twice, and from another thread when this one never lets go."""
        if not self._gone and not self._disowned:
            self._gone = True
            self._write(b"".join(data for _, data in self._unkept))

    def disown(self) -> None:
        """In a child that a test forked: the link is the worker's alone."""
        self._disowned = True
        descriptor = self._socket.detach()
        if descriptor >= 0:
            os.close(descriptor)

    def close(self) -> None:
        """Say nothing more."""
        self._socket.close()

    def _write(self, data: bytes) -> None:
        """Where even that can't be written there is nobody to tell: the counters say how much is missing."""
        with suppress(OSError):
            if data:
                with self._last_words.open("ab") as file:
                    file.write(data)


def open_link(descriptor: int, page_path: str) -> Link:
    """The link over the inherited socket `descriptor`."""
    os.set_inheritable(descriptor, False)
    return Link(socket.socket(fileno=descriptor), Path(page_path + LAST_WORDS_SUFFIX))


def open_page(path: str) -> memoryview:
    """The counters in the file at `path`, as u64; made when missing. Locked for as long as this process lives.

    The kernel lets go of the lock when the process dies, however it does; a child that a test forks doesn't have it.
    It would also let go as soon as the process closes any descriptor of the file. So nobody may open the page here
    again, and the two that there are, this one and the map's own, stay open.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.ftruncate(descriptor, PAGE_BYTES)
    page = memoryview(mmap.mmap(descriptor, PAGE_BYTES)).cast("Q")
    fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return page

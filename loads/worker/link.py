"""The worker's end of the socketpair, and its page of counters."""

from __future__ import annotations

import mmap
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from gevent.lock import BoundedSemaphore

from loads.metrics.counters import PAGE_BYTES
from loads.wire.codec import frame, from_parent
from loads.wire.messages import Down, Up

_READ_BYTES = 1 << 16
LAST_WORDS_SUFFIX = ".last"


class Link:
    """Messages to and from the parent. Once the parent is gone, what is sent goes to a file beside the page."""

    def __init__(self, sock: socket.socket, last_words: Path) -> None:
        self._socket = sock
        self._last_words = last_words
        self._one_at_a_time = BoundedSemaphore(1)
        self._gone = False
        self._disowned = False

    def send(self, message: Up) -> None:
        """Hand `message` over; waits while the parent is slow."""
        if self._disowned:
            return
        data = frame(message)
        with self._one_at_a_time:
            if not self._gone:
                try:
                    self._socket.sendall(data)
                except OSError:
                    self._gone = True
                else:
                    return
            with self._last_words.open("ab") as file:
                file.write(data)

    def __iter__(self) -> Iterator[Down]:
        """Messages from the parent, until it is gone."""
        unframer = from_parent()
        while True:
            try:
                data = self._socket.recv(_READ_BYTES)
            except OSError:
                data = b""
            if not data:
                self._gone = True
                return
            yield from unframer.feed(data)

    def disown(self) -> None:
        """In a child that a test forked: the link is the worker's alone."""
        self._disowned = True
        descriptor = self._socket.detach()
        if descriptor >= 0:
            os.close(descriptor)

    def close(self) -> None:
        """Say nothing more."""
        self._socket.close()


def open_link(descriptor: int, page_path: str) -> Link:
    """The link over the inherited socket `descriptor`."""
    os.set_inheritable(descriptor, False)
    return Link(socket.socket(fileno=descriptor), Path(page_path + LAST_WORDS_SUFFIX))


def open_page(path: str) -> memoryview:
    """The counters in the file at `path`, as u64; made when missing."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.ftruncate(descriptor, PAGE_BYTES)
        return memoryview(mmap.mmap(descriptor, PAGE_BYTES)).cast("Q")
    finally:
        os.close(descriptor)

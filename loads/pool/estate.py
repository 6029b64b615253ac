"""What a worker process leaves behind, for a parent that comes after the one that started it.

A worker holds a lock on its page for as long as it lives; the kernel lets go of it, however the worker dies. What has
no lock has said its last, and never does anything again: a worker takes it before its first word. Then its counters
stand, and beside the page lie the deltas that its parent had not confirmed, if it had the time to write them.

The files may be another user's, and so is what is in them: read without following links, and not without end.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

from loads.errors import ProtocolError
from loads.metrics.counters import PAGE_BYTES, Counts, read_note
from loads.wire.codec import from_worker
from loads.wire.messages import Up

LAST_WORDS_SUFFIX: Final = ".last"
MOST_WORDS_BYTES: Final = 64 << 20
"""Far more than a worker says in the seconds that it has without a parent."""
_READ_BYTES: Final = 1 << 20
_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def is_alive(page: Path) -> bool:
    """Whether the worker whose counters are in `page` still lives. Not to be asked by that worker itself."""
    try:
        descriptor = _open(page)
    except FileNotFoundError:
        return False
    try:
        os.lockf(descriptor, os.F_TEST, 0)
    except (BlockingIOError, PermissionError):
        return True
    finally:
        os.close(descriptor)
    return False


def read_estate(page: Path) -> tuple[Counts, str, list[Up]]:
    """The counters of a dead worker, the note that it left, and what it said when there was no parent any more.

    Deltas among that may be such as the parent had already: their numbers tell. What a torn end holds was never said. A
    file that is not there says nothing.
    """
    data = _read(page, PAGE_BYTES)
    return Counts.read(data), read_note(data), _read_last_words(page.with_name(page.name + LAST_WORDS_SUFFIX))


def _read_last_words(path: Path) -> list[Up]:
    unframer = from_worker()
    words: list[Up] = []
    left = MOST_WORDS_BYTES
    try:
        with open(_open(path), "rb") as file:
            while data := file.read(min(_READ_BYTES, left)):
                left -= len(data)
                for message in unframer.feed(data):
                    words.append(message)  # what came before a torn end counts
    except (FileNotFoundError, ProtocolError):
        pass
    return words


def _open(path: Path) -> int:
    """A link in its place is no file of ours: there is none."""
    try:
        return os.open(path, _FLAGS)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise FileNotFoundError(error.errno, error.strerror, str(path)) from None


def _read(path: Path, most: int) -> bytes:
    try:
        with open(_open(path), "rb") as file:
            return file.read(most)
    except FileNotFoundError:
        return b""

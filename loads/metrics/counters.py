"""Counters that survive a worker's death.

Each worker adds to a row of u64 in a file-mapped page of its run directory before and after what it does; whoever is
left reads the page when the worker is gone. What was started and never delivered is lost, exactly. Adding costs a few
dozen nanoseconds, no system call, and the kernel keeps the page whatever kills the process.

Pure: the layout only. The worker maps the file, the pool reads it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

STARTED: Final = 0
ENDED: Final = 1
SENT: Final = 2
UNSENT: Final = 3
PAGE_BYTES: Final = 4096
_NOTE_AT: Final = 64
_NOTE_BYTES: Final = 1_000


class Counts(NamedTuple):
    """What one worker process has done so far.

    Attributes:
        started: iterations begun.
        ended: iterations that came to an end, interrupted ones included.
        sent: requests that were about to reach the wire.
        unsent: requests that failed before (DNS, connect, TLS).
    """

    started: int = 0
    ended: int = 0
    sent: int = 0
    unsent: int = 0

    @classmethod
    def read(cls, page: bytes) -> Counts:
        """From the bytes of the page; a page that was never written counts as zeros."""
        values = memoryview(page.ljust(PAGE_BYTES, b"\0")[:PAGE_BYTES]).cast("Q")
        return cls(values[STARTED], values[ENDED], values[SENT], values[UNSENT])

    def __sub__(self, other: Counts) -> Counts:
        return Counts(*(mine - theirs for mine, theirs in zip(self, other, strict=True)))


def write_note(page: memoryview, note: str) -> None:
    """Leave a few words for whoever reads the page after this process; an empty note takes the last one back.

    `page` is the page as u64. Text beyond 1,000 bytes is cut.
    """
    data = note.encode("utf-8", "replace")[:_NOTE_BYTES]
    page.cast("B")[_NOTE_AT : _NOTE_AT + _NOTE_BYTES] = data.ljust(_NOTE_BYTES, b"\0")


def read_note(page: bytes) -> str:
    """The last words of a worker; empty when it left none."""
    return page[_NOTE_AT : _NOTE_AT + _NOTE_BYTES].rstrip(b"\0").decode("utf-8", "replace")

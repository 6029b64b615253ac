"""Who runs beside whom when several processes run the tests (``pytest -n 3``).

Most tests wait most of the time, so they run side by side. Those marked `alone` judge what this machine does with its
processors: while one of them runs, nothing else does. Two locks make it so: whoever waits for all others holds the
gate, and behind it nobody new begins.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def turn(directory: Path, *, alone: bool) -> Iterator[None]:
    """The time of one test; `directory` is that of all processes of this run."""
    with (directory / "gate").open("a") as gate, (directory / "floor").open("a") as floor:
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(floor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(floor, fcntl.LOCK_UN)  # in so many words: a child that a test forked may still hold the file

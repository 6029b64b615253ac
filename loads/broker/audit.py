"""Who did what to the cluster, for whoever has to find out later: one line of JSON each, only ever added to.

The file is opened anew for each line, so it may be rotated or removed at any time. Refusals are told in full up to some
a minute, and counted beyond: a stranger who tries all day must not fill the disk.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

MOST_REFUSALS: Final = 30
WINDOW_S: Final = 60.0
_MOST_CHARACTERS: Final = 500
"""Of one value: names and targets come from peers."""


class Audit:
    """The audit log at `path`. `trouble` is told when it can't be written, once until it can again."""

    def __init__(
        self, path: Path, trouble: Callable[[str], None], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = path
        self._trouble = trouble
        self._monotonic = monotonic
        self._troubled = False
        self._window_s = -WINDOW_S
        self._refusals = self._left_out = 0

    def __repr__(self) -> str:
        return f"<Audit {self._path} refusals={self._refusals} left_out={self._left_out}>"

    def note(self, event: str, who: str, **details: object) -> None:
        """Something was done."""
        self._write(event, who, details)

    def refused(self, who: str, **details: object) -> None:
        """Something was not allowed."""
        now_s = self._monotonic()
        if now_s - self._window_s >= WINDOW_S:
            self.flush()
            self._window_s, self._refusals = now_s, 0
        self._refusals += 1
        if self._refusals > MOST_REFUSALS:
            self._left_out += 1
        else:
            self._write("refused", who, details)

    def flush(self) -> None:
        """Tell how many refusals were left out."""
        left_out, self._left_out = self._left_out, 0
        if left_out:
            self._write("refused more", "several", {"times": left_out})

    def _write(self, event: str, who: str, details: dict[str, object]) -> None:
        line = {"at": datetime.now(UTC), "event": event, "who": who, **details}
        data = msgspec.json.encode({key: _short(value) for key, value in line.items() if value is not None}) + b"\n"
        try:
            descriptor = os.open(
                self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
            )
            try:
                os.write(descriptor, data)  # one write: lines of several processes do not mix
            finally:
                os.close(descriptor)
        except OSError as error:
            if not self._troubled:
                self._troubled = True
                self._trouble(f"the audit log {self._path} can't be written: {error.strerror}")
        else:
            self._troubled = False


def _short(value: object) -> object:
    if isinstance(value, str) and len(value) > _MOST_CHARACTERS:
        return value[:_MOST_CHARACTERS] + "…"
    if isinstance(value, tuple | list):
        return [_short(each) for each in value[:100]]
    return value

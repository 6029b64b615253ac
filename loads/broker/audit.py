"""Who did what to the cluster, for whoever has to find out later: one line of JSON each, only ever added to.

The file is opened anew for each line, so it may be rotated or removed at any time. Of each kind, some a minute are told
of each peer, and counted beyond: who tries all day, or comes and goes all day, must neither fill the disk nor hide what
others do. Strangers are one peer.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from loads.wire.plain import plain

MOST_REFUSALS: Final = 30
MOST_EVENTS: Final = 1_000
"""Of another kind: when a broker is started again, all agents that share a key come at once."""
_MOST_COUNTED: Final = 1_000
"""Peers and kinds that are told apart; those beyond are counted as one."""
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
        self._counts: dict[tuple[str, str], int] = {}

    def __repr__(self) -> str:
        return f"<Audit {self._path} events={sum(self._counts.values())}>"

    def note(self, event: str, who: str, **details: object) -> None:
        """Something was done."""
        self._told(event, who, details, MOST_EVENTS)

    def refused(self, who: str, **details: object) -> None:
        """Something was not allowed."""
        self._told("refused", who, details, MOST_REFUSALS)

    def flush(self) -> None:
        """Tell how much was left out, and count anew."""
        counts, self._counts = self._counts, {}
        for (event, who), count in counts.items():
            most = MOST_REFUSALS if event == "refused" else MOST_EVENTS
            if count > most:
                self._write(f"{event} more", who, {"times": count - most})

    def _told(self, event: str, who: str, details: dict[str, object], most: int) -> None:
        now_s = self._monotonic()
        if now_s - self._window_s >= WINDOW_S:
            self.flush()
            self._window_s = now_s
        key = event, who
        if key not in self._counts and len(self._counts) >= _MOST_COUNTED:
            key = event, "several"
        self._counts[key] = self._counts.get(key, 0) + 1
        if self._counts[key] <= most:
            self._write(event, who, details)

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
    if isinstance(value, str):
        return plain(value if len(value) <= _MOST_CHARACTERS else value[:_MOST_CHARACTERS] + "…")
    if isinstance(value, tuple | list):
        return [_short(each) for each in value[:100]]
    return value

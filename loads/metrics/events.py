"""What happened in a run besides what was measured: values for a time axis. Pure."""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec

MAX_EVENTS: Final = 500


class EventKind(Enum):
    """What an event is, and so how it is marked."""

    LOST = "lost"
    """A worker or an agent, and what it had not told."""
    AGENT = "agent"
    """An agent joined, is back, or leaves."""
    THRESHOLD = "threshold"
    STOP = "stop"
    WARNING = "warning"
    NOTE = "note"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened at `t_us` after the start, in words; `until_us`: how long it went on, if known."""

    t_us: int
    kind: EventKind
    text: str
    until_us: int | None = None

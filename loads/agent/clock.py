"""How far the broker's clock is from ours. Pure.

A beat carries our time, its answer the broker's: half the round trip lies before that. The error is at most half the
round trip, so of the last beats the fastest one is believed (as NTP does: RFC 5905, section 10).
"""

from __future__ import annotations

from collections import deque
from typing import Final

_KEPT: Final = 32
"""Beats, which is half a minute: two clocks drift by less than a millisecond in that time."""


class BrokerClock:
    """The offset between two monotonic clocks."""

    def __init__(self) -> None:
        self._samples: deque[tuple[int, int]] = deque(maxlen=_KEPT)

    def hear(self, sent_us: int, broker_us: int, now_us: int) -> None:
        """A beat of `sent_us` was with the broker at `broker_us`, and its answer is here."""
        self._samples.append((now_us - sent_us, broker_us - (sent_us + now_us) // 2))

    def forget(self) -> None:
        """The broker may be another, on another clock."""
        self._samples.clear()

    @property
    def offset_us(self) -> int | None:
        """The broker's clock minus ours; None before the first beat was answered."""
        return min(self._samples)[1] if self._samples else None

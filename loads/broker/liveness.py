"""Who was heard lately. Pure.

The broker gives a share away after `SILENCE_US` without a word from its agent; agents stop by themselves after 2.5 s,
counted from an earlier moment, so no load runs twice. When it was the broker itself that stood still, nobody was
silent: all get the full time again.
"""

from __future__ import annotations

from typing import Final

SILENCE_US: Final = 3_500_000
RETURN_US: Final = 5_000_000
"""For agents to come back to a broker that was started again."""
STOOD_STILL_US: Final = 1_000_000
"""Between two ticks: it was us."""


class Liveness:
    """Of peers, by whatever names them."""

    def __init__(self, now_us: int) -> None:
        self._heard: dict[int, int] = {}
        self._ticked_us = now_us

    def hear(self, name: int, now_us: int) -> None:
        """`name` said something."""
        self._heard[name] = now_us

    def forget(self, name: int) -> None:
        """`name` is not expected to say anything."""
        self._heard.pop(name, None)

    def heard_us(self, name: int) -> int | None:
        """When `name` was heard last."""
        return self._heard.get(name)

    def silent(self, now_us: int) -> list[int]:
        """Who was not heard for too long. To be asked a few times a second."""
        if now_us - self._ticked_us > STOOD_STILL_US:
            self._heard = dict.fromkeys(self._heard, now_us)
        self._ticked_us = now_us
        return self.silent_now()

    def silent_now(self) -> list[int]:
        """The same as of the last time it was asked."""
        now_us = self._ticked_us
        return [name for name, heard_us in self._heard.items() if now_us - heard_us > SILENCE_US]

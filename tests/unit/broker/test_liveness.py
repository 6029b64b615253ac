from __future__ import annotations

from loads.broker.liveness import SILENCE_US, STOOD_STILL_US, Liveness

TICK_US = 250_000


def ticked(liveness: Liveness, from_us: int, to_us: int) -> list[int]:
    found: list[int] = []
    for now_us in range(from_us, to_us + 1, TICK_US):
        found = liveness.silent(now_us)
    return found


def test_who_says_nothing_is_silent() -> None:
    liveness = Liveness(0)
    liveness.hear(1, 0)
    assert ticked(liveness, 0, SILENCE_US) == []
    assert ticked(liveness, SILENCE_US, SILENCE_US + TICK_US) == [1]


def test_who_is_heard_in_time_is_not() -> None:
    liveness = Liveness(0)
    liveness.hear(1, 0)
    ticked(liveness, 0, 3_000_000)
    liveness.hear(1, 3_000_000)
    assert ticked(liveness, 3_000_000, 6_000_000) == []


def test_nobody_was_silent_while_we_stood_still() -> None:
    liveness = Liveness(0)
    liveness.hear(1, 0)
    now_us = 10 * SILENCE_US
    assert now_us > STOOD_STILL_US
    assert liveness.silent(now_us) == []
    assert ticked(liveness, now_us + TICK_US, now_us + SILENCE_US + TICK_US) == [1]


def test_who_is_forgotten_is_not_expected() -> None:
    liveness = Liveness(0)
    liveness.hear(1, 0)
    liveness.forget(1)
    assert liveness.heard_us(1) is None
    assert ticked(liveness, 0, 2 * SILENCE_US) == []

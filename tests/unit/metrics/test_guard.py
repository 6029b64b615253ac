"""What is told of thresholds: each crossing once, each slip once."""

from __future__ import annotations

from loads.metrics.guard import MAX_SLIPS, Crossings
from loads.metrics.threshold import Standing, State
from loads.units import US_PER_S as S

CROSSED = Standing(text="errors < 1", state=State.CROSSED, shown="3", crossed_us=4 * S)


def slipped(at_us: int | None) -> Standing:
    return Standing(text="p(95) < 1s", state=State.PENDING, shown="2s", slipped_us=at_us)


def test_a_crossing_is_told_once_at_its_time() -> None:
    crossings = Crossings()
    (event,) = crossings.look([CROSSED])
    assert (event.t_us, event.text) == (4 * S, "threshold errors < 1 crossed (it is 3)")
    assert crossings.look([CROSSED]) == []


def test_what_slips_again_is_told_again_but_not_forever() -> None:
    crossings = Crossings()
    assert crossings.look([slipped(None)]) == []
    (event,) = crossings.look([slipped(7 * S)])
    assert (event.t_us, event.text) == (7 * S, "threshold p(95) < 1s does not hold any more (it is 2s)")
    assert crossings.look([slipped(7 * S)]) == []
    assert [event.t_us for at in range(8, 20) for event in crossings.look([slipped(at * S)])] == [
        at * S for at in range(8, 7 + MAX_SLIPS)
    ]


def test_what_was_told_before_is_not_told_again() -> None:
    assert Crossings([CROSSED, slipped(7 * S)]).look([CROSSED, slipped(7 * S)]) == []

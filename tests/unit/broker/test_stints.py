"""Which iterations of a phase at a rate were whose: counted exactly, however slots change hands."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loads.broker.record import Stint, Tally
from loads.broker.stints import changed, count_due, count_untold, ended, held, moved
from loads.metrics.counters import Counts
from loads.plan.share import Portion, cut, slots_of
from loads.plan.spec import pacer_of
from loads.units import US_PER_S
from loads.wire.cluster import RunState
from tests.runs import arrivals, rate_plan, record_of, seat_of

LENGTH_US = 10 * US_PER_S


times = st.integers(0, LENGTH_US + US_PER_S)
parts = st.tuples(st.integers(0, 2), st.just(3))
portions = st.lists(parts, max_size=2).map(tuple)


@given(
    rate=st.integers(1, 30),
    seed=st.none() | st.integers(0, 5),
    slots=st.integers(1, 7),
    stints=st.lists(st.builds(Stint, portions, times, st.none() | times), max_size=3),
    from_us=times,
)
def test_counted_is_what_the_pacer_says(
    rate: int, seed: int | None, slots: int, stints: list[Stint], from_us: int
) -> None:
    pacer = pacer_of(arrivals(rate, seed))
    expected = 0
    for stint in stints:
        for n in range(pacer.due):
            due_us = pacer.start_us(n) or 0
            until_us = LENGTH_US * 2 if stint.until_us is None else stint.until_us
            mine = n % slots in slots_of(stint.portion, slots)
            expected += mine and max(from_us, stint.from_us) <= due_us < until_us
    assert count_due(pacer, slots, stints, from_us) == expected


@given(st.lists(st.tuples(st.lists(portions, max_size=3), st.integers(0, US_PER_S)), max_size=5))
def test_at_any_moment_that_is_held_which_was_last_said(changes: list[tuple[list[Portion], int]]) -> None:
    stints: tuple[Stint, ...] = ()
    at_us = 0
    for wanted, later_us in changes:
        at_us += later_us
        stints = changed(stints, wanted, at_us)
        assert sorted(held(stints)) == sorted(wanted)
    assert all(stint.until_us is None or stint.until_us >= stint.from_us for stint in stints)
    assert not held(ended(stints, at_us))


def test_what_goes_later_goes_later_for_all() -> None:
    before = changed((Stint(((0, 2),)),), [((1, 2),)], 50)
    assert moved(before, 50, 80) == (Stint(((0, 2),), 0, 80), Stint(((1, 2),), 80))


def test_of_who_does_not_come_back_that_is_lost_which_was_due_since_it_told() -> None:
    """100/s on two agents; this one told until 4 s, and its slots were the others' from 6.5 s on."""
    seat = seat_of(stints=(Stint(((0, 2),), 0, 6_500_000),), workers=2)
    record = record_of(RunState.RUNNING, seat, plan=rate_plan())
    tally = Tally(seq=4, counts=Counts(started=200, ended=200), told={0: 4_000_000, 1: 4_000_000})
    assert count_untold(record, seat, tally) == 125
    assert count_untold(record, seat, Tally(counts=Counts(started=203), told=tally.told)) == 122  # it told of some more


def test_a_worker_that_told_less_far_lost_more() -> None:
    seat = seat_of(stints=(Stint((), 0, 5_000_000),), workers=2)
    record = record_of(RunState.RUNNING, seat, plan=rate_plan())
    tally = Tally(counts=Counts(started=350), told={0: 4_000_000, 1: 3_000_000})
    assert count_untold(record, seat, tally) == 50 + 100


def test_what_waited_for_a_user_all_the_time_is_not_lost_but_never_began() -> None:
    seat = seat_of(stints=(Stint((), 0, 5_000_000),))
    record = record_of(RunState.RUNNING, seat, plan=rate_plan())
    assert count_untold(record, seat, Tally(counts=Counts(started=50), told={0: 4_000_000})) == 100


def test_workers_share_what_their_agent_held() -> None:
    whole = Stint(((1, 3),), 0, 7_000_000)
    pacer = pacer_of(arrivals(20))
    split = [count_due(pacer, 9, [Stint(part, 0, 7_000_000)]) for part in cut(whole.portion, 4)]
    assert sum(split) == count_due(pacer, 9, [whole])

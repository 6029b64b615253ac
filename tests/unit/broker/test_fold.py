"""Each batch is counted once, in order, however often it comes; and what is folded does not depend on when."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from loads.broker.fold import MAX_LINES, Fold
from loads.broker.record import decode_folded, encode_folded
from loads.metrics.result import Result
from loads.metrics.rules import Rules
from loads.metrics.summary import Summary
from loads.metrics.threshold import State
from loads.units import US_PER_S
from loads.wire.cluster import Batch, Line, Lost
from loads.wire.fold import fold
from tests.build import info_of, iterations_of, loss_of, summaries
from tests.runs import batch_of

schedules = st.lists(st.tuples(st.integers(1, 3), summaries(), st.booleans(), st.booleans()), max_size=12)


def batches_of(schedule: list[tuple[int, Summary, bool, bool]]) -> list[Batch]:
    last: dict[int, int] = {}
    batches = []
    for incarnation, summary, _, _ in schedule:
        last[incarnation] = last.get(incarnation, 0) + 1
        batches.append(batch_of(last[incarnation], summary, incarnation=incarnation))
    return batches


@given(schedules)
def test_any_order_of_repeats_and_settling_gives_the_same(schedule: list[tuple[int, Summary, bool, bool]]) -> None:
    truth = Summary()
    for _, summary, _, _ in schedule:
        truth.merge(summary)
    folded, follower = Fold(Result(info=info_of())), Result(info=info_of())
    known: list[Batch] = []
    for batch, (_, _, repeats, settles) in zip(batches_of(schedule), schedule, strict=True):
        if repeats:
            assert not any(folded.take(again) for again in known)
        assert folded.take(batch)
        known.append(batch)
        if settles:
            arrived = folded.settle()
            fold(follower, arrived.spans, arrived.users, (), arrived.losses)
    arrived = folded.settle()
    fold(follower, arrived.spans, arrived.users, (), arrived.losses)
    assert folded.result is not None
    assert folded.result.summary == truth == follower.summary
    assert folded.result.timeline.rows() == follower.timeline.rows()


@given(schedules)
def test_a_tally_is_what_its_incarnation_told(schedule: list[tuple[int, Summary, bool, bool]]) -> None:
    folded = Fold(Result(info=info_of()))
    for batch in batches_of(schedule):
        folded.take(batch)
    for incarnation, tally in folded.tallies.items():
        mine = [summary for each, summary, _, _ in schedule if each == incarnation]
        assert tally.seq == folded.watermark(incarnation) == len(mine)
        assert tally.counts.started == sum(summary.counts.started for summary in mine)


def test_a_gap_is_not_taken() -> None:
    folded = Fold(Result(info=info_of()))
    assert not folded.take(batch_of(2, iterations_of(1)))
    assert folded.watermark(1) == 0


def test_what_was_lost_counts_for_its_incarnation() -> None:
    folded = Fold(Result(info=info_of()))
    lost = Lost(loss_of(iterations=1, sent=2), 3, replaced=True, given_up=False)
    folded.take(batch_of(1, losses=(lost,)))
    assert tuple(folded.tallies[1].counts) == (3, 1, 2, 0)
    folded.settle()
    assert folded.result is not None
    assert folded.result.started == 3


def test_workers_that_are_gone_run_no_users() -> None:
    folded = Fold(Result(info=info_of()))
    folded.take(batch_of(1, users={0: 3, 1: 2}))
    folded.settle(gone=(1,))
    assert folded.result is not None
    assert folded.result.users == {0: 3}


def test_lines_without_end_are_counted() -> None:
    folded = Fold(Result(info=info_of()))
    folded.take(batch_of(1, lines=tuple(Line(0, 0, "x") for _ in range(MAX_LINES + 5))))
    lines = folded.settle().lines
    assert len(lines) == MAX_LINES + 1
    assert lines[-1].text == "(5 more lines dropped)"


def test_an_agent_told_until_the_worker_that_told_least() -> None:
    """What died with it may have begun since then."""
    folded = Fold(Result(info=info_of()))
    folded.take(batch_of(1, told={0: 3_000_000, 1: 2_000_000}))
    folded.take(batch_of(2, told={0: 4_000_000}))
    assert [folded.tallies[1].last_us(workers) for workers in (2, 3)] == [2_000_000, 0]


RULES = Rules(("errors < 2 over 1s", "hits > 1"))


def watched() -> Fold:
    fold = Fold()
    fold.begin(Result(info=info_of(rules=RULES)))
    return fold


def failing(count: int) -> Summary:
    summary = Summary()
    summary.totals = msgspec.structs.replace(summary.totals, started=count, ended=count, errors=count)
    return summary


def test_thresholds_are_told_when_they_change() -> None:
    fold = watched()
    assert [standing.state for standing in fold.standings() or ()] == [State.PENDING] * 2
    assert fold.standings() is None
    fold.take(batch_of(1, failing(5)))
    fold.settle()
    fold.look(US_PER_S, US_PER_S)
    first, _ = fold.standings() or ()
    assert first.state is State.CROSSED
    assert fold.standings() is None


def test_what_thresholds_were_judged_by_goes_to_the_store_and_back() -> None:
    fold = watched()
    fold.take(batch_of(1, failing(5)))
    fold.settle()
    fold.look(US_PER_S, US_PER_S)
    assert fold.result is not None
    data = encode_folded(fold.result, fold.tallies, fold.memory)
    again = Fold(*decode_folded(data, {}))
    again.take(batch_of(2, Summary()))
    again.settle()
    again.look(3 * US_PER_S, 3 * US_PER_S)
    assert again.result is not None
    assert again.result.thresholds[0].state is State.CROSSED
    assert again.result.thresholds[0].crossed_us == fold.result.thresholds[0].crossed_us

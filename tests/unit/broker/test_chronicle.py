"""What followers are told adds up to what the broker has, from whenever they follow."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loads.broker.chronicle import Chronicle
from loads.broker.fold import Fold
from loads.metrics.result import Result
from loads.metrics.summary import Summary
from loads.wire.cluster import Line, RunState, Snapshot, Update
from loads.wire.codec import decode_from_broker, encode
from loads.wire.fold import fold
from tests.build import info_of, summaries
from tests.runs import batch_of, record_of, seat_of


def chronicle_of() -> tuple[Chronicle, Fold]:
    folded = Fold(Result(info=info_of()))
    return Chronicle(record_of(RunState.RUNNING, seat_of()), folded), folded


@given(st.lists(st.tuples(summaries(), st.booleans()), max_size=8), st.integers(0, 8))
def test_a_snapshot_and_what_follows_are_the_result(told: list[tuple[Summary, bool]], joins_at: int) -> None:
    chronicle, folded = chronicle_of()
    follower: Result | None = None
    for number, (summary, settles) in enumerate([*told, (Summary(), True)]):
        if number == joins_at or (number == len(told) and follower is None):
            chronicle.settle(0)
            snapshot = decode_from_broker(encode(chronicle.snapshot(0)))
            assert isinstance(snapshot, Snapshot)
            follower = snapshot.result
        folded.take(batch_of(number + 1, summary))
        if settles:
            update = decode_from_broker(encode(chronicle.settle(0)))
            assert isinstance(update, Update)
            if follower is not None:
                fold(follower, update.spans, update.users, update.gone, update.losses)
    assert follower is not None
    assert folded.result is not None
    assert follower.summary == folded.result.summary
    assert follower.timeline.rows() == folded.result.timeline.rows()


def test_a_notice_is_told_once_and_stays() -> None:
    chronicle, _ = chronicle_of()
    chronicle.notices.append("x")
    assert chronicle.settle(0).notices == ("x",)
    assert chronicle.settle(0).notices == ()
    assert chronicle.snapshot(0).notices == ("x",)


def test_seats_are_told_when_they_change() -> None:
    chronicle, _ = chronicle_of()
    assert chronicle.settle(0).seats is not None
    assert chronicle.settle(0).seats is None
    chronicle.seats_changed = True
    assert chronicle.settle(0).seats is not None


def test_lines_are_told_and_written_down() -> None:
    chronicle, folded = chronicle_of()
    folded.take(batch_of(1, lines=(Line(0, 0, "x"),)))
    assert [line.text for line in chronicle.settle(0).lines] == ["x"]
    assert [line.text for line in chronicle.fresh_lines] == ["x"]


def test_a_run_that_goes_on_has_no_last_word() -> None:
    chronicle, _ = chronicle_of()
    assert chronicle.end() is None

"""What followers are told adds up to what the broker has, from whenever they follow."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loads.broker.chronicle import Chronicle
from loads.broker.fold import Fold
from loads.metrics.events import Event, EventKind
from loads.metrics.result import Result
from loads.metrics.summary import Summary
from loads.metrics.threshold import Standing, State
from loads.wire.cluster import Line, Notice, RunState, Snapshot, Update
from loads.wire.codec import decode_from_broker, encode
from loads.wire.fold import fold, note
from tests.build import info_of, iterations_of, summaries
from tests.runs import batch_of, record_of, seat_of


def chronicle_of(state: RunState = RunState.RUNNING) -> tuple[Chronicle, Fold]:
    folded = Fold(Result(info=info_of()))
    return Chronicle(record_of(state, seat_of()), folded), folded


def result_of(snapshot: Snapshot) -> Result:
    """As a follower has it."""
    again = decode_from_broker(encode(snapshot))
    assert isinstance(again, Snapshot)
    assert again.result is not None
    return again.result


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
    notice = Notice(text="x")
    chronicle.tell(notice)
    assert chronicle.settle(0).notices == (notice,)
    assert chronicle.settle(0).notices == ()
    assert chronicle.snapshot(0).notices == (notice,)


def test_a_notice_with_a_time_is_an_event_of_the_result_and_kept_with_the_record() -> None:
    chronicle, folded = chronicle_of()
    result = folded.result
    assert result is not None
    chronicle.tell(Notice(text="x", kind=EventKind.AGENT, t_us=5))
    chronicle.tell(Notice(text="y", kind=EventKind.AGENT))
    assert result.events == []
    follower = result_of(chronicle.snapshot(0))
    update = chronicle.settle(0)
    note(follower, update.notices)
    assert result.events == follower.events == [Event(t_us=5, kind=EventKind.AGENT, text="x")]
    assert result_of(chronicle.snapshot(0)).events == result.events


def test_of_a_run_that_is_over_no_event_is_told_any_more() -> None:
    """Its result may be on the disk already."""
    chronicle, folded = chronicle_of(RunState.ENDED)
    chronicle.tell(Notice(text="x", kind=EventKind.WARNING, t_us=5))
    assert chronicle.settle(0).notices == (Notice(text="x", kind=EventKind.WARNING),)
    assert folded.result is not None
    assert folded.result.events == []


def test_a_threshold_that_is_crossed_is_told_once() -> None:
    chronicle, folded = chronicle_of()
    result = folded.result
    assert result is not None
    crossed = Standing(text="errors < 1", state=State.CROSSED, shown="2", crossed_us=3)
    result.thresholds = [crossed, Standing(text="hits > 5", state=State.CROSSED)]
    told = Notice(text="threshold errors < 1 crossed (it is 2)", kind=EventKind.THRESHOLD, t_us=3)
    assert chronicle.settle(None).notices == (told,)
    assert chronicle.settle(None).notices == ()
    assert [(event.t_us, event.kind) for event in result.events] == [(3, EventKind.THRESHOLD)]


def test_what_others_pull_is_not_in_a_snapshot() -> None:
    chronicle, folded = chronicle_of()
    folded.take(batch_of(1, iterations_of(1, sent=3)))
    chronicle.settle(0)
    told = result_of(chronicle.snapshot(0))
    assert folded.result is not None
    assert folded.result.details.packed
    assert told.details == folded.result.details.bare()
    assert told.machines == folded.result.machines.bare()


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

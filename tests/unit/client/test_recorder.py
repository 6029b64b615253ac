from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loads.client.recorder import MAX_MESSAGE_CHARS, MAX_TRACEBACK_CHARS, Opened, Recorder
from loads.metrics.counters import Counts
from loads.metrics.summary import (
    ITERATION,
    ITERATION_NAME,
    MAX_NAMES,
    TRANSACTION,
    ErrorGroup,
    ErrorKey,
    Series,
    SeriesKey,
    Summary,
)
from loads.wire.codec import frame
from loads.wire.messages import Delta
from tests.build import histogram_of, new_recorder, span_of

KEY = SeriesKey("t", "GET", "/")
FAULT = ErrorKey("failure", "AssertionError", "test.py:3")


def counters_of(recorder: Recorder) -> Counts:
    return Counts.read(recorder.page.tobytes())


def answered(recorder: Recorder, status: int, service_us: int = 10, key: SeriesKey = KEY) -> None:
    recorder.sending()
    recorder.hit(key, service_us, status, None, True, 100, 200)


def test_an_answer_is_counted_with_its_status_time_and_size() -> None:
    recorder = new_recorder()
    answered(recorder, 200, 10)
    answered(recorder, 302, 30)
    assert recorder.take().series == {
        KEY: Series(
            sent=2,
            statuses={200: 1, 302: 1},
            bytes_sent=200,
            bytes_received=400,
            service=histogram_of([10, 30]),
        )
    }


def test_a_status_of_400_and_above_is_a_failed_answer() -> None:
    recorder = new_recorder()
    for status in (399, 400, 500):
        answered(recorder, status)
    series = recorder.take().series[KEY]
    assert (series.failed, series.sent, series.errors) == (2, 3, {})


def test_a_request_that_was_sent_and_broke_is_sent_and_has_a_time() -> None:
    recorder = new_recorder()
    recorder.sending()
    recorder.hit(KEY, 50, 200, "incomplete", True, 100, 7)
    series = recorder.take().series[KEY]
    assert (series.sent, series.unsent, series.failed) == (1, 0, 1)
    assert (series.statuses, series.errors) == ({}, {"incomplete": 1})
    assert series.service == histogram_of([50])


def test_a_request_that_never_reached_the_wire_is_unsent_and_has_no_time() -> None:
    recorder = new_recorder()
    recorder.hit(KEY, 50, None, "dns", False, 0, 0)
    series = recorder.take().series[KEY]
    assert (series.sent, series.unsent, series.failed, series.errors) == (0, 1, 1, {"dns": 1})
    assert series.service == histogram_of([])


def test_a_request_with_neither_answer_nor_reason_is_not_lost() -> None:
    recorder = new_recorder()
    recorder.sending()
    recorder.hit(KEY, 1, None, None, True, 0, 0)
    assert recorder.take().series[KEY].errors == {"other": 1}


def test_the_page_knows_of_a_request_before_it_reaches_the_wire() -> None:
    recorder = new_recorder()
    recorder.sending()
    assert counters_of(recorder) == Counts(sent=1)
    assert recorder.summary == Summary()


def test_the_page_knows_of_an_iteration_before_it_runs() -> None:
    recorder = new_recorder()
    recorder.started()
    assert counters_of(recorder) == Counts(started=1)


actions = st.lists(
    st.sampled_from(["good", "broken", "unsent", "started", "ended", "interrupted", "take"]), max_size=40
)


@given(actions)
def test_page_and_summaries_agree_whenever_nothing_is_in_flight(row: list[str]) -> None:
    recorder, delivered = new_recorder(), Summary()
    for action in row:
        match action:
            case "good":
                answered(recorder, 200)
            case "broken":
                recorder.sending()
                recorder.hit(KEY, 1, None, "reset", True, 0, 0)
            case "unsent":
                recorder.hit(KEY, 1, None, "dns", False, 0, 0)
            case "started":
                recorder.started()
            case "ended":
                recorder.ended("t", 1, failed=False)
            case "interrupted":
                recorder.interrupted("t")
            case "take":
                delivered.merge(recorder.take())
    delivered.merge(recorder.take())
    assert delivered.counts == counters_of(recorder)


def test_an_iteration_has_a_series_of_its_own() -> None:
    recorder = new_recorder()
    recorder.started()
    recorder.ended("t", 40, failed=False)
    recorder.started()
    recorder.ended("t", 60, failed=True)
    summary = recorder.take()
    assert (summary.totals.started, summary.totals.ended) == (2, 2)
    series = summary.series[SeriesKey("t", ITERATION, ITERATION_NAME)]
    assert (series.sent, series.failed, series.service) == (2, 1, histogram_of([40, 60]))


def test_an_interrupted_iteration_has_no_time() -> None:
    recorder = new_recorder()
    recorder.started()
    recorder.interrupted("t")
    summary = recorder.take()
    assert (summary.totals.interrupted, summary.totals.ended) == (1, 0)
    [series] = summary.series.values()
    assert (series.hits, series.service.count, series.errors) == (0, 0, {"interrupted": 1})


def test_a_timed_block_is_no_hit() -> None:
    recorder = new_recorder()
    recorder.transaction("t", "checkout", True, 70, False)
    summary = recorder.take()
    assert summary.series[SeriesKey("t", TRANSACTION, "checkout", True)].service == histogram_of([70])
    assert summary.hits.hits == 0


def test_counters_add_up() -> None:
    recorder = new_recorder()
    for by in (3, -1, 5):
        recorder.counter("island-was-there", by)
    assert recorder.take().counters == {"island-was-there": 7}


def test_an_error_is_kept_once_with_its_first_text_and_its_span() -> None:
    recorder = new_recorder()
    recorder.error(FAULT, 10, "first", "trace", "t", "GET /")
    recorder.error(FAULT, 90, "second", "", "t", "GET /")
    assert recorder.take().errors == {FAULT: ErrorGroup(2, 10, 90, "first", "trace", "t", {0: 2}, {"GET /": 2})}


def test_endless_texts_are_cut_to_what_a_person_reads() -> None:
    recorder = new_recorder()
    recorder.error(FAULT, 0, "m" * 10**6, "begin" + "t" * 10**6 + "end", "t", "GET /")
    (group,) = recorder.take().errors.values()
    assert group.message == "m" * MAX_MESSAGE_CHARS
    assert len(group.traceback) == MAX_TRACEBACK_CHARS
    assert group.traceback.endswith("end")


def test_what_is_taken_is_gone_and_never_changes_again() -> None:
    recorder = new_recorder()
    answered(recorder, 200)
    first = recorder.take()
    answered(recorder, 200)
    assert first.series[KEY].sent == 1
    assert recorder.take().series[KEY].sent == 1
    assert recorder.take() == Summary()


def test_a_url_for_each_hit_does_not_fill_the_memory() -> None:
    recorder = new_recorder()
    most = 0
    for number in range(5 * MAX_NAMES):
        answered(recorder, 200, key=SeriesKey("t", "GET", f"/{number}"))
        most = max(most, len(recorder.summary.series))
    assert most <= 2 * MAX_NAMES + 1
    summary = recorder.take()
    assert len(summary.series) == MAX_NAMES + 1
    assert summary.hits.sent == 5 * MAX_NAMES


def recorded() -> list[Summary]:
    fault, counter, series = new_recorder(), new_recorder(), new_recorder()
    fault.error(ErrorKey("failure", "AssertionError", "a.py:1"), 0, "caf\udce9 != cafe", "Traceback", "t", "GET /")
    counter.counter("caf\udce9", 1)
    series.transaction("t", "caf\udce9", True, 5, False)
    return [fault.take(), counter.take(), series.take()]


@pytest.mark.parametrize("number", range(3))
def test_any_text_that_a_test_can_make_reaches_the_parent(number: int) -> None:
    assert frame(Delta(seq=1, t_us=0, users=1, summary=recorded()[number]))


events = st.tuples(
    st.integers(0, 10**8),
    st.integers(0, 10**8),
    st.one_of(st.just(0), st.integers(0, 10**8)),
    st.sampled_from([200, 204, 302, 399, 400, 404, 500]),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
)


@given(st.lists(events, max_size=12), st.lists(st.integers(0, 11), max_size=3))
def test_the_short_way_counts_what_the_long_way_counts(row: list[tuple[int, ...]], takes: list[int]) -> None:
    """`answered` is `hit` for a request that has its whole answer: at whatever times summaries are taken."""
    short, long = new_recorder(), new_recorder()
    for number, (service_us, first_byte_us, body_us, status, sent, received) in enumerate(row):
        for recorder in (short, long):
            recorder.sending()
        short.answered(short.series(KEY), service_us, first_byte_us, body_us, status, sent, received)
        long.hit(KEY, service_us, status, None, True, sent, received, None, None, first_byte_us, body_us)
        if number in takes:
            assert short.take() == long.take()
    assert short.take() == long.take()
    assert counters_of(short) == counters_of(long)


@given(st.lists(st.tuples(st.booleans(), events), max_size=12))
def test_as_many_bodies_were_measured_as_first_bytes(row: list[tuple[bool, tuple[int, ...]]]) -> None:
    """Whichever way they went."""
    recorder = new_recorder()
    for is_short, (service_us, first_byte_us, body_us, status, sent, received) in row:
        recorder.sending()
        if is_short:
            recorder.answered(recorder.series(KEY), service_us, first_byte_us, body_us, status, sent, received)
        else:
            recorder.hit(KEY, service_us, status, None, True, sent, received, None, None, first_byte_us, body_us)
    for series in recorder.take().series.values():
        assert series.phases.body.count == series.phases.first_byte.count == len(row)
        assert series.phases.body.total_us == sum(event[2] for _, event in row)


def test_a_connection_is_counted_if_it_stands_with_each_step_that_there_was() -> None:
    recorder = new_recorder()
    series = recorder.series(KEY)
    recorder.opened(series, Opened(5, 10, 20, True))
    recorder.opened(series, Opened(None, 30, None, True))
    recorder.opened(series, Opened(7, 40, None, False))
    recorder.opened(series, Opened(None, None, None, False))
    taken = recorder.take().series[KEY]
    assert taken.connections == 2
    phases = taken.phases
    assert (phases.dns, phases.connect, phases.tls) == (span_of([5, 7]), span_of([10, 30, 40]), span_of([20]))


def test_a_hit_that_opened_a_connection_says_so_itself() -> None:
    recorder, other = new_recorder(), new_recorder()
    recorder.hit(KEY, 50, None, "tls", False, 0, 0, None, Opened(5, 10, None, False))
    other.hit(KEY, 50, None, "tls", False, 0, 0)
    other.opened(other.series(KEY), Opened(5, 10, None, False))
    assert recorder.take() == other.take()


def test_who_holds_on_to_a_series_is_told_when_it_is_one_no_more() -> None:
    """After each take, and when series were folded because there were too many; at no other time."""
    recorder = new_recorder()
    epochs = {recorder.epoch}
    held = recorder.series(KEY)
    for number in range(2 * MAX_NAMES):
        recorder.series(SeriesKey("t", "GET", f"/{number}"))
    assert recorder.series(KEY) is held
    assert {recorder.epoch} == epochs
    recorder.series(SeriesKey("t", "GET", "/one-more"))
    assert recorder.epoch not in epochs
    epochs.add(recorder.epoch)
    recorder.take()
    assert recorder.epoch not in epochs
    assert recorder.series(KEY) is not held


def test_no_two_recorders_ever_have_the_same_epoch() -> None:
    recorders = [new_recorder() for _ in range(3)]
    recorders[0].take()
    assert len({recorder.epoch for recorder in recorders}) == 3


@settings(max_examples=3)
@given(st.lists(events, min_size=1, max_size=5))
def test_short_hits_that_were_folded_are_all_there(row: list[tuple[int, ...]]) -> None:
    """Bodies are counted with first bytes also in the series that others were folded into."""
    recorder = new_recorder()
    for number in range(2 * MAX_NAMES + 2):
        recorder.sending()
        recorder.answered(recorder.series(SeriesKey("t", "GET", f"/{number}")), *row[number % len(row)])
    summary = recorder.take()
    assert summary.hits.sent == 2 * MAX_NAMES + 2
    assert all(series.phases.body.count == series.phases.first_byte.count for series in summary.series.values())
    assert sum(series.phases.body.count for series in summary.series.values()) == summary.hits.sent

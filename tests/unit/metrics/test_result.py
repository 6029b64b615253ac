from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from loads.errors import ExitCode
from loads.metrics.counters import Counts
from loads.metrics.events import MAX_EVENTS, Event, EventKind
from loads.metrics.result import Result
from loads.metrics.rules import Rules
from loads.metrics.summary import SeriesKey, Summary, Totals
from loads.metrics.symptoms import Rule
from loads.metrics.threshold import Standing, State
from loads.metrics.verdict import Stop, Verdict
from loads.units import US_PER_S
from tests.build import health_of, histogram_of, info_of, iterations_of, loss_of, result_of, series_of, summaries


@given(st.lists(st.tuples(st.integers(0, 900), summaries()), max_size=6))
def test_deltas_may_come_in_any_order(deltas: list[tuple[int, Summary]]) -> None:
    forth, back = result_of(), result_of()
    for second, summary in deltas:
        forth.add(second * US_PER_S, summary)
    for second, summary in reversed(deltas):
        back.add(second * US_PER_S, summary)
    assert forth.summary == back.summary
    assert forth.timeline.rows() == back.timeline.rows()


@given(st.lists(st.tuples(st.integers(0, 900), summaries()), max_size=6))
def test_the_timeline_holds_what_the_summary_holds(deltas: list[tuple[int, Summary]]) -> None:
    result = result_of()
    for second, summary in deltas:
        result.add(second * US_PER_S, summary)
    points = [row.point for row in result.timeline.rows()]
    assert sum(point.hits for point in points) == result.summary.hits.hits
    assert sum(point.failures for point in points) == result.summary.totals.failures
    assert sum(point.errors for point in points) == result.summary.totals.errors


def test_what_began_and_was_not_told_is_lost_and_started() -> None:
    """Five began, three were delivered, two died with their worker: one in flight, one between two deltas."""
    result = result_of(iterations_of(started=4, ended=3, sent=3), due=10)
    result.users = {0: 5, 1: 5}
    result.declare(loss_of(iterations=2, sent=4, unsent=1), Counts(started=1, ended=0, sent=4, unsent=1))
    assert (result.started, result.unstarted, result.due) == (5, 5, 10)
    assert (result.lost_iterations, result.lost_sent, result.lost_unsent) == (2, 4, 1)
    assert result.users == {1: 5}
    assert not result.imbalances()


def test_losses_of_several_workers_add_up() -> None:
    result = result_of(iterations_of(started=2, ended=0), due=None)
    for worker in (0, 1):
        result.declare(loss_of(worker=worker, iterations=2, sent=3), Counts(started=1, sent=3))
    assert (result.lost_iterations, result.lost_sent, len(result.losses)) == (4, 6, 2)
    assert not result.imbalances()


def test_where_time_decides_all_that_started_was_due() -> None:
    result = result_of(iterations_of(started=7), due=None, duration_us=US_PER_S)
    assert (result.due, result.unstarted) == (7, 0)


def test_an_untold_iteration_breaks_the_law_of_conservation() -> None:
    assert result_of(iterations_of(started=3, ended=2), due=3).imbalances()


def test_more_iterations_than_planned_break_the_law_of_conservation() -> None:
    assert result_of(iterations_of(started=4), due=3).imbalances()


def test_a_sent_request_without_its_time_breaks_the_law_of_conservation() -> None:
    summary = iterations_of(1, sent=1)
    summary.series[SeriesKey("t", "GET", "/")] = series_of([1])
    summary.series[SeriesKey("t", "GET", "/")].sent = 2
    assert result_of(summary).imbalances()


def test_a_request_without_an_outcome_breaks_the_law_of_conservation() -> None:
    summary = iterations_of(1, sent=1, unsent=1)
    assert not result_of(summary).imbalances()
    next(iter(summary.series.values())).errors.clear()
    assert result_of(summary).imbalances()


def test_interrupted_iterations_are_neither_ended_nor_lost() -> None:
    result = result_of(Summary(totals=Totals(started=5, ended=2, interrupted=3, success=2)), due=5)
    assert not result.imbalances()
    assert result.lost_iterations == 0


def test_the_verdict_takes_everything_into_account() -> None:
    assert result_of(iterations_of(3), due=3).judge().verdict is Verdict.PASSED
    assert result_of(iterations_of(3), due=4).judge().verdict is Verdict.INVALID
    stopped = result_of(iterations_of(3), due=4)
    stopped.stop = Stop.GRACEFUL
    assert stopped.judge().exit_code is ExitCode.ABORTED
    lossy = result_of(iterations_of(3, 2, sent=2), due=3)
    lossy.declare(loss_of(), Counts(sent=1))
    assert lossy.judge().verdict is Verdict.INVALID
    crippled = result_of(iterations_of(3), due=None)
    crippled.given_up.append(1)
    assert crippled.judge().verdict is Verdict.INVALID
    assert result_of().judge().reasons == ["no iteration came to its end", "1 planned iteration never started"]


def test_results_share_nothing() -> None:
    first, second = Result(info=info_of()), Result(info=info_of())
    first.add(0, iterations_of(1))
    first.declare(loss_of(), Counts())
    first.warnings.append("x")
    assert second == Result(info=info_of())


def test_health_is_kept_by_worker_and_in_the_timeline() -> None:
    result = result_of()
    for worker, share in ((0, 0.2), (1, 0.95)):
        for second in range(4):
            result.add(second * US_PER_S, Summary(), worker, health_of(cpu_us=int(share * US_PER_S)))
    assert result.health[1].total.cpu_us == 3_800_000
    assert [row.point.cpu_share for row in result.timeline.rows()] == [0.95] * 4
    assert [(symptom.worker, symptom.rule) for symptom in result.symptoms()] == [(1, Rule.BUSY)]


def test_what_is_over_is_no_symptom_of_now() -> None:
    result = result_of()
    for second in range(20):
        busy = 2 <= second < 10
        result.add(second * US_PER_S, Summary(), 0, health_of(cpu_us=990_000 if busy else 10_000))
        assert bool(result.symptoms_now((second + 1) * US_PER_S)) == (4 <= second <= 14), second
    assert result.symptoms() != []


def test_a_worker_that_says_nothing_any_more_has_no_symptoms_now() -> None:
    result = result_of()
    for second in range(5):
        result.add(second * US_PER_S, Summary(), 0, health_of(cpu_us=990_000))
    assert result.symptoms_now(5 * US_PER_S) != []
    assert result.symptoms_now(60 * US_PER_S) == []


def test_a_late_delta_tells_of_all_the_seconds_that_it_covers() -> None:
    """A worker that was blocked for three seconds leaves no gap, and nothing else counts twice."""
    result = result_of()
    blocked = health_of(wall_us=3_200_000, cpu_us=3_200_000, lag=histogram_of([2_200_000]))
    result.add(0, iterations_of(1, sent=1), 0, blocked)
    rows = result.timeline.rows()
    assert [(row.t_us // US_PER_S, row.point.cpu_share, row.point.lag_us) for row in rows] == [
        (0, 1.0, 2_200_000),
        (1, 1.0, 2_200_000),
        (2, 1.0, 2_200_000),
    ]
    assert sum(row.point.hits for row in rows) == 1


def test_a_delta_of_a_moment_more_than_a_second_is_one_second() -> None:
    result = result_of()
    result.add(0, Summary(), 0, health_of(wall_us=1_000_700))
    assert len(result.timeline.rows()) == 1


def test_a_generator_that_was_the_bottleneck_makes_the_result_invalid() -> None:
    result = result_of(iterations_of(3), due=3)
    for second in range(4):
        result.fare(second * US_PER_S, 0, health_of(cpu_us=990_000))
    assert result.judge().exit_code is ExitCode.INVALID
    assert result.judge().reasons[0].startswith("the load generator was the bottleneck for 100% of its time: worker 0 ")


def test_with_allow_invalid_its_end_says_what_would_have_made_it_invalid() -> None:
    result = result_of(iterations_of(3), due=4, rules=Rules(allow_invalid=True))
    result.conclude(None)
    assert result.warnings == ["invalid, but for --allow-invalid: 1 planned iteration never started"]
    assert result.judge().verdict is Verdict.PASSED


def test_in_an_open_run_what_never_started_is_held_against_max_lost() -> None:
    for due, verdict in ((101, Verdict.PASSED), (103, Verdict.INVALID)):
        result = result_of(iterations_of(100), due=due, duration_us=US_PER_S, is_open=True, has_starts=True, users=5)
        result.conclude(None)
        assert result.judge().verdict is verdict
        told = result.warnings if verdict is Verdict.PASSED else result.judge().reasons
        assert f"{due - 100} of {due} planned iterations never started, for nobody was there to run them" in told[0]


def test_thresholds_decide_once_there_are_any() -> None:
    summary = iterations_of(3)
    summary.totals.failures = 2
    result = result_of(summary, due=3)
    assert result.judge().exit_code is ExitCode.FAILED
    result.thresholds = [Standing(text="hits > 0", state=State.PASSED)]
    assert result.judge() == (Verdict.PASSED, ExitCode.PASSED, ["2 failures, which no threshold forbids"])
    result.thresholds = [Standing(text="hits > 9", state=State.CROSSED, value=3.0, shown="3")]
    assert result.judge() == (Verdict.FAILED, ExitCode.THRESHOLD, ["hits > 9: it was 3", "2 failures"])


def test_a_loss_is_an_event_that_lasted() -> None:
    result = result_of()
    result.declare(loss_of(worker=3), Counts())
    result.declare(loss_of(worker=None, agent="north", reason="did not come back"), Counts())
    assert result.events == [
        Event(t_us=1_000_000, until_us=2_500_000, kind=EventKind.LOST, text="worker 3 was killed by SIGKILL"),
        Event(t_us=1_000_000, until_us=2_500_000, kind=EventKind.LOST, text="agent north did not come back"),
    ]


def test_of_very_many_events_the_first_and_the_last_are_kept() -> None:
    result = result_of()
    for number in range(3 * MAX_EVENTS):
        result.note(Event(t_us=number, kind=EventKind.NOTE, text="x"))
    half = MAX_EVENTS // 2
    assert [event.t_us for event in result.events] == [*range(half), *range(3 * MAX_EVENTS - half, 3 * MAX_EVENTS)]


def test_a_point_counts_hits_that_failed() -> None:
    summary = iterations_of(1, sent=3, unsent=2)
    summary.series[SeriesKey("t", "GET", "/gone")] = series_of([1, 2], status=404)
    summary.series[SeriesKey("t", "transaction", "pay")] = series_of([5], status=500)
    (row,) = result_of(summary).timeline.rows()
    assert (row.point.hits, row.point.failed) == (7, 4)


@given(summaries())
def test_series_and_machines_of_a_result_travel_beside_it(summary: Summary) -> None:
    """What is encoded without them and gets them back is the same."""
    result = result_of(summary)
    bare = msgspec.structs.replace(result, details=result.details.bare(), machines=result.machines.bare())
    read = msgspec.msgpack.decode(msgspec.msgpack.encode(bare), type=Result)
    for times, known in ((result.details, read.details), (result.machines, read.machines)):
        for (t_us, width_us), data in times.packed.items():
            known.put(t_us, width_us, data)
    assert read == result

from __future__ import annotations

from datetime import datetime
from itertools import takewhile
from textwrap import dedent

import pytest

from loads.metrics.counters import Counts
from loads.metrics.histogram import Histogram
from loads.metrics.pace import Pace
from loads.metrics.phases import Phases, Span
from loads.metrics.result import Result
from loads.metrics.summary import (
    ITERATION,
    ITERATION_NAME,
    TRANSACTION,
    ErrorGroup,
    ErrorKey,
    Series,
    SeriesKey,
    Summary,
    Totals,
)
from loads.metrics.threshold import Standing, State
from loads.metrics.verdict import Stop
from loads.report.console import (
    BAR_WIDTH,
    MAX_ROWS,
    bar,
    classic_lines,
    done_part,
    end_block,
    error_lines,
    headline,
    new_lines,
    threshold_lines,
    trouble_lines,
)
from loads.units import US_PER_S
from tests.build import histogram_of, info_of, iterations_of, loss_of, result_of, series_of, span_of

TALK = dedent("""\
    [==============================================================] 100%
    Duration: 2.87 seconds
    Hits: 200
    Started: 2014-05-09 16:13:38.219595
    Approximate Average RPS: 69
    Average request time: 0.58s
    Opened web sockets: 0
    Bytes received via web sockets : 0

    Success: 200
    Errors: 0
    Failures: 0

    Slowest URL: http://178.32.28.121:80/ Average Request Time: 0.5801773
    Stats by URLs:
    - http://178.32.28.121:80/
            Average request time: 0.5801773 Hits success rate: 1.0
    Custom metrics:
    - island-was-there : 200
    """)
"""The block as the talk shows it."""


def the_talks_run() -> Result:
    """200 users, one iteration and one request each: the figures of the talk."""
    mean_us = 580_177.3
    service = Histogram({1_000: 200}, sum_us=round(200 * mean_us), min_us=500_000, max_us=600_000)
    summary = Summary(
        series={
            SeriesKey("t", "GET", "http://178.32.28.121:80/"): Series(sent=200, statuses={200: 200}, service=service)
        },
        counters={"island-was-there": 200},
        totals=Totals(started=200, ended=200, success=200),
    )
    result = result_of(
        summary, due=200, users=200, started_at=datetime.fromisoformat("2014-05-09T16:13:38.219595+02:00")
    )
    result.duration_us = 2_870_000
    return result


def lines(result: Result) -> list[str]:
    return list(classic_lines(result))


def with_urls(**urls: list[int]) -> Result:
    summary = Summary(series={SeriesKey("t", "GET", name): series_of(values) for name, values in urls.items()})
    return result_of(summary)


def group_of(count: int = 1, message: str = "1 != 2", traceback: str = "") -> ErrorGroup:
    return ErrorGroup(count, 100_000, 2_300_000, message, traceback, "t")


# The classic part.


def test_the_talks_own_block_is_printed_as_it_was() -> None:
    assert lines(the_talks_run()) == TALK.splitlines()


def test_the_block_begins_with_the_classic_part() -> None:
    assert end_block(the_talks_run()).startswith(f"{TALK}\n")


def test_each_url_has_its_mean_and_its_part_of_good_answers() -> None:
    summary = Summary(
        series={
            SeriesKey("t", "GET", "/a"): series_of([1_000_000, 2_000_000]),
            SeriesKey("t", "POST", "/a"): series_of([3_000_000], 500),
            SeriesKey("u", "GET", "/b"): series_of([250_000], 302),
        }
    )
    block = lines(result_of(summary))
    assert block[block.index("Stats by URLs:") + 1 : block.index("Custom metrics:")] == [
        "- /a",
        "        Average request time: 2.0000000 Hits success rate: 0.6667",
        "- /b",
        "        Average request time: 0.2500000 Hits success rate: 1.0",
    ]
    assert "Slowest URL: /a Average Request Time: 2.0000000" in block


def test_a_url_that_was_never_reached_has_no_time() -> None:
    series = Series(unsent=3, failed=3, errors={"connect-refused": 3})
    block = lines(result_of(Summary(series={SeriesKey("t", "GET", "/"): series})))
    assert "Hits: 3" in block
    assert "Average request time: -" in block
    assert "Slowest URL: -" in block
    assert "        Average request time: - Hits success rate: 0.0" in block


def test_blocks_of_time_are_no_urls() -> None:
    block = lines(result_of(Summary(series={SeriesKey("t", TRANSACTION, "checkout"): series_of([5])})))
    assert "Hits: 0" in block
    assert "- checkout" not in block


def test_a_run_without_anything_still_has_every_label() -> None:
    labels = [line.partition(":")[0] for line in TALK.splitlines()[1:-1] if line and not line.startswith(("-", " "))]
    empty = [line.partition(":")[0] for line in lines(Result(info=info_of(due=0))) if line][1:]
    assert empty == labels


def test_many_urls_are_cut_and_the_rest_is_counted() -> None:
    block = lines(with_urls(**{f"/{number}": [1] for number in range(MAX_ROWS + 3)}))
    assert sum(line.startswith("- /") for line in block) == MAX_ROWS
    assert "- ... and 3 more; --output json=FILE has all" in block


def test_counters_are_in_order() -> None:
    assert lines(result_of(Summary(counters={"b": -1, "a": 2})))[-2:] == ["- a : 2", "- b : -1"]


# The bar.


def test_the_bar_is_as_wide_as_the_talks() -> None:
    assert len(bar(0.3).partition("]")[0]) == BAR_WIDTH + 1 == len(TALK.partition("]")[0])


@pytest.mark.parametrize(
    ("part", "text"), [(0.0, "[    ]   0%"), (0.5, "[==  ]  50%"), (0.999, "[=== ]  99%"), (1.0, "[====] 100%")]
)
def test_the_bar_is_full_only_when_all_is_done(part: float, text: str) -> None:
    assert bar(part, width=4).replace("]", "] ", 1).split() == text.split()


def test_done_is_what_started_of_what_was_due() -> None:
    assert done_part(result_of(iterations_of(3), due=4)) == 0.75
    assert done_part(result_of(due=0)) == 1.0


def test_with_a_duration_done_is_the_time_until_the_stop() -> None:
    result = result_of(due=None, duration_us=4 * US_PER_S)
    result.stop = Stop.GRACEFUL
    assert done_part(result) == 0.25


def test_with_a_duration_a_run_that_was_not_stopped_is_done() -> None:
    """The last iteration may have ended a little before the time was over."""
    result = result_of(due=None, duration_us=4 * US_PER_S)
    result.duration_us = 3_900_000
    assert done_part(result) == 1.0


def test_of_planned_arrivals_done_is_the_time_too() -> None:
    """Iterations that find no user are no part that is still to be done."""
    result = result_of(iterations_of(3), due=10, duration_us=4 * US_PER_S)
    result.stop = Stop.GRACEFUL
    assert done_part(result) == 0.25


# What is new.


def test_each_series_has_its_percentiles() -> None:
    summary = Summary(series={SeriesKey("t", "GET", "/"): series_of([100] * 99 + [200_000])})
    table = [line.split() for line in new_lines(result_of(summary))][1:3]
    assert table[0] == ["hits", "p50", "p90", "p95", "p99", "p99.9", "max", "series"]
    assert table[1] == ["100", "0.10", "0.10", "0.10", "0.10", "200", "200", "GET", "/"]


def test_columns_stand_one_below_the_other() -> None:
    result = with_urls(**{"/a": [100], "/b": [1_234_000] * 1_000})
    head, *rows = list(new_lines(result))[1:4]
    assert {line.index("GET") for line in rows} == {head.index("series")}


def test_the_same_url_of_several_tests_is_told_apart() -> None:
    summary = Summary(series={SeriesKey(f"m.T.test_{name}", "GET", "/"): series_of([1]) for name in "ab"})
    text = "\n".join(new_lines(result_of(summary)))
    assert "GET / [test_a]" in text
    assert "GET / [test_b]" in text


WHERE = "Where the time went, the mean of each phase in ms, and connections opened:"


def where_the_time_went(summary: Summary) -> list[str]:
    """The table, without its headline; empty when there is none."""
    told = list(new_lines(result_of(summary)))
    return [*takewhile(bool, told[told.index(WHERE) + 1 :])] if WHERE in told else []


def test_each_series_of_requests_has_the_means_of_its_phases() -> None:
    first = series_of([5_000] * 1_200)
    first.connections = 1_200
    first.phases = Phases(
        dns=span_of([40_000]),
        connect=Span(1_200, 1_200 * 150, 900),
        tls=Span(1_200, 1_200 * 12_300, 20_000),
        first_byte=Span(1_200, 1_200 * 4_560, 9_000),
        body=Span(1_200, 0, 0),
    )
    later = series_of([2_000_000] * 10)
    later.phases = Phases(first_byte=span_of([1_000]), body=span_of([1_999_000]))
    stock = series_of([1])
    summary = Summary(
        series={
            SeriesKey("t", method, name): series
            for method, name, series in [
                ("GET", "https://127.0.0.1/", first),
                ("GET", "report", later),
                ("POST", "/by/stock/requests", stock),
                (TRANSACTION, "checkout", series_of([9])),
            ]
        }
    )
    assert where_the_time_went(summary) == [
        "opened   dns  connect   tls  first byte   body  series",
        " 1,200  40.0     0.15  12.3        4.56   0.00  GET https://127.0.0.1/",
        "     0     -        -     -        1.00  1,999  GET report",
        "     -     -        -     -           -      -  POST /by/stock/requests",
    ]


def test_where_no_phase_was_measured_nothing_is_told_of_them() -> None:
    measured_elsewhere = Series(sent=1, phases=Phases(body=span_of([1])))
    summary = Summary(
        series={SeriesKey("t", "GET", "/"): series_of([5]), SeriesKey("t", TRANSACTION, "buy"): measured_elsewhere}
    )
    assert where_the_time_went(summary) == where_the_time_went(Summary()) == []


def test_phases_are_told_of_the_series_that_have_percentiles() -> None:
    summary = Summary(
        series={
            SeriesKey("t", "GET", f"/{number}"): Series(sent=1, phases=Phases(body=span_of([1])))
            for number in range(MAX_ROWS + 3)
        }
    )
    told = list(new_lines(result_of(summary)))
    percentiles = [line.rpartition(" ")[2] for line in told[2 : 2 + MAX_ROWS]]
    assert [line.rpartition(" ")[2] for line in where_the_time_went(summary)[1:]] == percentiles


def test_iterations_and_requests_are_accounted_for() -> None:
    summary = Summary(
        series={SeriesKey("t", "GET", "/"): Series(sent=5, unsent=2, errors={"dns": 2, "reset": 1})},
        totals=Totals(started=8, ended=6, interrupted=1, skipped=3),
    )
    result = result_of(summary, due=12)
    result.declare(loss_of(iterations=2, sent=4, unsent=1), Counts(started=1, sent=4, unsent=1))
    text = list(new_lines(result))
    assert "Iterations: 6 of 12 ended, 3 unstarted, 1 interrupted, 2 lost" in text
    assert "Skipped: 3" in text
    assert "Requests: 5 sent, 2 unsent; without a whole answer: 2 dns, 1 reset" in text
    assert (
        "Lost: 2 iterations and 4 sent requests and 1 unsent, from 1.0 s to 2.5 s: worker 0 was killed by SIGKILL"
        in text
    )


def test_errors_are_grouped_with_the_most_frequent_first() -> None:
    summary = Summary(
        errors={
            ErrorKey("error", "KeyError", "a.py:1"): group_of(1),
            ErrorKey("failure", "AssertionError", "a.py:2"): group_of(5, traceback="Traceback\n  line"),
        }
    )
    assert list(error_lines(result_of(summary))) == [
        "Failures and errors:",
        "- 5 failures: AssertionError at a.py:2, from 0.1 s to 2.3 s",
        "    Traceback\n      line",
        "- 1 error: KeyError at a.py:1, at 0.1 s",
        "    1 != 2",
    ]


def test_many_kinds_of_errors_are_cut_and_the_rest_is_counted() -> None:
    errors = {ErrorKey("error", "KeyError", f"a.py:{line}"): group_of() for line in range(MAX_ROWS + 2)}
    told = list(error_lines(result_of(Summary(errors=errors))))
    assert told[-1] == "- ... and 2 more kinds; --output json=FILE has all"


def test_an_error_from_nowhere_has_no_place() -> None:
    assert headline(ErrorKey("error", "KeyError", ""), group_of()) == "1 error: KeyError, at 0.1 s"


def test_the_last_line_is_the_verdict_and_why() -> None:
    assert end_block(the_talks_run()).splitlines()[-1] == "Verdict: passed"
    failed = result_of(Summary(totals=Totals(started=1, ended=1, failures=1)))
    assert end_block(failed).splitlines()[-1] == "Verdict: failed (1 failure)"


def test_warnings_of_the_plan_are_repeated() -> None:
    result = the_talks_run()
    result.warnings.append("too few open files")
    assert "Warning: too few open files" in end_block(result).splitlines()


def test_quiet_still_tells_what_went_wrong() -> None:
    result = result_of(Summary(errors={ErrorKey("error", "KeyError", "a.py:1"): group_of()}, totals=Totals(errors=1)))
    result.declare(loss_of(), Counts())
    told = list(trouble_lines(result))
    assert told[0] == "Failures and errors:"
    assert any(line.startswith("Lost: ") for line in told)
    assert told[-1].startswith("Verdict: ")


def test_a_service_time_is_told_for_what_was_timed_only() -> None:
    first = list(takewhile(bool, new_lines(result_of())))
    assert first == ["Service times: nothing was measured"]


# Where starts were planned.


def planned(late: list[int], awaited: int, unstarted: int = 0, **changed: object) -> Result:
    """Each of so `late` iterations has one request of 100 ms; `unstarted` more waited for 5 s and never began."""
    took = [100_000] * len(late)
    hit, iteration = series_of(took), Series(sent=len(late), service=histogram_of(took), unstarted=unstarted)
    hit.response = histogram_of(each + 100_000 for each in late)
    iteration.response = histogram_of([*(each + 100_000 for each in late), *[5_000_000] * unstarted])
    summary = Summary(
        series={SeriesKey("t", "GET", "/"): hit, SeriesKey("t", ITERATION, ITERATION_NAME): iteration},
        totals=Totals(started=len(late), ended=len(late), success=len(late)),
        pace=Pace(histogram_of(late), histogram_of(late[:awaited])),
    )
    fields = {"due": len(late) + unstarted, "duration_us": US_PER_S, "is_open": True, "has_starts": True}
    return result_of(summary, **{**fields, **changed})


def test_response_times_come_first_and_service_times_after_them() -> None:
    told = list(new_lines(planned([200] * 98 + [6_100_000] * 2, 98)))
    assert told[:8] == [
        "Response times in ms, which is what users feel: service time plus how late the iteration began:",
        "hits  p50  p90  p95    p99  p99.9    max  series",
        " 100  100  100  100  6,200  6,200  6,200  GET /",
        " 100  100  100  100  6,200  6,200  6,200  iteration t",
        "",
        "Service times in ms, to the end of the body, without that lateness:",
        "hits  p50  p90  p95  p99  p99.9  max  series",
        " 100  100  100  100  100    100  100  GET /",
    ]


def test_lateness_says_how_many_iterations_found_no_free_user() -> None:
    told = list(new_lines(planned([210] * 98 + [6_100_000] * 2, 98)))
    assert "Lateness: p50 0.21 ms, p99 6.1 s, max 6.1 s; 2 of 100 iterations began late for want of a free user" in told
    assert "Lateness of the others, which is the load generator's own: p50 0.21 ms, p99 0.21 ms, max 0.21 ms" in told


def test_where_users_were_always_free_all_lateness_is_the_generators() -> None:
    told = list(new_lines(planned([210] * 4, 4)))
    assert "Lateness: p50 0.21 ms, p99 0.21 ms, max 0.21 ms; there was a free user for each" in told
    assert not any("of the others" in line for line in told)


def test_iterations_that_never_began_are_accounted_for_and_explained() -> None:
    told = list(new_lines(planned([210] * 4, 4, unstarted=2_000)))
    assert "Iterations: 4 of 2,004 planned started, 2,000 never did (unstarted)" in told
    assert "Of those that started: 4 ended" in told
    assert "Of the iterations 2,000 never began: these count with the time that they waited, a lower bound" in told
    rows = [line for line in told if "iteration t" in line]
    assert [row.split()[0] for row in rows] == ["2,004", "4"]
    assert [row.endswith("iteration t, 2,000 unstarted") for row in rows] == [True, False]


def test_planned_iterations_that_all_began_need_no_explanation() -> None:
    told = list(new_lines(planned([210] * 4, 4)))
    assert "Iterations: 4 of 4 planned started" in told
    assert not any("never" in line for line in told)


def test_a_planned_run_of_which_nothing_is_known_still_has_its_block() -> None:
    result = result_of(due=10, duration_us=US_PER_S, is_open=True, has_starts=True)
    told = list(new_lines(result))
    assert told[0] == "Service times: nothing was measured"
    assert "Iterations: 0 of 10 planned started, 10 never did (unstarted)" in told


def test_the_classic_part_tells_service_times_whatever_was_planned() -> None:
    assert "Average request time: 0.10s" in lines(planned([6_000_000] * 4, 0))


def test_what_is_told_of_planned_starts_is_no_wider_than_a_hundred_columns() -> None:
    result = planned([200] * 40_000 + [3_599_000_000] * 30_000, 40_000, unstarted=9_000)
    told = [line for line in new_lines(result) if not line.startswith(("Lateness", "Warning", "Verdict"))]
    assert max(map(len, told)) <= 100


# Thresholds.


def test_each_threshold_has_a_line_with_its_value_and_when_it_was_crossed() -> None:
    thresholds = [
        Standing(text="p(95) < 500ms", state=State.CROSSED, value=612e3, shown="612ms", crossed_us=12_000_000),
        Standing(text="failure_rate < 1%", state=State.PASSED, value=0.005, shown="0.5%"),
        Standing(text="counter:x > 1", state=State.NO_DATA),
        Standing(text="hits > 9", state=State.PENDING, value=4.0, shown="4"),
        Standing(text="errors < 1", state=State.CROSSED, value=3.0, shown="3", crossed_us=2_500_000, aborted=True),
    ]
    assert list(threshold_lines(thresholds)) == [
        "Thresholds:",
        "  FAILED     p(95) < 500ms      612ms, crossed at 12.0 s",
        "  ok         failure_rate < 1%  0.5%",
        "  no data    counter:x > 1",
        "  undecided  hits > 9           4",
        "  FAILED     errors < 1         3, crossed at 2.5 s, which ended the run",
    ]


def test_a_very_long_threshold_does_not_push_the_values_of_the_others_away() -> None:
    thresholds = [
        Standing(text="a" * 200, state=State.PASSED, value=1.0, shown="1"),
        Standing(text="b", state=State.PASSED, value=2.0, shown="2"),
    ]
    assert list(threshold_lines(thresholds))[1:] == [f"  ok  {'a' * 200}  1", "  ok  b  2"]


def test_thresholds_come_right_before_the_verdict_that_follows_from_them() -> None:
    result = the_talks_run()
    assert "Thresholds:" not in end_block(result)
    result.thresholds = [Standing(text="hits > 9", state=State.CROSSED, value=4.0, shown="4")]
    told = end_block(result).splitlines()
    assert told[-3:-1] == ["Thresholds:", "  FAILED  hits > 9  4"]
    assert told[-1].startswith("Verdict: failed (hits > 9: it was 4")

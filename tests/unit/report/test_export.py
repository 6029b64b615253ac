from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given

from loads.metrics.counters import Counts
from loads.metrics.events import Event, EventKind
from loads.metrics.pace import Pace
from loads.metrics.phases import Phases, Span
from loads.metrics.result import Place, Result
from loads.metrics.rules import Rules
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
from loads.report.export import LEAST_POINTS, MANY_POINTS, SCHEMA, to_json
from loads.units import US_PER_S
from tests.build import health_of, histogram_of, info_of, iterations_of, loss_of, result_of, series_of, summaries

TOTALS = {
    "iterations",
    "due",
    "started",
    "ended",
    "unstarted",
    "interrupted",
    "hits",
    "sent",
    "unsent",
    "lost",
    "rps",
    "success",
    "failures",
    "errors",
    "skipped",
    "bytes_sent",
    "bytes_received",
    "connections",
    "phases",
}
DISTRIBUTION = ["mean_ms", "min_ms", "p50_ms", "p90_ms", "p95_ms", "p99_ms", "p999_ms", "max_ms"]


def document(result: Result) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(to_json(result))
    return value


def test_every_promised_field_is_there() -> None:
    summary = iterations_of(1, sent=1)
    summary.errors[ErrorKey("failure", "AssertionError", "a.py:1")] = ErrorGroup(1, 0, 0, "m", "t", "s")
    told = document(result_of(summary))
    assert {
        "schema",
        "run",
        "totals",
        "series",
        "counters",
        "errors",
        "timeline",
        "verdict",
        "exit_code",
    } <= told.keys()
    assert set(TOTALS) <= told["totals"].keys()
    (series,) = told["series"]
    assert {"scenario", "method", "name", "hits", "statuses", "errors", "service", "response"} <= series.keys()
    assert {"connections", "phases"} <= series.keys()
    assert list(series["service"]) == list(series["response"]) == DISTRIBUTION
    assert {"kind", "message", "traceback", "count", "first_s", "last_s"} <= told["errors"][0].keys()
    point = {"t_s", "users", "hits", "failures", "errors", "p50_ms", "p95_ms", "p99_ms"}
    assert point <= told["timeline"][0].keys()


def test_the_schema_is_versioned() -> None:
    assert document(result_of())["schema"] == SCHEMA == 1


@given(summaries())
def test_any_result_is_one_json_document(summary: Summary) -> None:
    text = to_json(result_of(summary))
    assert text.endswith(b"}\n")
    assert isinstance(json.loads(text, parse_constant=pytest.fail), dict)


def test_times_are_milliseconds_of_what_was_measured() -> None:
    summary = Summary(series={SeriesKey("t", "GET", "/"): series_of([100, 200, 60_000])})
    assert document(result_of(summary))["series"][0]["service"] == {
        "mean_ms": 20.1,
        "min_ms": 0.1,
        "p50_ms": 0.2,
        "p90_ms": 60.0,
        "p95_ms": 60.0,
        "p99_ms": 60.0,
        "p999_ms": 60.0,
        "max_ms": 60.0,
    }


def test_what_was_not_measured_is_null() -> None:
    summary = Summary(series={SeriesKey("t", "GET", "/"): Series(unsent=1, errors={"dns": 1})})
    assert document(result_of(summary))["series"][0]["service"] == dict.fromkeys(DISTRIBUTION)


def test_phases_that_were_passed_have_their_count_mean_and_maximum() -> None:
    series = series_of([1_000, 2_000])
    series.connections = 1
    series.phases = Phases(connect=Span(1, 250, 250), first_byte=Span(2, 2_500, 1_800), body=Span(2))
    told = document(result_of(Summary(series={SeriesKey("t", "GET", "/"): series})))["series"][0]
    assert told["connections"] == 1
    assert told["phases"] == {
        "connect": {"count": 1, "mean_ms": 0.25, "max_ms": 0.25},
        "first_byte": {"count": 2, "mean_ms": 1.25, "max_ms": 1.8},
        "body": {"count": 2, "mean_ms": 0.0, "max_ms": 0.0},
    }


def test_the_totals_hold_the_connections_and_phases_of_all_requests() -> None:
    keys = [SeriesKey("t", "GET", "/"), SeriesKey("t", "POST", "/"), SeriesKey("t", TRANSACTION, "buy")]
    series = {key: Series(sent=1, connections=2, phases=Phases(tls=Span(2, 6_000, 4_000))) for key in keys}
    totals = document(result_of(Summary(series=series)))["totals"]
    assert totals["connections"] == 4
    assert totals["phases"] == {"tls": {"count": 4, "mean_ms": 3.0, "max_ms": 4.0}}


def test_a_run_whose_phases_nobody_measured_has_none() -> None:
    told = document(result_of(iterations_of(1, sent=1)))
    assert told["totals"]["phases"] == told["series"][0]["phases"] == {}


def test_without_a_plan_of_starts_response_and_service_are_equal() -> None:
    (series,) = document(result_of(iterations_of(1, sent=3)))["series"]
    assert series["response"] == series["service"]


def test_totals_account_for_every_iteration_and_request() -> None:
    summary = iterations_of(7, 5, sent=3, unsent=2)
    summary.totals.interrupted = 1
    result = result_of(summary, due=10)
    result.declare(loss_of(iterations=2, sent=4, unsent=1), Counts(started=1, sent=4, unsent=1))
    totals = document(result)["totals"]
    assert (totals["due"], totals["started"], totals["unstarted"]) == (10, 8, 2)
    assert totals["started"] == totals["ended"] + totals["interrupted"] + totals["lost_iterations"]
    assert (totals["hits"], totals["sent"], totals["unsent"]) == (5, 3, 2)
    assert (totals["lost"], totals["lost_unsent"]) == (4, 1)


def test_a_loss_is_declared_with_its_interval_and_its_process() -> None:
    result = result_of()
    result.declare(loss_of(), Counts())
    assert document(result)["run"]["losses"] == [
        {
            "worker": 0,
            "agent": None,
            "incarnation": "000000000000beef",
            "reason": "was killed by SIGKILL",
            "from_s": 1.0,
            "to_s": 2.5,
            "iterations": 1,
            "sent": 1,
            "unsent": 0,
            "users": 0,
        }
    ]


def test_requests_come_before_transactions_and_iterations() -> None:
    keys = [
        SeriesKey("t", ITERATION, ITERATION_NAME),
        SeriesKey("t", TRANSACTION, "checkout", True),
        SeriesKey("t", "GET", "/rare"),
        SeriesKey("t", "GET", "/often"),
    ]
    summary = Summary(series={key: series_of([1] * n) for n, key in enumerate(keys, 1)})
    names = [(series["method"], series["name"]) for series in document(result_of(summary))["series"]]
    assert names == [
        ("GET", "/often"),
        ("GET", "/rare"),
        ("transaction", "checkout"),
        ("iteration", "(iteration)"),
    ]


def test_statuses_and_counters_are_objects() -> None:
    summary = Summary(series={SeriesKey("t", "GET", "/"): series_of([1, 2], 404)}, counters={"b": 2, "a": 1})
    told = document(result_of(summary))
    assert told["series"][0]["statuses"] == {"404": 2}
    assert list(told["counters"].items()) == [("a", 1), ("b", 2)]


def test_in_a_last_moment_there_are_no_more_users_than_planned() -> None:
    """Users are there for a little longer than the last iteration."""
    result = result_of()
    result.add(0, Summary(totals=Totals(users_us=US_PER_S)))
    result.add(US_PER_S, Summary(totals=Totals(users_us=20_000)))
    result.duration_us = US_PER_S + 100
    assert [row["users"] for row in document(result)["timeline"]] == [1, 1]


def test_the_timeline_tells_users_that_ran_on_average() -> None:
    result = result_of()
    result.info = msgspec.structs.replace(result.info, users=3)
    result.add(0, Summary(totals=Totals(users_us=3 * US_PER_S)))
    result.add(US_PER_S, Summary(totals=Totals(users_us=US_PER_S, failures=2)))
    result.duration_us = US_PER_S * 3 // 2
    timeline = document(result)["timeline"]
    assert [(row["t_s"], row["width_s"], row["users"], row["failures"]) for row in timeline] == [
        (0.0, 1.0, 3, 0),
        (1.0, 1.0, 2, 2),
    ]


def test_the_run_says_what_was_asked_for_and_what_came() -> None:
    result = Result(info=info_of(server_url="http://127.0.0.1:1", duration_us=5 * US_PER_S), duration_us=5_250_000)
    run = document(result)["run"]
    assert (run["planned_duration_s"], run["duration_s"]) == (5.0, 5.25)
    assert run["started_at"] == "2014-05-09T16:13:38.219595+00:00"
    assert (run["seed"], run["users"], run["workers"], run["server_url"]) == (7, 1, 1, "http://127.0.0.1:1")
    assert run["targets"] == ["loadtests.TestWebSite.test_something"]


def test_verdict_and_exit_code_are_the_commands() -> None:
    result = result_of(iterations_of(1))
    result.stop = Stop.HARD
    told = document(result)
    assert (told["verdict"], told["exit_code"]) == ("aborted", 130)
    assert told["reasons"] == ["stopped at once by the user"]


def test_a_rate_of_a_run_that_took_no_time_is_zero() -> None:
    result = Result(info=info_of(), duration_us=0)
    result.add(0, iterations_of(1, sent=1))
    assert document(result)["totals"]["rps"] == 0.0


def test_the_health_of_each_worker_is_told() -> None:
    result = result_of()
    health = health_of(
        cpu_us=500_000, waited_us=250_000, lag=histogram_of([200, 250]), files=20, files_limit=1_024, users=7
    )
    health.paused(12_000)
    result.add(0, Summary(), 1, health)
    result.add(0, Summary(), 0, health_of(wall_us=0))
    told = document(result)
    assert told["health"][1] == {
        "worker": 1,
        "watched_s": 1.0,
        "users": 7,
        "cpu_share": {"mean": 0.5, "max": 0.5},
        "lag": {"p50_ms": 0.2, "p99_ms": 0.25, "max_ms": 0.25},
        "gc": {"pauses": 1, "total_ms": 12.0, "max_ms": 12.0},
        "open_files": {"max": 20, "limit": 1_024},
        "ports": {"max": None, "range": None},
        "waited_share": 0.25,
    }
    assert told["health"][0]["cpu_share"] == {"mean": None, "max": None}
    assert told["health"][0]["lag"] == {"p50_ms": None, "p99_ms": None, "max_ms": None}
    assert [(point["cpu_share"], point["lag_ms"]) for point in told["timeline"]] == [(0.5, 0.25)]


def test_the_timeline_says_nothing_of_a_health_that_nobody_told() -> None:
    told = document(result_of(iterations_of(1)))
    assert told["health"] == []
    assert [(point["cpu_share"], point["lag_ms"]) for point in told["timeline"]] == [(None, None)]


def planned() -> Result:
    """Two iterations of one request each, one of them late; a third one never began."""
    hit, iteration = series_of([100_000, 100_000]), series_of([100_000, 100_000])
    hit.response = histogram_of([100_000, 300_000])
    iteration.response, iteration.unstarted = histogram_of([100_000, 300_000, 500_000]), 1
    summary = Summary(
        series={SeriesKey("t", "GET", "/"): hit, SeriesKey("t", ITERATION, ITERATION_NAME): iteration},
        totals=Totals(started=2, ended=2, success=2, retired=1),
        pace=Pace(histogram_of([0, 200_000]), histogram_of([0])),
    )
    return result_of(summary, due=3, duration_us=US_PER_S, is_open=True, has_starts=True)


def test_response_times_and_lateness_stand_beside_service_times() -> None:
    told = document(planned())
    hit, iteration = told["series"]
    assert (hit["service"]["max_ms"], hit["response"]["max_ms"], hit["unstarted"]) == (100, 300, 0)
    assert (iteration["service"]["max_ms"], iteration["response"]["max_ms"], iteration["unstarted"]) == (100, 500, 1)
    totals = told["totals"]
    assert (totals["service"], totals["response"]) == (hit["service"], hit["response"])
    assert (totals["lateness"]["count"], totals["lateness"]["max_ms"]) == (2, 200)
    assert (totals["delay"]["count"], totals["delay"]["max_ms"]) == (1, 0)
    assert list(totals["lateness"]) == list(totals["delay"]) == ["count", *DISTRIBUTION]


def test_what_was_planned_is_what_started_and_what_did_not() -> None:
    totals = document(planned())["totals"]
    assert (totals["planned"], totals["due"], totals["started"], totals["unstarted"]) == (3, 3, 2, 1)
    assert totals["retired"] == 1


def test_points_of_a_planned_run_have_response_times_and_lateness() -> None:
    (point,) = document(planned())["timeline"]
    assert point["started"] == 2
    assert (point["p50_ms"], point["p99_ms"]) == (100, 100)
    assert [point[f"response_{name}_ms"] for name in ("p50", "p95", "p99")] == [100.096, 300, 300]
    assert [point[f"lateness_{name}_ms"] for name in ("p50", "p99")] == [0, 200]


def test_where_nothing_was_planned_there_is_no_lateness() -> None:
    told = document(result_of(iterations_of(1, sent=3)))
    assert (told["totals"]["lateness"], told["totals"]["delay"]) == (None, None)
    assert told["totals"]["response"] == told["totals"]["service"]
    (point,) = told["timeline"]
    names = ["response_p50_ms", "response_p95_ms", "response_p99_ms", "lateness_p50_ms", "lateness_p99_ms"]
    assert {name: point[name] for name in names} == dict.fromkeys(names)


def test_thresholds_are_told_as_they_stand() -> None:
    result = result_of(iterations_of(1))
    result.thresholds = [
        Standing(
            text="p(95) < 500ms",
            state=State.CROSSED,
            value=612_345.5,
            shown="612ms",
            crossed_us=12_500_000,
            aborted=True,
        ),
        Standing(text="counter:x > 1", state=State.NO_DATA),
    ]
    assert document(result)["thresholds"] == [
        {
            "expression": "p(95) < 500ms",
            "state": "crossed",
            "failed": True,
            "value": 612_345.5,
            "shown": "612ms",
            "crossed_s": 12.5,
            "aborted": True,
        },
        {
            "expression": "counter:x > 1",
            "state": "no data",
            "failed": True,
            "value": None,
            "shown": "no data",
            "crossed_s": None,
            "aborted": False,
        },
    ]


def test_the_rules_of_the_run_are_told() -> None:
    assert document(result_of())["run"]["rules"] == {
        "thresholds": [],
        "warm_up_s": 0.0,
        "max_lost": 0.01,
        "allow_invalid": False,
    }
    rules = Rules(thresholds=("hits > 1",), warm_up_us=20 * US_PER_S, max_lost=0.05, allow_invalid=True)
    assert document(result_of(rules=rules))["run"]["rules"] == {
        "thresholds": ["hits > 1"],
        "warm_up_s": 20.0,
        "max_lost": 0.05,
        "allow_invalid": True,
    }


def test_each_series_is_told_over_time() -> None:
    fast, late = series_of([10_000, 10_000], status=404), series_of([20_000])
    late.response = histogram_of([50_000])
    result = result_of(Summary(series={SeriesKey("t", "GET", "/"): fast}))
    result.add(7 * US_PER_S, Summary(series={SeriesKey("t", "GET", "/"): late}))
    first, second = document(result)["series"][0]["timeline"]
    assert {name: first[name] for name in ("t_s", "width_s", "hits", "failed")} == {
        "t_s": 0,
        "width_s": 1,
        "hits": 2,
        "failed": 2,
    }
    assert first["p50_ms"] == first["response_p99_ms"] == pytest.approx(10, rel=0.032)
    assert (second["t_s"], second["hits"], second["failed"]) == (7, 1, 0)
    assert second["p95_ms"] == pytest.approx(20, rel=0.032)
    assert second["response_p95_ms"] == pytest.approx(50, rel=0.032)


@given(summaries(), summaries())
def test_what_is_told_over_time_adds_up(one: Summary, other: Summary) -> None:
    result = result_of(one)
    result.add(3 * US_PER_S, other, worker=1)
    told = document(result)
    for series in told["series"]:
        assert sum(point["hits"] for point in series["timeline"]) == series["hits"]
        assert sum(point["failed"] for point in series["timeline"]) == series["failed"]
    of_machines = [point for machine in told["machines"] for point in machine["timeline"]]
    for points in (of_machines, told["timeline"]):
        assert sum(point["hits"] for point in points) == told["totals"]["hits"]


@pytest.mark.parametrize("count", [3, 200, 1_500])
def test_many_series_have_few_points_each(count: int) -> None:
    summary = Summary(series={SeriesKey("t", "GET", f"/{n}"): series_of([n]) for n in range(count)})
    result = result_of()
    for second in range(0, 1_200, 4):
        result.add(second * US_PER_S, summary)
    told = document(result)["series"]
    most = max(LEAST_POINTS, min(600, MANY_POINTS // count))
    for series in told:
        points = series["timeline"]
        assert len(points) <= most
        assert sum(point["hits"] for point in points) == series["hits"] == 300
        assert all(one["t_s"] + one["width_s"] <= other["t_s"] for one, other in pairwise(points))


def test_machines_are_agents_or_workers_of_this_one() -> None:
    result = result_of(users=9)
    result.places = [
        Place(agent="north", host="n", first=0, workers=2),
        Place(agent="south", host="s", first=2, workers=1),
    ]
    for worker in range(3):
        summary = iterations_of(1, sent=worker)
        summary.totals.users_us = 2_000_000
        result.add(0, summary, worker, health_of(cpu_us=250_000 * worker, lag=histogram_of([1_000])))
    north, south = document(result)["machines"]
    assert (north["worker"], north["agent"], south["worker"], south["agent"]) == (0, "north", 2, "south")
    assert north["timeline"] == [
        {"t_s": 0, "width_s": 1, "users": 4, "hits": 1, "failed": 0, "cpu_share": 0.25, "lag_ms": 1}
    ]


def test_events_and_what_the_run_is_called_are_told() -> None:
    result = result_of(name="nightly", tags={"branch": "main", "app": "shop"})
    result.note(Event(t_us=1_500_000, kind=EventKind.STOP, text="Ctrl-C: stopping"))
    result.declare(loss_of(), Counts())
    told = document(result)
    assert (told["run"]["name"], told["run"]["tags"]) == ("nightly", {"app": "shop", "branch": "main"})
    assert told["events"] == [
        {"t_s": 1, "until_s": 2.5, "kind": "lost", "text": "worker 0 was killed by SIGKILL"},
        {"t_s": 1.5, "until_s": None, "kind": "stop", "text": "Ctrl-C: stopping"},
    ]

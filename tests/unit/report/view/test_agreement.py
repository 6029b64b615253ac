"""The page, the JSON and the console say the same of one run."""

from __future__ import annotations

from typing import Any

from hypothesis import given

from loads.metrics.health import Health
from loads.metrics.machines import Load
from loads.metrics.pace import Pace
from loads.metrics.result import Result
from loads.metrics.summary import ITERATION, ITERATION_NAME, TRANSACTION, Series, SeriesKey, Summary, Totals
from loads.metrics.threshold import Standing, State
from loads.report.console import end_block
from loads.report.export import as_document
from loads.report.figures import milliseconds
from loads.report.page import RunFrame, Spread, Stage
from loads.report.view.whole import RunView, Seen
from loads.units import US_PER_S
from tests.build import health_of, healths, histogram_of, info_of, loss_of, result_of, series_of, summaries

NAMES = {"mean_ms": "mean", "min_ms": "min", "p50_ms": "p50", "p90_ms": "p90", "p95_ms": "p95", "p99_ms": "p99"}
NAMES |= {"p999_ms": "p999", "max_ms": "max"}
TOTALS = [
    "due",
    "started",
    "ended",
    "unstarted",
    "interrupted",
    "lost_iterations",
    "success",
    "failures",
    "errors",
    "skipped",
    "hits",
    "sent",
    "unsent",
    "lost",
    "bytes_sent",
    "bytes_received",
    "connections",
    "rps",
]


def page_of(result: Result) -> RunFrame:
    return RunView("x").look(Seen(stage=Stage.ENDED, result=result, over=True))


def shop() -> Result:
    """A run of a few kinds of series, with starts that were planned, a threshold and a loss."""
    pages = series_of([1_234, 5_678, 9_999, 1_234_567])
    pages.response = histogram_of([2_000, 6_000, 10_000, 2_000_000])
    whole = series_of([99_949, 99_951])
    whole.response = histogram_of([99_949, 99_951, 700_000])
    whole.unstarted = 1
    summary = Summary(
        series={
            SeriesKey("shop.Test.test_it", "GET", "http://shop/"): pages,
            SeriesKey("shop.Test.test_it", "POST", "http://shop/buy"): series_of([70_000], 500),
            SeriesKey("shop.Test.test_it", TRANSACTION, "buy", True): series_of([80_000]),
            SeriesKey("shop.Test.test_it", ITERATION, ITERATION_NAME): whole,
        },
        totals=Totals(started=4, ended=3, success=1, failures=1, errors=1, users_us=3 * US_PER_S),
        pace=Pace(histogram_of([50, 1_000]), histogram_of([50])),
        counters={"baskets": 3},
    )
    result = Result(info=info_of(due=6, users=5, has_starts=True, duration_us=2 * US_PER_S), duration_us=2 * US_PER_S)
    result.absorb(0, summary)
    result.bear(0, {0: (Load.of(summary), health_of(cpu_us=500_000, waited_us=10_000, lag=histogram_of([7_000])))})
    result.thresholds = [Standing(text="p(95) < 1ms", state=State.CROSSED, value=5_000, shown="5ms")]
    result.losses = [loss_of(iterations=1, sent=1)]
    result.conclude(None)
    return result


def agree(times: dict[str, Any], spread: Spread) -> None:
    assert times == {name: _ms(getattr(spread, field)) for name, field in NAMES.items()} | {
        name: count for name, count in times.items() if name == "count"
    }


def _ms(value_us: float | None) -> float | None:
    return None if value_us is None else round(value_us / 1_000, 3)


def check_against_json(result: Result) -> None:
    frame, told = page_of(result), as_document(result)
    assert frame.totals is not None
    assert {name: told["totals"][name] for name in TOTALS} == {name: getattr(frame.totals, name) for name in TOTALS}
    for name in ("service", "response"):
        agree(told["totals"][name], getattr(frame.totals, name))
    if told["totals"]["lateness"] is not None:
        assert frame.totals.lateness is not None
        agree(told["totals"]["lateness"], frame.totals.lateness)
    assert frame.head is not None
    assert frame.head.has_starts is (told["totals"]["lateness"] is not None)
    for series, name, figures in zip(told["series"], frame.names, frame.figures, strict=True):
        assert (series["scenario"], series["method"], series["name"]) == (name.scenario, name.method, name.name)
        for field in ("hits", "sent", "unsent", "failed", "unstarted", "bytes_sent", "bytes_received", "connections"):
            assert series[field] == getattr(figures, field)
        agree(series["service"], figures.service)
        agree(series["response"], figures.response)
    for row, point in zip(told["timeline"], frame.points, strict=True):
        assert (row["t_s"], row["width_s"]) == (point.t_us / US_PER_S, point.width_us / US_PER_S)
        for field in ("users", "started", "hits", "failed", "failures", "errors", "cpu_share"):
            assert row[field] == getattr(point, field)
        assert [row["p50_ms"], row["p95_ms"], row["p99_ms"]] == [_ms(point.s50), _ms(point.s95), _ms(point.s99)]
        assert [row["lateness_p50_ms"], row["lateness_p99_ms"]] == [_ms(point.l50), _ms(point.l99)]
        if row["response_p50_ms"] is not None:
            assert [row["response_p50_ms"], row["response_p95_ms"]] == [_ms(point.r50), _ms(point.r95)]
    assert told["counters"] == dict(sorted(frame.counters.items()))
    assert frame.standing is not None
    assert (told["verdict"], told["exit_code"]) == (frame.standing.outlook.value, frame.standing.exit_code)
    assert tuple(told["reasons"]) == frame.standing.reasons
    assert tuple(told["run"]["warnings"]) == frame.warnings
    for group, text, figures in zip(told["errors"], frame.errors, frame.error_figures, strict=True):
        assert (group["kind"], group["message"], group["count"]) == (text.kind, text.message, figures.count)
        assert group["series"] == figures.series


def test_the_page_says_what_the_json_says() -> None:
    check_against_json(shop())


@given(summaries(), healths())
def test_whatever_was_measured_the_page_says_what_the_json_says(summary: Summary, health: Health) -> None:
    result = result_of(has_starts=True)
    result.add(0, summary, health=health)
    result.conclude(None)
    result.warnings = list(dict.fromkeys(result.warnings))
    check_against_json(result)


def test_the_page_says_what_the_console_says() -> None:
    result = shop()
    frame, lines = page_of(result), end_block(result).splitlines()
    assert frame.totals is not None
    assert f"Hits: {frame.totals.hits}" in lines
    assert f"Success: {frame.totals.success}" in lines
    assert f"Approximate Average RPS: {int(frame.totals.rps)}" in lines
    for figures, name in zip(frame.figures, frame.names, strict=True):
        for count, spread in (
            (figures.hits + figures.unstarted, figures.response),
            (figures.hits, figures.service),
        ):
            times = (spread.p50, spread.p90, spread.p95, spread.p99, spread.p999, spread.max)
            cells = [f"{count:,}", *map(milliseconds, times)]
            assert any(line.split()[: len(cells)] == cells and name.method in line for line in lines), cells
    assert frame.standing is not None
    assert lines[-1] == f"Verdict: {frame.standing.outlook.value} ({'; '.join(frame.standing.reasons)})"
    assert frame.thresholds is not None
    assert any(frame.thresholds[0].text in line and frame.thresholds[0].shown in line for line in lines)


def test_what_nobody_measured_is_none() -> None:
    frame = page_of(result_of(Summary(series={SeriesKey("t", "GET", "/"): Series(unsent=1, errors={"dns": 1})})))
    assert frame.figures[0].service == Spread(0)
    assert frame.totals is not None
    assert (frame.totals.service, frame.totals.iteration, frame.totals.lateness) == (Spread(0), Spread(0), None)
    assert (frame.points[0].s50, frame.points[0].r99, frame.points[0].heat) == (None, None, ())

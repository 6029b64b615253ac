from __future__ import annotations

from io import StringIO

import pytest
from rich.cells import cell_len
from rich.console import Console

from loads.metrics.pace import Pace
from loads.metrics.result import Result
from loads.metrics.summary import (
    ITERATION,
    ITERATION_NAME,
    ErrorGroup,
    ErrorKey,
    Series,
    SeriesKey,
    Summary,
    Totals,
)
from loads.metrics.threshold import Standing, State
from loads.metrics.verdict import Stop
from loads.report.panel import draw, spark
from loads.units import US_PER_S
from tests.build import health_of, histogram_of, info_of, series_of

WIDTHS = [60, 80, 120, 200]


def drawn(result: Result, width: int = 80, height: int = 24, elapsed_us: int = 30 * US_PER_S) -> list[str]:
    """The lines as a terminal shows them."""
    file = StringIO()
    console = Console(file=file, width=width, height=height, color_system=None, force_terminal=True)
    console.print(draw(result, elapsed_us, width, height))
    return file.getvalue().splitlines()


def run_of(summary: Summary | None = None, users: int = 20, **changed: object) -> Result:
    """A run of a minute, half over."""
    result = Result(info=info_of(**{"due": None, "duration_us": 60 * US_PER_S, **changed}))
    for second in range(30):
        result.add(second * US_PER_S, Summary(totals=Totals(users_us=users * US_PER_S)))
    if summary is not None:
        result.add(29 * US_PER_S, summary)
    result.users = {0: users // 2, 1: users - users // 2}
    return result


def crowded(series: int = 100, errors: int = 5, factor: int = 1) -> Summary:
    """Long names, wide figures, text with markup and line breaks."""
    summary = Summary(totals=Totals(failures=12_345 * factor, errors=6_789 * factor))
    for number in range(series):
        name = f"http://long.name.example.org:8443/a/rather/long/path/with/many/parts/{number}?[bold]"
        stats = series_of([1_234_567_890] * (series - number))
        stats.unsent = 1_000_000 * factor
        stats.failed = 999_999 * factor
        stats.bytes_received = 10**12 * factor
        summary.series[SeriesKey("shop.tests.TestShop.test_with_a_long_name", "DELETE", name)] = stats
    summary.series[SeriesKey("t", ITERATION, ITERATION_NAME)] = series_of([5])
    for number in range(errors):
        key = ErrorKey("failure", "some.library.errors.LongNamedError", f"/home/me/tests/test_site.py:{number}")
        message = "expected [red]nothing[/] of this kind, \N{PILE OF POO} and here is a lot more of it " * 3
        summary.errors[key] = ErrorGroup(1_000, 0, number, f"{message}\nsecond line", "", "t")
    return summary


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("factor", [1, 10**6])
@pytest.mark.parametrize("height", [4, 24, 100])
def test_no_line_is_wider_than_the_terminal(width: int, height: int, factor: int) -> None:
    lines = drawn(run_of(crowded(factor=factor)), width, height)
    assert max(cell_len(line.rstrip()) for line in lines) <= width


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("height", [4, 8, 11, 24, 50])
@pytest.mark.parametrize("errors", [0, 5])
@pytest.mark.parametrize("series", [0, 1, 100])
def test_there_is_always_a_line_left_below(width: int, height: int, errors: int, series: int) -> None:
    assert len(drawn(run_of(crowded(series, errors)), width, height)) <= height - 1


@pytest.mark.parametrize("width", WIDTHS)
def test_the_figures_are_shown_at_any_width(width: int) -> None:
    summary = Summary(
        series={SeriesKey("t", "GET", "http://127.0.0.1/home"): series_of([12_000] * 1_234)},
        totals=Totals(failures=3, errors=2),
    )
    text = "\n".join(drawn(run_of(summary), width))
    for figure in (
        "50%",
        "30s, 30s left",
        "20 users",
        "1,234 hits",
        "3 failures",
        "2 errors",
        "p50 12.0",
        "p99 12.0 ms",
    ):
        assert figure in text, figure
    assert "GET /home" in text


def test_series_that_find_no_room_are_counted() -> None:
    lines = drawn(run_of(crowded(100, 0)), 80, 24)
    rows = sum("DELETE" in line for line in lines)
    assert rows >= 8
    assert f"and {101 - rows} more" in "\n".join(lines)


def test_all_series_are_shown_where_there_is_room() -> None:
    text = "\n".join(drawn(run_of(crowded(30, 0)), 200, 60))
    assert text.count("DELETE") == 30
    assert "more" not in text


def test_the_origin_that_all_urls_share_is_left_out() -> None:
    here = SeriesKey("t", "GET", "http://127.0.0.1:8000/a")
    there = SeriesKey("t", "GET", "http://127.0.0.2:8000/b")
    alone = "\n".join(drawn(run_of(Summary(series={here: series_of([1])}))))
    assert "GET /a" in alone
    both = "\n".join(drawn(run_of(Summary(series={here: series_of([1]), there: series_of([1])})), 200))
    assert "GET http://127.0.0.1:8000/a" in both
    assert "GET http://127.0.0.2:8000/b" in both


def test_the_errors_that_came_last_are_shown_with_their_place() -> None:
    errors = {
        ErrorKey("failure", "AssertionError", f"/tests/test_site.py:{n}"): ErrorGroup(n, 0, n, "[red]\nline 2", "", "t")
        for n in range(1, 6)
    }
    lines = [line.strip() for line in drawn(run_of(Summary(errors=errors)), 60) if "test_site" in line]
    assert lines == [f"{n} failures  [red]  AssertionError test_site.py:{n}" for n in (5, 4, 3)]


def test_an_error_without_a_message_shows_its_kind() -> None:
    summary = Summary(errors={ErrorKey("error", "KeyError", "/a/b.py:3"): ErrorGroup(1, 0, 0, "", "", "t")})
    assert any("KeyError" in line and "b.py:3" in line for line in drawn(run_of(summary)))


def test_with_iterations_the_time_that_is_left_follows_from_what_is_done() -> None:
    summary = Summary(totals=Totals(started=25, ended=25))
    (head,) = [line for line in drawn(run_of(summary, due=100, duration_us=None)) if "%" in line]
    assert "25%" in head
    assert "1m30s left" in head


def test_nothing_is_said_of_the_time_left_before_it_can_be_known() -> None:
    (head,) = [line for line in drawn(run_of(due=100, duration_us=None)) if "%" in line]
    assert "0%" in head
    assert "left" not in head


def test_when_the_time_is_over_it_says_that_it_is_finishing() -> None:
    (head,) = [line for line in drawn(run_of(), elapsed_us=65 * US_PER_S) if "%" in line]
    assert "100%" in head
    assert "1m05s, finishing" in head


def test_a_run_that_is_stopped_says_so() -> None:
    result = run_of()
    result.stop = Stop.GRACEFUL
    assert any("30s, stopping" in line for line in drawn(result))


def test_a_run_that_has_only_begun_can_be_drawn() -> None:
    lines = drawn(Result(info=info_of()), elapsed_us=0)
    assert any("0 users" in line and "0 hits" in line for line in lines)


def test_a_series_that_was_never_sent_has_no_times() -> None:
    summary = Summary(series={SeriesKey("t", "GET", "/x"): Series(unsent=3, failed=3, errors={"dns": 3})})
    (row,) = [line for line in drawn(run_of(summary)) if "GET /x" in line]
    assert row.split()[2:5] == ["3", "3", "-"]


@pytest.mark.parametrize(
    ("values", "width", "shown"),
    [
        ([], 5, ""),
        ([0.0, 0.0], 5, "  "),
        ([0.0, 4.0, 8.0], 5, " ▄█"),
        ([0.001, 8.0], 5, "▁█"),
        ([8.0, 1.0, 2.0, 4.0], 3, "▂▄█"),
    ],
)
def test_a_spark_is_scaled_to_its_own_maximum(values: list[float], width: int, shown: str) -> None:
    assert spark(values, width) == shown


def test_any_name_of_a_series_can_be_drawn() -> None:
    key = SeriesKey("t", "GET", "http://[tenant].example.org/", True)
    assert any("tenant" in line for line in drawn(run_of(Summary(series={key: series_of([1])}))))


def troubled(workers: int = 2) -> Result:
    result = run_of(crowded(3, 1))
    for second in range(25, 30):
        for worker in range(workers):
            result.add(second * US_PER_S, Summary(), worker, health_of(cpu_us=990_000))
    return result


@pytest.mark.parametrize("height", [5, 9, 24])
def test_a_generator_in_trouble_is_told_in_one_line(height: int) -> None:
    lines = drawn(troubled(1), 100, height)
    assert next(line for line in lines if "worker" in line).startswith("Warning: worker 0 was at 99 % CPU for 5 s")
    assert len(lines) <= height - 1
    assert max(cell_len(line.rstrip()) for line in lines) <= 100


def test_of_several_troubles_the_first_is_told() -> None:
    (line,) = [line for line in drawn(troubled(2)) if "worker" in line]
    assert line.startswith("Warning (1 of 2): worker 0 was at 99 % CPU")


def test_a_trouble_that_is_over_is_no_longer_told() -> None:
    assert not any("worker" in line for line in drawn(troubled(1), elapsed_us=50 * US_PER_S))


def test_the_warning_is_yellow() -> None:
    assert any(
        segment.style and segment.style.color and segment.style.color.name == "yellow"
        for segment in Console(width=100).render(draw(troubled(1), 30 * US_PER_S, 100, 24))
        if segment.text.startswith("Warning")
    )


def planned(late_us: int = 3_000, thresholds: list[Standing] | None = None) -> Result:
    """A run of a minute at 20/s, half over; each iteration began so late, and its only request took 12 ms."""
    result = run_of(due=1_200, is_open=True, has_starts=True)
    for second in range(30):
        series = series_of([12_000] * 20)
        series.response = histogram_of([12_000 + late_us] * 20)
        late = histogram_of([late_us] * 20)
        totals = Totals(started=20, ended=20)
        result.add(
            second * US_PER_S,
            Summary({SeriesKey("t", "GET", "http://127.0.0.1/home"): series}, totals=totals, pace=Pace(late)),
        )
    result.thresholds = thresholds or []
    return result


STANDINGS = [
    Standing(text="hits > 10", state=State.PENDING, value=600.0, shown="600"),
    Standing(text="p(99){name:/never} < 1s", state=State.PENDING),
    Standing(text="p(95) < 10ms over 10s", state=State.CROSSED, value=15_000.0, shown="15ms", crossed_us=9_000_000),
]


@pytest.mark.parametrize("width", WIDTHS)
def test_a_planned_run_shows_who_is_busy_and_how_well_starts_are_kept(width: int) -> None:
    text = "\n".join(drawn(planned(), width))
    for figure in ("20 users busy", "600 hits", "started 600 of 1,200  20/s  late p99 3.00 ms", "response p50 15.0"):
        assert figure in text, figure


def test_the_series_of_a_planned_run_have_response_times() -> None:
    lines = drawn(planned(), 80)
    assert any(line.startswith("series (response ms)") for line in lines)
    (row,) = [line for line in lines if "GET /home" in line]
    assert row.split()[-1] == "15.0"
    assert not any("response" in line or "late" in line for line in drawn(run_of(crowded(3, 0))))


@pytest.mark.parametrize("width", WIDTHS)
def test_thresholds_are_shown_as_they_stand_with_the_failed_ones_first(width: int) -> None:
    text = "\n".join(drawn(planned(thresholds=STANDINGS), width))
    crossed, so_far, nothing = (
        text.index(told)
        for told in (
            "CROSSED p(95) < 10ms over 10s: 15ms",
            "ok so far hits > 10: 600",
            "ok so far p(99){name:/never} < 1s: nothing yet",
        )
    )
    assert crossed < so_far < nothing


def test_thresholds_that_find_no_room_are_counted_and_long_ones_keep_their_value() -> None:
    long = [
        Standing(text=f"p(95){{name:/{'x' * 100}/{n}}} < 1s", state=State.PASSED, value=1.0, shown="123ms")
        for n in range(9)
    ]
    lines = drawn(planned(thresholds=long), 60)
    assert sum(line.rstrip().endswith(": 123ms") for line in lines) == 3
    assert "and 6 more" in "\n".join(lines)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("height", [4, 5, 8, 12, 24])
def test_a_planned_run_with_thresholds_fits_any_terminal(width: int, height: int) -> None:
    result = planned(10**12, [*STANDINGS, *STANDINGS, Standing(text="\u4e2d" * 400, state=State.CROSSED, value=1.0)])
    lines = drawn(result, width, height)
    assert len(lines) <= height - 1
    assert max(cell_len(line.rstrip()) for line in lines) <= width


def _color_of(result: Result, text: str) -> str:
    console = Console(width=100)
    (found,) = [
        segment.style.color.name
        for segment in console.render(draw(result, 30 * US_PER_S, 100, 24))
        if segment.text == text and segment.style and segment.style.color
    ]
    return found


def test_a_threshold_that_is_crossed_is_red_and_one_that_holds_is_green() -> None:
    assert _color_of(planned(thresholds=STANDINGS), "CROSSED") == "red"
    assert _color_of(planned(thresholds=STANDINGS[:1]), "ok so far") == "green"


def test_starts_that_are_late_enough_to_see_are_yellow() -> None:
    assert _color_of(planned(300_000), "300 ms") == "yellow"

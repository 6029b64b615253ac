from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from loads.metrics.pace import Pace
from loads.metrics.result import Place, Result
from loads.metrics.summary import SeriesKey, Summary, Totals
from loads.metrics.threshold import Standing, State
from loads.report.live import LiveScreen, PlainScreen, QuietScreen, summary_line
from loads.units import US_PER_S
from tests.build import health_of, histogram_of, info_of, result_of, series_of


def busy() -> Result:
    summary = Summary(
        series={SeriesKey("t", "GET", "http://127.0.0.1/home"): series_of([12_000] * 1_234)},
        totals=Totals(failures=3, errors=2),
    )
    result = result_of(summary)
    result.users = {0: 7, 1: 8}
    return result


def terminal(width: int = 80) -> Console:
    return Console(file=StringIO(), width=width, height=24, force_terminal=True, color_system=None)


def shown(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_a_line_tells_how_the_run_stands() -> None:
    assert summary_line(busy(), 65 * US_PER_S + 900_000) == (
        " 1m05s  15 users  1,234 hits  1,234/s  p95 12.0 ms  3 failures  2 errors"
    )


def test_of_a_planned_run_the_line_tells_how_well_starts_are_kept() -> None:
    result = result_of(due=20, duration_us=60 * US_PER_S, is_open=True, has_starts=True)
    series = series_of([12_000] * 20)
    series.response = histogram_of([15_000] * 20)
    late = Pace(histogram_of([3_000] * 20))
    result.add(0, Summary({SeriesKey("t", "GET", "/"): series}, totals=Totals(started=20), pace=late))
    result.users = {0: 7}
    assert summary_line(result, 5 * US_PER_S) == (
        "    5s  7 users busy  started 20/s  late p99 3.00 ms  20 hits  20/s  response p95 15.0 ms  "
        "0 failures  0 errors"
    )


def test_a_log_tells_once_of_a_threshold_that_is_crossed() -> None:
    lines: list[str] = []
    screen, result = PlainScreen(lines.append), busy()
    holds = Standing(text="hits > 1", state=State.PENDING, value=5.0, shown="5")
    crossed = Standing(text="p(95) < 9ms over 10s", state=State.CROSSED, value=12e3, shown="12ms", crossed_us=US_PER_S)
    result.thresholds = [holds]
    screen.progress(result, US_PER_S)
    result.thresholds = [holds, crossed]
    screen.progress(result, 2 * US_PER_S)
    screen.progress(result, 3 * US_PER_S)
    assert lines == ["Threshold crossed: p(95) < 9ms over 10s: 12ms"]


def test_a_log_has_the_plan_and_a_line_each_five_seconds() -> None:
    lines: list[str] = []
    screen = PlainScreen(lines.append)
    result = busy()
    result.warnings.append("few files")
    screen.planned(result)
    for quarter in range(4 * 12):
        screen.progress(result, quarter * US_PER_S // 4)
    screen.close()
    assert lines[:2] == [result.info.plan, "Warning: few files"]
    assert [line.split()[0] for line in lines[2:]] == ["5s", "10s"]


def test_a_log_that_was_held_up_does_not_catch_up() -> None:
    lines: list[str] = []
    screen = PlainScreen(lines.append)
    for elapsed_s in (23, 24, 25):
        screen.progress(busy(), elapsed_s * US_PER_S)
    assert [line.split()[0] for line in lines] == ["23s", "25s"]


def test_what_a_test_prints_is_marked_with_its_worker() -> None:
    lines: list[str] = []
    PlainScreen(lines.append).printed(1, "hello")
    QuietScreen(lines.append).printed(2, "[bold]")
    assert lines == ["worker 1 | hello", "worker 2 | [bold]"]


def test_quiet_shows_nothing_of_the_run_itself() -> None:
    lines: list[str] = []
    screen = QuietScreen(lines.append)
    screen.planned(busy())
    screen.progress(busy(), 60 * US_PER_S)
    screen.noticed("a worker died")
    screen.close()
    assert lines == []


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_terminal_shows_the_plan_once_and_the_panel_until_the_end(width: int) -> None:
    console = terminal(width)
    screen = LiveScreen(console)
    result = busy()
    screen.planned(result)
    screen.progress(result, US_PER_S)
    assert "1,234 hits" in shown(console)
    screen.close()
    screen.close()
    assert shown(console).count("Plan: ") == 1


def test_what_is_printed_and_noticed_stays_above_the_panel_as_it_is() -> None:
    console = terminal()
    screen = LiveScreen(console)
    screen.planned(busy())
    screen.printed(3, "[red]not markup[/] 127.0.0.1")
    screen.noticed("worker 1 was killed")
    screen.close()
    assert "worker 3 | [red]not markup[/] 127.0.0.1" in shown(console)
    assert "worker 1 was killed" in shown(console)


def test_a_terminal_that_shrinks_is_drawn_at_its_new_width() -> None:
    console = terminal(200)
    screen = LiveScreen(console)
    screen.planned(busy())
    screen.progress(busy(), US_PER_S)
    console.width = 60
    before = len(shown(console))
    screen.progress(busy(), 2 * US_PER_S)
    after = shown(console)[before:]
    screen.close()
    assert max(len(line.partition("\x1b")[0]) for line in after.splitlines()) <= 60


def test_there_is_nothing_to_draw_before_the_plan() -> None:
    console = terminal()
    screen = LiveScreen(console)
    screen.progress(Result(info=info_of()), 0)
    screen.close()
    assert shown(console) == ""


def test_a_log_says_when_the_generator_itself_is_in_trouble() -> None:
    result = result_of()
    for second in range(5):
        result.add(second * US_PER_S, Summary(), 1, health_of(cpu_us=990_000))
    lines: list[str] = []
    screen = PlainScreen(lines.append)
    screen.progress(result, 5 * US_PER_S)
    screen.progress(result, 60 * US_PER_S)
    assert len(lines) == 3
    assert lines[1].startswith("Warning: worker 1 was at 99 % CPU for 5 s: latencies above are inflated")


def on_cluster() -> Result:
    result = busy()
    result.places = [Place(agent="north", host="box", first=0, workers=2)]
    return result


def test_on_a_cluster_workers_have_the_names_of_their_agents() -> None:
    lines: list[str] = []
    console = terminal()
    for screen in (PlainScreen(lines.append), QuietScreen(lines.append), LiveScreen(console)):
        screen.planned(on_cluster())
        screen.printed(1, "hello")
        screen.close()
    assert [line for line in lines if "hello" in line] == ["worker 1 of north | hello"] * 2
    assert "worker 1 of north | hello" in shown(console)


def test_a_question_is_asked_below_the_panel_until_it_is_answered() -> None:
    console = terminal()
    screen = LiveScreen(console)
    screen.asked("before the plan?")
    screen.planned(busy())
    screen.progress(busy(), US_PER_S)
    screen.asked("(s)top?")
    before = len(shown(console))
    screen.progress(busy(), 2 * US_PER_S)
    asked = shown(console)[before:]
    screen.asked(None)
    before = len(shown(console))
    screen.progress(busy(), 3 * US_PER_S)
    answered = shown(console)[before:]
    screen.close()
    assert shown(console).startswith("before the plan?")
    assert "1,234 hits" in asked
    assert asked.rstrip().endswith("(s)top?")
    assert "(s)top?" not in answered


def test_a_question_is_a_line_where_there_is_no_panel() -> None:
    lines: list[str] = []
    for screen in (PlainScreen(lines.append, "loads"), QuietScreen(lines.append)):
        screen.asked("(s)top?")
        screen.asked(None)
        screen.noticed("hm")
    assert lines == ["(s)top?", "loads: hm", "(s)top?"]

"""What a terminal shows while a run goes: redrawn in place a few times a second, at any width from 60 columns.

`LiveScreen` is a follower of the run (see `runner.follow`); `PlainScreen` is the same for what is no terminal: a line
each few seconds. Both only read the result.
"""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from loads.metrics.result import Result
from loads.metrics.summary import ITERATION
from loads.report.console import headline
from loads.report.figures import has_many_tests, label, milliseconds, ordered_series
from loads.units import US_PER_S, format_duration

_SPARKS = " ▁▂▃▄▅▆▇█"
_PLAIN_EVERY_US = 5 * US_PER_S
_RECENT_ROWS = 5


class PlainScreen:
    """Lines for a log: the plan, how it goes every few seconds, what is printed."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._next_us = _PLAIN_EVERY_US

    def planned(self, result: Result) -> None:
        """Print the plan."""
        self._write(result.info.plan)
        for warning in result.warnings:
            self._write(f"Warning: {warning}")

    def progress(self, result: Result, elapsed_us: int) -> None:
        """Print a line when one is due."""
        if elapsed_us < self._next_us:
            return
        self._next_us = (elapsed_us // _PLAIN_EVERY_US + 1) * _PLAIN_EVERY_US
        self._write(summary_line(result, elapsed_us))

    def printed(self, worker: int, line: str) -> None:
        """Pass on what a test printed."""
        self._write(f"worker {worker} | {line}")

    def noticed(self, what: str) -> None:
        """Say it."""
        self._write(f"loads-runner: {what}")

    def close(self) -> None:
        """Nothing is left on the screen."""


class LiveScreen:
    """A panel that stays at the bottom of the terminal and goes away at the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None

    def planned(self, result: Result) -> None:
        """Print the plan and begin to draw."""
        self._console.print(result.info.plan, highlight=False, markup=False)
        for warning in result.warnings:
            self.noticed(f"Warning: {warning}")
        self._live = Live(console=self._console, auto_refresh=False, transient=True, vertical_overflow="crop")
        self._live.start()

    def progress(self, result: Result, elapsed_us: int) -> None:
        """Draw again."""
        if self._live is not None:
            width, height = self._console.size
            self._live.update(draw(result, elapsed_us, width, height), refresh=True)

    def printed(self, worker: int, line: str) -> None:
        """Put what a test printed above the panel."""
        self._console.print(Text(f"worker {worker} | {line}", style="dim"), highlight=False)

    def noticed(self, what: str) -> None:
        """Put it above the panel, so that it stays."""
        self._console.print(Text(what, style="yellow"), highlight=False)

    def close(self) -> None:
        """Take the panel away."""
        if self._live is not None:
            self._live.stop()
            self._live = None


class QuietScreen:
    """Shows nothing; what a test prints still goes to the standard error."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def planned(self, result: Result) -> None:
        """Nothing."""

    def progress(self, result: Result, elapsed_us: int) -> None:
        """Nothing."""

    def printed(self, worker: int, line: str) -> None:
        """Pass on what a test printed."""
        self._write(f"worker {worker} | {line}")

    def noticed(self, what: str) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


def summary_line(result: Result, elapsed_us: int) -> str:
    """How the run stands, in one line."""
    hits, totals = result.summary.hits, result.summary.totals
    p95 = milliseconds(hits.service.percentile_us(0.95))
    return (
        f"{format_duration(elapsed_us // US_PER_S * US_PER_S):>6}  {sum(result.users.values())} users  "
        f"{hits.hits:,} hits  {recent_rate(result):,.0f}/s  p95 {p95} ms  "
        f"{totals.failures:,} failures  {totals.errors:,} errors"
    )


def recent_rate(result: Result) -> float:
    """Hits per second over the last full seconds of the timeline."""
    rows = [row for row in result.timeline.rows()[-_RECENT_ROWS - 1 :] if row.width_us == US_PER_S]
    full = rows[:-1] if len(rows) > 1 else rows
    return sum(row.point.hits for row in full) / len(full) if full else 0.0


def draw(result: Result, elapsed_us: int, width: int, height: int) -> RenderableType:
    """The panel for a terminal of `width` x `height` characters; at most `height` - 1 lines high."""
    parts: list[RenderableType] = [Text(""), _progress(result, elapsed_us, width), _figures(result, width)]
    errors = _errors(result, width)
    room = height - 8 - len(errors)
    parts.append(_table(result, width, max(1, room)))
    if errors:
        parts += [Text(""), *errors]
    return Group(*parts)


def _progress(result: Result, elapsed_us: int, width: int) -> RenderableType:
    part, left_us = _part_done(result, elapsed_us)
    if part >= 1.0:
        told = f"{format_duration(_whole(elapsed_us))}, finishing"
    else:
        left = "" if left_us is None else f", {format_duration(_whole(left_us))} left"
        told = f"{format_duration(_whole(elapsed_us))}{left}"
    head = Text(f"{part:>4.0%} ", style="bold")
    line = Table.grid(padding=(0, 1, 0, 0))
    line.add_row(
        head, ProgressBar(total=1.0, completed=part, width=max(10, width - len(told) - 9)), Text(told, style="cyan")
    )
    return line


def _part_done(result: Result, elapsed_us: int) -> tuple[float, int | None]:
    """How much is done, and how long the rest will take, if that can be said."""
    info = result.info
    if info.duration_us is not None:
        return min(1.0, elapsed_us / info.duration_us), max(0, info.duration_us - elapsed_us)
    totals = result.summary.totals
    done = totals.ended + totals.interrupted + result.lost_iterations
    part = min(1.0, done / info.due) if info.due else 0.0
    return part, round(elapsed_us * (1 - part) / part) if part > 0.02 else None


def _figures(result: Result, width: int) -> RenderableType:
    hits, totals = result.summary.hits, result.summary.totals
    p50, p95, p99 = (milliseconds(value) for value in hits.service.percentiles_us((0.5, 0.95, 0.99)))
    bad = "bold red" if totals.failures + totals.errors else "bold green"
    facts = [
        (f"{sum(result.users.values()):,}", "users", "bold"),
        (f"{hits.hits:,}", "hits", "bold"),
        (f"{recent_rate(result):,.0f}", "/s", "bold"),
        (f"{totals.failures:,}", "failures", bad),
        (f"{totals.errors:,}", "errors", bad),
    ]
    first = Text("  ").join(
        Text.assemble((value, style), " " if unit != "/s" else "", unit) for value, unit, style in facts
    )
    second = Text.assemble("p50 ", (p50, "bold"), "  p95 ", (p95, "bold"), "  p99 ", (p99, "bold"), " ms")
    rates = [row.point.hits * US_PER_S / row.width_us for row in result.timeline.rows()[:-1]]
    room = min(60, width - second.cell_len - 12)
    if room >= 8 and len(rates) > 1:
        second.append("   hits/s ")
        second.append(spark(rates, room), style="green")
    return Group(Text(""), first, second, Text(""))


def spark(values: list[float], width: int) -> str:
    """`values` as bars of eighths, the last `width` of them, scaled from zero to their own maximum."""
    shown = values[-width:]
    top = max(shown) or 1.0
    return "".join(_SPARKS[max(1, round(value / top * 8)) if value else 0] for value in shown)


def _table(result: Result, width: int, rows: int) -> RenderableType:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim", expand=True, show_edge=False)
    wide, wider = width >= 76, width >= 110
    table.add_column("series", ratio=1, no_wrap=True, overflow="ellipsis")
    names = ["hits", "failed", *(["mean"] if wider else []), "p50", *(["p90"] if wider else [])]
    names += ["p95", *(["p99"] if wide else []), *(["p99.9", "max"] if wider else []), *(["kB in"] if wider else [])]
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    many = has_many_tests(result)
    series = [item for item in ordered_series(result) if item[0].method != ITERATION or not wide or rows > 3]
    for key, stats in series[:rows]:
        p50, p90, p95, p99, p999 = (
            milliseconds(value) for value in stats.service.percentiles_us((0.5, 0.9, 0.95, 0.99, 0.999))
        )
        cells = {
            "hits": f"{stats.hits:,}",
            "failed": f"[red]{stats.failed:,}[/]" if stats.failed else "0",
            "mean": milliseconds(stats.service.mean_us),
            "p50": p50,
            "p90": p90,
            "p95": p95,
            "p99": p99,
            "p99.9": p999,
            "max": milliseconds(stats.service.max_us if stats.service.counts else None),
            "kB in": f"{stats.bytes_received / 1_000:,.0f}",
        }
        table.add_row(Text(_short(label(key, with_scenario=many), width // 2)), *(cells[name] for name in names))
    if len(series) > rows:
        table.add_row(Text(f"and {len(series) - rows} more", style="dim"))
    return table


def _short(text: str, room: int) -> str:
    """`text` with its middle left out: the end of a URL or a test's name says most."""
    if len(text) <= room:
        return text
    head = max(6, room // 3)
    return f"{text[:head]}…{text[-(room - head - 1) :]}"


def _errors(result: Result, width: int) -> list[Text]:
    groups = sorted(result.summary.errors.items(), key=lambda item: -item[1].last_us)[:3]
    lines = []
    for key, group in groups:
        line = Text.assemble((headline(key, group), "red"), ": ", group.message.partition("\n")[0])
        line.truncate(width - 1, overflow="ellipsis")
        lines.append(line)
    return lines


def _whole(duration_us: int) -> int:
    return duration_us // US_PER_S * US_PER_S

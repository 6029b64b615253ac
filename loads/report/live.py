"""What a terminal shows while a run goes: redrawn in place a few times a second, at any width from 60 columns.

`LiveScreen` is a follower of the run (see `runner.follow`); `PlainScreen` is the same for what is no terminal: a line
each few seconds. Both only read the result.
"""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from loads.metrics.result import Result
from loads.metrics.threshold import State
from loads.report.figures import milliseconds, recent, warning_now
from loads.report.panel import draw
from loads.units import US_PER_S, format_duration, plural

_PLAIN_EVERY_US = 5 * US_PER_S


class _Names:
    """What workers are called, as far as the result tells."""

    def __init__(self) -> None:
        self.result: Result | None = None

    def mark(self, worker: int, line: str) -> str:
        """``worker 1 of north | hello``."""
        name = f"worker {worker}" if self.result is None else self.result.name_of(worker)
        return f"{name} | {line}"


class PlainScreen:
    """Lines for a log: the plan, how it goes every few seconds, what is printed. `program` speaks in notices."""

    def __init__(self, write: Callable[[str], None], program: str = "loads-runner") -> None:
        self._write = write
        self._program = program
        self._names = _Names()
        self._next_us = _PLAIN_EVERY_US
        self._told: set[str] = set()
        """Thresholds that failed, and were told of."""

    def planned(self, result: Result) -> None:
        """Print the plan."""
        self._names.result = result
        self._write(result.info.plan)
        for warning in result.warnings:
            self._write(f"Warning: {warning}")

    def progress(self, result: Result, elapsed_us: int) -> None:
        """Print a line when one is due."""
        self._names.result = result
        self._tell_crossed(result)
        if elapsed_us < self._next_us:
            return
        self._next_us = (elapsed_us // _PLAIN_EVERY_US + 1) * _PLAIN_EVERY_US
        self._write(summary_line(result, elapsed_us))
        warning = warning_now(result, elapsed_us)
        if warning is not None:
            self._write(warning)

    def printed(self, worker: int, line: str) -> None:
        """Pass on what a test printed."""
        self._write(self._names.mark(worker, line))

    def noticed(self, what: str) -> None:
        """Say it."""
        self._write(f"{self._program}: {what}")

    def asked(self, question: str | None) -> None:
        """Ask."""
        if question is not None:
            self._write(question)

    def close(self) -> None:
        """Nothing is left on the screen."""

    def _tell_crossed(self, result: Result) -> None:
        """Say of each threshold once that it failed."""
        for standing in result.thresholds:
            if standing.state is State.CROSSED and standing.text not in self._told:
                self._told.add(standing.text)
                self._write(f"Threshold crossed: {standing.text}: {standing.shown}")


class LiveScreen:
    """A panel that stays at the bottom of the terminal and goes away at the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._names = _Names()
        self._elapsed_us = 0
        self._question: str | None = None

    def planned(self, result: Result) -> None:
        """Print the plan and begin to draw."""
        self._names.result = result
        self._console.print(result.info.plan, highlight=False, markup=False)
        for warning in result.warnings:
            self.noticed(f"Warning: {warning}")
        self._live = Live(console=self._console, auto_refresh=False, transient=True, vertical_overflow="crop")
        self._live.start()

    def progress(self, result: Result, elapsed_us: int) -> None:
        """Draw again."""
        self._names.result, self._elapsed_us = result, elapsed_us
        self._draw()

    def printed(self, worker: int, line: str) -> None:
        """Put what a test printed above the panel."""
        self._console.print(Text(self._names.mark(worker, line), style="dim"), highlight=False)

    def noticed(self, what: str) -> None:
        """Put it above the panel, so that it stays."""
        self._console.print(Text(what, style="yellow"), highlight=False)

    def asked(self, question: str | None) -> None:
        """Put it below the panel, which goes on; without a panel it is a line."""
        self._question = question
        if self._live is not None:
            self._draw()
        elif question is not None:
            self._console.print(Text(question, style="bold"), highlight=False)

    def close(self) -> None:
        """Take the panel away."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _draw(self) -> None:
        result = self._names.result
        if self._live is None or result is None:
            return
        width, height = self._console.size
        if self._question is None:
            self._live.update(draw(result, self._elapsed_us, width, height), refresh=True)
            return
        question = Text(self._question, style="bold")
        question.truncate(width - 1, overflow="ellipsis")
        self._live.update(Group(draw(result, self._elapsed_us, width, height - 1), question), refresh=True)


class QuietScreen:
    """Shows nothing; what a test prints still goes to the standard error."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._names = _Names()

    def planned(self, result: Result) -> None:
        """Shows nothing."""
        self._names.result = result

    def progress(self, result: Result, elapsed_us: int) -> None:
        """Shows nothing."""
        self._names.result = result

    def printed(self, worker: int, line: str) -> None:
        """Pass on what a test printed."""
        self._write(self._names.mark(worker, line))

    def noticed(self, what: str) -> None:
        """Nothing."""

    def asked(self, question: str | None) -> None:
        """Ask: who pressed Ctrl-C looks on."""
        if question is not None:
            self._write(question)

    def close(self) -> None:
        """Nothing."""


def summary_line(result: Result, elapsed_us: int) -> str:
    """How the run stands, in one line; of a run that has start times response times, and how well those are kept."""
    hits, totals, now = result.summary.hits, result.summary.totals, recent(result)
    planned = result.info.has_starts
    times = hits.response_or_service if planned else hits.service
    p95 = milliseconds(times.percentile_us(0.95))
    pace = f"started {now.started_per_s:,.0f}/s  late p99 {now.late_p99}  " if planned else ""
    return (
        f"{format_duration(elapsed_us // US_PER_S * US_PER_S):>6}  {plural(sum(result.users.values()), 'user')}"
        f"{' busy' if result.info.is_open else ''}  {pace}"
        f"{hits.hits:,} hits  {now.hits_per_s:,.0f}/s  {'response ' if planned else ''}p95 {p95} ms  "
        f"{totals.failures:,} failures  {totals.errors:,} errors"
    )

"""What a terminal shows while a run goes: redrawn in place a few times a second, at any width from 60 columns.

`LiveScreen` is a follower of the run (see `runner.follow`); `PlainScreen` is the same for what is no terminal: a line
each few seconds. Both only read the result.
"""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.live import Live
from rich.text import Text

from loads.metrics.result import Result
from loads.report.figures import milliseconds, recent_rate, warning_now
from loads.report.panel import draw
from loads.units import US_PER_S, format_duration

_PLAIN_EVERY_US = 5 * US_PER_S


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
        warning = warning_now(result, elapsed_us)
        if warning is not None:
            self._write(warning)

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

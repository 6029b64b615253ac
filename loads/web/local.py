"""The run of this very process, which a runner has beside its screen: what the screen is told, this is told, too."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from loads.errors import LoadsError
from loads.metrics.result import Result
from loads.report.page import Gone, Line, RunRow, Stage
from loads.report.view.whole import Seen
from loads.web.sources import told

HERE: Final = "here"
"""What pages call it: it is the only one, and has no other name before its tests are loaded."""
MOST_LINES: Final = 2_000


class Here:
    """A source with one run, which is told as a follower is (see `runner.follow`).

    Args:
        stop: ends the run of that name, if it has one yet: gracefully, or (True) at once. Called once for each.
        where: the broker's address, if it is there that it runs.
    """

    is_local = True
    may_stop = True
    run: str | None = HERE
    gone = None

    def __init__(self, stop: Callable[[str | None, bool], Awaitable[None]], where: str = "") -> None:
        self.where = where
        self.result: Result | None = None
        self.is_over = False
        self._stop = stop
        self._stopping: bool | None = None
        """Whether somebody stopped it here, and at once."""
        self._refused: LoadsError | None = None
        self._elapsed_us: int | None = None
        self._lines: deque[Line] = deque(maxlen=MOST_LINES)
        self._changed: list[Callable[[], None]] = []

    # What the run tells.

    def planned(self, result: Result) -> None:
        """The plan stands."""
        self.result = result
        self._tell()

    def progress(self, result: Result, elapsed_us: int) -> None:
        """It goes on."""
        first = self._elapsed_us is None
        self.result, self._elapsed_us = result, elapsed_us
        if first:
            self._tell()

    def printed(self, worker: int, line: str) -> None:
        """A test printed that."""
        who = f"worker {worker}" if self.result is None else self.result.name_of(worker)
        self._lines.append(Line(self._elapsed_us or 0, who, line))

    def noticed(self, what: str) -> None:
        """It is among the events of the result."""

    def asked(self, question: str | None) -> None:
        """The terminal is asked, not the page."""

    def ended(self, result: Result) -> None:
        """That is what came of it."""
        self.result, self._elapsed_us, self.is_over = result, result.duration_us, True
        self._tell()

    def refused(self, error: LoadsError) -> None:
        """Nothing came of it."""
        self._refused, self.is_over = error, True
        self._tell()

    def _tell(self) -> None:
        for changed in self._changed:
            changed()

    # What pages ask.

    def watch(self, run: str, changed: Callable[[], None]) -> HereSeen | NotHere:
        """There is but one."""
        if run != HERE:
            return NotHere(run)
        self._changed.append(changed)
        return HereSeen(self)

    def attend(self, *, closely: bool) -> None:
        """There is no cluster."""

    def cluster(self) -> None:
        """There is none."""

    async def runs(self) -> Sequence[RunRow]:
        """It keeps none."""
        return ()

    async def stop(self, run: str, *, now: bool) -> None:
        """As the terminal does it.

        Raises:
            LoadsError: there is nothing to stop.
        """
        if run != HERE:
            raise LoadsError(f"there is no run {run} here", "load the page again")
        if self.is_over:
            raise LoadsError("the run has ended")
        if self._stopping is None or (now and not self._stopping):
            self._stopping = now
            await self._stop(None if self.result is None else self.result.info.id, now)

    def seen(self) -> Seen:
        """As it stands."""
        return Seen(
            stage=self._stage,
            elapsed_us=self._elapsed_us,
            result=self.result,
            trouble="" if self._refused is None else told(self._refused),
            who="",
            machines={},
            lines=tuple(self._lines),
            over=self.is_over,
        )

    @property
    def _stage(self) -> Stage:
        if self.is_over:
            return Stage.ENDED if self._refused is None else Stage.REFUSED
        if self.result is None or self._elapsed_us is None:
            return Stage.PREPARING
        return Stage.RUNNING if self.result.stop is None else Stage.ENDING


class HereSeen:
    """See `sources.Run`."""

    gone = None
    is_whole = True
    size_bytes = 0

    def __init__(self, here: Here) -> None:
        self._here = here

    @property
    def result(self) -> Result | None:
        return self._here.result

    @property
    def is_over(self) -> bool:
        return self._here.is_over

    def seen(self) -> Seen:
        return self._here.seen()

    def close(self) -> None:
        """It goes on being told."""


class NotHere:
    """Any other run."""

    result = None
    is_over = is_whole = True
    size_bytes = 0

    def __init__(self, run: str) -> None:
        self.gone = Gone(run=run, message=f"there is no run {run} here", hint="this page shows the run of one command")

    def seen(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""

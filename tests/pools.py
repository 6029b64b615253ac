"""A pool of real workers and an owner who keeps what it is told. `python -m tests.pools` is one to be killed."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from loads.metrics.counters import Counts
from loads.metrics.summary import Summary
from loads.plan.profile import Stage
from loads.plan.share import WHOLE, Portion
from loads.plan.spec import Phase, Plan
from loads.pool.events import AllGone, AllLoaded, AllReady, Begin, End, Go, Lost, Measured, Took
from loads.pool.nursery import Nursery
from loads.pool.pool import Report, WorkerPool
from loads.units import US_PER_S
from loads.wire.codec import frame
from loads.wire.messages import Load
from tests.servers import DEADLINE_S

T = TypeVar("T")


def timed(users: int, seconds: int) -> Phase:
    """So many users for so long."""
    return Phase(users, stages=(Stage(0, users), Stage(seconds * US_PER_S, users)))


def now_us() -> int:
    return time.monotonic_ns() // 1_000


class Owner:
    """Runs the tests of `directory` in a pool, from Load to Go, and keeps all reports."""

    def __init__(self, directory: Path, workers: int, nursery: Nursery | None = None, **pool: Any) -> None:
        self.reports: list[Report] = []
        self.heard = asyncio.Event()
        load = Load(targets=("home.py",), search_path=(".",), directory=str(directory))
        self.pool = WorkerPool(workers, load, directory, self.report, nursery=nursery, **pool)
        self.keep: Callable[[Measured], object] = lambda _: None

    def report(self, report: Report) -> None:
        if isinstance(report, Measured):
            self.keep(report)
        self.reports.append(report)
        self.heard.set()

    def all(self, kind: type[T]) -> list[T]:
        return [report for report in self.reports if isinstance(report, kind)]

    async def wait_for(self, kind: type[T], count: int = 1) -> T:
        """The `count`-th report of that kind."""
        await self.wait_until(lambda: len(self.all(kind)) >= count)
        return self.all(kind)[count - 1]

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Until a report makes it so."""
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                self.heard.clear()
                await self.heard.wait()

    async def begin(self, url: str | None, *phases: Phase, portions: tuple[Portion, ...] = (WHOLE,)) -> None:
        """Up to the first phase."""
        await self.wait_for(AllLoaded)
        plan = Plan(phases, graceful_stop_us=5 * US_PER_S)
        self.pool.handle(Begin(plan, 7, url, False, portions=portions))
        await self.wait_for(AllReady)
        at_us = now_us() + 10_000
        self.pool.handle(Go(0, at_us, at_us))

    async def end(self) -> None:
        self.pool.handle(End())
        await self.wait_for(AllGone)

    @property
    def summary(self) -> Summary:
        """All that was measured."""
        whole = Summary()
        for measured in self.all(Measured):
            whole.merge(measured.delta.summary)
        return whole

    @property
    def lost(self) -> Counts:
        """All that died unheard."""
        return Counts(*(sum(column) for column in zip(*(lost.missing for lost in self.all(Lost)), strict=True)))

    def users(self) -> int:
        """As each worker told last."""
        return sum({measured.worker: measured.delta.users for measured in self.all(Measured)}.values())


async def run_for_ever(directory: Path, url: str, workers: int) -> None:
    """A run of a minute; pages are named on the standard output, deltas are safe once they are in a file."""
    owner = Owner(directory, workers)
    with (directory / "kept").open("ab", 0) as file:
        owner.keep = lambda measured: file.write(measured.incarnation.to_bytes(8, "big") + frame(measured.delta))
        async with owner.pool:
            await owner.wait_for(AllLoaded)
            for took in owner.all(Took):
                print(took.page, flush=True)
            await owner.begin(url, timed(4, 60))
            await owner.end()


if __name__ == "__main__":
    asyncio.run(run_for_ever(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))

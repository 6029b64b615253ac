"""A run on this machine: a distributed run without the middle.

Starts the same workers through the same pool as an agent does, and folds the same deltas. All decisions are the pool's
state's; this says when the barrier opens and what comes next.
"""

from __future__ import annotations

import asyncio
import signal
import tempfile
import time
from pathlib import Path

from loads.errors import NotStarted
from loads.metrics.guard import Guard, tell_crossed
from loads.metrics.result import Result
from loads.metrics.verdict import Stop
from loads.plan.spec import Plan
from loads.pool.events import (
    AllGone,
    AllLoaded,
    AllReady,
    Begin,
    End,
    Go,
    Halt,
    Lost,
    Measured,
    PhaseOver,
    Refused,
    RunIsSetUp,
    SetUpRun,
)
from loads.pool.limits import count_workers, find_doubts
from loads.pool.output import Printed
from loads.pool.pool import Report, WorkerPool
from loads.runner.follow import Follower, tell_set_up
from loads.runner.notes import Notes
from loads.runner.spec import TestsRefused, plan_here
from loads.units import US_PER_S, format_duration
from loads.wire.fold import tell_loss
from loads.wire.messages import Delta
from loads.wire.run import ABORT_GRACE_US, RunSpec, has_failed_enough, load_message

_PROGRESS_S = 0.25
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_HEAD_START_US = 50_000
"""Between the barrier and the first iteration: time for every worker to hear of it."""


async def run_local(spec: RunSpec, follower: Follower) -> Result:
    """Run `spec` on worker processes to its end; the result is complete and its laws of conservation hold.

    SIGINT and SIGTERM stop it: the first gracefully, the second at once.

    Raises:
        TestsRefused: the targets are not there, don't import, or can't run.
        UsageError: the load makes no sense.
    """
    with tempfile.TemporaryDirectory(prefix="loads-") as directory:
        return await _LocalRun(spec, follower).run(Path(directory))


class _LocalRun:
    def __init__(self, spec: RunSpec, follower: Follower) -> None:
        self._spec = spec
        self._follower = follower
        self._workers = count_workers(spec.load, spec.workers)
        self._pool: WorkerPool | None = None
        self._plan: Plan | None = None
        self._result: Result | None = None
        self._guard: Guard | None = None
        self._notes: Notes | None = None
        self._told_us: dict[int, int] = {}
        """Until when, in the run, each worker has told what it measured."""
        self._run_at_us: int | None = None
        self._stop: Stop | None = None
        self._keeps = False
        """Whether setUpRun was begun, so that tearDownRun is to run whatever happens."""
        self._refusal: TestsRefused | None = None
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, directory: Path) -> Result:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._on_signal, number)
        spec = self._spec
        load = load_message(spec)
        try:
            async with WorkerPool(self._workers, load, directory, self._report) as self._pool:
                ticker = asyncio.create_task(self._tick())
                try:
                    await asyncio.wait([self._over, self._pool.broken], return_when=asyncio.FIRST_COMPLETED)
                finally:
                    ticker.cancel()
                if self._pool.broken.done():
                    self._pool.broken.result()
                self._over.result()
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)
        if self._refusal is not None:
            raise self._refusal
        if self._result is None:
            raise NotStarted("stopped before the first iteration")
        if self._guard is not None:
            self._guard.conclude()
        if self._notes is not None:
            self._notes.crossings()
        self._result.conclude(self._stop)
        return self._result

    @property
    def _is_ending(self) -> bool:
        return self._stop is not None or self._refusal is not None

    def _report(self, report: Report) -> None:
        try:
            self._take(report)
        except Exception as error:
            if not self._over.done():
                self._over.set_exception(error)

    def _take(self, report: Report) -> None:
        match report:
            case Printed(worker, line):
                self._follower.printed(worker, line)
            case Refused(failure):
                self._refuse(TestsRefused(failure))
            case AllLoaded(loaded):
                self._plan, info = plan_here(self._spec, loaded, self._workers)
                self._result = Result(info=info, warnings=find_doubts(self._plan, self._workers))
                self._guard, self._notes = Guard(self._result, info.rules), Notes(self._result)
                self._follower.planned(self._result)
                if self._stop is not None:
                    self._handle(End())
                elif loaded.once:
                    self._keeps = True
                    tell_set_up(self._follower, loaded)
                    self._handle(SetUpRun(self._spec.server_url, self._spec.http))
                else:
                    self._handle(self._begin(self._plan))
            case RunIsSetUp(data):
                assert self._plan is not None
                self._handle(End() if self._is_ending else self._begin(self._plan, data))
            case AllReady():
                self._run_at_us = _now_us() + _HEAD_START_US
                self._handle(End() if self._is_ending else Go(0, self._run_at_us, self._run_at_us))
            case AllGone():
                if not self._over.done():
                    self._over.set_result(None)
            case Measured() | PhaseOver() | Lost():
                self._fold(report)

    def _fold(self, report: Measured | PhaseOver | Lost) -> None:
        assert self._result is not None
        assert self._plan is not None
        match report:
            case Measured(worker, _, delta):
                self._result.add(delta.t_us, delta.summary, worker, delta.health)
                self._result.users[worker] = delta.users
                self._stop_on_failure(self._result)
                self._hold_thresholds(self._result, worker, delta)
            case PhaseOver(phase, ended_us):
                self._result.duration_us = ended_us
                self._result.users.clear()
                if not self._is_ending and phase + 1 < len(self._plan.phases):
                    assert self._run_at_us is not None
                    self._handle(Go(phase + 1, self._run_at_us, _now_us() + _HEAD_START_US))
                else:
                    self._handle(End())
            case Lost():
                self._result.declare(report.loss, report.missing)
                if report.given_up and report.loss.worker is not None:
                    self._result.given_up.append(report.loss.worker)
                told = tell_loss(self._result, report.loss, replaced=report.replaced, given_up=report.given_up)
                self._follower.noticed(told)

    def _refuse(self, refusal: TestsRefused) -> None:
        """The run makes no sense. What was set up for it is torn down before that is said."""
        if not self._keeps:
            if not self._over.done():
                self._over.set_exception(refusal)
        elif not self._is_ending:
            self._refusal = refusal
            self._handle(Halt(now=False))
            self._handle(End())

    def _begin(self, plan: Plan, run_data: bytes = b"") -> Begin:
        spec = self._spec
        return Begin(
            plan=plan,
            seed=spec.seed,
            server_url=spec.server_url,
            fresh_session=spec.fresh_session,
            think_time_us=spec.think_time_us,
            stop_on_failure=spec.stop_on_failure,
            http=spec.http,
            run_data=run_data,
            keeper=self._keeps,
        )

    def _stop_on_failure(self, result: Result) -> None:
        """Enough has gone wrong: what is in flight may end."""
        if self._stop is None and has_failed_enough(self._spec, result):
            self._stop = result.stop = Stop.FAILURES
            self._tell_stop(f"stopping after {result.trouble:,} failures and errors")
            self._handle(Halt(now=False))

    def _hold_thresholds(self, result: Result, worker: int, delta: Delta) -> None:
        """A second more is there, of `worker`: the run may have to end for it."""
        assert self._guard is not None
        if self._run_at_us is None:
            return
        self._guard.add(delta.t_us, delta.summary)
        self._told_us[worker] = max(self._told_us.get(worker, 0), delta.t_us + US_PER_S)
        told_us = min(self._told_us.values()) if len(self._told_us) == self._workers else 0
        crossed = self._guard.look(told_us, _now_us() - self._run_at_us)
        assert self._notes is not None
        self._notes.crossings()
        if crossed and self._stop is None:
            self._stop = result.stop = Stop.THRESHOLD
            self._tell_stop(tell_crossed(result))
            self._handle(Halt(now=False, grace_us=ABORT_GRACE_US))

    def _handle(self, event: SetUpRun | Begin | Go | End | Halt) -> None:
        assert self._pool is not None
        self._pool.handle(event)

    def _on_signal(self, number: int) -> None:
        if self._stop in (None, Stop.FAILURES):
            self._stop = Stop.GRACEFUL
            self._follower.noticed("stopping" if self._plan is None else _tell_grace(self._plan))
        elif self._stop is Stop.GRACEFUL:
            self._stop = Stop.HARD
            self._follower.noticed("stopping at once")
        else:
            return
        if self._notes is not None and self._run_at_us is not None:
            self._notes.asked(number, _now_us() - self._run_at_us, now=self._stop is Stop.HARD)
        if self._result is not None:
            self._result.stop = self._stop
        self._handle(Halt(now=self._stop is Stop.HARD))
        if self._run_at_us is None:
            self._handle(End())

    def _tell_stop(self, text: str) -> None:
        self._follower.noticed(text)
        if self._notes is not None and self._run_at_us is not None:
            self._notes.stopped(text, _now_us() - self._run_at_us)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_PROGRESS_S)
            if self._result is not None and self._run_at_us is not None:
                self._follower.progress(self._result, max(0, _now_us() - self._run_at_us))


def _tell_grace(plan: Plan) -> str:
    return f"stopping: iterations in flight have {format_duration(plan.graceful_stop_us)}; once more to stop at once"


def _now_us() -> int:
    return time.monotonic_ns() // 1_000

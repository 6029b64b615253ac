"""``--workers 0``: the run inside the command itself, so that a breakpoint in a test has the terminal.

This process becomes the worker, so it must be patched before asyncio, ssl or requests are imported: everything that
needs them is imported inside the function. The link is a function call; plan, result and report are those of any run.
"""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from loads.errors import ExitCode, NotStarted
from loads.metrics.counters import PAGE_BYTES
from loads.metrics.guard import Guard, tell_crossed
from loads.metrics.result import Result
from loads.metrics.verdict import Stop as HowStopped
from loads.plan.share import WHOLE
from loads.plan.spec import Plan
from loads.runner.follow import tell_set_up
from loads.runner.notes import Notes
from loads.runner.spec import TestsRefused, plan_here
from loads.units import US_PER_S
from loads.wire.messages import (
    Assign,
    Delta,
    Finish,
    Loaded,
    LoadFailed,
    Misused,
    PhaseDone,
    SetUp,
    SetUpDone,
    Start,
    Stop,
    Up,
)
from loads.wire.run import ABORT_GRACE_US, RunSpec, has_failed_enough, load_message

if TYPE_CHECKING:
    from loads.runner.follow import Follower


def run_inline(spec: RunSpec, follower: Follower) -> Result:
    """Run `spec` in this process, which is a gevent process from here on.

    Raises:
        TestsRefused, UsageError: as `runner.local.run_local`.
    """
    from gevent import monkey

    from loads.pool.confine import SECRETS

    monkey.patch_all()
    for name in SECRETS:
        os.environ.pop(name, None)
    return _InlineRun(spec, follower).run()


class _InlineRun:
    """The worker, and what its parent would do, in one process."""

    def __init__(self, spec: RunSpec, follower: Follower) -> None:
        from loads.worker.process import Worker

        self._spec = spec
        self._follower = follower
        self._worker = Worker(self._receive, memoryview(bytearray(PAGE_BYTES)).cast("Q"), leased=False)
        self._said: list[Up] = []
        self._result: Result | None = None
        self._guard: Guard | None = None
        self._notes: Notes | None = None
        self._run_at_us = 0
        self._once: tuple[str, ...] = ()

    def run(self) -> Result:
        """From the tests' names to the finished result."""
        plan, result, loaded = self._load()
        self._once = loaded.once
        self._follower.planned(result)
        tell_set_up(self._follower, loaded)
        signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, lambda which, _: self._interrupt(result, which)) for number in signals}
        try:
            self._go_through(plan, result)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        phases = [message.ended_us for message in self._said if isinstance(message, PhaseDone)]
        result.duration_us = max(phases, default=0)
        assert self._guard is not None
        self._guard.conclude()
        if self._notes is not None:
            self._notes.crossings()
        result.conclude(result.stop)
        return result

    def _load(self) -> tuple[Plan, Result, Loaded]:
        try:
            self._worker.handle(load_message(self._spec))
        except KeyboardInterrupt:
            raise NotStarted("stopped before the first iteration") from None
        answer = self._said.pop()
        if isinstance(answer, LoadFailed):
            raise TestsRefused(answer)
        assert isinstance(answer, Loaded)
        plan, info = plan_here(self._spec, answer, 0)
        self._result = Result(info=info)
        self._guard, self._notes = Guard(self._result, info.rules), Notes(self._result)
        return plan, self._result, answer

    def _go_through(self, plan: Plan, result: Result) -> None:
        spec = self._spec
        run_data = self._set_up_run(result) if self._once else b""
        if run_data is None:
            return
        self._worker.handle(
            Assign(
                worker=0,
                portions=(WHOLE,),
                plan=plan,
                seed=spec.seed,
                server_url=spec.server_url,
                fresh_session=spec.fresh_session,
                think_time_us=spec.think_time_us,
                stop_on_failure=spec.stop_on_failure,
                http=spec.http,
                run_data=run_data,
            )
        )
        run_at_us = self._run_at_us = time.monotonic_ns() // 1_000
        for phase in range(len(plan.phases)):
            if result.stop is None:
                now_us = time.monotonic_ns() // 1_000
                self._worker.handle(Start(phase=phase, run_at_us=run_at_us, phase_at_us=now_us))
        self._worker.handle(Finish(tear_down_run=bool(self._once)))
        for message in self._said:
            if isinstance(message, Misused):
                raise TestsRefused(LoadFailed(message=message.message, hint=message.hint, traceback=""))

    def _set_up_run(self, result: Result) -> bytes | None:
        """What setUpRun returned; None when it was stopped."""
        self._worker.handle(SetUp(server_url=self._spec.server_url, http=self._spec.http))
        answer = self._said.pop()
        if isinstance(answer, SetUpDone):
            return answer.data
        assert isinstance(answer, LoadFailed)
        if result.stop is not None:
            return None
        raise TestsRefused(answer)

    def _receive(self, message: Up) -> None:
        result = self._result
        if isinstance(message, Misused):
            self._worker.stop(Stop(now=not self._once))  # what was set up once is torn down
        if not isinstance(message, Delta) or result is None:
            self._said.append(message)
            return
        result.add(message.t_us, message.summary, 0, message.health)
        if result.stop is None and has_failed_enough(self._spec, result):
            result.stop = HowStopped.FAILURES
            self._tell_stop(f"stopping after {result.trouble:,} failures and errors")
            self._worker.stop(Stop(now=False))
        self._hold_thresholds(result, message)

    def _hold_thresholds(self, result: Result, delta: Delta) -> None:
        """A second more is there: the run may have to end for it."""
        if self._guard is None or not self._run_at_us:
            return
        self._guard.add(delta.t_us, delta.summary)
        elapsed_us = time.monotonic_ns() // 1_000 - self._run_at_us
        crossed = self._guard.look(delta.t_us + US_PER_S, elapsed_us)
        if self._notes is not None:
            self._notes.crossings()
        if crossed and result.stop is None:
            result.stop = HowStopped.THRESHOLD
            self._tell_stop(tell_crossed(result))
            self._worker.stop(Stop(now=False, grace_us=ABORT_GRACE_US))

    def _interrupt(self, result: Result, number: int) -> None:
        """What Ctrl-C does: gracefully first, at once the second time."""
        if result.stop is HowStopped.HARD:
            os._exit(int(ExitCode.INTERRUPTED))  # the test lets nothing else happen
        hard = result.stop is HowStopped.GRACEFUL
        result.stop = HowStopped.HARD if hard else HowStopped.GRACEFUL
        self._follower.noticed(
            "stopping at once; once more to leave without a result" if hard else "stopping; once more to stop at once"
        )
        if self._notes is not None and self._run_at_us:
            self._notes.asked(number, time.monotonic_ns() // 1_000 - self._run_at_us, now=hard)
        self._worker.stop(Stop(now=hard))

    def _tell_stop(self, text: str) -> None:
        self._follower.noticed(text)
        if self._notes is not None and self._run_at_us:
            self._notes.stopped(text, time.monotonic_ns() // 1_000 - self._run_at_us)

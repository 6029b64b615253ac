"""``--workers 0``: the run inside the command itself, so that a breakpoint in a test has the terminal.

This process becomes the worker, so it must be patched before asyncio, ssl or requests are imported: everything that
needs them is imported inside the function. The link is a function call; plan, result and report are those of any run.
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from loads.errors import NotStarted
from loads.metrics.counters import PAGE_BYTES
from loads.metrics.result import Result
from loads.metrics.symptoms import warnings_of
from loads.metrics.verdict import Stop as HowStopped
from loads.runner.spec import RunSpec, TestsRefused, has_failed_enough, load_message, plan_run
from loads.wire.messages import Assign, Delta, Finish, Loaded, LoadFailed, PhaseDone, Start, Stop, Up

if TYPE_CHECKING:
    from loads.runner.follow import Follower


def run_inline(spec: RunSpec, follower: Follower) -> Result:
    """Run `spec` in this process, which is a gevent process from here on.

    Raises:
        TestsRefused, UsageError: as `runner.local.run_local`.
    """
    from gevent import monkey

    monkey.patch_all()
    from loads.worker.process import Worker

    said: list[Up] = []
    result: Result | None = None

    def receive(message: Up) -> None:
        if isinstance(message, Delta) and result is not None:
            result.add(message.t_us, message.summary, 0, message.health)
            if result.stop is None and has_failed_enough(spec, result):
                result.stop = HowStopped.FAILURES
                follower.noticed(f"stopping after {result.trouble:,} failures and errors")
                worker.stop(Stop(now=False))
        else:
            said.append(message)

    worker = Worker(receive, memoryview(bytearray(PAGE_BYTES)).cast("Q"), leased=False)
    try:
        worker.handle(load_message(spec))
    except KeyboardInterrupt:
        raise NotStarted("stopped before the first iteration") from None
    answer = said.pop()
    if isinstance(answer, LoadFailed):
        raise TestsRefused(answer)
    assert isinstance(answer, Loaded)
    plan, info = plan_run(spec, answer, 0)
    result = Result(info=info)
    follower.planned(result)

    def on_signal(*_: object) -> None:
        assert result is not None
        result.stop = HowStopped.GRACEFUL if result.stop in (None, HowStopped.FAILURES) else HowStopped.HARD
        hard = result.stop is HowStopped.HARD
        follower.noticed("stopping at once" if hard else "stopping; once more to stop at once")
        worker.stop(Stop(now=hard))

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        worker.handle(
            Assign(
                worker=0,
                workers=1,
                plan=plan,
                seed=spec.seed,
                server_url=spec.server_url,
                fresh_session=spec.fresh_session,
                think_time_us=spec.think_time_us,
            )
        )
        run_at_us = time.monotonic_ns() // 1_000
        for phase in range(len(plan.phases)):
            worker.handle(Start(phase=phase, run_at_us=run_at_us, phase_at_us=time.monotonic_ns() // 1_000))
            if result.stop is not None:
                break
        worker.handle(Finish())
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    result.duration_us = max((message.ended_us for message in said if isinstance(message, PhaseDone)), default=0)
    result.warnings += warnings_of(result.symptoms())
    result.check()
    return result

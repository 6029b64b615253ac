"""What runs need besides what travels (`wire.run`): seeds and names for them, and the refusal of their tests."""

from __future__ import annotations

import secrets
from datetime import datetime

from loads.errors import UsageError
from loads.metrics.result import RunInfo
from loads.plan.spec import DEFAULT_ROOM, Plan
from loads.pool.limits import room_for_users
from loads.wire.messages import Loaded, LoadFailed
from loads.wire.run import RunSpec, plan_run


class TestsRefused(UsageError):
    """The targets can't be run; `traceback` is the test file's own, when it raised."""

    __test__ = False

    def __init__(self, failure: LoadFailed) -> None:
        super().__init__(failure.message, failure.hint)
        self.traceback = failure.traceback


def new_seed() -> int:
    """A seed for a run that names none; short enough to type."""
    return secrets.randbelow(1_000_000)


def plan_here(spec: RunSpec, loaded: Loaded, workers: int) -> tuple[Plan, RunInfo]:
    """The plan of a run that begins now on this machine, and what a report says of it."""
    guessed = spec.load.is_open and spec.load.max_users is None
    return plan_run(
        spec,
        loaded,
        workers,
        run=secrets.token_hex(4),
        started_at=datetime.now().astimezone(),
        room=room_for_users(workers) if guessed else DEFAULT_ROOM,
    )

"""How many workers a machine runs, and what may go wrong with a plan on it."""

from __future__ import annotations

import os
import resource
from typing import Final

from loads.plan.spec import LoadOptions, Plan
from loads.units import plural

_FILES_BESIDE_USERS: Final = 64


def count_workers(load: LoadOptions, workers: int | None) -> int:
    """How many processes the load gets: as many as `workers`, or as there are processors; never more than users."""
    if load.stages is not None:
        users = max(stage.users for stage in load.stages)
    else:
        users = max(load.users or (1,))
    wanted = len(os.sched_getaffinity(0)) if workers is None else workers
    return max(1, min(wanted, users))


def find_doubts(plan: Plan, workers: int) -> list[str]:
    """What may go wrong with the plan on this machine, each with what to do."""
    return find_file_doubts(-(-plan.max_users // max(1, workers)))


def find_file_doubts(users: int) -> list[str]:
    """The same of `users` in one process."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = users + _FILES_BESIDE_USERS
    if hard != resource.RLIM_INFINITY and needed > hard:
        return [
            f"{plural(users, 'user')} in one process need about {needed:,} open files and {hard:,} are allowed: "
            "requests may fail with 'Too many open files'; raise the limit (ulimit -Hn, or LimitNOFILE of the service) "
            "or use more workers"
        ]
    return []

"""How many workers a machine runs, what each may use of it, and what may go wrong with a plan on it."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from loads.errors import UsageError
from loads.plan.load import LoadOptions
from loads.plan.spec import Plan
from loads.units import parse_size_bytes, plural

_FILES_BESIDE_USERS: Final = 64
NO_CORE: Final[Mapping[int, int]] = MappingProxyType({resource.RLIMIT_CORE: 0})
"""What a worker of an agent always has: its dumped memory would be as large, and would hold what tests know."""


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


def find_file_doubts(users: int, limits: Mapping[int, int] = MappingProxyType({})) -> list[str]:
    """The same of `users` in one process that has these `limits`."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    hard = limits.get(resource.RLIMIT_NOFILE, hard)
    needed = users + _FILES_BESIDE_USERS
    if hard != resource.RLIM_INFINITY and needed > hard:
        return [
            f"{plural(users, 'user')} in one process need about {needed:,} open files and {hard:,} are allowed: "
            "requests may fail with 'Too many open files'; raise the limit (ulimit -Hn, or LimitNOFILE of the service) "
            "or use more workers"
        ]
    return []


def parse_limits(texts: Sequence[str], *, as_root: bool = False) -> dict[int, int]:
    """``memory=2g`` and the like, as limits of each worker by their number in `resource`; without core dumps.

    `as_root`: workers will be root, whom the kernel lets have any number of processes.

    Raises:
        UsageError: with all that is wrong with them.
    """
    limits, problems = dict(NO_CORE), list[UsageError]()
    for text in texts:
        try:
            number, value = _parse_limit(text)
            if number in limits:
                raise UsageError("it is given twice", "leave one of them out")
            if as_root and number == resource.RLIMIT_NPROC:
                raise UsageError("root may have any number of processes", "give a --worker-user, too")
            limits[number] = value
        except UsageError as error:
            problems.append(UsageError(f"--limit {text}: {error.message}", error.hint))
    if problems:
        raise UsageError.of(problems)
    return limits


def _parse_limit(text: str) -> tuple[int, int]:
    name, _, amount = text.partition("=")
    if name not in _LIMITS:
        raise UsageError("there is no such limit", f"they are {', '.join(_LIMITS)}; like memory=2g or files=4096")
    number, parse = _LIMITS[name]
    value = parse(amount)
    if not value:
        raise UsageError("nothing can be done with none of it", "give more, or leave it out")
    _, hard = resource.getrlimit(number)
    if hard not in (resource.RLIM_INFINITY, -1) and value > hard:
        raise UsageError(
            f"the agent itself may have no more than {hard:,}",
            "raise its own limit first (ulimit -H, or its service's)",
        )
    return number, value


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise UsageError(f"{text!r} is not a number", "give a whole number")
    return int(text)


_LIMITS: Final[Mapping[str, tuple[int, Callable[[str], int]]]] = MappingProxyType(
    {
        "memory": (resource.RLIMIT_AS, parse_size_bytes),
        "file-size": (resource.RLIMIT_FSIZE, parse_size_bytes),
        "files": (resource.RLIMIT_NOFILE, _count),
        "processes": (resource.RLIMIT_NPROC, _count),
    }
)
"""What can be limited. No processor time: load is what workers are there for, and a run's end is in its plan."""

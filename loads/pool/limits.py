"""How many workers a machine runs, what each may use of it, and what may go wrong with a plan on it."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from loads.errors import UsageError
from loads.plan.load import LoadOptions
from loads.plan.pacer import Arrivals
from loads.plan.spec import Plan, pacer_of
from loads.pool.memory import available_bytes
from loads.units import parse_size_bytes, plural

FEWEST_USERS: Final = 100
MOST_USERS: Final = 100_000
"""Bounds of what is guessed where nobody said --max-users: a small load always fits, and that many users that are all
busy are no load any more but a service that has stopped.
"""
_USER_BYTES: Final = 100 << 10
"""What a user is reckoned with: 15 KB with an open connection, 51 KB over TLS (docs/performance.rst); the rest is for
what the test keeps.
"""
_FILES_BESIDE_USERS: Final = 64
NO_CORE: Final[Mapping[int, int]] = MappingProxyType({resource.RLIMIT_CORE: 0})
"""What a worker of an agent always has: its dumped memory would be as large, and would hold what tests know."""


def count_workers(load: LoadOptions, workers: int | None) -> int:
    """How many processes the load gets: as many as `workers`, or as there are processors; never more than users.

    Arrivals have as many users as there are iterations; at random times that may be one more or less, and then a worker
    has nothing to do.
    """
    wanted = len(os.sched_getaffinity(0)) if workers is None else workers
    if load.is_open:
        users = load.max_users or pacer_of(Arrivals(load.profile)).due
    elif load.stages is not None:
        users = max((stage.users for stage in load.stages), default=1)
    else:
        users = max(load.users or (1,))
    return max(1, min(wanted, users))


def room_for_users(workers: int, limits: Mapping[int, int] = MappingProxyType({})) -> int:
    """How many users `workers` processes, each with these `limits`, have room for on this machine, as it is now.

    Half of the memory that is available, for the other half is the tested service's where that is here, too, and what
    tests load; and as many as there may be connections. In hundreds, so that two runs in a row have the same plan.
    """
    processes = max(1, workers)
    memory_bytes = available_bytes()
    if resource.RLIMIT_AS in limits:
        memory_bytes = min(memory_bytes, processes * limits[resource.RLIMIT_AS])
    users = memory_bytes // 2 // _USER_BYTES
    files = _allowed_files(limits)
    if files != resource.RLIM_INFINITY:
        users = min(users, processes * (files - _FILES_BESIDE_USERS))
    return max(FEWEST_USERS, min(users, MOST_USERS) // 100 * 100)


def find_doubts(plan: Plan, workers: int) -> list[str]:
    """What may go wrong with the plan on this machine, each with what to do."""
    return find_file_doubts(-(-plan.max_users // max(1, workers)))


def find_file_doubts(users: int, limits: Mapping[int, int] = MappingProxyType({})) -> list[str]:
    """The same of `users` in one process that has these `limits`."""
    hard = _allowed_files(limits)
    needed = users + _FILES_BESIDE_USERS
    if hard != resource.RLIM_INFINITY and needed > hard:
        return [
            f"{plural(users, 'user')} in one process need about {needed:,} open files and {hard:,} are allowed: "
            "requests may fail with 'Too many open files'; raise the limit (ulimit -Hn, or LimitNOFILE of the service) "
            "or use more workers"
        ]
    return []


def _allowed_files(limits: Mapping[int, int]) -> int:
    """How many files a worker may have open: it raises its own limit as far as it can."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return limits.get(resource.RLIMIT_NOFILE, hard)


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

"""When a result tells more of the load generator than of the service: rules that make a run invalid.

`symptoms` warns of one worker that had troubles. Here they are weighed: how much of the run's figures they are in. Each
rule has its number, and docs/metrics.rst says why it is that one. Pure; `verdict` takes the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from loads.metrics.health import LATE_US, Health
from loads.metrics.histogram import Histogram, bucket_of
from loads.metrics.pace import Pace
from loads.metrics.summary import Series
from loads.metrics.symptoms import FULL_PART, LASTS_US
from loads.units import US_PER_S, format_duration

TROUBLED_PART: Final = 0.1
"""Of the workers' time, in spans that were busy, starved or late: from here on even p90 may be theirs."""
DELAYED_US: Final = LATE_US
DELAYED_PART: Final = 0.01
DELAYED_FROM: Final = 10
"""So many iterations, and this part of all that had a time to start at, began `DELAYED_US` late by nobody's fault but
the generator's: from here on p99 may be its. A few at the start of a short run say nothing.
"""
SLEPT_US: Final = US_PER_S
OUT_OF_FILES: Final = frozenset({"connect", "dns", "other"})
OUT_OF_PORTS: Final = frozenset({"connect"})
"""Kinds of errors (see `client.kinds`) that requests end with when there are no more files, or ports, for them."""


def find_bottlenecks(
    healths: Mapping[int, Health],
    pace: Pace,
    hits: Series,
    max_lost: float,
    called: Callable[[int], str] = "worker {}".format,
) -> list[str]:
    """In which ways the generator was the bottleneck, each in words with what to change; none if it was not.

    `hits` are all requests as one series; `max_lost` is the part of them that may be missing. `called` gives a worker's
    name.
    """
    found = (
        _troubled(healths, called),
        _delayed(pace),
        _slept(healths, called),
        *_full(healths, hits, max_lost, called),
    )
    return [text for text in found if text is not None]


def _troubled(healths: Mapping[int, Health], called: Callable[[int], str]) -> str | None:
    wall_us = sum(health.wall_us for health in healths.values())
    troubled_us = sum(health.troubled_us for health in healths.values())
    worker, worst = max(healths.items(), key=lambda each: (each[1].troubled_us, -each[0]), default=(0, Health()))
    if worst.troubled_us < LASTS_US or troubled_us < TROUBLED_PART * wall_us:
        return None
    name = called(worker)
    causes = (
        (
            worst.busy.wall_us,
            f"{name} had no processor time to spare",
            "use more workers, agents or processors, or ask less of each: think time, or an arrival rate",
        ),
        (
            worst.starved.wall_us,
            f"{name} waited for a processor that other programs used",
            "end those programs, run fewer workers than processors, or move the tested service to another machine",
        ),
        (
            worst.late_us,
            f"the event loop of {name} was held up",
            "look for code of the test that computes or blocks, or use more workers",
        ),
    )
    cause_us, cause, change = max(causes, key=lambda each: each[0])
    return (
        f"the load generator was the bottleneck for {troubled_us / wall_us:.0%} of its time: {cause}, "
        f"{format_duration(cause_us)} of {format_duration(worst.wall_us)} long, so {change}"
    )


def _delayed(pace: Pace) -> str | None:
    delayed = count_from(pace.delay, DELAYED_US) + pace.neglected
    started = pace.lateness.count + pace.neglected
    if delayed < DELAYED_FROM or delayed <= DELAYED_PART * started:
        return None
    return (
        f"{delayed:,} of {started:,} iterations began {format_duration(DELAYED_US)} late or more, or never, though a "
        "user was free: use more workers, agents or processors"
    )


def _slept(healths: Mapping[int, Health], called: Callable[[int], str]) -> str | None:
    worker = max(healths, key=lambda worker: (healths[worker].slept_us, -worker), default=0)
    slept_us = healths[worker].slept_us if healths else 0
    if slept_us < SLEPT_US:
        return None
    return f"the machine of {called(worker)} slept for {format_duration(slept_us)}: keep it awake while a run goes on"


def _full(
    healths: Mapping[int, Health], hits: Series, max_lost: float, called: Callable[[int], str]
) -> Iterator[str | None]:
    """No more files or ports, and requests that failed as they do then."""

    def failed(kinds: frozenset[str]) -> int:
        count = sum(hits.errors.get(kind, 0) for kind in kinds)
        return count if count > max_lost * hits.hits else 0

    def full(used: Callable[[Health], int | None], limit: Callable[[Health], int | None]) -> int | None:
        shares = {
            worker: (used(health) or 0) / (limit(health) or 1) for worker, health in healths.items() if limit(health)
        }
        worst = max(shares, key=lambda worker: (shares[worker], -worker), default=None)
        return worst if worst is not None and shares[worst] >= FULL_PART else None

    count, worker = failed(OUT_OF_FILES), full(lambda health: health.files, lambda health: health.files_limit)
    if count and worker is not None:
        health = healths[worker]
        yield (
            f"{count:,} of {hits.hits:,} requests got no connection while {called(worker)} had {health.files:,} files "
            f"open of the {health.files_limit:,} allowed: raise the limit (ulimit -n) or use more workers"
        )
    count, worker = failed(OUT_OF_PORTS), full(lambda health: health.ports, lambda health: health.ports_range)
    if count and worker is not None:
        health = healths[worker]
        yield (
            f"{count:,} of {hits.hits:,} requests got no connection while the machine of {called(worker)} used "
            f"{health.ports:,} of its {health.ports_range:,} local ports: keep connections open, use more source "
            "addresses, or widen net.ipv4.ip_local_port_range"
        )


def count_from(histogram: Histogram, least_us: int) -> int:
    """How many values are `least_us` or more; those of its bucket count by the histogram's own precision."""
    if histogram.max_us < least_us:
        return 0
    edge = bucket_of(least_us)
    return sum(count for index, count in histogram.counts.items() if index >= edge)

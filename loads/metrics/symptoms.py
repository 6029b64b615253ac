"""What to tell the user when the load generator's own troubles are in the figures.

Holds the sums of each worker's `Health` against the rules and says in words what to do. Nothing here judges the run:
`bottleneck` says which of it makes one invalid. docs/metrics.rst lists every number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Final, NamedTuple

from loads.metrics.health import BUSY_SHARE, Health
from loads.units import US_PER_S, plural

LASTS_US: Final = 3 * US_PER_S
LASTS_PART: Final = 0.01
"""Busy, starved and late spans count once they add up to this long and to this part of the time watched."""
LATE_ONCE_US: Final = US_PER_S
"""An event loop once as late as this is enough."""
PAUSE_US: Final = 100_000
"""One garbage collection of this length is enough."""
FULL_PART: Final = 0.8
"""Part of the open files, or of the ports, from which on the end is near."""
MAX_TOLD: Final = 3
"""Workers named for each rule; the others are counted."""


class Rule(Enum):
    """What can be wrong with a load generator; in the order in which it is told."""

    BUSY = "busy"
    STARVED = "starved"
    LATE = "late"
    PAUSED = "paused"
    FILES = "files"
    PORTS = "ports"
    CLOCK = "clock"


_OF_MACHINES: Final = frozenset({Rule.PORTS, Rule.CLOCK})


class Symptom(NamedTuple):
    """One rule that one worker broke: how badly (to compare within the rule), and the whole warning."""

    rule: Rule
    worker: int
    size: float
    text: str


def find_symptoms(healths: Mapping[int, Health], called: Callable[[int], str] = "worker {}".format) -> list[Symptom]:
    """The rules that workers broke; by rule, and in each the worst first. `called` gives a worker's name."""
    found = [symptom for worker, health in healths.items() for symptom in _check(worker, called(worker), health)]
    order = list(Rule)
    return sorted(found, key=lambda symptom: (order.index(symptom.rule), -symptom.size, symptom.worker))


def warnings_of(symptoms: list[Symptom]) -> list[str]:
    """`symptoms`, as they come from `find_symptoms`, in words: at most `MAX_TOLD` of each rule.

    And one of the ports, and of the clock: they belong to the machine, and all its workers see the same.
    """
    lines = []
    for rule in Rule:
        broken = [symptom for symptom in symptoms if symptom.rule is rule]
        told = broken[: 1 if rule in _OF_MACHINES else MAX_TOLD]
        lines += [symptom.text for symptom in told]
        if len(broken) > len(told) and rule not in _OF_MACHINES:
            lines.append(f"the same holds for {plural(len(broken) - len(told), 'more worker')}")
    return lines


def _check(worker: int, name: str, health: Health) -> Iterator[Symptom]:
    wall_us, lag = health.wall_us, health.lag
    if _lasted(health.busy.wall_us, wall_us):
        yield Symptom(Rule.BUSY, worker, health.busy.wall_us, _tell_busy(name, health))
    if _lasted(health.starved.wall_us, wall_us):
        yield Symptom(Rule.STARVED, worker, health.starved.part_us, _tell_starved(name, health))
    if _lasted(health.late_us, wall_us) or lag.max_us >= LATE_ONCE_US:
        yield Symptom(Rule.LATE, worker, lag.max_us, _tell_late(name, health))
    if health.longest_pause_us >= PAUSE_US:
        yield Symptom(Rule.PAUSED, worker, health.longest_pause_us, _tell_paused(name, health))
    if health.files is not None and health.files_limit and health.files >= FULL_PART * health.files_limit:
        yield Symptom(Rule.FILES, worker, health.files / health.files_limit, _tell_files(name, health))
    if health.ports is not None and health.ports_range and health.ports >= FULL_PART * health.ports_range:
        yield Symptom(Rule.PORTS, worker, health.ports / health.ports_range, _tell_ports(name, health))
    if health.set_forward_us or health.set_back_us:
        size_us = max(health.set_forward_us, health.set_back_us)
        yield Symptom(Rule.CLOCK, worker, size_us, _tell_clock(name, health))


def _lasted(trouble_us: int, wall_us: int) -> bool:
    return trouble_us >= LASTS_US and trouble_us >= LASTS_PART * wall_us


def _tell_busy(name: str, health: Health) -> str:
    more = " and waited for more" if health.busy.share < BUSY_SHARE else ""
    return (
        f"{name} was at {_percent(health.busy.share)} CPU{more} for {_seconds(health.busy.wall_us)}: "
        "latencies above are inflated; use more workers, if need be on more machines"
    )


def _tell_starved(name: str, health: Health) -> str:
    who = f"{name} waited" if health.waited_us is not None else f"programs beside {name} waited"
    return (
        f"{who} {_percent(health.starved.share)} of the time, {_seconds(health.starved.wall_us)} long, for a processor "
        "that other programs used: latencies above are inflated; end those programs, run fewer workers than "
        "processors, or move the tested service to another machine"
    )


def _tell_late(name: str, health: Health) -> str:
    lag = health.lag
    return (
        f"{name}'s event loop was late by up to {_milliseconds(lag.max_us)} "
        f"(p99 {_milliseconds(lag.percentile_us(0.99) or 0)}): latencies above may be that much too long; "
        "look for code of the test that computes or blocks, or use more workers"
    )


def _tell_paused(name: str, health: Health) -> str:
    return (
        f"{name} stood still for up to {_milliseconds(health.longest_pause_us)} to collect garbage "
        f"({plural(health.pauses, 'pause')}, {_milliseconds(health.paused_us)} in all): latencies above are inflated; "
        "keep fewer objects in the test, or call gc.freeze() once they are made"
    )


def _tell_files(name: str, health: Health) -> str:
    return (
        f"{name} had {health.files:,} files and connections open of the {health.files_limit:,} allowed: "
        "beyond, requests fail with 'Too many open files'; raise the limit (ulimit -n) or use more workers"
    )


def _tell_ports(name: str, health: Health) -> str:
    return (
        f"the machine of {name} used {health.ports:,} of its {health.ports_range:,} local ports for "
        "connections to one address: beyond, connections fail; keep connections open (keep-alive), use more source "
        "addresses, or widen net.ipv4.ip_local_port_range"
    )


def _tell_clock(name: str, health: Health) -> str:
    ways = ((health.set_forward_us, "forward"), (health.set_back_us, "back"))
    how = " and ".join(f"{_seconds(step_us)} {way}" for step_us, way in ways if step_us)
    return (
        f"the clock of the machine of {name} was set {how} while the run went on: durations and latencies are right, "
        "for they go by another clock; times of the day, as in logs, are not"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _seconds(duration_us: int) -> str:
    return f"{duration_us / US_PER_S:,.0f} s"


def _milliseconds(duration_us: float) -> str:
    return f"{duration_us / 1_000:,.0f} ms"

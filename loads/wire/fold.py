"""Folding what comes from a cluster into a result: the same in the broker and in everyone who follows a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from loads.metrics.counters import Counts
from loads.metrics.events import Event
from loads.metrics.health import Health
from loads.metrics.machines import Load
from loads.metrics.result import Loss, Result
from loads.metrics.threshold import Standing
from loads.units import US_PER_S, plural
from loads.wire.cluster import Fare, Lost, Notice, Span


def fold(
    result: Result,
    spans: Iterable[Span],
    users: Mapping[int, int],
    gone: Iterable[int],
    losses: Iterable[Lost],
    warnings: Iterable[str] = (),
    thresholds: Iterable[Standing] | None = None,
) -> None:
    """Take all of it into `result`; `users` run now by worker, those of `gone` workers no more.

    `thresholds` are how they stand now; None: as before.
    """
    if thresholds is not None:
        result.thresholds = list(thresholds)
    for span in spans:
        result.absorb(span.t_us, span.summary)
        result.bear(span.t_us, {fare.worker: (fare.load, fare.health) for fare in span.fares})
    result.users.update(users)
    for worker in gone:
        result.users.pop(worker, None)
    result.warnings += warnings
    for lost in losses:
        result.declare(lost.loss, Counts(started=lost.started))
        if lost.given_up and lost.loss.worker is not None:
            result.given_up.append(lost.loss.worker)


def fares_of(healths: Mapping[int, Health], loads: Mapping[int, Load]) -> tuple[Fare, ...]:
    """What is known of each worker in one second, in the order of their numbers."""
    workers = sorted({*healths, *loads})
    return tuple(Fare(worker, healths.get(worker), loads.get(worker)) for worker in workers)


def event_of(notice: Notice) -> Event | None:
    """What `notice` is in the result; None: nothing."""
    if notice.t_us is None or notice.kind is None:
        return None
    return Event(t_us=notice.t_us, kind=notice.kind, text=notice.text)


def note(result: Result, notices: Iterable[Notice]) -> None:
    """Take those of them that are events into `result`."""
    for notice in notices:
        event = event_of(notice)
        if event is not None:
            result.note(event)


def bare(result: Result) -> Result:
    """`result` without its spans by series and machine, for who asks for those himself, or not at all."""
    return msgspec.structs.replace(result, details=result.details.bare(), machines=result.machines.bare())


def tell_loss(result: Result, loss: Loss, *, replaced: bool, given_up: bool) -> str:
    """What a user hears of it at once, on a cluster or without."""
    who = f"agent {loss.agent}" if loss.worker is None else result.name_of(loss.worker)
    span = f"{loss.from_us / US_PER_S:.1f}-{loss.to_us / US_PER_S:.1f} s"
    what = f"{plural(loss.iterations, 'iteration')}, {plural(loss.sent, 'request')} of {span}"
    if given_up:
        then = "it died too often, so nobody takes its users"
    else:
        then = "another takes its users" if replaced else "its users are not replaced"
    return f"{who} {loss.reason}; lost: {what}; {then}"

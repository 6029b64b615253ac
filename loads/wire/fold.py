"""Folding what comes from a cluster into a result: the same in the broker and in everyone who follows a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from loads.metrics.counters import Counts
from loads.metrics.result import Loss, Result
from loads.metrics.threshold import Standing
from loads.units import US_PER_S, plural
from loads.wire.cluster import Lost, Span


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
        for fare in span.fares:
            if fare.health is not None:
                result.fare(span.t_us, fare.worker, fare.health)
    result.users.update(users)
    for worker in gone:
        result.users.pop(worker, None)
    result.warnings += warnings
    for lost in losses:
        result.declare(lost.loss, Counts(started=lost.started))
        if lost.given_up and lost.loss.worker is not None:
            result.given_up.append(lost.loss.worker)


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

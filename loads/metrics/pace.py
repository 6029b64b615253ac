"""How well the starts that a plan asked for were kept: mergeable.

Lateness is the actual start of an iteration minus the intended one. Most of it is the service's doing: all users were
still busy with it. What the load generator itself adds is kept apart: an iteration that found a user waiting for it and
still began late was delayed by nobody else.
"""

from __future__ import annotations

import msgspec

from loads.metrics.histogram import Histogram


class Pace(msgspec.Struct, array_like=True):
    """Of iterations that were to start at a time. Empty: the identity of `merge`, and all there is without a plan.

    Attributes:
        lateness: of each that started.
        delay: the same of those whose user was waiting for them: the generator's own part.
        neglected: iterations that were due and never began although there was a user for them.
    """

    lateness: Histogram = msgspec.field(default_factory=Histogram)
    delay: Histogram = msgspec.field(default_factory=Histogram)
    neglected: int = 0

    def merge(self, other: Pace) -> None:
        """Take in `other`, which stays as it is."""
        if other.lateness.counts:
            self.lateness.merge(other.lateness)
        if other.delay.counts:
            self.delay.merge(other.delay)
        self.neglected += other.neglected

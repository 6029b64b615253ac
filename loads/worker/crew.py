"""What the virtual users of one worker share."""

from __future__ import annotations

import unittest
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from loads.client.clock import monotonic_us
from loads.worker.iteration import Routine

if TYPE_CHECKING:
    from loads.client.recorder import Recorder
    from loads.plan.choice import Deck
    from loads.worker.loader import Scenario
    from loads.worker.meter import Meter
    from loads.worker.outcome import Faults

NO_LEASE: Final = 2**63
"""A time that never comes: for who needs nobody's leave to start iterations."""


class Crew:
    """The same for all users, for the whole run; `runnable` are the test classes whose fixtures succeeded."""

    def __init__(
        self,
        scenarios: Sequence[Scenario],
        runnable: set[type[unittest.TestCase]],
        deck: Deck,
        recorder: Recorder,
        faults: Faults,
        meter: Meter,
        *,
        worker: int,
        server_url: str | None,
        fresh_session: bool,
        think_time_us: tuple[int, int] | None,
        seed: int,
    ) -> None:
        self.scenarios = scenarios
        self.runnable = runnable
        self.classes = list(dict.fromkeys(scenario.cls for scenario in scenarios))
        self.cards = [self._card(scenario) if scenario.cls in runnable else None for scenario in scenarios]
        """What the deck chooses from; None where no iteration may start."""
        self.deck = deck
        self.recorder = recorder
        self.faults = faults
        self.meter = meter
        self.worker = worker
        self.server_url = server_url
        self.fresh_session = fresh_session
        self.think_time_us = think_time_us
        self.seed = seed
        self.lease_until_us = NO_LEASE
        """No iteration starts after it: load never runs on unwatched."""
        self.breathed_us = monotonic_us()
        self.last_end_us = 0
        self.running: object | None = None
        """Who ended an iteration last."""

    def _card(self, scenario: Scenario) -> tuple[Scenario, Routine, int]:
        """A scenario, its steps, and the number of its class."""
        return scenario, Routine.of(scenario.cls, scenario.method), self.classes.index(scenario.cls)

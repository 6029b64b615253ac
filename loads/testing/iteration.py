"""One iteration of a worker, made up: some requests one after the other, each of which takes its time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from loads.metrics.summary import SeriesKey

if TYPE_CHECKING:
    from loads.testing.worker import Worker

_KEY: Final = SeriesKey("t.Test.test", "GET", "http://target/")
SLOWEST_US: Final = 4_000_000
"""A request takes no longer."""


class Iteration:
    """By `slot` of `phase`, `late_us` after it was due. `over` is called at its end, unless it is cut off before."""

    def __init__(
        self, worker: Worker, phase: int, slot: int, over: Callable[[], None], late_us: int | None = None
    ) -> None:
        self._worker = worker
        self._phase = phase
        self._slot = slot
        self._over = over
        self._late_us = late_us
        self._begun_us = worker.time_us()
        self._in_hit = False
        self._is_over = False

    def begin(self) -> None:
        """The target has seen it begin."""
        world, recorder = self._worker.world, self._worker.recorder
        recorder.started()
        if self._late_us is not None:
            recorder.began(self._late_us, awaited=self._late_us < 1_000)
        slow = world.chance(0.02)
        self._hit(world.between(0, 2), SLOWEST_US if slow else 300_000)

    def cut_off(self) -> None:
        """End at once."""
        self.forget()
        recorder = self._worker.recorder
        if self._in_hit:
            recorder.hit(_KEY, 1_000, None, "interrupted", True, 1, 0)
        recorder.interrupted(_KEY.scenario)

    def forget(self) -> None:
        """Nothing more happens in it."""
        self._is_over = True

    def _hit(self, left: int, most_us: int) -> None:
        worker = self._worker
        sent = worker.world.chance(0.95)
        worker.agent.machine.cluster.target.hit(worker, self._phase, self._slot, sent=sent)
        if sent:
            worker.recorder.sending()
            self._in_hit = True
        else:
            worker.recorder.hit(_KEY, 0, None, "connect-refused", False, 0, 0)
        took_us = worker.world.between(20_000, most_us) + worker.agent.machine.cluster.target.delay_us
        answered_us = took_us if sent else None
        worker.later(took_us, lambda: None if self._is_over else self._answered(left, most_us, answered_us))

    def _answered(self, left: int, most_us: int, took_us: int | None) -> None:
        worker = self._worker
        if took_us is not None:
            worker.recorder.hit(_KEY, took_us, 200, None, True, 10, 10)
            self._in_hit = False
        if left:
            self._hit(left - 1, most_us)
            return
        self._is_over = True
        failed = worker.world.chance(0.01)
        if failed:
            worker.error()
        worker.recorder.ended(_KEY.scenario, worker.time_us() - self._begun_us, failed, self._late_us or 0)
        worker.recorder.summary.totals.success += not failed
        worker.recorder.summary.totals.errors += failed
        self._over()

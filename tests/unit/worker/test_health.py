from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.metrics.health import Health
from loads.units import US_PER_S
from loads.worker import health as module
from loads.worker.health import INTERVAL_US, MOVED_US, RARITY, Clocks, Question, Sampler, count_files


class Clock:
    """All clocks that the sampler reads, moved by the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_us = 700 * US_PER_S
        self.cpu_us = 5 * US_PER_S
        self.waited_us: int | None = 0
        self.stalled_us: int | None = 0
        self.wall_ahead_us = 0
        self.slept_us = 0
        self.reading_us = 0
        monkeypatch.setattr(module, "monotonic_us", lambda: self.now_us)
        monkeypatch.setattr(module.time, "process_time_ns", lambda: self.cpu_us * 1_000)
        monkeypatch.setattr(module, "_waited_us", lambda: self.waited_us)
        monkeypatch.setattr(module, "_stalled_us", lambda: self.stalled_us)
        monkeypatch.setattr(module, "_wall_ns", lambda: (self.now_us + self.slept_us + self.wall_ahead_us) * 1_000)
        monkeypatch.setattr(module, "_boot_ns", self.boot_ns)
        monkeypatch.setattr(module.gevent, "spawn", lambda _: None)
        monkeypatch.setattr(module.gevent, "spawn_later", lambda *_: None)
        monkeypatch.setattr(module.gevent, "killall", lambda _: None)

    def boot_ns(self) -> int:
        self.now_us += self.reading_us
        return (self.now_us + self.slept_us) * 1_000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def sampler(clock: Clock) -> Any:
    sampler = Sampler()
    sampler.begin()
    yield sampler
    sampler.end()


def taken(sampler: Sampler) -> Health:
    health = sampler.take()
    assert health is not None
    return health


def test_nothing_is_known_while_nobody_watches() -> None:
    sampler = Sampler()
    assert sampler.take() is None
    sampler.end()


def test_a_span_holds_what_came_since_the_last_one(clock: Clock, sampler: Sampler) -> None:
    clock.now_us, clock.cpu_us, clock.waited_us = clock.now_us + US_PER_S, clock.cpu_us + 400_000, 300_000
    health = taken(sampler)
    assert (health.wall_us, health.cpu_us, health.waited_us, health.cpu_share) == (US_PER_S, 400_000, 300_000, 0.4)
    assert health.starved.part_us == 300_000
    clock.now_us += 2 * US_PER_S
    health = taken(sampler)
    assert (health.wall_us, health.cpu_us, health.waited_us) == (2 * US_PER_S, 0, 0)


def test_the_machine_is_asked_only_where_the_process_is_not_known(clock: Clock) -> None:
    clock.stalled_us = 50
    for waited_us, expected in ((0, (0, None)), (None, (None, 0))):
        clock.waited_us = waited_us
        sampler = Sampler()
        sampler.begin()
        health = taken(sampler)
        assert (health.waited_us, health.stalled_us) == expected
        sampler.end()


def test_a_loop_that_is_on_time_is_late_by_nothing(clock: Clock, sampler: Sampler) -> None:
    for _ in range(3):
        clock.now_us += INTERVAL_US
        sampler.woke(clock.now_us)
    assert taken(sampler).lag.counts == {0: 3}


def test_a_timer_that_fires_too_early_is_no_sample(clock: Clock, sampler: Sampler) -> None:
    sampler.woke(clock.now_us + INTERVAL_US - 1)
    sampler.woke(clock.now_us + INTERVAL_US + 9)
    assert taken(sampler).lag.counts == {9: 1}


def test_whoever_came_while_the_loop_was_blocked_counts(clock: Clock, sampler: Sampler) -> None:
    """310 ms late is also 260, 210 ... late for those who came after: percentiles go by time."""
    sampler.woke(clock.now_us + INTERVAL_US + 310_000)
    lag = taken(sampler).lag
    assert (lag.count, lag.max_us, lag.min_us) == (7, 310_000, 10_000)


def test_a_block_that_lasts_when_the_span_ends_is_in_it_and_only_in_it(clock: Clock, sampler: Sampler) -> None:
    clock.now_us += INTERVAL_US + 20_000
    assert taken(sampler).lag.counts.keys() == {*taken_bucket(20_000)}
    sampler.woke(clock.now_us + 1)
    assert taken(sampler).lag.counts == {}


def taken_bucket(value_us: int) -> set[int]:
    health = Health()
    health.lag.add(value_us)
    return set(health.lag.counts)


@given(st.lists(st.integers(0, 3 * US_PER_S), max_size=20))
def test_samples_are_as_many_as_intervals_whatever_the_loop_does(waits_us: list[int]) -> None:
    sampler = Sampler()
    sampler._span = Health()
    now_us = sampler._due_us = 0
    for wait_us in waits_us:
        now_us += wait_us
        sampler.woke(now_us)
    assert sampler._span is not None
    assert sampler._span.lag.count <= now_us // INTERVAL_US + 1


def test_collections_are_timed(clock: Clock, sampler: Sampler, monkeypatch: pytest.MonkeyPatch) -> None:
    gc.disable()
    try:
        taken(sampler)
        times = iter([clock.now_us, clock.now_us + 70_000])
        monkeypatch.setattr(module, "monotonic_us", lambda: next(times, clock.now_us))
        gc.collect()
        health = taken(sampler)
    finally:
        gc.enable()
    assert (health.pauses, health.paused_us, health.longest_pause_us) == (1, 70_000, 70_000)


def test_it_leaves_no_callback_behind(clock: Clock) -> None:
    before = list(gc.callbacks)
    sampler = Sampler()
    for _ in range(2):
        sampler.begin()
        assert len(gc.callbacks) == len(before) + 1
        sampler.end()
    assert gc.callbacks == before
    assert sampler.take() is None


def test_a_question_waits_for_its_time() -> None:
    question = Question(iter(range(10)).__next__, 1_000)
    answers = [question.answer(module.monotonic_us() + after_us) for after_us in (0, 10**9, 0, 10**9 + 500, 3 * 10**9)]
    assert answers == [0, 1, None, None, 2]


def test_a_question_that_takes_long_is_asked_rarely(clock: Clock) -> None:
    def slow() -> int:
        clock.now_us += 20_000
        return 5

    question = Question(slow, 1_000)
    first_us = clock.now_us
    assert question.answer(first_us) == 5
    clock.now_us = first_us + RARITY * 20_000 - 1
    assert question.answer(clock.now_us) is None
    assert question.answer(clock.now_us + 1) == 5


def test_a_question_that_the_kernel_refuses_has_no_answer() -> None:
    def refused() -> int:
        raise OSError("no file can be opened")

    question = Question(refused, 1_000)
    assert question.answer(module.monotonic_us()) is None


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_open_files_are_counted(tmp_path: Path) -> None:
    before = count_files()
    descriptors = [os.open(tmp_path, os.O_RDONLY) for _ in range(40)]
    after = count_files()
    for descriptor in descriptors:
        os.close(descriptor)
    assert before is not None
    assert after == before + 40


def test_without_proc_nothing_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("_FILES", "_SCHEDULED", "_PRESSURE"):
        monkeypatch.setattr(module, name, tmp_path / "missing")
    monkeypatch.setattr(module, "port_range", lambda: None)
    sampler = Sampler()
    sampler.begin()
    sampler._look()
    health = taken(sampler)
    sampler.end()
    assert (health.waited_us, health.stalled_us, health.files, health.files_limit, health.ports) == (None,) * 5


@pytest.mark.parametrize(("by_us", "forward_us", "back_us"), [(3_600, 3_600, 0), (-2, 0, 2), (0, 0, 0)])
def test_a_wall_clock_that_is_set_is_noticed(
    clock: Clock, sampler: Sampler, by_us: int, forward_us: int, back_us: int
) -> None:
    clock.now_us += US_PER_S
    clock.wall_ahead_us += by_us * US_PER_S
    health = taken(sampler)
    assert (health.set_forward_us, health.set_back_us) == (forward_us * US_PER_S, back_us * US_PER_S)
    assert health.slept_us == 0
    assert health.wall_us == US_PER_S
    assert (taken(sampler).set_forward_us, taken(sampler).set_back_us) == (0, 0)


def test_a_clock_that_is_mended_slowly_was_not_set(clock: Clock, sampler: Sampler) -> None:
    for _ in range(20):
        clock.now_us += US_PER_S
        clock.wall_ahead_us += MOVED_US - 1
        assert taken(sampler).set_forward_us == 0


def test_sleep_of_the_machine_is_noticed_and_is_not_taken_for_a_clock_that_was_set(
    clock: Clock, sampler: Sampler
) -> None:
    clock.slept_us = 40 * US_PER_S
    health = taken(sampler)
    assert (health.slept_us, health.set_forward_us, health.set_back_us) == (40 * US_PER_S, 0, 0)


def test_who_was_stopped_between_two_clocks_does_not_compare_them(clock: Clock, sampler: Sampler) -> None:
    clock.reading_us = 5 * US_PER_S
    health = taken(sampler)
    assert (health.slept_us, health.set_forward_us, health.set_back_us) == (0, 0, 0)
    clock.reading_us = 0
    clock.wall_ahead_us = 2 * US_PER_S
    assert taken(sampler).set_forward_us == 2 * US_PER_S


def test_the_clocks_of_this_machine_can_be_read() -> None:
    one, other = Clocks.read(), Clocks.read()
    assert one is not None
    assert other is not None
    assert abs(one.wall_us - other.wall_us) < MOVED_US

from __future__ import annotations

from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.metrics.health import (
    BUSY_SHARE,
    LATE_US,
    RATED_FROM_US,
    RECENT_US,
    STALLED_SHARE,
    WAITED_SHARE,
    Health,
    Spell,
    WorkerHealth,
)
from loads.units import US_PER_S
from tests.build import health_of, healths, histogram_of


def merged(*parts: Health) -> Health:
    whole = Health()
    for part in parts:
        whole.merge(part)
    return whole


@given(st.lists(healths(), max_size=6), st.integers(0, 1_000))
def test_any_order_and_any_tree_of_merges_gives_the_same(parts: list[Health], seed: int) -> None:
    expected = merged(*parts)
    random = Random(seed)
    heap = [merged(part) for part in parts] or [Health()]
    while len(heap) > 1:
        random.shuffle(heap)
        other = heap.pop()
        heap[-1].merge(other)
    assert heap[0] == expected


@given(healths())
def test_an_empty_one_is_the_identity(health: Health) -> None:
    assert merged(Health(), health) == merged(health, Health()) == health


@given(healths(), healths())
def test_what_is_merged_stays_as_it_is(one: Health, other: Health) -> None:
    before = msgspec.msgpack.encode(other)
    merged(one, other).merge(other)
    assert msgspec.msgpack.encode(other) == before


@given(healths())
def test_it_travels_unchanged(health: Health) -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(health), type=Health) == health


def test_two_are_as_one_that_lasted_as_long_as_both() -> None:
    early = health_of(wall_us=1_000, cpu_us=900, waited_us=10, files=5, files_limit=100, users=3)
    late = health_of(wall_us=3_000, cpu_us=100, waited_us=20, files=7, files_limit=100, ports=9, users=2)
    early.paused(50)
    late.paused(70)
    late.paused(20)
    whole = merged(early, late)
    assert (whole.wall_us, whole.cpu_us, whole.waited_us) == (4_000, 1_000, 30)
    assert (whole.files, whole.files_limit, whole.ports, whole.users) == (7, 100, 9, 3)
    assert (whole.pauses, whole.paused_us, whole.longest_pause_us) == (3, 140, 70)
    assert (whole.cpu_share, whole.waited_share) == (0.25, 0.0075)


def test_what_was_never_known_stays_unknown() -> None:
    whole = merged(health_of(), health_of())
    assert (whole.waited_us, whole.files, whole.files_limit, whole.ports, whole.ports_range) == (None,) * 5
    assert whole.waited_share is None
    assert Health().cpu_share is None


def test_of_two_limits_the_tighter_one_counts() -> None:
    assert merged(health_of(files_limit=100), health_of(files_limit=50), health_of()).files_limit == 50


@pytest.mark.parametrize(("cpu_us", "busy"), [(BUSY_SHARE * US_PER_S, True), (BUSY_SHARE * US_PER_S - 1, False)])
def test_a_span_is_busy_from_nine_tenths_of_a_processor_on(cpu_us: float, busy: bool) -> None:
    health = health_of(cpu_us=int(cpu_us))
    assert health.busy == (Spell(US_PER_S, int(cpu_us)) if busy else Spell())
    assert health.cpu_peak == int(cpu_us) / US_PER_S


def test_who_wants_a_processor_and_does_not_get_all_of_it_is_busy_too() -> None:
    """Nobody else took a fifth, and yet the worker had no time to spare."""
    assert health_of(cpu_us=750_000, waited_us=150_000).busy == Spell(US_PER_S, 750_000)
    assert health_of(cpu_us=749_999, waited_us=150_000).busy == Spell()


def test_a_span_that_is_starved_is_not_called_busy() -> None:
    """More workers would not help."""
    health = health_of(cpu_us=500_000, waited_us=490_000)
    assert (health.busy, health.starved) == (Spell(), Spell(US_PER_S, 490_000))


@pytest.mark.parametrize(("short_us", "starved"), [(0, True), (1, False)])
def test_a_span_is_starved_when_it_waited_a_fifth_of_its_time(short_us: int, starved: bool) -> None:
    waited_us = int(WAITED_SHARE * US_PER_S) - short_us
    assert health_of(waited_us=waited_us).starved == (Spell(US_PER_S, waited_us) if starved else Spell())


@pytest.mark.parametrize(("short_us", "starved"), [(0, True), (1, False)])
def test_where_only_the_machine_is_known_half_of_the_time_is_the_bound(short_us: int, starved: bool) -> None:
    stalled_us = int(STALLED_SHARE * US_PER_S) - short_us
    assert health_of(stalled_us=stalled_us).starved == (Spell(US_PER_S, stalled_us) if starved else Spell())


def test_what_is_known_of_the_process_goes_before_what_is_known_of_the_machine() -> None:
    assert health_of(waited_us=0, stalled_us=US_PER_S).starved == Spell()


@pytest.mark.parametrize(("lag_us", "late"), [(LATE_US, True), (LATE_US - 1, False)])
def test_a_span_is_late_when_its_loop_was_late_once(lag_us: int, late: bool) -> None:
    assert health_of(lag=histogram_of([5, lag_us, 7])).late_us == (US_PER_S if late else 0)


def test_a_span_of_a_moment_is_added_up_but_not_rated() -> None:
    """The last one of a run may be a millisecond at full speed."""
    wall_us = RATED_FROM_US - 1
    health = health_of(wall_us=wall_us, cpu_us=wall_us, waited_us=wall_us, lag=histogram_of([LATE_US]))
    assert (health.busy, health.starved, health.late_us, health.cpu_peak) == (Spell(), Spell(), 0, None)
    assert health.cpu_share == 1.0


def test_a_long_span_counts_for_all_of_its_time() -> None:
    """A flush that comes three seconds late tells of three seconds."""
    assert health_of(wall_us=3 * US_PER_S, cpu_us=3 * US_PER_S).busy == Spell(3 * US_PER_S, 3 * US_PER_S)


def test_a_worker_keeps_the_sum_and_its_last_seconds() -> None:
    worker = WorkerHealth()
    for second in range(1_000):
        worker.add(second * US_PER_S, health_of(cpu_us=second))
    assert worker.total.wall_us == 1_000 * US_PER_S
    assert len(worker.recent) == RECENT_US // US_PER_S
    assert worker.since(998 * US_PER_S).cpu_us == 998 + 999
    assert worker.since(1_000 * US_PER_S) == Health()


def test_workers_share_nothing() -> None:
    one, other = WorkerHealth(), WorkerHealth()
    one.add(0, health_of(cpu_us=5))
    assert other == WorkerHealth()


@given(healths())
def test_a_span_is_in_trouble_once_however_many_troubles_it_has(health: Health) -> None:
    troubles = (health.busy.wall_us, health.starved.wall_us, health.late_us)
    assert health.troubled_us == (health.wall_us if any(troubles) else 0)


def test_one_of_an_older_worker_is_read() -> None:
    """It knows nothing of what came later."""
    fields = msgspec.msgpack.decode(msgspec.msgpack.encode(health_of(cpu_us=5)))
    old = msgspec.msgpack.decode(msgspec.msgpack.encode(fields[:-4]), type=Health)
    assert (old.cpu_us, old.troubled_us, old.slept_us, old.set_forward_us, old.set_back_us) == (5, 0, 0, 0, 0)


def test_clocks_that_were_set_forth_and_back_do_not_cancel_out() -> None:
    whole = merged(Health(set_forward_us=5), Health(set_back_us=5), Health(set_forward_us=2, slept_us=3))
    assert (whole.set_forward_us, whole.set_back_us, whole.slept_us) == (7, 5, 3)

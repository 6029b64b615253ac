from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from loads.metrics.health import Health
from loads.metrics.machines import MACHINES_AT_FULL, Load, MachinePoint, MachineRow, Machines
from loads.metrics.result import Place
from loads.metrics.summary import Summary
from loads.metrics.tiers import MAX_POINTS
from loads.units import US_PER_S
from tests.build import health_of, healths, histogram_of, iterations_of, result_of, summaries

HOUR_US = 3_600 * US_PER_S

_times_us = st.one_of(st.integers(0, 30 * 60 * US_PER_S), st.integers(0, 30 * HOUR_US))
adds = st.lists(st.tuples(_times_us, st.integers(0, 3), st.integers(1, 5)), max_size=25)


def point_of(hits: int) -> MachinePoint:
    return MachinePoint(hits, hits % 2, hits * 7, hits / 8 if hits % 3 else None, hits if hits % 4 else None)


def machines_of(told: list[tuple[int, int, int]]) -> Machines:
    machines = Machines()
    for t_us, machine, hits in told:
        machines.add(t_us, {machine: point_of(hits)})
    return machines


def rows_of(machines: Machines) -> dict[int, list[MachineRow]]:
    return {machine: machines.rows(machine) for machine in machines.known}


@given(adds, st.integers(0, 1_000))
def test_the_order_of_adding_does_not_matter(told: list[tuple[int, int, int]], seed: int) -> None:
    shuffled = Random(seed).sample(told, len(told))
    assert rows_of(machines_of(shuffled)) == rows_of(machines_of(told))


@given(adds)
def test_sums_are_kept(told: list[tuple[int, int, int]]) -> None:
    for machine, rows in rows_of(machines_of(told)).items():
        assert sum(row.point.hits for row in rows) == sum(hits for _, each, hits in told if each == machine)


@given(adds)
def test_spans_that_are_told_later_make_it_whole(told: list[tuple[int, int, int]]) -> None:
    machines = machines_of(told)
    other = machines.bare()
    assert not other.packed
    for (t_us, width_us), data in machines.packed.items():
        other.put(t_us, width_us, data)
    assert rows_of(other) == rows_of(machines)


@given(adds, st.integers(1, 8))
def test_fewer_rows_hold_the_same(told: list[tuple[int, int, int]], most: int) -> None:
    machines = machines_of(told)
    for machine in machines.known:
        rows = machines.rows(machine, most)
        assert len(rows) <= most
        assert sum(row.point.hits for row in rows) == sum(row.point.hits for row in machines.rows(machine))


def test_a_thousand_machines_have_as_many_points_as_five_hundred() -> None:
    counts = []
    for count in (2 * MACHINES_AT_FULL, 4 * MACHINES_AT_FULL):
        machines = Machines()
        for second in range(0, 700, 2):
            machines.add(second * US_PER_S, {machine: MachinePoint(1) for machine in range(count)})
        counts.append(sum(len(machines.points(row.span)) for row in machines.axis()))
    assert max(counts) <= MACHINES_AT_FULL * 3 * MAX_POINTS
    assert counts[1] <= 1.1 * counts[0]


def test_a_machine_is_an_agent_or_a_worker_of_a_local_run() -> None:
    local, cluster = result_of(), result_of()
    cluster.places = [
        Place(agent="north", host="n", first=0, workers=2),
        Place(agent="south", host="s", first=2, workers=2),
    ]
    for result in (local, cluster):
        for worker in range(4):
            result.add(0, iterations_of(1, sent=worker), worker, health_of(cpu_us=worker * 100_000))
    assert [local.machine_of(worker) for worker in range(5)] == [0, 1, 2, 3, 4]
    assert [cluster.machine_of(worker) for worker in range(5)] == [0, 0, 2, 2, 4]
    assert {machine: row.point.hits for machine in local.machines.known for row in local.machines.rows(machine)} == {
        0: 0,
        1: 1,
        2: 2,
        3: 3,
    }
    (south,) = cluster.machines.rows(2)
    assert south.point == MachinePoint(5, 0, 0, 0.3, None)


@given(st.lists(summaries(), max_size=4))
def test_the_load_of_a_sum_is_the_sum_of_the_loads(parts: list[Summary]) -> None:
    whole, load = Summary(), Load()
    for part in parts:
        whole.merge(part)
        load.merge(Load.of(part))
    assert load == Load.of(whole)
    assert load.hits == whole.hits.hits


@given(healths(), healths())
def test_a_point_has_the_worst_of_its_workers(one: Health, other: Health) -> None:
    whole = MachinePoint.of(None, one)
    whole.merge(MachinePoint.of(None, other))
    peaks = [each.cpu_peak for each in (one, other) if each.cpu_peak is not None]
    assert whole.cpu_share == max(peaks, default=None)


def test_what_nobody_told_is_not_known() -> None:
    assert MachinePoint.of(Load(3, 1, 9)) == MachinePoint(3, 1, 9, None, None)
    assert MachinePoint.of(None, health_of(lag=histogram_of([4, 9]))).lag_us == 9

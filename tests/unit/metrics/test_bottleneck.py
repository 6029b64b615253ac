from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.metrics.bottleneck import (
    DELAYED_FROM,
    DELAYED_PART,
    DELAYED_US,
    SLEPT_US,
    TROUBLED_PART,
    count_from,
    find_bottlenecks,
)
from loads.metrics.health import LATE_US, Health
from loads.metrics.histogram import RELATIVE_ERROR
from loads.metrics.pace import Pace
from loads.metrics.summary import Series
from loads.metrics.symptoms import LASTS_US
from loads.units import US_PER_S
from tests.build import durations_us, health_of, histogram_of

BUSY = {"cpu_us": 990_000}
STARVED = {"waited_us": 410_000}
LATE = {"lag": histogram_of([LATE_US])}


def spans(count: int, **each: object) -> Health:
    """So many seconds of one kind, merged."""
    whole = Health()
    for _ in range(count):
        whole.merge(health_of(**each))
    return whole


def mixed(bad: int, well: int, **each: object) -> Health:
    whole = spans(bad, **each)
    whole.merge(spans(well))
    return whole


def found(*healths: Health, pace: Pace | None = None, hits: Series | None = None, max_lost: float = 0.01) -> list[str]:
    return find_bottlenecks(dict(enumerate(healths)), pace or Pace(), hits or Series(), max_lost)


def delayed(count: int, of: int) -> Pace:
    delays = histogram_of([DELAYED_US] * count + [DELAYED_US // 2] * (of - count))
    return Pace(lateness=delays.copy(), delay=delays)


def test_a_generator_that_is_well_is_no_bottleneck() -> None:
    assert found() == []
    assert found(Health(), spans(100, cpu_us=500_000, waited_us=1_000), pace=delayed(0, 5_000)) == []


@pytest.mark.parametrize("each", [BUSY, STARVED, LATE])
def test_trouble_counts_from_a_tenth_of_the_time_on(each: dict[str, object]) -> None:
    bad = 10
    well = round(bad / TROUBLED_PART) - bad
    assert len(found(mixed(bad, well, **each))) == 1
    assert found(mixed(bad, well + 1, **each)) == []


@pytest.mark.parametrize("each", [BUSY, STARVED, LATE])
def test_a_short_run_is_not_judged_by_its_start(each: dict[str, object]) -> None:
    assert found(spans(LASTS_US // US_PER_S, **each)) != []
    assert found(spans(LASTS_US // US_PER_S - 1, **each)) == []
    assert found(*[spans(LASTS_US // US_PER_S - 1, **each)] * 20) == []


def test_all_workers_are_taken_together() -> None:
    assert found(spans(60, **BUSY), *[spans(60)] * 10) == []
    assert len(found(spans(60, **BUSY), *[spans(60)] * 9)) == 1


def test_a_second_that_is_busy_and_late_counts_once() -> None:
    assert spans(7, **BUSY, **LATE).troubled_us == 7 * US_PER_S
    assert mixed(3, 4, **BUSY).troubled_us == 3 * US_PER_S


def test_it_says_how_much_what_it_was_and_what_to_change() -> None:
    assert found(mixed(8, 2, **BUSY), spans(10)) == [
        "the load generator was the bottleneck for 40% of its time: worker 0 had no processor time to spare, 8s of "
        "10s long, so use more workers, agents or processors, or ask less of each: think time, or an arrival rate"
    ]
    assert found(spans(10), spans(9, **STARVED)) == [
        "the load generator was the bottleneck for 47% of its time: worker 1 waited for a processor that other "
        "programs used, 9s of 9s long, so end those programs, run fewer workers than processors, or move the tested "
        "service to another machine"
    ]
    assert found(mixed(5, 5, **LATE)) == [
        "the load generator was the bottleneck for 50% of its time: the event loop of worker 0 was held up, 5s of "
        "10s long, so look for code of the test that computes or blocks, or use more workers"
    ]


def test_a_loop_that_is_late_for_want_of_a_processor_is_told_by_its_cause() -> None:
    assert "had no processor time" in found(spans(5, **BUSY, **LATE))[0]
    assert "waited for a processor" in found(spans(5, **STARVED, **LATE))[0]


def test_iterations_that_the_generator_itself_made_late_count_from_a_hundredth_on() -> None:
    count = 5 * DELAYED_FROM
    most = round(count / DELAYED_PART)
    assert found(pace=delayed(count, most)) == []
    assert found(pace=delayed(count, most - 1)) == [
        "50 of 4,999 iterations began 100ms late or more, or never, though a user was free: use more workers, "
        "agents or processors"
    ]
    assert found(pace=delayed(DELAYED_FROM - 1, DELAYED_FROM - 1)) == []


def test_iterations_that_the_generator_never_began_count_like_late_ones() -> None:
    pace = delayed(0, 100)
    pace.neglected = DELAYED_FROM
    [told] = found(pace=pace)
    assert told.startswith("10 of 110 iterations began 100ms late or more, or never, though a user was free")


def test_iterations_that_waited_for_the_service_are_none_of_its_doing() -> None:
    waited = Pace(lateness=histogram_of([9 * DELAYED_US] * 1_000), delay=histogram_of([50] * 500))
    assert found(pace=waited) == []


def test_a_machine_that_slept_is_told() -> None:
    assert found(Health(slept_us=SLEPT_US - 1)) == []
    assert found(Health(), Health(slept_us=35 * US_PER_S)) == [
        "the machine of worker 1 slept for 35s: keep it awake while a run goes on"
    ]


def test_a_wall_clock_that_was_set_makes_nothing_invalid() -> None:
    assert found(Health(set_forward_us=3_600 * US_PER_S, set_back_us=US_PER_S)) == []


def test_requests_that_failed_for_want_of_files_or_ports_are_told() -> None:
    some, few = Series(sent=80, unsent=20, errors={"connect": 20}), Series(sent=99, unsent=1, errors={"connect": 1})
    files, ports = health_of(files=1_000, files_limit=1_024), health_of(ports=28_000, ports_range=28_232)
    assert found(health_of(), files, hits=some) == [
        "20 of 100 requests got no connection while worker 1 had 1,000 files open of the 1,024 allowed: raise the "
        "limit (ulimit -n) or use more workers"
    ]
    assert found(ports, hits=some) == [
        "20 of 100 requests got no connection while the machine of worker 0 used 28,000 of its 28,232 local ports: "
        "keep connections open, use more source addresses, or widen net.ipv4.ip_local_port_range"
    ]
    for health in (files, ports):
        assert found(health, hits=few) == []
        assert found(health, hits=some, max_lost=0.2) == []
        assert found(health, hits=Series(sent=80, unsent=20, errors={"connect-refused": 20})) == []
    assert found(health_of(files=10, files_limit=1_024, ports=None, ports_range=28_232), hits=some) == []


@given(st.lists(durations_us, max_size=30), durations_us)
def test_values_are_counted_from_a_bound_on_as_exactly_as_a_histogram_knows_them(values: list[int], least: int) -> None:
    counted = count_from(histogram_of(values), least)
    slack = 2 * RELATIVE_ERROR * least
    assert sum(value >= least + slack for value in values) <= counted
    assert counted <= sum(value >= least - slack for value in values)

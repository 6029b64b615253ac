from __future__ import annotations

import pytest

from loads.metrics.health import LATE_US, Health
from loads.metrics.symptoms import (
    FULL_PART,
    LASTS_PART,
    LASTS_US,
    LATE_ONCE_US,
    MAX_TOLD,
    PAUSE_US,
    Rule,
    find_symptoms,
    warnings_of,
)
from loads.units import US_PER_S
from tests.build import health_of, histogram_of


def rules(health: Health) -> list[Rule]:
    return [symptom.rule for symptom in find_symptoms({0: health})]


def told(**healths: Health) -> list[str]:
    return warnings_of(find_symptoms({int(name.removeprefix("w")): health for name, health in healths.items()}))


def spans(count: int, wall_us: int = US_PER_S, **each: object) -> Health:
    """So many spans of one kind, merged."""
    whole = Health()
    for _ in range(count):
        whole.merge(health_of(wall_us=wall_us, **each))
    return whole


def paused(*pauses_us: int) -> Health:
    health = health_of(wall_us=10 * US_PER_S)
    for pause_us in pauses_us:
        health.paused(pause_us)
    return health


KINDS = [
    (Rule.BUSY, {"cpu_us": 990_000}),
    (Rule.STARVED, {"waited_us": 410_000}),
    (Rule.STARVED, {"stalled_us": 610_000}),
    (Rule.LATE, {"lag": histogram_of([LATE_US])}),
]


def test_a_worker_that_is_well_has_no_symptoms() -> None:
    assert rules(Health()) == []
    assert rules(spans(100, cpu_us=500_000, waited_us=1_000, lag=histogram_of([5_000]), files=10, ports=10)) == []


@pytest.mark.parametrize(("rule", "each"), KINDS)
def test_what_lasts_three_seconds_is_told(rule: Rule, each: dict[str, object]) -> None:
    assert rules(spans(LASTS_US // US_PER_S, **each)) == [rule]
    assert rules(spans(LASTS_US // US_PER_S - 1, **each)) == []


@pytest.mark.parametrize(("rule", "each"), KINDS)
def test_it_need_not_be_three_seconds_in_a_row(rule: Rule, each: dict[str, object]) -> None:
    whole = Health()
    for _ in range(3):
        whole.merge(spans(1, **each))
        whole.merge(spans(20))
    assert rules(whole) == [rule]


@pytest.mark.parametrize(("rule", "each"), KINDS)
def test_in_a_long_run_it_must_be_a_hundredth_of_the_time(rule: Rule, each: dict[str, object]) -> None:
    bad = 36
    for good, expected in ((round(bad / LASTS_PART) - bad, [rule]), (round(bad / LASTS_PART) - bad + 1, [])):
        whole = spans(bad, **each)
        whole.merge(Health(wall_us=good * US_PER_S))
        assert rules(whole) == expected


def test_a_loop_that_was_once_very_late_is_told_at_once() -> None:
    assert rules(spans(1, lag=histogram_of([LATE_ONCE_US]))) == [Rule.LATE]
    assert rules(spans(1, lag=histogram_of([LATE_ONCE_US - 1]))) == []


def test_one_long_collection_is_told_and_many_short_ones_are_not() -> None:
    assert rules(paused(PAUSE_US)) == [Rule.PAUSED]
    assert rules(paused(*[PAUSE_US - 1] * 50)) == []


@pytest.mark.parametrize(
    ("rule", "most", "limit"), [(Rule.FILES, "files", "files_limit"), (Rule.PORTS, "ports", "ports_range")]
)
def test_four_fifths_of_a_limit_are_told(rule: Rule, most: str, limit: str) -> None:
    edge = round(1_000 * FULL_PART)
    assert rules(health_of(**{most: edge, limit: 1_000})) == [rule]
    assert rules(health_of(**{most: edge - 1, limit: 1_000})) == []
    assert rules(health_of(**{most: 10**6, limit: None})) == []
    assert rules(health_of(**{most: None, limit: 1_000})) == []


def test_each_warning_says_what_it_means_and_what_to_do() -> None:
    paused_worker = paused(240_000, 60_000)
    assert told(w1=spans(8, cpu_us=990_000)) == [
        "worker 1 was at 99 % CPU for 8 s: latencies above are inflated; use more workers, if need be on more machines"
    ]
    assert told(w1=spans(8, cpu_us=800_000, waited_us=150_000))[0].startswith(
        "worker 1 was at 80 % CPU and waited for more for 8 s: latencies above"
    )
    assert told(w0=spans(9, waited_us=410_000)) == [
        "worker 0 waited 41 % of the time, 9 s long, for a processor that other programs used: latencies above are "
        "inflated; end those programs, run fewer workers than processors, or move the tested service to another machine"
    ]
    assert told(w0=spans(3, stalled_us=700_000))[0].startswith("programs beside worker 0 waited 70 % of the time, 3 s")
    assert told(w0=spans(5, lag=histogram_of([120_000] * 99 + [310_000]))) == [
        "worker 0's event loop was late by up to 310 ms (p99 120 ms): latencies above may be that much too long; "
        "look for code of the test that computes or blocks, or use more workers"
    ]
    assert told(w2=paused_worker) == [
        "worker 2 stood still for up to 240 ms to collect garbage (2 pauses, 300 ms in all): latencies above are "
        "inflated; keep fewer objects in the test, or call gc.freeze() once they are made"
    ]
    assert told(w0=health_of(files=900, files_limit=1_024)) == [
        "worker 0 had 900 files and connections open of the 1,024 allowed: beyond, requests fail with "
        "'Too many open files'; raise the limit (ulimit -n) or use more workers"
    ]
    assert told(w0=health_of(ports=25_000, ports_range=28_232)) == [
        "the machine of worker 0 used 25,000 of its 28,232 local ports for connections to one address: beyond, "
        "connections fail; keep connections open (keep-alive), use more source addresses, or widen "
        "net.ipv4.ip_local_port_range"
    ]


def test_the_share_is_that_of_the_busy_time_alone() -> None:
    whole = spans(8, cpu_us=990_000)
    whole.merge(spans(60, cpu_us=10_000))
    assert "at 99 % CPU for 8 s" in told(w0=whole)[0]


def test_the_worst_workers_are_told_and_the_others_counted() -> None:
    healths = {f"w{worker}": spans(3 + worker, cpu_us=950_000) for worker in range(MAX_TOLD + 2)}
    *named, rest = told(**healths)
    assert [line.split(" was")[0] for line in named] == ["worker 4", "worker 3", "worker 2"]
    assert rest == "the same holds for 2 more workers"


def test_ports_are_the_machines_and_told_once() -> None:
    full = health_of(ports=90, ports_range=100)
    assert len(find_symptoms({0: full, 1: full})) == 2
    assert len(told(w0=full, w1=full)) == 1


def test_symptoms_stand_in_the_order_of_the_rules() -> None:
    health = spans(5, cpu_us=950_000)
    health.merge(spans(5, waited_us=500_000))
    health.merge(spans(1, lag=histogram_of([LATE_ONCE_US]), files=9, files_limit=10))
    health.merge(paused(PAUSE_US))
    assert rules(health) == [Rule.BUSY, Rule.STARVED, Rule.LATE, Rule.PAUSED, Rule.FILES]


def test_a_wall_clock_that_was_set_is_told_once_and_by_how_much() -> None:
    forward, both = Health(set_forward_us=3_600 * US_PER_S), Health(set_forward_us=US_PER_S, set_back_us=7 * US_PER_S)
    assert told(w0=forward, w1=forward) == [
        "the clock of the machine of worker 0 was set 3,600 s forward while the run went on: durations and latencies "
        "are right, for they go by another clock; times of the day, as in logs, are not"
    ]
    assert "was set 1 s forward and 7 s back while" in told(w0=both)[0]

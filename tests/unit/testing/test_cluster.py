"""The simulated cluster by itself: it does what it is told, sees all that is sent, and notices what must not be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from loads.metrics.rules import Rules
from loads.metrics.threshold import State
from loads.metrics.verdict import Stop
from loads.plan.load import LoadOptions
from loads.testing import Broken, Cluster
from loads.testing.worker import ONCE
from loads.units import RATE_PER_S, US_PER_S
from loads.wire.cluster import RunState, Stage

FOR_8_S = LoadOptions(users=(4,), duration_us=8 * US_PER_S)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster(1) as cluster:
        for number in range(3):
            cluster.add_machine(f"a{number}")
        cluster.run_until(US_PER_S)
        yield cluster


def test_each_request_is_in_the_result(cluster: Cluster) -> None:
    runner = cluster.submit(FOR_8_S)
    cluster.settle()
    assert runner.ended is not None
    assert runner.ended.result.summary.hits.sent == len(cluster.target.sent[runner.ended.run]) > 50


def test_counted_iterations_all_run(cluster: Cluster) -> None:
    runner = cluster.submit(LoadOptions(users=(2, 4), hits=(3, 5)))
    cluster.settle()
    assert runner.ended is not None
    assert runner.ended.result.started == runner.ended.result.due == (2 + 4) * (3 + 5)


def test_an_agent_that_never_comes_back_is_declared(cluster: Cluster) -> None:
    runner = cluster.submit(FOR_8_S)
    cluster.run_until(5 * US_PER_S)
    cluster.machines["a1"].burn()
    cluster.settle()
    assert runner.ended is not None
    assert [loss.agent for loss in runner.ended.result.losses if loss.worker is None] == ["a1"]


def test_an_agent_that_comes_back_brings_everything(cluster: Cluster) -> None:
    runner = cluster.submit(FOR_8_S)
    cluster.run_until(5 * US_PER_S)
    agent = cluster.machines["a1"].agent
    assert agent is not None
    agent.die()
    cluster.run_until(7 * US_PER_S)
    cluster.machines["a1"].start()
    cluster.settle()
    assert runner.ended is not None
    result = runner.ended.result
    assert result.summary.hits.sent + result.lost_sent == len(cluster.target.sent[runner.ended.run])


def test_a_broker_that_dies_costs_nothing(cluster: Cluster) -> None:
    runner = cluster.submit(FOR_8_S)
    cluster.run_until(5 * US_PER_S)
    assert cluster.broker is not None
    cluster.broker.die()
    cluster.run_until(6 * US_PER_S)
    cluster.start_broker()
    cluster.settle()
    assert runner.ended is not None
    assert not runner.ended.result.losses


def test_load_that_doubles_is_noticed(cluster: Cluster) -> None:
    cluster.submit(FOR_8_S)
    cluster.run_until(4 * US_PER_S)
    assert cluster.broker is not None
    record = next(iter(cluster.broker.state.runs.values())).record
    assert record.state is RunState.RUNNING
    for seat in record.seats:
        seat.portions = ((),)  # everything, for everybody
        seat.holding += 1
    with pytest.raises(Broken, match="load doubles"):
        cluster.run_until(6 * US_PER_S)


def test_users_that_nobody_runs_are_noticed(cluster: Cluster) -> None:
    cluster.submit(FOR_8_S)
    cluster.run_until(4 * US_PER_S)
    for machine in cluster.machines.values():
        for worker in machine.workers():
            worker.lease_until_us = 0
            worker.down.close()
    with pytest.raises(Broken, match="nobody runs slot"):
        cluster.run_until(8 * US_PER_S)


def at_rate(per_second: int, length_s: int, max_users: int | None = None) -> LoadOptions:
    return LoadOptions(
        arrival_rate=per_second * RATE_PER_S, duration_us=length_s * US_PER_S, max_users=max_users, graceful_stop_us=0
    )


def starts_by_second(cluster: Cluster, run: str) -> list[int]:
    """Of its iterations, from the run's first one on."""
    seen = [seen.at_us for seen in cluster.target.started[run]]
    counts = [0] * ((max(seen) - min(seen)) // US_PER_S + 1)
    for at_us in seen:
        counts[(at_us - min(seen)) // US_PER_S] += 1
    return counts


def test_arrivals_keep_their_rate_on_all_agents(cluster: Cluster) -> None:
    runner = cluster.submit(at_rate(50, 8, max_users=90))
    cluster.settle()
    assert runner.ended is not None
    result = runner.ended.result
    assert result.due == result.started == 400
    counts = starts_by_second(cluster, runner.ended.run)
    assert len(counts) == 8
    assert all(abs(count - 50) <= 2 for count in counts)  # their clocks are a few milliseconds apart
    assert len({seen.agent for seen in cluster.target.started[runner.ended.run]}) == 3


@pytest.mark.parametrize("seed", range(8))
def test_an_agent_killed_at_a_steady_rate_costs_what_is_declared_and_no_more(seed: int) -> None:
    """The planned rate is back within 5 s; what was due of the dead one until others had it is lost, by the pacer."""
    with Cluster(seed) as cluster:
        for number in range(3):
            cluster.add_machine(f"a{number}")
        cluster.run_until(US_PER_S)
        runner = cluster.submit(at_rate(60, 16, max_users=150))
        cluster.run_until(6 * US_PER_S + seed * 130_000)
        cluster.machines["a1"].burn()
        burnt_us = cluster.now_us
        cluster.settle()
        assert runner.ended is not None
        run, result = runner.ended.run, runner.ended.result
        starts = [seen.at_us for seen in cluster.target.started[run]]
        burnt_s = -(-(burnt_us - min(starts)) // US_PER_S)
        assert all(abs(count - 60) <= 2 for count in starts_by_second(cluster, run)[burnt_s + 5 : -1])
        assert result.due == 960
        assert not result.imbalances()
        (loss,) = [loss for loss in result.losses if loss.worker is None]
        unseen = result.due - len(starts)
        assert 0 < unseen <= loss.iterations <= 60 * 3  # a third of the rate, until it was missed
        assert result.unstarted <= 1


@pytest.mark.parametrize("seed", range(8))
def test_who_joins_takes_arrivals_over_without_a_gap(seed: int) -> None:
    with Cluster(seed) as cluster:
        cluster.add_machine("a0")
        cluster.add_machine("a1")
        cluster.run_until(US_PER_S)
        runner = cluster.submit(at_rate(60, 14, max_users=120), elastic=True)
        cluster.run_until(4 * US_PER_S)
        cluster.add_machine("late")
        cluster.settle()
        assert runner.ended is not None
        result = runner.ended.result
        assert result.started == result.due == 840
        by_agent = Counter(seen.agent for seen in cluster.target.started[runner.ended.run])
        assert len(by_agent) == 3
        assert min(by_agent.values()) > 60  # a third of the rate, for more than 3 s


def test_an_agent_that_comes_back_alone_goes_on_with_the_arrivals(cluster: Cluster) -> None:
    for name in ("a1", "a2"):
        cluster.machines[name].burn()
    runner = cluster.submit(at_rate(40, 14, max_users=100), agents=1)
    cluster.run_until(6 * US_PER_S)
    agent = cluster.machines["a0"].agent
    assert agent is not None
    agent.die()
    cluster.run_until(8 * US_PER_S)
    cluster.machines["a0"].start()
    cluster.settle()
    assert runner.ended is not None
    result = runner.ended.result
    assert 0 < result.unstarted < 40 * 5
    assert result.started == len(cluster.target.started[runner.ended.run])
    assert any("no agent ran the load" in warning for warning in result.warnings)


def test_a_threshold_that_aborts_stops_all_agents(cluster: Cluster) -> None:
    """Two seconds after the second in which it was crossed, nothing begins any more."""
    rules = Rules(("mean < 1s over 2s abort", "hits > 1"))
    runner = cluster.submit(at_rate(60, 40, max_users=900), rules=rules)
    cluster.run_until(8 * US_PER_S)
    cluster.target.delay_us = 2 * US_PER_S
    cluster.settle()
    assert runner.ended is not None
    result = runner.ended.result
    crossed, other = result.thresholds
    assert result.stop is Stop.THRESHOLD
    assert crossed.aborted
    assert other.state is State.PASSED
    starts = [seen.at_us for seen in cluster.target.started[runner.ended.run]]
    assert crossed.crossed_us is not None
    assert max(starts) - min(starts) < crossed.crossed_us + 2 * US_PER_S
    assert runner.result is not None
    assert runner.result.thresholds[0].state is State.CROSSED


def test_thresholds_outlive_the_broker(cluster: Cluster) -> None:
    runner = cluster.submit(at_rate(40, 20, max_users=900), rules=Rules(("mean < 1s over 2s",)))
    cluster.run_until(6 * US_PER_S)
    cluster.target.delay_us = 2 * US_PER_S
    cluster.run_until(11 * US_PER_S)
    assert cluster.broker is not None
    cluster.broker.die()
    cluster.target.delay_us = 0
    cluster.run_until(12 * US_PER_S)
    cluster.start_broker()
    cluster.settle()
    assert runner.ended is not None
    assert runner.ended.result.thresholds[0].state is State.CROSSED


def test_what_runs_once_runs_on_one_worker_of_all(cluster: Cluster) -> None:
    runner = cluster.submit(FOR_8_S, target=ONCE)
    cluster.settle()
    assert runner.ended is not None
    assert set(cluster.target.run_data) == cluster.target.torn_down == {runner.ended.run}


def test_another_tears_down_when_the_keeper_is_lost(cluster: Cluster) -> None:
    runner = cluster.submit(FOR_8_S, target=ONCE)
    cluster.run_until(5 * US_PER_S)
    assert cluster.broker is not None
    (run,) = cluster.broker.state.runs.values()
    keeper = run.seat_of(run.record.keeper or 0)
    assert keeper is not None
    cluster.machines[keeper.agent].burn()
    cluster.settle()
    assert runner.ended is not None
    assert cluster.target.torn_down == {runner.ended.run}


def test_who_joins_hears_what_was_set_up(cluster: Cluster) -> None:
    cluster.submit(LoadOptions(users=(6,), duration_us=14 * US_PER_S), target=ONCE, elastic=True)
    cluster.run_until(5 * US_PER_S)
    cluster.add_machine("late")  # its workers check what they are told
    cluster.settle()
    assert any(seen for seen in cluster.target.started.values())


def test_a_worker_that_dies_in_set_up_ends_the_run(cluster: Cluster) -> None:
    runner = cluster.submit(FOR_8_S, target=ONCE)
    while not cluster.target.run_data:
        cluster.run_until(cluster.now_us + 1_000)
        cluster_set_up = [
            machine
            for machine in cluster.machines.values()
            if machine.agent and machine.agent.state.part and machine.agent.state.part.stage is Stage.SETTING_UP
        ]
        if cluster_set_up:
            for worker in cluster_set_up[0].workers():
                worker.die()
            break
    cluster.settle()
    assert runner.trouble is not None
    assert "setUpRun" in runner.trouble.message

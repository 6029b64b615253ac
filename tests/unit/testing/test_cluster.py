"""The simulated cluster by itself: it does what it is told, sees all that is sent, and notices what must not be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from loads.plan.load import LoadOptions
from loads.testing import Broken, Cluster
from loads.units import US_PER_S
from loads.wire.cluster import RunState

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

"""SIGTERM to an agent: it finishes its run, takes no other, and goes by itself. A second one ends it in mid-run."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.cluster import Cluster, run_cluster
from tests.servers import DEADLINE_S, Nginx, wait_until
from tests.traffic import PACED


@pytest.fixture(scope="module")
def shared() -> Iterator[Cluster]:
    with run_cluster() as cluster:
        cluster.write("paced.py", PACED)
        yield cluster


@pytest.fixture
def pair(shared: Cluster) -> Cluster:
    """A broker and two agents, whatever became of those before them."""
    for name in ("north", "south"):
        if name not in shared.agents:
            shared.start_agent(name)
        elif shared.agents[name].process.poll() is not None:
            shared.agents[name].restart()
    shared.wait_for_agents("north", "south")
    return shared


def is_leaving(cluster: Cluster, name: str) -> bool:
    seen = cluster.seen()
    return name in seen and seen[name].leaving


def test_it_finishes_its_run_takes_no_other_and_goes(pair: Cluster, nginx: Nginx) -> None:
    north = pair.agents["north"]
    next_one = pair.beside("next")
    next_one.write("paced.py", PACED)
    options = ("-u", "20", "--server-url", nginx.url)
    with pair.start("paced.py", "-a", "2", "-d", "3s", *options) as process:
        run = pair.wait_for_run(lambda run: run.state.value == "running", "runs")
        north.process.terminate()
        wait_until(lambda: is_leaving(pair, "north"), "the broker to know that it leaves")
        assert f"{run.id}, then leaving" in pair.call("loads-runner", "--ping-broker").out
        waiting = ("paced.py", "-a", "all", "-d", "1s", "--wait", *options)
        with next_one.start(*waiting, environment=pair.variables) as second:
            first_run = pair.runner.end(process)
            assert north.process.wait(DEADLINE_S) == 0
            second_run = next_one.end(second)
    for run_ended, agents in ((first_run, {"north", "south"}), (second_run, {"south"})):
        assert run_ended.exit_code == 0
        assert run_ended.document["run"]["losses"] == []
        assert {agent["name"] for agent in run_ended.document["run"]["agents"]} == agents
    assert first_run.totals["sent"] + second_run.totals["sent"] == nginx.count() > 0
    assert "went away" not in first_run.err
    assert f"finishes {run.id} first; again to leave now" in north.log()
    assert "in mid-run" not in north.log()
    assert not list((pair.state / "agent-north" / "runs").iterdir()), "nothing is left for the next agent"


def test_told_again_it_goes_in_mid_run_and_the_other_takes_over(pair: Cluster, nginx: Nginx) -> None:
    north = pair.agents["north"]
    with pair.start("paced.py", "-a", "2", "-u", "20", "-d", "4s", "--server-url", nginx.url) as process:
        run = pair.wait_for_run(lambda run: run.state.value == "running", "runs")
        north.process.terminate()
        north.wait_for_log(f"finishes {run.id} first; again to leave now")
        told_s = time.time()
        assert north.terminate() == 0
        assert time.time() - told_s < 1
        assert "leaves in mid-run" in north.log()
        north.restart()
        ended = pair.runner.end(process)
    assert "agent north went away; 1 other took its users" in ended.err
    assert ended.document["run"]["losses"] == []
    assert ended.totals["sent"] == nginx.count() > 0


def test_without_a_run_it_goes_at_once_with_and_without_a_broker(pair: Cluster) -> None:
    for name, kill in (("north", False), ("south", True)):
        if kill:
            pair.broker.kill()
        told_s = time.time()
        assert pair.agents[name].terminate() == 0
        assert time.time() - told_s < 2
        assert pair.agents[name].log().rstrip().endswith("leaves")

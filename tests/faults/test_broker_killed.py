"""The broker is killed with SIGKILL and started again, whenever that is: the run neither ends, nor stops, nor loses.

Agents go on without it for their grace time, so the load does not even dip.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from loads.wire.cluster import RunState
from tests.cluster import Cluster
from tests.commands import Finished
from tests.overtime import assert_adds_up
from tests.servers import Nginx, wait_until
from tests.traffic import PACED, USERS, Traffic, wait_for_calm

SLOW_FIXTURE = """
    @classmethod
    def {fixture}(cls):
        open(f"{marks}/begun-{{os.getpid()}}", "w").close()
        time.sleep(2)
        open(f"{marks}/through-{{os.getpid()}}", "w").close()
"""


def options(nginx: Nginx, duration: str) -> list[str]:
    return ["paced.py", "-a", "3", "-u", str(USERS), "-d", duration, "--server-url", nginx.url]


def assert_whole(run: Finished, nginx: Nginx) -> None:
    """Nothing was lost, and users are told what happened to the broker."""
    assert run.exit_code == 0
    assert run.document["run"]["losses"] == []
    assert run.totals["sent"] == nginx.count() > 0
    assert "loads-runner: the connection to the broker is lost; the run does not need it" in run.err
    assert "loads-runner: connected to the broker again" in run.err
    assert_adds_up(run.document)


def test_in_mid_run_the_load_goes_on_and_nothing_is_lost(cluster: Cluster, nginx: Nginx) -> None:
    cluster.write("paced.py", PACED)
    with cluster.start(*options(nginx, "8s")) as process:
        wait_for_calm(nginx)
        cluster.broker.kill()
        killed_s = time.time()
        wait_until(lambda: nginx.times()[-1] > killed_s + 3, "the load without a broker")
        cluster.broker.restart()
        run = cluster.runner.end(process)
    assert_whole(run, nginx)
    assert "took its users" not in run.err
    assert {agent["name"] for agent in run.document["run"]["agents"]} == {"north", "south", "east"}
    traffic = Traffic(nginx, killed_s)
    traffic.never_doubles()
    traffic.is_back(killed_s)


@pytest.mark.parametrize(
    ("fixture", "state"),
    [("setUpClass", RunState.FITTING), ("tearDownClass", RunState.ENDING)],
    ids=["at_the_barrier", "while_it_ends"],
)
def test_between_phases_it_goes_on_where_it_was(
    cluster: Cluster, nginx: Nginx, tmp_path: Path, fixture: str, state: RunState
) -> None:
    """Agents come through their fixtures while no broker is there to hear it."""
    marks = tmp_path / "marks"
    marks.mkdir()
    cluster.write("paced.py", f"import os\n{PACED}{SLOW_FIXTURE.format(fixture=fixture, marks=marks)}")
    with cluster.start(*options(nginx, "2s")) as process:
        wait_until(lambda: len(list(marks.glob("begun-*"))) == 3, "all agents to be at it")
        assert cluster.wait_for_run(lambda _: True, "goes on").state is state
        cluster.broker.kill()
        wait_until(lambda: len(list(marks.glob("through-*"))) == 3, "all agents to be through")
        cluster.broker.restart()
        run = cluster.runner.end(process)
    assert_whole(run, nginx)
    assert max(point["users"] for point in run.document["timeline"]) == USERS
    assert 1.9 <= run.document["run"]["duration_s"] <= 3

"""An agent comes while a run goes on: with --elastic it gets its part of the load, without it stays free.

The load neither doubles nor dips when users change hands, however long the newcomer's fixtures take.
"""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.cluster import Cluster
from tests.servers import Nginx, wait_until
from tests.traffic import PACED, USERS, Traffic, wait_for_calm

FIXTURE = """
    @classmethod
    def setUpClass(cls):
        time.sleep(2)
"""


def test_with_elastic_each_that_comes_gets_an_even_part(cluster: Cluster, nginx: Nginx) -> None:
    """The second comes while the first runs its fixtures."""
    cluster.write("paced.py", PACED + FIXTURE)
    for name in ("south", "east"):
        cluster.agents[name].terminate()
    options = ("paced.py", "-a", "1", "-u", str(USERS), "-d", "12s", "--elastic", "--server-url", nginx.url)
    with cluster.start(*options) as process:
        wait_for_calm(nginx)
        came_s = time.time()
        cluster.agents["south"].restart()
        cluster.agents["south"].wait_for_log("prepares")
        cluster.agents["east"].restart()
        run = cluster.runner.end(process)
    assert run.exit_code == 0
    assert run.totals["sent"] == nginx.count() > 0
    assert run.document["run"]["losses"] == []
    assert "agent south joins" in run.err
    assert "agent east joins" in run.err
    assert {agent["name"] for agent in run.document["run"]["agents"]} == {"north", "south", "east"}
    assert [entry["users"] for entry in run.document["health"]] == [USERS, USERS // 2, USERS // 3]
    never_dips(Traffic(nginx, came_s), came_s)


@pytest.mark.long
def test_one_that_dies_in_its_fixtures_takes_no_users_with_it(cluster: Cluster, nginx: Nginx) -> None:
    cluster.write("paced.py", PACED + FIXTURE)
    east = cluster.agents["east"]
    east.terminate()
    options = ("paced.py", "-a", "2", "-u", str(USERS), "-d", "7s", "--elastic", "--server-url", nginx.url)
    with cluster.start(*options) as process:
        wait_for_calm(nginx)
        came_s = time.time()
        east.restart()
        east.wait_for_log("prepares")
        wait_until(lambda: time.time() - came_s > 2, "its fixtures")
        for worker in east.workers():
            os.kill(worker, signal.SIGKILL)
        run = cluster.runner.end(process)
    assert run.exit_code == 0
    assert run.totals["sent"] == nginx.count() > 0
    assert "agent east can't join: worker 0 was killed by SIGKILL before the run began" in run.err
    never_dips(Traffic(nginx, came_s), came_s)


def test_without_elastic_it_stays_free(cluster: Cluster, nginx: Nginx) -> None:
    cluster.write("paced.py", PACED)
    cluster.agents["east"].terminate()
    with cluster.start("paced.py", "-a", "2", "-u", str(USERS), "-d", "6s", "--server-url", nginx.url) as process:
        wait_for_calm(nginx)
        came_s = time.time()
        cluster.agents["east"].restart()
        cluster.wait_for_agents("east")
        wait_until(lambda: time.time() - came_s > 2, "the broker to think of it")
        cluster.wait_for_agents("east")
        assert len(cluster.going()) == 1
        run = cluster.runner.end(process)
    assert run.exit_code == 0
    assert run.totals["sent"] == nginx.count() > 0
    assert {agent["name"] for agent in run.document["run"]["agents"]} == {"north", "south"}
    assert "east" not in run.err
    assert "prepares" not in cluster.agents["east"].log()
    traffic = Traffic(nginx, came_s)
    traffic.never_doubles()
    traffic.is_back(came_s)


def never_dips(traffic: Traffic, from_s: float) -> None:
    """Neither twice the load nor a part of it missing, but for the moment in which users change hands.

    Who has a smaller part then lets go of all its users and takes those that it keeps anew: as long as one iteration
    (here 0.15 s) is missing of two seconds. The fixtures of a newcomer would be missing half of them, or a third.
    """
    traffic.never_doubles()
    traffic.stays_above(0.75, from_s)

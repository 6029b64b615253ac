"""An agent's machine was copied: another process comes with its name and its identity, and the broker can hear one.

The first must not go on, for its users are others' by then. What it measured is delivered by the next agent there.
"""

from __future__ import annotations

import shutil
import time

import pytest

from tests.cluster import Cluster
from tests.servers import DEADLINE_S, Nginx
from tests.traffic import PACED, USERS, Traffic, wait_for_calm


@pytest.mark.long
def test_the_one_that_came_last_stays_and_no_result_is_lost(cluster: Cluster, nginx: Nginx) -> None:
    cluster.write("paced.py", PACED)
    north = cluster.agents["north"]
    elsewhere = cluster.directory / "elsewhere"
    (elsewhere / "agent-north").mkdir(parents=True, mode=0o700)
    elsewhere.chmod(0o700)
    shutil.copy(cluster.state / "agent-north" / "identity", elsewhere / "agent-north")
    with cluster.start("paced.py", "-a", "3", "-u", str(USERS), "-d", "9s", "--server-url", nginx.url) as process:
        wait_for_calm(nginx)
        came_s = time.time()
        copy = cluster.start_agent("north", "--broker", str(cluster.endpoint), "--state-dir", str(elsewhere))
        cluster.agents["first"] = north
        assert north.process.wait(DEADLINE_S) == 2
        gone_s = time.time()
        north.restart()
        assert copy.process.wait(DEADLINE_S) == 2
        run = cluster.runner.end(process)
    for member in (north, copy):
        assert "another process came with the name and the identity of agent north" in member.log()
        assert "give each agent a state directory of its own" in member.log()
    assert "agent north was started again; 2 others took its users" in run.err
    assert run.document["run"]["losses"] == []
    assert run.totals["sent"] == nginx.count() > 0
    assert run.exit_code == 0
    traffic = Traffic(nginx, came_s)
    traffic.never_doubles()
    traffic.is_back(gone_s + 1)

"""All agents of a run are killed, one after another: whichever is started again goes on with it, and it stays whole."""

from __future__ import annotations

import time

from tests.cluster import run_cluster
from tests.commands import STRICT
from tests.servers import Nginx
from tests.traffic import PACED, USERS, Traffic, wait_for_calm


def test_the_one_that_was_started_again_gets_the_load_of_the_last(nginx: Nginx) -> None:
    with run_cluster("north", "south") as cluster:
        cluster.write("paced.py", PACED)
        north, south = cluster.agents["north"], cluster.agents["south"]
        options = ("paced.py", "-a", "2", "-u", str(USERS), "-d", "13s", "--server-url", nginx.url)
        with cluster.start(*options) as process:
            wait_for_calm(nginx)
            killed_s = time.time()
            north.kill()
            north.restart()
            cluster.broker.wait_for_log("agent north was started again: its results are taken, its users stay")
            cluster.wait_for_agents("north")
            south.kill()
            cluster.broker.wait_for_log("an agent is back, and goes on with the load")
            south.restart()
            run = cluster.runner.end(process)
        # On a slow machine it takes longer to come back, and 5 % of the time may be missing.
        assert run.exit_code in (0, 4), run.err
        assert run.exit_code == 0 or "run by no agent" in run.document["reasons"].pop()
        assert run.document["reasons"] == []
        assert 0 < run.document["run"]["unrun_user_s"] < 5 * USERS
        assert run.document["run"]["losses"] == []
        assert run.totals["sent"] == nginx.count() > 0
        assert run.document["run"]["duration_s"] > 12.9
        assert any("no agent ran the load from" in warning for warning in run.document["run"]["warnings"])
        traffic = Traffic(nginx, killed_s)
        traffic.never_doubles()
        traffic.is_back(killed_s + 5)


def test_a_run_that_nobody_goes_on_with_does_not_pass(nginx: Nginx) -> None:
    with run_cluster("north") as cluster:
        cluster.write("paced.py", PACED)
        north = cluster.agents["north"]
        options = ("paced.py", "-a", "1", "-u", str(USERS), "-d", "5s", "--server-url", nginx.url)
        cluster.variables.update(STRICT)
        with cluster.start(*options) as process:
            wait_for_calm(nginx, 1)
            north.kill()
            cluster.broker.wait_for_log("nobody is left to run the load: it is over")
            north.restart()
            run = cluster.runner.end(process)
        assert run.exit_code == 4, run.err
        assert run.document["run"]["losses"] == []
        assert run.totals["sent"] == nginx.count() > 0
        assert "of the users' time was run by no agent, more than 5%" in run.document["reasons"][0]
        assert run.document["run"]["unrun_user_s"] > USERS

"""An agent is killed before the start: the run is refused with a message that names it, and the others are free
again."""

from __future__ import annotations

import pytest

from tests.cluster import Cluster
from tests.commands import alive
from tests.servers import Nginx, wait_until
from tests.traffic import PACED

LOADING = f"import os, time\nif 'agent-' in os.getcwd():\n    time.sleep(60)\n{PACED}"
FITTING = f"{PACED}\n    @classmethod\n    def setUpClass(cls):\n        time.sleep(60)\n"


@pytest.mark.parametrize(("state", "text"), [("preparing", LOADING), ("fitting", FITTING)])
def test_the_run_is_refused_and_the_others_are_free(cluster: Cluster, nginx: Nginx, state: str, text: str) -> None:
    cluster.write("paced.py", text)
    north = cluster.agents["north"]
    with cluster.start("paced.py", "-a", "3", "-u", "6", "-d", "60s", "--server-url", nginx.url) as process:
        going = cluster.wait_for_run(lambda run: run.state.value == state, f"is {state}")
        wait_until(lambda: "prepares" in north.log(), "north to begin")
        workers = north.workers()
        north.kill()
        run = cluster.runner.end(process)
    assert run.exit_code == 2
    assert "loads-runner: agent north went away before the run began\n" in run.err
    assert "run it again; loads-runner --ping-broker shows the agents that are there" in run.err
    assert run.document == {}
    assert nginx.count() == 0
    cluster.wait_for_agents("south", "east", deadline_s=5)
    assert "north" not in cluster.seen()
    # A worker that is stuck in the test's own code ends, too.
    wait_until(lambda: not any(alive(pid) for pid in workers), "the dead agent's workers to end", 10)

    cluster.write("paced.py", PACED)
    north.restart()
    cluster.wait_for_agents("north")
    again = cluster.run("paced.py", "-a", "3", "-u", "6", "--hits", "2", "--server-url", nginx.url)
    assert again.exit_code == 0
    assert again.totals["sent"] == nginx.count() == 12
    assert cluster.call("loads", "show", going.id).exit_code == 2

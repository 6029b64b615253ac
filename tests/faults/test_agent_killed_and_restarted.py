"""An agent is killed or ended in mid-run and started again on its state directory: nothing is lost, to the request.

Its users are with the others at once, and stay there. What it had measured and not delivered, it delivers when it is
back, however often it dies before it has, and however late that is, as long as the run waits for it.
"""

from __future__ import annotations

import time

from tests.cluster import Cluster, Member
from tests.commands import Finished
from tests.servers import Nginx, wait_until
from tests.traffic import PACED, USERS, Traffic, wait_for_calm

OPTIONS = ("paced.py", "-a", "3", "-u", str(USERS))
BACK = "was started again: its results are taken, its users stay with the others"


def test_killed_again_and_again_it_delivers_all(cluster: Cluster, nginx: Nginx) -> None:
    """Each process of it leaves what it has to the next."""
    cluster.write("paced.py", PACED)
    north = cluster.agents["north"]
    with cluster.start(*OPTIONS, "-d", "12s", "--server-url", nginx.url) as process:
        wait_for_calm(nginx)
        killed_s = time.time()
        north.kill()
        for takes in (1, 2, 3):
            north.restart()
            wait_until_it_takes_over(north, takes)
            north.kill()
        north.restart()
        run = cluster.runner.end(process)
    nothing_is_lost(run, nginx)
    assert "agent north went away; 2 others took its users" in run.err
    assert f"agent north {BACK}" in run.err
    traffic = Traffic(nginx, killed_s)
    traffic.never_doubles()
    traffic.is_back(killed_s + 5)
    cluster.wait_for_agents("north", "south", "east")


def test_ended_by_its_service_manager_or_back_after_the_load_it_delivers_all(cluster: Cluster, nginx: Nginx) -> None:
    cluster.write("paced.py", PACED)
    north, south = cluster.agents["north"], cluster.agents["south"]
    with cluster.start(*OPTIONS, "-d", "7s", "--server-url", nginx.url) as process:
        wait_for_calm(nginx)
        ended_s = time.time()
        south.process.terminate()  # it would finish the run first
        south.wait_for_log("again to leave now")
        assert south.terminate() == 0
        south.restart()
        wait_until_it_takes_over(south, 1)
        north.kill()
        cluster.wait_for_run(lambda run: run.state.value == "ending", "ends")
        north.restart()
        run = cluster.runner.end(process)
    nothing_is_lost(run, nginx)
    assert "leaves in mid-run; the next agent in its state directory delivers what was measured" in south.log()
    assert "agent south went away; 2 others took its users" in run.err
    assert f"agent south {BACK}" in run.err
    assert "agent north went away; 1 other took its users" in run.err
    assert "the load is over; waits up to 2" in run.err
    assert "s for what north may still bring (stop: not any more)" in run.err
    Traffic(nginx, ended_s).never_doubles()


def wait_until_it_takes_over(agent: Member, times: int) -> None:
    """Until a process of it has found what those before it left, for so many times."""
    wait_until(lambda: agent.log().count("takes over") == times, f"{agent} to find what it left")


def nothing_is_lost(run: Finished, nginx: Nginx) -> None:
    assert run.totals["sent"] == nginx.count() > 0
    assert run.totals["lost"] == run.totals["lost_iterations"] == 0
    assert run.document["run"]["losses"] == []
    assert (run.exit_code, run.document["verdict"]) == (0, "passed")

"""A worker of an agent is killed in mid-run: what died with it is declared to the request, and its users are back."""

from __future__ import annotations

import os
import signal
import time

from tests.cluster import Cluster, oldest
from tests.servers import Nginx
from tests.traffic import PACED, USERS, Traffic, wait_for_calm


def test_what_it_had_not_told_is_declared_and_its_users_are_back(cluster: Cluster, nginx: Nginx) -> None:
    cluster.write("paced.py", PACED)
    with cluster.start("paced.py", "-a", "3", "-u", str(USERS), "-d", "11s", "--server-url", nginx.url) as process:
        wait_for_calm(nginx)
        killed_s = time.time()
        os.kill(oldest(cluster.agents["north"].workers()), signal.SIGKILL)
        run = cluster.runner.end(process)

    [loss] = run.document["run"]["losses"]
    assert (loss["agent"], loss["reason"]) == ("north", "was killed by SIGKILL")
    assert loss["iterations"] == run.totals["lost_iterations"] > 0
    assert loss["sent"] == run.totals["lost"]
    # A request may be cut off between the write and the worker's own note of it: as many as one system call.
    assert abs(run.totals["sent"] + run.totals["lost"] - nginx.count()) <= 1
    assert run.document["verdict"] in ("failed", "invalid")
    assert "lost" in run.document["reasons"][0]
    assert run.err.count("of north was killed by SIGKILL") == 1

    traffic = Traffic(nginx, killed_s)
    traffic.never_doubles()
    traffic.is_back(killed_s + 4)

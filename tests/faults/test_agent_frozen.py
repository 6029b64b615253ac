"""An agent stands still for a while (SIGSTOP). For a moment: nobody notices. For long: others take its users when its
workers have stopped, so the load never doubles; thawed, it delivers all that they measured, and gets no load any more.
"""

from __future__ import annotations

import time

from tests.cluster import Cluster
from tests.servers import Nginx, wait_until
from tests.traffic import PACED, USERS, Traffic, wait_for_calm


def test_for_a_moment_it_keeps_its_users_and_for_long_others_get_them_once(cluster: Cluster, nginx: Nginx) -> None:
    cluster.write("paced.py", PACED)
    north, south = cluster.agents["north"], cluster.agents["south"]
    with cluster.start("paced.py", "-a", "3", "-u", str(USERS), "-d", "14s", "--server-url", nginx.url) as process:
        wait_for_calm(nginx)
        moment_s = time.time()
        south.freeze()
        wait_until(lambda: time.time() - moment_s > 1, "a second")
        south.thaw()
        wait_until(lambda: time.time() - moment_s > 2.5, "it to have its say")
        frozen_s = time.time()
        north.freeze()
        wait_until(lambda: time.time() - frozen_s > 5, "others to have its users")
        north.thaw()
        run = cluster.runner.end(process)
    assert run.totals["sent"] == nginx.count() > 0
    assert run.document["run"]["losses"] == []
    assert run.exit_code == 0
    assert "agent south" not in run.err
    assert "agent north was not heard for 3.5 s; 2 others took its users" in run.err
    assert "agent north is back: its results are taken, its users stay with the others" in run.err
    traffic = Traffic(nginx, moment_s)
    traffic.never_doubles()
    traffic.is_back(moment_s, frozen_s)
    traffic.is_back(frozen_s + 5)

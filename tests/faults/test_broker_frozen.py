"""The broker stands still (SIGSTOP): no load goes on that nobody watches; thawed, all of it goes on.

Agents can't tell a broker that stands still from one that a cut link hides, and that gives their users to others. So
they stop when their lease of 2.5 s is over.
"""

from __future__ import annotations

import time

from tests.cluster import Cluster
from tests.servers import Nginx, wait_until
from tests.traffic import PACED, USERS, Traffic, wait_for_calm

LEASE_S = 2.5


def test_the_load_stops_with_the_lease_and_is_back_after_the_thaw(cluster: Cluster, nginx: Nginx) -> None:
    cluster.write("paced.py", PACED)
    options = ("paced.py", "-a", "3", "-u", str(USERS), "-d", "12s", "--server-url", nginx.url)
    with cluster.start(*options) as process:
        wait_for_calm(nginx, 2)
        cluster.broker.freeze()
        frozen_s = time.time()
        wait_until(lambda: time.time() > frozen_s + 5, "five seconds")
        cluster.broker.thaw()
        thawed_s = time.time()
        run = cluster.runner.end(process)
    assert run.exit_code == 0
    assert run.document["run"]["losses"] == []
    assert run.totals["sent"] == nginx.count() > 0
    told = " ".join(run.document["run"]["warnings"])
    for name in cluster.agents:
        assert f"agent {name} started no iterations from" in told
    assert "took its users" not in run.err
    traffic = Traffic(nginx, frozen_s)
    traffic.never_doubles()
    # Half a second for the iterations in flight, and the timers.
    over_s = frozen_s + LEASE_S + 0.5 + nginx.stalls.within(frozen_s, thawed_s)
    assert traffic.count(over_s, thawed_s) == 0, traffic
    traffic.is_back(thawed_s + 2)

"""The broker's disk is full: it says so, the load goes on, and once there is room all is written down."""

from __future__ import annotations

import resource
import time

from tests.cluster import Cluster
from tests.servers import Nginx, wait_until
from tests.traffic import PACED, USERS, Traffic, wait_for_calm

ROOM_BYTES = 4096
"""Less than any change of the store takes, and more than a log of a few lines."""


def test_nothing_is_lost_once_there_is_room_again(cluster: Cluster, nginx: Nginx) -> None:
    cluster.write("paced.py", PACED)
    options = ("paced.py", "-a", "3", "-u", str(USERS), "-d", "8s", "--server-url", nginx.url)
    with cluster.start(*options) as process:
        wait_for_calm(nginx, 2)
        unlimited = resource.prlimit(cluster.broker.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(cluster.broker.pid, resource.RLIMIT_FSIZE, (ROOM_BYTES, unlimited[1]))
        full_s = time.time()
        cluster.broker.wait_for_log("the broker can't write results down: the store")
        wait_until(lambda: time.time() > full_s + 4, "some batches to wait")
        status = cluster.status()
        assert status is not None
        assert "can't be written" in status.store
        resource.prlimit(cluster.broker.pid, resource.RLIMIT_FSIZE, unlimited)
        cluster.broker.wait_for_log("the broker can write again")
        run = cluster.runner.end(process)
    assert run.exit_code == 0
    assert run.document["run"]["losses"] == []
    assert run.totals["sent"] == nginx.count() > 0
    assert "loads-runner: the broker can't write results down: the store" in run.err
    assert "loads-runner: the broker can write again" in run.err
    assert "took its users" not in run.err
    traffic = Traffic(nginx, full_s)
    traffic.never_doubles()
    traffic.is_back(full_s)


def test_a_broker_that_is_killed_meanwhile_has_promised_nothing(cluster: Cluster, nginx: Nginx) -> None:
    """The load ends, and all that the broker heard in that time dies with it: agents still have that."""
    cluster.write("paced.py", PACED)
    options = ("paced.py", "-a", "3", "-u", str(USERS), "-d", "4s", "--server-url", nginx.url)
    with cluster.start(*options) as process:
        wait_for_calm(nginx, 2)
        unlimited = resource.prlimit(cluster.broker.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(cluster.broker.pid, resource.RLIMIT_FSIZE, (ROOM_BYTES, unlimited[1]))
        wait_until(lambda: nginx.times()[-1] < time.time() - 2, "the load to end")
        assert process.poll() is None
        cluster.broker.kill()
        cluster.broker.restart()
        run = cluster.runner.end(process)
    assert run.exit_code == 0
    assert run.document["run"]["losses"] == []
    assert run.totals["sent"] == nginx.count() > 0

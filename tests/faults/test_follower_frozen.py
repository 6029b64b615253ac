"""A runner that does not keep up costs nobody anything, and has all of the result in the end."""

from __future__ import annotations

import signal
import time

from tests.cluster import Cluster
from tests.servers import Nginx, wait_until
from tests.traffic import PACED, USERS, Traffic, wait_for_calm

MANY = PACED.replace("self.server_url)", "self.server_url, name=f'page {random.randrange(500)}')")


def test_others_and_the_run_do_not_notice_and_it_catches_up(cluster: Cluster, nginx: Nginx) -> None:
    cluster.write("many.py", MANY)
    other = cluster.beside("other")
    options = ("many.py", "-a", "3", "-u", str(USERS), "-d", "9s", "--server-url", nginx.url)
    with cluster.start(*options) as process:
        wait_for_calm(nginx, 2)
        with other.start("--attach", environment=cluster.variables) as second:
            process.send_signal(signal.SIGSTOP)
            frozen_s = time.time()
            wait_until(lambda: time.time() > frozen_s + 6, "six seconds")
            process.send_signal(signal.SIGCONT)
            runs = [cluster.runner.end(process), other.end(second)]
    assert [run.exit_code for run in runs] == [0, 0]
    assert runs[0].document == runs[1].document
    assert runs[0].totals["sent"] == nginx.count()
    assert len(runs[0].document["series"]) > 400
    assert not [line for line in runs[1].err.splitlines() if "broker" in line]
    assert not [line for line in runs[0].err.splitlines() if "broker" in line]
    traffic = Traffic(nginx, frozen_s)
    traffic.never_doubles()
    traffic.is_back(frozen_s)

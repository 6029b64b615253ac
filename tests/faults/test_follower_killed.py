"""The runner of a run on a cluster is killed: the run goes on, and whoever follows it next has all of it."""

from __future__ import annotations

import json
import time

from tests.cluster import Cluster
from tests.servers import Nginx
from tests.traffic import PACED, USERS, Traffic, wait_for_calm


def test_the_run_goes_on_and_another_has_the_whole_result(cluster: Cluster, nginx: Nginx) -> None:
    cluster.write("paced.py", PACED)
    options = ("paced.py", "-a", "3", "-u", str(USERS), "-d", "6s", "--server-url", nginx.url)
    with cluster.start(*options) as process:
        wait_for_calm(nginx, 2)
        process.kill()
        killed_s = time.time()
        process.communicate()
    [name] = cluster.going()
    run = cluster.beside("other").run("--attach", name, environment=cluster.variables)
    assert run.exit_code == 0
    assert run.document["run"]["id"] == name
    assert run.totals["sent"] == nginx.count() > 0
    shown = cluster.call("loads", "show", name, "--output", "json=-")
    assert json.loads(shown.out) == run.document
    traffic = Traffic(nginx, killed_s)
    traffic.never_doubles()
    traffic.is_back(killed_s)

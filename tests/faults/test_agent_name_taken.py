"""A second agent of the same name: it is told what to do and ends, and the first one's run does not notice."""

from __future__ import annotations

import time
from pathlib import Path

from tests.cluster import Cluster
from tests.servers import Nginx
from tests.traffic import PACED, USERS, Traffic, wait_for_calm


def test_it_is_refused_and_the_run_goes_on(cluster: Cluster, nginx: Nginx, tmp_path: Path) -> None:
    cluster.write("paced.py", PACED)
    with cluster.start("paced.py", "-a", "3", "-u", str(USERS), "-d", "6s", "--server-url", nginx.url) as process:
        wait_for_calm(nginx)
        came_s = time.time()
        same_state = cluster.call("loads-agent", "--name", "north")
        elsewhere = cluster.call("loads-agent", "--name", "north", "--state-dir", str(tmp_path / "it"))
        run = cluster.runner.end(process)

    assert same_state.exit_code == 2
    assert same_state.err == (
        f"loads-agent: an agent named north works in {cluster.state / 'agent-north'} already\n"
        "  give this one another --name\n"
    )
    assert elsewhere.exit_code == 2
    assert "loads-agent: there is an agent named north already, on " in elsewhere.err
    assert elsewhere.err.endswith("  give this one another name with --name\n")

    assert run.exit_code == 0
    assert run.totals["sent"] == nginx.count() > 0
    assert "north" not in run.err.partition("Plan: ")[2]
    traffic = Traffic(nginx, came_s)
    traffic.never_doubles()
    traffic.is_back(came_s)

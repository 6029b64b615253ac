"""An agent of another version says Hello: it is told which version to install and ends, and nobody else notices."""

from __future__ import annotations

import subprocess
import sys
import time

import loads
from loads.wire.messages import PROTOCOL
from tests.cluster import Cluster
from tests.commands import environment_for_loads
from tests.servers import Nginx
from tests.traffic import PACED, USERS, Traffic, wait_for_calm

OTHER = """
import loads
import loads.wire.messages
loads.__version__ = "9.9"
loads.wire.messages.PROTOCOL = 99
from loads.cli.start import loads_agent
loads_agent()
"""


def test_it_is_refused_and_the_run_goes_on(cluster: Cluster, nginx: Nginx) -> None:
    cluster.write("paced.py", PACED)
    with cluster.start("paced.py", "-a", "3", "-u", str(USERS), "-d", "6s", "--server-url", nginx.url) as process:
        wait_for_calm(nginx)
        came_s = time.time()
        other = subprocess.run(
            [sys.executable, "-c", OTHER, "--name", "other", "--workers", "1"],
            env=environment_for_loads(cluster.variables),
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert "other" not in cluster.seen()
        run = cluster.runner.end(process)

    assert other.returncode == 2
    told = f"the broker is of version {loads.__version__} (protocol {PROTOCOL}), and this is 9.9 (protocol 99)\n"
    assert f"loads-agent: {told}" in other.stderr
    assert other.stderr.endswith(f"  install loads {loads.__version__} here, or the same version everywhere\n")
    assert run.exit_code == 0
    assert run.totals["sent"] == nginx.count() > 0
    traffic = Traffic(nginx, came_s)
    traffic.never_doubles()
    traffic.is_back(came_s)

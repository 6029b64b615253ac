"""The login that a run is followed through, and that one of its agents works through, is cut in mid-run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster import run_cluster
from tests.integration.test_cluster import HOME
from tests.servers import run_nginx, wait_until
from tests.sshd import run_sshd


def test_it_is_opened_again_and_nothing_is_lost(tmp_path: Path) -> None:
    with (
        run_nginx(tmp_path) as nginx,
        run_cluster("north") as cluster,
        run_sshd(cluster.directory / "sshd") as sshd,
    ):
        way = sshd.options("--broker", str(cluster.endpoint))
        agent = cluster.start_agent("far", *way)
        cluster.wait_for_agents("north", "far")
        cluster.write("home.py", HOME)
        options = ("home.TestHome.test_slow", *way, "-u", "8", "-d", "5s", "--server-url", nginx.url)
        with cluster.start(*options) as process:
            cluster.wait_for_run(lambda run: run.state.value == "running" and (run.elapsed_us or 0) > 1_000_000, "runs")
            wait_until(lambda: len(sshd.connections()) == 2, "two logins")
            sshd.cut()
            agent.wait_for_log(f"the SSH tunnel to {sshd.host} is open again")
            cluster.broker.wait_for_log("agent far is back")
            run = cluster.runner.end(process)
        assert run.exit_code == 0, run.err
        assert run.totals["sent"] == nginx.count() > 0
        assert run.document["run"]["losses"] == []
        assert run.totals["interrupted"] == 0
        assert f"the SSH tunnel to {sshd.host} broke (" in run.err
        assert f"the SSH tunnel to {sshd.host} is open again" in run.err
        assert "connected to the broker again" in run.err
        assert agent.terminate() == 0


@pytest.mark.long
def test_a_link_that_is_silent_is_given_up_and_opened_again(tmp_path: Path) -> None:
    with (
        run_nginx(tmp_path) as nginx,
        run_cluster("north") as cluster,
        run_sshd(cluster.directory / "sshd") as sshd,
    ):
        cluster.write("home.py", HOME)
        way = sshd.options("--broker", str(cluster.endpoint))
        options = ("home.TestHome.test_slow", *way, "-u", "8", "-d", "20s", "--server-url", nginx.url)
        with cluster.start(*options) as process:
            cluster.wait_for_run(lambda run: run.state.value == "running" and (run.elapsed_us or 0) > 1_000_000, "runs")
            sshd.freeze()
            run = cluster.runner.end(process)
        assert run.exit_code == 0, run.err
        assert run.totals["sent"] == nginx.count() > 0
        assert f"the SSH tunnel to {sshd.host} broke (Timeout, server 127.0.0.1 not responding.)" in run.err
        assert "connected to the broker again" in run.err

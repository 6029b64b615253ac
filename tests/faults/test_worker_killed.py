"""A worker is killed in mid-run: nothing is counted twice, what died is declared, and the load comes back."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.commands import STRICT, LoadsRunner
from tests.integration.test_counts import HOME
from tests.servers import Nginx, wait_until

SLOW = HOME.replace("200)", "200)\n        __import__('time').sleep(0.01)")
SLACK_S = 2.0
"""A new worker has Python and the tests to import, on a machine that others use, too."""


def test_with_a_duration_its_users_are_back_within_three_seconds(loads: LoadsRunner, nginx: Nginx) -> None:
    loads.write("home.py", SLOW)
    with loads.start("home.py", "-d", "8s", "-u", "20", "--workers", "2", "--server-url", nginx.url) as process:
        victim, _ = loads.wait_for_workers(process, 2)
        wait_until(lambda: nginx.access_log.exists() and nginx.access_log.stat().st_size > 200_000, "load")
        os.kill(victim, signal.SIGKILL)
        killed_s = time.monotonic()
        wait_until(lambda: victim not in loads.workers(process) and len(loads.workers(process)) == 2, "another worker")
        assert time.monotonic() - killed_s < 3 + SLACK_S
        run = loads.end(process)

    [loss] = run.document["run"]["losses"]
    assert loss["reason"] == "was killed by SIGKILL"
    assert 0 < loss["sent"] == run.totals["lost"]
    assert abs(run.totals["sent"] + run.totals["lost"] - nginx.count()) <= 1
    back_s = int(loss["to_s"]) + 3
    users = {point["t_s"]: point["users"] for point in run.document["timeline"]}
    assert [users[t_s] for t_s in range(back_s + 1, 8)] == [20] * (7 - back_s)
    assert f"worker {loss['worker']} was killed by SIGKILL" in run.err


def test_with_hits_what_it_had_not_begun_is_unstarted(loads: LoadsRunner, nginx: Nginx) -> None:
    loads.write("home.py", SLOW)
    with loads.start(
        "home.py", "-u", "10", "--hits", "200", "--workers", "2", "--server-url", nginx.url, environment=STRICT
    ) as process:
        victim, _ = loads.wait_for_workers(process, 2)
        wait_until(lambda: nginx.access_log.exists() and nginx.access_log.stat().st_size > 20_000, "load")
        os.kill(victim, signal.SIGKILL)
        run = loads.end(process)
    assert run.totals["due"] == 2000
    assert run.totals["unstarted"] > 0
    assert abs(run.totals["sent"] + run.totals["lost"] - nginx.count()) <= 1
    assert run.exit_code == 4
    assert run.document["verdict"] == "invalid"
    assert "Lost: " in run.out


def test_with_cycles_the_next_round_is_whole_again(loads: LoadsRunner, nginx: Nginx) -> None:
    loads.write("home.py", SLOW)
    with loads.start("home.py", "-u", "4:6", "--hits", "150", "--workers", "2", "--server-url", nginx.url) as process:
        victim, _ = loads.wait_for_workers(process, 2)
        wait_until(lambda: nginx.access_log.exists() and nginx.access_log.stat().st_size > 10_000, "load")
        os.kill(victim, signal.SIGKILL)
        run = loads.end(process)
    assert run.totals["due"] == 4 * 150 + 6 * 150
    assert 0 < run.totals["unstarted"] <= 2 * 150
    assert abs(run.totals["sent"] + run.totals["lost"] - nginx.count()) <= 1


@pytest.mark.parametrize("how", ["os._exit(3)", "os.kill(os.getpid(), 9)"])
def test_a_worker_that_dies_while_loading_refuses_the_run(loads: LoadsRunner, how: str) -> None:
    loads.write("dies.py", f"import os\n{how}\n")
    run = loads.run("dies.py", "-u", "4", "-d", "5s")
    assert run.exit_code == 2
    assert "before the run began" in run.err
    assert run.err.count("loads-runner:") == 1
    assert not run.document


def test_workers_that_always_die_end_the_run(loads: LoadsRunner) -> None:
    loads.write(
        "dies.py",
        "import os\nfrom loads.case import TestCase\n"
        "class TestDies(TestCase):\n    def test_it(self):\n        os._exit(3)\n",
    )
    run = loads.run("dies.py", "-d", "60s", "--workers", "1", environment=STRICT)
    assert run.exit_code == 4
    assert run.document["run"]["duration_s"] < 40
    assert len(run.document["run"]["losses"]) == 5
    assert run.totals["started"] == run.totals["lost_iterations"] == 5

"""The runner itself is killed or frozen: no load goes on that nobody watches, and no process stays behind."""

from __future__ import annotations

import os
import signal
import time

from tests.commands import LoadsRunner, alive
from tests.integration.test_counts import HOME
from tests.servers import Nginx, wait_until


def busy(nginx: Nginx) -> bool:
    return nginx.access_log.exists() and nginx.access_log.stat().st_size > 20_000


def test_workers_of_a_killed_runner_end_by_themselves(loads: LoadsRunner, nginx: Nginx) -> None:
    loads.write("home.py", HOME)
    with loads.start("home.py", "-d", "60s", "-u", "10", "--workers", "2", "--server-url", nginx.url) as process:
        workers = loads.wait_for_workers(process, 2)
        wait_until(lambda: busy(nginx), "load")
        process.kill()
        wait_until(lambda: not any(alive(pid) for pid in workers), "the workers to end", 5)
        process.communicate()


def test_a_worker_whose_test_never_lets_go_ends_too(loads: LoadsRunner) -> None:
    loads.write(
        "spins.py",
        "from loads.case import TestCase\nclass TestSpins(TestCase):\n"
        "    def test_it(self):\n        print('spinning', flush=True)\n        while True:\n            pass\n",
    )
    with loads.start("spins.py", "-d", "60s", "--workers", "1") as process:
        [worker] = loads.wait_for_workers(process, 1)
        assert process.stderr is not None
        wait_until(lambda: "spinning" in process.stderr.readline(), "the test")
        process.kill()
        wait_until(lambda: not alive(worker), "the worker to end", 10)
        process.communicate()


def test_load_stops_while_the_runner_is_frozen_and_goes_on_after(loads: LoadsRunner, nginx: Nginx) -> None:
    loads.write("home.py", HOME)
    with loads.start("home.py", "-d", "12s", "-u", "10", "--workers", "2", "--server-url", nginx.url) as process:
        loads.wait_for_workers(process, 2)
        wait_until(lambda: busy(nginx), "load")
        process.send_signal(signal.SIGSTOP)
        frozen_s = time.monotonic()
        wait_until(lambda: not grows(nginx), "the load to stop", 5)
        assert time.monotonic() - frozen_s < 4
        process.send_signal(signal.SIGCONT)
        wait_until(lambda: grows(nginx), "the load to go on", 3)
        run = loads.end(process)
    assert run.exit_code == 0
    assert run.totals["sent"] == nginx.count()


def grows(nginx: Nginx) -> bool:
    """Whether requests arrive within a quarter of a second."""
    before = nginx.access_log.stat().st_size
    end_s = time.monotonic() + 0.25
    while time.monotonic() < end_s:
        if nginx.access_log.stat().st_size > before:
            return True
        os.sched_yield()
    return False

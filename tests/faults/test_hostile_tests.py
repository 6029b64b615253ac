"""Tests that fork, leave children or threads behind, die in odd places, or freeze their clock.

Nothing hangs, nothing is counted twice, nothing passes in silence.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.commands import LOADS_RUNNER, LoadsRunner
from tests.servers import Nginx

HOSTILE = """
import os, subprocess, tempfile, threading, time
import gevent, requests
from loads.case import TestCase

class TestHostile(TestCase):
    def test_leaves_a_child_that_holds_the_output(self):
        subprocess.Popen(["sleep", "20"])

    def test_forks_and_both_go_on(self):
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            self.session.get(self.server_url)

    def test_leaves_a_thread_that_goes_on(self):
        threading.Thread(target=self.go_on).start()

    def go_on(self):
        for _ in range(1_000):
            time.sleep(0.1)

    def test_kills_its_user_later(self):
        gevent.spawn_later(0.02, gevent.getcurrent().kill)

    def test_leaves_a_timeout_armed(self):
        gevent.Timeout(0.02).start()

    def test_freezes_its_clock(self):
        time.monotonic_ns = lambda: 0
        time.monotonic = lambda: 0.0
        self.session.get(self.server_url)

class TestNoInit(TestCase):
    def __init__(self, name):
        super().__init__(name)
        raise RuntimeError("no init")

    def test_it(self):
        pass

class TestExitsAtTheEnd(TestCase):
    @classmethod
    def tearDownClass(cls):
        raise SystemExit(3)

    def test_it(self):
        pass

class TestDiesAtTheEnd(TestCase):
    @classmethod
    def tearDownClass(cls):
        os._exit(3)

    def test_it(self):
        pass
"""


@pytest.fixture
def hostile(loads: LoadsRunner) -> LoadsRunner:
    loads.write("hostile.py", HOSTILE)
    return loads


def test_a_child_that_holds_the_output_does_not_hold_the_run(hostile: LoadsRunner) -> None:
    run = hostile.run(
        "hostile.TestHostile.test_leaves_a_child_that_holds_the_output", "-u", "2", "--hits", "3", deadline_s=10
    )
    assert (run.exit_code, run.totals["success"]) == (0, 6)


def test_a_forked_child_is_not_the_worker(hostile: LoadsRunner, nginx: Nginx) -> None:
    run = hostile.run(
        "hostile.TestHostile.test_forks_and_both_go_on",
        "-u",
        "4",
        "--hits",
        "3",
        "--workers",
        "1",
        "--server-url",
        nginx.url,
    )
    assert (run.exit_code, run.totals["success"]) == (0, 12)
    assert run.totals["sent"] == nginx.count() == 12


@pytest.mark.parametrize("workers", ["0", "1"])
def test_threads_that_go_on_do_not_hold_the_run(hostile: LoadsRunner, workers: str) -> None:
    run = hostile.run(
        "hostile.TestHostile.test_leaves_a_thread_that_goes_on", "--hits", "3", "--workers", workers, deadline_s=15
    )
    assert (run.exit_code, run.totals["success"]) == (0, 3)


@pytest.mark.parametrize("test", ["test_kills_its_user_later", "test_leaves_a_timeout_armed"])
def test_a_user_that_is_hit_between_iterations_goes_on_and_it_is_told(hostile: LoadsRunner, test: str) -> None:
    run = hostile.run(f"hostile.TestHostile.{test}", "-u", "2", "-d", "2s", "--think-time", "100ms")
    assert run.exit_code == 1
    assert run.totals["ended"] >= 10
    assert run.totals["errors"] >= run.totals["ended"] - 2
    assert "Traceback" not in run.err


def test_measuring_does_not_use_the_tests_clock(hostile: LoadsRunner, nginx: Nginx) -> None:
    run = hostile.run("hostile.TestHostile.test_freezes_its_clock", "-d", "2s", "--server-url", nginx.url)
    assert run.exit_code == 0
    assert run.totals["sent"] == nginx.count()
    assert 1.9 <= run.document["run"]["duration_s"] <= 3
    assert run.document["series"][0]["service"]["min_ms"] > 0


def test_a_class_that_can_not_be_made_fails_each_iteration(hostile: LoadsRunner) -> None:
    run = hostile.run("hostile.TestNoInit", "-u", "2", "--hits", "3")
    assert (run.exit_code, run.totals["errors"], run.totals["ended"]) == (1, 6, 6)
    assert "RuntimeError: no init" in run.out


def test_what_goes_wrong_in_the_last_fixture_is_told(hostile: LoadsRunner) -> None:
    exits = hostile.run("hostile.TestExitsAtTheEnd", "--hits", "2")
    assert (exits.exit_code, exits.totals["success"], exits.totals["errors"]) == (1, 2, 1)
    dies = hostile.run("hostile.TestDiesAtTheEnd", "--hits", "2")
    assert (dies.exit_code, dies.totals["success"]) == (1, 2)
    assert "Verdict: failed (1 worker died)" in dies.out


def test_a_run_directory_that_is_deleted_costs_nothing(loads: LoadsRunner, nginx: Nginx, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    loads.write(
        "deletes.py",
        f"""
import os, shutil
from loads.case import TestCase

class TestDeletes(TestCase):
    def test_it(self):
        shutil.rmtree({str(scratch)!r}, ignore_errors=True)
        self.session.get(self.server_url)
        if self.user.iteration == 4:
            os._exit(3)
""",
    )
    run = loads.run("deletes.py", "--hits", "5", "--server-url", nginx.url, environment={"TMPDIR": str(scratch)})
    assert run.totals["sent"] + run.totals["lost"] == nginx.count() == 5
    assert not scratch.exists() or shutil.rmtree(scratch) is None


@pytest.mark.parametrize("redirect", [">/dev/full", "2>/dev/full", ">&-", "| true"])
def test_a_console_that_can_not_be_written_does_not_cost_the_result(loads: LoadsRunner, redirect: str) -> None:
    loads.write("good.py", "from loads.case import TestCase\nclass T(TestCase):\n    def test_it(self): pass\n")
    command = f"{LOADS_RUNNER} good.py --output json=result.json {redirect}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=loads.directory, capture_output=True, text=True, timeout=60, check=False
    )
    assert '"verdict": "passed"' in (loads.directory / "result.json").read_text()
    assert "Traceback" not in done.stderr
    if redirect == ">/dev/full":
        assert done.returncode == 1
        assert "could not be printed: No space left on device" in done.stderr


def test_names_can_not_steer_the_terminal(loads: LoadsRunner) -> None:
    loads.write(
        "names.py",
        "from loads.case import TestCase\nclass T(TestCase):\n    def test_it(self):\n"
        "        self.incr_counter('\\x1b[2J\\n\\x00' + 'n' * 10**6)\n        self.fail('\\x1b[31mred')\n",
    )
    run = loads.run("names.py")
    assert "\x1b" not in run.out + run.err
    assert "\\x1b[31mred" in run.out
    [counter] = run.document["counters"]
    assert len(counter) < 600
    assert os.linesep + os.linesep + os.linesep not in run.out

"""A load generator that is the bottleneck itself says so, and one that is well says nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.commands import Finished, LoadsRunner
from tests.servers import DEADLINE_S, Nginx

EASY = """
import time
from loads.case import TestCase

class TestEasy(TestCase):
    def test_easy(self):
        self.assertEqual(self.session.get(self.server_url).status_code, 200)
        time.sleep(0.1)
"""

BUSY = """
import time
from loads.case import TestCase

class TestBusy(TestCase):
    def test_busy(self):
        self.session.get(self.server_url)
        end = time.process_time() + 0.02
        while time.process_time() < end:
            pass
"""

GARBAGE = """
import gc, time
from loads.case import TestCase

class TestGarbage(TestCase):
    def test_garbage(self):
        heap, took = [], 0.0
        while took < 0.15:
            heap.append([[] for _ in range(300_000)])
            begin = time.monotonic()
            gc.collect()
            took = time.monotonic() - begin
"""

CONNECTIONS = """
import resource, socket, time
from urllib.parse import urlsplit
from loads.case import TestCase

resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))

class TestConnections(TestCase):
    def test_connections(self):
        url = urlsplit(self.server_url)
        held = [socket.create_connection((url.hostname, url.port)) for _ in range(10)]
        time.sleep(1.5)
        for connection in held:
            connection.close()
"""

DISTURBED = ("for a processor that other programs used", "event loop was late")

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="needs Linux's /proc/self/schedstat"),
    pytest.mark.alone,
]


@contextmanager
def cpu_hog(processor: int) -> Iterator[None]:
    """A program that takes all it can get of one processor."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        os.sched_setaffinity(process.pid, {processor})
        yield
    finally:
        process.kill()
        process.wait(DEADLINE_S)


def warnings(run: Finished) -> list[str]:
    """Those of the JSON document, each of which stands in the block at the end, too."""
    told: list[str] = run.document["run"]["warnings"]
    for warning in told:
        assert f"Warning: {warning}" in run.out.splitlines()
    return told


def run_undisturbed(loads: LoadsRunner, *arguments: str) -> Finished:
    """A run that no other program disturbed. One that was is told so, and rightly: it is run again, at most twice."""
    for _ in range(3):
        run = loads.run(*arguments)
        if not any(disturbed in warning for warning in warnings(run) for disturbed in DISTURBED):
            break
    return run


def test_an_easy_run_has_no_warnings_and_tells_how_it_fared(loads: LoadsRunner, nginx: Nginx) -> None:
    loads.write("easy.py", EASY)
    run = run_undisturbed(loads, "easy.py", "-u", "3", "-d", "4s", "--workers", "1", "--server-url", nginx.url)
    assert run.exit_code == 0
    assert warnings(run) == []
    assert "Warning" not in run.out + run.err
    [health] = run.document["health"]
    assert (health["worker"], health["users"]) == (0, 3)
    assert health["watched_s"] > 3.9
    assert 0 < health["cpu_share"]["mean"] <= health["cpu_share"]["max"] < 0.9
    assert 0 <= health["lag"]["p50_ms"] <= health["lag"]["p99_ms"] <= health["lag"]["max_ms"]
    assert 3 <= health["open_files"]["max"] < health["open_files"]["limit"]
    assert 3 <= health["ports"]["max"] < health["ports"]["range"]
    assert 0 <= health["waited_share"] < 0.2
    points = run.document["timeline"]
    assert all(point["cpu_share"] is not None and point["lag_ms"] is not None for point in points[:4])


def test_a_run_inside_the_command_tells_how_it_fared_too(loads: LoadsRunner, nginx: Nginx) -> None:
    loads.write("easy.py", EASY)
    run = run_undisturbed(loads, "easy.py", "-u", "2", "-d", "1s", "--workers", "0", "--server-url", nginx.url)
    [health] = run.document["health"]
    assert (health["worker"], health["users"]) == (0, 2)
    assert warnings(run) == []


def test_a_worker_that_needs_its_whole_processor_is_told(loads: LoadsRunner, nginx: Nginx) -> None:
    """On a crowded machine it may be others that take the processor: that is told as well."""
    loads.write("busy.py", BUSY)
    run = loads.run("busy.py", "-u", "2", "-d", "5s", "--workers", "1", "--server-url", nginx.url)
    assert re.match(r"worker 0 (was at \d+ % CPU|waited \d+ % of the time)", warnings(run)[0])
    assert run.exit_code == 0


def test_a_cpu_hog_beside_a_worker_is_told_on_screen_and_in_json(loads: LoadsRunner, nginx: Nginx) -> None:
    loads.write("busy.py", BUSY)
    processor = min(os.sched_getaffinity(0))
    with (
        cpu_hog(processor),
        loads.start("busy.py", "-u", "2", "-d", "12s", "--workers", "1", "--server-url", nginx.url) as process,
    ):
        [worker] = loads.wait_for_workers(process, 1)
        os.sched_setaffinity(worker, {processor})
        run = loads.end(process)
    told = [warning for warning in warnings(run) if "for a processor that other programs used" in warning]
    assert re.match(r"worker 0 waited [2-9]\d % of the time, \d+ s long, for a processor", told[0])
    assert re.search(r"^Warning.*: worker 0 waited", run.err, re.MULTILINE)
    [health] = run.document["health"]
    assert health["waited_share"] > 0.2
    assert health["cpu_share"]["mean"] < 0.9


def test_long_garbage_collections_are_told(loads: LoadsRunner) -> None:
    loads.write("garbage.py", GARBAGE)
    run = loads.run("garbage.py", "--workers", "1")
    assert any(warning.startswith("worker 0 stood still for up to ") for warning in warnings(run))
    [health] = run.document["health"]
    assert health["gc"]["pauses"] >= 1
    assert 100 <= health["gc"]["max_ms"] <= health["gc"]["total_ms"]


def test_a_worker_that_comes_near_its_limit_of_open_files_is_told(loads: LoadsRunner, nginx: Nginx) -> None:
    loads.write("connections.py", CONNECTIONS)
    run = loads.run("connections.py", "-u", "10", "--workers", "1", "--server-url", nginx.url)
    [warning] = [warning for warning in warnings(run) if "open of the" in warning]
    assert re.match(r"worker 0 had 1[01]\d files and connections open of the 128 allowed", warning)
    assert run.document["health"][0]["open_files"]["limit"] == 128

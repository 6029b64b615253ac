"""Who started the workers is killed or frozen in mid-run: what they did is known to the last request.

It is in what the parent had confirmed, and in what the workers left beside their pages: together their counters,
exactly.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from loads.metrics.counters import Counts
from loads.metrics.summary import Summary
from loads.pool.estate import is_alive, read_estate
from loads.wire.codec import from_worker
from loads.wire.messages import Bye, Delta
from tests.integration.test_counts import HOME
from tests.servers import Nginx, wait_until

ROOT = Path(__file__).parents[2]
SLOW = """
import gevent
from loads.case import TestCase

class TestSlow(TestCase):
    @classmethod
    def tearDownClass(cls):
        gevent.sleep(60)

    def test_it(self):
        self.session.get(self.server_url)
        gevent.sleep({seconds})
"""
SETS_UP = """
import gevent, requests
from loads.case import TestCase

class TestSetsUp(TestCase):
    @classmethod
    def setUpClass(cls):
        requests.get("{url}")
        gevent.sleep(60)

    def test_it(self):
        pass
"""
SPINS = """
import os
from loads.case import TestCase

class TestSpins(TestCase):
    def test_it(self):
        self.session.get(self.server_url)
        while os.path.exists("spin"):
            pass
"""


@contextmanager
def parent(directory: Path, url: str, test: str) -> Iterator[tuple[subprocess.Popen[str], list[Path]]]:
    """A process that owns two workers in mid-run, and their pages."""
    (directory / "home.py").write_text(test)
    command = [sys.executable, "-m", "tests.pools", directory, url, "2"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process, [Path(process.stdout.readline().strip()) for _ in range(2)]
    finally:
        process.kill()
        process.communicate()


def confirmed(directory: Path) -> dict[int, list[Delta]]:
    """What the parent had safe, by incarnation; it may have died while it wrote."""
    path = directory / "kept"
    data = path.read_bytes() if path.exists() else b""
    kept: dict[int, list[Delta]] = {}
    while len(data) >= 12:
        incarnation, length = int.from_bytes(data[:8], "big"), int.from_bytes(data[8:12], "big")
        for message in from_worker().feed(data[8 : 12 + length]):
            assert isinstance(message, Delta)
            kept.setdefault(incarnation, []).append(message)
        data = data[12 + length :]
    return kept


def of(page: Path, kept: dict[int, list[Delta]]) -> list[Delta]:
    """Those of the worker whose page that is."""
    return kept.get(int(page.stem.rpartition("-")[2], 16), [])


def told(page: Path, kept: list[Delta]) -> tuple[Counts, bool]:
    """What is known of a dead worker, each delta once; and whether it came to its last word."""
    _, _, words = read_estate(page)
    deltas = {delta.seq: delta for delta in [*kept, *(word for word in words if isinstance(word, Delta))]}
    assert sorted(deltas) == list(range(1, len(deltas) + 1))
    whole = Summary()
    for delta in deltas.values():
        whole.merge(delta.summary)
    return whole.counts, any(isinstance(word, Bye) and word.last_seq == len(deltas) for word in words)


def check(directory: Path, pages: list[Path], nginx: Nginx, *, bye: bool = True) -> None:
    kept = confirmed(directory)
    sent = 0
    for page in pages:
        counts, said_bye = told(page, of(page, kept))
        assert read_estate(page)[0] == counts
        assert said_bye is bye
        sent += counts.sent
    assert sent == nginx.count()


def busy(directory: Path) -> bool:
    return (directory / "kept").exists() and (directory / "kept").stat().st_size > 4_000


@pytest.mark.parametrize("frozen_s", [0.0, 1.5, 4.0])
def test_nothing_is_missing_when_a_parent_dies(tmp_path: Path, nginx: Nginx, frozen_s: float) -> None:
    """Frozen before, it leaves deltas unread in its socket; and after 2.5 s the load stands still."""
    with parent(tmp_path, nginx.url, HOME) as (process, pages):
        wait_until(lambda: busy(tmp_path), "load")
        if frozen_s:
            process.send_signal(signal.SIGSTOP)
            time.sleep(frozen_s)
        assert all(map(is_alive, pages))
        process.kill()
        wait_until(lambda: not any(map(is_alive, pages)), "the workers to end", 5)
    check(tmp_path, pages, nginx)


@pytest.mark.parametrize("seconds", [1, 60])
def test_iterations_in_flight_have_a_little_time_and_are_counted(tmp_path: Path, nginx: Nginx, seconds: int) -> None:
    """Those that need more are cut off, and so is a fixture that would go on."""
    with parent(tmp_path, nginx.url, SLOW.format(seconds=seconds)) as (process, pages):
        wait_until(lambda: nginx.access_log.exists() and nginx.access_log.stat().st_size > 0, "load")
        wait_until(lambda: (tmp_path / "kept").exists(), "the first deltas")
        process.kill()
        killed_s = time.monotonic()
        wait_until(lambda: not any(map(is_alive, pages)), "the workers to end", 6)
        assert time.monotonic() - killed_s < 5
    check(tmp_path, pages, nginx)


def test_a_fixture_that_prepares_for_nobody_is_cut_off_and_its_requests_count(tmp_path: Path, nginx: Nginx) -> None:
    with parent(tmp_path, nginx.url, SETS_UP.format(url=nginx.url)) as (process, pages):
        wait_until(lambda: nginx.access_log.exists() and nginx.count() == 2, "the fixtures")
        process.kill()
        wait_until(lambda: not any(map(is_alive, pages)), "the workers to end", 6)
    check(tmp_path, pages, nginx)


def test_a_worker_that_has_to_be_ended_leaves_what_was_not_confirmed(tmp_path: Path, nginx: Nginx) -> None:
    with parent(tmp_path, nginx.url, SPINS) as (process, pages):
        wait_until(lambda: busy(tmp_path), "load")
        process.send_signal(signal.SIGSTOP)
        time.sleep(1.5)
        (tmp_path / "spin").touch()
        process.kill()
        wait_until(lambda: not any(map(is_alive, pages)), "the workers to end", 10)
    kept = confirmed(tmp_path)
    for page in pages:
        own = of(page, kept)
        counts, said_bye = told(page, own)
        left = [word for word in read_estate(page)[2] if isinstance(word, Delta) and word.seq > own[-1].seq]
        assert (bool(left), said_bye) == (True, False)
        assert sum(delta.summary.counts.sent for delta in own) < counts.sent < read_estate(page)[0].sent

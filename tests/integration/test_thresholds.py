"""Thresholds on real runs: each form passes and fails where it should, on this machine and on two agents.

With thresholds they decide: exit code 3 for a crossed one, 0 without one, whatever failed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.cluster import Cluster, run_cluster
from tests.commands import Finished, LoadsRunner
from tests.servers import Nginx, wait_until

SHOP = """
from loads.case import TestCase

class TestShop(TestCase):
    def test_visit(self):
        self.assertEqual(self.session.get(self.server_url + "/").status_code, 200)
        with self.transaction("pay"):
            self.session.get(self.server_url + "/", name="/checkout")
        self.incr_counter("island-was-there", 2)

    def test_lost(self):
        self.assertEqual(self.session.get(self.server_url + "/gone", name="/gone").status_code, 200)
"""
LOAD = ("--arrival-rate", "40/s", "-d", "5s")
"""200 iterations, a half of each test: 100 of each request, 100 failures."""
HOLDS = (
    "p(95) < 2s",
    "p(99.9){name:/checkout} < 2s over 3s",
    "hits > 30 over 1s",
    "hit_rate > 30/s over 2s",
    "median{scenario:test_visit} <= 1s",
    "max{name:pay} < 5s",
    "service.p(50) < 1s",
    "lateness.p(90) < 2s for 2s",
    "failure_rate < 60%",
    "failure_rate{scenario:test_visit} < 1%",
    "hit_failure_rate{name:/checkout} == 0",
    "errors < 10",
    "failures < 101",
    "hits > 250",
    "hits{status:404} >= 90",
    "iterations > 150",
    "unstarted < 40",
    "lost < 10",
    "counter:island-was-there > 100",
    "counter_rate:island-was-there > 10/s",
    "hit_rate > 20/s",
    "p(95){name:/nothing} < 1s or no data",
    "http_req_duration{name:/checkout}: p(95)<2000",
    "http_req_failed: rate<0.6",
    "http_req_failed: ['rate<0.6', { threshold: 'rate<0.9', abortOnFail: true, delayAbortEval: '2s' }]",
    "checks: rate>0.4",
    "group_duration{group:::pay}: avg < 2000",
    "island-was-there: count>100",
)
FAILS = (
    "p(50) < 1us",
    "p(95){name:/checkout} < 1us over 2s",
    "p(95) < 1us for 2s",
    "failure_rate < 1%",
    "hit_failure_rate{name:/gone} < 99%",
    "failures < 10",
    "hits > 1000000",
    "hits{status:5xx} > 0",
    "counter:island-was-there > 100000",
    "counter:never > 0",
    "p(95){name:/nothing} < 1s",
    "http_req_duration: p(95)<0.001",
    "http_req_failed: rate<0.01",
    "checks: rate>0.99",
)
Run = Callable[..., Finished]


@pytest.fixture(scope="module")
def agents() -> Iterator[Cluster]:
    with run_cluster("north", "south") as started:
        started.write("shop.py", SHOP)
        yield started


@pytest.fixture(params=["here", "on two agents"])
def run(request: pytest.FixtureRequest, loads: LoadsRunner) -> Run:
    if request.param == "here":
        loads.write("shop.py", SHOP)
        return lambda *options: loads.run("shop.py", *options)
    cluster = request.getfixturevalue("agents")
    return lambda *options: cluster.run("shop.py", "-a", "2", *options)


def given(expressions: tuple[str, ...]) -> list[str]:
    return [part for expression in expressions for part in ("--threshold", expression)]


def test_those_that_hold_make_it_pass_whatever_failed(run: Run, nginx: Nginx) -> None:
    done = run(*LOAD, *given(HOLDS), "--server-url", nginx.url)
    assert [each["expression"] for each in done.document["thresholds"] if each["failed"]] == []
    assert len(done.document["thresholds"]) == len(HOLDS)
    assert done.totals["failures"] == pytest.approx(100, abs=3)
    assert (done.exit_code, done.document["verdict"]) == (0, "passed"), done.out


def test_each_that_is_crossed_is_told_and_makes_it_fail(run: Run, nginx: Nginx) -> None:
    done = run(*LOAD, *given(FAILS), "--threshold", "hits > 0", "--server-url", nginx.url)
    passed = [each["expression"] for each in done.document["thresholds"] if not each["failed"]]
    assert passed == ["hits > 0"]
    assert (done.exit_code, done.document["verdict"]) == (3, "failed"), done.out
    assert len(done.document["reasons"]) == len(FAILS) + 1  # and the failures, beside
    states = {each["expression"]: each["state"] for each in done.document["thresholds"]}
    assert states["counter:never > 0"] == states["p(95){name:/nothing} < 1s"] == "no data"


def test_one_that_aborts_ends_the_run_at_once_and_its_fixtures_run(run: Run, nginx: Nginx) -> None:
    done = run(
        "--arrival-rate", "40/s", "-d", "60s", *given(("failure_rate < 1% abort after 2s",)), "--server-url", nginx.url
    )
    assert (done.exit_code, done.document["verdict"]) == (3, "failed"), done.out
    [standing] = done.document["thresholds"]
    assert standing["aborted"]
    assert "stopping: threshold failure_rate < 1% abort after 2s (it is " in done.err
    # A second that is not over is not judged; then it is to stop within 2 s.
    assert 2 <= standing["crossed_s"] <= 3
    assert done.document["run"]["duration_s"] <= standing["crossed_s"] + 2 + 1


def test_the_warm_up_is_left_out(run: Run, nginx: Nginx) -> None:
    """All that comes is over before the warm-up is: nothing is left to judge."""
    options = ("--stages", "2s:40/s,0s:0/s,2s:0/s", "--warm-up", "3s", "--server-url", nginx.url)
    done = run(*options, *given(("hits{name:/gone} > 0 or no data", "failure_rate < 1% or no data")))
    assert done.exit_code == 0, done.out
    done = run(*options, *given(("failure_rate < 1%",)))
    assert done.exit_code == 3, done.out
    assert done.document["thresholds"][0]["state"] == "no data"


def test_iterations_that_hang_are_cut_off_when_a_threshold_ends_the_run(loads: LoadsRunner) -> None:
    loads.write(
        "hang.py",
        """
import time
from loads.case import TestCase

class TestHang(TestCase):
    def test_hang(self):
        self.incr_counter("began")
        time.sleep(50)

    @classmethod
    def tearDownClass(cls):
        print("torn down")
""",
    )
    with loads.start("hang.py", "-u", "5", "-d", "60s", "--threshold", "counter:began < 3 abort") as process:
        assert process.stderr is not None
        began_s = time.monotonic()
        wait_until(lambda: process.poll() is not None, "its end", deadline_s=30)
        assert time.monotonic() - began_s < 10
        out, err = process.communicate()
    assert process.returncode == 3
    assert "torn down" in out + err

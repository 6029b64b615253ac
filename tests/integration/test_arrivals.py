"""The open model against real servers: iterations start when the plan says, and what waits for a user is told."""

from __future__ import annotations

import os
import signal
import time
from math import sqrt
from pathlib import Path

import pytest

from tests.commands import STRICT, LoadsRunner, check_laws
from tests.servers import Nginx, run_site, wait_until

HOME = """
from loads.case import TestCase

class TestHome(TestCase):
    def test_home(self):
        with self.transaction("look"):
            self.assertEqual(self.session.get(self.server_url + "/").status_code, 200)
"""


def child_of(parent: Path) -> int:
    """The one process that the server answers with."""
    master = int(parent.with_name("nginx.pid").read_text())
    return int(Path(f"/proc/{master}/task/{master}/children").read_text().split()[0])


@pytest.mark.alone
@pytest.mark.parametrize("users", [None, 20], ids=["as many users as needed", "20 users"])
def test_whoever_waits_for_a_frozen_server_is_counted_with_the_time_that_they_waited(
    loads: LoadsRunner, nginx: Nginx, users: int | None
) -> None:
    """Of 8 s at 250/s the server stands still for some 2: whoever is due x s before its end waits x s, whether they
    have a user or not. So a part p of all waits longer than its length minus 8 p.
    """
    loads.write("home.py", HOME)
    rate, lasts_s = 250, 8.0
    most = () if users is None else ("--max-users", str(users))
    options = ("home.py", "--arrival-rate", f"{rate}/s", "-d", f"{lasts_s:.0f}s", *most, "--server-url", nginx.url)
    with loads.start(*options) as process:
        wait_until(lambda: nginx.access_log.exists() and len(nginx.times()) > rate, "traffic")
        answering = child_of(nginx.access_log)
        os.kill(answering, signal.SIGSTOP)
        try:
            stopped_s = time.monotonic()
            time.sleep(2)
        finally:
            os.kill(answering, signal.SIGCONT)
        frozen_s = time.monotonic() - stopped_s
        run = loads.end(process)
    assert run.exit_code == 0, run.out
    check_laws(run.document)
    assert run.totals["due"] == run.totals["started"] == run.totals["sent"] == nginx.count() == rate * lasts_s

    [series] = [series for series in run.document["series"] if series["method"] == "GET"]
    for name, part in (("p90_ms", 0.1), ("p95_ms", 0.05), ("p99_ms", 0.01)):
        expected_ms = (frozen_s - part * lasts_s) * 1_000
        assert series["response"][name] == pytest.approx(expected_ms, rel=0.03, abs=60), name
    if users is None:
        assert series["service"]["p90_ms"] > 1_000
    else:
        assert series["service"]["p95_ms"] < 200 < series["service"]["max_ms"]


def test_what_never_finds_a_user_is_unstarted_and_makes_the_run_invalid(loads: LoadsRunner) -> None:
    """Five users of 100 ms serve 50/s; at 100/s every second iteration never starts, and the k-th that does begins
    k x 10 ms late.
    """
    loads.write("home.py", HOME)
    with run_site("--delay", "0.1") as url:
        options = ("--arrival-rate", "100/s", "-d", "4s", "--max-users", "5", "--server-url", url)
        run = loads.run("home.py", *options, environment=STRICT)
    check_laws(run.document)
    assert run.exit_code == 4, run.out
    assert run.document["verdict"] == "invalid"
    assert "all 5 users were busy" in run.document["reasons"][0]
    assert run.totals["due"] == 400
    assert run.totals["started"] == pytest.approx(195, abs=8)

    by_method = {series["method"]: series for series in run.document["series"]}
    response, service = by_method["GET"]["response"], by_method["GET"]["service"]
    assert service["p50_ms"] == pytest.approx(102, rel=0.1)
    assert response["p50_ms"] == pytest.approx(1_000 + service["p50_ms"], rel=0.15)
    assert response["max_ms"] == pytest.approx(2_000 + service["p50_ms"], rel=0.15)
    assert by_method["iteration"]["unstarted"] == run.totals["unstarted"]
    assert by_method["transaction"]["response"]["max_ms"] >= response["max_ms"]


@pytest.mark.alone
def test_a_ramp_starts_iterations_by_the_square_root_law(loads: LoadsRunner, nginx: Nginx) -> None:
    """From 0 to 100/s in 5 s: 250 starts, iteration n at sqrt(n / 10) s."""
    loads.write("home.py", HOME)
    run = loads.run("home.py", "--stages", "5s:100/s", "--workers", "2", "--server-url", nginx.url)
    assert run.exit_code == 0, run.out
    assert run.totals["due"] == run.totals["started"] == nginx.count() == 250
    late_s = sorted(at_s - sqrt(n / 10) for n, at_s in enumerate(nginx.times()))
    assert late_s[round(0.9 * 250)] - late_s[0] < 0.05


def test_one_user_for_two_workers_serves_all(loads: LoadsRunner, nginx: Nginx) -> None:
    loads.write("home.py", HOME)
    options = ("--arrival-rate", "20/s", "-d", "2s", "--max-users", "1", "--workers", "2", "--server-url", nginx.url)
    run = loads.run("home.py", *options)
    assert run.exit_code == 0, run.out
    assert run.totals["due"] == run.totals["started"] == nginx.count() == 40


def test_random_arrivals_are_repeatable_by_their_seed(loads: LoadsRunner, nginx: Nginx) -> None:
    loads.write("home.py", HOME)
    options = ("--arrival-rate", "100/s", "-d", "1s", "--poisson", "--seed", "7", "--server-url", nginx.url)
    first, second = (loads.run("home.py", *options, "--workers", workers) for workers in ("1", "2"))
    assert first.totals["due"] == second.totals["due"] == first.totals["started"] == second.totals["started"]
    assert first.totals["due"] != 100


def test_a_paced_user_starts_so_often_and_no_more(loads: LoadsRunner, nginx: Nginx) -> None:
    loads.write("home.py", HOME)
    options = ("-u", "4", "--pacing", "250ms", "-d", "2s", "--workers", "2", "--server-url", nginx.url)
    run = loads.run("home.py", *options)
    assert run.exit_code == 0, run.out
    check_laws(run.document)
    assert run.totals["due"] == run.totals["started"] == nginx.count() == 32


def test_with_workers_0_iterations_arrive_too(loads: LoadsRunner, nginx: Nginx) -> None:
    loads.write("home.py", HOME)
    options = ("--arrival-rate", "50/s", "-d", "1s", "--workers", "0", "--server-url", nginx.url)
    run = loads.run("home.py", *options)
    assert run.exit_code == 0, run.out
    assert run.totals["due"] == run.totals["started"] == nginx.count() == 50

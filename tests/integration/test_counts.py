"""What a run reports is what the server counted."""

from __future__ import annotations

import pytest

from tests.commands import LoadsRunner
from tests.servers import Nginx

HOME = """
from loads.case import TestCase

class TestHome(TestCase):
    def test_home(self):
        self.assertEqual(self.session.get(self.server_url).status_code, 200)
"""

TALK = """
from loads.case import TestCase

class TestWebSite(TestCase):

    def test_es(self):
        res = self.session.get(self.server_url)
        self.assertEqual(res.status_code, 200)

    def test_island(self):
        self.assertTrue('island' in self.app.get('/'))

    def test_something(self):
        self.assertTrue('island' in self.app.get('/'))
        self.incr_counter('island-was-there')
"""


def test_the_talks_own_command_line_works_as_printed(loads: LoadsRunner, site: str) -> None:
    loads.write("loadtests.py", TALK)
    loads.write("loadstests.py", "")
    run = loads.run(
        "loadtests.TestWebSite.test_something",
        *("--include-file", "loadstests.py"),
        *("-u", "200", "--server-url", site),
    )
    assert run.exit_code == 0
    lines = run.out.splitlines()
    assert lines[0] == "[" + "=" * 62 + "] 100%"
    assert lines[2] == "Hits: 200"
    assert "Success: 200" in lines
    assert f"- {site}/" in lines
    assert "- island-was-there : 200" in lines
    assert lines[-1] == "Verdict: passed"


def test_cycles_run_each_users_value_in_turn(loads: LoadsRunner, nginx: Nginx) -> None:
    loads.write("home.py", HOME)
    run = loads.run("home.py", "-u", "10:20:30", "--hits", "20", "--server-url", nginx.url)
    assert run.exit_code == 0
    assert run.totals["due"] == run.totals["ended"] == run.totals["sent"] == 1200
    assert nginx.count() == 1200


def test_a_cycle_of_users_and_hits_multiplies(loads: LoadsRunner, nginx: Nginx) -> None:
    loads.write("home.py", HOME)
    run = loads.run("home.py", "-u", "3:4", "--hits", "5:10", "--server-url", nginx.url)
    assert run.totals["sent"] == nginx.count() == 3 * 5 + 3 * 10 + 4 * 5 + 4 * 10


def test_a_duration_ends_in_time_and_sent_equals_the_servers_log(loads: LoadsRunner, nginx: Nginx) -> None:
    loads.write("home.py", HOME)
    run = loads.run("home.py", "-d", "4s", "-u", "50", "--workers", "2", "--server-url", nginx.url)
    assert run.exit_code == 0
    assert 3.9 <= run.document["run"]["duration_s"] <= 5
    assert run.totals["unsent"] == run.totals["lost"] == 0
    assert run.totals["sent"] == nginx.count() > 100
    assert [point["users"] for point in run.document["timeline"][1:4]] == [50, 50, 50]


@pytest.mark.parametrize("workers", ["1", "3"])
def test_a_ramp_is_shared_evenly(loads: LoadsRunner, nginx: Nginx, workers: str) -> None:
    loads.write("home.py", HOME.replace("200)", "200)\n        __import__('time').sleep(0.01)"))
    run = loads.run("home.py", "--stages", "3s:30,1s:30,2s:0", "--workers", workers, "--server-url", nginx.url)
    assert run.totals["sent"] == nginx.count()
    users = [point["users"] for point in run.document["timeline"]][:6]
    for seen, drawn in zip(users, (5, 15, 25, 30, 22.5, 7.5), strict=True):
        assert abs(seen - drawn) <= 2


def test_hits_start_over_the_ramp(loads: LoadsRunner, nginx: Nginx) -> None:
    loads.write("home.py", HOME)
    run = loads.run("home.py", "-u", "20", "--hits", "2", "--ramp-up", "2s", "--server-url", nginx.url)
    assert run.totals["sent"] == nginx.count() == 40
    assert 1.9 <= run.document["run"]["duration_s"] <= 3
    first, *others = [point["hits"] for point in run.document["timeline"]]
    assert first + sum(others) == 40
    assert abs(first - 20) <= 6  # a user begins each tenth of a second: a machine may stand still for three of them


def test_every_redirect_step_is_a_hit_of_the_same_name(loads: LoadsRunner, nginx: Nginx) -> None:
    loads.write("home.py", HOME.replace("(self.server_url)", "(self.server_url + '/moved', name='moving')"))
    run = loads.run("home.py", "-u", "5", "--server-url", nginx.url)
    assert run.totals["sent"] == nginx.count() == 10
    [series] = [series for series in run.document["series"] if series["method"] == "GET"]
    assert (series["name"], series["statuses"]) == ("moving", {"200": 5, "302": 5})


def test_sizes_are_those_on_the_wire(loads: LoadsRunner, nginx: Nginx) -> None:
    loads.write("home.py", HOME)
    run = loads.run("home.py", "-u", "2", "--hits", "10", "--server-url", nginx.url)
    logged = nginx.access_log.read_text().splitlines()
    bodies = sum(int(line.split()[9]) for line in logged)
    head = run.totals["bytes_received"] - bodies
    assert head > 0
    assert head % 20 == 0
    assert run.totals["bytes_sent"] % 20 == 0


def test_an_unreachable_server_is_counted_and_the_run_goes_on(loads: LoadsRunner) -> None:
    loads.write("home.py", HOME)
    run = loads.run("home.py", "-u", "2", "--hits", "3", "--server-url", "http://127.0.0.1:9")
    assert run.exit_code == 1
    assert run.totals["sent"] == 0
    assert run.totals["unsent"] == run.totals["errors"] == run.totals["ended"] == 6
    [series] = [series for series in run.document["series"] if series["method"] == "GET"]
    assert series["errors"] == {"connect-refused": 6}
    assert [error["count"] for error in run.document["errors"]] == [6]
    assert "Verdict: failed (6 errors)" in run.out


def test_a_name_that_does_not_resolve_is_unsent(loads: LoadsRunner) -> None:
    loads.write("home.py", HOME)
    run = loads.run("home.py", "--server-url", "http://no-such-host.invalid")
    assert run.totals["unsent"] == 1
    assert run.document["series"][0]["errors"] == {"dns": 1}

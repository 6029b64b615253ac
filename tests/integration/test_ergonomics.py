"""What makes a test suite pleasant to run: choosing, waiting, giving up, a word on each hit, logs, errors in groups."""

from __future__ import annotations

from tests.commands import LoadsRunner
from tests.servers import Nginx

SITE = """
import logging
from loads.case import TestCase

class TestShop(TestCase):
    def test_login(self):
        self.incr_counter("login")

    def test_search(self):
        self.incr_counter("search")

class TestAdmin(TestCase):
    def test_login(self):
        self.incr_counter("admin")
"""


def test_k_selects_tests(loads: LoadsRunner) -> None:
    loads.write("sites.py", SITE)
    run = loads.run("sites.py", "-k", "login and not admin")
    assert run.document["counters"] == {"login": 1}
    assert loads.run("sites.py", "-k", "shop").document["counters"] == {"login": 1, "search": 1}
    nothing = loads.run("sites.py", "-k", "basket")
    assert nothing.exit_code == 2
    assert "-k 'basket' leaves no test" in nothing.err
    assert "sites.TestAdmin.test_login" in nothing.err
    wrong = loads.run("sites.py", "-k", "login and")
    assert wrong.exit_code == 2
    assert "a word is missing" in wrong.err


def test_users_think_between_iterations(loads: LoadsRunner) -> None:
    loads.write("sites.py", SITE)
    run = loads.run("sites.TestShop.test_login", "-u", "10", "-d", "3s", "--think-time", "1s-2s")
    assert 20 <= run.totals["ended"] <= 30
    assert run.document["run"]["duration_s"] <= 3.9
    counted = loads.run("sites.TestShop.test_login", "--hits", "2", "--think-time", "1500ms")
    assert 1.5 <= counted.document["run"]["duration_s"] < 3.0  # between iterations, not after the last one


def test_a_run_stops_when_enough_has_failed(loads: LoadsRunner) -> None:
    loads.write(
        "fails.py",
        "import time\nfrom loads.case import TestCase\nclass TestFails(TestCase):\n"
        "    def test_it(self):\n        time.sleep(0.01)\n        self.fail()\n",
    )
    for workers in ("2", "0"):
        run = loads.run("fails.py", "-u", "4", "-d", "60s", "--stop-on-failure", "50", "--workers", workers)
        assert run.exit_code == 1
        assert run.document["verdict"] == "failed"
        assert run.document["run"]["duration_s"] < 20
        assert 50 <= run.totals["failures"] <= 110
        assert "stopping after" in run.err
        assert "stopped early for it" in run.out


def test_the_test_has_the_last_word_on_a_hit(loads: LoadsRunner, nginx: Nginx) -> None:
    loads.write(
        "words.py",
        """
from loads.case import TestCase

class TestWords(TestCase):
    def test_right_whatever_the_status(self):
        with self.session.get(self.server_url + "/gone", name="right", catch=True) as res:
            if res.status_code == 404:
                res.success()

    def test_wrong_whatever_the_status(self):
        with self.session.get(self.server_url, name="wrong", catch=True) as res:
            if "treasure" not in res.text:
                res.failure("no treasure here")

    def test_an_assertion_says_it_too(self):
        with self.session.get(self.server_url, name="asserted", catch=True) as res:
            self.assertIn("treasure", res.text)

    def test_nothing_said(self):
        with self.session.get(self.server_url + "/gone", name="silent", catch=True):
            pass
        self.session.get(self.server_url, name="no block", catch=True)
        with self.session.get(self.server_url + "/moved", name="steps", catch=True) as res:
            res.failure("moved")
""",
    )
    run = loads.run("words.py", "--server-url", nginx.url)
    assert run.totals["sent"] == nginx.count() == 7
    series = {entry["name"]: entry for entry in run.document["series"] if entry["method"] == "GET"}
    failed = {name: entry["failed"] for name, entry in series.items()}
    assert failed == {"right": 0, "wrong": 1, "asserted": 1, "silent": 1, "no block": 0, "steps": 1}
    assert series["steps"]["statuses"] == {"200": 1, "302": 1}
    assert (run.totals["success"], run.totals["failures"]) == (1, 3)
    assert "AssertionError: no treasure here" in run.out


def test_logging_goes_where_it_should(loads: LoadsRunner) -> None:
    loads.write(
        "logs.py",
        "import logging\nfrom loads.case import TestCase\nclass TestLogs(TestCase):\n"
        "    def test_it(self):\n        logging.getLogger('shop').info('bought %d', self.user.user)\n",
    )
    silent = loads.run("logs.py", "-u", "2")
    assert "bought" not in silent.err
    shown = loads.run("logs.py", "-u", "2", "--workers", "2", "--log-level", "info")
    assert sum("INFO shop: bought" in line for line in shown.err.splitlines()) == 2
    loads.run("logs.py", "-u", "2", "--workers", "2", "--log-level", "info", "--log-file", "all.log")
    logged = (loads.directory / "all.log").read_text()
    assert logged.count("INFO shop: bought") == 2
    quiet = loads.run("logs.py", "-u", "2", "--log-level", "error")
    assert "bought" not in quiet.err


def test_five_hundred_texts_make_few_groups(loads: LoadsRunner, nginx: Nginx) -> None:
    loads.write(
        "texts.py",
        """
import uuid
from loads.case import TestCase

class TestTexts(TestCase):
    def test_it(self):
        number = self.user.user * 100 + self.user.iteration
        page = "even" if number % 2 else "odd"
        self.session.get(self.server_url, name=page)
        if number % 5 == 0:
            raise KeyError(f"order {number} of {uuid.uuid4()} is missing")
        self.assertEqual(number, -1, f"basket {uuid.uuid4()}")
""",
    )
    run = loads.run("texts.py", "-u", "5", "--hits", "100", "--server-url", nginx.url)
    assert (run.totals["failures"], run.totals["errors"]) == (400, 100)
    groups = {error["kind"]: error for error in run.document["errors"]}
    assert set(groups) == {"AssertionError", "KeyError"}
    assert len(run.document["errors"]) == 2
    failures = groups["AssertionError"]
    assert failures["count"] == 400
    assert failures["place"].startswith("texts.py:")
    assert failures["series"] == {"GET even": 200, "GET odd": 200}
    assert sum(point["count"] for point in failures["timeline"]) == 400
    assert failures["traceback"].startswith("Traceback (most recent call last):\n" + '  File "texts.py"')
    assert "after GET" in run.out

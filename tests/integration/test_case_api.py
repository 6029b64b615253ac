"""What a test can do with `self`, inside a worker."""

from __future__ import annotations

import pytest

from tests.commands import LoadsRunner
from tests.servers import Nginx


def test_cookies_and_connections_live_across_iterations_of_a_user(loads: LoadsRunner, site: str) -> None:
    loads.write(
        "login.py",
        """
from loads.case import TestCase

class TestLogin(TestCase):
    def test_it(self):
        if self.user.iteration == 0:
            self.session.post(self.server_url + "/login", data={"name": f"user-{self.user.user}"})
        self.assertIn(f"user-{self.user.user}.", self.session.get(self.server_url).text)
        self.assertIn(f"user-{self.user.user}.", self.app.get("/"))
""",
    )
    run = loads.run("login.py", "-u", "4", "--hits", "5", "--workers", "2", "--server-url", site)
    assert run.exit_code == 0, run.out
    run = loads.run("login.py", "-u", "4", "--hits", "5", "--fresh-session", "--server-url", site)
    assert run.totals["failures"] == 4 * 4


def test_what_the_app_sets_the_session_sends(loads: LoadsRunner, site: str) -> None:
    loads.write(
        "login.py",
        """
from loads.case import TestCase

class TestLogin(TestCase):
    def test_it(self):
        self.app.post("/login", {"name": "Ann"})
        self.assertEqual(self.session.cookies["name"], "Ann")
        self.assertIn("Ann.", self.session.get(self.server_url).text)
        self.app.set_cookie("name", "Bob")
        self.assertIn("Bob.", self.app.get("/"))
        self.app.reset()
        self.assertNotIn("Hello", self.session.get(self.server_url).text)
""",
    )
    run = loads.run("login.py", "--server-url", site)
    assert run.exit_code == 0, run.out


def test_the_app_changes_its_server_until_the_test_ends(loads: LoadsRunner, site: str, nginx: Nginx) -> None:
    loads.write(
        "two.py",
        f"""
from loads.case import TestCase

class TestTwo(TestCase):
    server_url = "{site}"

    def test_it(self):
        self.assertIn("Target", self.app.get("/"))
        self.app.server_url = "{nginx.url}"
        self.assertNotIn("Target", self.app.get("/"))
""",
    )
    run = loads.run("two.py", "--hits", "3")
    assert run.exit_code == 0, run.out
    assert nginx.count() == 3


def test_the_command_line_overrides_the_classs_server(loads: LoadsRunner, site: str, nginx: Nginx) -> None:
    loads.write(
        "two.py",
        f"""
from loads.case import TestCase

class TestTwo(TestCase):
    server_url = "{site}"

    def test_it(self):
        self.session.get(self.server_url)
        self.app.get("/")
""",
    )
    assert loads.run("two.py", "--server-url", nginx.url).exit_code == 0
    assert nginx.count() == 2


@pytest.mark.parametrize("workers", ["0", "2"])
def test_without_a_server_the_run_ends_at_once_and_says_what_to_do(loads: LoadsRunner, workers: str) -> None:
    loads.write(
        "none.py",
        "from loads.case import TestCase\n"
        "class TestNone(TestCase):\n    def test_it(self):\n        self.app.get('/')\n",
    )
    run = loads.run("none.py", "-u", "50", "-d", "60s", "--workers", workers)
    assert (run.exit_code, run.out, run.document) == (2, "", {})
    assert "loads-runner: TestNone has no server_url" in run.err
    assert "--server-url" in run.err
    assert "Traceback" not in run.err


def test_a_name_that_is_no_text_is_the_tests_own_error(loads: LoadsRunner, nginx: Nginx) -> None:
    loads.write(
        "names.py",
        "from loads.case import TestCase\nclass TestNames(TestCase):\n"
        "    def test_number(self):\n        self.session.get(self.server_url, name=5)\n"
        "    def test_empty(self):\n        self.session.get(self.server_url, name='')\n",
    )
    run = loads.run("names.py", "--server-url", nginx.url)
    assert (run.totals["errors"], run.totals["hits"], run.exit_code) == (2, 0, 1)
    assert "TypeError: name=5: the name of a series is a text" in run.out
    assert nginx.count() == 0


def test_a_whole_url_on_the_app_goes_where_it_says(loads: LoadsRunner, site: str, nginx: Nginx) -> None:
    loads.write(
        "elsewhere.py",
        f"""
from loads.case import TestCase

class TestElsewhere(TestCase):
    server_url = "{site}"

    def test_it(self):
        self.assertNotIn("Target", self.app.get("{nginx.url}/"))
        self.assertIn("Target", self.app.get("/"))
        self.assertIn("Target", self.app.get(self.server_url + "/"))
""",
    )
    assert loads.run("elsewhere.py").exit_code == 0
    assert nginx.count() == 1


def test_counters_transactions_and_subtests_are_series_of_their_own(loads: LoadsRunner, site: str) -> None:
    loads.write(
        "blocks.py",
        """
from loads.case import TestCase

class TestBlocks(TestCase):
    def test_it(self):
        self.incr_counter("one")
        self.incr_counter("many", by=5)
        with self.transaction("browse"):
            self.session.get(self.server_url, name="home")
        with self.subTest("a part"):
            self.session.get(self.server_url, name="home")
        with self.assertRaises(TypeError):
            self.incr_counter("half", by=0.5)
        with self.transaction("fails"):
            self.fail()
""",
    )
    run = loads.run("blocks.py", "-u", "2", "--hits", "3", "--server-url", site)
    assert run.document["counters"] == {"many": 30, "one": 6}
    series = {(entry["method"], entry["name"]): entry for entry in run.document["series"]}
    assert series["GET", "home"]["hits"] == 12
    assert series["transaction", "browse"]["hits"] == series["transaction", "a part"]["hits"] == 6
    assert series["transaction", "fails"]["failed"] == 6
    assert series["iteration", "(iteration)"]["hits"] == 6
    assert series["GET", "home"]["service"]["min_ms"] <= series["transaction", "browse"]["service"]["max_ms"]
    assert run.totals["hits"] == 12


def test_users_have_numbers(loads: LoadsRunner) -> None:
    loads.write(
        "who.py",
        """
from loads.case import TestCase

class TestNumbers(TestCase):
    def test_it(self):
        user = self.user
        assert user.users == 5 and user.worker == user.user % 2
        self.incr_counter(f"{user.user}/{user.iteration}")
""",
    )
    run = loads.run("who.py", "-u", "5", "--hits", "2", "--workers", "2")
    assert run.exit_code == 0, run.out
    assert run.document["counters"] == {f"{user}/{iteration}": 1 for user in range(5) for iteration in range(2)}


def test_weights_are_kept_and_seeds_repeat(loads: LoadsRunner) -> None:
    loads.write(
        "weights.py",
        """
from loads.case import TestCase, weight

class TestWeights(TestCase):
    @weight(3)
    def test_often(self):
        self.incr_counter("often")

    def test_seldom(self):
        self.incr_counter("seldom")
        self.incr_counter(f"seldom {self.user.user}/{self.user.iteration}")
""",
    )
    first = loads.run("weights.py", "-u", "4", "--hits", "20", "--seed", "7")
    often, seldom = first.document["counters"]["often"], first.document["counters"]["seldom"]
    assert often + seldom == 80
    assert abs(seldom - 20) <= 4
    second = loads.run("weights.py", "-u", "4", "--hits", "20", "--seed", "7", "--workers", "1")
    assert second.document["counters"] == first.document["counters"]
    once = loads.run("weights.py", "--workers", "1")
    assert (once.document["counters"]["often"], once.document["counters"]["seldom"]) == (1, 1)


def test_streamed_bodies_end_when_they_are_read_or_closed(loads: LoadsRunner, site: str) -> None:
    loads.write(
        "stream.py",
        """
import time
from loads.case import TestCase

class TestStream(TestCase):
    def test_it(self):
        with self.session.get(self.server_url, stream=True, name="read") as response:
            time.sleep(0.05)
            self.assertIn(b"island", b"".join(response.iter_content(10)))
        with self.session.get(self.server_url, stream=True, name="closed"):
            time.sleep(0.05)
        self.kept = self.session.get(self.server_url, stream=True, name="kept")
""",
    )
    run = loads.run("stream.py", "--hits", "3", "--server-url", site)
    assert run.exit_code == 0, run.out
    series = {entry["name"]: entry for entry in run.document["series"]}
    assert series["read"]["service"]["min_ms"] >= 50
    assert series["closed"]["service"]["min_ms"] >= 50
    assert series["kept"]["hits"] == 3
    assert run.totals["sent"] == 9


def test_requests_from_threads_of_the_test_are_counted(loads: LoadsRunner, nginx: Nginx) -> None:
    loads.write(
        "threads.py",
        """
from concurrent.futures import ThreadPoolExecutor
import requests
from loads.case import TestCase

class TestThreads(TestCase):
    def test_it(self):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: self.session.get(self.server_url), range(8)))
            list(pool.map(lambda _: requests.get(self.server_url), range(8)))
""",
    )
    run = loads.run("threads.py", "--server-url", nginx.url)
    assert run.exit_code == 0, run.out
    assert run.totals["sent"] == nginx.count() == 16
    scenarios = {entry["scenario"] for entry in run.document["series"] if entry["method"] == "GET"}
    assert scenarios == {"threads.TestThreads.test_it", "(outside)"}


def test_prints_reach_the_screen_marked_and_bounded(loads: LoadsRunner) -> None:
    loads.write(
        "prints.py",
        """
import sys
from loads.case import TestCase

print("while loading")

class TestPrints(TestCase):
    def test_it(self):
        print("to the output")
        print("to the errors", file=sys.stderr)
        for number in range(20_000):
            print("flood", number)
        print("x" * 100_000)
""",
    )
    run = loads.run("prints.py")
    assert run.exit_code == 0
    lines = run.err.splitlines()
    assert "worker 0 | while loading" in lines
    assert "worker 0 | to the output" in lines
    assert "worker 0 | to the errors" in lines
    assert any("lines dropped" in line for line in lines)
    assert len(run.err) < 200_000


def test_fixtures_run_once_per_worker(loads: LoadsRunner, nginx: Nginx) -> None:
    loads.write(
        "fixtures.py",
        f"""
import requests
from loads.case import TestCase

def log(what):
    requests.get("{nginx.url}/" + what)

def setUpModule():
    log("setUpModule")

def tearDownModule():
    log("tearDownModule")

class TestFixtures(TestCase):
    @classmethod
    def setUpClass(cls):
        log("setUpClass")
        cls.addClassCleanup(log, "classCleanup")

    @classmethod
    def tearDownClass(cls):
        log("tearDownClass")

    def setUp(self):
        log("setUp")
        self.addCleanup(log, "cleanup")

    def tearDown(self):
        log("tearDown")

    def test_it(self):
        log("test")
""",
    )
    run = loads.run("fixtures.py", "-u", "4", "--hits", "3", "--workers", "2")
    assert run.exit_code == 0, run.out
    seen = [line.split()[6] for line in nginx.access_log.read_text().splitlines()]
    assert run.totals["sent"] == len(seen)
    once = {f"/{name}": 2 for name in ("setUpModule", "setUpClass", "tearDownClass", "classCleanup", "tearDownModule")}
    each = {f"/{name}": 12 for name in ("setUp", "test", "tearDown", "cleanup")}
    assert {path: seen.count(path) for path in set(seen)} == once | each
    assert "setUpClass" in run.document["run"]["plan"] or run.document["run"]["plan"]


def test_an_exception_in_setupclass_is_one_error_per_worker_and_nothing_starts(loads: LoadsRunner) -> None:
    loads.write(
        "fixtures.py",
        """
from loads.case import TestCase

class TestBroken(TestCase):
    @classmethod
    def setUpClass(cls):
        raise RuntimeError("no class")

    def test_it(self):
        pass

class TestSound(TestCase):
    def test_it(self):
        pass
""",
    )
    run = loads.run("fixtures.TestBroken", "-u", "4", "--hits", "5", "--workers", "2")
    assert run.exit_code == 1
    assert (run.totals["errors"], run.totals["started"], run.totals["unstarted"]) == (2, 0, 20)
    assert run.out.count("RuntimeError: no class") == 1
    timed = loads.run("fixtures.TestBroken", "-d", "60s")
    assert timed.exit_code == 1
    assert timed.document["run"]["duration_s"] < 1
    both = loads.run("fixtures.py", "-u", "1", "--hits", "10")
    assert (both.totals["errors"], both.totals["success"], both.totals["unstarted"]) == (1, 5, 5)

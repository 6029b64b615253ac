"""One file, three ways to run it, the same outcomes."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.commands import LoadsRunner

OUTCOMES = """
import unittest
from loads.case import TestCase, weight

class TestOutcomes(TestCase):
    def test_pass(self):
        pass

    def test_fail(self):
        self.assertEqual(1, 2)

    @weight(3)
    def test_error(self):
        raise ValueError("boom")

    @unittest.skip("not today")
    def test_skip(self):
        pass

    def test_skip_inside(self):
        self.skipTest("nor now")

    @unittest.expectedFailure
    def test_expected(self):
        self.assertEqual(1, 2)

    def test_subs(self):
        for number in range(4):
            with self.subTest(number=number):
                self.assertNotEqual(number % 2, 1)

    def test_cleanup(self):
        self.addCleanup(lambda: 1 / 0)

class TestSetUp(TestCase):
    def setUp(self):
        raise RuntimeError("no set-up")

    def test_never(self):
        pass

@unittest.skip("all of it")
class TestSkipped(TestCase):
    def test_never(self):
        pass
"""


@pytest.mark.parametrize("workers", ["1", "0"])
def test_outcomes_are_counted_as_unittest_counts_them(loads: LoadsRunner, workers: str) -> None:
    path = loads.write("outcomes.py", OUTCOMES)
    run = loads.run("outcomes.py", "--workers", workers)
    assert run.exit_code == 1
    counted = {name: run.totals[name] for name in ("ended", "success", "failures", "errors", "skipped")}

    plain = subprocess.run(
        [sys.executable, "-m", "unittest", "outcomes"], cwd=path.parent, capture_output=True, text=True, check=False
    )
    assert plain.returncode == 1
    told = dict(re.findall(r"(\w[\w ]*)=(\d+)", plain.stderr.splitlines()[-1]))
    assert told == {"failures": "3", "errors": "3", "skipped": "3", "expected failures": "1"}
    assert counted == {"ended": 10, "success": 2, "failures": 3, "errors": 3, "skipped": 3}


def test_pytest_agrees(loads: LoadsRunner) -> None:
    path = loads.write("outcomes.py", OUTCOMES)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:subtests", path.name],
        cwd=path.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    failed = set(re.findall(r"^(?:FAILED|SUBFAILED\S*) outcomes.py::(\S+)", done.stdout, re.MULTILINE))
    names = {"test_fail", "test_error", "test_subs", "test_cleanup"}
    assert failed == {f"TestOutcomes::{name}" for name in names} | {"TestSetUp::test_never"}
    told = dict(reversed(pair) for pair in re.findall(r"(\d+) (\w+)", done.stdout.splitlines()[-1]))
    assert (told["skipped"], told["xfailed"]) == ("3", "1")


def test_each_failure_is_shown_once_with_its_traceback(loads: LoadsRunner) -> None:
    loads.write("outcomes.py", OUTCOMES)
    run = loads.run("outcomes.TestOutcomes.test_error", "-u", "3", "--hits", "4")
    assert run.totals["errors"] == 12
    [error] = run.document["errors"]
    assert (error["outcome"], error["kind"], error["count"]) == ("error", "ValueError", 12)
    assert error["place"] == "outcomes.py:14"
    assert error["traceback"].splitlines() == [
        "Traceback (most recent call last):",
        '  File "outcomes.py", line 14, in test_error',
        '    raise ValueError("boom")',
        "ValueError: boom",
    ]
    assert run.out.count("ValueError: boom") == 1


def test_under_unittest_gevent_is_not_even_imported(loads: LoadsRunner, site: str) -> None:
    path = loads.write(
        "plain.py",
        """
import sys
import requests
from loads.case import TestCase

class TestPlain(TestCase):
    def test_it(self):
        self.assertIsInstance(self.session, requests.Session)
        self.assertEqual(self.session.get(self.server_url, name="home").status_code, 200)
        self.assertIn("island", self.app.get("/"))
        self.incr_counter("seen")
        with self.transaction("block"):
            pass
        self.assertEqual(tuple(self.user), (0, 1, 0, 0))
        self.assertNotIn("gevent", sys.modules)
""",
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning:webob.compat", "-m", "unittest", "plain"],
        cwd=path.parent,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LOADS_SERVER_URL": site},
    )
    assert done.returncode == 0, done.stderr


def test_plain_unittest_classes_run_too_with_fresh_instances(loads: LoadsRunner, site: str) -> None:
    loads.write(
        "plain.py",
        f"""
import unittest
import requests

class TestPlain(unittest.TestCase):
    def test_it(self):
        self.assertFalse(hasattr(self, "seen"))
        self.seen = True
        self.assertEqual(requests.get("{site}/json").json()["island"], True)
""",
    )
    run = loads.run("plain.py", "-u", "2", "--hits", "3")
    assert run.exit_code == 0
    assert run.totals["success"] == run.totals["sent"] == 6


def test_pytests_skip_inside_a_unittest_is_a_skip(loads: LoadsRunner) -> None:
    loads.write(
        "skips.py",
        "import pytest, unittest\nclass TestSkips(unittest.TestCase):\n"
        "    def test_it(self):\n        pytest.skip('not here')\n",
    )
    run = loads.run("skips.py", "--hits", "3")
    assert (run.exit_code, run.totals["skipped"], run.totals["errors"]) == (0, 3, 0)

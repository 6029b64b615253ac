"""setUpRun and tearDownRun in real processes: once in a run, whatever dies, and in the same file under unittest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.cluster import run_cluster
from tests.commands import LoadsRunner, environment_for_loads
from tests.pages import example
from tests.servers import DEADLINE_S, Nginx, wait_until

SHOP = """
import os, pathlib, time
from loads.case import TestCase

def log(word):
    with open("log", "a") as file:
        print(os.getpid(), word, file=file, flush=True)

class TestShop(TestCase):
    @classmethod
    def setUpRun(cls):
        log("setUpRun")
        return {"key": ("a", 1)}

    @classmethod
    def tearDownRun(cls):
        log(f"tearDownRun {cls.run_data}")

    @classmethod
    def setUpClass(cls):
        log(f"setUpClass {cls.run_data}")

    @classmethod
    def tearDownClass(cls):
        log("tearDownClass")

    def test_it(self):
        self.assertEqual(self.run_data, {"key": ["a", 1]})
        pathlib.Path("began").touch()
        time.sleep(float(os.environ.get("SLEEP", 0)))
"""
DATA = "{'key': ['a', 1]}"
SLEEPING = """
import time, pathlib
from shop import TestShop as Base, log

class TestSlow(Base):
    @classmethod
    def setUpRun(cls):
        super().setUpRun()

class TestSlower(Base):
    @classmethod
    def setUpRun(cls):
        pathlib.Path("began").touch()
        time.sleep(60)
"""


@pytest.fixture
def shop(loads: LoadsRunner) -> LoadsRunner:
    loads.write("shop.py", SHOP)
    return loads


def logged(shop: LoadsRunner) -> list[tuple[str, str]]:
    """(process, what), in order."""
    lines = (shop.directory / "log").read_text().splitlines()
    return [(pid, word) for pid, _, word in (line.partition(" ") for line in lines)]


def words(shop: LoadsRunner) -> list[str]:
    return [word for _, word in logged(shop)]


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_one_worker_sets_up_before_all_and_tears_down_after_all(shop: LoadsRunner, workers: int) -> None:
    run = shop.run("shop", "-u", "6", "--hits", "2", "--workers", str(workers))
    assert (run.exit_code, run.totals["success"]) == (0, 12), run.err
    assert "running shop.TestShop.setUpRun, once for the whole run" in run.err
    processes = max(workers, 1)
    seen = words(shop)
    assert seen[0] == "setUpRun"
    assert seen[-1] == f"tearDownRun {DATA}"
    assert seen.count(f"setUpClass {DATA}") == seen.count("tearDownClass") == processes
    assert len(seen) == 2 + 2 * processes
    assert len({pid for pid, _ in logged(shop)}) == processes


@pytest.mark.parametrize(
    ("command", "processes"),
    [
        (["-m", "unittest", "shop"], 1),
        (["-m", "pytest", "-q", "-p", "no:cacheprovider", "shop.py"], 1),
        (["-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2", "--dist", "each", "shop.py"], 2),
    ],
)
def test_the_same_file_passes_without_loads_runner(shop: LoadsRunner, command: list[str], processes: int) -> None:
    environment = {**environment_for_loads(), "PYTHONWARNINGS": ""}
    done = subprocess.run(
        [sys.executable, *command], cwd=shop.directory, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    own: dict[str, list[str]] = {}
    for pid, word in logged(shop):
        own.setdefault(pid, []).append(word)
    lifetime = ["setUpRun", f"setUpClass {DATA}", "tearDownClass", f"tearDownRun {DATA}"]
    assert list(own.values()) == [lifetime] * processes


@pytest.mark.parametrize("module", ["unittest", "pytest"])
def test_what_fails_is_an_error_of_the_tests_there(shop: LoadsRunner, module: str) -> None:
    for hook in ("setUpRun", "tearDownRun"):
        shop.write(
            "broken.py",
            f"from shop import TestShop as Base\n\nclass TestBroken(Base):\n    @classmethod\n"
            f"    def {hook}(cls):\n        raise KeyError('in {hook}')\n\ndel Base\n",
        )
        command = [sys.executable, "-m", module, "broken.py" if module == "pytest" else "broken"]
        environment = {**environment_for_loads(), "PYTHONWARNINGS": ""}
        done = subprocess.run(command, cwd=shop.directory, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert f"KeyError: 'in {hook}'" in done.stdout + done.stderr


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_run_that_cant_be_set_up_does_not_begin(shop: LoadsRunner, workers: str) -> None:
    shop.write(
        "second.py",
        "from shop import TestShop\n\nclass TestTwo(TestShop):\n    @classmethod\n"
        "    def setUpRun(cls):\n        raise KeyError('x')\n",
    )
    run = shop.run("second", "--workers", workers)
    assert run.exit_code == 2
    assert "second.TestTwo.setUpRun raised KeyError: 'x'" in run.err
    assert "raise KeyError('x')" in run.err
    assert words(shop) == ["setUpRun", f"tearDownRun {DATA}"]


@pytest.mark.parametrize(
    ("value", "said"),
    [("object()", "returned a object that can't be sent"), ("'x' * 2**20", "returned a str of 1,048,581 bytes")],
)
def test_what_cant_be_sent_is_said_before_the_start(shop: LoadsRunner, value: str, said: str) -> None:
    shop.write("shop.py", SHOP.replace('{"key": ("a", 1)}', value))
    run = shop.run("shop")
    assert run.exit_code == 2
    assert f"shop.TestShop.setUpRun {said}" in run.err


def test_what_tearing_down_raises_is_an_error_of_the_run(shop: LoadsRunner) -> None:
    shop.write("shop.py", SHOP.replace('log(f"tearDownRun {cls.run_data}")', "raise KeyError('at the end')"))
    run = shop.run("shop", "--workers", "2")
    assert (run.exit_code, run.totals["errors"], run.totals["success"]) == (1, 1, 1)
    (group,) = run.document["errors"]
    assert group["scenario"] == "shop.TestShop.tearDownRun"


def test_their_requests_count_as_those_of_other_fixtures_at_the_server_of_the_run(
    shop: LoadsRunner, nginx: Nginx
) -> None:
    request = "import requests; requests.get(cls.server_url); "
    shop.write("shop.py", SHOP.replace("log(", request + "log(").replace("def " + request, "def "))
    run = shop.run("shop", "-u", "2", "--workers", "2", "--server-url", nginx.url)
    assert run.exit_code == 0, run.err
    outside = [series for series in run.document["series"] if series["scenario"] == "(outside)"]
    assert sum(series["hits"] for series in outside) == nginx.count() == 6


def test_whoever_takes_a_dead_workers_place_has_the_data_and_sets_nothing_up(shop: LoadsRunner) -> None:
    with shop.start("shop", "-u", "2", "-d", "30s", "--workers", "2", environment={"SLEEP": "0.05"}) as process:
        wait_until(lambda: (shop.directory / "began").exists(), "the first iteration")
        wait_until(lambda: words(shop).count(f"setUpClass {DATA}") == 2, "both workers")
        keeper = next(pid for pid, word in logged(shop) if word == "setUpRun")
        os.kill(int(keeper), signal.SIGKILL)
        wait_until(lambda: words(shop).count(f"setUpClass {DATA}") == 3, "the one that takes its place")
        shop.interrupt(process)
        run = shop.end(process)
    assert run.exit_code == 5, run.err
    assert (words(shop).count("setUpRun"), words(shop).count(f"tearDownRun {DATA}")) == (1, 1)
    assert run.totals["failures"] == run.totals["errors"] == 0


def test_when_the_only_worker_dies_another_process_tears_down(shop: LoadsRunner) -> None:
    with shop.start("shop", "--hits", "1000", "--workers", "1", environment={"SLEEP": "0.05"}) as process:
        wait_until(lambda: (shop.directory / "began").exists(), "the first iteration")
        os.kill(shop.wait_for_workers(process, 1)[0], signal.SIGKILL)
        shop.end(process)
    assert words(shop).count(f"tearDownRun {DATA}") == 1
    assert words(shop)[-1] == f"tearDownRun {DATA}"


def test_after_a_hard_stop_nothing_is_torn_down(shop: LoadsRunner) -> None:
    with shop.start("shop", "-d", "30s", "--workers", "1", environment={"SLEEP": "20"}) as process:
        wait_until(lambda: (shop.directory / "began").exists(), "the first iteration")
        shop.interrupt(process)
        said = process.stderr
        assert said is not None
        for line in said:
            if "once more to stop at once" in line:
                break
        shop.interrupt(process)
        assert shop.end(process).exit_code == 130
    assert words(shop) == ["setUpRun", f"setUpClass {DATA}"]


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_stop_cuts_off_set_up_run_and_what_was_set_up_is_torn_down(shop: LoadsRunner, workers: str) -> None:
    shop.write("slow.py", SLEEPING + "\ndel Base\n")
    with shop.start("slow", "--workers", workers) as process:
        wait_until(lambda: (shop.directory / "began").exists(), "the second setUpRun")
        shop.interrupt(process)
        run = shop.end(process)
    assert run.exit_code == 5, run.err
    assert run.totals["started"] == 0
    assert words(shop) == ["setUpRun", "tearDownRun None"]


def test_a_run_that_is_refused_later_is_torn_down_first(shop: LoadsRunner) -> None:
    shop.write("shop.py", SHOP.replace("pathlib.Path", "self.server_url, pathlib.Path"))
    run = shop.run("shop", "-u", "2", "--workers", "2", deadline_s=DEADLINE_S * 2)
    assert run.exit_code == 2
    assert "TestShop has no server_url" in run.err
    assert words(shop)[-1] == f"tearDownRun {DATA}"


def test_the_example_of_the_documentation_is_so(shop: LoadsRunner, site: str) -> None:
    shop.write("doc.py", example("writing-tests.rst", "Once for the whole run"))
    run = shop.run("doc", "-u", "2", "--workers", "2", "--server-url", site)
    assert (run.exit_code, run.totals["success"], run.totals["sent"]) == (0, 2, 2), run.err


def test_on_a_cluster_one_worker_of_all_agents_sets_up_and_one_tears_down(shop: LoadsRunner) -> None:
    with run_cluster("north", "south") as cluster:
        cluster.write("shop.py", SHOP.replace('"log"', repr(str(shop.directory / "log"))))
        run = cluster.run("shop", "-u", "4", "--hits", "2", "--agents", "2")
    assert (run.exit_code, run.totals["success"]) == (0, 8), run.err
    seen = words(shop)
    assert (seen[0], seen[-1]) == ("setUpRun", f"tearDownRun {DATA}")
    assert seen.count(f"setUpClass {DATA}") == seen.count("tearDownClass") == len(seen) // 2 - 1 >= 2

"""What happened in a local run is in its result, when it happened: with worker processes and without."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.commands import STRICT, Finished, LoadsRunner
from tests.servers import wait_until

EASY = """
from loads.case import TestCase

class TestEasy(TestCase):
    def test_easy(self):
        self.session.get(self.server_url + "/")

    def test_wrong(self):
        self.session.get(self.server_url + "/")
        self.fail("always")

    def test_slow(self):
        self.session.get(self.server_url + "/sleep?s=0.2")
        print("one is over", flush=True)
"""


@pytest.fixture(params=["0", "2"])
def workers(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def run(loads: LoadsRunner, site: str, test: str, *options: str) -> Finished:
    loads.write("easy.py", EASY)
    return loads.run(f"easy.TestEasy.{test}", *options, "--server-url", site, environment=STRICT)


def events(done: Finished, kind: str) -> list[dict[str, Any]]:
    return [event for event in done.document["events"] if event["kind"] == kind]


def test_a_quiet_run_has_none_and_its_figures_over_time_add_up(loads: LoadsRunner, site: str, workers: str) -> None:
    done = run(loads, site, "test_easy", "-u", "2", "--hits", "20", "--workers", workers)
    assert done.document["events"] == []
    assert sum(point["hits"] for point in done.document["timeline"]) == done.totals["hits"]
    for series in done.document["series"]:
        assert sum(point["hits"] for point in series["timeline"]) == series["hits"]
    machines = done.document["machines"]
    assert sum(point["hits"] for machine in machines for point in machine["timeline"]) == done.totals["hits"]
    assert [machine["worker"] for machine in machines] == list(range(max(1, int(workers))))
    assert {machine["agent"] for machine in machines} == {None}


def test_a_stop_after_failures_is_one(loads: LoadsRunner, site: str, workers: str) -> None:
    done = run(loads, site, "test_wrong", "-u", "2", "--hits", "500", "--stop-on-failure", "1", "--workers", workers)
    (stop,) = events(done, "stop")
    assert "failure" in stop["text"]
    assert 0 <= stop["t_s"] <= done.document["run"]["duration_s"] + 2


def test_a_threshold_is_one_when_it_is_crossed_and_the_stop_for_it(loads: LoadsRunner, site: str, workers: str) -> None:
    options = ("-u", "2", "-d", "30s", "--threshold", "hits < 1 abort", "--threshold", "p(95) < 1us over 1s")
    done = run(loads, site, "test_slow", *options, "--workers", workers)
    crossed = {each["expression"]: each["crossed_s"] for each in done.document["thresholds"]}
    assert all(value is not None for value in crossed.values())
    told = events(done, "threshold")
    assert len(told) == 2
    for event in told:
        assert [at for text, at in crossed.items() if text in event["text"]] == [event["t_s"]]
    (stop,) = events(done, "stop")
    assert "hits < 1 abort" in stop["text"]


@pytest.mark.parametrize(("number", "name"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")])
def test_a_stop_says_who_asked_for_it(
    loads: LoadsRunner, site: str, workers: str, number: signal.Signals, name: str
) -> None:
    loads.write("easy.py", EASY)
    with loads.start(
        *("easy.TestEasy.test_slow", "-u", "2", "-d", "60s", "--workers", workers, "--server-url", site)
    ) as process:
        said = process.stdout if workers == "0" else process.stderr
        assert said is not None
        wait_until(lambda: "one is over" in said.readline(), "an iteration")
        process.send_signal(number)
        done = loads.end(process)
    (stop,) = events(done, "stop")
    assert stop["text"] == f"{name}: stopping"
    assert stop["until_s"] is None

"""circusd runs the cluster: whatever is killed comes back by itself, circusd is started again, and runs stay whole."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

import pytest

from tests.circus import BIN, ROOT, Circus, listeners, run_circus
from tests.commands import Finished
from tests.servers import DEADLINE_S, Nginx, wait_until
from tests.traffic import PACED, USERS, wait_for_calm

BACK_S = 6.0
"""A second until circus looks, and the start of a Python on a machine that makes load; slack included."""


@pytest.fixture(scope="module")
def circus() -> Iterator[Circus]:
    """The cluster of circus.ini; tests may leave it stopped."""
    with run_circus("circus.ini") as started:
        started.runner.write("paced.py", PACED)
        yield started


@pytest.fixture(autouse=True)
def runs(circus: Circus) -> None:
    """A broker and two agents are there, whatever the test before did."""
    if circus.process.poll() is not None:
        circus.start()
    circus.wait_for_agents(2)


@contextmanager
def a_run(circus: Circus, nginx: Nginx, duration: str) -> Iterator[Popen[str]]:
    """A run on both agents, once it sends requests."""
    options = ("paced.py", "-a", "2", "-u", str(USERS), "-d", duration, "--server-url", nginx.url)
    with circus.runner.start(*options, environment={"HOME": str(circus.home)}) as process:
        wait_for_calm(nginx, 1)
        yield process


def kill_one(circus: Circus, command: str) -> None:
    """And see as many of that command again."""
    before = circus.pids(command)
    killed = min(before)
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: len(circus.pids(command) - {killed}) == len(before), f"{command} to come back", BACK_S)


def is_whole(run: Finished, nginx: Nginx) -> None:
    """Nothing was lost, and nothing is to be said against it."""
    assert run.exit_code == 0, run.err
    assert run.document["run"]["losses"] == []
    assert run.totals["sent"] == nginx.count() > 0


def test_nothing_listens_where_others_come_in(circus: Circus) -> None:
    wait_until(lambda: "/login?token=" in circus.log("web"), "the dashboard")
    web = listeners(circus.pids("loads-web"))
    assert [line.partition(":")[0] for line in web] == ["tcp 0100007F"]
    found = [line for line in listeners(circus.pids()) if line not in web]
    assert {Path(line.removeprefix("unix ")).name for line in found} == {"broker.sock", "control.sock", "events.sock"}
    for line in found:
        directory = Path(line.removeprefix("unix ")).parent
        assert directory.is_relative_to(circus.home)
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_a_second_one_is_refused(circus: Circus) -> None:
    command = [BIN / "circusd", ROOT / "conf/node.ini"]
    second = subprocess.run(
        command, env=circus.environment, capture_output=True, text=True, check=False, timeout=DEADLINE_S
    )
    assert second.returncode == 2
    assert "circusd: one of yours runs already\n  look at it with: circusctl --endpoint ipc:///" in second.stderr


def test_what_is_killed_in_mid_run_comes_back_by_itself_and_the_run_is_whole(circus: Circus, nginx: Nginx) -> None:
    with a_run(circus, nginx, "6s") as process:
        kill_one(circus, "loads-broker")
        kill_one(circus, "loads-agent")
        kill_one(circus, "loads-web")
        wait_until(lambda: "was started again: its results are taken" in circus.log("broker"), "the agent")
        run = circus.runner.end(process)
    is_whole(run, nginx)
    assert "was killed by SIGKILL\n  it is started again; its log is " in circus.output()
    circus.wait_for_agents(2)
    status = circus.status()
    assert status is not None
    assert sorted(path.name for path in circus.state.glob("agent-*")) == sorted(
        f"agent-{a.name}" for a in status.agents
    )


def test_killed_itself_it_takes_over_from_what_it_left_and_the_run_is_whole(circus: Circus, nginx: Nginx) -> None:
    brokers, agents = circus.pids("loads-broker"), circus.pids("loads-agent")
    with a_run(circus, nginx, "5s") as process:
        circus.kill()
        circus.start()
        wait_until(lambda: bool(circus.pids("loads-broker") - brokers), "another broker")
        wait_until(lambda: not circus.pids("loads-broker") & brokers, "the old broker to leave")
        run = circus.runner.end(process)
    is_whole(run, nginx)
    wait_until(lambda: not circus.pids("loads-agent") & agents, "the old agents to leave")
    wait_until(lambda: len(circus.pids("loads-agent")) == 2, "two others")
    assert "was left by a circusd that was killed: it is told to leave" in circus.output()


def test_told_to_stop_in_mid_run_it_finishes_that_first(circus: Circus, nginx: Nginx) -> None:
    with a_run(circus, nginx, "3s") as process:
        circus.terminate()
        told_s = time.monotonic()
        run = circus.runner.end(process)
    is_whole(run, nginx)
    assert circus.wait() == 0
    assert time.monotonic() - told_s > 1
    assert not circus.pids()
    said = circus.output().rpartition("Got signal SIG_TERM")[2]
    assert said.index("agent stopped") < min(said.index("broker stopped"), said.index("web stopped"))
    assert "Traceback" not in said

"""The same command on a cluster: what users see, and that the server counted the same."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import subprocess
import termios
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cluster import Cluster, run_cluster
from tests.commands import LOADS_RUNNER, LoadsRunner, check_laws
from tests.integration.test_terminal import Terminal
from tests.overtime import assert_adds_up, kinds
from tests.servers import Nginx, wait_until

HOME = """
from loads.case import TestCase

class TestHome(TestCase):
    def test_home(self):
        self.assertEqual(self.session.get(self.server_url).status_code, 200)

    def test_slow(self):
        import time
        self.session.get(self.server_url)
        time.sleep(0.05)
"""


@pytest.fixture(scope="module")
def shared() -> Iterator[Cluster]:
    """A cluster for tests that leave it as it was."""
    with run_cluster("north", "south", "east") as cluster:
        yield cluster


@pytest.fixture
def cluster(shared: Cluster) -> Iterator[Cluster]:
    """The same, when all of its agents are free."""
    for path in shared.runner.directory.glob("*.py"):
        path.unlink()
    shared.write("home.py", HOME)
    shared.wait_for_agents("north", "south", "east")
    yield shared
    if shared.going():  # a test that failed must not fail the next
        shared.call("loads-runner", "--purge-broker", "--now")
    shared.wait_for_agents("north", "south", "east")


# Counts.


def test_three_agents_send_what_the_server_counts(cluster: Cluster, nginx: Nginx) -> None:
    run = cluster.run("home.TestHome.test_home", "-a", "3", "-u", "30", "-d", "4s", "--server-url", nginx.url)
    assert run.exit_code == 0
    assert run.totals["sent"] == nginx.count() > 0
    assert sorted(agent["name"] for agent in run.document["run"]["agents"]) == ["east", "north", "south"]
    assert run.document["run"]["workers"] == 3
    assert max(point["users"] for point in run.document["timeline"]) == 30
    assert 3.9 <= run.document["run"]["duration_s"] <= 5
    assert "on 3 workers of 3 agents" in run.err


def test_cycles_are_shared_too(cluster: Cluster, nginx: Nginx) -> None:
    run = cluster.run("home.TestHome.test_home", "-a", "2", "-u", "2:4", "--hits", "3:5", "--server-url", nginx.url)
    assert run.exit_code == 0
    assert run.totals["ended"] == run.totals["due"] == (2 + 4) * (3 + 5)
    assert run.totals["sent"] == nginx.count() == 48


def test_the_load_may_be_for_each_agent(cluster: Cluster, nginx: Nginx) -> None:
    options = ("--per-agent", "-u", "2", "--hits", "5", "--server-url", nginx.url)
    run = cluster.run("home.TestHome.test_home", "-a", "3", *options)
    assert run.totals["ended"] == nginx.count() == 30


def test_two_runs_at_once_have_agents_of_their_own(cluster: Cluster, nginx: Nginx) -> None:
    other = cluster.beside("other")
    other.write("home.py", HOME)
    options = ("home.TestHome.test_slow", "-u", "4", "-d", "2s", "--server-url", nginx.url)
    with (
        cluster.start("-a", "2", *options) as first,
        other.start("-a", "1", *options, environment=cluster.variables) as second,
    ):
        runs = [cluster.runner.end(first), other.end(second)]
    assert [run.exit_code for run in runs] == [0, 0]
    names = [{agent["name"] for agent in run.document["run"]["agents"]} for run in runs]
    assert [len(agents) for agents in names] == [2, 1]
    assert not names[0] & names[1]
    assert sum(run.totals["sent"] for run in runs) == nginx.count()


def test_one_user_takes_one_agent(cluster: Cluster, nginx: Nginx) -> None:
    run = cluster.run("home.py", "-a", "all", "-k", "test_home", "--server-url", nginx.url)
    assert run.exit_code == 0
    assert len(run.document["run"]["agents"]) == 1
    assert run.totals["sent"] == nginx.count() == 1


# Agents.


def test_too_few_agents_are_a_message(cluster: Cluster) -> None:
    run = cluster.run("home.py", "-a", "4", "-u", "4")
    assert run.exit_code == 2
    assert "loads-runner: 4 agents are wanted and 3 free" in run.err
    assert "--wait" in run.err
    assert run.out == ""


def test_a_run_may_wait_for_its_agents(cluster: Cluster, nginx: Nginx) -> None:
    other = cluster.beside("other")
    other.write("home.py", HOME)
    options = ("--server-url", nginx.url, "-u", "3")
    with cluster.start("home.TestHome.test_slow", "-a", "3", "-d", "2s", *options) as first:
        cluster.wait_for_run(lambda run: run.state.value == "running", "runs")
        waiting = ("home.TestHome.test_home", "-a", "2", "--hits", "4", "--wait")
        with other.start(*waiting, *options, environment=cluster.variables) as second:
            assert cluster.runner.end(first).exit_code == 0
            run = other.end(second)
    assert run.exit_code == 0
    assert "waiting: 2 agents are wanted and 0 free (3 busy: " in run.err
    assert run.totals["ended"] == 12


def test_labels_choose_agents_and_none_runs_more_than_it_has_room_for(cluster: Cluster, nginx: Nginx) -> None:
    west = cluster.start_agent("west", "--label", "region=eu", "--label", "disk=ssd", "--max-users", "5")
    try:
        cluster.wait_for_agents("west")
        options = ("home.TestHome.test_home", "--hits", "3", "--server-url", nginx.url)
        run = cluster.run(*options, "-a", "all", "--label", "region=eu", "-u", "5")
        assert [agent["name"] for agent in run.document["run"]["agents"]] == ["west"]
        assert run.totals["ended"] == nginx.count() == 15
        cluster.wait_for_agents("west")
        for asked, message in (
            (("--label", "region=eu", "-a", "2"), "2 agents with region=eu are wanted and 1 free"),
            (("--label", "region=mars"), "no agent has region=mars\n  what they have: disk=ssd, region=eu; start one"),
            (("--label", "region=eu"), "the run has 6 users and the only free agent has room for 5"),
        ):
            refused = cluster.run(*options, "-a", "1", "-u", "6", *asked)
            assert refused.exit_code == 2
            assert message in refused.err
        assert "disk=ssd region=eu" in cluster.call("loads", "status").out
    finally:
        assert west.terminate() == 0
        del cluster.agents["west"]


def test_an_elastic_run_gives_work_to_who_comes_later(cluster: Cluster, nginx: Nginx) -> None:
    options = ("-u", "6", "-d", "4s", "--elastic", "--server-url", nginx.url)
    with cluster.start("home.TestHome.test_slow", "-a", "3", *options) as process:
        cluster.wait_for_run(lambda run: run.state.value == "running", "runs")
        late = cluster.start_agent("late")
        try:
            run = cluster.runner.end(process)
        finally:
            late.terminate()
            del cluster.agents["late"]
    assert run.exit_code == 0
    assert "agent late joins" in run.err
    assert "late" in {agent["name"] for agent in run.document["run"]["agents"]}
    assert run.totals["sent"] == nginx.count()
    assert {entry["worker"] for entry in run.document["health"]} == {0, 1, 2, 3}


# What comes back.


def test_what_tests_print_is_marked_with_its_agent(cluster: Cluster) -> None:
    cluster.write(
        "talk.py",
        "import loads.case\nprint('imported', flush=True)\n"
        "class TestTalk(loads.case.TestCase):\n    def test_it(self):\n        print('hello', flush=True)\n",
    )
    run = cluster.run("talk.py", "-a", "3", "-u", "3", "--hits", "1")
    assert run.exit_code == 0
    for said in ("imported", "hello"):
        assert sorted(line for line in run.err.splitlines() if line.endswith(f"| {said}")) == [
            f"worker 0 of {name} | {said}" for name in ("east", "north", "south")
        ]


def test_an_import_that_fails_on_an_agent_is_told_with_its_traceback(cluster: Cluster) -> None:
    cluster.write("there.py", f"import os\nif 'agent-' in os.getcwd():\n    raise RuntimeError('not here')\n{HOME}")
    run = cluster.run("there.py", "-a", "2", "-u", "2")
    assert run.exit_code == 2
    assert "loads-runner: agent " in run.err
    assert "RuntimeError: not here" in run.err
    assert 'there.py", line 3' in run.err
    assert run.document == {}


def test_failures_on_agents_fail_the_run_here(cluster: Cluster, nginx: Nginx) -> None:
    cluster.write("bad.py", HOME.replace("status_code, 200", "status_code, 201"))
    run = cluster.run("bad.TestHome.test_home", "-a", "2", "-u", "2", "--hits", "2", "--server-url", nginx.url)
    assert run.exit_code == 1
    assert run.totals["failures"] == 4
    [group] = run.document["errors"]
    assert (group["place"].partition(":")[0], group["count"]) == ("bad.py", 4)
    assert "AssertionError: 200 != 201" in run.out
    assert "Verdict: failed (4 failures)" in run.out


def test_a_stored_run_is_shown_as_its_runner_wrote_it(cluster: Cluster, nginx: Nginx) -> None:
    run = cluster.run("home.TestHome.test_home", "-a", "2", "-u", "4", "--hits", "5", "--server-url", nginx.url)
    name = run.document["run"]["id"]
    shown = cluster.call("loads", "show", name, "--output", "json=shown.json")
    assert shown.exit_code == 0
    assert json.loads((cluster.runner.directory / "shown.json").read_text()) == run.document
    assert shown.out == run.out
    only = cluster.call("loads", "show", name[:-1], "--output", "json=-")
    assert json.loads(only.out) == run.document
    report = cluster.call("loads", "report", name)
    if "are not there" not in report.err:  # the front end was built
        assert report.out == f"Wrote loads-{name}.html\n"
        assert f"<title>{name}: passed" in (cluster.runner.directory / f"loads-{name}.html").read_text("utf-8")
    assert name in cluster.call("loads", "runs").out


def test_a_run_has_a_name_and_tags_and_is_told_over_time(cluster: Cluster, nginx: Nginx) -> None:
    """Series, agents and events: all of them as the store has them."""
    named = ("--name", "checkout, new index", "--tag", "branch=main", "--tag", "build=8 1")
    load = ("-u", "4", "-d", "3s", "--threshold", "p(50) < 0.001ms over 1s", "--server-url", nginx.url)
    run = cluster.run("home.py", "-a", "2", *named, *load)
    document = run.document
    assert (document["run"]["name"], document["run"]["tags"]) == (named[1], {"branch": "main", "build": "8 1"})
    assert_adds_up(document)
    assert len(document["machines"]) == 2
    assert kinds(document) >= {"threshold"}
    assert "loads-runner: threshold p(50) < 0.001ms over 1s crossed (it is" in run.err
    name = document["run"]["id"]
    shown = cluster.call("loads", "show", name, "--output", "json=-")
    assert json.loads(shown.out) == document

    status = cluster.run_of(name)
    assert status is not None
    assert status.brief is not None
    assert (status.brief.hits, status.brief.failed, status.users) == (run.totals["hits"], 0, 4)
    assert status.ended_at is not None
    lines = cluster.call("loads", "runs", "--name", "NEW index", "--tag", "branch=main", "--verdict", "failed").out
    assert name in lines
    assert "checkout, new index" in lines
    assert "branch=main build=8 1" in lines
    assert name not in cluster.call("loads", "runs", "--tag", "branch=other").out


def test_a_cluster_says_how_busy_its_machines_are(cluster: Cluster) -> None:
    def known() -> bool:
        agents = cluster.seen().values()
        return all(agent.cpu_share is not None and (agent.memory_used_bytes or 0) > 0 for agent in agents)

    wait_until(known, "the processors of the machine")
    assert " GB " in cluster.call("loads", "status").out


# Dependencies.


def test_a_dependency_that_does_not_install_is_told_by_pip(cluster: Cluster) -> None:
    cluster.write("none.txt", "--no-index\nno-such-package-anywhere==1.0\n")
    run = cluster.run("home.py", "-a", "2", "-u", "2", "--requirements", "none.txt")
    assert run.exit_code == 2
    assert "no-such-package-anywhere" in run.err
    assert "loads-runner: agent " in run.err


def test_a_dependency_is_installed_on_each_agent(cluster: Cluster, tmp_path: Path) -> None:
    wheel(tmp_path / "greeting_for_loads-1.0-py3-none-any.whl")
    cluster.write("deps.txt", f"--no-index\n--find-links {tmp_path}\n")
    cluster.write(
        "greets.py",
        "import loads.case\nimport greeting_for_loads\n"
        "class TestIt(loads.case.TestCase):\n"
        "    def test_it(self):\n        self.incr_counter(greeting_for_loads.HELLO)\n",
    )
    run = cluster.run(
        *("greets.py", "-a", "2", "-u", "2", "--hits", "1"),
        *("--requirements", "deps.txt", "--python-dep", "greeting-for-loads==1.0"),
    )
    assert run.exit_code == 0, run.err
    assert run.document["counters"] == {"hello": 2}


def wheel(path: Path) -> None:
    info = f"{path.name.rsplit('-', 3)[0]}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("greeting_for_loads.py", "HELLO = 'hello'\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: greeting-for-loads\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(
            f"{info}/RECORD", f"greeting_for_loads.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n"
        )


def test_a_named_working_directory_is_used_again(cluster: Cluster) -> None:
    cluster.write(
        "keeps.py",
        "import loads.case, os\n"
        "class TestIt(loads.case.TestCase):\n"
        "    def test_it(self):\n"
        "        self.incr_counter('again' if os.path.exists('mark') else 'first')\n"
        "        open('mark', 'w').close()\n",
    )
    options = ("keeps.py", "-a", "3", "-u", "3", "--hits", "1")
    for named, counted in (((), "first"), (("--test-dir", "kept"), "first"), (("--test-dir", "kept"), "again")):
        assert cluster.run(*options, *named).document["counters"] == {counted: 3}
        cluster.wait_for_agents("north", "south", "east")


# Leaving, coming back, stopping.


def test_a_run_that_is_left_alone_can_be_followed_and_stopped(cluster: Cluster, nginx: Nginx) -> None:
    options = ("home.TestHome.test_slow", "-a", "2", "-u", "4", "-d", "60s", "--server-url", nginx.url)
    left = cluster.call("loads-runner", *options, "--detach")
    assert left.exit_code == 0, left.err
    [name] = cluster.going()
    assert f"To follow it: loads-runner --attach {name}" in left.out

    pinged = cluster.call("loads-runner", "--ping-broker")
    assert pinged.exit_code == 0
    line = pinged.out.splitlines()[-1]
    assert line.split()[:2] == [name, "running"]
    assert "3 agents, 1 free" in pinged.out
    going = cluster.call("loads", "show", name)
    assert going.exit_code == 2
    assert f"{name} goes on" in going.err

    with cluster.start("--attach") as process:
        assert process.stderr is not None
        wait_until(lambda: "Plan: " in process.stderr.readline(), "the plan")
        assert cluster.call("loads", "stop", name).out == f"Stopping {name} gracefully\n"
        run = cluster.runner.end(process)
    assert run.exit_code == 5
    assert run.document["run"]["id"] == name
    assert run.totals["sent"] == nginx.count() > 0
    assert run.totals["interrupted"] == 0
    assert cluster.call("loads", "attach", name, "--quiet").exit_code == 5
    assert cluster.call("loads-runner", "--stop", name).exit_code == 2


def test_sighup_leaves_the_run_alone_and_purge_ends_all(cluster: Cluster, nginx: Nginx) -> None:
    options = ("home.TestHome.test_slow", "-a", "1", "-u", "2", "-d", "60s", "--server-url", nginx.url)
    with cluster.start(*options) as process:
        assert process.stderr is not None
        wait_until(lambda: "Plan: " in process.stderr.readline(), "the plan")
        process.send_signal(signal.SIGHUP)
        out, _ = process.communicate(timeout=10)
        assert process.returncode == 0
    [name] = cluster.going()
    assert out == f"Run {name} goes on. To follow it: loads-runner --attach {name}\n"
    purged = cluster.call("loads-runner", "--purge-broker", "--now")
    assert purged.out == f"Stopping {name} at once\n"
    cluster.wait_for_agents("north", "south", "east")
    shown = cluster.call("loads", "show", name, "--output", "json=-")
    document = json.loads(shown.out)
    check_laws(document)
    assert document["exit_code"] == 130
    assert document["totals"]["sent"] == nginx.count()
    assert cluster.call("loads-runner", "--purge-broker").out == "No run goes on\n"


def test_sigint_without_a_terminal_stops_gracefully_then_at_once(cluster: Cluster, nginx: Nginx) -> None:
    options = ("home.TestHome.test_slow", "-a", "2", "-u", "4", "-d", "60s", "--server-url", nginx.url)
    with cluster.start(*options) as process:
        assert process.stderr is not None
        wait_until(lambda: "Plan: " in process.stderr.readline(), "the plan")
        cluster.wait_for_run(lambda run: run.state.value == "running", "runs")
        cluster.runner.interrupt(process)
        run = cluster.runner.end(process)
    assert run.exit_code == 5
    assert run.totals["interrupted"] == 0
    assert run.totals["sent"] == nginx.count()

    cluster.write("stuck.py", HOME.replace("0.05", "60"))
    with cluster.start("stuck.TestHome.test_slow", *options[1:]) as process:
        assert process.stderr is not None
        cluster.wait_for_run(lambda run: run.state.value == "running" and (run.elapsed_us or 0) > 1_000_000, "runs")
        cluster.runner.interrupt(process)
        wait_until(lambda: "once more to stop at once" in process.stderr.readline(), "the notice")
        cluster.runner.interrupt(process)
        run = cluster.runner.end(process)
    assert run.exit_code == 130
    assert run.totals["interrupted"] == 4


def test_stopped_before_the_start_there_is_no_result(cluster: Cluster) -> None:
    cluster.write("sleepy.py", f"import time\ntime.sleep(30)\n{HOME}")
    with cluster.start("sleepy.py", "-a", "2", "-u", "2") as process:
        cluster.wait_for_run(lambda run: run.state.value == "preparing", "gets ready")
        cluster.runner.interrupt(process)
        run = cluster.runner.end(process)
    assert run.exit_code == 5
    assert run.err.endswith("loads-runner: stopped before the first iteration\n")


# The cluster itself.


def test_each_free_agent_answers_a_check(cluster: Cluster) -> None:
    checked = cluster.call("loads-runner", "--check-cluster")
    assert checked.exit_code == 0
    assert [line.split()[::2] for line in checked.out.splitlines()[1:]] == [
        ["east", "works"],
        ["north", "works"],
        ["south", "works"],
    ]


def test_without_a_broker_the_message_says_where_it_was_looked_for(cluster: Cluster, tmp_path: Path) -> None:
    socket = tmp_path / "none.sock"
    run = cluster.run("home.py", "--broker", str(socket))
    assert run.exit_code == 2
    assert run.err == (
        f"loads-runner: no broker answers at {socket}\n"
        "  start one with loads-broker, or say where it is with --broker ENDPOINT\n"
    )
    wrong = cluster.call("loads", "status", "--broker", "nowhere")
    assert wrong.exit_code == 2
    assert wrong.err.startswith("loads: --broker: 'nowhere' is not an address of a broker")


def test_a_terminal_asks_what_ctrl_c_means(
    cluster: Cluster, nginx: Nginx, monkeypatch: pytest.MonkeyPatch, loads: LoadsRunner
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(cluster.directory))
    loads.write("home.py", HOME)
    options = ("home.TestHome.test_slow", "-a", "2", "-u", "4", "-d", "60s", "--server-url", nginx.url)
    with controlled(loads, *options) as screen:
        screen.read_until("hits/s")
        screen.type("\x03")
        screen.read_until("(s)top, (d)etach or (c)ontinue?")
        screen.type("xc")
        wait_until(lambda: not asks(screen), "the question to go away")
        screen.type("\x03")
        screen.read_until("(s)top, (d)etach or (c)ontinue?")
        screen.type("d")
        everything = screen.read_to_end()
        assert screen.process.wait(20) == 0
    [name] = cluster.going()
    assert f"Run {name} goes on. To follow it: loads-runner --attach {name}" in everything

    with controlled(loads, "--attach", name) as screen:
        screen.read_until("hits/s")
        screen.type("\x03")
        screen.read_until(f"{name} goes on. (s)top")
        screen.type("s")
        everything = screen.read_to_end()
        assert screen.process.wait(20) == 5
    assert "Verdict: aborted (stopped by the user)" in everything


@contextmanager
def controlled(loads: LoadsRunner, *arguments: str) -> Iterator[Terminal]:
    """loads-runner on a terminal that is its own: a Ctrl-C there becomes a signal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [LOADS_RUNNER, *arguments],
        cwd=loads.directory,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        env={**os.environ, "TERM": "xterm-256color", "LOADS_ALLOW_INVALID": "true"},
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours, 80, 30)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def asks(screen: Terminal) -> bool:
    screen._read()
    return any("(s)top" in line for line in screen.screen.display)


# A broker that goes away. Its own cluster: others would be confused.


def test_a_runner_follows_on_when_the_broker_is_silent_and_when_it_is_started_again(nginx: Nginx) -> None:
    with run_cluster("north", "south") as cluster:
        cluster.write("home.py", HOME)
        options = ("home.TestHome.test_slow", "-a", "2", "-u", "4", "-d", "10s", "--server-url", nginx.url)
        with cluster.start(*options) as process:
            assert process.stderr is not None
            said: list[str] = []

            def says(text: str) -> None:
                wait_until(lambda: any(text in line for line in said) or read(process, said), text)

            says("Plan: ")
            cluster.wait_for_run(lambda run: run.state.value == "running" and bool(run.elapsed_us), "runs")
            cluster.broker.freeze()
            says("the broker does not answer")
            cluster.broker.thaw()
            says("the broker answers again")
            cluster.broker.kill()
            says("the connection to the broker is lost")
            cluster.broker.restart()
            says("connected to the broker again")
            run = cluster.runner.end(process)
        assert run.exit_code == 0, run.out
        assert run.totals["sent"] == nginx.count()


def read(process: subprocess.Popen[str], said: list[str]) -> bool:
    assert process.stderr is not None
    said.append(process.stderr.readline())
    return False

"""A cluster behind SSH: a real sshd, one login, the same commands; and what each thing that is missing is told as."""

from __future__ import annotations

import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import Cluster, run_cluster
from tests.integration.test_cluster import HOME, controlled
from tests.servers import Nginx, wait_until
from tests.sshd import Sshd, children, far_loads, run_sshd


@pytest.fixture(scope="module")
def far() -> Iterator[tuple[Cluster, Sshd]]:
    """A broker and two agents on the far side. Nothing of ours there listens on TCP."""
    with run_cluster("north", "south") as cluster, run_sshd(cluster.directory / "sshd") as sshd:
        cluster.write("home.py", HOME)
        far_loads(cluster.directory / "loads-there", cluster.directory, noise="You have mail.\nfortune: ")
        yield cluster, sshd


@pytest.fixture
def cluster(far: tuple[Cluster, Sshd], monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """That cluster; what runs here has a state of its own, in which no broker is."""
    cluster, _ = far
    cluster.wait_for_agents("north", "south")
    (cluster.directory / "here").mkdir(exist_ok=True)
    monkeypatch.setenv("XDG_STATE_HOME", str(cluster.directory / "here"))
    monkeypatch.setitem(cluster.variables, "XDG_STATE_HOME", str(cluster.directory / "here"))
    return cluster


@pytest.fixture
def way(far: tuple[Cluster, Sshd]) -> tuple[str, ...]:
    """The options that lead there: loads there is asked for the socket."""
    cluster, sshd = far
    return sshd.options("--ssh-command", str(cluster.directory / "loads-there"))


def places(cluster: Cluster) -> list[Path]:
    """What tunnels have left behind."""
    return list((cluster.directory / "here" / "loads" / "run").glob("ssh-*"))


def ssh_of(process: subprocess.Popen[str]) -> int:
    """The ssh that a command started."""
    [pid] = [pid for pid in children(process.pid) if Path(f"/proc/{pid}/comm").read_text() == "ssh\n"]
    return pid


def test_a_run_goes_to_all_free_agents_behind_ssh(
    far: tuple[Cluster, Sshd], cluster: Cluster, way: tuple[str, ...], nginx: Nginx
) -> None:
    run = cluster.run("home.TestHome.test_home", *way, "-u", "4", "--hits", "5", "--server-url", nginx.url)
    assert run.exit_code == 0, run.err
    assert run.totals["sent"] == nginx.count() == 20
    assert sorted(agent["name"] for agent in run.document["run"]["agents"]) == ["north", "south"]
    assert places(cluster) == []
    wait_until(lambda: not far[1].connections(), "the login to end")


def test_a_run_can_be_left_followed_and_stopped_from_here(
    far: tuple[Cluster, Sshd], cluster: Cluster, way: tuple[str, ...], nginx: Nginx
) -> None:
    options = ("-u", "4", "-d", "60s", "--server-url", nginx.url)
    left = cluster.call("loads-runner", "home.TestHome.test_slow", *way, *options, "--detach")
    assert left.exit_code == 0, left.err
    _, again = left.out.strip().split(" goes on. To follow it: loads-runner --attach ")
    name = again.split()[0]
    assert f"--ssh {far[1].host} " in again
    assert "/here/" not in left.out + left.err

    shown = cluster.call("loads", "status", *way)
    assert shown.exit_code == 0
    assert "2 agents, 0 free" in shown.out
    there = str(far[0].state / "run" / "broker.sock")
    assert cluster.call("loads", "stop", name, *far[1].options("--broker", there)).out.startswith(f"Stopping {name}")
    ended = cluster.call("loads-runner", *("--attach", *again.split()))
    assert ended.exit_code == 5
    assert "Verdict: aborted" in ended.out
    assert "/here/" not in ended.out + ended.err


def test_ssh_ends_with_a_command_that_is_killed_and_the_next_one_sweeps(
    far: tuple[Cluster, Sshd], cluster: Cluster, way: tuple[str, ...], nginx: Nginx
) -> None:
    options = ("home.TestHome.test_slow", *way, "-u", "2", "-d", "60s", "--server-url", nginx.url)
    with cluster.start(*options) as process:
        assert process.stderr is not None
        wait_until(lambda: "Plan: " in process.stderr.readline(), "the plan")
        ssh = ssh_of(process)
        process.kill()
        wait_until(lambda: not Path(f"/proc/{ssh}").exists(), "ssh to end", 5)
        wait_until(lambda: not far[1].connections(), "the login to end", 5)
        process.communicate()
    assert len(places(cluster)) == 1
    assert cluster.call("loads-runner", "--purge-broker", "--now", *way).out.startswith("Stopping ")
    assert places(cluster) == []


def test_an_agent_needs_no_port_of_the_broker(
    far: tuple[Cluster, Sshd], cluster: Cluster, way: tuple[str, ...]
) -> None:
    here = str(cluster.directory / "agent-state")
    agent = cluster.start_agent("far", *way, "--state-dir", here)
    try:
        agent.wait_for_log(f"the broker at {far[1].host} is there")
        shown = cluster.call("loads", "runs", *way)
        assert shown.exit_code == 0
        wait_until(lambda: "agent far " in far[0].broker.log(), "the agent to be there")
        assert agent.terminate() == 0
    finally:
        agent.end()
        del cluster.agents["far"]
    assert places(cluster) == []


@pytest.mark.parametrize(
    ("options", "told", "hint"),
    [
        (("--ssh-command", "/no/loads"), "has no command /no/loads: ", "--ssh-command /path/to/venv/bin/loads"),
        (("--ssh-command", "false &&"), "does not say where its broker is (exit code 1)", "try it: ssh "),
        (("--broker", "/no/b.sock"), "nothing listens at /no/b.sock there", "start one there with loads-broker"),
        (("--ssh-option", "Nonsense=yes"), "Bad configuration option: nonsense", "see --ssh-option"),
    ],
)
def test_what_is_missing_there_is_one_message(
    far: tuple[Cluster, Sshd], cluster: Cluster, options: tuple[str, ...], told: str, hint: str
) -> None:
    ended = cluster.call("loads-runner", "--ping-broker", *far[1].options(*options))
    assert (ended.exit_code, ended.out) == (2, "")
    assert told in ended.err
    assert hint in ended.err
    assert "Traceback" not in ended.err


def test_ssh_itself_says_why_it_can_not_log_in(far: tuple[Cluster, Sshd], cluster: Cluster, tmp_path: Path) -> None:
    sshd = far[1]
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other"], check=True)
    key, known, *rest = (f"IdentityFile={tmp_path}/other", f"UserKnownHostsFile={tmp_path}/none", *sshd.own[1:])
    cases = [
        (sshd.host, (key, *rest), "Permission denied (publickey)", "see that you can log in without Loads: ssh "),
        (sshd.host, (known, *sshd.own), "Host key verification failed", "log in once with ssh"),
        ("127.0.0.1:1", sshd.own, "Connection refused", "on which port"),
    ]
    for host, options, told, hint in cases:
        words = [word for option in options for word in ("--ssh-option", option)]
        ended = cluster.call("loads", "status", "--ssh", host, *words)
        assert (ended.exit_code, ended.out) == (2, "")
        assert ended.err.startswith(f"loads: ssh to {host} failed")
        assert told in ended.err
        assert hint in ended.err


def test_ctrl_c_asks_while_the_tunnel_stays_and_ssh_may_ask_before(
    far: tuple[Cluster, Sshd], cluster: Cluster, way: tuple[str, ...], nginx: Nginx, tmp_path: Path
) -> None:
    """The host's key is not known: ssh asks on the terminal. A Ctrl-C later is a signal for ssh, too."""
    options = ("home.TestHome.test_slow", "-u", "4", "-d", "60s", "--server-url", nginx.url)
    unknown = ("--ssh-option", f"UserKnownHostsFile={tmp_path}/known", *way)
    with controlled(cluster.runner, *options, *unknown) as screen:
        screen.read_until("continue connecting")
        screen.type("yes\n")
        screen.read_until("hits/s")
        [login] = far[1].connections()
        screen.type("\x03")
        screen.read_until("(s)top, (d)etach or (c)ontinue?")
        screen.type("s")
        everything = screen.read_to_end()
        assert screen.process.wait(20) == 5
    assert "Verdict: aborted (stopped by the user)" in everything
    assert not [line for line in everything if "tunnel" in line or "connection to the broker" in line]
    assert login not in far[1].connections()


def test_ctrl_c_at_a_question_of_ssh_ends_the_command(cluster: Cluster, way: tuple[str, ...], tmp_path: Path) -> None:
    with controlled(
        cluster.runner, "--ping-broker", "--ssh-option", f"UserKnownHostsFile={tmp_path}/none", *way
    ) as screen:
        screen.read_until("continue connecting")
        screen.type("\x03")
        everything = screen.read_to_end()
        assert screen.process.wait(20) == 5
        assert termios.tcgetattr(screen._descriptor)[3] & termios.ECHO
    assert "loads-runner: stopped before the first iteration" in everything
    assert places(cluster) == []

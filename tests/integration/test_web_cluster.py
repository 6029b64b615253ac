"""loads-web on a real cluster, and --web beside a real run: what a page is told there, and who may stop what."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import select
import socket
import subprocess
import termios
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cluster import Cluster, Member, run_cluster
from tests.commands import LOADS_RUNNER, LoadsRunner, environment_for_loads
from tests.servers import DEADLINE_S, Nginx, free_port, wait_until
from tests.traffic import PACED
from tests.visiting import Visitor

LINK = re.compile(r"http://\S+/login\?token=\S+")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A broker, one agent, and a dashboard."""
    with run_cluster("north") as started:
        started.write("paced.py", PACED)
        yield started


def start_web(cluster: Cluster, *arguments: str, name: str = "web") -> tuple[Member, str]:
    """A dashboard, and the link that it printed."""
    member = cluster.start_member(name, "loads-web", "--port", "0", *arguments)
    wait_until(lambda: LINK.search(member.log()) is not None, f"a link; it said:\n{member.log()}")
    return member, LINK.findall(member.log())[-1]


@pytest.fixture(scope="module")
def link(cluster: Cluster) -> str:
    """To the dashboard."""
    return start_web(cluster)[1]


def visit(link: str, test: Callable[[Visitor], Awaitable[None]]) -> None:
    """Run `test` with somebody who is logged in."""

    async def whole() -> None:
        async with Visitor(link) as visitor, asyncio.timeout(60):
            await visitor.log_in()
            await test(visitor)

    asyncio.run(whole())


@contextmanager
def going(cluster: Cluster, nginx: Nginx, *more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A run that goes on, and its name."""
    with cluster.start("paced.py", "-a", "1", "-u", "4", "--server-url", nginx.url, *more) as process:
        yield process, cluster.wait_for_run(lambda run: run.state.value == "running", "runs").id


def test_a_run_is_seen_live_to_its_end_and_kept(cluster: Cluster, link: str, nginx: Nginx) -> None:
    async def watch(visitor: Visitor) -> None:
        await visitor.say("Watch", on=True)
        frame = await visitor.hear("ClusterFrame", lambda frame: any(row["id"] == run for row in frame["runs"]))
        assert [(agent["name"], agent["run"]) for agent in frame["agents"]] == [("north", run)]
        await visitor.follow(run)
        whole = await visitor.hear("RunFrame")
        assert (whole["full"], whole["stage"]) == (True, "running")
        assert (whole["head"]["label"], whole["head"]["tags"]) == ("checkout", {"branch": "main"})
        named = whole if whole["names"] else await visitor.hear("RunFrame", lambda frame: bool(frame["names"]))
        await visitor.say("Open", run=run, series=named["names"][0][0], on=True)
        assert (await visitor.hear("SeriesFrame"))["full"]
        await visitor.hear("RunFrame", lambda frame: frame["stage"] == "ended" and frame["standing"]["exit_code"] == 0)

    async def look_back(visitor: Visitor) -> None:
        await visitor.follow(run)
        frame = await visitor.hear("RunFrame")
        assert frame["stage"] == "ended"
        assert frame["totals"]["sent"] == ended.totals["sent"]
        assert sum(point[4] for point in frame["points"]) == ended.totals["hits"]
        assert sum(spark for _, sparks in frame["sparks"] for spark in sparks) > 0
        runs = await visitor.get("/api/runs?tag=branch=main&label=checkout&verdict=passed&text=paced")
        assert [row["id"] for row in runs["runs"]] == [run]
        assert (await visitor.get("/api/runs?tag=branch=other"))["total"] == 0
        assert (await visitor.ask("/api/runs?from=today")).code == 400

    with going(cluster, nginx, "-d", "4s", "--name", "checkout", "--tag", "branch=main") as (process, run):
        visit(link, watch)
        ended = cluster.runner.end(process)
    assert ended.exit_code == 0
    visit(link, look_back)


def test_a_run_is_stopped_from_the_page(cluster: Cluster, link: str, nginx: Nginx) -> None:
    async def stop(visitor: Visitor) -> None:
        assert (await visitor.ask(f"/api/runs/{run}/stop?now=0", "POST")).code == 204

    async def again(visitor: Visitor) -> None:
        answer = await visitor.ask(f"/api/runs/{run}/stop?now=0", "POST")
        assert answer.code == 409
        assert b"goes on" in answer.body

    with going(cluster, nginx, "-d", "60s") as (process, run):
        visit(link, stop)
        assert cluster.runner.end(process).exit_code == 5
    visit(link, again)


def test_a_run_that_is_not_there_is_gone_and_one_that_was_refused_says_why(cluster: Cluster, link: str) -> None:
    cluster.write("broken.py", "import nothing_of_that_name\n")
    assert cluster.call("loads-runner", "broken.py", "-a", "1").exit_code == 2
    status = cluster.status(100)
    assert status is not None
    refused = next(run.id for run in status.runs if run.state.value == "refused")

    async def look(visitor: Visitor) -> None:
        await visitor.follow("no-such-run")
        assert (await visitor.hear("Gone"))["message"] == "there is no run no-such-run"
        await visitor.follow(refused)
        frame = await visitor.hear("RunFrame", lambda frame: frame["stage"] == "refused")
        assert "nothing_of_that_name" in frame["trouble"]
        assert frame["head"]["targets"] == ["broken.py"]

    visit(link, look)


def test_who_only_looks_has_no_stop(cluster: Cluster, nginx: Nginx) -> None:
    _, link = start_web(cluster, "--read-only", name="looker")

    async def stop(visitor: Visitor) -> None:
        assert (await visitor.get("/api/me"))["may_stop"] is False
        assert (await visitor.ask(f"/api/runs/{run}/stop?now=1", "POST")).code == 403

    with going(cluster, nginx, "-d", "2s") as (process, run):
        visit(link, stop)
        assert cluster.runner.end(process).exit_code == 0


def test_with_an_observers_key_nobody_stops_anything() -> None:
    port = free_port()
    with run_cluster(broker=None) as cluster:
        address = f"tcp://127.0.0.1:{port}"
        cluster.call("loads", "keys", "init", "--endpoint", address)
        line = cluster.call("loads", "keys", "add", "wall", "--role", "observer").out
        cluster.start_broker("--bind", address)
        elsewhere = cluster.directory / "elsewhere"
        variables = environment_for_loads({"XDG_STATE_HOME": str(elsewhere), "LOADS_JOIN": line.strip()})
        web = cluster.start_member("web", "loads-web", "--port", "0", environment=variables)
        wait_until(lambda: LINK.search(web.log()) is not None, "a link")

        async def look(visitor: Visitor) -> None:
            await visitor.say("Watch", on=True)
            frame = await visitor.hear("ClusterFrame", lambda frame: frame["broker"] is not None)
            assert frame["trouble"] == ""
            assert (await visitor.get("/api/me"))["may_stop"] is False
            assert (await visitor.ask("/api/runs/any-run/stop", "POST")).code == 403

        visit(LINK.findall(web.log())[-1], look)


def test_it_starts_without_a_broker_and_finds_it_when_it_comes() -> None:
    with run_cluster(broker=None) as cluster:
        _, link = start_web(cluster)

        async def look(visitor: Visitor) -> None:
            await visitor.say("Watch", on=True)
            assert (await visitor.hear("ClusterFrame"))["trouble"]
            assert (await visitor.ask("/api/runs")).code == 502
            await asyncio.to_thread(cluster.start_broker)
            frame = await visitor.hear("ClusterFrame", lambda frame: not frame["trouble"])
            assert frame["broker"]["pid"] == cluster.broker.pid

        visit(link, look)


def test_a_login_outlasts_a_restart_until_a_new_token_is_made(cluster: Cluster) -> None:
    port = str(free_port())
    web = cluster.start_member("again", "loads-web", "--port", port)
    wait_until(lambda: LINK.search(web.log()) is not None, "a link")

    async def restart(visitor: Visitor) -> None:
        web.kill()
        web.restart()
        await asyncio.to_thread(wait_until, lambda: len(LINK.findall(web.log())) == 2, "the link again")
        assert (await visitor.ask("/api/me")).code == 200
        assert len(set(LINK.findall(web.log()))) == 1
        web.terminate()
        renewed = cluster.start_member("renewed", "loads-web", "--port", port, "--new-token")
        await asyncio.to_thread(wait_until, lambda: LINK.search(renewed.log()) is not None, "another link")
        assert (await visitor.ask("/api/me")).code == 401
        assert LINK.findall(renewed.log())[0] not in web.log()

    visit(LINK.findall(web.log())[0], restart)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--bind", "0.0.0.0"), "--bind 0.0.0.0 needs TLS"),
        (("--insecure",), "--insecure is for --bind"),
        (("--certificate", "web.pem"), "--certificate needs --key"),
        (("--certificate", "no.pem", "--key", "no.key"), "can't use the certificate"),
    ],
)
def test_what_would_not_be_safe_is_refused(cluster: Cluster, arguments: tuple[str, ...], told: str) -> None:
    done = cluster.call("loads-web", "--port", "0", *arguments)
    assert done.exit_code == 2
    assert told in done.err


def test_a_port_that_is_taken_is_one_message(cluster: Cluster) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        done = cluster.call("loads-web", "--port", str(sock.getsockname()[1]))
    assert done.exit_code == 2
    assert "Address already in use\n  give another one with --port" in done.err


# Beside a run.


def link_of(process: subprocess.Popen[str]) -> str:
    """The one that it prints."""
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if found := LINK.search(line):
            return found[0]
    raise AssertionError(f"there was no link; it said:\n{said}")


@contextmanager
def beside(directory: Path, nginx: Nginx, *arguments: str) -> Iterator[tuple[LoadsRunner, subprocess.Popen[str], str]]:
    """A run of this machine with a page, and the link."""
    runner = LoadsRunner(directory)
    runner.write("paced.py", PACED)
    options = ("paced.py", "-u", "2", "--workers", "1", "--web", "--web-port", "0", "--server-url", nginx.url)
    variables = {"XDG_STATE_HOME": str(directory / "state")}
    with runner.start(*options, *arguments, environment=variables) as process:
        yield runner, process, link_of(process)


def test_a_local_run_is_seen_to_its_end_which_the_page_has_before_the_command_is_gone(
    tmp_path: Path, nginx: Nginx
) -> None:
    async def watch(visitor: Visitor) -> None:
        assert (await visitor.get("/api/me"))["local"] is True
        await visitor.follow("here")
        await visitor.hear("RunFrame", lambda frame: frame["stage"] == "running")
        frame = await visitor.hear("RunFrame", lambda frame: frame["stage"] == "ended")
        sent.append(frame["totals"]["sent"])

    sent: list[int] = []
    with beside(tmp_path, nginx, "-d", "3s") as (runner, process, link):
        visit(link, watch)
        run = runner.end(process)
    assert run.exit_code == 0
    assert sent == [run.totals["sent"]] == [nginx.count()]


@pytest.mark.parametrize("now", [0, 1])
def test_a_local_run_is_stopped_from_its_page(tmp_path: Path, nginx: Nginx, now: int) -> None:
    async def stop(visitor: Visitor) -> None:
        await visitor.follow("here")
        await visitor.hear("RunFrame", lambda frame: frame["stage"] == "running")
        assert (await visitor.ask(f"/api/runs/here/stop?now={now}", "POST")).code == 204

    with beside(tmp_path, nginx, "-d", "60s") as (runner, process, link):
        visit(link, stop)
        run = runner.end(process)
    assert run.exit_code == (130 if now else 5)


def test_a_run_on_a_cluster_has_a_page_too(cluster: Cluster, nginx: Nginx) -> None:
    runner = cluster.beside("paged")
    runner.write("paced.py", PACED)
    options = ("paced.py", "-a", "1", "-u", "4", "-d", "60s", "--web", "--web-port", "0", "--server-url", nginx.url)

    async def stop(visitor: Visitor) -> None:
        await visitor.follow("here")
        frame = await visitor.hear("RunFrame", lambda frame: bool(frame["machines"]))
        assert frame["machines"][0]["name"] == "north"
        await visitor.hear("RunFrame", lambda frame: frame["stage"] == "running")
        assert (await visitor.ask("/api/runs/here/stop?now=0", "POST")).code == 204
        await visitor.hear("RunFrame", lambda frame: frame["stage"] == "ended")

    with runner.start(*options, environment=cluster.variables) as process:
        visit(link_of(process), stop)
        assert runner.end(process).exit_code == 5


def test_a_page_and_a_debugger_exclude_each_other(tmp_path: Path) -> None:
    runner = LoadsRunner(tmp_path)
    runner.write("paced.py", PACED)
    run = runner.run("paced.py", "--workers", "0", "--web")
    assert run.exit_code == 2
    assert "--workers 0 and --web exclude each other" in run.err


def test_on_a_terminal_the_page_stays_until_enter(tmp_path: Path, nginx: Nginx) -> None:
    LoadsRunner(tmp_path).write("paced.py", PACED)
    options = ("paced.py", "-d", "1s", "--quiet", "--web", "--web-port", "0", "--server-url", nginx.url)
    variables = {"XDG_STATE_HOME": str(tmp_path / "state"), "LOADS_ALLOW_INVALID": "true"}
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [LOADS_RUNNER, *options],
        cwd=tmp_path,
        env=environment_for_loads(variables),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    said = ""

    async def look(visitor: Visitor) -> None:
        await visitor.follow("here")
        assert (await visitor.hear("RunFrame"))["stage"] == "ended"

    try:
        while "until you press Enter" not in said:
            assert select.select([ours], [], [], DEADLINE_S)[0], said
            said += os.read(ours, 4_096).decode()
        visit(LINK.findall(said)[0], look)
        os.write(ours, b"\n")
        assert process.wait(DEADLINE_S) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(ours)

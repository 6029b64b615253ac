"""What makes a run one on a cluster, what does not go with it, and the commands that are no runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from loads.cli import cluster as cluster_module
from loads.cli import orders, runner
from loads.cli.beside import Beside
from loads.cli.cluster import OnCluster
from loads.cli.group import command as group
from loads.cli.group import main as main_of_group
from loads.cli.outputs import Output, Outputs
from loads.cli.runner import main
from loads.report.cluster import Sought
from loads.wire.endpoint import default_endpoint, parse_endpoint
from loads.wire.run import RunSpec

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would be done: with a run, its spec and the cluster (None: here)."""
    seen: list[Any] = []

    def run_here(spec: RunSpec, outputs: Outputs, page: Beside | None, *, quiet: bool) -> int:
        seen.extend([spec, None])
        return 0

    def run_there(spec: RunSpec, cluster: OnCluster, outputs: Outputs, page: Beside | None, *, quiet: bool) -> int:
        seen.extend([spec, cluster])
        return 0

    def noted(name: str) -> Any:
        def note(*arguments: Any, **more: Any) -> int:
            seen.append((name, *arguments, *more.values()))
            return 0

        return note

    monkeypatch.setattr(runner, "_run", run_here)
    monkeypatch.setattr(cluster_module, "run_on_cluster", run_there)
    for name in ("attach", "stop", "status", "check", "runs", "show_run", "report_run"):
        monkeypatch.setattr(orders, name, noted(name))
    return seen


def call(*arguments: str, program: Any = main) -> int:
    with pytest.raises(SystemExit) as caught:
        program(list(arguments))
    assert isinstance(caught.value.code, int)
    return caught.value.code


def cluster_of(asked: list[Any], *arguments: str) -> OnCluster | None:
    asked.clear()
    assert call("t", *arguments) == 0
    cluster: OnCluster | None = asked[1]
    return cluster


# Where a run goes.


def test_without_a_word_of_a_cluster_a_run_is_here(asked: list[Any]) -> None:
    assert cluster_of(asked) is None
    assert cluster_of(asked, "--no-wait", "--no-elastic") is None


def test_a_number_of_agents_goes_to_the_usual_broker(asked: list[Any]) -> None:
    cluster = cluster_of(asked, "-a", "3")
    assert cluster is not None
    assert (cluster.endpoint, cluster.agents) == (default_endpoint(os.environ), 3)
    assert {cluster.wait, cluster.elastic, cluster.per_agent, cluster.detach} == {False}


@pytest.mark.parametrize("arguments", [["-a", "all"], ["--broker", "/x/b.sock"]])
def test_all_that_are_free_are_taken(asked: list[Any], arguments: list[str]) -> None:
    cluster = cluster_of(asked, *arguments)
    assert cluster is not None
    assert cluster.agents is None


def test_the_broker_is_named_in_the_environment_or_in_a_file(
    asked: list[Any], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "pyproject.toml").write_text('[tool.loads]\nbroker = "tcp://10.0.0.5:7700"\nagents = 2\n')
    cluster = cluster_of(asked)
    assert cluster is not None
    assert (str(cluster.endpoint), cluster.agents) == ("tcp://10.0.0.5:7700", 2)
    monkeypatch.setenv("LOADS_BROKER", "/x/b.sock")
    monkeypatch.setenv("LOADS_AGENTS", "all")
    cluster = cluster_of(asked)
    assert cluster is not None
    assert (cluster.endpoint, cluster.agents) == (parse_endpoint("/x/b.sock"), None)


def test_everything_that_goes_along(asked: list[Any], here: Path) -> None:
    (here / "r.txt").write_text("faker\nlxml>=5\n")
    (here / "data").mkdir()
    cluster = cluster_of(
        asked,
        *("-a", "2", "--wait", "--elastic", "--per-agent", "--detach", "--test-dir", "shop_1.2"),
        *("--python-dep", "lxml>=5", "--python-dep", "rich", "--requirements", "r.txt", "--include-file", "data"),
        *("--source-address", "198.51.100.1", "--label", "region=eu", "--label", "disk=ssd"),
    )
    assert cluster == OnCluster(
        endpoint=default_endpoint(os.environ),
        agents=2,
        wait=True,
        elastic=True,
        per_agent=True,
        test_dir="shop_1.2",
        requirements=("lxml>=5", "rich", "faker"),
        include=("data",),
        detach=True,
        labels={"region": "eu", "disk": "ssd"},
    )
    assert asked[0].http.source_addresses == ("198.51.100.1",)


def test_what_a_file_says_for_clusters_does_not_hinder_a_run_here(asked: list[Any], here: Path) -> None:
    (here / "pyproject.toml").write_text('[tool.loads]\nelastic = true\npython-dep = ["lxml"]\n')
    assert cluster_of(asked) is None


# What makes no sense.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["t", "--wait"], "--wait is for runs on a cluster"),
        (["t", "--elastic"], "--elastic is for runs on a cluster"),
        (["t", "--per-agent"], "--per-agent is for runs on a cluster"),
        (["t", "--python-dep", "x"], "--python-dep is for runs on a cluster"),
        (["t", "--requirements", "x"], "--requirements is for runs on a cluster"),
        (["t", "--test-dir", "x"], "--test-dir is for runs on a cluster"),
        (["t", "--label", "a=b"], "--label is for runs on a cluster"),
        (["t", "-a", "2", "--label", "a=b", "--label", "a=c"], "--label a=b and a=c exclude each other"),
        (["--check-cluster", "--label", "a=b"], "--check-cluster and --label exclude each other"),
        (["t", "--detach"], "--detach is for runs on a cluster"),
        (["t", "-a", "0"], "--agents: '0' is not a number of agents"),
        (["t", "-a", "some"], "--agents: 'some' is not a number of agents"),
        (["t", "--broker", "here"], "--broker: 'here' is not an address of a broker"),
        (["t", "-a", "1", "--test-dir", "../x"], "--test-dir: '../x' is not a plain name"),
        (["t", "-a", "1", "--test-dir", ".."], "--test-dir: '..' is not a plain name"),
        (["t", "-a", "1", "--workers", "0"], "--workers 0 and --agents exclude each other"),
        (["t", "--broker", "/x/b", "--workers", "0"], "--workers 0 and --broker exclude each other"),
        (["t", "-a", "1", "--log-file", "l"], "--log-file and --agents exclude each other"),
        (["t", "-a", "1", "--detach", "--output", "json=r"], "--detach and --output exclude each other"),
        (["t", "-a", "1", "--python-dep", "-e ."], "--python-dep -e .: an editable install can't be shipped"),
        (["t", "-a", "1", "--requirements", "no.txt"], "--requirements: requirements no.txt can't be read"),
        (["--attach", "--ping-broker"], "--attach and --ping-broker exclude each other"),
        (["--stop", "x", "--purge-broker"], "--stop and --purge-broker exclude each other"),
        (["--attach", "x", "t"], "--attach and TARGET exclude each other"),
        (["--attach", "-u", "3"], "--attach and --users exclude each other"),
        (["--stop", "x", "--output", "json=r"], "--stop and --output exclude each other"),
        (["--ping-broker", "-a", "2"], "--ping-broker and --agents exclude each other"),
        (["--check-cluster", "--detach"], "--check-cluster and --detach exclude each other"),
        (["--purge-broker", "--list"], "--purge-broker and --list exclude each other"),
        (["t", "-a", "1", "--now"], "--now is for --stop and --purge-broker"),
        (["--attach", "--now"], "--now is for --stop and --purge-broker"),
        (["--attach", "--output", "xml=r"], "--output 'xml=r' is not KIND=FILE"),
        (["--ping-broker", "--broker", "x"], "--broker: 'x' is not an address of a broker"),
    ],
)
def test_wrong_usage_is_one_message_with_a_hint(
    asked: list[Any], capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert call(*arguments) == 2
    first, *hint = capsys.readouterr().err.splitlines()
    assert first.startswith(f"loads-runner: {message}")
    assert hint
    assert asked == []


def test_a_run_without_a_name_can_not_be_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--stop", "") == 2
    assert "the name of the run is empty" in capsys.readouterr().err


def test_all_problems_are_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("t", "--broker", "x", "--workers", "0", "--log-file", "l", "--test-dir", "a/b", "-u", "0") == 2
    err = capsys.readouterr().err
    assert err.startswith("loads-runner: 5 problems\n")


# What is no run.

USUAL = default_endpoint(os.environ)
THERE = parse_endpoint("/x/b.sock")
STDOUT = Output("json", None)


@pytest.mark.parametrize(
    ("arguments", "done"),
    [
        (["--attach"], ("attach", USUAL, "", [], None, False)),
        (["--attach", "red-fox", "--quiet"], ("attach", USUAL, "red-fox", [], None, True)),
        (["--attach", "--output", "json=-", "--broker", "/x/b.sock"], ("attach", THERE, "", [STDOUT], None, False)),
        (["--stop", "red-fox"], ("stop", USUAL, "red-fox", False)),
        (["--stop", "red-fox", "--now"], ("stop", USUAL, "red-fox", True)),
        (["--purge-broker"], ("stop", USUAL, None, False)),
        (["--purge-broker", "--now", "--broker", "/x/b.sock"], ("stop", THERE, None, True)),
        (["--ping-broker"], ("status", USUAL)),
        (["--check-cluster"], ("check", USUAL)),
    ],
)
def test_options_that_are_no_runs(asked: list[Any], arguments: list[str], done: tuple[Any, ...]) -> None:
    assert call(*arguments) == 0
    assert asked == [done]


@pytest.mark.parametrize(
    ("arguments", "done"),
    [
        (["status"], ("status", USUAL)),
        (["runs", "-n", "3", "--broker", "/x/b.sock"], ("runs", THERE, 3, Sought())),
        (
            ["runs", "--name", "x", "--tag", "a=b c", "--tag", "d=e", "--verdict", "Failed"],
            ("runs", USUAL, 20, Sought("x", {"a": "b c", "d": "e"}, "failed")),
        ),
        (["attach"], ("attach", USUAL, "", [], None, False)),
        (["attach", "red-fox", "--quiet"], ("attach", USUAL, "red-fox", [], None, True)),
        (["stop", "red-fox", "--now"], ("stop", USUAL, "red-fox", True)),
        (["show"], ("show_run", USUAL, None, [])),
        (["show", "red-fox", "--output", "json=-"], ("show_run", USUAL, "red-fox", [STDOUT])),
        (["report"], ("report_run", USUAL, None, None)),
        (["report", "red-fox", "--output", "-", "--broker", "/x/b.sock"], ("report_run", THERE, "red-fox", "-")),
    ],
)
def test_they_are_commands_of_loads(asked: list[Any], arguments: list[str], done: tuple[Any, ...]) -> None:
    assert call(*arguments, program=main_of_group) == 0
    assert asked == [done]


def test_loads_run_is_loads_runner(asked: list[Any]) -> None:
    assert call("run", "t", "-u", "3", "-a", "2", program=main_of_group) == 0
    assert (asked[0].targets, asked[0].load.users, asked[1].agents) == (("t",), (3,), 2)


def test_messages_of_loads_are_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("stop", program=main_of_group) == 2
    assert capsys.readouterr().err == "loads: Missing argument 'RUN'\n  loads stop --help lists what there is\n"
    assert call("nothing", program=main_of_group) == 2
    assert "No such command 'nothing'" in capsys.readouterr().err


def test_settings_of_files_hold_for_commands_too(asked: list[Any], here: Path) -> None:
    """But where results are written is said of new ones."""
    (here / "pyproject.toml").write_text('[tool.loads]\nbroker = "/x/b.sock"\noutput = ["json=r.json"]\n')
    assert call("show", program=main_of_group) == 0
    assert asked == [("show_run", THERE, None, [])]


@pytest.mark.parametrize("name", ["run", "broker", "agent", "status", "runs", "attach", "stop", "show", "report"])
def test_each_command_of_loads_has_a_help(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert call("--help", program=main_of_group) == 0
    assert f"\n  {name} " in capsys.readouterr().out
    assert call(name, "--help", program=main_of_group) == 0
    assert capsys.readouterr().out.startswith(f"Usage: loads {name} ")
    assert group.name == "command"

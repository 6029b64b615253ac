"""Which options lead through SSH, and what makes no sense beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loads.cli import agent
from loads.cli import cluster as cluster_module
from loads.cli.agent import command as agent_command
from loads.cli.cluster import OnCluster
from loads.cli.group import main as main_of_group
from loads.cli.reach import opened, read_way, remote_of
from loads.cli.runner import main
from loads.errors import UsageError
from loads.runner.ssh import MARK, Host, Remote
from loads.wire.endpoint import default_endpoint

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[OnCluster]:
    """The clusters that runs were to go to."""
    seen: list[OnCluster] = []

    def run_there(_spec: Any, cluster: OnCluster, _outputs: Any, _page: Any, *, quiet: bool) -> int:
        seen.append(cluster)
        return 0

    monkeypatch.setattr(cluster_module, "run_on_cluster", run_there)
    return seen


def call(*arguments: str, program: Any = main) -> int:
    with pytest.raises(SystemExit) as caught:
        program(list(arguments))
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_ssh_alone_makes_a_run_one_on_all_free_agents(asked: list[OnCluster]) -> None:
    assert call("t", "--ssh", "ana@master:2222", "--ssh-option", "Compression=yes", "--ssh-command", "/v/loads") == 0
    [cluster] = asked
    assert cluster.endpoint == Remote(Host("master", "ana", 2222), ("Compression=yes",), "/v/loads")
    assert cluster.agents is None


def test_it_may_be_said_in_the_environment_and_in_files(
    asked: list[OnCluster], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "pyproject.toml").write_text('[tool.loads]\nssh-option = ["Compression=yes"]\nbroker = "~/b.sock"\n')
    monkeypatch.setenv("LOADS_SSH", "master")
    assert call("t") == 0
    assert asked[0].endpoint == Remote(Host("master"), ("Compression=yes",), socket="~/b.sock")


@pytest.mark.parametrize("arguments", [["t"], ["--attach"], ["--ping-broker"], ["--stop", "x"], ["--check-cluster"]])
@pytest.mark.parametrize(
    ("way", "told"),
    [
        (["--ssh", "-oX"], "--ssh: '-oX': '-oX' is not the name"),
        (["--ssh", "m", "--broker", "tcp://10.0.0.5:7700"], "--ssh and --broker: 'tcp://10.0.0.5:7700' is not reached"),
        (["--broker", "/x/b.sock", "--ssh-option", "A=b"], "--ssh-option is for --ssh"),
        (["--broker", "/x/b.sock", "--ssh-command", "l"], "--ssh-command is for --ssh"),
    ],
)
def test_wrong_usage_is_one_message_with_a_hint(
    asked: list[OnCluster], capsys: pytest.CaptureFixture[str], arguments: list[str], way: list[str], told: str
) -> None:
    assert call(*arguments, *way) == 2
    first, *hint = capsys.readouterr().err.splitlines()
    assert first.startswith(f"loads-runner: {told}")
    assert hint
    assert asked == []


def test_all_commands_that_ask_a_broker_have_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("run", "agent", "status", "runs", "attach", "stop", "show"):
        assert call(name, "--help", program=main_of_group) == 0
        out = capsys.readouterr().out
        assert all(f"--{option}" in out for option in ("broker", "ssh", "ssh-option", "ssh-command"))


def test_loads_where_says_the_usual_socket(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/x/state")
    assert call("where", program=main_of_group) == 0
    assert capsys.readouterr().out == f"{MARK}/x/state/loads/run/broker.sock\n"


def test_an_agent_takes_the_way_from_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOADS_SSH", "master")
    monkeypatch.setenv("LOADS_SSH_OPTION", "A=b C=d")
    monkeypatch.setenv("LOADS_USERS", "nonsense that is not for agents")
    assert remote_of(read_way({"ssh": None, "broker": None})) == Remote(Host("master"), ("A=b", "C=d"))
    assert remote_of(read_way({"ssh": "other", "broker": "/b.sock"})) == Remote(
        Host("other"), ("A=b", "C=d"), socket="/b.sock"
    )
    monkeypatch.setenv("LOADS_BROKER", "tcp://10.0.0.5:7700")
    with pytest.raises(UsageError, match="LOADS_SSH and LOADS_BROKER: 'tcp"):
        remote_of(read_way({}))


def test_an_agent_behind_a_tunnel_has_no_grace(capsys: pytest.CaptureFixture[str]) -> None:
    """Its users are given to others as soon as the tunnel breaks."""
    assert agent._grace_us(None, Remote(Host("m"))) == 0
    assert agent._grace_us(None, default_endpoint({})) == 30_000_000
    with pytest.raises(SystemExit) as caught:
        agent.main(["--ssh", "m", "--grace", "5s"])
    assert caught.value.code == 2
    assert "loads-agent: --grace and --ssh exclude each other" in capsys.readouterr().err
    assert agent_command.name == "command"


def test_without_ssh_the_endpoint_is_handed_on() -> None:
    endpoint = default_endpoint({"HOME": "/home/ana"})
    with opened(endpoint) as same:
        assert same is endpoint

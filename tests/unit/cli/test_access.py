"""``loads keys``: made, given out, joined with, listed and taken away; bad input is one message."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from loads.broker.keyring import Keyring
from loads.cli.access import command
from loads.cli.broker import tell_port
from loads.errors import UsageError
from loads.wire.cluster import Role
from loads.wire.endpoint import parse_endpoint
from loads.wire.keys import joined, parse_join


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("LOADS_JOIN", raising=False)

    def call(*arguments: str, typed: str | None = None) -> Result:
        result = CliRunner().invoke(command, arguments, input=typed, standalone_mode=False)
        if result.exception is not None:
            raise result.exception
        return result

    return call


def test_from_nothing_to_a_machine_that_joined(keys: Any, tmp_path: Path) -> None:
    keys("init", "--endpoint", "tcp://10.0.0.5:7700")
    added = keys("add", "north", "--role", "agent")
    line = added.stdout.strip()
    assert parse_join(line).name == "north"
    assert "act as an agent" in added.stderr
    told = keys("join", line)
    assert "Joined tcp://10.0.0.5:7700 as an agent named north" in told.stdout
    assert "loads-agent" in told.stdout
    assert [join.line for join in joined(tmp_path / "loads")] == [line]


def test_the_line_may_be_typed_or_come_from_the_environment(
    keys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys("init", "--endpoint", "tcp://10.0.0.5:7700")
    ci, wall = (
        keys("add", name, "--role", role).stdout.strip() for name, role in (("ci", "runner"), ("w", "observer"))
    )
    keys("join", "-", typed=f"{ci}\n")
    monkeypatch.setenv("LOADS_JOIN", wall)
    keys("join")
    assert [join.role for join in joined(tmp_path / "loads")] == [Role.OBSERVER, Role.RUNNER]


def test_keys_are_listed_without_secrets_and_revoked(keys: Any, tmp_path: Path) -> None:
    keys("init", "--endpoint", "tcp://10.0.0.5:7700")
    assert "No key is let in yet" in keys("list").stdout
    join = parse_join(keys("add", "north", "--role", "agent").stdout)
    listed = keys("list").stdout
    assert "Peers reach the broker at tcp://10.0.0.5:7700" in listed
    assert "north" in listed
    assert join.pair.public.hex()[:16] in listed
    assert join.pair.secret.hex()[:8] not in listed
    keys("revoke", "north")
    assert Keyring(tmp_path / "loads" / "keys").admitted() == []


def test_init_again_keeps_the_key(keys: Any, tmp_path: Path) -> None:
    keys("init", "--endpoint", "tcp://10.0.0.5:7700")
    before = Keyring(tmp_path / "loads" / "keys").own().pair
    told = keys("init", "--endpoint", "tcp://10.0.0.6:7700").stdout
    assert "Kept the broker's key" in told
    assert Keyring(tmp_path / "loads" / "keys").own().pair == before


def test_a_broker_with_a_state_directory_of_its_own(keys: Any, tmp_path: Path) -> None:
    keys("init", "--endpoint", "tcp://10.0.0.5:1", "--state-dir", str(tmp_path / "own"))
    keys("add", "north", "--role", "agent", "--state-dir", str(tmp_path / "own"))
    assert [each.name for each in Keyring(tmp_path / "own" / "keys").admitted()] == ["north"]


def test_each_change_is_in_the_audit_log_without_secrets(keys: Any, tmp_path: Path) -> None:
    keys("init", "--endpoint", "tcp://10.0.0.5:7700")
    line = keys("add", "north", "--role", "agent").stdout.strip()
    keys("revoke", "north")
    text = (tmp_path / "loads" / "broker" / "audit.log").read_text()
    assert [json.loads(each)["event"] for each in text.splitlines()] == ["key made", "key added", "key revoked"]
    assert line not in text
    assert parse_join(line).pair.secret.hex() not in text


@pytest.mark.parametrize(
    ("bound", "told"),
    [
        ("tcp://0.0.0.0:7700", []),
        ("tcp://0.0.0.0:7701", ["lines of loads keys add lead to tcp://10.0.0.5:7700, and it listens on no port 7700"]),
    ],
)
def test_a_broker_says_when_peers_are_led_to_another_port(
    keys: Any, tmp_path: Path, bound: str, told: list[str]
) -> None:
    keys("init", "--endpoint", "tcp://10.0.0.5:7700")
    said: list[str] = []
    tell_port(tmp_path / "loads", [parse_endpoint("/run/b.sock"), parse_endpoint(bound)], said.append, insecure=False)
    assert said == told


def test_where_to_listen_is_told_as_narrowly_as_can_be(keys: Any) -> None:
    assert "loads-broker --bind tcp://127.0.0.1:7700\n" in keys("init", "--endpoint", "tcp://127.0.0.1:7700").stdout
    assert "loads-broker --bind tcp://0.0.0.0:7700\n" in keys("init", "--endpoint", "tcp://hub:7700").stdout


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["add", "north", "--role", "agent"], "the broker has no key yet", "loads keys init"),
        (["list"], "the broker has no key yet", "loads keys init"),
        (["init", "--endpoint", "/run/x.sock"], "unix socket, which needs no keys", "tcp://"),
        (["init", "--endpoint", "tcp://hub"], "--endpoint: 'tcp://hub' has no port", "tcp://"),
        (
            ["init", "--endpoint", "tcp://0.0.0.0:7700"],
            "says where to listen, and not how peers reach",
            "tcp://10.0.0.5",
        ),
        (["init", "--endpoint", "tcp://[::]:7700"], "says where to listen, and not how peers reach", "tcp://10.0.0.5"),
        (["join"], "there is no line to join with", "loads keys add"),
        (["join", "hello"], "that is not a line of loads keys add", "loads-join-1-"),
    ],
)
def test_bad_input_is_one_message_that_says_what_to_do(
    keys: Any, arguments: list[str], message: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        keys(*arguments)
    assert message in caught.value.message
    assert hint in caught.value.hint

"""Which broker is meant, and with which key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from loads.cli.joined import AGENT, CLIENT, passed_over, usual_endpoint, with_key
from loads.errors import UsageError
from loads.wire.cluster import Role
from loads.wire.endpoint import default_endpoint, parse_endpoint
from loads.wire.keys import Join, KeyPair, keep_join

HUB, OTHER = "tcp://hub:7700", "tcp://other:7700"


def join_of(name: str, role: Role, endpoint: str = HUB) -> Join:
    return Join(name, role, endpoint, b"b" * 32, KeyPair(name.encode().ljust(32), b"s" * 32))


@pytest.fixture
def environ(tmp_path: Path) -> Mapping[str, str]:
    return {"XDG_STATE_HOME": str(tmp_path)}


def keep(tmp_path: Path, *joins: Join) -> None:
    for join in joins:
        keep_join(tmp_path / "loads", join)


def test_without_a_join_it_is_the_socket_on_this_machine(environ: Mapping[str, str]) -> None:
    assert usual_endpoint(CLIENT, environ) == default_endpoint(environ)
    assert with_key(parse_endpoint(HUB), CLIENT, environ).keys is None


def test_the_broker_that_was_joined_is_meant(environ: Mapping[str, str], tmp_path: Path) -> None:
    north, ci = join_of("north", Role.AGENT), join_of("ci", Role.RUNNER)
    keep(tmp_path, north, ci)
    assert usual_endpoint(AGENT, environ).keys == north
    assert usual_endpoint(CLIENT, environ).keys == ci
    assert str(usual_endpoint(CLIENT, environ)) == HUB
    assert with_key(parse_endpoint(HUB), AGENT, environ).keys == north
    assert with_key(parse_endpoint(OTHER), AGENT, environ).keys is None


def test_a_join_as_something_else_does_not_count(environ: Mapping[str, str], tmp_path: Path) -> None:
    keep(tmp_path, join_of("north", Role.AGENT))
    assert usual_endpoint(CLIENT, environ) == default_endpoint(environ)
    told = passed_over(CLIENT, environ)
    assert told is not None
    assert told.message == f"{HUB} was joined as an agent, and the key of a runner or an observer is needed here"
    assert "loads keys add NAME --role runner" in told.hint
    assert passed_over(AGENT, environ) is None
    with pytest.raises(UsageError, match="was joined as an agent, and the key of a runner or an observer is needed"):
        with_key(parse_endpoint(HUB), CLIENT, environ)
    assert with_key(parse_endpoint(OTHER), CLIENT, environ).keys is None


def test_an_empty_line_in_the_environment_says_nothing(environ: Mapping[str, str], tmp_path: Path) -> None:
    keep(tmp_path, join_of("ci", Role.RUNNER))
    empty = {**environ, "LOADS_JOIN": ""}
    assert usual_endpoint(CLIENT, empty).keys == join_of("ci", Role.RUNNER)
    assert with_key(parse_endpoint(HUB), CLIENT, empty).keys == join_of("ci", Role.RUNNER)
    assert with_key(parse_endpoint(OTHER), CLIENT, empty).keys is None


def test_of_two_keys_the_one_that_may_do_more_is_taken(environ: Mapping[str, str], tmp_path: Path) -> None:
    keep(tmp_path, join_of("wall", Role.OBSERVER))
    assert usual_endpoint(CLIENT, environ).keys == join_of("wall", Role.OBSERVER)
    keep(tmp_path, join_of("ci", Role.RUNNER))
    assert usual_endpoint(CLIENT, environ).keys == join_of("ci", Role.RUNNER)


def test_of_two_brokers_one_must_be_named(environ: Mapping[str, str], tmp_path: Path) -> None:
    keep(tmp_path, join_of("a", Role.RUNNER), join_of("b", Role.RUNNER, OTHER))
    with pytest.raises(UsageError, match="2 brokers were joined: tcp://hub:7700, tcp://other:7700") as caught:
        usual_endpoint(CLIENT, environ)
    assert "--broker" in caught.value.hint
    assert with_key(parse_endpoint(OTHER), CLIENT, environ).keys == join_of("b", Role.RUNNER, OTHER)


def test_a_line_in_the_environment_wins(environ: Mapping[str, str], tmp_path: Path) -> None:
    keep(tmp_path, join_of("a", Role.RUNNER, OTHER))
    line = {**environ, "LOADS_JOIN": join_of("ci", Role.RUNNER).line}
    assert usual_endpoint(CLIENT, line).keys == join_of("ci", Role.RUNNER)
    assert with_key(parse_endpoint("tcp://10.0.0.5:1"), CLIENT, line).keys == join_of("ci", Role.RUNNER)
    assert with_key(parse_endpoint("/run/loads.sock"), CLIENT, line).keys is None
    with pytest.raises(
        UsageError, match="LOADS_JOIN holds the key of a runner, and that of an agent is needed here"
    ) as caught:
        usual_endpoint(AGENT, line)
    assert "--role agent" in caught.value.hint
    with pytest.raises(UsageError, match="LOADS_JOIN: that line"):
        usual_endpoint(CLIENT, {**line, "LOADS_JOIN": line["LOADS_JOIN"][:-9]})


def test_an_agent_with_a_state_directory_of_its_own_has_its_key_there(tmp_path: Path) -> None:
    keep_join(tmp_path / "own", join_of("north", Role.AGENT))
    keep(tmp_path, join_of("usual", Role.AGENT))
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    assert usual_endpoint(AGENT, environ, tmp_path / "own").keys == join_of("north", Role.AGENT)
    assert usual_endpoint(AGENT, environ, tmp_path / "other").keys == join_of("usual", Role.AGENT)

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.errors import ExitCode, LoadsError, UsageError
from loads.wire.endpoint import (
    MAX_PATH_BYTES,
    Endpoint,
    as_owner,
    check_directory,
    check_owner,
    default_endpoint,
    parse_endpoint,
    secure_directory,
    state_directory,
    user_name,
)


@pytest.mark.parametrize("text", ["ipc:///run/b.sock", "/run/b.sock", " /run/b.sock "])
def test_a_path_is_a_unix_socket(text: str) -> None:
    endpoint = parse_endpoint(text)
    assert endpoint == Endpoint("ipc:///run/b.sock", Path("/run/b.sock"))
    assert endpoint.is_local
    assert str(endpoint) == "/run/b.sock"


@pytest.mark.parametrize("text", ["~/b.sock", "ipc://~/b.sock"])
def test_a_path_from_home(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert parse_endpoint(text).path == Path("/home/ada/b.sock")


@pytest.mark.parametrize(
    ("text", "is_ipv6"),
    [
        ("tcp://10.0.0.5:7700", False),
        ("tcp://loads-master.example.org:1", False),
        ("tcp://my_host:65535", False),
        ("tcp://[::1]:7700", True),
        ("tcp://[fe80::1%eth0]:7700", True),
    ],
)
def test_a_host_and_a_port(text: str, is_ipv6: bool) -> None:
    endpoint = parse_endpoint(text)
    assert endpoint.url == text == str(endpoint)
    assert endpoint.path is None
    assert not endpoint.is_local
    assert endpoint.is_ipv6 is is_ipv6


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("b.sock", "'b.sock' is not an address of a broker: a path must begin with / or ~"),
        ("", "'' is not an address of a broker: a path must begin with / or ~"),
        ("ipc://b.sock", "'ipc://b.sock' is not an address of a broker: a path must begin with / or ~"),
        ("10.0.0.5:7700", "'10.0.0.5:7700' is not an address of a broker: a path must begin with / or ~"),
        ("http://a:1", "'http://a:1' is not an address of a broker: 'http' is no way to it"),
        ("tcp://host", "'tcp://host' has no port"),
        ("tcp://[::1]", "'tcp://[::1]' has no port"),
        ("tcp://host:", "'tcp://host:': '' is not a port, which is a number from 1 to 65535"),
        ("tcp://host:0", "'tcp://host:0': '0' is not a port, which is a number from 1 to 65535"),
        ("tcp://host:65536", "'tcp://host:65536': '65536' is not a port, which is a number from 1 to 65535"),
        ("tcp://host:x", "'tcp://host:x': 'x' is not a port, which is a number from 1 to 65535"),
        ("tcp://:7700", "'tcp://:7700': '' is not the name or the address of a machine"),
        ("tcp://a b:7700", "'tcp://a b:7700': 'a b' is not the name or the address of a machine"),
        ("tcp://::1:7700", "'tcp://::1:7700': an IPv6 address is written in brackets"),
        ("tcp://[::g]:7700", "'tcp://[::g]:7700': '::g' is not an IPv6 address"),
        ("/run/", "'/run/' does not name a file"),
        ("/", "'/' does not name a file"),
        ("/a\0b", "'/a\\x00b' does not name a file"),
        ("/a\udcff", "'/a\\udcff' is not UTF-8"),
        ("~nobody-of-that-name/b", "'~nobody-of-that-name/b' is in the home of a user that is not known here"),
    ],
)
def test_anything_else_is_refused_with_examples(text: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_endpoint(text)
    assert caught.value.message == told
    assert "tcp://10.0.0.5:7700" in caught.value.hint


@given(st.text())
def test_any_text_is_an_address_or_a_usage_error(text: str) -> None:
    for prefix in ("", "/", "ipc://", "tcp://", "tcp://[", "tcp://a:"):
        try:
            parse_endpoint(prefix + text)
        except UsageError:
            continue


def test_a_path_has_as_many_bytes_as_the_kernel_has_room_for() -> None:
    longest = "/" + "ü" * 53
    assert len(longest.encode()) == MAX_PATH_BYTES
    assert parse_endpoint(longest).path == Path(longest)
    with pytest.raises(UsageError, match=r"has room for 107 bytes, and /.*s has 108"):
        parse_endpoint(longest + "s")


def test_the_default_is_in_the_state_directory() -> None:
    home = {"HOME": "/home/ada"}
    assert state_directory(home) == Path("/home/ada/.local/state/loads")
    assert default_endpoint(home).path == Path("/home/ada/.local/state/loads/run/broker.sock")
    assert default_endpoint({**home, "XDG_STATE_HOME": "/s"}).url == "ipc:///s/loads/run/broker.sock"
    assert state_directory({**home, "XDG_STATE_HOME": "relative"}) == state_directory(home)
    assert state_directory({**home, "XDG_STATE_HOME": ""}) == state_directory(home)
    assert state_directory({}).is_absolute()
    with pytest.raises(UsageError, match="has room for 107 bytes"):
        default_endpoint({"XDG_STATE_HOME": "/" + "s" * 100})


def test_a_directory_is_made_for_the_user_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        secure_directory(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    secure_directory(tmp_path / "a" / "b")


@pytest.mark.parametrize("mode", [0o755, 0o710, 0o701, 0o777, 0o1777])
def test_one_that_others_may_enter_is_refused_and_left_as_it_is(tmp_path: Path, mode: int) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(mode)
    with pytest.raises(UsageError, match=f"others may enter .*: its mode is {mode:04o}") as caught:
        secure_directory(shared)
    assert "choose a directory of your own" in caught.value.hint
    assert caught.value.exit_code is ExitCode.USAGE
    assert shared.stat().st_mode & 0o7777 == mode


@pytest.mark.parametrize(
    ("mode", "owner", "advised"), [(0o755, 1000, True), (0o1777, 1000, False), (0o1777, 0, False), (0o755, 0, False)]
)
def test_to_close_a_directory_is_only_advised_where_nobody_else_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, owner: int, advised: bool
) -> None:
    """A machine whose /tmp or /run was closed to others is broken."""
    found = os.stat_result((stat.S_IFDIR | mode, 1, 1, 1, owner, owner, 0, 0, 0, 0))
    monkeypatch.setattr(Path, "stat", lambda _: found)
    monkeypatch.setattr(os, "geteuid", lambda: owner)
    with pytest.raises(UsageError, match="others may enter") as caught:
        check_directory(tmp_path)
    assert ("chmod" in caught.value.hint) is advised


def test_one_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(UsageError, match=r"belongs to .*, not to you") as caught:
        check_directory(tmp_path)
    assert "chmod" not in caught.value.hint


def test_what_is_no_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is not a directory"):
        secure_directory(tmp_path / "file")
    with pytest.raises(LoadsError, match="can't make the directory"):
        secure_directory(tmp_path / "file" / "below")
    with pytest.raises(UsageError, match="can't look at"):
        check_directory(tmp_path / "file" / "below")


def test_one_that_is_not_there_is_no_danger_to_who_connects(tmp_path: Path) -> None:
    check_directory(tmp_path / "none")


def test_who_has_no_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)
    with pytest.raises(UsageError, match="HOME is not set") as caught:
        state_directory({})
    assert "set HOME" in caught.value.hint
    with pytest.raises(UsageError, match="'somewhere', is not a path from / on"):
        state_directory({"HOME": "somewhere"})


def test_root_is_told_whom_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = user_name(os.geteuid())
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)
    with pytest.raises(UsageError, match=f"belongs to {owner}, not to you") as caught:
        check_owner(tmp_path)
    assert "sudo" not in caught.value.hint
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert as_owner("ana") == "run it as that user: sudo -u ana ..."
    check_owner(tmp_path / "missing")

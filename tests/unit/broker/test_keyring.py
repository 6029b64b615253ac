"""The broker's keyring: who is let in is what lies in its directory, at once."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from loads.broker.keyring import Keyring
from loads.errors import UsageError
from loads.wire.cluster import Role

ENDPOINT = "tcp://10.0.0.5:7700"


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    keyring = Keyring(tmp_path / "keys")
    keyring.init(ENDPOINT)
    return keyring


def test_a_key_is_made_once_and_then_kept(tmp_path: Path) -> None:
    keyring = Keyring(tmp_path / "keys")
    assert not keyring.has_key
    first, is_new = keyring.init(ENDPOINT)
    assert is_new
    assert keyring.has_key
    again, is_new = keyring.init("tcp://other:1")
    assert not is_new
    assert again.pair == first.pair
    assert keyring.own().endpoint == "tcp://other:1"
    assert (tmp_path / "keys" / "broker").stat().st_mode & 0o777 == 0o600


def test_nothing_goes_without_a_key_of_the_broker(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no key yet") as caught:
        Keyring(tmp_path / "keys").add("north", Role.AGENT)
    assert "loads keys init" in caught.value.hint


def test_who_is_added_is_let_in_with_his_role(keyring: Keyring) -> None:
    join = keyring.add("north", Role.AGENT)
    assert (join.name, join.role, join.endpoint) == ("north", Role.AGENT, ENDPOINT)
    assert join.broker == keyring.own().pair.public
    known, troubles = keyring.look()
    assert known[join.pair.public].role is Role.AGENT
    assert troubles == []
    assert keyring.add("south", Role.AGENT, "tcp://elsewhere:9").endpoint == "tcp://elsewhere:9"
    assert [each.name for each in keyring.admitted()] == ["north", "south"]


def test_the_secret_of_a_peer_is_kept_nowhere(keyring: Keyring, tmp_path: Path) -> None:
    secret = keyring.add("north", Role.AGENT).pair.secret
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 2
    assert not any(secret in data or secret.hex().encode() in data for data in files)


def test_a_name_is_used_once(keyring: Keyring) -> None:
    keyring.add("north", Role.AGENT)
    with pytest.raises(UsageError, match="already"):
        keyring.add("north", Role.RUNNER)
    for bad in ("", "../broker", "a b", ".hidden", "x" * 64):
        with pytest.raises(UsageError, match="not a name"):
            keyring.add(bad, Role.AGENT)


def test_who_is_revoked_is_let_in_no_more(keyring: Keyring) -> None:
    north, south = keyring.add("north", Role.AGENT), keyring.add("south", Role.AGENT)
    assert set(keyring.look()[0]) == {north.pair.public, south.pair.public}
    assert keyring.revoke("north") is Role.AGENT
    assert set(keyring.look()[0]) == {south.pair.public}
    with pytest.raises(UsageError, match="no key named north") as caught:
        keyring.revoke("north")
    assert "south" in caught.value.hint
    again = keyring.add("north", Role.RUNNER)
    assert keyring.look()[0][again.pair.public].role is Role.RUNNER


def test_a_file_that_others_can_change_lets_in_nobody(keyring: Keyring, tmp_path: Path) -> None:
    north = keyring.add("north", Role.AGENT)
    path = tmp_path / "keys" / "admitted" / "north"
    path.chmod(0o666)
    known, troubles = keyring.look()
    assert known == {}
    assert "others can read it" in troubles[0]
    path.chmod(0o600)
    assert set(keyring.look()[0]) == {north.pair.public}
    path.rename(path.with_name("other"))
    assert keyring.look()[0] == {}
    path.with_name("other").write_text("{}")
    assert keyring.look()[0] == {}


def settle(keyring: Keyring, tmp_path: Path) -> None:
    """Have the directory be as it is for long enough that its time tells of the next change."""
    admitted = tmp_path / "keys" / "admitted"
    os.utime(admitted, ns=(0, admitted.stat().st_mtime_ns - 10**10))
    keyring.look()


def test_who_looks_again_opens_nothing_and_lists_nothing(
    keyring: Keyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each stranger at the door makes the broker look: with ten thousand keys that cost 90 ms."""
    keyring.add("north", Role.AGENT)
    settle(keyring, tmp_path)
    before = keyring.look()
    for costly in ("scandir", "listdir", "open"):
        monkeypatch.setattr(os, costly, None)
    assert keyring.look() == before


def test_a_change_that_follows_at_once_is_seen(keyring: Keyring, tmp_path: Path) -> None:
    north = keyring.add("north", Role.AGENT)
    settle(keyring, tmp_path)
    keyring.revoke("north")
    assert keyring.look()[0] == {}
    south = keyring.add("south", Role.AGENT)
    assert set(keyring.look()[0]) == {south.pair.public}
    settle(keyring, tmp_path)
    keyring.revoke("south")
    assert keyring.look()[0] == {}
    assert north.pair.public != south.pair.public


def test_too_many_open_files_send_nobody_away(keyring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    """Strangers can bring that about."""
    north = keyring.add("north", Role.AGENT)
    keyring.look()

    def fail(_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "scandir", fail)
    known, troubles = keyring.look()
    assert set(known) == {north.pair.public}
    assert "Too many open files" in troubles[0]
    monkeypatch.undo()
    south = keyring.add("south", Role.AGENT)
    assert set(keyring.look()[0]) == {north.pair.public, south.pair.public}


def test_a_directory_that_can_not_be_entered_lets_in_nobody(keyring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    north = keyring.add("north", Role.AGENT)
    assert set(keyring.look()[0]) == {north.pair.public}

    def fail(_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "scandir", fail)
    known, troubles = keyring.look()
    assert known == {}
    assert "Permission denied" in troubles[0]


def test_a_directory_that_others_may_write_to_lets_in_nobody(keyring: Keyring, tmp_path: Path) -> None:
    keyring.add("north", Role.AGENT)
    (tmp_path / "keys" / "admitted").chmod(0o777)
    known, troubles = keyring.look()
    assert known == {}
    assert "others may enter" in troubles[0]


def test_a_key_that_could_not_be_read_is_read_again(
    keyring: Keyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    north = keyring.add("north", Role.AGENT)
    really = os.open

    def fail(path: Any, *arguments: Any, **more: Any) -> int:
        if str(path).endswith("admitted/north"):
            raise OSError(errno.EMFILE, "Too many open files")
        return really(path, *arguments, **more)

    monkeypatch.setattr(os, "open", fail)
    assert keyring.look()[0] == {}
    monkeypatch.undo()
    settle(keyring, tmp_path)
    assert set(keyring.look()[0]) == {north.pair.public}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_makes_nothing_in_the_directory_of_another_users_broker(tmp_path: Path) -> None:
    """The broker could not read it, and would not start again."""
    os.chown(tmp_path, 65_534, 65_534)
    with pytest.raises(UsageError, match="belongs to nobody, not to you") as caught:
        Keyring(tmp_path / "keys").init(ENDPOINT)
    assert "sudo -u nobody" in caught.value.hint
    assert not (tmp_path / "keys").exists()


def test_a_key_can_be_revoked_whatever_its_file_and_those_of_others_are_like(keyring: Keyring, tmp_path: Path) -> None:
    for name in ("north", "south", "west"):
        keyring.add(name, Role.AGENT)
    admitted = tmp_path / "keys" / "admitted"
    (admitted / "north").chmod(0o644)
    (admitted / "south").write_text("half a fi")
    assert keyring.revoke("west") is Role.AGENT
    assert keyring.revoke("north") is None
    assert keyring.revoke("south") is None
    assert keyring.look() == ({}, [])

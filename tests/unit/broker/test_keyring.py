"""The broker's keyring: who is let in is what lies in its directory, at once."""

from __future__ import annotations

from pathlib import Path

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
    assert keyring.revoke("north").public == north.pair.public
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

"""The gate: who stands behind a connection, by the keys as they are now."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from loads.broker.audit import Audit
from loads.broker.doorman import Caller
from loads.broker.gate import Gate
from loads.broker.keyring import Keyring
from loads.broker.rights import EVERYTHING, NOBODY
from loads.wire.cluster import Role
from loads.wire.endpoint import user_name


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    keyring = Keyring(tmp_path / "keys")
    keyring.init("tcp://10.0.0.5:7700")
    return keyring


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def gate(keyring: Keyring, tmp_path: Path, said: list[str]) -> Gate:
    return Gate(keyring, Audit(tmp_path / "audit.log", said.append), said.append)


def test_a_key_that_is_added_or_revoked_counts_at_once(gate: Gate, keyring: Keyring) -> None:
    assert gate.changes() is None
    key = keyring.add("north", Role.AGENT).pair.public
    assert gate.admits(key)
    gate.met(b"x", Caller(key, None, "10.0.0.7"))
    assert gate.who(b"x").name == "key north"
    assert gate.who(b"x").roles == {Role.AGENT}
    keyring.revoke("north")
    assert gate.changes() == frozenset()
    assert gate.changes() is None
    assert not gate.admits(key)
    assert gate.who(b"x").roles == frozenset()


def test_that_a_key_is_gone_is_told_by_whoever_looks_first(gate: Gate, keyring: Keyring) -> None:
    """A stranger at the door makes the gate look; the state must hear of the change all the same."""
    key = keyring.add("north", Role.AGENT).pair.public
    gate.changes()
    keyring.revoke("north")
    assert not gate.admits(key)
    assert gate.changes() == frozenset()


def test_behind_the_socket_is_a_user_of_this_machine(gate: Gate) -> None:
    gate.met(b"x", Caller(None, os.getuid(), None))
    assert gate.who(b"x").name == f"user {user_name(os.getuid())}"
    assert gate.who(b"x").roles == EVERYTHING
    gate.met(b"y", Caller(None, None, None))
    assert gate.who(b"y").roles == EVERYTHING


def test_behind_an_address_that_asks_for_no_key_may_be_anybody(gate: Gate) -> None:
    gate.met(b"x", Caller(None, None, "10.0.0.7"))
    assert gate.who(b"x").name == "anybody at 10.0.0.7"


def test_who_was_never_met_or_is_gone_is_nobody(gate: Gate) -> None:
    assert gate.who(b"x") is NOBODY
    gate.met(b"x", Caller(None, None, None))
    gate.gone(b"x")
    assert gate.who(b"x") is NOBODY


def test_a_file_of_the_allow_list_that_others_can_change_is_told_once(
    gate: Gate, keyring: Keyring, tmp_path: Path, said: list[str]
) -> None:
    key = keyring.add("north", Role.AGENT).pair.public
    (tmp_path / "keys" / "admitted" / "north").chmod(0o644)
    for _ in range(3):
        assert not gate.admits(key)
    assert len([line for line in said if "not kept well" in line]) == 1


def test_a_key_whose_role_is_another_has_to_come_in_again(gate: Gate, keyring: Keyring, tmp_path: Path) -> None:
    key = keyring.add("north", Role.RUNNER).pair.public
    assert gate.changes() == {key}
    path = tmp_path / "keys" / "admitted" / "north"
    path.write_text(path.read_text().replace("runner", "observer"))
    assert gate.changes() == frozenset()
    assert gate.changes() is None
    gate.met(b"x", Caller(key, None, "10.0.0.7"))
    assert gate.who(b"x").roles == {Role.OBSERVER}

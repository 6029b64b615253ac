"""What an agent's workers get of its environment and its directories."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.errors import UsageError
from loads.pool.confine import (
    NAMED,
    NAMED_PREFIXES,
    SECRETS,
    Confinement,
    WorkerUser,
    confine,
    find_user,
    hand_over,
    make_place,
    open_way,
)
from loads.pool.limits import NO_CORE

OTHER = WorkerUser("ada", os.getuid() + 1_000, os.getgid() + 1_000, (os.getgid() + 1_001,), "/home/ada")
names = st.one_of(st.sampled_from([*NAMED, "LC_ALL", "PYTHONPATH", "LOADS_JOIN"]), st.text("ABCLOADS_", min_size=1))
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@given(st.dictionaries(names, st.text()), st.sets(names))
def test_a_worker_gets_exactly_what_is_named(environment: dict[str, str], wanted: set[str]) -> None:
    more = [name for name in wanted if name in environment and not name.startswith("LOADS_")]
    got = confine(environment, more).variables
    assert got.items() <= environment.items()
    assert {name for name in got if name not in NAMED and not name.startswith(NAMED_PREFIXES)} <= set(more)
    assert set(more) <= set(got)
    assert not [name for name in got if name.startswith("LOADS_")]


def test_names_that_can_not_be_passed_on_are_told_all_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        confine({"A": "1", "LOADS_KEY": "2"}, ["A", "B", "LOADS_KEY", "A=secret"])
    assert "3 problems" in caught.value.message
    assert "there is no such variable" in caught.value.hint
    assert "secret" not in str(caught.value)


def test_another_user_has_a_home_of_its_own_and_not_the_agents_temporary_directory() -> None:
    agents = {"HOME": "/root", "USER": "root", "LOGNAME": "root", "TMPDIR": "/root/tmp", "PATH": "/bin"}
    got = confine(agents, user=OTHER).variables
    assert got == {"HOME": "/home/ada", "USER": "ada", "LOGNAME": "ada", "PATH": "/bin"}
    assert confine(agents, ["TMPDIR"], user=OTHER).variables["TMPDIR"] == "/root/tmp"


def test_a_local_run_keeps_all_but_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANYTHING", "1")
    monkeypatch.setenv("LOADS_JOIN", "a key")
    assert Confinement().variables == {name: text for name, text in os.environ.items() if name not in SECRETS}
    assert not Confinement().is_special


def test_values_are_in_no_repr() -> None:
    assert "secret" not in repr(confine({"PATH": "secret"}))


def test_what_might_not_even_start_is_tried() -> None:
    assert not confine({}).is_special
    assert confine({}, limits={**NO_CORE, 7: 1}).is_special
    assert confine({}, user=OTHER).is_special


def test_only_root_may_name_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UsageError, match="for an agent that runs as root") as caught:
        find_user("nobody")
    assert "sudo -u nobody loads-agent" in caught.value.hint


def test_users_that_are_none_or_root_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(UsageError, match="has all the rights of root"):
        find_user(pwd.getpwuid(0).pw_name)
    for name in ("nobody-there", "a\0b"):
        with pytest.raises(UsageError, match="there is no such user"):
            find_user(name)
    monkeypatch.setattr(os, "getgrouplist", lambda _name, gid: [gid, 0])
    with pytest.raises(UsageError, match="is in the group"):
        find_user("nobody")


def test_a_place_is_open_to_pass_or_closed_whatever_it_was(tmp_path: Path) -> None:
    place = tmp_path / "place"
    for passable in (False, True, False):
        make_place(place, passable=passable)
        assert mode(place) == (0o711 if passable else 0o700)


def test_the_way_to_an_agents_directory_is_opened_or_refused(tmp_path: Path) -> None:
    base = tmp_path / "closed" / "state"
    directory = base / "agent-ada"
    directory.mkdir(parents=True)
    base.chmod(0o700)
    (tmp_path / "closed").chmod(0o700)
    open_way(base, directory, None)
    assert (mode(directory), mode(base)) == (0o700, 0o700)
    with pytest.raises(UsageError, match="ada can't pass") as caught:
        open_way(base, directory, OTHER)
    assert "--state-dir /var/lib/loads" in caught.value.hint
    assert (mode(directory), mode(base), mode(base.parent)) == (0o711, 0o701, 0o700)


def test_who_may_pass_follows_owner_group_and_mode(tmp_path: Path) -> None:
    def may(bits: int, user: WorkerUser) -> bool:
        tmp_path.chmod(0o700 if bits == 0 else bits)
        found = tmp_path.stat()
        tmp_path.chmod(0o700)
        return user.may_pass(found)

    owner = WorkerUser("me", os.getuid(), 1, (), "/")
    member = WorkerUser("us", os.getuid() + 1, 1, (tmp_path.stat().st_gid,), "/")
    assert [may(0o100, user) for user in (owner, member, OTHER)] == [True, False, False]
    assert [may(0o010, user) for user in (owner, member, OTHER)] == [False, True, False]
    assert [may(0o001, user) for user in (owner, member, OTHER)] == [False, False, True]


@root_only
def test_handing_over_gives_away_links_but_not_what_they_lead_to(tmp_path: Path) -> None:
    mine, tree = tmp_path / "mine", tmp_path / "tree"
    mine.write_text("")
    (tree / "below").mkdir(parents=True)
    (tree / "below" / "file").write_text("")
    (tree / "link").symlink_to(mine)
    (tree / "away").symlink_to(tmp_path)
    hand_over(tree, OTHER)
    given = (tree, *tree.rglob("*"))
    assert {(path.lstat().st_uid, path.lstat().st_gid) for path in given} == {(OTHER.uid, OTHER.gid)}
    assert {path.stat().st_uid for path in (mine, tmp_path)} == {os.getuid()}

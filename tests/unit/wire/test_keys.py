"""Keys: one line holds all, damage is noticed, and a secret is used only while nobody else can read it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.errors import LoadsError, UsageError
from loads.wire.cluster import Role
from loads.wire.keys import Join, KeyPair, joined, keep_join, new_pair, parse_join, read_secret, write_secret

KEYS = st.binary(min_size=32, max_size=32)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", fullmatch=True)
ENDPOINTS = st.sampled_from(["tcp://10.0.0.5:7700", "tcp://[fd00::5]:7700", "tcp://loads-master:1"])
JOINS = st.builds(Join, NAMES, st.sampled_from(Role), ENDPOINTS, KEYS, st.builds(KeyPair, KEYS, KEYS))
JOIN = Join("north", Role.AGENT, "tcp://10.0.0.5:7700", b"b" * 32, KeyPair(b"p" * 32, b"s" * 32))


@given(JOINS)
def test_a_line_is_one_word_and_says_all(join: Join) -> None:
    assert parse_join(join.line) == join
    assert join.line.replace("-", "").replace("_", "").isalnum()


@given(JOINS, st.data())
def test_a_line_survives_being_broken_by_a_terminal(join: Join, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(join.line)))
    assert parse_join(f"  {join.line[:place]}\r\n  {join.line[place:]}\n") == join


@given(JOINS, st.data())
def test_a_changed_or_cut_line_is_refused(join: Join, data: st.DataObject) -> None:
    line = join.line
    place = data.draw(st.integers(0, len(line) - 1))
    other = data.draw(st.sampled_from("AZaz09-_=.é\0").filter(lambda letter: letter != line[place]))
    for spoiled in (line[:place], line[:place] + other + line[place + 1 :]):
        if not is_refused(spoiled):
            assert parse_join(spoiled) == join  # the last letter has bits that mean nothing


def is_refused(line: str) -> bool:
    try:
        parse_join(line)
    except UsageError:
        return True
    return False


@given(st.text())
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_join(text)
    with pytest.raises(UsageError):
        parse_join(f"loads-join-1-{text}")


def test_secrets_are_not_shown() -> None:
    assert "ssss" not in repr(JOIN)
    assert "secret" not in repr(new_pair())


def test_pairs_are_new_each_time() -> None:
    first, second = new_pair(), new_pair()
    assert first != second
    assert {len(key) for pair in (first, second) for key in (pair.public, pair.secret)} == {32}


def test_what_was_joined_is_kept_for_this_user_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    other = Join("ci", Role.RUNNER, JOIN.endpoint, JOIN.broker, JOIN.pair)
    assert list(joined(tmp_path / "state")) == []
    path = keep_join(tmp_path / "state", JOIN)
    os.umask(before)
    keep_join(tmp_path / "state", other)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(joined(tmp_path / "state")) == [JOIN, other]
    anew = Join("north-2", Role.AGENT, JOIN.endpoint, JOIN.broker, new_pair())
    assert keep_join(tmp_path / "state", anew) == path
    assert list(joined(tmp_path / "state")) == [anew, other]


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = keep_join(tmp_path, JOIN)
    for mode in (0o640, 0o604, 0o620, 0o601):
        path.chmod(mode)
        with pytest.raises(UsageError) as caught:
            list(joined(tmp_path))
        assert f"{path} holds a secret key, and others can read it: its mode is {mode:04o}" in caught.value.message
        assert f"chmod 600 {path}" in caught.value.hint


def test_a_secret_behind_a_link_is_refused(tmp_path: Path) -> None:
    write_secret(tmp_path / "there", "x")
    (tmp_path / "link").symlink_to(tmp_path / "there")
    with pytest.raises(UsageError, match="can't read"):
        read_secret(tmp_path / "link")
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(UsageError, match="not a file"):
        read_secret(tmp_path / "pipe")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_secret_of_somebody_else_is_refused(tmp_path: Path) -> None:
    write_secret(tmp_path / "key", "x")
    os.chown(tmp_path / "key", 65534, -1)
    with pytest.raises(UsageError, match="belongs to nobody, not to you"):
        read_secret(tmp_path / "key")


def test_a_spoiled_file_is_named(tmp_path: Path) -> None:
    path = keep_join(tmp_path, JOIN)
    write_secret(path, JOIN.line[:-20])
    with pytest.raises(UsageError) as caught:
        list(joined(tmp_path))
    assert str(path) in caught.value.message
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="damaged"):
        list(joined(tmp_path))


def test_a_secret_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_secret(tmp_path / "key", "old")
    (tmp_path / f".key.{os.getpid()}").write_text("left by another")
    write_secret(tmp_path / "key", "new")
    assert read_secret(tmp_path / "key") == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_a_disk_that_is_full_leaves_no_piece_of_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_secret(tmp_path / "k", "old")

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(LoadsError, match="No space left"):
        write_secret(tmp_path / "k", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["k"]
    assert read_secret(tmp_path / "k") == "old"

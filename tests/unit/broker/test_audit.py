"""The audit log: a line for each thing, only ever added, and not filled up by a stranger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from loads.broker.audit import MOST_EVENTS, MOST_REFUSALS, WINDOW_S, Audit


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_event_is_a_line_for_this_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    Audit(path, print).note("run", "key ci", run="wild-eagle", targets=("a.py",), bundle=None)
    Audit(path, print).note("stop", "user ana", runs=("wild-eagle",))
    first, second = lines_of(path)
    assert first["event"] == "run"
    assert first["who"] == "key ci"
    assert first["targets"] == ["a.py"]
    assert "bundle" not in first
    assert first["at"] <= second["at"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_peers_say_can_neither_break_a_line_nor_fill_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    Audit(path, print).note("run", 'a\n{"event": "key added"}', targets=("x" * 100_000,) * 1_000)
    [line] = lines_of(path)
    assert line["event"] == "run"
    assert path.stat().st_size < 100_000


def test_refusals_are_told_up_to_a_bound_and_then_counted(tmp_path: Path) -> None:
    path, clock = tmp_path / "audit.log", Clock()
    audit = Audit(path, print, clock)
    for _ in range(MOST_REFUSALS + 70):
        audit.refused("a stranger", why="an unknown key")
    assert len(lines_of(path)) == MOST_REFUSALS
    audit.note("run", "key ci")
    clock.now_s += WINDOW_S
    audit.refused("a stranger", why="an unknown key")
    *_, run, more, last = lines_of(path)
    assert run["event"] == "run"
    assert (more["event"], more["times"]) == ("refused more", 70)
    assert last["event"] == "refused"


def test_a_log_that_was_rotated_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    audit = Audit(path, print)
    audit.note("run", "key ci")
    path.rename(tmp_path / "audit.log.1")
    audit.note("stop", "key ci")
    assert [line["event"] for line in lines_of(path)] == ["stop"]


def test_that_it_can_not_be_written_is_said_once(tmp_path: Path) -> None:
    said: list[str] = []
    audit = Audit(tmp_path / "gone" / "audit.log", said.append)
    audit.note("run", "key ci")
    audit.note("run", "key ci")
    assert len(said) == 1
    assert "can't be written: No such file" in said[0]


def test_who_comes_and_goes_all_day_does_not_fill_the_disk(tmp_path: Path) -> None:
    path, clock = tmp_path / "audit.log", Clock()
    audit = Audit(path, print, clock)
    for _ in range(MOST_EVENTS + 7):
        audit.note("agent", "key north", agent="north")
    audit.note("run", "key ci", run="wild-eagle")
    assert len(lines_of(path)) == MOST_EVENTS + 1
    clock.now_s += WINDOW_S
    audit.note("stop", "key ci")
    *_, more, last = lines_of(path)
    assert (more["event"], more["who"], more["times"]) == ("agent more", "key north", 7)
    assert last["event"] == "stop"


def test_strangers_do_not_hide_what_others_were_refused(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    audit = Audit(path, print, Clock())
    for _ in range(MOST_REFUSALS + 70):
        audit.refused("a stranger", why="an unknown key")
    audit.refused("key wall", what="submit")
    assert lines_of(path)[-1]["who"] == "key wall"


def test_a_line_does_nothing_to_the_terminal_that_it_is_read_on(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    Audit(path, print).note("run", "key ci", says="me\x9b2J of \u202edesk")
    assert path.read_text().rstrip("\n").isprintable()

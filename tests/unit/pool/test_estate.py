from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.metrics.counters import PAGE_BYTES, STARTED, Counts, write_note
from loads.pool import estate
from loads.pool.estate import LAST_WORDS_SUFFIX, is_alive, read_estate
from loads.wire.codec import frame
from loads.wire.messages import Bye, Delta, Up
from loads.worker import link
from tests.build import iterations_of

WORDS: list[Up] = [
    *(Delta(seq=seq, t_us=0, users=1, summary=iterations_of(seq)) for seq in (4, 5)),
    Bye(last_seq=5),
]
FRAMES = [frame(word) for word in WORDS]


def leave(directory: Path, words: bytes) -> Path:
    page = directory / "worker.page"
    counters = memoryview(bytearray(PAGE_BYTES)).cast("Q")
    counters[STARTED] = 3
    write_note(counters, "blocked")
    page.write_bytes(counters)
    page.with_name(page.name + LAST_WORDS_SUFFIX).write_bytes(words)
    return page


def test_the_counters_the_note_and_the_last_words_are_found(tmp_path: Path) -> None:
    assert read_estate(leave(tmp_path, b"".join(FRAMES))) == (Counts(started=3), "blocked", WORDS)


@given(cut=st.integers(0, sum(map(len, FRAMES))))
def test_whatever_of_the_end_is_missing_the_whole_words_before_it_count(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    page = leave(tmp_path_factory.mktemp("estate"), b"".join(FRAMES)[:cut])
    whole = [n for n in range(len(FRAMES) + 1) if sum(map(len, FRAMES[:n])) <= cut][-1]
    assert read_estate(page)[2] == WORDS[:whole]


@given(noise=st.binary(min_size=1, max_size=20))
def test_what_is_no_message_ends_the_words(tmp_path_factory: pytest.TempPathFactory, noise: bytes) -> None:
    page = leave(tmp_path_factory.mktemp("estate"), FRAMES[0] + b"\0\0\0\1\xc1" + noise)
    assert read_estate(page)[2] == WORDS[:1]


def test_who_left_nothing_has_done_nothing_and_is_dead(tmp_path: Path) -> None:
    assert read_estate(tmp_path / "none.page") == (Counts(), "", [])
    assert not is_alive(tmp_path / "none.page")


def test_a_page_that_nobody_holds_is_a_dead_workers(tmp_path: Path) -> None:
    assert not is_alive(leave(tmp_path, b""))


def test_both_ends_agree_where_the_last_words_are() -> None:
    assert LAST_WORDS_SUFFIX == link.LAST_WORDS_SUFFIX


def test_a_link_in_place_of_a_file_is_none(tmp_path: Path) -> None:
    """The files may be another user's, who would have us read what he may not."""
    other = leave(tmp_path, FRAMES[0])
    page = tmp_path / "elsewhere.page"
    page.symlink_to(other)
    page.with_name(page.name + LAST_WORDS_SUFFIX).symlink_to(other.with_name(other.name + LAST_WORDS_SUFFIX))
    assert read_estate(page) == (Counts(), "", [])
    assert not is_alive(page)


def test_words_without_end_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estate, "MOST_WORDS_BYTES", len(FRAMES[0]) + 1)
    assert read_estate(leave(tmp_path, b"".join(FRAMES)))[2] == WORDS[:1]

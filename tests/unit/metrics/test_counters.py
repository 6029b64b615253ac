from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loads.metrics.counters import ENDED, PAGE_BYTES, SENT, STARTED, UNSENT, Counts
from tests.build import new_page

numbers = st.integers(0, 2**64 - 1)


@given(numbers, numbers, numbers, numbers)
def test_what_is_written_to_a_page_is_read_back(started: int, ended: int, sent: int, unsent: int) -> None:
    page = new_page()
    page[STARTED], page[ENDED], page[SENT], page[UNSENT] = started, ended, sent, unsent
    assert Counts.read(page.tobytes()) == Counts(started=started, ended=ended, sent=sent, unsent=unsent)


@given(st.binary(max_size=2 * PAGE_BYTES))
def test_any_file_is_read_as_some_counts(content: bytes) -> None:
    assert all(0 <= count < 2**64 for count in Counts.read(content))


def test_a_page_that_was_never_written_counts_as_zeros() -> None:
    assert Counts.read(b"") == Counts.read(bytes(PAGE_BYTES)) == Counts(0, 0, 0, 0)


def test_the_difference_is_taken_count_by_count() -> None:
    assert Counts(9, 7, 5, 3) - Counts(1, 2, 3, 3) == Counts(8, 5, 2, 0)

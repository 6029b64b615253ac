from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from loads.metrics.bounded import rank_of, trim

OTHER = "(other)"
LIMIT = 3
names = st.sampled_from([*"abcdefghij", OTHER])
events = st.lists(names, max_size=40)


def trimmed(mapping: dict[str, int], limit: int = LIMIT, named: str = "") -> dict[str, int]:
    trim(
        mapping,
        limit,
        rank=lambda key: rank_of((key,), named=key in named),
        other=lambda _: OTHER,
        fold=lambda into, value: (into or 0) + value,
    )
    return mapping


def counted(part: list[str]) -> dict[str, int]:
    return trimmed(dict(Counter(part)))


@given(st.lists(events, max_size=5))
def test_parts_merge_to_what_one_pass_gives(parts: list[list[str]]) -> None:
    whole: Counter[str] = Counter()
    for part in parts:
        whole.update(counted(part))
        whole = Counter(trimmed(dict(whole)))
    assert whole == counted([name for part in parts for name in part])


@given(events)
def test_nothing_is_lost_by_folding(part: list[str]) -> None:
    assert sum(counted(part).values()) == len(part)


@given(events)
def test_at_most_the_limit_and_the_rest_in_one_entry_are_kept(part: list[str]) -> None:
    kept = counted(part)
    assert len(kept.keys() - {OTHER}) == min(LIMIT, len(set(part) - {OTHER}))


@given(events)
def test_which_are_kept_does_not_depend_on_their_order(part: list[str]) -> None:
    assert counted(part) == counted(part[::-1])


def test_what_fits_is_left_alone() -> None:
    assert trimmed({"a": 1, "b": 2, "c": 3}) == {"a": 1, "b": 2, "c": 3}


def test_the_entry_for_the_rest_takes_no_place() -> None:
    assert trimmed({"a": 1, "b": 2, "c": 3, OTHER: 4}) == {"a": 1, "b": 2, "c": 3, OTHER: 4}


def test_names_that_the_test_chose_are_kept_first() -> None:
    kept = trimmed(dict.fromkeys("abcdefghij", 1), limit=3, named="hij")
    assert kept == {"h": 1, "i": 1, "j": 1, OTHER: 7}


def test_a_rank_is_the_same_on_every_machine() -> None:
    """Two machines that ranked differently would keep different names of one run."""
    assert rank_of(("a", "GET", "/"), named=True) == (0, bytes.fromhex("28b389ed4ad742d5dddcd964"))


def test_a_rank_tells_where_one_part_ends() -> None:
    assert rank_of(("ab", "c"), named=True) != rank_of(("a", "bc"), named=True)


def test_any_text_has_a_rank() -> None:
    assert rank_of(("\ud800",), named=False) != rank_of(("\ud801",), named=False)


def test_a_rank_tells_where_one_part_ends_whatever_is_in_it() -> None:
    assert rank_of(("a\0b", "c"), named=True) != rank_of(("a", "b\0c"), named=True)

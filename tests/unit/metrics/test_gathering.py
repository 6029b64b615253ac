from __future__ import annotations

from copy import deepcopy
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loads.metrics import gathering, summary
from loads.metrics.gathering import Gathering, Tray
from loads.metrics.histogram import Histogram
from loads.metrics.summary import Summary
from tests.build import histogram_of, summaries

crowded = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
latencies = st.lists(st.integers(0, 2**40), max_size=20)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that happens when there is much, happens when there is little."""
    monkeypatch.setattr(gathering, "LIST_FROM", 3)
    monkeypatch.setattr(gathering, "MAX_NAMES", 1)
    monkeypatch.setattr(summary, "MAX_NAMES", 2)


def merged(parts: list[Summary]) -> Summary:
    whole = Summary()
    for part in parts:
        whole.merge(part)
    return whole


@crowded
@given(st.lists(latencies, max_size=8))
def test_a_tray_holds_what_the_histograms_merged_would(small: None, parts: list[list[int]]) -> None:
    tray, whole = Tray(), Histogram()
    for part in parts:
        tray.add(histogram_of(part))
        whole.merge(histogram_of(part))
        assert tray.poured() == whole


@crowded
@given(latencies, latencies, latencies)
def test_a_copy_of_a_tray_shares_nothing_with_it(
    small: None, before: list[int], mine: list[int], theirs: list[int]
) -> None:
    tray = Tray()
    tray.add(histogram_of(before))
    other = tray.copy()
    tray.add(histogram_of(mine))
    other.add(histogram_of(theirs))
    assert tray.poured() == histogram_of(before + mine)
    assert other.poured() == histogram_of(before + theirs)


@crowded
@given(parts=st.lists(summaries(), max_size=8))
def test_gathering_gives_what_merging_one_after_the_other_gives(small: None, parts: list[Summary]) -> None:
    gathered = Gathering()
    for part in parts:
        gathered.add(part)
    assert gathered.poured() == merged(parts)


@given(st.lists(summaries(), max_size=4))
def test_what_is_gathered_stays_as_it_is(parts: list[Summary]) -> None:
    before = deepcopy(parts)
    gathered = Gathering()
    for part in parts:
        gathered.add(part)
    gathered.poured().merge(merged(parts))
    assert parts == before


@crowded
@given(parts=st.lists(summaries(), max_size=6), seed=st.integers(0, 1_000))
def test_in_any_order_and_split_it_gives_the_same(small: None, parts: list[Summary], seed: int) -> None:
    """With parts that know of start times and parts that don't, as when a fixture's requests come first."""
    shuffled = Random(seed).sample(parts, len(parts))
    middle = len(parts) // 2
    first, second, whole = Gathering(), Gathering(), Gathering()
    for part in shuffled[:middle]:
        first.add(part)
    for part in shuffled[middle:]:
        second.add(part)
    whole.add(first.poured())
    whole.add(second.poured())
    assert whole.poured() == merged(parts)

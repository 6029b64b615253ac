from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.metrics.phases import Phases, Span
from loads.metrics.summary import Series
from tests.build import durations_us, phases, span_of, spans

many_us = st.lists(durations_us, max_size=20)


def merged(*parts: Phases) -> Phases:
    whole = Phases()
    for part in parts:
        whole.merge(part)
    return whole


@given(many_us)
def test_count_total_and_longest_are_exact(values: list[int]) -> None:
    span = span_of(values)
    assert (span.count, span.total_us, span.longest_us) == (len(values), sum(values), max(values, default=0))


@given(many_us, many_us)
def test_any_split_of_the_same_durations_gives_the_same(one: list[int], two: list[int]) -> None:
    span = span_of(one)
    span.merge(span_of(two))
    assert span == span_of(one + two)


@given(spans, spans)
def test_what_is_merged_stays_as_it_is(a: Span, b: Span) -> None:
    before = Span(b.count, b.total_us, b.longest_us)
    a.merge(b)
    a.merge(b)
    assert b == before


def test_what_took_no_time_is_counted() -> None:
    assert span_of([0]) == Span(count=1)


def test_a_clock_that_jitters_counts_as_no_time() -> None:
    assert span_of([-3, 5]) == Span(count=2, total_us=5, longest_us=5)


@pytest.mark.parametrize(("values", "mean_us"), [([], None), ([0], 0.0), ([1, 2], 1.5)])
def test_the_mean_is_that_of_the_times_it_was_passed(values: list[int], mean_us: float | None) -> None:
    assert span_of(values).mean_us == mean_us


@given(phases, phases)
def test_merging_in_either_order_gives_the_same(a: Phases, b: Phases) -> None:
    assert merged(a, b) == merged(b, a)


@given(phases, phases, phases)
def test_merging_in_any_grouping_gives_the_same(a: Phases, b: Phases, c: Phases) -> None:
    assert merged(merged(a, b), c) == merged(a, merged(b, c))


@given(phases)
def test_an_empty_one_is_the_identity(a: Phases) -> None:
    assert merged(a) == merged(Phases(), a, Phases()) == a


def test_each_phase_is_merged_into_its_own() -> None:
    one = Phases(Span(1, 1, 1), Span(1, 2, 2), Span(1, 3, 3), Span(1, 4, 4), Span(1, 5, 5))
    assert merged(one, one) == Phases(Span(2, 2, 1), Span(2, 4, 2), Span(2, 6, 3), Span(2, 8, 4), Span(2, 10, 5))


def test_they_are_named_in_the_order_in_which_a_request_passes_them() -> None:
    held = Phases(tls=Span(1, 2, 2))
    assert list(held.by_name()) == ["dns", "connect", "tls", "first_byte", "body"]
    assert held.by_name()["tls"] is held.tls


def test_series_share_no_phases() -> None:
    one, two = Series(), Series()
    one.phases.body.add(1)
    assert two.phases == Phases()

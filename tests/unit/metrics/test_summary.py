from __future__ import annotations

from random import Random

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loads.metrics import summary as module
from loads.metrics.counters import Counts
from loads.metrics.pace import Pace
from loads.metrics.phases import Phases, Span
from loads.metrics.summary import (
    BRIEF_BYTES,
    ITERATION,
    ITERATION_NAME,
    MANY_ERRORS,
    MAX_NAMES,
    OTHER,
    OTHER_ERROR,
    TRANSACTION,
    ErrorGroup,
    ErrorKey,
    Series,
    SeriesKey,
    Summary,
    Totals,
)
from tests.build import histogram_of, series_of, summaries

crowded = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
parts_of_a_run = st.lists(summaries(), max_size=6)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> int:
    """How many names a summary may hold here: so few that most parts fit and most wholes don't."""
    monkeypatch.setattr(module, "MAX_NAMES", 2)
    return 2


def merged(*parts: Summary) -> Summary:
    whole = Summary()
    for part in parts:
        whole.merge(part)
    return whole


@crowded
@given(a=summaries(), b=summaries())
def test_merging_in_either_order_gives_the_same(names: int, a: Summary, b: Summary) -> None:
    assert merged(a, b) == merged(b, a)


@crowded
@given(a=summaries(), b=summaries(), c=summaries())
def test_merging_in_any_grouping_gives_the_same(names: int, a: Summary, b: Summary, c: Summary) -> None:
    assert merged(merged(a, b), c) == merged(a, merged(b, c))


@crowded
@given(a=summaries())
def test_an_empty_one_is_the_identity(names: int, a: Summary) -> None:
    a.trim()
    assert merged(a) == merged(Summary(), a, Summary()) == a


@crowded
@given(parts=parts_of_a_run, seed=st.integers(0, 1_000))
def test_any_split_and_any_tree_of_merges_gives_the_same(names: int, parts: list[Summary], seed: int) -> None:
    """As a cluster does it: workers, agents and the broker each merge what happens to come together."""
    random = Random(seed)
    heap = [merged(part) for part in parts] or [Summary()]
    while len(heap) > 1:
        random.shuffle(heap)
        other = heap.pop()
        heap[-1].merge(other)
    assert heap[0] == merged(*parts)


@st.composite
def texts_of_errors(draw: st.DrawFn) -> Summary:
    """Errors whose texts differ where they are cut, and where they are not."""
    texts, scenarios = st.sampled_from(["", "ab", "abc", "abd", "dab", "ä", "cää"]), st.sampled_from(["s", "t"])
    groups = st.builds(ErrorGroup, st.just(1), st.just(0), st.just(1), texts, texts, scenarios)
    keys = st.builds(ErrorKey, st.just("error"), st.just("E"), st.sampled_from(["a", "b"]))
    return Summary(errors=draw(st.dictionaries(keys, groups, max_size=3)))


@crowded
@given(parts=st.lists(texts_of_errors(), min_size=2, max_size=5), seed=st.integers(0, 1_000))
def test_texts_that_are_cut_are_the_same_after_any_tree_of_merges(
    monkeypatch: pytest.MonkeyPatch, parts: list[Summary], seed: int
) -> None:
    monkeypatch.setattr(module, "MANY_ERRORS", 1)
    monkeypatch.setattr(module, "BRIEF_BYTES", 2)
    random = Random(seed)
    heap = [merged(part) for part in parts]
    while len(heap) > 1:
        random.shuffle(heap)
        other = heap.pop()
        heap[-1].merge(other)
    assert heap[0] == merged(*parts)


def test_long_texts_are_kept_of_a_few_errors_and_cut_of_many() -> None:
    """A batch of an agent must stay small enough to be sent, whatever the tests raise."""

    def errors_of(count: int) -> Summary:
        message, trace = "begins" + "x" * 10_000, "€" * 10_000 + "ends"
        group = ErrorGroup(1, 0, 0, message, trace, "t")
        return merged(Summary(errors={ErrorKey("error", "E", f"t.py:{n}"): group for n in range(count)}))

    (few, *_) = errors_of(MANY_ERRORS).errors.values()
    assert (len(few.message), len(few.traceback)) == (10_006, 10_004)
    (many, *_) = errors_of(MANY_ERRORS + 1).errors.values()
    assert many.message.startswith("beginsx")
    assert many.traceback.endswith("€ends")
    assert max(len(many.message.encode()), len(many.traceback.encode())) <= BRIEF_BYTES
    whole = len(msgspec.msgpack.encode(errors_of(MAX_NAMES + 5)))
    assert whole < 17 << 20


@crowded
@given(parts=parts_of_a_run)
def test_nothing_that_is_counted_gets_lost(names: int, parts: list[Summary]) -> None:
    whole = merged(*parts)
    for field in ("sent", "unsent", "failed", "bytes_sent", "bytes_received", "connections", "unstarted"):
        assert sum(getattr(series, field) for series in whole.series.values()) == sum(
            getattr(series, field) for part in parts for series in part.series.values()
        ), field
    for name in Phases.__struct_fields__:
        passed = [series.phases.by_name()[name] for part in parts for series in part.series.values()]
        kept = [series.phases.by_name()[name] for series in whole.series.values()]
        assert sum(span.count for span in kept) == sum(span.count for span in passed), name
        assert sum(span.total_us for span in kept) == sum(span.total_us for span in passed), name
    assert sum(whole.counters.values()) == sum(count for part in parts for count in part.counters.values())
    assert sum(group.count for group in whole.errors.values()) == sum(
        group.count for part in parts for group in part.errors.values()
    )
    assert whole.counts == Counts(*(map(sum, zip(*(part.counts for part in parts), strict=True)))) or not parts


@crowded
@given(parts=parts_of_a_run)
def test_each_iteration_that_never_began_has_a_response_time_and_no_service_time(
    names: int, parts: list[Summary]
) -> None:
    for series in merged(*parts).series.values():
        assert series.service.count == series.sent
        assert series.response_or_service.count == series.sent + series.unstarted


@crowded
@given(parts=parts_of_a_run)
def test_all_lateness_is_kept(names: int, parts: list[Summary]) -> None:
    pace = merged(*parts).pace
    assert pace.lateness.count == sum(part.pace.lateness.count for part in parts)
    assert pace.delay.count == sum(part.pace.delay.count for part in parts)
    assert merged(*parts).totals.retired == sum(part.totals.retired for part in parts)


def test_one_that_was_written_before_there_were_start_times_is_still_read() -> None:
    """A store may hold runs of an older version, whose arrays are shorter."""
    totals, series = list(range(1, 9)), [3, 1, 1, {200: 3}, {"dns": 1}, 10, 20, [{7: 3}, 21, 7, 7]]
    read = msgspec.msgpack.decode(
        msgspec.msgpack.encode([{("t", "GET", "/", False): series}, {}, {"c": 2}, totals, {}]), type=Summary
    )
    assert read.totals == Totals(1, 2, 3, 4, 5, 6, 7, 8)
    assert (read.pace, read.counters) == (Pace(), {"c": 2})
    (found,) = read.series.values()
    assert found == Series(3, 1, 1, {200: 3}, {"dns": 1}, 10, 20, histogram_of([7] * 3))


@crowded
@given(parts=parts_of_a_run)
def test_it_holds_no_more_names_than_allowed(names: int, parts: list[Summary]) -> None:
    whole = merged(*parts)
    own = [key for key in whole.series if key != key.other()]
    assert len(own) <= names
    assert len(whole.errors.keys() - {OTHER_ERROR}) <= names
    assert len(whole.counters.keys() - {OTHER}) <= names


@given(summaries(), summaries())
def test_what_is_merged_stays_as_it_is(a: Summary, b: Summary) -> None:
    into, before = merged(a), merged(b)
    into.merge(b)
    into.merge(b)
    assert merged(b) == before


@given(summaries())
def test_a_merge_shares_nothing_with_what_it_took_in(a: Summary) -> None:
    into = merged(a)
    assert not {id(series) for series in into.series.values()} & {id(series) for series in a.series.values()}
    held = [{id(series.phases) for series in summary.series.values()} for summary in (into, a)]
    assert not held[0] & held[1]
    assert not {id(group) for group in into.errors.values()} & {id(group) for group in a.errors.values()}


def test_as_many_names_as_designed_are_kept() -> None:
    summary = Summary(counters={f"c{n}": 1 for n in range(MAX_NAMES + 5)})
    summary.trim()
    assert MAX_NAMES == 2_000
    assert len(summary.counters) == MAX_NAMES + 1
    assert summary.counters[OTHER] == 5


def test_series_named_by_the_test_are_kept_before_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_NAMES", 2)
    urls = [SeriesKey("t", "GET", f"http://127.0.0.1/{n}") for n in range(8)]
    named = [SeriesKey("t", "GET", name, named=True) for name in ("home", "login")]
    summary = Summary(series={key: series_of([1]) for key in urls + named})
    summary.trim()
    assert summary.series.keys() == {*named, SeriesKey(OTHER, OTHER, OTHER)}


def test_iterations_are_kept_before_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_NAMES", 1)
    iteration = SeriesKey("t", ITERATION, ITERATION_NAME)
    urls = [SeriesKey("t", "GET", f"http://127.0.0.1/{n}") for n in range(8)]
    summary = Summary(series={key: series_of([1]) for key in [*urls, iteration]})
    summary.trim()
    assert iteration in summary.series


def test_what_is_folded_keeps_requests_apart_from_blocks_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_NAMES", 0)
    keys = [SeriesKey("t", "GET", "/"), SeriesKey("t", TRANSACTION, "buy"), SeriesKey("t", ITERATION, ITERATION_NAME)]
    summary = Summary(series={key: series_of([1]) for key in keys})
    summary.trim()
    assert {key: series.sent for key, series in summary.series.items()} == {
        SeriesKey(OTHER, OTHER, OTHER): 1,
        SeriesKey(OTHER, TRANSACTION, OTHER): 2,
    }
    assert summary.hits.sent == 1


def test_what_is_folded_keeps_its_connections_and_its_longest_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_NAMES", 0)
    summary = Summary(
        series={
            SeriesKey("t", "GET", "/a"): Series(connections=2, phases=Phases(tls=Span(2, 900, 500))),
            SeriesKey("t", "GET", "/b"): Series(connections=1, phases=Phases(tls=Span(1, 700, 700))),
        }
    )
    summary.trim()
    assert summary.series == {
        SeriesKey(OTHER, OTHER, OTHER): Series(connections=3, phases=Phases(tls=Span(3, 1_600, 700)))
    }


def test_only_requests_are_hits() -> None:
    kinds = {"GET": True, "PATCH": True, OTHER: True, TRANSACTION: False, ITERATION: False}
    assert {method: SeriesKey("t", method, "x").is_hit for method in kinds} == kinds


def test_hits_is_the_sum_of_all_series_of_requests() -> None:
    summary = Summary(
        series={
            SeriesKey("t", "GET", "/"): series_of([10, 20]),
            SeriesKey("t", "POST", "/"): series_of([30], 500),
            SeriesKey("t", TRANSACTION, "buy"): series_of([60]),
        }
    )
    for series in summary.series.values():
        series.connections = 1
        series.phases.first_byte.add(5)
    hits = summary.hits
    assert (hits.connections, hits.phases) == (2, Phases(first_byte=Span(2, 10, 5)))
    assert (hits.hits, hits.failed, hits.statuses) == (3, 1, {200: 2, 500: 1})
    assert hits.service == histogram_of([10, 20, 30])


def test_counts_hold_what_a_workers_page_would() -> None:
    summary = Summary(
        series={
            SeriesKey("t", "GET", "/"): Series(sent=3, unsent=2),
            SeriesKey("t", ITERATION, ITERATION_NAME): Series(sent=7),
        },
        totals=Totals(started=9, ended=6, interrupted=2),
    )
    assert summary.counts == Counts(started=9, ended=8, sent=3, unsent=2)


def test_response_times_are_the_service_times_until_a_plan_says_otherwise() -> None:
    series = series_of([10])
    assert series.response_or_service == series.service
    late = series_of([20])
    late.response = histogram_of([500])
    series.merge(late)
    assert series.response_or_service == histogram_of([10, 500])
    assert series.service == histogram_of([10, 20])


def test_an_error_group_keeps_the_first_text_and_the_whole_span() -> None:
    late = ErrorGroup(2, 30, 90, "late", "trace of late", "t")
    early = ErrorGroup(1, 10, 10, "early", "trace of early", "t")
    late.merge(early)
    assert late == ErrorGroup(3, 10, 90, "early", "trace of early", "t")


def test_errors_of_different_places_are_told_apart() -> None:
    one = Summary(errors={ErrorKey("failure", "AssertionError", "a.py:1"): ErrorGroup(1, 0, 0, "", "", "t")})
    two = Summary(errors={ErrorKey("failure", "AssertionError", "a.py:2"): ErrorGroup(1, 0, 0, "", "", "t")})
    assert len(merged(one, two).errors) == 2

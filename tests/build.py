"""Builders of values that many tests need, and strategies that draw them.

Nothing here starts, opens or waits for anything: whoever needs a running part builds it in the test.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from loads.client.recorder import Recorder
from loads.metrics.counters import PAGE_BYTES, Counts
from loads.metrics.health import Health
from loads.metrics.histogram import Histogram
from loads.metrics.pace import Pace
from loads.metrics.phases import Phases, Span
from loads.metrics.result import Loss, Result, RunInfo
from loads.metrics.summary import (
    ITERATION,
    ITERATION_NAME,
    TRANSACTION,
    ErrorGroup,
    ErrorKey,
    Series,
    SeriesKey,
    Summary,
    Totals,
)

HOURS_US = 6 * 3_600 * 1_000_000


def load_profile() -> None:
    """How hypothesis runs here: no deadline (a loaded machine is not a bug), few enough examples to stay quick."""
    settings.register_profile("loads", deadline=None, max_examples=25)
    settings.load_profile("loads")


def histogram_of(values: Iterable[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    return histogram


def span_of(values: Iterable[int]) -> Span:
    span = Span()
    for value in values:
        span.add(value)
    return span


def new_page() -> memoryview:
    return memoryview(bytearray(PAGE_BYTES)).cast("Q")


def new_recorder() -> Recorder:
    return Recorder(new_page())


def series_of(values: Sequence[int], status: int = 200) -> Series:
    """Requests that were all answered with `status`, in `values` microseconds each."""
    return Series(
        sent=len(values),
        failed=len(values) if status >= 400 else 0,
        statuses={status: len(values)},
        service=histogram_of(values),
    )


def info_of(**changed: Any) -> RunInfo:
    fields: dict[str, Any] = {
        "id": "3f2a",
        "started_at": datetime(2014, 5, 9, 16, 13, 38, 219595, tzinfo=UTC),
        "targets": ("loadtests.TestWebSite.test_something",),
        "scenarios": ("loadtests.TestWebSite.test_something",),
        "plan": "Running loadtests.TestWebSite.test_something\nPlan: 1 user x 1 iteration = 1; on 1 worker, seed 7",
        "users": 1,
        "workers": 1,
        "seed": 7,
        "server_url": None,
        "due": 1,
        "duration_us": None,
    }
    return RunInfo(**{**fields, **changed})


def result_of(summary: Summary | None = None, **changed: Any) -> Result:
    """A finished run of one second that measured `summary`; `changed` goes to `info_of`."""
    result = Result(info=info_of(**changed), duration_us=1_000_000)
    if summary is not None:
        result.add(0, summary)
    return result


def loss_of(**changed: Any) -> Loss:
    fields: dict[str, Any] = {
        "worker": 0,
        "incarnation": 0xBEEF,
        "reason": "was killed by SIGKILL",
        "from_us": 1_000_000,
        "to_us": 2_500_000,
        "iterations": 1,
        "sent": 1,
        "unsent": 0,
    }
    return Loss(**{**fields, **changed})


def iterations_of(started: int, ended: int | None = None, *, sent: int = 0, unsent: int = 0) -> Summary:
    """What a worker measures that began `started` iterations, and ended as many if not told otherwise."""
    ended = started if ended is None else ended
    summary = Summary(totals=Totals(started=started, ended=ended, success=ended))
    if sent or unsent:
        series = series_of([1_000] * sent)
        series.unsent = series.failed = unsent
        if unsent:
            series.errors = {"connect-refused": unsent}
        summary.series[SeriesKey("t", "GET", "http://127.0.0.1/")] = series
    return summary


def health_of(**fields: Any) -> Health:
    """How a worker fared in one span, rated; a second long if not told otherwise."""
    health = Health(**{"wall_us": 1_000_000, **fields})
    health.rate()
    return health


def counts_of(summary: Summary, **more: int) -> Counts:
    """The counters of a worker that did what `summary` says, and `more`."""
    counts = summary.counts
    return counts._replace(**{name: getattr(counts, name) + count for name, count in more.items()})


# Strategies.

durations_us = st.one_of(st.integers(0, 2_000), st.integers(0, HOURS_US))
_words = st.sampled_from([f"{letter}{digit}" for letter in "abc" for digit in range(4)])
_times_us = st.sampled_from([0, 255, 256, 257, 70_000, HOURS_US])
_methods = st.sampled_from(["GET", "POST", TRANSACTION])


@st.composite
def series_keys(draw: st.DrawFn) -> SeriesKey:
    if draw(st.integers(0, 5)) == 0:
        return SeriesKey(draw(_words), ITERATION, ITERATION_NAME)
    return SeriesKey(draw(_words), draw(_methods), draw(_words), draw(st.booleans()))


spans = st.lists(_times_us, max_size=2).map(span_of)
phases = st.builds(Phases, *[spans] * len(Phases.__struct_fields__))


@st.composite
def _series(draw: st.DrawFn) -> Series:
    values = draw(st.lists(_times_us, max_size=2))
    unsent = draw(st.integers(0, 2))
    unstarted = draw(st.integers(0, 2))
    late = unstarted > 0 or draw(st.booleans())
    waited = [draw(_times_us) for _ in range(unstarted)]
    return Series(
        sent=len(values),
        unsent=unsent,
        failed=unsent,
        statuses={draw(st.sampled_from([200, 302, 404, 500])): len(values)} if values else {},
        errors={draw(st.sampled_from(["dns", "tls"])): unsent} if unsent else {},
        bytes_sent=draw(st.integers(0, 1_000)),
        bytes_received=draw(st.integers(0, 1_000)),
        service=histogram_of(values),
        response=histogram_of([*(value + 5 for value in values), *waited]) if late else None,
        connections=draw(st.integers(0, 2)),
        phases=draw(phases),
        unstarted=unstarted,
    )


_error_keys = st.builds(ErrorKey, st.sampled_from(["failure", "error"]), _words, _words)


@st.composite
def _error_groups(draw: st.DrawFn) -> ErrorGroup:
    first_us, length_us = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    return ErrorGroup(draw(st.integers(1, 3)), first_us, first_us + length_us, draw(_words), draw(_words), draw(_words))


_totals = st.builds(Totals, *[st.integers(0, 5)] * len(Totals.__struct_fields__))


@st.composite
def paces(draw: st.DrawFn) -> Pace:
    """How start times may have been kept; a user was there for some of the iterations."""
    late = draw(st.lists(_times_us, max_size=3))
    return Pace(histogram_of(late), histogram_of(late[: draw(st.integers(0, 3))]))


@st.composite
def summaries(draw: st.DrawFn) -> Summary:
    """What one worker may measure in one second, with few enough names that parts share some and differ in others."""
    summary = Summary(totals=draw(_totals), pace=draw(paces()))
    kinds: list[tuple[dict[Any, Any], st.SearchStrategy[Any], st.SearchStrategy[Any]]] = [
        (summary.series, series_keys(), _series()),
        (summary.errors, _error_keys, _error_groups()),
        (summary.counters, _words, st.integers(-3, 10)),
    ]
    for mapping, keys, values in kinds:
        mapping.update(draw(st.dictionaries(keys, values, max_size=3)))
    return summary


@st.composite
def healths(draw: st.DrawFn) -> Health:
    """How one worker may fare in a second, or in none; each figure may be unknown."""
    maybe = st.one_of(st.none(), st.integers(0, 1_200_000))
    health = health_of(
        wall_us=draw(st.sampled_from([0, 1_000, 1_000_000, 3_000_000])),
        cpu_us=draw(st.integers(0, 1_200_000)),
        waited_us=draw(maybe),
        stalled_us=draw(maybe),
        lag=histogram_of(draw(st.lists(_times_us, max_size=3))),
        files=draw(maybe),
        files_limit=draw(maybe),
        ports=draw(maybe),
        ports_range=draw(maybe),
        users=draw(st.integers(0, 5)),
        slept_us=draw(st.integers(0, 5)),
        set_forward_us=draw(st.integers(0, 5)),
        set_back_us=draw(st.integers(0, 5)),
    )
    for pause_us in draw(st.lists(st.integers(0, 5), max_size=2)):
        health.paused(pause_us)
    return health

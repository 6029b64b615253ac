"""The figures that several reports show, worked out once."""

from __future__ import annotations

from typing import NamedTuple

from loads.metrics.gathering import Tray
from loads.metrics.histogram import Histogram
from loads.metrics.result import Result
from loads.metrics.summary import ITERATION, TRANSACTION, Series, SeriesKey
from loads.metrics.symptoms import warnings_of
from loads.metrics.timeline import Row
from loads.units import US_PER_S

QUANTILES = (0.5, 0.9, 0.95, 0.99, 0.999)
_RECENT_ROWS = 5


class UrlStats(NamedTuple):
    """Requests of one name, whatever their method and scenario."""

    name: str
    hits: int
    mean_s: float | None
    success_rate: float


def rate_per_s(result: Result, elapsed_us: int) -> float:
    """Hits per second over the whole time."""
    hits = sum(series.hits for key, series in result.summary.series.items() if key.is_hit)
    return hits * US_PER_S / elapsed_us if elapsed_us else 0.0


def all_hits(result: Result) -> Series:
    """What `Summary.hits` is, in half the time where there are hundreds of series: 10 ms for 500 of 300 buckets."""
    whole, service, response = Series(), Tray(), Tray()
    requests = [series for key, series in result.summary.series.items() if key.is_hit]
    is_planned = any(series.response is not None for series in requests)
    for series in requests:
        whole.merge_counts(series)
        service.add(series.service)
        if is_planned:
            response.add(series.response_or_service)
    whole.service = service.poured()
    whole.response = response.poured() if is_planned else None
    return whole


def by_url(result: Result) -> list[UrlStats]:
    """One entry per name of requests, most hits first."""
    merged: dict[str, Series] = {}
    for key, series in result.summary.series.items():
        if key.is_hit:
            merged.setdefault(key.name, Series()).merge(series)
    stats = []
    for name, series in merged.items():
        mean_us = series.service.mean_us
        rate = 1 - series.failed / series.hits if series.hits else 0.0
        stats.append(UrlStats(name, series.hits, None if mean_us is None else mean_us / US_PER_S, rate))
    return sorted(stats, key=lambda entry: (-entry.hits, entry.name))


def ordered_series(result: Result) -> list[tuple[SeriesKey, Series]]:
    """Requests, then transactions, then iterations; in each the most frequent first."""
    place = {TRANSACTION: 1, ITERATION: 2}
    return sorted(
        result.summary.series.items(),
        key=lambda item: (place.get(item[0].method, 0), -item[1].hits, item[0]),
    )


def label(key: SeriesKey, *, with_scenario: bool = False) -> str:
    """A series in one line: ``GET http://...``, ``transaction checkout``, ``iteration module.Class.test``.

    `with_scenario` adds the test where the same name may come from several.
    """
    if key.method == ITERATION:
        return printable(f"{key.method} {key.scenario}")
    test = f" [{key.scenario.rpartition('.')[2]}]" if with_scenario else ""
    return printable(f"{key.method} {key.name}{test}")


def printable(text: str, *, keep: str = "") -> str:
    """`text` with all that would steer a terminal spelled out, but for the characters in `keep`."""
    if text.isprintable():
        return text
    return "".join(
        char if char in keep or char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def has_many_tests(result: Result) -> bool:
    """Whether series of several tests are to be told apart."""
    return len({key.scenario for key in result.summary.series}) > 1


def milliseconds(value_us: float | None) -> str:
    """``0.123``, ``12.3``, ``1,234``: three digits that count; a dash for none."""
    if value_us is None:
        return "-"
    value_ms = value_us / 1_000
    if value_ms >= 99.95:
        return f"{value_ms:,.0f}"
    return f"{value_ms:.1f}" if value_ms >= 9.995 else f"{value_ms:.2f}"


def short_time(value_us: float | None) -> str:
    """``0.21 ms``, and from a second on ``6.1 s``; a dash for none."""
    if value_us is None:
        return "-"
    return f"{milliseconds(value_us)} ms" if value_us < US_PER_S else f"{value_us / US_PER_S:,.1f} s"


def percentiles_ms(histogram: Histogram) -> list[str]:
    """p50, p90, p95, p99, p99.9 and the maximum, for people."""
    maximum = histogram.max_us if histogram.counts else None
    return [milliseconds(value) for value in (*histogram.percentiles_us(QUANTILES), maximum)]


def users_in(row: Row, end_us: int, result: Result) -> int:
    """How many users of `result` ran in `row` on average; `end_us`: where the run ended, or is.

    The run ends with its last iteration, and users are there for a moment longer: in a last row of milliseconds that
    would be many. There are no more than planned; at a rate, where that may be thousands and a few are busy, such a row
    is held against a tenth of its width.
    """
    least_us = row.width_us // 10 if result.info.is_open else 1
    covered_us = min(row.width_us, max(end_us - row.t_us, least_us))
    return min(result.info.users, round(row.point.users_us / covered_us))


class Recent(NamedTuple):
    """The last full seconds of a run."""

    hits_per_s: float
    started_per_s: float
    lateness: Histogram
    failed_per_s: float

    @property
    def late_p99(self) -> str:
        """How late all but one in a hundred iterations began at most, for people."""
        return short_time(self.lateness.percentile_us(0.99))


def recent(result: Result) -> Recent:
    """What the last full seconds of the timeline tell."""
    rows = [row for row in result.timeline.rows(last=_RECENT_ROWS + 1) if row.width_us == US_PER_S]
    points = [row.point for row in (rows[:-1] if len(rows) > 1 else rows)]
    lateness = Histogram()
    for point in points:
        if point.lateness is not None:
            lateness.merge(point.lateness)
    seconds = len(points) or 1
    return Recent(
        sum(point.hits for point in points) / seconds,
        sum(point.started for point in points) / seconds,
        lateness,
        sum(point.failed for point in points) / seconds,
    )


def warning_now(result: Result, elapsed_us: int) -> str | None:
    """What the load generator itself suffers from at the moment, in one line; None when it is well."""
    warnings = warnings_of(result.symptoms_now(elapsed_us))
    if not warnings:
        return None
    return f"Warning: {warnings[0]}" if len(warnings) == 1 else f"Warning (1 of {len(warnings)}): {warnings[0]}"

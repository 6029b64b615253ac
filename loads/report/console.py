"""The block at the end of a run.

Its first part keeps every label, in order and spacing, that the classic tool printed and that scripts parse; a golden
test holds it. What is new comes after it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from loads.metrics.histogram import Histogram
from loads.metrics.result import Result
from loads.metrics.summary import ErrorGroup, ErrorKey, Series
from loads.metrics.threshold import Standing, State
from loads.report.figures import (
    by_url,
    has_many_tests,
    label,
    milliseconds,
    ordered_series,
    percentiles_ms,
    printable,
    rate_per_s,
    short_time,
)
from loads.units import US_PER_S, format_duration, plural

BAR_WIDTH = 62
MAX_ROWS = 20
_MAX_TEXT = 60
"""A longer threshold pushes its own value to the right, not those of the others."""
_HEADS = ("hits", "p50", "p90", "p95", "p99", "p99.9", "max", "series")
_MARKS = {
    State.PASSED: "ok",
    State.CROSSED: "FAILED",
    State.NO_DATA: "no data",
    State.PENDING: "undecided",
}
_PHASE_HEADS = ("opened", "dns", "connect", "tls", "first byte", "body", "series")


def end_block(result: Result) -> str:
    """The whole block for a finished run, without a line break at the end."""
    return printable("\n".join([*classic_lines(result), "", *new_lines(result)]), keep="\n\t")


def classic_lines(result: Result) -> Iterator[str]:
    """What the classic tool printed."""
    duration_us = result.duration_us or 0
    totals, hits = result.summary.totals, result.summary.hits
    mean_us = hits.service.mean_us
    urls = by_url(result)
    yield bar(done_part(result))
    yield f"Duration: {duration_us / US_PER_S:.2f} seconds"
    yield f"Hits: {hits.hits}"
    yield f"Started: {result.info.started_at.replace(tzinfo=None).isoformat(' ', 'microseconds')}"
    yield f"Approximate Average RPS: {int(rate_per_s(result, duration_us))}"
    yield "Average request time: " + ("-" if mean_us is None else f"{mean_us / US_PER_S:.2f}s")
    yield "Opened web sockets: 0"
    yield "Bytes received via web sockets : 0"
    yield ""
    yield f"Success: {totals.success}"
    yield f"Errors: {totals.errors}"
    yield f"Failures: {totals.failures}"
    yield ""
    timed = [entry for entry in urls if entry.mean_s is not None]
    if timed:
        slowest = max(timed, key=lambda entry: entry.mean_s or 0.0)
        yield f"Slowest URL: {slowest.name} Average Request Time: {slowest.mean_s:.7f}"
    else:
        yield "Slowest URL: -"
    yield "Stats by URLs:"
    for entry in urls[:MAX_ROWS]:
        mean = "-" if entry.mean_s is None else f"{entry.mean_s:.7f}"
        yield f"- {printable(entry.name)}"
        yield f"        Average request time: {mean} Hits success rate: {round(entry.success_rate, 4)}"
    if len(urls) > MAX_ROWS:
        yield f"- ... and {len(urls) - MAX_ROWS} more; --output json=FILE has all"
    yield "Custom metrics:"
    for name, count in sorted(result.summary.counters.items()):
        yield f"- {printable(name)} : {count}"


def new_lines(result: Result) -> Iterator[str]:
    """Percentiles, where the time went, what did not go well, and the verdict."""
    yield from _percentiles(result)
    yield from _phases(result)
    yield ""
    yield from _accounts(result)
    if result.summary.errors:
        yield ""
        yield from error_lines(result)
    yield from _blocks(result)
    for warning in result.warnings:
        yield f"Warning: {warning}"
    yield from threshold_lines(result.thresholds)
    yield verdict_line(result)


def trouble_lines(result: Result) -> Iterator[str]:
    """What --quiet leaves of a run that did not pass."""
    if result.summary.errors:
        yield from error_lines(result)
    yield from _losses(result)
    yield verdict_line(result)


def verdict_line(result: Result) -> str:
    """``Verdict: failed (3 failures)``."""
    judgement = result.judge()
    reasons = f" ({'; '.join(judgement.reasons)})" if judgement.reasons else ""
    return f"Verdict: {judgement.verdict.value}{reasons}"


def _percentiles(result: Result) -> Iterator[str]:
    """Service times; where starts were planned, response times come first."""
    series = ordered_series(result)
    if not series:
        yield "Service times: nothing was measured"
        return
    planned = result.info.has_starts
    if planned:
        yield "Response times in ms, which is what users feel: service time plus how late the iteration began:"
        yield from _times(result, [(each.hits + each.unstarted, each.response_or_service) for _, each in series])
        unstarted = sum(each.unstarted for _, each in series)
        if unstarted:
            waited = "these count with the time that they waited, a lower bound"
            yield f"Of the iterations {unstarted:,} never began: {waited}"
        yield ""
        yield "Service times in ms, to the end of the body, without that lateness:"
    else:
        yield "Service times in ms, to the end of the body (no start times were planned: response times are the same):"
    yield from _times(result, [(each.hits, each.service) for _, each in series])
    if planned:
        yield ""
        yield from _lateness(result)


def _times(result: Result, columns: Sequence[tuple[int, Histogram]]) -> Iterator[str]:
    """The table for all series: `columns` has the count and the times of each."""
    many = has_many_tests(result)
    rows = [
        (f"{count:,}", *percentiles_ms(times), label(key, with_scenario=many) + _unstarted(count - series.hits))
        for (key, series), (count, times) in zip(ordered_series(result), columns, strict=True)
    ]
    yield from _table([_HEADS, *rows[:MAX_ROWS]])
    if len(rows) > MAX_ROWS:
        yield f"... and {len(rows) - MAX_ROWS} more series; --output json=FILE has all"


def _unstarted(count: int) -> str:
    return f", {count:,} unstarted" if count else ""


def _lateness(result: Result) -> Iterator[str]:
    """How well the start times were kept, and whose doing it was that they weren't."""
    pace = result.summary.pace
    started, awaited = pace.lateness.count, pace.delay.count
    told = "; there was a free user for each" if started and not result.unstarted else ""
    if started > awaited:
        told = f"; {started - awaited:,} of {started:,} iterations began late for want of a free user"
    yield f"Lateness: {_spread(pace.lateness)}{told}"
    if awaited and started > awaited:
        yield f"Lateness of the others, which is the load generator's own: {_spread(pace.delay)}"


def _spread(times: Histogram) -> str:
    p50, p99 = times.percentiles_us((0.5, 0.99))
    return f"p50 {short_time(p50)}, p99 {short_time(p99)}, max {short_time(times.max_us if times.counts else None)}"


def _phases(result: Result) -> Iterator[str]:
    """Where the time went: the requests of the table of percentiles, if a phase of one of them was measured."""
    many = has_many_tests(result)
    rows = [
        (*_opened_and_means_ms(series), label(key, with_scenario=many))
        for key, series in ordered_series(result)[:MAX_ROWS]
        if key.is_hit
    ]
    if all(set(row[1:-1]) == {"-"} for row in rows):
        return
    yield ""
    yield "Where the time went, the mean of each phase in ms, and connections opened:"
    yield from _table([_PHASE_HEADS, *rows])


def _opened_and_means_ms(series: Series) -> list[str]:
    """Connections, and the mean of each phase; dashes all along where nothing was measured."""
    spans = series.phases.by_name().values()
    known = series.connections or any(span.count for span in spans)
    return [f"{series.connections:,}" if known else "-", *(milliseconds(span.mean_us) for span in spans)]


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Columns to the right, but for the last one, which names the row and may be long."""
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:-1]]
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=False)]
        yield f"{'  '.join(cells)}  {row[-1]}"


def _accounts(result: Result) -> Iterator[str]:
    totals, hits = result.summary.totals, result.summary.hits
    unstarted = result.unstarted
    rest = [(totals.interrupted, "interrupted"), (result.lost_iterations, "lost")]
    if result.info.has_starts:
        never = f", {unstarted:,} never did (unstarted)" if unstarted else ""
        yield f"Iterations: {result.started:,} of {result.due:,} planned started{never}"
        told = "".join(f", {count:,} {word}" for count, word in rest if count)
        yield f"Of those that started: {totals.ended:,} ended{told}"
    else:
        told = "".join(f", {count:,} {word}" for count, word in [(unstarted, "unstarted"), *rest] if count)
        yield f"Iterations: {totals.ended:,} of {result.due:,} ended{told}"
    if totals.skipped:
        yield f"Skipped: {totals.skipped}"
    unsent = f", {hits.unsent:,} unsent" if hits.unsent else ""
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(hits.errors.items()))
    yield f"Requests: {hits.sent:,} sent{unsent}" + (f"; without a whole answer: {kinds}" if kinds else "")
    yield from _losses(result)


def _losses(result: Result) -> Iterator[str]:
    for loss in result.losses:
        span = f"from {loss.from_us / US_PER_S:.1f} s to {loss.to_us / US_PER_S:.1f} s"
        unsent = f" and {loss.unsent:,} unsent" if loss.unsent else ""
        who = f"agent {loss.agent}" if loss.worker is None else result.name_of(loss.worker)
        what = f"{plural(loss.iterations, 'iteration')} and {plural(loss.sent, 'sent request')}{unsent}"
        if loss.worker is None:
            whose = f"what {plural(loss.users, 'user')} did, at least "
            what = f"{'up to ' if result.info.is_open else whose}{plural(loss.iterations, 'iteration')}"
        yield f"Lost: {what}, {span}: {who} {loss.reason}"


def threshold_lines(thresholds: Sequence[Standing]) -> Iterator[str]:
    """What was asked of the run and what came of it, a line each; nothing where nothing was asked."""
    if not thresholds:
        return
    yield "Thresholds:"
    marks = [_MARKS[standing.state] for standing in thresholds]
    texts = [standing.text for standing in thresholds]
    width = max((len(text) for text in texts if len(text) <= _MAX_TEXT), default=0)
    for standing, mark, text in zip(thresholds, marks, texts, strict=True):
        yield f"  {mark:<{max(map(len, marks))}}  {text:<{width}}  {_outcome(standing)}".rstrip()


def _outcome(standing: Standing) -> str:
    """``612ms, crossed at 12.0 s, which ended the run``; nothing without data, for the mark says that."""
    if standing.value is None:
        return ""
    when = "" if standing.crossed_us is None else f", crossed at {standing.crossed_us / US_PER_S:.1f} s"
    return f"{standing.shown}{when}{', which ended the run' if standing.aborted else ''}"


def _blocks(result: Result) -> Iterator[str]:
    """What stopped the event loop, the longest first."""
    blocks = sorted(result.summary.blocks.items(), key=lambda item: (-item[1].total_us, item[0]))
    for key, block in blocks[:MAX_ROWS]:
        once = "once" if block.count == 1 else f"{block.count:,} times"
        yield (
            f"Blocked: {key.scenario} kept all users of its worker waiting {once}, up to "
            f"{format_duration(block.longest_us)}, at {key.place}"
        )


def error_lines(result: Result) -> Iterator[str]:
    """Failures and errors, grouped, the most frequent first, each with its first traceback."""
    groups = sorted(result.summary.errors.items(), key=lambda item: (-item[1].count, item[0]))
    yield "Failures and errors:"
    for key, group in groups[:MAX_ROWS]:
        yield f"- {headline(key, group)}"
        after = sorted(group.series.items(), key=lambda item: (-item[1], item[0]))
        if len(after) > 1:
            yield "    after " + ", ".join(f"{name} ({count:,})" for name, count in after[:3])
        yield textwrap.indent(group.traceback or group.message, "    ")
    if len(groups) > MAX_ROWS:
        yield f"- ... and {len(groups) - MAX_ROWS} more kinds; --output json=FILE has all"


def headline(key: ErrorKey, group: ErrorGroup) -> str:
    """``3 failures, AssertionError in test_it at site.py:12, from 0.1 s to 2.3 s``."""
    first, last = group.first_us / US_PER_S, group.last_us / US_PER_S
    when = f"at {first:.1f} s" if group.count == 1 else f"from {first:.1f} s to {last:.1f} s"
    where = f" at {key.place}" if key.place else ""
    return f"{plural(group.count, key.outcome)}: {key.kind}{where}, {when}"


def done_part(result: Result) -> float:
    """How much of the plan was done, 0..1: of its time where that decides, else of its iterations."""
    planned_us = result.info.duration_us
    if planned_us is None and result.info.due is not None:
        return (result.due - result.unstarted) / result.due if result.due else 1.0
    part = (result.duration_us or 0) / planned_us if planned_us else 1.0
    return 1.0 if result.stop is None and part > 0.9 else min(1.0, part)


def bar(part: float, width: int = BAR_WIDTH) -> str:
    """``[=====     ]  50%``; full only when all is done."""
    filled = int(width * part)
    return f"[{'=' * filled}{' ' * (width - filled)}] {int(100 * part)}%"

"""The picture of a run for a terminal: how far it is, the figures, a line per series, the latest errors.

Pure drawing: a result in, something for rich to print out, which fits any width from 60 columns and any height. URLs
lose the origin that all of them share.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from loads.metrics.result import Result
from loads.metrics.summary import ErrorGroup, ErrorKey, Series, SeriesKey
from loads.metrics.threshold import Standing, State
from loads.report.figures import Recent, has_many_tests, label, milliseconds, ordered_series, recent, warning_now
from loads.units import US_PER_S, format_duration, plural

_SPARKS = " ▁▂▃▄▅▆▇█"
_WIDE = 76
_WIDER = 110
_MAX_ERRORS = 3
_MAX_THRESHOLD_LINES = 3
_LATE_US = 100_000
"""Later than this, iterations begin at another time than was meant: people see it."""
_LOOKS: Final = {
    State.PENDING: ("green", "ok so far"),
    State.PASSED: ("green", "ok"),
    State.CROSSED: ("bold red", "CROSSED"),
    State.NO_DATA: ("bold red", "no data"),
}


def draw(result: Result, elapsed_us: int, width: int, height: int) -> RenderableType:
    """The panel for a terminal of `width` x `height` characters; at most `height` - 1 lines high."""
    errors = _errors(result, width) + _warning(result, elapsed_us, width)
    standings = _standings(result.thresholds, width)
    if height < 8 + len(errors) + len(standings):
        rest = [*_figures(result, width), *standings, *_warning(result, elapsed_us, width)]
        return Group(_progress(result, elapsed_us, width), *rest[: max(0, height - 2)])
    parts: list[RenderableType] = [Text(""), _progress(result, elapsed_us, width), Text("")]
    parts += [*_figures(result, width), *standings, Text("")]
    used = len(parts) + 3 + (len(errors) + 1 if errors else 0)
    if height > used:
        parts.append(_table(result, width, height - used))
    if errors:
        parts += [Text(""), *errors]
    return Group(*parts)


def spark(values: Sequence[float], width: int) -> str:
    """`values` as bars of eighths, the last `width` of them, scaled from zero to their own maximum."""
    shown = values[-width:]
    top = max(shown, default=0.0) or 1.0
    return "".join(_SPARKS[max(1, round(value / top * 8)) if value else 0] for value in shown)


def _progress(result: Result, elapsed_us: int, width: int) -> RenderableType:
    part, left_us = _part_done(result, elapsed_us)
    told = _whole(elapsed_us)
    if result.stop is not None:
        told += ", stopping"
    elif part >= 1.0:
        told += ", finishing"
    elif left_us is not None:
        told += f", {_whole(left_us)} left"
    color = "green" if part >= 1.0 else "cyan"
    bar = ProgressBar(
        total=1.0, completed=part, width=max(10, width - len(told) - 9), complete_style=color, finished_style=color
    )
    line = Table.grid(padding=(0, 1, 0, 0))
    line.add_row(Text(f"{part:>4.0%}", style="bold"), bar, Text(told, style="cyan"))
    return line


def _part_done(result: Result, elapsed_us: int) -> tuple[float, int | None]:
    """How much is done, and how long the rest will take, if that can be said."""
    info = result.info
    if info.duration_us is not None:
        return min(1.0, elapsed_us / info.duration_us), max(0, info.duration_us - elapsed_us)
    totals = result.summary.totals
    done = totals.ended + totals.interrupted + result.lost_iterations
    part = min(1.0, done / info.due) if info.due else 0.0
    return part, round(elapsed_us * (1 - part) / part) if part > 0.02 else None


def _figures(result: Result, width: int) -> list[Text]:
    hits, totals, now = result.summary.hits, result.summary.totals, recent(result)
    users = sum(result.users.values())
    first = Text.assemble((f"{users:,}", "bold"), " user" if users == 1 else " users")
    if result.info.is_open:
        first.append(" busy")
    first.append_text(Text.assemble("  ", (f"{hits.hits:,}", "bold"), " hits"))
    first.append_text(Text.assemble("  ", (f"{now.hits_per_s:,.0f}", "bold"), "/s"))
    for count, noun in ((totals.failures, "failures"), (totals.errors, "errors")):
        first.append_text(Text.assemble("  ", (f"{count:,}", "bold red" if count else "bold green"), f" {noun}"))

    planned = result.info.has_starts
    times = hits.response_or_service if planned else hits.service
    p50, p95, p99 = (milliseconds(value) for value in times.percentiles_us((0.5, 0.95, 0.99)))
    second = Text.assemble("p50 ", (p50, "bold"), "  p95 ", (p95, "bold"), "  p99 ", (p99, "bold"), " ms")
    if planned:
        second = Text.assemble("response ", second)
    _add_sparks(second, result, width)
    lines = [first, *([_pace(result, now)] if planned else []), second]
    for line in lines:
        line.truncate(width - 1, overflow="ellipsis")
    return lines


def _pace(result: Result, now: Recent) -> Text:
    """How well the start times are kept; of `due` iterations there may be some that wait for a user."""
    late = now.lateness.percentile_us(0.99) or 0.0
    return Text.assemble(
        "started ",
        (f"{result.started:,}", "bold"),
        *(() if result.info.due is None else (f" of {result.info.due:,}",)),
        "  ",
        (f"{now.started_per_s:,.0f}", "bold"),
        "/s  late p99 ",
        (now.late_p99, "bold yellow" if late >= _LATE_US else "bold"),
    )


def _add_sparks(line: Text, result: Result, width: int) -> None:
    """The last minute, as far as there is room for it."""
    rows = result.timeline.rows(last=61)[:-1]
    rates = [row.point.hits * US_PER_S / row.width_us for row in rows]
    room = (width - line.cell_len - 12) // (2 if width >= _WIDER else 1)
    if len(rows) > 1 and room >= 8:
        line.append_text(Text.assemble("  hits/s ", (spark(rates, min(60, room)), "green")))
        if width >= _WIDER:
            slow = [row.point.response_or_service.percentile_us(0.95) or 0.0 for row in rows]
            line.append_text(Text.assemble("  p95 ", (spark(slow, min(60, room)), "yellow")))


def _standings(thresholds: Sequence[Standing], width: int) -> list[Text]:
    """The thresholds, those that failed first, as many beside one another as there is room for."""
    lines: list[Text] = []
    ordered = sorted(thresholds, key=lambda standing: not standing.failed)
    for number, standing in enumerate(ordered):
        entry = _standing(standing, width)
        if lines and lines[-1].cell_len + 3 + entry.cell_len < width:
            lines[-1].append_text(Text.assemble("   ", entry))
        elif len(lines) < _MAX_THRESHOLD_LINES:
            lines.append(entry)
        else:
            lines.append(Text(f"and {len(ordered) - number} more", style="dim"))
            break
    return lines


def _standing(standing: Standing, width: int) -> Text:
    """``CROSSED p(95) < 500ms: 612ms``, less wide than `width`: a long expression loses its middle, not its value."""
    color, mark = _LOOKS[standing.state]
    value = "" if standing.value is None else f": {standing.shown}"
    if standing.state is State.PENDING and not value:
        color, value = "dim", ": nothing yet"
    text = _short(standing.text, max(12, width - 2 - len(mark) - len(value)))
    entry = Text.assemble((mark, color), f" {text}", (value, color))
    entry.truncate(width - 1, overflow="ellipsis")
    return entry


def _table(result: Result, width: int, rows: int) -> RenderableType:
    """A line per series, at most `rows` lines below the head."""
    wide, wider = width >= _WIDE, width >= _WIDER
    table = Table(box=None, padding=(0, 2 if wide else 1, 0, 0), header_style="dim", show_edge=False)
    names = ["hits", "failed", *(["mean"] if wider else []), "p50", *(["p90"] if wider else []), "p95"]
    names += [*(["p99"] if wide else []), *(["p99.9", "max", "kB in"] if wider else [])]
    table.add_column("series (response ms)" if result.info.has_starts else "series", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    series = ordered_series(result)
    shown = series if len(series) <= rows else series[: max(1, rows - 1)]
    all_cells = [_cells(stats) for _, stats in shown]
    taken = sum(max([len(name), *(len(cells[name]) for cells in all_cells)]) + 2 for name in names)
    origin, many = _shared_origin(series), has_many_tests(result)
    for (key, stats), cells in zip(shown, all_cells, strict=True):
        text = label(key, with_scenario=many)
        name = _short(text if key.named else text.replace(origin, "", 1), max(12, width - taken - 3))
        values = (Text(cells[column], "red" if column == "failed" and stats.failed else "") for column in names)
        table.add_row(Text(name), *values)
    if len(shown) < len(series):
        table.add_row(Text(f"and {len(series) - len(shown)} more", style="dim"))
    return table


def _cells(stats: Series) -> dict[str, str]:
    response = stats.response_or_service
    p50, p90, p95, p99, p999 = response.percentiles_us((0.5, 0.9, 0.95, 0.99, 0.999))
    times = {"mean": response.mean_us, "p50": p50, "p90": p90, "p95": p95, "p99": p99, "p99.9": p999}
    return {
        "hits": f"{stats.hits:,}",
        "failed": f"{stats.failed:,}",
        **{name: milliseconds(value) for name, value in times.items()},
        "max": milliseconds(response.max_us if response.counts else None),
        "kB in": f"{stats.bytes_received / 1_000:,.0f}",
    }


def _shared_origin(series: Sequence[tuple[SeriesKey, Series]]) -> str:
    """``http://host:port`` when all URLs have it, else nothing."""
    urls = [key.name.split("/", 3) for key, _ in series if key.is_hit and not key.named and "://" in key.name]
    origins = {"/".join(parts[:3]) for parts in urls}
    return origins.pop() if len(origins) == 1 else ""


def _short(text: str, room: int) -> str:
    """`text` with its middle left out: the end of a URL or a test's name says most."""
    if len(text) <= room:
        return text
    head = max(5, room // 3)
    return f"{text[:head]}…{text[-(room - head - 1) :]}"


def _errors(result: Result, width: int) -> list[Text]:
    """The kinds of failures and errors that came last, a line each."""
    groups = sorted(result.summary.errors.items(), key=lambda item: -item[1].last_us)[:_MAX_ERRORS]
    return [_error(key, group, width) for key, group in groups]


def _error(key: ErrorKey, group: ErrorGroup, width: int) -> Text:
    message = group.message.partition("\n")[0] or key.kind
    place = key.place.rpartition("/")[2]
    kind = key.kind.rpartition(".")[2]
    line = Text.assemble((plural(group.count, key.outcome), "red"), f"  {message}  ", (f"{kind} {place}", "dim"))
    line.truncate(width - 1, overflow="ellipsis")
    return line


def _warning(result: Result, elapsed_us: int, width: int) -> list[Text]:
    """A line when the load generator itself is in trouble at the moment."""
    told = warning_now(result, elapsed_us)
    if told is None:
        return []
    line = Text(told, "yellow")
    line.truncate(width - 1, overflow="ellipsis")
    return [line]


def _whole(duration_us: int) -> str:
    return format_duration(duration_us // US_PER_S * US_PER_S) if duration_us >= US_PER_S else "0s"

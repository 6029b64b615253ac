"""A result as JSON, for machines. docs/metrics.rst describes every field; `SCHEMA` changes when a meaning does."""

from __future__ import annotations

from typing import Any, Final

import msgspec

import loads
from loads.metrics.details import DetailRow
from loads.metrics.events import Event
from loads.metrics.health import Health, joined
from loads.metrics.histogram import Histogram
from loads.metrics.machines import MachineRow
from loads.metrics.phases import Phases
from loads.metrics.result import Loss, Result
from loads.metrics.rules import Rules
from loads.metrics.summary import Series, SeriesKey
from loads.metrics.threshold import Standing
from loads.metrics.tiers import MAX_POINTS
from loads.metrics.timeline import Row
from loads.report.figures import QUANTILES, ordered_series, rate_per_s, users_in
from loads.units import US_PER_S

SCHEMA: Final = 1
MANY_POINTS: Final = 10_000
"""Of all series together, and of all machines: 4 MB. With all that there is of 100 series an hour would be 30 MB."""
LEAST_POINTS: Final = 10
"""Of each of them, however many there are."""
_NAMES: Final = ("p50_ms", "p90_ms", "p95_ms", "p99_ms", "p999_ms")
_TIMES: Final = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}
_LATE: Final = {"p50_ms": 0.5, "p99_ms": 0.99}
"""Of a point of the timeline."""


def to_json(result: Result) -> bytes:
    """The finished run `result` as one indented JSON document with a line break at its end."""
    return msgspec.json.format(msgspec.json.encode(as_document(result)), indent=2) + b"\n"


def as_document(result: Result) -> dict[str, Any]:
    """The document as plain values."""
    judgement = result.judge()
    duration_us = result.duration_us or 0
    return {
        "schema": SCHEMA,
        "run": _run(result),
        "totals": _totals(result, duration_us),
        "series": _all_series(result),
        "counters": dict(sorted(result.summary.counters.items())),
        "errors": _errors(result),
        "blocks": _blocks(result),
        "timeline": _timeline(result, duration_us),
        "health": [_health(worker, health.total) for worker, health in sorted(result.health.items())],
        "machines": _machines(result, duration_us),
        "events": [_event(event) for event in sorted(result.events, key=lambda event: event.t_us)],
        "thresholds": [_threshold(standing) for standing in result.thresholds],
        "verdict": judgement.verdict.value,
        "reasons": judgement.reasons,
        "exit_code": int(judgement.exit_code),
    }


def _run(result: Result) -> dict[str, Any]:
    info = result.info
    return {
        "id": info.id,
        "name": info.name,
        "tags": dict(sorted(info.tags.items())),
        "loads_version": loads.__version__,
        "started_at": info.started_at.isoformat(),
        "duration_s": _seconds(result.duration_us or 0),
        "planned_duration_s": None if info.duration_us is None else _seconds(info.duration_us),
        "targets": info.targets,
        "scenarios": info.scenarios,
        "plan": info.plan,
        "users": info.users,
        "workers": info.workers,
        "agents": [
            {"name": place.agent, "host": place.host, "first_worker": place.first, "workers": place.workers}
            for place in result.places
        ],
        "seed": info.seed,
        "server_url": info.server_url,
        "losses": [_loss(loss) for loss in result.losses],
        "unrun_user_s": _seconds(result.unrun_us),
        "warnings": result.warnings,
        "rules": _rules(info.rules),
    }


def _rules(rules: Rules) -> dict[str, Any]:
    return {
        "thresholds": rules.thresholds,
        "warm_up_s": _seconds(rules.warm_up_us),
        "max_lost": rules.max_lost,
        "allow_invalid": rules.allow_invalid,
    }


def _threshold(standing: Standing) -> dict[str, Any]:
    return {
        "expression": standing.text,
        "state": standing.state.value,
        "failed": standing.failed,
        "value": standing.value,
        "shown": standing.shown,
        "crossed_s": None if standing.crossed_us is None else _seconds(standing.crossed_us),
        "aborted": standing.aborted,
    }


def _loss(loss: Loss) -> dict[str, Any]:
    return {
        "worker": loss.worker,
        "agent": loss.agent,
        "incarnation": f"{loss.incarnation:016x}",
        "reason": loss.reason,
        "from_s": _seconds(loss.from_us),
        "to_s": _seconds(loss.to_us),
        "iterations": loss.iterations,
        "sent": loss.sent,
        "unsent": loss.unsent,
        "users": loss.users,
    }


def _totals(result: Result, duration_us: int) -> dict[str, Any]:
    totals, hits, pace = result.summary.totals, result.summary.hits, result.summary.pace
    planned = result.info.has_starts
    return {
        "iterations": totals.ended,
        "planned": result.due,
        "due": result.due,
        "started": result.started,
        "ended": totals.ended,
        "unstarted": result.unstarted,
        "interrupted": totals.interrupted,
        "lost_iterations": result.lost_iterations,
        "hits": hits.hits,
        "sent": hits.sent,
        "unsent": hits.unsent,
        "lost": result.lost_sent,
        "lost_unsent": result.lost_unsent,
        "rps": round(rate_per_s(result, duration_us), 3),
        "success": totals.success,
        "failures": totals.failures,
        "errors": totals.errors,
        "skipped": totals.skipped,
        "bytes_sent": hits.bytes_sent,
        "bytes_received": hits.bytes_received,
        "connections": hits.connections,
        "phases": _phases(hits.phases),
        "retired": totals.retired,
        "service": _distribution(hits.service),
        "response": _distribution(hits.response_or_service),
        "lateness": _counted(pace.lateness) if planned else None,
        "delay": _counted(pace.delay) if planned else None,
    }


def _all_series(result: Result) -> list[dict[str, Any]]:
    ordered = ordered_series(result)
    tables = result.series_tables(_most(len(ordered)))
    return [
        {**_series(key, series), "timeline": [_series_point(row) for row in tables[key]]} for key, series in ordered
    ]


def _most(count: int) -> int:
    """How many points each of so many has at most."""
    return max(LEAST_POINTS, min(MAX_POINTS, MANY_POINTS // max(1, count)))


def _series_point(row: DetailRow) -> dict[str, Any]:
    cell, quantiles = row.cell, list(_TIMES.values())
    service, response = cell.service_us(quantiles), cell.response_us(quantiles)
    return {
        "t_s": _seconds(row.t_us),
        "width_s": _seconds(row.width_us),
        "hits": cell.hits,
        "failed": cell.failed,
        **{name: _ms(value) for name, value in zip(_TIMES, service, strict=True)},
        **{f"response_{name}": _ms(value) for name, value in zip(_TIMES, response, strict=True)},
    }


def _machines(result: Result, duration_us: int) -> list[dict[str, Any]]:
    """Agents, or the workers of a local run, over time."""
    agents = {place.first: place.agent for place in result.places}
    tables = result.machines.tables(_most(len(result.machines.known)))
    return [
        {
            "worker": machine,
            "agent": agents.get(machine),
            "timeline": [_machine_point(row, duration_us, result) for row in rows],
        }
        for machine, rows in sorted(tables.items())
    ]


def _machine_point(row: MachineRow, duration_us: int, result: Result) -> dict[str, Any]:
    point = row.point
    least_us = row.width_us // 10 if result.info.is_open else 1
    covered_us = min(row.width_us, max(duration_us - row.t_us, least_us))
    return {
        "t_s": _seconds(row.t_us),
        "width_s": _seconds(row.width_us),
        "users": min(result.info.users, round(point.users_us / covered_us)),
        "hits": point.hits,
        "failed": point.failed,
        "cpu_share": _share(point.cpu_share),
        "lag_ms": _ms(point.lag_us),
    }


def _event(event: Event) -> dict[str, Any]:
    return {
        "t_s": _seconds(event.t_us),
        "until_s": None if event.until_us is None else _seconds(event.until_us),
        "kind": event.kind.value,
        "text": event.text,
    }


def _series(key: SeriesKey, series: Series) -> dict[str, Any]:
    return {
        "scenario": key.scenario,
        "method": key.method,
        "name": key.name,
        "named": key.named,
        "hits": series.hits,
        "sent": series.sent,
        "unsent": series.unsent,
        "failed": series.failed,
        "statuses": {str(status): count for status, count in sorted(series.statuses.items())},
        "errors": dict(sorted(series.errors.items())),
        "bytes_sent": series.bytes_sent,
        "bytes_received": series.bytes_received,
        "service": _distribution(series.service),
        "response": _distribution(series.response_or_service),
        "connections": series.connections,
        "phases": _phases(series.phases),
        "unstarted": series.unstarted,
    }


def _distribution(histogram: Histogram) -> dict[str, float | None]:
    mean_us = histogram.mean_us
    filled = bool(histogram.counts)
    values = dict(zip(_NAMES, histogram.percentiles_us(QUANTILES), strict=True))
    return {
        "mean_ms": _ms(mean_us),
        "min_ms": _ms(histogram.min_us if filled else None),
        **{name: _ms(value) for name, value in values.items()},
        "max_ms": _ms(histogram.max_us if filled else None),
    }


def _counted(histogram: Histogram) -> dict[str, float | None]:
    """A distribution of which nothing else tells how many there are."""
    return {"count": histogram.count, **_distribution(histogram)}


def _phases(phases: Phases) -> dict[str, dict[str, float | None]]:
    """Those that were passed at all."""
    return {
        name: {"count": span.count, "mean_ms": _ms(span.mean_us), "max_ms": _ms(span.longest_us)}
        for name, span in phases.by_name().items()
        if span.count
    }


def _errors(result: Result) -> list[dict[str, Any]]:
    groups = sorted(result.summary.errors.items(), key=lambda item: (-item[1].count, item[0]))
    return [
        {
            "outcome": key.outcome,
            "kind": key.kind,
            "place": key.place,
            "scenario": group.scenario,
            "message": group.message,
            "traceback": group.traceback,
            "count": group.count,
            "first_s": _seconds(group.first_us),
            "last_s": _seconds(group.last_us),
            "series": dict(sorted(group.series.items(), key=lambda item: (-item[1], item[0]))),
            "timeline": [{"t_s": second, "count": count} for second, count in sorted(group.points.items())],
        }
        for key, group in groups
    ]


def _blocks(result: Result) -> list[dict[str, Any]]:
    blocks = sorted(result.summary.blocks.items(), key=lambda item: (-item[1].total_us, item[0]))
    return [
        {
            "scenario": key.scenario,
            "place": key.place,
            "count": block.count,
            "longest_s": _seconds(block.longest_us),
            "total_s": _seconds(block.total_us),
        }
        for key, block in blocks
    ]


def _timeline(result: Result, duration_us: int) -> list[dict[str, Any]]:
    return [_point(row, duration_us, result) for row in result.timeline.rows()]


def _point(row: Row, duration_us: int, result: Result) -> dict[str, Any]:
    point = row.point
    return {
        "t_s": _seconds(row.t_us),
        "width_s": _seconds(row.width_us),
        "users": users_in(row, duration_us, result),
        "started": point.started,
        "hits": point.hits,
        "failed": point.failed,
        "failures": point.failures,
        "errors": point.errors,
        **_percentiles("", point.service, _TIMES),
        **_percentiles("response_", point.response, _TIMES),
        **_percentiles("lateness_", point.lateness, _LATE),
        "cpu_share": _share(point.cpu_share),
        "lag_ms": _ms(point.lag_us),
    }


def _percentiles(prefix: str, histogram: Histogram | None, quantiles: dict[str, float]) -> dict[str, float | None]:
    """Those of one point; null where nothing was measured, or nothing planned."""
    if histogram is None:
        return dict.fromkeys(prefix + name for name in quantiles)
    values = histogram.percentiles_us(list(quantiles.values()))
    return {prefix + name: _ms(value) for name, value in zip(quantiles, values, strict=True)}


def _health(worker: int, health: Health) -> dict[str, Any]:
    lag = health.lag
    p50, p99 = lag.percentiles_us((0.5, 0.99))
    return {
        "worker": worker,
        "watched_s": _seconds(health.wall_us),
        "users": health.users,
        "cpu_share": {"mean": _share(health.cpu_share), "max": _share(joined(max, health.cpu_peak, health.cpu_share))},
        "lag": {"p50_ms": _ms(p50), "p99_ms": _ms(p99), "max_ms": _ms(lag.max_us if lag.counts else None)},
        "gc": {
            "pauses": health.pauses,
            "total_ms": _ms(health.paused_us),
            "max_ms": _ms(health.longest_pause_us if health.pauses else None),
        },
        "open_files": {"max": health.files, "limit": health.files_limit},
        "ports": {"max": health.ports, "range": health.ports_range},
        "waited_share": _share(health.waited_share),
    }


def _ms(value_us: float | None) -> float | None:
    return None if value_us is None else round(value_us / 1_000, 3)


def _share(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _seconds(value_us: int) -> float:
    return round(value_us / US_PER_S, 6)

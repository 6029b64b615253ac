"""Thresholds in k6's own words, as they stand in a script: `http_req_duration{name:x}: ['p(95)<500']`.

    METRIC[{tag:value}]: EXPRESSION [abortOnFail [delayAbortEval=10s]]      one, flat
    METRIC: ['EXPRESSION', {threshold: 'EXPRESSION', abortOnFail: true}]    a member of the object
    thresholds: {...}     {...}                                             the object
    export const options = {..., thresholds: {...}};                        the object, out of all options

What k6 measures and Loads doesn't, or not in that way, is an error that says why: a threshold that looked at something
else than the user means would be worse. A time without a unit is milliseconds here. `http_req_duration` is the response
time, which is k6's own where no arrival rate is planned. A `Threshold.text` is the flat form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from loads.errors import LoadsError, UsageError
from loads.metrics.script import Wish, is_options, wishes
from loads.metrics.tags import MAX_TEXT, Tag, Tags, did_you_mean, even, read_tags, tags_of
from loads.metrics.threshold import Comparison, Kind, Measure, Statistic, Threshold
from loads.metrics.typography import sign
from loads.units import parse_duration_us

METRICS: Final[dict[str, dict[str, Measure]]] = {
    "http_req_duration": {"trend": Measure.RESPONSE},
    "http_req_waiting": {"trend": Measure.FIRST_BYTE},
    "http_req_receiving": {"trend": Measure.BODY},
    "http_req_connecting": {"trend": Measure.CONNECT},
    "http_req_tls_handshaking": {"trend": Measure.TLS},
    "http_req_failed": {"rate": Measure.HIT_FAILURE_RATE},
    "http_reqs": {"count": Measure.HITS, "rate": Measure.HIT_RATE},
    "iterations": {"count": Measure.ITERATIONS, "rate": Measure.ITERATION_RATE},
    "iteration_duration": {"trend": Measure.ITERATION},
    "dropped_iterations": {"count": Measure.UNSTARTED},
    "checks": {"rate": Measure.SUCCESS_RATE},
    "data_sent": {"count": Measure.BYTES_SENT, "rate": Measure.BYTES_SENT_RATE},
    "data_received": {"count": Measure.BYTES_RECEIVED, "rate": Measure.BYTES_RECEIVED_RATE},
    "group_duration": {"trend": Measure.TRANSACTION},
}
"""What stands for each metric of k6, by what is asked of it."""
_CUSTOM: Final = {"count": Measure.COUNTER, "rate": Measure.COUNTER_RATE}
_UNMEASURED: Final = {
    "http_req_blocked": "how long a request waits for a connection is not measured apart: it is in http_req_duration",
    "http_req_sending": "how long a request takes to be sent is not measured apart: it is in http_req_waiting",
    "vus": "the number of users is what the plan says, and nothing to judge",
    "vus_max": "the number of users is what the plan says, and nothing to judge",
}
_FAMILIES: Final = ("http_", "ws_", "grpc_", "browser_")
_STATISTICS: Final = {
    "avg": (Statistic.MEAN, 0.0),
    "min": (Statistic.MIN, 0.0),
    "max": (Statistic.MAX, 0.0),
    "med": (Statistic.PERCENTILE, 0.5),
}
_AGGREGATIONS: Final = ("avg", "min", "max", "med", "p(95)", "count", "rate", "value")
_EXPRESSION: Final = re.compile(r"([^<>=!]*)([<>=!]+)(.*)", re.DOTALL)
_PERCENTILE: Final = re.compile(r"p\(\s*(\d{1,3}(?:\.\d{1,9})?)\s*\)", re.ASCII)
_NUMBER: Final = re.compile(r"-?\d{1,15}(?:\.\d{1,9})?", re.ASCII)
_NAME: Final = re.compile(r"[^\s{}\[\]():,;'\"`<>=!/]+")
_LOADS_OWN: Final = ("counter", "counter_rate")
_EXAMPLE: Final = "write it like http_req_duration: p(95)<500"


def example(metric: str) -> str:
    """How a threshold on `metric` looks."""
    ways = METRICS[metric]
    return f"{metric}: avg<500" if "trend" in ways else f"{metric}: {next(iter(ways))}<0.01"


def is_from_k6(text: str) -> bool:
    """Whether `text` (not empty, without blanks around) is k6's rather than Loads' own."""
    if text[0] in "{'\"`/" or is_options(text):
        return True
    name = _NAME.match(text)
    if name is None:
        return False
    after = text[name.end() :].lstrip()
    if after.startswith("{"):
        try:
            _, end = read_tags(after, 0)
        except UsageError:
            return name.group() in METRICS
        return after[end:].lstrip().startswith(":")
    if name.group().lower() in _LOADS_OWN:
        return after.startswith(":") and after[1:].lstrip().startswith("[")
    return after.startswith(":")


def parse(text: str, own: Sequence[str] = ()) -> tuple[Threshold, ...]:
    """The thresholds in `text`, at least one. `own` are Loads' measures, which have no colon after them.

    Raises:
        UsageError: it can't be read, or means something that is not measured; all that is wrong with it.
    """
    problems: list[LoadsError] = []
    thresholds = []
    for wish in wishes(text, problems):
        try:
            thresholds.append(_threshold(wish, own))
        except UsageError as problem:
            shown = even(f"{wish.key}: {wish.expression}")[:MAX_TEXT]
            problems.append(UsageError(f"the threshold {shown!r}: {problem.message}", problem.hint))
    if not thresholds and not problems:
        problems.append(UsageError("there is no threshold in it", _EXAMPLE))
    if problems:
        raise UsageError.of(problems)
    return tuple(thresholds)


def _is_aggregation(text: str) -> bool:
    return text in _AGGREGATIONS or bool(_PERCENTILE.fullmatch(text))


def _threshold(wish: Wish, own: Sequence[str]) -> Threshold:
    key, expression = even(wish.key), " ".join(sign(wish.expression).split())
    metric, _, _ = key.partition("{")
    metric = metric.strip()
    aggregation, comparison, number = _expression(expression, metric, own)
    measure, (statistic, quantile) = _measured(metric, aggregation, number)
    tags = _tags(key, metric, measure) if "{" in key else Tags()
    delay_us = _delay_us(wish)
    if measure.is_final and wish.abort:
        raise UsageError(f"{metric} is known only when the run is over", "leave out abortOnFail")
    text = f"{_quoted(key)}: {expression}" + " abortOnFail" * wish.abort
    text += f" delayAbortEval={wish.delay}" if wish.delay else ""
    if len(text) > MAX_TEXT:
        raise UsageError("it is too long", f"{MAX_TEXT} characters are allowed")
    return Threshold(
        text=text,
        measure=measure,
        comparison=comparison,
        bound=_bound(number, metric, measure),
        statistic=statistic,
        quantile=quantile,
        tags=tags,
        counter=metric if measure.is_counter else None,
        abort=wish.abort,
        abort_after_us=delay_us,
    )


def _quoted(key: str) -> str:
    """`key` so that it reads as k6's, and as this key."""
    name = _NAME.match(key)
    if (
        name
        and name.group().lower() not in (*_LOADS_OWN, "thresholds")
        and key[name.end() : name.end() + 1] in ("", "{")
    ):
        return key
    return json.dumps(key, ensure_ascii=False)


def _delay_us(wish: Wish) -> int:
    if not wish.delay:
        return 0
    if not wish.abort:
        raise UsageError("delayAbortEval does nothing without abortOnFail", "add abortOnFail")
    if _NUMBER.fullmatch(wish.delay):
        raise UsageError(f"delayAbortEval: {wish.delay} has no unit", f"write {wish.delay}s or {wish.delay}ms")
    return parse_duration_us(wish.delay)


def _expression(text: str, metric: str, own: Sequence[str]) -> tuple[str, Comparison, str]:
    found = _EXPRESSION.fullmatch(text)
    aggregation = found[1].strip() if found else ""
    if found is None or not aggregation:
        hint = f"{metric} is Loads' own: leave out the colon" if metric.lower() in own else _EXAMPLE
        raise UsageError(f"{text!r} is not an expression like p(95)<500", hint)
    sign = "==" if found[2] == "===" else found[2]
    try:
        comparison = Comparison(sign)
    except ValueError:
        raise UsageError(f"{found[2]!r} is no comparison", "there are <, <=, >, >=, ==, === and !=") from None
    if not _is_aggregation(aggregation):
        hint = did_you_mean(aggregation, _AGGREGATIONS) or f"there are {', '.join(_AGGREGATIONS)}"
        raise UsageError(f"there is no {aggregation!r}", hint)
    return aggregation, comparison, found[3].strip()


def _measured(metric: str, aggregation: str, number: str) -> tuple[Measure, tuple[Statistic | None, float]]:
    if metric in _UNMEASURED:
        raise UsageError(f"{metric} can't be judged", _UNMEASURED[metric])
    ways = METRICS.get(metric)
    if ways is None:
        return _custom(metric, aggregation, number), (None, 0.0)
    if aggregation in ways:
        return ways[aggregation], (None, 0.0)
    measure = ways.get("trend")
    if measure is None or aggregation in ("count", "rate", "value"):
        allowed = (
            ", ".join(ways) if measure is None else "avg and max" if measure.is_phase else "avg, min, max, med, p(N)"
        )
        raise UsageError(f"{metric} has no {aggregation}", f"it has {allowed}")
    found = _PERCENTILE.fullmatch(aggregation)
    if measure.is_phase and aggregation not in ("avg", "max"):
        hint = "only the mean and the longest of it are kept: use avg or max, or http_req_duration for percentiles"
        raise UsageError(f"{metric} has no {aggregation}", hint)
    if found is None:
        return measure, _STATISTICS[aggregation]
    part = Fraction(found[1]) / 100
    if part > 1:
        raise UsageError(f"{aggregation}: there is no percentile above 100", "write one like p(95) or p(99.9)")
    return measure, (Statistic.PERCENTILE, float(part))


def _custom(metric: str, aggregation: str, number: str) -> Measure:
    """A counter of the test's own. k6 has three more kinds of custom metrics, which Loads has not."""
    near = did_you_mean(metric, tuple(METRICS), 0.8)
    if near or metric.startswith(_FAMILIES):
        hint = near or f"there are {', '.join(METRICS)}"
        raise UsageError(f"there is no metric {metric!r}", f"{hint}; a counter of that name is counter:{metric}")
    if aggregation not in _CUSTOM:
        hint = "time it with self.transaction(name) and judge p(95){name:...}" if aggregation != "value" else ""
        hint = hint or "count it with self.incr_counter(name) and judge count"
        raise UsageError(f"{metric!r} has no {aggregation}: custom metrics are counters, with count and rate", hint)
    if aggregation == "rate" and _NUMBER.fullmatch(number) and float(number) <= 1:
        raise UsageError(
            f"the rate of {metric!r} is a part of a whole with k6, or a number per second: Loads has counters only",
            f"if it is a number per second, write counter_rate:{metric}; for iterations that failed, failure_rate",
        )
    return _CUSTOM[aggregation]


def _tags(key: str, metric: str, measure: Measure) -> Tags:
    found, end = read_tags(key, key.index("{"))
    if key[end:].strip():
        raise UsageError(f"{key[end:]!r} follows the tags", _EXAMPLE)
    if measure is Measure.TRANSACTION:
        found = [Tag("name", tag.value.rpartition("::")[2]) if tag.key == "group" else tag for tag in found]
    for tag in found:
        if tag.key == "group":
            raise UsageError(
                f"{metric} is not known by group", "give the requests a name= and judge that, or judge group_duration"
            )
        if tag.key == "expected_response":
            hint = "leave the tag out, and give failures a threshold of their own: http_req_failed: rate<0.01"
            raise UsageError(f"{metric} is not kept apart by whether the answer was expected", hint)
    return tags_of(found, measure.tags, metric)


def _bound(number: str, metric: str, measure: Measure) -> float:
    if not _NUMBER.fullmatch(number):
        hint = (
            "write a plain number; times are in milliseconds" if measure.kind is Kind.TIME else "write a plain number"
        )
        raise UsageError(f"{number!r} is not a number" if number else "there is no number to compare with", hint)
    bound = float(Fraction(number) * 1_000) if measure.kind is Kind.TIME else float(number)
    if bound < 0 and not measure.is_counter:
        raise UsageError(f"{metric} can't be below zero", "write a number that can be reached")
    if measure.kind is Kind.PART and bound > 1:
        raise UsageError(f"{number} is more than all of {metric}", "a rate is 0 to 1: write 0.01 for 1 %")
    return bound

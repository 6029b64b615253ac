"""Thresholds as people write them: `p(95){name:/checkout} < 500ms over 30s abort after 20s`.

    MEASURE[{tag:value, ...}] COMPARISON VALUE [over TIME] [for TIME] [or no data] [abort [after TIME]]

Key words in any case, blanks where one likes, clauses in any order. Each part is read by itself, so that all that is
wrong is told at once. What is k6's own goes to `k6`. Pure text; the values are `threshold`'s.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from fractions import Fraction
from typing import Any, Final, NamedTuple

from loads.errors import LoadsError, UsageError
from loads.metrics import k6
from loads.metrics.script import unwrapped
from loads.metrics.tags import MAX_TEXT, QUOTES, Tags, did_you_mean, even, read_tags, tags_of
from loads.metrics.threshold import (
    MAX_WINDOW_US,
    Comparison,
    Kind,
    Measure,
    Statistic,
    Threshold,
)
from loads.metrics.typography import typed
from loads.units import US_PER_S, format_duration, parse_duration_us, parse_part, parse_rate, sendable

MAX_INPUT: Final = 50_000
"""Characters of what may hold many thresholds, as k6's object of all of them does."""
MAX_THRESHOLDS: Final = 100
_EXAMPLE: Final = "write it like p(95) < 500ms, failure_rate < 1% or hits > 1000"
_OWN: Final = {
    measure.value: measure
    for measure in Measure
    if measure.kind is not Kind.TIME
    and measure not in (Measure.SUCCESS_RATE, Measure.BYTES_SENT_RATE, Measure.BYTES_RECEIVED_RATE)
}
_TIMES: Final = {"": Measure.RESPONSE} | {
    measure.value: measure for measure in (Measure.RESPONSE, Measure.SERVICE, Measure.LATENESS)
}
_STATISTICS: Final = {
    "median": (Statistic.PERCENTILE, 0.5),
    "med": (Statistic.PERCENTILE, 0.5),
    "mean": (Statistic.MEAN, 0.0),
    "avg": (Statistic.MEAN, 0.0),
    "min": (Statistic.MIN, 0.0),
    "max": (Statistic.MAX, 0.0),
}
_ELSEWHERE: Final = {
    "average": "mean",
    "error_rate": "failure_rate",
    "latency": "p(95)",
    "requests": "hits",
    "response_time": "p(95)",
    "rps": "hit_rate",
}
"""What other tools call it, where no likeness of letters leads there."""
_PERCENTILE: Final = re.compile(r"p ?\( ?(\d{1,3}(?:\.\d{1,9})?) ?\)", re.ASCII)
_COMPARISON: Final = re.compile(r"[<>=!]+")
_CLAUSE_WORDS: Final = ("over", "for", "or", "abort")
_COUNT: Final = re.compile(r"-?\d{1,15}(?:\.\d{1,9})?", re.ASCII)


def parse_thresholds(text: str) -> tuple[Threshold, ...]:
    """The thresholds in `text`, at least one: an expression of Loads', or one or many of k6's.

    Raises:
        UsageError: it can't be read; all that is wrong with it.
    """
    if len(text) > MAX_INPUT:
        raise UsageError(f"thresholds of {len(text):,} characters are too long", f"{MAX_INPUT:,} are allowed")
    text = unwrapped(typed(sendable(text).strip()))
    if not text:
        raise UsageError("the threshold is empty", _EXAMPLE)
    if k6.is_from_k6(text):
        found = k6.parse(text, tuple(_OWN))
        if len(found) > MAX_THRESHOLDS:
            raise UsageError(f"{len(found)} thresholds are too many", f"{MAX_THRESHOLDS} are allowed")
        return found
    return (_parse(even(text)),)


class _Head(NamedTuple):
    """What stands before the comparison."""

    measure: Measure
    statistic: Statistic | None = None
    quantile: float = 0.0
    tags: Tags = Tags()
    counter: str | None = None


def _parse(text: str) -> Threshold:
    if len(text) > MAX_TEXT:
        raise UsageError(f"the threshold {text[:60]!r}... is too long", f"{MAX_TEXT} characters are allowed")
    problems: list[LoadsError] = []
    head: _Head | None = None
    bound = 0.0
    rest = ""
    try:
        head, at = _read_head(text)
        found = _COMPARISON.match(text, at)
        if found is None:
            raise _no_comparison(text, at, head)
        rest = text[found.end() :]
    except UsageError as problem:
        problems.append(problem)
        found = _COMPARISON.search(text, text.find("}") + 1)
        rest = text[found.end() :] if found else ""
    comparison = _comparison(found.group(), head, problems) if found else Comparison.EQUAL
    value, clauses = _split(rest)
    if found and head:
        try:
            bound = _bound(value, head.measure)
        except UsageError as problem:
            problems.append(problem)
    fields = _clauses(clauses, problems)
    if head and head.measure.is_final and fields.keys() & {"window_us", "for_us", "abort"}:
        message = f"{head.measure.value} is known only when the run is over"
        problems.append(UsageError(message, "leave out over, for and abort"))
    if problems or head is None:
        raise _told(text, problems)
    return Threshold(text=text, comparison=comparison, bound=bound, **head._asdict(), **fields)


def _told(text: str, problems: list[LoadsError]) -> UsageError:
    whole = UsageError.of(problems)
    return UsageError(f"the threshold {text!r}: {whole.message}", whole.hint)


def _no_comparison(text: str, at: int, head: _Head) -> UsageError:
    hint = f"compare it with something: {text[:at].strip()} < {_like(head.measure)}"
    if at < len(text):
        return UsageError(f"{text[at:].split()[0]!r} stands where a comparison should", hint)
    return UsageError("there is no comparison", hint)


def _comparison(sign: str, head: _Head | None, problems: list[LoadsError]) -> Comparison:
    try:
        return Comparison(sign)
    except ValueError:
        hint = "there are <, <=, >, >=, == and !="
        if head and head.counter:
            hint += "; the name of a counter needs quotes if one of these characters is in it"
        problems.append(UsageError(f"{sign!r} is no comparison", hint))
        return Comparison.EQUAL


def _read_head(text: str) -> tuple[_Head, int]:
    """Measure and tags, and where the comparison should begin."""
    end = next((at for at, char in enumerate(text) if char in "{<>=!"), len(text))
    word = text[:end].strip()
    counter = re.match(r"(counter|counter_rate) ?: ?", text, re.IGNORECASE)
    if counter:
        return _read_counter(text, _OWN[counter[1].lower()], counter.end())
    head, at = _measured(word), end
    if text[end : end + 1] == "{":
        found, at = read_tags(text, end)
        head = head._replace(tags=tags_of(found, head.measure.tags, word))
    return head, at + (text[at : at + 1] == " ")


def _read_counter(text: str, measure: Measure, at: int) -> tuple[_Head, int]:
    quote = text[at : at + 1]
    if quote and quote in QUOTES:
        end = text.find(quote, at + 1)
        if end < 0:
            raise UsageError(f"the quote {quote} is not closed", "close it after the counter's name")
        name, after = text[at + 1 : end], end + 1
    else:
        after = next((i for i in range(at, len(text)) if text[i] in " <>=!{"), len(text))
        name = text[at:after]
    if not name:
        raise UsageError(f"{measure.value}: has no name", f"write it like {measure.value}:island-was-there > 100")
    if text[after : after + 1] == "{":
        raise UsageError("counters have no tags", "leave them out; if the brace is part of the name, quote the name")
    return _Head(measure, counter=name), after + (text[after : after + 1] == " ")


def _measured(word: str) -> _Head:
    lower = word.lower()
    if lower in _OWN:
        measure = _OWN[lower]
        if measure.is_counter:
            raise UsageError(f"{word} needs a name", f"write it like {lower}:island-was-there > 100")
        return _Head(measure)
    prefix, dot, statistic = lower.partition(".")
    if not dot or "(" in prefix:
        prefix, statistic = "", lower
    measure_of_times = _TIMES.get(prefix.strip())
    if measure_of_times is not None and statistic.strip() in _STATISTICS:
        return _Head(measure_of_times, *_STATISTICS[statistic.strip()])
    found = _PERCENTILE.fullmatch(statistic.strip())
    if measure_of_times is not None and found:
        part = Fraction(found[1]) / 100
        if part > 1:
            raise UsageError(f"{word}: there is no percentile above 100", "write one like p(95) or p(99.9)")
        return _Head(measure_of_times, Statistic.PERCENTILE, float(part))
    raise UsageError(f"there is no measure {word!r}" if word else "there is no measure", _near(lower))


def _near(word: str) -> str:
    squeezed = re.fullmatch(r"(?:(\w+)\.)?p ?\(? ?(\d[\d.]*) ?\)?", word)
    if squeezed:
        near = get_close_matches(squeezed[1] or "", [name for name in _TIMES if name], n=1)
        prefix = f"{near[0] if near else squeezed[1]}." if squeezed[1] else ""
        return f"did you mean {prefix}p({squeezed[2].rstrip('.')})?" if near or not prefix else _EXAMPLE
    if word in k6.METRICS:
        return f"it is k6's: write it as there, like {k6.example(word)}"
    if word in _TIMES:
        return f"say which of them, like {word}.p(95) or {word}.max" if word else _EXAMPLE
    if word in _ELSEWHERE:
        return f"did you mean {_ELSEWHERE[word]}?"
    known = [*_OWN, *_STATISTICS, *(f"{prefix}.{name}" for prefix in _TIMES if prefix for name in _STATISTICS)]
    return did_you_mean(word, known) or _EXAMPLE


def _like(measure: Measure) -> str:
    return {Kind.TIME: "500ms", Kind.PART: "1%", Kind.COUNT: "100", Kind.PER_SECOND: "100/s"}[measure.kind]


def _split(rest: str) -> tuple[str, list[str]]:
    """The value, and the words of the clauses."""
    words = rest.split()
    at = next((at for at, word in enumerate(words) if word.lower() in _CLAUSE_WORDS), len(words))
    stray = next((i for i in range(1, at) if words[i][0].isalpha() and not _is_unit(words[i])), at)
    return " ".join(words[:stray]), words[stray:]


def _is_unit(word: str) -> bool:
    return word.lower() in ("us", "ms", "s", "m", "h", "d")


def _bound(value: str, measure: Measure) -> float:
    """The number that `value` says, in the unit of the measure."""
    plain = value.replace(" ", "")
    if not plain:
        raise UsageError(
            "there is nothing to compare with", f"write a value after the comparison, like {_like(measure)}"
        )
    if measure.kind is Kind.TIME:
        if _COUNT.fullmatch(plain):
            raise UsageError(
                f"{plain} has no unit",
                f"write {plain}ms or {plain}s: k6 means milliseconds by a bare number, Loads seconds",
            )
        return float(parse_duration_us(plain))
    if measure.kind is Kind.PART:
        if _COUNT.fullmatch(plain) and float(plain) == 1:
            raise UsageError(f"{plain} may be one in a hundred or all of them", "say 1% or 100%")
        try:
            return parse_part(plain)
        except UsageError as problem:
            hint = f"{problem.hint}; for {plain} of 100 write {plain}%" if _COUNT.fullmatch(plain) else problem.hint
            raise UsageError(f"{plain!r} is no part of a whole", hint) from None
    if _COUNT.fullmatch(plain) and (not plain.startswith("-") or measure.is_counter):
        return float(plain)
    if measure.kind is Kind.PER_SECOND:
        sign = -1 if measure.is_counter and plain.startswith("-") else 1
        return sign * parse_rate(plain[1:] if sign < 0 else plain) / parse_rate("1/s")
    if plain.startswith("-") and _COUNT.fullmatch(plain):
        raise UsageError(f"{plain}: {measure.value} can't be below zero", "only counters can")
    raise UsageError(f"{value!r} is not a number", "write a plain one, like 1000; no unit, no comma")


def _clauses(words: list[str], problems: list[LoadsError]) -> dict[str, Any]:
    """The fields of a `Threshold` that the clauses in `words` say."""
    fields: dict[str, Any] = {}
    at = 0
    while at < len(words):
        word = words[at].lower()
        at += 1
        field = {"over": "window_us", "for": "for_us", "or": "or_no_data", "abort": "abort"}.get(word)
        if field is None:
            hint = did_you_mean(word, [*_CLAUSE_WORDS, "after"], 0.5)
            clauses = "after the value there may be over TIME, for TIME, or no data, abort, abort after TIME"
            problems.append(UsageError(f"{words[at - 1]!r} is not known here", hint or clauses))
            while at < len(words) and words[at].lower() not in _CLAUSE_WORDS:
                at += 1
            continue
        if field in fields:
            problems.append(UsageError(f"{word!r} is given twice", "leave one of them out"))
        if word == "or":
            no_data = [text.lower() for text in words[at : at + 2]] == ["no", "data"]
            if not no_data:
                problems.append(
                    UsageError("'or' is not followed by 'no data'", "a threshold is one condition: give two")
                )
            at += 2 if no_data else len(words)
            fields[field] = True
        elif word == "abort":
            fields[field] = True
            if words[at : at + 1] and words[at].lower() == "after":
                fields["abort_after_us"], at = _time(words, at + 1, "abort after", problems)
        else:
            fields[field], at = _time(words, at, word, problems)
            _check_span(word, fields[field], problems)
    return fields


def _time(words: list[str], at: int, what: str, problems: list[LoadsError]) -> tuple[int, int]:
    """The time that begins at word `at`, and the word after it; one second where there is a problem."""
    end = at
    while end < len(words) and (words[end][0].isdigit() or (end > at and _is_unit(words[end]))):
        end += 1
    text = "".join(words[at:end])
    if not text:
        said = f", but {words[at]!r}" if at < len(words) and words[at].lower() not in _CLAUSE_WORDS else ""
        problems.append(UsageError(f"'{what}' is followed by no time{said}", f"write it like {what} 30s"))
        return US_PER_S, at + bool(said)
    try:
        return parse_duration_us(text), end
    except UsageError as problem:
        problems.append(UsageError(f"{what} {problem.message}", problem.hint))
        return US_PER_S, end


def _check_span(what: str, span_us: int, problems: list[LoadsError]) -> None:
    shown = format_duration(span_us)
    if not US_PER_S <= span_us <= MAX_WINDOW_US:
        problems.append(UsageError(f"'{what} {shown}' is out of range", "from 1s to 1h, please"))
    elif span_us % US_PER_S:
        problems.append(UsageError(f"'{what} {shown}' is no whole number of seconds", "a run is judged each second"))

"""What stands in a script of k6 where thresholds are, taken apart: which metric, which expression, whether it aborts.

One, flat; members of the object; the object; all options, of which only the thresholds are taken. What metrics and
expressions mean is left to `k6`.
"""

from __future__ import annotations

import json
import re
from typing import Final, NamedTuple

from loads.errors import LoadsError, UsageError
from loads.metrics.literals import Members, Reader, Value
from loads.metrics.tags import did_you_mean

_OPTIONS: Final = re.compile(r"(?:export\s+)?(?:(?:const|let|var)\s+)?options(?:\s*:\s*Options)?\s*=(?=\s*\{)")
"""How a script says all its options."""
_SETTINGS: Final = ("vus", "duration", "stages", "scenarios", "iterations")
"""Options that are there where somebody copied them for thresholds."""
_OPTION: Final = re.compile(r"\s+(abortOnFail|delayAbortEval)(?:\s*=\s*(\S*))?\s*$", re.IGNORECASE)
_FIELDS: Final = ("threshold", "abortOnFail", "delayAbortEval")
_JUDGED: Final = re.compile(r"\s*(?:avg|min|max|med|p\([^()]*\)|count|rate|value)\s*[<>=!]")
"""How an expression begins."""
_COMPARED: Final = re.compile(r"[^<>=!]*[<>=!]")
_PASTE: Final = "paste its thresholds: the object thresholds: {...} alone"


def unwrapped(text: str) -> str:
    """`text` without the quotes around all of it, which some files keep. A key in quotes has a colon after it."""
    if len(text) < 2 or text[0] not in "'\"`" or text[-1] != text[0]:
        return text
    reader = Reader(text)
    try:
        reader.key()
    except UsageError:
        return text
    return text if reader.takes(":") else text[1:-1].strip()


class Wish(NamedTuple):
    """One threshold, taken apart no further than its syntax goes."""

    key: str
    expression: str
    abort: bool = False
    delay: str = ""


def is_options(text: str) -> bool:
    """Whether `text` begins as all options of a script do."""
    return _OPTIONS.match(text) is not None


def wishes(text: str, problems: list[LoadsError]) -> list[Wish]:
    """The thresholds in `text`; what is wrong with one of many goes to `problems`.

    Raises:
        UsageError: it can't be read as a whole.
    """
    if found := _OPTIONS.match(text):
        return _from_members(_of_options(text, found.end()), problems)
    reader = Reader(text)
    if reader.takes("{"):
        members = reader.members()
        if not reader.takes("}"):
            raise reader.fault("',' or '}'")
        reader.takes(",")
    else:
        key = reader.key()
        if not reader.takes(":"):
            raise reader.fault("':' after the name of the metric")
        if reader.peek() not in ("[", "{", "'", '"', "`"):
            return [_flat(key, text[reader.at :])]
        reader.at = 0
        members = reader.members()
    reader.takes(";")
    if reader.peek():
        raise reader.fault("the end")
    thresholds = _thresholds_of(members)
    return _from_members(members if thresholds is None else thresholds, problems)


def _of_options(text: str, at: int) -> Members:
    """The thresholds in the object of all options, which begins at `at`."""
    reader = Reader(text)
    reader.at = at
    try:
        options = reader.value()
        reader.takes(";")
        if reader.peek():
            raise reader.fault("the end")
    except UsageError as problem:
        raise UsageError(f"the options can't be read: {problem.message}", _PASTE) from None
    thresholds = _thresholds_of(options) if isinstance(options, Members) else None
    if thresholds is None:
        raise UsageError("there are no thresholds in these options", _PASTE)
    return thresholds


def _thresholds_of(options: Members) -> Members | None:
    """What `options` have as thresholds; None: nothing."""
    found = [value for key, value in options if key == "thresholds" and isinstance(value, Members)]
    if not found:
        return None
    beside = [key for key, value in options if key != "thresholds" and _has(value, _JUDGED)]
    if beside or len(found) > 1:
        raise UsageError(f"{(beside or ['thresholds'])[0]!r} stands beside the thresholds", "put all into one object")
    return found[0]


def _has(value: Value, look: re.Pattern[str]) -> bool:
    """Whether what may be expressions in `value` looks so."""
    items = value if isinstance(value, list) else [value]
    texts = [dict(item).get("threshold") if isinstance(item, Members) else item for item in items]
    return any(isinstance(text, str) and look.match(text) for text in texts)


def _from_members(members: Members, problems: list[LoadsError]) -> list[Wish]:
    if any(key in _SETTINGS and value != [] and not _has(value, _COMPARED) for key, value in members):
        raise UsageError("these are options, and there are no thresholds in them", _PASTE)
    wishes = []
    seen: set[str] = set()
    for key, value in members:
        if key in seen:
            hint = "k6 would take the last one without a word: put them in one list"
            problems.append(UsageError(f"the metric {key!r} is given twice", hint))
        seen.add(key)
        for item in value if isinstance(value, list) else [value]:
            try:
                wishes.append(_wish(key, item))
            except UsageError as problem:
                problems.append(UsageError(f"the thresholds of {key!r}: {problem.message}", problem.hint))
    return wishes


def _wish(key: str, item: Value) -> Wish:
    if isinstance(item, str):
        return Wish(key, item)
    if not isinstance(item, Members):
        raise UsageError(f"{json.dumps(item)} is no threshold", "write a list of expressions: ['p(95)<500']")
    fields = dict(item)
    for name in fields:
        if name not in _FIELDS:
            hint = did_you_mean(name, _FIELDS) or f"there are {', '.join(_FIELDS)}"
            raise UsageError(f"there is no {name!r}", hint)
    if len(fields) < len(item):
        raise UsageError("something is given twice in one threshold", "leave one of them out")
    expression, abort, delay = (fields.get(name) for name in _FIELDS)
    if not isinstance(expression, str):
        raise UsageError(
            "'threshold' is missing, or no text", "write it like {threshold: 'rate<0.01', abortOnFail: true}"
        )
    if abort is not None and not isinstance(abort, bool):
        raise UsageError("'abortOnFail' is neither true nor false", "write abortOnFail: true")
    if isinstance(delay, float) and delay.is_integer() and delay >= 0:
        delay = f"{delay:.0f}ms"
    if delay is not None and not isinstance(delay, str):
        raise UsageError("'delayAbortEval' is no time", "write it like delayAbortEval: '10s'")
    return Wish(key, expression, bool(abort), (delay or "").strip() if abort is not False else "")


def _flat(key: str, rest: str) -> Wish:
    rest = rest.rstrip().rstrip(",;")
    abort, delay = None, ""
    while found := _OPTION.search(rest):
        rest, value = rest[: found.start()], found[2]
        if found[1].lower() == "abortonfail":
            if value not in (None, "true", "false"):
                raise UsageError(f"'abortOnFail={value}' is neither true nor false", "write abortOnFail alone")
            abort = value != "false"
        elif not value:
            raise UsageError("'delayAbortEval' has no time", "write it like delayAbortEval=10s")
        else:
            delay = value
    return Wish(key, rest.strip(), bool(abort), delay if abort is not False else "")

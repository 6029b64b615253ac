"""Tags of a threshold, `{name:/checkout, method:POST}`: read from text, and held against the keys of series.

A value goes up to the next comma or closing brace, or stands in quotes; `*` in it stands for anything. Used by both
grammars (`expressions`, `k6`) and by `lens`, which picks the series.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Annotated, Final, NamedTuple

import msgspec

from loads.errors import UsageError
from loads.metrics.summary import SeriesKey

MAX_TEXT: Final = 500
"""Characters of a threshold, and so of each part of it."""
QUOTES: Final = "\"'"
Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
Status = Annotated[str, msgspec.Meta(pattern=r"^[1-5](xx|[0-9][0-9])$")]
_STATUS: Final = re.compile(r"[1-5](xx|[0-9][0-9])")


class Tags(msgspec.Struct, frozen=True, array_like=True):
    """Which series a threshold looks at; None: whichever.

    Attributes:
        name: of the series, or the path of a URL.
        method: of the requests, in upper case.
        scenario: the test, or the end of its name from a dot on.
        status: ``404``, or ``5xx`` for all from 500 to 599.
    """

    name: Text | None = None
    method: Text | None = None
    scenario: Text | None = None
    status: Status | None = None

    def fits(self, key: SeriesKey) -> bool:
        """Whether the series is one of those; the status, which is no part of a key, is left to the caller."""
        return (
            (self.name is None or _is_named(self.name, key.name))
            and (self.method is None or _is_like(self.method, key.method.upper()))
            and (self.scenario is None or _ends_like(self.scenario, key.scenario))
        )

    def has_status(self, status: int) -> bool:
        """Whether an answer with this status is one of those."""
        return self.status is None or self.status in (str(status), f"{status // 100}xx")


class Tag(NamedTuple):
    """One tag as it stands in a text."""

    key: str
    value: str


def _is_named(wanted: str, name: str) -> bool:
    if _is_like(wanted, name):
        return True
    scheme, found, rest = name.partition("://")
    if not found or "/" in scheme:
        return False
    _, slash, path = rest.partition("/")
    return _is_like(wanted, slash + path if slash else "/")


def _ends_like(wanted: str, name: str) -> bool:
    return _is_like(wanted, name) or _is_like("*." + wanted, name)


def _is_like(wanted: str, name: str) -> bool:
    """Each piece between two ``*`` at its first place after the one before: linear, however many there are."""
    if "*" not in wanted:
        return wanted == name
    first, *middle, last = wanted.split("*")
    if len(name) < len(first) + len(last) or not name.startswith(first) or not name.endswith(last):
        return False
    at, end = len(first), len(name) - len(last)
    for piece in middle:
        found = name.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def read_tags(text: str, at: int) -> tuple[list[Tag], int]:
    """The tags in the braces that open at `at`, and where the text goes on after them.

    Raises:
        UsageError: it can't be read.
    """
    tags: list[Tag] = []
    at += 1
    while True:
        at = _after_blanks(text, at)
        if text[at : at + 1] == "}":
            return tags, at + 1
        key_end = min((end for end in (text.find(mark, at) for mark in ":,}") if end >= 0), default=-1)
        if key_end < 0 or text[key_end] != ":":
            what = text[at : key_end if key_end >= 0 else None].strip() or "nothing"
            raise UsageError(f"the tag {what!r} has no value", "write tags like {name:/checkout, method:POST}")
        key = text[at:key_end].strip()
        value, at = _read_value(text, _after_blanks(text, key_end + 1))
        tags.append(Tag(key, value))
        at = _after_blanks(text, at)
        if text[at : at + 1] == ",":
            at += 1
        elif text[at : at + 1] != "}":
            what = f"{text[at]!r} follows the value of the tag {key!r}" if at < len(text) else "'}' is missing"
            raise UsageError(what, 'tags end with "}"; values with a comma or a brace in them need quotes')


def _read_value(text: str, at: int) -> tuple[str, int]:
    quote = text[at : at + 1]
    if quote and quote in QUOTES:
        end = text.find(quote, at + 1)
        if end < 0:
            raise UsageError(f"the quote {quote} is not closed", "close it, or write the value without quotes")
        return text[at + 1 : end], end + 1
    end = min((end for end in (text.find(mark, at) for mark in ",}") if end >= 0), default=len(text))
    return text[at:end].strip(), end


def _after_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def tags_of(found: Sequence[Tag], allowed: Sequence[str], what: str) -> Tags:
    """The tags in `found`, of which those in `allowed` make sense for `what`.

    Raises:
        UsageError: there are others, some are given twice, or their values can't be; all such problems.
    """
    problems: list[UsageError] = []
    values: dict[str, str] = {}
    for key, value in found:
        name = key.lower()
        if name not in allowed:
            problems.append(_no_such_tag(key, allowed, what))
        elif name in values:
            problems.append(UsageError(f"the tag {name!r} is given twice", "a series has one value of each: leave one"))
        elif not value:
            problems.append(UsageError(f"the tag {name!r} has no value", "write tags like {name:/checkout}"))
        elif name == "status" and not _STATUS.fullmatch(value.lower()):
            problems.append(
                UsageError(f"{value!r} is not an HTTP status", "write one like 404, or 5xx for all of them")
            )
        else:
            values[name] = value.upper() if name == "method" else value.lower() if name == "status" else value
    if problems:
        raise UsageError.of(problems)
    return Tags(**values)


def _no_such_tag(key: str, allowed: Sequence[str], what: str) -> UsageError:
    if not allowed:
        return UsageError(f"{what} has no tags, so {{{key}:...}} can't be", "leave them out")
    hint = f"there {'are' if len(allowed) > 1 else 'is'} {', '.join(allowed)}"
    return UsageError(f"{what} has no tag {key!r}", did_you_mean(key, allowed) or hint)


def did_you_mean(word: str, known: Sequence[str], cutoff: float = 0.6) -> str:
    """A hint at what in `known` is nearly `word`; empty where nothing is."""
    near = get_close_matches(word.lower(), known, n=1, cutoff=cutoff)
    return f"did you mean {near[0]}?" if near else ""


def even(text: str) -> str:
    """`text` with its blanks evened out, but for what stands in quotes after a colon."""
    parts: list[str] = []
    at = plain = 0
    last = ""
    while at < len(text):
        char = text[at]
        end = text.find(char, at + 1) if last == ":" and char in QUOTES else -1
        if end > 0:
            parts += [_evened(text[plain:at]), text[at : end + 1]]
            at = plain = end + 1
            last = char
            continue
        last = last if char.isspace() else char
        at += 1
    return "".join([*parts, _evened(text[plain:])]).strip()


def _evened(text: str) -> str:
    return re.sub(r"\s+", " ", text)

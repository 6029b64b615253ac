"""``-k``: which of the found tests run, said as pytest says it.

An expression of words with ``and``, ``or``, ``not`` and parentheses. A word holds when it is a part of the test's full
name, whatever its case. Read by recursive descent:

    either := both ("or" both)*      both := one ("and" one)*      one := "not" one | "(" either ")" | word
"""

from __future__ import annotations

import re
from collections.abc import Callable

from loads.errors import UsageError

Selection = Callable[[str], bool]
_TOKEN = re.compile(r"\s*([()]|[^\s()]+)")
_KEYWORDS = ("and", "or", "not", "(", ")")


def parse_selection(text: str) -> Selection:
    """Whether a test's full name is selected by `text`.

    Raises:
        UsageError: it is no such expression.
    """
    if not text.strip():
        raise UsageError("-k selects by an empty expression", "like -k 'login and not slow'")
    parser = _Parser(_TOKEN.findall(text), text)
    selection = parser.either()
    parser.expect_end()
    return lambda name: selection(name.lower())


class _Parser:
    def __init__(self, tokens: list[str], text: str) -> None:
        self._tokens = tokens
        self._text = text
        self._at = 0

    def either(self) -> Selection:
        parts = [self._both()]
        while self._take("or"):
            parts.append(self._both())
        return lambda name: any(part(name) for part in parts)

    def expect_end(self) -> None:
        if self._at < len(self._tokens):
            self._fail(f"{self._tokens[self._at]!r} comes where it should end")

    def _both(self) -> Selection:
        parts = [self._one()]
        while self._take("and"):
            parts.append(self._one())
        return lambda name: all(part(name) for part in parts)

    def _one(self) -> Selection:
        if self._take("not"):
            inner = self._one()
            return lambda name: not inner(name)
        if self._take("("):
            inner = self.either()
            if not self._take(")"):
                self._fail("a ) is missing")
            return inner
        if self._at == len(self._tokens) or self._tokens[self._at] in _KEYWORDS:
            self._fail("a word is missing")
        word = self._tokens[self._at].lower()
        self._at += 1
        return lambda name: word in name

    def _take(self, token: str) -> bool:
        found = self._at < len(self._tokens) and self._tokens[self._at] == token
        self._at += found
        return found

    def _fail(self, what: str) -> None:
        raise UsageError(f"-k {self._text!r}: {what}", "like -k 'login and not slow'")

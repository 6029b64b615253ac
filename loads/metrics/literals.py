"""Object literals of JavaScript, as thresholds stand in a script of k6: read, never run.

Strings in any quotes, numbers, true, false, null, arrays, objects with or without quotes around their keys, trailing
commas and comments. Everything else (names, calls, templates) is an error that says where it is.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from loads.errors import UsageError
from loads.metrics.tags import read_tags

MAX_DEPTH: Final = 8
_BLANK: Final = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_NUMBER: Final = re.compile(r"-?(?:\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})", re.ASCII)
_WORD: Final = re.compile(r"[^\s{}\[\]():,;'\"`<>=!/]+")
_WORDS: Final = {"true": True, "false": False, "null": None, "undefined": None}
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0"}
_ESCAPE: Final = re.compile(r"u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.)", re.DOTALL)


class Member(NamedTuple):
    """One entry of an object; the same key may come again, so that whoever reads it can say so."""

    key: str
    value: Value


class Members(tuple[Member, ...]):
    """An object."""

    __slots__ = ()


Value = str | float | bool | None | list["Value"] | Members


class Reader:
    """Reads `text` from its beginning; `at` is where it is."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def peek(self) -> str:
        """The next character that is neither blank nor comment; empty at the end."""
        blank = _BLANK.match(self.text, self.at)
        self.at = blank.end() if blank else self.at
        return self.text[self.at : self.at + 1]

    def takes(self, mark: str) -> bool:
        """Whether `mark` comes next; it is passed then."""
        if self.peek() != mark:
            return False
        self.at += 1
        return True

    def fault(self, expected: str) -> UsageError:
        """What to raise where `expected` should have been."""
        line = self.text.count("\n", 0, self.at) + 1
        where = f"at character {self.at - self.text.rfind(chr(10), 0, self.at)}" + (
            f" of line {line}" if line > 1 else ""
        )
        found = repr(self.text[self.at : self.at + 20]) if self.at < len(self.text) else "the end"
        return UsageError(
            f"{expected} was expected {where}, but there is {found}", "copy it from the script as it stands"
        )

    def key(self) -> str:
        """A key: a string, or a word with tags in braces after it, if any."""
        if self.peek() and self.peek() in "'\"`":
            return self._string()
        word = _WORD.match(self.text, self.at)
        if word is None:
            raise self.fault("the name of a metric")
        self.at = word.end()
        if self.peek() != "{":
            return word.group()
        tags_at = self.at
        _, self.at = read_tags(self.text, tags_at)
        return word.group() + self.text[tags_at : self.at]

    def members(self, depth: int = 0) -> Members:
        """Entries up to a closing brace, or the end of the text."""
        members: list[Member] = []
        while self.peek() not in ("}", ""):
            key = self.key()
            if not self.takes(":"):
                raise self.fault("':'")
            members.append(Member(key, self.value(depth)))
            if not self.takes(","):
                break
        return Members(members)

    def value(self, depth: int = 0) -> Value:
        """Any value."""
        if depth > MAX_DEPTH:
            raise UsageError(f"there are more than {MAX_DEPTH} brackets in each other", "thresholds need three")
        mark = self.peek()
        if mark and mark in "'\"`":
            return self._string()
        if self.takes("{"):
            members = self.members(depth + 1)
            if not self.takes("}"):
                raise self.fault("',' or '}'")
            return members
        if self.takes("["):
            return self._items(depth + 1)
        found = _NUMBER.match(self.text, self.at)
        if found:
            self.at = found.end()
            return float(found.group())
        word = _WORD.match(self.text, self.at)
        if word is None or word.group() not in _WORDS:
            raise self.fault("a text in quotes, a number, true, false, an array or an object")
        self.at = word.end()
        return _WORDS[word.group()]

    def _items(self, depth: int) -> list[Value]:
        items: list[Value] = []
        while self.peek() not in ("]", ""):
            items.append(self.value(depth))
            if not self.takes(","):
                break
        if not self.takes("]"):
            raise self.fault("',' or ']'")
        return items

    def _string(self) -> str:
        quote, start = self.text[self.at], self.at
        parts: list[str] = []
        self.at += 1
        while self.at < len(self.text):
            char = self.text[self.at]
            self.at += 1
            if char == quote:
                return "".join(parts)
            if char == "\\":
                char = self._escaped()
            elif quote == "`" and char == "$" and self.text[self.at : self.at + 1] == "{":
                raise UsageError("${...} in a text can't be worked out here", "write what it stands for")
            parts.append(char)
        self.at = start
        raise self.fault(f"a text that ends with {quote}")

    def _escaped(self) -> str:
        found = _ESCAPE.match(self.text, self.at)
        if found is None:
            return ""
        self.at = found.end()
        code = found[1] or found[2] or found[3]
        if code is None:
            return _ESCAPES.get(found[4], "" if found[4] == "\n" else found[4])
        number = int(code, 16)
        return chr(number) if number < 0xD800 or 0xE000 <= number < 0x110000 else "\N{REPLACEMENT CHARACTER}"

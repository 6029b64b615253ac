"""What others say, made harmless to a terminal and to a log: no escape sequences, no lines of their own."""

from __future__ import annotations

from typing import Final

MOST_CHARACTERS: Final = 255
"""Of a name, a machine or a version: no honest one is longer."""

LINES: Final = "\n\t"
"""To be kept in what may be several lines."""


def plain(text: str, *, keep: str = "") -> str:
    """`text` with all that would steer a terminal spelled out, but for the characters in `keep`."""
    if text.isprintable():
        return text
    return "".join(
        char if char in keep or char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def is_plain(text: str) -> bool:
    """Whether `text` can stand in a line as it is."""
    return text.isprintable() and len(text) <= MOST_CHARACTERS

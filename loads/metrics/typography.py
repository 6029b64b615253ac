"""What an editor, a chat or another keyboard makes of a threshold: smart quotes, ≤, full-width signs.

`typed` gives the signs of the grammars for them. Names are left as they are, for one that was changed would be looked
for in vain: what stands in quotes, the values of tags, and what may be the name of a counter. Pure text.
"""

from __future__ import annotations

import re
from typing import Final

_COMPARISONS: Final = {"≤": "<=", "≥": ">=", "≠": "!="}
_FULL_WIDTH: Final = {chr(code + 0xFEE0): chr(code) for code in range(0x21, 0x7F)}
_SIGNS: Final = str.maketrans(_FULL_WIDTH | _COMPARISONS)
_SMART: Final = re.compile(
    r"(^|[:,\[{(;：，［｛（；]\s*)[“”„‟‘’‚‛](.{0,500}?)[“”‟‘’‛](?=\s*(?:$|[:,;\]})<>=!≤≥≠：，；］｝）＜＞＝！]))",
    re.MULTILINE,
)
"""A pair of them where a quote makes sense: one in a name, as an apostrophe, is not meant."""
_APART: Final = re.compile(r"""(?<=[:,\[{(\s])(["'`])(?:\\.|(?!\1)[^\\])*\1|\{[^{}]*\}""")
"""What stands in quotes, and tags."""
_COMPARED: Final = re.compile("[<>=!≤≥≠＜＞＝！]")


def typed(text: str) -> str:
    """`text` in the signs that keyboards for ASCII have, but for names."""
    if text.isascii():
        return text
    text = _SMART.sub(_quoted, text)
    plain = _APART.sub(lambda found: " " * len(found.group()), text)
    compared = _COMPARED.search(plain)
    begin = compared.start() if compared else len(text)
    if ":" in plain[:begin]:
        return text[:begin] + _outside(text[begin:])
    return _outside(text)


def sign(text: str) -> str:
    """`text`, in which there are no names, in those signs."""
    return text.translate(_SIGNS)


def _quoted(found: re.Match[str]) -> str:
    quote = '"' if '"' not in found[2] else "'"
    return f"{found[1]}{quote}{found[2]}{quote}"


def _outside(text: str) -> str:
    parts, at = list[str](), 0
    for found in _APART.finditer(text):
        parts += [sign(text[at : found.start()]), found.group()]
        at = found.end()
    return "".join([*parts, sign(text[at:])])

"""Writes frontend/src/messages.ts from loads/report/page.py: ``python frontend/messages.py``, after each change of it.

Every struct and enum of that module gets a type of its name, with what its docstring says. Objects are interfaces.
Arrays are labelled tuples, and beside each stands where its fields are: ``point[POINT.users]``. Enums are unions of
their values, which are there as an array, too. No field is optional: msgspec writes those that have their default as
well, and a page says all of what it sends.

A type that this does not know is an error, so that none is left out.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
import textwrap
import types
import typing
from collections.abc import Iterator
from datetime import datetime
from enum import Enum
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import msgspec

from loads.report import page

FILE: Final = Path(__file__).parent / "src" / "messages.ts"
_HEAD: Final = """\
// Written by frontend/messages.py from loads/report/page.py. Change that, and run: python frontend/messages.py
"""
_BASIC: Final = {int: "number", float: "number", str: "string", bool: "boolean", types.NoneType: "null"}


def main() -> None:
    """Write the file."""
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(source(), encoding="utf-8")


def source() -> str:
    """The whole file."""
    parts = [_HEAD, *(_entry(kind) for kind in _kinds()), *_constants(), *_unions()]
    return "\n".join(part.strip("\n") + "\n" for part in parts)


def _kinds() -> list[type]:
    """All types of the page, each after those that its module has before it; what is imported comes first."""
    found = set[type]()
    waiting = [kind for name, kind in vars(page).items() if not name.startswith("_") and _is_told(kind)]
    while waiting:
        kind = waiting.pop()
        if kind not in found:
            found.add(kind)
            for field in _fields(kind):
                waiting += _types_in(field.type)
    return sorted(found, key=lambda kind: (kind.__module__ == page.__name__, _definition(kind).lineno))


def _is_told(kind: object) -> bool:
    return isinstance(kind, type) and kind.__module__ == page.__name__ and issubclass(kind, msgspec.Struct | Enum)


def _fields(kind: type) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind) if issubclass(kind, msgspec.Struct) else ()


def _types_in(hint: Any) -> Iterator[type]:
    """The types of ours that a field of this type holds."""
    if typing.get_origin(hint) is not None:
        for part in typing.get_args(hint):
            yield from _types_in(part)
    elif hint not in _BASIC and hint is not datetime and hint is not Ellipsis:
        yield hint


def _entry(kind: type) -> str:
    """A type with its comment, and what comes with it."""
    text, meanings = _documented(kind)
    if issubclass(kind, Enum):
        return _enum(kind, text, meanings)
    if not issubclass(kind, msgspec.Struct):
        raise TypeError(f"{kind} is told to pages, and {Path(__file__).name} does not know how to write it")
    if kind.__struct_config__.array_like:
        return _tuple(kind, text, meanings)
    return _interface(kind, text, meanings)


def _enum(kind: type[Enum], text: str, meanings: dict[str, str]) -> str:
    members = "".join(f"{_comment(meanings.get(each.name, ''), '  ')}  {json.dumps(each.value)},\n" for each in kind)
    name = f"{_constant(kind)}S"
    return (
        f"{_comment(text)}export type {kind.__name__} = (typeof {name})[number];\n"
        f"export const {name} = [\n{members}] as const;\n"
    )


def _interface(kind: type[msgspec.Struct], text: str, meanings: dict[str, str]) -> str:
    tag = kind.__struct_config__.tag
    lines = [f"  {kind.__struct_config__.tag_field}: {json.dumps(tag)};\n"] if tag is not None else []
    for field in _fields(kind):
        lines.append(f"{_comment(meanings.get(field.name, ''), '  ')}  {field.encode_name}: {_type(field.type)};\n")
    return f"{_comment(text)}export interface {kind.__name__} {{\n{''.join(lines)}}}\n"


def _tuple(kind: type[msgspec.Struct], text: str, meanings: dict[str, str]) -> str:
    names = [field.encode_name for field in _fields(kind)]
    lines = [
        f"{_comment(meanings.get(field.name, ''), '  ')}  {field.encode_name}: {_type(field.type)},\n"
        for field in _fields(kind)
    ]
    places = textwrap.fill(
        ", ".join(f"{name}: {number}" for number, name in enumerate(names)) + ",",
        118,
        initial_indent="  ",
        subsequent_indent="  ",
    )
    return (
        f"{_comment(text)}export type {kind.__name__} = [\n{''.join(lines)}];\n"
        f"export const {_constant(kind)} = {{\n{places}\n}} as const;\n"
    )


def _type(hint: Any) -> str:
    """A type as TypeScript has it. A key of an object is a string there, whatever it was."""
    arguments = typing.get_args(hint)
    match typing.get_origin(hint):
        case typing.Union | types.UnionType:
            return " | ".join(_type(each) for each in arguments)
        case builtin if builtin is tuple and arguments[-1] is Ellipsis:
            inner = _type(arguments[0])
            return f"({inner})[]" if " | " in inner else f"{inner}[]"
        case builtin if builtin is tuple:
            return f"[{', '.join(_type(each) for each in arguments)}]"
        case builtin if builtin is dict:
            return f"Record<string, {_type(arguments[1])}>"
    if hint is datetime:
        return "string"
    return _BASIC[hint] if hint in _BASIC else str(hint.__name__)


def _constants() -> Iterator[str]:
    """Numbers that both sides go by."""
    meanings = _meanings(_tree(page.__name__).body)
    for name, value in vars(page).items():
        if name.isupper() and isinstance(value, int):
            yield f"{_comment(meanings.get(name, ''))}export const {name} = {value};\n"


def _unions() -> Iterator[str]:
    """What a message may be, by where it goes."""
    for name, value in vars(page).items():
        if isinstance(value, types.UnionType):
            yield f"export type {name} = {_type(value)};\n"


def _documented(kind: type) -> tuple[str, dict[str, str]]:
    """The docstring of `kind` without its attributes, and what is said of each of those, there or beneath it."""
    text, _, listed = (inspect.getdoc(kind) or "").partition("\nAttributes:\n")
    meanings = dict[str, str]()
    for item in re.split(r"\n(?=    \S)", "\n" + listed)[1:]:
        names, _, meaning = item.strip().partition(": ")
        first, *others = re.split(r"(?<=\.)\s+`(\w+)`: ", meaning)
        meanings.update(dict.fromkeys(names.split(", "), first))
        meanings.update(zip(others[::2], others[1::2], strict=True))
    return text, meanings | _meanings(_definition(kind).body)


def _meanings(body: list[ast.stmt]) -> dict[str, str]:
    """What stands in a string beneath a name."""
    found = dict[str, str]()
    for field, below in pairwise(body):
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            targets = field.targets if isinstance(field, ast.Assign) else [getattr(field, "target", None)]
            for target in targets:
                if isinstance(target, ast.Name):
                    found[target.id] = str(below.value.value)
    return found


def _definition(kind: type) -> ast.ClassDef:
    for node in _tree(kind.__module__).body:
        if isinstance(node, ast.ClassDef) and node.name == kind.__name__:
            return node
    raise TypeError(f"{kind} is not defined at the top of its module")


def _tree(module: str) -> ast.Module:
    path = sys.modules[module].__file__
    assert path is not None
    return ast.parse(Path(path).read_text(encoding="utf-8"))


def _comment(text: str, indent: str = "") -> str:
    """`text` as a comment, in the words of the language; nothing if there is none."""
    words = re.sub(r"\bNone\b", "null", " ".join(text.split())).replace("``", "`").replace("*/", "* /")
    if not words:
        return ""
    words = words[0].upper() + words[1:]
    if len(indent) + len(words) <= 112:
        return f"{indent}/** {words} */\n"
    lines = textwrap.wrap(words, 116 - len(indent), break_long_words=False, break_on_hyphens=False)
    return "".join([f"{indent}/**\n", *(f"{indent} * {line}\n" for line in lines), f"{indent} */\n"])


def _constant(kind: type) -> str:
    """The name of a constant that belongs to `kind`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).upper()


if __name__ == "__main__":
    main()

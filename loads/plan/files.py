"""What a file of settings holds: an .ini as the classic tool has it, a .toml, a table in pyproject.toml.

Text in, a layer of settings out; the caller says what the file is called. A file that can't be read as what it is
raises; one that can gives its layer, with the problems of each setting in it.
"""

from __future__ import annotations

import configparser
import difflib
import re
import tomllib
from collections.abc import Callable, Iterable
from decimal import Decimal
from math import isfinite
from typing import Any

from loads.errors import UsageError
from loads.plan.config import Layer, Text, Value, divided, nearest, only_an_option, setting_of, split
from loads.plan.settings import ALIASES, COMMAND_LINE_ONLY, SETTINGS, Kind

_TOML_PLACE = re.compile(r" \(at (?:(line \d+), column \d+|end of document)\)$")
"""How tomllib ends its messages."""


def read_ini(text: str, file: str) -> Layer:
    """The section [loads] of an .ini file; other sections are other programs'.

    Raises:
        UsageError: the file can't be read as such, or has no such section.
    """
    parser = _ini_parser("#;")
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise UsageError.of(list(_ini_problems(error, file))) from None
    if not parser.has_section("loads"):
        close = difflib.get_close_matches("loads", parser.sections(), n=1)
        raise UsageError(f"{file} has no section [loads]", f"is it [{close[0]}]?" if close else "begin it with [loads]")
    lines = _ini_parser("#", strict=False)
    lines.read_string(text)
    pairs = [
        (key, lines.get("loads", key, fallback=value) if _has_lines(key) else value)
        for key, value in parser.items("loads")
    ]
    return _read_table(pairs, f"{file} [loads]", split)


def _ini_parser(comments: str, *, strict: bool = True) -> configparser.RawConfigParser:
    """Without a default section: what [DEFAULT] holds for other sections is no setting of ours."""
    return configparser.RawConfigParser(inline_comment_prefixes=tuple(comments), default_section="", strict=strict)


def _has_lines(key: str) -> bool:
    """Whether a semicolon divides what the setting `key` holds, where it begins a comment in others: ``a < 1 ; b < 2``
    must not lose the half of it.
    """
    name = key.replace("_", "-")
    return name in SETTINGS and SETTINGS[name].kind.lines


def read_toml(text: str, file: str) -> Layer:
    """A .toml file: its table [loads], or [tool.loads] as a pyproject.toml has it, or all of it where it has neither.

    Raises:
        UsageError: the file is no TOML, or tool.loads no table.
    """
    document = _parse_toml(text, file)
    as_tool, name = _tool_table(document, file), "[tool.loads]"
    table = as_tool
    if isinstance(document.get("loads"), dict):
        table, name = document["loads"], "[loads]"
    if table is None:
        return _read_table(document.items(), file, _from_toml)
    layer = _read_table(table.items(), f"{file} {name}", _from_toml)
    if as_tool is not None and table is not as_tool:
        layer.problems.append(UsageError(f"{file} has both [loads] and [tool.loads]", "make one of both"))
    for key, raw in document.items():
        if not isinstance(raw, dict):
            layer.problems.append(UsageError(f"{file}: {key} stands outside of {name}", f"move it below {name}"))
    return layer


def read_pyproject(text: str, file: str) -> Layer | None:
    """The table [tool.loads] of a pyproject.toml; None: it has none.

    Raises:
        UsageError: the file is no TOML, or tool.loads no table.
    """
    table = _tool_table(_parse_toml(text, file), file)
    return None if table is None else _read_table(table.items(), f"{file} [tool.loads]", _from_toml)


def _tool_table(document: dict[str, Any], file: str) -> dict[str, Any] | None:
    tool = document.get("tool")
    if not isinstance(tool, dict) or "loads" not in tool:
        return None
    table = tool["loads"]
    if not isinstance(table, dict):
        raise UsageError(f"{file}: tool.loads is {_called(table)}", "write a table, [tool.loads]")
    return table


def _read_table(pairs: Iterable[tuple[str, Any]], where: str, convert: Callable[[Any, Kind], Text]) -> Layer:
    layer = Layer()
    for key, raw in pairs:
        name = key.replace("_", "-")
        if name in COMMAND_LINE_ONLY:
            layer.problems.append(only_an_option(f"{where} {key}", name))
            continue
        if name not in SETTINGS and name not in ALIASES:
            hint = nearest(name, (*SETTINGS, *ALIASES), "settings")
            layer.problems.append(UsageError(f"{where}: unknown setting {key}", hint))
            continue
        setting = setting_of(name)
        try:
            layer.say(setting, convert(raw, setting.kind), f"{where} {key}")
        except TypeError as error:
            layer.problems.append(UsageError(f"{where} {key} {error}", f"like {key} = {setting.example}"))
            layer.values.setdefault(setting.name, Value(None, "", f"{where} {key}"))
    return layer


def _from_toml(raw: Any, kind: Kind) -> Text:
    """A typed value as the text that means the same.

    Raises:
        TypeError: it makes no sense for this kind; says what it is.
    """
    if isinstance(raw, list) and kind.items:
        for item in raw:
            if type(item) not in kind.items:
                raise TypeError(f"holds {_called(item)}")
        items = tuple(map(str, raw))
        return divided(items, kind) if kind.joiner is None else kind.joiner.join(items)
    if isinstance(raw, str):
        return split(raw, kind) if kind.lines else (raw,) if kind.many else raw
    if type(raw) not in kind.scalars:
        raise TypeError(f"is {_called(raw)}")
    if isinstance(raw, float) and isfinite(raw):
        return f"{Decimal(repr(raw)):f}"  # as people write it: 0.00001, not 1e-05
    return str(raw).lower() if isinstance(raw, bool) else str(raw)


def _called(raw: object) -> str:
    names = {bool: "a boolean", int: "a whole number", float: "a number", str: "a string", list: "an array"}
    return names.get(type(raw), "a table" if isinstance(raw, dict) else "a date or a time")


def _parse_toml(text: str, file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        what, where = str(error), ""
        if at := _TOML_PLACE.search(what):
            what, where = what[: at.start()], f", {at[1] or 'at its end'}"
        raise UsageError(f"{file}{where}: {what}", "strings stand in quotes in a .toml file") from None


def _ini_problems(error: configparser.Error, file: str) -> Iterable[UsageError]:
    """What configparser says, as one problem for each line."""
    match error:
        case configparser.MissingSectionHeaderError():
            yield UsageError(f"{file}, line {error.lineno}: no section has begun yet", "begin the file with [loads]")
        case configparser.ParsingError():
            for number, _ in error.errors:
                yield UsageError(f"{file}, line {number}: this is no setting", "write name = value")
        case configparser.DuplicateOptionError():
            yield UsageError(f"{file}, line {error.lineno}: {error.option} is there twice", "leave one of them out")
        case configparser.DuplicateSectionError():
            yield UsageError(f"{file}, line {error.lineno}: [{error.section}] is there twice", "make one of both")
        case _:
            yield UsageError(f"{file}: {error}")

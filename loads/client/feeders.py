"""Files of rows for virtual users, behind ``self.feed("users.csv")``: where they are, and what is in them.

A `Feed` is one file, read once per process and checked from end to end, so that what is wrong with it is said before
anything depends on it. It keeps the file's bytes and where each row begins; a row is parsed when it is asked for, so
each is a fresh one. Which row is whose is decided by `rows`.
"""

from __future__ import annotations

import codecs
import csv
import io
import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

from loads.errors import UsageError

CSV: Final = (".csv",)
JSON_LINES: Final = (".jsonl", ".ndjson")
_LIBRARIES: Final = ("loads", "unittest", "builtins")


class Feed:
    """The rows of one file, at least one, numbered from 0.

    Args:
        path: of the file.
        data: what it holds.
        starts: where in `data` each row begins.
        parse: a row's bytes as a value.
    """

    def __init__(self, path: Path, data: bytes, starts: Sequence[int], parse: Callable[[bytes], Any]) -> None:
        self.path = path
        self._data = data
        self._starts = starts
        self._parse = parse

    def __repr__(self) -> str:
        return f"<Feed {self.path.name} rows={len(self)}>"

    def __len__(self) -> int:
        return len(self._starts)

    def row(self, number: int) -> Any:
        """Row `number`, for the caller to keep and to change."""
        end = self._starts[number + 1] if number + 1 < len(self._starts) else len(self._data)
        return self._parse(self._data[self._starts[number] : end])


def is_feed(name: str) -> bool:
    """Whether a file of this name can be fed from, by its ending."""
    return name.lower().endswith((*CSV, *JSON_LINES))


@cache
def open_feed(cls: Any, name: str) -> Feed:
    """What the test class `cls` means by `name`: a file beside its module (or those of its bases), in the working
    directory, or in a directory of ``sys.path``.

    Raises:
        UsageError: it is not there, is of no known kind, holds no row, or is broken.
    """
    if not is_feed(name):
        raise UsageError(f"{name!r} can't be fed from", "feeds are files of the kinds .csv, .jsonl and .ndjson")
    beside = _directories_of(cls)
    for directory in dict.fromkeys([*beside, Path.cwd(), *map(Path, sys.path)]):
        if (directory / name).is_file():
            return read_feed((directory / name).resolve())
    looked = ", ".join([*(f"in {directory}" for directory in dict.fromkeys([*beside, Path.cwd()])), "and on sys.path"])
    hint = f"looked {looked}; agents get files whose name stands in the test, others need --include-file"
    raise UsageError(f"there is no {name} to feed from", hint)


@cache
def read_feed(path: Path) -> Feed:
    """The file at `path`, read once per process. Raises as `open_feed`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}", "make it readable for the workers") from None
    feed = _read_csv(path, data) if path.suffix.lower() in CSV else _read_json_lines(path, data)
    if not feed:
        raise UsageError(f"{path} holds no rows", "a feed needs one at least")
    return feed


def _directories_of(cls: type[Any]) -> list[Path]:
    modules = [sys.modules.get(base.__module__) for base in cls.__mro__ if _is_own(base)]
    files = [getattr(module, "__file__", None) for module in modules]
    return list(dict.fromkeys(Path(file).absolute().parent for file in files if file))


def _is_own(cls: type[Any]) -> bool:
    return cls.__module__.partition(".")[0] not in _LIBRARIES


class _Lines:
    """The lines of `data` as text; `position` is the end of the one that was read last, `number` which that is."""

    def __init__(self, path: Path, data: bytes) -> None:
        self._path = path
        self._lines = io.BytesIO(data)
        self.number = 0
        self.position = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
        self._lines.seek(self.position)

    def __iter__(self) -> Iterator[str]:
        for raw in self._lines:
            self.number += 1
            try:
                line = raw.decode()
            except UnicodeDecodeError:
                raise _broken(self._path, self.number, "it is not UTF-8") from None
            self.position += len(raw)
            yield line


def _read_csv(path: Path, data: bytes) -> Feed:
    """With a line of column names in front, and empty lines skipped, as csv.DictReader has it."""
    lines = _Lines(path, data)
    columns: list[str] = []
    starts = _positions(data)
    start, first = lines.position, 1
    try:
        for fields in csv.reader(lines, strict=True):
            if not columns:
                columns = fields
                _check_columns(path, first, columns)
            elif fields and len(fields) != len(columns):
                raise _broken(path, first, f"it has {len(fields)} fields, and there are {len(columns)} columns")
            elif fields:
                starts.append(start)
            start, first = lines.position, lines.number + 1
    except csv.Error as error:
        raise _broken(path, first, str(error)) from None

    def parse(row: bytes) -> dict[str, str]:
        return dict(zip(columns, next(csv.reader([row.decode()], strict=True)), strict=True))

    return Feed(path, data, starts, parse)


def _check_columns(path: Path, line: int, columns: list[str]) -> None:
    for name in columns:
        if columns.count(name) > 1:
            raise _broken(path, line, f"two columns are called {name!r}")


def _read_json_lines(path: Path, data: bytes) -> Feed:
    """A JSON value on each line; empty lines are skipped."""
    lines = _Lines(path, data)
    starts = _positions(data)
    start = lines.position
    for line in lines:
        if not line.isspace():
            starts.append(start)
            try:
                msgspec.json.decode(line)
            except (msgspec.DecodeError, RecursionError) as error:
                raise _broken(path, lines.number, str(error)) from None
        start = lines.position
    return Feed(path, data, starts, msgspec.json.decode)


def _positions(data: bytes) -> array[int]:
    return array("Q" if len(data) >> 32 else "I")


def _broken(path: Path, line: int, what: str) -> UsageError:
    return UsageError(f"{path}, line {line}: {what}", "mend the file; nothing was fed from it")

"""Where settings come from: reads the environment and the files, and leaves what they mean to `loads.plan`.

One file at most: the one that --config names, else the one that LOADS_CONFIG names, else the nearest pyproject.toml
with a table [tool.loads], from the working directory upward.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loads.cli.options import given_settings
from loads.errors import UsageError
from loads.plan.config import CONFIG_VARIABLE, Config, Layer, merge, read_environment, read_options
from loads.plan.files import read_ini, read_pyproject, read_toml

_PYPROJECT = "pyproject.toml"


@dataclass(frozen=True)
class Source:
    """The file that was read, and who named it."""

    file: str
    origin: str


def read_layers(options: Mapping[str, Any]) -> tuple[Config, Source | None]:
    """What holds, and the file that has a part in it.

    Raises:
        UsageError: a file is not there or can't be read. Problems with settings are in the Config.
    """
    typed, environment = read_options(given_settings(options)), read_environment(os.environ)
    source = _named(options["config"])
    if source is not None:
        return merge(typed, environment, _read_named(source)), source
    for path in _pyprojects(Path.cwd()):
        file = os.path.relpath(path)
        layer = _read_pyproject(path, file)
        if layer is not None:
            return merge(typed, environment, layer), Source(file, "found")
    return merge(typed, environment), None


def _named(options: tuple[str, ...]) -> Source | None:
    if len(options) > 1:
        raise UsageError("--config is given more than once", "there is one configuration; put all in one file")
    if options:
        return Source(options[0], "--config")
    variable = os.environ.get(CONFIG_VARIABLE)
    return Source(variable, CONFIG_VARIABLE) if variable else None


def _read_named(source: Source) -> Layer:
    path, named = Path(source.file), f"{source.origin} {source.file}"
    if path.suffix not in (".ini", ".toml"):
        raise UsageError(f"{named} is neither .ini nor .toml", "its ending says how it is read")
    try:
        text = _text_of(path, named)
    except FileNotFoundError:
        raise UsageError(f"{named}: there is nothing of that name", name_nearby(source.file)) from None
    if path.suffix == ".ini":
        return read_ini(text, source.file)
    if path.name != _PYPROJECT:
        return read_toml(text, source.file)
    layer = read_pyproject(text, source.file)
    if layer is None:
        raise UsageError(f"{named} has no table [tool.loads]", "write the settings below [tool.loads]")
    return layer


def _read_pyproject(path: Path, file: str) -> Layer | None:
    """None: not for us. A file that is broken may be skipped when it has no word of loads, and only then."""
    try:
        text = _text_of(path, file)
    except FileNotFoundError:
        return None
    try:
        return read_pyproject(text, file)
    except UsageError as error:
        if "loads" not in text:
            return None
        raise UsageError(error.message, f"{error.hint}; with --config FILE it is not read") from None


def _text_of(path: Path, named: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UsageError(f"{named} can't be read: {error.strerror}", "give a file that you may read") from None
    except UnicodeDecodeError:
        raise UsageError(f"{named} is not UTF-8", "save it with that encoding") from None


def _pyprojects(here: Path) -> Iterator[Path]:
    """Where a pyproject.toml may be, the nearest first.

    A directory that everybody may write to, as /tmp, ends the way up: what a stranger puts there is not a
    configuration of ours, and could name code to run.
    """
    yield here / _PYPROJECT
    for directory in here.parents:
        if directory.stat().st_mode & 0o002:
            return
        yield directory / _PYPROJECT


def name_nearby(pattern: str) -> str:
    """A hint for who wrote `pattern`, and there is nothing like that."""
    there = [path.name for path in Path(pattern).parent.glob("*")]
    close = difflib.get_close_matches(Path(pattern).name, there, n=1, cutoff=0.75)
    return f"did you mean {Path(pattern).with_name(close[0])}?" if close else f"looked in {Path.cwd()}"

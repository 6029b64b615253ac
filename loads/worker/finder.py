"""From the name of a module or a file to the module itself: the only place that imports user code.

Whatever an import raises becomes a `LoadFailure` with the user's own traceback, and what is not there comes with a list
of what is.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
import unittest
from pathlib import Path
from types import ModuleType
from typing import Any

from loads.errors import UsageError
from loads.worker.plain import is_skip
from loads.worker.tracebacks import format_traceback

_SHOWN = 12


class LoadFailure(UsageError):
    """A target can't be used. `traceback` is the user code's own, when it raised."""

    def __init__(self, message: str, hint: str = "", traceback: str = "") -> None:
        super().__init__(message, hint)
        self.traceback = traceback


def find_module(target: str) -> tuple[ModuleType, list[str]]:
    """The module that `target` begins with, imported, and the names that follow it.

    Raises:
        LoadFailure: it is not there, or does not import.
    """
    path, *rest = target.split("::")
    if path.endswith(".py") or "/" in path:
        module = _import(_module_of_file(Path(path), target))
        _check_origin(module, Path(path))
        return module, rest
    if rest:
        raise LoadFailure(
            f"{target!r} mixes two ways to name a test", "write package.module.Class.test or file.py::Class::test"
        )
    return _import_dotted(path)


def listing(title: str, names: list[str]) -> str:
    """``title: a, b, c, and 5 more``."""
    if not names:
        return f"{title}: none"
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{title}: {', '.join(names[:_SHOWN])}{more}"


def _module_of_file(path: Path, target: str) -> str:
    """Make the file at `path` importable; its module name, with the packages it lies in."""
    if not path.is_file():
        raise LoadFailure(f"there is no file {path}", _files_nearby(path))
    path = path.resolve()
    parts = [path.stem]
    directory = path.parent
    while (directory / "__init__.py").is_file():
        parts.insert(0, directory.name)
        directory = directory.parent
    if not all(part.isidentifier() for part in parts):
        raise LoadFailure(f"{target!r}: {'.'.join(parts)} is not a module name", "rename the file, like test_site.py")
    if sys.path[:1] != [str(directory)]:
        sys.path.insert(0, str(directory))
    return ".".join(parts)


def _check_origin(module: ModuleType, path: Path) -> None:
    """Python keeps one module of a name: a file called like one that is loaded already is never read."""
    origin = getattr(module, "__file__", None)
    if origin is None or not path.samefile(origin):
        raise LoadFailure(
            f"{path} has the name of another module, {module.__name__} ({origin or 'built in'})",
            "give the file a name of its own, like test_site.py",
        )


def _files_nearby(path: Path) -> str:
    directory = path.parent
    if not directory.is_dir():
        return f"there is no directory {directory} either"
    return listing(f"Python files in {directory.resolve()}", sorted(file.name for file in directory.glob("*.py")))


def _import_dotted(target: str) -> tuple[ModuleType, list[str]]:
    """The module that `target` begins with, and the names after it."""
    names = target.split(".")
    if not all(name.isidentifier() for name in names):
        raise LoadFailure(
            f"{target!r} is not a target", "write package.module.Class.test or path/to/file.py::Class::test"
        )
    module = _import(names[0])
    for depth in range(1, len(names)):
        dotted = ".".join(names[: depth + 1])
        if not hasattr(module, "__path__") or _find(dotted) is None:
            return module, names[depth:]
        module = _import(dotted)
    return module, []


def _find(name: str) -> Any:
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None


def _import(name: str) -> ModuleType:
    if name not in sys.modules and _find(name) is None:
        parent = name.rpartition(".")[0]
        there = sorted(info.name for info in pkgutil.iter_modules(["."]) if info.name.isidentifier())
        where = f"in {parent}" if parent else f"in {Path.cwd()} or on the Python path"
        raise LoadFailure(f"there is no module {name} {where}", listing("modules here", there))
    try:
        return importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if isinstance(error, unittest.SkipTest) or is_skip(error):
            raise LoadFailure(f"{name} skips itself: {error}", "leave it out of the targets") from None
        raise LoadFailure(f"{name} can't be imported", "", format_traceback(error)) from error

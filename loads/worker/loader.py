"""From targets to tests: imports what a user named, and says what is there when it isn't.

A target is ``package.module[.Class[.test]]`` or ``path/to/file.py[::Class[::test]]``. This is the only module that
imports user code; whatever that raises becomes a `LoadFailure` with the user's own traceback.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import sys
import unittest
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from loads.errors import UsageError
from loads.worker.tracebacks import format_traceback

_SHOWN = 12


class LoadFailure(UsageError):
    """A target can't be used. `traceback` is the user code's own, when it raised."""

    def __init__(self, message: str, hint: str = "", traceback: str = "") -> None:
        super().__init__(message, hint)
        self.traceback = traceback


@dataclass(frozen=True)
class Scenario:
    """One test method, and how often it is chosen among others."""

    cls: type[unittest.TestCase]
    method: str
    weight: int

    @property
    def name(self) -> str:
        """``module.Class.test``."""
        return f"{self.cls.__module__}.{self.cls.__qualname__}.{self.method}"


def load_targets(targets: Sequence[str], search_path: Sequence[str]) -> list[Scenario]:
    """All tests that `targets` name, each once, in their order; at least one.

    Raises:
        LoadFailure: something is not there, does not import, or is no test that can run here.
    """
    for directory in reversed(search_path):
        if directory not in sys.path:
            sys.path.insert(0, directory)
    scenarios = list(dict.fromkeys(scenario for target in targets for scenario in _load(target)))
    if not scenarios:
        raise LoadFailure(
            f"no test in {', '.join(targets)}", "tests are methods of a TestCase whose names begin with test"
        )
    return scenarios


def hook_names(scenarios: Sequence[Scenario]) -> list[str]:
    """The fixtures that run once per worker for `scenarios`."""
    names = []
    for module in dict.fromkeys(scenario.cls.__module__ for scenario in scenarios):
        names += [
            f"{module}.{hook}" for hook in ("setUpModule", "tearDownModule") if hasattr(sys.modules[module], hook)
        ]
    for cls in dict.fromkeys(scenario.cls for scenario in scenarios):
        for hook in ("setUpClass", "tearDownClass"):
            if getattr(cls, hook).__func__ is not getattr(unittest.TestCase, hook).__func__:
                names.append(f"{cls.__module__}.{cls.__qualname__}.{hook}")
    return names


def _load(target: str) -> Iterator[Scenario]:
    path, *rest = target.split("::")
    if path.endswith(".py") or "/" in path:
        module = _import(_module_of_file(Path(path), target))
        _check_origin(module, Path(path))
    else:
        if rest:
            raise LoadFailure(
                f"{target!r} mixes two ways to name a test", "write package.module.Class.test or file.py::Class::test"
            )
        module, rest = _import_dotted(path)
    if not rest:
        found = _cases_of(module)
        if not found:
            raise LoadFailure(f"no test class in {module.__name__}", "test classes derive from loads.case.TestCase")
        for cls in found:
            yield from _scenarios_of(cls)
        return
    cls = _class_named(module, rest[0])
    if len(rest) == 1:
        yield from _scenarios_of(cls)
    elif len(rest) == 2:
        yield _scenario(cls, rest[1])
    else:
        raise LoadFailure(
            f"{target!r} goes on after the test", "write package.module.Class.test or file.py::Class::test"
        )


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
    return _listing(f"Python files in {directory.resolve()}", sorted(file.name for file in directory.glob("*.py")))


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
        raise LoadFailure(f"there is no module {name} {where}", _listing("modules here", there))
    try:
        return importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise LoadFailure(f"{name} can't be imported", "", format_traceback(error)) from error


def _cases_of(module: ModuleType) -> list[type[unittest.TestCase]]:
    """The test classes in `module`'s namespace, by name, as unittest finds them."""
    cases = [getattr(module, name) for name in dir(module)]
    return [
        case
        for case in dict.fromkeys(case for case in cases if inspect.isclass(case))
        if issubclass(case, unittest.TestCase) and case.__module__.partition(".")[0] not in ("unittest", "loads")
    ]


def _class_named(module: ModuleType, name: str) -> type[unittest.TestCase]:
    cls = getattr(module, name, None)
    if inspect.isclass(cls) and issubclass(cls, unittest.TestCase):
        return cls
    there = _listing("test classes there", [case.__name__ for case in _cases_of(module)])
    if cls is None:
        raise LoadFailure(f"there is no class {name} in {module.__name__}", there)
    raise LoadFailure(f"{module.__name__}.{name} is not a test class", f"derive it from loads.case.TestCase; {there}")


def _scenarios_of(cls: type[unittest.TestCase]) -> Iterator[Scenario]:
    for name in unittest.defaultTestLoader.getTestCaseNames(cls):
        yield _scenario(cls, name)


def _scenario(cls: type[unittest.TestCase], name: str) -> Scenario:
    if issubclass(cls, unittest.IsolatedAsyncioTestCase):
        raise LoadFailure(
            f"{cls.__name__} is an IsolatedAsyncioTestCase",
            "virtual users are greenlets: write the test without async, on loads.case.TestCase",
        )
    method = getattr(cls, name, None)
    if not callable(method):
        there = _listing("tests there", list(unittest.defaultTestLoader.getTestCaseNames(cls)))
        raise LoadFailure(f"there is no test {name} in {cls.__module__}.{cls.__name__}", there)
    if inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method):
        raise LoadFailure(
            f"{cls.__name__}.{name} is async, so calling it would run nothing",
            "virtual users are greenlets: write it as a plain method",
        )
    return Scenario(cls, name, getattr(method, "_loads_weight", 1))


def _listing(title: str, names: list[str]) -> str:
    if not names:
        return f"{title}: none"
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{title}: {', '.join(names[:_SHOWN])}{more}"

"""From targets to tests: classes of unittest and of pytest's style, and the tests in them.

A target is ``package.module[.Class[.test]]`` or ``path/to/file.py[::Class[::test]]``; a function of a module stands
where a class does.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import unittest
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from types import FunctionType, ModuleType
from typing import Any

from loads.case import TestCase
from loads.client.feeders import is_feed, open_feed
from loads.client.rundata import ADDED
from loads.errors import UsageError
from loads.plan.select import parse_selection
from loads.worker.finder import LoadFailure, find_module, listing
from loads.worker.plain import (
    PlainTest,
    inner_classes,
    is_plain_class,
    is_plain_function,
    module_fixture,
    wrap_class,
    wrap_functions,
)

MODULE_HOOKS = (("setUpModule", "setup_module"), ("tearDownModule", "teardown_module"))
_TOO_LONG = "write package.module.Class.test or file.py::Class::test"


@dataclass(frozen=True)
class Scenario:
    """One test method, and how often it is chosen among others.

    Attributes:
        name: ``module.Class.test``, or ``module.test`` for a function. Each iteration asks for it, so it is put
            together once.
    """

    cls: type[unittest.TestCase]
    method: str
    weight: int
    name: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parts = (self.cls.__module__, self.cls.__qualname__, self.method)
        object.__setattr__(self, "name", ".".join(part for part in parts if part))


@dataclass(frozen=True)
class Suite:
    """The tests that targets name, and the names of those beside them that only pytest can run."""

    scenarios: list[Scenario]
    left_out: list[str]


def load_targets(targets: Sequence[str], search_path: Sequence[str], select: str | None = None) -> Suite:
    """All tests that `targets` name and `select` (a ``-k`` expression) leaves, each once, in their order; at least one.

    Raises:
        LoadFailure: something is not there, does not import, or is no test that can run here.
    """
    importlib.invalidate_caches()  # files may be younger than this process
    for directory in map(os.path.abspath, reversed(search_path)):
        if directory not in sys.path:
            sys.path.insert(0, directory)
    left_out: dict[str, None] = {}
    scenarios = list(dict.fromkeys(scenario for target in targets for scenario in _load(target, left_out)))
    if not scenarios:
        hint = f"tests are methods of a TestCase whose names begin with test{_needy(left_out)}"
        raise LoadFailure(f"no test in {', '.join(targets)}", hint)
    if select is not None:
        scenarios = _selected(scenarios, select)
    for scenario in scenarios:
        _check_runs(scenario)
    return Suite(scenarios, list(left_out))


def hook_names(scenarios: Sequence[Scenario]) -> list[str]:
    """The fixtures that run once per worker for `scenarios`."""
    names = []
    for module in dict.fromkeys(scenario.cls.__module__ for scenario in scenarios):
        for hook, pytest_hook in MODULE_HOOKS:
            if module_hook(sys.modules[module], hook, pytest_hook) is not None:
                names.append(f"{module}.{hook if hasattr(sys.modules[module], hook) else pytest_hook}")
    for cls in dict.fromkeys(scenario.cls for scenario in scenarios):
        for hook in ("setUpClass", "tearDownClass"):
            if issubclass(cls, PlainTest):
                continue
            if _is_written(cls, hook):
                names.append(f"{cls.__module__}.{cls.__qualname__}.{hook}")
    return names


def _is_written(cls: type[unittest.TestCase], hook: str) -> bool:
    """Whether somebody wrote the class method `hook` that `cls` has: not unittest, and not we."""
    for owner in cls.__mro__:
        if hook in vars(owner) and not hasattr(getattr(vars(owner)[hook], "__func__", None), ADDED):
            return owner is not unittest.TestCase
    return False


def module_hook(module: ModuleType, name: str, pytest_name: str) -> Any:
    """The fixture of `module` called as unittest or as pytest calls it; None when there is none."""
    return getattr(module, name, None) or module_fixture(module, pytest_name)


def _selected(scenarios: list[Scenario], select: str) -> list[Scenario]:
    try:
        selection = parse_selection(select)
    except UsageError as error:
        raise LoadFailure(error.message, error.hint) from None
    chosen = [scenario for scenario in scenarios if selection(scenario.name)]
    if not chosen:
        raise LoadFailure(f"-k {select!r} leaves no test", listing("tests", [scenario.name for scenario in scenarios]))
    return chosen


def _load(target: str, left_out: dict[str, None]) -> Iterator[Scenario]:
    module, rest = find_module(target)
    if len(rest) > 2:
        raise LoadFailure(f"{target!r} goes on after the test", _TOO_LONG)
    if not rest:
        needy: dict[str, None] = {}
        found = _cases_of(module, needy)
        if not found and not needy:
            raise LoadFailure(
                f"no test class in {module.__name__}",
                "test classes derive from loads.case.TestCase, or are plain tests that take no fixtures",
            )
        left_out.update(needy)
        for cls in found:
            yield from _scenarios_of(cls)
        return
    if is_plain_function(rest[0], getattr(module, rest[0], None)):
        if len(rest) > 1:
            raise LoadFailure(f"{target!r} goes on after the test", _TOO_LONG)
        yield from _named(_wrapped_functions(module), rest[0])
        return
    cls = _class_named(module, rest[0], left_out)
    if len(rest) == 1:
        yield from _scenarios_of(cls)
        if issubclass(cls, PlainTest):
            for inner in _with_inner(getattr(module, rest[0]), left_out)[1:]:
                yield from _scenarios_of(inner)
    else:
        yield from _named((cls, []) if not issubclass(cls, PlainTest) else _wrapped(getattr(module, rest[0])), rest[1])


@cache
def _wrapped(cls: Any) -> tuple[type[unittest.TestCase], list[str]]:
    return wrap_class(cls)


@cache
def _wrapped_functions(module: ModuleType) -> tuple[type[unittest.TestCase], list[str]]:
    return wrap_functions(module)


def _needy(left_out: dict[str, None]) -> str:
    return f"; {listing('these need fixtures of pytest', list(left_out))}" if left_out else ""


def _note(left_out: dict[str, None], prefix: str, names: list[str]) -> None:
    left_out.update(dict.fromkeys(f"{prefix}.{name}" for name in names))


def _with_inner(cls: Any, left_out: dict[str, None]) -> list[type[unittest.TestCase]]:
    """The pytest-style class `cls` and those inside it, wrapped."""
    wrapped, needy = _wrapped(cls)
    _note(left_out, f"{cls.__module__}.{cls.__qualname__}", needy)
    return [wrapped, *(case for inner in inner_classes(cls) for case in _with_inner(inner, left_out))]


def _cases_of(module: ModuleType, left_out: dict[str, None]) -> list[type[unittest.TestCase]]:
    """The test classes in `module`'s namespace, by name, as unittest and pytest find them; its functions last."""
    cases: dict[type[unittest.TestCase], None] = {}
    for name in dir(module):
        thing = getattr(module, name)
        if inspect.isclass(thing) and issubclass(thing, unittest.TestCase):
            if thing.__module__.partition(".")[0] not in ("unittest", "loads"):
                cases[thing] = None
        elif is_plain_class(thing):
            cases.update(dict.fromkeys(_with_inner(thing, left_out)))
    functions, needy = _wrapped_functions(module)
    cases[functions] = None
    _note(left_out, module.__name__, needy)
    return [
        case for case in cases if unittest.defaultTestLoader.getTestCaseNames(case) or not issubclass(case, PlainTest)
    ]


def _class_named(module: ModuleType, name: str, left_out: dict[str, None]) -> type[unittest.TestCase]:
    cls: Any = getattr(module, name, None)
    if inspect.isclass(cls) and issubclass(cls, unittest.TestCase):
        return cls
    if cls is not None and is_plain_class(cls):
        wrapped, needy = _wrapped(cls)
        _note(left_out, f"{module.__name__}.{name}", needy)
        return wrapped
    there = listing("test classes there", [case.__name__ for case in _cases_of(module, {}) if case.__qualname__])
    if cls is None:
        raise LoadFailure(f"there is no class {name} in {module.__name__}", there)
    raise LoadFailure(f"{module.__name__}.{name} is not a test class", f"derive it from loads.case.TestCase; {there}")


def _scenarios_of(cls: type[unittest.TestCase]) -> Iterator[Scenario]:
    for name in unittest.defaultTestLoader.getTestCaseNames(cls):
        yield _scenario(cls, name)


def _named(found: tuple[type[unittest.TestCase], list[str]], name: str) -> Iterator[Scenario]:
    """The test called `name`, or all of its sets of parameters."""
    cls, needy = found
    if name in needy:
        raise LoadFailure(f"{name} needs fixtures of pytest", "give it what it needs in setUp, or set defaults")
    expanded = [method for method in dir(cls) if method.startswith(f"{name}[")]
    for method in expanded or [name]:
        yield _scenario(cls, method)


def _scenario(cls: type[unittest.TestCase], name: str) -> Scenario:
    method = getattr(cls, name, None)
    if not callable(method):
        there = listing("tests there", list(unittest.defaultTestLoader.getTestCaseNames(cls)))
        raise LoadFailure(f"there is no test {name} in {cls.__module__}.{cls.__name__}", there)
    return Scenario(cls, name, getattr(method, "_loads_weight", 1))


def _check_runs(scenario: Scenario) -> None:
    """Refuse what calling would not run."""
    cls, method = scenario.cls, getattr(scenario.cls, scenario.method)
    way_out = "virtual users are greenlets: write it as a plain method, or leave it out with -k"
    if issubclass(cls, unittest.IsolatedAsyncioTestCase):
        raise LoadFailure(
            f"{cls.__name__} is an IsolatedAsyncioTestCase",
            "virtual users are greenlets: write the test without async, on loads.case.TestCase",
        )
    if inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method):
        raise LoadFailure(f"{cls.__name__}.{scenario.method} is async, so calling it would run nothing", way_out)
    if issubclass(cls, PlainTest) and inspect.isgeneratorfunction(method):
        raise LoadFailure(f"{scenario.name} is a generator, so calling it would run nothing", way_out)


def uses_app(cls: type[unittest.TestCase]) -> bool:
    """Whether some function of `cls` names an attribute ``app``, which may be that of loads.case.TestCase."""
    return any("app" in function.__code__.co_names for function in _own_functions(cls))


def read_ahead(classes: Iterable[Any]) -> None:
    """Read the feeds that functions of `classes` name, before anything is timed: it holds up all users of a worker.

    What is wrong with one is told by the first test that asks for it: perhaps none does.
    """
    for cls in classes:
        for function in _own_functions(cls) if issubclass(cls, TestCase) else ():
            if "feed" in function.__code__.co_names:
                for name in function.__code__.co_consts:
                    if isinstance(name, str) and is_feed(name):
                        with suppress(UsageError):
                            open_feed(cls, name)


def _own_functions(cls: type[unittest.TestCase]) -> Iterator[FunctionType]:
    functions = [thing for owner in cls.__mro__ for thing in vars(owner).values() if isinstance(thing, FunctionType)]
    return (function for function in functions if function.__module__.partition(".")[0] not in ("unittest", "loads"))

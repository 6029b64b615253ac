"""setUpModule, setUpClass and their ends: once per worker, around all of its iterations, in unittest's order.

A fixture that raises costs its classes, not the worker: the error is counted once and their tests don't start.
"""

from __future__ import annotations

import sys
import unittest
from collections.abc import Callable, Sequence
from typing import Any

from loads.errors import Interrupted
from loads.worker.loader import MODULE_HOOKS, Scenario, module_hook
from loads.worker.outcome import Faults


class Fixtures:
    """The module and class fixtures of `scenarios`."""

    def __init__(self, scenarios: Sequence[Scenario], faults: Faults) -> None:
        self._classes = list(dict.fromkeys(scenario.cls for scenario in scenarios))
        self._modules = list(dict.fromkeys(cls.__module__ for cls in self._classes))
        self._faults = faults
        self._ready_modules: list[str] = []
        self._ready_classes: list[type[unittest.TestCase]] = []

    def set_up(self) -> set[type[unittest.TestCase]]:
        """Run what comes before; the classes whose tests can run (to be skipped, where the class says so)."""
        for module in self._modules:
            fixture = module_hook(sys.modules[module], *MODULE_HOOKS[0])
            classes = [cls for cls in self._classes if cls.__module__ == module]
            if self._call(f"{module}.setUpModule", fixture, skips=classes):
                self._ready_modules.append(module)
        runnable = set()
        for cls in self._classes:
            if _is_skipped(cls):
                runnable.add(cls)
            elif cls.__module__ not in self._ready_modules:
                continue
            elif self._call(f"{_name(cls)}.setUpClass", cls.setUpClass, skips=[cls]):
                runnable.add(cls)
                self._ready_classes.append(cls)
            else:
                self._clean_up_class(cls)
                if _is_skipped(cls):
                    runnable.add(cls)
        return runnable

    def tear_down(self) -> None:
        """Run what comes after, for all that was set up."""
        for cls in reversed(self._ready_classes):
            self._call(f"{_name(cls)}.tearDownClass", cls.tearDownClass)
            self._clean_up_class(cls)
        for module in reversed(self._ready_modules):
            self._call(f"{module}.tearDownModule", module_hook(sys.modules[module], *MODULE_HOOKS[1]))
        self._call("doModuleCleanups", unittest.case.doModuleCleanups)

    def _clean_up_class(self, cls: type[unittest.TestCase]) -> None:
        self._call(f"{_name(cls)}.doClassCleanups", cls.doClassCleanups)
        for info in getattr(cls, "tearDown_exceptions", []):
            self._count(f"{_name(cls)}.doClassCleanups", info[1])

    def _call(
        self, name: str, fixture: Callable[[], Any] | None, skips: Sequence[type[unittest.TestCase]] = ()
    ) -> bool:
        """Whether `fixture` returned. One that skips marks `skips`, whose iterations count as skipped then."""
        try:
            if fixture is not None:
                fixture()
        except unittest.SkipTest as skip:
            for cls in skips:
                unittest.skip(str(skip))(cls)
            return False
        except Interrupted:
            raise
        except BaseException as error:
            self._count(name, error)
            return False
        return True

    def _count(self, name: str, error: BaseException) -> None:
        """Errors of fixtures are errors, whatever they are: no test has failed."""
        self._faults.error(error, name)


def _is_skipped(cls: type[unittest.TestCase]) -> bool:
    return bool(getattr(cls, "__unittest_skip__", False))


def _name(cls: type[Any]) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"

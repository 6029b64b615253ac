from __future__ import annotations

import sys
import unittest
from types import ModuleType
from typing import Any

import pytest

from loads.case import TestCase
from loads.worker.fixtures import Fixtures
from loads.worker.loader import Scenario
from loads.worker.outcome import Faults
from tests.build import new_recorder

MODULE = "tests_unit_fixtures_module"


class House:
    """A module with fixtures that write down when they run; `fails` and `skips` name those that do."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.fails: set[str] = set()
        self.skips: set[str] = set()
        self.recorder = new_recorder()
        self.module = ModuleType(MODULE)
        self.module.setUpModule = lambda: self.happens("setUpModule")  # type: ignore[attr-defined]
        self.module.tearDownModule = lambda: self.happens("tearDownModule")  # type: ignore[attr-defined]
        self.classes = [self._class("A"), self._class("B")]
        self.fixtures = Fixtures(
            [Scenario(cls, method, 1) for cls in self.classes for method in ("test_1", "test_2")],
            Faults(self.recorder),
        )

    def happens(self, what: str) -> None:
        self.log.append(what)
        if what in self.fails:
            raise AssertionError(f"{what} failed")
        if what in self.skips:
            raise unittest.SkipTest(what)

    def set_up(self) -> list[str]:
        """The names of the classes that can run."""
        return sorted(cls.__name__ for cls in self.fixtures.set_up())

    def _class(self, name: str) -> type[TestCase]:
        house = self

        def set_up(cls: Any) -> None:
            cls.addClassCleanup(house.happens, f"{name}.cleanup")
            house.happens(f"{name}.setUpClass")

        methods = {
            "__module__": MODULE,
            "__qualname__": name,
            "setUpClass": classmethod(set_up),
            "tearDownClass": classmethod(lambda cls: house.happens(f"{name}.tearDownClass")),
            "test_1": lambda self: None,
            "test_2": lambda self: None,
        }
        return type(name, (TestCase,), methods)


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> House:
    house = House()
    monkeypatch.setitem(sys.modules, MODULE, house.module)
    return house


def test_fixtures_run_once_in_unittests_order(house: House) -> None:
    assert house.set_up() == ["A", "B"]
    house.fixtures.tear_down()
    assert house.log == [
        "setUpModule",
        "A.setUpClass",
        "B.setUpClass",
        "B.tearDownClass",
        "B.cleanup",
        "A.tearDownClass",
        "A.cleanup",
        "tearDownModule",
    ]
    assert house.recorder.take().totals.errors == 0


def test_a_class_whose_fixture_fails_costs_its_own_tests_only(house: House) -> None:
    house.fails = {"A.setUpClass"}
    assert house.set_up() == ["B"]
    house.fixtures.tear_down()
    assert house.log.count("A.cleanup") == 1
    assert "A.tearDownClass" not in house.log
    assert "tearDownModule" in house.log


def test_an_assertion_in_a_fixture_is_one_error_and_no_failure(house: House) -> None:
    house.fails = {"A.setUpClass"}
    house.set_up()
    summary = house.recorder.take()
    assert (summary.totals.errors, summary.totals.failures) == (1, 0)
    ((key, group),) = summary.errors.items()
    assert (key.outcome, group.message) == ("error", "A.setUpClass failed")
    assert group.scenario == f"{MODULE}.A.setUpClass"


def test_a_module_whose_fixture_fails_costs_all_of_its_classes(house: House) -> None:
    house.fails = {"setUpModule"}
    assert house.set_up() == []
    house.fixtures.tear_down()
    assert house.log == ["setUpModule"]


def test_a_class_whose_fixture_skips_has_skipped_tests(house: House) -> None:
    """It stays runnable, so that each of its iterations is counted as skipped."""
    house.skips = {"A.setUpClass"}
    assert house.set_up() == ["A", "B"]
    result = unittest.TestResult()
    house.classes[0]("test_1").run(result)
    assert result.skipped[0][1] == "A.setUpClass"
    assert house.recorder.take().totals.errors == 0


def test_a_module_whose_fixture_skips_has_skipped_tests(house: House) -> None:
    house.skips = {"setUpModule"}
    assert house.set_up() == ["A", "B"]
    assert house.log == ["setUpModule"]


def test_the_fixtures_of_a_class_that_is_skipped_do_not_run(house: House) -> None:
    unittest.skip("never")(house.classes[1])
    assert house.set_up() == ["A", "B"]
    house.fixtures.tear_down()
    assert not [line for line in house.log if line.startswith("B.")]


@pytest.mark.parametrize("broken", ["A.tearDownClass", "A.cleanup", "B.tearDownClass", "tearDownModule"])
def test_whatever_fails_at_the_end_the_rest_still_runs(house: House, broken: str) -> None:
    house.fails = {broken}
    house.set_up()
    house.fixtures.tear_down()
    assert len(house.log) == 8
    assert house.recorder.take().totals.errors == 1


def test_modules_without_fixtures_need_none(house: House) -> None:
    del house.module.setUpModule  # type: ignore[attr-defined]
    del house.module.tearDownModule  # type: ignore[attr-defined]
    assert house.set_up() == ["A", "B"]
    house.fixtures.tear_down()
    assert "setUpModule" not in house.log

"""setUpRun and tearDownRun, as the worker that has to calls them, and what they returned, in every worker."""

from __future__ import annotations

import sys
import unittest
from datetime import date
from types import ModuleType
from typing import Any

import pytest

from loads.case import TestCase
from loads.client.rundata import MOST_BYTES
from loads.worker.finder import LoadFailure
from loads.worker.fixtures import Fixtures
from loads.worker.loader import Scenario, hook_names
from loads.worker.outcome import Faults
from loads.worker.runfixtures import RunFixtures
from tests.build import new_recorder

MODULE = "tests_unit_run_fixtures"


@pytest.fixture(autouse=True)
def module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, MODULE, ModuleType(MODULE))


def made(name: str, base: type[Any] = TestCase, **members: Any) -> Any:
    fields = {"__module__": MODULE, "__qualname__": name, "test_it": lambda self: None, "run_data": None}
    return type(name, (base,), {**fields, **members})


def fixtures_of(*classes: type[Any]) -> RunFixtures:
    return RunFixtures([Scenario(cls, "test_it", 1) for cls in classes])


def logging(log: list[str], name: str, value: Any = None, base: type[Any] = TestCase) -> Any:
    def set_up(cls: type[Any]) -> Any:
        log.append(f"{cls.__name__}.setUpRun")
        return value

    def tear_down(cls: type[Any]) -> None:
        log.append(f"{cls.__name__}.tearDownRun {cls.run_data}")

    return made(name, base, setUpRun=classmethod(set_up), tearDownRun=classmethod(tear_down))


def raising(error: BaseException) -> Any:
    def raise_it(cls: Any) -> None:
        raise error

    return classmethod(raise_it)


def refusal(*classes: type[Any]) -> LoadFailure:
    with pytest.raises(LoadFailure) as caught:
        fixtures_of(*classes).set_up()
    return caught.value


def test_each_class_is_set_up_in_order_and_torn_down_in_reverse() -> None:
    log: list[str] = []
    first = logging(log, "A", 1)
    fixtures = fixtures_of(first, logging(log, "B", 2), logging(log, "C", 3, base=first))
    assert fixtures.names() == (
        *(f"{MODULE}.{name}.setUpRun" for name in "ABC"),
        *(f"{MODULE}.{name}.tearDownRun" for name in "CBA"),
    )
    fixtures.set_up()
    fixtures.tear_down(lambda *_: None)
    fixtures.tear_down(lambda *_: None)
    assert log == [
        *("A.setUpRun", "B.setUpRun", "C.setUpRun"),
        *("C.tearDownRun 3", "B.tearDownRun 2", "A.tearDownRun 1"),
    ]


def test_an_inherited_one_is_called_once_for_each_class_that_is_selected_as_itself() -> None:
    log: list[str] = []
    base = logging(log, "Base")
    fixtures_of(made("One", base), made("Two", base)).set_up()
    assert log == ["One.setUpRun", "Two.setUpRun"]


def test_a_plain_unittest_may_have_them_too() -> None:
    log: list[str] = []
    cls = logging(log, "Plain", {"a": 1}, base=unittest.TestCase)
    fixtures_of(cls).set_up()
    assert cls.run_data == {"a": 1}


def test_other_workers_get_what_came_through_messagepack() -> None:
    there, here = made("A", setUpRun=classmethod(lambda cls: {"pair": (1, "x"), "day": date(2014, 5, 9)})), made("A")
    without = made("B")
    fixtures_of(here, without).spread(fixtures_of(there).set_up())
    assert here.run_data == there.run_data == {"pair": [1, "x"], "day": "2014-05-09"}
    assert without.run_data is None


def test_without_any_there_is_nothing_to_call() -> None:
    assert fixtures_of(made("A"), made("B", unittest.TestCase)).names() == ()


def test_what_setting_up_raises_is_told_with_its_traceback() -> None:
    failure = refusal(made("A", setUpRun=raising(KeyError("x"))))
    assert failure.message == f"{MODULE}.A.setUpRun raised KeyError: 'x'"
    assert "raise_it" in failure.traceback


def test_a_usage_error_says_it_best_itself() -> None:
    failure = refusal(made("A", setUpRun=classmethod(lambda cls: cls.server_url)))
    assert failure.message == "A has no server_url"


@pytest.mark.parametrize(
    ("value", "kind"), [({"a": object()}, "dict"), (lambda: 1, "function"), (2**70, "int"), ("\ud800", "str")]
)
def test_what_cant_be_sent_is_told_with_its_type(value: Any, kind: str) -> None:
    failure = refusal(made("A", setUpRun=classmethod(lambda cls: value)))
    assert failure.message.startswith(f"{MODULE}.A.setUpRun returned a {kind} that can't be sent to the workers: ")
    assert "return what JSON could hold" in failure.hint


def test_a_megabyte_is_the_most_of_all_together() -> None:
    half = made("A", setUpRun=classmethod(lambda cls: bytes(MOST_BYTES // 2)))
    assert fixtures_of(half).set_up()
    failure = refusal(half, made("B", setUpRun=classmethod(lambda cls: "x" * (MOST_BYTES // 2))))
    assert failure.message == (
        f"{MODULE}.B.setUpRun returned a str of 524,293 bytes, with 524,293 bytes of other classes: "
        "1,048,576 can be sent to the workers"
    )


def test_one_that_skips_skips_its_class_in_every_worker() -> None:
    there, here = made("A", setUpRun=raising(unittest.SkipTest("not here"))), made("A")
    fixtures_of(here).spread(fixtures_of(there).set_up())
    result = unittest.TestResult()
    here("test_it").run(result)
    assert result.skipped[0][1] == "not here"


def test_what_tearing_down_raises_is_told_and_the_others_still_run() -> None:
    log: list[str] = []
    fixtures = fixtures_of(logging(log, "A"), made("B", tearDownRun=raising(KeyError("x"))))
    told: list[str] = []
    fixtures.tear_down(lambda error, name: told.append(f"{name} {error!r}"))
    assert told == [f"{MODULE}.B.tearDownRun KeyError('x')"]
    assert log == ["A.tearDownRun None"]


def test_only_what_was_set_up_is_torn_down_after_a_failure() -> None:
    log: list[str] = []
    fixtures = fixtures_of(logging(log, "A"), made("B", setUpRun=raising(KeyError())), logging(log, "C"))
    with pytest.raises(LoadFailure):
        fixtures.set_up()
    fixtures.tear_down(lambda *_: None)
    assert log == ["A.setUpRun", "A.tearDownRun None"]


async def never() -> None: ...


@pytest.mark.parametrize(
    ("hook", "said"),
    [(lambda self: 1, "is no class method"), (classmethod(never), "is async, so calling it would run nothing")],
)
def test_what_cant_be_called_is_refused_when_the_tests_are_loaded(hook: Any, said: str) -> None:
    with pytest.raises(LoadFailure, match=said):
        fixtures_of(made("A", unittest.TestCase, tearDownRun=hook))


def test_in_a_worker_set_up_class_leaves_them_alone() -> None:
    log: list[str] = []
    cls = logging(log, "A")
    fixtures_of(cls)
    Fixtures([Scenario(cls, "test_it", 1)], Faults(new_recorder())).set_up()
    assert log == []


def test_the_fixtures_of_a_class_are_those_that_somebody_wrote() -> None:
    cls, fixture = logging([], "A"), classmethod(lambda cls: None)
    assert hook_names([Scenario(cls, "test_it", 1)]) == []
    heir = made("B", made("C", cls, setUpClass=fixture), setUpRun=fixture)
    assert hook_names([Scenario(heir, "test_it", 1)]) == [f"{MODULE}.B.setUpClass"]

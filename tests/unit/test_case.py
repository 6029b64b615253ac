from __future__ import annotations

import unittest
from pathlib import Path
from typing import Any

import pytest
import requests

from loads.case import SERVER_URL_VARIABLE, TestCase, weight
from loads.client.user import Numbers, VirtualUser
from loads.errors import UsageError
from loads.metrics.summary import TRANSACTION, SeriesKey
from tests.build import new_recorder


class Site(TestCase):
    __test__ = False
    server_url = "http://127.0.0.1:1"

    def test_it(self) -> None:
        pass


class Nowhere(TestCase):
    __test__ = False

    def test_it(self) -> None:
        pass


def run(case: unittest.TestCase) -> unittest.TestResult:
    result = unittest.TestResult()
    case.run(result)
    return result


def hired(case: TestCase, **numbers: int) -> VirtualUser:
    """The user that a worker hands to `case`; what it does is recorded."""
    user = VirtualUser(Numbers(**numbers), new_recorder(), "t")
    case._virtual_user = user
    return user


# Under plain unittest.


def test_it_is_a_unittest() -> None:
    result = run(Site("test_it"))
    assert (result.testsRun, result.wasSuccessful()) == (1, True)


def test_its_session_is_a_requests_session() -> None:
    case = Site("test_it")
    assert isinstance(case.session, requests.Session)
    assert case.session is case.session
    case._virtual_user.forget()


def test_each_test_has_a_session_of_its_own_and_closes_it() -> None:
    sessions: list[requests.Session] = []
    closed: list[bool] = []

    class Once(TestCase):
        def test_it(self) -> None:
            self.session.close = lambda: closed.append(True)
            sessions.append(self.session)

    run(Once("test_it"))
    run(Once("test_it"))
    assert sessions[0] is not sessions[1]
    assert closed == [True, True]


def test_it_is_user_0_of_1() -> None:
    assert Site("test_it").user == Numbers(user=0, users=1, iteration=0, worker=0)


def test_counters_transactions_and_subtests_do_no_harm() -> None:
    class Counting(TestCase):
        def test_it(self) -> None:
            self.incr_counter("island-was-there")
            with self.transaction("checkout"), self.subTest("part", n=1):
                pass

    assert run(Counting("test_it")).wasSuccessful()


def test_a_failed_subtest_fails_as_ever() -> None:
    class Failing(TestCase):
        def test_it(self) -> None:
            for n in range(3):
                with self.subTest(n=n):
                    self.assertEqual(n, 1)

    assert len(run(Failing("test_it")).failures) == 2


@pytest.mark.parametrize("by", [1.5, "1", True, None])
def test_a_counter_counts_whole_numbers_only(by: Any) -> None:
    with pytest.raises(TypeError, match="counters are whole numbers"):
        Site("test_it").incr_counter("x", by)


# The server.


def test_the_class_says_where_the_server_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SERVER_URL_VARIABLE, raising=False)
    assert Site("test_it").server_url == "http://127.0.0.1:1"


def test_the_environment_stands_in_front_of_the_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SERVER_URL_VARIABLE, "http://127.0.0.1:2")
    assert Site("test_it").server_url == Nowhere("test_it").server_url == "http://127.0.0.1:2"


@pytest.mark.parametrize("value", [None, ""])
def test_without_a_server_one_clear_error_says_how_to_name_it(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SERVER_URL_VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(SERVER_URL_VARIABLE, value)
    case = Nowhere("test_it")
    for name in ("server_url", "app"):
        with pytest.raises(UsageError, match="Nowhere has no server_url") as caught:
            getattr(case, name)
        assert "--server-url" in caught.value.hint


def test_a_class_without_a_server_is_found_and_run_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """hasattr and inspection of classes must not trip over the missing URL."""
    monkeypatch.delenv(SERVER_URL_VARIABLE, raising=False)
    assert run(Nowhere("test_it")).wasSuccessful()


# In a load test.


def test_what_it_counts_is_recorded_for_its_user() -> None:
    case = Site("test_it")
    user = hired(case)
    case.incr_counter("island-was-there")
    case.incr_counter("island-was-there", by=4)
    case.incr_counter(7)  # type: ignore[arg-type]
    assert user.recorder is not None
    assert user.recorder.take().counters == {"island-was-there": 5, "7": 1}


def test_its_numbers_are_its_users() -> None:
    case = Site("test_it")
    hired(case, user=3, users=200, iteration=5, worker=1)
    assert case.user == Numbers(3, 200, 5, 1)


@pytest.mark.parametrize(
    ("message", "params", "name", "named"),
    [
        ("home", {}, "home", True),
        (None, {"n": 1}, "n=1", False),
        ("part", {"n": 1, "m": "x"}, "part n=1 m='x'", False),
        (None, {}, "(subTest)", False),
    ],
)
def test_a_subtest_is_timed_by_its_message_or_its_parameters(
    message: str | None, params: dict[str, Any], name: str, named: bool
) -> None:
    class Parts(TestCase):
        def test_it(self) -> None:
            with self.subTest(message, **params):
                pass

    case = Parts("test_it")
    user = hired(case)
    run(case)
    assert user.recorder is not None
    assert list(user.recorder.take().series) == [SeriesKey("t", TRANSACTION, name, named)]


def test_a_transaction_is_named_by_the_test() -> None:
    case = Site("test_it")
    user = hired(case)
    with case.transaction("checkout"):
        pass
    assert user.recorder is not None
    assert list(user.recorder.take().series) == [SeriesKey("t", TRANSACTION, "checkout", True)]


def test_the_session_outlives_an_iteration() -> None:
    case = Site("test_it")
    user = hired(case)
    session = case.session
    run(case)
    case._renew(session=False)
    assert case.session is session
    user.forget()


def test_a_fresh_session_is_new_for_each_iteration() -> None:
    case = Site("test_it")
    user = hired(case)
    session = case.session
    case._renew(session=True)
    assert case.session is not session
    user.forget()


# Weights.


def test_a_weight_leaves_the_test_as_it_is() -> None:
    def test_it() -> int:
        return 5

    assert weight(3)(test_it) is test_it
    assert test_it() == 5


@pytest.mark.parametrize("n", [0, -1, 10_001, 1.5, "3", True, None])
def test_a_weight_that_is_none_is_refused(n: Any) -> None:
    with pytest.raises(UsageError, match="is not a whole number from 1 to 10,000"):
        weight(n)


def test_a_counter_takes_no_number_that_can_not_be_sent() -> None:
    case = type("Case", (TestCase,), {"test_it": lambda self: None})("test_it")
    case._virtual_user = VirtualUser(recorder=new_recorder())
    with pytest.raises((TypeError, ValueError)):
        case.incr_counter("x", 2**70)


# Once for the whole run, which under unittest is a process.


def hooked(log: list[str], base: type[TestCase] = TestCase, **members: Any) -> type[TestCase]:
    class Hooked(base):  # type: ignore[valid-type, misc]
        @classmethod
        def setUpRun(cls) -> Any:
            log.append(f"setUpRun {cls.__name__}")
            return ("a", 1)

        @classmethod
        def tearDownRun(cls) -> None:
            log.append(f"tearDownRun {cls.run_data}")

        def test_1(self) -> None:
            log.append(f"test_1 {self.run_data}")

        def test_2(self) -> None:
            log.append("test_2")

    for name, member in members.items():
        setattr(Hooked, name, member)
    return Hooked


def run_all(*classes: type[unittest.TestCase]) -> unittest.TestResult:
    result = unittest.TestResult()
    loader = unittest.defaultTestLoader
    unittest.TestSuite(loader.loadTestsFromTestCase(cls) for cls in classes).run(result)
    return result


def test_a_class_is_set_up_before_its_first_test_and_torn_down_after_its_last() -> None:
    log: list[str] = []
    cls = hooked(log)
    assert run_all(cls).wasSuccessful()
    assert log == ["setUpRun Hooked", "test_1 ['a', 1]", "test_2", "tearDownRun ['a', 1]"]
    assert cls.run_data is None


def test_set_up_run_comes_before_set_up_class_which_need_not_call_its_base() -> None:
    log: list[str] = []

    class Heir(hooked(log)):  # type: ignore[misc]
        @classmethod
        def setUpClass(cls) -> None:
            log.append(f"setUpClass {cls.run_data}")
            cls.addClassCleanup(log.append, "cleanup")

        @classmethod
        def tearDownClass(cls) -> None:
            log.append("tearDownClass")

    assert run_all(Heir).wasSuccessful()
    assert log == [
        *("setUpRun Heir", "setUpClass ['a', 1]", "test_1 ['a', 1]", "test_2"),
        *("tearDownClass", "cleanup", "tearDownRun ['a', 1]"),
    ]


def test_it_runs_once_however_many_set_up_classes_call_their_base() -> None:
    log: list[str] = []

    class Middle(hooked(log)):  # type: ignore[misc]
        @classmethod
        def setUpClass(cls) -> None:
            super().setUpClass()
            log.append("Middle")

    class Mixin:
        @classmethod
        def setUpClass(cls) -> None:
            super().setUpClass()  # type: ignore[misc]
            log.append("Mixin")

    class Heir(Mixin, Middle):
        @classmethod
        def setUpClass(cls) -> None:
            super().setUpClass()
            log.append("Heir")

    assert run_all(Heir).wasSuccessful()
    assert log[:4] == ["setUpRun Heir", "Middle", "Mixin", "Heir"]
    assert log.count("setUpRun Heir") == 1


def test_each_class_that_runs_is_set_up_as_itself() -> None:
    log: list[str] = []
    cls = hooked(log)
    assert run_all(cls, type("Other", (cls,), {})).wasSuccessful()
    assert [line for line in log if "setUpRun" in line] == ["setUpRun Hooked", "setUpRun Other"]


def test_what_set_up_run_raises_is_an_error_and_no_test_runs() -> None:
    log: list[str] = []

    class Broken(hooked(log)):  # type: ignore[misc]
        @classmethod
        def setUpRun(cls) -> None:
            raise KeyError("x")

    result = run_all(Broken)
    assert [(result.testsRun, len(result.errors))] == [(0, 1)]
    assert "KeyError: 'x'" in result.errors[0][1]
    assert log == []
    assert len(run_all(Broken).errors) == 1


def test_what_cant_be_sent_to_workers_is_an_error_without_them_too() -> None:
    class Broken(hooked([])):  # type: ignore[misc]
        @classmethod
        def setUpRun(cls) -> Any:
            return object()

    assert "returned a object that can't be sent to the workers" in run_all(Broken).errors[0][1]


def test_what_tear_down_run_raises_is_an_error() -> None:
    class Broken(hooked([])):  # type: ignore[misc]
        @classmethod
        def tearDownRun(cls) -> None:
            raise KeyError("at the end")

    result = run_all(Broken)
    assert [(result.testsRun, len(result.errors))] == [(2, 1)]
    assert "at the end" in result.errors[0][1]


def test_a_class_whose_set_up_class_fails_is_torn_down_all_the_same() -> None:
    log: list[str] = []

    class Broken(hooked(log)):  # type: ignore[misc]
        @classmethod
        def setUpClass(cls) -> None:
            raise KeyError

    assert len(run_all(Broken).errors) == 1
    assert log == ["setUpRun Broken", "tearDownRun ['a', 1]"]


def test_set_up_run_knows_the_server_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    class There(Site):
        __test__ = False

        @classmethod
        def setUpRun(cls) -> None:
            seen.append(cls.server_url)

    monkeypatch.setenv(SERVER_URL_VARIABLE, "http://there")
    assert run_all(There).wasSuccessful()
    assert (seen, There.server_url) == (["http://there"], Site.server_url)


def test_a_class_without_them_keeps_its_set_up_class_as_it_is() -> None:
    assert "setUpClass" not in vars(Site)
    assert TestCase.setUpRun() is None
    TestCase.tearDownRun()


def test_a_lone_test_is_fed_from_the_first_row_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lone.csv").write_text("id\n0\n1\n")
    monkeypatch.chdir(tmp_path)
    seen: list[list[dict[str, str]]] = []

    class Fed(TestCase):
        def test_1(self) -> None:
            seen.append([self.feed("lone.csv") for _ in range(3)])

        def test_2(self) -> None:
            seen.append([self.feed(Path("lone.csv"), policy="stop") for _ in range(3)])

    result = run_all(Fed)
    assert seen == [[{"id": "0"}, {"id": "1"}, {"id": "0"}]]
    assert [reason for _, reason in result.skipped] == ["the 2 rows of lone.csv for this user are used up"]

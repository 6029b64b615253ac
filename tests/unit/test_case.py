from __future__ import annotations

import unittest
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

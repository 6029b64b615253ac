from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from loads.client.session import session_of
from loads.client.user import OUTSIDE, Numbers, VirtualUser, running
from loads.metrics.summary import TRANSACTION, SeriesKey
from tests.build import new_recorder


def test_it_tells_who_it_is() -> None:
    assert repr(VirtualUser(Numbers(user=3, users=200), scenario="site.Test.test_it")) == (
        "<VirtualUser 3/200 site.Test.test_it>"
    )


def test_a_lone_one_is_the_first_of_one() -> None:
    user = VirtualUser()
    assert user.numbers == Numbers(user=0, users=1, iteration=0, worker=0)
    assert (user.scenario, user.recorder) == (OUTSIDE, None)


def test_its_numbers_follow_its_iterations() -> None:
    user = VirtualUser(Numbers(user=3, users=200, iteration=7, worker=1))
    assert user.iteration == user.numbers.iteration == 7
    user.iteration += 1
    assert user.numbers == Numbers(user=3, users=200, iteration=8, worker=1)


def test_its_session_lives_until_it_forgets() -> None:
    user = VirtualUser()
    first = session_of(user)
    assert session_of(user) is first
    user.forget()
    assert session_of(user) is not first
    user.forget()


def test_forgetting_closes_the_session() -> None:
    user = VirtualUser()
    closed = []
    session_of(user).close = lambda: closed.append(True)  # type: ignore[method-assign]
    user.forget()
    user.forget()
    assert closed == [True]


def test_users_do_not_share_cookies() -> None:
    one, other = VirtualUser(), VirtualUser()
    session_of(one).cookies.set("login", "me")
    assert "login" not in session_of(other).cookies
    one.forget()
    other.forget()


def test_a_transaction_is_timed_under_its_name() -> None:
    user = VirtualUser(recorder=new_recorder(), scenario="t")
    with user.transaction("checkout", named=True):
        pass
    assert user.recorder is not None
    series = user.recorder.take().series[SeriesKey("t", TRANSACTION, "checkout", True)]
    assert (series.sent, series.failed) == (1, 0)


def test_a_transaction_that_raises_counts_as_failed_and_still_raises() -> None:
    user = VirtualUser(recorder=new_recorder(), scenario="t")
    with pytest.raises(KeyError), user.transaction("checkout", named=True):
        raise KeyError
    assert user.recorder is not None
    (series,) = user.recorder.take().series.values()
    assert (series.sent, series.failed) == (1, 1)


def test_transactions_may_nest() -> None:
    user = VirtualUser(recorder=new_recorder(), scenario="t")
    with user.transaction("outer", named=True), user.transaction("inner", named=True):
        pass
    assert user.recorder is not None
    assert {key.name for key in user.recorder.take().series} == {"outer", "inner"}


def test_without_a_recorder_nothing_is_timed() -> None:
    with VirtualUser().transaction("checkout", named=True) as nothing:
        assert nothing is None


def test_nobody_runs_until_somebody_enters() -> None:
    """In a thread of its own, whose context nobody else sees."""
    user = VirtualUser()

    def inside() -> tuple[VirtualUser | None, VirtualUser | None]:
        before = running()
        user.enter()
        return before, running()

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(inside).result() == (None, user)
    assert running() is None


def test_making_a_user_does_not_import_requests() -> None:
    code = "import sys; from loads.client.user import VirtualUser; VirtualUser(); print('requests' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"

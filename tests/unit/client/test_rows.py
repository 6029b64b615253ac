"""Whose row is whose: nobody has another's, in the closed model and in the open one."""

from __future__ import annotations

import random
import unittest
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.client import rows as module
from loads.client.feeders import Feed
from loads.client.rows import Dealer, Hand, NoFreeRow, OwnRows, Policy, Rows, RowsUsedUp, next_row
from loads.client.user import Numbers, VirtualUser
from loads.errors import UsageError
from loads.plan.share import slots_of
from tests.build import new_recorder

CYCLE, STOP, RANDOM = Policy


def feed_of(count: int) -> Feed:
    return Feed(Path("users.csv"), b"", range(count), bytes)


def taken(rows: OwnRows, feed: Feed, policy: Policy, times: int) -> list[int]:
    return [rows.next(feed, policy) for _ in range(times)]


def all_that(rows: Rows, feed: Feed, policy: Policy) -> list[int]:
    """All that there are for `rows`, until there is none."""
    dealt = []
    with suppress(RowsUsedUp, NoFreeRow, UsageError):
        while True:
            dealt.append(rows.next(feed, policy))
    return dealt


# Users that loop.


def test_a_user_has_each_nth_row_in_their_order_and_then_the_first_again() -> None:
    assert taken(OwnRows(1, 3), feed_of(8), CYCLE, 5) == [1, 4, 7, 1, 4]


def test_with_stop_there_is_an_end() -> None:
    rows, feed = OwnRows(2, 3), feed_of(8)
    assert taken(rows, feed, STOP, 2) == [2, 5]
    for _ in range(2):
        with pytest.raises(RowsUsedUp, match=r"the 2 rows of users.csv for this user are used up"):
            rows.next(feed, STOP)


def test_chance_draws_from_the_users_own_rows_as_the_seed_says() -> None:
    feed = feed_of(300)
    draws = taken(OwnRows(1, 3, seed=7), feed, RANDOM, 50)
    assert {row % 3 for row in draws} == {1}
    assert draws == taken(OwnRows(1, 3, seed=7), feed, RANDOM, 50)
    assert draws != taken(OwnRows(1, 3, seed=8), feed, RANDOM, 50)


@given(st.integers(1, 40), st.integers(0, 200))
def test_rows_are_somebodys_and_nobody_elses(users: int, more: int) -> None:
    feed = feed_of(users + more)
    dealt = []
    for user in range(users):
        rows = OwnRows(user, users)
        dealt += all_that(rows, feed, STOP)
    assert sorted(dealt) == list(range(users + more))


def test_fewer_rows_than_users_is_refused_for_every_user() -> None:
    for user in range(3):
        with pytest.raises(UsageError, match=r"users.csv has 2 rows, and 3 users each need one of their own"):
            OwnRows(user, 3).next(feed_of(2), CYCLE)


# Arrivals at a rate.


def dealer_of(slots: int, *held: int) -> Dealer:
    dealer = Dealer(slots, seed=1)
    dealer.hold([(0, held)])
    return dealer


def test_a_worker_deals_the_rows_of_its_slots_and_each_is_one_users_until_it_is_given_back() -> None:
    dealer, feed = dealer_of(4, 1, 2), feed_of(9)
    hands = [Hand(dealer) for _ in range(4)]
    assert [hand.next(feed, CYCLE) for hand in hands] == [1, 2, 5, 6]
    with pytest.raises(NoFreeRow, match=r"all 4 rows of users.csv here are in use"):
        Hand(dealer).next(feed, CYCLE)
    hands[2].give_back()
    hands[0].give_back()
    assert [Hand(dealer).next(feed, CYCLE) for _ in range(2)] == [5, 1]


def test_used_up_rows_do_not_come_back() -> None:
    dealer, feed = dealer_of(2, 0), feed_of(3)
    hand = Hand(dealer)
    assert [hand.next(feed, STOP), hand.next(feed, STOP)] == [0, 2]
    hand.give_back()
    with pytest.raises(RowsUsedUp, match=r"the 2 rows of users.csv for this worker are used up"):
        hand.next(feed, STOP)


def test_a_worker_without_any_row_says_so() -> None:
    with pytest.raises(UsageError, match=r"users.csv has 1 row, and none is for this worker"):
        Hand(dealer_of(2, 1)).next(feed_of(1), CYCLE)


def test_what_is_given_away_is_not_dealt_any_more_not_even_when_it_comes_back() -> None:
    dealer, feed = dealer_of(2, 0, 1), feed_of(4)
    hand = Hand(dealer)
    assert [hand.next(feed, CYCLE), hand.next(feed, CYCLE)] == [0, 1]
    dealer.hold([(0, [1])])
    hand.give_back()
    other = Hand(dealer)
    assert [other.next(feed, CYCLE), other.next(feed, CYCLE)] == [3, 1]
    with pytest.raises(NoFreeRow):
        other.next(feed, CYCLE)


def test_what_is_taken_from_a_moment_on_is_dealt_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    now_us = 100
    monkeypatch.setattr(module, "monotonic_us", lambda: now_us)
    dealer, feed = Dealer(2, 1), feed_of(2)
    dealer.hold([(0, [0]), (200, [1])])
    hand = Hand(dealer)
    assert hand.next(feed, CYCLE) == 0
    with pytest.raises(NoFreeRow):
        hand.next(feed, CYCLE)
    now_us = 200
    assert hand.next(feed, CYCLE) == 1


@given(st.randoms(use_true_random=False), st.integers(1, 12), st.integers(1, 40))
def test_whatever_happens_no_two_have_the_same_row(chance: random.Random, slots: int, count: int) -> None:
    workers = 2
    feed = feed_of(count)
    dealers = [dealer_of(slots, *slots_of(((worker, workers),), slots)) for worker in range(workers)]
    hands = [(Hand(dealers[user % workers])) for user in range(8)]
    for _ in range(60):
        hand = chance.choice(hands)
        if hand.rows and chance.random() < 0.4:
            hand.give_back()
        else:
            with suppress(NoFreeRow, UsageError):
                hand.next(feed, chance.choice([CYCLE, RANDOM]))
        out = [row for each in hands for _, row in each.rows]
        assert len(out) == len(set(out))
    for hand in hands:
        hand.give_back()
    free = []
    for dealer in dealers:
        hand = Hand(dealer)
        free += all_that(hand, feed, CYCLE)
    assert sorted(free) == list(range(count))


# What self.feed() answers.


class Shop:
    pass


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    module.open_feed.cache_clear()
    (tmp_path / "users.csv").write_text("id\n0\n1\n2\n")
    return tmp_path


def test_a_user_is_fed_by_its_numbers(here: Path) -> None:
    user = VirtualUser(Numbers(user=1, users=2))
    assert next_row(user, Shop, "users.csv", "cycle") == {"id": "1"}


def test_a_lone_test_skips_when_the_rows_are_used_up(here: Path) -> None:
    user = VirtualUser()
    for _ in range(3):
        next_row(user, Shop, "users.csv", "stop")
    with pytest.raises(unittest.SkipTest, match=r"the 3 rows of users.csv for this user are used up"):
        next_row(user, Shop, "users.csv", "stop")


def test_a_user_of_a_run_ends_in_a_way_that_tests_do_not_catch(here: Path) -> None:
    user = VirtualUser(Numbers(user=0, users=3), new_recorder())
    next_row(user, Shop, "users.csv", "stop")
    with pytest.raises(RowsUsedUp) as caught:
        next_row(user, Shop, "users.csv", "stop")
    assert not isinstance(caught.value, Exception)


def test_there_are_three_policies(here: Path) -> None:
    with pytest.raises(UsageError, match=r"'once' is no policy of a feed") as caught:
        next_row(VirtualUser(), Shop, "users.csv", "once")
    assert caught.value.hint == "there are cycle, stop, random"

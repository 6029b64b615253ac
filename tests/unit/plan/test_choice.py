from __future__ import annotations

from collections import Counter
from math import gcd

from hypothesis import given
from hypothesis import strategies as st

from loads.plan.choice import Deck

weight_lists = st.lists(st.integers(1, 6), min_size=1, max_size=6)
seeds = st.integers(0, 2**63)
user_counts = st.integers(1, 30)


def shares_of(weights: list[int]) -> Counter[int]:
    return Counter({index: weight // gcd(*weights) for index, weight in enumerate(weights)})


def drawn(deck: Deck, users: int, iterations: int) -> Counter[int]:
    """What comes up when each of `users` has run `iterations`."""
    return Counter(deck.pick(slot, iteration, users) for iteration in range(iterations) for slot in range(users))


@given(weight_lists, seeds, st.integers(1, 5), user_counts)
def test_over_whole_decks_weights_are_kept_exactly(weights: list[int], seed: int, passes: int, users: int) -> None:
    """So many iterations of so many users that they are a number of whole decks."""
    deck = Deck(weights, seed)
    picks = drawn(deck, users, passes * len(deck))
    assert picks == Counter({index: cards * passes * users for index, cards in shares_of(weights).items()})


@given(weight_lists, seeds, user_counts, st.integers(0, 20))
def test_however_far_the_users_are_weights_are_kept_within_one_deck(
    weights: list[int], seed: int, users: int, iterations: int
) -> None:
    deck = Deck(weights, seed)
    picks = drawn(deck, users, iterations)
    for index, cards in shares_of(weights).items():
        assert abs(picks[index] - users * iterations * cards / len(deck)) <= cards


@given(weight_lists, seeds)
def test_the_first_pass_of_a_lone_user_runs_every_test(weights: list[int], seed: int) -> None:
    deck = Deck(weights, seed)
    assert drawn(deck, 1, len(deck)) == shares_of(weights)


@given(weight_lists, seeds)
def test_the_first_iteration_of_as_many_users_as_cards_runs_every_test(weights: list[int], seed: int) -> None:
    deck = Deck(weights, seed)
    assert drawn(deck, len(deck), 1) == shares_of(weights)


@given(weight_lists, seeds, user_counts, st.integers(0, 10_000))
def test_the_same_seed_gives_the_same_choice(weights: list[int], seed: int, users: int, iteration: int) -> None:
    """On any worker, and whatever was picked before."""
    used = Deck(weights, seed)
    drawn(used, users, 5)
    assert used.pick(users - 1, iteration, users) == Deck(weights, seed).pick(users - 1, iteration, users)


@given(weight_lists, st.integers(2, 9))
def test_only_the_ratios_of_the_weights_matter(weights: list[int], factor: int) -> None:
    deck, scaled = Deck(weights, 1), Deck([weight * factor for weight in weights], 1)
    assert [scaled.pick(3, n, 4) for n in range(50)] == [deck.pick(3, n, 4) for n in range(50)]


def test_each_pass_is_shuffled_anew() -> None:
    deck = Deck([1] * 20, 7)
    passes = {tuple(deck.pick(0, 20 * number + card, 1) for card in range(20)) for number in range(5)}
    assert len(passes) == 5


def test_another_seed_gives_another_order() -> None:
    orders = {tuple(Deck([1] * 20, seed).pick(0, card, 1) for card in range(20)) for seed in range(5)}
    assert len(orders) == 5


def test_users_that_outnumber_the_tests_still_run_different_ones_at_a_time() -> None:
    """Were each user to walk the deck alone, all would run the same test in the same iteration."""
    deck = Deck([1, 1], 3)
    assert all(drawn(deck, 2, n + 1) - drawn(deck, 2, n) == Counter({0: 1, 1: 1}) for n in range(10))


def test_a_lone_test_is_always_chosen() -> None:
    deck = Deck([10_000], 1)
    assert (len(deck), deck.pick(5, 123_456, 7)) == (1, 0)

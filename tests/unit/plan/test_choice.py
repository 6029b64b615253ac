from __future__ import annotations

from collections import Counter
from math import gcd

from hypothesis import given
from hypothesis import strategies as st

from loads.plan.choice import Deck

weight_lists = st.lists(st.integers(1, 6), min_size=1, max_size=6)
seeds = st.integers(0, 2**63)
slots = st.integers(0, 1_000)


@given(weight_lists, seeds, st.integers(0, 5))
def test_over_whole_decks_weights_are_kept_exactly(weights: list[int], seed: int, passes: int) -> None:
    deck = Deck(weights, seed)
    picks = Counter(deck.pick(0, iteration) for iteration in range(passes * len(deck)))
    shrink = gcd(*weights)
    assert all(picks[index] == passes * weight // shrink for index, weight in enumerate(weights))


@given(weight_lists, seeds, slots, st.integers(0, 200))
def test_over_any_stretch_weights_are_kept_within_one_deck(
    weights: list[int], seed: int, slot: int, iterations: int
) -> None:
    deck = Deck(weights, seed)
    picks = Counter(deck.pick(slot, iteration) for iteration in range(iterations))
    share = Counter({index: weight // gcd(*weights) for index, weight in enumerate(weights)})
    for index, cards in share.items():
        assert abs(picks[index] - iterations * cards / len(deck)) <= 2 * cards


@given(weight_lists, seeds)
def test_the_first_pass_of_one_user_runs_every_test(weights: list[int], seed: int) -> None:
    deck = Deck(weights, seed)
    assert {deck.pick(0, iteration) for iteration in range(len(deck))} == set(range(len(weights)))


@given(weight_lists, seeds)
def test_the_first_iterations_of_as_many_users_as_cards_run_every_test(weights: list[int], seed: int) -> None:
    deck = Deck(weights, seed)
    assert {deck.pick(slot, 0) for slot in range(len(deck))} == set(range(len(weights)))


@given(weight_lists, seeds, slots, st.integers(0, 10_000))
def test_the_same_seed_gives_the_same_choice(weights: list[int], seed: int, slot: int, iteration: int) -> None:
    """On any worker, and whatever was picked before."""
    used = Deck(weights, seed)
    for earlier in range(200):
        used.pick(earlier, earlier)
    assert used.pick(slot, iteration) == Deck(weights, seed).pick(slot, iteration)


@given(weight_lists, st.integers(2, 9))
def test_only_the_ratios_of_the_weights_matter(weights: list[int], factor: int) -> None:
    scaled = Deck([weight * factor for weight in weights], 1)
    assert [scaled.pick(3, n) for n in range(50)] == [Deck(weights, 1).pick(3, n) for n in range(50)]


def test_each_pass_is_shuffled_anew() -> None:
    deck = Deck([1] * 20, 7)
    passes = {tuple(deck.pick(0, 20 * number + card) for card in range(20)) for number in range(5)}
    assert len(passes) == 5


def test_another_seed_gives_another_order() -> None:
    orders = {tuple(Deck([1] * 20, seed).pick(0, card) for card in range(20)) for seed in range(5)}
    assert len(orders) == 5


def test_a_lone_test_is_always_chosen() -> None:
    deck = Deck([10_000], 1)
    assert (len(deck), deck.pick(5, 123_456)) == (1, 0)

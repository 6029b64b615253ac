"""Whole clusters by seeded chance: what is killed, frozen, cut off, full and slow in them, and the laws that hold.

The laws are in `loads.testing.laws`; `python -m loads.testing SEED` tells the story of a seed that breaks one.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import pytest

from loads.testing import Broken, simulate

SECONDS = 20.0
LEAST = 100
LONG = range(100_000, 108_000)


def run_all(seeds: Iterable[int]) -> None:
    """A failure has its seed and what happened with it."""
    for seed in seeds:
        simulate(seed)


def test_the_laws_hold_whatever_happens() -> None:
    """As many schedules as fit: a slow machine does fewer."""
    end_s = time.monotonic() + SECONDS
    done = 0
    while done < LEAST or time.monotonic() < end_s:
        run_all([done])
        done += 1
        if time.monotonic() > end_s + SECONDS / 4:
            break
    assert done


@pytest.mark.long
def test_the_laws_hold_in_thousands_of_schedules() -> None:
    run_all(LONG)


@pytest.mark.parametrize("seed", [3, 40])
def test_a_seed_gives_the_same_story_each_time(seed: int) -> None:
    stories = [simulate(seed).world.story() for _ in range(2)]
    assert stories[0] == stories[1]


def test_a_broken_law_is_an_assertion() -> None:
    assert issubclass(Broken, AssertionError)

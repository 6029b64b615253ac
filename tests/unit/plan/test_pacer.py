"""When iterations start: the law is checked exactly, in fractions; chance with fixed seeds, so that it is none."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import pairwise
from math import exp, sqrt

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.plan.pacer import MOST_RANDOM, Arrivals, Pacer, RateStage
from loads.plan.share import WHOLE, Portion, cut, slots_of
from loads.units import RATE_PER_S, US_PER_S, parse_rate

MOST_CHECKED = 300
rates = st.one_of(
    st.integers(0, 3),
    st.integers(0, 2_000 * RATE_PER_S),
    st.integers(1, 50).map(lambda per_s: per_s * RATE_PER_S),
    st.just(0),
)
lengths_us = st.one_of(st.just(0), st.integers(0, 50), st.integers(0, 20 * US_PER_S))
stages = st.lists(st.builds(RateStage, lengths_us, rates), min_size=1, max_size=6).map(tuple)
nearly_flat = st.builds(
    lambda rate, by, length_us: (RateStage(0, rate), RateStage(length_us, max(0, rate + by))),
    st.integers(1, 2_000 * RATE_PER_S),
    st.integers(-3, 3),
    st.integers(1, 3_600 * US_PER_S),
)
profiles = st.one_of(stages, nearly_flat)


def reached(row: tuple[RateStage, ...], t_us: int) -> Fraction:
    """The integral of the rate until `t_us`, in iterations: trapezoids, from the definition."""
    total, begin_us, before = Fraction(0), 0, 0
    for stage in row:
        spent_us = min(max(t_us - begin_us, 0), stage.duration_us)
        if spent_us:
            now = before + Fraction(stage.rate - before) * spent_us / stage.duration_us
            total += Fraction(before + now) / 2 * spent_us / (RATE_PER_S * US_PER_S)
        begin_us += stage.duration_us
        before = stage.rate
    return total


def flat(per_s: int, seconds: int, seed: int | None = None) -> Pacer:
    return Pacer(Arrivals((RateStage(0, per_s * RATE_PER_S), RateStage(seconds * US_PER_S, per_s * RATE_PER_S)), seed))


def starts(pacer: Pacer) -> list[int]:
    found = [pacer.start_us(n) for n in range(pacer.due)]
    assert None not in found
    return [start_us for start_us in found if start_us is not None]


def sample_of(due: int) -> list[int]:
    """The first, the last and some between."""
    step = max(1, due // MOST_CHECKED)
    return sorted({*range(0, due, step), *range(max(0, due - 3), due)})


# The law of the integral.


@given(profiles)
def test_iteration_n_starts_at_the_first_microsecond_at_which_the_integral_has_reached_n(
    row: tuple[RateStage, ...],
) -> None:
    pacer, end_us = Pacer(Arrivals(row)), sum(stage.duration_us for stage in row)
    for n in sample_of(pacer.due):
        start_us = pacer.start_us(n)
        assert start_us is not None
        assert 0 <= start_us < end_us
        if start_us < end_us - 1:
            assert reached(row, start_us) >= n
        if start_us and reached(row, start_us - 1) >= n:
            assert reached(row, start_us - 1) == n == reached(row, start_us) < reached(row, start_us + 1)


@given(profiles)
def test_what_is_due_is_the_whole_integral_rounded_up(row: tuple[RateStage, ...]) -> None:
    pacer = Pacer(Arrivals(row))
    total = reached(row, sum(stage.duration_us for stage in row))
    assert pacer.due == -(-total.numerator // total.denominator)
    assert pacer.start_us(pacer.due) is None
    assert pacer.start_us(pacer.due + 10**9) is None


@given(profiles, st.one_of(st.none(), st.integers(0, 3)))
def test_no_iteration_starts_before_the_one_before_it(row: tuple[RateStage, ...], seed: int | None) -> None:
    pacer = Pacer(Arrivals(row, seed))
    some = [pacer.start_us(n) or 0 for n in sample_of(pacer.due)]
    assert some == sorted(some)
    assert all(0 <= start_us < pacer.arrivals.duration_us for start_us in some)


@given(profiles, st.integers(0, 70 * US_PER_S), st.one_of(st.none(), st.integers(0, 3)))
def test_the_first_iteration_from_a_time_on(row: tuple[RateStage, ...], t_us: int, seed: int | None) -> None:
    pacer = Pacer(Arrivals(row, seed))
    first = pacer.first_from(t_us)
    assert 0 <= first <= pacer.due
    before, at = pacer.start_us(first - 1) if first else None, pacer.start_us(first)
    assert before is None or before < t_us
    assert at is None or at >= t_us


@given(st.lists(st.builds(RateStage, lengths_us, st.just(0)), min_size=1, max_size=3).map(tuple))
def test_a_rate_that_is_always_zero_starts_nothing(row: tuple[RateStage, ...]) -> None:
    pacer = Pacer(Arrivals(row))
    assert (pacer.due, pacer.start_us(0), pacer.first_from(0)) == (0, None, 0)


def test_a_flat_rate_starts_at_equal_distances() -> None:
    assert starts(flat(500, 2)) == [n * 2_000 for n in range(1_000)]


def test_a_rate_that_is_no_whole_number_of_microseconds_does_not_drift() -> None:
    assert starts(flat(7, 100)) == [-(-n * US_PER_S // 7) for n in range(700)]


def test_a_ramp_from_zero_follows_the_law_of_the_square_root() -> None:
    """0 -> 100/s in 60 s: half of 100 x 60, iteration n at 60 s x sqrt(n / 3,000)."""
    pacer = Pacer(Arrivals((RateStage(60 * US_PER_S, 100 * RATE_PER_S),)))
    assert pacer.due == 3_000
    for n, start_us in enumerate(starts(pacer)):
        assert start_us == pytest.approx(60 * US_PER_S * sqrt(n / 3_000), abs=1)


def test_a_ramp_to_zero_is_that_ramp_backwards() -> None:
    up = starts(Pacer(Arrivals((RateStage(60 * US_PER_S, 100 * RATE_PER_S),))))
    down = starts(Pacer(Arrivals((RateStage(0, 100 * RATE_PER_S), RateStage(60 * US_PER_S, 0)))))
    assert len(down) == 3_000
    mirrored = [60 * US_PER_S - start_us for start_us in reversed(down)]
    assert all(abs(one - other) <= 1 for one, other in zip(up[1:], mirrored, strict=False))


def test_a_stage_of_no_length_jumps() -> None:
    row = (RateStage(0, RATE_PER_S), RateStage(2 * US_PER_S, RATE_PER_S), RateStage(0, 4 * RATE_PER_S))
    pacer = Pacer(Arrivals((*row, RateStage(US_PER_S, 4 * RATE_PER_S))))
    assert starts(pacer) == [0, 1_000_000, 2_000_000, 2_250_000, 2_500_000, 2_750_000]


def test_nothing_starts_while_the_rate_is_zero() -> None:
    """Also not the iteration at which the integral stands still meanwhile."""
    off = (RateStage(0, 0), RateStage(5 * US_PER_S, 0))
    on = (RateStage(0, RATE_PER_S), RateStage(2 * US_PER_S, RATE_PER_S))
    assert starts(Pacer(Arrivals((*off, *on, *off, *on)))) == [5_000_000, 6_000_000, 12_000_000, 13_000_000]


def test_what_is_reached_within_the_last_microsecond_starts_before_the_end() -> None:
    """0.3333334/s for 3 s are 1.0000002 iterations: due is due, and 2.9999994 s is not the end."""
    rate = parse_rate("0.3333334/s")
    pacer = Pacer(Arrivals((RateStage(0, rate), RateStage(3 * US_PER_S, rate))))
    assert starts(pacer) == [0, 2_999_999]


def test_the_smallest_slope_keeps_all_digits() -> None:
    """A millionth of an iteration per hour more, over a day, at 10,000/s: the textbook's root divides by that."""
    rate, day_us = 10_000 * RATE_PER_S, 86_400 * US_PER_S
    level = Pacer(Arrivals((RateStage(0, rate), RateStage(day_us, rate))))
    for by in (1, -1):
        tilted = Pacer(Arrivals((RateStage(0, rate), RateStage(day_us, rate + by))))
        for n in range(0, 864_000_000, 86_400_001):
            assert tilted.start_us(n) == pytest.approx(level.start_us(n), abs=1)
    assert level.due == 864_000_000
    assert level.start_us(863_999_999) == day_us - 100
    assert level.first_from(day_us // 2) == 432_000_000


def test_the_highest_rate_for_a_year_is_still_exact() -> None:
    rate, year_us = parse_rate("10000000/s"), 366 * 86_400 * US_PER_S
    pacer = Pacer(Arrivals((RateStage(year_us, rate),)))
    for n in (1, 10**9, pacer.due - 1_000):
        start_us = pacer.start_us(n)
        assert start_us is not None
        assert reached(pacer.arrivals.stages, start_us) >= n > reached(pacer.arrivals.stages, start_us - 1)


def test_profiles_reach_the_workers_as_they_are() -> None:
    arrivals = Arrivals((RateStage(0, parse_rate("10000000/s")), RateStage(5, 1)), 7)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(arrivals), type=Arrivals) == arrivals
    assert arrivals.peak == parse_rate("10000000/s")


def test_a_pacer_tells_what_it_is() -> None:
    assert repr(flat(500, 2)) == "<Pacer 1,000 regular starts in 2,000,000 us>"
    assert "random starts" in repr(flat(500, 2, seed=1))


# Split over slots and workers.


@given(profiles, st.one_of(st.none(), st.integers(0, 3)), st.integers(1, 40), st.lists(st.integers(1, 4), max_size=3))
def test_any_split_of_the_slots_gives_the_same_starts_and_none_twice(
    row: tuple[RateStage, ...], seed: int | None, slots: int, levels: list[int]
) -> None:
    """Agents hold portions, workers parts of them, who takes over a lost one a part of that: n is slot n mod slots."""
    pacer = Pacer(Arrivals(row, seed))
    portions: list[Portion] = [WHOLE]
    for parts in levels:
        portions = [*cut(portions[0], parts), *portions[1:]]
    due = min(pacer.due, MOST_CHECKED)
    mine = [
        [(n, pacer.start_us(n)) for slot in slots_of(portion, slots) for n in range(slot, due, slots)]
        for portion in portions
    ]
    assert sorted(each for part in mine for each in part) == [(n, pacer.start_us(n)) for n in range(due)]


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_shares_are_in_proportion_to_slots(workers: int) -> None:
    shares = [slots_of(((worker, workers),), 10) for worker in range(workers)]
    counts = [sum(n % 10 in share for n in range(1_000)) for share in shares]
    assert counts == [100 * len(share) for share in shares]


# Random arrivals: seeds are fixed, so each of these passes always or never.


def test_the_same_seed_has_the_same_starts_and_another_has_others() -> None:
    assert starts(flat(100, 60, seed=5)) == starts(flat(100, 60, seed=5))
    assert starts(flat(100, 60, seed=5)) != starts(flat(100, 60, seed=6))
    assert flat(100, 60, seed=5).due != flat(100, 60, seed=6).due


def test_starts_of_a_seed_are_the_same_on_every_machine_and_in_every_version() -> None:
    """Agents of one cluster may have different Pythons: golden values."""
    pacer = flat(1_000, 10, seed=42)
    assert [pacer.due, *(pacer.start_us(n) for n in (0, 1, 5_000, 9_000))] == [
        9_817,
        2_150,
        2_327,
        5_094_971,
        9_152_613,
    ]


def test_an_iteration_is_found_without_those_before_it() -> None:
    one, other = flat(1_000, 60, seed=3), flat(1_000, 60, seed=3)
    forth = [one.start_us(n) for n in range(one.due)]
    back = [other.start_us(n) for n in reversed(range(other.due))]
    assert forth == back[::-1]


@pytest.mark.parametrize("per_s", [5, 50, 500])
def test_counts_per_second_have_mean_and_variance_of_the_rate(per_s: int) -> None:
    """Of a Poisson variable both are the rate. The index of dispersion times (n - 1) is chi-square with n - 1 degrees
    of freedom: near normal for so many, so within four standard deviations.
    """
    seconds = 2_000
    counts = Counter(start_us // US_PER_S for start_us in starts(flat(per_s, seconds, seed=1)))
    row = [counts[second] for second in range(seconds)]
    mean = sum(row) / seconds
    assert abs(mean - per_s) <= 4 * sqrt(per_s / seconds)
    chi_square = sum((count - mean) ** 2 for count in row) / mean
    assert abs(chi_square - (seconds - 1)) <= 4 * sqrt(2 * (seconds - 1))


@pytest.mark.parametrize("per_s", [5, 500])
def test_times_between_random_starts_are_exponential(per_s: int) -> None:
    """Kolmogorov and Smirnov's distance to 1 - exp(-rate t); 1.95 / sqrt(n) is exceeded once in a thousand times."""
    found = starts(flat(per_s, 20_000 // per_s, seed=2))
    gaps = sorted(after - before for before, after in pairwise(found))
    expected = [1 - exp(-per_s * (gap_us + 0.5) / US_PER_S) for gap_us in gaps]
    distance = max(
        max(abs(value - n / len(gaps)), abs(value - (n + 1) / len(gaps))) for n, value in enumerate(expected)
    )
    assert distance <= 1.95 / sqrt(len(gaps)) + per_s / US_PER_S


def test_random_starts_follow_a_ramp() -> None:
    """0 -> 100/s in 60 s, and back in 60 s: tenths of the time against their parts of the integral, by chi-square with
    20 degrees of freedom (45.3: once in a thousand times).
    """
    row = (RateStage(60 * US_PER_S, 100 * RATE_PER_S), RateStage(60 * US_PER_S, 0))
    found = Counter(start_us // (6 * US_PER_S) for start_us in starts(Pacer(Arrivals(row, 9))))
    parts = [float(reached(row, (k + 1) * 6 * US_PER_S) - reached(row, k * 6 * US_PER_S)) for k in range(20)]
    assert sum((found[k] - part) ** 2 / part for k, part in enumerate(parts)) <= 45.3


def test_random_starts_leave_a_rate_of_zero_alone() -> None:
    row = (RateStage(0, 50 * RATE_PER_S), RateStage(10 * US_PER_S, 50 * RATE_PER_S), RateStage(0, 0))
    found = starts(Pacer(Arrivals((*row, RateStage(10 * US_PER_S, 0), *row), 4)))
    assert not [start_us for start_us in found if 10 * US_PER_S <= start_us < 20 * US_PER_S]
    assert [start_us for start_us in found if start_us >= 20 * US_PER_S]


def test_the_number_of_random_starts_is_random_itself() -> None:
    """Over 400 seeds of 25 expected ones: mean and variance as Poisson has them, within four standard deviations."""
    counts = [flat(5, 5, seed).due for seed in range(400)]
    mean = sum(counts) / 400
    variance = sum((count - mean) ** 2 for count in counts) / 399
    assert abs(mean - 25) <= 4 * sqrt(25 / 400)
    assert abs(variance - 25) <= 4 * 25 * sqrt(2 / 399)


def test_a_day_of_random_starts_at_10000_per_second_is_there_in_a_moment() -> None:
    pacer = flat(10_000, 86_400, seed=8)
    assert abs(pacer.due - 864_000_000) <= 4 * sqrt(864_000_000)
    assert pacer.due < MOST_RANDOM
    first = pacer.first_from(43_200 * US_PER_S)
    assert abs(first - 432_000_000) <= 4 * sqrt(432_000_000)

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from loads.plan.profile import Profile, Stage

stages = st.builds(Stage, st.one_of(st.just(0), st.integers(0, 60)), st.integers(0, 8))
profiles = st.lists(stages, min_size=1, max_size=6).map(Profile)
SLOTS = range(9)


def all_windows(profile: Profile) -> list[tuple[int, int]]:
    return [window for slot in SLOTS for window in profile.windows(slot)]


@given(profiles)
def test_users_at_any_time_are_the_slots_whose_windows_hold_it(profile: Profile) -> None:
    windows = all_windows(profile)
    for t_us in range(-1, profile.duration_us + 2):
        assert profile.users_at(t_us) == sum(begin_us <= t_us < end_us for begin_us, end_us in windows)


@given(profiles)
def test_windows_lie_in_the_profile_in_order_and_none_is_empty(profile: Profile) -> None:
    for slot in SLOTS:
        edges = [edge for window in profile.windows(slot) for edge in window]
        assert all(begin_us < end_us for begin_us, end_us in profile.windows(slot))
        assert edges == sorted(edges)
        assert all(0 <= edge <= profile.duration_us for edge in edges)


@given(profiles)
def test_a_lower_slot_runs_whenever_a_higher_one_does(profile: Profile) -> None:
    for t_us in range(profile.duration_us):
        runs = [any(begin_us <= t_us < end_us for begin_us, end_us in profile.windows(slot)) for slot in SLOTS]
        assert runs == sorted(runs, reverse=True)


@given(st.lists(st.builds(Stage, st.integers(0, 40), st.integers(0, 8)), min_size=1, max_size=4))
def test_a_profile_that_only_rises_never_loses_a_user(rising: list[Stage]) -> None:
    rising = [
        Stage(stage.duration_us, users) for stage, users in zip(rising, sorted(s.users for s in rising), strict=True)
    ]
    profile = Profile(rising)
    levels = [profile.users_at(t_us) for t_us in range(profile.duration_us)]
    assert levels == sorted(levels)
    assert all(len(list(profile.windows(slot))) <= 1 for slot in SLOTS)


@given(st.integers(0, 50), st.integers(0, 8), st.integers(1, 50), st.integers(0, 8))
def test_between_two_levels_users_stay_between_them(rise_us: int, low: int, line_us: int, high: int) -> None:
    profile = Profile([Stage(rise_us, low), Stage(line_us, high)])
    levels = [profile.users_at(t_us) for t_us in range(rise_us, rise_us + line_us)]
    assert all(min(low, high) <= level <= max(low, high) for level in levels)
    assert all((later - earlier) * (high - low) >= 0 for earlier, later in pairwise(levels))


@given(profiles)
def test_the_windows_add_up_to_the_area_under_the_line(profile: Profile) -> None:
    area = sum(profile.users_at(t_us) for t_us in range(profile.duration_us))
    assert sum(end_us - begin_us for begin_us, end_us in all_windows(profile)) == area


@given(st.lists(stages, max_size=6))
def test_it_lasts_as_long_as_its_stages_together(row: list[Stage]) -> None:
    assert Profile(row).duration_us == sum(stage.duration_us for stage in row)


def test_a_ramp_starts_its_users_one_after_the_other() -> None:
    profile = Profile([Stage(100, 4), Stage(50, 4)])
    assert [list(profile.windows(slot)) for slot in range(5)] == [[(0, 150)], [(25, 150)], [(50, 150)], [(75, 150)], []]


def test_on_the_way_down_the_last_user_to_start_is_the_first_to_stop() -> None:
    profile = Profile([Stage(0, 4), Stage(100, 0)])
    assert [list(profile.windows(slot)) for slot in range(4)] == [[(0, 100)], [(0, 75)], [(0, 50)], [(0, 25)]]


def test_a_stage_of_no_length_jumps() -> None:
    profile = Profile([Stage(0, 3), Stage(10, 3), Stage(0, 1), Stage(10, 1)])
    assert [profile.users_at(t_us) for t_us in (0, 9, 10, 19, 20)] == [3, 3, 1, 1, 0]


def test_a_user_comes_back_when_the_level_rises_again() -> None:
    profile = Profile([Stage(0, 1), Stage(10, 1), Stage(0, 0), Stage(10, 0), Stage(0, 1), Stage(10, 1)])
    assert list(profile.windows(0)) == [(0, 10), (20, 30)]


def test_a_level_that_lasts_no_time_runs_nobody() -> None:
    profile = Profile([Stage(0, 5), Stage(0, 2), Stage(10, 2)])
    assert list(profile.windows(4)) == []
    assert list(profile.windows(1)) == [(0, 10)]


def test_a_ramp_over_a_day_keeps_its_microseconds() -> None:
    day_us = 86_400_000_000
    profile = Profile([Stage(day_us, 7)])
    assert list(profile.windows(3)) == [(3 * day_us // 7, day_us)]


def test_windows_that_touch_are_one() -> None:
    assert list(Profile([Stage(0, 5), Stage(10, 0), Stage(0, 5), Stage(10, 5)]).windows(0)) == [(0, 20)]

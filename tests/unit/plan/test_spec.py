from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.errors import UsageError
from loads.plan.load import DEFAULT_GRACEFUL_STOP_US, LoadOptions, find_problems
from loads.plan.pacer import Arrivals, RateStage
from loads.plan.profile import Stage
from loads.plan.spec import Phase, Plan, build_plan, pacer_of, parse_count, parse_cycle, parse_stages
from loads.units import RATE_PER_S, US_PER_S

counts = st.lists(st.integers(1, 50), min_size=1, max_size=4).map(tuple)
maybe_times_us = st.one_of(st.none(), st.integers(0, 100))
stages = st.lists(st.builds(Stage, st.integers(0, 30), st.integers(0, 9)), min_size=1, max_size=4).map(tuple)
options = st.builds(
    LoadOptions,
    users=st.one_of(st.none(), counts),
    hits=st.one_of(st.none(), counts),
    duration_us=maybe_times_us,
    ramp_up_us=maybe_times_us,
    stages=st.one_of(st.none(), st.none(), stages),
)


def plan_for(scenarios: int = 1, **given_options: Any) -> Plan:
    return build_plan(LoadOptions(**given_options), scenarios)


def problems_of(**given_options: Any) -> list[str]:
    return [problem.message for problem in find_problems(LoadOptions(**given_options))]


def arriving(*steps: tuple[int, int], seed: int | None = None) -> Arrivals:
    """Steps of seconds and rates per second."""
    return Arrivals(tuple(RateStage(seconds * US_PER_S, per_s * RATE_PER_S) for seconds, per_s in steps), seed)


ARRIVALS = pacer_of(arriving((0, 5), (60, 5), seed=1)).due


def test_without_a_word_about_the_load_each_test_runs_once() -> None:
    plan = plan_for(scenarios=3)
    assert (plan.phases, plan.each_once, plan.due) == ((Phase(1, hits=3),), True, 3)


def test_each_value_of_users_runs_each_value_of_hits_in_turn() -> None:
    plan = plan_for(users=(10, 20), hits=(5, 1))
    assert [(phase.users, phase.hits) for phase in plan.phases] == [(10, 5), (10, 1), (20, 5), (20, 1)]
    assert (plan.due, plan.max_users, plan.each_once) == (180, 20, False)


def test_the_cycle_of_the_talk_is_1200_iterations() -> None:
    assert plan_for(users=parse_cycle("10:20:30"), hits=parse_cycle("20")).due == 1_200


@given(counts, counts)
def test_what_is_due_is_the_sum_of_all_products(users: tuple[int, ...], hits: tuple[int, ...]) -> None:
    assert plan_for(users=users, hits=hits).due == sum(users) * sum(hits)


def test_users_alone_run_one_iteration_each_however_many_tests_there_are() -> None:
    plan = plan_for(scenarios=7, users=(4,))
    assert (plan.due, plan.each_once) == (4, False)


def test_with_a_duration_every_users_value_has_that_long() -> None:
    plan = plan_for(users=(2, 3), duration_us=60)
    assert [(phase.users, phase.duration_us) for phase in plan.phases] == [(2, 60), (3, 60)]
    assert (plan.duration_us, plan.due, plan.phases[0].due) == (120, None, None)


def test_with_a_duration_the_ramp_is_a_part_of_it() -> None:
    (phase,) = plan_for(users=(4,), duration_us=100, ramp_up_us=40).phases
    assert phase.duration_us == 100
    assert [phase.windows(slot) for slot in range(4)] == [[(0, 100)], [(10, 100)], [(20, 100)], [(30, 100)]]


def test_with_hits_the_ramp_delays_each_users_start() -> None:
    (phase,) = plan_for(users=(4,), hits=(2,), ramp_up_us=100).phases
    assert [phase.windows(slot) for slot in range(4)] == [[(0, None)], [(25, None)], [(50, None)], [(75, None)]]
    assert phase.duration_us is None


def test_stages_are_one_phase_with_as_many_slots_as_their_peak() -> None:
    plan = plan_for(stages=(Stage(10, 5), Stage(10, 9), Stage(10, 0)))
    assert (plan.max_users, plan.duration_us, len(plan.phases)) == (9, 30, 1)


def test_iterations_in_flight_get_the_grace_that_was_asked_for() -> None:
    assert plan_for().graceful_stop_us == DEFAULT_GRACEFUL_STOP_US == 30 * US_PER_S
    for asked in ({}, {"duration_us": 5}, {"stages": (Stage(5, 1),)}, {"hits": (5,)}):
        assert plan_for(graceful_stop_us=0, **asked).graceful_stop_us == 0


@given(options)
def test_options_are_either_a_plan_or_told_what_is_wrong(asked: LoadOptions) -> None:
    """Never anything else, and never a plan out of options that have a problem."""
    if list(find_problems(asked)):
        with pytest.raises(UsageError):
            build_plan(asked, 2)
        return
    plan = build_plan(asked, 2)
    assert plan.max_users >= 1
    assert all((phase.hits is None) != (not phase.stages) for phase in plan.phases)
    assert (plan.due is None) != (plan.duration_us is None)


@given(options.filter(lambda asked: not list(find_problems(asked))), st.integers(1, 5))
def test_a_plan_reaches_the_workers_as_it_is(asked: LoadOptions, scenarios: int) -> None:
    plan = build_plan(asked, scenarios)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(plan), type=Plan) == plan


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"hits": (1,), "duration_us": 5}, "--hits and --duration exclude each other"),
        ({"stages": (Stage(5, 1),), "users": (1,)}, "--stages and --users exclude each other"),
        ({"stages": (Stage(5, 1),), "hits": (1,)}, "--stages and --hits exclude each other"),
        ({"stages": (Stage(5, 1),), "duration_us": 1}, "--stages and --duration exclude each other"),
        ({"stages": (Stage(5, 1),), "ramp_up_us": 0}, "--stages and --ramp-up exclude each other"),
        ({"stages": (Stage(0, 1),)}, "--stages last no time"),
        ({"stages": (Stage(5, 0),)}, "--stages never have a user"),
        ({"duration_us": 0}, "--duration is zero"),
        ({"duration_us": 5, "ramp_up_us": 6}, "--ramp-up is longer than --duration"),
    ],
)
def test_what_makes_no_sense_is_said(asked: dict[str, Any], problem: str) -> None:
    assert problems_of(**asked) == [problem]


def test_all_problems_are_told_at_once_each_with_a_hint() -> None:
    with pytest.raises(UsageError) as caught:
        plan_for(users=(1,), hits=(2,), duration_us=0, stages=(Stage(0, 0),))
    assert caught.value.message == "7 problems"
    lines = caught.value.hint.splitlines()
    assert len(lines) == 7
    assert all(line.startswith("- --") and line.endswith(")") for line in lines)


@pytest.mark.parametrize(("text", "values"), [("7", (7,)), ("10:20:30", (10, 20, 30)), ("10000000", (10_000_000,))])
def test_a_cycle_is_numbers_between_colons(text: str, values: tuple[int, ...]) -> None:
    assert parse_cycle(text) == values


@given(counts)
def test_a_cycle_is_read_as_it_is_written(values: tuple[int, ...]) -> None:
    assert parse_cycle(":".join(map(str, values))) == values


@pytest.mark.parametrize("text", ["", "abc", "0", "-1", "1:", ":1", "1:0", "1.5", " 1", "1_000", "10000001", "²", "٣"])
def test_a_cycle_of_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"is not a whole number from 1 to 10,000,000") as caught:
        parse_cycle(text)
    assert repr(text) in caught.value.message
    assert caught.value.hint == "like 200, or 10:20:30 for three rounds"


def test_problems_use_the_names_that_the_user_wrote() -> None:
    asked = LoadOptions(hits=(1,), duration_us=5)
    [problem] = find_problems(asked, "LOADS_{}".format)
    assert problem.message == "LOADS_hits and LOADS_duration exclude each other"


def test_stages_are_durations_with_users() -> None:
    assert parse_stages("30s:50, 1m:200,20:0") == (
        Stage(30 * US_PER_S, 50),
        Stage(60 * US_PER_S, 200),
        Stage(20 * US_PER_S, 0),
    )


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10_000_000)), min_size=1, max_size=5))
def test_stages_are_read_as_they_are_written(row: list[tuple[int, int]]) -> None:
    text = ",".join(f"{duration_us}us:{users}" for duration_us, users in row)
    assert parse_stages(text) == tuple(Stage(*pair) for pair in row)


@pytest.mark.parametrize("text", ["", "30s", "30s:", "30s:-1", "30s:x", "30s:5,", "30s:10000001", "30s:5:6", "x:5"])
def test_stages_of_anything_else_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_stages(text)


@pytest.mark.parametrize(
    ("phase", "words"),
    [
        (Phase(1, hits=1), "1 user x 1 iteration = 1"),
        (Phase(200, hits=50), "200 users x 50 iterations = 10,000"),
        (Phase(4, hits=2, ramp_up_us=10 * US_PER_S), "4 users x 2 iterations = 8, started over 10s"),
        (Phase(50, stages=(Stage(0, 50), Stage(90 * US_PER_S, 50))), "50 users for 1m30s"),
        (Phase(4, hits=2, pacing_us=5 * US_PER_S), "4 users x 2 iterations = 8, one iteration every 5s each"),
        (
            Phase(50, stages=(Stage(0, 50), Stage(90 * US_PER_S, 50)), pacing_us=5 * US_PER_S),
            "50 users for 1m30s, one iteration every 5s each = 900",
        ),
        (
            Phase(700, arrivals=arriving((0, 500), (60, 500))),
            "30,000 iterations, 500/s for 1m, by up to 700 users",
        ),
        (Phase(1, arrivals=arriving((0, 1), (1, 1))), "1 iteration, 1/s for 1s, by up to 1 user"),
        (
            Phase(9, arrivals=arriving((30, 100), (60, 100), (0, 0), (10, 0), (0, 50), (10, 0))),
            "7,750 iterations, ramp to 100/s over 30s, 100/s for 1m, jump to 0/s, nothing for 10s, jump to 50/s, "
            "ramp to 0/s over 10s, by up to 9 users",
        ),
        (
            Phase(9, arrivals=arriving((0, 5), (60, 5), seed=1)),
            f"{ARRIVALS} iterations at random times, 5/s for 1m, by up to 9 users",
        ),
        (
            Phase(9, stages=(Stage(10 * US_PER_S, 9), Stage(0, 3), Stage(5 * US_PER_S, 0))),
            "up to 9 users: ramp to 9 over 10s, jump to 3, ramp to 0 over 5s",
        ),
    ],
)
def test_a_phase_tells_what_it_will_do(phase: Phase, words: str) -> None:
    assert phase.describe() == words


def test_two_stages_of_different_levels_are_no_flat_load() -> None:
    assert "ramp to 9 over 1m" in Phase(9, stages=(Stage(0, 5), Stage(60 * US_PER_S, 9))).describe()


# Iterations that arrive, or have their own pace.


def test_a_rate_is_one_phase_whose_slots_are_the_most_users() -> None:
    plan = plan_for(arrival_rate=500 * RATE_PER_S, duration_us=60 * US_PER_S, max_users=40)
    assert plan.phases == (Phase(40, arrivals=arriving((0, 500), (60, 500))),)
    assert (plan.due, plan.duration_us, plan.max_users) == (30_000, 60 * US_PER_S, 40)
    assert (plan.is_open, plan.has_starts, plan.each_once) == (True, True, False)


@pytest.mark.parametrize(("room", "slots"), [(10_000, 600), (100, 100)])
def test_where_nobody_says_there_is_a_user_for_each_iteration_or_as_many_as_have_room(room: int, slots: int) -> None:
    plan = build_plan(LoadOptions(arrival_rate=10 * RATE_PER_S, duration_us=60 * US_PER_S), 1, room=room)
    assert plan.max_users == slots


def test_a_ramp_of_the_rate_is_a_part_of_the_duration_and_starts_from_zero() -> None:
    plan = plan_for(arrival_rate=100 * RATE_PER_S, duration_us=60 * US_PER_S, ramp_up_us=20 * US_PER_S)
    assert plan.phases[0].arrivals == arriving((20, 100), (40, 100))
    assert plan.due == 1_000 + 4_000


def test_random_arrivals_have_the_seed_of_the_run() -> None:
    asked = LoadOptions(arrival_rate=RATE_PER_S, duration_us=60 * US_PER_S, poisson=True)
    assert [build_plan(asked, 1, seed=seed).phases[0].arrivals.seed for seed in (1, 2)] == [1, 2]
    assert plan_for(arrival_rate=RATE_PER_S, duration_us=US_PER_S).phases[0].arrivals.seed is None


@given(
    st.integers(1, 30),
    st.lists(st.builds(Stage, st.integers(0, 300), st.integers(0, 30)), min_size=1, max_size=4).map(tuple),
    st.integers(1, 400),
)
def test_paced_iterations_are_due_in_each_window_as_often_as_they_begin_in_it(
    users: int, row: tuple[Stage, ...], pacing_us: int
) -> None:
    phase = Phase(users, stages=row, pacing_us=pacing_us)
    begins = [
        begin_us
        for slot in range(users)
        for window_us, end_us in phase.windows(slot)
        for begin_us in range(window_us, end_us or 0, pacing_us)
    ]
    assert phase.due == len(begins)


def test_users_that_are_alike_are_not_counted_one_by_one() -> None:
    flat = Phase(10_000_000, stages=(Stage(0, 10_000_000), Stage(60 * US_PER_S, 10_000_000)), pacing_us=7 * US_PER_S)
    assert flat.due == 90_000_000


def test_what_iterations_decide_has_no_due_of_time() -> None:
    plan = plan_for(users=(3,), hits=(4,), pacing_us=US_PER_S)
    assert (plan.due, plan.duration_us, plan.has_starts, plan.is_open) == (12, None, True, False)


def test_stages_of_rates() -> None:
    assert parse_stages("30s:100/s, 1m:30/m,0s:0/s") == (
        RateStage(30 * US_PER_S, 100 * RATE_PER_S),
        RateStage(60 * US_PER_S, RATE_PER_S // 2),
        RateStage(0, 0),
    )


@pytest.mark.parametrize("text", ["30s:100/s,1m:50", "30s:100/s,", "30s:/s", "30s:x/s", "30s/s", "x:5/s", "5s:-1/s"])
def test_users_and_rates_do_not_mix(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_stages(text)
    assert caught.value.hint


@pytest.mark.parametrize("text", ["0", "-1", "", "1:2", "x", "10000001", "٣"])
def test_a_count_is_a_number_above_zero(text: str) -> None:
    with pytest.raises(UsageError, match="is not a whole number"):
        parse_count(text)

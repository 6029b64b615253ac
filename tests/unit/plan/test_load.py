"""Which loads make sense. Each combination that makes none is one problem, and all of them are told at once."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.plan.load import LoadOptions, find_problems, times
from loads.plan.pacer import MOST_RANDOM, RateStage
from loads.plan.profile import Stage
from loads.plan.spec import Plan, build_plan
from loads.units import HIGHEST_RATE, RATE_PER_S, US_PER_S

SECOND = US_PER_S
RATE = 100 * RATE_PER_S
RATES = (RateStage(SECOND, RATE),)
USERS = (Stage(SECOND, 5),)
counts = st.lists(st.integers(1, 50), min_size=1, max_size=3).map(tuple)
maybe = st.one_of(st.none(), st.integers(0, 5 * SECOND))
rate_stages = st.lists(st.builds(RateStage, st.integers(0, SECOND), st.integers(0, RATE)), min_size=1, max_size=3)
user_stages = st.lists(st.builds(Stage, st.integers(0, SECOND), st.integers(0, 9)), min_size=1, max_size=3)
any_load = st.builds(
    LoadOptions,
    users=st.one_of(st.none(), st.none(), counts),
    hits=st.one_of(st.none(), st.none(), counts),
    duration_us=maybe,
    ramp_up_us=maybe,
    stages=st.one_of(st.none(), st.none(), user_stages.map(tuple)),
    arrival_rate=st.one_of(st.none(), st.integers(0, RATE)),
    rates=st.one_of(st.none(), st.none(), rate_stages.map(tuple)),
    poisson=st.booleans(),
    max_users=st.one_of(st.none(), st.integers(1, 50)),
    pacing_us=st.one_of(st.none(), st.none(), st.integers(0, SECOND)),
)
beside = {"think_time_us", "warm_up_us"}


def problems_of(**said: Any) -> list[str]:
    load = LoadOptions(**{name: value for name, value in said.items() if name not in beside})
    found = find_problems(load, **{name: value for name, value in said.items() if name in beside})
    assert all(problem.hint for problem in found)
    return [problem.message for problem in found]


@pytest.mark.parametrize(
    "said",
    [
        {"arrival_rate": RATE, "duration_us": SECOND},
        {"arrival_rate": RATE, "duration_us": SECOND, "ramp_up_us": SECOND},
        {"arrival_rate": RATE, "duration_us": SECOND, "poisson": True, "max_users": 1},
        {"rates": RATES},
        {"rates": RATES, "max_users": 5, "poisson": True},
        {"rates": (RateStage(0, RATE), RateStage(SECOND, 0))},
        {"pacing_us": SECOND},
        {"pacing_us": SECOND, "users": (5, 6), "hits": (2,)},
        {"pacing_us": SECOND, "stages": USERS},
        {"arrival_rate": RATE, "duration_us": SECOND, "think_time_us": (0, 0)},
        {"users": (5,), "duration_us": SECOND, "think_time_us": (1, 2), "warm_up_us": 0},
        {"duration_us": SECOND + 1, "warm_up_us": SECOND - 1},
        {"users": (5, 5), "duration_us": SECOND, "warm_up_us": SECOND},
        {"users": (5,), "hits": (3,), "warm_up_us": 99 * SECOND},
    ],
)
def test_what_makes_sense_has_no_problem(said: dict[str, Any]) -> None:
    assert problems_of(**said) == []


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"arrival_rate": RATE}, "--arrival-rate has no end"),
        ({"arrival_rate": RATE, "ramp_up_us": 5}, "--arrival-rate has no end"),
        ({"arrival_rate": 0, "duration_us": SECOND}, "--arrival-rate is zero"),
        ({"arrival_rate": RATE, "duration_us": 0}, "--duration is zero"),
        ({"arrival_rate": RATE, "duration_us": 5, "ramp_up_us": 6}, "--ramp-up is longer than --duration"),
        (
            {"arrival_rate": RATE, "duration_us": 5, "users": (3,)},
            "--arrival-rate and --users exclude each other",
        ),
        ({"arrival_rate": RATE, "duration_us": 5, "hits": (3,)}, "--arrival-rate and --hits exclude each other"),
        ({"arrival_rate": RATE, "duration_us": 5, "pacing_us": 3}, "--arrival-rate and --pacing exclude each other"),
        ({"arrival_rate": RATE, "rates": RATES}, "--arrival-rate and --stages exclude each other"),
        ({"arrival_rate": RATE, "stages": USERS}, "--arrival-rate and --stages exclude each other"),
        ({"rates": RATES, "users": (3,)}, "--stages and --users exclude each other"),
        ({"rates": RATES, "duration_us": 5}, "--stages and --duration exclude each other"),
        ({"rates": RATES, "ramp_up_us": 5}, "--stages and --ramp-up exclude each other"),
        ({"rates": RATES, "pacing_us": 5}, "--stages and --pacing exclude each other"),
        ({"rates": RATES, "stages": USERS}, "--stages hold users and rates"),
        ({"rates": (RateStage(0, RATE),)}, "--stages last no time"),
        ({"rates": (RateStage(SECOND, 0),)}, "--stages never have a rate"),
        ({"rates": (RateStage(SECOND, 0), RateStage(0, RATE))}, "--stages never have a rate"),
        ({"rates": (RateStage(SECOND, HIGHEST_RATE + 1),)}, "--stages: 10,000,000/s in all is the most"),
        ({"max_users": 5}, "--max-users is for iterations that arrive at a rate"),
        ({"poisson": True, "users": (5,)}, "--poisson is for iterations that arrive at a rate"),
        ({"pacing_us": 0}, "--pacing is zero"),
        (
            {"arrival_rate": HIGHEST_RATE, "duration_us": 100 * SECOND + 1, "poisson": True},
            f"--poisson is for up to {MOST_RANDOM:,} iterations",
        ),
        (
            {"arrival_rate": RATE, "duration_us": SECOND, "think_time_us": (0, 1)},
            "--arrival-rate and --think-time exclude each other",
        ),
        ({"rates": RATES, "think_time_us": (1, 1)}, "--stages and --think-time exclude each other"),
        ({"pacing_us": SECOND, "think_time_us": (1, 1)}, "--pacing and --think-time exclude each other"),
        ({"duration_us": SECOND, "warm_up_us": SECOND}, "--warm-up leaves nothing of a run of 1s"),
        ({"duration_us": 3 * SECOND, "warm_up_us": 3 * SECOND - 1_000}, "--warm-up leaves nothing of a run of 3s"),
        ({"users": (1, 2), "duration_us": SECOND, "warm_up_us": 2 * SECOND}, "--warm-up leaves nothing of a run of 2s"),
        ({"rates": RATES, "warm_up_us": 2 * SECOND}, "--warm-up leaves nothing of a run of 1s"),
        ({"stages": USERS, "warm_up_us": 2 * SECOND}, "--warm-up leaves nothing of a run of 1s"),
        (
            {"arrival_rate": RATE, "duration_us": SECOND, "warm_up_us": SECOND},
            "--warm-up leaves nothing of a run of 1s",
        ),
    ],
)
def test_what_makes_no_sense_is_one_problem(said: dict[str, Any], problem: str) -> None:
    assert problems_of(**said) == [problem]


def test_all_problems_are_told_at_once() -> None:
    said = problems_of(
        users=(3,),
        hits=(3,),
        pacing_us=5,
        arrival_rate=0,
        duration_us=0,
        ramp_up_us=1,
        stages=USERS,
        think_time_us=(1, 1),
        warm_up_us=2 * SECOND,
    )
    assert len(said) == 8
    assert len(set(said)) == 8


def test_who_bounds_users_of_arrivals_is_told() -> None:
    [problem] = find_problems(LoadOptions(arrival_rate=RATE, duration_us=SECOND, users=(200,)))
    assert "--max-users" in problem.hint


@pytest.mark.parametrize(
    "empty", [{"stages": ()}, {"rates": ()}, {"users": ()}, {"hits": ()}, {"users": (), "hits": ()}]
)
def test_what_only_a_strange_client_says_is_no_crash(empty: dict[str, Any]) -> None:
    if not problems_of(**empty):
        assert build_plan(LoadOptions(**empty), 1).max_users == 1


@given(any_load, st.integers(1, 4), st.integers(1, 500))
def test_any_load_is_a_plan_that_adds_up_or_has_problems(load: LoadOptions, scenarios: int, room: int) -> None:
    if find_problems(load):
        return
    plan = build_plan(load, scenarios, seed=3, room=room)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(plan), type=Plan) == plan
    assert plan.is_open == load.is_open
    assert plan.has_starts == (load.is_open or load.pacing_us is not None)
    assert plan.duration_us == load.length_us
    if load.is_open:
        [phase] = plan.phases
        assert plan.due == phase.due
        assert phase.users == (load.max_users or max(1, min(room, phase.due or 0)))
    assert all(phase.describe() for phase in plan.phases)


@given(any_load, st.integers(1, 5))
def test_the_load_of_each_agent_is_so_many_times_that_of_all(load: LoadOptions, agents: int) -> None:
    if find_problems(load) or load.poisson:
        return
    one, all_of_them = build_plan(load, 1), build_plan(times(load, agents), 1)
    assert all_of_them.duration_us == one.duration_us
    if load.is_open:
        assert one.due is not None
        assert (one.due - 1) * agents < (all_of_them.due or 0) <= one.due * agents
        assert load.max_users is None or all_of_them.max_users == one.max_users * agents
    else:
        assert all_of_them.max_users == one.max_users * agents


def test_a_rate_for_each_of_many_agents_is_refused_where_it_is_beyond_all_measure() -> None:
    load = times(LoadOptions(arrival_rate=HIGHEST_RATE, duration_us=SECOND), 2)
    assert [problem.message for problem in find_problems(load)] == ["--arrival-rate: 10,000,000/s in all is the most"]

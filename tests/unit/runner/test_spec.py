from __future__ import annotations

import os
import resource
from dataclasses import replace
from typing import Any

import pytest

from loads.errors import ExitCode
from loads.metrics.rules import Rules
from loads.plan.http import HttpOptions
from loads.plan.load import LoadOptions
from loads.plan.profile import Stage
from loads.plan.spec import Phase, Plan
from loads.pool.limits import count_workers, find_doubts
from loads.runner.spec import TestsRefused, new_seed, plan_here
from loads.units import RATE_PER_S, US_PER_S
from loads.wire.messages import Loaded, LoadFailed, ScenarioInfo
from loads.wire.run import RunSpec, describe


def spec_of(workers: int | None = None, **load: Any) -> RunSpec:
    return RunSpec(("site.TestSite",), ("/here",), LoadOptions(**load), workers, 7, "http://127.0.0.1", False)


def loaded_of(*weights: int) -> Loaded:
    scenarios = tuple(ScenarioInfo(name=f"site.TestSite.test_{n}", weight=weight) for n, weight in enumerate(weights))
    return Loaded(scenarios=scenarios, hooks=())


def described(plan: Plan, *weights: int, workers: int = 2) -> list[str]:
    return describe(plan, loaded_of(*weights), workers, seed=7).splitlines()


@pytest.mark.parametrize(
    ("workers", "load", "count"),
    [
        (2, {"users": (10,)}, 2),
        (8, {"users": (3,)}, 3),
        (8, {}, 1),
        (8, {"users": (1, 5, 2)}, 5),
        (8, {"stages": (Stage(5, 2), Stage(5, 4))}, 4),
    ],
)
def test_there_are_never_more_workers_than_users(workers: int, load: dict[str, Any], count: int) -> None:
    assert count_workers(LoadOptions(**load), workers) == count


def test_as_many_workers_as_processors_unless_told_otherwise() -> None:
    assert count_workers(LoadOptions(users=(10_000,)), None) == len(os.sched_getaffinity(0))


def test_a_plan_and_what_a_report_says_of_it() -> None:
    plan, info = plan_here(spec_of(users=(4,), hits=(5,)), loaded_of(1, 1), 2)
    assert plan == Plan((Phase(4, hits=5),))
    assert (info.due, info.users, info.workers, info.seed, info.duration_us) == (20, 4, 2, 7, None)
    assert info.scenarios == ("site.TestSite.test_0", "site.TestSite.test_1")
    assert info.started_at.tzinfo is not None
    assert info.plan == describe(plan, loaded_of(1, 1), 2, 7)


def test_every_run_has_an_id_of_its_own() -> None:
    assert plan_here(spec_of(), loaded_of(1), 1)[1].id != plan_here(spec_of(), loaded_of(1), 1)[1].id


def test_the_plan_of_one_test() -> None:
    assert described(Plan((Phase(200, hits=1),)), 1) == [
        "Running site.TestSite.test_0",
        "Plan: 200 users x 1 iteration = 200; on 2 workers, seed 7",
    ]


def test_the_plan_of_several_tests_with_their_weights() -> None:
    assert described(Plan((Phase(2, hits=3),)), 1, 3) == [
        "Running 2 tests:",
        "  site.TestSite.test_0 (weight 1)",
        "  site.TestSite.test_1 (weight 3)",
        "Plan: 2 users x 3 iterations = 6; on 2 workers, seed 7",
    ]


def test_where_each_test_runs_once_weights_play_no_part() -> None:
    assert described(Plan((Phase(1, hits=2),), each_once=True), 1, 3, workers=1) == [
        "Running 2 tests:",
        "  site.TestSite.test_0",
        "  site.TestSite.test_1",
        "Plan: 1 user, each test once; on 1 worker, seed 7",
    ]


def test_a_plan_over_time_says_how_it_ends() -> None:
    timed = Phase(5, stages=(Stage(0, 5), Stage(60 * US_PER_S, 5)))
    assert described(Plan((timed, timed), 10 * US_PER_S), 1)[-1] == (
        "Plan: 5 users for 1m, then 5 users for 1m; on 2 workers, seed 7, iterations in flight get 10s at the end"
    )


def test_a_plan_of_arrivals_says_how_many_when_and_by_whom() -> None:
    spec = spec_of(arrival_rate=500 * RATE_PER_S, duration_us=60 * US_PER_S, max_users=200)
    plan, info = plan_here(spec, loaded_of(1), 2)
    assert info.plan.splitlines()[-1] == (
        "Plan: 30,000 iterations, 500/s for 1m, by up to 200 users; on 2 workers, seed 7, "
        "iterations in flight get 30s at the end"
    )
    assert (info.due, info.users, info.duration_us) == (30_000, 200, 60 * US_PER_S)
    assert (info.is_open, info.has_starts, info.fits_memory) == (True, True, False)
    on_agents = describe(plan, loaded_of(1), 4, 7, agents=2)
    assert "by up to 200 users; on 4 workers of 2 agents" in on_agents


def test_arrivals_have_as_many_users_as_this_machine_has_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr("loads.runner.spec.room_for_users", lambda workers: asked.append(workers) or 300)
    load: dict[str, Any] = {"arrival_rate": 500 * RATE_PER_S, "duration_us": 60 * US_PER_S}
    plan, info = plan_here(spec_of(**load), loaded_of(1), 2)
    assert (plan.max_users, info.users, info.fits_memory) == (300, 300, True)
    assert plan_here(spec_of(**load, max_users=5_000), loaded_of(1), 2)[0].max_users == 5_000
    assert asked == [2]


def test_a_paced_plan_says_how_many_iterations_that_makes() -> None:
    _, info = plan_here(spec_of(users=(20,), duration_us=60 * US_PER_S, pacing_us=5 * US_PER_S), loaded_of(1), 2)
    assert "Plan: 20 users for 1m, one iteration every 5s each = 240; on 2 workers" in info.plan
    assert (info.due, info.is_open, info.has_starts, info.fits_memory) == (240, False, True, False)
    _, info = plan_here(spec_of(pacing_us=5 * US_PER_S), loaded_of(1, 1), 1)
    assert "Plan: 1 user, each test once, one iteration every 5s each; on 1 worker" in info.plan


def test_a_plan_says_what_it_is_judged_by() -> None:
    judged = replace(spec_of(users=(4,)), rules=Rules(("p(95) < 500ms", "failure_rate < 1%"), 20 * US_PER_S))
    assert plan_here(judged, loaded_of(1), 2)[1].plan.splitlines()[-1] == (
        "Thresholds: p(95) < 500ms; failure_rate < 1%, without the first 20s"
    )
    many = replace(spec_of(users=(4,)), rules=Rules(tuple(f"hits > {n}" for n in range(25))))
    assert plan_here(many, loaded_of(1), 2)[1].plan.endswith("; hits > 19 and 5 more")
    assert "Thresholds" not in plan_here(replace(spec_of(), rules=Rules((), 5)), loaded_of(1), 1)[1].plan


def test_a_plan_says_what_is_peculiar_about_its_requests() -> None:
    plan = Plan((Phase(1, hits=1),))
    assert describe(plan, loaded_of(1), 1, 7, None, HttpOptions()) == describe(plan, loaded_of(1), 1, 7)
    insecure = replace(spec_of(), http=HttpOptions(insecure_tls=True, source_addresses=("10.0.0.5",)))
    assert plan_here(insecure, loaded_of(1), 1)[1].plan.splitlines() == [
        "Running site.TestSite.test_0",
        "Plan: 1 user x 1 iteration = 1; on 1 worker, seed 7",
        "Requests: certificates are not verified; from 10.0.0.5",
    ]


def test_without_workers_it_says_where_tests_run() -> None:
    assert "in this process" in described(Plan((Phase(1, hits=1),)), 1, workers=0)[-1]


def test_many_tests_are_cut_and_the_rest_is_counted() -> None:
    lines = described(Plan((Phase(1, hits=25),)), *[1] * 25)
    assert lines[0] == "Running 25 tests:"
    assert lines[-2] == "  and 5 more"
    assert len(lines) == 23


@pytest.mark.parametrize(
    ("hard", "users", "workers", "doubts"),
    [(1_000, 936, 1, 0), (1_000, 937, 1, 1), (1_000, 1_872, 2, 0), (1_000, 1_873, 2, 1), (1_000, 937, 0, 1)],
)
def test_a_plan_that_needs_more_open_files_than_allowed_is_told_so(
    hard: int, users: int, workers: int, doubts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection for each user of a worker, and 64 files beside."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (hard, hard))
    found = find_doubts(Plan((Phase(users, hits=1),)), workers)
    assert len(found) == doubts
    assert all("open files" in doubt and "ulimit -Hn" in doubt for doubt in found)


def test_where_files_have_no_limit_there_is_no_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1_024, resource.RLIM_INFINITY))
    assert find_doubts(Plan((Phase(10**6, hits=1),)), 1) == []


def test_tests_that_are_refused_keep_their_own_traceback_and_are_wrong_usage() -> None:
    error = TestsRefused(LoadFailed(message="site can't be imported", hint="look", traceback="SyntaxError"))
    assert (error.message, error.hint, error.traceback) == ("site can't be imported", "look", "SyntaxError")
    assert error.exit_code is ExitCode.USAGE


def test_a_seed_is_short_enough_to_type() -> None:
    assert all(0 <= new_seed() < 1_000_000 for _ in range(100))


def test_the_verdict_is_told_what_kind_of_plan_it_was() -> None:
    arriving = {"arrival_rate": 10 * RATE_PER_S, "duration_us": 60 * US_PER_S}
    kinds = [
        (spec_of(**arriving), (True, True, True)),
        (spec_of(**arriving, max_users=5), (True, True, False)),
        (spec_of(duration_us=60 * US_PER_S, pacing_us=US_PER_S), (False, True, False)),
        (spec_of(duration_us=60 * US_PER_S), (False, False, False)),
    ]
    for spec, expected in kinds:
        info = plan_here(spec, loaded_of(1), 1)[1]
        assert (info.is_open, info.has_starts, info.fits_memory) == expected

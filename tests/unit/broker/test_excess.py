"""What no broker takes in, whoever says it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from loads.broker.excess import MOST, MOST_US, find_excess
from loads.metrics.rules import Rules
from loads.plan.load import LoadOptions
from loads.plan.pacer import RateStage
from loads.units import HIGHEST_RATE, RATE_PER_S, US_PER_S
from loads.wire.cluster import Submit
from tests.runs import submit_of


def ruled(**rules: Any) -> Submit:
    submit = submit_of()
    return msgspec.structs.replace(submit, spec=replace(submit.spec, rules=Rules(**rules)))


def named(**fields: Any) -> Submit:
    submit = submit_of()
    return msgspec.structs.replace(submit, spec=replace(submit.spec, **fields))


def test_a_name_and_tags_that_can_steer_a_terminal_stay_out() -> None:
    assert find_excess(named(name="checkout, new index", tags={"branch": "main", "a.b": "c d"}), 0, 0) is None
    for fields in (
        {"name": "\x1b[2J"},
        {"name": " "},
        {"tags": {"a": "b\n"}},
        {"tags": {"a b": "c"}},
        {"tags": {"a": ""}},
    ):
        assert find_excess(named(**fields), 0, 0) is not None


def open_load(**changed: Any) -> LoadOptions:
    return LoadOptions(**{"arrival_rate": 5 * RATE_PER_S, "duration_us": US_PER_S, **changed})


@pytest.mark.parametrize(
    "load",
    [
        open_load(),
        open_load(max_users=7, poisson=True),
        LoadOptions(rates=(RateStage(US_PER_S, RATE_PER_S),)),
        LoadOptions(users=(2,), duration_us=US_PER_S, pacing_us=US_PER_S),
    ],
)
def test_what_makes_sense_comes_in(load: LoadOptions) -> None:
    assert find_excess(submit_of(load), 0, 0) is None


@pytest.mark.parametrize(
    "load",
    [
        open_load(arrival_rate=-1),
        open_load(arrival_rate=0),
        open_load(arrival_rate=HIGHEST_RATE + 1),
        open_load(duration_us=None),
        open_load(duration_us=MOST_US),
        open_load(max_users=0),
        open_load(max_users=MOST + 1),
        open_load(max_users=-1),
        open_load(arrival_rate=HIGHEST_RATE, duration_us=86_400 * US_PER_S, poisson=True),
        open_load(users=(5,)),
        LoadOptions(rates=()),
        LoadOptions(rates=(RateStage(-1, 5),)),
        LoadOptions(rates=(RateStage(US_PER_S, -5),)),
        LoadOptions(users=(2,), duration_us=US_PER_S, pacing_us=-1),
    ],
)
def test_what_does_not_make_sense_is_refused(load: LoadOptions) -> None:
    assert find_excess(submit_of(load), 0, 0) is not None


def test_a_threshold_that_can_not_be_understood_is_refused_with_what_is_wrong() -> None:
    trouble = find_excess(ruled(thresholds=("hits > 1", "p(95) < 500")), 0, 0)
    assert trouble is not None
    assert "500" in trouble.message + trouble.hint
    assert find_excess(ruled(thresholds=("hits > 1", "p(95) < 500ms")), 0, 0) is None


@pytest.mark.parametrize(
    "rules",
    [
        {"thresholds": ("hits > 1",) * 101},
        {"warm_up_us": -1},
        {"warm_up_us": MOST_US},
        {"max_lost": -0.1},
        {"max_lost": float("nan")},
        {"max_lost": 2.0},
    ],
)
def test_rules_are_bounded(rules: dict[str, Any]) -> None:
    assert find_excess(ruled(**rules), 0, 0) is not None

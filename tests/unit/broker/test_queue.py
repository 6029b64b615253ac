from __future__ import annotations

import pytest

from loads.broker.agents import AgentSeen
from loads.broker.queue import most_users, reservation, seats_for
from loads.plan.profile import Stage
from loads.plan.spec import LoadOptions
from loads.wire.cluster import Enlist
from tests.runs import submit_of


def agents(count: int) -> list[AgentSeen]:
    return [
        AgentSeen(Enlist(name=f"a{n}", identity=n, incarnation=n, host="h", cores=2, version="1"), b"p%d" % n, load=n)
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("wanted", "users", "free", "seats"),
    [(None, 6, 3, 3), (None, 2, 3, 2), (2, 6, 3, 2), (5, 2, 3, 2), (1, 1, 1, 1), (3, 6, 2, None), (None, 6, 0, None)],
)
def test_a_run_gets_what_it_wants_or_waits(wanted: int | None, users: int, free: int, seats: int | None) -> None:
    submit = submit_of(LoadOptions(users=(users,)), agents=wanted)
    trouble = reservation(submit, agents(free), 3, {})
    assert (trouble is None) == (seats is not None)
    if seats is not None:
        assert len(seats_for(submit, agents(free))) == seats


def test_named_agents_are_those_that_are_named() -> None:
    submit = submit_of(names=("a1",))
    assert [seat.agent for seat in seats_for(submit, agents(3))] == ["a1"]
    trouble = reservation(submit_of(names=("a1", "z")), agents(3), 3, {})
    assert trouble is not None
    assert "z" in trouble.message


def test_the_least_loaded_come_first() -> None:
    assert [seat.agent for seat in seats_for(submit_of(agents=2), list(reversed(agents(3))))] == ["a0", "a1"]


def test_seats_have_room_for_all_users() -> None:
    seats = seats_for(submit_of(LoadOptions(users=(7,)), agents=3), agents(3))
    assert sorted(seat.slots for seat in seats) == [2, 2, 3]


def test_who_is_busy_is_told() -> None:
    trouble = reservation(submit_of(agents=2), agents(1), 2, {"a1": "quiet-harbor"})
    assert trouble is not None
    assert "1 busy: quiet-harbor" in trouble.message


def test_the_most_users_are_those_of_the_largest_phase() -> None:
    assert most_users(LoadOptions(users=(3, 9, 2))) == 9
    assert most_users(LoadOptions(stages=(Stage(1, 4), Stage(1, 0)))) == 4

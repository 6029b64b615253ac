from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.broker.agents import AgentSeen
from loads.broker.excess import MOST_BYTES, MOST_RUNS, find_excess
from loads.broker.queue import for_agents, most_users, reservation, room_of, seats_for
from loads.plan.load import LoadOptions
from loads.plan.profile import Stage
from loads.plan.spec import DEFAULT_ROOM
from loads.units import RATE_PER_S, US_PER_S
from loads.wire.cluster import Enlist
from tests.runs import submit_of


def agents(count: int, **changed: Any) -> list[AgentSeen]:
    return [agent(n, **changed) for n in range(count)]


def agent(number: int, **changed: Any) -> AgentSeen:
    enlist = Enlist(name=f"a{number}", identity=number, incarnation=number, host="h", cores=2, version="1", **changed)
    return AgentSeen(enlist, b"p%d" % number, load=number)


def capped(*rooms: int | None) -> list[AgentSeen]:
    return [agent(number, max_users=room) for number, room in enumerate(rooms)]


def labelled(*labels: dict[str, str]) -> list[AgentSeen]:
    return [agent(number, labels=each) for number, each in enumerate(labels)]


def users_of(count: int) -> LoadOptions:
    return LoadOptions(users=(count,))


@pytest.mark.parametrize(
    ("wanted", "users", "free", "seats"),
    [(None, 6, 3, 3), (None, 2, 3, 2), (2, 6, 3, 2), (5, 2, 3, 2), (1, 1, 1, 1), (3, 6, 2, None), (None, 6, 0, None)],
)
def test_a_run_gets_what_it_wants_or_waits(wanted: int | None, users: int, free: int, seats: int | None) -> None:
    submit = submit_of(LoadOptions(users=(users,)), agents=wanted)
    trouble = reservation(submit, agents(free), agents(3), {})
    assert (trouble is None) == (seats is not None)
    if seats is not None:
        assert len(seats_for(submit, agents(free))) == seats


def test_named_agents_are_those_that_are_named() -> None:
    submit = submit_of(names=("a1",))
    assert [seat.agent for seat in seats_for(submit, agents(3))] == ["a1"]
    trouble = reservation(submit_of(names=("a1", "z")), agents(3), agents(3), {})
    assert trouble is not None
    assert "z" in trouble.message


def test_the_least_loaded_come_first() -> None:
    assert [seat.agent for seat in seats_for(submit_of(agents=2), list(reversed(agents(3))))] == ["a0", "a1"]


def test_seats_have_room_for_all_users() -> None:
    seats = seats_for(submit_of(LoadOptions(users=(7,)), agents=3), agents(3))
    assert sorted(seat.slots for seat in seats) == [2, 2, 3]


def test_who_is_busy_is_told() -> None:
    trouble = reservation(submit_of(agents=2), agents(1), agents(2), {"a1": "quiet-harbor"})
    assert trouble is not None
    assert "1 busy: quiet-harbor" in trouble.message


def test_the_most_users_are_those_of_the_largest_phase() -> None:
    assert most_users(LoadOptions(users=(3, 9, 2))) == 9
    assert most_users(LoadOptions(stages=(Stage(1, 4), Stage(1, 0)))) == 4


# Labels.

EU, US, BOTH = {"region": "eu"}, {"region": "us"}, {"region": "eu", "disk": "ssd"}


@pytest.mark.parametrize(
    ("labels", "names"), [({}, ["a0", "a1", "a2"]), (EU, ["a0", "a2"]), (BOTH, ["a2"]), (US, ["a1"])]
)
def test_only_agents_that_have_all_labels_count(labels: dict[str, str], names: list[str]) -> None:
    here = labelled(EU, US, BOTH)
    submit = submit_of(labels=labels)
    assert reservation(submit, here, here, {}) is None
    assert [seat.agent for seat in seats_for(submit, here)] == names


def test_too_few_with_a_label_says_which() -> None:
    here = labelled(EU, EU, US)
    trouble = reservation(submit_of(agents=2, labels=EU), [here[0], here[2]], here, {"a1": "sly-fox", "a2": "red-owl"})
    assert trouble is not None
    assert trouble.message == "2 agents with region=eu are wanted and 1 free (1 busy: sly-fox)"


def test_a_label_that_nobody_has_names_those_that_there_are() -> None:
    here = labelled(BOTH, US, {})
    trouble = reservation(submit_of(labels={"region": "mars"}), here, here, {})
    assert trouble is not None
    assert trouble.message == "no agent has region=mars"
    assert "disk=ssd, region=eu, region=us" in trouble.hint
    assert "--label region=mars" in trouble.hint
    trouble = reservation(submit_of(labels=EU), agents(1), agents(1), {})
    assert trouble is not None
    assert "none of them has a label" in trouble.hint


def test_who_leaves_is_counted_apart() -> None:
    here = agents(2)
    here[1].leaving = True
    trouble = reservation(submit_of(agents=2), here[:1], here, {})
    assert trouble is not None
    assert trouble.message == "2 agents are wanted and 1 free (1 leaving)"


# Room.


@pytest.mark.parametrize(
    ("rooms", "users", "wanted", "slots"),
    [
        ((None, 3), 10, None, {"a0": 7, "a1": 3}),
        ((5, 5), 10, None, {"a0": 5, "a1": 5}),
        ((8, 8), 10, 2, {"a0": 5, "a1": 5}),
        ((1, 1, 6, 4), 10, 2, {"a2": 6, "a3": 4}),
        ((1, 9, 9), 10, 2, {"a0": 1, "a1": 9}),
        ((1, 8, 9), 10, 2, {"a1": 5, "a2": 5}),
        ((5, 1, 6), 10, 2, {"a0": 5, "a2": 5}),
        ((1, None), 10, 1, {"a1": 10}),
    ],
)
def test_those_that_have_room_are_taken(
    rooms: tuple[int | None, ...], users: int, wanted: int | None, slots: dict[str, int]
) -> None:
    submit = submit_of(users_of(users), agents=wanted)
    here = capped(*rooms)
    assert reservation(submit, here, here, {}) is None
    assert {seat.agent: seat.slots for seat in seats_for(submit, here)} == slots


@given(
    st.lists(st.one_of(st.none(), st.integers(1, 12)), min_size=1, max_size=8),
    st.integers(1, 60),
    st.one_of(st.none(), st.integers(1, 8)),
)
def test_a_run_is_refused_only_if_it_can_not_fit(rooms: list[int | None], users: int, wanted: int | None) -> None:
    here = capped(*rooms)
    submit = submit_of(users_of(users), agents=wanted)
    count = min(users, len(rooms) if wanted is None else wanted)
    largest = sorted((users if most is None else most for most in rooms), reverse=True)[:count]
    fits = count <= len(rooms) and sum(largest) >= users
    assert (reservation(submit, here, here, {}) is None) is fits
    if fits:
        seats = seats_for(submit, here)
        assert len(seats) == count
        assert sum(seat.slots for seat in seats) == users
        assert all(seat.max_users is None or seat.slots <= seat.max_users for seat in seats)


def test_too_little_room_is_told_with_figures() -> None:
    here = capped(300, 200)
    trouble = reservation(submit_of(users_of(800)), here, here, {})
    assert trouble is not None
    assert trouble.message == "the run has 800 users and the 2 free agents have room for 500"
    assert "--max-users" in trouble.hint
    trouble = reservation(submit_of(users_of(800), agents=1), here, here, {})
    assert trouble is not None
    assert trouble.message == "the run has 800 users and no free agent has room for more than 300"
    assert "-a" in trouble.hint


def test_a_load_for_each_agent_needs_room_on_each() -> None:
    here = capped(5, 10, None)
    submit = submit_of(users_of(8), per_agent=True)
    assert [(seat.agent, seat.slots) for seat in seats_for(submit, here)] == [("a1", 8), ("a2", 8)]
    assert reservation(submit, here, here, {}) is None
    trouble = reservation(submit_of(users_of(8), per_agent=True, agents=3), here, here, {})
    assert trouble is not None
    assert trouble.message == "the run has 8 users for each agent, and 2 of the 3 free agents have room for them"


def test_what_is_beyond_reason_is_refused_whoever_wants_it() -> None:
    assert find_excess(submit_of(), MOST_BYTES, MOST_RUNS - 1) is None
    large = find_excess(submit_of(), MOST_BYTES + 1, 0)
    assert large is not None
    assert "bytes to say" in large.message
    full = find_excess(submit_of(), 0, MOST_RUNS)
    assert full is not None
    assert "1,000 runs wait or go on already" in full.message


def open_load(max_users: int | None = None) -> LoadOptions:
    return LoadOptions(arrival_rate=50 * RATE_PER_S, duration_us=US_PER_S, max_users=max_users)


def test_arrivals_have_as_many_users_as_the_smallest_agent_has_memory_for_on_each() -> None:
    free = [agent(0, room=500), agent(1, room=300), agent(2, room=900, max_users=40)]
    seats = seats_for(submit_of(open_load()), free)
    assert room_of(seats) == 300 + 300 + 40
    assert [seat.slots for seat in seats] == [300, 300, 40]


def test_an_agent_that_does_not_say_what_it_has_room_for_has_the_usual_one() -> None:
    assert room_of(seats_for(submit_of(open_load()), agents(2))) == 2 * DEFAULT_ROOM


@pytest.mark.parametrize(("max_users", "seats"), [(None, 3), (2, 2), (7, 3)])
def test_arrivals_go_to_all_agents_but_to_no_more_than_users(max_users: int | None, seats: int) -> None:
    submit = submit_of(open_load(max_users))
    assert reservation(submit, agents(3), agents(3), {}) is None
    assert len(seats_for(submit, agents(3))) == seats


def test_users_for_arrivals_must_have_room_where_it_was_said_how_many_there_are() -> None:
    free = capped(2, 3)
    assert reservation(submit_of(open_load()), free, free, {}) is None
    assert reservation(submit_of(open_load(5)), free, free, {}) is None
    trouble = reservation(submit_of(open_load(6)), free, free, {})
    assert trouble is not None
    assert "6 users" in trouble.message


def test_of_arrivals_each_agent_gets_as_many_as_were_said_for_each() -> None:
    submit = submit_of(open_load(4), per_agent=True)
    assert [seat.slots for seat in seats_for(submit, agents(3))] == [4, 4, 4]
    load = for_agents(submit, 3).spec.load
    assert (load.max_users, load.arrival_rate) == (12, 150 * RATE_PER_S)

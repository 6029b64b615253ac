from __future__ import annotations

import msgspec

from loads.broker.agents import MOST_AWAY, Agents
from loads.broker.liveness import SILENCE_US
from loads.wire.cluster import Enlist

TICK_US = 250_000


def enlist(incarnation: int = 1, *estates: int) -> Enlist:
    return Enlist(
        name="a",
        identity=1,
        incarnation=incarnation,
        host="h",
        cores=1,
        version="1",
        estates=tuple(("run", each) for each in estates),
    )


def test_an_agent_speaks_for_those_that_died_before_it() -> None:
    agents = Agents(0)
    agents.enlist(b"p", enlist(2, 1), 0)
    assert agents.of(1) is agents.of(2) is agents.at(b"p")
    assert agents.of(3) is None


def test_who_was_started_again_replaces_who_was_there() -> None:
    agents = Agents(0)
    assert agents.enlist(b"p", enlist(1), 0) == []
    assert agents.enlist(b"q", enlist(2), 0) == [1]
    assert agents.at(b"p") is None
    assert agents.of(1) is None


def test_an_old_connection_that_closes_late_costs_nothing() -> None:
    agents = Agents(0)
    agents.enlist(b"p", enlist(1), 0)
    agents.enlist(b"q", enlist(1), 0)
    assert agents.disconnect(b"p") == []
    assert agents.of(1) is not None


def test_with_its_connection_all_are_gone_that_it_spoke_for() -> None:
    agents = Agents(0)
    agents.enlist(b"p", enlist(2, 1), 0)
    assert sorted(agents.disconnect(b"p")) == [1, 2]
    assert agents.of(1) is agents.of(2) is None


def test_who_is_silent_is_not_free() -> None:
    agents = Agents(0)
    agents.enlist(b"p", enlist(), 0)
    assert [agent.enlist.name for agent in agents.free(set())] == ["a"]
    assert agents.free({1}) == []
    for now_us in range(0, SILENCE_US + 2 * TICK_US, TICK_US):
        agents.silent(now_us)
    assert agents.free(set()) == []


def test_agents_that_are_away_are_not_remembered_without_end() -> None:
    agents = Agents(0)
    for number in range(MOST_AWAY + 10):
        peer = b"%d" % number
        agents.enlist(peer, msgspec.structs.replace(enlist(2 * number, 2 * number + 1), name=f"a{number}"), 0)
        agents.disconnect(peer)
    assert len(agents.by_name) == MOST_AWAY
    assert "a9" not in agents.by_name
    assert "a10" in agents.by_name


def test_an_agent_speaks_no_more_for_what_it_no_longer_has() -> None:
    agents = Agents(0)
    agents.enlist(b"p", enlist(9, 1, 2), 0)
    agents.enlist(b"p", enlist(9, 2), 0)
    assert agents.of(1) is None
    assert agents.of(2) is agents.of(9) is agents.at(b"p")

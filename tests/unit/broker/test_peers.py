"""The broker's connections: who is let in as what, what each may say, and who is told to go."""

from __future__ import annotations

import loads
from loads.broker.agents import Agents
from loads.broker.events import Audit, Dismiss, Effect, Log, Send, ToSeat
from loads.broker.peers import MOST_ASKED, Peers
from loads.broker.rights import LOCAL, NOBODY, Principal
from loads.units import US_PER_S
from loads.wire.cluster import (
    Ask,
    Cease,
    Enlist,
    Follow,
    Hello,
    Refused,
    Rejected,
    Release,
    Role,
    Welcome,
    Wind,
)
from loads.wire.messages import PROTOCOL
from tests.runs import submit_of

RUNNER = Principal("key ci", frozenset({Role.RUNNER}), b"ci")
OBSERVER = Principal("key wall", frozenset({Role.OBSERVER}), b"wall")
AGENT = Principal("key north", frozenset({Role.AGENT}), b"north")


def greet(peers: Peers, name: bytes, role: Role, who: Principal) -> list[Effect]:
    return peers.hello(name, Hello(protocol=PROTOCOL, version=loads.__version__, role=role, session=2), who, 0)


def known(name: bytes, role: Role = Role.AGENT, who: Principal = LOCAL) -> Peers:
    peers = Peers(loads.__version__, 1)
    [answer] = greet(peers, name, role, who)
    assert isinstance(answer, Send)
    assert isinstance(answer.message, Welcome)
    return peers


def rejection(effects: list[Effect]) -> Rejected:
    [told, *rest] = effects
    assert isinstance(told, Send)
    assert isinstance(told.message, Rejected)
    assert [type(effect) for effect in rest] == [Log, Audit]
    return told.message


def test_a_key_opens_the_door_in_its_role_only() -> None:
    for who, role in ((RUNNER, Role.RUNNER), (OBSERVER, Role.OBSERVER), (AGENT, Role.AGENT)):
        known(b"x", role, who)
    peers = Peers(loads.__version__, 1)
    told = rejection(greet(peers, b"x", Role.AGENT, RUNNER))
    assert told.reason == "key ci may only start, follow and stop runs, and this is an agent"
    assert "loads keys add NAME --role agent" in told.hint
    rejection(greet(peers, b"y", Role.RUNNER, AGENT))
    rejection(greet(peers, b"z", Role.RUNNER, OBSERVER))
    rejection(greet(peers, b"n", Role.OBSERVER, NOBODY))
    assert not any(peers.trusts(name, Ask()) for name in (b"x", b"y", b"z", b"n", b"never seen"))


def test_this_user_is_let_in_as_anything() -> None:
    for role in Role:
        known(b"x", role, LOCAL)


def test_who_may_do_less_than_he_asks_is_told_so_and_may_stay() -> None:
    peers = known(b"x", Role.OBSERVER, OBSERVER)
    assert peers.denied(b"x", Ask(), 5) is None
    for message, run in ((submit_of(), None), (Cease(run="wild-eagle", now=True), "wild-eagle")):
        denied = peers.denied(b"x", message, 5)
        assert denied is not None
        told, logged, audited = denied
        assert isinstance(told, Send)
        assert isinstance(told.message, Refused)
        assert told.message.run == run
        assert told.message.trouble.message == "key wall may only look at the cluster and its runs"
        assert "--role runner" in told.message.trouble.hint
        assert isinstance(logged, Log)
        assert isinstance(audited, Audit)
        assert audited.event == "refused"
    assert peers.by_name[b"x"].rejected_us is None


def test_who_says_what_its_role_never_says_is_rejected() -> None:
    peers = known(b"x", Role.AGENT, AGENT)
    denied = peers.denied(b"x", Ask(), 5)
    assert denied is not None
    assert "key north may only work in runs" in rejection(denied).reason
    assert peers.by_name[b"x"].rejected_us == 5


def test_who_came_with_a_key_that_is_none_any_more_is_sent_away() -> None:
    peers = known(b"x", Role.RUNNER, RUNNER)
    greet(peers, b"y", Role.AGENT, AGENT)
    greet(peers, b"z", Role.AGENT, LOCAL)
    assert peers.expelled({b"ci", b"north"}) == []
    [(name, effects)] = peers.expelled({b"north"})
    assert name == b"x"
    told, dismissed, *_ = effects
    assert isinstance(told, Send)
    assert isinstance(told.message, Rejected)
    assert told.message.reason == "key ci was revoked, or is not what it was"
    assert dismissed == Dismiss(b"x")


def test_that_anybody_may_come_in_is_said_to_everybody() -> None:
    peers = Peers(loads.__version__, 1, insecure=True)
    [answer] = greet(peers, b"x", Role.RUNNER, LOCAL)
    assert isinstance(answer, Send)
    assert isinstance(answer.message, Welcome)
    assert answer.message.insecure


def test_an_agent_whose_place_another_took_is_told_to_end() -> None:
    peers = known(b"first")
    told = rejection(peers.supersede(b"first", "north", 5))
    assert "another process came with the name and the identity of agent north" in told.reason
    assert peers.by_name[b"first"].rejected_us == 5


def test_a_connection_that_is_gone_can_not_be_told() -> None:
    assert known(b"first").supersede(b"second", "north", 5) == []
    assert known(b"first").supersede(None, "north", 5) == []


def test_what_is_told_is_logged() -> None:
    _, logged, _ = known(b"first").supersede(b"first", "north", 5)
    assert isinstance(logged, Log)
    assert "agent north" in logged.text


def test_who_was_rejected_can_not_begin_anew() -> None:
    peers = known(b"x", Role.AGENT, AGENT)
    peers.denied(b"x", Ask(), 5)
    assert greet(peers, b"x", Role.AGENT, AGENT) == []
    assert peers.by_name[b"x"].rejected_us == 5


def test_who_asks_without_end_is_rejected_and_who_asks_again_and_again_is_not() -> None:
    peers = known(b"x", Role.OBSERVER, OBSERVER)
    for second in range(3):
        for _ in range(MOST_ASKED):
            assert peers.denied(b"x", Ask(), second * US_PER_S) is None
    effects = peers.denied(b"x", Follow(run=None), 2 * US_PER_S)
    assert effects is not None
    assert "asks for more than" in rejection(effects).reason


def test_what_an_agent_enlisted_as_outlasts_a_second_hello() -> None:
    peers = known(b"x", Role.AGENT, AGENT)
    first = Enlist(name="a", identity=1, incarnation=1, host="h", cores=1, version="1")
    assert peers.denied(b"x", first, 0) is None
    greet(peers, b"x", Role.AGENT, AGENT)
    other = Enlist(name="b", identity=1, incarnation=1, host="h", cores=1, version="1")
    effects = peers.denied(b"x", other, 0)
    assert effects is not None
    assert "over the connection of agent a" in rejection(effects).reason


def test_the_version_that_a_peer_says_does_nothing_to_a_terminal() -> None:
    peers = Peers(loads.__version__, 1)
    hello = Hello(protocol=PROTOCOL + 1, version="9\x1b[2J\n" * 100, role=Role.AGENT, session=2)
    told = rejection(peers.hello(b"x", hello, LOCAL, 0))
    assert told.reason.isprintable()
    assert len(told.reason) < 500


def test_orders_are_not_for_the_next_process_of_an_agent() -> None:
    """It has the same connection, and a part of its own in the same run, perhaps."""
    peers, agents = known(b"x"), Agents(0)
    enlist = Enlist(name="a", identity=1, incarnation=2, host="h", cores=1, version="1", estates=(("run", 1),))
    agents.enlist(b"x", enlist, 0)
    wind, release = Wind(run="run"), Release(run="run", incarnation=1)
    assert peers.addressed([ToSeat(2, wind)], agents) == [Send(b"x", wind)]
    assert peers.addressed([ToSeat(1, wind)], agents) == []
    assert peers.addressed([ToSeat(1, release)], agents) == [Send(b"x", release)]

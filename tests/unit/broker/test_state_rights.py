"""The broker's state and keys: what a key may do, and what follows when it is taken away in mid-run."""

from __future__ import annotations

import pytest

from loads.broker.events import Admitted, Audit, Dismiss, Effect, Gone, Said, Send
from loads.broker.rights import Principal
from loads.wire.cluster import (
    Accepted,
    Ask,
    Batch,
    Cease,
    Ceased,
    Complete,
    Enlist,
    Enlisted,
    Fetch,
    Follow,
    FromBroker,
    Hello,
    Prepare,
    Refused,
    Rejected,
    Role,
    RunState,
    Snapshot,
    ToBroker,
    Welcome,
)
from loads.wire.messages import PROTOCOL
from tests.driven import Driven
from tests.runs import submit_of


def key(name: str, role: Role) -> Principal:
    return Principal(f"key {name}", frozenset({role}), name.encode())


NORTH, CI, WALL = key("north", Role.AGENT), key("ci", Role.RUNNER), key("wall", Role.OBSERVER)
EVERYBODY = frozenset({b"north", b"ci", b"wall"})


def told(effects: list[Effect], peer: bytes) -> list[FromBroker]:
    return [effect.message for effect in effects if isinstance(effect, Send) and effect.peer == peer]


def audited(effects: list[Effect]) -> list[str]:
    return [effect.event for effect in effects if isinstance(effect, Audit)]


def say(driven: Driven, peer: bytes, who: Principal, message: ToBroker) -> list[Effect]:
    return driven.do(Said(peer, message, b"data", who))


def greet(driven: Driven, peer: bytes, who: Principal) -> None:
    [role] = who.roles
    answers = told(say(driven, peer, who, Hello(protocol=PROTOCOL, version="1", role=role, session=1)), peer)
    assert [type(answer) for answer in answers] == [Welcome]


def test_an_agent_can_neither_start_nor_stop_nor_see_runs() -> None:
    driven = Driven().running()
    for number, message in enumerate((submit_of(), Cease(run=None, now=True), Follow(run=None), Ask(runs=5))):
        peer = b"n%d" % number
        greet(driven, peer, NORTH)
        effects = say(driven, peer, NORTH, message)
        [answer] = told(effects, peer)
        assert isinstance(answer, Refused | Rejected)
        assert audited(effects) == ["refused"]
    assert driven.state is RunState.RUNNING
    assert len(driven.broker.runs) == 1


def test_an_observer_only_looks() -> None:
    driven = Driven().running()
    greet(driven, b"w", WALL)
    *_, snapshot = told(say(driven, b"w", WALL, Follow(run=None)), b"w")
    assert isinstance(snapshot, Snapshot)
    for message in (submit_of(), Cease(run=None, now=True)):
        [answer] = told(say(driven, b"w", WALL, message), b"w")
        assert isinstance(answer, Refused)
        assert "may only look" in answer.trouble.message
    assert driven.state is RunState.RUNNING


@pytest.mark.parametrize(
    "message",
    [
        Enlist(name="evil", identity=9, incarnation=9, host="h", cores=1, version="1"),
        Batch(run="x", incarnation=1, seq=1),
        Complete(run="x", incarnation=1, last_seq=0),
        Fetch(sha256="0" * 64, offset=0),
    ],
)
def test_a_runner_can_not_pose_as_an_agent(message: ToBroker) -> None:
    driven = Driven().running()
    greet(driven, b"c", CI)
    [answer] = told(say(driven, b"c", CI, message), b"c")
    assert isinstance(answer, Rejected)
    assert "evil" not in driven.broker.agents.by_name
    assert say(driven, b"c", CI, Ask()) == []


def test_what_a_runner_does_is_audited_under_its_key() -> None:
    driven = Driven()
    driven.enlist(1)
    greet(driven, b"c", CI)
    effects = say(driven, b"c", CI, submit_of())
    [note] = [effect for effect in effects if isinstance(effect, Audit)]
    assert (note.event, note.who, note.details["run"]) == ("run", "key ci", driven.run)
    assert any(isinstance(answer, Accepted) for answer in told(effects, b"c"))
    effects = say(driven, b"c", CI, Cease(run=None, now=False))
    assert "stop" in audited(effects)
    assert any(isinstance(answer, Ceased) for answer in told(effects, b"c"))


def test_an_agent_whose_key_is_revoked_is_out_and_its_users_are_the_others() -> None:
    driven = Driven().running(agents=2)
    greet(driven, b"n", NORTH)
    say(driven, b"n", NORTH, Enlist(name="far", identity=9, incarnation=9, host="h", cores=1, version="1"))
    assert driven.broker.agents.of(9) is not None
    assert driven.do(Admitted(EVERYBODY)) == []
    effects = driven.do(Admitted(EVERYBODY - {b"north"}))
    [answer] = told(effects, b"n")
    assert isinstance(answer, Rejected)
    assert answer.reason == "key north was revoked, or is not what it was"
    assert Dismiss(b"n") in effects
    assert audited(effects) == ["sent away"]
    assert driven.broker.agents.of(9) is None
    assert b"n" not in driven.broker.peers.by_name


def test_a_runner_whose_key_is_revoked_is_out_and_its_run_goes_on() -> None:
    driven = Driven()
    driven.enlist(1)
    greet(driven, b"c", CI)
    say(driven, b"c", CI, submit_of())
    run = driven.run
    say(driven, b"c", CI, Follow(run=run))
    effects = driven.do(Admitted(frozenset()))
    assert [type(answer) for answer in told(effects, b"c")] == [Rejected]
    assert run in driven.broker.runs
    assert any(isinstance(effect, Send) and isinstance(effect.message, Prepare) for effect in driven.effects)


def test_this_users_own_peers_need_no_key() -> None:
    driven = Driven().running()
    assert driven.do(Admitted(frozenset())) == []
    assert driven.state is RunState.RUNNING


def enlist(name: str, identity: int) -> Enlist:
    return Enlist(name=name, identity=identity, incarnation=identity, host="h", cores=1, version="1")


def test_no_agent_is_left_behind_by_a_connection_that_came_as_several() -> None:
    """Each of them was there for ever, so that nobody else could have its name."""
    driven, evil = Driven(), key("evil", Role.AGENT)
    greet(driven, b"e", evil)
    assert [type(answer) for answer in told(say(driven, b"e", evil, enlist("web0", 9)), b"e")] == [Enlisted]
    assert [type(answer) for answer in told(say(driven, b"e", evil, enlist("web1", 10)), b"e")] == [Rejected]
    driven.do(Gone(b"e"))
    greet(driven, b"n", NORTH)
    assert told(say(driven, b"n", NORTH, enlist("web1", 1)), b"n") == [Enlisted()]


def test_an_agent_that_is_cut_off_for_a_moment_finds_its_place_as_it_was() -> None:
    driven, evil = Driven(), key("evil", Role.AGENT)
    greet(driven, b"n", NORTH)
    say(driven, b"n", NORTH, enlist("north", 1))
    driven.do(Gone(b"n"))
    greet(driven, b"e", evil)
    [refused] = told(say(driven, b"e", evil, enlist("north", 9)), b"e")
    assert isinstance(refused, Rejected)
    assert refused.reason == "agent north came with key north before, and this is key evil"
    greet(driven, b"m", NORTH)
    assert told(say(driven, b"m", NORTH, enlist("north", 1)), b"m") == [Enlisted()]

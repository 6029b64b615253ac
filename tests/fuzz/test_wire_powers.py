"""The promise: an agent's key is good for one agent's part. Whatever its owner says, the parts of others stay theirs,
and what the broker does and keeps because of it is bounded; an observer's key changes nothing at all. By the broker's
state alone, which hears any message there is from somebody with a key, while two real agents are in mid-run.
"""

from __future__ import annotations

from random import Random

import msgspec
import pytest
from msgspec.structs import replace

import loads
from loads.broker.events import Effect, Gone, Keep, Said, Save, Send
from loads.broker.rights import Principal
from loads.errors import ProtocolError
from loads.wire.cluster import (
    Ask,
    Batch,
    Beat,
    Cease,
    Complete,
    Enlist,
    Follow,
    FromBroker,
    Hello,
    Line,
    Recollect,
    Role,
    Span,
    Stage,
    Standing,
    Submit,
    ToBroker,
    Trouble,
)
from loads.wire.codec import decode_to_broker, encode
from loads.wire.messages import PROTOCOL
from tests.build import iterations_of
from tests.driven import Driven
from tests.runs import batch_of, submit_of

PEER = b"evil"
MOST_EFFECTS = 1_000
"""Of one message: each is an answer to be packed and sent, while nobody else is heard."""
MOST_NAMES = 100
"""Agents that one connection or one key can make the broker remember."""


class Evil:
    """Somebody with a key of that role, and the broker that he means to harm: north is agent 1, south is agent 2."""

    def __init__(self, role: Role) -> None:
        self.driven = Driven().running()
        self.who = Principal("key evil", frozenset({role}), b"evil's key")
        self.say(Hello(protocol=PROTOCOL, version=loads.__version__, role=role, session=1))
        self.before = self.parts()

    def say(self, message: ToBroker) -> list[Effect]:
        """What follows from that."""
        return self.driven.do(Said(PEER, message, b"data", self.who))

    def heard(self, message: ToBroker) -> list[FromBroker]:
        """What he is told."""
        return [effect.message for effect in self.say(message) if isinstance(effect, Send) and effect.peer == PEER]

    @property
    def run(self) -> str:
        return self.driven.run

    def parts(self) -> bytes:
        """All that the broker knows of the run and of what the two delivered."""
        run = self.driven.broker.runs[self.run]
        return msgspec.msgpack.encode((run.record, run.fold.tallies, sorted(run.away)))

    def check(self) -> None:
        """The two have their parts as they were, and are heard."""
        assert self.parts() == self.before
        for number in (1, 2):
            agent = self.driven.broker.agents.by_name[f"a{number}"]
            assert agent.peer == b"a%d" % number


def anything(chance: Random, run: str) -> ToBroker:
    """A message of any kind. Its incarnations are not the others': those are random, and told to nobody."""
    incarnation = chance.choice((5, 2**63))
    runs = chance.choice((run, run, "other", ""))
    stage = chance.choice(list(Stage))
    standing = Standing(
        run=runs,
        incarnation=incarnation,
        stage=stage,
        phase=chance.choice((-1, 0, 9)),
        holding=chance.choice((0, 1, 2**62)),
        workers=chance.choice((0, 1_024)),
        run_us=chance.choice((None, 0, -(2**63), 2**63)),
        ended_us=chance.choice((0, 2**62)),
        trouble=chance.choice((None, Trouble(message="m"))),
    )
    estates = tuple((chance.choice((run, "x")), chance.choice((5, 6, 7))) for _ in range(chance.randrange(4)))
    return chance.choice(
        (
            standing,
            Beat(sent_us=chance.choice((0, -(2**63), 2**63)), load=float("nan"), standing=standing, leaving=True),
            Beat(sent_us=1),
            Enlist(
                name=chance.choice(("a1", "a2", "evil", "", "x" * 1_000)),
                identity=9,
                incarnation=incarnation,
                host="h",
                cores=chance.choice((-1, 0, 2**62)),
                version="",
                estates=estates,
                standing=chance.choice((None, standing)),
                max_users=chance.choice((None, 1, 2**62)),
            ),
            Batch(run=runs, incarnation=incarnation, seq=chance.choice((0, 1, 2**62))),
            Complete(run=runs, incarnation=incarnation, last_seq=chance.choice((0, 1, 2**62))),
            Follow(run=chance.choice((None, run))),
            Recollect(run=run, before_us=chance.choice((None, 0, 2**62))),
            Cease(run=chance.choice((None, run)), now=True),
            Ask(runs=chance.choice((0, -1, 2**63))),
            submit_of(nonce=chance.randrange(9)),
            Hello(protocol=chance.choice((0, PROTOCOL)), version="", role=chance.choice(list(Role)), session=1),
        )
    )


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("role", [Role.AGENT, Role.OBSERVER])
def test_whatever_is_said_in_whatever_order_others_keep_their_parts(role: Role, seed: int) -> None:
    chance = Random(seed)
    evil = Evil(role)
    for _ in range(100):
        message = anything(chance, evil.run)
        effects = evil.say(message)
        assert len(effects) < MOST_EFFECTS
        assert not any(isinstance(effect, Keep | Save) for effect in effects), message
        if chance.random() < 0.2:  # who was rejected comes again
            evil.say(Hello(protocol=PROTOCOL, version="", role=role, session=2))
        evil.check()
    assert len(evil.driven.broker.runs) == 1


@pytest.mark.parametrize("message", [Follow(run=None), Ask(), Cease(run=None, now=True), submit_of(nonce=7)], ids=repr)
def test_an_agents_key_shows_and_starts_and_stops_nothing(message: Follow | Ask | Cease | Submit) -> None:
    evil = Evil(Role.AGENT)
    assert {type(answer).__name__ for answer in evil.heard(message)} <= {"Refused", "Rejected"}
    evil.check()


@pytest.mark.parametrize("stage", [Stage.FAILED, Stage.RESTING, Stage.COMPLETE, Stage.LOADED])
def test_where_an_agent_stands_only_it_can_say(stage: Stage) -> None:
    evil = Evil(Role.AGENT)
    evil.say(Enlist(name="evil", identity=9, incarnation=9, host="h", cores=1, version="1"))
    evil.say(Standing(run=evil.run, incarnation=1, stage=stage, phase=0, holding=1, workers=1))
    evil.check()


def test_what_an_agent_measured_only_it_can_say() -> None:
    evil = Evil(Role.AGENT)
    evil.say(Enlist(name="evil", identity=9, incarnation=9, host="h", cores=1, version="1"))
    evil.say(replace(batch_of(1, iterations_of(1)), run=evil.run, incarnation=1))
    evil.check()


def test_when_an_agent_is_through_only_it_can_say() -> None:
    evil = Evil(Role.AGENT)
    evil.say(Enlist(name="evil", identity=9, incarnation=9, host="h", cores=1, version="1"))
    evil.say(Complete(run=evil.run, incarnation=1, last_seq=0))
    evil.check()


def test_the_name_of_an_agent_that_is_away_for_a_moment_stays_its_own() -> None:
    evil = Evil(Role.AGENT)
    evil.driven.do(Gone(b"a2"))
    thief = Enlist(name="a2", identity=9, incarnation=9, host="h", cores=1, version="1")
    assert [type(answer).__name__ for answer in evil.heard(thief)] == ["Rejected"]


MANY, LONG = 100_000, "x" * 5_000_000
ENLIST = Enlist(name="e", identity=9, incarnation=9, host="h", cores=1, version="1")
BATCH = batch_of(1, incarnation=9)


@pytest.mark.parametrize(
    "enlist",
    [
        replace(ENLIST, name=LONG),
        replace(ENLIST, host=LONG),
        replace(ENLIST, version=LONG),
        replace(ENLIST, labels={f"label{number}": "x" for number in range(MANY)}),
        replace(ENLIST, labels={"label": LONG}),
        replace(ENLIST, estates=tuple(("x", number) for number in range(10, MANY))),
    ],
    ids=["name", "host", "version", "labels", "label", "estates"],
)
def test_an_agent_beyond_reason_is_rejected(enlist: Enlist) -> None:
    evil = Evil(Role.AGENT)
    assert [type(answer).__name__ for answer in evil.heard(enlist)] == ["Rejected"]
    assert enlist.name not in evil.driven.broker.agents.by_name
    evil.check()


@pytest.mark.parametrize(
    "message",
    [
        Hello(protocol=PROTOCOL, version=LONG, role=Role.AGENT, session=1),
        Standing(run="run", incarnation=9, stage=Stage.FAILED, trouble=Trouble(message=LONG)),
        replace(BATCH, spans=tuple(Span(number, iterations_of(1)) for number in range(20_000))),
        replace(BATCH, told=dict.fromkeys(range(MANY), 1)),
        replace(BATCH, users=dict.fromkeys(range(MANY), 1)),
        replace(BATCH, lines=(Line(0, None, LONG),)),
        replace(BATCH, warnings=(LONG,)),
    ],
    ids=["hello", "trouble", "spans", "told", "users", "lines", "warnings"],
)
def test_what_no_agent_says_is_no_message(message: ToBroker) -> None:
    data = encode(message)
    with pytest.raises(ProtocolError):
        decode_to_broker(data)


def test_one_connection_is_one_agent() -> None:
    evil = Evil(Role.AGENT)
    for number in range(1_000):
        evil.say(Enlist(name=f"e{number}", identity=9, incarnation=number + 9, host="h", cores=1, version="1"))
    assert len(evil.driven.broker.agents.by_name) < MOST_NAMES


def test_agents_that_came_once_are_not_remembered_for_ever() -> None:
    evil = Evil(Role.AGENT)
    for number in range(1_000):
        evil.say(Hello(protocol=PROTOCOL, version="", role=Role.AGENT, session=2))
        evil.say(Enlist(name=f"e{number}", identity=9, incarnation=number + 9, host="h", cores=1, version="1"))
        evil.driven.broker.agents.disconnect(PEER)
    assert len(evil.driven.broker.agents.by_name) < MOST_NAMES

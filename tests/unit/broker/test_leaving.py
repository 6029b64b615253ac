"""Agents that are told to go, and those that a run may not have: who is chosen instead, and who waits for whom."""

from __future__ import annotations

from loads.broker.events import Gone, Save, Tick
from loads.broker.liveness import RETURN_US
from loads.broker.orders import orders
from loads.plan.load import LoadOptions
from loads.units import US_PER_S
from loads.wire.cluster import Beat, RunState, Stage
from tests.driven import Driven
from tests.runs import record_of, seat_of, standing_of, submit_of, told

LATER_US = 2 * RETURN_US


def settled(agents: int) -> Driven:
    """A broker that has been there for long, with so many agents."""
    broker = Driven()
    broker.now_us = LATER_US
    for number in range(1, agents + 1):
        broker.enlist(number)
    return broker


def leave(broker: Driven, number: int) -> None:
    broker.say(b"a%d" % number, Beat(sent_us=1, leaving=True))


def seated(broker: Driven) -> list[str]:
    return [seat.agent for seat in broker.broker.runs[broker.run].record.seats]


def test_who_leaves_gets_no_run() -> None:
    broker = settled(2)
    leave(broker, 1)
    broker.submit(submit_of())
    assert seated(broker) == ["a2"]


def test_who_leaves_is_not_waited_for() -> None:
    broker = settled(1)
    broker.enlist(2, standing=standing_of(Stage.COMPLETE, 2, run="another"))
    broker.say(b"a2", Beat(sent_us=1, standing=standing_of(Stage.COMPLETE, 2, run="another"), leaving=True))
    broker.submit(submit_of(agents=2))
    assert "Refused" in told(broker.effects, b"r")


def test_an_elastic_run_does_not_take_who_leaves() -> None:
    broker = settled(1)
    broker.submit(submit_of(LoadOptions(users=(4,), duration_us=60 * US_PER_S), agents=1, elastic=True))
    for stage in (Stage.LOADED, Stage.FITTING, Stage.READY):
        broker.stand(stage, 1)
    broker.stand(Stage.RUNNING, 1, phase=0)
    broker.hello(b"a2")
    broker.enlist(2)
    assert seated(broker) == ["a1", "a2"]
    leave(broker, 2)
    assert seated(broker) == ["a1"], "it has begun nothing"


def test_who_leaves_and_has_not_begun_is_replaced() -> None:
    broker = settled(3)
    broker.submit(submit_of(agents=2))
    assert seated(broker) == ["a1", "a2"]
    broker.stand(Stage.LOADED, 1)
    leave(broker, 2)
    broker.do(Tick())
    assert seated(broker) == ["a1", "a3"]
    assert broker.broker.runs[broker.run].record.seats[0].stage is Stage.LOADED
    broker.do(Gone(b"a2"))
    broker.stand(Stage.LOADED, 3)
    assert broker.state is RunState.FITTING


def test_a_run_that_takes_all_goes_on_with_those_that_stay() -> None:
    broker = settled(2)
    broker.submit(submit_of())
    broker.stand(Stage.LOADED, 1)
    leave(broker, 2)
    broker.do(Tick())
    assert seated(broker) == ["a1"]
    assert broker.state is RunState.FITTING


def test_a_run_that_gets_no_other_is_refused_and_says_why() -> None:
    broker = settled(2)
    broker.submit(submit_of(agents=2))
    run = broker.broker.runs[broker.run]
    leave(broker, 2)
    broker.do(Tick())
    assert run.record.state is RunState.REFUSED
    assert run.record.trouble is not None
    assert run.record.trouble.message.startswith("2 agents are wanted and 1 free")


def test_a_run_that_waits_waits_for_another() -> None:
    broker = settled(2)
    broker.submit(submit_of(agents=2, wait=True))
    broker.stand(Stage.LOADED, 1)
    leave(broker, 2)
    broker.do(Tick())
    assert (broker.state, seated(broker)) == (RunState.PREPARING, ["a1"])
    broker.enlist(3)
    assert seated(broker) == ["a1", "a3"]


def test_who_has_begun_finishes_first() -> None:
    broker = settled(2)
    broker.submit(submit_of())
    for number in (1, 2):
        standing = standing_of(Stage.PREPARING, number, run=broker.run, holding=0)
        broker.say(b"a%d" % number, Beat(sent_us=1, standing=standing, leaving=number == 2))
    assert seated(broker) == ["a1", "a2"]


def test_a_broker_that_was_started_again_learns_it_from_the_next_beat() -> None:
    broker = Driven()
    broker.enlist(1)
    broker.submit(submit_of(agents=1, wait=True))
    assert seated(broker) == ["a1"]
    leave(broker, 1)
    assert seated(broker) == []
    broker.enlist(1)
    broker.do(Tick())
    assert seated(broker) == [], "the same process still leaves"


def test_who_waits_for_a_label_keeps_only_agents_that_have_it() -> None:
    broker = settled(0)
    broker.enlist(1, labels={"region": "eu"})
    broker.enlist(2, labels={"region": "us"})
    broker.submit(submit_of(agents=2, wait=True, labels={"region": "eu"}))
    broker.submit(submit_of(nonce=2, agents=1))
    broker.do(Tick())
    waiting, served = broker.broker.runs.values()
    assert waiting.record.state is RunState.WAITING
    assert [seat.agent for seat in served.record.seats] == ["a2"]


def test_an_elastic_run_takes_only_agents_with_its_labels() -> None:
    broker = settled(0)
    broker.enlist(1, labels={"region": "eu"})
    load = LoadOptions(users=(4,), duration_us=60 * US_PER_S)
    broker.submit(submit_of(load, agents=1, elastic=True, labels={"region": "eu"}))
    for stage in (Stage.LOADED, Stage.FITTING, Stage.READY):
        broker.stand(stage, 1)
    broker.stand(Stage.RUNNING, 1, phase=0)
    broker.enlist(2, labels={"region": "us"})
    assert seated(broker) == ["a1"]
    broker.enlist(3, labels={"region": "eu"})
    assert seated(broker) == ["a1", "a3"]


def test_what_finds_no_room_is_not_run_and_the_result_says_so() -> None:
    broker = settled(0)
    for number in (1, 2):
        broker.enlist(number, max_users=4)
    broker.submit(submit_of(LoadOptions(users=(6,), duration_us=60 * US_PER_S)))
    for stage in (Stage.LOADED, Stage.FITTING, Stage.READY):
        broker.stand(stage, 1, 2)
    broker.stand(Stage.RUNNING, 1, 2, phase=0)
    run = broker.broker.runs[broker.run]
    effects = broker.do(Gone(b"a2"))
    [warning] = run.fold.result.warnings if run.fold.result is not None else []
    assert "nobody runs 2 users of agent a2, which went away" in warning
    assert any(isinstance(effect, Save) and effect.fold for effect in effects), "also if the broker dies now"
    assert any("took those that they have room for" in notice.text for notice in run.chronicle.notices)


def test_who_joins_waits_for_who_joined_before_it() -> None:
    """The earlier one may run already what the later one gets."""
    third = ((0, 2), (0, 2))
    seats = [
        seat_of(1, stage=Stage.RUNNING, phase=0, held=2, holding=2, portions=(((1, 2),),)),
        seat_of(2, stage=Stage.READY, joining=True, first=1, held=1, holding=2, portions=(((0, 2), (1, 2)),)),
        seat_of(3, stage=Stage.READY, joining=True, first=2, held=1, holding=1, portions=(third,)),
    ]
    record = record_of(RunState.RUNNING, *seats)
    assert [type(order).__name__ for order in orders(record, seats[1], 0)] == ["Hold", "Go"]
    assert orders(record, seats[2], 0) == []
    seats[1].held = 2
    assert [type(order).__name__ for order in orders(record, seats[2], 0)] == ["Go"]

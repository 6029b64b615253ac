"""The broker by itself: peers that say Hello, agents that enlist, runs from their submission to their result."""

from __future__ import annotations

import msgspec

from loads.broker.events import Gone, Keep, Kept, Recall, Save, Saved, Send, Tick, Unsent
from loads.broker.fold import Fold
from loads.broker.liveness import RETURN_US
from loads.units import US_PER_S
from loads.wire.cluster import (
    Accepted,
    Beat,
    Beaten,
    Complete,
    Enlist,
    Follow,
    Role,
    RunState,
    Stage,
)
from loads.wire.messages import PROTOCOL
from tests.build import iterations_of
from tests.driven import Driven
from tests.runs import batch_of, new_broker, record_of, seat_of, standing_of, stored, submit_of, told


def test_a_peer_is_welcome() -> None:
    assert told(Driven().hello(b"a"), b"a") == ["Welcome"]


def test_another_protocol_is_rejected() -> None:
    assert told(Driven().hello(b"a", protocol=PROTOCOL + 1), b"a") == ["Rejected"]


def test_who_did_not_say_hello_is_asked() -> None:
    assert told(Driven().say(b"a", Beat(sent_us=1)), b"a") == ["WhoAreYou"]


def test_two_agents_can_not_have_one_name() -> None:
    broker = Driven()
    broker.enlist(1)
    broker.hello(b"z")
    other = Enlist(name="a1", identity=99, incarnation=99, host="h", cores=1, version="1")
    assert told(broker.say(b"z", other), b"z") == ["Rejected"]


def test_a_run_goes_from_its_submission_to_its_result() -> None:
    broker = Driven().running()
    run = broker.run
    broker.stand(Stage.RESTING, 1, 2, phase=0)
    assert broker.state is RunState.ENDING
    broker.stand(Stage.COMPLETE, 1, 2, phase=0)
    broker.say(b"a1", Complete(run=run, incarnation=1, last_seq=0))
    broker.say(b"a2", Complete(run=run, incarnation=2, last_seq=0))
    effects = broker.do(Tick())
    assert told(effects, b"a1") == ["Release"]
    assert told(effects, b"a2") == ["Release"]
    assert not broker.broker.runs


def test_nothing_is_told_before_it_is_on_the_disk() -> None:
    broker = Driven()
    broker.enlist(1)
    broker.hello(b"r", Role.RUNNER)
    effects = broker.do(broker.broker_said(b"r", submit_of()), store=False)
    assert told(effects, b"r") == []
    [save] = [effect for effect in effects if isinstance(effect, Save)]
    after = broker.do(Saved(save.record.id, save.record.version), store=False)
    assert told(after, b"r") == ["Accepted"]
    assert told(after, b"a1") == []
    assert told(stored(broker.broker, after), b"a1") == ["Prepare"]


def test_what_is_submitted_again_is_the_same_run() -> None:
    broker = Driven()
    broker.enlist(1)
    broker.submit()
    run = broker.run
    assert Send(b"r", Accepted(run=run)) in broker.say(b"r", submit_of())
    assert list(broker.broker.runs) == [run]


def test_what_is_submitted_again_after_its_end_is_the_same_run() -> None:
    broker = Driven(new_broker(over={1: "quiet-harbor"}))
    broker.enlist(1)
    broker.hello(b"r", Role.RUNNER)
    assert broker.say(b"r", submit_of()) == [Send(b"r", Accepted(run="quiet-harbor"))]
    assert not broker.broker.runs


def test_a_batch_is_acknowledged_once_it_is_kept_and_again_when_it_comes_again() -> None:
    broker = Driven().running()
    batch = batch_of(1, iterations_of(1), incarnation=1)
    batch = msgspec.structs.replace(batch, run=broker.run)
    taken = broker.do(broker.broker_said(b"a1", batch), store=False)
    assert told(taken, b"a1") == []
    assert [type(effect) for effect in taken] == [Keep]
    assert told(broker.do(Kept({(broker.run, 1): 1})), b"a1") == ["Stored"]
    again = broker.say(b"a1", batch)
    assert told(again, b"a1") == ["Stored"]
    assert not any(isinstance(effect, Keep) for effect in again)


def test_results_of_a_run_that_is_over_are_not_wanted() -> None:
    broker = Driven()
    broker.enlist(1)
    assert told(broker.say(b"a1", batch_of(1)), b"a1") == ["Closed"]


def test_a_lost_share_goes_to_the_others() -> None:
    broker = Driven().running()
    assert told(broker.do(Gone(b"a2")), b"a1") == ["Hold"]


def test_nobody_renews_the_lease_of_who_has_lost_its_share_and_can_not_be_told() -> None:
    broker = Driven().running()
    broker.do(Gone(b"a2"), store=False)
    broker.hello(b"b2")
    back = Enlist(name="a2", identity=2, incarnation=2, host="h", cores=1, version="1")
    standing = standing_of(Stage.RUNNING, 2, run=broker.run, phase=0)
    broker.do(broker.broker_said(b"b2", back), store=False)
    beat = Beat(sent_us=1, standing=standing)
    assert told(broker.do(broker.broker_said(b"b2", beat), store=False), b"b2") == []
    record = broker.broker.runs[broker.run].record
    broker.do(Saved(record.id, record.version))
    assert told(broker.say(b"b2", beat), b"b2") == ["Halt", "Wind", "Beaten"]


def test_orders_come_before_the_answer_to_a_beat() -> None:
    broker = Driven()
    broker.enlist(1)
    broker.submit()
    assert told(broker.say(b"a1", Beat(sent_us=1)), b"a1") == ["Prepare", "Beaten"]


def test_who_beats_hears_when_that_was() -> None:
    broker = Driven()
    broker.enlist(1)
    broker.now_us = 7
    assert broker.say(b"a1", Beat(sent_us=5)) == [Send(b"a1", Beaten(sent_us=5, broker_us=7))]


def test_an_agent_that_was_started_anew_has_lost_its_share_even_for_a_broker_that_was_too() -> None:
    record = record_of(RunState.RUNNING, seat_of(1), seat_of(2, first=1), version=1)
    broker = Driven()
    broker.broker.restore([(record, Fold())])
    broker.enlist(1, incarnation=11, estates=(("run", 1),))
    assert record.seats[0].lost == "was started again"
    assert record.seats[1].lost is None


def test_a_restarted_broker_waits_for_its_agents_and_then_no_more() -> None:
    record = record_of(RunState.RUNNING, seat_of(1), seat_of(2, first=1), version=1)
    broker = Driven()
    broker.broker.restore([(record, Fold())])
    broker.now_us = RETURN_US
    broker.do(Tick())
    assert record.seats[0].lost is None
    broker.now_us += US_PER_S
    broker.do(Tick())
    assert record.seats[0].lost == record.seats[1].lost == "did not come back to the broker"


def test_who_missed_something_gets_the_whole() -> None:
    broker = Driven().running()
    broker.say(b"r", Follow(run=broker.run))
    broker.do(Unsent(b"r"))
    broker.now_us = 2 * US_PER_S
    assert "Snapshot" in told(broker.do(Tick()), b"r")
    broker.now_us += 2 * US_PER_S
    assert told(broker.do(Tick()), b"r") == ["Update"]


def test_who_asks_for_a_run_that_is_over_is_told_from_the_store() -> None:
    broker = Driven()
    broker.hello(b"r", Role.RUNNER)
    assert broker.say(b"r", Follow(run="old")) == [Recall(b"r", "old")]

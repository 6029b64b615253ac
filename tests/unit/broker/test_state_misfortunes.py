"""What peers and the disk can do to a broker, and what it costs whom."""

from __future__ import annotations

import msgspec
import pytest

from loads.broker.events import Checkpoint, Keep, Send, Tick, Unsent
from loads.broker.liveness import RETURN_US
from loads.plan.load import LoadOptions
from loads.units import US_PER_S
from loads.wire.cluster import Beat, Complete, Follow, RunState, Snapshot, Stage, Trouble
from tests.build import iterations_of
from tests.driven import Driven
from tests.runs import batch_of, standing_of, submit_of, told


def test_what_comes_after_the_result_was_decided_is_not_counted() -> None:
    """The result may not be on the disk yet, but it was told what is lost."""
    driven = Driven().running(1)
    run = driven.broker.runs[driven.run]
    driven.stand(Stage.RESTING, 1, phase=0, ended_us=US_PER_S)
    driven.do(driven.broker_said(b"a1", Complete(run=run.id, incarnation=1, last_seq=0)))
    for _ in range(3):
        driven.now_us += US_PER_S
        driven.do(Tick(), store=False)
        if run.is_over:
            break
    assert run.is_over
    late = msgspec.structs.replace(batch_of(1, iterations_of(5)), run=run.id)
    effects = driven.do(driven.broker_said(b"a1", late), store=False)
    assert told(effects, b"a1") == ["Closed"]
    assert not [effect for effect in effects if isinstance(effect, Keep)]


def test_a_run_that_is_over_has_no_more_checkpoints() -> None:
    driven = Driven().running(1)
    run = driven.broker.runs[driven.run]
    run.refuse(Trouble(message="no"))
    driven.now_us += 60 * US_PER_S
    assert not [effect for effect in driven.do(Tick(), store=False) if isinstance(effect, Checkpoint)]


def test_a_run_that_waits_for_nobody_is_looked_at_again() -> None:
    """Agents that were about to be free can die instead."""
    driven = Driven()
    driven.now_us = 2 * RETURN_US
    driven.enlist(1, standing=standing_of(Stage.RUNNING, 1, run="another-one"))
    driven.submit(submit_of(agents=1))
    assert driven.state is RunState.WAITING
    driven.say(b"a1", Beat(sent_us=1, standing=standing_of(Stage.RUNNING, 1, run="another-one")))
    driven.broker.agents.disconnect(b"a1")
    run = driven.broker.runs[driven.run]
    driven.now_us += US_PER_S
    driven.do(Tick())
    assert run.record.state is RunState.REFUSED


def test_an_agent_that_can_not_join_is_not_asked_again_and_again() -> None:
    driven = Driven()
    driven.enlist(1)
    load = LoadOptions(users=(4,), duration_us=60 * US_PER_S)
    driven.submit(msgspec.structs.replace(submit_of(load), agents=1, elastic=True))
    for stage in (Stage.LOADED, Stage.FITTING, Stage.READY):
        driven.stand(stage, 1)
    driven.stand(Stage.RUNNING, 1, phase=0)
    driven.enlist(2)
    run = driven.broker.runs[driven.run]
    assert [seat.agent for seat in run.record.seats] == ["a1", "a2"]
    driven.say(b"a2", standing_of(Stage.FAILED, 2, run=run.id, trouble=Trouble(message="pip can't")))
    for _ in range(5):
        driven.now_us += US_PER_S
        driven.say(b"a2", Beat(sent_us=driven.now_us))
    assert [seat.agent for seat in run.record.seats] == ["a1"]


@pytest.mark.parametrize("claim", ["incarnation", "estate"])
def test_an_agent_that_claims_to_be_another_is_rejected(claim: str) -> None:
    """It would get the other's orders, and the other would go on without."""
    driven = Driven().running(1)
    other = {"incarnation": 1} if claim == "incarnation" else {"estates": ((driven.run, 1),)}
    effects = driven.enlist(2, incarnation=other.get("incarnation", 2), **({} if "incarnation" in other else other))
    peer = b"a1" if claim == "incarnation" else b"a2"
    assert "Rejected" in told(effects, peer)
    assert driven.broker.runs[driven.run].record.seats[0].lost is None


def test_who_does_not_keep_up_is_not_sent_the_whole_all_the_time() -> None:
    driven = Driven().running(1)
    driven.say(b"r", Follow(run=driven.run))
    snapshots = 0
    for _ in range(40):
        driven.now_us += US_PER_S // 4
        driven.say(b"a1", Beat(sent_us=driven.now_us, standing=standing_of(Stage.RUNNING, 1, run=driven.run, phase=0)))
        effects = driven.do(Tick())
        snapshots += sum(isinstance(effect, Send) and isinstance(effect.message, Snapshot) for effect in effects)
        driven.do(Unsent(b"r"))
    assert 2 <= snapshots <= 4


@pytest.mark.parametrize(
    "load", [LoadOptions(users=(2**63,)), LoadOptions(hits=(2**40,)), LoadOptions(duration_us=2**60)]
)
def test_a_load_beyond_reason_is_refused(load: LoadOptions) -> None:
    driven = Driven()
    driven.enlist(1)
    driven.submit(submit_of(load))
    assert "Refused" in told(driven.effects, b"r")
    assert not driven.broker.runs

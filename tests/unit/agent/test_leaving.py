"""An agent that was told to go: what it does first, what it waits for, and when it waits no longer."""

from __future__ import annotations

import pytest

from loads.agent.events import Depart, Effect, Heard, Inherited, Leave, Linked, Log, Pooled, Send, Tick
from loads.agent.leaving import AWAY_US, SILENT_US, STALLED_US
from loads.pool import events as pool
from loads.units import US_PER_S
from loads.wire.cluster import Beat, Beaten, Closed, Enlisted, Prepare, Release, Stage, Welcome
from tests.runs import submit_of
from tests.unit.agent.test_state import Driven

RELEASE = Release(run="run", incarnation=2)
OTHER = Prepare(run="other", spec=submit_of().spec, bundle=None, workers=1, slots=1)


def departs(effects: list[Effect]) -> bool:
    return Depart() in effects


def said(effects: list[Effect]) -> list[bool]:
    """What its beats say of leaving."""
    return [
        effect.message.leaving for effect in effects if isinstance(effect, Send) and isinstance(effect.message, Beat)
    ]


def test_without_a_run_it_goes_as_soon_as_the_broker_knows() -> None:
    """Until then it may be given one, which others have to take."""
    agent = Driven()
    effects = agent.do(Leave())
    assert said(effects) == [True]
    assert not departs(effects)
    assert departs(agent.beat())


def test_without_a_broker_and_a_run_it_goes_at_once() -> None:
    agent = Driven()
    agent.do(Linked(False))
    assert departs(agent.do(Leave()))


def test_a_broker_that_is_silent_is_not_waited_for_without_a_run() -> None:
    agent = Driven()
    agent.now_us = SILENT_US + 1
    assert departs(agent.do(Leave()))


def test_an_answer_to_an_earlier_beat_does_not_say_that_the_broker_knows() -> None:
    agent = Driven()
    agent.now_us = US_PER_S
    agent.do(Leave())
    assert not departs(agent.hear(Beaten(sent_us=0, broker_us=0)))
    assert departs(agent.beat())


@pytest.mark.parametrize("stage", [Stage.PREPARING, Stage.LOADED, Stage.READY, Stage.RUNNING, Stage.COMPLETE])
def test_a_run_is_finished_first(stage: Stage) -> None:
    agent = Driven().reach(stage)
    effects = agent.do(Leave())
    assert Log("finishes run first; again to leave now") in effects
    assert said(effects) == [True]
    assert not departs([*effects, *agent.beat()])
    assert agent.stage is stage
    assert departs(agent.hear(RELEASE))


def test_what_nobody_runs_any_more_is_delivered_before_it_goes() -> None:
    agent = Driven().reach(Stage.RUNNING)
    agent.do(Leave())
    agent.do(Pooled("run", pool.PhaseOver(0, 5)))
    for _ in range(30):
        agent.now_us += US_PER_S
        assert not departs([*agent.do(Tick()), *agent.beat()]), "the broker has not let it go"


def test_it_takes_no_run_any_more() -> None:
    agent = Driven().reach(Stage.RUNNING)
    agent.do(Leave())
    assert not agent.hear(OTHER)
    agent = Driven()
    agent.do(Leave())
    assert not agent.hear(OTHER)
    assert agent.stage is None


@pytest.mark.parametrize("stage", [None, Stage.RUNNING])
def test_told_again_it_goes_at_once(stage: Stage | None) -> None:
    agent = Driven()
    if stage is not None:
        agent.reach(stage)
    agent.do(Leave())
    assert departs(agent.do(Leave()))


def test_without_a_broker_its_load_goes_on_for_the_grace_and_then_it_goes() -> None:
    agent = Driven(grace_us=20 * US_PER_S).reach(Stage.RUNNING)
    agent.do(Linked(False))
    assert not departs(agent.do(Leave()))
    agent.now_us = 20 * US_PER_S
    assert not departs(agent.do(Tick()))
    agent.now_us += 1
    assert departs(agent.do(Tick()))


def test_without_a_broker_it_goes_when_its_part_of_the_phase_is_over() -> None:
    agent = Driven().reach(Stage.RUNNING)
    agent.do(Linked(False))
    agent.do(Leave())
    agent.now_us = AWAY_US - 1
    assert not departs(agent.do(Pooled("run", pool.PhaseOver(0, 5))))
    agent.now_us = AWAY_US + 1
    assert departs(agent.do(Tick()))


def test_a_connection_that_breaks_for_a_moment_changes_nothing() -> None:
    agent = Driven().reach(Stage.RESTING)
    agent.do(Leave())
    assert not departs(agent.do(Linked(False)))
    effects = agent.do(Linked(True))
    effects += agent.hear(Welcome(version="1", incarnation=1), Enlisted())
    assert said(effects) == [True]
    assert not departs(effects)


def test_a_broker_that_was_started_again_hears_it_before_the_agent_goes() -> None:
    agent = Driven().reach(Stage.RUNNING)
    agent.do(Leave())
    agent.beat()
    agent.do(Linked(False))
    agent.now_us = US_PER_S
    agent.do(Linked(True))
    agent.hear(Welcome(version="1", incarnation=2), Enlisted())
    assert not departs(agent.hear(RELEASE)), "it could be given another run"
    assert departs(agent.beat())


def test_what_earlier_processes_left_is_delivered_first_if_the_broker_takes_it() -> None:
    agent = Driven()
    agent.do(Inherited("old", 1, ()))
    effects = agent.do(Leave())
    assert any(isinstance(effect, Log) and "1 earlier run" in effect.text for effect in effects)
    assert not departs(agent.beat())
    assert departs(agent.hear(Closed(run="old", incarnation=1)))


def test_what_the_broker_does_not_take_is_left_to_the_next_agent() -> None:
    agent = Driven()
    agent.do(Inherited("old", 1, ()))
    agent.do(Leave())
    agent.now_us = STALLED_US
    assert not departs(agent.beat())
    agent.now_us += 1
    assert departs(agent.do(Heard(Beaten(sent_us=agent.now_us, broker_us=0))))


def test_it_tells_what_runs_may_choose_it_by() -> None:
    from loads.agent.state import Agent, AgentState
    from loads.wire.cluster import Enlist

    state = AgentState(Agent("a", 1, 2, "h", 1, 1, "1", labels={"region": "eu"}, max_users=7))
    state.handle(Linked(True), 0)
    [sent] = state.handle(Heard(Welcome(version="1", incarnation=1)), 0)
    assert isinstance(sent, Send)
    assert isinstance(sent.message, Enlist)
    assert (sent.message.labels, sent.message.max_users) == ({"region": "eu"}, 7)

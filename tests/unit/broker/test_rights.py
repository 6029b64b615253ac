"""Rights: each role may say what it needs, and nothing else."""

from __future__ import annotations

from typing import get_args

import pytest

from loads.broker.rights import EVERYTHING, LOCAL, NOBODY, RIGHTS, Principal, role_for
from loads.wire.cluster import Ask, Beat, Cease, Complete, Fetch, Follow, Hello, Role, ToBroker
from tests.runs import submit_of

AGENT = Principal("key north", frozenset({Role.AGENT}), b"1")
RUNNER = Principal("key ci", frozenset({Role.RUNNER}), b"2")
OBSERVER = Principal("key wall", frozenset({Role.OBSERVER}), b"3")
CEASE = Cease(run=None, now=False)
COMPLETE = Complete(run="r", incarnation=1, last_seq=1)


def test_each_message_is_the_right_of_somebody() -> None:
    assert {kind for kinds in RIGHTS.values() for kind in kinds} == set(get_args(ToBroker))


@pytest.mark.parametrize("message", [submit_of(), CEASE])
def test_only_a_runner_starts_and_stops_runs(message: ToBroker) -> None:
    assert RUNNER.may(message)
    assert not AGENT.may(message)
    assert not OBSERVER.may(message)


@pytest.mark.parametrize("message", [COMPLETE, Fetch(sha256="0", offset=0)])
def test_only_an_agent_tells_results_and_has_the_files(message: ToBroker) -> None:
    assert AGENT.may(message)
    assert not RUNNER.may(message)
    assert not OBSERVER.may(message)


@pytest.mark.parametrize("message", [Ask(), Follow(run=None)])
def test_an_agent_does_not_look_at_results(message: ToBroker) -> None:
    assert RUNNER.may(message)
    assert OBSERVER.may(message)
    assert not AGENT.may(message)


def test_everybody_may_say_who_he_is_and_that_he_lives() -> None:
    for message in (Hello(protocol=1, version="1", role=Role.AGENT, session=1), Beat(sent_us=1)):
        assert AGENT.may(message)
        assert RUNNER.may(message)
        assert OBSERVER.may(message)
        assert not NOBODY.may(message)


def test_this_user_may_everything() -> None:
    assert LOCAL.roles == EVERYTHING
    assert LOCAL.may(submit_of())
    assert LOCAL.may(COMPLETE)


def test_rights_are_said_in_words() -> None:
    assert OBSERVER.rights == "may only look at the cluster and its runs"
    assert AGENT.rights == "may only work in runs"
    assert NOBODY.rights == "may do nothing here"
    assert role_for(Ask()) is Role.OBSERVER
    assert role_for(CEASE) is Role.RUNNER
    assert role_for(COMPLETE) is Role.AGENT

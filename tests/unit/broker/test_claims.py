"""What peers claim to be: an agent's key is one key, a connection is one agent, and names can be shown."""

from __future__ import annotations

import pytest

from loads.broker.claims import MOST_ESTATES, MOST_LABELS, MOST_NAMES, Claims, speaks_early
from loads.broker.rights import LOCAL, Principal
from loads.wire.cluster import Batch, Beat, Complete, Enlist, Role, Stage, Standing, ToBroker, Who
from loads.wire.plain import MOST_CHARACTERS
from tests.runs import submit_of

NORTH = Principal("key north", frozenset({Role.AGENT}), b"north")
EVIL = Principal("key evil", frozenset({Role.AGENT}), b"evil")


def enlist(name: str = "a", identity: int = 1, incarnation: int = 1, **changed: object) -> Enlist:
    return Enlist(
        name=name,
        identity=identity,
        incarnation=incarnation,
        **{"host": "h", "cores": 1, "version": "1", **changed},  # type: ignore[arg-type]
    )


def refusal(claims: Claims, message: ToBroker, who: Principal, agent: Enlist | None = None) -> str:
    trouble = claims.check(agent, message, who)
    assert trouble is not None
    return trouble.message


def test_the_name_of_an_agent_that_is_away_is_no_other_keys() -> None:
    claims = Claims()
    assert claims.check(None, enlist(), NORTH) is None
    assert refusal(claims, enlist(identity=9), EVIL) == "agent a came with key north before, and this is key evil"
    assert claims.check(None, enlist(identity=5), NORTH) is None
    assert refusal(claims, enlist(identity=9), EVIL)


def test_the_same_agent_may_come_with_another_key_and_this_user_as_anybody() -> None:
    claims = Claims()
    assert claims.check(None, enlist(), NORTH) is None
    assert claims.check(None, enlist(), EVIL) is None
    assert claims.check(None, enlist(identity=7), LOCAL) is None
    assert refusal(claims, enlist(identity=9), NORTH) == "agent a came with no key before, and this is key north"


def test_a_key_that_is_none_any_more_has_no_names() -> None:
    claims = Claims()
    assert claims.check(None, enlist(), NORTH) is None
    claims.admitted({b"north", b"evil"})
    assert refusal(claims, enlist(identity=9), EVIL)
    claims.admitted({b"evil"})
    assert claims.check(None, enlist(identity=9), EVIL) is None


def test_a_key_can_not_have_any_number_of_names() -> None:
    claims = Claims()
    assert claims.check(None, enlist("mine"), NORTH) is None
    for number in range(MOST_NAMES + 5):
        assert claims.check(None, enlist(f"a{number}"), EVIL) is None
    assert repr(claims) == f"<Claims names={MOST_NAMES + 1}>"
    assert refusal(claims, enlist("mine", identity=9), EVIL)


def test_a_connection_is_one_agent() -> None:
    claims = Claims()
    first = enlist("web0")
    assert claims.check(None, first, LOCAL) is None
    assert claims.check(first, first, LOCAL) is None
    for other in (enlist("web1"), enlist("web0", identity=2), enlist("web0", incarnation=2)):
        assert "over the connection of agent web0" in refusal(claims, other, LOCAL, first)


@pytest.mark.parametrize(
    "message",
    [
        Standing(run="r", incarnation=2, stage=Stage.FAILED),
        Beat(sent_us=1, standing=Standing(run="r", incarnation=2, stage=Stage.FAILED)),
        Batch(run="r", incarnation=2, seq=1),
        Complete(run="r", incarnation=2, last_seq=0),
    ],
    ids=lambda message: type(message).__name__,
)
def test_an_agent_speaks_for_its_own_processes_only(message: ToBroker) -> None:
    claims = Claims()
    assert "speaks for a process that it is not" in refusal(claims, message, NORTH, enlist())
    assert claims.check(enlist(incarnation=2), message, NORTH) is None
    assert claims.check(enlist(estates=(("r", 2),)), message, NORTH) is None
    assert claims.check(enlist(), message, LOCAL) is None
    assert speaks_early(None, message, NORTH)
    assert not speaks_early(None, message, LOCAL)
    assert not speaks_early(None, Beat(sent_us=1), NORTH)


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "a\x1b]0;x\x07"},
        {"name": "a" * (MOST_CHARACTERS + 1)},
        {"host": "h\nroot: all is well"},
        {"version": "1\x9b2J"},
        {"labels": {"region": "\u202eue"}},
        {"labels": {f"k{number}": "v" for number in range(MOST_LABELS + 1)}},
    ],
    ids=repr,
)
def test_what_would_steer_a_terminal_is_no_name(changed: dict[str, object]) -> None:
    assert "can't be shown" in refusal(Claims(), enlist(**changed), LOCAL)  # type: ignore[arg-type]


def test_a_runner_says_who_it_is_in_plain_words() -> None:
    assert Claims().check(None, submit_of(who=Who("Žofie", "desk")), LOCAL) is None
    assert "can't be shown" in refusal(Claims(), submit_of(who=Who("me\r\x1b[K", "desk")), LOCAL)


def test_an_agent_has_no_endless_list_of_what_it_owes() -> None:
    estates = tuple(("r", number) for number in range(MOST_ESTATES + 1))
    assert "parts of runs" in refusal(Claims(), enlist(estates=estates), LOCAL)

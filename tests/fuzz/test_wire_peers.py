"""The promise: who has a key, or this user's own socket, can say anything that is no message, or a message at any time
and as fast as he can. It costs him his connection, or nothing comes of it: the broker answers the others at once, holds
no more memory than it should, and the run beside it loses no request. An observer changes nothing, whatever he says.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from random import Random
from typing import get_args

import pytest
from msgspec.structs import replace

from loads.wire.cluster import (
    Ask,
    Batch,
    Beat,
    BundleRef,
    Cease,
    Chunk,
    Complete,
    Enlist,
    Fare,
    Fetch,
    Follow,
    Hello,
    Line,
    Lost,
    Recollect,
    Role,
    Span,
    Stage,
    Standing,
    ToBroker,
    Trouble,
    Welcome,
)
from loads.wire.codec import MAX_MESSAGE_BYTES, encode
from loads.wire.messages import PROTOCOL
from tests.build import health_of, iterations_of, loss_of
from tests.intruders import Siege, damaged
from tests.runs import LOADED, submit_of

WHO = [("agent", Role.AGENT), ("observer", Role.OBSERVER), ("runner", Role.RUNNER), (None, Role.RUNNER)]
"""A key and the role that its owner says hello in; None: this user, over the unix socket."""
FLOOD_S = 0.5
everybody = pytest.mark.parametrize(("key", "role"), WHO, ids=[key or "local" for key, _ in WHO])


def plausible(siege: Siege) -> list[ToBroker]:
    """One message of each kind, or more, as real peers say them, of a process that nobody is."""
    run = siege.run
    failed = Standing(run=run, incarnation=7, stage=Stage.FAILED, run_us=5, trouble=Trouble(message="m", traceback="t"))
    span = Span(0, iterations_of(3, sent=3), (Fare(0, health_of()),))
    batch = Batch(run=run, incarnation=7, seq=1, spans=(span,), users={0: 1}, lines=(Line(0, None, "hello"),))
    nobody = ("nobody",)
    bundle = BundleRef(sha256="0" * 64, size_bytes=5, targets=("t",), search_path=(".",))
    return [
        Hello(protocol=PROTOCOL, version="1", role=Role.AGENT, session=2**64 - 1),
        Beat(sent_us=1, load=0.5),
        Beat(sent_us=-(2**63), load=float("nan"), standing=failed, leaving=True),
        failed,
        Standing(run=run, incarnation=7, stage=Stage.LOADED, loaded=LOADED),
        Enlist(name="evil", identity=1, incarnation=2, host="h", cores=2, version="1", labels={"a": "b"}, max_users=1),
        Enlist(name="north", identity=1, incarnation=3, host="h", cores=2, version="1", estates=((run, 4),)),
        batch,
        Batch(run=run, incarnation=7, seq=2**62, losses=(Lost(loss_of(), 3, replaced=True, given_up=False),)),
        Complete(run=run, incarnation=7, last_seq=0),
        Fetch(sha256="0" * 64, offset=2**62),
        Fetch(sha256="../../keys/broker", offset=0),
        Chunk(sha256="0" * 64, offset=0, total=5, data=b"12345"),
        submit_of(names=nobody),
        submit_of(nonce=2, names=nobody, bundle=bundle, labels={"region": "eu"}),
        Follow(run=run),
        Follow(run=None),
        Follow(run="no' OR 1=1 --%_\0"),
        Cease(run="no-such-run", now=True),
        Recollect(run=run, before_us=None),
        Recollect(run="no' OR 1=1 --%_\0", before_us=2**62),
        Ask(runs=2**63),
        Ask(runs=-1),
    ]


def enormous() -> Iterator[bytes]:
    """Deep, huge, or saying so."""
    yield b"\x91" * 1_000_000
    yield b"\x81\xa1a" * 500_000
    yield b"\xdd\xff\xff\xff\xff"
    yield b"\xdf\xff\xff\xff\xff" + b"\xc0" * 1_000
    yield b"\xdb\xff\xff\xff\xff" + b"x" * 1_000
    yield b"\x82\xa4type\xa4Beat\xa7sent_us\xcf" + b"\xff" * 8
    yield encode(Follow(run="x" * (MAX_MESSAGE_BYTES - 100)))
    yield (
        b"\x82\xa4type\xa6Follow\xa3run\xc6"
        + (MAX_MESSAGE_BYTES - 50).to_bytes(4, "big")
        + bytes(MAX_MESSAGE_BYTES - 50)
    )
    yield encode(Ask()) * 100_000
    giant = Enlist(name="giant", identity=1, incarnation=8, host="h", cores=2**40, version="1")
    yield encode(replace(giant, labels={f"label{number}": "x" for number in range(10_000)}))
    yield encode(replace(giant, estates=tuple(("x", number) for number in range(10, 2_000))))
    yield b"\xc1"
    yield b""


def mutations(siege: Siege, chance: Random, count: int) -> Iterator[bytes]:
    """Noise, and messages that were damaged on the way. A `Cease` could become one that is meant."""
    valid = [encode(message) for message in plausible(siege) if not isinstance(message, Cease)]
    for number in range(count):
        yield (
            chance.randbytes(chance.choice((1, 5, 80, 2_000)))
            if number % 4 == 0
            else damaged(chance.choice(valid), chance)
        )


def say_each(siege: Siege, key: str | None, role: Role, frames: Iterable[bytes]) -> None:
    """Each by somebody new, after a Hello; the broker is done with one before the next one comes."""
    for frame in frames:
        with siege.enter(key) as intruder:
            assert intruder.hello(role).is_done_with(frame), f"no end of {frame[:100]!r}"


def answers(siege: Siege, key: str | None, role: Role) -> bool:
    """Whether the broker has a word for a newcomer: it has read what was said before."""
    with siege.enter(key) as newcomer:
        newcomer.greet(role)
    return True


def test_every_kind_of_message_is_tried(siege: Siege) -> None:
    assert {type(message) for message in plausible(siege)} == set(get_args(ToBroker))


@everybody
def test_noise_and_damaged_messages(siege: Siege, key: str | None, role: Role) -> None:
    say_each(siege, key, role, mutations(siege, Random(f"{key}"), 60))
    assert answers(siege, key, role)
    siege.check()


@pytest.mark.long
@everybody
def test_noise_and_damaged_messages_for_long(siege: Siege, key: str | None, role: Role) -> None:
    say_each(siege, key, role, mutations(siege, Random(time.time_ns()), 1_500))
    assert answers(siege, key, role)
    siege.check()


@everybody
def test_deep_and_huge_ones(siege: Siege, key: str | None, role: Role) -> None:
    say_each(siege, key, role, enormous())
    assert answers(siege, key, role)
    siege.check()


@everybody
def test_any_order_with_and_without_a_hello(siege: Siege, key: str | None, role: Role) -> None:
    chance = Random(f"order {key}")
    messages = plausible(siege)
    with siege.enter(key) as intruder:
        intruder.say(*chance.sample(messages, len(messages)))
        intruder.hello(role)
        intruder.say(*chance.choices(messages, k=150))
        intruder.all_heard(0.1)
    assert answers(siege, key, role)
    siege.check()


@everybody
def test_as_fast_as_he_can(siege: Siege, key: str | None, role: Role) -> None:
    fast = {
        Role.AGENT: (
            Beat(sent_us=1),
            Fetch(sha256="0" * 64, offset=0),
            Complete(run=siege.run, incarnation=7, last_seq=0),
        ),
        Role.OBSERVER: (Ask(runs=100), Follow(run=siege.run), Recollect(run=siege.run, before_us=None)),
        Role.RUNNER: (submit_of(names=("nobody",)), Follow(run=siege.run), Ask()),
    }[role]
    with siege.enter(key) as intruder:
        intruder.hello(role)
        end_s = time.monotonic() + FLOOD_S
        while time.monotonic() < end_s:
            if intruder.say(*fast):
                intruder.hear()
        siege.check()


def test_who_follows_and_never_reads(siege: Siege) -> None:
    with ExitStack() as stack:
        deaf = [stack.enter_context(siege.enter("observer")) for _ in range(10)]
        for each in deaf:
            each.hello(Role.OBSERVER)
            each.say(*[Follow(run=siege.run)] * 500, wait_s=0.2)
        siege.check()


def test_who_comes_and_goes_without_end(siege: Siege) -> None:
    beat = encode(Beat(sent_us=1))
    for number in range(500):
        with siege.enter(("observer", "agent", None)[number % 3]) as intruder:
            if number % 4:
                intruder.hello((Role.OBSERVER, Role.AGENT, Role.RUNNER)[number % 3])
            if number % 2:
                assert intruder.is_done_with(beat)
    siege.check()


def test_an_observer_changes_nothing(siege: Siege) -> None:
    """Nor does an agent's key start, stop or show anything."""
    before = siege.cluster.status(100)
    assert before is not None
    for key, role in (("observer", Role.OBSERVER), ("agent", Role.AGENT)):
        for message in (Cease(run=None, now=True), Cease(run=siege.run, now=True), submit_of(nonce=9, detached=True)):
            with siege.enter(key) as intruder:
                intruder.greet(role).say(message)
                heard = [type(each).__name__ for each in intruder.all_heard(0.1)]
                assert heard in (["Refused"], ["Rejected"])
    after = siege.cluster.status(100)
    assert after is not None
    assert [run.id for run in after.runs] == [run.id for run in before.runs]
    siege.check()


def test_who_is_revoked_and_does_not_leave_is_cut_off_and_does_not_come_back(siege: Siege) -> None:
    added = siege.cluster.call("loads", "keys", "add", "gone", "--role", "runner")
    assert added.exit_code == 0, added.err
    siege.keys["gone"] = added.out.strip()
    with siege.enter("gone") as intruder:
        intruder.greet(Role.RUNNER)
        assert siege.cluster.call("loads", "keys", "revoke", "gone").exit_code == 0
        assert intruder.is_cut_off(1.0)
        for _ in range(20):
            intruder.hello(Role.RUNNER).say(Cease(run=None, now=True), wait_s=0.05)
        assert not any(isinstance(message, Welcome) for message in intruder.all_heard(0.2))
    siege.check()


def test_an_agent_gets_bundles_and_no_other_file(siege: Siege) -> None:
    with siege.enter("agent") as intruder:
        intruder.greet(Role.AGENT)
        for name in ("../../keys/broker", "/etc/passwd", "..", "", "\0", "0" * 64, "x" * 100_000):
            for offset in (0, 2**62):
                intruder.say(Fetch(sha256=name, offset=offset))
                chunk = intruder.wait_for(Chunk)
                assert isinstance(chunk, Chunk)
                assert (chunk.total, chunk.data) == (0, b"")

"""The promise: whatever a frame of the cluster holds, decoding it gives a message or ProtocolError, and nothing else;
and a value in it that says it is huge costs nothing.
"""

from __future__ import annotations

import struct
import tracemalloc
from random import Random
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from loads.errors import ProtocolError
from loads.metrics.machines import Load
from loads.plan.spec import Phase, Plan
from loads.wire.cluster import (
    Ask,
    Batch,
    Beat,
    Chunk,
    Enlist,
    Fare,
    Fit,
    FromBroker,
    Go,
    Hello,
    Hold,
    Line,
    Lost,
    Notice,
    Recollect,
    Recollected,
    Rejected,
    Role,
    Slot,
    Snapshot,
    Span,
    Stage,
    Standing,
    Stored,
    ToBroker,
    Track,
    Trouble,
    Update,
)
from loads.wire.cluster import RunState as State
from loads.wire.codec import decode_from_broker, decode_to_broker, encode
from tests.build import healths, loss_of, summaries

ENDS: list[tuple[Any, Any]] = [(decode_to_broker, ToBroker), (decode_from_broker, FromBroker)]
STANDING = Standing(
    run="r", incarnation=7, stage=Stage.FAILED, run_us=5, trouble=Trouble(message="m", traceback="t" * 300)
)
VALID = [
    encode(message)
    for message in (
        Hello(protocol=2, version="1", role=Role.AGENT, session=2**64 - 1),
        Beat(sent_us=1, load=0.5, standing=STANDING),
        Enlist(name="a", identity=1, incarnation=2, host="h", cores=2, version="1", labels={"a": "b"}),
        Chunk(sha256="s" * 64, offset=0, total=5, data=b"12345"),
        Ask(runs=3),
        Rejected(reason="r", hint="h"),
        Fit(run="r", plan=Plan((Phase(4, hits=5),)), first=0, portions=(((0, 2), (1, 3)),), holding=1),
        Go(run="r", phase=0, run_at_us=1, phase_at_us=2),
        Hold(run="r", holding=2, portions=((),), from_phase=1),
        Stored(run="r", incarnation=1, seq=2),
        Snapshot(
            run="r", state=State.WAITING, result=None, elapsed_us=None, seats=(), lines=(), notices=(Notice(text="n"),)
        ),
        Recollect(run="r", before_us=None),
        Recollected(run="r", before_us=5, slots=(Slot(Track.SERIES, 0, 1, b"12345"),), more=True),
        Update(run="r", state=State.RUNNING, elapsed_us=1, users={0: 1}, gone=(1,), lines=(Line(0, None, "x"),)),
    )
]
batches = st.builds(
    lambda summary, health: encode(
        Batch(
            run="r",
            incarnation=1,
            seq=1,
            spans=(Span(0, summary, (Fare(0, health, Load(3, 1, 5)),)),),
            users={0: 1},
            losses=(Lost(loss_of(), 3, replaced=True, given_up=False),),
        )
    ),
    summaries(),
    st.one_of(st.none(), healths()),
)
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(), st.text(max_size=5), st.binary(max_size=5)
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.text(max_size=5), st.integers(-3, 3)), inner, max_size=4),
    ),
    max_leaves=8,
)
frames = st.one_of(st.sampled_from(VALID), batches)
more = settings(max_examples=100)


def listen(data: bytes) -> int:
    """How many of the two ends take `data` for a message. Anything but messages or ProtocolError comes out."""
    heard = 0
    for decode, kinds in ENDS:
        try:
            message = decode(data)
        except ProtocolError:
            continue
        assert isinstance(message, kinds)
        heard += 1
    return heard


@given(frames)
def test_undamaged_frames_are_heard(data: bytes) -> None:
    assert listen(data) >= 1


@more
@given(st.binary(max_size=80))
@example(b"")
@example(b"\xc1")
def test_random_bytes(data: bytes) -> None:
    assert listen(data) == 0


@more
@given(values)
def test_valid_messagepack_that_is_no_message(value: Any) -> None:
    assert listen(msgspec.msgpack.encode(value)) == 0


@settings(max_examples=400)
@given(frames, st.data())
def test_a_field_that_is_something_else(data: bytes, draw: st.DataObject) -> None:
    """One value, anywhere in a message, is replaced by any other, with its type or without."""
    message = msgspec.msgpack.decode(data, strict=False)
    place, part = draw.draw(st.sampled_from(list(_places(message))))
    place[part] = draw.draw(values)
    assert listen(msgspec.msgpack.encode(message)) <= 2


def _places(value: Any) -> Any:
    parts = value if isinstance(value, dict) else range(len(value))
    for part in parts:
        yield value, part
        if isinstance(value[part], dict | list):
            yield from _places(value[part])


@more
@given(frames, st.data())
def test_truncated_and_prolonged_frames(data: bytes, draw: st.DataObject) -> None:
    assert listen(data[: draw.draw(st.integers(0, len(data) - 1))]) == 0
    assert listen(data + draw.draw(st.binary(min_size=1, max_size=3))) == 0


@settings(max_examples=300)
@given(frames, st.randoms(use_true_random=False), st.integers(1, 4))
def test_flipped_bits(data: bytes, random: Random, flips: int) -> None:
    broken = bytearray(data)
    for _ in range(flips):
        bit = random.randrange(8 * len(broken))
        broken[bit // 8] ^= 1 << bit % 8
    assert listen(bytes(broken)) <= 2


@pytest.mark.parametrize("depth", [10, 1_000, 100_000, 5_000_000])
@pytest.mark.parametrize("opening", [b"\x91", b"\x81\xa1a", b"\xdd\0\0\0\1"], ids=["array", "map", "array32"])
def test_deep_nesting(opening: bytes, depth: int) -> None:
    """As a whole message, in a field that nobody asked for, and in one that nests."""
    assert listen(opening * depth) == 0
    assert listen(b"\x82\xa4type\xa3Ask\xa1x" + opening * depth) == 0
    assert listen(b"\x82\xa4type\xa4Hold\xa8portions" + opening * depth) == 0


@pytest.mark.parametrize("kind", sorted(kind.__name__ for kind in {*get_args(ToBroker), *get_args(FromBroker)}))
@pytest.mark.parametrize(
    "header",
    [b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"],
    ids=["array", "map", "text", "bytes"],
)
def test_a_value_that_says_it_is_huge_costs_nothing(kind: str, header: bytes) -> None:
    tracemalloc.start()
    try:
        for field in (*msgspec.structs.fields(_kind(kind)), None):
            name = msgspec.msgpack.encode(field.encode_name if field is not None else "other")
            assert listen(b"\x82\xa4type" + msgspec.msgpack.encode(kind) + name + header + b"\0" * 50) == 0
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def _kind(name: str) -> Any:
    return next(kind for kind in {*get_args(ToBroker), *get_args(FromBroker)} if kind.__name__ == name)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), 1e308])
def test_numbers_that_are_none(number: float) -> None:
    assert listen(b"\x83\xa4type\xa4Beat\xa7sent_us\x01\xa4load\xcb" + struct.pack(">d", number)) == 1
    assert listen(b"\x82\xa4type\xa4Beat\xa7sent_us\xcb" + struct.pack(">d", number)) == 0


@pytest.mark.parametrize("exponent", [64, 65, 1_000])
def test_integers_beyond_64_bits(exponent: int) -> None:
    """MessagePack has no such thing, but for a float that is whole."""
    assert listen(b"\x82\xa4type\xa4Beat\xa7sent_us\xcb" + struct.pack(">d", 2.0**exponent)) <= 1
    text = str(2**exponent).encode()
    assert listen(b"\x82\xa4type\xa4Beat\xa7sent_us\xda" + len(text).to_bytes(2, "big") + text) == 0


@given(st.binary(min_size=1, max_size=4))
def test_text_that_is_no_unicode(rubbish: bytes) -> None:
    body = b"\x83\xa4type\xa8Rejected\xa4hint\xa0\xa6reason" + bytes([0xA0 + len(rubbish)]) + rubbish
    try:
        rubbish.decode()
    except UnicodeDecodeError:
        assert listen(body) == 0
    else:
        assert listen(body) == 1

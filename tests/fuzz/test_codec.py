"""The promise: whatever the bytes are, decoding gives messages or ProtocolError, and nothing else; and it holds no more
than one frame, however long a frame or a value in it says that it is.
"""

from __future__ import annotations

import tracemalloc
from random import Random
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from loads.errors import ProtocolError
from loads.plan.profile import Stage
from loads.plan.spec import Phase, Plan
from loads.wire.codec import MAX_FRAME_BYTES, Unframer, frame, from_parent, from_worker
from loads.wire.messages import (
    PROTOCOL,
    Alive,
    Assign,
    Bye,
    Delta,
    Down,
    Hello,
    Kept,
    Load,
    Loaded,
    LoadFailed,
    PhaseDone,
    Ready,
    ScenarioInfo,
    Start,
    Stop,
    Take,
    Up,
    Yield,
    Yielded,
)
from tests.build import healths, summaries

ENDS = {"from a worker": (from_worker, get_args(Up)), "from a parent": (from_parent, get_args(Down))}
PLAN = Plan((Phase(4, hits=5), Phase(2, stages=(Stage(0, 2), Stage(10, 2)))))
VALID = [
    frame(message)
    for message in (
        Hello(protocol=PROTOCOL, incarnation=2**64 - 1),
        Loaded(scenarios=(ScenarioInfo(name="t", weight=1),) * 3, hooks=("setUpModule",)),
        LoadFailed(message="m", hint="h", traceback="t" * 300),
        Ready(runnable=1),
        PhaseDone(phase=0, ended_us=5),
        Bye(last_seq=70_000),
        Load(targets=("a", "b"), search_path=("/",)),
        Assign(worker=0, portions=(((1, 2), (0, 3)), ()), plan=PLAN, seed=7, server_url=None, fresh_session=False),
        Start(phase=0, run_at_us=1, phase_at_us=2),
        Stop(now=True),
        Alive(until_us=2**40),
        Kept(seq=3),
        Take(portions=(((0, 2),),), from_phase=1),
        Yield(portions=((),)),
        Yielded(portions=()),
    )
]
deltas = st.builds(
    lambda summary, health: frame(Delta(seq=1, t_us=0, users=1, summary=summary, health=health)),
    summaries(),
    st.one_of(st.none(), healths()),
)
leaves = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(), st.text(max_size=5))
values = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)),
    max_leaves=8,
)
frames = st.one_of(st.sampled_from(VALID), deltas)
more = settings(max_examples=80)


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


def listen(*parts: bytes) -> int:
    """Both ends hear `parts`: how many messages came of them. Anything but messages or ProtocolError comes out."""
    heard = 0
    for make, kinds in ENDS.values():
        unframer: Unframer[Any] = make()
        try:
            for part in parts:
                for message in unframer.feed(part):
                    assert isinstance(message, kinds)
                    heard += 1
        except ProtocolError:
            continue
    return heard


@given(frames)
def test_undamaged_frames_are_heard_by_the_end_they_are_for(data: bytes) -> None:
    assert listen(data) == 1


@more
@given(st.lists(st.binary(max_size=60), max_size=4))
@example([b"\xff\xff\xff\xff"])
@example([b"\0\0\0\0"])
def test_random_bytes(parts: list[bytes]) -> None:
    assert listen(*parts) >= 0


@more
@given(st.binary(max_size=80))
def test_random_bytes_in_a_whole_frame(body: bytes) -> None:
    assert listen(framed(body)) <= 2


@more
@given(values)
def test_valid_messagepack_that_is_no_message(value: Any) -> None:
    assert listen(framed(msgspec.msgpack.encode(value))) == 0


@more
@given(
    st.sampled_from([kind.__name__ for kind in (*get_args(Up), *get_args(Down))]),
    st.dictionaries(
        st.sampled_from(["protocol", "summary", "plan", "scenarios", "seq", "worker", "targets", "now", "message"]),
        st.one_of(st.none(), st.integers(-3, 3), st.text(max_size=3), st.lists(st.integers(-3, 3), max_size=3)),
    ),
)
def test_messages_with_fields_of_any_type(kind: str, fields: dict[str, Any]) -> None:
    assert listen(framed(msgspec.msgpack.encode({"type": kind, **fields}))) <= 2


@more
@given(frames, st.data())
def test_truncated_frames(data: bytes, draw: st.DataObject) -> None:
    """Cut short on the way, with and without a length that fits."""
    end = draw.draw(st.integers(0, len(data) - 1))
    assert listen(data[:end]) == 0
    assert listen(framed(data[4:end])) == 0


@more
@given(frames, st.randoms(use_true_random=False), st.integers(1, 4))
def test_flipped_bits(data: bytes, random: Random, flips: int) -> None:
    broken = bytearray(data)
    for _ in range(flips):
        bit = random.randrange(8 * len(broken))
        broken[bit // 8] ^= 1 << bit % 8
    assert listen(bytes(broken)) <= 2
    assert listen(framed(bytes(broken[4:]))) <= 2


@more
@given(st.lists(frames, max_size=4), st.binary(max_size=20), st.data())
def test_streams_split_at_random_places_with_rubbish_at_the_end(
    stream: list[bytes], rubbish: bytes, draw: st.DataObject
) -> None:
    data = b"".join(stream) + rubbish
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=6)))
    whole = listen(data)
    assert listen(*(data[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True))) == whole


@pytest.mark.parametrize("depth", [10, 1_000, 100_000, 5_000_000])
@pytest.mark.parametrize("opening", [b"\x91", b"\x81\xa1a", b"\xdd\0\0\0\1"], ids=["array", "map", "array32"])
def test_deep_nesting(opening: bytes, depth: int) -> None:
    """As a whole message, and in a field that nobody asked for: skipping must not recurse without end."""
    unknown = b"\x82\xa4type\xa5Alive\xa1x"
    assert listen(framed(opening * depth), framed(unknown + opening * depth)) == 0


@pytest.mark.parametrize("field", ["scenarios", "hooks"])
@pytest.mark.parametrize(
    "header", [b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"]
)
def test_a_value_that_says_it_is_huge_costs_nothing(field: str, header: bytes) -> None:
    name = msgspec.msgpack.encode(field)
    body = b"\x82\xa4type\xa6Loaded" + name + header + b"\0" * 50
    tracemalloc.start()
    try:
        assert listen(framed(body)) == 0
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("length", [MAX_FRAME_BYTES + 1, 2**32 - 1])
def test_a_frame_that_says_it_is_huge_is_refused_at_its_head(length: int) -> None:
    unframer = from_worker()
    with pytest.raises(ProtocolError):
        list(unframer.feed(length.to_bytes(4, "big")))


@given(st.binary(min_size=1, max_size=4))
def test_text_that_is_no_unicode(rubbish: bytes) -> None:
    fields = b"\x84\xa4type\xaaLoadFailed\xa4hint\xa0\xa9traceback\xa0\xa7message"
    body = fields + bytes([0xA0 + len(rubbish)]) + rubbish
    try:
        rubbish.decode()
    except UnicodeDecodeError:
        assert listen(framed(body)) == 0
    else:
        assert listen(framed(body)) == 1

from __future__ import annotations

from typing import get_args

import pytest

from loads.errors import ProtocolError
from loads.metrics.summary import Summary
from loads.wire import codec
from loads.wire.cluster import (
    Ask,
    Batch,
    Beat,
    Beaten,
    Chunk,
    FromBroker,
    Hello,
    Line,
    Role,
    Span,
    Stored,
    ToBroker,
    WhoAreYou,
)
from loads.wire.codec import MAX_ANSWER_BYTES, MAX_MESSAGE_BYTES, decode_from_broker, decode_to_broker, encode

BATCH = Batch(
    run="r",
    incarnation=2**64 - 1,
    seq=1,
    spans=(Span(0, Summary(counters={"a": 1})),),
    users={0: 3},
    lines=(Line(1, None, "ü"),),
)


@pytest.mark.parametrize(
    "message", [Hello(protocol=1, version="1", role=Role.AGENT, session=2**64 - 1), Beat(sent_us=1), Ask(), BATCH]
)
def test_what_a_peer_says_is_what_the_broker_hears(message: ToBroker) -> None:
    assert decode_to_broker(encode(message)) == message
    assert decode_to_broker(memoryview(encode(message))) == message


@pytest.mark.parametrize("message", [WhoAreYou(), Beaten(sent_us=1, broker_us=2), Stored(run="", incarnation=0, seq=1)])
def test_what_the_broker_says_is_what_a_peer_hears(message: FromBroker) -> None:
    assert decode_from_broker(encode(message)) == message


def test_pieces_of_a_bundle_go_both_ways() -> None:
    chunk = Chunk(sha256="s", offset=1, total=9, data=b"\0\xff")
    assert decode_to_broker(encode(chunk)) == decode_from_broker(encode(chunk)) == chunk


def test_neither_side_says_what_the_other_says() -> None:
    with pytest.raises(ProtocolError, match="not a message of this protocol"):
        decode_to_broker(encode(WhoAreYou()))
    with pytest.raises(ProtocolError, match="not a message of this protocol"):
        decode_from_broker(encode(Ask()))


def test_the_shape_of_hello_never_changes() -> None:
    """A broker must be able to refuse peers of any version."""
    old = b"\x85\xa4type\xa5Hello\xa8protocol\x01\xa7version\xa11\xa4role\xa5agent\xa7session\x07"
    assert encode(Hello(protocol=1, version="1", role=Role.AGENT, session=7)) == old


def test_who_sends_too_much_is_told_and_so_is_who_hears_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "MAX_MESSAGE_BYTES", 100)
    monkeypatch.setattr(codec, "MAX_ANSWER_BYTES", 200)
    up, down = Beat(sent_us=1), Stored(run="r" * 110, incarnation=1, seq=1)
    assert encode(up)
    with pytest.raises(ProtocolError, match=r"a Chunk of .* bytes is too large to send"):
        encode(Chunk(sha256="", offset=0, total=0, data=bytes(100)))
    assert decode_from_broker(encode(down)) == down
    with pytest.raises(ProtocolError, match=r"a Stored of .* bytes is too large to send"):
        encode(Stored(run="r" * 200, incarnation=1, seq=1))
    with pytest.raises(ProtocolError, match="a message of 101 bytes is too large"):
        decode_to_broker(bytes(101))
    with pytest.raises(ProtocolError, match="a message of 201 bytes is too large"):
        decode_from_broker(bytes(201))


def test_limits_leave_room_for_pieces_of_a_bundle() -> None:
    assert MAX_ANSWER_BYTES > MAX_MESSAGE_BYTES > 16 * 256 * 1024


def test_every_message_has_its_own_tag() -> None:
    kinds = {*get_args(ToBroker), *get_args(FromBroker)}
    assert len({kind.__struct_config__.tag for kind in kinds}) == len(kinds)

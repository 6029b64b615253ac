"""Messages to bytes and back: MessagePack by msgspec.

Between a worker and its parent each frame has its length in front; in a cluster ZeroMQ does the framing, and a message
is one frame. No I/O: bytes in, messages out. Whatever the bytes are, decoding gives messages or `ProtocolError`, and
never holds more than one frame of `MAX_FRAME_BYTES`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Generic, TypeVar

import msgspec

from loads.errors import ProtocolError
from loads.wire.cluster import FromBroker, ToBroker
from loads.wire.messages import Down, Message, Up

MAX_FRAME_BYTES: Final = 64 << 20
MAX_MESSAGE_BYTES: Final = 32 << 20
"""Of a message to the broker, which holds those of many peers at once."""
MAX_ANSWER_BYTES: Final = 64 << 20
"""Of a message from the broker: a snapshot is many batches in one."""
SEAL_BYTES: Final = 64
"""Room for what CURVE adds to a message."""
_LENGTH_BYTES: Final = 4
_BAD: Final = (msgspec.DecodeError, RecursionError, UnicodeError)
_encoder: Final = msgspec.msgpack.Encoder()
_to_broker: Final[msgspec.msgpack.Decoder[ToBroker]] = msgspec.msgpack.Decoder(ToBroker)
_from_broker: Final[msgspec.msgpack.Decoder[FromBroker]] = msgspec.msgpack.Decoder(FromBroker)

T = TypeVar("T")


def frame(message: Message) -> bytes:
    """`message` as one frame: four bytes of length (big-endian), then MessagePack."""
    body = _encoder.encode(message)
    if len(body) > MAX_FRAME_BYTES:
        raise ProtocolError(f"a {type(message).__name__} of {len(body):,} bytes is too large to send")
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


class Unframer(Generic[T]):
    """Collects bytes as they come and gives the messages in them."""

    def __init__(self, decoder: msgspec.msgpack.Decoder[T]) -> None:
        self._decoder = decoder
        self._pending = bytearray()

    def feed(self, data: bytes) -> Iterator[T]:
        """The messages that `data` completes.

        Raises:
            ProtocolError: these are not messages of this protocol; the connection is of no more use.
        """
        self._pending += data
        while len(self._pending) >= _LENGTH_BYTES:
            length = int.from_bytes(self._pending[:_LENGTH_BYTES], "big")
            if length > MAX_FRAME_BYTES:
                raise ProtocolError(f"a frame says that it is {length:,} bytes long")
            end = _LENGTH_BYTES + length
            if len(self._pending) < end:
                return
            body = bytes(self._pending[_LENGTH_BYTES:end])
            del self._pending[:end]
            try:
                message = self._decoder.decode(body)
            except _BAD as error:
                raise ProtocolError(f"not a message of this protocol: {error}") from None
            yield message


def from_worker() -> Unframer[Up]:
    """For the parent's end."""
    return Unframer(msgspec.msgpack.Decoder(Up))


def from_parent() -> Unframer[Down]:
    """For the worker's end."""
    return Unframer(msgspec.msgpack.Decoder(Down))


def encode(message: ToBroker | FromBroker) -> bytes:
    """`message` of a cluster as one frame of ZeroMQ.

    Raises:
        ProtocolError: the other side would refuse it, for its size, or a number in it is too large.
    """
    try:
        body = _encoder.encode(message)
    except OverflowError as error:
        raise ProtocolError(f"a {type(message).__name__} can't be encoded: {error}") from None
    if len(body) > MAX_MESSAGE_BYTES and (len(body) > MAX_ANSWER_BYTES or isinstance(message, ToBroker)):
        raise ProtocolError(f"a {type(message).__name__} of {len(body):,} bytes is too large to send")
    return body


def decode_to_broker(data: bytes | memoryview) -> ToBroker:
    """What a peer said to the broker.

    Raises:
        ProtocolError: that is no message to a broker.
    """
    return _decode(_to_broker, data, MAX_MESSAGE_BYTES)


def decode_from_broker(data: bytes | memoryview) -> FromBroker:
    """What the broker said to a peer.

    Raises:
        ProtocolError: that is no message from a broker.
    """
    return _decode(_from_broker, data, MAX_ANSWER_BYTES)


def _decode(decoder: msgspec.msgpack.Decoder[T], data: bytes | memoryview, limit_bytes: int) -> T:
    if len(data) > limit_bytes:
        raise ProtocolError(f"a message of {len(data):,} bytes is too large")
    try:
        return decoder.decode(data)
    except _BAD as error:
        raise ProtocolError(f"not a message of this protocol: {error}") from None

"""Messages to bytes and back: MessagePack by msgspec, each frame with its length in front.

No I/O: bytes in, messages out. Whatever the bytes are, decoding gives messages or `ProtocolError`, and never holds more
than one frame of `MAX_FRAME_BYTES`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Generic, TypeVar

import msgspec

from loads.errors import ProtocolError
from loads.wire.messages import Down, Message, Up

MAX_FRAME_BYTES: Final = 64 << 20
_LENGTH_BYTES: Final = 4
_encoder: Final = msgspec.msgpack.Encoder()

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
            except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
                raise ProtocolError(f"not a message of this protocol: {error}") from None
            yield message


def from_worker() -> Unframer[Up]:
    """For the parent's end."""
    return Unframer(msgspec.msgpack.Decoder(Up))


def from_parent() -> Unframer[Down]:
    """For the worker's end."""
    return Unframer(msgspec.msgpack.Decoder(Down))

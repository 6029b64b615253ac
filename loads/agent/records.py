"""What an agent's spool holds: everything that `Outbox` must know again when another process takes it over.

A spool is one file per run and incarnation, to which records are only added, each framed with its length. A record is
in the file before anything follows from it, so that a kill -9 at any moment costs at most a torn last record, of which
nobody has been told yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from loads.metrics.counters import Counts
from loads.wire.cluster import Lost
from loads.wire.messages import Delta

_LENGTH_BYTES: Final = 4


class _Record(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Base: tagged with its class name."""


class Took(_Record, frozen=True):
    """Process `incarnation` works for the run, as worker `worker` of it; its counters are in the file `page`."""

    worker: int
    incarnation: int
    page: str


class Numbered(_Record, frozen=True):
    """The plan stands: what was worker 0 of the agent so far is worker `first` of the run, and so on."""

    first: int


class Got(_Record, frozen=True):
    """A worker's delta, which counts for the second of the run from `t_us` on."""

    incarnation: int
    t_us: int
    delta: Delta


class Died(_Record, frozen=True):
    """A worker process is gone, and all that it said was taken. `lost`: what it did not tell; None: it told all."""

    incarnation: int
    lost: Lost | None


class Sealed(_Record, frozen=True):
    """All that was taken since the last one, as batch `seq`, encoded: what is sent, now and ever again."""

    seq: int
    data: bytes


class Acked(_Record, frozen=True):
    """The broker has all batches through `seq` on its disk."""

    seq: int


class Desk(msgspec.Struct, array_like=True):
    """A worker process as far as it told.

    Attributes:
        worker: its number in the run.
        seq: of its last delta.
        counts: what its deltas account for.
        last_us: end of the last second of the run that it told of.
    """

    worker: int
    page: str
    seq: int = 0
    counts: Counts = Counts()
    last_us: int = 0


class Base(_Record, frozen=True):
    """A new beginning, in place of all records before: everything sealed is acknowledged, nothing waits."""

    last_seq: int
    desks: dict[int, Desk]


Record = Took | Numbered | Got | Died | Sealed | Acked | Base
_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Record)


def encode_record(record: Record) -> bytes:
    """`record` as it stands in the file."""
    body = _encoder.encode(record)
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


def decode_records(data: bytes) -> Iterator[Record]:
    """The records in a file, up to the first one that is torn."""
    at = 0
    while at + _LENGTH_BYTES <= len(data):
        end = at + _LENGTH_BYTES + int.from_bytes(data[at : at + _LENGTH_BYTES], "big")
        if end > len(data):
            return
        try:
            record: Record = _decoder.decode(memoryview(data)[at + _LENGTH_BYTES : end])
        except (msgspec.DecodeError, UnicodeError):
            return
        yield record
        at = end

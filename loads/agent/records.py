"""What an agent's spool holds: everything that `Outbox` must know again when another process takes it over.

A spool is one file per run and incarnation, to which records are only added, each framed with its length. A record is
in the file before anything follows from it, so that a kill -9 at any moment costs at most a torn last record, of which
nobody has been told yet. The first record says how the others are to be read: what another version of Loads wrote is
refused, and stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from loads.errors import LoadsError
from loads.metrics.counters import Counts
from loads.wire.cluster import Lost
from loads.wire.messages import PROTOCOL, Delta

FORMAT: Final = 1
"""Of these records. What they hold of the wire has that one's version."""
_LENGTH_BYTES: Final = 4


class _Record(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Base: tagged with its class name."""


class Format(_Record, frozen=True):
    """The first of a file: how those after it are to be read."""

    version: int = FORMAT
    protocol: int = PROTOCOL


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


Record = Format | Took | Numbered | Got | Died | Sealed | Acked | Base
_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Record)


def encode_record(record: Record) -> bytes:
    """`record` as it stands in the file."""
    body = _encoder.encode(record)
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


def decode_records(data: bytes) -> Iterator[Record]:
    """The records in `data`, up to the first one that is torn."""
    return (record for record, _ in _scan(data))


def read_spool(data: bytes) -> tuple[tuple[Record, ...], int]:
    """The records in a file but for the first, and where the last whole one ends.

    Raises:
        LoadsError: another version of Loads wrote it, or something else did.
    """
    if _end_of(data, 0) is None:
        return (), 0
    whole = list(_scan(data))
    if not whole or whole[0][0] != Format():
        raise LoadsError("it is damaged, or another version of loads wrote it")
    return tuple(record for record, _ in whole[1:]), whole[-1][1]


def _scan(data: bytes) -> Iterator[tuple[Record, int]]:
    """Each record, and where it ends."""
    at = 0
    while (end := _end_of(data, at)) is not None:
        try:
            record: Record = _decoder.decode(memoryview(data)[at + _LENGTH_BYTES : end])
        except (msgspec.DecodeError, UnicodeError):
            return
        yield record, end
        at = end


def _end_of(data: bytes, at: int) -> int | None:
    """Where the record ends that begins at `at`; None: it is not whole, or there is none."""
    if at + _LENGTH_BYTES > len(data):
        return None
    end = at + _LENGTH_BYTES + int.from_bytes(data[at : at + _LENGTH_BYTES], "big")
    return end if end <= len(data) else None

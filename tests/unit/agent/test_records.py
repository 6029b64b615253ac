from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loads.agent.records import Acked, Base, Desk, Died, Numbered, Record, Sealed, Took, decode_records, encode_record
from loads.metrics.counters import Counts
from loads.wire.cluster import Lost
from tests.build import loss_of

RECORDS: list[Record] = [
    Took(0, 7, "page"),
    Numbered(3),
    Died(7, None),
    Died(7, Lost(loss_of(), 1, replaced=False, given_up=True)),
    Sealed(1, b"batch"),
    Acked(1),
    Base(4, {7: Desk(3, "page", 2, Counts(1, 1, 1, 0), 5)}),
]


def test_records_are_read_as_they_were_written() -> None:
    assert list(decode_records(b"".join(map(encode_record, RECORDS)))) == RECORDS


@given(st.integers(0, 1_000))
def test_of_a_torn_file_the_whole_records_are_read(at: int) -> None:
    data = b"".join(map(encode_record, RECORDS))
    whole = list(decode_records(data[: min(at, len(data))]))
    assert whole == RECORDS[: len(whole)]
    assert sum(len(encode_record(record)) for record in whole) <= at
    if at >= len(data):
        assert whole == RECORDS


@given(st.binary(max_size=200))
def test_any_bytes_are_records_or_nothing(data: bytes) -> None:
    assert isinstance(list(decode_records(data)), list)

"""What a broker writes of a run is what the next one reads."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loads.broker.fold import Fold
from loads.broker.record import decode_folded, decode_record, encode_folded, encode_record
from loads.metrics.result import Result
from loads.metrics.summary import Summary
from loads.wire.cluster import RunState, Stage
from tests.build import info_of, summaries
from tests.runs import batch_of, record_of, seat_of


def test_a_record_is_read_as_it_was_written() -> None:
    record = record_of(RunState.RUNNING, seat_of(stage=Stage.RUNNING, lost="went away", lost_us=3), version=4)
    assert decode_record(encode_record(record)) == record


@given(st.lists(summaries(), max_size=4))
def test_results_are_read_as_they_were_written(told: list[Summary]) -> None:
    folded = Fold(Result(info=info_of()))
    for number, summary in enumerate(told, 1):
        folded.take(batch_of(number, summary))
    folded.settle()
    assert folded.result is not None
    data = encode_folded(folded.result, folded.tallies)
    result, tallies = decode_folded(data, folded.result.timeline.packed)
    assert tallies == folded.tallies
    assert result.summary == folded.result.summary
    assert result.timeline.rows() == folded.result.timeline.rows()

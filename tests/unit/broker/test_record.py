"""What the store keeps of a run: all that a next broker needs, and after the end no secret any more."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import msgspec

from loads.broker.record import RunRecord, decode_record, encode_record
from loads.wire.cluster import RunState
from tests.runs import submit_of


def test_values_of_variables_are_kept_only_while_the_run_may_need_them() -> None:
    submit = submit_of()
    submit = msgspec.structs.replace(submit, spec=replace(submit.spec, env={"API_TOKEN": "s3cret"}))
    record = RunRecord(id="wild-eagle", submit=submit, created_at=datetime(2014, 5, 9, tzinfo=UTC))
    for state in RunState:
        record.state = state
        data = encode_record(record)
        over = state in (RunState.ENDED, RunState.REFUSED)
        assert (b"s3cret" in data) is not over
        assert decode_record(data).submit.spec.env == {"API_TOKEN": "" if over else "s3cret"}
    assert record.submit.spec.env == {"API_TOKEN": "s3cret"}

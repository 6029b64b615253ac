"""Whatever comes, in whatever order it is sealed, acknowledged, lost and read again: each count is in one batch."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.agent.outbox import MAX_IN_FLIGHT, MAX_LINES, MAX_SPANS, Outbox
from loads.agent.records import Acked, Died, Got, Numbered, Record, Took, decode_records, encode_record
from loads.broker.fold import Fold
from loads.metrics.result import Result
from loads.metrics.summary import Summary
from loads.units import US_PER_S
from loads.wire.cluster import Batch, Line, Lost
from loads.wire.messages import Delta
from tests.build import info_of, iterations_of, loss_of, summaries

steps = st.lists(
    st.one_of(
        st.tuples(st.just("got"), st.integers(0, 1), st.integers(0, 15), summaries()),
        st.sampled_from([("seal",), ("send",), ("again",), ("ack",), ("restart",), ("rewrite",)]),
    ),
    max_size=30,
)


def got(incarnation: int, seq: int, second: int, summary: Summary) -> Got:
    return Got(incarnation, second * US_PER_S, Delta(seq=seq, t_us=second * US_PER_S, users=1, summary=summary))


class Machine:
    """An outbox, the spool that it can be made of again, and the broker that it delivers to."""

    def __init__(self) -> None:
        self.outbox = Outbox("run", 9)
        self.spool = b""
        self.broker = Fold(Result(info=info_of()))
        self.deltas = [0, 0]
        for worker in range(2):
            self.apply(Took(worker, worker, f"p{worker}"))

    def apply(self, record: Record) -> None:
        data = encode_record(record)
        self.spool += data
        self.outbox.apply(next(decode_records(data)))

    def do(self, step: tuple[object, ...]) -> None:
        match step:
            case ("got", int(worker), int(second), Summary() as summary):
                self.deltas[worker] += 1
                self.apply(got(worker, self.deltas[worker], second, summary))
            case ("seal",):
                sealed = self.outbox.seal()
                if sealed is not None:
                    self.apply(sealed)
            case ("send",):
                for data in self.outbox.to_send():
                    self.broker.take(msgspec.msgpack.decode(data, type=Batch))
            case ("again",):
                self.outbox.send_again()
            case ("ack",):
                self.apply(Acked(self.broker.watermark(9)))
            case ("restart",):
                self.outbox = Outbox("run", 9)
                for record in decode_records(self.spool):
                    self.outbox.apply(record)
                self.outbox.send_again()
            case ("rewrite",):
                base = self.outbox.base()
                if base is not None:
                    self.spool = b""
                    self.apply(base)
        assert self.outbox.last_seq == self.outbox.acked + len(self.outbox.sealed)
        assert len(self.outbox.sealed) <= MAX_IN_FLIGHT


@given(steps)
def test_what_was_taken_is_delivered_once(schedule: list[tuple[object, ...]]) -> None:
    machine, truth = Machine(), Summary()
    for step in schedule:
        if step[0] == "got":
            truth.merge(step[3])  # type: ignore[arg-type]
        machine.do(step)
    while machine.outbox.has_pending or machine.outbox.sealed:
        for step in (("seal",), ("again",), ("send",), ("ack",)):
            machine.do(step)
    machine.broker.settle()
    assert machine.broker.result is not None
    assert machine.broker.result.summary == truth
    loads = machine.broker.result.machines
    assert sum(row.point.hits for each in loads.known for row in loads.rows(each)) == truth.hits.hits
    assert machine.broker.watermark(9) == machine.outbox.last_seq


def test_a_batch_once_sealed_never_changes() -> None:
    machine = Machine()
    machine.do(("got", 0, 0, iterations_of(1)))
    machine.do(("seal",))
    first = machine.outbox.to_send()
    machine.do(("got", 0, 0, iterations_of(2)))
    machine.outbox.send_again()
    assert machine.outbox.to_send() == first


def test_nothing_is_sealed_while_four_are_under_way() -> None:
    machine = Machine()
    for _ in range(MAX_IN_FLIGHT + 1):
        machine.do(("got", 0, 0, iterations_of(1)))
        machine.do(("seal",))
    assert len(machine.outbox.sealed) == MAX_IN_FLIGHT
    assert machine.outbox.has_pending


def test_a_delta_that_comes_again_is_not_taken() -> None:
    machine = Machine()
    for _ in range(2):
        machine.apply(got(0, 1, 0, iterations_of(3)))
    assert machine.outbox.desks[0].counts.started == 3


def test_seconds_fold_into_few() -> None:
    machine = Machine()
    for second in range(MAX_SPANS + 5):
        machine.do(("got", 0, second, iterations_of(1)))
    sealed = machine.outbox.seal()
    assert sealed is not None
    batch = msgspec.msgpack.decode(sealed.data, type=Batch)
    assert len(batch.spans) == MAX_SPANS
    assert sum(span.summary.totals.started for span in batch.spans) == MAX_SPANS + 5


def test_what_is_large_is_told_by_fewer_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """No broker would take it; the counts stay."""
    outbox = Outbox("run", 9)
    outbox.apply(Took(0, 1, "page"))
    for second in range(6):
        outbox.apply(got(1, second + 1, second, iterations_of(3)))
    monkeypatch.setattr("loads.agent.outbox.MAX_BYTES", 120)
    sealed = outbox.seal()
    assert sealed is not None
    batch = msgspec.msgpack.decode(sealed.data, type=Batch)
    assert 1 <= len(batch.spans) < 6
    assert sum(span.summary.totals.started for span in batch.spans) == 18


def test_a_worker_that_is_gone_runs_no_users_and_leaves_its_loss() -> None:
    machine = Machine()
    machine.do(("got", 0, 0, iterations_of(1)))
    machine.apply(Died(0, Lost(loss_of(), 1, replaced=True, given_up=False)))
    sealed = machine.outbox.seal()
    assert sealed is not None
    batch = msgspec.msgpack.decode(sealed.data, type=Batch)
    assert batch.users == {0: 0}
    assert len(batch.losses) == 1


def test_workers_get_their_numbers_in_the_run() -> None:
    machine = Machine()
    machine.apply(Numbered(4))
    assert [desk.worker for desk in machine.outbox.desks.values()] == [4, 5]


def test_lines_without_end_are_counted() -> None:
    machine = Machine()
    for _ in range(MAX_LINES + 3):
        machine.outbox.add_line(Line(0, 0, "x"))
    sealed = machine.outbox.seal()
    assert sealed is not None
    assert msgspec.msgpack.decode(sealed.data, type=Batch).lines[-1].text == "(3 more lines dropped)"

"""What a snapshot leaves out comes in pieces while the run goes on; at the end it is all there, and nothing twice."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from loads.broker.recollecting import recollected
from loads.metrics.health import Health
from loads.metrics.machines import Load
from loads.metrics.result import Result
from loads.metrics.summary import Summary
from loads.runner.recollecting import AGAIN_US, MOST_A_SECOND, Recollecting
from loads.units import US_PER_S
from loads.wire.cluster import Fare, Recollect, Span, ToBroker
from loads.wire.fold import bare, fold
from tests.build import iterations_of, result_of

RUN = "red-fox"


class Link:
    """The way to a broker; `up` is whether it can be asked now."""

    def __init__(self) -> None:
        self.up = True
        self.asked: list[Recollect] = []

    def send(self, message: ToBroker) -> bool:
        if self.up:
            assert isinstance(message, Recollect)
            self.asked.append(message)
        return self.up


def span_of(second: int, worker: int, hits: int) -> Span:
    summary = iterations_of(hits, sent=hits)
    fare = Fare(worker, Health(wall_us=US_PER_S, cpu_us=hits), Load.of(summary))
    return Span(second * US_PER_S, summary, (fare,))


def take(result: Result, *spans: Span) -> None:
    fold(result, spans, {}, (), ())


def assert_same(one: Result, other: Result) -> None:
    for key in {*one.details.keys, *other.details.keys}:
        assert one.details.rows(key) == other.details.rows(key)
    for machine in {*one.machines.known, *other.machines.known}:
        assert one.machines.rows(machine) == other.machines.rows(machine)


SPANS = st.builds(span_of, st.integers(0, 7_000), st.integers(0, 3), st.integers(1, 5))


@given(st.lists(SPANS, max_size=12), st.lists(st.lists(SPANS, max_size=3), max_size=12), st.integers(1, 400))
def test_whatever_comes_meanwhile_all_of_it_is_there_at_the_end(
    before: list[Span], meanwhile: list[list[Span]], most_bytes: int
) -> None:
    """Spans move from tier to tier under it, and come late."""
    theirs, link = result_of(Summary()), Link()
    take(theirs, *before)
    mine = msgspec.msgpack.decode(msgspec.msgpack.encode(bare(theirs)), type=Result)
    recollecting = Recollecting(link.send)
    recollecting.begin(RUN, mine)
    now_us = 0
    while not recollecting.is_whole:
        now_us += US_PER_S
        recollecting.turn(now_us)
        update = meanwhile.pop() if meanwhile else []
        take(theirs, *update)
        take(mine, *update)
        recollecting.hear(recollected(RUN, theirs, link.asked[-1].before_us, most_bytes))
    assert_same(mine, theirs)


def test_a_question_or_answer_that_is_lost_is_asked_again() -> None:
    link = Link()
    recollecting = Recollecting(link.send)
    recollecting.begin(RUN, result_of(Summary()))
    link.up = False
    recollecting.turn(0)
    link.up = True
    recollecting.turn(1)
    recollecting.turn(AGAIN_US)
    assert link.asked == [Recollect(run=RUN, before_us=None)]
    recollecting.turn(AGAIN_US + 1)
    assert len(link.asked) == 2


def test_what_was_asked_for_before_is_not_taken() -> None:
    theirs, link = result_of(Summary()), Link()
    take(theirs, *(span_of(second, 0, 1) for second in range(3)))
    recollecting = Recollecting(link.send)
    recollecting.hear(recollected(RUN, theirs, None, 1))
    recollecting.begin(RUN, bare(theirs))
    recollecting.hear(recollected(RUN, theirs, None, 1))
    assert not recollecting.is_whole
    recollecting.turn(0)
    recollecting.hear(recollected("blue-ox", theirs, None, 1))
    recollecting.hear(recollected(RUN, theirs, US_PER_S, 1))
    assert recollecting.before_us is None
    recollecting.hear(recollected(RUN, theirs, None, 1))
    assert recollecting.before_us == 2 * US_PER_S


def test_no_more_is_asked_than_a_broker_bears() -> None:
    theirs, link = result_of(Summary()), Link()
    take(theirs, *(span_of(second, 0, 1) for second in range(500)))
    recollecting = Recollecting(link.send)
    recollecting.begin(RUN, bare(theirs))
    for tick in range(1_000):
        recollecting.turn(US_PER_S + tick)
        recollecting.hear(recollected(RUN, theirs, link.asked[-1].before_us, 1))
    assert len(link.asked) == MOST_A_SECOND
    recollecting.turn(2 * US_PER_S)
    assert len(link.asked) == MOST_A_SECOND + 1


def test_a_piece_has_all_that_begins_at_one_time() -> None:
    theirs = result_of(Summary())
    take(theirs, *(span_of(second, 0, 1) for second in range(4)))
    piece = recollected(RUN, theirs, 3 * US_PER_S, 1)
    assert [(slot.t_us, slot.track.value) for slot in piece.slots] == [
        (2 * US_PER_S, "series"),
        (2 * US_PER_S, "machines"),
    ]
    assert piece.more
    assert not recollected(RUN, theirs, US_PER_S, 1).more
    assert recollected(RUN, theirs, 0, 1).slots == ()

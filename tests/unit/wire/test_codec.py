from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.errors import ProtocolError
from loads.metrics.summary import Summary
from loads.wire import codec
from loads.wire.codec import MAX_FRAME_BYTES, frame, from_parent, from_worker
from loads.wire.messages import Alive, Bye, Delta, Finish, Hello, LoadFailed, PhaseDone, Ready, Stop, Up
from tests.build import summaries

said = st.lists(
    st.one_of(
        st.builds(Hello, protocol=st.integers(0, 9), incarnation=st.integers(0, 2**64 - 1)),
        st.builds(Ready, runnable=st.integers(0, 9)),
        st.builds(Delta, seq=st.integers(1, 9), t_us=st.integers(0, 9), users=st.integers(0, 9), summary=summaries()),
        st.builds(Bye, last_seq=st.integers(0, 9)),
    ),
    max_size=5,
)


@given(said, st.data())
def test_any_split_of_the_stream_gives_the_same_messages(messages: list[Up], data: st.DataObject) -> None:
    stream = b"".join(frame(message) for message in messages)
    cuts = sorted({0, len(stream), *data.draw(st.lists(st.integers(0, len(stream)), max_size=8))})
    unframer = from_worker()
    assert [message for begin, end in pairwise(cuts) for message in unframer.feed(stream[begin:end])] == messages


def test_bytes_may_come_one_by_one() -> None:
    messages = [Bye(last_seq=300), Delta(seq=1, t_us=0, users=1, summary=Summary(counters={"a": 1}))]
    unframer = from_worker()
    stream = b"".join(frame(message) for message in messages)
    assert [message for byte in stream for message in unframer.feed(bytes([byte]))] == messages


def test_nothing_comes_of_half_a_message() -> None:
    unframer = from_worker()
    data = frame(Bye(last_seq=1))
    assert list(unframer.feed(data[:-1])) == []
    assert list(unframer.feed(data[-1:])) == [Bye(last_seq=1)]


def test_a_frame_is_its_length_and_its_message() -> None:
    data = frame(Alive(until_us=70_000))
    assert int.from_bytes(data[:4], "big") == len(data) - 4


def test_messages_before_a_bad_one_are_still_heard() -> None:
    stream = iter(from_worker().feed(frame(Ready(runnable=1)) + b"\0\0\0\1\xc1"))
    assert next(stream) == Ready(runnable=1)
    with pytest.raises(ProtocolError, match="not a message of this protocol"):
        next(stream)


def test_a_frame_that_says_it_is_too_long_is_refused_before_it_comes() -> None:
    with pytest.raises(ProtocolError, match="a frame says that it is 67,108,865 bytes long"):
        list(from_worker().feed((MAX_FRAME_BYTES + 1).to_bytes(4, "big")))


def test_a_message_that_is_too_long_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "MAX_FRAME_BYTES", 100)
    with pytest.raises(ProtocolError, match=r"a LoadFailed of .* bytes is too large to send"):
        frame(LoadFailed(message="x" * 100, hint="", traceback=""))


@pytest.mark.parametrize("message", [Stop(now=True), Finish()])
def test_a_worker_does_not_say_what_its_parent_says(message: Stop | Finish) -> None:
    with pytest.raises(ProtocolError):
        list(from_worker().feed(frame(message)))


@pytest.mark.parametrize("message", [Bye(last_seq=1), PhaseDone(phase=0, ended_us=1)])
def test_a_parent_does_not_say_what_its_worker_says(message: Bye | PhaseDone) -> None:
    with pytest.raises(ProtocolError):
        list(from_parent().feed(frame(message)))

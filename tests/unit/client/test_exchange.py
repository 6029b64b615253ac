"""One request and its answer over one connection, however the answer comes, breaks off or goes wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loads.client.answers import Heads
from loads.client.exchange import Broken, Unclear, converse, receive
from loads.client.transport import Connection
from tests.unit.client.wires import LONG_NS, Step, joined, now_ns, quick_sweeper, scripted

REQUEST = b"GET / HTTP/1.1\r\n\r\n"
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@dataclass(frozen=True)
class Sound:
    """A whole answer, and what it comes to. `at`: where in it the final answer begins."""

    data: bytes
    body: bytes
    bodyless: bool = False
    until_close: bool = False
    at: int = 0


SOUND = {
    "length": Sound(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
    "empty": Sound(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    "bare line feeds": Sound(b"HTTP/1.1 200 OK\nContent-Length: 2\n\n\n\n", b"\n\n"),
    "chunked": Sound(CHUNKED_HEAD + b"3\r\nabc\r\n2;x=y\r\n\r\n\r\n0\r\n\r\n", b"abc\r\n"),
    "trailers": Sound(CHUNKED_HEAD + b"0B\r\nhello world\r\n000\r\nX: 1\r\nY: 2\r\n\r\n", b"hello world"),
    "no content": Sound(b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "not modified": Sound(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", b""),
    "to HEAD": Sound(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"", bodyless=True),
    "to HEAD, chunked": Sound(CHUNKED_HEAD, b"", bodyless=True),
    "to HEAD, without a length": Sound(b"HTTP/1.1 200 OK\r\n\r\n", b"", bodyless=True),
    "until close": Sound(b"HTTP/1.0 200 OK\r\n\r\nall there is\r\n\r\n", b"all there is\r\n\r\n", until_close=True),
    "until close, nothing": Sound(b"HTTP/1.0 200 OK\r\n\r\n", b"", until_close=True),
    "interim": Sound(GO_ON + HINTS + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok", at=len(GO_ON + HINTS)),
    "interim to HEAD": Sound(
        GO_ON + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"", bodyless=True, at=len(GO_ON)
    ),
    "interim and chunks": Sound(GO_ON + CHUNKED_HEAD + b"1\r\na\r\n0\r\n\r\n", b"a", at=len(GO_ON)),
}
sound = st.sampled_from(sorted(SOUND)).map(SOUND.__getitem__)


def splits(data: bytes) -> st.SearchStrategy[list[bytes]]:
    """`data` in any pieces."""
    places = st.sets(st.integers(1, max(1, len(data) - 1)), max_size=12)
    return places.map(lambda cuts: pieces(data, sorted(cuts)))


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = [*(cut for cut in cuts if cut < len(data)), len(data)]
    return [data[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


def read(connection: Connection, bodyless: bool = False, heads: Heads | None = None) -> Any:
    return receive(connection, Heads() if heads is None else heads, bodyless, LONG_NS, now_ns())


def check(answer: Any, case: Sound, *, spent: bool | None = None) -> None:
    head, body, first_ns, end_ns, received, is_spent = answer
    assert body == case.body
    assert case.data[case.at :].startswith(b"HTTP/1.%d %d" % (head.version % 10, head.status))
    assert received == len(case.data)
    assert is_spent is (case.until_close if spent is None else spent)
    assert 0 < first_ns <= end_ns <= now_ns()


@pytest.mark.parametrize("name", SOUND)
def test_an_answer_in_one_piece(name: str) -> None:
    """The first of its kind, and those whose head is known by then."""
    case = SOUND[name]
    heads = Heads()
    for _ in range(3):
        with scripted([case.data]) as (connection, sock):
            answer = converse(connection, REQUEST, heads, case.bodyless, LONG_NS, now_ns())
        check(answer, case)
        assert sock.sent == REQUEST


@pytest.mark.parametrize("name", SOUND)
def test_an_answer_byte_by_byte(name: str) -> None:
    case = SOUND[name]
    with scripted([bytes([byte]) for byte in case.data]) as (connection, _):
        check(read(connection, case.bodyless), case)


@settings(max_examples=150)
@given(sound, st.data())
def test_how_an_answer_is_cut_makes_no_difference(case: Sound, data: st.DataObject) -> None:
    """Not even where the socket was called ready for nothing in between; and neither does what was known before."""
    steps: list[Step] = list(data.draw(splits(case.data)))
    for place in data.draw(st.lists(st.integers(0, len(steps)), max_size=2)):
        steps.insert(place, BlockingIOError())
    heads = Heads()
    if data.draw(st.booleans()):
        with scripted([case.data]) as (connection, _):
            read(connection, case.bodyless, heads)
    with scripted(steps) as (connection, _):
        check(read(connection, case.bodyless, heads), case)


@pytest.mark.parametrize("name", ["chunked", "trailers", "interim and chunks"])
def test_chunks_may_be_cut_anywhere(name: str) -> None:
    case = SOUND[name]
    for cut in range(1, len(case.data)):
        with scripted(pieces(case.data, [cut])) as (connection, _):
            check(read(connection), case)


@given(st.lists(sound, min_size=2, max_size=5), st.data())
def test_answers_follow_one_another_over_one_connection(cases: list[Sound], data: st.DataObject) -> None:
    heads = Heads()
    cases = [case for case in cases if not case.until_close]
    rows = [data.draw(st.one_of(st.just([case.data]), splits(case.data))) for case in cases]
    with scripted(piece for row in rows for piece in row) as (connection, _):
        for case in cases:
            check(read(connection, case.bodyless, heads), case)


@pytest.mark.parametrize(
    ("case", "longer"),
    [
        (Sound(CHUNKED_HEAD + b"2\r\nok\r\n0\r\n\r\n", b"ok"), 1),
        (Sound(b"HTTP/1.1 200 OK\r\nX: 1\r\n\r\nuntil close", b"until close", until_close=True), 2),
        (Sound(GO_ON + b"HTTP/1.1 204 None\r\n\r\n", b"", at=len(GO_ON)), 3),
    ],
    ids=["chunked", "until close", "interim"],
)
def test_a_head_alone_is_no_answer_whatever_came_before(case: Sound, longer: int) -> None:
    """The head before was so many bytes longer; then a known one comes, its body in the next piece."""
    heads = Heads()
    with scripted([case.data]) as (connection, _):
        read(connection, heads=heads)
    end = case.data.find(b"\r\n\r\n") + 4
    before = b"HTTP/1.1 204 None\r\nX: \r\n\r\n"
    before = before.replace(b"X: ", b"X: " + b"x" * (end + longer - len(before)))
    with scripted([before, case.data[:end], case.data[end:]]) as (connection, _):
        read(connection, heads=heads)
        check(read(connection, heads=heads), case)


@given(sound, st.integers(0, 60), st.booleans())
def test_a_head_before_of_any_length(case: Sound, length: int, in_one_piece: bool) -> None:
    """The guess where a head ends may be wrong by any number of bytes."""
    heads = Heads()
    with scripted([case.data]) as (connection, _):
        read(connection, case.bodyless, heads)
    rows = [case.data] if in_one_piece else [case.data[:-1], case.data[-1:]]
    with scripted(rows) as (connection, _):
        connection.head_bytes = length
        if case.data[:length] not in heads.known and rows[0][:length] not in heads.known:
            check(read(connection, case.bodyless, heads), case)


@given(sound.filter(lambda case: not case.until_close), st.binary(min_size=1, max_size=9), st.data())
def test_more_than_an_answer_spends_the_connection(case: Sound, surplus: bytes, data: st.DataObject) -> None:
    """The answer is good all the same."""
    together = data.draw(splits(case.data))
    together[-1] += surplus
    with scripted(together) as (connection, _):
        _head, body, _first, _end, received, spent = read(connection, case.bodyless)
    assert (body, received, spent) == (case.body, len(case.data) + len(surplus), True)


def test_an_answer_of_many_buffers() -> None:
    body = bytes(range(256)) * 4_000
    with scripted([b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body]) as (connection, _):
        assert read(connection)[1] == body
    with scripted([CHUNKED_HEAD + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)]) as (connection, _):
        assert read(connection)[1] == body


# What breaks off


ends = st.sampled_from([None, ConnectionResetError(104, "reset"), TimeoutError("timed out"), OSError(5, "broken")])


@settings(max_examples=150)
@given(sound, ends, st.data())
def test_an_answer_without_an_end_is_told_with_all_that_came_of_it(
    case: Sound, error: Exception | None, data: st.DataObject
) -> None:
    """Of the final answer, that is: interim ones were dealt with."""
    offset = data.draw(st.integers(0, len(case.data) - 1))
    head_end = case.data.find(b"\r\n\r\n", case.at) + 4
    if case.until_close and error is None and offset >= head_end:
        return
    steps: list[Step] = [piece for piece in data.draw(splits(case.data[:offset])) if piece]
    with scripted(steps if error is None else [*steps, error]) as (connection, _), pytest.raises(Broken) as caught:
        read(connection, case.bodyless)
    broken = caught.value
    at = max((start for start in starts(case) if start <= offset), default=0)
    assert broken.received == case.data[at:offset]
    assert broken.error is error
    assert broken.sending is False
    assert (broken.first_ns is not None) is (offset > 0)


def starts(case: Sound) -> list[int]:
    """Where its answers begin, interim ones included."""
    return [place for place in range(case.at + 1) if case.data[place:].startswith(b"HTTP/1.")]


@pytest.mark.parametrize("name", ["until close", "until close, nothing"])
def test_an_answer_until_close_that_is_reset_has_no_end(name: str) -> None:
    data = SOUND[name].data
    with scripted([data, ConnectionResetError()]) as (connection, _), pytest.raises(Broken) as caught:
        read(connection)
    assert caught.value.received == data


@pytest.mark.parametrize(
    ("steps", "was_closed"),
    [
        ([], True),
        ([ConnectionResetError()], True),
        ([TimeoutError()], False),
        ([b"H"], False),
        ([b"H", ConnectionResetError()], False),
    ],
)
def test_it_tells_whether_the_connection_was_perhaps_closed_before(steps: list[Step], was_closed: bool) -> None:
    with scripted(steps) as (connection, _), pytest.raises(Broken) as caught:
        read(connection)
    assert caught.value.was_closed is was_closed


def test_who_sent_an_interim_answer_had_not_closed_before() -> None:
    """The server had the request: it is not one of those that close without a word."""
    with scripted([GO_ON]) as (connection, _), pytest.raises(Broken) as caught:
        read(connection)
    assert not caught.value.was_closed


# What is for http.client to judge


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x00",
        b"<html>hello</html>\n",
        b"SSH-2.0-OpenSSH",
        b"HTTP/1.1 abc OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 101 + b"\r\n",
        CHUNKED_HEAD + b"x\r\n",
        CHUNKED_HEAD + b"-1\r\n",
        CHUNKED_HEAD + b"\r\n",
        CHUNKED_HEAD + b"3\r\nabcd\r\n",
        CHUNKED_HEAD + b"3\nabc\n0\n\n",
        CHUNKED_HEAD + b"1;" + b"x" * 5_000 + b"\r\na\r\n0\r\n\r\n",
        CHUNKED_HEAD + b"0" * 40 + b"1\r\na\r\n0\r\n\r\n",
    ],
)
@pytest.mark.parametrize("interim", [b"", GO_ON])
def test_what_is_not_plain_is_handed_over_as_it_came(data: bytes, interim: bytes) -> None:
    """With all that came of it, byte by byte or at once, and more to be had."""
    for steps in ([interim + data], [bytes([byte]) for byte in interim + data]):
        with scripted(steps) as (connection, sock), pytest.raises(Unclear) as caught:
            read(connection)
        assert 0 < caught.value.first_ns <= now_ns()
        rest = b"".join(step for step in sock.steps if isinstance(step, bytes))
        assert caught.value.received + rest == data
        assert not connection.is_closed or sock.closed == 1


@settings(max_examples=100)
@given(st.lists(st.binary(max_size=30), max_size=6), st.booleans())
def test_any_bytes_end_in_one_way_or_another(rows: list[bytes], chunks: bool) -> None:
    """An answer, a broken one or an unclear one: nothing else is raised, and nothing that came is lost."""
    steps: list[Step] = [row for row in rows if row]
    if chunks:
        steps.insert(0, CHUNKED_HEAD)
    came = b"".join(step for step in steps if isinstance(step, bytes))
    with scripted(steps) as (connection, sock):
        try:
            received = read(connection)[4]
        except (Broken, Unclear) as error:
            received = len(error.received)
        rest = b"".join(step for step in sock.steps if isinstance(step, bytes))
    assert received + len(rest) == len(came)


# Sending


@pytest.mark.parametrize("sends", [[3], [1] * 10, [BlockingIOError()], [5, BlockingIOError(), 2, BlockingIOError()]])
def test_a_request_is_sent_whole_in_as_many_pieces_as_it_takes(sends: list[int | Exception]) -> None:
    case = SOUND["length"]
    with scripted([case.data], sends) as (connection, sock):
        check(converse(connection, REQUEST, Heads(), False, LONG_NS, now_ns()), case)
        assert sock.sent == REQUEST


@pytest.mark.parametrize("error", [BrokenPipeError(), ConnectionResetError()])
@pytest.mark.parametrize("before", [[], [4]])
def test_who_hung_up_while_listening_may_have_answered(error: Exception, before: list[int | Exception]) -> None:
    case = SOUND["length"]
    with scripted([case.data], [*before, error]) as (connection, _):
        check(converse(connection, REQUEST, Heads(), False, LONG_NS, now_ns()), case)


@pytest.mark.parametrize("error", [TimeoutError("timed out"), OSError(113, "no route")])
@pytest.mark.parametrize("before", [[], [4]])
def test_a_request_that_did_not_get_through_is_told_so(error: Exception, before: list[int | Exception]) -> None:
    with scripted([], [*before, error]) as (connection, _), pytest.raises(Broken) as caught:
        converse(connection, REQUEST, Heads(), False, LONG_NS, now_ns())
    assert (caught.value.sending, caught.value.error, caught.value.received) == (True, error, b"")


@pytest.mark.parametrize("name", ["length", "until close", "chunked", "interim"])
@pytest.mark.parametrize("offset", [0, 1, 20, -1])
def test_silence_is_waited_for_so_long_and_no_longer(name: str, offset: int) -> None:
    """From nothing at all to all but the last byte: over a real socket, with what was received until then."""
    case = SOUND[name]
    with quick_sweeper(), joined() as (connection, theirs):
        theirs.sendall(case.data[:offset])
        begin_ns = now_ns()
        with pytest.raises(Broken) as caught:
            converse(connection, REQUEST, Heads(), False, 5_000_000, begin_ns)
        assert now_ns() - begin_ns >= 5_000_000
        assert isinstance(caught.value.error, TimeoutError)
        assert case.data[:offset].endswith(caught.value.received)
        assert theirs.recv(100) == REQUEST
        assert "open" in repr(connection)

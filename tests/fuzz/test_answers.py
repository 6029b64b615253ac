"""The promise: whatever bytes a server answers with, our session ends as stock requests does: with the same answer or
an exception of the same class, in bounded time, with a pool that works on, and with one request recorded.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from tests.parity import Call, Parity, two_sessions
from tests.parity_views import view
from tests.torture_answers import Answer, Close, Pieces, chunked, moved, reply

MANY = settings(
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)
VALID = [
    reply(b"0123456789", "X-A: 1", "Content-Type: text/plain; charset=utf-8", "Set-Cookie: a=1; Path=/"),
    chunked([b"0123456789", b"abc"], "X-A: 1", trailers=b"X-T: 1\r\n"),
    reply(gzip.compress(b"0123456789" * 9, mtime=0), "Content-Encoding: gzip"),
    chunked([gzip.compress(b"0123456789" * 9, mtime=0)], "Content-Encoding: gzip"),
    reply(b"until close", length=False),
    reply(b"", "Connection: close", status="204 No Content", length=False),
    reply(b"old", "Connection: keep-alive", version="HTTP/1.0"),
    b"HTTP/1.1 100 Continue\r\n\r\n" + reply(b"final"),
    *moved("/y", "302 Found", "Set-Cookie: b=2"),
    reply(b"not modified", "ETag: x", status="304 Not Modified"),
]
# fmt: off
MARKS = [
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\n\n", b" ", b"\t", b":", b";", b",", b"\0", b"\x80", b"\xff", b"0", b"-1",
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 ", b"200", b"204", b"100", b"101", b"304", b"302", b"HEAD",
    b"99999999999999999999",
    b"Content-Length: 5\r\n", b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n",
    b"Connection: close\r\n", b"Location: /z\r\n", b"Location: http://[\r\n", b"Set-Cookie: c=3\r\n", b"0\r\n\r\n",
    b"5;x\r\n",
    b"Content-Encoding: deflate\r\n", b"Content-Encoding: br\r\n", b"Content-Type: text/html; charset=x\r\n",
    b"X: \r\n y\r\n",
    b"Content-Length : 3\r\n", b" folded\r\n", b"no colon\r\n", b": no name\r\n", b"From x\r\n", b"X\x00Y: 1\r\n",
    b"X: a\rb\r\n", b"\x0b", b"\x0c", b"\x1c", b"\x85", b"Content-Length: 5, 5\r\n", b"Content-Length: +5\r\n", b"1_0",
]
# fmt: on
COLUMN = st.integers(0, 400)


@pytest.fixture(scope="module")
def both() -> Iterator[Parity]:
    with two_sessions() as both:
        yield both


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A sound answer in which a few places were cut, doubled, swapped, overwritten or added to."""
    data = draw(st.sampled_from(VALID))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(COLUMN) % (len(data) + 1)
        to = at + draw(st.integers(0, 12))
        match draw(st.sampled_from(["add", "add", "overwrite", "cut", "double", "end", "other", "lines"])):
            case "add":
                data = data[:at] + draw(st.sampled_from(MARKS)) + data[at:]
            case "overwrite":
                data = data[:at] + draw(st.binary(min_size=1, max_size=3)) + data[at + 1 :]
            case "cut":
                data = data[:at] + data[to:]
            case "double":
                data = data[:to] + data[at:]
            case "end":
                data = data[:at]
            case "other":
                data = data[:at] + draw(st.sampled_from(VALID))[at:]
            case "lines":
                lines = data.split(b"\r\n")
                lines.insert(at % len(lines), draw(st.sampled_from(MARKS)).strip(b"\r\n"))
                data = b"\r\n".join(lines)
    return data


heads = st.lists(
    st.sampled_from(MARKS) | st.binary(max_size=6) | st.sampled_from([b"X-A: 1\r\n", b"X-B:2\r\n"]), max_size=8
).map(lambda parts: b"HTTP/1.1 200 OK\r\n" + b"".join(parts) + b"\r\n\r\n0123456789")
chunks = st.lists(st.sampled_from(MARKS) | st.binary(max_size=6), max_size=8).map(
    lambda parts: reply(b"5\r\nabcde\r\n" + b"".join(parts), "Transfer-Encoding: chunked", length=False)
)


def agree(both: Parity, data: bytes, size: int, method: str) -> None:
    """`data` in pieces of `size`, then the end of the connection; the next request is given a plain answer.

    Redirects are not followed: whether the end is seen in time for the next step is a matter of chance, for both.
    """
    answer: Answer = (Pieces(data, size), Close()) if size and data else (data, Close())
    brief = ["status", "reason", "headers", "content", "encoding", "cookies", "url", "next", "raw", "text"]
    looks = {"then": lambda response: view(response, brief), "allow_redirects": False}
    call = Call(method, f"{both.url}/x", timeout=5, **looks)
    both.check(call, answers=[answer], connections=False, hung_s=15)


sizes = st.sampled_from([0, 0, 0, 40, 13])


@MANY
@given(data=mutated(), size=sizes, method=st.sampled_from(["GET", "GET", "POST", "HEAD"]))
def test_any_mutation_of_a_sound_answer(both: Parity, data: bytes, size: int, method: str) -> None:
    agree(both, data, size, method)


@MANY
@given(data=heads, size=sizes)
@example(data=b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\nabc", size=0)
@example(data=b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 3\r\n\r\nabc", size=0)
def test_any_head(both: Parity, data: bytes, size: int) -> None:
    agree(both, data, size, "GET")


@MANY
@given(data=chunks, size=sizes)
def test_any_row_of_chunks(both: Parity, data: bytes, size: int) -> None:
    agree(both, data, size, "GET")


@MANY
@given(data=st.binary(max_size=80), size=sizes)
@example(data=b"", size=0)
@example(data=b"HTTP/1.1 200 OK", size=0)
def test_any_bytes(both: Parity, data: bytes, size: int) -> None:
    agree(both, data, size, "GET")

"""Whatever body a call is given, the server sees the bytes that it sees from stock requests, chunk by chunk."""

from __future__ import annotations

import io
from collections import OrderedDict, UserDict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.parity import Call, Fresh, Parity, two_sessions
from tests.torture_answers import Close, Early, reply


class Unsized:
    """A file of an unknown size: no length, no position."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._data.read(size)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._data)


def failing() -> Iterator[bytes]:
    yield b"some"
    raise KeyError("no more")


def read_to(data: bytes, at: int) -> io.BytesIO:
    """A file that was read up to `at`."""
    opened = io.BytesIO(data)
    opened.seek(at)
    return opened


# fmt: off
DATA: list[Any] = [
    {}, {"a": 1}, {"a": None}, {"a": [1, 2]}, {"é": "ü"}, [("a", "1"), ("a", "2")], (("t", 1),), "", "text", "é", b"",
    b"bytes", b"\x00\xff" * 5000, bytearray(b"array"), "x" * 70_000, None, 0, 7, {"a": b"\xff"}, [], OrderedDict(z=1),
    UserDict(a=1), ["a"], ("ab", "cd"), {"a": "\ud800"}, "\ud800", True, 1.5, {"": ""}, {"a b": "c+d&e"},
    Fresh(lambda: memoryview(b"view"), "memoryview"),
    Fresh(lambda: io.BytesIO(b"a file" * 4000), "BytesIO"),
    Fresh(lambda: read_to(b"0123456789", 4), "BytesIO at 4"),
    Fresh(lambda: read_to(b"0123456789", 10), "BytesIO at its end"),
    Fresh(lambda: io.BytesIO(b""), "empty BytesIO"),
    Fresh(lambda: io.StringIO("tëxt"), "StringIO"),
    Fresh(lambda: Unsized(b"unsized" * 3000), "unsized file"),
    Fresh(partial(Path(__file__).open, "rb"), "file"),
    Fresh(partial(Path(__file__).open, encoding="utf-8"), "file of text"),
    Fresh(lambda: iter([b"one", b"", b"two" * 2000]), "iterator of bytes"),
    Fresh(lambda: (part for part in (b"a", b"b")), "generator"),
    Fresh(lambda: (part for part in ("té", "xt")), "generator of texts"),
    Fresh(lambda: (part for part in (bytearray(b"a"), memoryview(b"bc"))), "generator of buffers"),
    Fresh(lambda: iter([]), "empty iterator"),
    Fresh(failing, "failing generator"),
    Fresh(lambda: iter([1]), "iterator of numbers"),
    Fresh(lambda: {"a"}, "set"),
]
JSON: list[Any] = [
    {"a": 1}, {}, [], [1, 2.5, None, True], "text", 0, False, None, {"é": "ü\ud800"}, {"a": {"b": ["c"]}}, {1: 2},
    float("nan"), {"a": float("inf")}, object(), {"a": b"x"}, {("t",): 1}, {"a": 10**30}, "x" * 70_000, {None: 1},
]
FILES: list[Any] = [
    None, {}, [], {"f": b"data"}, {"f": "text"}, {"f": ("n.txt", b"data")}, {"f": ("n.txt", "té", "text/plain")},
    {"f": ("n", b"d", "text/x", {"X-P": "1"})}, [("f", ("a", b"1")), ("f", ("b", b"2"))], {"é": ("ü.txt", b"x")},
    {"f": None}, {"f": ("n",)}, {"f": 5}, {"f": ("", b"x")}, {'q"': ('n"\r\n', b"x")}, {"f": (None, "x")}, "text",
    Fresh(lambda: {"f": io.BytesIO(b"file")}, "BytesIO"),
    Fresh(lambda: {"f": ("n", read_to(b"0123456789", 3), "a/b")}, "BytesIO at 3"),
]
FRAMING: list[dict[str, Any]] = [
    {"Content-Length": "0"}, {"Content-Length": "4"}, {"Content-Length": "2"}, {"content-length": "6"},
    {"Content-Length": 4}, {"Content-Length": b"4"}, {"Transfer-Encoding": "chunked"}, {"transfer-encoding": "Chunked"},
    {"Transfer-Encoding": "gzip"}, {"Content-Length": "4", "Transfer-Encoding": "chunked"}, {"Content-Length": "x"},
    {"Expect": "100-continue"}, {"Transfer-Encoding": "chunked", "Content-Length": None},
]
# fmt: on


@pytest.fixture(scope="module")
def both() -> Iterator[Parity]:
    with two_sessions() as both:
        yield both


@pytest.mark.parametrize("data", DATA, ids=lambda data: repr(data)[:40])
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_any_data(both: Parity, method: str, data: Any) -> None:
    both.check(Call(method, f"{both.url}/x", data=data))


@pytest.mark.parametrize("json", JSON, ids=lambda json: f"{type(json).__name__}-{str(json)[:20]}")
def test_any_json(both: Parity, json: Any) -> None:
    both.check(Call("POST", f"{both.url}/x", json=json))
    both.check(Call("POST", f"{both.url}/x", json=json, data={"d": 1}))
    both.check(Call("POST", f"{both.url}/x", json=json, data={}, headers={"Content-Type": "application/x"}))


@pytest.mark.parametrize("files", FILES, ids=repr)
def test_any_files(both: Parity, files: Any) -> None:
    for data in (None, {"a": "1", "é": "ü"}, [("a", b"\xff")], "text", Fresh(lambda: iter([b"x"]), "iterator")):
        both.check(Call("POST", f"{both.url}/x", files=files, data=data))


@pytest.mark.parametrize("headers", FRAMING, ids=repr)
@pytest.mark.parametrize("body", [None, b"body", "iterator"], ids=repr)
def test_framing_that_the_caller_wants_is_what_the_server_gets(both: Parity, headers: Any, body: Any) -> None:
    """Even where it is wrong: the server waits for more for a while, and answers then."""
    data = Fresh(lambda: iter([b"bo", b"dy"]), "iterator") if body == "iterator" else body
    both.check(Call("POST", f"{both.url}/x", headers=headers, data=data))


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS", "PURGE", "POST", "PUT", "PATCH", "TRACE"])
@pytest.mark.parametrize(
    "data", [None, b"", b"x", "", {}, Fresh(lambda: iter([]), "nothing"), Fresh(io.BytesIO, "none")]
)
def test_an_empty_body_is_announced_as_stock_requests_does(both: Parity, method: str, data: Any) -> None:
    both.check(Call(method, f"{both.url}/x", data=data))


def test_a_body_of_megabytes(both: Parity) -> None:
    """In one piece, as a file and in parts, it arrives whole."""
    body = bytes(range(256)) * 12_000
    for data in (body, Fresh(lambda: io.BytesIO(body), "file"), Fresh(lambda: iter([body[:5], body[5:]]), "parts")):
        outcome = both.check(Call("PUT", f"{both.url}/x", data=data))
        assert len(outcome.seen[0][0][0]) > len(body)


def test_an_answer_may_come_before_the_body(both: Parity) -> None:
    """A server that refuses early, and reads what comes anyway, has its answer heard."""
    answer = (Early(), reply(b"too much", "Connection: close", status="413 Too Large"), Close())
    for data in (b"x" * 300_000, Fresh(lambda: iter([b"x" * 1000] * 50), "parts")):
        outcome = both.check(Call("POST", f"{both.url}/x", data=data), answers=[answer])
        assert outcome.results[0]["status"] == 413


def test_what_a_body_raises_reaches_the_caller(both: Parity) -> None:
    """An iterator's own exception is not an error of the connection; half a request is not sent again."""
    outcome = both.check(Call("POST", f"{both.url}/x", data=Fresh(failing, "failing")))
    assert outcome.results == [("raised", "builtins.KeyError")]
    assert outcome.counted == 1

"""`json()` of a fast answer gives what the standard library gives: the same value, or the same exception."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from loads.client.answers import Heads
from loads.client.response import FastResponse

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\n"
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def both(content: bytes) -> tuple[Any, Any]:
    head = Heads().parse(HEAD)
    assert head is not None
    stock = requests.Response()
    stock._content, stock.encoding = content, "utf-8"
    return outcome(FastResponse(head, content, 0, None, None, None)), outcome(stock)


def outcome(response: requests.Response) -> Any:
    try:
        return repr(response.json())
    except Exception as error:
        return type(error)


@given(values, st.booleans())
def test_any_document_is_read_as_the_standard_library_reads_it(value: Any, ascii_only: bool) -> None:
    fast, stock = both(json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass"))
    assert fast == stock


@given(st.text('{}[]",:0123456789.eE+-truefalsn \\ud8/\t\n\x01', max_size=30))
def test_what_is_no_document_is_refused_alike(text: str) -> None:
    fast, stock = both(text.encode())
    assert fast == stock


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"NaN",
        b"-Infinity",
        b"1e400",
        b'"\\ud800"',
        b'"\xff"',
        b"\xef\xbb\xbf{}",
        b"1" * 30,
        b"1" * 5_000,
        b'{"a": 1, "a": 2}',
        b"[" * 100_000 + b"]" * 100_000,
        str(math.pi).encode(),
    ],
    ids=lambda content: repr(content[:12]),
)
def test_the_corners_of_json(content: bytes) -> None:
    fast, stock = both(content)
    assert fast == stock

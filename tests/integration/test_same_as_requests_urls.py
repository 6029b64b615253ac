"""Whatever method, URL and params a call is given, the server sees what it sees from stock requests."""

from __future__ import annotations

from collections import OrderedDict, UserDict
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.parity import Call, Fresh, Parity, two_sessions

# fmt: off
METHODS: list[Any] = [
    "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "PURGE", "get", "pOsT", "M-SEARCH",
    b"GET", "G E T", "", "GET\n", "GET / HTTP/1.1\r\nX: y\r\n\r\nGET", "MÉ", "日", None, 5,
]
TAILS = [
    "", "/", "/a b", "/é", "/%c3%a9", "/%C3%A9", "/a/../b", "/./a", "/../../a", "/a//b", "//a", "//", "/a;b=1;c", "/?",
    "/?q", "/?q=1&q=2", "/?q=a b", "/?q=é&%e9", "/#frag", "/p?q=1#frag", "?x=1", "#f", "/%zz", "/%", "/100%", "/a?b=%",
    "/a|b", '/a"b', "/a<b>", "/a[1]", "/~u", "/a'b", "/{x}", "/a\\b", "/a^b`", "/%2e%2e/x", "/%2F", "/a?b?c",
    "/a?b#c#d",
    "/a\tb", "/a\nb", "/a\r\nX: y", "/ ", "/a ", "/a\n", "/a\x00b", "/a\x7fb", "/a\u2028b", "/日本?é#é", "/a?b=%20+",
    "/*",
    "/" + "x" * 9000, "/?" + "y=1&" * 3000, "/@", "/:80", "/a:b@c", "/.", "/..", "/a/.", "/a/..", "/%7Euser", "/\ud800",
]
SHAPES = [
    "HTTP://127.0.0.1:{port}/x", "Http://LOCALHOST:{port}/x", "http://user:pass@127.0.0.1:{port}/x",
    "http://us%40er:p%3Aw@127.0.0.1:{port}/", "http://:pw@127.0.0.1:{port}/", "http://u@127.0.0.1:{port}/x",
    "http://u:@127.0.0.1:{port}", "http://@127.0.0.1:{port}/", "  http://127.0.0.1:{port}/x",
    "\nhttp://127.0.0.1:{port}",
    "http://127.0.0.1:{port}/x ", "http://127.0.0.1:0{port}/x", "http://localhost.:{port}/x", "http://127.1:{port}/x",
    "http://ｌｏｃａｌｈｏｓｔ:{port}/x", "http://127.0.0.1:{port}\\@x/", "http://127.0.0.1 :{port}/",
    "http:127.0.0.1:{port}/",
    "http:/127.0.0.1:{port}/", "http:///127.0.0.1:{port}/", "http://é:ü@127.0.0.1:{port}/x",
    "http://a b@127.0.0.1:{port}/",
    "http://[::1]:{port}/x", "http://a:b:c@127.0.0.1:{port}/", "http://a@b@127.0.0.1:{port}/", "127.0.0.1:{port}/x",
    "http+unix://127.0.0.1:{port}/", "httpx://127.0.0.1:{port}/", "http://127.0.0.1:{port}?q=1", "http://0:{port}/x",
]
PARAMS: list[Any] = [
    {}, {"a": 1}, {"a": None}, {"a": [1, 2]}, {"a": []}, [("a", "1"), ("a", "2")], "a=1&b=2", b"a=1", "é", {"é": "ü"},
    {"a": b"\xff"}, {b"k": b"v"}, [("a", ("x", "y"))], {"a": True}, {"a": 1.5}, {"a": {"x": 1}}, "", None, 5, "a b&c#d",
    {"a b": "c d"}, OrderedDict(z=1, y=2), [], (("t", "1"),), {"a": "\ud800"}, ["a"], "?x", {"": ""}, UserDict(a=1),
    Fresh(lambda: iter([("a", 1)]), "iterator of pairs"),
]
# fmt: on


class Text:
    """Something that shows as a text."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text


@pytest.fixture(scope="module")
def both() -> Iterator[Parity]:
    with two_sessions() as both:
        yield both


@pytest.mark.parametrize("method", METHODS, ids=repr)
@pytest.mark.parametrize("data", [None, b"body"], ids=["plain", "body"])
def test_any_method(both: Parity, method: Any, data: Any) -> None:
    both.check(Call(method, f"{both.url}/x", data=data))


@pytest.mark.parametrize("tail", TAILS, ids=lambda tail: repr(tail)[:40])
def test_any_path(both: Parity, tail: str) -> None:
    both.check(Call("GET", both.url + tail))


@pytest.mark.parametrize("shape", SHAPES)
def test_any_shape_of_url(both: Parity, shape: str) -> None:
    both.check(Call("GET", shape.format(port=both.server.port)))


def test_a_url_need_not_be_a_text(both: Parity) -> None:
    """Bytes, and whatever shows as a text, as requests takes them."""
    url = f"{both.url}/é?x=1"
    for given in (url.encode(), Text(url), quote(url, safe=":/?=").encode(), bytearray(url.encode()), None, 5, [url]):
        both.check(Call("GET", given))


@pytest.mark.parametrize("params", PARAMS, ids=repr)
def test_any_params(both: Parity, params: Any) -> None:
    both.check(Call("GET", f"{both.url}/x?y=1#f", params=params))

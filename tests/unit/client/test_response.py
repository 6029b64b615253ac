"""The answer as the caller gets it: attribute by attribute what requests makes of the same bytes."""

from __future__ import annotations

import copy
import datetime
import gzip
import pickle
import zlib
from collections.abc import Callable
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import DecodeError
from urllib3.response import HTTPResponse

from loads.client.answers import Head, Heads
from loads.client.exchange import receive
from loads.client.hit import Hit
from loads.client.quick import QuickSession
from loads.client.response import FastResponse, ToldResponse, decoded
from loads.client.user import VirtualUser
from loads.metrics.summary import SeriesKey
from tests.build import new_recorder
from tests.unit.client.wires import LONG_NS, now_ns, scripted, stock_response

URL = "http://site.test/a?b=1"
ELAPSED_NS = 1_234_567


def request_of(method: str = "GET") -> requests.PreparedRequest:
    with requests.Session() as session:
        session.trust_env = False
        return session.prepare_request(requests.Request(method, URL))


def read(data: bytes, method: str = "GET") -> tuple[Head, bytes]:
    """Head and content, as our own way has them."""
    with scripted([data]) as (connection, _):
        head, body, *_ = receive(connection, Heads(), method == "HEAD", LONG_NS, now_ns())
    if head.encoding and body:
        unpacked = decoded(head, body)
        assert unpacked is not None
        return head, unpacked
    return head, body


def prepared_response(data: bytes, method: str) -> FastResponse:
    """The answer to a request that was prepared."""
    return FastResponse.to(request_of(method), None, *read(data, method), ELAPSED_NS)  # type: ignore[arg-type]


def quick_response(data: bytes, method: str) -> FastResponse:
    """The answer to a call of a session."""
    session = QuickSession(VirtualUser(recorder=new_recorder()))
    session.trust_env = False
    fields = session._look()
    assert fields is not None
    return FastResponse(*read(data, method), ELAPSED_NS, session, fields.call(method, URL), None)


ways = pytest.mark.parametrize("ours", [prepared_response, quick_response])


def answer(body: bytes, *lines: str, status: str = "200 OK", version: str = "HTTP/1.1") -> bytes:
    head = "\r\n".join([f"{version} {status}", *lines, f"Content-Length: {len(body)}", "", ""])
    return head.encode("latin-1") + body


ANSWERS = {
    "text": answer(b"hello\nworld\r\n", "Content-Type: text/plain; charset=utf-8"),
    "json": answer(b'{"a": ["\xc3\xa9"]}', "Content-Type: application/json"),
    "latin": answer(b"caf\xe9", "Content-Type: text/html"),
    "no type": answer("caf\xe9 \u20ac".encode()),
    "unknown charset": answer(b"abc", "Content-Type: text/plain; charset=none-such"),
    "nothing": answer(b"", status="204 No Content"),
    "not found": answer(b"?", status="404 Not Found"),
    "broken": answer(b"!", status="500 Caf\xe9"),
    "odd": answer(b"!", status="600 Odd"),
    "redirect": answer(b"", "Location: /there", status="302 Found"),
    "for good": answer(b"", "Location: /there", status="308 Permanent Redirect"),
    "nowhere": answer(b"", status="302 Found"),
    "no reason": answer(b"x", status="200"),
    "old": answer(b"x", version="HTTP/1.0"),
    "cookies": answer(b"", "Set-Cookie: a=1; Path=/", "set-cookie: b=2; Domain=site.test; Max-Age=100; Secure"),
    "links": answer(b"", 'Link: </n>; rel="next", </p>; rel=prev'),
    "headers": answer(b"", "X-A: 1", "x-a: 2", "X-B:\t3 ", "X-C: \xe9", "X-D:"),
    "zipped": answer(gzip.compress(b"hello" * 100), "Content-Encoding: gzip"),
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "until close": b"HTTP/1.1 200 OK\r\n\r\nabc",
}


def raised(look: Callable[[], Any]) -> Any:
    try:
        return look()
    except Exception as error:
        return type(error), str(error)


def jar_view(response: requests.Response) -> Any:
    jar = response.cookies
    return type(jar), [sorted(item for item in vars(each).items() if item[0] != "expires") for each in jar]


def request_view(request: requests.PreparedRequest) -> Any:
    return type(request), request.method, request.url, list(request.headers.items()), request.body


def raw_view(response: requests.Response) -> Any:
    raw: Any = response.raw
    return {
        "seen": [raw.status, raw.reason, raw.version, list(raw.headers.items()), raw.closed, raw.isclosed()],
        "read": [raw.read(), raw.getheader("X-A"), raw.geturl()],
        "message": [list(raw._original_response.msg.items()), raw._original_response.status],
    }


LOOKS: dict[str, Callable[[Any], Any]] = {
    "status": lambda r: r.status_code,
    "headers": lambda r: (type(r.headers), list(r.headers.items())),
    "encoding": lambda r: r.encoding,
    "reason": lambda r: r.reason,
    "url": lambda r: r.url,
    "content": lambda r: r.content,
    "text": lambda r: r.text,
    "apparent encoding": lambda r: r.apparent_encoding,
    "json": lambda r: raised(r.json),
    "ok": lambda r: (r.ok, bool(r)),
    "redirects": lambda r: (r.is_redirect, r.is_permanent_redirect, r.next),
    "links": lambda r: r.links,
    "history": lambda r: r.history,
    "cookies": jar_view,
    "request": lambda r: request_view(r.request),
    "raise for status": lambda r: raised(r.raise_for_status),
    "lines": lambda r: list(r.iter_lines()),
    "pieces": lambda r: (
        list(r.iter_content(2)),
        list(r),
        raised(lambda: list(r.iter_content(2, decode_unicode=True))),
    ),
    "shown": repr,
    "raw": raw_view,
    "class": lambda r: isinstance(r, requests.Response),
    "missing": lambda r: raised(lambda: r._none_such)[0],
    "pickle": lambda r: pickle_view(pickle.loads(pickle.dumps(r))),
    "copy": lambda r: pickle_view(copy.copy(r)),
}


def pickle_view(r: Any) -> Any:
    kept = ("status", "headers", "encoding", "reason", "url", "content", "text", "ok", "history", "cookies", "request")
    return {name: LOOKS[name](r) for name in kept}, r.raw, r._content_consumed, raised(lambda: r.connection)[0]


@ways
@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_each_attribute_is_what_requests_makes_of_it(ours: Any, name: str, method: str) -> None:
    """Looked at first of all, on an answer that nobody has looked at."""
    data = ANSWERS[name]
    if method == "HEAD":
        data = data[: data.find(b"\r\n\r\n") + 4]
    for look in LOOKS.values():
        assert look(ours(data, method)) == look(stock_response(data, request_of(method)))


@ways
@given(st.sampled_from(sorted(ANSWERS)), st.permutations(sorted(LOOKS)))
def test_in_which_order_they_are_looked_at_makes_no_difference(ours: Any, name: str, order: list[str]) -> None:
    data = ANSWERS[name]
    response, stock = ours(data, "GET"), stock_response(data, request_of())
    for look in order:
        assert LOOKS[look](response) == LOOKS[look](stock), look


@ways
def test_what_was_made_is_an_attribute_like_any_other(ours: Any) -> None:
    """Made once, and free to be changed."""
    response = ours(ANSWERS["cookies"], "GET")
    for name in ("headers", "cookies", "request", "raw", "history"):
        assert getattr(response, name) is getattr(response, name)
    response.headers["X"] = "1"
    assert response.headers["x"] == "1"
    for name in ("headers", "encoding", "reason", "url", "history", "request", "raw", "cookies", "connection"):
        setattr(response, name, name)
        assert getattr(response, name) == name
    response.encoding = "utf-16-le"
    response._content = "\xe9".encode("utf-16-le")
    assert response.text == "\xe9"


@ways
def test_the_time_to_the_head_is_elapsed(ours: Any) -> None:
    response = ours(ANSWERS["text"], "GET")
    assert response.elapsed == datetime.timedelta(microseconds=1_235)
    response.elapsed = datetime.timedelta(seconds=9)  # requests times its adapter, and knows less
    assert response.elapsed == datetime.timedelta(microseconds=1_235)
    assert pickle.loads(pickle.dumps(response)).elapsed == response.elapsed
    assert copy.deepcopy(response.elapsed) == response.elapsed


def test_an_answer_can_be_closed_and_used_in_a_with_statement() -> None:
    for ours in (prepared_response, quick_response):
        with ours(ANSWERS["text"], "GET") as response:
            assert response.text.startswith("hello")
        response.close()
        assert response.content == b"hello\nworld\r\n"


def test_the_connection_of_a_call_is_its_sessions_adapter() -> None:
    response = quick_response(ANSWERS["text"], "GET")
    assert response.connection is response._session.get_adapter(URL)


def test_an_answer_for_who_has_the_request_already() -> None:
    response, request = quick_response(ANSWERS["text"], "GET"), request_of()
    assert response.to_prepared(request, stream=True, timeout=None) is response
    assert response.request is request


def test_what_requests_was_told_has_the_time_that_was_measured() -> None:
    stock = stock_response(ANSWERS["text"], request_of())
    stock.elapsed = datetime.timedelta(seconds=5)
    hit = Hit(new_recorder(), SeriesKey("t", "GET", "/"))
    told = ToldResponse.of(stock, ELAPSED_NS, hit)
    hit.forget()
    assert told is stock
    assert told.elapsed == datetime.timedelta(microseconds=1_235)
    told.elapsed = datetime.timedelta(seconds=9)
    assert told.elapsed == datetime.timedelta(microseconds=1_235)
    assert pickle.loads(pickle.dumps(told)).elapsed == told.elapsed


# Compressed bodies


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def optional(name: str, pack: str) -> Callable[[bytes], bytes] | None:
    try:
        found: Callable[[bytes], bytes] = getattr(__import__(name, fromlist=[pack]), pack)
    except ImportError:
        return None
    return found


PACKERS: dict[str, Callable[[bytes], bytes] | None] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": optional("brotli", "compress"),
    "zstd": optional("backports.zstd", "compress"),
    "deflate, gzip": lambda data: gzip.compress(zlib.compress(data)),
}


def head_of(encoding: str) -> Head:
    items = [("Content-Encoding", encoding)]
    return Head(11, 200, "OK", items, size=0, length=0, keep=True)


def stock_content(encoding: str, body: bytes) -> Any:
    """What requests makes of it."""
    data = b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n" % (encoding.encode(), len(body))
    try:
        return stock_response(data + body, request_of()).content
    except requests.exceptions.ContentDecodingError:
        return DecodeError


def content(encoding: str, body: bytes) -> Any:
    found = decoded(head_of(encoding), body)
    return DecodeError if found is None else found


@pytest.mark.parametrize("encoding", PACKERS)
def test_what_was_compressed_is_unpacked(encoding: str) -> None:
    pack = PACKERS[encoding]
    if pack is None:
        pytest.skip(f"nothing here speaks {encoding}")
    for data in (b"", b"hello", bytes(range(256)) * 1_000):
        assert content(encoding, pack(data)) == content(encoding.upper(), pack(data)) == data


def test_deflate_means_either_of_two_things() -> None:
    assert content("deflate", raw_deflate(b"hello")) == content("deflate", zlib.compress(b"hello")) == b"hello"


@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(b"one") + gzip.compress(b"two") + gzip.compress(b""),
        gzip.compress(b"one") + b"\x00" * 512,
        gzip.compress(b"one") + b"rubbish",
        gzip.compress(b"one") + gzip.compress(b"two")[:-3],
        gzip.compress(b"truncated")[:-4],
        gzip.compress(b"truncated")[:5],
        gzip.compress(b"broken")[:-8] + b"\x00" * 8,
        b"\x1f\x8b" + b"\xff" * 20,
        b"not compressed at all",
        zlib.compress(b"hello"),
        b"",
    ],
    ids=map(str, range(11)),
)
def test_gzip_that_is_not_one_whole_member(body: bytes) -> None:
    """As urllib3 sees it: further members belong to it, what is behind them doesn't, and broken ones are an error."""
    assert content("gzip", body) == stock_content("gzip", body)


encodings = st.sampled_from(["gzip", "deflate", "br", "zstd", "identity", "none-such", "deflate, gzip", "gzip, gzip"])


@given(encodings, st.binary(max_size=60), st.sampled_from([*PACKERS]), st.integers(0, 60), st.binary(max_size=3))
def test_any_body_is_unpacked_as_urllib3_does_it(
    encoding: str, data: bytes, packed: str, cut: int, tail: bytes
) -> None:
    """Whole or cut, with something behind it or inside, and packed in whatever way it says or not."""
    pack = PACKERS[packed] or gzip.compress
    body = pack(data)
    body = body[: max(1, len(body) - cut)] + tail
    assert content(encoding, body) == stock_content(encoding, body)


def test_headers_are_a_new_dictionary_each_time() -> None:
    one, other = (prepared_response(ANSWERS["headers"], "GET").headers for _ in range(2))
    assert isinstance(one, CaseInsensitiveDict)
    assert one == other
    assert one is not other
    assert isinstance(prepared_response(ANSWERS["text"], "GET").raw, HTTPResponse)

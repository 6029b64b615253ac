"""What goes out: byte for byte what requests and urllib3 would send, also for calls made without asking them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any
from unittest.mock import patch

import pytest
import requests
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from loads.client.calls import _PLAIN, Call, Fields
from loads.client.environment import Environment
from loads.client.origin import Origins
from tests.unit.client.wires import stock_bytes

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"]
DEFAULT = tuple(requests.utils.default_headers().items())


def fields_of(items: Any = DEFAULT, environment: Environment | None = None) -> Fields:
    return Fields(tuple(items), True, Origins(), environment)


def prepared(method: str, url: str, headers: Any = None, session: Any = DEFAULT) -> requests.PreparedRequest:
    """As a stock session does it."""
    with requests.Session() as stock:
        stock.trust_env = False
        stock.headers = CaseInsensitiveDict(session)
        return stock.prepare_request(requests.Request(method, url, headers))


def check(call: Call | None, method: str, url: str, headers: Any = None) -> None:
    request = prepared(method, url, headers)
    assert call is not None
    assert call.complete == stock_bytes(request)
    assert call.url == request.url
    assert call.name == call.origin.shown + request.path_url.partition("?")[0]
    assert (call.method, call.bodyless) == (method, method == "HEAD")
    ours = call.prepared()
    if call.counts:
        ours.headers["Content-Length"] = "0"
    assert (ours.method, ours.url, list(ours.headers.items())) == (method, request.url, list(request.headers.items()))


def by_requests(fields: Fields, method: str, url: str) -> Call | None:
    return fields._prepared_call(method, url)


plain_urls = st.from_regex(_PLAIN, fullmatch=True).filter(lambda url: len(url) < 300)
tails = st.from_regex(r"/[A-Za-z0-9_~!$&'()*+,;=:@-]{0,8}(/[a-z.]{0,4})?(\?[a-z0-9=&/?.]{1,9})?", fullmatch=True)


@settings(max_examples=60)
@given(plain_urls, st.sampled_from(METHODS))
@example("http://site.test:80/", "GET")
@example("https://site.test:443//a//?b", "POST")
@example("http://10.0.0.1:8080/.../..a?..", "GET")
def test_a_call_made_the_short_way_is_what_requests_would_have_made(url: str, method: str) -> None:
    """The second call of a server and method: requests is not asked, and nobody can tell."""
    match = _PLAIN.fullmatch(url)
    assert match is not None
    fields = fields_of()
    first = fields.call(method, url[: match.start(4)] + "/")
    if match[3] is not None and int(match[3]) > 65_535:
        assert first is None
        assert fields.call(method, url) is None
        return
    with patch.object(Fields, "_prepared_call", side_effect=AssertionError("requests was asked")):
        call = fields.call(method, url)
    check(call, method, url)
    reference = by_requests(fields_of(), method, url)
    assert call is not None
    assert reference is not None
    assert (call.head, call.name, call.url) == (reference.head, reference.name, reference.url)


@given(st.lists(tails, min_size=1, max_size=5), st.sampled_from(METHODS))
def test_paths_in_a_row(paths: list[str], method: str) -> None:
    """Whichever comes first, plain or not, all go out as requests sends them."""
    fields = fields_of()
    for path in paths:
        url = "http://site.test:8080" + path
        check(fields.call(method, url), method, url)


@pytest.mark.parametrize(
    "url",
    [
        "HTTP://Site.Test/A",
        "http://site.test",
        "http://site.test?a=1",
        "http://site.test/a b/\xe9?q=\xe9 x",
        "http://site.test/%7Ea%2f/./../b",
        "http://site.test/a#part",
        "http://site.test/?",
        "http://b\xfccher.test/",
        "http://[::1]:8080/a",
        "https://site.test./a;b=1",
        "  http://site.test/lead",
        "http://site.test/a[1]?b[]=2",
        'http://site.test/"<>^`{|}',
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_urls_that_requests_has_to_mend(url: str, method: str) -> None:
    """Sent as requests sends them, or left to it; the second time as the first."""
    fields = fields_of()
    for _ in range(2):
        call = fields.call(method, url)
        if call is not None:
            check(call, method, url)


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("GET", "http://me:secret@site.test/"),
        ("GET", "http://me@site.test/"),
        ("GET", "ftp://site.test/"),
        ("GET", "site.test/"),
        ("GET", "http:///path"),
        ("GET", "http://site.test:99999/"),
        ("GET", "http://site.test:x/"),
        ("GET", "http://*.test/"),
        ("GET", ""),
        ("GET", b"http://site.test/"),
        ("GET", None),
        ("get", "http://site.test/"),
        ("Get", "http://site.test/"),
        ("", "http://site.test/"),
        (b"GET", "http://site.test/"),
        (None, "http://site.test/"),
        ("GET\r\nX: 1", "http://site.test/"),
        ("G\xc9T", "http://site.test/"),
    ],
)
def test_what_requests_has_something_to_say_about(method: Any, url: Any) -> None:
    fields = fields_of()
    assert fields.call("GET", "http://site.test/") is not None
    for _ in range(2):
        assert fields.call(method, url) is None


def test_who_is_concerned_by_the_environment_goes_requests_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here one host goes through a proxy, another one doesn't."""
    monkeypatch.setenv("http_proxy", "http://proxy.test:3128")
    monkeypatch.setenv("no_proxy", "direct.test")
    fields = fields_of(environment=Environment(proxies=True, netrc=False, ca_bundle=None))
    for path in ("/a", "/b"):
        assert fields.call("GET", "http://site.test" + path) is None
        assert fields.call("GET", "http://direct.test" + path) is not None


# Headers around calls


names = st.sampled_from(["Accept", "ACCEPT", "User-Agent", "user-agent", "Accept-Encoding", "X-A", "x-a", "Connection"])
values = st.one_of(st.none(), st.text("abc ,;=\xe9", max_size=5).map(str.strip), st.sampled_from([b"x", ""]))
header_sets = st.dictionaries(names, values, max_size=5)


@settings(max_examples=100)
@given(header_sets, st.dictionaries(names, st.text("abc", max_size=3), max_size=4), st.sampled_from(["GET", "POST"]))
@example({"User-Agent": None, "Accept-Encoding": None}, dict(DEFAULT), "GET")
def test_headers_are_merged_as_requests_does(own: dict[str, Any], session: dict[str, str], method: str) -> None:
    """Same values, same order, same spelling, and None takes one away."""
    assume(not any(isinstance(value, bytes) for value in own.values()) or "X-A" not in own)
    around = fields_of(CaseInsensitiveDict(session).items())
    merged = around.with_headers(own)
    assert merged is not None
    assert around.with_headers(dict(own)) is merged
    url = "http://site.test/a"
    try:
        request = prepared(method, url, own, CaseInsensitiveDict(session))
        wanted = stock_bytes(request)
    except (requests.RequestException, UnicodeError, TypeError):
        return
    for path in ("a", "b"):
        call = merged.call(method, "http://site.test/" + path)
        assert call is not None
        assert call.complete == wanted.replace(b" /a ", b" /%b " % path.encode())
        assert list(call.fields.items())[: len(merged.items)] == list(merged.items)


@pytest.mark.parametrize(
    "name", ["Host", "hOST", "Cookie", "Content-Length", "Transfer-Encoding", "Proxy-Authorization"]
)
def test_headers_that_change_others_are_for_requests(name: str) -> None:
    """In the call, even to take one away, and in the session."""
    assert fields_of().with_headers({name: "1"}) is None
    assert fields_of().with_headers({name: None}) is None
    assert fields_of().with_headers({name.encode(): "1"}) is None
    assert not fields_of([(name, "1")]).plain


@pytest.mark.parametrize(
    "headers", ["X: 1", [("X", "1")], {"X": ["1"]}, {"X": {}}, {1: "x"}, CaseInsensitiveDict({"Host": "a"}), 5]
)
def test_headers_that_are_none_are_for_requests(headers: Any) -> None:
    merged = fields_of().with_headers(headers)
    assert merged is None or merged.call("GET", "http://site.test/") is None


@pytest.mark.parametrize("value", ["a\r\nb", "a\nb", " a", "\tb", 5, 1.5, True, b"a\r\nb", "\u20ac"])
def test_values_that_no_header_can_have_are_refused_by_requests_not_here(value: Any) -> None:
    for fields in (fields_of().with_headers({"X": value}), fields_of([("X", value)])):
        assert fields is not None
        assert fields.call("GET", "http://site.test/") is None


def test_any_mapping_of_headers_will_do() -> None:
    around = fields_of()
    for kind in (dict, OrderedDict, CaseInsensitiveDict):
        merged = around.with_headers(kind([("X-A", "1"), ("accept", "text/html")]))
        assert merged is not None
        check(merged.call("GET", "http://site.test/"), "GET", "http://site.test/", {"X-A": "1", "accept": "text/html"})


@pytest.mark.parametrize(
    ("items", "typed", "signed"),
    [([], False, False), ([("content-TYPE", "a/b")], True, False), ([("AUTHORIZATION", "Basic eA==")], False, True)],
)
def test_a_call_knows_what_it_says_already(items: Any, typed: bool, signed: bool) -> None:
    fields = fields_of(items)
    for path in "ab":
        call = fields.call("POST", "http://site.test/" + path)
        assert call is not None
        assert (call.typed, call.signed, call.counts) == (typed, signed, True)


# Bounds


def test_the_memory_for_calls_is_bounded_and_they_are_still_found() -> None:
    fields = fields_of()
    for number in range(5_000):
        url = f"http://site.test/{number}"
        call = fields.call("GET", url)
        assert fields.find(("GET", url)) is call is not None
        assert len(fields._calls) <= 2_048
    assert "calls=" in repr(fields)


def test_the_memory_for_header_sets_and_servers_is_bounded() -> None:
    fields = fields_of(())
    for number in range(600):
        assert fields.with_headers({"X": str(number)}) is not None
        url = f"http://n{number}.test/"
        check_bytes = b"Host: n%d.test\r\n" % number
        for _ in range(2):
            call = fields.call("GET", url)
            assert call is not None
            assert check_bytes in call.head
        assert max(len(fields._with), len(fields._around)) <= 256


def test_a_call_shows_what_it_is() -> None:
    call = fields_of().call("GET", "http://site.test/a?b=1")
    assert repr(call) == "<Call GET http://site.test/a?b=1>"
    assert repr(fields_of(())) == "<Fields 0 calls=0>"

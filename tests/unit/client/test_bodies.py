"""Cookies, bodies and authorizations of calls: what requests prepares, byte for byte."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import pytest
import requests
from hypothesis import example, given, settings
from hypothesis import strategies as st
from requests.auth import HTTPBasicAuth

from loads.client.bodies import FORM, JSON, body_of, extra_of
from loads.client.calls import Call, Fields
from loads.client.origin import Origins
from loads.client.state import Cookies
from tests.unit.client.wires import stock_bytes

URL = "http://site.test/path"
DEFAULT = tuple(requests.utils.default_headers().items())


def call_of(method: str, items: Any = DEFAULT) -> Call:
    call = Fields(tuple(items), True, Origins(), None).call(method, URL)
    assert call is not None
    return call


def prepared(method: str, cookies: Cookies, items: Any = DEFAULT, **given: Any) -> requests.PreparedRequest:
    """As a stock session does it."""
    with requests.Session() as stock:
        stock.trust_env = False
        stock.headers.clear()
        stock.headers.update(items)
        stock.cookies.update(cookies)
        return stock.prepare_request(requests.Request(method, URL, **given))


def check(method: str, cookies: Cookies | None = None, items: Any = DEFAULT, **given: Any) -> bool:
    """Fail if ours differs from what requests makes of it; whether there was anything of ours."""
    cookies = Cookies() if cookies is None else cookies
    call = call_of(method, items)
    extra = extra_of(call, given.get("data"), given.get("json"), given.get("auth"), cookies)
    if extra is None:
        return False
    request = prepared(method, cookies, items, **given)
    ours = extra.prepared(call)
    assert extra.message(call) == stock_bytes(request)
    assert list(ours.headers.items()) == list(request.headers.items())
    assert (ours.body, type(ours.body)) == (request.body, type(request.body))
    assert (ours.method, ours.url) == (request.method, request.url)
    return True


methods = st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE"])
texts = st.text(max_size=8)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)
form_values = st.one_of(texts, st.binary(max_size=4), st.integers(), st.none(), st.lists(texts, max_size=3))
forms = st.one_of(
    st.dictionaries(texts, form_values, max_size=4),
    st.lists(st.tuples(texts, form_values), max_size=4),
    st.lists(st.tuples(texts, form_values), max_size=4).map(tuple),
)
datas = st.one_of(st.none(), texts, st.binary(max_size=8), forms)
auths = st.one_of(st.none(), st.tuples(st.text("ab:\xe9", max_size=4), st.text("cd \xff", max_size=4)))
jars = st.dictionaries(st.text("abc", min_size=1, max_size=3), st.text("xyz =,", max_size=4), max_size=3)


def jar_of(cookies: Mapping[str, str]) -> Cookies:
    jar = Cookies()
    for name, value in cookies.items():
        jar.set(name, value)
    return jar


def stock_refuses(method: str, **given: Any) -> bool:
    try:
        prepared(method, Cookies(), **given)
    except (requests.RequestException, ValueError, TypeError):
        return True
    return False


@settings(max_examples=150)
@given(methods, datas, json_values, auths, jars)
@example("POST", {}, {}, None, {})
@example("POST", None, 0, ("", ""), {})
@example("GET", "\xe9\u20ac", None, None, {"a": "1"})
def test_any_call_with_something_behind_its_headers(
    method: str, data: Any, json: Any, auth: Any, cookies: dict[str, str]
) -> None:
    """The same bytes, headers in the same order, and a body of the same type; or it is left to requests."""
    if stock_refuses(method, data=data, json=json, auth=auth):
        assert extra_of(call_of(method), data, json, auth, jar_of(cookies)) is None
    else:
        check(method, jar_of(cookies), data=data, json=json, auth=auth)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"json": {"a": [1, 2.5, None, "\xe9"]}},
        {"json": []},
        {"json": ""},
        {"json": False},
        {"data": {"a": "1", "b": ["2", "\xe9 &="]}},
        {"data": [("a", "1"), ("a", "2")]},
        {"data": (("a", "1"),)},
        {"data": OrderedDict(a=1)},
        {"data": "text \u20ac"},
        {"data": b"\x00\xff"},
        {"data": b"", "json": {"a": 1}},
        {"data": {"a": "1"}, "json": {"b": 2}},
        {"auth": ("me", "s\xe9cret")},
        {"auth": ()},
        {"json": {}, "auth": ("me", "")},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_plain_calls_are_made_here(given: dict[str, Any], method: str) -> None:
    assert check(method, **given)
    assert check(method, jar_of({"a": "1", "b": "2"}), **given)


@pytest.mark.parametrize("given", [{"json": 1}, {"data": {"a": "1"}}, {"data": b"x"}])
def test_a_content_type_of_the_tests_own_stays(given: dict[str, Any]) -> None:
    assert check("POST", items=[("content-type", "application/x-own"), ("X", "1")], **given)


@pytest.mark.parametrize(
    ("data", "json"),
    [
        (None, float("nan")),
        (None, {"a": float("inf")}),
        (None, object()),
        (None, {1, 2}),
        (None, {(1, 2): 3}),
        (BytesIO(b"stream"), None),
        (iter([b"a"]), None),
        ({"a": None}, None),
        ([()], None),
        (["ab", "xyz"], None),
        ([1, 2], None),
        ({"a": object}, None),
        (bytearray(b"x"), None),
        ("\ud800", None),
        (5, None),
        ({"a": "\ud800"}, None),
    ],
)
def test_what_requests_has_to_look_at(data: Any, json: Any) -> None:
    """Or what it makes of it, if that is made here all the same."""
    body = body_of(data, json)
    if body is not None:
        assert check("POST", data=data, json=json)


class OwnText(str):
    pass


@pytest.mark.parametrize(
    "auth",
    [HTTPBasicAuth("a", "b"), lambda request: request, ("a",), ("a", "b", "c"), ["a", "b"], ("a", 5), (b"a", b"b")],
)
def test_authorizations_that_are_no_pair_of_texts_are_for_requests(auth: Any) -> None:
    assert extra_of(call_of("GET"), None, None, auth, Cookies()) is None


def test_an_authorization_beside_another_is_for_requests() -> None:
    call = call_of("GET", [("Authorization", "Bearer x")])
    assert extra_of(call, None, None, ("a", "b"), Cookies()) is None
    assert extra_of(call, None, None, None, Cookies()) is not None


def test_texts_of_other_types_are_for_requests() -> None:
    assert body_of(OwnText("a"), None) is None


def test_a_cookie_that_no_header_can_hold_is_for_requests() -> None:
    for value in ("\u20ac", "a\r\nX: 1"):
        assert extra_of(call_of("GET"), None, None, None, jar_of({"a": value})) is None


def test_what_a_body_is_comes_with_it() -> None:
    assert body_of(None, {"a": 1}) == (b'{"a": 1}', JSON)
    assert body_of({"a": 1}, None) == ("a=1", FORM)
    assert body_of("a=1", None) == ("a=1", None)


def test_json_that_contains_itself_is_for_requests() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert body_of(None, endless) is None

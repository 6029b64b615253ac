"""A session's headers and cookies: changes count at once, and the cookies sent are those that requests sends."""

from __future__ import annotations

import copy
import pickle
import time
from collections.abc import Callable
from http.cookiejar import Cookie
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from requests.cookies import RequestsCookieJar, create_cookie

from loads.client.calls import Call, Fields
from loads.client.origin import Origins
from loads.client.state import Cookies, Headers

ORIGINS = Origins()
URLS = [
    "http://site.test/",
    "http://site.test/a",
    "http://site.test/a/b?c=/d",
    "http://site.test:8080/a",
    "https://site.test/a",
    "http://www.site.test/ab",
    "http://other.test/a",
    "http://127.0.0.1/a",
    "http://localhost/a",
]


def call_of(url: str = URLS[0]) -> Call:
    call = Fields((("Accept", "*/*"),), True, ORIGINS, None).call("GET", url)
    assert call is not None
    return call


CALLS = {url: call_of(url) for url in URLS}


def stock_line(jar: RequestsCookieJar, url: str) -> bytes:
    """What a stock session with these cookies sends."""
    with requests.Session() as session:
        session.trust_env = False
        session.cookies = jar
        text = session.prepare_request(requests.Request("GET", url)).headers.get("Cookie")
    return b"" if text is None else b"Cookie: %b\r\n" % text.encode("latin-1")


def twin(jar: Cookies) -> RequestsCookieJar:
    """The same cookies in requests' own."""
    plain = RequestsCookieJar()
    for cookie in jar:
        plain.set_cookie(copy.copy(cookie))
    return plain


def check(jar: Cookies, *urls: str) -> None:
    for url in urls or URLS:
        for _ in range(2):
            assert jar.line_for(CALLS[url]) == stock_line(twin(jar), url), url


# Headers


CHANGES: list[Callable[[Headers], Any]] = [
    lambda headers: headers.__setitem__("Accept", "a/b"),
    lambda headers: headers.__setitem__("ACCEPT", "a/b"),
    lambda headers: headers.__delitem__("accept"),
    lambda headers: headers.update({"X": "1"}),
    lambda headers: headers.update(x="1"),
    lambda headers: headers.setdefault("X", "1"),
    lambda headers: headers.pop("Accept"),
    lambda headers: headers.popitem(),
    lambda headers: headers.clear(),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_headers_is_noticed(change: Callable[[Headers], Any]) -> None:
    headers = Headers({"Accept": "*/*", "User-Agent": "me"})
    before, version = dict(headers), headers.version
    change(headers)
    assert dict(headers) != before
    assert headers.version != version


def test_looking_at_headers_is_no_change() -> None:
    headers = Headers({"Accept": "*/*"})
    version = headers.version
    assert headers["accept"] == headers.get("ACCEPT") == "*/*"
    assert list(headers) == ["Accept"]
    assert headers == {"accept": "*/*"}
    assert "accept" in headers
    assert headers.copy() == headers
    assert headers.setdefault("Accept", "other") == "*/*"
    assert repr(headers) == "{'Accept': '*/*'}"
    assert headers.version == version


def test_headers_can_be_copied_and_pickled() -> None:
    headers = Headers({"Accept": "*/*"})
    for again in (pickle.loads(pickle.dumps(headers)), copy.deepcopy(headers)):
        assert again == headers
        version = again.version
        again["X"] = "1"
        assert again.version != version
        assert "X" not in headers


# Cookies


NOW_S = 1_000_000_000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What time it is."""
    now = [NOW_S]
    monkeypatch.setattr(time, "time", lambda: now[0])
    return now


cookies = st.builds(
    create_cookie,
    st.sampled_from(["a", "b", "c"]),
    st.one_of(st.none(), st.text("xyz =\"',\xe9", max_size=5)),
    domain=st.sampled_from(
        ["", "site.test", ".site.test", "www.site.test", "other.test", "127.0.0.1", "localhost.local"]
    ),
    path=st.sampled_from(["/", "/a", "/a/", "/a/b"]),
    secure=st.booleans(),
    expires=st.sampled_from([None, None, 0, int(NOW_S) - 5, int(NOW_S) + 5, int(NOW_S) + 7]),
    version=st.sampled_from([0, 0, 0, 1]),
    port=st.sampled_from([None, None, None, "8080"]),
)


@settings(max_examples=50)
@given(st.lists(cookies, max_size=6), st.data())
def test_the_cookies_of_any_jar_are_sent_as_requests_sends_them(row: list[Cookie], data: st.DataObject) -> None:
    """Wherever, in any order, and after each change or with time."""
    now = [NOW_S]
    jar = Cookies()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: now[0])
        for cookie in row:
            jar.set_cookie(cookie)
            check(jar, *data.draw(st.lists(st.sampled_from(URLS), min_size=1, max_size=3)))
        for _ in range(3):
            now[0] += data.draw(st.sampled_from([0.0, 0.5, 4.5, 5.0, 2.0]))
            check(jar, *data.draw(st.permutations(URLS)))


JAR_CHANGES: dict[str, Callable[[Cookies], Any]] = {
    "set": lambda jar: jar.set("b", "2"),
    "replace": lambda jar: jar.set("a", "2", domain="site.test", path="/"),
    "item": lambda jar: jar.__setitem__("b", "2"),
    "update": lambda jar: jar.update({"b": "2"}),
    "update from a jar": lambda jar: (
        jar.update(twin(jar)) or jar.update(requests.cookies.cookiejar_from_dict({"b": "2"}))
    ),
    "set to None": lambda jar: jar.set("a", None),
    "delete": lambda jar: jar.__delitem__("a"),
    "pop": lambda jar: jar.pop("a"),
    "clear": lambda jar: jar.clear(),
    "clear a domain": lambda jar: jar.clear("site.test"),
    "clear a path": lambda jar: jar.clear("site.test", "/"),
    "clear session cookies": lambda jar: jar.clear_session_cookies(),
    "a narrower path": lambda jar: jar.set("b", "2", path="/a"),
    "secure": lambda jar: jar.set("b", "2", secure=True),
    "another domain": lambda jar: jar.set("b", "2", domain="www.site.test"),
}


@pytest.mark.parametrize("name", JAR_CHANGES)
def test_a_change_of_cookies_counts_at_once(name: str) -> None:
    jar = Cookies()
    jar.set("a", "1", domain="site.test", path="/")
    check(jar)
    before = [(cookie.name, cookie.value, cookie.path) for cookie in jar]
    JAR_CHANGES[name](jar)
    assert [(cookie.name, cookie.value, cookie.path) for cookie in jar] != before
    check(jar)


@pytest.mark.parametrize(("name", "value"), [("value", "2"), ("secure", True), ("path", "/a"), ("expires", 1)])
def test_a_cookie_changed_in_place_counts_at_once(name: str, value: Any) -> None:
    jar = Cookies()
    jar.set("a", "1", domain="site.test")
    check(jar)
    for cookie in jar:
        setattr(cookie, name, value)
    check(jar)


def test_a_cookie_is_sent_until_it_runs_out(clock: list[float]) -> None:
    jar = Cookies()
    jar.set("a", "1", expires=int(NOW_S) + 2)
    jar.set("b", "2", expires=int(NOW_S) + 4)
    lines = []
    for now_s in (0, 1.999, 2, 3.999, 4, 100):
        clock[0] = NOW_S + now_s
        lines.append(jar.line_for(CALLS[URLS[0]]))
        check(jar, URLS[0])
    both, one = b"Cookie: a=1; b=2\r\n", b"Cookie: b=2\r\n"
    assert lines == [both, both, one, one, b"", b""]


def test_a_policy_of_the_jar_changes_nothing_as_with_requests() -> None:
    from http.cookiejar import DefaultCookiePolicy

    jar = Cookies(DefaultCookiePolicy(blocked_domains=["site.test"]))
    jar.set_cookie(create_cookie("a", "1"))
    check(jar, URLS[0])
    assert jar.line_for(CALLS[URLS[0]]) == b"Cookie: a=1\r\n"


@pytest.mark.parametrize("value", ["\u20ac", "a\nb", "a\rb"])
def test_what_no_head_can_hold_is_left_to_requests_until_it_is_gone(value: str) -> None:
    jar = Cookies()
    jar.set("a", value)
    for _ in range(2):
        assert jar.line_for(CALLS[URLS[0]]) is None
    jar.set("a", "1")
    check(jar, URLS[0])


def test_the_memory_for_lines_is_bounded() -> None:
    jar = Cookies()
    jar.set("a", "1", path="/a")
    for number in range(200):
        assert jar.line_for(call_of(f"http://site.test/a/{number}")) == b"Cookie: a=1\r\n"
        assert len(jar._lines) <= 64


def test_a_jar_shows_itself_as_requests_own() -> None:
    jar = Cookies()
    jar.set("a", "1", domain="site.test")
    assert repr(jar) == repr(twin(jar))


def test_a_jar_prints_itself_as_requests_own() -> None:
    jar = Cookies()
    jar.set("a", "1", domain="site.test")
    assert str(jar) == str(twin(jar)) == "<RequestsCookieJar[<Cookie a=1 for site.test/>]>"


@pytest.mark.parametrize(
    "again",
    [copy.copy, copy.deepcopy, lambda jar: jar.copy(), lambda jar: pickle.loads(pickle.dumps(jar))],
    ids=["copy", "deepcopy", "its own copy", "pickle"],
)
def test_a_copy_of_a_jar_sends_the_same(again: Callable[[Cookies], Any]) -> None:
    jar = Cookies()
    jar.set("a", "1")
    check(jar)
    other = again(jar)
    assert isinstance(other, RequestsCookieJar)
    for url in URLS:
        assert stock_line(other, url) == stock_line(twin(jar), url)
    if isinstance(other, Cookies):
        check(other)
        other.set("b", "2")
        check(other)
        check(jar)


def test_a_shallow_copy_that_was_emptied_goes_its_own_way() -> None:
    jar = Cookies()
    jar.set("a", "1")
    other = copy.copy(jar)
    other.clear()
    other.set("b", "2")
    assert (dict(jar), dict(other)) == ({"a": "1"}, {"b": "2"})
    check(jar)
    check(other)

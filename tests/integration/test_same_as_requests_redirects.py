"""Redirects and cookies go by requests' own rules: where to, with what, how often, and what stays in the jars."""

from __future__ import annotations

import io
from collections.abc import Iterator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from requests.cookies import RequestsCookieJar

from tests.parity import Call, Fresh, Parity, two_sessions
from tests.parity_views import request_view, view, wording
from tests.torture import run_torture
from tests.torture_answers import OK, Answer, Close, chunked, moved, reply

MANY = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
STATUSES = [
    "301 Moved",
    "302 Found",
    "303 See Other",
    "307 Temporary Redirect",
    "308 Permanent Redirect",
    "300 Choices",
]
METHODS = ["GET", "POST", "PUT", "HEAD", "DELETE", "PURGE"]

# fmt: off
LOCATIONS: list[str | bytes] = [
    "/y", "y", "./y", "../y", "?q=1", "#f", "", " ", "/y#f", "/a b", "/é", b"/\xe9", b"/\xff\xfe", "/%c3%a9", "/%zz",
    "//{host}/y",
    "http://{host}/y", "HTTP://{host}/y", "http://LOCALHOST:{port}/y", "http://u:p@{host}/y", "http://{host}",
    "http://{host}?q",
    "/y;p=1", "//", "/", "http:///y", "http://", "http:/y", "http:y", "ftp://{host}/y", "mailto:a@b", "javascript:x",
    "data:,x",
    "http://{host}:99999/y", "http://{host}x/y", "http://[::1", "http://*/y", "http://.x/y", "http://a..b/y", "y:z",
    "/y:z", "\t/y",
    "/y\t", "/a\\b", "/a|b", "/日本", "http://{other}/y", "http://{other}/y#g", "?", "/y?a=b&c=%20+",
    "/y" + "z" * 3000, "/{{x}}",
]
COOKIES: list[str | bytes] = [
    "a=1", "a=", "a", "=1", "", ";", "a=1; Path=/", "a=1; Path=/x", "a=1; Path=/elsewhere", "a=1; Path=", "a=1; path=x",
    "a=1; Domain=127.0.0.1", "a=1; Domain=.127.0.0.1", "a=1; Domain=localhost", "a=1; Domain=elsewhere.test",
    "a=1; Domain=",
    "a=1; Max-Age=3600", "a=1; Max-Age=0", "a=1; Max-Age=-1", "a=1; Max-Age=x", 'a=1; Max-Age="60"', "a=1; Secure",
    "a=1; HttpOnly",
    "a=1; Expires=Wed, 21 Oct 2015 07:28:00 GMT", "a=1; Expires=Wed, 21 Oct 2065 07:28:00 GMT", "a=1; Expires=never",
    "a=1; expires=Wednesday, 21-Oct-65 07:28:00 GMT", "a=1; SameSite=Lax", "a=1; Version=1", 'a="q; r"', 'a="q\\"r"',
    "a=b=c",
    "a=1, b=2", "a=1; Port=80", "a=1; Comment=x; Discard", "é=ü", b"a=\xff", "a=" + "v" * 5000, "a b=c d",
    "a=1;Path=/;Secure;HttpOnly",
    "$a=1", "a=1; Path=/; Path=/x", "a=1; Max-Age=3600; Expires=Wed, 21 Oct 2015 07:28:00 GMT", "a\t=\t1",
    "a=1; unknown=x", "A=1",
    "__Host-a=1; Secure; Path=/", "a=1; Domain=.0.0.1", "a=1; Path=/\u00e9", "a=1;;b=2", "a={}[]()<>@,:/?",
    "a=1; HttpOnly; rest=x",
]
# fmt: on


@pytest.fixture(scope="module")
def both() -> Iterator[Parity]:
    with two_sessions() as both, run_torture() as other:
        yield Parity(both.server, other)


def placed(location: str | bytes, both: Parity) -> str | bytes:
    """`location` with the addresses of the servers in it."""
    if isinstance(location, bytes):
        return location
    server, other = both.servers
    return location.format(host=f"127.0.0.1:{server.port}", other=f"127.0.0.1:{other.port}", port=server.port)


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("method", METHODS)
def test_each_status_changes_each_method_as_it_does_for_requests(both: Parity, status: str, method: str) -> None:
    """With a body and without; the server reads what it is told to."""
    for kwargs in ({}, {"data": {"d": "1"}}, {"json": [1]}, {"data": Fresh(lambda: io.BytesIO(b"file"), "file")}):
        answers = [moved("/y", status), moved("/z", status)]
        both.check(Call(method, f"{both.url}/x", **kwargs), answers=answers)


@pytest.mark.parametrize("data", [iter, lambda parts: (part for part in parts)])
@pytest.mark.parametrize("status", STATUSES)
def test_what_can_be_read_once_is_not_sent_twice(both: Parity, status: str, data: Any) -> None:
    """An iterator as the body of a request that is redirected with its body: the same error, or the same requests."""
    body = Fresh(lambda: data([b"one", b"two"]), "once")
    both.check(Call("POST", f"{both.url}/x", data=body), answers=[moved("/y", status)])


@pytest.mark.parametrize("location", LOCATIONS, ids=lambda location: repr(location)[:30])
def test_any_location(both: Parity, location: str | bytes) -> None:
    where = placed(location, both)
    both.check(Call("GET", f"{both.url}/dir/x?a=b#frag"), answers=[moved(where)])
    both.check(Call("GET", f"{both.url}/dir/x"), answers=[moved(where, body=b"moved")])
    both.check(Call("GET", f"{both.url}/dir/x", allow_redirects=False), answers=[moved(where)])


@pytest.mark.parametrize(
    "body", [b"", b"moved" * 3000, chunked([b"moved"] * 9, "Location: /y", status="301 Moved")], ids=len
)
def test_the_body_of_a_redirect_is_read_and_the_connection_kept(both: Parity, body: bytes) -> None:
    answer = (body,) if body.startswith(b"HTTP") else moved("/y", body=body)
    outcome = both.check(Call("GET", f"{both.url}/x"), answers=[answer])
    assert len(outcome.seen[0]) == 1


def test_a_redirect_may_close_or_break(both: Parity) -> None:
    """What the body of a redirect suffers from is forgiven as requests forgives it."""
    for answer in (
        moved("/y", "302 Found", "Connection: close", body=b"bye"),
        (reply(b"", "Location: /y", status="302 Found", length=False), Close()),
        (reply(b"moved", "Location: /y", "Content-Encoding: gzip", status="302 Found"),),
        (chunked([b"moved"], "Location: /y", status="302 Found")[:-7], Close()),
        (reply(b"moved", "Location: /y", status="302 Found")[:-2], Close()),
        (reply(b"", "Location: /y", "Location: /z", status="302 Found"),),
        (reply(b"", "location: /y", status="302 Found"),),
        (reply(b"", status="302 Found"),),
    ):
        both.check(Call("GET", f"{both.url}/x"), answers=[answer], connections=False)


def test_loops_and_long_ways_end(both: Parity) -> None:
    """At `max_redirects`, with the error and the response of requests."""
    for limit in (None, 0, 1, 5):

        def step(session: requests.Session, limit: int | None = limit) -> Any:
            if limit is not None:
                session.max_redirects = limit
            try:
                return view(session.get(f"{both.url}/x"))
            except requests.TooManyRedirects as error:
                return view(error.response), wording(error)  # type: ignore[arg-type]

        both.check(step, answers=[moved(f"/{number}") for number in range(40)], recorded=True)
        both.check(step, answers=[moved("/x")] * 40, recorded=True)
        both.check(step, answers=[moved(f"/{number}") for number in range(5)], recorded=True)


def test_credentials_stay_with_their_host(both: Parity) -> None:
    """Authorization is stripped, kept or taken from the URL as requests does it."""
    here, other = (f"127.0.0.1:{server.port}" for server in both.servers)
    for where in (
        "/y",
        f"http://{other}/y",
        f"http://localhost:{both.server.port}/y",
        f"http://n:q@{here}/y",
        f"http://n:q@{other}/y",
    ):
        for kwargs in (
            {"auth": ("u", "p")},
            {"headers": {"Authorization": "Bearer t", "Cookie": "own=1", "Proxy-Authorization": "x"}},
            {"cookies": {"c": "1"}},
            {},
        ):
            both.check(Call("GET", f"http://a:b@{here}/x", **kwargs), answers=[moved(where), moved("/z")])
            both.check(Call("POST", f"http://{here}/x", data=b"d", **kwargs), answers=[moved(where, "307 Temporary")])


def test_the_next_request_is_there_for_those_who_ask(both: Parity) -> None:
    """`allow_redirects=False`, then ``session.send(response.next)``, step by step."""

    def step(session: requests.Session) -> Any:
        response = session.post(f"{both.url}/x", data=b"d", allow_redirects=False, cookies={"c": "1"})
        seen = [view(response)]
        while response.next is not None:
            response = session.send(response.next, allow_redirects=False)
            seen.append(view(response))
        return seen

    both.check(step, answers=[moved("/y", "302 Found", "Set-Cookie: a=1"), moved("/z", "307 Again"), moved("//")])


def test_redirects_can_be_resolved_by_hand(both: Parity) -> None:
    """`Session.resolve_redirects`, as those call it who follow on their own."""

    def step(session: requests.Session) -> Any:
        response = session.get(f"{both.url}/x", allow_redirects=False)
        steps = session.resolve_redirects(response, response.request, yield_requests=True)
        return [request_view(request) for request in steps][:1]

    both.check(step, answers=[moved("/y")])


@pytest.mark.parametrize("cookie", COOKIES, ids=lambda cookie: repr(cookie)[:40])
def test_any_cookie(both: Parity, cookie: str | bytes) -> None:
    """It is kept, sent and deleted as requests does."""
    lines = b"Set-Cookie: " + (cookie if isinstance(cookie, bytes) else cookie.encode("latin-1"))
    host = f"http://localhost:{both.server.port}"
    for url in (both.url, host):
        calls = [Call("GET", f"{url}{path}") for path in ("/x/y", "/x/z", "/elsewhere", "/")]
        both.check(*calls, answers=[(reply(b"", lines, "Set-Cookie: b=2; Path=/x"),)], recorded=True)


def test_cookies_of_redirects_are_kept_and_sent_on(both: Parity) -> None:
    answers = [
        moved("/y", "302 Found", "Set-Cookie: a=1; Path=/", "Set-Cookie: b=2; Path=/y"),
        moved("/z", "302 Found", "Set-Cookie: a=; Max-Age=0; Path=/", "set-cookie: c=3; path=/"),
        (reply(b"", "Set-Cookie: d=4"),),
    ]
    for kwargs in ({}, {"cookies": {"own": "1"}}, {"headers": {"Cookie": "mine=1"}}):
        both.check(Call("GET", f"{both.url}/x", **kwargs), Call("GET", f"{both.url}/y"), answers=answers, recorded=True)


def test_cookies_go_to_their_own_servers(both: Parity) -> None:
    """Ports don't part cookies; names of hosts do."""
    server, other = both.servers
    urls = [f"{server.url}/", f"{other.url}/", f"http://localhost:{server.port}/", f"http://localhost:{other.port}/"]
    answers = [(reply(b"", f"Set-Cookie: c{number}=1"),) for number in range(2)]
    both.check(*[Call("GET", url) for url in urls * 2], answers=answers, recorded=True)


def test_a_cookie_is_changed_and_deleted_by_the_server(both: Parity) -> None:
    answers = [
        (reply(b"", "Set-Cookie: a=1", "Set-Cookie: b=1"),),
        (reply(b"", "Set-Cookie: a=2"),),
        (reply(b"", "Set-Cookie: b=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"),),
        (reply(b"", "Set-Cookie: a=3; Path=/x"),),
    ]
    both.check(*[Call("GET", f"{both.url}/x")] * 6, answers=answers, recorded=True)


def refusing() -> CookieJar:
    return RequestsCookieJar(policy=DefaultCookiePolicy(blocked_domains=["127.0.0.1"]))


@pytest.mark.parametrize(
    "make", [CookieJar, RequestsCookieJar, refusing, dict], ids=["CookieJar", "own", "refusing", "dict"]
)
def test_another_jar_takes_the_place_of_the_sessions(both: Parity, make: Any) -> None:
    """Whatever jar a test gives the session, it is the one that is filled and sent."""

    def step(session: requests.Session) -> None:
        session.get(f"{both.url}/x")
        session.cookies = make()
        session.get(f"{both.url}/x")

    answers = [(reply(b"", f"Set-Cookie: c{number}=1"),) for number in range(3)]
    both.check(
        step, Call("GET", f"{both.url}/x"), answers=answers, recorded=False, ignore=("cookies",) if make is dict else ()
    )


@MANY
@given(data=st.data())
def test_any_way_through_the_servers(both: Parity, data: st.DataObject) -> None:
    """Up to six steps: redirects between two servers, with cookies, by any status."""
    texts = st.sampled_from(COOKIES)
    steps: list[Answer] = []
    for _ in range(data.draw(st.integers(0, 5), label="steps")):
        cookies = data.draw(st.lists(texts, max_size=2), label="cookies")
        lines = [b"Set-Cookie: " + (one if isinstance(one, bytes) else one.encode("latin-1")) for one in cookies]
        where = placed(data.draw(st.sampled_from(LOCATIONS), label="location"), both)
        steps.append(moved(where, data.draw(st.sampled_from(STATUSES), label="status"), *lines))
    kwargs = data.draw(
        st.fixed_dictionaries(
            {},
            optional={
                "cookies": st.just({"own": "1"}),
                "auth": st.just(("u", "p")),
                "data": st.sampled_from([b"body", {"a": "1"}]),
                "allow_redirects": st.booleans(),
                "params": st.just({"p": "1"}),
            },
        ),
        label="arguments",
    )
    method = data.draw(st.sampled_from(METHODS), label="method")
    calls = [Call(method, f"{both.url}/x/y", **kwargs), Call("GET", f"{both.url}/x")]
    both.check(*calls, answers=[*steps, OK], recorded=True, connections=False)

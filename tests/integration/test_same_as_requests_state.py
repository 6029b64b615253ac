"""A session is changed between calls as requests' own can be, and each change counts from the next call on."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth, HTTPDigestAuth
from requests.cookies import RequestsCookieJar, cookiejar_from_dict
from requests.structures import CaseInsensitiveDict
from urllib3.util.retry import Retry

from loads.client.session import session_of
from loads.client.user import VirtualUser
from tests.build import new_recorder
from tests.parity import Call, Parity, Step, clean_environment, look_again, two_sessions
from tests.parity_views import jar_view, request_view, view
from tests.torture import run_torture
from tests.torture_answers import Close, moved, reply

MANY = settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow])
Change = Callable[[Any], Any]


@pytest.fixture(scope="module")
def both() -> Iterator[Parity]:
    with two_sessions() as both:
        yield both


class Token(AuthBase):
    """An auth object; one is as good as another."""

    def __eq__(self, other: object) -> bool:
        return type(other) is Token

    __hash__ = None  # type: ignore[assignment]

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = "Token abc"
        return request


class Marking(HTTPAdapter):
    """A test's own adapter, which marks what goes through it."""

    def add_headers(self, request: requests.PreparedRequest, **_: Any) -> None:
        request.headers["X-Marked"] = "1"


class Canned(HTTPAdapter):
    """An adapter that asks no server."""

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        response = requests.Response()
        response.status_code, response.url, response.request = 299, str(request.url), request
        response._content, response.raw = b"canned", None
        response.connection = self
        return response


class Sealed(dict[str, str]):
    """A dictionary of a class of its own."""


def hook(response: requests.Response, **_: Any) -> None:
    response.headers["X-Hooked"] = "1"


def use(name: str, value: Any) -> Change:
    """Set an attribute of the session."""

    def change(session: Any) -> None:
        setattr(session, name, copy.deepcopy(value))

    change.__qualname__ = f"use({name}={value!r})"
    return change


# fmt: off
CHANGES: dict[str, Change] = {
    "header set": lambda session: session.headers.__setitem__("X-S", "1"),
    "header set again": lambda session: session.headers.__setitem__("x-s", "2"),
    "header deleted": lambda session: session.headers.pop("Accept", None),
    "headers updated": lambda session: session.headers.update({"X-U": "1", "User-Agent": "mine"}),
    "header None": lambda session: session.headers.__setitem__("User-Agent", None),
    "headers cleared": lambda session: session.headers.clear(),
    "header setdefault": lambda session: session.headers.setdefault("X-D", "1"),
    "header |=": lambda session: session.headers.update([("X-L", "1")]),
    "header of bytes": lambda session: session.headers.__setitem__("X-B", b"1"),
    "headers a dict": use("headers", {"X-P": "1", "x-p": "2"}),
    "headers an own dict": use("headers", Sealed({"X-O": "1"})),
    "headers an OrderedDict": use("headers", OrderedDict([("Z", "1"), ("A", "2")])),
    "headers new": use("headers", CaseInsensitiveDict({"X-N": "1"})),
    "headers empty": use("headers", {}),
    "headers None": use("headers", None),
    "auth tuple": use("auth", ("u", "p")),
    "auth object": use("auth", Token()),
    "auth basic": use("auth", HTTPBasicAuth("a", "b")),
    "auth None": use("auth", None),
    "params": use("params", {"s": "1", "t": ["2", "3"]}),
    "params list": use("params", [("s", "1")]),
    "params text": use("params", "a=b"),
    "param set": lambda session: session.params.update({"m": "1"}),
    "params empty": use("params", {}),
    "cookie set": lambda session: session.cookies.set("c", "1"),
    "cookie item": lambda session: session.cookies.__setitem__("i", "2"),
    "cookie of a path": lambda session: session.cookies.set("q", "1", path="/x"),
    "cookies updated": lambda session: session.cookies.update({"u": "1"}),
    "cookies cleared": lambda session: session.cookies.clear(),
    "cookie deleted": lambda session: session.cookies.__delitem__("c"),
    "cookies a new jar": lambda session: setattr(session, "cookies", cookiejar_from_dict({"n": "1"})),
    "cookies another class": lambda session: setattr(session, "cookies", CookieJar()),
    "cookies an own jar": lambda session: setattr(session, "cookies", RequestsCookieJar()),
    "verify False": use("verify", False),
    "verify True": use("verify", True),
    "verify a path that is not there": use("verify", "/nonexistent/ca.pem"),
    "cert that is not there": use("cert", "/nonexistent/cert.pem"),
    "cert None": use("cert", None),
    "no redirects": use("max_redirects", 0),
    "one redirect": use("max_redirects", 1),
    "many redirects": use("max_redirects", 30),
    "hook": lambda session: session.hooks["response"].append(hook),
    "hooks new": use("hooks", {"response": [hook]}),
    "hooks one": use("hooks", {"response": hook}),
    "hooks none": use("hooks", {"response": []}),
    "hooks empty": use("hooks", {}),
    "mount marking": lambda session: session.mount("http://", Marking()),
    "mount canned below": lambda session: session.mount("http://127.0.0.1", Canned()),
    "mount own": lambda session: session.mount("http://", HTTPAdapter()),
    "mount with retries": lambda session: session.mount("http://", HTTPAdapter(max_retries=Retry(total=2))),
    "adapters emptied": lambda session: session.adapters.clear(),
    "trust_env off": use("trust_env", False),
    "trust_env on": use("trust_env", True),
    "stream": use("stream", True),
    "stream off": use("stream", False),
    "proxies of another scheme": use("proxies", {"ftp": "http://127.0.0.1:9"}),
    "no proxies": use("proxies", {}),
    "closed": lambda session: session.close(),
    "an attribute of the test's own": use("mine", 5),
}
# fmt: on


def silent(change: Change) -> Step:
    """What it returns is of no interest."""

    def step(session: requests.Session) -> None:
        change(session)

    step.__qualname__ = change.__qualname__
    return step


def calls_of(both: Parity) -> list[Call]:
    """Of different kinds, each of which looks at other parts of the session."""
    url = f"{both.url}/x"
    return [
        Call("GET", url),
        Call("POST", f"{url}/y?q=1", data={"d": "1"}, headers={"X-C": "1"}),
        Call("GET", url, params={"p": "1"}, cookies={"k": "1"}, auth=("v", "w")),
        Call("PUT", url, json=[1], allow_redirects=False),
    ]


def showing(session: Any) -> Any:
    """What a test may ask the session for."""
    return (
        list(session.headers.items()) if session.headers is not None else None,
        *(session.auth, session.params, session.verify, session.cert, session.max_redirects, session.trust_env),
        *(session.stream, session.proxies, list(session.adapters), session.hooks, jar_view(session.cookies)),
    )


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_counts_at_once(both: Parity, name: str) -> None:
    """Before the first call and between others, for plain calls, redirects and answers that set cookies."""
    change = silent(CHANGES[name])
    answers = [(reply(b"", "Set-Cookie: r=1"),), moved("/z", "302 Found", "Set-Cookie: s=2; Path=/")]
    for call in calls_of(both):
        both.check(change, call, showing, call, recorded=False, answers=answers)
        both.check(call, call, change, call, showing, recorded=False, answers=answers)


@MANY
@given(data=st.data())
def test_any_row_of_changes(both: Parity, data: st.DataObject) -> None:
    """Changes and calls in any order."""
    names = data.draw(st.lists(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=4), label="changes")
    calls = calls_of(both)
    steps: list[Any] = []
    for name in names:
        steps += data.draw(st.lists(st.sampled_from(calls), max_size=2), label="calls")
        steps.append(silent(CHANGES[name]))
    steps += [data.draw(st.sampled_from(calls), label="last"), showing]
    answers = [moved("/z")] if data.draw(st.booleans(), label="redirect") else []
    both.check(*steps, recorded=False, answers=answers)


def test_an_adapter_for_a_path_is_asked_for_that_path_alone(both: Parity) -> None:
    """The longest prefix wins, in any case of letters; its answers are what it says."""

    def mount(session: requests.Session) -> None:
        session.mount(f"{both.url.upper()}/x/", Canned())

    calls = [Call("GET", f"{both.url}/x/y", then=lambda response: (response.status_code, response.content))]
    outcome = both.check(*calls, mount, *calls, Call("GET", f"{both.url}/x"), recorded=False)
    assert outcome.results[2] == (299, b"canned")
    assert outcome.counted == 2


def test_a_new_session_shows_what_a_new_session_shows(both: Parity) -> None:
    """Types, defaults and representations that tests look at."""

    def look(session: Any) -> Any:
        return (
            showing(session),
            isinstance(session.headers, CaseInsensitiveDict),
            repr(session.headers),
            dict(session.headers),
        )

    both.check(look)


def test_headers_are_a_dictionary_of_requests(both: Parity) -> None:
    """All of its methods, on the headers of the session."""

    def look(session: Any) -> Any:
        headers = session.headers
        headers["X-One"] = "1"
        copied = headers.copy()
        copied["X-Two"] = "2"
        del headers["accept"]
        return (
            *(
                "ACCEPT" in headers,
                headers.get("x-one"),
                headers.pop("X-ONE"),
                len(headers),
                list(headers),
                list(headers.keys()),
            ),
            *(list(headers.lower_items()), headers == dict(headers), list(copied.items()), headers.get("none", 5)),
            sorted(headers.values()),
        )

    both.check(look, Call("GET", both.url))


def test_a_session_that_was_closed_works_on(both: Parity) -> None:
    """As requests' does: it opens what it needs."""

    def close(session: requests.Session) -> None:
        session.close()

    outcome = both.check(Call("GET", both.url), close, Call("GET", both.url), recorded=True)
    assert len(outcome.seen[0]) == 2


def test_a_closed_session_leaves_no_connection_open(both: Parity) -> None:
    """At once, without the garbage collector."""
    session = session_of(VirtualUser(recorder=new_recorder()))
    both.server.play()
    session.get(both.url)
    session.get(both.url, stream=True).close()
    session.get(both.url, hooks={"response": hook})
    session.close()
    both.server.wait_gone(collect=False)


def test_sessions_share_neither_connections_nor_cookies(both: Parity) -> None:
    """Each virtual user is a visitor of its own."""
    users = [VirtualUser(recorder=new_recorder()) for _ in range(2)]
    both.server.play((reply(b"", "Set-Cookie: a=1"),))
    sessions = [session_of(user) for user in users]
    try:
        for session in sessions * 2:
            session.get(both.url)
        seen = both.server.seen()
    finally:
        for session in sessions:
            session.close()
    assert [len(requests) for requests in seen] == [2, 2]
    assert [[b"Cookie" in request for request in requests] for requests in seen] == [[False, True], [False, False]]


def test_auth_that_answers_a_challenge(both: Parity) -> None:
    """Digest: two requests, the second with the credentials; the connection and the body are used again."""

    def step(session: requests.Session) -> Any:
        session.auth = HTTPDigestAuth("u", "p")
        response = session.post(f"{both.url}/x", data=b"body")
        assert response.request.headers["Authorization"].startswith('Digest username="u"')
        return response.status_code, len(response.history), request_view(response.history[0].request)[:3]

    challenge = 'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"'
    both.check(step, answers=[(reply(b"", challenge, status="401 Unauthorized"),)], ignore=("seen", "after"))


@pytest.mark.parametrize("scheme", ["http_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_is_used(both: Parity, scheme: str) -> None:
    """All requests go there, whole URLs and all; but for hosts that `no_proxy` names, and where nobody trusts it."""
    with run_torture() as proxy, clean_environment() as patch:
        patch.setenv(scheme, proxy.url)
        pair = Parity(both.server, proxy)
        look_again()
        outcome = pair.check(*calls_of(both), recorded=False)
        assert len([request for row in outcome.seen[1] for request in row]) >= 4
        pair.check(use("trust_env", False), *calls_of(both), recorded=False)
        patch.setenv("no_proxy", "127.0.0.1,elsewhere.test")
        look_again()
        outcome = pair.check(*calls_of(both), recorded=False)
        assert outcome.seen[1] == []


def test_a_proxy_of_a_call_or_a_session_is_used(both: Parity) -> None:
    with run_torture() as proxy:
        pair = Parity(both.server, proxy)
        proxies = {"http": proxy.url}
        pair.check(Call("GET", f"{both.url}/x", proxies=proxies), Call("GET", f"{both.url}/x"))
        pair.check(use("proxies", proxies), *calls_of(both), recorded=False)
        pair.check(Call("GET", f"{both.url}/x", proxies=proxies), answers=[moved("/y")])
        pair.check(Call("GET", f"{both.url}/x", proxies={"http": proxy.url.replace("//", "//u:p@")}))


def test_netrc_is_used_where_it_says(both: Parity, tmp_path: Path) -> None:
    """For its hosts alone, not where the test gives credentials, and not where nobody trusts the environment."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login me password secret\n")
    netrc.chmod(0o600)
    with clean_environment() as patch:
        patch.setenv("NETRC", str(netrc))
        look_again()
        named = f"http://localhost:{both.server.port}/x"
        calls = [Call("GET", named), Call("GET", f"{both.url}/x"), Call("GET", named, auth=("u", "p"))]
        outcome = both.check(*calls, recorded=False, connections=False)
        assert sum(b"Authorization" in raw for raw in outcome.seen[0]) == 2
        assert not any(b"Authorization" in raw and b"Host: 127" in raw for raw in outcome.seen[0])
        both.check(Call("GET", f"{both.url}/x"), answers=[moved(named)], recorded=False, connections=False)
        both.check(use("trust_env", False), *calls, recorded=False, connections=False)


def test_an_answer_streams_from_the_session_on(both: Parity) -> None:
    """`session.stream`: the body is read when it is asked for, and the connection is free after."""

    def step(session: requests.Session) -> Any:
        session.stream = True
        first = session.get(f"{both.url}/x")
        parts = list(first.iter_content(3))
        with session.get(f"{both.url}/y") as second:
            return parts, view(second)

    both.check(step, answers=[(reply(b"0123456789"),), (reply(b"until close", length=False), Close())], recorded=False)

"""Whatever headers, cookies and credentials a call is given, the server sees what it sees from stock requests."""

from __future__ import annotations

from collections import OrderedDict, UserDict
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from requests.auth import AuthBase, HTTPBasicAuth, HTTPDigestAuth, HTTPProxyAuth
from requests.cookies import RequestsCookieJar
from requests.structures import CaseInsensitiveDict
from urllib3.util import SKIP_HEADER

from tests.parity import Call, Fresh, Parity, name_of, two_sessions


class Token(AuthBase):
    """An auth object such as tests write."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = "Token abc"
        request.headers["X-Signed"] = str(len(request.body or b""))
        return request


def jar(*cookies: tuple[str, str, dict[str, Any]]) -> RequestsCookieJar:
    filled = RequestsCookieJar()
    for name, value, where in cookies:
        filled.set(name, value, **where)
    return filled


# fmt: off
HEADERS: list[Any] = [
    None, {}, {"X-A": "1"}, {"x-a": "1", "X-A": "2"}, {"User-Agent": None}, {"Accept-Encoding": None},
    {"accept": "x/y"},
    {"X": b"bytes"}, {b"X-B": b"v"}, {b"X-B": "v"}, {"X": ""}, {"X": " lead"}, {"X": "trail "}, {"X": "\tlead"},
    {"X": "a\nb"}, {"X": "a\r\nY: b"}, {"X": "a\n b"}, {"X\n": "v"}, {"X\r\nY": "v"}, {"X Y": "v"}, {" X": "v"},
    {"": "v"},
    {"X": 1}, {"X": 1.0}, {"X": ["a"]}, {"X": "é"}, {"X": "日本"}, {"é": "v"}, {"日": "v"}, {"X:Y": "v"}, {5: "v"},
    {"X": "a\x00b"}, {"X": "\x7f"}, {"X": "a\rb"}, {"X": b"a\nb"}, {"X": b"\xff"}, {"X": "v" * 70_000}, {":x": "y"},
    {"Host": "elsewhere.test"}, {"Host": None}, {"host": ""}, {"HOST": b"bytes.test"}, {"Cookie": "a=b"},
    {"cookie": None},
    {"Connection": "close"}, {"Connection": None}, {"Connection": "Upgrade", "Upgrade": "websocket"},
    {"connection": "x"},
    {"Authorization": "Bearer x"}, {"Content-Type": "text/x"}, {"content-type": None}, {"TE": "trailers"},
    {"User-Agent": SKIP_HEADER}, {"Accept-Encoding": SKIP_HEADER}, {"Host": SKIP_HEADER}, {"X": SKIP_HEADER},
    {"Accept-Encoding": "identity"}, {"Content-Encoding": "gzip"}, {"Transfer-Encoding": None},
    {"Content-Length": None},
    OrderedDict([("Z", "1"), ("A", "2")]), [("X", "pairs")], "text", UserDict(X="1"),
    {f"X-{n}": "v" for n in range(150)},
    CaseInsensitiveDict({"x-Ci": "1"}), {"user-agent": "lower"}, {"USER-AGENT": None}, {"X": ""}, {"X": "\u2028"},
    {"X": "v" * 70_000 + "\r\nY: 1"}, {"X": "\n"}, {"X": "\r\n"}, {"X": "a\n"}, {b"X\n": b"v"}, {"X": "é".encode()},
]
COOKIES: list[Any] = [
    None, {}, {"a": "1"}, {"a": "1", "b": "2"}, {"a": "b;c"}, {"a": "é"}, {"a": None}, {"a b": "c"}, {"a": ""},
    {"a": '"q"'}, {"a": 5}, {"a": "x\ny"}, {"日": "本"}, [("a", "1")], "a=b", {"": "v"}, {"z": "1", "a": "2", "m": "3"},
    Fresh(lambda: jar(("j", "1", {})), "jar"),
    Fresh(lambda: jar(("j", "1", {"domain": "127.0.0.1"}), ("k", "2", {"path": "/a"})), "jar with places"),
    Fresh(lambda: jar(("j", "1", {"path": "/a"}), ("k", "2", {"path": "/a/b"}), ("l", "3", {})), "jar with paths"),
    Fresh(lambda: jar(("j", "1", {"domain": "elsewhere.test"}), ("s", "2", {"secure": True})), "jar of others"),
    Fresh(lambda: jar(("j", "1", {"expires": 1})), "stale jar"),
]
AUTH: list[Any] = [
    None, ("u", "p"), ("ü", "p"), (b"u", b"p"), ("u", ""), ("", ""), ("u:v", "p"), ["u", "p"], ("u", "p", "q"),
    ("u",), (),
    ("日", "p"), (1, 2), ("u", None), Token(), HTTPBasicAuth("a", "b"), HTTPProxyAuth("a", "b"), "text", 5,
    lambda request: request,
    lambda request: None,
    Fresh(lambda: HTTPDigestAuth("u", "p"), "digest"),
]
# fmt: on


@pytest.fixture(scope="module")
def both() -> Iterator[Parity]:
    with two_sessions() as both:
        yield both


@pytest.mark.parametrize("headers", HEADERS, ids=lambda headers: repr(headers)[:40])
def test_any_headers(both: Parity, headers: Any) -> None:
    both.check(Call("GET", f"{both.url}/x", headers=headers))
    both.check(Call("POST", f"{both.url}/x", headers=headers, data={"a": 1}, cookies={"c": "1"}))
    both.check(Call("PUT", f"{both.url}/x", headers=headers, json={"a": 1}, auth=("u", "p")))


@pytest.mark.parametrize("headers", HEADERS, ids=lambda headers: repr(headers)[:40])
def test_any_headers_of_the_session(both: Parity, headers: Any) -> None:
    """Merged into each call's, or in place of all."""

    def update(session: requests.Session) -> None:
        session.headers.update(headers)

    def replace(session: requests.Session) -> None:
        session.headers = headers

    for step in (update, replace):
        both.check(step, Call("GET", f"{both.url}/x", headers={"X": "mine", "Accept": None}), recorded=True)


@pytest.mark.parametrize("cookies", COOKIES, ids=repr)
def test_any_cookies(both: Parity, cookies: Any) -> None:
    both.check(Call("GET", f"{both.url}/a/b", cookies=cookies))
    both.check(Call("GET", f"{both.url}/a/b", cookies=cookies, headers={"Cookie": "own=1"}))


@pytest.mark.parametrize("auth", AUTH, ids=name_of)
def test_any_auth(both: Parity, auth: Any) -> None:
    both.check(Call("POST", f"{both.url}/x", auth=auth, data=b"body"))
    both.check(Call("GET", f"http://a:b@127.0.0.1:{both.server.port}/x", auth=auth))
    both.check(Call("GET", f"{both.url}/x", auth=auth, headers={"Authorization": "mine"}))

"""Whichever way a call takes, ours or that of stock requests, a worker records it once: what the server counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commands import LoadsRunner
from tests.torture import Torture, run_torture
from tests.torture_answers import OK, Answer, Close, Pieces, Reset, Stall, chunked, moved, reply

SUITE = """
import io
import urllib.request
import warnings

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPDigestAuth
from urllib3.util.retry import Retry

from loads.case import TestCase

warnings.simplefilter("ignore", ResourceWarning)


class Token(AuthBase):
    def __call__(self, request):
        request.headers["Authorization"] = "Token abc"
        return request


class TestCalls(TestCase):
    def url(self, path):
        return f"{self.server_url}/{path}"

    def test_plain(self):
        for _ in range(3):
            self.session.get(self.url("get"), params={"a": "1"})
        self.session.head(self.url("head"))
        self.session.post(self.url("post"), data={"a": "1"})
        self.session.post(self.url("json"), json={"a": "1"}, name="named")
        self.session.put(self.url("file"), data=io.BytesIO(b"file" * 999))
        self.session.patch(self.url("parts"), data=iter([b"a", b"b"]))
        self.session.post(self.url("upload"), files={"f": b"x"})
        self.session.get(self.url("basic"), auth=("u", "p"))
        with self.session.get(self.url("caught"), catch=True) as answer:
            answer.success()

    def test_handed_over(self):
        self.session.get(self.url("hooked"), hooks={"response": lambda *_, **__: None})
        self.session.get(self.url("token"), auth=Token())
        self.session.get(self.url("digest"), auth=HTTPDigestAuth("u", "p"))
        self.session.get(self.url("through-proxy"), proxies={"http": self.server_url})
        self.session.mount(self.url("mounted"), HTTPAdapter())
        self.session.get(self.url("mounted"))
        self.session.mount(self.url("retried"), HTTPAdapter(max_retries=Retry(total=2, status_forcelist=[503])))
        self.assertRaises(requests.exceptions.RetryError, self.session.get, self.url("retried"))

    def test_streamed(self):
        list(self.session.get(self.url("stream-parts"), stream=True).iter_content(100))
        list(self.session.get(self.url("stream-lines"), stream=True).iter_lines())
        self.session.get(self.url("stream-raw"), stream=True).raw.read()
        self.session.get(self.url("stream-content"), stream=True).content
        self.session.get(self.url("stream-closed"), stream=True).close()
        with self.session.get(self.url("stream-with"), stream=True) as answer:
            next(answer.iter_content(5))
        self.session.get(self.url("stream-forgotten"), stream=True)

    def test_redirects(self):
        self.session.get(self.url("moved"))
        self.session.get(self.url("moved"), allow_redirects=False)
        self.session.get(self.url("moved"), stream=True).close()
        self.assertRaises(requests.TooManyRedirects, self.session.get, self.url("loop"))

    def test_failures(self):
        for path, kwargs in (
            ("closed", {}), ("reset", {}), ("cut", {}), ("cut-chunk", {}), ("no-http", {}), ("broken-gzip", {}),
            ("stalled", {"timeout": 0.3}), ("stalled-body", {"timeout": 0.3}), ("404", {}), ("500", {}),
            ("cut-stream", {"stream": True}), ("stalled-stream", {"stream": True, "timeout": 0.3}),
        ):
            try:
                self.session.get(self.url(path), **kwargs).content
            except requests.RequestException:
                self.incr_counter(path)
        self.assertRaises(requests.ConnectionError, self.session.get, "http://127.0.0.1:9/refused")
        self.assertRaises(requests.ConnectionError, self.session.get, "http://nobody.invalid/unknown")
        self.assertRaises(requests.exceptions.InvalidURL, self.session.get, "http://:80/")
        with self.assertRaises(requests.exceptions.InvalidHeader):
            self.session.get(self.url("never"), headers={"X": "a\\nb"})

    def test_others(self):
        requests.get(self.url("module"))
        with requests.Session() as session:
            session.post(self.url("own-session"), data="x")
        with urllib.request.urlopen(self.url("urllib")) as answer:
            answer.read()
"""

ANSWERS: dict[str, Answer] = {
    "digest": (reply(b"", 'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"', status="401 Unauthorized"),),
    "retried": (reply(b"", status="503 Service Unavailable"),),
    "moved": moved("/step"),
    "step": moved("/get"),
    "loop": moved("/loop"),
    "closed": (Close(),),
    "reset": (Reset(),),
    "cut": (reply(b"0123456789")[:-3], Close()),
    "cut-chunk": (chunked([b"0123456789"])[:-9], Close()),
    "cut-stream": (chunked([b"0123456789"])[:-9], Close()),
    "no-http": (b"220 mail.example.org ESMTP\r\n", Close()),
    "broken-gzip": (reply(b"x" * 50, "Content-Encoding: gzip"),),
    "stalled": (Stall(),),
    "stalled-body": (reply(b"0123456789")[:-3], Stall()),
    "stalled-stream": (reply(b"0123456789")[:-3], Stall()),
    "404": (reply(b"", status="404 Not Found"),),
    "500": (reply(b"", status="500 Internal Server Error"),),
    "stream-closed": (Pieces(reply(b"0123456789" * 10_000), 1_000), Stall(0.1)),
    "stream-lines": (chunked([b"a\nb\n", b"c"]),),
}
ERRORS = {
    "closed": "closed",
    "reset": "reset",
    "cut": "incomplete",
    "cut-chunk": "incomplete",
    "cut-stream": "incomplete",
    "no-http": "protocol",
    "stalled": "read-timeout",
    "stalled-body": "read-timeout",
    "stalled-stream": "read-timeout",
}


@pytest.fixture(scope="module")
def server() -> Iterator[Torture]:
    with run_torture() as running:
        running.at.update({f"/{name}": answer for name, answer in ANSWERS.items()})
        running.at["/head"] = (reply(b"", length=False, status="204 No Content"),)
        running.at[f"{running.url}/through-proxy"] = OK
        yield running


def counted(server: Torture) -> Counter[tuple[str, str]]:
    """Requests by method and path, as the server saw them."""
    server.wait_gone()
    return Counter(
        (request.head.split(b" ")[0].decode(), request.path.rpartition("/")[2]) for request in server.requests()
    )


def recorded(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """The series of requests by method and the last part of the name."""
    return {
        (series["method"], series["name"].rpartition("/")[2]): series
        for series in document["series"]
        if series["method"] not in ("iteration", "transaction")
    }


@pytest.mark.parametrize("test", ["plain", "handed_over", "streamed", "redirects", "failures", "others"])
def test_each_request_is_recorded_once(loads: LoadsRunner, server: Torture, test: str, tmp_path: Path) -> None:
    """By two users, twice each: series by series what the server counted, and the kinds of what failed."""
    server.play()
    loads.write("calls.py", SUITE)
    variables = {"NETRC": str(tmp_path / "none"), "no_proxy": "", "http_proxy": ""}
    target = f"calls.TestCalls.test_{test}"
    run = loads.run(target, "-u", "2", "--hits", "2", "--server-url", server.url, environment=variables)
    assert run.document["errors"] == [], run.err
    assert (run.totals["ended"], run.totals["lost"]) == (4, 0)
    saw, series = counted(server), recorded(run.document)
    saw[("POST", "named")] = saw.pop(("POST", "json"), 0)
    sent = {key: one["sent"] for key, one in series.items() if one["sent"]}
    assert sent == +saw
    assert run.totals["sent"] == saw.total()
    for (_, name), one in series.items():
        if name in ERRORS:
            assert one["errors"] == {ERRORS[name]: one["hits"]}, name
            assert run.document["counters"][name] == one["hits"]
    if test == "failures":
        assert series["GET", "refused"]["errors"] == {"connect-refused": 4}
        assert series["GET", "unknown"]["errors"] == {"dns": 4}
        assert run.totals["unsent"] == 8
        assert ("GET", "never") not in series

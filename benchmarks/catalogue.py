"""The cases of throughput.py: what each asks for, of which tools, and what a reader must know beside the figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from answers import BODY, ORDER_TEXT, PAGE_BYTES, cookie_header

_ALL: Final = ("wrk", "hey", "locust")


@dataclass(frozen=True)
class Ask:
    """One request in plain words, for tools that have no scripts of their own."""

    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None

    @property
    def method(self) -> str:
        """POST where there is a body."""
        return "GET" if self.body is None else "POST"


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is asked of every tool.

    Attributes:
        name: for the command line.
        title: in words, for the table.
        files: of the files ``<files>_loads.py``, ``<files>_locust.py`` and so on in `cases/`.
        ask: the same for tools that have no such files.
        tools: which are compared with Loads.
        tls: over https, with an authority that the tools are told of.
        starts_per_s: so many users for each of --seconds start at once, each to make a connection and a request;
            what is measured is how many a second do. None: users stay, and what is measured is their requests.
        notes: what a reader must know.
    """

    name: str
    title: str
    files: str
    ask: Ask
    tools: tuple[str, ...] = _ALL
    tls: bool = False
    starts_per_s: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def unit(self) -> str:
        """What is counted, for the table's head."""
        return "Requests/s" if self.starts_per_s is None else "Users/s"


_VERIFIED = (
    "Loads and both of Locust's users check the certificate and its name, FastHttpUser only because it is told to here."
)
_STARTED = (
    "All users start at once, each with a connection of its own, make one request and leave; from the start of the run "
    "to the end of the last one's request."
)

CASES: Final = (
    Case(
        name="get",
        title=f"Keep-alive GET of {len(BODY)} bytes and an assert on the status",
        files="get",
        ask=Ask("/"),
    ),
    Case(
        name="tls",
        title=f"Keep-alive GET of {len(BODY)} bytes over verified TLS, and an assert on the status",
        files="get",
        ask=Ask("/"),
        tls=True,
        notes=(_VERIFIED, "wrk and hey check nothing."),
    ),
    Case(
        name="json",
        title=f"GET of {PAGE_BYTES // 1024} KB of JSON, compressed with gzip, parsed, and an assert on a value in it",
        files="json",
        ask=Ask("/orders.json", {"Accept-Encoding": "gzip"}),
        notes=("wrk and hey neither decompress nor parse.",),
    ),
    Case(
        name="post",
        title=f"POST of a JSON document of {len(ORDER_TEXT)} bytes and an assert on the status",
        files="post",
        ask=Ask("/orders", {"Content-Type": "application/json"}, ORDER_TEXT),
        notes=("wrk and hey send a text that was ready before.",),
    ),
    Case(
        name="cookies",
        title="GET with three cookies from a jar that a login has filled, and an assert on the status",
        files="cookies",
        ask=Ask("/basket", {"Cookie": cookie_header()}),
        notes=("wrk and hey have no jar: they send a header that was ready before.",),
    ),
    Case(
        name="app",
        title="self.app.get('/') and an assert that a word is in the answer",
        files="app",
        ask=Ask("/"),
        tools=("webtest",),
        notes=("WebTest over WSGIProxy2 over stock requests, with a session that keeps its connection for each user.",),
    ),
    Case(
        name="starts",
        title="User starts, each with a connection and a GET",
        files="starts",
        ask=Ask("/"),
        tools=("locust",),
        starts_per_s=1_500,
        notes=(_STARTED,),
    ),
    Case(
        name="tls-starts",
        title="User starts, each with a verified TLS handshake and a GET",
        files="starts",
        ask=Ask("/"),
        tools=("locust",),
        tls=True,
        starts_per_s=400,
        notes=(
            _STARTED,
            _VERIFIED,
            "Locust's FastHttpUsers share one SSL context here; by default each makes its own.",
        ),
    ),
)

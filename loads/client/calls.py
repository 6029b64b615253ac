"""What goes out: requests' own bytes, made once for calls that are alike.

A call is alike another when its method, its URL and the headers around it are; then its head is, too, but for cookies,
body and authorization, which requests puts behind them. The first of its kind is prepared by requests and written down
by urllib3, for a connection that is none. URLs that requests leaves as they are (`_PLAIN`) share all but the target.
Everything is bounded: a test that asks for ever new URLs has ever new calls.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final
from weakref import WeakSet

import requests
from requests.sessions import merge_setting
from requests.structures import CaseInsensitiveDict
from urllib3.connection import HTTPConnection, HTTPSConnection

from loads.client.origin import place_of
from loads.metrics.summary import SeriesKey

if TYPE_CHECKING:
    from loads.client.environment import Environment
    from loads.client.origin import Origin, Origins, Verify
    from loads.metrics.summary import Series

_MAX_CALLS: Final = 2_048
_LEAST_CALLS: Final = 8
"""Of all fields together, and of each, however many there are."""
_MAX_FIELDS: Final = 256
_OURS: Final = frozenset({"host", "cookie", "content-length", "transfer-encoding", "proxy-authorization"})
"""Headers that change what others are; requests itself deals with calls that set them."""
_NO_BODY: Final = b"Content-Length: 0\r\n\r\n"
_PLAIN: Final = re.compile(
    r"(https?)://([a-z0-9](?:[a-z0-9.-]{0,250}[a-z0-9])?)(?::([1-9][0-9]{0,4}))?"
    r"((?:/(?!\.{1,2}(?:/|\?|\Z))[A-Za-z0-9_~!$&'()*+,;=:@.-]*)+)(\?[A-Za-z0-9_~!$&'()*+,;=:@/?.-]+)?"
)
"""URLs that requests and urllib3 leave as they are: in lower case, nothing to quote, no dots to resolve."""

_TARGET: Final = re.compile(r"/(?:[A-Za-z0-9_~!$&'()*+,;=:@/?.-]|%[0-9A-F]{2})*")
"""Request targets that urllib3 sends as requests hands them on."""


class Call:
    """One kind of request.

    Attributes:
        head: its bytes, all but what is appended.
        complete: the same with its end, for a request without cookies, body and authorization.
        name: of its series, where the test gives none.
        fields: the headers that requests put in, as it has them.
        typed: they hold a content type.
        signed: they hold an authorization.
        counts: it needs a Content-Length even without a body.
        key, series, epoch, scenario: where its last hit was counted (see `Recorder.series_of`).
    """

    __slots__ = (
        "bodyless",
        "complete",
        "counts",
        "epoch",
        "fields",
        "head",
        "key",
        "method",
        "name",
        "origin",
        "scenario",
        "series",
        "signed",
        "typed",
        "url",
    )

    def __init__(
        self, method: str, url: str, origin: Origin, target: str, head: bytes, fields: CaseInsensitiveDict[Any]
    ) -> None:
        self.method = method
        self.url = url
        self.origin = origin
        self.head = head
        self.name = origin.shown + target.partition("?")[0]
        self.fields = fields
        self.typed = "content-type" in fields
        self.signed = "authorization" in fields
        self.bodyless = method == "HEAD"
        self.counts = method not in ("GET", "HEAD")
        self.complete = head + (_NO_BODY if self.counts else b"\r\n")
        self.series: Series
        self.serve("")

    def __repr__(self) -> str:
        return f"<Call {self.method} {self.url}>"

    def serve(self, scenario: str) -> None:
        """Count for `scenario` from now on."""
        self.scenario = scenario
        self.key: SeriesKey = SeriesKey(scenario, self.method, self.name)
        self.epoch = -1

    def prepared(self) -> requests.PreparedRequest:
        """As requests prepares it, all but cookies, body and authorization."""
        request = requests.PreparedRequest()
        request.method, request.url = self.method, self.url
        request.headers = self.fields.copy()
        return request


class Fields:
    """A set of headers around calls, whom they trust, and the calls that were made with it.

    Args:
        environment: what may concern a call from outside; None: the session trusts nothing there.

    Attributes:
        plain: none of the headers changes what others are.
    """

    all: ClassVar[WeakSet[Fields]] = WeakSet()

    def __init__(
        self, items: tuple[tuple[Any, Any], ...], verify: Verify, origins: Origins, environment: Environment | None
    ) -> None:
        Fields.all.add(self)
        self.items = items
        self.verify = verify
        self.plain = not any(_name(name) in _OURS or value is None for name, value in items)
        self._origins = origins
        self._environment = environment
        self._calls: dict[tuple[str, str], Call] = {}
        self._around: dict[tuple[str, Origin], tuple[bytes, bytes, CaseInsensitiveDict[Any]]] = {}
        self._with: dict[tuple[tuple[Any, Any], ...], Fields] = {}
        self.find = self._calls.get

    def __repr__(self) -> str:
        return f"<Fields {len(self.items)} calls={len(self._calls)}>"

    def with_headers(self, headers: Any) -> Fields | None:
        """These and those of one call, merged as requests does; None: for requests to look at."""
        if not isinstance(headers, Mapping):
            return None
        key = tuple(headers.items())
        try:
            found = self._with.get(key)
        except TypeError:
            return None
        if found is None:
            try:
                session = CaseInsensitiveDict(self.items)
                merged = merge_setting(headers, session, dict_class=CaseInsensitiveDict)  # type: ignore[no-untyped-call]
                found = Fields(tuple(merged.items()), self.verify, self._origins, self._environment)
                if any(_name(name) in _OURS for name, _ in key):
                    found.plain = False
            except (TypeError, ValueError, AttributeError):
                return None
            if len(self._with) >= _MAX_FIELDS:
                self._with.clear()
            self._with[key] = found
        return found if found.plain else None

    def call(self, method: Any, url: Any) -> Call | None:
        """The call of `method`, in capitals, on `url`; None: requests has something to say about it, or to add."""
        if type(method) is not str or type(url) is not str or not method.isupper():
            return None
        call = self._plain_call(method, url) or self._prepared_call(method, url)
        if call is not None:
            if len(self._calls) >= max(_LEAST_CALLS, _MAX_CALLS // len(Fields.all)):
                self._calls.clear()
            self._calls[method, url] = call
        return call

    def _plain_call(self, method: str, url: str) -> Call | None:
        match = _PLAIN.fullmatch(url)
        if match is None:
            return None
        scheme, host, port, path, query = match.groups()
        if port is not None and int(port) > 65_535:
            return None
        origin = self._origins.get(scheme, host, None if port is None else int(port), self.verify)
        around = self._around.get((method, origin))
        if around is None:
            return None
        before, after, fields = around
        target = path + (query or "")
        return Call(method, url, origin, target, before + target.encode("ascii") + after, fields)

    def _prepared_call(self, method: str, url: str) -> Call | None:
        """Made by requests and urllib3 themselves. What they refuse is refused again, where the test sees it."""
        prepared = requests.PreparedRequest()
        try:
            prepared.prepare_method(method)
            prepared.prepare_url(url, None)
            prepared.prepare_headers(CaseInsensitiveDict(self.items))
            place = place_of(str(prepared.url))
        except (requests.RequestException, ValueError, UnicodeError, TypeError, AttributeError):
            return None
        if place is None or "@" in str(prepared.url).partition("://")[2].partition("/")[0]:
            return None
        origin = self._origins.get(*place, self.verify)
        if self._environment is not None and self._environment.concerns(str(prepared.url)):
            return None
        target = prepared.path_url
        if _TARGET.fullmatch(target) is None:
            return None
        head = _written(method, target, prepared.headers, origin)
        if head is None:
            return None
        line = f"{method} {target} ".encode("latin-1")
        if head.startswith(line) and len(self._around) < _MAX_FIELDS:
            self._around[method, origin] = line[: len(method) + 1], head[len(line) - 1 :], prepared.headers
        return Call(method, str(prepared.url), origin, target, head, prepared.headers)


class _Writer(HTTPConnection):
    """urllib3's connection, which keeps what it would send."""

    written = b""

    def send(self, data: Any) -> None:
        self.written += data


class _SealedWriter(HTTPSConnection):
    """The same for https: only the port that needs no mention differs."""

    written = b""

    def send(self, data: Any) -> None:
        self.written += data


def _written(method: str, target: str, fields: CaseInsensitiveDict[Any], origin: Origin) -> bytes | None:
    """The head's bytes without its end; None: it can't be written."""
    writer = (_Writer if origin.scheme == "http" else _SealedWriter)(origin.host, origin.port)
    headers = dict(fields.items())
    headers["Content-Length"] = "0"
    try:
        writer.request(method, target, headers=headers)
    except (ValueError, TypeError, UnicodeError):
        return None
    return writer.written[: -len(_NO_BODY)] if writer.written.endswith(_NO_BODY) else None


def _name(name: Any) -> str:
    return (name.decode("latin-1") if isinstance(name, bytes) else str(name)).lower()

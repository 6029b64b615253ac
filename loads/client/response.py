"""The answer as the caller gets it: a requests.Response that makes of itself what is asked for.

Most tests look at the status and perhaps the text. So headers, cookies, elapsed, request, raw and so on are made when
somebody first asks, from the head's and the request's bytes; from then on they are ordinary attributes, as ever.
"""

from __future__ import annotations

import datetime
import http.client
import io
import json as standard_json
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
import requests
from requests import RequestException
from requests.cookies import RequestsCookieJar, extract_cookies_to_jar
from requests.models import CONTENT_CHUNK_SIZE
from urllib3 import HTTPResponse
from urllib3._collections import HTTPHeaderDict
from urllib3.exceptions import DecodeError

from loads.client.answers import Page
from loads.client.kinds import kind_of

if TYPE_CHECKING:
    from requests.adapters import BaseAdapter, HTTPAdapter

    from loads.client.answers import Head
    from loads.client.hit import Hit

_GZIP: Final = 16 + zlib.MAX_WBITS
_UTF_8: Final = frozenset({"utf-8", "UTF-8", "utf8"})
_json_is_standard: Final = getattr(requests.models, "complexjson", None) is standard_json
"""requests prefers simplejson where that is installed."""


class _Timed(requests.Response):
    """A response that knows better than requests, which times its adapter, when its head was there."""

    _elapsed_ns: int

    @property
    def elapsed(self) -> datetime.timedelta:
        """From the start of the request to the head of the answer."""
        return datetime.timedelta(microseconds=self._elapsed_ns / 1_000)

    @elapsed.setter
    def elapsed(self, value: datetime.timedelta) -> None:
        if "_elapsed_ns" not in self.__dict__:
            self._elapsed_ns = int(value.total_seconds() * 1e9)


class ToldResponse(_Timed):
    """requests' own response to what happened before it heard of it (see `retelling`)."""

    @classmethod
    def of(cls, response: requests.Response, elapsed_ns: int, hit: Hit) -> requests.Response:
        """`response` itself, with its time. `hit` waits to hear how its body reads."""
        response.__class__ = cls
        response.__dict__.pop("elapsed", None)
        response.__dict__.update(_elapsed_ns=elapsed_ns, _reading=Reading(hit))
        return response

    def iter_content(self, *args: Any, **kwargs: Any) -> Any:
        """As requests'; a body that can't be read as what it says it is makes a failed hit."""
        parts = super().iter_content(*args, **kwargs)
        reading: Reading | None = self.__dict__.pop("_reading", None)
        return parts if reading is None else reading.over(parts)


class Reading:
    """What becomes of the body behind a strange head is known when requests has read it: until then its hit waits."""

    def __init__(self, hit: Hit) -> None:
        self._hit = hit
        self._holds = hit.hold()

    def over(self, parts: Iterable[Any]) -> Iterator[Any]:
        """All of `parts`."""
        try:
            yield from parts
        except RequestException as error:
            self._hit.broken(kind_of(error, sent=True))
            raise
        finally:
            if self._holds:
                self._hit.release(None)


class FastResponse(_Timed):
    """One whole answer to `call`, as `session` made it (see `LoadsSession.asked`); or to a prepared `request`."""

    _content_consumed = True
    _next = None
    body: bytes | None = None
    """As it came, where that is not the content."""

    def __init__(self, head: Head, content: bytes, elapsed_ns: int, session: Any, call: Any, extra: Any) -> None:
        self.status_code = head.status
        self._content = content
        self.head = head
        self._elapsed_ns = elapsed_ns
        self._session = session
        self._call = call
        self._extra = extra

    @classmethod
    def to(
        cls, request: requests.PreparedRequest, connection: BaseAdapter, head: Head, content: bytes, elapsed_ns: int
    ) -> FastResponse:
        """The answer to a request that was prepared."""
        response = cls(head, content, elapsed_ns, None, None, None)
        response.request, response.connection = request, cast("HTTPAdapter", connection)
        return response

    def json(self, **kwargs: Any) -> Any:
        """As requests', read by msgspec where that gives the same, in less than half the time."""
        if not kwargs and _json_is_standard and self.encoding in _UTF_8:
            try:
                return msgspec.json.decode(self._content or b"")
            except (msgspec.MsgspecError, RecursionError, ValueError):
                pass  # NaN, half a surrogate, a mistake: the standard library knows what to say
        return super().json(**kwargs)

    def to_prepared(self, request: requests.PreparedRequest, **_settings: Any) -> FastResponse:
        """The answer itself, for whoever has the request already."""
        self.request = request
        return self

    def __getattr__(self, name: str) -> Any:
        """What was not asked for before."""
        make = _MAKERS.get(name)
        if make is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        value = self.__dict__[name] = make(self)
        return value

    @property
    def ok(self) -> bool:
        """As requests' own, without an exception for it."""
        return self.status_code < 400 or self.status_code >= 600


def decoded(head: Head, body: bytes) -> bytes | None:
    """The content of a body that is compressed, as urllib3 makes it; None: it isn't what its head says."""
    if head.encoding == "gzip":
        unpacker = zlib.decompressobj(_GZIP)
        try:
            content = unpacker.decompress(body)
        except zlib.error:
            pass
        else:
            if unpacker.eof and not unpacker.unused_data:
                return content
    raw = HTTPResponse(io.BytesIO(body), {"content-encoding": head.encoding}, preload_content=False)
    try:
        return b"".join(raw.stream(CONTENT_CHUNK_SIZE, decode_content=True))
    except DecodeError:
        return None


def raw_of(head: Head, method: str, url: str, body: bytes, *, decode: bool) -> HTTPResponse:
    """urllib3's response to a request, its body read, as it comes of the answer that came; `decode`: as that came."""
    page: Any = Page(head.with_body(body))
    original = http.client.HTTPResponse(page, method=method)
    original.begin()
    raw = HTTPResponse(
        body=original,
        headers=HTTPHeaderDict(head.items),
        status=head.status,
        version=head.version,
        version_string="HTTP/1.1",  # urllib3 means the connection's
        reason=head.reason,
        preload_content=False,
        decode_content=False,
        original_response=original,
        request_method=method,
        request_url=url,
    )
    for _ in raw.stream(CONTENT_CHUNK_SIZE, decode_content=decode):
        pass
    return raw


def _cookies(response: Any) -> RequestsCookieJar:
    jar = RequestsCookieJar()
    if response.head.sets_cookies:
        extract_cookies_to_jar(jar, response.request, response.raw)  # type: ignore[no-untyped-call]
    return jar


def _raw(response: Any) -> HTTPResponse:
    request = response.request
    packed = response.body is not None
    return raw_of(
        response.head,
        str(request.method),
        request.path_url,
        response.body if packed else response._content,
        decode=packed or not response.head.encoding,
    )


_MAKERS: Final[dict[str, Callable[[Any], Any]]] = {
    "headers": lambda response: response.head.headers(),
    "encoding": lambda response: response.head.charset(),
    "reason": lambda response: response.head.reason,
    "url": lambda response: response.request.url,
    "history": lambda _: [],
    "request": lambda response: response._session.asked(response._call, response._extra),
    "connection": lambda response: response._session.get_adapter(response.url),
    "raw": _raw,
    "cookies": _cookies,
}

"""The head of an answer: what it says about the body, and what it holds for those who ask.

Heads repeat: within a second most answers of a service begin with the very same bytes. So a head that was understood
once is looked up the next time, whole. A new one is checked by llhttp, strictly, and what that refuses is given to
http.client: the same bytes again. llhttp sees heads only. It takes a HEAD's Content-Length for a body, never ends a
body that ends with its connection, and calls an interim answer a whole one; how bodies end is decided here. Where
http.client and urllib3 would not agree about that, nothing is decided: requests sees for itself (see `retelling`).
"""

from __future__ import annotations

import io
import re
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Any, Final

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers
from urllib3 import connection as urllib3_connection
from urllib3._collections import HTTPHeaderDict

if TYPE_CHECKING:
    from collections import OrderedDict

CHUNKED: Final = -1
UNTIL_CLOSE: Final = -2
INTERIM: Final = -3
MAX_HEAD_BYTES: Final = 128 * 1024
_MAX_LINES: Final = 100
"""http.client's own limits on how many headers there are, and how long one is."""
_MAX_LINE_BYTES: Final = 65_536
_MAX_KNOWN: Final = 512
_MAX_KNOWN_BYTES: Final = 8_192
_LENGTH: Final = re.compile(r"[0-9]{1,15}")
_BEGINNING: Final = re.compile(rb"HTTP/1\.[01] [1-9][0-9][0-9](?: [^\r\n]*)?\r\n")
_PLAUSIBLE: Final = re.compile(rb"HTTP/1\.[0-9][ \t]+[1-9][0-9][0-9][ \t\r\n]")
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

_UNKNOWN: Final = "?"

Items = list[tuple[str, str]]


class Head:
    """A head that was understood. Shared by all answers that begin with the same bytes.

    Attributes:
        version: 10 or 11.
        length: bytes of the body, or `CHUNKED`, or `UNTIL_CLOSE`; 0 where the status forbids one. `INTERIM`: another
            head follows.
        keep: the connection can be used again, if something tells where the body ends.
        encoding: how the body is compressed; "": it isn't.
        sets_cookies, redirects: whether requests has something to do before the caller gets the answer.
        size: bytes.
    """

    __slots__ = (
        "_charset",
        "_names",
        "encoding",
        "interim",
        "items",
        "keep",
        "length",
        "reason",
        "redirects",
        "sets_cookies",
        "size",
        "status",
        "version",
    )

    def __init__(
        self, version: int, status: int, reason: str, items: Items, *, size: int, length: int, keep: bool
    ) -> None:
        fields = _first_of_each(items)
        self.version = version
        self.status = status
        self.reason = reason
        self.items = items
        self.size = size
        self.interim = 100 <= status < 200 and status != 101
        self.length = INTERIM if status < 200 else length
        self.keep = keep
        self.encoding = ", ".join(value for name, value in items if name.lower() == "content-encoding").lower()
        self.sets_cookies = "set-cookie" in fields or "set-cookie2" in fields
        self.redirects = status in _REDIRECTS and "location" in fields
        self._names: OrderedDict[str, Any] | None = None
        self._charset: str | None = _UNKNOWN

    def __repr__(self) -> str:
        return f"<Head {self.status} {self.reason} length={self.length}>"

    def headers(self) -> CaseInsensitiveDict[str]:
        """A new dictionary, as requests makes it of an answer."""
        headers: CaseInsensitiveDict[str] = CaseInsensitiveDict.__new__(CaseInsensitiveDict)
        if self._names is None:
            self._names = CaseInsensitiveDict(HTTPHeaderDict(self.items))._store  # type: ignore[attr-defined]
        headers._store = self._names.copy()  # type: ignore[attr-defined]
        return headers

    def with_body(self, body: bytes) -> bytes:
        """The whole answer as it could have come over the wire."""
        lines = [f"HTTP/1.{self.version - 10} {self.status} {self.reason}", *(": ".join(item) for item in self.items)]
        start = "\r\n".join([*lines, "", ""]).encode("latin-1")
        if self.length == CHUNKED:
            return start + (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
        return start + body

    def charset(self) -> str | None:
        """What the content type says of the text."""
        if self._charset is _UNKNOWN:
            self._charset = get_encoding_from_headers(self.headers())
        return self._charset


class Heads:
    """Those that were understood, by their bytes."""

    def __init__(self) -> None:
        self.known: dict[bytes, Head] = {}

    def parse(self, data: bytes) -> Head | None:
        """The head that is all of `data`; None: how its body ends is not clear.

        It will be in `known`, where whoever is in a hurry looks first.
        """
        head = _strict(data) or _lenient(data)
        if head is not None and len(data) <= _MAX_KNOWN_BYTES:
            if len(self.known) >= _MAX_KNOWN:
                self.known.clear()
            self.known[data] = head
        return head


def end_of_head(data: bytearray, begin: int) -> int:
    """Where the head that begins at `begin` ends, with either kind of line end; 0: not yet."""
    ends = [data.find(blank, begin) + len(blank) for blank in (b"\n\r\n", b"\n\n") if data.find(blank, begin) >= 0]
    return min(ends, default=0)


def might_become_a_head(data: bytes) -> bool:
    """Whether `data`, in which no head ends yet, can still grow to one."""
    if b"\n" not in data:
        return len(data) < _MAX_LINE_BYTES and data[:7] == b"HTTP/1."[: len(data)]
    return len(data) <= MAX_HEAD_BYTES and _PLAUSIBLE.match(data) is not None


class _Nobody:
    """llhttp's listener: only the verdict counts."""


def _strict(data: bytes) -> Head | None:
    """A head without anything unusual in it."""
    if _BEGINNING.match(data) is None or b"\n\n" in data or len(data) > MAX_HEAD_BYTES:
        return None
    lines = data.split(b"\r\n")
    if len(lines) - 2 > _MAX_LINES or (len(data) > _MAX_LINE_BYTES and max(map(len, lines)) > _MAX_LINE_BYTES - 2):
        return None
    try:
        HttpResponseParser(_Nobody()).feed_data(data)
    except (HttpParserError, HttpParserUpgrade):
        return None
    version, code, *reason = lines[0].decode("latin-1").split(None, 2)
    items = []
    for line in lines[1:-2]:
        name, _, value = line.decode("latin-1").partition(":")
        items.append((name, value.lstrip(" \t")))
    fields, status = _first_of_each(items), int(code)
    length = _plain_length(status, items, fields)
    if length is None:
        return None
    number = 10 if version == "HTTP/1.0" else 11
    keep = _is_kept(number, fields)
    return Head(number, status, reason[0].strip() if reason else "", items, size=len(data), length=length, keep=keep)


def _plain_length(status: int, items: Items, fields: dict[str, str]) -> int | None:
    """What the head says of the body's length; None: more than one thing, or none in plain words."""
    transfer, text = fields.get("transfer-encoding"), fields.get("content-length")
    names = [name.lower() for name, _ in items]
    if transfer is not None:
        alone = names.count("transfer-encoding") == 1 and text is None and status >= 200
        return CHUNKED if alone and transfer.lower() == "chunked" else None
    if text is not None and (names.count("content-length") > 1 or _LENGTH.fullmatch(text) is None):
        return None
    if status in (204, 304) or status < 200:
        return 0
    return UNTIL_CLOSE if text is None else int(text)


def _is_kept(version: int, fields: dict[str, str]) -> bool:
    """http.client's rules (HTTPResponse._check_close)."""
    connection = fields.get("connection", "").lower()
    if version == 11:
        return "close" not in connection
    proxy = fields.get("proxy-connection", "").lower()
    return bool(fields.get("keep-alive")) or "keep-alive" in connection or "keep-alive" in proxy


class Page:
    """What http.client takes for a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, *_: object) -> io.BytesIO:
        return io.BytesIO(self._data)


def _lenient(data: bytes) -> Head | None:
    """A head as http.client understands it; None: it doesn't, or urllib3 would see another body behind it."""
    page: Any = Page(data)
    response: Any = HTTPResponse(page)
    try:
        response.begin()
        items = _normalized(response.msg)
    except (HTTPException, ValueError, OSError):
        return None
    status = response.status
    if response.chunked and status < 200:
        return None
    length = _agreed_length(response, items)
    if length is None:
        return None
    keep = _is_kept(response.version, _first_of_each(items))
    return Head(response.version, status, response.reason, items, size=len(data), length=length, keep=keep)


def _agreed_length(response: Any, items: Items) -> int | None:
    """The body's length if http.client and urllib3 (HTTPResponse._init_length) see the same; otherwise None."""
    joined = HTTPHeaderDict(items)
    codings = [coding.strip() for coding in joined.get("transfer-encoding", "").lower().split(",")]
    if response.chunked:
        return CHUNKED if "chunked" in codings else None
    if "chunked" in codings:
        return None
    try:
        lengths = {int(text) for text in joined["content-length"].split(",")}
    except (KeyError, ValueError):
        lengths = set()
    if len(lengths) > 1:
        return None
    if response.status in (204, 304) or response.status < 200:
        return 0
    length = next((each for each in lengths if each >= 0), None)
    if length != response.length:
        return None
    return UNTIL_CLOSE if length is None else length


def _normalized(message: Any) -> Items:
    """Header lines as urllib3 gives them on; newer ones mend those that were folded."""
    normalize = getattr(urllib3_connection, "_normalize_header_values", None)
    return list(message.items() if normalize is None else normalize(message))


def _first_of_each(items: Items) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, value in items:
        fields.setdefault(name.lower(), value)
    return fields

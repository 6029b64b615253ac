"""What requests puts behind a call's headers: cookies, a body and what describes it, an authorization."""

from __future__ import annotations

import json as standard_json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from requests import models
from requests.auth import _basic_auth_str
from requests.models import RequestEncodingMixin

if TYPE_CHECKING:
    from requests import PreparedRequest

    from loads.client.calls import Call
    from loads.client.state import Cookies

_ATOMS: Final = (str, bytes, int, float, type(None))
FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"
encode_params: Any = RequestEncodingMixin._encode_params  # type: ignore[attr-defined]
"""As in the query of a URL, or a form."""
_is_standard: Final = getattr(models, "complexjson", None) is standard_json
"""requests prefers simplejson where that is installed."""
_TYPE_LINES: Final = {kind: f"Content-Type: {kind}\r\n".encode() for kind in (FORM, JSON)}
_to_json: Final = standard_json.JSONEncoder(allow_nan=False).encode


class Extra(NamedTuple):
    """What requests puts behind the headers around a call, in its order.

    Attributes:
        cookies: their line, or nothing.
        body: as requests has it; None: there is none.
    """

    cookies: bytes
    body: bytes | str | None
    content_type: str | None
    authorization: str | None

    def message(self, call: Call) -> bytes:
        """The whole request: `call` with this."""
        parts = [call.head, self.cookies]
        body = self.body
        if body is not None:
            data = body if isinstance(body, bytes) else body.encode("utf-8")
            parts.append(b"Content-Length: %d\r\n" % len(data))
        elif call.counts:
            parts.append(b"Content-Length: 0\r\n")
        if self.content_type is not None:
            parts.append(_TYPE_LINES[self.content_type])
        if self.authorization is not None:
            parts.append(b"Authorization: %b\r\n" % self.authorization.encode("latin-1"))
        parts.append(b"\r\n")
        if body is not None:
            parts.append(data)
        return b"".join(parts)

    def prepared(self, call: Call) -> PreparedRequest:
        """The same as requests prepares it."""
        request = call.prepared()
        headers = request.headers
        if self.cookies:
            headers["Cookie"] = self.cookies[len("Cookie: ") : -2].decode("latin-1")
        if self.body is not None:
            length = len(self.body if isinstance(self.body, bytes) else self.body.encode("utf-8"))
            headers["Content-Length"] = str(length)
        elif call.counts:
            headers["Content-Length"] = "0"
        if self.content_type is not None:
            headers["Content-Type"] = self.content_type
        if self.authorization is not None:
            headers["Authorization"] = self.authorization
        request.body = self.body
        return request


def extra_of(call: Call, data: Any, json: Any, auth: Any, cookies: Cookies) -> Extra | None:
    """What these make of `call`; None: requests has to look at them."""
    line: bytes | None = b""
    if cookies._cookies:  # type: ignore[attr-defined]
        line = cookies.line_for(call)
    body: Body | None = (None, None)
    if data or json is not None:
        body = body_of(data, json)
    authorization = None
    if auth:
        if type(auth) is not tuple or len(auth) != 2 or call.signed or not all(type(part) is str for part in auth):
            return None
        authorization = _basic_auth_str(*auth)
    if line is None or body is None:
        return None
    return Extra(line, body[0], None if call.typed else body[1], authorization)


Body = tuple[bytes | str | None, str | None]
"""And the content type that goes with it."""


def body_of(data: Any, json: Any) -> Body | None:
    """The body of a call that has `data` or `json`; None: requests has to look at them."""
    if not data:
        if not _is_standard:
            return None
        try:
            return _to_json(json).encode("utf-8"), JSON
        except (ValueError, TypeError, RecursionError):
            return None
    if type(data) is bytes:
        return data, None
    if type(data) is str:
        return (data, None) if _is_text(data) else None
    if isinstance(data, Mapping | list | tuple) and is_solid(data):
        try:
            text = encode_params(data)
        except (ValueError, TypeError, AttributeError):
            return None
        if isinstance(text, str) and text and _is_text(text):
            return text, FORM
    return None


def with_params(url: Any, params: Any) -> str | None:
    """`url` with `params` behind it, for requests to prepare; None: it has to look at them itself."""
    if type(url) is not str or "?" in url or "#" in url:
        return None
    if not isinstance(params, dict | list | tuple) or not is_solid(params):
        return None
    try:
        encoded = encode_params(params)
    except (ValueError, TypeError, AttributeError):
        return None
    return f"{url}?{encoded}" if encoded else url


def is_solid(data: Any) -> bool:
    """Whether it can be looked at twice: requests may have to look at it, too."""
    if isinstance(data, Mapping):
        return all(is_solid(value) for value in data.values())
    if isinstance(data, list | tuple):
        return all(is_solid(value) for value in data)
    return isinstance(data, _ATOMS)


def _is_text(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True

"""A session's headers and cookies, which tell when they were changed: what was made of them before is void then."""

from __future__ import annotations

import time
from http.cookiejar import Cookie
from typing import TYPE_CHECKING, Any, Final

from requests.cookies import RequestsCookieJar, get_cookie_header, merge_cookies
from requests.structures import CaseInsensitiveDict

if TYPE_CHECKING:
    from loads.client.calls import Call

_MAX_KNOWN: Final = 64


class Headers(CaseInsensitiveDict[Any]):
    """requests' own. `fresh` is theirs who look at it: false after a change."""

    fresh = False

    def __setitem__(self, key: str, value: Any) -> None:
        self.fresh = False
        super().__setitem__(key, value)

    def __delitem__(self, key: str) -> None:
        self.fresh = False
        super().__delitem__(key)


class Cookies(RequestsCookieJar):
    """requests' own, which remembers the header lines it made until one of its cookies is replaced or runs out.

    What a request is sent depends on scheme, host, port and path; where all cookies are for all paths, not on the path.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._lines: dict[str, bytes] = {}
        self._for_all_paths = True
        self._until_s: float | None = None
        super().__init__(*args, **kwargs)

    def __repr__(self) -> str:
        return super().__repr__().replace(type(self).__name__, RequestsCookieJar.__name__, 1)

    def line_for(self, call: Call) -> bytes | None:
        """The header line that `call` has to be sent with, or nothing; None: no head can hold it."""
        if not self._lines:
            expiries = [cookie.expires for cookie in self if cookie.expires is not None]
            self._until_s = min(expiries, default=None)
            self._for_all_paths = all(cookie.path == "/" for cookie in self)
        elif self._until_s is not None and time.time() >= self._until_s:
            self._lines.clear()
            return self.line_for(call)
        key = call.origin.shown if self._for_all_paths else call.name
        line = self._lines.get(key)
        if line is None:
            if len(self._lines) >= _MAX_KNOWN:
                self._lines.clear()
            line = self._line(call)
            if line is not None:
                self._lines[key] = line
        return line

    def _line(self, call: Call) -> bytes | None:
        """As requests does it: of a copy, which has no policy of the session's."""
        jar = merge_cookies(RequestsCookieJar(), self)  # type: ignore[no-untyped-call]
        text = get_cookie_header(jar, call.prepared())  # type: ignore[no-untyped-call]
        if text is None:
            return b""
        try:
            value = text.encode("latin-1")
        except UnicodeEncodeError:
            return None
        return None if b"\r" in value or b"\n" in value else b"Cookie: %b\r\n" % value

    def set_cookie(self, cookie: Cookie, *args: Any, **kwargs: Any) -> Any:
        self._lines.clear()
        return super().set_cookie(cookie, *args, **kwargs)

    def clear(self, *args: Any, **kwargs: Any) -> None:
        self._lines.clear()
        super().clear(*args, **kwargs)

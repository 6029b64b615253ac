"""A session's headers and cookies, which tell when they were changed: what was made of them before is void then."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from http.cookiejar import Cookie
from typing import TYPE_CHECKING, Any, Final, cast

from requests.cookies import RequestsCookieJar, get_cookie_header, merge_cookies
from requests.structures import CaseInsensitiveDict

if TYPE_CHECKING:
    from loads.client.calls import Call

_MAX_KNOWN: Final = 64


class Headers(CaseInsensitiveDict[Any]):
    """requests' own. `version` is another after each change."""

    version = 0

    def __setitem__(self, key: str, value: Any) -> None:
        self.version += 1
        super().__setitem__(key, value)

    def __delitem__(self, key: str) -> None:
        self.version += 1
        super().__delitem__(key)


def _alone(method: Callable[..., Any]) -> Callable[..., Any]:
    """`method`, which looks through the cookies and lends them to nobody."""

    @functools.wraps(method)
    def quietly(jar: Cookies, *args: Any, **kwargs: Any) -> Any:
        lent = jar.lent
        try:
            return method(jar, *args, **kwargs)
        finally:
            jar.lent = lent

    return quietly


class Cookies(RequestsCookieJar):
    """requests' own, which remembers the header lines it made until one of its cookies is changed or runs out.

    What a request is sent depends on scheme, host, port and path; where all cookies are for all paths, not on the path.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._lines: dict[str, bytes] = {}
        self._for_all_paths = True
        self._until_s: float | None = None
        self.lent = False
        """Somebody has had the cookies themselves in hand and may change them without a word: nothing is remembered."""
        super().__init__(*args, **kwargs)

    def __repr__(self) -> str:
        return super().__repr__().replace(type(self).__name__, RequestsCookieJar.__name__, 1)

    def __str__(self) -> str:
        return super().__str__().replace(type(self).__name__, RequestsCookieJar.__name__, 1)

    def __iter__(self) -> Iterator[Cookie]:  # type: ignore[override]
        self.lent = True
        return super().__iter__()

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())  # type: ignore[call-overload]
        return {**state, "_lines": {}}

    def line_for(self, call: Call) -> bytes | None:
        """The header line that `call` has to be sent with, or nothing; None: no head can hold it."""
        if self.lent:
            return cast("bytes | None", self._line(call))
        if not self._lines:
            self._look()
        # cookies run out by the wall clock; nothing is measured with it
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

    @_alone
    def _look(self) -> None:
        """What all lines depend on."""
        self._until_s = min((cookie.expires for cookie in self if cookie.expires is not None), default=None)
        self._for_all_paths = all(cookie.path == "/" for cookie in self)

    @_alone
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

    for _name in ("_find", "_find_no_duplicates", "__len__", "keys", "values", "items", "get_dict"):
        locals()[_name] = _alone(getattr(RequestsCookieJar, _name))
    del _name

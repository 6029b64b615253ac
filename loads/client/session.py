"""`self.session`: a requests.Session to every caller, with `name=` and `catch=` on every verb.

Under plain unittest it is requests' own session and nothing is counted. In a worker it is a `QuickSession` (see
`quick`), made by `session_of`; only then gevent and the engine are imported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import requests

from loads.client.hit import Hit, holding

if TYPE_CHECKING:
    from loads.client.user import VirtualUser


class CaughtResponse(requests.Response):
    """The answer to a call with ``catch=True``, to be used in a with statement.

    The hit failed when the block raised or said `failure`, and did not when it said `success`; otherwise its status
    decides, as ever. A `failure` fails the test at the end of the block.
    """

    _hits: list[Hit]
    _failure: str | None
    _success: bool

    @staticmethod
    def of(response: requests.Response, hits: list[Hit]) -> CaughtResponse:
        """`response` itself, made one of these."""
        kind = type(response)
        response.__class__ = _caught_kinds.setdefault(kind, type("CaughtResponse", (CaughtResponse, kind), {}))
        caught: Any = response
        caught._hits, caught._failure, caught._success = hits, None, False
        return cast(CaughtResponse, caught)

    def failure(self, message: str) -> None:
        """The answer is wrong: the hit failed, and so does the test when the block ends."""
        self._failure = str(message)

    def success(self) -> None:
        """The answer is right, whatever its status."""
        self._failure, self._success = None, True

    def __exit__(self, *raised: object) -> None:
        self.close()
        kind = raised[0] if raised else None
        failed = True if kind is not None or self._failure is not None else (False if self._success else None)
        for hit in self._hits:
            hit.release(failed)
        if kind is None and self._failure is not None:
            raise AssertionError(self._failure)


_caught_kinds: dict[type, type] = {requests.Response: CaughtResponse}


class LoadsSession(requests.Session):
    """The session of one virtual user.

    Every verb takes ``name="..."``: the series its hits (redirect steps included) are counted in, instead of the URL's;
    and ``catch=True``: the answer is for a with statement, whose block decides whether the hit failed.
    """

    def __init__(self, user: VirtualUser) -> None:
        super().__init__()
        self._user = user

    def request(
        self, method: Any, url: Any, *args: Any, name: str | None = None, catch: bool = False, **kwargs: Any
    ) -> Any:
        """As `requests.Session.request`; `name` groups URLs in one series, `catch` answers a `CaughtResponse`."""
        if name is not None and (not isinstance(name, str) or not name):
            raise TypeError(f"name={name!r}: the name of a series is a text, and not an empty one")
        if catch:
            return self._caught(lambda: self._requested(method, url, name, args, kwargs))
        return self._requested(method, url, name, args, kwargs)

    def _requested(
        self, method: Any, url: Any, name: str | None, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> requests.Response:
        """By requests' own rules. Nobody counts, so nobody asks for the name."""
        return super().request(method, url, *args, **kwargs)

    def _caught(self, call: Callable[[], requests.Response]) -> CaughtResponse:
        hits: list[Hit] = []
        token = holding.set(hits)
        try:
            response = call()
        except BaseException:
            for hit in hits:
                hit.release(None)
            raise
        finally:
            holding.reset(token)
        self._user.held += hits
        return CaughtResponse.of(response, hits)


def session_of(user: VirtualUser) -> LoadsSession:
    """The one session of `user`, made at the first call."""
    if not isinstance(user.open_session, LoadsSession):
        user.open_session = _new_session(user)
    return user.open_session


def _new_session(user: VirtualUser) -> LoadsSession:
    if user.recorder is None:
        return LoadsSession(user)
    from loads.client.quick import QuickSession

    return QuickSession(user)

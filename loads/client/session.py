"""`self.session`: a requests.Session to every caller, with `name=` on every verb.

What it sends is recorded below it, where requests, urllib3 and this session meet (see `capture`). It only adds the
name, says whose requests these are even in a thread of the test's own, and spares requests a look at an unchanged
environment.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

import requests
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar, merge_cookies
from requests.sessions import merge_hooks
from requests.structures import CaseInsensitiveDict

from loads.client.environment import Environment
from loads.client.hit import Hit, holding
from loads.client.user import hit_name

if TYPE_CHECKING:
    from loads.client.user import VirtualUser


_T = TypeVar("_T")
_MAX_POOLS = 100


class _Adapter(HTTPAdapter):
    """requests' own, which remembers the connection pool of an origin instead of working it out for each request."""

    def __init__(self) -> None:
        super().__init__()
        self._pools: dict[tuple[str, object, object], Any] = {}

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        if proxies or request.url is None:
            return super().get_connection_with_tls_context(request, verify, proxies=proxies, cert=cert)
        key = ("/".join(request.url.split("/", 3)[:3]), verify, cert)
        pool = self._pools.get(key)
        if pool is None or pool.pool is None:
            if len(self._pools) >= _MAX_POOLS:
                self._pools.clear()
            pool = super().get_connection_with_tls_context(request, verify, proxies=proxies, cert=cert)
            self._pools[key] = pool
        return pool


class CaughtResponse(requests.Response):
    """The answer to a call with ``catch=True``, to be used in a with statement.

    The hit failed when the block raised or said `failure`, and did not when it said `success`; otherwise its status
    decides, as ever. A `failure` fails the test at the end of the block.
    """

    _hits: list[Hit]
    _failure: str | None
    _success: bool

    @classmethod
    def of(cls, response: requests.Response, hits: list[Hit]) -> CaughtResponse:
        """`response` itself, made one of these."""
        response.__class__ = cls
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


class LoadsSession(requests.Session):
    """The session of one virtual user.

    Every verb takes ``name="..."``: the series its hits (redirect steps included) are counted in, instead of the URL's;
    and ``catch=True``: the answer is for a with statement, whose block decides whether the hit failed.
    """

    def __init__(self, user: VirtualUser) -> None:
        super().__init__()
        self._user = user
        if user.recorder is not None:
            self.mount("https://", _Adapter())
            self.mount("http://", _Adapter())

    def request(
        self, method: Any, url: Any, *args: Any, name: str | None = None, catch: bool = False, **kwargs: Any
    ) -> Any:
        """As `requests.Session.request`; `name` groups URLs in one series, `catch` answers a `CaughtResponse`."""
        if name is not None and (not isinstance(name, str) or not name):
            raise TypeError(f"name={name!r}: the name of a series is a text, and not an empty one")
        if catch:
            return self._caught(lambda: self.request(method, url, *args, name=name, **kwargs))
        if self._user.recorder is None:
            return super().request(method, url, *args, **kwargs)
        before = self._user.enter()
        token = hit_name.set(name)
        try:
            return super().request(method, url, *args, **kwargs)
        finally:
            hit_name.reset(token)
            self._user.leave(before)

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

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """As requests', without looking for a .netrc that isn't there, and without merging what is empty."""
        if self._user.recorder is None or (self.trust_env and environment().netrc):
            return super().prepare_request(request)
        if request.headers or request.cookies or self.auth or self.params or None in self.headers.values():
            return self._without_environment(lambda: super(LoadsSession, self).prepare_request(request))
        cookies = RequestsCookieJar()
        if self.cookies:
            merge_cookies(cookies, self.cookies)  # type: ignore[no-untyped-call]
        prepared = requests.PreparedRequest()
        prepared.prepare(
            method=str(request.method).upper(),
            url=request.url,
            headers=CaseInsensitiveDict(self.headers),
            files=request.files,
            data=request.data,
            json=request.json,
            params=request.params,
            auth=request.auth,
            cookies=cookies,
            hooks=merge_hooks(request.hooks, self.hooks),  # type: ignore[no-untyped-call]
        )
        return prepared

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """As requests', without looking for proxies that aren't there."""
        if self._user.recorder is None or (self.trust_env and environment().proxies):
            return super().merge_environment_settings(url, proxies, stream, verify, cert)
        if self.trust_env and (verify is True or verify is None):
            verify = environment().ca_bundle or verify
        if proxies or self.proxies:
            merge = super().merge_environment_settings
            return self._without_environment(lambda: merge(url, proxies, stream, verify, cert))
        return {
            "proxies": {},
            "stream": self.stream if stream is None else stream,
            "verify": self.verify if verify is None else verify,
            "cert": self.cert if cert is None else cert,
        }

    def _without_environment(self, call: Callable[[], _T]) -> _T:
        """`call()`, which looks at nothing outside the session."""
        before, self.trust_env = self.trust_env, False
        try:
            return call()
        finally:
            self.trust_env = before


def session_of(user: VirtualUser) -> LoadsSession:
    """The one session of `user`, made at the first call."""
    if not isinstance(user.open_session, LoadsSession):
        user.open_session = LoadsSession(user)
    return user.open_session


@lru_cache(maxsize=1)
def environment() -> Environment:
    """What this process found at its first request."""
    return Environment.read()

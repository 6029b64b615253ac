"""`self.session`: a requests.Session to every caller, with `name=` on every verb.

What it sends is recorded below it, where requests, urllib3 and this session meet (see `capture`). It only adds the
name, says whose requests these are even in a thread of the test's own, and spares requests a look at an unchanged
environment.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import requests

from loads.client.environment import Environment
from loads.client.user import hit_name

if TYPE_CHECKING:
    from loads.client.user import VirtualUser


class LoadsSession(requests.Session):
    """The session of one virtual user.

    Every verb takes ``name="..."``: the series its hits (redirect steps included) are counted in, instead of the URL's.
    """

    def __init__(self, user: VirtualUser) -> None:
        super().__init__()
        self._user = user

    def request(self, method: Any, url: Any, *args: Any, name: str | None = None, **kwargs: Any) -> requests.Response:
        """As `requests.Session.request`; `name` groups URLs in one series."""
        if self._user.recorder is None:
            return super().request(method, url, *args, **kwargs)
        before = self._user.enter()
        token = hit_name.set(name)
        try:
            return super().request(method, url, *args, **kwargs)
        finally:
            hit_name.reset(token)
            self._user.leave(before)

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """As requests', without looking for a .netrc that isn't there."""
        if self._user.recorder is None or not self.trust_env or environment().netrc:
            return super().prepare_request(request)
        self.trust_env = False
        try:
            return super().prepare_request(request)
        finally:
            self.trust_env = True

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """As requests', without looking for proxies that aren't there."""
        if self._user.recorder is None or not self.trust_env or environment().proxies:
            return super().merge_environment_settings(url, proxies, stream, verify, cert)
        if verify is True or verify is None:
            verify = environment().ca_bundle or verify
        self.trust_env = False
        try:
            return super().merge_environment_settings(url, proxies, stream, verify, cert)
        finally:
            self.trust_env = True


@lru_cache(maxsize=1)
def environment() -> Environment:
    """What this process found at its first request."""
    return Environment.read()

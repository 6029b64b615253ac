"""What requests would look up in the environment for every single call, looked up once per worker.

Proxies, .netrc and CA bundles don't change while a load test runs, and finding that there are none costs requests about
a tenth of its time. Where something is set, requests' own code goes on to apply it.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from urllib.request import getproxies

from requests.utils import get_environ_proxies, get_netrc_auth


class Environment(NamedTuple):
    """`proxies`, `netrc`: some are set; `ca_bundle`: the path that replaces the default, if any."""

    proxies: bool
    netrc: bool
    ca_bundle: str | None

    @classmethod
    def read(cls) -> Environment:
        """From this process's environment and home directory."""
        named = os.environ.get("NETRC")
        netrc = [Path(named)] if named else [Path("~/.netrc"), Path("~/_netrc")]
        return cls(
            proxies=bool(getproxies()),
            netrc=any(_exists(path) for path in netrc),
            ca_bundle=os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or None,
        )

    def concerns(self, url: str) -> bool:
        """Whether a request there goes through a proxy, or with a password from .netrc."""
        return (self.proxies and bool(get_environ_proxies(url))) or (self.netrc and get_netrc_auth(url) is not None)


@lru_cache(maxsize=1)
def environment() -> Environment:
    """What this process found at its first request."""
    return Environment.read()


def _exists(path: Path) -> bool:
    try:
        return path.expanduser().exists()
    except (OSError, RuntimeError):
        return False

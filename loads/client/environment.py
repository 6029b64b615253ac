"""What requests would look up in the environment for every single call, looked up once per worker.

Proxies, .netrc and CA bundles don't change while a load test runs, and finding that there are none costs requests about
a tenth of its time. Where something is set, requests' own code goes on to apply it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple
from urllib.request import getproxies


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


def _exists(path: Path) -> bool:
    try:
        return path.expanduser().exists()
    except (OSError, RuntimeError):
        return False

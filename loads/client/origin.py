"""Where requests go, and whom they trust there: one object for each in a worker."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlparse

DEFAULT_PORTS: Final = {"http": 80, "https": 443}

Verify = bool | str
"""As requests has it: the default authorities, none at all, or the path of a bundle."""


LOOK_AFTER_NS: Final = 50_000_000
"""A connection idle for less was alive a moment ago: looking is one more system call, and mostly finds nothing."""
_TRIALS: Final = 1_000
_MAX_ORIGINS: Final = 10_000
_ALWAYS: Final = -1


class Origin:
    """A server as URLs name it, and how its certificate is verified. Compared by identity: `Origins` makes them.

    Some servers close connections right behind an answer without a word. Who sends the next request into one gets
    nothing, and nothing is ever sent twice. So at first each connection is looked at before it is used again; only a
    server that closed none of `_TRIALS` is trusted for `LOOK_AFTER_NS`, until it closes one.

    Attributes:
        host: as in the URL, brackets of an IPv6 address included.
        shown: as in reports.
        look_after_ns: how long a connection must have been idle before one looks whether it is alive.
    """

    __slots__ = ("_trials", "host", "look_after_ns", "port", "scheme", "shown", "verify")

    def __init__(self, scheme: str, host: str, port: int, verify: Verify) -> None:
        self.scheme = scheme
        self.host = host
        self.port = port
        self.verify = verify
        self.look_after_ns = _ALWAYS
        self._trials = 0
        self.shown = shown(scheme, host, port)

    def __repr__(self) -> str:
        return f"<Origin {self.shown}>"

    def found(self, *, alive: bool, idle_ns: int) -> None:
        """A connection that had been idle for so long was alive or not."""
        if idle_ns <= LOOK_AFTER_NS:
            if alive:
                self._trials += 1
                if self._trials == _TRIALS:
                    self.look_after_ns = LOOK_AFTER_NS
            else:
                self.look_after_ns = _ALWAYS
                self._trials = _TRIALS


def place_of(url: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port as requests reads them of a prepared URL; None: not one of http or https.

    Raises:
        ValueError: the port is none.
    """
    parts = urlparse(url)
    scheme = parts.scheme.lower()
    return (scheme, parts.hostname, parts.port) if scheme in DEFAULT_PORTS and parts.hostname else None


def shown(scheme: str, host: str, port: int | None) -> str:
    """An origin as reports have it: without the port that goes without saying."""
    bracketed = f"[{host}]" if ":" in host and not host.startswith("[") else host
    at = "" if port in (None, DEFAULT_PORTS.get(scheme)) else f":{port}"
    return f"{scheme}://{bracketed}{at}"


class Origins:
    """All origins of a worker."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, int, Verify], Origin] = {}

    def get(self, scheme: str, host: str, port: int | None, verify: Verify) -> Origin:
        """The one of that name; without a port, the scheme's own. Without TLS there is nothing to verify."""
        key = scheme, host, port or DEFAULT_PORTS[scheme], scheme == "https" and verify
        origin = self._known.get(key)
        if origin is None:
            if len(self._known) >= _MAX_ORIGINS:
                self._known.clear()
            origin = self._known[key] = Origin(*key)
        return origin

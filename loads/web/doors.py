"""Who is let in, and with what every answer is fenced: pure decisions, the handlers carry them out.

Loopback is no protection in a browser: every page that somebody has open may send requests to 127.0.0.1. So there is a
login here, too; a Host that is none of ours is refused, as a foreign name that was made to lead here would bring it
(DNS rebinding); and what changes something, and the socket, must come from a page of ours (Origin).
"""

from __future__ import annotations

import hmac
import re
import socket
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from loads.web.secret import Secret

COOKIE_DAYS: Final = 30
WRONG_PER_S: Final = 3.0
"""Wrong tokens that are answered as such; with more of them at once, the next wrong ones are told to wait."""
_HOST: Final = re.compile(r"(?P<name>\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9_.-]{1,253})(?P<port>:[0-9]{1,5})?", re.ASCII)
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


@dataclass
class Doors:
    """Of one server.

    Attributes:
        port: it listens there.
        names: it may be called by these, besides localhost and any address: an address in a link can't be made to
            lead elsewhere.
        secure: over TLS.
    """

    secret: Secret
    port: int
    names: Collection[str] = ()
    secure: bool = False
    clock: Callable[[], float] = time.monotonic
    _tries: float = field(default=WRONG_PER_S, init=False)
    _tried_s: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self.names = frozenset(name.casefold() for name in (*self.names, "localhost"))
        self._tried_s = self.clock()

    @property
    def cookie(self) -> str:
        """Its name: browsers keep those of all ports of a machine together."""
        return f"loads-{self.port}"

    def is_ours(self, host: str) -> bool:
        """Whether the header Host names this server. Any port: a tunnel may begin at another one."""
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = found["name"]
        return name.casefold() in self.names or _is_address(name)

    def is_from_us(self, origin: str | None, host: str) -> bool:
        """Whether a request with the header Origin was made by a page that came from this server at `host`."""
        if origin is None:
            return False
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        return parts.scheme == ("https" if self.secure else "http") and parts.netloc.casefold() == host.casefold()

    def may_try(self) -> bool:
        """Whether a token is looked at now: there were not too many wrong ones."""
        now_s = self.clock()
        self._tries = min(WRONG_PER_S, self._tries + (now_s - self._tried_s) * WRONG_PER_S)
        self._tried_s = now_s
        return self._tries >= 1

    def lets_in(self, token: str) -> bool:
        """Whether `token` is the one; a wrong one counts."""
        if hmac.compare_digest(token.encode(errors="replace"), self.secret.token.encode()):
            return True
        self._tries = max(0.0, self._tries - 1)
        return False

    def headers(self, host: str) -> dict[str, str]:
        """Those of every answer to a request for `host`."""
        headers = {**_HEADERS, "Content-Security-Policy": self._policy(host)}
        if self.secure:
            headers["Strict-Transport-Security"] = "max-age=31536000"
        return headers

    def _policy(self, host: str) -> str:
        """Nothing from elsewhere, nothing inline. The socket is named for browsers that don't count it as 'self'."""
        live = f" {'wss' if self.secure else 'ws'}://{host}" if self.is_ours(host) else ""
        return (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
            f"connect-src 'self'{live}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )


def own_names(bind: str) -> set[str]:
    """By what others may call this machine when it listens on `bind`; none that is loopback only."""
    if is_loopback(bind):
        return set()
    return {bind, socket.gethostname(), socket.getfqdn()} - {""}


def is_loopback(bind: str) -> bool:
    """Whether only this machine itself reaches `bind`."""
    if bind.casefold() == "localhost":
        return True
    try:
        return ip_address(bind).is_loopback
    except ValueError:
        return False


def shown_host(bind: str) -> str:
    """What to write in a link to a server that listens on `bind`."""
    try:
        address = ip_address(bind)
    except ValueError:
        return bind
    if address.is_unspecified:
        return socket.gethostname()
    return f"[{bind}]" if address.version == 6 else bind


def _is_address(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True

"""What all users of a worker share on their way out: names, certificates, known heads, what the user set."""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING, Any, Final

from gevent import get_hub
from gevent.monkey import get_original
from gevent.socket import getaddrinfo

from loads.client.answers import Heads
from loads.client.calls import Fields
from loads.client.clock import monotonic_ns
from loads.client.dialer import Dialer
from loads.client.environment import environment
from loads.client.origin import Origin, Origins, Verify
from loads.client.resolver import Resolver
from loads.client.retelling import stock_send
from loads.client.settings import NetSettings

if TYPE_CHECKING:
    from requests import PreparedRequest, Response
    from requests.adapters import HTTPAdapter

    from loads.client.environment import Environment
    from loads.client.transport import Connection

log = logging.getLogger("loads.client")
_blocking_look_up = get_original("socket", "getaddrinfo")
NS_PER_S: Final = 1_000_000_000
FOREVER_NS: Final = 1 << 61
_MAX_FIELDS: Final = 1_024
MAX_IDLE: Final = 10
"""Connections to one server that one session keeps, as with requests."""


class Kept:
    """The connections that one session, or one adapter, keeps open; as many as requests would.

    Args:
        most: to one server.
        most_origins: servers.
    """

    __slots__ = ("_most", "_most_origins", "idle")

    def __init__(self, most: int = MAX_IDLE, most_origins: int = MAX_IDLE) -> None:
        self._most = most
        self._most_origins = most_origins
        self.idle: dict[Origin, list[Connection]] = {}

    def __del__(self) -> None:
        self.close()

    def take(self, origin: Origin) -> Connection | None:
        """One that can be used again."""
        idle = self.idle.get(origin)
        while idle:
            connection = idle.pop()
            if connection.hub is get_hub() and connection.is_alive(monotonic_ns()):
                return connection
            connection.close()
        return None

    def give(self, connection: Connection, now_ns: int) -> None:
        """One that was used, and is good for more."""
        idle = self.idle.get(connection.origin)
        if idle is None:
            if len(self.idle) >= self._most_origins:
                for oldest in self.idle.pop(next(iter(self.idle))):
                    oldest.close()
            idle = self.idle[connection.origin] = []
        if len(idle) < self._most:
            connection.idle_ns = now_ns
            idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """All of them."""
        for idle in self.idle.values():
            while idle:
                idle.pop().close()


class Engine:
    """One per worker.

    Attributes:
        dials: it makes connections itself; False: urllib3 does, as the tests want it.
        adapter_send: what `HTTPAdapter.send` is while no test has put something else in its place.
        debug: which way a request took is logged.
    """

    def __init__(self, settings: NetSettings) -> None:
        self.settings = settings
        self.adapter_send: Any = stock_send
        self.debug = log.isEnabledFor(logging.DEBUG)
        self._fields: dict[Any, Fields] = {}
        self.heads = Heads()
        self.origins = Origins()
        self.dialer = Dialer(Resolver(settings, _look_up))
        self.dials = True
        self.timeout_ns = FOREVER_NS if settings.timeout_s is None else int(settings.timeout_s * NS_PER_S)

    def __repr__(self) -> str:
        return f"<Engine {self.settings}>"

    def trust(self, verify: Any) -> Verify | None:
        """What `verify` of requests comes to, with what the user set; None: requests should look at it."""
        if self.settings.insecure or verify == "":
            return False
        if self.settings.ca_bundle is not None and verify in (True, environment().ca_bundle):
            verify = self.settings.ca_bundle
        if not isinstance(verify, bool | str) or not self.dialer.can_verify(verify):
            return None
        return verify

    def fields(
        self, items: tuple[tuple[Any, Any], ...], verify: Verify, environment: Environment | None
    ) -> Fields | None:
        """What calls with these headers are made with; None: requests has to look at them."""
        key = items, verify, environment is None
        try:
            fields = self._fields.get(key)
        except TypeError:
            return None
        if fields is None:
            if len(self._fields) >= _MAX_FIELDS:
                self._fields.clear()
            fields = self._fields[key] = Fields(items, verify, self.origins, environment)
        return fields if fields.plain else None

    def send_stock(self, adapter: HTTPAdapter, request: PreparedRequest, settings: dict[str, Any]) -> Response:
        """As `HTTPAdapter.send`, which it is, with what the user set where the test said nothing."""
        log.debug("stock way: %s %s", request.method, request.url)
        return stock_send(adapter, request, **self.stock_settings(request, settings))

    def stock_settings(self, request: PreparedRequest, settings: dict[str, Any]) -> dict[str, Any]:
        """`settings` of `HTTPAdapter.send`, with what the user set."""
        if not self.settings.keepalive:
            request.headers["Connection"] = "close"
        trusted, timeout = self.trust(settings["verify"]), settings["timeout"]
        if isinstance(timeout, tuple):
            timeout = tuple(self.settings.timeout_s if each is None else each for each in timeout)
        return {
            **settings,
            "timeout": self.settings.timeout_s if timeout is None else timeout,
            "verify": settings["verify"] if trusted is None else trusted,
        }

    def timeouts_ns(self, timeout: Any) -> tuple[int, int] | None:
        """For the connection, and for each wait after; None: not what requests understands."""
        connect, read = timeout if isinstance(timeout, tuple) and len(timeout) == 2 else (timeout, timeout)
        found = []
        for each in (connect, read):
            if each is None:
                found.append(self.timeout_ns)
            elif type(each) in (int, float) and 0 < each < 1e9:
                found.append(int(each * NS_PER_S))
            else:
                return None
        return found[0], found[1]


def _look_up(*args: Any) -> Any:
    """socket.getaddrinfo, or what a test has put there; never the one that holds up everybody."""
    found = socket.getaddrinfo
    return (getaddrinfo if found is _blocking_look_up else found)(*args)


class _Current:
    """The engine of this process."""

    engine: Engine | None = None


def engine() -> Engine:
    """The one of this process, with default settings unless `configure` said otherwise."""
    if _Current.engine is None:
        _Current.engine = Engine(NetSettings())
    return _Current.engine


def configure(settings: NetSettings) -> Engine:
    """Begin anew; for before the first request."""
    _Current.engine = Engine(settings)
    return _Current.engine

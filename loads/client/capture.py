"""Records what tests send without `self.session`: plain requests, urllib3 and http.client, each in one place.

A plain requests call goes over the worker's engine where it can (see `sending`). Otherwise requests ends in urllib3,
and there the place is `HTTPConnectionPool._make_request`, where exactly one request goes over one connection, after a
connection was chosen and before anybody retries or follows a redirect: one call, one hit, whoever asked. For
http.client it is the connection itself, unless urllib3 drives it. `sent` is decided where bytes are handed to the
socket, the end where http.client lets go of the body. Only a worker installs this; nothing here runs under plain
unittest.

_make_request is urllib3's own business and might move; the tests hold us to every urllib3 we allow.
"""

from __future__ import annotations

import functools
import http.client
import select
import socket
import ssl
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import requests.utils
import urllib3
import urllib3.connection
import urllib3.connectionpool
import urllib3.util.connection
from requests.adapters import HTTPAdapter
from urllib3.exceptions import InsecureRequestWarning

from loads.client.clock import monotonic_ns
from loads.client.dialer import bind_to
from loads.client.engine import Kept, engine
from loads.client.hit import Hit, WatchedResponse
from loads.client.kinds import ErrorKind
from loads.client.origin import shown
from loads.client.recorder import Opened
from loads.client.retelling import stock_send
from loads.client.sending import send_prepared
from loads.client.user import hit_name, running
from loads.metrics.summary import SeriesKey

if TYPE_CHECKING:
    from loads.client.user import VirtualUser

_create_connection: Final = urllib3.util.connection.create_connection
_POOL_KEYS: Final = frozenset({"maxsize", "block"})
_dialled: ContextVar[tuple[int | None, int] | None] = ContextVar("loads_dialled", default=None)
"""How long the look-up and the connection took that the current greenlet made last."""


def install(fallback: VirtualUser, unpatched_poll: Callable[[], Any] | None = None) -> None:
    """Record every request that this process makes through urllib3 or http.client from now on. Call once per process.

    Requests of greenlets that work for no virtual user count for `fallback`. `unpatched_poll` is the system's
    `select.poll`, where it was replaced by one that goes through an event loop.
    """
    _install_requests(fallback)
    _install_connecting()
    _install_sending()
    _install_urllib3(fallback)
    _install_http_client(fallback)
    if unpatched_poll is not None:
        _install_quick_look(unpatched_poll)


def _install_requests(fallback: VirtualUser) -> None:
    """Requests' own adapters: the engine's connections and settings. Those that somebody has changed go their way."""
    adapters: Any = HTTPAdapter
    close = adapters.close
    shared = engine()
    shared.dials = urllib3.util.connection.create_connection is _create_connection

    @functools.wraps(stock_send)
    def send(
        adapter: Any,
        request: Any,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> Any:
        user = running() or fallback
        settings = {"stream": stream, "timeout": timeout, "verify": verify, "cert": cert, "proxies": proxies}
        response = None
        if user.recorder is not None and _is_untouched(adapter):
            kept = vars(adapter).get("_loads_kept")
            if kept is None:
                kept = adapter._loads_kept = Kept(adapter._pool_maxsize, adapter._pool_connections)
            response = send_prepared(shared, user, kept, adapter, request, **settings)
        if response is None:
            response = shared.send_stock(adapter, request, settings)
        return response

    @functools.wraps(close)
    def close_all(adapter: Any) -> None:
        close(adapter)
        if "_loads_kept" in vars(adapter):
            adapter._loads_kept.close()

    if adapters.send is stock_send:  # otherwise the tests have put something else there, and mean it
        adapters.send, adapters.close = send, close_all
        shared.adapter_send = send
    if shared.settings.insecure:
        urllib3.disable_warnings(InsecureRequestWarning)  # whoever asked for it knows
    if shared.settings.user_agent is not None:
        utils: Any = requests.utils
        utils.default_user_agent = lambda name="": shared.settings.user_agent


def _is_untouched(adapter: Any) -> bool:
    """Whether it is requests' own, with neither retries nor a pool manager of its own making."""
    if type(adapter) is not HTTPAdapter:
        return False
    retries = adapter.max_retries
    changed = adapter.poolmanager.connection_pool_kw.keys() - _POOL_KEYS
    return not (retries.total or retries.read or changed or vars(adapter)["_pool_block"])


def _install_connecting() -> None:
    """urllib3 connects as the user said, too: to the engine's addresses, from its sources."""
    module: Any = urllib3.util.connection
    shared = engine()
    if module.create_connection is not _create_connection:
        return  # the tests have put something else there, and mean it

    def create_connection(
        address: tuple[str, int], timeout: Any = None, source_address: Any = None, socket_options: Any = None
    ) -> socket.socket:
        begin_ns = monotonic_ns()
        found, looked_up = shared.dialer.resolver.addresses(*address)
        dns_us = (monotonic_ns() - begin_ns) // 1_000 if looked_up else None
        failure: OSError | None = None
        for family, sockaddr in found:
            source = source_address or shared.dialer.resolver.source_address(family)
            try:
                sock = _connected(family, sockaddr, timeout, source, socket_options)
            except OSError as error:
                failure = error
            else:
                _dialled.set((dns_us, (monotonic_ns() - begin_ns) // 1_000 - (dns_us or 0)))
                return sock
        raise failure or OSError("getaddrinfo returns an empty list")

    module.create_connection = create_connection
    for connections in (urllib3.connection.HTTPConnection, urllib3.connection.HTTPSConnection):
        _time_connecting(connections)


def _time_connecting(connections: Any) -> None:
    connect = connections.connect

    @functools.wraps(connect)
    def timed_connect(conn: Any) -> None:
        hit: Hit | None = conn._loads_hit
        _dialled.set(None)
        begin_ns = monotonic_ns()
        stands = False
        try:
            connect(conn)
            stands = True
        finally:
            dialled = _dialled.get()
            if hit is not None and dialled is not None:
                dns_us, connect_us = dialled
                rest_us = (monotonic_ns() - begin_ns) // 1_000 - connect_us - (dns_us or 0)
                sealed = stands and isinstance(conn.sock, ssl.SSLSocket)
                hit.opened = Opened(dns_us, connect_us, rest_us if sealed else None, stands)

    connections.connect = timed_connect


def _connected(family: int, sockaddr: Any, timeout: Any, source: Any, options: Any) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        for option in options or ():
            sock.setsockopt(*option)
        if isinstance(timeout, int | float | None):
            sock.settimeout(timeout)
        if source:
            bind_to(sock, source)
        sock.connect(sockaddr)
    except BaseException:
        sock.close()
        raise
    return sock


def _install_sending() -> None:
    """Both libraries hand bytes to the socket in `http.client.HTTPConnection.send`."""
    connections: Any = http.client.HTTPConnection
    send = connections.send

    @functools.wraps(send)
    def counted_send(conn: Any, data: Any) -> None:
        hit: Hit | None = conn._loads_hit
        if hit is None:
            send(conn, data)
            return
        try:
            if conn.sock is None and conn.auto_open:
                conn.connect()
            hit.sending()
            send(conn, data)
        except BaseException as error:
            if conn._loads_plain:
                hit.failed(error)
            raise
        hit.bytes_sent += _size(data)

    connections._loads_hit = None
    connections._loads_plain = False
    connections.send = counted_send
    for owner in (connections, urllib3.connection.HTTPConnection):
        if "_tunnel" in vars(owner):
            _install_tunnel(owner)


def _install_tunnel(connections: Any) -> None:
    """A CONNECT to a proxy, and the answer to it, are no part of the request. For some Pythons urllib3 has its own."""
    tunnel = connections._tunnel

    @functools.wraps(tunnel)
    def uncounted_tunnel(conn: Any) -> None:
        hit, conn._loads_hit = conn._loads_hit, None
        response_class = conn.response_class
        conn.response_class = http.client.HTTPResponse
        try:
            tunnel(conn)
        finally:
            conn._loads_hit, conn.response_class = hit, response_class

    connections._tunnel = uncounted_tunnel


def _install_urllib3(fallback: VirtualUser) -> None:
    pools: Any = urllib3.connectionpool.HTTPConnectionPool
    tunnels: Any = urllib3.connectionpool.HTTPSConnectionPool
    make_request, prepare_proxy = pools._make_request, tunnels._prepare_proxy

    @functools.wraps(make_request)
    def recorded(pool: Any, conn: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        user = running() or fallback
        if user.recorder is None or hasattr(pool, "loads_told"):
            return make_request(pool, conn, method, url, *args, **kwargs)
        user.last_hit = _series_key(user.scenario, method, (pool.scheme, pool.host, pool.port), url)
        hit = conn._loads_hit = Hit(user.recorder, user.last_hit)
        conn.response_class = functools.partial(WatchedResponse, hit)
        try:
            response = make_request(pool, conn, method, url, *args, **kwargs)
        except BaseException as error:
            hit.failed(error)
            raise
        finally:
            conn._loads_hit = None
        hit.answered(response.status)
        return response

    @functools.wraps(prepare_proxy)
    def recorded_proxy(pool: Any, conn: Any) -> None:
        """urllib3 opens a tunnel before it makes the request: one that can't be opened is a hit that was not sent."""
        user = running() or fallback
        if user.recorder is None:
            prepare_proxy(pool, conn)
            return
        hit = Hit(user.recorder, _series_key(user.scenario, "CONNECT", (pool.scheme, pool.host, pool.port), "/"))
        try:
            prepare_proxy(pool, conn)
        except BaseException as error:
            hit.failed(error)
            raise
        hit.forget()

    pools._make_request, tunnels._prepare_proxy = recorded, recorded_proxy


def _install_http_client(fallback: VirtualUser) -> None:
    """Requests made with http.client itself, as urllib.request does: from putrequest to the end of the body."""
    connections: Any = http.client.HTTPConnection
    putrequest, getresponse, close = connections.putrequest, connections.getresponse, connections.close

    @functools.wraps(putrequest)
    def recorded_putrequest(conn: Any, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        user = running() or fallback
        if isinstance(conn, urllib3.connection.HTTPConnection) or user.recorder is None:
            putrequest(conn, method, url, *args, **kwargs)
            return
        putrequest(conn, method, url, *args, **kwargs)
        conn._loads_plain = True
        user.last_hit = _series_key(user.scenario, method, _origin(conn), url)
        conn._loads_hit = Hit(user.recorder, user.last_hit)
        conn.response_class = functools.partial(WatchedResponse, conn._loads_hit)

    @functools.wraps(getresponse)
    def recorded_getresponse(conn: Any) -> Any:
        hit: Hit | None = conn._loads_hit
        if not conn._loads_plain or hit is None:
            return getresponse(conn)
        conn._loads_hit = None
        try:
            response = getresponse(conn)
        except BaseException as error:
            hit.failed(error)
            raise
        hit.answered(response.status)
        return response

    @functools.wraps(close)
    def recorded_close(conn: Any) -> None:
        """A request whose answer nobody waits for ends here."""
        if conn._loads_plain and conn._loads_hit is not None:
            hit, conn._loads_hit = conn._loads_hit, None
            hit.broken(ErrorKind.INTERRUPTED)
            hit.failed(ConnectionAbortedError("closed before the answer was asked for"))
        close(conn)

    connections.putrequest = recorded_putrequest
    connections.getresponse = recorded_getresponse
    connections.close = recorded_close


def _install_quick_look(unpatched_poll: Callable[[], Any]) -> None:
    """Whether a kept connection was closed needs no wait, so it needs no event loop either."""
    module: Any = urllib3.connection
    wait_for_read = module.wait_for_read

    @functools.wraps(wait_for_read)
    def quick_wait_for_read(sock: Any, timeout: float | None = None) -> bool:
        if timeout != 0.0:
            return bool(wait_for_read(sock, timeout))
        poll = unpatched_poll()
        poll.register(sock.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    module.wait_for_read = quick_wait_for_read


def _size(data: Any) -> int:
    """Bytes of what http.client was told to send; 0 for a file or an iterator, which it reads by itself."""
    try:
        return memoryview(data).nbytes
    except TypeError:
        return len(data) if isinstance(data, str) else 0


def _series_key(scenario: str, method: str, origin: tuple[str, str, int | None], url: str) -> SeriesKey:
    name = hit_name.get()
    if name is not None:
        return SeriesKey(scenario, method, name, True)
    path = url.partition("?")[0].partition("#")[0]
    if not path.startswith("/"):
        parts = urlsplit(path)
        return SeriesKey(scenario, method, f"{parts.scheme}://{parts.netloc}{parts.path}")
    return SeriesKey(scenario, method, shown(*origin) + path)


def _origin(conn: Any) -> tuple[str, str, int | None]:
    """Scheme, host and port that a connection of http.client is for; through a proxy, those are the server's."""
    scheme = "https" if isinstance(conn, http.client.HTTPSConnection) else "http"
    if conn._tunnel_host is not None:
        return scheme, conn._tunnel_host, conn._tunnel_port
    return scheme, conn.host, conn.port

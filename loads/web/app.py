"""The server: which request is answered by what. Tornado does the talking."""

from __future__ import annotations

import resource
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream
from tornado.web import Application

from loads.errors import UsageError
from loads.web.api import Me, Missing, Report, Runs, Stop
from loads.web.doors import COOKIE_DAYS, Doors, shown_host
from loads.web.hub import RUN, Hub
from loads.web.live import Live
from loads.web.pages import Assets, Login, Page

STATIC: Final = Path(__file__).with_name("static")
_RUN: Final = f"(?P<run>{RUN})"
_BODY_BYTES: Final = 16 << 10
_MESSAGE_BYTES: Final = 4 << 10
_BACKLOG: Final = 128
_MOST_CONNECTIONS: Final = 1_000
"""At once, from whomever; less where the system allows fewer files. Beyond it they are closed at once: who may open no
file more can't even do that, and says so for each of them, for ever."""
_PASSIVE: Final = socket.AI_PASSIVE
_PING_S: Final = 15
"""Who does not answer for as long is gone, however his connection looks."""


@dataclass(frozen=True)
class Tls:
    """Files with a certificate, with those that it depends on, and its key."""

    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """To serve with.

        Raises:
            UsageError: they can't be used.
        """
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            told = f"can't use the certificate {self.certificate} with the key {self.key}: {error}"
            raise UsageError(told, "give two files in PEM, of which the first holds the certificate") from None
        return context


def application(hub: Hub, doors: Doors, say: Callable[[str], None], static: Path = STATIC) -> Application:
    """All that is served."""
    with_all = {"hub": hub, "doors": doors, "say": say, "static": static}
    pages = [("/", Page), ("/runs", Page), (f"/runs/{_RUN}", Page), ("/compare", Page), ("/login", Login)]
    calls = [
        ("/api/me", Me),
        ("/api/runs", Runs),
        (f"/api/runs/{_RUN}/stop", Stop),
        (f"/api/runs/{_RUN}/report", Report),
        ("/api/live", Live),
    ]
    return Application(
        [
            *((path, handler, with_all) for path, handler in pages),
            *((path, handler, with_all) for path, handler in calls),
            (r"/static/(?P<path>[^?]{1,200})", Assets, {"path": str(static), **with_all}),
        ],
        default_handler_class=Missing,
        default_handler_args=with_all,
        cookie_secret=doors.secret.signing,
        xsrf_cookies=True,
        xsrf_cookie_kwargs={"samesite": "Strict", "secure": doors.secure, "max_age": COOKIE_DAYS * 86_400},
        compress_response=True,
        log_function=_log_nothing,
        websocket_ping_interval=_PING_S,
        websocket_ping_timeout=_PING_S,
        websocket_max_message_size=_MESSAGE_BYTES,
    )


class _Bounded(HTTPServer):
    """With so many connections at the most."""

    def initialize(self, *arguments: Any, **options: Any) -> None:
        super().initialize(*arguments, **options)
        self._most = min(_MOST_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        if len(self._connections) >= self._most:
            stream.close()
            return
        super().handle_stream(stream, address)


class Server:
    """Listens on `bind` at `port`, 0: any that is free.

    Attributes:
        port: where it listens.
        url: leads there.

    Raises:
        PortTaken: it can't listen there.
        UsageError: the certificate is no good.
    """

    def __init__(self, bind: str, port: int, tls: Tls | None = None) -> None:
        self._context = None if tls is None else tls.context()
        try:
            self._sockets = _listen(bind, port)
        except OSError as error:
            raise PortTaken(bind, port, error) from None
        self.port: int = self._sockets[0].getsockname()[1]
        self._server: HTTPServer | None = None
        self.is_secure = tls is not None
        self.url = f"{'https' if self.is_secure else 'http'}://{shown_host(bind)}:{self.port}"

    def serve(self, app: Application) -> None:
        """From now on."""
        options: dict[str, Any] = {
            "max_body_size": _BODY_BYTES,
            "max_header_size": _BODY_BYTES,
            "idle_connection_timeout": 60,
            "body_timeout": 10,
            "ssl_options": self._context,
        }
        self._server = _Bounded(app, **options)
        self._server.add_sockets(self._sockets)

    async def close(self) -> None:
        """No more of it."""
        if self._server is None:
            for sock in self._sockets:
                sock.close()
        else:
            self._server.stop()
            await self._server.close_all_connections()


class PortTaken(UsageError):
    """Somebody else listens there, or nobody may."""

    def __init__(self, bind: str, port: int, error: OSError) -> None:
        super().__init__(
            f"can't listen on port {port} of {bind}: {error.strerror or error}",
            "give another one with --port; --port 0 takes any that is free",
        )


def _listen(bind: str, port: int) -> list[socket.socket]:
    """A socket for each address of that name, all at one port."""
    sockets: list[socket.socket] = []
    try:
        for family, kind, _, _, address in socket.getaddrinfo(bind, port, type=socket.SOCK_STREAM, flags=_PASSIVE):
            sock = socket.socket(family, kind)
            sockets.append(sock)
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((address[0], port, *address[2:]))
            sock.listen(_BACKLOG)
            port = sock.getsockname()[1]
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _log_nothing(handler: object) -> None:
    """Requests hold the token, and nobody reads about the others."""

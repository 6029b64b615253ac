"""`self.app`: WebTest's TestApp against a real server, on the virtual user's own session.

WSGIProxy2 turns WebTest's WSGI calls into HTTP. Its own requests client forces ``verify=False``, hands on compressed
bodies with the wrong Content-Length and turns refused connections into a made-up 502; so the client is ours, and what
goes wrong on the wire reaches the test as the exception that requests raised.

webtest is imported only when a test touches `self.app`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from webtest import TestApp
from wsgiproxy import HostProxy

from loads.client.origin import DEFAULT_PORTS

if TYPE_CHECKING:
    import requests

_DROPPED = frozenset({"transfer-encoding", "connection", "keep-alive", "content-encoding", "content-length"})

_NO_HOST = ("localhost", "80")
"""What WebTest has where a test gave a path."""


class _OnTheWire(BaseException):
    """Carries a transport error past WSGIProxy2, which would make a response of it."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


def header_items(response: requests.Response) -> Iterable[tuple[str, str]]:
    """The header lines of an answer, each by itself."""
    head = getattr(response, "head", None)
    return response.raw.headers.items() if head is None else head.items


class _Proxy(HostProxy):  # type: ignore[misc]
    """A proxy that adds no X-Forwarded headers: the server sees what a user would send."""

    header_map: dict[str, str] = {}


class WebApp(TestApp):  # type: ignore[misc]
    """A TestApp for `server_url`; assign to it to go on with another server in mid-test.

    Cookies are the session's: what one sets, the other sends.
    """

    __test__ = False

    def __init__(self, session: requests.Session, server_url: str) -> None:
        self._session = session
        self._own_cookies = False
        """The test sets them for this request, instead of the session's."""
        self.extra_environ: dict[str, str] = {}
        self._server_url = ""
        super().__init__(self._proxy_to(server_url), cookiejar=session.cookies)
        self.server_url = server_url

    @property
    def cookiejar(self) -> Any:
        """The session's cookies, also after the test gave it another jar."""
        return self._session.cookies

    @cookiejar.setter
    def cookiejar(self, jar: Any) -> None:
        self._session.cookies = jar

    @property
    def server_url(self) -> str:
        """Where requests go; paths are appended to it."""
        return self._server_url

    @server_url.setter
    def server_url(self, url: str) -> None:
        if url != self._server_url:
            parts = urlsplit(url)
            self._server_url = url
            self._proxy = self._proxy_to(url)
            self._place = {"HTTP_HOST": parts.netloc, "wsgi.url_scheme": parts.scheme}
        self.app = self._proxy
        if not self._place.items() <= self.extra_environ.items():
            self.extra_environ = {**self.extra_environ, **self._place}

    def do_request(self, req: Any, status: Any = None, expect_errors: Any = None) -> Any:
        """As WebTest's; raises what requests raised when no answer came. A whole URL goes where it says."""
        before = self.app
        self._own_cookies = "HTTP_COOKIE" in req.environ
        elsewhere = self._elsewhere(req)
        if elsewhere is not None:
            self.app = self._proxy_to(elsewhere)
            req.environ["HTTP_HOST"] = urlsplit(elsewhere).netloc
        try:
            return super().do_request(req, status, expect_errors)
        except _OnTheWire as carrier:
            raise carrier.error from None
        finally:
            self.app = before

    def _elsewhere(self, req: Any) -> str | None:
        """The origin that `req` names, if not the app's server: WebTest keeps it in SERVER_NAME and SERVER_PORT."""
        host, port = req.environ["SERVER_NAME"], req.environ["SERVER_PORT"]
        server = urlsplit(self._server_url)
        if (host, port) in (_NO_HOST, (server.hostname, str(server.port or DEFAULT_PORTS[server.scheme]))):
            return None
        scheme = "https" if port == "443" else server.scheme if port != "80" else "http"
        return f"{scheme}://{host}:{port}"

    def _proxy_to(self, url: str) -> _Proxy:
        return _Proxy(url, client=self._send, allowed_methods=None)

    def _send(
        self, uri: str, method: str, body: Any, headers: dict[str, str]
    ) -> tuple[str, str | None, list[tuple[str, str]], Iterable[bytes]]:
        headers.pop("Transfer-Encoding", None)
        if headers.get("Host") == uri.split("/", 3)[2]:
            del headers["Host"]  # the session says so by itself
        if not self._own_cookies:
            headers.pop("Cookie", None)  # the same
        length = int(headers.pop("Content-Length", 0) or 0)
        data = body.read(length) if length else None
        try:
            response = self._session.request(method, uri, data=data, headers=headers, allow_redirects=False)
        except Exception as error:
            raise _OnTheWire(error) from error
        content = response.content
        kept = [(name, value) for name, value in header_items(response) if name.lower() not in _DROPPED]
        if method != "HEAD" and response.status_code not in (204, 304):
            kept.append(("Content-Length", str(len(content))))
        status = f"{response.status_code} {response.reason or 'Unknown'}"
        return status, response.headers.get("location"), kept, [content]

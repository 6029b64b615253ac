"""Tells requests what happened on the wire, when that is not an answer like any other.

What a refused connection, a broken body or a strange head means to a test is for requests, urllib3 and http.client to
say: which exception, with what inside. So they run as ever, with a connection that sends nothing, for all is sent, and
reads what was received, or meets the error that was met. The request goes over the wire once; only the tale is told
twice.
"""

from __future__ import annotations

import io
import socket
from functools import partial
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.retry import Retry

from loads.client.clock import monotonic_ns
from loads.client.hit import WatchedResponse
from loads.client.origin import DEFAULT_PORTS, place_of

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

    from loads.client.dialer import DialError
    from loads.client.hit import Hit
    from loads.client.transport import Connection

stock_send = HTTPAdapter.send
"""requests' own, before anybody records it."""


class Story:
    """What happened: no connection at all, or bytes, and then an error, an end, or who knows what.

    Attributes:
        dial_error: why there is no connection; then nothing else is told.
        received: of the answer, until now.
        error: what came instead of more; None: the other side closed.
        send_error: what came while the request was being sent.
        live: where more comes from; `hit`: what notices the end then.
        timeout_ns: for each wait on `live`.
    """

    def __init__(
        self,
        received: bytes = b"",
        error: Exception | None = None,
        *,
        send_error: Exception | None = None,
        dial_error: DialError | None = None,
        live: Connection | None = None,
        hit: Hit | None = None,
        timeout_ns: int = 0,
    ) -> None:
        self.received = received
        self.error = error
        self.send_error = send_error
        self.dial_error = dial_error
        self.live = live
        self.hit = hit
        self.timeout_ns = timeout_ns


def retell(story: Story, request: PreparedRequest, **settings: Any) -> Response:
    """What requests makes of `story`: its answer to `request`, or its exception; `settings` of `HTTPAdapter.send`."""
    return stock_send(_Teller(story), request, **settings)


class _Teller(HTTPAdapter):
    """requests' adapter, whose connections come from a story."""

    def __init__(self, story: Story) -> None:
        self.max_retries = Retry(0, read=False)
        self._story = story

    def get_connection_with_tls_context(
        self, request: PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> HTTPConnectionPool:
        """As requests', but of connections that are no more."""
        place = place_of(str(request.url))
        assert place is not None
        sealed = place[0] == "https"
        pool = (_SealedPool if sealed else _Pool)(place[1], place[2] or DEFAULT_PORTS[place[0]])
        pool.ConnectionCls = partial(_SealedConnection if sealed else _Connection, self._story)  # type: ignore[assignment]
        return pool


class _Pool(HTTPConnectionPool):
    """What `capture` leaves alone. It goes by urllib3's names, for they stand in messages."""

    loads_told = True


class _SealedPool(HTTPSConnectionPool):
    """The same for https."""

    loads_told = True


class _Connection(HTTPConnection):
    """Sends nothing, and hears the story."""

    def __init__(self, story: Story, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._story = story
        if story.hit is not None:
            self.response_class = partial(WatchedResponse, story.hit)  # type: ignore[assignment]

    def _new_conn(self) -> Any:
        return _socket_of(self._story, self)

    def request(self, method: str, url: str, body: Any = None, headers: Any = None, **settings: Any) -> None:
        """As urllib3's, without the body: that may be gone."""
        HTTPConnection.request(self, method, url, None, headers, **settings)
        if self._story.send_error is not None:
            raise self._story.send_error

    def send(self, data: Any) -> None:
        """It was sent."""
        if self.sock is None:
            self.connect()


class _SealedConnection(HTTPSConnection):
    """The same for https."""

    def __init__(self, story: Story, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._story = story
        if story.hit is not None:
            self.response_class = partial(WatchedResponse, story.hit)  # type: ignore[assignment]

    def connect(self) -> None:
        self.sock = _socket_of(self._story, self)
        self.is_verified = True  # whoever asked for less was warned before
        if self._story.dial_error is not None:
            raise self._story.dial_error.error

    request = _Connection.request
    send = _Connection.send


for _class, _base in (
    (_Pool, HTTPConnectionPool),
    (_SealedPool, HTTPSConnectionPool),
    (_Connection, HTTPConnection),
    (_SealedConnection, HTTPSConnection),
):
    _class.__name__ = _base.__name__


def _socket_of(story: Story, connection: HTTPConnection) -> Any:
    """A socket that plays the story, or the exception that urllib3 raises where there is none."""
    failed = story.dial_error
    if failed is None or failed.opened.connect_us is not None:
        return _Socket(story)
    try:
        raise failed.error
    except socket.gaierror as error:
        raise NameResolutionError(connection.host, connection, error) from error
    except TimeoutError as error:
        text = f"Connection to {connection.host} timed out. (connect timeout={connection.timeout})"
        raise ConnectTimeoutError(connection, text) from error
    except OSError as error:
        raise NewConnectionError(connection, f"Failed to establish a new connection: {error}") from error


class _Socket:
    """What http.client needs of a socket."""

    def __init__(self, story: Story) -> None:
        self._story = story

    def makefile(self, *_: object) -> io.BufferedReader:
        return io.BufferedReader(_Tape(self._story))

    def settimeout(self, _timeout: float | None) -> None:
        """Who waits, waits on the real one."""

    def shutdown(self, _how: int) -> None:
        """Nothing is open."""

    def close(self) -> None:
        """Nothing is open."""


class _Tape(io.RawIOBase):
    """Plays what was received, and what came then."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._rest = memoryview(story.received)

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        live = self._story.live
        if not self._rest and live is not None and not live.is_closed:
            count = live.receive(monotonic_ns() + self._story.timeout_ns)
            self._rest = memoryview(bytes(live.view[:count]))
        elif not self._rest and self._story.error is not None:
            raise self._story.error
        count = min(len(target), len(self._rest))
        target[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        if not self.closed and self._story.live is not None:
            self._story.live.close()
        super().close()

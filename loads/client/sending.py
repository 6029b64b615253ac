"""Sends a request that requests has prepared: the way of all that is not the session's short one.

urllib3 writes it down, or streams it, as it would for its own connection; over the wire it goes on one of ours.
"""

from __future__ import annotations

import errno
import warnings
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from requests.utils import select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import InsecureRequestWarning
from urllib3.util.url import _encode_target

from loads.client.clock import monotonic_ns
from loads.client.dialer import DialError
from loads.client.engine import log
from loads.client.exchange import Broken, Unclear, converse, receive
from loads.client.hit import Hit
from loads.client.origin import place_of
from loads.client.response import FastResponse, ToldResponse, decoded
from loads.client.retelling import Story, retell
from loads.client.user import hit_name
from loads.metrics.summary import SeriesKey

if TYPE_CHECKING:
    from requests import PreparedRequest, Response
    from requests.adapters import HTTPAdapter

    from loads.client.engine import Engine, Kept
    from loads.client.exchange import Answer
    from loads.client.origin import Origin
    from loads.client.transport import Connection
    from loads.client.user import VirtualUser

_WHOLE: Final = (bytes, str, type(None))


class Passage(NamedTuple):
    """Where a request goes, and how."""

    origin: Origin
    target: str
    connect_ns: int
    read_ns: int


def send_prepared(
    engine: Engine,
    user: VirtualUser,
    kept: Kept,
    adapter: HTTPAdapter,
    request: PreparedRequest,
    *,
    stream: Any,
    timeout: Any,
    verify: Any,
    cert: Any,
    proxies: Any,
) -> Response | None:
    """As `HTTPAdapter.send`, over a connection of `kept`, counted for `user`. None: it is for requests' own to do."""
    if not engine.dials or stream or cert or request.hooks.get("response") or not isinstance(request.url, str):
        return None
    passage = _passage(engine, request, timeout, verify, proxies)
    if passage is None:
        return None
    settings = {"stream": True, "timeout": timeout, "verify": verify, "cert": cert, "proxies": proxies}
    return _Sending(engine, user, kept, adapter, request, passage, settings).send()


def _passage(engine: Engine, request: PreparedRequest, timeout: Any, verify: Any, proxies: Any) -> Passage | None:
    url = str(request.url)
    if select_proxy(url, proxies):
        return None
    try:
        place, target, timeouts = place_of(url), request.path_url, engine.timeouts_ns(timeout)
    except ValueError:
        return None
    if timeouts is None or place is None or not target.startswith("/"):
        return None
    trusted = engine.trust(verify) if place[0] == "https" else False
    if trusted is None:
        return None
    origin = engine.origins.get(*place, trusted)
    return Passage(origin, _encode_target(target), *timeouts)


class _Sending:
    """One request on its way."""

    def __init__(
        self,
        engine: Engine,
        user: VirtualUser,
        kept: Kept,
        adapter: HTTPAdapter,
        request: PreparedRequest,
        passage: Passage,
        settings: dict[str, Any],
    ) -> None:
        self._engine = engine
        self._user = user
        self._kept = kept
        self._adapter = adapter
        self._request = request
        self._passage = passage
        self._settings = settings
        self._connection: Connection | None = None
        self._begin_ns = 0
        self._spent = False
        """The request did not get through whole."""
        self._hit: Hit

    def send(self) -> Response:
        """The answer, or what requests makes of there being none."""
        passage, request = self._passage, self._request
        origin = passage.origin
        if origin.scheme == "https" and origin.verify is False and not self._engine.settings.insecure:
            warnings.warn(f"the certificate of {origin.host} is not verified", InsecureRequestWarning, stacklevel=5)
        if not self._engine.settings.keepalive:
            request.headers["Connection"] = "close"
        assert self._user.recorder is not None
        name = hit_name.get()
        shown = origin.shown + passage.target.partition("?")[0] if name is None else name
        key = SeriesKey(self._user.scenario, str(request.method), shown, name is not None)
        self._user.last_hit = key
        self._hit = Hit(self._user.recorder, key)
        self._begin_ns = monotonic_ns()
        trouble: DialError | Broken | Unclear
        try:
            answer = self._exchange()
        except (DialError, Broken, Unclear) as error:
            trouble = error.with_traceback(None)
        except BaseException as error:
            self._drop()
            self._hit.failed(error)
            raise
        else:
            return self._answered(answer)
        if isinstance(trouble, DialError):
            self._hit.opened = trouble.opened
            self._hit.broken(trouble.kind)
            self._hit.failed(trouble.error)
            return retell(Story(dial_error=trouble), request, **self._settings)
        if self._hit.opened is None and isinstance(trouble, Broken) and trouble.was_closed:
            origin.found(alive=False, idle_ns=0)
        story = story_of(trouble, self._connection, passage.read_ns, self._hit)
        return tell(story, self._hit, self._begin_ns, request, **self._settings)

    def _exchange(self) -> Answer:
        """
        Raises:
            DialError, Broken, Unclear: there is no plain answer.
        """
        request, passage, hit = self._request, self._passage, self._hit
        bodyless = request.method == "HEAD"
        body: Any = request.body
        if isinstance(body, _WHOLE):
            written: list[bytes] = []
            self._write(written.append)
            data = b"".join(written)
            connection = self._open()
            hit.sending()
            hit.bytes_sent = len(data)
            return converse(connection, data, self._engine.heads, bodyless, passage.read_ns, monotonic_ns())
        try:
            self._write(self._stream)
        except BrokenPipeError:
            self._spent = True  # the answer may be there all the same
        except OSError as error:
            if error.errno == errno.ECONNRESET:
                self._spent = True
                return receive(self._open(), self._engine.heads, bodyless, passage.read_ns, monotonic_ns())
            raise Broken(b"", error, None, sending=True) from None
        return receive(self._open(), self._engine.heads, bodyless, passage.read_ns, monotonic_ns())

    def _write(self, outlet: Any) -> None:
        """Have urllib3 write the request down."""
        request, origin = self._request, self._passage.origin
        writer = (_Writer if origin.scheme == "http" else _SealedWriter)(origin.host, origin.port)
        writer.outlet = outlet
        chunked = not (request.body is None or "Content-Length" in request.headers)
        body: Any = request.body
        writer.request(str(request.method), self._passage.target, body, request.headers, chunked=chunked)

    def _open(self) -> Connection:
        if self._connection is None:
            self._connection = self._kept.take(self._passage.origin)
        if self._connection is None:
            self._connection = self._engine.dialer.open(self._passage.origin, self._passage.connect_ns)
            self._hit.opened = self._connection.opened
        self._connection.timeout_ns = self._passage.read_ns
        return self._connection

    def _stream(self, data: Any) -> None:
        """Send a piece at once: whoever makes the next one may take its time."""
        connection = self._open()
        self._hit.sending()
        self._hit.bytes_sent += memoryview(data).nbytes
        connection.send(data, self._passage.read_ns)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _answered(self, answer: Answer) -> Response:
        hit = self._hit
        head, content, first_ns, end_ns, received, spent = answer
        hit.bytes_received, hit.first_ns = received, first_ns
        body = content
        assert self._connection is not None
        if head.encoding and (content or "," in head.encoding):
            plain = decoded(head, content)
            if plain is None:
                self._connection.close()
                hit.spoilt(head.status, received, first_ns, end_ns)
                return retell(Story(head.with_body(content)), self._request, **self._settings)
            content = plain
        if head.keep and not (spent or self._spent) and self._engine.settings.keepalive:
            self._kept.give(self._connection, end_ns)
        else:
            self._connection.close()
        hit.answered(head.status)
        hit.closed(end_ns)
        if self._engine.debug:
            log.debug("requests' own way: %s %s %d", self._request.method, self._request.url, head.status)
        response = FastResponse.to(self._request, self._adapter, head, content, first_ns - self._begin_ns)
        response.body = body
        return response


def tell(story: Story, hit: Hit, begin_ns: int, request: PreparedRequest, **settings: Any) -> Response:
    """What requests makes of a request that was sent and has no plain answer. The hit ends with the body, or now."""
    story.hit = hit
    try:
        response = retell(story, request, **settings)
    except BaseException as error:
        if story.live is not None:
            story.live.close()
        hit.failed(error)
        raise
    told = ToldResponse.of(response, (hit.first_ns or monotonic_ns()) - begin_ns, hit)
    hit.answered(response.status_code)
    return told


def story_of(trouble: Broken | Unclear, connection: Connection | None, timeout_ns: int, hit: Hit) -> Story:
    """What happened to a request that was sent, for requests to hear."""
    hit.first_ns = trouble.first_ns
    if isinstance(trouble, Unclear):
        return Story(trouble.received, live=connection, timeout_ns=timeout_ns)
    if connection is not None:
        connection.close()
    return Story(send_error=trouble.error) if trouble.sending else Story(trouble.received, trouble.error)


class _Writer(HTTPConnection):
    """urllib3's connection, which hands on what it would send."""

    outlet: Any

    def send(self, data: Any) -> None:
        self.outlet(data)


class _SealedWriter(HTTPSConnection):
    """The same for https: only the port that needs no mention differs."""

    outlet: Any

    def send(self, data: Any) -> None:
        self.outlet(data)

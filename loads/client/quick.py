"""The session of a virtual user in a worker: requests' calls, the short way where that makes no difference.

A call goes the short way when nothing about it or the session asks for more: then its head is there already, one
connection is taken, and the answer is made of what came back. What the short way depends on is checked at each call:
whoever changes a header, a cookie, `verify` or the adapters is heeded at once. Everything else is `requests.Session`
over `EngineAdapter`, and an answer that isn't plain (a redirect, a broken body) is handed to it there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import MutableMapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import requests
from gevent import get_hub
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar, extract_cookies_to_jar, merge_cookies
from requests.hooks import default_hooks
from requests.sessions import Session
from urllib3 import HTTPConnectionPool

from loads.client.adapter import EngineAdapter
from loads.client.bodies import Extra, extra_of, with_params
from loads.client.clock import monotonic_ns
from loads.client.dialer import DialError
from loads.client.engine import engine, log
from loads.client.environment import environment
from loads.client.exchange import Broken, Unclear, converse
from loads.client.hit import Hit
from loads.client.kinds import kind_of
from loads.client.response import FastResponse, decoded
from loads.client.retelling import Story, retell
from loads.client.sending import story_of, tell
from loads.client.session import LoadsSession
from loads.client.state import Cookies, Headers
from loads.client.user import hit_name
from loads.metrics.counters import SENT
from loads.metrics.summary import SeriesKey

if TYPE_CHECKING:
    from loads.client.adapter import Tale
    from loads.client.calls import Call, Fields
    from loads.client.origin import Origin
    from loads.client.recorder import Opened
    from loads.client.transport import Connection
    from loads.client.user import VirtualUser

_SEND: Final = Session.send
_REQUEST: Final = Session.request
_GET: Final = Session.get
_GET_ADAPTER: Final = Session.get_adapter
_URLOPEN: Final = HTTPConnectionPool.urlopen
"""Whoever replaces these, as mocks do, means our sessions, too."""
_NO_HOOKS: Final = default_hooks()
_METHODS: Final = frozenset({"request", "send", "get_adapter", "prepare_request", "merge_environment_settings"})
_SETTINGS: Final = frozenset({"verify", "cert", "stream", "trust_env", "auth", "headers", "cookies"})
"""What a session's fields are made of, besides the headers in it."""


class QuickSession(LoadsSession):
    """One per virtual user, of one greenlet mostly; several at once are in nobody's way."""

    def __init__(self, user: VirtualUser) -> None:
        self._engine = engine()
        self._timeouts = self._engine.timeout_ns, self._engine.timeout_ns
        self._user = user
        self._adapter = EngineAdapter(self._engine, user)
        self._idle = self._adapter.kept.idle
        self._mounted: MutableMapping[str, Any] | None = None
        self._fields: Fields | None = None
        self._version = 0
        self._wrapped = False
        """Somebody put something else in the place of one of its methods."""
        self.headers = Headers(requests.utils.default_headers())
        self.auth = None
        self.proxies = {}
        self.hooks = default_hooks()
        self.params = {}
        self.stream = False
        self.verify = True
        self.cert = None
        self.max_redirects = requests.models.DEFAULT_REDIRECT_LIMIT
        self.trust_env = True
        self.cookies = Cookies()
        if not self._engine.settings.keepalive:
            self.headers["Connection"] = "close"

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _SETTINGS:
            self._fields = None
        elif name in _METHODS:
            self._wrapped = True
            self._fields = None
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        self._wrapped = not _METHODS.isdisjoint(vars(self))

    @property
    def adapters(self) -> MutableMapping[str, Any]:
        """As requests' own; whoever looks may change them, so from then on they are asked at each call."""
        if self._mounted is None:
            self._mounted = OrderedDict([("https://", self._adapter), ("http://", self._adapter)])
        return self._mounted

    @adapters.setter
    def adapters(self, value: Any) -> None:
        self._mounted = value

    def get_adapter(self, url: str) -> Any:
        """As requests', without making a show of the adapters that everybody has."""
        if (
            self._mounted is None
            and Session.get_adapter is _GET_ADAPTER
            and url[:8].lower().startswith(("http://", "https://"))
        ):
            return self._adapter
        return super().get_adapter(url)

    def __reduce_ex__(self, _protocol: Any) -> Any:
        """A copy is a session of requests' own with the same settings. In a worker it is counted like any."""
        state: Any = self.__getstate__()
        if self._mounted is None:
            del state["adapters"]
        return Session, (), state

    def close(self) -> None:
        """Close all connections."""
        self._adapter.close()
        if self._mounted is not None:
            super().close()

    def get(self, url: Any, params: Any = None, **kwargs: Any) -> Any:
        """As requests'. With nothing but a URL, which most have, half the questions need not be asked."""
        if Session.get is not _GET:
            return super().get(url, params=params, **kwargs)
        if params is None and not kwargs and type(url) is str and self._mounted is None and not self._wrapped:
            fields = self._plain_fields()
            if fields is not None and self.auth is None and not self.cookies._cookies:  # type: ignore[attr-defined]
                call = fields.find(("GET", url))
                if call is not None:
                    return self._send(call, None, call.complete, self._timeouts, None, None, True)
        return self.request("GET", url, params, **kwargs)

    def request(
        self,
        method: Any,
        url: Any,
        params: Any = None,
        data: Any = None,
        headers: Any = None,
        *args: Any,
        json: Any = None,
        timeout: Any = None,
        allow_redirects: Any = True,
        auth: Any = None,
        name: Any = None,
        **others: Any,
    ) -> Any:
        """As `requests.Session.request`, with `name` and `catch`."""
        fields = self._plain_fields()
        if fields is not None and not args and not others:
            if headers:
                fields = fields.with_headers(headers)
            if fields is not None:
                target: Any = url if params is None else with_params(url, params)
                call = None
                if type(target) is str and type(method) is str:
                    call = fields.find((method, target)) or fields.call(method, target)
                timeouts = self._timeouts if timeout is None else self._engine.timeouts_ns(timeout)
                if (
                    call is not None
                    and timeouts is not None
                    and (self._mounted is None or self.get_adapter(call.url) is self._adapter)
                    and (name is None or (name and isinstance(name, str)))
                ):
                    if json is None and not data and auth is None and self.auth is None and not self.cookies._cookies:  # type: ignore[attr-defined]
                        return self._send(call, None, call.complete, timeouts, name, timeout, allow_redirects)
                    extra = extra_of(call, data, json, self.auth if auth is None else auth, self.cookies)  # type: ignore[arg-type]
                    if extra is not None:
                        message = extra.message(call)
                        return self._send(call, extra, message, timeouts, name, timeout, allow_redirects)
        given = {"json": json, "timeout": timeout, "auth": auth, "name": name}
        others |= {key: value for key, value in given.items() if value is not None}
        if allow_redirects is not True:
            others["allow_redirects"] = allow_redirects
        return super().request(method, url, params, data, headers, *args, **others)

    def _send(
        self,
        call: Call,
        extra: Extra | None,
        message: bytes,
        timeouts: tuple[int, int],
        name: str | None,
        timeout: Any,
        follow: Any,
    ) -> Any:
        """Send `message`, which is `call` with `extra`, and make the answer to it. The hot path."""
        user, engine = self._user, self._engine
        recorder = user.recorder
        assert recorder is not None
        scenario = user.scenario
        if name is not None:
            key = SeriesKey(scenario, call.method, name, True)
        else:
            if call.scenario is not scenario:
                call.serve(scenario)
            key = call.key
        user.last_hit = key
        origin = call.origin
        begin_ns = sent_ns = monotonic_ns()
        opened = None
        idle = self._idle.get(origin)
        connection = idle.pop() if idle else None
        if (
            connection is None
            or begin_ns - connection.idle_ns > origin.look_after_ns
            or connection.hub is not get_hub()
        ):
            found = self._open(connection, origin, timeouts[0], key, begin_ns)
            if isinstance(found, DialError):
                return self._resume(call, extra, name, timeout, follow, partial(retell, Story(dial_error=found)))
            connection = found
            opened, connection.opened = connection.opened, None
            sent_ns = monotonic_ns()
        recorder.page[SENT] += 1
        trouble: Broken | Unclear
        try:
            head, body, first_ns, end_ns, received, spent = converse(
                connection, message, engine.heads, call.bodyless, timeouts[1], sent_ns
            )
        except (Broken, Unclear) as error:
            trouble = error.with_traceback(None)
        except BaseException as error:
            connection.close()
            self._sent_hit(key, begin_ns, sent_ns, len(message), opened).failed(error)
            raise
        else:
            content = decoded(head, body) if head.encoding and (body or "," in head.encoding) else body
            if content is None:
                connection.close()
                hit = self._sent_hit(key, begin_ns, sent_ns, len(message), opened)
                hit.spoilt(head.status, received, first_ns, end_ns)
                return self._resume(call, extra, name, timeout, follow, partial(retell, Story(head.with_body(body))))
            if head.keep and not spent and engine.settings.keepalive:
                if idle is None or idle or self._idle.get(origin) is not idle:
                    self._adapter.kept.give(connection, end_ns)
                else:  # its place is free, and nobody has given it up meanwhile
                    connection.idle_ns = end_ns
                    idle.append(connection)
            else:
                connection.close()
            if call.key is key and call.epoch == recorder.epoch:
                series = call.series
            else:  # others use the call, too: perhaps for another test since we began to wait
                series = recorder.series(key)
                if call.key is key:
                    call.series, call.epoch = series, recorder.epoch
            if opened is not None:
                recorder.opened(series, opened)
            recorder.answered(
                series,
                (end_ns - begin_ns) // 1_000,
                (first_ns - sent_ns) // 1_000,
                (end_ns - first_ns) // 1_000,
                head.status,
                len(message),
                received,
                self._user.late_us,
            )
            if engine.debug:
                log.debug("short way: %s %s %d", call.method, call.url, head.status)
            response = FastResponse(head, content, first_ns - begin_ns, self, call, extra)
            if content is not body:
                response.body = body
            if head.redirects:
                return self._resume(call, extra, name, timeout, follow, response.to_prepared)
            if head.sets_cookies:
                extract_cookies_to_jar(self.cookies, response.request, response.raw)  # type: ignore[no-untyped-call]
            return response
        hit = self._sent_hit(key, begin_ns, sent_ns, len(message), opened)
        if opened is None and isinstance(trouble, Broken) and trouble.was_closed:
            origin.found(alive=False, idle_ns=0)
        story = story_of(trouble, connection, timeouts[1], hit)
        return self._resume(call, extra, name, timeout, follow, partial(tell, story, hit, begin_ns))

    def _open(
        self, stale: Connection | None, origin: Origin, timeout_ns: int, key: SeriesKey, begin_ns: int
    ) -> Connection | DialError:
        """A connection to `origin`: `stale` if it is good yet, another idle one, or a new one. Or why there is none."""
        kept, recorder = self._adapter.kept, self._user.recorder
        assert recorder is not None
        if stale is not None:
            kept.idle[origin].append(stale)
        try:
            return kept.take(origin) or self._engine.dialer.open(origin, timeout_ns)
        except DialError as error:
            recorder.hit(key, _us_since(begin_ns), None, error.kind, False, 0, 0, None, error.opened)
            return error.with_traceback(None)
        except BaseException as error:
            recorder.hit(key, _us_since(begin_ns), None, kind_of(error, sent=False), False, 0, 0)
            raise

    def _sent_hit(self, key: SeriesKey, begin_ns: int, sent_ns: int, sent_bytes: int, opened: Opened | None) -> Hit:
        """For a request that was sent, and whose end is out of the ordinary."""
        assert self._user.recorder is not None
        hit = Hit(self._user.recorder, key, begin_ns)
        hit.went(sent_ns)
        hit.bytes_sent, hit.opened = sent_bytes, opened
        return hit

    def _resume(self, call: Call, extra: Extra | None, name: str | None, timeout: Any, follow: Any, tale: Tale) -> Any:
        """Let requests go on from the answer to a request that was sent: as `tale` tells it."""
        before, lent = self._user.enter(), getattr(self.cookies, "lent", None)
        token = hit_name.set(name)
        self._adapter.ready = tale
        try:
            settings = self.merge_environment_settings(call.url, {}, None, None, None)
            return self.send(self.asked(call, extra), timeout=timeout, allow_redirects=follow, **settings)
        finally:
            self._adapter.ready = None
            self._take_back(lent)
            hit_name.reset(token)
            self._user.leave(before)

    def asked(self, call: Call, extra: Extra | None) -> requests.PreparedRequest:
        """The request as requests would have prepared it."""
        request = call.prepared() if extra is None else extra.prepared(call)
        if extra is None and call.counts:
            request.headers["Content-Length"] = "0"
        lent = getattr(self.cookies, "lent", None)
        request._cookies = merge_cookies(RequestsCookieJar(), self.cookies)  # type: ignore[no-untyped-call, attr-defined]
        self._take_back(lent)
        return request

    def _requested(
        self, method: Any, url: Any, name: str | None, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> requests.Response:
        """The long way: requests', with hits counted where the request is sent."""
        before, lent = self._user.enter(), getattr(self.cookies, "lent", None)
        token = hit_name.set(name)
        try:
            return Session.request(self, method, url, *args, **kwargs)
        finally:
            self._take_back(lent)
            hit_name.reset(token)
            self._user.leave(before)

    def _take_back(self, lent: bool | None) -> None:
        """Requests has looked through the cookies and changed none of them."""
        if lent is False and type(self.cookies) is Cookies:
            self.cookies.lent = False

    def _plain_fields(self) -> Fields | None:
        """What calls are made with; None: the session wants more of them than bytes on the wire."""
        fields = self._fields
        if fields is None or self.headers.version != self._version:  # type: ignore[attr-defined]
            fields = self._look()
        if self.params or self.proxies or self.hooks != _NO_HOOKS or HTTPAdapter.send is not self._engine.adapter_send:
            return None
        if Session.send is not _SEND or Session.request is not _REQUEST or Session.get_adapter is not _GET_ADAPTER:
            return None
        return fields if HTTPConnectionPool.urlopen is _URLOPEN else None

    def _look(self) -> Fields | None:
        """What calls are made with as the session is now; None: nothing goes the short way."""
        headers, cookies, auth = self.headers, self.cookies, self.auth
        self._fields = None
        if self._wrapped or not self._engine.dials:
            return None
        if type(headers) is not Headers or type(cookies) is not Cookies or self.cert is not None or self.stream:
            return None
        if auth is not None and type(auth) is not tuple:
            return None
        surroundings = environment() if self.trust_env else None
        verify = self.verify
        if surroundings is not None and surroundings.ca_bundle is not None:
            verify = surroundings.ca_bundle  # stands before the session's own: requests' order
        trusted = self._engine.trust(verify)
        if trusted is None or (trusted is False and not self._engine.settings.insecure):
            return None
        self._fields = self._engine.fields(tuple(headers.items()), trusted, surroundings)
        self._version = headers.version
        return self._fields


def _us_since(begin_ns: int) -> int:
    return (monotonic_ns() - begin_ns) // 1_000

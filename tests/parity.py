"""One call, two sessions: stock requests and ours against one torture server, and what differs.

`Parity.check` runs the same steps on a new `requests.Session()` and on a new `LoadsSession`, and fails with the list of
differences in what the server saw, what the caller got, the session's cookies, the warnings, and whether the session
still works after. It also holds our record of the calls against the server's.
"""

from __future__ import annotations

import logging
import re
import signal
import ssl
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final

import pytest
import requests
import trustme
import urllib3
import urllib3.filepost

from loads.client.engine import configure
from loads.client.environment import environment
from loads.client.session import session_of
from loads.client.settings import NetSettings
from loads.client.user import VirtualUser
from loads.metrics.counters import SENT, UNSENT
from loads.metrics.summary import Series
from tests.build import new_recorder
from tests.parity_views import attempt, differences, is_raised, jar_view, view
from tests.torture import Torture, run_torture
from tests.torture_answers import OK, Answer

HUNG_S: Final = 30
HANDED_OVER: Final = frozenset({"proxies", "stream", "cert", "hooks"})
"""Arguments with which a call goes the way of stock requests."""
VARIABLES: Final = (
    *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "NETRC"),
    *(f"{scheme}_proxy" for scheme in ("http", "https", "all", "no")),
    *(f"{scheme}_PROXY" for scheme in ("HTTP", "HTTPS", "ALL", "NO")),
)


def name_of(value: object) -> str:
    """`value` in the name of a test: without addresses, which differ from process to process."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))[:60]


@dataclass(frozen=True)
class Fresh:
    """An argument that a call uses up: made anew for each session."""

    make: Callable[[], Any]
    shown: str = ""

    def __repr__(self) -> str:
        return self.shown or "Fresh(...)"


class Call:
    """One call of a session; `then` looks at the answer in a way of its own."""

    def __init__(
        self, method: str, url: Any, *, then: Callable[[requests.Response], Any] | None = None, **kwargs: Any
    ) -> None:
        self.method, self.url, self.kwargs, self.then = method, url, kwargs, then

    def __repr__(self) -> str:
        return f"Call({self.method!r}, {self.url!r}, **{self.kwargs!r})"

    def __call__(self, session: requests.Session) -> Any:
        kwargs = {name: value.make() if isinstance(value, Fresh) else value for name, value in self.kwargs.items()}
        with session.request(self.method, self.url, **kwargs) as response:
            return view(response) if self.then is None else self.then(response)

    @property
    def handed_over(self) -> bool:
        """Whether stock requests does it for us."""
        auth = self.kwargs.get("auth")
        return (
            bool(HANDED_OVER & {name for name, value in self.kwargs.items() if value})
            or (auth is not None and not isinstance(auth, tuple))
            or isinstance(self.kwargs.get("timeout"), urllib3.Timeout)
        )

    @property
    def apart(self) -> bool:
        """Whether stock requests keeps the connection apart from those of plain calls: even where there is no TLS."""
        return self.kwargs.get("verify") not in (None, True) or bool(self.kwargs.get("cert"))


Step = Call | Callable[[requests.Session], Any]


@dataclass
class Outcome:
    """What came of the steps, on one of the two sessions."""

    results: list[Any] = field(default_factory=list)
    seen: list[Any] = field(default_factory=list)
    """By server, by connection, the bytes of the requests."""
    in_order: list[Any] = field(default_factory=list)
    """By server, the bytes of the requests as they came."""
    cookies: Any = None
    after: Any = None
    warned: Any = None
    counted: int = 0
    """Requests that the servers saw during the steps."""
    recorded: Series | None = None
    """What our recorder holds of the steps; None if it holds nothing."""


class Parity:
    """Compares the two against `servers`; the first of them also answers the plain request after each comparison."""

    def __init__(self, *servers: Torture) -> None:
        self.servers = servers
        self.server, self.url = servers[0], servers[0].url
        for server in servers:
            server.at["/after"] = OK

    def check(
        self,
        *steps: Step,
        answers: Sequence[Answer] = (),
        verify: str | None = None,
        recorded: bool | None = None,
        ignore: Sequence[str] = (),
        connections: bool | None = None,
        hung_s: int = HUNG_S,
    ) -> Outcome:
        """Fail if the two differ, or if our record does not hold what the server saw; else what ours came to.

        `verify` is the CA file of the sessions. `recorded` tells whether all steps go the fast way; None finds out
        from the calls. `ignore` are fields of an `Outcome` that must differ. Without `connections`, which is so where
        some calls go the way of stock requests or fail, the same requests may come over other connections.
        """
        if recorded is None:
            recorded = all(isinstance(step, Call) and not step.handed_over for step in steps)
        stock = self.outcome(requests.Session, steps, answers, verify, hung_s)
        ours = self.ours(*steps, answers=answers, verify=verify, hung_s=hung_s)
        raised = any(map(is_raised, stock.results))
        if connections is None:
            apart = any(isinstance(step, Call) and step.apart for step in steps)
            connections = recorded and not apart and not raised
        if not connections:
            for outcome in (stock, ours):
                # Who gives up in the middle of a request may be back before the server has looked at it.
                outcome.seen = [sorted(seen) for seen in outcome.in_order] if raised else outcome.in_order
        compared = [name for name in ("results", "seen", "cookies", "after", "warned") if name not in ignore]
        found = differences(
            {name: getattr(stock, name) for name in compared}, {name: getattr(ours, name) for name in compared}
        )
        if found:
            listed = "\n".join(found[:20])
            pytest.fail(f"stock requests and ours differ after {steps} answered by {str(answers)[:2000]}:\n{listed}")
        sent = 0 if ours.recorded is None else ours.recorded.sent
        if recorded and sent != ours.counted:
            pytest.fail(f"the servers saw {ours.counted} requests, recorded are {ours.recorded} after {steps}")
        return ours

    def ours(
        self, *steps: Step, answers: Sequence[Answer] = (), verify: str | None = None, hung_s: int = HUNG_S
    ) -> Outcome:
        """The steps with a session of ours alone."""
        recorder = new_recorder()

        def totals() -> Series | None:
            series = list(recorder.summary.series.values())
            if not series:
                return None
            total = Series()
            for one in series:
                total.merge(one)
            assert (total.sent, total.unsent) == (recorder.page[SENT], recorder.page[UNSENT])
            assert total.hits == sum(total.statuses.values()) + sum(total.errors.values())
            assert total.service.count == total.sent
            return total

        def new_session() -> requests.Session:
            return session_of(VirtualUser(recorder=recorder))

        return self.outcome(new_session, steps, answers, verify, hung_s, totals)

    def outcome(
        self,
        new_session: Callable[[], requests.Session],
        steps: Sequence[Step],
        answers: Sequence[Answer],
        verify: str | None,
        hung_s: int,
        totals: Callable[[], Series | None] = lambda: None,
    ) -> Outcome:
        """Run `steps` with a session, which is gone then; the servers give their requests `answers`."""
        for server in self.servers:
            server.wait_gone()
            server.play(*answers)
        outcome = Outcome()
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            with limit(hung_s), new_session() as session:
                if verify is not None:
                    session.verify = verify
                outcome.results = [self._result(session, step) for step in steps]
                outcome.recorded = totals()
                outcome.cookies = jar_view(session.cookies)
                outcome.after = self._after(session)
                _close_pools(session)
        del session
        # Of what was left unclosed the garbage collector tells when it likes.
        outcome.warned = sorted({warning.category.__name__ for warning in warned} - {"ResourceWarning"})
        for server in self.servers:
            server.wait_gone()
        outcome.seen = [server.seen() for server in self.servers]
        outcome.in_order = [[request.raw for request in server.requests()] for server in self.servers]
        requests = [request for server in self.servers for request in server.requests()]
        outcome.counted = sum(request.path != "/after" for request in requests)
        return outcome

    def _result(self, session: requests.Session, step: Step) -> Any:
        result = attempt(lambda: step(session))
        for server in self.servers:
            server.wait_idle()
        return result

    def _after(self, session: requests.Session) -> Any:
        """A plain request works, whatever happened before."""
        return self._result(session, lambda session: view(session.get(f"{self.url}/after", timeout=5)))


def _close_pools(session: requests.Session) -> None:
    """urllib3 leaves that to the garbage collector, which would cost each test a tenth of a second."""
    for adapter in session.adapters.values() if type(session) is requests.Session else ():
        pools = getattr(adapter, "poolmanager", urllib3.PoolManager()).pools
        for key in pools.keys():  # noqa: SIM118 - no dictionary
            pools[key].close()


@contextmanager
def two_sessions(context: ssl.SSLContext | None = None) -> Iterator[Parity]:
    """A torture server, over TLS with a `context`, and the two sessions in an environment that says nothing."""
    with clean_environment(), run_torture(context) as server:
        yield Parity(server)


def engine_is_active(server: Torture) -> bool:
    """Whether plain calls are made, and recorded, by an engine of our own."""
    return Parity(server).ours(Call("GET", server.url)).recorded is not None


class _Hung(KeyboardInterrupt):
    """Of the kind that a hub of gevent passes on."""


@contextmanager
def limit(seconds: int) -> Iterator[None]:
    """Fail what takes longer: nothing that a server does may hang its client."""

    def alarm(_signum: int, _frame: FrameType | None) -> None:
        raise _Hung

    before = signal.signal(signal.SIGALRM, alarm)
    signal.alarm(seconds)
    try:
        yield
    except _Hung:
        pytest.fail(f"hung for {seconds} s")
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def clean_environment() -> Iterator[pytest.MonkeyPatch]:
    """No proxies, no .netrc, no CA bundles, whatever this machine sets; and no chance in multipart bodies.

    Nor does urllib3 log: pytest would keep its records, and with their tracebacks the connections in them.
    """
    log = logging.getLogger("urllib3")
    level = log.level
    with pytest.MonkeyPatch.context() as patch:
        log.setLevel(logging.CRITICAL)
        for name in VARIABLES:
            patch.delenv(name, raising=False)
        patch.setenv("NETRC", "/nonexistent/netrc")
        patch.setattr(urllib3.filepost, "choose_boundary", lambda: "0123456789abcdef")
        look_again()
        yield patch
    log.setLevel(level)
    look_again()


def look_again() -> None:
    """Forget what the environment said: a worker asks it once."""
    environment.cache_clear()
    configure(NetSettings())


@dataclass(frozen=True)
class Authority:
    """A CA for tests, and the file that a client trusts it by."""

    ca: trustme.CA
    path: str

    @classmethod
    def below(cls, directory: Path) -> Authority:
        """A new one, with its file in `directory`."""
        ca = trustme.CA()
        path = directory / "ca.pem"
        ca.cert_pem.write_to_path(str(path))
        return cls(ca, str(path))

"""One virtual user: its numbers and its session; and which one is running right now.

The worker makes one per VU slot; under plain unittest each test makes a lone one for itself, without a recorder. What
records finds the running user through `running()`, so that a request made anywhere inside a test is counted for its VU.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, NamedTuple

from loads.client.clock import monotonic_ns

if TYPE_CHECKING:
    import requests

    from loads.client.hit import Hit
    from loads.client.recorder import Recorder
    from loads.client.rows import Rows
    from loads.metrics.summary import SeriesKey

_running: ContextVar[VirtualUser | None] = ContextVar("loads_user", default=None)
hit_name: ContextVar[str | None] = ContextVar("loads_hit_name", default=None)
"""The `name=` of the call that is being made; None: named after its URL."""

OUTSIDE = "(outside)"
"""Scenario of what happens in fixtures, and in threads that a test starts by itself."""


class Numbers(NamedTuple):
    """Who is running, for data that must differ: all count from 0, `users` is how many there are.

    `iteration` is the user's own count.
    """

    user: int = 0
    users: int = 1
    iteration: int = 0
    worker: int = 0


class VirtualUser:
    """A slot that runs iterations. `recorder` is None under plain unittest: nothing is counted then."""

    def __init__(
        self,
        numbers: Numbers = Numbers(),  # noqa: B008 - an immutable tuple
        recorder: Recorder | None = None,
        scenario: str = OUTSIDE,
    ) -> None:
        self._numbers = numbers
        self.iteration = numbers.iteration
        """Which of its iterations runs; the executor counts."""
        self.recorder = recorder
        self.scenario = scenario
        self.late_us = 0
        """How much later than it should have the running iteration began."""
        self.last_hit: SeriesKey | None = None
        """The request that the running iteration made last."""
        self.open_session: requests.Session | None = None
        """Its cookies and connections, from the first use on (see `session.session_of`)."""
        self.rows: Rows | None = None
        """Which rows of feeds are its own; None: nobody said, so those that follow from its numbers."""
        self.held: list[Hit] = []
        """Requests that wait for the test's word on them."""

    def __repr__(self) -> str:
        return f"<VirtualUser {self._numbers.user}/{self._numbers.users} {self.scenario}>"

    @property
    def numbers(self) -> Numbers:
        """Who is running, put together when a test asks: few do, and there is an iteration every few microseconds."""
        return self._numbers._replace(iteration=self.iteration)

    def transaction(self, name: str, *, named: bool) -> AbstractContextManager[None]:
        """Time a block as a series of its own; a block that raises counts as failed."""
        return nullcontext() if self.recorder is None else _Transaction(self, self.recorder, name, named)

    def release_held(self) -> None:
        """Count what the test said nothing about."""
        for hit in self.held:
            hit.release(None)
        self.held.clear()

    def enter(self) -> Token[VirtualUser | None]:
        """Make this the running user of the current greenlet; what comes back is for `leave`."""
        return _running.set(self)

    def leave(self, before: Token[VirtualUser | None]) -> None:
        """Make the user before `enter` the running one again."""
        _running.reset(before)

    def forget(self) -> None:
        """Close the session and start over: the next use makes a new one."""
        session, self.open_session = self.open_session, None
        if session is not None:
            session.close()


class _Transaction:
    __slots__ = ("_begin_ns", "_name", "_named", "_recorder", "_user")

    def __init__(self, user: VirtualUser, recorder: Recorder, name: str, named: bool) -> None:
        self._user = user
        self._recorder = recorder
        self._name = name
        self._named = named

    def __enter__(self) -> None:
        self._begin_ns = monotonic_ns()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        service_us = (monotonic_ns() - self._begin_ns) // 1_000
        user = self._user
        self._recorder.transaction(user.scenario, self._name, self._named, service_us, kind is not None, user.late_us)


def running() -> VirtualUser | None:
    """The user that the current greenlet works for; None outside of one."""
    return _running.get()

"""A cluster as somebody sees it who only looks: its state each second, and each run that he looks at.

Nothing here changes anything but `stop`, and whatever breaks is tried again: the broker may come later, go, and be
another one when it is back. What is wrong is said in `trouble`, in words. Pages know nothing of the wire: this does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

import msgspec

from loads.errors import LoadsError, NotStarted
from loads.metrics.result import Result
from loads.runner.cluster import ask_status, cease
from loads.runner.contact import Contact, role_at
from loads.runner.following import Following
from loads.runner.remote import Session
from loads.runner.spec import TestsRefused
from loads.wire.cluster import Ask, FromBroker, Role, RunState, RunStatus, Status, Welcome
from loads.wire.endpoint import Endpoint

ENDED_RUNS: Final = 20
"""So many of those that have ended are told of each second."""
ALL_RUNS: Final = 10_000
"""As many as a broker tells of at once."""
IDLE_TURNS: Final = 10
"""Nobody looks: the broker is asked each so many seconds."""
AGAIN_S: Final = 1.0
FRESH_S: Final = 2.0
"""What was heard so long ago is asked again for who wants to know."""
_encoder: Final = msgspec.msgpack.Encoder()


class Observer:
    """The cluster of the broker at `endpoint`; `async with` begins and ends looking.

    Attributes:
        status: as it was told last; None: never yet.
        trouble: why that is old; empty: it is not.
        closely: somebody looks, so it is asked for each second.
        may_stop: this key may stop runs, as far as is known here.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.status: Status | None = None
        self.trouble = f"connecting to the broker at {endpoint}"
        self.closely = False
        self.may_stop = role_at(endpoint) is not Role.OBSERVER
        self._contact: Contact | None = None
        self._turns = 0
        self._heard_s = self._all_s = -FRESH_S
        self._live: tuple[RunStatus, ...] = ()
        self._all: tuple[RunStatus, ...] = ()
        self._all_of: object = None
        self._asking = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<Observer of {self.endpoint} trouble={self.trouble!r}>"

    async def __aenter__(self) -> Self:
        self._keeping = asyncio.create_task(self._keep())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await _ended(self._keeping)

    def attend(self, *, closely: bool) -> None:
        """Whether somebody looks now; who comes is not kept waiting for a turn."""
        if closely and not self.closely:
            self._ask()
        self.closely = closely

    async def runs(self) -> tuple[RunStatus, ...]:
        """All runs that the broker tells of, those that go on as they were a second ago.

        Raises:
            LoadsError: it does not answer.
        """
        if self.trouble:
            raise LoadsError(self.trouble, "it is tried again all the time")
        async with self._asking:
            live, ended = self._now()
            if self._all_of != ended or max(self._heard_s, self._all_s) < time.monotonic() - FRESH_S:
                told = (await ask_status(self.endpoint, ALL_RUNS)).runs
                self._all = tuple(run for run in told if _has_ended(run))
                self._live = tuple(run for run in told if not _has_ended(run))
                self._all_s, self._all_of = time.monotonic(), self._now()[1]
            elif self._heard_s > self._all_s:
                self._live = live
        known = {run.id for run in self._all}
        return (*(run for run in self._live if run.id not in known), *self._all)

    async def stop(self, run: str, *, now: bool) -> None:
        """Tell `run` to stop.

        Raises:
            LoadsError: it does not go on, this key may not do that, or the broker does not answer.
        """
        await cease(self.endpoint, run, now=now)

    def watch(self, run: str, changed: Callable[[], None]) -> Watched:
        """Look at `run`; `changed` is called when it is there, and when it is over."""
        return Watched(run, self.endpoint, changed)

    def _now(self) -> tuple[tuple[RunStatus, ...], object]:
        """Those that go on, and what changes whenever one has ended or was forgotten."""
        runs = () if self.status is None else self.status.runs
        ended = tuple(run.id for run in runs if _has_ended(run))
        return tuple(run for run in runs if not _has_ended(run)), ended

    async def _keep(self) -> None:
        """Stay in contact, whatever comes."""
        while True:
            try:
                async with Contact(self.endpoint, heard=self._heard, turned=self._turned) as self._contact:
                    await self._watch(self._contact)
            except LoadsError as error:
                self.trouble = error.message
            finally:
                self._contact = None
            await asyncio.sleep(AGAIN_S)

    async def _watch(self, contact: Contact) -> None:
        while not contact.failed.done():
            await asyncio.wait([contact.failed], timeout=AGAIN_S)
            if not contact.answers and self.status is not None and not self.trouble:
                self.trouble = f"the broker at {self.endpoint} does not answer"
        contact.failed.result()

    def _heard(self, message: FromBroker) -> None:
        match message:
            case Welcome():
                self._all_of = None  # another broker may know of others
                self._ask()
            case Status():
                self.status, self.trouble = message, ""
                self._heard_s = time.monotonic()

    def _turned(self) -> None:
        self._turns += 1
        if self.closely or self._turns % IDLE_TURNS == 0:
            self._ask()

    def _ask(self) -> None:
        if self._contact is not None:
            self._contact.send(Ask(runs=ENDED_RUNS))


class Watched:
    """A run that is looked at, from where it stands to its end.

    Attributes:
        run: as it was asked for.
        is_over: nothing more will be heard of it.
        refused: why there is nothing to see; None: there is, or may be.
        listed: as the broker's list has one that was refused; None: it has none of that name.
        size_bytes: of the result that is final, as it comes over the wire; 0 until then.
    """

    def __init__(self, run: str, endpoint: Endpoint, changed: Callable[[], None]) -> None:
        self.run = run
        self.is_over = False
        self.refused: LoadsError | None = None
        self.listed: RunStatus | None = None
        self.size_bytes = 0
        self._endpoint, self._changed = endpoint, changed
        self._trouble = ""
        self._session: Session | None = None
        self._following: Following | None = None
        self._task = asyncio.create_task(self._keep())

    def __repr__(self) -> str:
        return f"<Watched {self.run} over={self.is_over} {self._following!r}>"

    @property
    def following(self) -> Following | None:
        """What is known of it; None: nothing yet. A new connection knows nothing before it was told all."""
        session = self._session
        if session is not None and session.following.state is not None:
            self._following = session.following
        return self._following

    @property
    def trouble(self) -> str:
        """What is wrong with the connection; empty: nothing."""
        if self.is_over or self._session is None or self._session.contact.answers:
            return ""
        if self._following is None:
            return self._trouble
        return self._trouble or f"the broker at {self._endpoint} does not answer: this is how it stood before"

    @property
    def result(self) -> Result | None:
        """As far as it is told."""
        following = self.following
        return None if following is None else following.result

    @property
    def is_whole(self) -> bool:
        """`result` has all that there is at this time, times of its series included."""
        return self.is_over or (self.following is not None and self.following.is_whole)

    @property
    def state(self) -> RunState | None:
        """Where it is; None: that is not known yet."""
        if self.is_over:
            return RunState.ENDED if self.refused is None else RunState.REFUSED
        following = self.following
        return None if following is None else following.state

    @property
    def elapsed_us(self) -> int | None:
        """Its age; None: it has not begun."""
        following = self.following
        if following is None or following.result is None:
            return None
        if self.is_over:
            return following.result.duration_us
        return None if following.run_at_us is None else max(0, _now_us() - following.run_at_us)

    def close(self) -> None:
        """Look at it no more."""
        self._task.cancel()

    async def _keep(self) -> None:
        while not self.is_over:
            follower = _Follower(self._changed)
            session = self._session = Session(self._endpoint, follower, run=self.run, detailed=True)
            try:
                outcome = await session.run()
            except (TestsRefused, NotStarted) as error:
                self.listed = await self._find()
                self.refused, self.is_over = error, True
            except LoadsError as error:
                self._trouble = error.message
            else:
                self._following, self.is_over = session.following, True
                self.size_bytes = len(_encoder.encode(outcome))
            self._changed()
            if not self.is_over:
                await asyncio.sleep(AGAIN_S)

    async def _find(self) -> RunStatus | None:
        try:
            runs = (await ask_status(self._endpoint, ALL_RUNS)).runs
        except LoadsError:
            return None
        return next((run for run in runs if run.id == self.run), None)


class _Follower:
    """Has those who look see at once that the plan stands. All else can wait for their next look."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed

    def planned(self, result: Result) -> None:
        """There is something to see."""
        self._changed()

    def progress(self, result: Result, elapsed_us: int) -> None:
        """It is in the result."""

    def printed(self, worker: int, line: str) -> None:
        """It is in the lines."""

    def noticed(self, what: str) -> None:
        """It is in the events, or in `Watched.trouble`."""

    def asked(self, question: str | None) -> None:
        """Nobody is there to be asked."""


def _has_ended(run: RunStatus) -> bool:
    return run.state in (RunState.ENDED, RunState.REFUSED)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def _now_us() -> int:
    return time.monotonic_ns() // 1_000

"""A run on a cluster, followed from here: to its end, or until its user leaves it alone.

The run is the broker's. What dies here, or the way there, costs the run nothing; it is found again by its name. This
brings the connection, the clock and the signals to `Following`, which knows what to say.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any, Final

from loads.bundle.pack import Packed
from loads.errors import ExitCode, LoadsError, NotStarted
from loads.metrics.result import Result
from loads.runner.contact import Contact
from loads.runner.follow import Follower
from loads.runner.following import Detached, Following
from loads.wire.cluster import Submit
from loads.wire.endpoint import Endpoint

QUESTION: Final = "(s)top, (d)etach or (c)ontinue?"
_PROGRESS_S: Final = 0.25


class Answer(Enum):
    """What a user who pressed Ctrl-C wants."""

    STOP = "s"
    DETACH = "d"
    CONTINUE = "c"


Ask = Callable[[Callable[[], None]], Awaitable[Answer]]
"""Calls its argument, which shows the question, once a key that is typed will be heard."""
"""Waits for the user's answer to `QUESTION`, which is on the screen."""


class Left(LoadsError):
    """The user left a run that had not ended (exit code 130)."""

    exit_code = ExitCode.INTERRUPTED


async def run_remote(
    submit: Submit,
    packed: Packed | None,
    endpoint: Endpoint,
    follower: Follower,
    *,
    detach: bool = False,
    detailed: bool = False,
    ask: Ask | None = None,
) -> Result | Detached:
    """Submit a run to the broker at `endpoint` and follow it to its end, or with `detach` to its start.

    `packed` are the files that `submit.bundle` names. SIGINT asks the user what to do if there is an `ask`; else it
    stops the run as SIGTERM does, the first gracefully, the second at once. SIGHUP leaves it alone. With `detailed` all
    series and machines over time are in the result, too.

    Raises:
        TestsRefused: it can't be run.
        UsageError: no broker answers, or it will not have us.
        NotStarted: it was stopped before its first iteration.
    """
    session = Session(endpoint, follower, submit=submit, packed=packed, detach=detach, detailed=detailed)
    return await _Watched(session, follower, ask).run()


async def follow_remote(
    run: str | None, endpoint: Endpoint, follower: Follower, *, detailed: bool = False, ask: Ask | None = None
) -> Result | Detached:
    """The same for a run that was submitted before; None: the latest."""
    return await _Watched(Session(endpoint, follower, run=run, detailed=detailed), follower, ask).run()


class Session:
    """A run that is followed over one connection. `run` waits for its outcome; `end` ends it otherwise."""

    def __init__(
        self,
        endpoint: Endpoint,
        follower: Follower,
        *,
        submit: Submit | None = None,
        packed: Packed | None = None,
        run: str | None = None,
        detach: bool = False,
        detailed: bool = False,
    ) -> None:
        self.contact = Contact(endpoint, heard=self._heard, turned=self._turned, noticed=follower.noticed)
        self.following = Following(
            follower,
            self.contact.send,
            submit=submit,
            read=None if packed is None else _reader(packed),
            run=run,
            detach=detach,
            detailed=detailed,
        )
        self._over: asyncio.Future[Result | Detached] = asyncio.get_running_loop().create_future()

    async def run(self) -> Result | Detached:
        """The outcome. Raises what keeps the run from having one."""
        async with self.contact:
            ticker = asyncio.create_task(self._tick())
            try:
                ends: list[asyncio.Future[Any]] = [self._over, self.contact.failed]
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            finally:
                ticker.cancel()
        if not self._over.done():
            self.contact.failed.result()
        return self._over.result()

    def end(self, error: LoadsError) -> None:
        """Give up following."""
        if not self._over.done():
            self._over.set_exception(error)

    def look(self) -> None:
        """See whether there is an outcome."""
        outcome = self.following.outcome
        if outcome is not None and not self._over.done():
            self._over.set_result(outcome)

    def _heard(self, message: object) -> None:
        self.following.heard(message, _now_us())  # type: ignore[arg-type]
        self.look()

    def _turned(self) -> None:
        self.following.turn()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_PROGRESS_S)
            self.following.progress(_now_us())
            self.look()


class _Watched:
    """A session that a person at a terminal, or a process manager, may want to end."""

    def __init__(self, session: Session, follower: Follower, ask: Ask | None) -> None:
        self._session = session
        self._following = session.following
        self._follower = follower
        self._ask = ask
        self._asking: asyncio.Task[None] | None = None

    async def run(self) -> Result | Detached:
        loop = asyncio.get_running_loop()
        handlers = {signal.SIGINT: self._interrupt, signal.SIGTERM: self._stop_more, signal.SIGHUP: self._hang_up}
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        try:
            return await self._session.run()
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)
            if self._asking is not None:
                self._asking.cancel()
                await asyncio.gather(self._asking, return_exceptions=True)

    def _interrupt(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            self._stop(now=True)
        elif self._ask is not None and self._following.run is not None and self._following.stopping is None:
            self._asking = asyncio.create_task(self._question(self._ask))
        else:
            self._stop_more()

    async def _question(self, ask: Ask) -> None:
        try:
            answer = await ask(lambda: self._follower.asked(f"{self._following.run} goes on. {QUESTION}"))
        finally:
            self._asking = None
            self._follower.asked(None)
        if answer is Answer.STOP:
            self._stop(now=False)
        elif answer is Answer.DETACH:
            self._leave()

    def _stop_more(self) -> None:
        """Once is gracefully, twice at once, and then the user must be able to go."""
        stopping, told = self._following.stopping, self._session.contact.answers
        if self._following.run is None and not told:
            self._session.end(NotStarted("stopped before the first iteration"))
        elif stopping is None:
            self._stop(now=False)
        elif not stopping and told:
            self._stop(now=True)
        else:
            self._session.end(_left(self._following.run))

    def _stop(self, *, now: bool) -> None:
        self._following.stop(now=now)
        if not self._session.contact.answers:
            self._follower.noticed("the run will be told to stop when the broker answers; once more to leave it alone")
        elif now:
            self._follower.noticed("stopping at once; once more to leave it alone")
        else:
            self._follower.noticed("telling the run to stop; once more to stop at once")

    def _leave(self) -> None:
        if not self._following.leave():
            self._follower.noticed("leaving as soon as the run has its agents; until then it needs this runner")
        self._session.look()

    def _hang_up(self) -> None:
        if self._following.run is None:
            self._session.end(NotStarted("hung up before the run had a name"))
        else:
            self._leave()


def _left(run: str | None) -> Left:
    if run is None:
        return Left("left before the broker took the run", "loads runs shows whether it did")
    return Left(f"left {run} before it ended", f"loads-runner --attach {run} follows it again")


def _reader(packed: Packed) -> Callable[[str, int, int], tuple[bytes, int]]:
    def read(sha256: str, offset: int, most: int) -> tuple[bytes, int]:
        return (packed.read(offset, most), packed.size_bytes) if sha256 == packed.sha256 else (b"", 0)

    return read


def _now_us() -> int:
    return time.monotonic_ns() // 1_000

"""A runner's connection to the broker: it beats each second, and knows when nobody answers.

Knows nothing of runs. Whoever owns a `Contact` is handed what the broker says, and what the user should know of the
connection itself, in words.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

import loads
from loads.errors import ProtocolError, UsageError
from loads.wire.cluster import Beat, Beaten, FromBroker, Rejected, Role, ToBroker, Welcome
from loads.wire.dealer import Dealer
from loads.wire.endpoint import Endpoint

FIRST_ANSWER_S: Final = 5.0
"""A broker that says nothing for so long is not there."""
SILENCE_S: Final = 5.0
BEAT_S: Final = 1.0
STOOD_STILL_S: Final = 1.0
"""Longer than a beat between two looks: it was us (Ctrl-Z, a busy machine), and what was said lies here unread."""


class Contact:
    """With the broker at `endpoint`; `async with` makes and ends it.

    Args:
        heard: each message of the broker. `Welcome` is the first of each connection: what was said before may be lost.
        turned: called each second while the broker answers.
        noticed: takes what the user should know of the connection.

    Attributes:
        failed: gets an exception when there is no use in going on, be it one that `heard` raised.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        heard: Callable[[FromBroker], None],
        turned: Callable[[], None] = lambda: None,
        noticed: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._endpoint = endpoint
        self._heard, self._turned, self._noticed = heard, turned, noticed
        self._dealer = Dealer(
            endpoint, role=role_at(endpoint), version=loads.__version__, heard=self._take, changed=self._changed
        )
        self._opened_s = self._answered_s = self._looked_s = time.monotonic()
        self._welcome = self._was_welcome = self._silent = False
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def __repr__(self) -> str:
        return f"<Contact answers={self.answers} {self._dealer!r}>"

    @property
    def answers(self) -> bool:
        """The broker is there, as far as one can know."""
        return self._welcome and not self._silent

    async def __aenter__(self) -> Self:
        await self._dealer.__aenter__()
        self._beating = asyncio.create_task(self._beat())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._beating.cancel()
        await self._dealer.__aexit__(kind, error, trace)

    def send(self, message: ToBroker) -> bool:
        """Say `message`; False: it could not be said."""
        return self._dealer.send(message)

    def _take(self, message: FromBroker) -> None:
        self._guard(lambda: self._hear(message))

    def _hear(self, message: FromBroker) -> None:
        self._answered_s = time.monotonic()
        match message:
            case Rejected(reason, hint):
                raise UsageError(reason, hint)
            case Beaten():
                if self._silent:
                    self._silent = False
                    self._noticed("the broker answers again")
                return
            case Welcome():
                if self._was_welcome:
                    self._noticed("connected to the broker again")
                elif message.insecure:
                    self._noticed("INSECURE: this broker lets in whoever can reach it, to run any code on its agents")
                self._welcome = self._was_welcome = True
                self._silent = False
        self._heard(message)

    def _changed(self, connected: bool) -> None:
        if not connected and self._welcome:
            self._welcome = False
            self._noticed("the connection to the broker is lost; the run does not need it, and it is tried again")

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            self._dealer.send(Beat(sent_us=time.monotonic_ns() // 1_000))
            self._guard(self._look)

    def _look(self) -> None:
        """Whether somebody is there; a second has passed."""
        now_s = time.monotonic()
        trouble = self._dealer.trouble
        if isinstance(trouble, UsageError) and not self._welcome:
            raise trouble  # time does not mend it
        pause_s = now_s - self._looked_s - BEAT_S
        self._looked_s = now_s
        if pause_s > STOOD_STILL_S:
            self._opened_s += pause_s
            self._answered_s = min(now_s, self._answered_s + pause_s)
        if not self._was_welcome and now_s - self._opened_s >= FIRST_ANSWER_S:
            raise self._nobody()
        if self._welcome and not self._silent and now_s - self._answered_s > SILENCE_S:
            self._silent = True
            self._noticed("the broker does not answer; the run goes on as long as its agents hear it")
        if self.answers:
            self._turned()

    def _nobody(self) -> UsageError:
        trouble = self._dealer.trouble
        if trouble is not None and not isinstance(trouble, ProtocolError):
            return UsageError(trouble.message, trouble.hint)
        if trouble is not None:
            return UsageError(
                f"what listens at {self._endpoint} does not speak as a broker does: {trouble.message}",
                "see that it is a loads-broker, and of this version",
            )
        return UsageError(
            f"no broker answers at {self._endpoint}",
            "start one with loads-broker, or say where it is with --broker ENDPOINT",
        )

    def _guard(self, step: Callable[[], None]) -> None:
        """What is raised by what was heard is for the one who waits, not for the event loop."""
        if self.failed.done():
            return
        try:
            step()
        except Exception as error:
            self.failed.set_exception(error)


def role_at(endpoint: Endpoint) -> Role:
    """What to call oneself: an observer's key opens the door to observers only."""
    keys = endpoint.keys
    return Role.OBSERVER if keys is not None and not endpoint.is_local and keys.role is Role.OBSERVER else Role.RUNNER

"""A run that is followed from its start to the end of the command: by the screen, and with ``--web`` by a page, too.

The page is told what the screen is told, in the same process: a run on this machine needs no broker for it. It ends
with the command, and the run does not depend on it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, TypeVar

from loads.cli.beside import Beside
from loads.cli.terminal import Unbreakable, say
from loads.errors import ExitCode, LoadsError, UsageError
from loads.plan.settings import WEB_PORT

if TYPE_CHECKING:
    from loads.metrics.result import Result
    from loads.runner.follow import Follower
    from loads.web.app import Server
    from loads.web.dashboard import Dashboard
    from loads.web.local import Here
    from loads.wire.endpoint import Endpoint

FLUSH_S: Final = 1.0
"""How long the end of a run may take to come to the pages, when the command ends with it."""
Stop = Callable[[str | None, bool], Awaitable[None]]
"""Ends the run of that name, if it has one: gracefully, or (True) at once."""
T = TypeVar("T")


def followed(
    start: Callable[[Follower], Awaitable[T]],
    screen: Unbreakable,
    end: Callable[[T], ExitCode],
    page: Beside | None = None,
    stop: Stop | None = None,
    where: str = "",
) -> ExitCode:
    """Start a run with `screen` as its follower, and `end` the command with what came of it.

    With `page` there is one beside it. Who stops the run there does so by `stop`, which gets the run's name if that is
    known; where there is none, by a signal to this process.
    """
    if page is not None:
        return asyncio.run(_with_page(start, screen, end, _listen(page), stop, where))
    try:
        outcome = asyncio.run(_started(start, screen))
    finally:
        screen.close()
    return end(outcome)


async def _started(start: Callable[[Follower], Awaitable[T]], follower: Follower) -> T:
    return await start(follower)


async def _with_page(
    start: Callable[[Follower], Awaitable[T]],
    screen: Unbreakable,
    end: Callable[[T], ExitCode],
    server: Server,
    stop: Stop | None,
    where: str,
) -> ExitCode:
    from loads.cli.keyboard import somebody_is_there
    from loads.metrics.result import Result

    async with _dashboard(server, stop, where) as (here, dashboard):
        try:
            try:
                outcome = await start(_Both(screen, here))
            finally:
                screen.close()
        except LoadsError as error:
            here.refused(error)
            await dashboard.hub.flush(FLUSH_S)
            raise
        if not isinstance(outcome, Result):
            return end(outcome)
        here.ended(outcome)
        await dashboard.hub.flush(FLUSH_S)
        status = end(outcome)
        if somebody_is_there():
            await _until_enough(f"The page stays at {dashboard.link} until you press Enter or Ctrl-C")
    return status


@asynccontextmanager
async def _dashboard(server: Server, stop: Stop | None, where: str) -> AsyncIterator[tuple[Here, Dashboard]]:
    from loads.cli.outcome import program
    from loads.cli.web import keep_secret
    from loads.web.dashboard import Dashboard
    from loads.web.local import Here
    from loads.wire.endpoint import state_directory

    name = program()
    here = Here(by_signal if stop is None else stop, where)
    secret = keep_secret(state_directory(os.environ))
    async with Dashboard(here, server, secret, lambda text: say(f"{name}: {text}")) as dashboard:
        say(f"{name}: see it live at {dashboard.link}")
        yield here, dashboard


def _listen(page: Beside) -> Server:
    """At the port that was asked for, or at one that is free.

    Raises:
        UsageError: the one that was asked for is taken.
    """
    from loads.web.app import PortTaken, Server

    bind = "127.0.0.1"
    try:
        return Server(bind, WEB_PORT if page.port is None else page.port)
    except PortTaken as error:
        if page.port is not None:
            hint = "give another one with --web-port; without that any free one is taken"
            raise UsageError(error.message, hint) from None
    return Server(bind, 0)


def through_broker(endpoint: Endpoint) -> Stop:
    """Stops a run of the broker at `endpoint` by its name; one that has none yet, by a signal to who submits it."""
    from loads.runner.cluster import cease

    async def stop(run: str | None, now: bool) -> None:
        if run is None:
            await by_signal(run, False)
        else:
            await cease(endpoint, run, now=now)

    return stop


async def by_signal(run: str | None, now: bool) -> None:
    """One signal stops gracefully, the second at once."""
    for _ in range(2 if now else 1):
        signal.raise_signal(signal.SIGTERM)


async def _until_enough(question: str) -> None:
    """Until Enter, the end of the input, or a signal; who is asked is heard from then on."""
    loop = asyncio.get_running_loop()
    enough = asyncio.Event()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in signals:
        loop.add_signal_handler(number, enough.set)
    descriptor = sys.stdin.fileno()

    def read() -> None:
        with suppress(OSError):
            os.read(descriptor, 1_024)
        enough.set()

    loop.add_reader(descriptor, read)
    try:
        say(question)
        await enough.wait()
    finally:
        loop.remove_reader(descriptor)
        for number in signals:
            loop.remove_signal_handler(number)


class _Both:
    """A follower that tells the screen, and the page."""

    def __init__(self, screen: Unbreakable, page: Here) -> None:
        self._all: tuple[Unbreakable | Here, ...] = (screen, page)

    def planned(self, result: Result) -> None:
        for each in self._all:
            each.planned(result)

    def progress(self, result: Result, elapsed_us: int) -> None:
        for each in self._all:
            each.progress(result, elapsed_us)

    def printed(self, worker: int, line: str) -> None:
        for each in self._all:
            each.printed(worker, line)

    def noticed(self, what: str) -> None:
        for each in self._all:
            each.noticed(what)

    def asked(self, question: str | None) -> None:
        for each in self._all:
            each.asked(question)

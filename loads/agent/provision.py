"""What a run needs before its tests can be loaded: the bundle, a working directory, the dependencies.

Bundles and environments stay for the next run that wants the same. A working directory is a run's own copy of the
bundle, so that nothing that tests write is found by another run; one that was named is used again.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from loads.bundle.cache import BundleCache
from loads.bundle.environment import EnvironmentFailed, prepare
from loads.errors import LoadsError
from loads.wire.cluster import BundleRef, Chunk, Fetch, Trouble
from loads.wire.pull import Pull

MAX_BUNDLES = 8
P = ParamSpec("P")
T = TypeVar("T")


class NotProvided(Exception):
    """Why a run can't have what it needs."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.message)
        self.trouble = trouble


class Provision:
    """Of one agent, below `directory`. `send` asks the broker for a piece of a bundle."""

    def __init__(self, directory: Path, send: Callable[[Fetch], bool]) -> None:
        self._directory = directory
        self._send = send
        self._bundles = BundleCache(directory / "bundles", most=MAX_BUNDLES)
        self._pulls: dict[str, tuple[Pull, asyncio.Future[None]]] = {}

    async def obtain(self, bundle: BundleRef | None, work: Path) -> tuple[str, ...]:
        """Fill the working directory `work`; what to import from besides, relative to it or absolute.

        Raises:
            NotProvided: it can't be.

        Cancelled, it ends once nothing is written to `work` any more.
        """
        try:
            if bundle is None:
                work.mkdir(mode=0o700, parents=True, exist_ok=True)
                return (".",)
            with self._bundles.using(bundle.sha256):
                if self._bundles.archive(bundle.sha256) is None:
                    await self._fetch(bundle)
                tree = await _in_thread(self._bundles.unpacked, bundle.sha256)
                await _in_thread(shutil.copytree, tree, work, dirs_exist_ok=True)
            if not bundle.requirements:
                return bundle.search_path
            site = await prepare(bundle.requirements, self._directory / "environments", search=work)
            return (*bundle.search_path, str(site))
        except EnvironmentFailed as error:
            raise NotProvided(Trouble(message=error.message, hint=error.hint, traceback=error.output)) from error
        except LoadsError as error:
            raise NotProvided(Trouble(message=error.message, hint=error.hint)) from error
        except OSError as error:
            raise NotProvided(
                Trouble(message=f"the working directory can't be made: {error}", hint="see the agent's disk")
            ) from error

    def take(self, chunk: Chunk) -> None:
        """A piece came."""
        if chunk.sha256 not in self._pulls:
            return
        pull, whole = self._pulls[chunk.sha256]
        if whole.done():
            return
        try:
            if not chunk.total:
                raise LoadsError("the broker does not have the files of the run any more", "run it again")
            if pull.take(chunk, _now_us()):
                whole.set_result(None)
        except LoadsError as error:
            whole.set_exception(error)
        else:
            self.tick()

    def tick(self) -> None:
        """Ask for what is due; to be called a few times a second."""
        for pull, whole in self._pulls.values():
            if not whole.done():
                for fetch in pull.ask(_now_us()):
                    self._send(fetch)

    async def _fetch(self, bundle: BundleRef) -> None:
        sink = self._bundles.writer(bundle.sha256, bundle.size_bytes)
        pull = Pull(bundle.sha256, bundle.size_bytes, sink)
        whole: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pulls[bundle.sha256] = pull, whole
        try:
            self.tick()
            await whole
        finally:
            del self._pulls[bundle.sha256]
            pull.close()


async def _in_thread(job: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `job` returns. A thread can't be cancelled: that is put off until it is through."""
    working = asyncio.create_task(asyncio.to_thread(job, *args, **kwargs))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.gather(working, return_exceptions=True)
        raise


def _now_us() -> int:
    return time.monotonic_ns() // 1_000

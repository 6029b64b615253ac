"""Workers that are started before anybody needs them: patched, and with everything imported that a run needs.

A run that begins with them loads its tests at once, and a worker that died is back sooner. Nobody has told them
anything yet, so one that dies is nobody's loss; another takes its place after a while.
"""

from __future__ import annotations

import asyncio
from collections import deque
from pathlib import Path
from typing import Final

from loads.pool.child import Child, start_child
from loads.pool.confine import Confinement

AFTER_DEATH_S: Final = 5.0
"""How long the place of a spare that died stays empty: whatever kills spares at their start must not keep us busy."""


class Nursery:
    """Keeps `size` spare workers, with their pages in `directory`. An async context manager: leaving it ends them.

    A failure to start one is told to who asks for one; in the background it counts as a death.
    """

    def __init__(self, directory: Path, size: int, confinement: Confinement | None = None) -> None:
        self._directory = directory
        self._confinement = confinement or Confinement()
        self._size = size
        self._spares: deque[Child] = deque()
        self._wanted = asyncio.Event()
        self._allowed = asyncio.Event()
        self._watchers: dict[Child, asyncio.Task[None]] = {}
        self._filler: asyncio.Task[None] | None = None
        self._closing = False

    def __repr__(self) -> str:
        paused = "" if self._allowed.is_set() else " paused"
        return f"<Nursery {len(self._spares)}/{self._size}{paused}>"

    def __len__(self) -> int:
        return len(self._spares)

    async def __aenter__(self) -> Nursery:
        self._allowed.set()
        self._wanted.set()
        self._filler = asyncio.create_task(self._fill())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True  # one that is being started must not be forgotten
        self._wanted.set()
        self._allowed.set()
        if self._filler is not None:
            await self._filler
        for watcher in self._watchers.values():
            watcher.cancel()
        await asyncio.gather(*self._watchers.values(), return_exceptions=True)
        while self._spares:
            await self._spares.popleft().bury()

    def pause(self) -> None:
        """Start no more for now: a run begins, and needs the processors."""
        self._allowed.clear()

    def resume(self) -> None:
        """Go on."""
        self._allowed.set()

    async def take(self) -> Child:
        """The oldest spare, which is the furthest with its imports; a new worker when there is none."""
        while self._spares:
            child = self._spares.popleft()
            self._watchers.pop(child).cancel()
            self._wanted.set()
            if child.process.returncode is None:
                return child
            await child.bury()
        return await start_child(self._directory, self._confinement)

    async def _fill(self) -> None:
        """Start what is missing, one after the other, whenever that is wanted and allowed."""
        while True:
            await self._wanted.wait()
            await self._allowed.wait()
            if self._closing:
                return
            if len(self._spares) >= self._size:
                self._wanted.clear()
                continue
            try:
                child = await start_child(self._directory, self._confinement)
            except OSError:
                self._wanted.clear()
                asyncio.get_running_loop().call_later(AFTER_DEATH_S, self._wanted.set)
                continue
            self._spares.append(child)
            self._watchers[child] = asyncio.create_task(self._watch(child))

    async def _watch(self, child: Child) -> None:
        """See to a spare that dies."""
        await child.process.wait()
        self._spares.remove(child)
        del self._watchers[child]
        await child.bury()
        asyncio.get_running_loop().call_later(AFTER_DEATH_S, self._wanted.set)

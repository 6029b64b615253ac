"""Bundles that runs wait for: fetched from their runners in pieces, and handed to agents the same way.

The archive itself is the room `bundle`'s, handed in by the command line. Knows nothing of runs but their names.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from loads.errors import LoadsError
from loads.wire.cluster import CHUNK_BYTES, BundleRef, Chunk, Fetch, Trouble
from loads.wire.pull import Pull, Sink


class Archives(Protocol):
    """Where bundles are kept: the room `bundle` has one."""

    def archive(self, sha256: str) -> Path | None:
        """The whole archive, if it is here."""

    def read(self, sha256: str, offset: int, length: int) -> tuple[bytes, int]:
        """A piece of it, and how long it is."""

    def writer(self, sha256: str, size_bytes: int) -> Sink:
        """Takes one in."""


class Pulls:
    """What comes in. `ask` says a `Fetch` to a peer, `obtained` takes a run's name and what kept it from its bundle."""

    def __init__(
        self,
        archives: Archives,
        ask: Callable[[bytes, Fetch], object],
        obtained: Callable[[str, Trouble | None], None],
    ) -> None:
        self._archives = archives
        self._ask = ask
        self._obtained = obtained
        self._pulls: dict[str, tuple[Pull, bytes]] = {}
        self._wanted: dict[str, set[str]] = {}

    def __repr__(self) -> str:
        return f"<Pulls {len(self._pulls)} for {sum(map(len, self._wanted.values()))} runs>"

    def obtain(self, run: str, bundle: BundleRef, peer: bytes, now_us: int) -> None:
        """Have it ready for `run`; `peer` has it, if nobody else does."""
        if self._archives.archive(bundle.sha256) is not None:
            self._obtained(run, None)
            return
        self._wanted.setdefault(bundle.sha256, set()).add(run)
        if bundle.sha256 in self._pulls:
            self._pulls[bundle.sha256] = self._pulls[bundle.sha256][0], peer
        else:
            try:
                sink = self._archives.writer(bundle.sha256, bundle.size_bytes)
            except LoadsError as error:
                self._tell(bundle.sha256, Trouble(message=error.message, hint=error.hint))
                return
            self._pulls[bundle.sha256] = Pull(bundle.sha256, bundle.size_bytes, sink), peer
        self.tick(now_us)

    def tick(self, now_us: int) -> None:
        """Ask for what is due; to be called a few times a second."""
        for pull, peer in self._pulls.values():
            for fetch in pull.ask(now_us):
                self._ask(peer, fetch)

    def take(self, peer: bytes, chunk: Chunk, now_us: int) -> None:
        """A piece came. From another than was asked it is worth nothing."""
        pull, asked = self._pulls.get(chunk.sha256, (None, b""))
        if pull is None or asked != peer:
            return
        trouble = None
        try:
            if chunk.total and not pull.take(chunk, now_us):
                self.tick(now_us)
                return
            if not chunk.total:
                trouble = Trouble(message="the runner has no such bundle", hint="run it again")
        except LoadsError as error:
            trouble = Trouble(message=error.message, hint=error.hint)
        pull.close()
        del self._pulls[chunk.sha256]
        self._tell(chunk.sha256, trouble)

    def piece(self, fetch: Fetch) -> Chunk:
        """What an agent asked for."""
        data, total = self._archives.read(fetch.sha256, fetch.offset, CHUNK_BYTES)
        return Chunk(sha256=fetch.sha256, offset=fetch.offset, total=total, data=data)

    def forget(self, run: str) -> None:
        """A bundle that no run waits for is not fetched any more."""
        for sha256, runs in list(self._wanted.items()):
            runs.discard(run)
            if not runs:
                del self._wanted[sha256]
                self._pulls.pop(sha256)[0].close()

    def _tell(self, sha256: str, trouble: Trouble | None) -> None:
        for run in self._wanted.pop(sha256, ()):
            self._obtained(run, trouble)

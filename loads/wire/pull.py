"""Getting a bundle over a connection, a few pieces ahead: which pieces to ask for, and what to do when some get lost.

Pure. The same for a broker that gets it from a runner and for an agent that gets it from the broker.
"""

from __future__ import annotations

from typing import Protocol

from loads.units import US_PER_S
from loads.wire.cluster import CHUNK_BYTES, CHUNKS_AHEAD, Chunk, Fetch

ASK_AGAIN_US = 3 * US_PER_S


class Sink(Protocol):
    """Where pieces go, in order: `missing_from` is the offset of the next one."""

    missing_from: int

    def add(self, offset: int, data: bytes) -> bool:
        """Take a piece; whether all is there now."""

    def close(self) -> None:
        """Let go of it."""


class Pull:
    """One bundle of `size_bytes` on its way into `sink`."""

    def __init__(self, sha256: str, size_bytes: int, sink: Sink) -> None:
        self.sha256 = sha256
        self._size_bytes = size_bytes
        self._sink = sink
        self._asked = sink.missing_from
        self._moved_us = 0

    def ask(self, now_us: int) -> list[Fetch]:
        """What to ask for now. Nothing heard for long: the same again."""
        if now_us - self._moved_us > ASK_AGAIN_US:
            self._moved_us = now_us
            self._asked = self._sink.missing_from
        end = min(self._size_bytes, self._sink.missing_from + CHUNKS_AHEAD * CHUNK_BYTES)
        asked = []
        while self._asked < end:
            asked.append(Fetch(sha256=self.sha256, offset=self._asked))
            self._asked += CHUNK_BYTES
        return asked

    def take(self, chunk: Chunk, now_us: int) -> bool:
        """A piece came; whether all is there now. What the sink raises is for the caller."""
        before = self._sink.missing_from
        whole = self._sink.add(chunk.offset, chunk.data)
        if self._sink.missing_from != before:
            self._moved_us = now_us
        return whole

    def close(self) -> None:
        """Ask for no more; what is there stays."""
        self._sink.close()

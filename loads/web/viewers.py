"""One page's connection: what it is still owed, one message under way at a time.

Who reads slowly is not waited for, and nothing piles up: of each subject at most one change is held for him; when the
next one comes before he could take it, he gets the whole instead, as it is at that time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

MOST_WORDS: Final = 250
"""Answers to its questions that wait for a viewer; who asks on without reading them is sent away."""
PATIENCE_S: Final = 15.0
"""Who has not taken a message in so long is sent away."""


class Subject(Protocol):
    """Something that viewers are told of; `viewers` are those."""

    viewers: set[Viewer]

    def whole(self) -> bytes | None:
        """All of it, as a viewer who knows nothing must have it; None: nothing is known yet."""


class Viewer:
    """A page.

    Args:
        send: sends one message, and returns when it is under way.
        drop: ends the connection at once, whatever it still holds.
        end: ends it in order.

    Attributes:
        end: as above.
        subjects: what it is told of.
        behind: how often it got the whole because it was too slow for changes.
    """

    def __init__(
        self,
        send: Callable[[bytes], Awaitable[None]],
        drop: Callable[[], None],
        end: Callable[[], None] = lambda: None,
        *,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.subjects: set[Subject] = set()
        self.behind = 0
        self.end = end
        self._send, self._patience_s = send, patience_s
        self._due: dict[Subject, bytes | None] = {}
        self._wake = asyncio.Event()
        self._under_way: asyncio.Future[None] | None = None
        self._sending = asyncio.create_task(self._run())
        self._sending.add_done_callback(lambda task: None if task.cancelled() else drop())
        self._drop = drop

    def __repr__(self) -> str:
        return f"<Viewer subjects={len(self.subjects)} due={len(self._due)} behind={self.behind}>"

    @property
    def is_idle(self) -> bool:
        """It has all that there was to tell."""
        return not self._due and not self._wake.is_set()

    def tell(self, subject: Subject, change: bytes) -> None:
        """Send `change`, which follows what was sent of `subject` last."""
        if subject in self._due:
            self.behind += self._due[subject] is not None
            self._due[subject] = None
        else:
            self._due[subject] = change
        self._wake.set()

    def tell_whole(self, subject: Subject) -> None:
        """Send all of `subject`."""
        self._due[subject] = None
        self._wake.set()

    def tell_once(self, said: bytes) -> None:
        """Send that."""
        if sum(isinstance(subject, _Words) for subject in self._due) >= MOST_WORDS:
            self._drop()
            return
        self._due[_Words(said)] = said
        self._wake.set()

    def forget(self, subject: Subject) -> None:
        """It does not want to know of `subject` any more."""
        self.subjects.discard(subject)
        self._due.pop(subject, None)

    def close(self) -> None:
        """The connection is no more."""
        self._sending.cancel()
        self._due.clear()
        self.subjects.clear()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            while self._due:
                subject = next(iter(self._due))
                change = self._due.pop(subject)
                message = subject.whole() if change is None else change
                if message is None:
                    continue
                # Not cancelled when it takes too long: who ends the connection ends that, too.
                self._under_way = asyncio.ensure_future(self._send(message))
                if not (await asyncio.wait([self._under_way], timeout=self._patience_s))[0]:
                    return
            self._wake.clear()


class _Words:
    """A subject of one message."""

    def __init__(self, said: bytes) -> None:
        self.viewers: set[Viewer] = set()
        self._said = said

    def whole(self) -> bytes | None:
        return self._said

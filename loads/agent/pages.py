"""The pages of an agent's workers: counters and last words, which the next agent reads when this one dies.

workers/INCARNATION/    of one agent process: those of its spares, and of all runs
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from loads.agent.events import Remains
from loads.pool.confine import make_place
from loads.pool.estate import LAST_WORDS_SUFFIX, is_alive, read_estate
from loads.wire.messages import Delta


class Pages:
    """Below `directory`; `own` is for the workers of this process. `passable`: they are another user's."""

    def __init__(self, directory: Path, incarnation: int, *, passable: bool = False) -> None:
        self._directory = directory
        self.own = directory / f"{incarnation:016x}"
        make_place(directory, passable=passable)
        make_place(self.own, passable=passable)

    def clear(self, needed: Collection[str]) -> None:
        """Remove what earlier processes left, but for pages that are `needed` or whose worker still lives."""
        for place in self._directory.iterdir():
            if place == self.own or not place.is_dir():
                continue
            pages = [path for path in place.iterdir() if not path.name.endswith(LAST_WORDS_SUFFIX)]
            if not any(str(page) in needed or is_alive(page) for page in pages):
                shutil.rmtree(place, ignore_errors=True)

    def is_alive(self, page: str) -> bool:
        """Whether the worker of that page lives."""
        return is_alive(Path(page))

    def remains(self, incarnation: int, page: str) -> Remains:
        """What the dead worker of that page left."""
        counts, note, words = read_estate(Path(page))
        return Remains(
            incarnation,
            counts,
            note,
            tuple(word for word in words if isinstance(word, Delta)),
        )

    def remove(self, pages: Collection[str]) -> None:
        """They are not needed any more."""
        for name in pages:
            page = Path(name)
            page.unlink(missing_ok=True)
            page.with_name(page.name + LAST_WORDS_SUFFIX).unlink(missing_ok=True)
            if page.parent != self.own:
                with suppress(OSError):
                    page.parent.rmdir()

    def close(self) -> None:
        """Leave nothing behind where nothing is."""
        with suppress(OSError):
            self.own.rmdir()

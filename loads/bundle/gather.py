"""The files of a bundle before it is written: which file lies at which name, and what can't be shipped.

`pack` says what belongs in; here trees are walked, links are judged, and the limits are kept. Every problem is noted
rather than raised, so that all of them are told at once. Nothing is opened.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Final

from loads.bundle.archive import Limits
from loads.errors import UsageError
from loads.units import plural, sendable

_SECRET: Final = frozenset({".env", ".netrc", ".ssh", ".gnupg", ".aws", ".kube", ".docker", ".local", ".config"})
"""Where people and programs keep passwords and keys, those of Loads in .local: whoever includes a whole directory does
not mean them. Who does, names them."""
LEFT_OUT: Final = frozenset({"__pycache__", ".git", ".tox", ".venv", "node_modules"}) | _SECRET
_LEFT_OUT_ENDS: Final = (".pyc", ".egg-info")
_PROBLEMS: Final = 20


def is_left_out(name: str) -> bool:
    """Whether the file or directory `name` does not belong on another machine, unless it is asked for by its name."""
    return name in LEFT_OUT or name.endswith(_LEFT_OUT_ENDS)


class Gathered:
    """What is to be packed. `files`: name in the bundle -> the file on this machine, no link."""

    def __init__(self, limits: Limits) -> None:
        self.files: dict[str, Path] = {}
        self._limits = limits
        self._size_bytes = 0
        self._sizes_bytes: dict[str, int] = {}
        self._directories = 0
        self._problems: list[UsageError] = []
        self._untold = 0
        self._full = False

    def __repr__(self) -> str:
        return f"<Gathered files={len(self.files)} bytes={self._size_bytes} problems={len(self._problems)}>"

    def add(self, name: str, path: Path, boundary: Path) -> list[str]:
        """Add the file or the whole directory `path` as `name` (".": as the bundle's root); names of what is new.

        Links must lead to something below `boundary`, which has no links in itself.
        """
        before = len(self.files)
        waiting = [(PurePosixPath(name), path, frozenset[Path]())]
        while waiting and not self._full:
            place, path, trail = waiting.pop()
            judged = self._judged(path, boundary)
            if judged is None:
                continue
            real, status = judged
            if not stat.S_ISDIR(status.st_mode):
                self._add_file(str(place), real, status.st_size)
            elif real in trail:
                self.problem(f"{path} leads back to a directory that it lies in", "remove that link")
            else:
                self._directories += 1
                inside = [child for child in _children(real, self) if not is_left_out(child)]
                waiting += [(place / child, path / child, trail | {real}) for child in inside]
                if self._directories > self._limits.files:
                    self._stop(f"more than {self._limits.files:,} directories")
        return list(islice(self.files, before, None))

    def problem(self, message: str, hint: str = "") -> None:
        """Note a problem. Many are only counted."""
        if len(self._problems) < _PROBLEMS:
            self._problems.append(UsageError(sendable(message), hint))
        else:
            self._untold += 1

    def check(self) -> None:
        """Raise all problems, if there are any."""
        for name, path in self.files.items():
            above = next((str(parent) for parent in PurePosixPath(name).parents if str(parent) in self.files), None)
            if above is not None:
                self.problem(f"{self.files[above]} and {path} can't both be shipped: {above} is a file", "rename one")
        if self._untold:
            self._problems.append(UsageError(f"{plural(self._untold, 'problem')} more of this kind"))
        if self._problems:
            raise UsageError.of(self._problems)

    def _judged(self, path: Path, boundary: Path) -> tuple[Path, os.stat_result] | None:
        """Where `path` really is, and what, if it may be shipped."""
        try:
            real = path.resolve(strict=True)
            status = real.stat()
        except FileNotFoundError:
            self.problem(f"{path} is not there, or a link to what is not there", "remove it, or leave it out")
        except (OSError, RuntimeError) as error:
            self.problem(f"{path} can't be read: {getattr(error, 'strerror', None) or error}", "leave it out")
        else:
            if not real.is_relative_to(boundary):
                self.problem(
                    f"{path} is a link to {real}, which is outside of {boundary}",
                    "put the file itself there, or include it from where it is",
                )
            elif not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
                self.problem(f"{path} is a pipe, a socket or a device", "leave it out")
            elif not os.access(real, os.R_OK):
                self.problem(f"{path} can't be read", "make it readable, or leave it out")
            else:
                return real, status
        return None

    def _add_file(self, name: str, real: Path, size_bytes: int) -> None:
        there = self.files.setdefault(name, real)
        if there is not real:
            if there != real:
                self.problem(f"{there} and {real} would both be {name} in the bundle", "rename one of them")
            return
        self._sizes_bytes[name] = size_bytes
        self._size_bytes += size_bytes
        if len(self.files) > self._limits.files:
            self._stop(f"more than {plural(self._limits.files, 'file')}")
        if self._size_bytes > self._limits.size_bytes:
            self._stop(f"files of more than {self._limits.size_bytes >> 20:,} MB")

    def _stop(self, too_much: str) -> None:
        """Whoever includes a whole disk need not wait for it to be walked."""
        if not self._full:
            self._full = True
            self.problem(f"{too_much} would be shipped ({self._crowd()})", "include less, or split what is included")

    def _crowd(self) -> str:
        """Where most of it is."""
        sizes: dict[str, int] = {}
        for name, size_bytes in self._sizes_bytes.items():
            top = name.partition("/")[0]
            sizes[top] = sizes.get(top, 0) + size_bytes
        largest = sorted(sizes, key=sizes.__getitem__, reverse=True)[:3]
        return f"the largest: {', '.join(f'{name}, {sizes[name] / (1 << 20):,.1f} MB' for name in largest)}"


def _children(directory: Path, gathered: Gathered) -> Iterable[str]:
    try:
        return sorted(child.name for child in directory.iterdir())
    except OSError as error:
        gathered.problem(f"{directory} can't be read: {error.strerror}", "leave it out")
        return ()

"""From an archive to a directory, without trust: called by agents, with what a broker sent.

A directory is there as a whole or not at all: files go to a neighbour of it that is renamed when the last one is
written. What a crash leaves has a name that begins with `HALF`, for whoever owns the directory to clear away.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from loads.bundle.archive import NAME_BYTES, BundleError, Entry, Limits, read_archive
from loads.units import sendable

HALF: Final = ".half-"
_PART_BYTES: Final = 255


def unpack(archive: Path, into: Path, limits: Limits = Limits()) -> int:  # noqa: B008 - frozen
    """Unpack `archive` as the directory `into`, which must not exist yet; how many bytes its files have.

    Files get mode 0600, executable ones 0700.

    Raises:
        BundleError: the archive is damaged, too large, or has names that a bundle never has; or the disk refuses.
    """
    try:
        half = Path(tempfile.mkdtemp(prefix=HALF, dir=into.parent))
        try:
            size_bytes = _write_all(archive, half, limits)
            if into.exists():
                raise BundleError(f"{into} is there already")
            half.rename(into)
        except BaseException:
            shutil.rmtree(half, ignore_errors=True)
            raise
    except OSError as error:
        reason = f"{error.strerror}: {error.filename}" if error.filename else str(error)
        raise BundleError(f"a bundle can't be unpacked: {sendable(reason)}") from error
    return size_bytes


def _write_all(archive: Path, root: Path, limits: Limits) -> int:
    files, directories, size_bytes = set[str](), {""}, 0
    with archive.open("rb") as file:
        for entry, pieces in read_archive(file, limits):
            parents = _parents(entry.name)
            if entry.name in files or entry.name in directories or not files.isdisjoint(parents):
                raise BundleError(f"{sendable(entry.name)!r} is twice in the bundle")
            files.add(entry.name)
            for parent in parents:
                if parent not in directories:
                    (root / parent).mkdir(mode=0o700)
                    directories.add(parent)
            _write(root, entry, pieces)
            size_bytes += entry.size_bytes
    return size_bytes


def _parents(name: str) -> list[str]:
    """The directories that `name` lies in, outermost first; refused if it leads anywhere but down."""
    parts = name.split("/")
    if (
        any(part in ("", ".", "..") or "\0" in part or len(os.fsencode(part)) > _PART_BYTES for part in parts)
        or len(os.fsencode(name)) > NAME_BYTES
    ):
        raise BundleError(f"a file of the bundle has the name {sendable(name)!r}, which is not allowed")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def _write(root: Path, entry: Entry, pieces: Iterable[memoryview]) -> None:
    """Only ever makes a new file: O_EXCL follows no link, and replaces nothing."""
    mode = 0o700 if entry.executable else 0o600
    descriptor = os.open(root / entry.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
        file.writelines(pieces)

"""Bundles by their content, on disk: archives that were received, and what was unpacked from them.

    <sha256>.part       an archive of which more is to come
    <sha256>.tar.gz     a whole one, checked
    <sha256>.d/         unpacked

One process owns a directory (an agent's or a broker's state directory is locked by it); several of its threads may
use the cache. What was not used for the longest time goes first, what is in use stays. A broker needs archives only.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import IO, Final, NoReturn

from loads.bundle.archive import PIECE_BYTES, BundleError, Limits
from loads.bundle.unpack import HALF, unpack

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_PART, _ARCHIVE, _TREE = ".part", ".tar.gz", ".d"


@dataclass
class _Kept:
    """What is kept of one bundle: bytes by suffix, and how many use it."""

    sizes: dict[str, int]
    users: int = 0


class BundleCache:
    """Bundles in `directory`: at most `most` of them, with `most_bytes` in all, but for those in use and the latest."""

    def __init__(
        self,
        directory: Path,
        *,
        most: int = 16,
        most_bytes: int = 4 << 30,
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> None:
        self.limits = limits
        self._directory = directory
        self._most, self._most_bytes = most, most_bytes
        self._lock = RLock()
        self._kept: dict[str, _Kept] = {}
        """In the order of their last use."""
        self._writers: dict[str, BundleWriter] = {}
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._look()
        self._trim()

    def __repr__(self) -> str:
        return f"<BundleCache {self._directory} bundles={len(self._kept)} bytes={self.size_bytes}>"

    @property
    def size_bytes(self) -> int:
        """Of all that is kept."""
        return sum(sum(kept.sizes.values()) for kept in self._kept.values())

    def archive(self, sha256: str) -> Path | None:
        """The whole archive, if it is here."""
        return self._used(sha256, _ARCHIVE)

    def path_of(self, sha256: str) -> Path | None:
        """The directory where it is unpacked, if it is."""
        return self._used(sha256, _TREE)

    def read(self, sha256: str, offset: int, length: int) -> tuple[bytes, int]:
        """A piece of an archive, and how long the archive is; nothing, of 0 bytes, if it is not here."""
        with self._lock:
            path = self.archive(sha256)
            if path is None:
                return b"", 0
            file = path.open("rb")
        with file:
            total = os.fstat(file.fileno()).st_size
            file.seek(min(max(offset, 0), total))
            return file.read(length), total

    def writer(self, sha256: str, size_bytes: int) -> BundleWriter:
        """Take an archive in pieces, from where an earlier writer ended. It reads what is here already.

        Raises:
            BundleError: it could not be a bundle.
        """
        if not _SHA256.fullmatch(sha256):
            raise BundleError("a bundle's name is not a sha256")
        if not 0 < size_bytes <= self.limits.archive_bytes:
            raise BundleError(f"a bundle of {size_bytes:,} bytes is refused", "ship less with --include-file")
        with self._lock:
            writer = self._writers.get(sha256)
            if writer is None:
                self.hold(sha256)
                try:
                    writer = self._writers[sha256] = self._new_writer(sha256, size_bytes)
                except BaseException:
                    self.release(sha256)
                    raise
            elif writer.size_bytes != size_bytes:
                raise BundleError(f"the bundle {sha256[:12]} has {writer.size_bytes:,} bytes, not {size_bytes:,}")
            writer.users += 1
            return writer

    def unpacked(self, sha256: str) -> Path:
        """The directory of the bundle, unpacked now if it is not yet. It takes long: call it in a thread.

        Raises:
            BundleError: it is not here, or damaged; then it is forgotten, and can be asked for again.
        """
        with self.using(sha256):
            tree = self._path(sha256, _TREE)
            if self.path_of(sha256) is None:
                archive = self.archive(sha256)
                if archive is None:
                    raise BundleError(f"there is no bundle {sha256[:12]} here")
                try:
                    size_bytes = unpack(archive, tree, self.limits)
                except BundleError:
                    if self.path_of(sha256) is None:
                        self.forget(sha256)
                        raise
                    return tree  # another thread was faster
                self._note(sha256, _TREE, size_bytes)
            return tree

    @contextmanager
    def using(self, sha256: str) -> Iterator[None]:
        """As long as this goes on, the bundle stays."""
        self.hold(sha256)
        try:
            yield
        finally:
            self.release(sha256)

    def hold(self, sha256: str) -> None:
        """Keep the bundle until it was released as often as it was held."""
        with self._lock:
            self._kept.setdefault(sha256, _Kept({})).users += 1

    def release(self, sha256: str) -> None:
        """It may go."""
        with self._lock:
            self._kept[sha256].users -= 1
            if not self._kept[sha256].sizes and not self._kept[sha256].users:
                del self._kept[sha256]
            self._trim()

    def forget(self, sha256: str) -> None:
        """Delete all that is kept of a bundle, used or not."""
        with self._lock:
            kept = self._kept.get(sha256)
            if kept is None:
                return
            for suffix in list(kept.sizes):
                _delete(self._path(sha256, suffix))
            kept.sizes.clear()
            if not kept.users:
                del self._kept[sha256]

    def closed(self, sha256: str) -> None:
        """Nobody uses its writer any more."""
        with self._lock:
            del self._writers[sha256]
            self.release(sha256)

    def received(self, sha256: str, size_bytes: int) -> None:
        """What the writer wrote is whole."""
        with self._lock:
            self._path(sha256, _PART).rename(self._path(sha256, _ARCHIVE))
            self._kept[sha256].sizes.pop(_PART, None)
            self._note(sha256, _ARCHIVE, size_bytes)

    def part(self, sha256: str) -> Path:
        """Where a writer writes."""
        return self._path(sha256, _PART)

    def _new_writer(self, sha256: str, size_bytes: int) -> BundleWriter:
        try:
            writer = BundleWriter(self, sha256, size_bytes)
        except OSError as error:
            raise BundleError(f"a bundle can't be written: {error.strerror}", "make room") from error
        if not writer.is_whole:
            self._note(sha256, _PART, size_bytes)
        return writer

    def _used(self, sha256: str, suffix: str) -> Path | None:
        with self._lock:
            kept = self._kept.get(sha256)
            if kept is None or suffix not in kept.sizes:
                return None
            self._touch(sha256, suffix)
            return self._path(sha256, suffix)

    def _touch(self, sha256: str, suffix: str) -> None:
        """It is the latest now, and after a restart."""
        self._kept[sha256] = self._kept.pop(sha256)
        path = self._path(sha256, suffix)
        if path.exists():
            os.utime(path)

    def _note(self, sha256: str, suffix: str, size_bytes: int) -> None:
        with self._lock:
            self._kept.setdefault(sha256, _Kept({})).sizes[suffix] = size_bytes
            self._touch(sha256, suffix)
            self._trim()

    def _trim(self) -> None:
        for sha256, kept in list(self._kept.items())[:-1]:
            if len(self._kept) <= self._most and self.size_bytes <= self._most_bytes:
                return
            if not kept.users:
                self.forget(sha256)

    def _path(self, sha256: str, suffix: str) -> Path:
        return self._directory / f"{sha256}{suffix}"

    def _look(self) -> None:
        """What an earlier process left; what it did not finish to unpack is deleted."""
        found = []
        for path in self._directory.iterdir():
            name, suffix = path.name[:64], path.name[64:]
            if path.name.startswith(HALF):
                _delete(path)
            elif _SHA256.fullmatch(name) and suffix in (_PART, _ARCHIVE, _TREE):
                found.append((path.stat().st_mtime_ns, name, suffix, _size_of(path)))
        for _, name, suffix, size_bytes in sorted(found):
            self._kept[name] = self._kept.pop(name, _Kept({}))
            self._kept[name].sizes[suffix] = size_bytes


class BundleWriter:
    """Takes the pieces of one archive, in order. It holds the bundle until it is closed.

    `missing_from` is the offset of the piece that is wanted next; at the end it is the size, and the archive is there.
    Who asks for the writer of a bundle that is being written gets the same one, and closes it as well.
    """

    def __init__(self, cache: BundleCache, sha256: str, size_bytes: int) -> None:
        self.sha256, self.size_bytes = sha256, size_bytes
        self.missing_from = size_bytes
        self.users = 0
        self._cache = cache
        self._failure: BundleError | None = None
        self._file: IO[bytes] | None = None
        if cache.archive(sha256) is None:
            self._resume(cache.part(sha256))

    def __repr__(self) -> str:
        return f"<BundleWriter {self.sha256[:12]} {self.missing_from}/{self.size_bytes}>"

    @property
    def is_whole(self) -> bool:
        """Whether the archive is here, checked."""
        return self._file is None and self._failure is None

    def add(self, offset: int, data: bytes) -> bool:
        """Write a piece; whether the archive is whole now. A piece that is not the next one changes nothing.

        Raises:
            BundleError: it is not what was announced, or the disk refuses; all of it is deleted.
        """
        if self._failure is not None:
            raise self._failure
        if self._file is None or offset != self.missing_from:
            return self.is_whole
        try:
            self._write(self._file, data)
        except OSError as error:
            self._fail(BundleError(f"a bundle can't be written: {error.strerror}", "make room"))
        return self.is_whole

    def close(self) -> None:
        """Let go of it; what is here stays for the next writer."""
        self.users -= 1
        if not self.users:
            self._shut()
            self._cache.closed(self.sha256)

    def _resume(self, part: Path) -> None:
        """Go on behind what is there, unless it can't be the beginning."""
        self._hash, self.missing_from = hashlib.sha256(), 0
        self._file = part.open("a+b")
        self._file.seek(0)
        while piece := self._file.read(PIECE_BYTES):
            self._hash.update(piece)
            self.missing_from += len(piece)
        if self.missing_from < self.size_bytes:
            return
        if self.missing_from == self.size_bytes and self._hash.hexdigest() == self.sha256:
            self._finish()
            return
        self._file.truncate(0)
        self._hash, self.missing_from = hashlib.sha256(), 0

    def _write(self, file: IO[bytes], data: bytes) -> None:
        if self.missing_from + len(data) > self.size_bytes:
            self._fail(BundleError(f"the bundle {self.sha256[:12]} is longer than {self.size_bytes:,} bytes"))
        file.write(data)
        file.flush()
        self._hash.update(data)
        self.missing_from += len(data)
        if self.missing_from == self.size_bytes:
            if self._hash.hexdigest() != self.sha256:
                self._fail(BundleError(f"the bundle {self.sha256[:12]} was damaged on its way", "run it again"))
            self._finish()

    def _finish(self) -> None:
        self._shut()
        self._cache.received(self.sha256, self.size_bytes)

    def _fail(self, failure: BundleError) -> NoReturn:
        self._failure = failure
        self._shut()
        self._cache.forget(self.sha256)
        raise failure

    def _shut(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _size_of(path: Path) -> int:
    if not path.is_dir():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _delete(path: Path) -> None:
    """A directory gets another name first, so that a crash leaves none that looks whole."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    if not path.name.startswith(HALF):
        path = path.rename(path.with_name(f"{HALF}{path.name}-{secrets.token_hex(4)}"))
    shutil.rmtree(path, ignore_errors=True)

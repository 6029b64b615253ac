"""The form of a bundle: a tar of plain files, sorted by name, compressed with gzip.

Equal files give equal bytes: no times, no owners, one of two modes. A header is 512 bytes, then the file, padded with
zeros to the next 512; a name too long for a header comes before it as a file of its own (GNU's way). The standard
library reads and writes the headers, but the walk from header to header is here: `tarfile` also knows links, devices,
sparse files and extended headers of any size, and a bundle has none of these.

What is read comes from somewhere else, so it is believed only as far as it was seen: sizes are limited while reading.
"""

from __future__ import annotations

import hashlib
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from loads.errors import LoadsError, UsageError

BLOCK_BYTES: Final = 512
PIECE_BYTES: Final = 1 << 18
NAME_BYTES: Final = 4_096
_GZIP: Final = 16 + zlib.MAX_WBITS
_END: Final = bytes(2 * BLOCK_BYTES)
_LONG_NAME: Final = "././@LongLink"


class BundleError(LoadsError):
    """A bundle can't be used: it is damaged, or not what was asked for."""


@dataclass(frozen=True)
class Limits:
    """How large a bundle may be: so many files, and bytes in all of them."""

    files: int = 20_000
    size_bytes: int = 512 << 20

    @property
    def archive_bytes(self) -> int:
        """No archive within the limits is longer: contents, a header, a long name and padding each, and gzip's own."""
        plain = self.size_bytes + self.files * (4 * BLOCK_BYTES + NAME_BYTES) + len(_END)
        return plain + plain // 1_000 + BLOCK_BYTES


@dataclass(frozen=True)
class Entry:
    """A file of an archive."""

    name: str
    size_bytes: int
    executable: bool


class ArchiveWriter:
    """Writes an archive to `file`. `sha256` and `size_bytes` are those of what was written so far."""

    def __init__(self, file: IO[bytes]) -> None:
        self.size_bytes = 0
        self._file = file
        self._sha256 = hashlib.sha256()
        self._deflate = zlib.compressobj(wbits=_GZIP)

    @property
    def sha256(self) -> str:
        """Hexadecimal."""
        return self._sha256.hexdigest()

    def add(self, entry: Entry, source: IO[bytes]) -> None:
        """Add a file with the content of `source`.

        Raises:
            UsageError: `source` is not as long as `entry` says: somebody writes to it.
        """
        self._compress(_header(entry))
        left = entry.size_bytes
        while piece := source.read(min(PIECE_BYTES, left + 1)):
            left -= len(piece)
            if left < 0:
                break
            self._compress(piece)
        if left:
            raise UsageError(f"{entry.name} changed while it was packed", "try again when nobody writes to it")
        self._compress(bytes(-entry.size_bytes % BLOCK_BYTES))

    def close(self) -> None:
        """Write the end. The file stays open."""
        self._compress(_END)
        self._write(self._deflate.flush())

    def _compress(self, data: bytes) -> None:
        self._write(self._deflate.compress(data))

    def _write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise UsageError(f"the bundle can't be written: {error.strerror}", "make room, or ship less") from None
        self._sha256.update(data)
        self.size_bytes += len(data)


def write_archive(files: Mapping[str, Path], file: IO[bytes]) -> ArchiveWriter:
    """Write an archive of `files`, by their names in it, to `file`; the writer, closed."""
    writer = ArchiveWriter(file)
    for name in sorted(files):
        path = files[name]
        try:
            status = path.stat()
            with path.open("rb") as source:
                writer.add(Entry(name, status.st_size, bool(status.st_mode & 0o100)), source)
        except OSError as error:
            raise UsageError(f"{path} can't be read: {error.strerror}", "make it readable, or leave it out") from None
    writer.close()
    return writer


def read_archive(file: IO[bytes], limits: Limits) -> Iterator[tuple[Entry, Iterator[memoryview]]]:
    """The files in an archive, each with its content in pieces, which must be used up before the next one.

    Raises:
        BundleError: it is no whole archive of plain files within `limits`.
    """
    plain = _Plain(file)
    files, left, long_name = 0, limits.size_bytes, None
    while (header := plain.exactly(BLOCK_BYTES)) != bytes(BLOCK_BYTES):
        member = _parse(header)
        if member.type == tarfile.GNUTYPE_LONGNAME and long_name is None:
            long_name = _long_name(plain, member.size)
            continue
        if member.type != tarfile.REGTYPE:
            raise BundleError(f"{member.name!r} in the bundle is not a plain file")
        files, left = files + 1, left - member.size
        if files > limits.files or left < 0:
            raise BundleError(
                f"the bundle is larger than {limits.files:,} files or {limits.size_bytes:,} bytes", "ship less"
            )
        content = plain.pieces(member.size)
        yield Entry(long_name or member.name, member.size, bool(member.mode & 0o100)), content
        for _ in content:
            raise BundleError(f"{member.name!r} in the bundle was not read to its end")
        long_name = None
    plain.end()


def _header(entry: Entry) -> bytes:
    info = tarfile.TarInfo(entry.name)
    info.size = entry.size_bytes
    info.mode = 0o755 if entry.executable else 0o644
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def _parse(header: bytes) -> tarfile.TarInfo:
    try:
        member = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError) as error:
        raise BundleError(f"the bundle is damaged: {error}") from None
    if not 0 <= member.size < 1 << 62:
        raise BundleError(f"the bundle is damaged: a file of {member.size} bytes")
    return member


def _long_name(plain: _Plain, size: int) -> str:
    if not 1 < size <= NAME_BYTES + 1:
        raise BundleError(f"the bundle is damaged: a name of {size} bytes")
    name = b"".join(plain.pieces(size))
    return name.removesuffix(b"\0").decode("utf-8", "surrogateescape")


class _Plain:
    """What is in a gzip file, never more than asked for."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._inflate = zlib.decompressobj(wbits=_GZIP)
        self._ready = memoryview(b"")

    def exactly(self, length: int) -> bytes:
        """The next `length` bytes (not many: they are put together)."""
        return b"".join(self._upto(length))

    def pieces(self, size: int) -> Iterator[memoryview]:
        """The content of a file of `size` bytes; its padding is skipped."""
        yield from self._upto(size)
        self.exactly(-size % BLOCK_BYTES)

    def end(self) -> None:
        """Check that nothing follows but zeros to the tar's end: gzip's checksum comes after them."""
        if any(self.exactly(BLOCK_BYTES)) or self._read(1) or not self._inflate.eof:
            raise BundleError("the bundle is damaged: it does not end where it should")
        if self._inflate.unused_data or self._file.read(1):
            raise BundleError("the bundle is damaged: something follows its end")

    def _upto(self, length: int) -> Iterator[memoryview]:
        while length:
            piece = self._read(min(length, PIECE_BYTES))
            if not piece:
                raise BundleError("the bundle is damaged: it ends too early")
            length -= len(piece)
            yield piece

    def _read(self, most: int) -> memoryview:
        """Some bytes, at most so many; none at the end."""
        if not self._ready:
            self._ready = memoryview(self._inflated())
        piece, self._ready = self._ready[:most], self._ready[most:]
        return piece

    def _inflated(self) -> bytes:
        """At most `PIECE_BYTES` at once, whatever a few bytes of the file may stand for."""
        try:
            while not self._inflate.eof:
                given = self._inflate.unconsumed_tail or self._file.read(PIECE_BYTES)
                piece = self._inflate.decompress(given, PIECE_BYTES)
                if piece or not given:
                    return piece
        except zlib.error as error:
            raise BundleError(f"the bundle is damaged: {error}") from None
        return b""

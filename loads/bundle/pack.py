"""From targets to an archive that an agent can run them from: the test's own module or package, found and packed.

It is called by the runner, on the machine where the tests are. What the local run would import from the working
directory, from beside a test file or from included directories comes along; what is installed does not. Nothing is
imported to find out.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from loads.bundle.archive import Limits, write_archive
from loads.bundle.gather import Gathered
from loads.bundle.sources import Sources
from loads.errors import UsageError


@dataclass(frozen=True)
class Packed:
    """A bundle as a file, which is the caller's to remove.

    Attributes:
        targets: those that were given, as they are called where the bundle is the working directory.
        search_path: directories in the bundle to import from; "." is the first.
        files: how many there are.
    """

    archive: Path
    sha256: str
    size_bytes: int
    targets: tuple[str, ...]
    search_path: tuple[str, ...]
    files: int

    def read(self, offset: int, length: int) -> bytes:
        """A piece of the archive; empty at its end."""
        with self.archive.open("rb") as file:
            file.seek(offset)
            return file.read(length)


def pack(
    targets: Sequence[str],
    *,
    directory: Path,
    include: Sequence[str] = (),
    files: Mapping[str, Path] = MappingProxyType({}),
    archive: Path | None = None,
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> Packed:
    """Pack what `targets` need to run elsewhere.

    A target in a package brings the whole package with its data files; any other brings its file. Modules that these
    import from `directory`, from beside a test file or from included directories come along, and so on; an import
    that only shows when the code runs (by a name that is put together, by a plugin's entry point) needs `include`.
    Empty directories are not shipped.

    Args:
        targets: ``package.module[.Class[.test]]`` or ``path/to/file.py[::Class[::test]]``.
        directory: where they are looked up: the working directory of the local run.
        include: files, directories and patterns (``**`` as well), relative to `directory`. Each keeps its place below
            `directory`; from outside it lands under its own name.
        files: more files, by their names in the bundle.
        archive: where to write it; None: a temporary file.
        limits: a bundle that is larger is refused.

    Raises:
        UsageError: with every problem.
    """
    gathered = Gathered(limits)
    try:
        sources = Sources(directory.resolve(), gathered)
        for pattern in include:
            sources.include(pattern)
        renamed = tuple([sources.target(target) for target in targets])
        sources.follow_imports()
        for name, path in files.items():
            gathered.add(name, path, path.resolve())
    except (OSError, RuntimeError) as error:  # RuntimeError: a link that leads to itself
        raise UsageError(f"a file can't be packed: {error}", "make it readable, or leave it out") from error
    gathered.check()
    written = archive or _temporary()
    try:
        with written.open("wb") as file:
            writer = write_archive(gathered.files, file)
    except BaseException:
        written.unlink(missing_ok=True)
        raise
    return Packed(written, writer.sha256, writer.size_bytes, renamed, sources.search_path, len(gathered.files))


def _temporary() -> Path:
    descriptor, name = tempfile.mkstemp(prefix="loads-bundle-", suffix=".tar.gz")
    os.close(descriptor)
    return Path(name)

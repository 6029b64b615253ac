"""Which files a module is, and which modules it imports: found out by looking, never by importing.

Names are looked up as Python does it, along directories in their order: a package or a module in the first directory
that has one; directories without ``__init__.py`` are namespace packages, which are only passed through. What a module
imports is read from its syntax tree.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import BYTECODE_SUFFIXES, EXTENSION_SUFFIXES, SOURCE_SUFFIXES
from pathlib import Path, PurePosixPath
from typing import Final

_SUFFIXES: Final = (*EXTENSION_SUFFIXES, *SOURCE_SUFFIXES, *BYTECODE_SUFFIXES)
_SOURCE_BYTES: Final = 4 << 20
"""A longer file is data that happens to be Python: its syntax tree would take gigabytes."""


@dataclass(frozen=True)
class Root:
    """A directory that modules are imported from.

    Attributes:
        path: without links in it.
        place: its name in the bundle.
        boundary: no link in it may lead out of here.
    """

    path: Path
    place: str
    boundary: Path

    def name_of(self, path: Path) -> str:
        """The name in the bundle of `path`, which is below."""
        inside = path.relative_to(self.path).as_posix()
        return inside if self.place == "." else f"{self.place}/{inside}"

    def package_of(self, name: str) -> str:
        """The package that the file `name` of the bundle is in when it is imported from here; "" for none."""
        inside = PurePosixPath(name).relative_to(self.place)
        return ".".join(inside.parts[:-1])


def find_unit(dotted: str, roots: Sequence[Root]) -> tuple[Root, Path] | None:
    """The outermost module (a file) or regular package (a directory) on the way to `dotted`, and whose of `roots`."""
    portions = [(root, root.path) for root in roots]
    for name in dotted.split("."):
        inner = []
        for root, directory in portions:
            path = _module_in(directory, name)
            if path is not None:
                return root, path
            if (directory / name).is_dir():
                inner.append((root, directory / name))
        portions = inner
    return None


def modules_in(roots: Sequence[Root]) -> list[str]:
    """Names that could be imported from `roots`, for a hint."""
    names = set()
    for root in roots:
        for path in root.path.iterdir() if root.path.is_dir() else ():
            name = path.name.partition(".")[0]
            if name.isidentifier() and _module_in(root.path, name) is not None:
                names.add(name)
    return sorted(names)


def imported_names(path: Path, package: str) -> set[str]:
    """What the file `path`, a module in `package`, imports: dotted names, of modules or of what is in them.

    A file that can't be read or parsed imports nothing: it will say so itself where it is run.
    """
    try:
        if path.stat().st_size > _SOURCE_BYTES:
            return set()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    return {name for node in ast.walk(tree) for name in _names_of(node, package)}


def _names_of(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        module = node.module or ""
        if node.level:
            above = package.split(".")
            if not package or node.level > len(above):
                return
            module = ".".join([*above[: len(above) - node.level + 1], *([module] if module else [])])
        yield module
        yield from (f"{module}.{alias.name}" for alias in node.names if alias.name != "*")


def _module_in(directory: Path, name: str) -> Path | None:
    """The package or the file called `name` in `directory`, as Python prefers them."""
    if any((directory / name / f"__init__{suffix}").is_file() for suffix in _SUFFIXES):
        return directory / name
    return next((path for suffix in _SUFFIXES if (path := directory / f"{name}{suffix}").is_file()), None)

"""Which files a module is, which modules it imports and what it feeds: found out by looking, never by importing.

Names are looked up as Python does it, along directories in their order: a package or a module in the first directory
that has one; directories without ``__init__.py`` are namespace packages, which are only passed through. What a module
imports is read from its syntax tree, and so are the files that ``self.feed("users.csv")`` names.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import BYTECODE_SUFFIXES, EXTENSION_SUFFIXES, SOURCE_SUFFIXES
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

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
        return ".".join(self.inside(name).parts[:-1])

    def inside(self, name: str) -> PurePosixPath:
        """Where the file `name` of the bundle is, seen from here."""
        return PurePosixPath(name).relative_to(self.place)


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


class Needs(NamedTuple):
    """What a module needs besides itself.

    Attributes:
        imports: dotted names, of modules or of what is in them.
        feeds: names of files.
    """

    imports: frozenset[str] = frozenset()
    feeds: frozenset[str] = frozenset()


def needs_of(path: Path, package: str) -> Needs:
    """What the file `path`, a module in `package`, needs.

    A file that can't be read or parsed needs nothing: it will say so itself where it is run.
    """
    try:
        if path.stat().st_size > _SOURCE_BYTES:
            return Needs()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return Needs()
    nodes = list(ast.walk(tree))
    imports = frozenset(name for node in nodes for name in _names_of(node, package))
    return Needs(imports, frozenset(name for node in nodes for name in _fed_by(node)))


def _fed_by(node: ast.AST) -> Iterator[str]:
    """The file that ``self.feed(...)`` names, when it does by a literal."""
    match node:
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id="self"), attr="feed"), args=[ast.Constant(value=str(name)), *_]
        ):
            yield name


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

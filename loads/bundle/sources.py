"""What belongs in a bundle: from targets and patterns to files, as the local run would find them.

The worker's loader says what a target is; here the same names are followed to files without an import. Three kinds of
directories are looked in, each with a place in the bundle: the working directory, those of test files outside of any
package, and those of included files. What lies outside of the working directory lands at the top, under its own name.
"""

from __future__ import annotations

import difflib
import glob
import importlib.util
import os
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from loads.bundle.gather import Gathered, is_left_out
from loads.bundle.imports import Root, find_unit, modules_in, needs_of

_SHOWN: Final = 12
_OURS: Final = "loads"
"""Never shipped: where a test can run there is one already."""


class Sources:
    """Adds to `gathered` what is asked for. `here` is the working directory, without links."""

    def __init__(self, here: Path, gathered: Gathered) -> None:
        self._here = Root(here, ".", here)
        self._gathered = gathered
        self._included: dict[Path, Root] = {}
        self._beside: dict[Path, Root] = {}
        self._outside: dict[str, Path] = {}
        self._added: set[tuple[str, Path]] = set()
        self._unread: deque[tuple[Root, str]] = deque()

    @property
    def search_path(self) -> tuple[str, ...]:
        """As the local run has it: the working directory, then included ones."""
        return tuple(dict.fromkeys([".", *(root.place for root in self._included.values())]))

    def include(self, pattern: str) -> None:
        """Add all that matches `pattern`, and make it importable."""
        here = self._here.path
        matches = sorted(glob.glob(pattern, root_dir=here, recursive=True))  # noqa: PTH207 - an absolute pattern, too
        asked_for = PurePosixPath(pattern).parts
        wanted = [
            match
            for match in matches
            if not any(is_left_out(part) for part in Path(match).parts if part not in asked_for)
        ]
        if not wanted:
            close = _close(Path(pattern).name, [path.name for path in (here / pattern).parent.glob("*")])
            hint = f"did you mean {Path(pattern).with_name(close)}?" if close else f"looked in {here}"
            self._gathered.problem(f"--include-file {pattern}: there is nothing of that name", hint)
        for match in wanted:
            self._include(self._spelled(match))

    def target(self, target: str) -> str:
        """Add the module or package of `target`; what it is called in the bundle."""
        first, *rest = target.split("::")
        if first.endswith(".py") or "/" in first:
            return "::".join([self._file(first, target), *rest])
        if rest:
            hint = "write package.module.Class.test or file.py::Class::test"
            self._gathered.problem(f"{target!r} mixes two ways to name a test", hint)
        elif not all(name.isidentifier() for name in first.split(".")):
            hint = "write package.module.Class.test or path/to/file.py::Class::test"
            self._gathered.problem(f"{target!r} is not a target", hint)
        else:
            self._dotted(first)
        return target

    def follow_imports(self) -> None:
        """Add what the files import and feed, what that imports, and so on. Each file is read once, so it ends."""
        known: set[tuple[Path, str]] = set()
        while self._unread:
            root, name = self._unread.popleft()
            needs = needs_of(self._gathered.files[name], root.package_of(name))
            for imported in sorted(needs.imports):
                if (root.path, imported) not in known:
                    known.add((root.path, imported))
                    self._add_module(imported, [root, *self._roots()])
            for fed in sorted(needs.feeds):
                self._add_feed(fed, root, name)

    def _include(self, path: Path) -> None:
        inside = path.is_relative_to(self._here.path)
        name = path.relative_to(self._here.path).as_posix() if inside else path.name
        if not inside and self._outside.setdefault(name, path) != path:
            message = f"{self._outside[name]} and {path} would both be {name} in the bundle"
            self._gathered.problem(message, "rename one of them")
            return
        is_root = path.is_dir() and not (path / "__init__.py").exists()
        folder = (path if is_root else path.parent).resolve()
        place = name if is_root else PurePosixPath(name).parent.as_posix()
        root = self._included.setdefault(folder, Root(folder, place, self._here.path if inside else folder))
        self._add(root, name, path, self._here.path if inside else path.resolve())

    def _spelled(self, match: str) -> Path:
        """`match` without ``..``, below the working directory if it is there in any spelling."""
        path = Path(os.path.abspath(self._here.path / match))  # noqa: PTH100 - resolve() would follow links
        return path if path.is_relative_to(self._here.path) else path.parent.resolve() / path.name

    def _file(self, name: str, target: str) -> str:
        """As the local run takes a file: its module's name begins at the outermost package that it lies in."""
        path = (self._here.path / name).resolve()
        if not path.is_file():
            self._gathered.problem(f"there is no file {name}", _files_nearby(Path(name), path.parent))
            return target
        parts, folder = [path.stem], path.parent
        while (folder / "__init__.py").is_file():
            parts.insert(0, folder.name)
            folder = folder.parent
        if not all(part.isidentifier() for part in parts):
            message = f"{target!r}: {'.'.join(parts)} is not a module name"
            self._gathered.problem(message, "rename the file, like test_site.py")
            return target
        root = self._beside.setdefault(folder, self._root_at(folder))
        self._add_target(root, folder / parts[0] if len(parts) > 1 else path)
        return root.name_of(path)

    def _dotted(self, target: str) -> None:
        roots, top = self._roots(), target.partition(".")[0]
        found = find_unit(target, roots)
        if found is not None and top != _OURS:
            self._add_target(*found)
        elif found is None and not _is_installed(top):
            there = modules_in(roots)
            close = _close(top, there)
            hint = f"did you mean {close}?" if close else f"modules here: {_shown(there)}"
            name = target if (self._here.path / top).is_dir() else top
            self._gathered.problem(f"there is no module {name} in {self._here.path} or on the Python path", hint)

    def _roots(self) -> list[Root]:
        """Where modules are looked up, in the order of the local run."""
        return [*reversed(self._beside.values()), self._here, *self._included.values()]

    def _root_at(self, folder: Path) -> Root:
        here = self._here.path
        if folder.is_relative_to(here):
            return Root(folder, folder.relative_to(here).as_posix(), here)
        return Root(folder, ".", folder)

    def _add_target(self, root: Root, path: Path) -> None:
        """With the ``conftest.py`` of the directories that it lies in."""
        self._add(root, root.name_of(path), path, root.boundary)
        folder = path.parent
        while folder.is_relative_to(root.boundary):
            if (folder / "conftest.py").is_file():
                above = self._root_at(folder)
                self._add(above, above.name_of(folder / "conftest.py"), folder / "conftest.py", above.boundary)
            folder = folder.parent

    def _add_module(self, dotted: str, roots: Sequence[Root]) -> None:
        found = None if dotted.partition(".")[0] == _OURS else find_unit(dotted, roots)
        if found is not None:
            root, path = found
            self._add(root, root.name_of(path), path, root.boundary)

    def _add_feed(self, fed: str, root: Root, module: str) -> None:
        """Where the local run would find it: beside the `module` of `root` first, then wherever it looks for modules.

        One that is nowhere may be made when the run is there: the agent says so if it isn't.
        """
        if PurePosixPath(fed).is_absolute():
            return
        beside = root.path / root.inside(module).parent
        for directory, owner in [(beside, root), *((each.path, each) for each in self._roots())]:
            path = Path(os.path.normpath(directory / fed))
            if path.is_file():
                inside = next((each for each in (owner, self._here) if path.is_relative_to(each.path)), None)
                if inside is not None:
                    self._add(inside, inside.name_of(path), path, inside.boundary)
                else:
                    hint = f"put it below {owner.path}, and feed it by its name there"
                    self._gathered.problem(f"{module} feeds {fed}, which lies outside of {owner.path}", hint)
                return

    def _add(self, root: Root, name: str, path: Path, boundary: Path) -> None:
        if (name, path) in self._added:
            return
        self._added.add((name, path))
        added = self._gathered.add(name, path, boundary)
        self._unread += [(root, name) for name in added if name.endswith(".py")]


def _is_installed(name: str) -> bool:
    """Whether agents are expected to have the module `name`, as this machine has it."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _files_nearby(path: Path, directory: Path) -> str:
    if not directory.is_dir():
        return f"there is no directory {directory} either"
    there = sorted(file.name for file in directory.glob("*.py"))
    close = _close(path.name, there)
    return f"did you mean {path.with_name(close)}?" if close else f"Python files in {directory}: {_shown(there)}"


def _close(name: str, there: Iterable[str]) -> str | None:
    return next(iter(difflib.get_close_matches(name, list(there), n=1, cutoff=0.75)), None)


def _shown(names: Sequence[str]) -> str:
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}" if names else "none"

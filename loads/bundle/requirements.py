"""Requirements as pip's files have them: read where the tests are, installed where they run.

An agent gets lines, not files: what a file refers to is followed here, and what only exists on this machine (a
directory with a package, an editable install) is refused. Options that say where packages come from are kept.

A constraint becomes the line ``-c name==1.0``: pip knows ``-c`` with a file only, and no file is left in the lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from loads.errors import UsageError

CONSTRAINT: Final = "-c "
_KEPT: Final = frozenset({
    *("-i", "--index-url", "--pypi-url", "--extra-index-url", "--no-index", "-f", "--find-links", "--trusted-host"),
    *("--pre", "--prefer-binary", "--no-binary", "--only-binary", "--require-hashes"),
})  # fmt: skip
_FOLLOWED: Final = {"-r": False, "--requirement": False, "-c": True, "--constraint": True}
_COMMENT: Final = re.compile(r"(^|\s+)#.*$")
_OPTION: Final = re.compile(r"(--[a-z-]+|-[a-zA-Z])(?:\s*=\s*|\s+)?(.*)")
_NAMED: Final = re.compile(r"[A-Za-z0-9][\w.-]*\s*(\[[^]]*\])?\s*(@\s*(?P<url>.*)|[<>=!~;(\s].*)?")
_REMOTE: Final = re.compile(r"(?:[a-z]+\+)?(?:https?|ssh|git)://\S")
_FILE_ENDS: Final = (".whl", ".zip", ".tar.gz", ".tar.bz2", ".tar.xz", ".tgz")
_FILES: Final = 100
_LINES: Final = 10_000
_SHIP_IT: Final = "agents don't have it: ship a package with --include-file, or take it from a package index"


def read_requirements(path: Path) -> tuple[str, ...]:
    """The requirements in the file `path` and those that it refers to, a line each, without comments.

    Raises:
        UsageError: with every line that can't be used on another machine.
    """
    reader = _Reader()
    reader.read(path, constraints=False)
    problems = [*reader.problems, *find_problems(reader.lines)]
    if problems:
        raise UsageError.of(problems)
    return tuple(dict.fromkeys(reader.lines))


def find_problems(lines: Sequence[str]) -> list[UsageError]:
    """What keeps `lines` from meaning the same everywhere."""
    problems = [problem for line in lines if (problem := _problem(line)) is not None]
    if len(lines) > _LINES:
        problems.append(UsageError(f"more than {_LINES:,} lines of requirements", "leave some out"))
    return problems


class _Reader:
    """Follows ``-r`` and ``-c``. A file that includes itself is read once."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.problems: list[UsageError] = []
        self._seen: set[tuple[Path, bool]] = set()

    def read(self, path: Path, *, constraints: bool) -> None:
        key = (path.resolve(), constraints)
        if key in self._seen:
            return
        if len(self._seen) == _FILES:
            self.problems.append(UsageError(f"requirements in more than {_FILES} files", "put them in fewer"))
            return
        self._seen.add(key)
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8"
            self.problems.append(UsageError(f"requirements {path} can't be read: {reason}", "give pip's requirements"))
            return
        for line in _logical(text):
            option = _OPTION.fullmatch(line)
            followed = _FOLLOWED.get(option[1]) if option else None
            if option is None or followed is None:
                self.lines.append(CONSTRAINT + line if constraints and option is None else line)
            elif _REMOTE.match(option[2]):
                self.problems.append(UsageError(f"{line}: a file on another machine is not fetched", "download it"))
            else:
                self.read(path.parent / option[2].strip("\"'"), constraints=constraints or followed)


def _logical(text: str) -> Iterator[str]:
    """Lines as pip joins them, without comments and empty ones."""
    joined = ""
    for line in [*text.splitlines(), ""]:
        if line.endswith("\\") and not line.lstrip().startswith("#"):
            joined += line[:-1] + " "
            continue
        whole = _COMMENT.sub("", joined + line).strip()
        joined = ""
        if whole:
            yield " ".join(whole.split())


def _problem(line: str) -> UsageError | None:
    if line != line.strip() or not line.isprintable():
        return UsageError(f"{line!r} is not one line of requirements", "give one requirement a line")
    requirement = line.removeprefix(CONSTRAINT)
    option = _OPTION.fullmatch(requirement)
    if option is not None:
        if option[1] in ("-e", "--editable"):
            return UsageError(f"{line}: an editable install can't be shipped", _SHIP_IT)
        if option[1] not in _KEPT or line.startswith(CONSTRAINT):
            return UsageError(f"{line}: this option has no meaning on an agent", "remove it from the requirements")
        if option[1] in ("-f", "--find-links") and not (_REMOTE.match(option[2]) or option[2].startswith("/")):
            return UsageError(
                f"{line}: agents don't have that directory", "give a URL, or a path that all machines have"
            )
        return None
    named = _NAMED.fullmatch(requirement)
    if named is not None:
        is_file = requirement.partition(" ")[0].endswith(_FILE_ENDS)
        if _REMOTE.match(named["url"]) if named["url"] else not is_file:
            return None
        return UsageError(f"{line}: agents don't have that file", _SHIP_IT)
    if _REMOTE.match(requirement):
        return None
    return UsageError(f"{line}: that is no package by its name, nor a URL", _SHIP_IT)

"""Installs packages for `environment`, as a process: ``python -m loads.bundle.builder LOCK HALF WHOLE ACCOUNT PIP...``.

It waits for the lock, lets pip install into a directory of its own, and gives that its name: all in one process that
can be killed at any time, since the lock goes with it, and only the next one that has the lock touches what it left.

pip runs code of the packages that it builds. So where an ACCOUNT is given (else "-"), pip is that user's. What it
installed is then packed by that user, too, and unpacked here as any other bundle: nobody's links are followed, and
what others use later belongs to nobody who runs such code.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from loads.bundle.archive import Limits, write_archive
from loads.bundle.unpack import unpack
from loads.errors import LoadsError

LIMITS: Final = Limits(files=500_000, size_bytes=16 << 30)
PACK: Final = "--pack"


class Account(NamedTuple):
    """A user that pip runs as."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Account:
        """What `str` made."""
        uid, gid, *groups = map(int, text.split(","))
        return cls(uid, gid, tuple(groups))

    def __str__(self) -> str:
        return ",".join(map(str, (self.uid, self.gid, *self.groups)))

    @property
    def as_started(self) -> dict[str, Any]:
        """For `subprocess`."""
        return {"user": self.uid, "group": self.gid, "extra_groups": list(self.groups), "cwd": "/"}


def build(lock: Path, half: Path, whole: Path, account: Account | None, pip: Sequence[str]) -> int:
    """Make `whole`, unless somebody else did meanwhile; pip's exit code."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        if whole.is_dir():
            return 0
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(mode=0o700)
        code, made = (_install(half, None, pip), half) if account is None else _install_as(account, half, pip)
        if code == 0:
            made.rename(whole)
        return code
    finally:
        shutil.rmtree(half, ignore_errors=True)
        os.close(descriptor)


def let_read(tree: Path) -> None:
    """Let everybody read `tree`, which must be ours alone."""
    for _, directories, files, descriptor in os.fwalk(tree, topdown=False):
        for name in (*directories, *files):
            mode = os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode
            if not stat.S_ISLNK(mode):
                os.chmod(name, 0o755 if mode & stat.S_IXUSR else 0o644, dir_fd=descriptor)
    tree.chmod(0o755)


def _install(target: Path, account: Account | None, pip: Sequence[str]) -> int:
    command = [sys.executable, "-P", "-m", "pip", "install", "--target", str(target), *pip]
    started = {} if account is None else account.as_started
    return subprocess.run(command, check=False, **started).returncode  # noqa: S603 - no shell


def _install_as(account: Account, half: Path, pip: Sequence[str]) -> tuple[int, Path]:
    installed, packed, whole = half / "installed", half / "packed", half / "whole"
    half.chmod(0o711)
    installed.mkdir(mode=0o700)
    os.chown(installed, account.uid, account.gid)
    code = _install(installed, account, pip)
    if code:
        return code, whole
    command = [sys.executable, "-P", "-m", "loads.bundle.builder", PACK, str(installed)]
    with packed.open("xb") as file:
        code = subprocess.run(command, check=False, stdout=file, **account.as_started).returncode  # noqa: S603 - no shell
    if code == 0:
        half.chmod(0o700)
        unpack(packed, whole, LIMITS)
        let_read(whole)
    return code, whole


def _pack(directory: Path) -> None:
    files = {path.relative_to(directory).as_posix(): path for path in directory.rglob("*") if path.is_file()}
    write_archive(files, sys.stdout.buffer)


def _main(arguments: list[str]) -> int:
    try:
        if arguments[0] == PACK:
            _pack(Path(arguments[1]))
            return 0
        lock, half, whole, account, *pip = arguments
        return build(Path(lock), Path(half), Path(whole), None if account == "-" else Account.parse(account), pip)
    except LoadsError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))

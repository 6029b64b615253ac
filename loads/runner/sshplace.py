"""A directory for the sockets of one tunnel: of this user alone, with a short path, and gone after it.

A lock says that its process lives. What a SIGKILL left behind has none, and is removed by whoever comes next.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from loads.errors import LoadsError
from loads.wire.endpoint import secure_directory

PREFIX: Final = "ssh-"
_PREFIX_ELSEWHERE: Final = "loads-ssh-"
MAX_BYTES: Final = 80
"""Of its path: 107 less the name of the control socket, which ssh writes with 17 letters more at first."""
_TRIES: Final = 10


@contextmanager
def private_place(wanted: Path) -> Iterator[Path]:
    """A new directory below `wanted`, or where that is too long or can't be, below the one for temporary files.

    Raises:
        LoadsError: there is no room for it anywhere.
    """
    place, lock = _take(*_base(wanted))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        os.close(lock)


def _base(wanted: Path) -> tuple[Path, str]:
    """Where to make it, and how its name begins."""
    if len(os.fsencode(wanted)) + len(f"/{PREFIX}12345678") <= MAX_BYTES:
        with suppress(LoadsError):
            secure_directory(wanted)
            return wanted, PREFIX
    elsewhere = Path(tempfile.gettempdir())
    if len(os.fsencode(elsewhere)) + len(f"/{_PREFIX_ELSEWHERE}12345678") <= MAX_BYTES:
        return elsewhere, _PREFIX_ELSEWHERE
    return Path("/tmp"), _PREFIX_ELSEWHERE  # noqa: S108 - mkdtemp makes a private one


def _take(base: Path, prefix: str) -> tuple[Path, int]:
    """A new one, and the lock that it is ours by. Somebody who sweeps may be faster than the lock."""
    _sweep(base, prefix)
    for _ in range(_TRIES):
        try:
            place = Path(tempfile.mkdtemp(prefix=prefix, dir=base))
        except OSError as error:
            raise LoadsError(f"can't make a directory in {base}: {error.strerror}", "see its room and rights") from None
        lock = _lock(place, os.O_CREAT)
        if lock is not None:
            return place, lock
    raise LoadsError(f"others remove what is made in {base}", "set XDG_STATE_HOME to a directory of your own")


def _sweep(base: Path, prefix: str) -> None:
    """Remove what nobody uses any more. One without a lock's file is half made, and lost only if it is empty."""
    for left in base.glob(f"{prefix}????????"):
        with suppress(OSError):
            if left.is_symlink() or left.stat().st_uid != os.geteuid():
                continue
            lock = _lock(left, 0)
            if lock is not None:
                shutil.rmtree(left, ignore_errors=True)
                os.close(lock)
            elif not (left / "lock").exists():
                left.rmdir()


def _lock(place: Path, flags: int) -> int | None:
    """Taken; None: another has it, or it is gone."""
    try:
        lock = os.open(place / "lock", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | flags, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(lock), (place / "lock").stat()):
            return lock
    except OSError:
        pass
    os.close(lock)
    return None

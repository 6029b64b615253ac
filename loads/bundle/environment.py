"""Packages that tests need, installed by pip into a directory that is kept: called by agents before tests are loaded.

A directory's name says what is in it (`environment_key`), so the second run with the same requirements waits for
nothing, and one is there as a whole or not at all. Agents on one machine may share where they are kept: one builds,
the others wait for it. pip is asked as it is set up on this machine; nothing here knows of any index.

pip runs code of the packages that it builds, so it gets no more of this process's environment than the tests do, but
for what sets up pip itself: that may hold the password of an index, which pip needs. The HOME among that may be of
another user, whose packages Python would import from there: not into the builder, which may be root's.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import platform
import shutil
import signal
import stat
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from loads.bundle.archive import PIECE_BYTES
from loads.bundle.builder import Account, let_read
from loads.bundle.requirements import CONSTRAINT, find_problems
from loads.errors import LoadsError

OUTPUT_LINES: Final = 40
MOST_WHEEL_BYTES: Final = 4 << 30
"""All of one is read. A test may have left one with a hole of any size, that nobody could read to its end."""
_OUTPUT_BYTES: Final = 1 << 16
_DYING_S: Final = 5.0
_ELSEWHERE: Final = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_REQUIREMENT", "PIP_CONSTRAINT")
"""Settings of this machine's pip that would install other things, or to another place."""
_OF_PIP: Final = ("PIP_", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")
"""Beginnings of the variables that set up pip."""


class EnvironmentFailed(LoadsError):
    """Packages can't be installed. `output` is the end of what pip said."""

    def __init__(self, message: str, hint: str = "", output: str = "") -> None:
        super().__init__(message, hint)
        self.output = output


def python_tag() -> str:
    """Which Python this is, as far as installed packages depend on it: ``cpython-3.11``."""
    return f"{sys.implementation.name}-{sys.version_info.major}.{sys.version_info.minor}"


def platform_tag() -> str:
    """Which machine this is, as far as installed packages depend on it: ``linux-x86_64-glibc2.36``."""
    return "-".join(filter(None, (sysconfig.get_platform(), "".join(platform.libc_ver()))))


def environment_key(requirements: Sequence[str], python: str, machine: str, wheels: Sequence[str] = ()) -> str:
    """The name of the environment with `requirements`, whose order matters (of indexes, the first one counts).

    `wheels` is what lies in the directory that is searched besides.
    """
    document = json.dumps([list(requirements), python, machine, list(wheels)], ensure_ascii=True)
    return hashlib.sha256(document.encode()).hexdigest()


async def prepare(
    requirements: Sequence[str],
    directory: Path,
    *,
    search: Path | None = None,
    variables: Mapping[str, str] | None = None,
    account: Account | None = None,
) -> Path:
    """A directory for the Python path with `requirements` in it, installed now if they are not yet.

    When this is cancelled, pip is killed and nothing of a half environment stays.

    Args:
        requirements: lines, as `read_requirements` gives them.
        directory: where environments are kept.
        search: a directory with wheels or sdists to look in besides, as with ``--find-links``.
        variables: the environment of tests; None: all of this process's own.
        account: the user that tests, and so pip, run as; None: the user of this process.

    Raises:
        EnvironmentFailed: pip can't install them.
    """
    problems = find_problems(requirements)
    if problems:
        raise EnvironmentFailed(problems[0].message, problems[0].hint)
    wheels = await asyncio.to_thread(_wheels, search)
    key = environment_key(requirements, python_tag(), platform_tag(), wheels)
    whole = directory / key
    if not whole.is_dir():
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _asked_for(requirements, account) as files:
            options = [*files, *(() if search is None else ("--find-links", str(search.absolute())))]
            code, output = await _build(directory, key, options, variables, account)
        if code or not whole.is_dir():
            raise EnvironmentFailed(_what_failed(requirements, code), "see what pip says", output)
    if account is not None and not whole.stat().st_mode & stat.S_IROTH:  # an agent without another user made it
        await asyncio.to_thread(let_read, whole)
    return whole


def _what_failed(requirements: Sequence[str], code: int) -> str:
    ended = f"ended with exit code {code}" if code >= 0 else f"was killed by signal {-code}"
    names = [line for line in requirements if not line.startswith("-")]
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"pip can't install {shown}: it {ended}"


def _wheels(search: Path | None) -> list[str]:
    """The packages in `search`, by name and content."""
    wheels = []
    for path in sorted(search.iterdir()) if search is not None and search.is_dir() else ():
        if path.name.endswith((".whl", ".tar.gz", ".zip")) and path.is_file() and not path.is_symlink():
            with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123 - a descriptor
                if os.fstat(file.fileno()).st_size > MOST_WHEEL_BYTES:
                    raise EnvironmentFailed(
                        f"{path.name} is larger than {MOST_WHEEL_BYTES >> 30} GB", "remove it there"
                    )
                wheels.append(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}")
    return wheels


@contextlib.contextmanager
def _asked_for(requirements: Sequence[str], account: Account | None) -> Iterator[list[str]]:
    """Options with files for pip: its command line would show what they say to everybody on the machine."""
    constraints = [line.removeprefix(CONSTRAINT) for line in requirements if line.startswith(CONSTRAINT)]
    wanted = [line for line in requirements if not line.startswith(CONSTRAINT)]
    with tempfile.TemporaryDirectory(prefix="loads-asked-") as folder:
        files = list[str]()
        for option, name, lines in (("-r", "requirements.txt", wanted), ("-c", "constraints.txt", constraints)):
            path = Path(folder) / name
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            files += (option, str(path))
            if account is not None:
                os.chown(path, account.uid, account.gid)
        if account is not None:
            os.chown(folder, account.uid, account.gid)
        yield files


async def _build(
    directory: Path, key: str, options: Sequence[str], variables: Mapping[str, str] | None, account: Account | None
) -> tuple[int, str]:
    """Start the builder and wait for it; its exit code, and the end of what it printed."""
    lock, half, whole = directory / f"{key}.lock", directory / f"{key}.half", directory / key
    fixed = ["--no-input", "--disable-pip-version-check", "--no-color", "--progress-bar", "off", "--no-user"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-s", "-m", "loads.bundle.builder", str(lock), str(half), str(whole)),
        *("-" if account is None else str(account), *fixed, *options),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        env=_environment(variables),
    )
    try:
        output = await _end_of_output(process)
        return await process.wait(), output
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            with contextlib.suppress(TimeoutError):  # pip is gone, too, when nobody holds its output
                await asyncio.wait_for(_end_of_output(process), _DYING_S)
            await process.wait()
            _clear(lock, half)


def _environment(variables: Mapping[str, str] | None) -> dict[str, str]:
    ours = {name: text for name, text in os.environ.items() if variables is None or name.startswith(_OF_PIP)}
    return {name: text for name, text in {**ours, **(variables or {})}.items() if name not in _ELSEWHERE}


async def _end_of_output(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    kept = b""
    while piece := await process.stdout.read(PIECE_BYTES):
        kept = (kept + piece)[-_OUTPUT_BYTES:]
    return "\n".join(kept.decode(errors="replace").splitlines()[-OUTPUT_LINES:])


def _clear(lock: Path, half: Path) -> None:
    """Delete what a killed builder left, unless another one works there."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(half, ignore_errors=True)
    except BlockingIOError:
        pass  # its builder deletes what it finds
    finally:
        os.close(descriptor)

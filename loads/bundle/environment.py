"""Packages that tests need, installed by pip into a directory that is kept: called by agents before tests are loaded.

A directory's name says what is in it (`environment_key`), so the second run with the same requirements waits for
nothing, and one is there as a whole or not at all. Agents on one machine may share where they are kept: one builds,
the others wait for it. pip is asked as it is set up on this machine; nothing here knows of any index.
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
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from loads.bundle.archive import PIECE_BYTES
from loads.bundle.requirements import CONSTRAINT, find_problems
from loads.errors import LoadsError

OUTPUT_LINES: Final = 40
_OUTPUT_BYTES: Final = 1 << 16
_DYING_S: Final = 5.0
_ELSEWHERE: Final = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_REQUIREMENT", "PIP_CONSTRAINT")
"""Settings of this machine's pip that would install other things, or to another place."""


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


async def prepare(requirements: Sequence[str], directory: Path, *, search: Path | None = None) -> Path:
    """A directory for the Python path with `requirements` in it, installed now if they are not yet.

    When this is cancelled, pip is killed and nothing of a half environment stays.

    Args:
        requirements: lines, as `read_requirements` gives them.
        directory: where environments are kept.
        search: a directory with wheels or sdists to look in besides, as with ``--find-links``.

    Raises:
        EnvironmentFailed: pip can't install them.
    """
    problems = find_problems(requirements)
    if problems:
        raise EnvironmentFailed(problems[0].message, problems[0].hint)
    wheels = await asyncio.to_thread(_wheels, search)
    key = environment_key(requirements, python_tag(), platform_tag(), wheels)
    whole = directory / key
    if whole.is_dir():
        return whole
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _asked_for(requirements) as files:
        options = [part for path in files for part in path]
        if search is not None:
            options += ["--find-links", str(search.absolute())]
        code, output = await _build(directory, key, options)
    if code or not whole.is_dir():
        raise EnvironmentFailed(_what_failed(requirements, code), "see what pip says", output)
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
        if path.name.endswith((".whl", ".tar.gz", ".zip")) and path.is_file():
            with path.open("rb") as file:
                wheels.append(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}")
    return wheels


@contextlib.contextmanager
def _asked_for(requirements: Sequence[str]) -> Iterator[list[tuple[str, str]]]:
    """Files for pip: its command line would show what they say to everybody on the machine."""
    constraints = [line.removeprefix(CONSTRAINT) for line in requirements if line.startswith(CONSTRAINT)]
    wanted = [line for line in requirements if not line.startswith(CONSTRAINT)]
    with tempfile.TemporaryDirectory(prefix="loads-asked-") as folder:
        files = []
        for option, name, lines in (("-r", "requirements.txt", wanted), ("-c", "constraints.txt", constraints)):
            path = Path(folder) / name
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            files.append((option, str(path)))
        yield files


async def _build(directory: Path, key: str, options: Sequence[str]) -> tuple[int, str]:
    """Start the builder and wait for it; its exit code, and the end of what it printed."""
    lock, half, whole = directory / f"{key}.lock", directory / f"{key}.half", directory / key
    fixed = ["--no-input", "--disable-pip-version-check", "--no-color", "--progress-bar", "off", "--no-user"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "loads.bundle.builder", str(lock), str(half), str(whole)),
        *("install", "--target", str(half), *fixed, *options),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        env={name: value for name, value in os.environ.items() if name not in _ELSEWHERE},
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

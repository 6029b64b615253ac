"""The process that installs packages for `environment`: ``python -m loads.bundle.builder LOCK HALF WHOLE PIP...``.

It waits for the lock, lets pip install into a directory of its own, and gives that its name: all in one process that
can be killed at any time, since the lock goes with it, and only the next one that has the lock touches what it left.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def build(lock: Path, half: Path, whole: Path, pip: Sequence[str]) -> int:
    """Make `whole`, unless somebody else did meanwhile; pip's exit code."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        if whole.is_dir():
            return 0
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(mode=0o700)
        code = subprocess.run([sys.executable, "-P", "-m", "pip", *pip], check=False).returncode  # noqa: S603 - no shell
        if code == 0:
            half.rename(whole)
        return code
    finally:
        if not whole.is_dir():
            shutil.rmtree(half, ignore_errors=True)
        os.close(descriptor)


if __name__ == "__main__":
    _, lock_name, half_name, whole_name, *arguments = sys.argv
    sys.exit(build(Path(lock_name), Path(half_name), Path(whole_name), arguments))

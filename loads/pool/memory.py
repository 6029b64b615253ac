"""How much memory this machine, or what contains this process, has left.

A container is a control group: it may have far less than its machine, whose figures it sees nevertheless. Each group
above it counts, too, so the least of all of them is taken. What a group keeps of files that nobody used lately
(`inactive_file`) is as good as free: the kernel drops it when memory is wanted.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil

_PROC: Final = Path("/proc")
_GROUPS: Final = Path("/sys/fs/cgroup")
_V2: Final = ("memory.max", "memory.current", "inactive_file")
_V1: Final = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def available_bytes(proc: Path = _PROC, groups: Path = _GROUPS) -> int:
    """What new users may take before something else has to give."""
    return min([int(psutil.virtual_memory().available), *_left_in_groups(proc, groups)])


def _left_in_groups(proc: Path, groups: Path) -> Iterator[int]:
    """What each group that limits this process has left."""
    for line in _text(proc / "self" / "cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            yield from _left_above(groups, path, _V2)
        elif "memory" in controllers.split(","):
            yield from _left_above(groups / "memory", path, _V1)


def _left_above(root: Path, path: str, names: tuple[str, str, str]) -> Iterator[int]:
    """The same in `path` and all above it. In a container the upper ones may be out of sight, or it is `root`."""
    limit_name, usage_name, reclaimable = names
    steps = [step for step in path.split("/") if step not in ("", "..")]
    for depth in range(len(steps), -1, -1):
        group = root.joinpath(*steps[:depth])
        limit, usage = _text(group / limit_name).strip(), _text(group / usage_name).strip()
        if limit.isdigit() and usage.isdigit():
            yield max(0, int(limit) - max(0, int(usage) - _stat(group / "memory.stat", reclaimable)))


def _stat(file: Path, name: str) -> int:
    for line in _text(file).splitlines():
        key, _, value = line.partition(" ")
        if key == name and value.isdigit():
            return int(value)
    return 0


def _text(file: Path) -> str:
    """What `file` says; nothing where there is none, or none for us."""
    try:
        return file.read_text()
    except OSError:
        return ""

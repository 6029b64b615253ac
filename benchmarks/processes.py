"""Processes that the benchmarks start: where they run, how much memory they hold, how they end.

Everything is addressed by the id of a process that was started here, or of a child of one. Linux: reads /proc.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from loads.errors import LoadsError, UsageError

GENERATOR_CORE = 0
SERVER_CORE = 1
"""Two cores: who makes the load, and who bears it, are never on the same one."""
_POLL_S = 0.02
_PACKAGES = {"taskset": "util-linux"}
"""Debian's package of a program, where it has another name."""
_SYSTEM_PATHS = os.pathsep.join(("/usr/local/sbin", "/usr/sbin", "/sbin"))


def require(*programs: str) -> None:
    """Raise UsageError unless all `programs` and two cores are here; tells everything that is missing at once."""
    problems = [_missing(program) for program in programs if _which(program) is None]
    missing = {GENERATOR_CORE, SERVER_CORE} - os.sched_getaffinity(0)
    if missing:
        cores = " and ".join(str(core) for core in sorted(missing))
        problems.append(UsageError(f"this process may not use core {cores}", "allow cores 0 and 1 (see taskset)"))
    if problems:
        raise UsageError.of(problems)


def path_of(program: str) -> str:
    """The program's full path; Debian keeps some in sbin, which not everybody has on PATH.

    Raises:
        UsageError: it is not installed.
    """
    found = _which(program)
    if found is None:
        raise _missing(program)
    return found


def on_core(core: int, command: Sequence[str]) -> list[str]:
    """`command`, to be started on `core` alone; taskset becomes the program, so the process id is the program's."""
    return [path_of("taskset"), "-c", str(core), *command]


def pin(pid: int, core: int) -> None:
    """Move a running process with all its threads to `core`; what it starts later inherits that."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})


def wait_for_child(parent: subprocess.Popen[bytes], words: Sequence[str], timeout_s: float) -> int:
    """The id of the child of `parent` whose command line has all `words` as arguments, as soon as there is one.

    Raises:
        LoadsError: the parent ended before, or it took longer than `timeout_s`.
    """
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s and parent.poll() is None:
        for pid in children_of(parent.pid):
            if set(words) <= set(arguments_of(pid)):
                return pid
        time.sleep(_POLL_S)
    state = "did not within time" if parent.poll() is None else f"ended with status {parent.returncode}"
    raise LoadsError(f"process {parent.pid} was to start {' '.join(words)} and {state}")


def arguments_of(pid: int) -> list[str]:
    """The command line of process `pid`; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")[:-1]
    except (FileNotFoundError, ProcessLookupError):
        return []


def rss_bytes(pid: int) -> int:
    """The resident memory of process `pid`.

    Raises:
        LoadsError: it is gone.
    """
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError):
        raise LoadsError(f"process {pid} is gone while its memory was measured") from None
    return pages * os.sysconf("SC_PAGE_SIZE")


def busy_share(over_s: float) -> float:
    """What share of all cores was at work during the next `over_s`: 0 to 1."""
    busy, whole = _jiffies()
    time.sleep(over_s)
    busy_then, whole_then = _jiffies()
    return (busy_then - busy) / max(1, whole_then - whole)


def end(process: subprocess.Popen[bytes], grace_s: float) -> None:
    """Ask `process` to end; kill it when it has not done so within `grace_s`. It may have ended already."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(grace_s)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def environment() -> dict[str, str]:
    """Our own environment, without what would lead requests through a proxy or configure a tool behind our back."""
    configured = ("LOADS_", "LOCUST_", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and not name.startswith(configured)
    }


def tail_of(log: Path, lines: int = 12) -> str:
    """The last lines of what a process printed, for a message."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""


def _missing(program: str) -> UsageError:
    return UsageError(f"{program} is not installed", f"on Debian: apt-get install {_PACKAGES.get(program, program)}")


def _which(program: str) -> str | None:
    return shutil.which(program, path=os.environ.get("PATH", os.defpath) + os.pathsep + _SYSTEM_PATHS)


def _jiffies() -> tuple[int, int]:
    """Of all cores together since the machine's start: at work, and in all."""
    # user nice system idle iowait irq softirq steal; what follows is contained in the first two.
    times = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(times) - times[3] - times[4], sum(times)


def children_of(parent: int) -> list[int]:
    """The processes that `parent` has started and that are there."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        # "pid (name) state parent ...": the name may hold anything, even parentheses.
        if int(stat.rpartition(")")[2].split()[1]) == parent:
            found.append(int(entry.name))
    return found

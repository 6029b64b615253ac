"""A real circusd on the files that ship, for a user of its own: a home directory that was empty before.

    with run_circus("circus.ini") as circus:
        circus.wait_for_agents(2)
        circus.call("loads", "status")

It is started as a newcomer may, by its full path, with no virtual environment active and a PATH that knows nothing of
Loads. Whatever it has started is ended with the test, by process id.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from loads.errors import LoadsError
from loads.runner.cluster import ask_status
from loads.wire.cluster import Status
from loads.wire.endpoint import default_endpoint
from tests.commands import LoadsRunner, alive
from tests.servers import DEADLINE_S, wait_until

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
LISTENS = "0A"
"""A TCP socket's state in /proc/net."""


class Circus:
    """A circusd, and what it runs. `home` is short, for sockets are in it."""

    def __init__(self, home: Path, config: str) -> None:
        self.home = home
        self.state = home / ".local" / "state" / "loads"
        self.environment = {"HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
        self.environment["WEB_OPTIONS"] = "--port 0"  # tests run side by side
        self._command = [str(BIN / "circusd"), str(ROOT / config)]
        self._output = home / "circusd.out"
        self.runner = LoadsRunner(home / "work")
        self.runner.directory.mkdir()

    def start(self) -> None:
        """It, in the foreground; see `wait_for_agents`."""
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(
                self._command, cwd="/", env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def kill(self) -> None:
        """As a crash: SIGKILL, to circusd alone."""
        self.process.kill()
        self.process.wait(DEADLINE_S)

    def terminate(self) -> None:
        """SIGTERM."""
        self.process.terminate()

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(DEADLINE_S)

    def output(self) -> str:
        """What it said on its terminal, all of them since the test began."""
        return self._output.read_text()

    def log(self, name: str) -> str:
        """A log file."""
        return (self.state / "log" / f"{name}.log").read_text()

    def pids(self, command: str = "") -> set[int]:
        """Processes of this home that run `command`, whoever their parent is."""
        return processes_of(self.home, command)

    def status(self) -> Status | None:
        """As the broker tells; None: it does not answer."""
        try:
            return asyncio.run(ask_status(default_endpoint(self.environment), 100))
        except LoadsError:
            return None

    def wait_for_agents(self, count: int) -> None:
        """Until so many are there and free."""

        def free() -> bool:
            status = self.status()
            return status is not None and sum(agent.run is None for agent in status.agents) >= count

        wait_until(free, f"{count} agents; circusd said:\n{self.output()}")

    def close(self) -> None:
        """End what is left, and see that it went."""
        if self.process.poll() is None:
            self.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.wait()
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for path in [self._output, *sorted((self.state / "log").glob("*.log"))]:
            print(f"----- {path.name}\n{path.read_text()}")
        wait_until(lambda: not self.pids(), "processes to end")


@contextmanager
def run_circus(config: str) -> Iterator[Circus]:
    """A circusd on that file of the repository, just started."""
    home = Path(tempfile.mkdtemp(prefix="lh-", dir="/tmp" if os.access("/tmp", os.W_OK) else None))
    circus = Circus(home, config)
    try:
        circus.start()
        try:
            yield circus
        finally:
            circus.close()
    finally:
        shutil.rmtree(home)


def processes_of(home: Path, command: str = "") -> set[int]:
    """Processes that have this home, and run `command` if one is asked for."""
    mark, found = f"HOME={home}".encode(), set()
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                words = (entry / "cmdline").read_bytes().split(b"\0")[:4]
                if any(word.endswith(command.encode()) for word in words) and alive(int(entry.name)):
                    found.add(int(entry.name))
    return found


def listeners(pids: set[int]) -> list[str]:
    """Where these processes listen, or take datagrams: ``tcp 0100007F:1E61``, ``unix /path``, ``unix @abstract``."""
    sockets = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                sockets.add(str(link.readlink()))
    found = []
    for name in ("tcp", "tcp6", "udp", "udp6"):
        for line in _rows(name):
            if f"socket:[{line[9]}]" in sockets and (line[3] == LISTENS or name.startswith("udp")):
                found.append(f"{name} {line[1]}")
    for line in _rows("unix"):
        if f"socket:[{line[6]}]" in sockets and len(line) > 7:
            found.append(f"unix {line[7]}")
    return sorted(found)


def _rows(name: str) -> list[list[str]]:
    path = Path("/proc/net") / name
    return [line.split() for line in path.read_text().splitlines()[1:]] if path.exists() else []

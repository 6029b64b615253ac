"""A real cluster: a broker and agents as processes, with their state in a short temporary path, ended with the test.

    cluster.start_broker(); cluster.start_agents("north", "south")
    run = cluster.run("shop.py", "-a", "2", "-u", "10", "-d", "4s")

Any of them can be killed, frozen, thawed and started again on what it left. Loopback; processes are ended by their ids,
and none may be left: workers die with their agents.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from loads.errors import LoadsError
from loads.runner.cluster import ask_status
from loads.wire.cluster import AgentStatus, RunStatus, Status
from loads.wire.endpoint import Endpoint, default_endpoint
from tests.commands import Finished, LoadsRunner, alive, environment_for, environment_for_loads
from tests.servers import DEADLINE_S, wait_until

BIN = Path(sys.executable).parent


class Member:
    """A broker or an agent; `pid` is that of its present process."""

    def __init__(self, name: str, command: list[str], log: Path, environment: dict[str, str]) -> None:
        self.name = name
        self._command, self._log, self._environment = command, log, environment
        self._frozen = False
        self.process = self._start()

    def __repr__(self) -> str:
        state = "frozen" if self._frozen else "running" if self.process.poll() is None else "ended"
        return f"<Member {self.name} {state} pid={self.pid}>"

    @property
    def pid(self) -> int:
        return self.process.pid

    def log(self) -> str:
        """All that it said, under all its process ids."""
        return self._log.read_text()

    def wait_for_log(self, text: str, deadline_s: float = DEADLINE_S) -> None:
        """Until it says `text`."""
        wait_until(lambda: text in self.log(), f"{self.name} to say {text!r}; it said:\n{self.log()}", deadline_s)

    def kill(self) -> None:
        """As a crash: SIGKILL."""
        self.process.kill()
        self.process.wait(DEADLINE_S)
        self._frozen = False

    def terminate(self) -> int:
        """As a service manager does: SIGTERM, and wait; its exit code."""
        self.process.terminate()
        self.thaw()
        return self.process.wait(DEADLINE_S)

    def freeze(self) -> None:
        """SIGSTOP: it is there and silent. Its workers run on."""
        self.process.send_signal(signal.SIGSTOP)
        self._frozen = True

    def thaw(self) -> None:
        """SIGCONT."""
        if self._frozen:
            self.process.send_signal(signal.SIGCONT)
            self._frozen = False

    def restart(self) -> None:
        """A new process on the state that the old one, which must have ended, left."""
        assert self.process.poll() is not None
        self.process = self._start()

    def workers(self) -> list[int]:
        """Process ids of its workers, spare ones included."""
        try:
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
            return [int(pid) for pid in children if b"loads.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        except FileNotFoundError:
            return []

    def end(self) -> None:
        """At the end of the test, however it is."""
        if self.process.poll() is None:
            try:
                self.terminate()
            except subprocess.TimeoutExpired:
                self.kill()

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                self._command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )


class Cluster:
    """Its members by name, and runners of it. `directory` is short, for sockets are in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.variables = {"XDG_STATE_HOME": str(directory)}
        self.state = directory / "loads"
        self.agents: dict[str, Member] = {}
        self._brokers: list[Member] = []
        self._others: list[Member] = []
        (directory / "run").mkdir()
        self.runner = LoadsRunner(directory / "run")

    @property
    def broker(self) -> Member:
        return self._brokers[-1]

    @property
    def endpoint(self) -> Endpoint:
        return default_endpoint(self.variables)

    def start_broker(self, *arguments: str, within: Sequence[str] = ()) -> Member:
        """The broker, once it listens. `within`: as for an agent."""
        self._brokers.append(self._member("broker", "loads-broker", *arguments, within=within))
        self.broker.wait_for_log("listens on")
        return self.broker

    def start_agent(
        self,
        name: str,
        *arguments: str,
        workers: int = 1,
        within: Sequence[str] = (),
        environment: dict[str, str] | None = None,
    ) -> Member:
        """An agent; see `wait_for_agents`. `within`: a command that runs it, and becomes it."""
        options = ("--name", name, "--workers", str(workers), *arguments)
        self.agents[name] = self._member(name, "loads-agent", *options, within=within, environment=environment)
        return self.agents[name]

    def start_agents(self, *names: str, workers: int = 1) -> None:
        """Agents, once all are free."""
        for name in names:
            self.start_agent(name, workers=workers)
        self.wait_for_agents(*self.agents)

    def start_member(
        self, name: str, program: str, *arguments: str, environment: dict[str, str] | None = None
    ) -> Member:
        """Any other command that stays, like loads-web; it is ended with the others."""
        self._others.append(self._member(name, program, *arguments, environment=environment))
        return self._others[-1]

    # What the broker sees.

    def status(self, runs: int = 0) -> Status | None:
        """As the broker tells; None: it does not answer."""
        try:
            return asyncio.run(ask_status(self.endpoint, runs))
        except LoadsError:
            return None

    def seen(self) -> dict[str, AgentStatus]:
        """The agents that the broker knows."""
        status = self.status()
        return {} if status is None else {agent.name: agent for agent in status.agents}

    def run_of(self, name: str) -> RunStatus | None:
        """How a run stands."""
        status = self.status(100)
        return None if status is None else next((run for run in status.runs if run.id == name), None)

    def going(self) -> tuple[str, ...]:
        """The runs that have not ended."""
        status = self.status()
        return () if status is None else tuple(run.id for run in status.runs)

    def wait_for_agents(self, *names: str, deadline_s: float = DEADLINE_S) -> None:
        """Until all of them are there and free."""

        def free() -> bool:
            seen = self.seen()
            return all(name in seen and seen[name].run is None for name in names)

        wait_until(free, f"agents {', '.join(names)}", deadline_s)

    def wait_for_run(self, is_so: Callable[[RunStatus], bool], what: str) -> RunStatus:
        """Until the broker has a live run like that; it as it stood then."""
        found: list[RunStatus] = []

        def look() -> bool:
            status = self.status()
            found[:] = [run for run in (status.runs if status else ()) if is_so(run)]
            return bool(found)

        wait_until(look, f"a run that {what}")
        return found[0]

    # Runners.

    def write(self, name: str, text: str) -> Path:
        """A file in the working directory of runners."""
        return self.runner.write(name, text)

    def run(self, *arguments: str, deadline_s: float = 60.0) -> Finished:
        """loads-runner to its end, with its JSON document, whose laws are checked."""
        return self.runner.run(*arguments, deadline_s=deadline_s, environment=self.variables)

    @contextmanager
    def start(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """The same while it goes; `self.runner.end` waits for its end. One at a time: they share a document."""
        with self.runner.start(*arguments, environment=self.variables) as process:
            yield process

    def beside(self, name: str) -> LoadsRunner:
        """A runner with a working directory of its own; give it `environment=cluster.variables`."""
        directory = self.directory / name
        directory.mkdir(exist_ok=True)
        return LoadsRunner(directory)

    def call(self, *command: str, deadline_s: float = 60.0, environment: dict[str, str] | None = None) -> Finished:
        """Any of the commands, like ``loads status``, to its end; no document is asked for."""
        done = subprocess.run(
            [BIN / command[0], *command[1:]],
            cwd=self.runner.directory,
            env=environment_for(command[0], {**self.variables, **(environment or {})}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=deadline_s,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    # The end.

    def close(self) -> None:
        """End everything, and see that nothing is left and nobody met what should not be."""
        members = [*self._others, *self.agents.values(), *self._brokers]
        for member in members:
            member.end()
        for member in members:
            print(f"----- {member.name}\n{member.log()}")
        wait_until(lambda: not self.leftovers(), f"processes to end: {self.leftovers()}")
        assert not [member.name for member in members if "Traceback" in member.log()]

    def leftovers(self) -> list[int]:
        """Processes that work in this cluster's directory."""
        return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and self._has(entry)]

    def _has(self, process: Path) -> bool:
        """By its environment; a worker, whose environment is bare, by its page; what tests start by where it is."""
        try:
            told = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
            ours = f"{self.directory}/".encode() in told or f"XDG_STATE_HOME={self.directory}\0".encode() in told
            ours = ours or (process / "cwd").readlink().is_relative_to(self.directory)
            return ours and alive(int(process.name))
        except OSError:
            return False

    def _member(
        self,
        name: str,
        program: str,
        *arguments: str,
        within: Sequence[str] = (),
        environment: dict[str, str] | None = None,
    ) -> Member:
        command = [*within, str(BIN / program), *arguments]
        variables = environment_for_loads(self.variables) if environment is None else environment
        return Member(name, command, self.directory / f"{name}.log", variables)


def oldest(workers: list[int]) -> int:
    """The one that runs: the spare one was started when it was taken."""

    def started(pid: int) -> int:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])

    return min(workers, key=started)


@contextmanager
def run_cluster(*agents: str, workers: int = 1, broker: Sequence[str] | None = ()) -> Iterator[Cluster]:
    """A broker with these agents; `broker` are its arguments, None: the test starts it itself."""
    # Not pytest's tmp_path: the address of a unix socket has room for 107 bytes.
    directory = Path(tempfile.mkdtemp(prefix="lc-", dir="/tmp" if os.access("/tmp", os.W_OK) else None))
    cluster = Cluster(directory)
    try:
        if broker is not None:
            cluster.start_broker(*broker)
            cluster.start_agents(*agents, workers=workers)
        yield cluster
    finally:
        try:
            cluster.close()
        finally:
            shutil.rmtree(directory)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A broker and three agents with one worker each: north, south and east."""
    with run_cluster("north", "south", "east") as started:
        yield started

"""Separate hosts on one machine: network namespaces with links of their own, made and removed by the test.

    with run_network("master", "north", "south", "laptop") as network:
        network["north"].cut(); network["north"].mend()

Each host has two links. One leads to a switch, which is a namespace, too: over it the hosts reach one another, and
nobody else does. The other leads to the machine itself, where the target listens at `network.target`: it stays when
the first is cut. Needs root.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from loads.wire.cluster import Role
from tests.cluster import BIN, Cluster, Member, run_cluster
from tests.commands import Finished, LoadsRunner, environment_for, environment_for_loads
from tests.servers import command_or_skip

PORT = 7700
_SWITCH = "sw"


@dataclass(frozen=True)
class Host:
    """One of the hosts: `address` is where the others reach it."""

    name: str
    address: str
    namespace: str
    ip: str

    @property
    def within(self) -> tuple[str, ...]:
        """Before a command, which then runs there."""
        return (self.ip, "netns", "exec", self.namespace)

    def cut(self) -> float:
        """Its link to the others is down, and no end of a connection hears of it. When, by the wall clock."""
        _call(self.ip, "-n", self.namespace, "link", "set", "hosts", "down")
        return time.time()

    def mend(self) -> None:
        """It is up again."""
        _call(self.ip, "-n", self.namespace, "link", "set", "hosts", "up")


@dataclass(frozen=True)
class Network:
    """The hosts by name; `target` is the machine's own address, as they see it."""

    target: str
    hosts: dict[str, Host]

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]


@contextmanager
def run_network(*names: str) -> Iterator[Network]:
    """Hosts of these names."""
    ip = command_or_skip("ip", "iproute2")
    mark = f"lt{os.getpid()}"
    switch = mark + _SWITCH
    subnet = f"10.{200 + os.getpid() // 250 % 50}.{os.getpid() % 250}"  # of the target: the machine sees it
    hosts = {name: Host(name, f"10.77.0.{number}", f"{mark}-{name}", ip) for number, name in enumerate(names, start=1)}
    _need_namespace(ip, switch)
    try:
        _call(ip, "-n", switch, "link", "add", "hosts", "type", "bridge")
        _call(ip, "-n", switch, "link", "set", "hosts", "up")
        _call(ip, "link", "add", mark, "type", "bridge")
        _call(ip, "addr", "add", f"{subnet}.254/24", "dev", mark)
        _call(ip, "link", "set", mark, "up")
        for number, host in enumerate(hosts.values(), start=1):
            _call(ip, "netns", "add", host.namespace)
            _call(ip, "-n", host.namespace, "link", "set", "lo", "up")
            _plug(host, "hosts", f"{host.address}/24", (ip, "-n", switch), f"h{number}", "hosts")
            _plug(host, "target", f"{subnet}.{number}/24", (ip,), f"{mark}t{number}", mark)
        yield Network(f"{subnet}.254", hosts)
    finally:
        made = subprocess.run([ip, "netns", "list"], check=True, capture_output=True, text=True).stdout.split()
        for namespace in (switch, *(host.namespace for host in hosts.values())):
            if namespace in made:
                _call(ip, "netns", "del", namespace)
        subprocess.run([ip, "link", "del", mark], check=False, capture_output=True)


def _plug(host: Host, its: str, address: str, at: Sequence[str], port: str, bridge: str) -> None:
    """A cable from `its`, an interface of `host`, to `port` of the `bridge` that the command `at` knows."""
    _call(*at, "link", "add", port, "type", "veth", "peer", "name", its, "netns", host.namespace)
    _call(*at, "link", "set", port, "master", bridge, "up")
    _call(host.ip, "-n", host.namespace, "addr", "add", address, "dev", its)
    _call(host.ip, "-n", host.namespace, "link", "set", its, "up")


def _need_namespace(ip: str, name: str) -> None:
    """Make one; without the right to do so the test is skipped, in CI it fails."""
    try:
        _call(ip, "netns", "add", name)
    except subprocess.CalledProcessError as error:
        reason = f"needs the right to make network namespaces: {error.stderr.strip()}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


def _call(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


@dataclass
class Hosts:
    """A cluster over the hosts of `network`, with keys on TCP. The broker is on master.

    Each host has a state directory of its own; master's is the cluster's, so what `cluster` asks it asks there.
    """

    network: Network
    cluster: Cluster
    keys: dict[str, str] = field(default_factory=dict)
    """The lines of ``loads keys add``, by name."""

    @property
    def endpoint(self) -> str:
        """Where hosts reach the broker."""
        return f"tcp://{self.network['master'].address}:{PORT}"

    @property
    def audit(self) -> str:
        """What the audit log tells."""
        return (self.cluster.state / "broker" / "audit.log").read_text()

    def home(self, host: str) -> Path:
        """Where commands on `host` run, and keep their state."""
        directory = self.cluster.directory if host == "master" else self.cluster.directory / host
        directory.mkdir(exist_ok=True, mode=0o700)
        return directory

    def variables(self, host: str, **more: str) -> dict[str, str]:
        """The environment there."""
        home = str(self.home(host))
        return environment_for_loads({"XDG_STATE_HOME": home, "HOME": home, **more})

    def call(self, host: str, *command: str, **variables: str) -> Finished:
        """Any of the commands on `host`, to its end."""
        with self.start(host, *command, **variables) as process:
            out, err = process.communicate(timeout=60)
        return Finished(process.returncode, out, err)

    @contextmanager
    def start(self, host: str, *command: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
        """The same while it goes; it is killed in the end if it still runs."""
        process = subprocess.Popen(
            [*self.network[host].within, str(BIN / command[0]), *command[1:]],
            cwd=self.home(host),
            env=environment_for(command[0], self.variables(host, **variables)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            if process.stdout is not None and not process.stdout.closed:
                process.communicate()

    @contextmanager
    def run(self, host: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """loads-runner on `host`, with its document in `home`; `end` waits for it."""
        output = self.home(host) / "result.json"
        output.unlink(missing_ok=True)
        with self.start(host, "loads-runner", *arguments, "--output", f"json={output}") as process:
            yield process

    def end(self, host: str, process: subprocess.Popen[str]) -> Finished:
        """Wait for the end of what `run` started there; its laws are checked."""
        return LoadsRunner(self.home(host)).end(process)

    def add_key(self, name: str, role: Role) -> str:
        """Let in a key: the line that its owner joins with."""
        added = self.call("master", "loads", "keys", "add", name, "--role", role.value)
        assert added.exit_code == 0, added.err
        self.keys[name] = added.out.strip()
        return self.keys[name]

    def join(self, host: str, name: str) -> None:
        """`host` stores the line of the key `name`."""
        joined = self.call(host, "loads", "keys", "join", self.keys[name])
        assert joined.exit_code == 0, joined.err

    def start_agent(self, host: str) -> Member:
        """An agent there, named after it, with the key that the host joined with."""
        return self.cluster.start_agent(host, within=self.network[host].within, environment=self.variables(host))


@contextmanager
def run_hosts(network: Network, *agents: str, runner: str = "laptop") -> Iterator[Hosts]:
    """A broker on master, an agent on each of `agents` with a key called like it, and a `runner` with one."""
    with run_cluster(broker=None) as cluster:
        hosts = Hosts(network, cluster)
        made = hosts.call("master", "loads", "keys", "init", "--endpoint", hosts.endpoint)
        assert made.exit_code == 0, made.err
        for host in agents:
            hosts.add_key(host, Role.AGENT)
            hosts.join(host, host)
        hosts.add_key(runner, Role.RUNNER)
        hosts.join(runner, runner)
        cluster.start_broker("--bind", hosts.endpoint, within=network["master"].within)
        for host in agents:
            hosts.start_agent(host)
        cluster.wait_for_agents(*agents)
        yield hosts

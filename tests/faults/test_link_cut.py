"""The link between an agent and the broker is cut, and comes back: others have its users in time, nobody runs twice.

A real cut: the agent lives in a network namespace, its link to the broker is set down, and no end of the connection
hears of it. Its way to the target is another, and stays, so nothing but its lease stops its load.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster import run_cluster
from tests.servers import command_or_skip, free_port, run_nginx, wait_until
from tests.traffic import PACED, USERS, Traffic, wait_for_calm


@dataclass
class Network:
    """A namespace with two links: one to the broker's address, one to the target's."""

    ip: str
    name: str
    broker: str
    target: str

    def call(self, *arguments: str) -> None:
        subprocess.run([self.ip, *arguments], check=True, capture_output=True, text=True)

    def link(self, number: int, address: str) -> None:
        """A pair of interfaces: ours has `address`, the namespace's the next one."""
        ours, its = f"{self.name}o{number}", f"{self.name}i{number}"
        prefix, _, host = address.rpartition(".")
        self.call("link", "add", ours, "type", "veth", "peer", "name", its, "netns", self.name)
        self.call("addr", "add", f"{address}/30", "dev", ours)
        self.call("link", "set", ours, "up")
        self.call("-n", self.name, "addr", "add", f"{prefix}.{int(host) + 1}/30", "dev", its)
        self.call("-n", self.name, "link", "set", its, "up")

    def set_broker_link(self, state: str) -> None:
        self.call("-n", self.name, "link", "set", f"{self.name}i1", state)


@contextmanager
def run_network() -> Iterator[Network]:
    ip = command_or_skip("ip", "iproute2")
    number = os.getpid() % 250
    network = Network(ip, f"lt{os.getpid()}", f"10.213.{number}.1", f"10.214.{number}.1")
    try:
        network.call("netns", "add", network.name)
    except subprocess.CalledProcessError as error:
        reason = f"needs the right to make network namespaces: {error.stderr.strip()}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    try:
        network.link(1, network.broker)
        network.link(2, network.target)
        yield network
    finally:
        network.call("netns", "del", network.name)


def test_others_take_its_users_and_what_it_measured_comes_when_it_is_back(tmp_path: Path) -> None:
    with run_network() as network, run_nginx(tmp_path, address=network.target) as nginx, run_cluster() as cluster:
        tcp = f"tcp://{network.broker}:{free_port()}"
        cluster.broker.terminate()
        cluster.start_broker("--bind", str(cluster.endpoint), "--bind", tcp, "--insecure")
        cluster.start_agent("far", "--broker", tcp, within=(network.ip, "netns", "exec", network.name))
        cluster.start_agents("north", "south")
        cluster.write("paced.py", PACED)
        options = ("paced.py", "-a", "3", "-u", str(USERS), "-d", "11s", "--server-url", nginx.url)
        with cluster.start(*options) as process:
            wait_for_calm(nginx, 2)
            network.set_broker_link("down")
            cut_s = time.time()
            cluster.broker.wait_for_log("agent far was not heard for 3.5 s; 2 others took its users")
            wait_until(lambda: time.time() > cut_s + 5, "five seconds")
            network.set_broker_link("up")
            cluster.broker.wait_for_log("agent far is back")
            run = cluster.runner.end(process)
        cluster.wait_for_agents("far", "north", "south")
        assert run.exit_code == 0
        assert run.document["run"]["losses"] == []
        assert run.totals["sent"] == nginx.count() > 0
        assert "agent far is back: its results are taken, its users stay with the others" in run.err
        traffic = Traffic(nginx, cut_s)
        traffic.never_doubles()
        traffic.is_back(cut_s + 5)

"""docs/deploy.rst, pasted as it stands: from an empty home to a run. Only names, addresses and times are others.

In place of an installation, ``~/loads`` leads to the one that the tests run in; the long test makes a real one.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.circus import BIN, ROOT
from tests.deploying import Machines, read_page
from tests.servers import Nginx, free_port, wait_until
from tests.sshd import run_sshd

MOST = 3
"""Commands on one machine."""
INSTALL = "python3 -m venv ~/loads && ~/loads/bin/pip install loads"
SITE = """
from loads.case import TestCase

class TestWebSite(TestCase):
    def test_something(self):
        self.assertTrue("island" in self.app.get("/"))
        self.incr_counter("island-was-there")
"""


@pytest.fixture
def directory() -> Iterator[Path]:
    """Short, for sockets are in it."""
    path = Path(tempfile.mkdtemp(prefix="ld-", dir="/tmp" if os.access("/tmp", os.W_OK) else None))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def machines(directory: Path, nginx: Nginx) -> Iterator[Machines]:
    """None yet."""
    files = directory / "share"
    files.mkdir()
    for path in [ROOT / "circus.ini", *(ROOT / "conf").iterdir()]:
        shutil.copy(path, files)
    broker = f"tcp://127.0.0.1:{free_port()}"
    made = Machines(
        directory,
        {
            INSTALL: f"mkdir -p loads/share && ln -s {BIN} loads/bin && ln -s {files} loads/share/loads",
            "ssh master loads/bin/": f"HOME={directory}/master {directory}/master/loads/bin/",
            "tcp://master:7700": broker,
            "tcp://0.0.0.0:7700": broker,
            "http://10.0.0.9:8000": nginx.url,
            "-d 5s": "-d 2s",
        },
    )
    try:
        yield made
    finally:
        made.close()


def made_a_run(home: Path, nginx: Nginx, agents: int) -> None:
    """The last command was a run, and it is whole."""
    document = json.loads((home / "result.json").read_text())
    assert document["exit_code"] == 0
    assert len(document["run"]["agents"]) == agents
    assert document["totals"]["sent"] == nginx.count() > 0


@pytest.mark.parametrize("title", ["A laptop alone", "A cluster on one machine", "A master and its nodes", "SSH alone"])
def test_no_machine_needs_more_than_three_commands(title: str) -> None:
    counts = Counter(command.machine for command in read_page()[title])
    assert counts
    assert max(counts.values()) <= MOST


def test_a_cluster_on_one_machine(machines: Machines, nginx: Nginx) -> None:
    lab = machines.add("lab", LOADS_OUTPUT="json=result.json")
    (lab.home / "loadtests.py").write_text(SITE)
    machines.paste(read_page()["A cluster on one machine"])
    made_a_run(lab.home, nginx, agents=2)


def test_a_master_and_its_nodes(machines: Machines, nginx: Nginx) -> None:
    """Over TCP, with keys. All are on one machine here, so nodes are told names that two machines would have."""
    machines.add("master")
    for node in ("north", "south"):
        machines.add(node, AGENT_OPTIONS=f"--name {node}")
    laptop = machines.add("laptop", LOADS_OUTPUT="json=result.json")
    (laptop.home / "loadtests.py").write_text(SITE)
    machines.paste(read_page()["A master and its nodes"])
    made_a_run(laptop.home, nginx, agents=2)


@pytest.mark.long
def test_ssh_alone(machines: Machines, nginx: Nginx, directory: Path) -> None:
    """The far side has a home of its own, too; the account is the real one, so ssh begins in that one's home."""
    master = machines.add("master")
    north = machines.add("north")
    laptop = machines.add("laptop", LOADS_OUTPUT="json=result.json")
    (laptop.home / "loadtests.py").write_text(SITE)
    with run_sshd(directory / "sshd", f"SetEnv HOME={master.home}") as sshd:
        machines.stands_for["--ssh ana@master"] = " ".join(sshd.options())
        machines.stands_for["--ssh-command loads"] = f"--ssh-command {master.home}/loads"
        commands = read_page()["SSH alone"]
        for machine in (master, north):
            machines.paste([command for command in commands if machines.by_name[command.machine] is machine])
        wait_until(lambda: "is here" in master.logs(), "the agent")
        machines.paste([command for command in commands if command.machine == "laptop"])
        made_a_run(laptop.home, nginx, agents=1)


@pytest.mark.long
def test_a_cluster_on_one_machine_where_nothing_was_installed(machines: Machines, nginx: Nginx) -> None:
    machines.stands_for[INSTALL] = f"{sys.executable} -m venv ~/loads && ~/loads/bin/pip install --quiet {ROOT}"
    lab = machines.add("lab", LOADS_OUTPUT="json=result.json")
    (lab.home / "loadtests.py").write_text(SITE)
    machines.paste(read_page()["A cluster on one machine"])
    made_a_run(lab.home, nginx, agents=2)

"""A real OpenSSH server on a free loopback port, for one user: whoever runs the tests.

    with run_sshd(directory) as sshd:
        loads.run("x.py", *sshd.options("--ssh-command", command))

Its host key, the user's key and the known hosts are the test's own. The account is the real one, so `loads where` would
speak of the real home: `far_loads` makes a command for --ssh-command that has a state of its own.
"""

from __future__ import annotations

import os
import pwd
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.servers import DEADLINE_S, command_or_skip, free_port, listens, wait_until

CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {directory}/host
PidFile none
AuthorizedKeysFile {directory}/user.pub
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
{more}
"""


@dataclass
class Sshd:
    """A running server; `pid` is that of the process that listens."""

    port: int
    directory: Path
    pid: int

    @property
    def host(self) -> str:
        """For --ssh."""
        return f"{pwd.getpwuid(os.geteuid()).pw_name}@127.0.0.1:{self.port}"

    @property
    def own(self) -> tuple[str, ...]:
        """For ssh's -o, so that nothing of the real account is looked at."""
        return (
            f"IdentityFile={self.directory}/user",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            f"UserKnownHostsFile={self.directory}/known",
            "GlobalKnownHostsFile=none",
        )

    def options(self, *more: str) -> tuple[str, ...]:
        """For a command of ours."""
        return ("--ssh", self.host, *(word for option in self.own for word in ("--ssh-option", option)), *more)

    def connections(self) -> list[int]:
        """The processes that serve one connection each."""
        return [pid for pid in children(self.pid) if b"sshd" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def cut(self) -> None:
        """As when the machine there loses them: SIGKILL to all that serve a connection."""
        self._tell(signal.SIGKILL)

    def freeze(self) -> None:
        """As when the network is gone: the connections that there are stay, and nothing comes through them."""
        self._tell(signal.SIGSTOP)

    def _tell(self, number: signal.Signals) -> None:
        for pid in self.connections():
            for each in (*children(pid), pid):
                with suppress(ProcessLookupError):
                    os.kill(each, number)


def children(pid: int) -> list[int]:
    """Process ids; none if it is gone."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


@contextmanager
def run_sshd(directory: Path, more: str = "") -> Iterator[Sshd]:
    """With its files in `directory`, which is made; `more` are lines of its configuration."""
    binary = command_or_skip("sshd", "openssh-server")
    directory.mkdir(parents=True, exist_ok=True)
    port = free_port()
    for name in ("host", "user"):
        key = directory / name
        if not key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    (directory / "known").write_text(f"[127.0.0.1]:{port} {(directory / 'host.pub').read_text()}")
    (directory / "sshd_config").write_text(CONFIG.format(port=port, directory=directory, more=more))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # it asks for that as root
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(
            [binary, "-D", "-e", "-f", directory / "sshd_config"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    sshd = Sshd(port, directory, process.pid)
    try:
        wait_until(lambda: listens(port), "sshd to listen")
        yield sshd
    finally:
        sshd.cut()
        process.terminate()
        process.wait(DEADLINE_S)


def far_loads(path: Path, state: Path, noise: str = "") -> Path:
    """A command for --ssh-command: loads, with its state in `state`. `noise` is said before, as a login script may."""
    program = shlex.quote(str(Path(sys.executable).with_name("loads")))
    variable = f"XDG_STATE_HOME={shlex.quote(str(state))}"
    path.write_text(f'#!/bin/sh\nprintf %s {shlex.quote(noise)}\n{variable} exec {program} "$@"\n')
    path.chmod(0o755)
    return path

"""docs/deploy.rst as commands: each with the machine that it is for, in the order of the page."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.circus import processes_of
from tests.servers import wait_until

PAGE = Path(__file__).parents[1] / "docs" / "deploy.rst"
_TITLE = re.compile(r"^(?P<title>[^\n]+)\n(?:-{3,}|~{3,})$", re.MULTILINE)
_COMMAND = re.compile(r"^    (?P<machine>[a-z]+)\$ (?P<text>(?:[^\n]*\\\n)*[^\n]*)$", re.MULTILINE)


@dataclass(frozen=True)
class Command:
    """What stands after ``machine$``, on one line."""

    machine: str
    text: str


def read_page() -> dict[str, list[Command]]:
    """The commands of each section."""
    _, *parts = _TITLE.split(PAGE.read_text())
    return {title: _commands(text) for title, text in zip(parts[::2], parts[1::2], strict=True)}


def _commands(text: str) -> list[Command]:
    return [
        Command(found["machine"], re.sub(r"\\\n\s*", "", found["text"]).strip()) for found in _COMMAND.finditer(text)
    ]


class Machine:
    """A machine of the page: an empty home directory, which all that it starts is known by, and a few variables."""

    def __init__(self, home: Path, variables: dict[str, str]) -> None:
        self.home = home
        ours = {"HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "WEB_OPTIONS": "--port 0"}
        self.environment = {**ours, **variables}
        home.mkdir()

    def paste(self, text: str) -> str:
        """Run `text` as a shell does; what it printed."""
        done = subprocess.run(
            ["/bin/sh", "-c", text],
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        return done.stdout

    def logs(self) -> str:
        """Of everything that circus runs here."""
        files = sorted((self.home / ".local/state/loads/log").glob("*.log"))
        return "".join(f"----- {path}\n{path.read_text()}\n" for path in files)


class Machines:
    """Those of one section, on this one: `stands_for` says what its names and addresses are here."""

    def __init__(self, directory: Path, stands_for: dict[str, str]) -> None:
        self._directory = directory
        self.stands_for = stands_for
        self.by_name: dict[str, Machine] = {}

    def add(self, name: str, **variables: str) -> Machine:
        """A machine of that name."""
        self.by_name[name] = Machine(self._directory / name, variables)
        return self.by_name[name]

    def paste(self, commands: list[Command]) -> None:
        """Run the commands, each on its machine."""
        for command in commands:
            text = command.text
            for there, here in self.stands_for.items():
                text = text.replace(there, here)
            self.by_name[command.machine].paste(text)

    def close(self) -> None:
        """Stop what circus runs on them, as the page has it, and see that all is gone."""
        (stop, _) = read_page()["Stopping"]
        try:
            for machine in self.by_name.values():
                if processes_of(machine.home, "circusd"):
                    machine.paste(stop.text)
            homes = [machine.home for machine in self.by_name.values()]
            wait_until(lambda: not any(processes_of(home) for home in homes), "all to end")
        finally:
            for machine in self.by_name.values():
                print(machine.logs())
                for pid in processes_of(machine.home):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)

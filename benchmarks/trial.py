"""One measurement of one tool: what a tool gets, what it must be able to do, and how one is run on its core."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from catalogue import Case
from nginx import Nginx
from processes import GENERATOR_CORE, environment, on_core

from loads.errors import LoadsError

CASE_FILES: Final = Path(__file__).resolve().parent / "cases"
SLACK_S: Final = 60
"""How much longer than its load a tool may take to start and to end."""


@dataclass(frozen=True)
class Trial:
    """One measurement of one tool; `directory` is empty and its own."""

    case: Case
    server: Nginx
    users: int
    seconds: int
    directory: Path

    @property
    def url(self) -> str:
        """Where the case's server is."""
        return self.server.tls_url if self.case.tls else self.server.url

    @property
    def environment(self) -> dict[str, str]:
        """The tool's environment: whom to trust stands where requests looks for it, and our files for Locust do."""
        return environment() | ({"REQUESTS_CA_BUNDLE": str(self.server.ca_bundle)} if self.case.tls else {})

    def file(self, tool: str) -> Path:
        """The case's file for `tool`."""
        return CASE_FILES / f"{self.case.files}_{tool}.py"


class Peer(Protocol):
    """A tool under comparison."""

    label: str

    def prepare(self) -> str:
        """Make sure that it is there; answers its name and version."""

    def rate_per_s(self, trial: Trial) -> float:
        """Its steady rate in requests/s, or in user starts/s where the case is about those."""


def run_pinned(command: Sequence[str], trial: Trial) -> str:
    """What `command`, on the generator's core, prints on its standard output.

    Raises:
        LoadsError: it ended with another status than 0, or not within time.
    """
    log = trial.directory / "stderr.log"
    with log.open("wb") as errors:
        try:
            done = subprocess.run(
                on_core(GENERATOR_CORE, command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=trial.directory,
                env=trial.environment,
                timeout=trial.seconds + SLACK_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise LoadsError(f"{Path(command[0]).name} did not end within time", log.read_text()[-2_000:]) from None
    printed = done.stdout.decode(errors="replace")
    if done.returncode:
        said = (printed + log.read_text(errors="replace"))[-2_000:]
        raise LoadsError(f"{Path(command[0]).name} ended with status {done.returncode}", said)
    return printed

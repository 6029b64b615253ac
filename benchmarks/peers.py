"""The tools that throughput.py compares: one class each, all with the same load from the same core.

A peer answers a steady rate in requests per second, or raises: a run in which anything failed is no measurement. How
each rate is taken stands with the class. Locust comes from PyPI into an environment of its own, so that it neither
needs nor disturbs what Loads is installed with.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Final, Protocol

from command import say
from nginx import Nginx
from processes import GENERATOR_CORE, environment, on_core, path_of
from product import CASES, LoadsRun

import loads
from loads.errors import LoadsError, UsageError

LOCUST_VENV: Final = Path(__file__).resolve().parents[1] / ".cache" / "benchmarks" / "locust"
LOCUST_REQUIREMENT: Final = "locust>=2.32,<3"
_INSTALL_S: Final = 600
_SLACK_S: Final = 60
"""How much longer than its load a tool may take to start and to end."""


@dataclass(frozen=True)
class Case:
    """What is asked of every tool: a file for each in `cases/`, by this name.

    Attributes:
        name: of the files ``<name>_loads.py`` and ``<name>_locust.py``.
        title: in words, for the table.
        path: what wrk asks for.
    """

    name: str
    title: str
    path: str


@dataclass(frozen=True)
class Trial:
    """One measurement of one tool; `directory` is empty and its own."""

    case: Case
    server: Nginx
    users: int
    seconds: int
    directory: Path


class Peer(Protocol):
    """A tool under comparison."""

    label: str

    def prepare(self) -> str:
        """Make sure that it is there; answers its name and version."""

    def rate_per_s(self, trial: Trial) -> float:
        """Its steady rate in requests/s."""


class Wrk:
    """wrk, in C: as near to what one core can ask for as a tool comes; it counts statuses, and asserts nothing.

    Its rate is its own ``Requests/sec``: all answers over the whole time. Its connections are open within milliseconds.
    """

    label = "wrk"

    def prepare(self) -> str:
        answer = subprocess.run([path_of("wrk"), "-v"], capture_output=True, text=True, check=False)
        found = re.match(r"wrk \S*?(\d+(?:\.\d+)+)", answer.stdout)
        return f"wrk {found[1]}" if found else "wrk"

    def rate_per_s(self, trial: Trial) -> float:
        load = ["-t1", f"-c{trial.users}", f"-d{trial.seconds}s"]
        printed = _run_pinned([path_of("wrk"), *load, trial.server.url + trial.case.path], trial)
        found = re.search(r"^Requests/sec:\s+([\d.]+)", printed, re.MULTILINE)
        wrong = re.search(r"Non-2xx|Socket errors", printed)
        if found is None or wrong is not None:
            raise LoadsError("wrk's run is no measurement", printed)
        return float(found[1])


class Locust:
    """One of Locust's user classes, headless and in one process.

    Its rate is the mean of its own counts for each full second: the first, in which users start, and the last, which
    is cut short, do not count.
    """

    def __init__(self, label: str, user_class: str) -> None:
        self.label = label
        self._user_class = user_class

    def prepare(self) -> str:
        command = _locust()
        printed = subprocess.run([str(command), "--version"], capture_output=True, text=True, check=True).stdout
        return " ".join(printed.split()[:2])

    def rate_per_s(self, trial: Trial) -> float:
        scenario = CASES / f"{trial.case.name}_locust.py"
        load = ["-u", str(trial.users), "-r", str(trial.users), "-t", f"{trial.seconds}s"]
        command = [str(_locust()), "-f", str(scenario), self._user_class, "--headless", *load]
        printed = _run_pinned([*command, "-H", trial.server.url, "--json", "--only-summary"], trial)
        entries = json.loads(printed)
        if any(entry["num_failures"] for entry in entries) or not entries:
            raise LoadsError(f"{self.label}'s run is no measurement: requests failed", printed)
        per_second: dict[int, int] = {}
        for entry in entries:
            for second, count in entry["num_reqs_per_sec"].items():
                per_second[int(second)] = per_second.get(int(second), 0) + count
        full = [count for _, count in sorted(per_second.items())][1:-1]
        if not full:
            raise LoadsError(f"{self.label} had no full second", "give it more --seconds")
        return mean(full)


class Loads:
    """The whole product with one worker.

    Its rate is the result's ``rps``: all hits over the whole time, the start of users included. What it says it has
    sent must be what nginx has counted, to the last one.
    """

    label = "Loads"

    def prepare(self) -> str:
        return f"Loads {loads.__version__}"

    def rate_per_s(self, trial: Trial) -> float:
        before = trial.server.status().requests
        load = ["-u", str(trial.users), "-d", f"{trial.seconds}s", "--graceful-stop", "5s"]
        target = str(CASES / f"{trial.case.name}_loads.py")
        with LoadsRun(target, trial.server.url, load, trial.directory) as run:
            totals = run.wait(trial.seconds + _SLACK_S)["totals"]
        counted = trial.server.status().requests - before - 1  # the second question is counted, too
        if totals["sent"] != counted:
            raise LoadsError(f"Loads says it has sent {totals['sent']:,} requests and nginx counted {counted:,}")
        say(f"    sent {totals['sent']:,}, and nginx counted as many")
        return float(totals["rps"])


def _run_pinned(command: list[str], trial: Trial) -> str:
    """What `command`, on the generator's core, prints on its standard output."""
    log = trial.directory / "stderr.log"
    with log.open("wb") as errors:
        try:
            done = subprocess.run(
                on_core(GENERATOR_CORE, command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=trial.directory,
                env=environment(),
                timeout=trial.seconds + _SLACK_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise LoadsError(f"{Path(command[0]).name} did not end within time", log.read_text()) from None
    if done.returncode:
        raise LoadsError(f"{Path(command[0]).name} ended with status {done.returncode}", log.read_text()[-2_000:])
    return done.stdout.decode(errors="replace")


def _locust() -> Path:
    """Locust's command; installed at first use."""
    command = LOCUST_VENV / "bin" / "locust"
    if command.exists():
        return command
    say(f"installing {LOCUST_REQUIREMENT} from PyPI, once")
    steps = (
        [sys.executable, "-m", "venv", "--clear", str(LOCUST_VENV)],
        [str(LOCUST_VENV / "bin" / "python"), "-m", "pip", "install", "--quiet", LOCUST_REQUIREMENT],
    )
    for step in steps:
        try:
            done = subprocess.run(step, capture_output=True, text=True, timeout=_INSTALL_S, check=False)
            problem = done.stderr[-2_000:] if done.returncode else ""
        except subprocess.TimeoutExpired:
            problem = f"not done within {_INSTALL_S} s"
        if problem:
            raise UsageError("Locust could not be installed", f"{problem}\n--without locust compares without it")
    return command

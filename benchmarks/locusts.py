"""Locust as a peer: two of its user classes, in an environment of its own.

It comes from PyPI at first use, so that it neither needs nor disturbs what Loads is installed with.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from statistics import mean
from typing import Final

from command import say
from trial import SLACK_S, Trial, run_pinned

from loads.errors import LoadsError, UsageError

LOCUST_VENV: Final = Path(__file__).resolve().parents[1] / ".cache" / "benchmarks" / "locust"
LOCUST_REQUIREMENT: Final = "locust>=2.32,<3"
_INSTALL_S: Final = 600


class Locust:
    """One of Locust's user classes, headless and in one process.

    Its rate is the mean of its own counts for each full second: the first, in which users start, and the last, which
    is cut short, do not count. For starts, the case's file takes the time itself.
    """

    def __init__(self, label: str, user_class: str) -> None:
        self.label = label
        self._user_class = user_class

    def prepare(self) -> str:
        command = locust_command()
        printed = subprocess.run([str(command), "--version"], capture_output=True, text=True, check=True).stdout
        return " ".join(printed.split()[:2])

    def rate_per_s(self, trial: Trial) -> float:
        if trial.case.starts_per_s is not None:
            # The file ends the run itself once all users have started; the time is the bound.
            printed = self._run(trial, trial.seconds + SLACK_S // 2)
            return self._rate_of_starts(printed, trial.users)
        return self._rate_of_requests(self._run(trial, trial.seconds, "--json"))

    def _run(self, trial: Trial, seconds: int, *options: str) -> str:
        """What a run prints; a request or a task that fails makes it end with status 1."""
        load = ["-u", str(trial.users), "-r", str(trial.users), "-t", f"{seconds}s"]
        command = [str(locust_command()), "-f", str(trial.file("locust")), self._user_class, "--headless", *load]
        return run_pinned([*command, "-H", trial.url, "--only-summary", *options], trial)

    def _rate_of_requests(self, printed: str) -> float:
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

    def _rate_of_starts(self, printed: str, users: int) -> float:
        found = re.search(r"^started (\d+) in ([\d.]+) s$", printed, re.MULTILINE)
        if found is None or int(found[1]) != users:
            raise LoadsError(f"{self.label} did not start {users:,} users within time", printed[-2_000:])
        return users / float(found[2])


def locust_command() -> Path:
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

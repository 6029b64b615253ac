"""Running loads-runner for real, and looking at what came out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.servers import DEADLINE_S, wait_until

# Every warning is an error, but for WebOb's own import of a module that Python is about to drop.
WARNINGS = "error,ignore::DeprecationWarning:webob.compat"
LOADS_RUNNER = Path(sys.executable).with_name("loads-runner")


STRICT = {"LOADS_ALLOW_INVALID": ""}
"""For a test about what makes a run invalid: see `environment_for`."""


def environment_for_loads(more: dict[str, str] | None = None) -> dict[str, str]:
    """Our environment without settings of Loads, and with `more`."""
    ours = {name: text for name, text in os.environ.items() if not name.startswith("LOADS_")}
    return {**ours, "PYTHONWARNINGS": WARNINGS, "COLUMNS": "100", **(more or {})}


def environment_for(program: str, more: dict[str, str] | None = None) -> dict[str, str]:
    """The same for any of the commands: tests run at full speed on a crowded machine, which makes a run invalid.

    A test about validity says otherwise: an empty LOADS_ALLOW_INVALID counts as none.
    """
    allowed = {"LOADS_ALLOW_INVALID": "true"} if program == LOADS_RUNNER.name else {}
    return environment_for_loads({**allowed, **(more or {})})


@dataclass
class Finished:
    """What a command left behind."""

    exit_code: int
    out: str
    err: str
    document: dict[str, Any] = field(default_factory=dict)

    @property
    def totals(self) -> dict[str, Any]:
        """The totals of the JSON document."""
        totals: dict[str, Any] = self.document["totals"]
        return totals


class LoadsRunner:
    """loads-runner in a directory of its own, with test files."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def write(self, name: str, text: str) -> Path:
        """A file for the run to find."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(self, *arguments: str, deadline_s: float = 60.0, environment: dict[str, str] | None = None) -> Finished:
        """Run to the end; the JSON document is read, and its laws are checked."""
        with self.start(*arguments, environment=environment) as process:
            out, err = process.communicate(timeout=deadline_s)
        return self.finished(process, out, err)

    @contextmanager
    def start(self, *arguments: str, environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
        """Start it, with `environment` besides our own; it is killed in the end if it still runs."""
        command = [LOADS_RUNNER, *arguments, "--output", f"json={self.directory / 'result.json'}"]
        (self.directory / "result.json").unlink(missing_ok=True)
        process = subprocess.Popen(
            command,
            cwd=self.directory,
            env=environment_for(LOADS_RUNNER.name, environment),
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
                process.communicate()

    def finished(self, process: subprocess.Popen[str], out: str, err: str) -> Finished:
        """What `process` left behind."""
        path = self.directory / "result.json"
        text = path.read_text() if path.exists() else ""
        done = Finished(process.returncode, out, err, json.loads(text) if text else {})
        if done.document:
            check_laws(done.document)
            assert done.document["exit_code"] == done.exit_code
        return done

    def workers(self, process: subprocess.Popen[str]) -> list[int]:
        """Process ids of the workers that `process` has now."""
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        return [int(pid) for pid in children if b"loads.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def wait_for_workers(self, process: subprocess.Popen[str], count: int) -> list[int]:
        """The same, once there are `count`."""
        wait_until(lambda: len(self.workers(process)) == count, f"{count} workers")
        return self.workers(process)

    def interrupt(self, process: subprocess.Popen[str]) -> None:
        """What Ctrl-C does."""
        process.send_signal(signal.SIGINT)

    def end(self, process: subprocess.Popen[str]) -> Finished:
        """Wait for the end."""
        out, err = process.communicate(timeout=DEADLINE_S * 2)
        return self.finished(process, out, err)


def check_laws(document: dict[str, Any]) -> None:
    """The laws of conservation, and that parts sum to the whole."""
    totals = document["totals"]
    assert totals["due"] == totals["started"] + totals["unstarted"]
    assert totals["started"] == totals["ended"] + totals["interrupted"] + totals["lost_iterations"]
    assert totals["hits"] == totals["sent"] + totals["unsent"]
    requests = [series for series in document["series"] if series["method"] not in ("transaction", "iteration")]
    for field_name in ("hits", "sent", "unsent", "bytes_sent", "bytes_received", "connections"):
        assert totals[field_name] == sum(series[field_name] for series in requests)
    for series in requests:
        assert series["hits"] == sum(series["statuses"].values()) + sum(series["errors"].values())
        answered, ended = (series["phases"].get(phase, {"count": 0})["count"] for phase in ("first_byte", "body"))
        assert answered == ended <= series["sent"]
    for name in ("hits", "failures", "errors"):
        assert totals[name] == sum(point[name] for point in document["timeline"])


def alive(pid: int) -> bool:
    """Whether a process of this id runs (a zombie doesn't)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False

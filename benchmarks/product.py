"""Loads itself as a benchmark sees it: `loads-runner` with one worker, from outside.

The runner is started as a user starts it, unpinned, and goes where the system puts it. Its worker, the process that
makes the load, is found as the runner's child (``python -m loads.worker``) and moved to the generator's core by its
process id as soon as it exists, which is before it has imported the test. Its hits so far are read from the page of
counters that it maps (see `loads.metrics.counters`), so looking on costs the run nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from processes import GENERATOR_CORE, arguments_of, end, environment, pin, tail_of, wait_for_child

from loads.errors import LoadsError, UsageError
from loads.metrics.counters import Counts

_WORKER_MODULE = "loads.worker"
_STARTS_WITHIN_S = 30.0
_ENDS_WITHIN_S = 10.0


class LoadsRun:
    """One run of `loads-runner`, as a context manager.

    Args:
        target: a test, as the command takes it.
        load: the options that say how much.
        directory: an empty one, for the log, the result and the runner's own files.
        variables: its environment; None for one of our own without what might lead requests astray.
    """

    def __init__(
        self, target: str, url: str, load: Sequence[str], directory: Path, variables: Mapping[str, str] | None = None
    ) -> None:
        self._result = directory / "result.json"
        self._log = directory / "loads-runner.log"
        self._directory = directory
        self._variables = dict(environment() if variables is None else variables)
        self._command = [str(_runner()), target, "--workers", "1", "--server-url", url, *load]
        # Full speed is what is measured, and makes a run invalid otherwise.
        self._command += ["--allow-invalid", "--output", f"json={self._result}"]
        self._process: subprocess.Popen[bytes] | None = None
        self.worker_pid = 0

    def __repr__(self) -> str:
        return f"<LoadsRun {' '.join(self._command[1:])} worker={self.worker_pid}>"

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._directory,
                env=self._variables | {"TMPDIR": str(self._directory)},
            )
        try:
            self.worker_pid = wait_for_child(self._process, ["-m", _WORKER_MODULE], _STARTS_WITHIN_S)
            pin(self.worker_pid, GENERATOR_CORE)
        except (LoadsError, OSError) as error:
            self._end()
            raise LoadsError(f"loads-runner has no worker: {error}", tail_of(self._log)) from None
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end()

    @property
    def runner_pid(self) -> int:
        """The process id of the command itself."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_over(self) -> bool:
        """Whether the command has ended."""
        assert self._process is not None
        return self._process.poll() is not None

    def counts(self) -> Counts:
        """What the worker has done so far; zeros before it began, and once its page is gone."""
        arguments = arguments_of(self.worker_pid)
        try:
            page = arguments[arguments.index(_WORKER_MODULE) + 2]
            return Counts.read(Path(page).read_bytes())
        except (FileNotFoundError, IndexError, ValueError):
            return Counts()

    def wait(self, timeout_s: float) -> dict[str, Any]:
        """The result (see `loads.report.export`), once the command has ended.

        Raises:
            LoadsError: it takes longer than `timeout_s`, does not pass, or lost something.
        """
        assert self._process is not None
        deadline_s = time.monotonic() + timeout_s
        while not self.is_over:
            if time.monotonic() > deadline_s:
                raise LoadsError(f"loads-runner did not end within {timeout_s:.0f} s", tail_of(self._log))
            time.sleep(0.05)
        if self._process.returncode != 0:
            raise LoadsError(f"loads-runner ended with status {self._process.returncode}", tail_of(self._log))
        result: dict[str, Any] = json.loads(self._result.read_bytes())
        totals = result["totals"]
        wrong = {name: totals[name] for name in ("failures", "errors", "unsent", "lost") if totals[name]}
        if wrong:
            raise LoadsError(f"the run is no measurement: {wrong}", tail_of(self._log))
        return result

    def _end(self) -> None:
        # The worker ends by itself when its runner is gone, whatever way that went.
        assert self._process is not None
        end(self._process, _ENDS_WITHIN_S)


def _runner() -> Path:
    command = Path(sys.executable).with_name("loads-runner")
    if not command.exists():
        raise UsageError("loads-runner is not installed in this environment", "pip install -e . and use its python")
    return command

"""Importing does nothing. Tried in processes of their own, with warnings as errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import loads

ROOT = Path(loads.__file__).parent
MODULES = sorted(
    ".".join(("loads", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
    for path in ROOT.rglob("*.py")
)
PATCHING = "loads.worker.__main__"
"""The one exception: it is only ever run, as a process."""

IMPORT_ALL = """
import logging, os, signal, sys, threading

def state():
    return (
        sorted(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else [],
        {number: signal.getsignal(number) for number in signal.valid_signals()},
        list(logging.getLogger().handlers),
        [thread.name for thread in threading.enumerate()],
        dict(os.environ),
        os.getcwd(),
    )

import socket, ssl, subprocess, time
genuine = socket.socket, time.sleep, threading.Lock, subprocess.Popen, ssl.SSLContext
before = state()
for name in sys.argv[1:]:
    __import__(name)
assert state() == before, (before, state())
assert (socket.socket, time.sleep, threading.Lock, subprocess.Popen, ssl.SSLContext) == genuine
if "gevent.monkey" in sys.modules:
    assert not sys.modules["gevent.monkey"].saved
"""


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    # webob, below webtest, still imports cgi where Python has it.
    flags = ["-W", "error", "-W", "ignore:'cgi' is deprecated:DeprecationWarning"]
    command = [sys.executable, *flags, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def imported_with(module: str, *suspects: str) -> list[str]:
    """Which of `suspects` are loaded once `module` is."""
    done = python(f"import sys, {module}; print([name for name in {suspects!r} if name in sys.modules])")
    assert done.stderr == ""
    return [name.strip("' ") for name in done.stdout.strip("[]\n").split(",") if name]


def test_the_list_of_modules_is_whole() -> None:
    assert {"loads", "loads.case", "loads.plan.spec", "loads.cli.runner", PATCHING} <= set(MODULES)


def test_importing_all_modules_changes_and_prints_nothing() -> None:
    done = python(IMPORT_ALL, *(module for module in MODULES if module != PATCHING))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("module", "suspects"),
    [
        ("loads", ["loads.errors", "msgspec"]),
        ("loads.case", ["gevent", "requests", "urllib3", "webtest", "asyncio"]),
        ("loads.cli.runner", ["gevent", "requests", "webtest", "asyncio", "ssl", "rich"]),
        ("loads.cli.inline", ["gevent", "requests", "webtest", "asyncio", "ssl"]),
        ("loads.runner.local", ["gevent", "requests", "webtest"]),
        ("loads.pool.state", ["asyncio", "socket", "gevent", "requests"]),
        ("loads.metrics.result", ["asyncio", "socket", "gevent", "requests"]),
        ("loads.worker.loader", ["gevent", "asyncio"]),
    ],
)
def test_a_module_imports_no_more_than_it_needs(module: str, suspects: list[str]) -> None:
    """`loads.case` because a test file under plain unittest pays for it; the command because --workers 0 patches late;
    the pure ones because they must not be able to do what they promise not to.
    """
    assert imported_with(module, *suspects) == []

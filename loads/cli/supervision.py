"""What ``circus.ini`` and the files of ``conf/`` have circus call: it starts Loads' processes and keeps them running.

Circus hands what its processes print to a `Log`, and calls `prepare` before it starts any of them. Both run inside
circusd; the processes themselves know nothing of it. Here is what circus can't be told in its files: a place for its
sockets that is this user's alone, before it opens them; logs in the state directory; agents that end before the broker,
which takes what they bring; another try for what can't be started; and what a circusd that was killed left behind.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import re
import signal
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final, NoReturn, Protocol

import psutil

from loads.cli.service import complain, lock_directory
from loads.errors import ExitCode, LoadsError
from loads.wire.endpoint import secure_directory, state_directory

LOG_BYTES: Final = 4 << 20
LOG_FILES: Final = 5
"""Older ones beside the one that is written: with it at most 24 MB of each name."""
_LINE_BYTES: Final = 16 << 10
"""A line that is longer is written in parts."""
_LEAVES_S: Final = 5.0
"""What has no run to finish is gone by then."""
_AGAIN_S: Final = 60.0
_UNSET: Final = re.compile(r"\$\(circus\.env\.\w+\)", re.ASCII)
_log: Final = logging.getLogger("circus")


class Process(Protocol):
    """What is needed of a process of circus."""

    @property
    def pid(self) -> int: ...


class Watcher(Protocol):
    """What is needed of a watcher of circus: processes of one command. Larger priorities start first."""

    name: str
    cmd: str
    env: dict[str, str]
    priority: int
    hooks: dict[str, Callable[..., bool]]
    processes: dict[int, Process]
    stderr_stream: Log
    spawn_process: Callable[..., float | bool]

    def is_stopping(self) -> bool: ...

    def send_signal(self, pid: int, signum: int) -> None: ...


class Arbiter(Protocol):
    """What is needed of circusd."""

    watchers: list[Watcher]


# Logs.


class Log:
    """What the processes of one name print, in ``log/NAME.log`` of the state directory; rotated, whole lines only.

    Circus makes these before it opens its sockets, so it is here that their directory is made, and taken.

    Raises:
        SystemExit: another circusd works for this user, or a directory is not safe. Circus would pass over an error.
    """

    def __init__(self, name: str) -> None:
        if not os.environ.get("HOME"):
            _end("HOME is not set", "set it to this user's home directory: circus's sockets are in it")
        try:
            take_directory(circus_directory(os.environ))
            self.path = log_directory(os.environ) / f"{name}.log"
        except LoadsError as error:
            _end(error.message, error.hint)
        self.said = ""
        self._parts: dict[int, bytes] = {}
        self._file = _file_at(self.path)

    def __call__(self, data: Mapping[str, Any]) -> None:
        """Take what circus read from a pipe: ``data``, and the ``pid`` that wrote it."""
        pid: int = data["pid"]
        whole, newline, part = (self._parts.pop(pid, b"") + data["data"]).rpartition(b"\n")
        if newline:
            self._write(whole)
        if len(part) > _LINE_BYTES:
            self._write(part)
        elif part:
            self._parts[pid] = part

    def ended(self, pid: int) -> None:
        """`pid` writes no more."""
        if part := self._parts.pop(pid, b""):
            self._write(part)

    def close(self) -> None:
        """Circus stops these processes. It is opened again by what comes after that."""
        for pid in list(self._parts):
            self.ended(pid)
        self._file.close()

    def _write(self, data: bytes) -> None:
        text = data.decode(errors="backslashreplace")
        # What belongs to a message is indented, and may come later.
        self.said = re.split(r"\n(?=\S)", f"{self.said}\n{text}"[-_LINE_BYTES:].rstrip())[-1]
        self._file.handle(logging.makeLogRecord({"msg": text}))


def _end(message: str, hint: str) -> NoReturn:
    complain("circusd", LoadsError(message, hint))
    raise SystemExit(int(ExitCode.USAGE))


def circus_directory(environ: Mapping[str, str]) -> Path:
    """Where circus's sockets are. Its files know of no default for XDG_STATE_HOME, so that does not count here."""
    return state_directory({name: text for name, text in environ.items() if name != "XDG_STATE_HOME"}) / "circus"


def log_directory(environ: Mapping[str, str]) -> Path:
    """Where the logs are, made if it is not there."""
    path = state_directory(environ) / "log"
    secure_directory(path)
    return path


@functools.cache
def take_directory(directory: Path) -> None:
    """Make `directory` this circusd's until it ends: two would take each other's sockets. Its own log is begun, too.

    Raises:
        LoadsError: another has it, or it is not safe.
    """
    own = _file_at(log_directory(os.environ) / "circus.log")
    own.setFormatter(logging.Formatter("%(asctime)s circusd: %(message)s", "%Y-%m-%d %H:%M:%S"))
    if lock_directory(directory) is None:
        endpoint = f"ipc://{directory}/control.sock"
        error = LoadsError("one of yours runs already", f"look at it with: circusctl --endpoint {endpoint} status")
        # With --daemon nobody sees what it prints.
        own.handle(logging.makeLogRecord({"msg": f"another circusd was started and refused: {error.message}"}))
        raise error
    logging.getLogger().addHandler(own)
    logging.getLogger("tornado.application").addFilter(_is_news)
    _log.info("logs are in %s", log_directory(os.environ))


def _file_at(path: Path) -> RotatingFileHandler:
    return RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8", delay=True)


def _is_news(record: logging.LogRecord) -> bool:
    """Not that circus, which looks at its processes each second, can't while it stops some of them."""
    return not (record.exc_info and record.exc_info[0] and record.exc_info[0].__name__ == "ConflictError")


# Processes.


def prepare(watcher: Watcher, arbiter: Arbiter, hook_name: str) -> bool:
    """Before the processes of `watcher` are started; to circus, that they may be.

    They get the environment of circusd (``copy_env`` would put variables into the values of others), and find the
    commands that were installed with it, whatever its PATH. A variable in a command that is not set is nothing.
    """
    watcher.env.update({**os.environ, **watcher.env})
    path = [*_commands(), *watcher.env.get("PATH", os.defpath).split(os.pathsep)]
    watcher.env["PATH"] = os.pathsep.join(dict.fromkeys(path))
    watcher.cmd = _UNSET.sub("", watcher.cmd)
    watcher.hooks.update(
        after_spawn=_record, before_signal=_may_end, after_stop=_let_end, after_reap=functools.partial(_tell_end, {})
    )
    if not isinstance(watcher.spawn_process, functools.partial):
        watcher.spawn_process = functools.partial(_spawn, watcher.spawn_process)
    relieve(watcher.name)
    return True


def relieve(name: str) -> None:
    """Have the processes leave that a circusd which was killed left behind, and that go on without it.

    They are told once: a second time means at once to an agent that finishes its run. While it does, the new one works
    beside it, under the next name.
    """
    left = []
    path = _record_of(name)
    for pid, command in _recorded(path).items():
        with suppress(psutil.Error, ValueError):
            process = psutil.Process(pid)
            if command and process.cmdline() == command:
                _log.warning("%s %d was left by a circusd that was killed: it is told to leave", name, pid)
                process.terminate()
                left.append(process)
    path.unlink(missing_ok=True)
    for process in psutil.wait_procs(left, timeout=_LEAVES_S)[1]:
        _log.warning("%s %d has something to finish, and leaves after it", name, process.pid)


def _recorded(path: Path) -> dict[int, list[str]]:
    try:
        return {int(pid): command for pid, command in json.loads(path.read_text()).items()}
    except (OSError, ValueError, AttributeError):
        return {}


def _commands() -> list[str]:
    """Where the commands are that were installed together with circusd."""
    return [sysconfig.get_path("scripts"), str(Path(sys.argv[0]).absolute().parent)]


def _spawn(spawn: Callable[..., float | bool], *arguments: Any, **options: Any) -> float | bool:
    """`spawn`, without circus's way of giving up: it would stop all of that name, those that run well included."""
    return spawn(*arguments, **options) or time.time()


def _record(watcher: Watcher, pid: int, **_: Any) -> bool:
    """Write down which processes there are, for `relieve`."""
    commands = {}
    for each in {*watcher.processes, pid}:
        with suppress(psutil.Error):
            commands[each] = psutil.Process(each).cmdline()
    path = _record_of(watcher.name)
    try:
        new = path.with_suffix(".new")
        new.write_text(json.dumps(commands))
        new.replace(path)
    except OSError as error:  # the process is worth more than the note of it
        _log.warning("can't write %s: %s", path, error.strerror)
    return True


def _record_of(name: str) -> Path:
    return circus_directory(os.environ) / f"{name}.json"


def _may_end(watcher: Watcher, arbiter: Arbiter, signum: int, **_: Any) -> bool:
    """The broker is stopped when the agents are gone: they finish their runs, and deliver what they measured to it."""
    first = _stopping(arbiter, lambda other: other.priority < watcher.priority)
    if signum != signal.SIGTERM or not first:
        return True
    name, endpoint = first[0].name, f"ipc://{circus_directory(os.environ)}/control.sock"
    _log.info("%s stays until each %s has finished its run; for them to leave now:", watcher.name, name)
    _log.info("  circusctl --endpoint %s signal %s TERM", endpoint, name)
    return False


def _let_end(watcher: Watcher, arbiter: Arbiter, **_: Any) -> bool:
    """Those that waited for `watcher` are told now. (Each is asked once more whether it waits for others, too.)"""
    for other in _stopping(arbiter, lambda other: other.priority > watcher.priority):
        for pid in list(other.processes):
            other.send_signal(pid, signal.SIGTERM)
    return True


def _stopping(arbiter: Arbiter, which: Callable[[Watcher], bool]) -> list[Watcher]:
    return [other for other in arbiter.watchers if which(other) and other.is_stopping()]


def _tell_end(told: dict[str, float], watcher: Watcher, process_pid: int, exit_code: int | None, **_: Any) -> bool:
    """Say on circusd's own screen and log how a process ended; what ends so again and again, once a minute."""
    log = watcher.stderr_stream
    log.ended(process_pid)
    if watcher.is_stopping():
        return True
    if exit_code is not None and exit_code < 0:
        how = f"was killed by {next((each.name for each in signal.Signals if each == -exit_code), -exit_code)}"
        told.clear()
    else:
        how = f"ended with exit code {exit_code}: {log.said or 'it said nothing'}"
    if time.monotonic() - told.get(how, -_AGAIN_S) >= _AGAIN_S:
        _log.warning("%s %d %s\n  it is started again; its log is %s", watcher.name, process_pid, how, log.path)
        told.clear()
        told[how] = time.monotonic()
    return True

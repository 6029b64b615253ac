"""What circus calls: logs that lose nothing, and processes that start, end and are replaced in the right order."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.cli import supervision
from loads.cli.supervision import Log, prepare, relieve, take_directory


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home that is empty, and loggers as they were in the end."""
    directory = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(directory))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    handlers = list(logging.getLogger().handlers)
    yield directory
    while _logs:
        _logs.pop().close()
    for handler in set(logging.getLogger().handlers) - set(handlers):
        logging.getLogger().removeHandler(handler)
        handler.close()
    take_directory.cache_clear()


SAID = b"loads-broker: the port is taken\n  choose another {one}\n"
_logs: list[Log] = []


def new_log(name: str) -> Log:
    """One that is closed with the test."""
    _logs.append(Log(name))
    return _logs[-1]


class FakeWatcher:
    """A watcher as circus has it, prepared; `told` are the signals that reached its processes."""

    def __init__(self, arbiter: FakeArbiter, name: str, priority: int = 0, pids: tuple[int, ...] = ()) -> None:
        self.name, self.priority = name, priority
        self.cmd, self.env = f"loads-{name} $(circus.env.NOT_SET)", {"OWN": "1"}
        self.hooks: dict[str, Callable[..., bool]] = {}
        self.processes: dict[int, Any] = dict.fromkeys(pids)
        self.stderr_stream = new_log(name)
        self.stopping = False
        self.spawns: list[float | bool] = []
        self.told: list[tuple[int, int]] = []
        self._arbiter = arbiter
        arbiter.watchers.append(self)
        assert prepare(self, arbiter, "before_start")

    def spawn_process(self, *_: Any) -> float | bool:
        return self.spawns.pop(0)

    def is_stopping(self) -> bool:
        return self.stopping

    def send_signal(self, pid: int, signum: int) -> None:
        if self.call("before_signal", pid=pid, signum=signum):
            self.told.append((pid, signum))

    def call(self, hook: str, **arguments: Any) -> bool:
        return self.hooks[hook](watcher=self, arbiter=self._arbiter, hook_name=hook, **arguments)

    def stop(self) -> None:
        """As circus does, until its processes have ended."""
        self.stopping = True
        for pid in self.processes:
            self.send_signal(pid, signal.SIGTERM)

    def stopped(self) -> None:
        self.stopping = False
        self.call("after_stop")


class FakeArbiter:
    def __init__(self) -> None:
        self.watchers: list[Any] = []


# Logs.


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(min_size=1, max_size=6)), max_size=20))
def test_however_it_is_cut_a_log_has_all_lines_of_each_process_whole(pieces: list[tuple[int, bytes]]) -> None:
    log = new_log("agent")
    log.path.unlink(missing_ok=True)
    for pid, piece in pieces:
        log({"pid": pid, "data": bytes(97 + byte % 26 if byte % 5 else 10 for byte in piece)})
    log.close()
    written = log.path.read_bytes().splitlines() if log.path.exists() else []
    expected = []
    for pid in (1, 2):
        data = b"".join(bytes(97 + b % 26 if b % 5 else 10 for b in piece) for by, piece in pieces if by == pid)
        expected += data.splitlines()
    assert sorted(filter(None, written)) == sorted(filter(None, expected))


def test_a_letter_of_several_bytes_may_come_in_parts() -> None:
    log = new_log("broker")
    for byte in "an island: Ærø\n".encode():
        log({"pid": 1, "data": bytes([byte])})
    assert log.path.read_text("utf-8") == "an island: Ærø\n"


def test_what_is_no_text_is_shown_as_bytes() -> None:
    log = new_log("broker")
    log({"pid": 1, "data": b"\xff!\n"})
    assert log.path.read_text() == "\\xff!\n"


def test_percent_signs_are_no_formats() -> None:
    log = new_log("broker")
    log({"pid": 1, "data": b"100 %s\n"})
    assert log.path.read_text() == "100 %s\n"


def test_a_line_that_never_ends_is_not_kept_in_memory() -> None:
    log = new_log("broker")
    for _ in range(40):
        log({"pid": 1, "data": b"x" * 1024})
    assert log.path.stat().st_size > 16 << 10


def test_logs_are_rotated_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "LOG_BYTES", 1000)
    log = new_log("broker")
    for number in range(200):
        log({"pid": 1, "data": f"line {number} {'x' * 80}\n".encode()})
    files = list(log.path.parent.glob("broker.log*"))
    assert len(files) == 1 + supervision.LOG_FILES
    assert all(file.stat().st_size <= 1000 for file in files)
    assert "line 199" in log.path.read_text()


def test_logs_are_in_the_state_directory_and_this_users_alone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    log = new_log("broker")
    assert log.path == home / "state" / "loads" / "log" / "broker.log"
    assert log.path.parent.stat().st_mode & 0o777 == 0o700


def test_a_directory_that_others_may_enter_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = home / ".local" / "state" / "loads" / "circus"
    directory.mkdir(parents=True)
    directory.chmod(0o755)
    with pytest.raises(SystemExit, match=r"^2$"):
        new_log("broker")
    assert re.search(r"^circusd: others may enter .*: its mode is 0755\n  ", capsys.readouterr().err)


def test_without_a_home_there_is_no_place_for_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HOME")
    with pytest.raises(SystemExit, match=r"^2$"):
        new_log("broker")
    assert "circusd: HOME is not set\n  set it " in capsys.readouterr().err


# Processes.


def test_they_get_circusds_environment_and_find_the_commands_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRICE", "$HOME dollars ")
    monkeypatch.setenv("OWN", "2")
    watcher = FakeWatcher(FakeArbiter(), "broker")
    assert watcher.env["PRICE"] == "$HOME dollars "
    assert watcher.env["OWN"] == "1"
    assert str(Path(sys.executable).parent) in watcher.env["PATH"].split(os.pathsep)


def test_options_that_nobody_set_are_none() -> None:
    assert FakeWatcher(FakeArbiter(), "broker").cmd.split() == ["loads-broker"]


def test_one_that_can_not_be_started_now_stops_nothing() -> None:
    watcher = FakeWatcher(FakeArbiter(), "agent")
    watcher.spawns = [False, 12.5]
    assert isinstance(watcher.spawn_process(), float)
    assert watcher.spawn_process() == 12.5


def test_the_broker_is_told_to_leave_when_the_agents_are_gone() -> None:
    arbiter = FakeArbiter()
    agent, broker = FakeWatcher(arbiter, "agent", 0, (1, 2)), FakeWatcher(arbiter, "broker", 10, (3,))
    agent.stop()
    broker.stop()
    assert (agent.told, broker.told) == ([(1, 15), (2, 15)], [])
    agent.stopped()
    assert broker.told == [(3, 15)]


def test_the_broker_alone_is_stopped_at_once() -> None:
    arbiter = FakeArbiter()
    agent, broker = FakeWatcher(arbiter, "agent", 0, (1,)), FakeWatcher(arbiter, "broker", 10, (3,))
    broker.stop()
    assert (agent.told, broker.told) == ([], [(3, 15)])


def test_agents_alone_leave_the_broker_where_it_is() -> None:
    arbiter = FakeArbiter()
    agent, broker = FakeWatcher(arbiter, "agent", 0, (1,)), FakeWatcher(arbiter, "broker", 10, (3,))
    agent.stop()
    agent.stopped()
    assert broker.told == []


def test_an_end_is_told_with_what_was_said_last_and_once(caplog: pytest.LogCaptureFixture) -> None:
    watcher = FakeWatcher(FakeArbiter(), "broker")
    for pid, parts in (
        (7, [b"before\nloads-broker: the port", b" is taken\n", b"  choose another {one}\n"]),
        (8, [SAID]),
    ):
        for part in parts:
            watcher.stderr_stream({"pid": pid, "data": part})
        watcher.call("after_reap", process_pid=pid, exit_code=2)
    told = [record.getMessage() for record in caplog.records if "ended" in record.getMessage()]
    assert len(told) == 1
    assert told[0].startswith(f"broker 7 ended with exit code 2: {SAID.decode()}  it is started again")


def test_each_kill_is_told_by_its_signal(caplog: pytest.LogCaptureFixture) -> None:
    watcher = FakeWatcher(FakeArbiter(), "broker")
    for pid in (7, 8):
        watcher.call("after_reap", process_pid=pid, exit_code=-9)
        assert f"broker {pid} was killed by SIGKILL" in caplog.text


# What a circusd that was killed left.


@pytest.fixture
def left() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def test_what_is_left_is_told_to_leave_once(left: subprocess.Popen[bytes]) -> None:
    watcher = FakeWatcher(FakeArbiter(), "broker", pids=(left.pid,))
    watcher.call("after_spawn", pid=left.pid)
    relieve("broker")
    assert not psutil.pid_exists(left.pid)
    assert not (supervision.circus_directory(os.environ) / "broker.json").exists()


def test_a_stranger_that_has_the_number_now_is_left_alone(left: subprocess.Popen[bytes]) -> None:
    new_log("broker")
    record = supervision.circus_directory(os.environ) / "broker.json"
    record.write_text(json.dumps({str(left.pid): ["loads-broker"]}))
    relieve("broker")
    assert left.poll() is None


def test_a_record_that_can_not_be_written_stops_no_process(caplog: pytest.LogCaptureFixture) -> None:
    watcher = FakeWatcher(FakeArbiter(), "broker")
    (supervision.circus_directory(os.environ) / "broker.new").mkdir()
    assert watcher.call("after_spawn", pid=os.getpid())
    assert "can't write" in caplog.text


@pytest.mark.parametrize("text", ["", "{", "[]", '{"x": []}', '{"-1": []}'])
def test_a_record_that_was_spoiled_is_none(text: str) -> None:
    new_log("broker")
    (supervision.circus_directory(os.environ) / "broker.json").write_text(text)
    relieve("broker")

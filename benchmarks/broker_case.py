"""One measurement of a broker: a real one on a core of its own, with agents and followers on the other."""

from __future__ import annotations

import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from broker_agents import Load, Told, run_agents
from broker_followers import RUNNING, Seen, run_followers
from processes import GENERATOR_CORE, SERVER_CORE, end, environment, on_core, rss_bytes, tail_of

from loads.broker.keyring import Keyring
from loads.errors import LoadsError
from loads.units import US_PER_S
from loads.wire.cluster import Role
from loads.wire.keys import parse_join

BROKER_CORE, OTHERS_CORE = GENERATOR_CORE, SERVER_CORE
WARM_UP_S = 5
_SAMPLE_S = 1.0
_START_S = 60
_END_S = 60
_BROKER = "from loads.cli.broker import main; main()"
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Sample:
    """The broker at one moment, `t_s` after the run's start."""

    t_s: float
    rss_bytes: int
    store_bytes: int


@dataclass
class Measured:
    """What a case came to.

    Attributes:
        cpu: cores that the broker used, with all its threads.
        latencies_s: from flush to screen, ascending.
        beats_s: from a beat's way into the socket to its being heard, ascending.
        held_back: deliveries that agents kept for later, for four were under way.
        behind: so often a follower missed something and got the whole instead.
    """

    load: Load
    followers: int
    cpu: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    beats_s: list[float] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    batch_bytes: int = 0
    update_bytes: int = 0
    held_back: int = 0
    behind: int = 0


def measure(load: Load, followers: int, seconds: int, *, keys: bool = False) -> Measured:
    """Run `load` for a while and look at the broker meanwhile. `keys`: over TCP, and not its unix socket.

    Raises:
        LoadsError: something failed, or what came out is not what was delivered.
    """
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        directory = Path(name)
        log = directory / "broker.log"
        path = directory / "loads" / "run" / "broker.sock"
        ways = _joined(directory / "loads" / "keys") if keys else (f"ipc://{path}", f"ipc://{path}")
        bind = ["--bind", parse_join(ways[0]).endpoint] if keys else []
        with log.open("wb") as out:
            broker = subprocess.Popen(
                on_core(BROKER_CORE, [sys.executable, "-c", _BROKER, *bind]),
                env={**environment(), "XDG_STATE_HOME": name},
                stdout=out,
                stderr=out,
            )
        try:
            _wait_for(path.exists, broker, log)
            return _measure(load, followers, seconds, ways, broker.pid, directory)
        except (EOFError, LoadsError) as error:
            raise LoadsError(f"the run failed: {error}", tail_of(log)) from None
        finally:
            end(broker, grace_s=10)


def _joined(keys: Path) -> tuple[str, str]:
    """Keys for a broker at a free port: the lines with which agents and followers join."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    keyring = Keyring(keys)
    keyring.init(endpoint)
    return keyring.add("agents", Role.AGENT).line, keyring.add("followers", Role.RUNNER).line


def _measure(load: Load, followers: int, seconds: int, ways: tuple[str, str], pid: int, directory: Path) -> Measured:
    # Spawned, not forked: nothing of ours is theirs.
    context = multiprocessing.get_context("spawn")
    sides: list[Any] = []

    def start(target: Callable[..., None], *arguments: object) -> Connection:
        mine, theirs = context.Pipe(duplex=False)
        side = context.Process(target=target, args=(*arguments, OTHERS_CORE, theirs), daemon=True)
        side.start()
        sides.append(side)
        theirs.close()
        return mine

    measured = Measured(load, followers)
    try:
        agents = start(run_agents, ways[0], load)
        screens = start(run_followers, ways[1], load, followers)
        if receive(screens, _START_S) != RUNNING:
            raise LoadsError("the run ended before it began")
        begin_s = time.monotonic()
        time.sleep(WARM_UP_S)
        window = [time.monotonic_ns() // 1_000]
        before_s = cpu_s(pid)
        while (left_s := window[0] / US_PER_S + seconds - time.monotonic()) > 0:
            t_s = time.monotonic() - begin_s
            measured.samples.append(Sample(t_s, rss_bytes(pid), _size_of(directory)))
            time.sleep(min(left_s, _SAMPLE_S))
        window.append(time.monotonic_ns() // 1_000)
        took_s = (window[1] - window[0]) / US_PER_S
        measured.cpu = (cpu_s(pid) - before_s) / took_s
        measured.samples.append(Sample(time.monotonic() - begin_s, rss_bytes(pid), _size_of(directory)))
        seen, told = receive(screens, load.run_us / US_PER_S + _END_S), receive(agents, _END_S)
    finally:
        for side in sides:
            side.terminate()
            side.join()
    _join(measured, told, seen, window)
    return measured


def _join(measured: Measured, told: Told, seen: Seen, window: list[int]) -> None:
    """Which of the batches that were flushed within `window` was shown when; all that was delivered is there."""
    if seen.hits != told.hits:
        raise LoadsError(f"{told.hits:,} hits were delivered, and the result has {seen.hits:,}: {seen.warnings}")
    shown = {(worker, seq): at_us for worker, seq, at_us in seen.shown}
    begin_us, end_us = window
    flushed = {key: at_us for key, at_us in told.flushed.items() if begin_us <= at_us < end_us}
    measured.latencies_s = sorted((shown[key] - at_us) / US_PER_S for key, at_us in flushed.items() if key in shown)
    if len(measured.latencies_s) < len(flushed):
        raise LoadsError(f"{len(flushed) - len(measured.latencies_s)} batches were never shown")
    measured.beats_s = sorted(late_us / US_PER_S for at_us, late_us in told.beats if begin_us <= at_us < end_us)
    measured.batch_bytes, measured.held_back = told.batch_bytes, told.held_back
    measured.behind = seen.behind
    measured.update_bytes = seen.update_bytes


def receive(side: Connection, timeout_s: float) -> Any:
    if not side.poll(timeout_s):
        raise LoadsError(f"nothing was heard of the other side for {timeout_s:.0f} s")
    return side.recv()


def _wait_for(condition: Callable[[], bool], broker: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + _START_S
    while not condition():
        if broker.poll() is not None or time.monotonic() > deadline_s:
            raise LoadsError("the broker did not start", tail_of(log))
        time.sleep(0.02)


def cpu_s(pid: int) -> float:
    """Processor time of a process, with all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def _size_of(directory: Path) -> int:
    """What the store takes on the disk, its log included."""
    return sum(file.stat().st_size for file in directory.glob("loads/broker/loads.db*"))

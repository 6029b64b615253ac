"""How the dashboard bears its viewers: a real loads-web on a core of its own, and a run with hundreds of endpoints.

A real broker and agents that measure nothing deliver a batch each second; viewers follow the run over the same socket
as a page. Measured are the processor time of loads-web, how long a second's results are under way from the agent's
socket to each viewer, and its memory over time. One more viewer never reads: it is to be sent away.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from broker_agents import Load, Told, run_agents
from broker_case import BROKER_CORE, OTHERS_CORE, WARM_UP_S, cpu_s, receive
from broker_followers import RUNNING, run_followers
from command import parser_for, run, say, whole_number
from processes import end, environment, on_core, require, rss_bytes, tail_of
from tables import Table, show
from web_viewers import FOLLOWING, Looked, run_viewers

from loads.errors import LoadsError
from loads.runner.cluster import ask_status
from loads.units import US_PER_S
from loads.wire.endpoint import parse_endpoint

WEB_CORE = BROKER_CORE
_START_S = 30
_END_S = 60
_COMMANDS = {
    "broker": "from loads.cli.broker import main; main()",
    "web": "from loads.cli.web import main; main()",
}


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--viewers", type=whole_number(1, 500), default=50, help="default: 50")
    parser.add_argument("--series", type=whole_number(2, 2_000), default=500, help="endpoints (default 500)")
    parser.add_argument("--buckets", type=whole_number(1, 200), default=8, help="of each histogram (default 8)")
    parser.add_argument("--agents", type=whole_number(1, 50), default=3, help="default: 3")
    parser.add_argument("--seconds", type=whole_number(10, 3_600), default=60, help="default: 60")
    options = parser.parse_args()
    require("taskset")
    run_us = (2 * WARM_UP_S + options.seconds + 2) * US_PER_S
    load = Load(options.agents, 1, options.series, options.buckets, run_us)
    show(measure(load, options.viewers, options.seconds), rst=options.rst)


def measure(load: Load, viewers: int, seconds: int) -> Table:
    """One run, and what came of it.

    Raises:
        LoadsError: something failed, or a viewer missed a batch.
    """
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        directory = Path(name)
        started: list[subprocess.Popen[bytes]] = []

        def start(which: str, core: int, *arguments: str) -> subprocess.Popen[bytes]:
            with (directory / f"{which}.log").open("wb") as log:
                command = on_core(core, [sys.executable, "-c", _COMMANDS[which], *arguments])
                variables = {**environment(), "XDG_STATE_HOME": name, "PYTHONUNBUFFERED": "1"}
                started.append(subprocess.Popen(command, env=variables, stdout=log, stderr=log))
            return started[-1]

        try:
            start("broker", OTHERS_CORE)
            path = directory / "loads" / "run" / "broker.sock"
            _wait_for(path.exists, directory / "broker.log")
            web = start("web", WEB_CORE, "--port", "0")
            _wait_for(lambda: "/login?token=" in _text(directory / "web.log"), directory / "web.log")
            link = next(word for word in _text(directory / "web.log").split() if "/login?token=" in word)
            return _measure(load, viewers, seconds, path, link, web.pid)
        except (EOFError, LoadsError) as error:
            raise LoadsError(f"the run failed: {error}", tail_of(directory / "web.log")) from None
        finally:
            for process in reversed(started):
                end(process, grace_s=10)


def _measure(load: Load, viewers: int, seconds: int, path: Path, link: str, pid: int) -> Table:
    context = multiprocessing.get_context("spawn")
    sides: list[Any] = []

    def start(target: Callable[..., None], *arguments: object) -> Connection:
        mine, theirs = context.Pipe(duplex=False)
        side = context.Process(target=target, args=(*arguments, OTHERS_CORE, theirs), daemon=True)
        side.start()
        sides.append(side)
        theirs.close()
        return mine

    try:
        agents = start(run_agents, f"ipc://{path}", load)
        screens = start(run_followers, f"ipc://{path}", load, 1)
        if receive(screens, _START_S) != RUNNING:
            raise LoadsError("the run ended before it began")
        status = asyncio.run(ask_status(parse_endpoint(str(path))))
        looking = start(run_viewers, link, status.runs[0].id, viewers, True)
        if receive(looking, _START_S) != FOLLOWING:
            raise LoadsError("the run ended before anybody saw it")
        say(f"{viewers} viewers follow {status.runs[0].id}")
        time.sleep(WARM_UP_S)
        begin_us, before_s = time.monotonic_ns() // 1_000, cpu_s(pid)
        memory = [rss_bytes(pid)]
        while time.monotonic_ns() // 1_000 < begin_us + seconds * US_PER_S:
            time.sleep(1.0)
            memory.append(rss_bytes(pid))
        end_us = time.monotonic_ns() // 1_000
        cores = (cpu_s(pid) - before_s) / ((end_us - begin_us) / US_PER_S)
        looked, told = receive(looking, load.run_us / US_PER_S + _END_S), receive(agents, _END_S)
    finally:
        for side in sides:
            side.terminate()
            side.join()
    return _tabulate(load, viewers, seconds, cores, memory, _delays_s(told, looked, begin_us, end_us), looked)


def _delays_s(told: Told, looked: Looked, begin_us: int, end_us: int) -> list[float]:
    """From each batch's way into its socket to each viewer; ascending."""
    flushed = {key: at_us for key, at_us in told.flushed.items() if begin_us <= at_us < end_us}
    delays = [
        (at_us - flushed[machine, batch]) / US_PER_S
        for machine, batch, at_us in looked.shown
        if (machine, batch) in flushed
    ]
    if not delays:
        raise LoadsError("no viewer saw a batch")
    return sorted(delays)


def _tabulate(
    load: Load, viewers: int, seconds: int, cores: float, memory: list[int], delays: list[float], looked: Looked
) -> Table:
    table = Table(
        f"loads-web: {viewers} viewers of a run with {load.series} endpoints",
        ("Cores", "p50, s", "p99, s", "max, s", "Memory at first, MB", "at last, MB", "Frame, kB", "Whole, kB"),
    )
    frames = sorted(looked.frame_bytes)
    table.rows.append(
        (
            f"{cores:.2f}",
            f"{_at(delays, 0.5):.2f}",
            f"{_at(delays, 0.99):.2f}",
            f"{delays[-1]:.2f}",
            f"{memory[0] / 1e6:.0f}",
            f"{memory[-1] / 1e6:.0f}",
            f"{frames[len(frames) // 2] / 1e3:.0f}" if frames else "-",
            f"{looked.whole_bytes / 1e3:.0f}",
        )
    )
    deaf = "was never sent away" if looked.deaf_s is None else f"was sent away after {looked.deaf_s:.0f} s"
    table.notes += [
        f"{seconds} s; {load.agents} agents deliver a batch each second; {looked.frames:,} frames were read.",
        f"A viewer that never read {deaf}; {looked.lost} of the others lost their connection.",
        "p50, p99: from an agent's socket to each viewer, the second in which the broker gathers included.",
    ]
    return table


def _at(ascending: list[float], quantile: float) -> float:
    return ascending[min(len(ascending) - 1, int(quantile * len(ascending)))]


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""


def _wait_for(condition: Callable[[], bool], log: Path) -> None:
    deadline_s = time.monotonic() + _START_S
    while not condition():
        if time.monotonic() > deadline_s:
            raise LoadsError("it did not start", tail_of(log))
        time.sleep(0.02)


if __name__ == "__main__":
    run(main)

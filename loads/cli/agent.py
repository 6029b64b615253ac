"""``loads-agent``: lets a machine work for a broker."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import signal
import socket
from pathlib import Path

import click

import loads
from loads.cli.service import lock_directory, logger, run_command
from loads.errors import ExitCode, UsageError
from loads.units import parse_duration_us
from loads.wire.endpoint import Endpoint, default_endpoint, parse_endpoint, state_directory

EPILOG = """\
\b
What it measured and the broker has not yet stored lies in its state directory: an agent that is started
again there, after whatever ended it, delivers it. Without --name it is named after the machine; more agents
on one machine get a number.

\b
Examples:
  loads-agent
  loads-agent --broker tcp://10.0.0.5:7700 --name north
"""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", re.ASCII)
_MOST_AGENTS = 64


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--broker", metavar="ENDPOINT", help="Where the broker listens.  [default: its socket on this machine]")
@click.option("--name", metavar="NAME", help="What it is called.  [default: the machine's name]")
@click.option(
    "--workers", metavar="N", type=click.IntRange(1, 256), help="Most worker processes.  [default: one per processor]"
)
@click.option(
    "--grace",
    metavar="TIME",
    default="30s",
    help="How long load goes on when the broker's process went away.  [default: 30s]",
)
@click.option(
    "--state-dir", metavar="DIR", type=click.Path(), help="Where it keeps everything.  [default: ~/.local/state/loads]"
)
@click.version_option(loads.__version__, prog_name="loads-agent")
def command(broker: str | None, name: str | None, workers: int | None, grace: str, state_dir: str | None) -> ExitCode:
    """Run virtual users for the runs that a broker hands out."""
    endpoint = default_endpoint(os.environ) if broker is None else parse_endpoint(broker)
    grace_us = parse_duration_us(grace)
    if name is not None and not _NAME.fullmatch(name):
        raise UsageError(
            f"--name {name!r} is not a name", "use letters, digits, dots, dashes and underscores, at most 63"
        )
    base = state_directory(os.environ) if state_dir is None else Path(state_dir).absolute()
    called, directory = _take_directory(base, name)
    limit = workers or len(os.sched_getaffinity(0))
    asyncio.run(_serve(called, directory, endpoint, limit, grace_us))
    return ExitCode.PASSED


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    run_command(command, arguments, "loads-agent")


def _take_directory(base: Path, name: str | None) -> tuple[str, Path]:
    """A name, and a directory that no other agent works in."""
    if name is not None:
        directory = base / f"agent-{name}"
        if lock_directory(directory) is None:
            raise UsageError(f"an agent named {name} works in {directory} already", "give this one another --name")
        return name, directory
    host = re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname())[:50] or "agent"
    for number in range(1, _MOST_AGENTS + 1):
        called = host if number == 1 else f"{host}-{number}"
        if lock_directory(base / f"agent-{called}") is not None:
            return called, base / f"agent-{called}"
    raise UsageError(f"{_MOST_AGENTS} agents work in {base} already", "give this one a --name")


async def _serve(name: str, directory: Path, endpoint: Endpoint, limit: int, grace_us: int) -> None:
    from loads.agent.server import AgentServer
    from loads.agent.state import Agent

    say = logger(f"loads-agent {name}")
    agent = Agent(
        name=name,
        identity=_identity(directory),
        incarnation=secrets.randbits(64),
        host=socket.gethostname(),
        cores=len(os.sched_getaffinity(0)),
        limit=limit,
        version=loads.__version__,
        grace_us=grace_us,
    )
    server = AgentServer(agent, endpoint, directory, say)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, server.stop)
    say(f"works for the broker at {endpoint}, with up to {limit} workers; its state is in {directory}")
    await server.serve()
    say("leaves")


def _identity(directory: Path) -> int:
    """Random, of this state directory."""
    path = directory / "identity"
    if path.exists():
        try:
            return int(path.read_text(), 16)
        except ValueError:
            pass
    identity = secrets.randbits(64)
    path.touch(mode=0o600)
    path.write_text(f"{identity:016x}\n")
    return identity

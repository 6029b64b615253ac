"""``loads-agent``: lets a machine work for a broker."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import signal
import socket
from functools import partial
from pathlib import Path

import click

import loads
from loads.cli.joined import AGENT, passed_over, usual_endpoint, with_key
from loads.cli.options import with_ssh
from loads.cli.reach import Where, opened, read_way, remote_of
from loads.cli.service import lock_directory, logger, run_command
from loads.errors import ExitCode, UsageError
from loads.plan.config import Config
from loads.plan.settings import parse_label
from loads.pool.confine import Confinement, confine, find_user, open_way
from loads.pool.limits import parse_limits, room_for_users
from loads.units import parse_duration_us
from loads.wire.endpoint import Endpoint, parse_endpoint, state_directory

EPILOG = """\
It looks for its broker until that is there, and again when it went away. The broker that was joined with loads keys
join is found without --broker; LOADS_JOIN may hold the line for it, too.

What it measured and the broker has not yet stored lies in its state directory: an agent that is started again there,
after whatever ended it, delivers it. Without --name it is named after the machine; more agents on one machine get a
number.

SIGTERM and the first Ctrl-C let it finish its run first; it takes no other, and leaves when the broker has all of it.
The second one ends it at once.

LOADS_BROKER, LOADS_SSH, LOADS_SSH_OPTION and LOADS_SSH_COMMAND are what the options are.

\b
Examples:
  loads-agent
  loads-agent --name north --label region=eu --max-users 500
  loads-agent --broker tcp://10.0.0.5:7700
  loads-agent --ssh loads@loads-master
"""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", re.ASCII)
_MOST_AGENTS = 64
_GRACE = "30s"


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--broker",
    metavar="ENDPOINT",
    help="Where the broker listens.  [default: the one that was joined, or else the socket on this machine]",
)
@with_ssh
@click.option("--name", metavar="NAME", help="What it is called.  [default: the machine's name]")
@click.option(
    "--workers", metavar="N", type=click.IntRange(1, 256), help="Most worker processes.  [default: one per processor]"
)
@click.option(
    "--max-users",
    metavar="N",
    type=click.IntRange(1, 10_000_000),
    help="Most virtual users at a time.  [default: any number]",
)
@click.option(
    "--label", multiple=True, metavar="KEY=VALUE", help="What runs may choose it by (loads-runner --label). Repeatable."
)
@click.option(
    "--grace",
    metavar="TIME",
    help=f"How long load goes on when the broker's process went away.  [default: {_GRACE}; with --ssh not at all]",
)
@click.option(
    "--state-dir", metavar="DIR", type=click.Path(), help="Where it keeps everything.  [default: ~/.local/state/loads]"
)
@click.option(
    "--env", multiple=True, metavar="NAME", help="A variable of its own environment that tests may see. Repeatable."
)
@click.option(
    "--limit",
    multiple=True,
    metavar="NAME=MOST",
    help="What each worker may use at most: memory=2g, file-size=100m, files=4096, processes=200. Repeatable.",
)
@click.option("--worker-user", metavar="NAME", help="Who workers run as, for an agent that runs as root.")
@click.version_option(loads.__version__, prog_name="loads-agent")
def command(
    broker: str | None,
    ssh: str | None,
    ssh_option: tuple[str, ...],
    ssh_command: str | None,
    name: str | None,
    workers: int | None,
    max_users: int | None,
    label: tuple[str, ...],
    grace: str | None,
    state_dir: str | None,
    env: tuple[str, ...],
    limit: tuple[str, ...],
    worker_user: str | None,
) -> ExitCode:
    """Run virtual users for the runs that a broker hands out."""
    base = state_directory(os.environ) if state_dir is None else Path(state_dir).absolute()
    way = read_way({"broker": broker, "ssh": ssh, "ssh-option": ssh_option, "ssh-command": ssh_command})
    where = remote_of(way) or _endpoint(way, base)
    grace_us = _grace_us(grace, where)
    labels = _labels(label)
    if name is not None and not _NAME.fullmatch(name):
        raise UsageError(
            f"--name {name!r} is not a name", "use letters, digits, dots, dashes and underscores, at most 63"
        )
    user = None if worker_user is None else find_user(worker_user)
    as_root = user is None and os.geteuid() == 0
    confinement = confine(os.environ, env, parse_limits(limit, as_root=as_root), user)
    called, directory = _take_directory(base, name)
    open_way(base, directory, user)
    if way["broker"] is None and isinstance(where, Endpoint) and where.is_local:
        _tell_passed_over(called, base)
    most = workers or len(os.sched_getaffinity(0))
    with opened(where, noticed=logger(f"loads-agent {called}"), patient=True) as endpoint:
        asyncio.run(_serve(called, directory, endpoint, most, grace_us, confinement, labels, max_users))
    return ExitCode.PASSED


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    run_command(command, arguments, "loads-agent")


def _endpoint(way: Config, base: Path) -> Endpoint:
    """Where the broker is when no SSH is between."""
    if way["broker"] is None:
        return usual_endpoint(AGENT, state=base)
    try:
        return with_key(parse_endpoint(way["broker"]), AGENT, state=base)
    except UsageError as error:
        raise UsageError(f"{way.origin('broker')}: {error.message}", error.hint) from None


def _tell_passed_over(called: str, base: Path) -> None:
    """It may be right so: a broker on this machine, and another that its user has runs on."""
    problem = passed_over(AGENT, state=base)
    if problem is not None:
        logger(f"loads-agent {called}")(f"{problem.message}\n  {problem.hint}")


def _grace_us(text: str | None, where: Where) -> int:
    """A tunnel that breaks looks here as a broker that went away. But the broker is there, and gives our users to
    others at once: whose connection ends may not go on then.
    """
    if isinstance(where, Endpoint):
        try:
            return parse_duration_us(text or _GRACE)
        except UsageError as error:
            raise UsageError(f"--grace: {error.message}", error.hint) from None
    if text is not None:
        raise UsageError(
            "--grace and --ssh exclude each other",
            "when the tunnel breaks, others get this agent's users at once, and it must not go on with them",
        )
    return 0


def _labels(texts: tuple[str, ...]) -> dict[str, str]:
    """By key, each of which has one value."""
    labels: dict[str, str] = {}
    for text in texts:
        try:
            key, value = parse_label(text)
        except UsageError as error:
            raise UsageError(f"--label: {error.message}", error.hint) from None
        if key in labels:
            raise UsageError(f"--label {key}={labels[key]} and --label {text} are two of one key", "give it once")
        labels[key] = value
    return labels


def _take_directory(base: Path, name: str | None) -> tuple[str, Path]:
    """A name, and a directory that no other agent works in."""
    if name is not None:
        directory = base / f"agent-{name}"
        if lock_directory(directory, passable=True) is None:
            raise UsageError(f"an agent named {name} works in {directory} already", "give this one another --name")
        return name, directory
    host = re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname())[:50] or "agent"
    for number in range(1, _MOST_AGENTS + 1):
        called = host if number == 1 else f"{host}-{number}"
        if lock_directory(base / f"agent-{called}", passable=True) is not None:
            return called, base / f"agent-{called}"
    raise UsageError(f"{_MOST_AGENTS} agents work in {base} already", "give this one a --name")


async def _serve(
    name: str,
    directory: Path,
    endpoint: Endpoint,
    limit: int,
    grace_us: int,
    confinement: Confinement,
    labels: dict[str, str],
    max_users: int | None,
) -> None:
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
        labels=labels,
        max_users=max_users,
        room=partial(room_for_users, limit, confinement.limits),
    )
    server = AgentServer(agent, endpoint, directory, say, confinement)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, server.leave)
    whose = "" if confinement.user is None else f" of the user {confinement.user.name}"
    say(f"looks for the broker at {endpoint}, with up to {limit} workers{whose}; its state is in {directory}")
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

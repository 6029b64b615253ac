"""``loads keys``: who is let in over TCP. On the broker's machine init, add, list and revoke; on a peer's, join."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import click

from loads.broker.audit import Audit
from loads.broker.gate import audit_path, this_user
from loads.broker.keyring import Keyring
from loads.cli.terminal import say, show
from loads.errors import ExitCode, UsageError
from loads.wire.cluster import Role
from loads.wire.endpoint import Endpoint, parse_endpoint, secure_directory, state_directory
from loads.wire.keys import keep_join, parse_join

DEFAULT_PORT = 7700
_EVERYWHERE = ("tcp://0.0.0.0:", "tcp://[::]:")
_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

EPILOG = """\
\b
On the broker's machine, as its user:
  loads keys init --endpoint tcp://10.0.0.5:7700
  loads keys add north --role agent
  loads-broker --bind tcp://10.0.0.5:7700

\b
On the other machine, with the line that add printed:
  loads keys join loads-join-1-...
  loads-agent

Roles: an agent runs tests, a runner starts and stops runs, an observer looks. A broker that runs takes in each change
at once. Without a key its user reaches it on its machine, and from others with --ssh.
"""

_state_dir = click.option(
    "--state-dir",
    metavar="DIR",
    type=click.Path(),
    help="The broker's, where it was given one.  [default: ~/.local/state/loads]",
)
Command = Callable[..., Any]


class _InOrder(click.Group):
    """Lists commands as they are used, not by the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group("keys", cls=_InOrder, epilog=EPILOG, context_settings=_CONTEXT, no_args_is_help=False)
def command() -> None:
    """Make, give out and take away the keys with which agents and runners reach a broker over TCP."""


@command.command(context_settings=_CONTEXT)
@click.option(
    "--endpoint",
    metavar="ENDPOINT",
    help=f"How peers reach the broker.  [default: tcp://, this machine's name, port {DEFAULT_PORT}]",
)
@_state_dir
def init(endpoint: str | None, state_dir: str | None) -> ExitCode:
    """Make the broker's own key. Done again, it changes only the endpoint."""
    base = _base(state_dir)
    address = endpoint_given(endpoint or f"tcp://{socket.gethostname()}:{DEFAULT_PORT}", "--endpoint")
    own, is_new = _keyring(base).init(str(address))
    _note(base, "key made" if is_new else "endpoint changed", endpoint=own.endpoint)
    host, _, port = own.endpoint.removeprefix("tcp://").rpartition(":")
    listens = own.endpoint if _is_number(host) else f"tcp://0.0.0.0:{port}"
    show(f"{'Made the' if is_new else 'Kept the'} broker's key; peers reach it at {own.endpoint}")
    show("Let one in:    loads keys add NAME --role agent|runner|observer")
    show(f"Start it with: loads-broker --bind {listens}")
    return ExitCode.PASSED


@command.command(context_settings=_CONTEXT)
@click.argument("name")
@click.option("--role", required=True, type=click.Choice([role.value for role in Role]), help="What it may do.")
@click.option("--endpoint", metavar="ENDPOINT", help="How it reaches the broker.  [default: as loads keys init has it]")
@_state_dir
def add(name: str, role: str, endpoint: str | None, state_dir: str | None) -> ExitCode:
    """Let in a new key, and print the line that its owner joins with.

    The line holds a secret: who has it is let in. It is kept nowhere here.
    """
    base = _base(state_dir)
    address = None if endpoint is None else str(endpoint_given(endpoint, "--endpoint"))
    join = _keyring(base).add(name, Role(role), address)
    _note(base, "key added", name=name, role=role)
    say(f"On its machine: loads keys join, with this line, which holds a secret. It may then act as {_a(join.role)}:")
    show(join.line)
    return ExitCode.PASSED


@command.command(context_settings=_CONTEXT)
@click.argument("line", required=False)
@click.option(
    "--state-dir",
    metavar="DIR",
    type=click.Path(),
    help="That of the agent which alone shall use it.  [default: ~/.local/state/loads]",
)
def join(line: str | None, state_dir: str | None) -> ExitCode:
    """Store the LINE that loads keys add printed, for this user.

    Without LINE it is taken from LOADS_JOIN, and with - from the standard input: there other users can't see it.
    """
    text = sys.stdin.read(8_192) if line == "-" else line or os.environ.get("LOADS_JOIN", "")
    if not text.strip():
        raise UsageError(
            "there is no line to join with", "give the one that loads keys add printed, or - and then paste it"
        )
    joined = parse_join(text)
    path = keep_join(_base(state_dir), joined)
    commands = {
        Role.AGENT: "loads-agent" if state_dir is None else f"loads-agent --state-dir {state_dir}",
        Role.RUNNER: "loads-runner -a all TARGET",
        Role.OBSERVER: "loads status",
    }
    show(f"Joined {joined.endpoint} as {_a(joined.role)} named {joined.name}; the key is in {path}")
    show(f"Now: {commands[joined.role]}")
    return ExitCode.PASSED


@command.command("list", context_settings=_CONTEXT)
@_state_dir
def list_(state_dir: str | None) -> ExitCode:
    """List the keys that are let in."""
    base = _base(state_dir)
    keyring = _keyring(base)
    own = keyring.own()
    admitted = keyring.admitted()
    show(f"Peers reach the broker at {own.endpoint}")
    rows = [("name", "role", "added", "public key")]
    rows += [
        (each.name, each.role.value, f"{each.added_at.astimezone():%Y-%m-%d %H:%M}", each.public.hex()[:16])
        for each in admitted
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows if admitted else ():
        show("  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    if not admitted:
        show("No key is let in yet: loads keys add NAME --role agent|runner|observer")
    return ExitCode.PASSED


@command.command(context_settings=_CONTEXT)
@click.argument("name")
@_state_dir
def revoke(name: str, state_dir: str | None) -> ExitCode:
    """Let the key NAME in no more. Who came in with it is out within a second."""
    base = _base(state_dir)
    role = _keyring(base).revoke(name)
    _note(base, "key revoked", name=name, role=None if role is None else role.value)
    show(f"Revoked the key {name}" if role is None else f"Revoked the {role.value}'s key {name}")
    if role is Role.RUNNER:
        show("Runs that it started go on: loads runs lists them, loads stop RUN ends one")
    return ExitCode.PASSED


def endpoint_given(text: str, flag: str) -> Endpoint:
    """A TCP address, as `flag` has it.

    Raises:
        UsageError: it is none.
    """
    try:
        endpoint = parse_endpoint(text)
    except UsageError as error:
        raise UsageError(f"{flag}: {error.message}", error.hint) from None
    if endpoint.is_local:
        raise UsageError(f"{flag}: {text} is a unix socket, which needs no keys", "like tcp://10.0.0.5:7700")
    if endpoint.url.startswith(_EVERYWHERE):
        raise UsageError(
            f"{flag}: {endpoint} says where to listen, and not how peers reach the broker",
            "give the name or the address of its machine, like tcp://10.0.0.5:7700; --bind may be as you have it",
        )
    return endpoint


def _is_number(host: str) -> bool:
    """An address; what a name means to others may be none of this machine's."""
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _base(state_dir: str | None) -> Path:
    return state_directory(os.environ) if state_dir is None else Path(state_dir).absolute()


def _keyring(base: Path) -> Keyring:
    return Keyring(base / "keys")


def _note(base: Path, event: str, **details: object) -> None:
    path = audit_path(base)
    secure_directory(path.parent)
    Audit(path, say).note(event, this_user(), **details)


def _a(role: Role) -> str:
    return f"a {role.value}" if role is Role.RUNNER else f"an {role.value}"

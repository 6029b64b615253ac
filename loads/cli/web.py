"""``loads-web``: the dashboard of a broker."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

import loads
from loads.cli.joined import CLIENT, usual_endpoint, with_key
from loads.cli.options import with_ssh
from loads.cli.reach import opened, read_way, remote_of
from loads.cli.service import logger, raise_open_files, run_command
from loads.errors import ExitCode, UsageError
from loads.plan.config import Config
from loads.plan.settings import WEB_PORT
from loads.wire.endpoint import Endpoint, parse_endpoint, secure_directory, state_directory

if TYPE_CHECKING:
    from loads.web.app import Server
    from loads.web.secret import Secret

_TAKEN: Final = "give another one with --port; --port 0 takes any that is free"
EPILOG = """\
It prints a link, and who opens that is logged in for 30 days; a restart changes nothing of that. It looks on and
nothing more: runs need it for nothing, and it may be started, killed and started again at any time. Where no broker is
yet, it waits for one.

On another machine than the broker's it comes in as loads-runner does: with --ssh, or with a key that was joined, of
which an observer's will do.

\b
Examples:
  loads-web
  loads-web --ssh ana@loads-master
  loads-web --bind 10.0.0.5 --certificate web.pem --key web.key
"""


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--broker",
    default=None,
    metavar="ENDPOINT",
    help="The cluster's broker: the path of its socket, or tcp://host:port."
    "  [default: the one that was joined, or else the usual socket]",
)
@with_ssh
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=WEB_PORT,
    metavar="N",
    help=f"Where it listens; 0: any that is free.  [default: {WEB_PORT}]",
)
@click.option(
    "--bind",
    default="127.0.0.1",
    metavar="ADDRESS",
    help="Listen on this address.  [default: 127.0.0.1, for this machine alone]",
)
@click.option("--certificate", metavar="FILE", type=click.Path(), help="Serve over TLS, with this certificate.")
@click.option("--key", metavar="FILE", type=click.Path(), help="The key of the certificate.")
@click.option(
    "--host", multiple=True, metavar="NAME", help="Another name by which browsers may call this machine. Repeatable."
)
@click.option("--insecure", is_flag=True, help="With --bind: no TLS. Whoever listens on the network can log in.")
@click.option("--read-only", is_flag=True, help="Nobody stops a run from here.")
@click.option("--new-token", is_flag=True, help="Make another token: who is logged in is so no more.")
@click.option(
    "--state-dir", metavar="DIR", type=click.Path(), help="Where it keeps the token.  [default: ~/.local/state/loads]"
)
@click.version_option(loads.__version__, prog_name="loads-web")
def command(
    broker: str | None,
    ssh: str | None,
    ssh_option: tuple[str, ...],
    ssh_command: str | None,
    port: int,
    bind: str,
    certificate: str | None,
    key: str | None,
    host: tuple[str, ...],
    insecure: bool,
    read_only: bool,
    new_token: bool,
    state_dir: str | None,
) -> ExitCode:
    """Show a cluster and its runs in a browser: live, and all that are kept."""
    from loads.web.app import PortTaken

    base = state_directory(os.environ) if state_dir is None else Path(state_dir).absolute()
    way = read_way({"broker": broker, "ssh": ssh, "ssh-option": ssh_option, "ssh-command": ssh_command})
    where = remote_of(way) or _endpoint(way, base)
    try:
        server = _server(bind, port, certificate, key, insecure=insecure)
    except PortTaken as error:
        raise UsageError(error.message, _TAKEN) from None
    secret = keep_secret(base, new=new_token, read_only=read_only)
    raise_open_files()
    say = logger("loads-web")
    if insecure:
        say(f"INSECURE: whoever listens on the network of {bind} sees all that it shows, and can log in")
    with opened(where, noticed=say, patient=True) as endpoint:
        asyncio.run(_serve(endpoint, server, secret, frozenset(host), bind, read_only=read_only))
    return ExitCode.PASSED


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    run_command(command, arguments, "loads-web")


def keep_secret(base: Path, *, new: bool = False, read_only: bool = False) -> Secret:
    """The token of this user's dashboards; those that only look have another one, to be handed on.

    Raises:
        LoadsError: it can't be kept, or not safely.
    """
    from loads.web.secret import keep

    directory = base / "web"
    secure_directory(directory)
    return keep(directory / ("secret-read-only.json" if read_only else "secret.json"), new=new)


def _endpoint(way: Config, base: Path) -> Endpoint:
    """Where the broker is when no SSH is between; it need not be there yet."""
    if way["broker"] is None:
        return usual_endpoint(CLIENT, state=base)
    try:
        return with_key(parse_endpoint(way["broker"]), CLIENT, state=base)
    except UsageError as error:
        raise UsageError(f"{way.origin('broker')}: {error.message}", error.hint) from None


def _server(bind: str, port: int, certificate: str | None, key: str | None, *, insecure: bool) -> Server:
    """A socket that is safe to listen on.

    Raises:
        UsageError: it would not be, or there is none.
    """
    from loads.web.app import Server, Tls
    from loads.web.doors import is_loopback

    if (certificate is None) != (key is None):
        given, missing = ("--key", "--certificate") if certificate is None else ("--certificate", "--key")
        raise UsageError(f"{given} needs {missing}", "give both, as files in PEM")
    tls = None if certificate is None or key is None else Tls(Path(certificate), Path(key))
    if insecure and (tls is not None or is_loopback(bind)):
        raise UsageError(
            "--insecure is for --bind to an address that others reach, without a certificate",
            "leave it out: this can't be listened to",
        )
    if tls is None and not insecure and not is_loopback(bind):
        raise UsageError(
            f"--bind {bind} needs TLS: else whoever listens on that network can log in",
            "give --certificate FILE and --key FILE;\n"
            "or leave --bind out, and come over SSH: loads-web --ssh user@this-machine, on your own machine;\n"
            "or add --insecure, on a network that is yours alone",
        )
    return Server(bind, port, tls)


async def _serve(
    where: Endpoint, server: Server, secret: Secret, hosts: frozenset[str], bind: str, *, read_only: bool
) -> None:
    from loads.runner.observing import Observer
    from loads.web.cluster import Cluster
    from loads.web.dashboard import Dashboard
    from loads.web.doors import own_names

    say = logger("loads-web")
    async with (
        Observer(where) as observer,
        Dashboard(
            Cluster(observer, read_only=read_only), server, secret, say, names=hosts | own_names(bind)
        ) as dashboard,
    ):
        say(f"shows the cluster of the broker at {where}; to log in, open this link:")
        say(f"  {dashboard.link}")
        serving = asyncio.create_task(dashboard.failed())
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
        try:
            await serving
        except asyncio.CancelledError:
            say("leaves; runs don't notice")

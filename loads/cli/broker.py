"""``loads-broker``: the middle of a cluster."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import click

import loads
from loads.broker.keyring import Keyring
from loads.cli.service import lock_directory, logger, raise_open_files, run_command
from loads.errors import ExitCode, UsageError
from loads.wire.endpoint import Endpoint, default_endpoint, parse_endpoint, state_directory

EPILOG = """\
Without --bind it listens on a unix socket of this user's, which nobody else can reach. With --bind tcp:// the socket
is there, too; a path in --bind takes its place.

A broker runs whatever code it is sent, so over tcp:// it lets in only peers that have a key: loads keys init makes
the broker's own, and loads keys add admits an agent, a runner or an observer.

Runs are kept in SQLite below the state directory; --db postgresql://user@host/name keeps them there. Whatever ends
the broker, the one that is started after it goes on with the runs.

\b
Examples:
  loads-broker
  loads-broker --keep 500
  loads-broker --bind tcp://10.0.0.5:7700
"""


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--bind", multiple=True, metavar="ENDPOINT", help="Listen there: a path, or tcp://host:port. Repeatable.")
@click.option("--insecure", is_flag=True, help="Ask nobody for a key over tcp://. Whoever reaches it runs code as you.")
@click.option("--db", metavar="URL", help="Where runs are kept.  [default: SQLite in the state directory]")
@click.option("--keep", metavar="N|TIME", help="Forget runs beyond the last N, or that ended longer ago: 500, 90d.")
@click.option(
    "--state-dir", metavar="DIR", type=click.Path(), help="Where it keeps everything.  [default: ~/.local/state/loads]"
)
@click.version_option(loads.__version__, prog_name="loads-broker")
def command(bind: tuple[str, ...], insecure: bool, db: str | None, keep: str | None, state_dir: str | None) -> ExitCode:
    """Connect agents and runners, and keep what they measure."""
    from loads.broker.records import parse_keep

    kept = None if keep is None else parse_keep(keep)
    base = state_directory(os.environ) if state_dir is None else Path(state_dir).absolute()
    endpoints = _endpoints(bind, base, insecure=insecure, own=state_dir is not None)
    raise_open_files()
    lock = lock_directory(base / "broker")
    if lock is None:
        raise UsageError(
            f"another broker works in {base / 'broker'}", "use that one, or give this one a --state-dir of its own"
        )
    asyncio.run(_serve(base, endpoints, db, kept, insecure=insecure))
    return ExitCode.PASSED


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    run_command(command, arguments, "loads-broker")


def _endpoints(bind: tuple[str, ...], base: Path, *, insecure: bool, own: bool) -> list[Endpoint]:
    """Where to listen; unix sockets first."""
    endpoints = [parse_endpoint(text) for text in bind]
    remote = [endpoint for endpoint in endpoints if not endpoint.is_local]
    if len(remote) == len(endpoints):  # whoever is on this machine finds it at its usual place
        usual = parse_endpoint(str(base / "run" / "broker.sock")) if own else default_endpoint(os.environ)
        endpoints.insert(0, usual)
    if insecure and not remote:
        raise UsageError("--insecure is for a tcp:// address", "leave it out: a unix socket lets in only you")
    where = f" --state-dir {base}" if own else ""
    if remote and not insecure and not Keyring(base / "keys").has_key:
        raise UsageError(
            f"--bind {remote[0]} needs keys: a broker runs whatever code it is sent",
            f"make them with: loads keys init{where}; then loads keys add NAME --role agent|runner|observer{where}\n"
            "for each peer;\n"
            "or leave --bind out: the default is a socket that only you can reach, also with --ssh;\n"
            "or add --insecure, on a network that is yours alone",
        )
    return sorted(endpoints, key=lambda endpoint: not endpoint.is_local)


def tell_port(base: Path, endpoints: list[Endpoint], say: Callable[[str], None], *, insecure: bool) -> None:
    """Peers may be led to another port on purpose, by address translation; mostly it is a slip."""
    remote = [str(endpoint) for endpoint in endpoints if not endpoint.is_local]
    if not remote or insecure:
        return
    told = Keyring(base / "keys").own().endpoint
    port = told.rpartition(":")[2]
    if all(endpoint.rpartition(":")[2] != port for endpoint in remote):
        say(f"lines of loads keys add lead to {told}, and it listens on no port {port}")


async def _serve(base: Path, endpoints: list[Endpoint], db: str | None, keep: object, *, insecure: bool) -> None:
    import signal

    from loads.broker.audit import Audit
    from loads.broker.gate import Gate, audit_path
    from loads.broker.records import Keep
    from loads.broker.server import Server
    from loads.broker.store import Store
    from loads.bundle.cache import BundleCache

    say = logger("loads-broker")
    directory = base / "broker"
    store = Store(db, directory)
    assert keep is None or isinstance(keep, Keep)
    gate = Gate(Keyring(base / "keys"), Audit(audit_path(base), say), say)
    server = Server(store, BundleCache(directory / "bundles"), gate, endpoints, say, keep, insecure=insecure)
    try:
        server.restore()
        server.bind()
        tell_port(base, endpoints, say, insecure=insecure)
        serving = asyncio.create_task(server.serve())
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
        try:
            await serving
        except asyncio.CancelledError:
            say("leaves; what goes on goes on with the next broker")
    finally:
        server.close()
        store.close()

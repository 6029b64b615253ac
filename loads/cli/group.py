"""``loads``: everything as commands of one program. Each is what the single programs and options do."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import click

import loads
from loads.cli.cluster import endpoint_of
from loads.cli.layers import read_layers
from loads.cli.options import LATEST
from loads.cli.runner import serve
from loads.errors import ExitCode, UsageError
from loads.plan.config import Config
from loads.plan.settings import SETTINGS

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_ELSEWHERE = {"run": "loads.cli.runner", "broker": "loads.cli.broker", "agent": "loads.cli.agent"}
"""Commands that are programs of their own, too. Imported when they are used: see `inline`."""
_ORDER = ("run", "broker", "agent", "status", "runs", "attach", "stop", "show")

EPILOG = """\
\b
Shell completion: eval "$(_LOADS_COMPLETE=bash_source loads)"
"""


class _Group(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_ORDER)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        command: click.Command = import_module(_ELSEWHERE[cmd_name]).command
        return command


@click.group(cls=_Group, epilog=EPILOG, context_settings=_CONTEXT, no_args_is_help=False)
@click.version_option(loads.__version__, prog_name="loads")
def command() -> None:
    """Load tests from plain unittests, on this machine or on a cluster."""


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    serve(command, arguments, "loads")


Command = Callable[..., Any]
_broker = click.option(
    "--broker",
    default=None,
    metavar="ENDPOINT",
    help="The cluster's broker: the path of its socket, or tcp://host:port.  [default: its usual socket]",
)
_output = click.option(
    "--output",
    default=None,
    multiple=True,
    metavar="json=FILE",
    help="Write the result; FILE may be - for the standard output. Repeatable.",
)


@command.command(context_settings=_CONTEXT)
@_broker
def status(broker: str | None) -> ExitCode:
    """Show the broker, its agents and its runs."""
    from loads.cli.orders import status as show_status

    return show_status(endpoint_of(_read(broker=broker)))


@command.command(context_settings=_CONTEXT)
@_broker
@click.option(
    "-n", "--number", default=20, type=click.IntRange(0, 10_000), metavar="N", help="So many that ended.  [default: 20]"
)
def runs(broker: str | None, number: int) -> ExitCode:
    """List the runs that go on and the last ones that ended."""
    from loads.cli.orders import runs as show_runs

    return show_runs(endpoint_of(_read(broker=broker)), number)


@command.command(context_settings=_CONTEXT)
@click.argument("run", default=LATEST, metavar="[RUN]")
@_broker
@_output
@click.option("--quiet/--no-quiet", default=None, help="Show nothing but errors.")
def attach(run: str, broker: str | None, output: tuple[str, ...], quiet: bool | None) -> ExitCode:
    """Follow a run to its end, or the latest. Ends as the run does."""
    from loads.cli.orders import attach as follow

    config = _read(broker=broker, output=output, quiet=quiet)
    return follow(endpoint_of(config), run, _outputs(config), quiet=bool(config["quiet"]))


@command.command(context_settings=_CONTEXT)
@click.argument("run")
@_broker
@click.option("--now", is_flag=True, help="At once, without waiting for iterations in flight.")
def stop(run: str, broker: str | None, now: bool) -> ExitCode:
    """Stop a run, gracefully."""
    from loads.cli.orders import stop as cease

    return cease(endpoint_of(_read(broker=broker)), run, now=now)


@command.command(context_settings=_CONTEXT)
@click.argument("run", default=LATEST, metavar="[RUN]")
@_broker
@_output
def show(run: str, broker: str | None, output: tuple[str, ...]) -> ExitCode:
    """Show how a run ended, or the latest."""
    from loads.cli.orders import show_run

    config = _read(broker=broker, output=output)
    # A file of settings says where new results go, not old ones.
    outputs = _outputs(config) if output else []
    return show_run(endpoint_of(config), None if run == LATEST else run, outputs)


def _read(**typed: Any) -> Config:
    """What was typed over the environment and the file, as for a run."""
    options = {name.replace("-", "_"): None for name in SETTINGS}
    config, _ = read_layers({**options, **typed, "config": ()})
    if config.problems:
        raise UsageError.of(config.problems)
    return config


def _outputs(config: Config) -> list[Path | None]:
    from loads.cli.assemble import find_outputs

    problems: list[UsageError] = []
    outputs = find_outputs(config, problems)
    if problems:
        raise UsageError.of(problems)
    return outputs

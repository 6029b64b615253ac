"""``loads``: everything as commands of one program. Each is what the single programs and options do."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any

import click

import loads
from loads.cli.cluster import broker_of
from loads.cli.layers import read_layers
from loads.cli.options import LATEST, with_ssh
from loads.cli.outputs import Output
from loads.cli.reach import opened
from loads.cli.runner import serve
from loads.cli.terminal import show as show_line
from loads.errors import ExitCode, UsageError
from loads.metrics.verdict import Verdict
from loads.plan.config import Config
from loads.plan.settings import SETTINGS, parse_tag
from loads.wire.endpoint import default_endpoint

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_ELSEWHERE = {
    "run": "loads.cli.runner",
    "broker": "loads.cli.broker",
    "agent": "loads.cli.agent",
    "web": "loads.cli.web",
    "keys": "loads.cli.access",
}
"""Commands that are programs of their own, too. Imported when they are used: see `inline`."""
_ORDER = ("run", "broker", "agent", "web", "keys", "status", "runs", "attach", "stop", "show", "report", "where")

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
_address = click.option(
    "--broker",
    default=None,
    metavar="ENDPOINT",
    help="The cluster's broker: the path of its socket, or tcp://host:port."
    "  [default: the one that was joined, or else the usual socket]",
)


def _broker(command: Command) -> Command:
    """Where the broker is: the options of all commands that ask it."""
    address: Command = _address(with_ssh(command))
    return address


_output = click.option(
    "--output",
    default=None,
    multiple=True,
    metavar="KIND=FILE",
    help="Write the result, as json or html; FILE may be - for the standard output. Repeatable.",
)


@command.command(context_settings=_CONTEXT)
def where() -> ExitCode:
    """Show the path of the socket of this user's broker: what --ssh asks for."""
    from loads.runner.ssh import MARK

    show_line(f"{MARK}{default_endpoint(os.environ)}")
    return ExitCode.PASSED


@command.command(context_settings=_CONTEXT)
@_broker
def status(**way: Any) -> ExitCode:
    """Show the broker, its agents and its runs."""
    from loads.cli.orders import status as show_status

    with opened(broker_of(_read(**way))) as endpoint:
        return show_status(endpoint)


@command.command(context_settings=_CONTEXT)
@_broker
@click.option(
    "-n", "--number", default=20, type=click.IntRange(0, 10_000), metavar="N", help="So many that ended.  [default: 20]"
)
@click.option("--name", default=None, metavar="TEXT", help="Only those with this in the name that --name gave them.")
@click.option("--tag", multiple=True, metavar="KEY=VALUE", help="Only those with this --tag. Repeatable: all of them.")
@click.option(
    "--verdict",
    default=None,
    type=click.Choice([each.value for each in Verdict], case_sensitive=False),
    help="Only those that ended so.",
)
def runs(number: int, name: str | None, tag: tuple[str, ...], verdict: str | None, **way: Any) -> ExitCode:
    """List the runs that go on and the last ones that ended."""
    from loads.cli.orders import runs as show_runs
    from loads.report.cluster import Sought

    sought = Sought(name or "", dict(map(parse_tag, tag)), verdict)
    with opened(broker_of(_read(**way))) as endpoint:
        return show_runs(endpoint, number, sought)


@command.command(context_settings=_CONTEXT)
@click.argument("run", default=LATEST, metavar="[RUN]")
@_broker
@_output
@click.option("--web/--no-web", default=None, help="Show it in a browser, too: the link to its page is printed.")
@click.option("--web-port", default=None, metavar="N", help="With --web: the page's port; 0: any that is free.")
@click.option("--quiet/--no-quiet", default=None, help="Show nothing but errors.")
def attach(run: str, output: tuple[str, ...], **typed: Any) -> ExitCode:
    """Follow a run to its end, or the latest. Ends as the run does."""
    from loads.cli.beside import page_options
    from loads.cli.orders import attach as follow

    config = _read(**typed, output=output)
    outputs, problems = _outputs(config), list[UsageError]()
    page = page_options(config, problems, detach=False)
    if problems:
        raise UsageError.of(problems)
    with opened(broker_of(config)) as endpoint:
        return follow(endpoint, run, outputs, page, quiet=bool(config["quiet"]))


@command.command(context_settings=_CONTEXT)
@click.argument("run")
@_broker
@click.option("--now", is_flag=True, help="At once, without waiting for iterations in flight.")
def stop(run: str, now: bool, **way: Any) -> ExitCode:
    """Stop a run, gracefully."""
    from loads.cli.orders import stop as cease

    with opened(broker_of(_read(**way))) as endpoint:
        return cease(endpoint, run, now=now)


@command.command(context_settings=_CONTEXT)
@click.argument("run", default=LATEST, metavar="[RUN]")
@_broker
@_output
def show(run: str, output: tuple[str, ...], **way: Any) -> ExitCode:
    """Show how a run ended, or the latest."""
    from loads.cli.orders import show_run

    config = _read(**way, output=output)
    # A file of settings says where new results go, not old ones.
    outputs = _outputs(config) if output else []
    with opened(broker_of(config)) as endpoint:
        return show_run(endpoint, None if run == LATEST else run, outputs)


@command.command(context_settings=_CONTEXT)
@click.argument("run", default=LATEST, metavar="[RUN]")
@_broker
@click.option(
    "--output",
    default=None,
    metavar="FILE",
    help="Where it goes; - is the standard output.  [default: loads-RUN.html, here]",
)
def report(run: str, output: str | None, **way: Any) -> ExitCode:
    """Write the report of a run that ended, or the latest: one HTML file with all of its charts."""
    from loads.cli.orders import report_run

    config = _read(**way)
    with opened(broker_of(config)) as endpoint:
        return report_run(endpoint, None if run == LATEST else run, output)


def _read(**typed: Any) -> Config:
    """What was typed over the environment and the file, as for a run."""
    options = {name.replace("-", "_"): None for name in SETTINGS}
    config, _ = read_layers({**options, **typed, "config": ()})
    if config.problems:
        raise UsageError.of(config.problems)
    return config


def _outputs(config: Config) -> list[Output]:
    from loads.cli.assemble import find_outputs

    problems: list[UsageError] = []
    outputs = find_outputs(config, problems)
    if problems:
        raise UsageError.of(problems)
    return outputs

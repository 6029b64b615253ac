"""The options of loads-runner, as click shows, parses and completes them.

Nothing is checked here: an option hands on what was typed, None where nothing was. What it means is decided in one
place for command line, environment and files alike (`plan.settings`). `given_settings` is the way there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import click

from loads.plan.config import Text
from loads.plan.http import DnsPolicy
from loads.plan.settings import LOG_LEVELS, SETTINGS, WEB_PORT

_MOST_FILES = 500
_MOST_DIRECTORIES = 1_000
Command = Callable[..., Any]


def given_settings(options: Mapping[str, Any]) -> dict[str, Text | bool]:
    """What was typed, by setting; what was not typed is left out."""
    typed = {name: options[name.replace("-", "_")] for name in SETTINGS}
    return {name: said for name, said in typed.items() if said is not None and said != ()}


def complete_target(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    """Python files whose path begins as `typed`.

    Not directories: what is offered is followed by a space. The files in them have the same beginning. Bounded, for
    it may be asked at the top of a large disk.
    """
    return sorted(islice(_python_files(typed), _MOST_FILES))


def _python_files(typed: str) -> Iterator[str]:
    head, slash, start = typed.rpartition("/")
    root = head + slash or "."
    for directory, names, files in islice(os.walk(root), _MOST_DIRECTORIES):
        below = os.path.relpath(directory, root)
        names[:] = [
            name
            for name in names
            if not name.startswith((".", "__pycache__")) and (below != "." or name.startswith(start))
        ]
        for name in files:
            path = f"{head}{slash}{Path(below, name).as_posix()}"
            if name.endswith(".py") and path.startswith(typed):
                yield path


def _complete_level(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    return [level for level in LOG_LEVELS if level.startswith(typed.lower())]


def _complete_dns(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    return [policy for policy in DnsPolicy if policy.startswith(typed.lower())]


def _option(*names: str, **settings: Any) -> Callable[[Command], Command]:
    return click.option(*names, default=None, **settings)


ssh_options: list[Callable[[Command], Command]] = [
    _option(
        "--ssh",
        metavar="[USER@]HOST[:PORT]",
        help="Reach the broker through SSH to this machine: --broker is then the path of its socket there.  "
        "[default for that: where it says]",
    ),
    _option(
        "--ssh-option",
        multiple=True,
        metavar="OPTION",
        help="An option for ssh, as its -o has it: IdentityFile=~/.ssh/loads. Repeatable.",
    ),
    _option("--ssh-command", metavar="COMMAND", help="How loads is called on the --ssh machine.  [default: loads]"),
]
"""What each command that speaks to a broker knows."""


def with_ssh(command: Command) -> Command:
    """Add them to a click command, in their order."""
    for option in reversed(ssh_options):
        command = option(command)
    return command


_PATH = click.Path()
"""Completed as a path. It checks nothing."""

_OPTIONS: list[Callable[[Command], Command]] = [
    click.argument("targets", nargs=-1, metavar="[TARGET]...", shell_complete=complete_target),
    _option(
        "-u",
        "--users",
        metavar="N[:N...]",
        help="Virtual users in total, divided among the workers; 10:20:30 runs one round after the other.  "
        "[default: 1]",
    ),
    _option(
        "--hits",
        "--iterations",
        "hits",
        metavar="N[:N...]",
        help="Iterations of each user.  [default: 1 without --duration; each test once when no load is given]",
    ),
    _option("-d", "--duration", metavar="TIME", help="How long to run, like 90s or 1m30s."),
    _option("--ramp-up", metavar="TIME", help="Start the users evenly over this time, a part of the duration."),
    _option(
        "--stages",
        metavar="TIME:N,...",
        help="Users over time: in each stage they go evenly to N; 0s:N jumps. With rates, as 30s:100/s,1m:500/s, "
        "iterations arrive so.",
    ),
    _option(
        "--arrival-rate",
        metavar="N/s",
        help="Start so many iterations per second (/s), minute (/m) or hour (/h), for the --duration: when one is due "
        "it starts, whoever is free runs it. What has to wait for a user counts from when it was due.",
    ),
    _option(
        "--max-users",
        metavar="N",
        help="With a rate: the most users at a time.  [default: as many as needed, and memory is there for]",
    ),
    _option("--poisson/--no-poisson", help="With a rate: start at random times (a Poisson process), not regularly."),
    _option(
        "--pacing",
        metavar="TIME",
        help="Each user starts an iteration every TIME; one that is late counts from when it was due.",
    ),
    _option(
        "--graceful-stop",
        metavar="TIME",
        help="How long iterations in flight may go on after the end.  [default: 30s]",
    ),
    _option(
        "--think-time",
        metavar="TIME[-TIME]",
        help="How long each user waits between two iterations; 1s-3s draws a time in between.",
    ),
    _option(
        "-k", "--select", "select", metavar="EXPR", help="Only tests whose names match, like 'login and not slow'."
    ),
    _option("--stop-on-failure", metavar="N", help="Stop gracefully at N failures and errors."),
    _option(
        "--threshold",
        multiple=True,
        metavar="EXPR",
        help="What must hold, like 'p(95) < 500ms', 'failure_rate < 1%', 'p(99){name:/checkout} < 2s over 30s', or as "
        "k6 has it. With any, they decide: plain failures do not make the exit code 1. Repeatable.",
    ),
    _option("--warm-up", metavar="TIME", help="Thresholds leave out what was measured before."),
    _option(
        "--max-lost",
        metavar="PART",
        help="A run that lost more of its requests or iterations is invalid.  [default: 1%]",
    ),
    _option(
        "--allow-invalid/--no-allow-invalid", help="Only warn of what makes a run invalid, and judge what there is."
    ),
    _option(
        "--workers",
        metavar="N",
        help="Worker processes; 0 runs the tests inside this command, for a debugger.  [default: auto]",
    ),
    _option(
        "--seed",
        metavar="N",
        help="Makes the choice among several tests repeatable.  [default: a new one, printed]",
    ),
    _option(
        "--server-url",
        metavar="URL",
        help="The server for self.app and self.server_url, instead of the class's own.",
    ),
    _option(
        "--fresh-session/--no-fresh-session",
        help="A new session (cookies, connections) for each iteration, not for each user.",
    ),
    _option(
        "--timeout",
        metavar="TIME",
        help="How long requests wait for a connection, and for each next piece of an answer, where the test says "
        "nothing.  [default: 60s]",
    ),
    _option("--keepalive/--no-keepalive", help="Whether requests share connections.  [default: keepalive]"),
    _option("--user-agent", metavar="TEXT", help="What requests call themselves, where the test says nothing."),
    _option("--insecure-tls/--no-insecure-tls", help="Do not verify the certificates of servers."),
    _option(
        "--ca-bundle",
        metavar="FILE",
        type=_PATH,
        help="Trust the certificates in this PEM file instead of the usual ones.",
    ),
    _option(
        "--dns",
        metavar="ttl|once|always",
        shell_complete=_complete_dns,
        help="When a name is looked up: again after 60 s, once per worker, or at every new connection.  [default: ttl]",
    ),
    _option(
        "--resolve",
        multiple=True,
        metavar="HOST:PORT:ADDRESS[,...]",
        help="Connect to these addresses in turn, whatever the name resolves to. Repeatable.",
    ),
    _option(
        "--source-address",
        multiple=True,
        metavar="ADDRESS",
        help="Connect from this address of this machine; several are used in turn. Repeatable.",
    ),
    _option(
        "--include-file",
        multiple=True,
        metavar="PATH",
        type=_PATH,
        help="A file, directory or pattern that the test needs; made importable. Repeatable.",
    ),
    _option(
        "--env",
        multiple=True,
        metavar="NAME[=VALUE]",
        help="A variable for the environment of the tests: this one of yours, or with this value. Repeatable.",
    ),
    _option(
        "-a",
        "--agents",
        metavar="N|all",
        help="Run on so many agents of a cluster."
        "  [default with --broker or --ssh: all that are free, one per user at most]",
    ),
    _option(
        "--broker",
        metavar="ENDPOINT",
        help="The cluster's broker: the path of its socket, or tcp://host:port."
        "  [default with -a: the one that was joined, or else the usual socket]",
    ),
    *ssh_options,
    _option(
        "--label",
        multiple=True,
        metavar="KEY=VALUE",
        help="Only agents that were started with this --label. Repeatable: all of them.",
    ),
    _option("--wait/--no-wait", help="Wait until enough agents are free."),
    _option("--elastic/--no-elastic", help="Agents that come later get a part of the load."),
    _option("--per-agent/--no-per-agent", help="The load is for each agent, not for all together."),
    _option(
        "--python-dep",
        multiple=True,
        metavar="REQ",
        help="A package that the agents install before, like 'lxml>=5'. Repeatable.",
    ),
    _option(
        "--requirements", metavar="FILE", type=_PATH, help="Packages that the agents install before, as pip has them."
    ),
    _option(
        "--test-dir", metavar="NAME", help="A working directory on the agents that is kept, and used again by its name."
    ),
    _option(
        "--log-level",
        metavar="LEVEL",
        shell_complete=_complete_level,
        help="Keep the tests' log records from this level on: debug, info, warning or error.  "
        "[default: info with --log-file]",
    ),
    _option(
        "--log-file", metavar="FILE", type=_PATH, help="Where the tests' log records go, instead of the standard error."
    ),
    _option(
        "--name",
        metavar="TEXT",
        help="What this run is called in lists of runs, on the page and in the report.",
    ),
    _option(
        "--tag",
        multiple=True,
        metavar="KEY=VALUE",
        help="Something to find the run by, like branch=main. Repeatable.",
    ),
    _option(
        "--output",
        multiple=True,
        metavar="KIND=FILE",
        help="Write the result, as json or html; FILE may be - for the standard output. Repeatable.",
    ),
    _option("--web/--no-web", help="Show the run in a browser, too: the link to its page is printed."),
    _option(
        "--web-port",
        metavar="N",
        help=f"With --web: the page's port; 0: any that is free.  [default: {WEB_PORT}, or any free one]",
    ),
    _option("--quiet/--no-quiet", help="Show nothing but errors."),
    _option(
        "--config",
        multiple=True,
        metavar="FILE",
        type=_PATH,
        help="Settings from an .ini or .toml file.  [default: [tool.loads] in pyproject.toml, here or above]",
    ),
    click.option(
        "--show-plan", is_flag=True, help="Show what would run, and where each setting comes from. Nothing is run."
    ),
    click.option("--list", "list_tests", is_flag=True, help="Show the selected tests. Nothing is run."),
]

LATEST = ""
"""What an option that may name a run is without a name."""

_CLUSTER_OPTIONS: list[Callable[[Command], Command]] = [
    click.option("--detach", is_flag=True, help="Leave the run alone once it has started on its agents."),
    _option(
        "--attach",
        is_flag=False,
        flag_value=LATEST,
        metavar="[RUN]",
        help="Follow a run that goes on, or see how it ended.  [default: the latest]",
    ),
    _option("--stop", metavar="RUN", help="Stop a run gracefully."),
    click.option("--purge-broker", is_flag=True, help="Stop all runs gracefully."),
    click.option("--now", is_flag=True, help="With --stop or --purge-broker: at once."),
    click.option("--ping-broker", is_flag=True, help="Show the broker, its agents and its runs."),
    click.option("--check-cluster", is_flag=True, help="Run an empty test on each free agent."),
]


def with_options(command: Command) -> Command:
    """Add all of them to a click command, in their order."""
    for option in reversed([*_OPTIONS, *_CLUSTER_OPTIONS]):
        command = option(command)
    return command

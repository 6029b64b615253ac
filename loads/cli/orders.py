"""What is said to a broker besides runs: how are you, stop that, show me what came of it.

`loads-runner` has them as options, `loads` as commands. Whatever needs asyncio is imported where it is used: see
`inline`.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from loads.cli.beside import Beside, page_options
from loads.cli.cluster import broker_of, finish, this_person
from loads.cli.options import LATEST, given_settings
from loads.cli.outcome import complain, open_screen, write
from loads.cli.outputs import Outputs, check_report, named_after, needs_details, report_to, takes_stdout
from loads.cli.outputs import write as write_all
from loads.cli.reach import WAY, opened, told_to
from loads.cli.terminal import say, show
from loads.errors import ExitCode, UsageError
from loads.plan.config import Config
from loads.plan.settings import SETTINGS
from loads.report.cluster import Sought
from loads.wire.endpoint import Endpoint

_ENDED_RUNS = 10
_ALL_RUNS = 10_000
"""As many as a broker tells of."""
_ORDERS = ("attach", "stop", "purge_broker", "ping_broker", "check_cluster")
_WITH_ATTACH = WAY | {"output", "web", "web-port", "quiet"}


def order_of(options: Mapping[str, Any]) -> str | None:
    """Which of the options that are no run was given, checked against all else that was typed.

    Raises:
        UsageError: it makes no sense with what stands beside it.
    """
    given = [name for name in _ORDERS if options[name] not in (None, False)]
    flags = [_flag(name) for name in given]
    if options["now"] and not {"stop", "purge_broker"} & set(given):
        raise UsageError("--now is for --stop and --purge-broker", "a run that is followed here is stopped by Ctrl-C")
    if not given:
        return None
    if len(given) > 1:
        raise UsageError(f"{flags[0]} and {flags[1]} exclude each other", "do one after the other")
    allowed = _WITH_ATTACH if given == ["attach"] else WAY
    typed = [SETTINGS[name].flag for name in given_settings(options) if name not in allowed]
    typed += [f"--{name}" for name, key in _RUNS.items() if options[key]]
    if typed:
        hint = "it runs nothing; only --broker, --ssh, --output, --web and --quiet go with it"
        if given != ["attach"]:
            hint = "it runs nothing; only --broker and --ssh go with it"
        raise UsageError(f"{flags[0]} and {typed[0]} exclude each other", hint)
    return given[0]


_RUNS = {"detach": "detach", "show-plan": "show_plan", "list": "list_tests"}


def obey(order: str, options: Mapping[str, Any], config: Config, outputs: Outputs) -> ExitCode:
    """Do what `order_of` found."""
    problems = list(config.problems)
    page = page_options(config, problems, detach=False) if order == "attach" else None
    if problems:
        raise UsageError.of(problems)
    with opened(broker_of(config)) as endpoint:
        match order:
            case "attach":
                return attach(endpoint, options["attach"], outputs, page, quiet=bool(config["quiet"]))
            case "stop":
                return stop(endpoint, options["stop"], now=options["now"])
            case "purge_broker":
                return stop(endpoint, None, now=options["now"])
            case "ping_broker":
                return status(endpoint)
        return check(endpoint)


def attach(endpoint: Endpoint, run: str, outputs: Outputs, page: Beside | None = None, *, quiet: bool) -> ExitCode:
    """Follow a run to its end, from where it stands."""
    from loads.cli.followed import followed, through_broker
    from loads.cli.keyboard import ask_key, somebody_is_there
    from loads.runner.remote import follow_remote

    screen = open_screen(quiet=quiet, to_stdout=takes_stdout(outputs))
    ask = ask_key if somebody_is_there() else None
    detailed = page is not None or needs_details(outputs)
    start = partial(follow_remote, None if run == LATEST else run, endpoint, detailed=detailed, ask=ask)
    end = partial(finish, endpoint=endpoint, outputs=outputs, quiet=quiet)
    with told_to(endpoint, screen.noticed):
        return followed(start, screen, end, page, through_broker(endpoint), str(endpoint))


def stop(endpoint: Endpoint, run: str | None, *, now: bool) -> ExitCode:
    """Stop `run`; None: all that go on."""
    if run is not None and not run.strip():
        raise UsageError("the name of the run is empty", "loads status lists those that go on")
    import asyncio

    from loads.runner.cluster import cease

    runs = asyncio.run(cease(endpoint, run, now=now))
    how = "at once" if now else "gracefully"
    _print([f"Stopping {name} {how}" for name in runs] or ["No run goes on"])
    return ExitCode.PASSED


def status(endpoint: Endpoint) -> ExitCode:
    """Show the broker, its agents and its runs."""
    import asyncio

    from loads.report.cluster import status_lines
    from loads.runner.cluster import ask_status

    _print(status_lines(asyncio.run(ask_status(endpoint, _ENDED_RUNS))))
    return ExitCode.PASSED


def runs(endpoint: Endpoint, most: int, sought: Sought) -> ExitCode:
    """Show the runs that go on, and the last ones that ended, of those that are `sought`."""
    import asyncio

    from loads.report.cluster import run_lines, selected
    from loads.runner.cluster import ask_status

    status = asyncio.run(ask_status(endpoint, most if sought.is_all else _ALL_RUNS))
    _print(run_lines(selected(status.runs, sought, most)))
    return ExitCode.PASSED


def check(endpoint: Endpoint) -> ExitCode:
    """Run an empty test on each free agent, and show how that went."""
    import asyncio

    from loads.report.cluster import check_lines
    from loads.runner.cluster import check_agents

    checked = asyncio.run(check_agents(endpoint, this_person()))
    if not checked:
        raise UsageError("no agent is there", "start one with loads-agent on each machine")
    rows, well = [], True
    for each in checked:
        answer = "works" if each.busy is None else f"busy with {each.busy}, not checked"
        if each.trouble is not None:
            well, answer = False, each.trouble.message
        rows.append((each.agent, each.host, answer))
    _print(check_lines(rows))
    for each in checked:
        if each.trouble is not None and (each.trouble.traceback or each.trouble.hint):
            say("\n".join(filter(None, (f"{each.agent}:", each.trouble.traceback, f"  {each.trouble.hint}"))))
    return ExitCode.PASSED if well else ExitCode.FAILED


def show_run(endpoint: Endpoint, run: str | None, outputs: Outputs) -> ExitCode:
    """Print how a stored run ended, and write it."""
    import asyncio

    from loads.report.console import end_block
    from loads.runner.cluster import recall

    result = asyncio.run(recall(endpoint, run, detailed=needs_details(outputs)))
    problems = write(outputs, result, quiet=False)
    if not takes_stdout(outputs):
        show(end_block(result))
    for problem in problems:
        complain(problem)
    return ExitCode.FAILED if problems else ExitCode.PASSED


def report_run(endpoint: Endpoint, run: str | None, name: str | None) -> ExitCode:
    """Write the report of a stored run to the file `name`; None: to one that is called after the run."""
    import asyncio

    from loads.runner.cluster import recall

    check_report(name)
    result = asyncio.run(recall(endpoint, run, detailed=True))
    (output,) = outputs = [report_to(name or named_after(result.info.id))]
    problems = write_all(outputs, result, hint="give another file with --output")
    for problem in problems:
        complain(problem)
    if not problems and output.path is not None:
        show(f"Wrote {output.path}")
    return ExitCode.FAILED if problems else ExitCode.PASSED


def _print(lines: Iterable[str]) -> None:
    """A terminal cuts what is too long for it, rather than to break the tables."""
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
        cut: Callable[[str], str] = lambda line: line if len(line) <= width else f"{line[: width - 1]}…"  # noqa: E731
        lines = map(cut, lines)
    show("\n".join(lines))


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")

"""``loads-runner``: run unittests as a load test."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

import loads
from loads.cli.assemble import assemble
from loads.cli.layers import read_layers
from loads.cli.options import with_options
from loads.cli.terminal import Unbreakable, prepare_streams, say, show, show_bytes
from loads.errors import ExitCode, LoadsError, NotStarted, UsageError
from loads.wire.run import RunSpec

if TYPE_CHECKING:
    from loads.metrics.result import Result

EPILOG = """\
\b
A TARGET is package.module, package.module.Class, package.module.Class.test,
or path/to/file.py[::Class[::test]].

\b
Each option may also be set as LOADS_<OPTION> in the environment, as LOADS_USERS=200, and in the
file of --config. The command line wins over the environment, and that over the file. Who says
anything of the load (users, hits, duration, ramp-up, stages) says all of it.

\b
Shell completion: eval "$(_LOADS_RUNNER_COMPLETE=bash_source loads-runner)"

\b
Exit codes: 0 passed; 1 failures, errors or a lost iteration, or an output that could not be
written; 2 wrong usage or a test that does not import; 4 invalid (more than 1 % was lost, or
planned iterations never ran); 5 stopped by Ctrl-C; 130 stopped at once by a second Ctrl-C.

\b
Examples:
  loads-runner mytests.TestSite                       each test once
  loads-runner mytests.TestSite.test_home -u 200 -d 60s
  loads-runner mytests.py -u 10:20:30 --hits 20       three rounds, 1,200 iterations
  loads-runner mytests.py --stages 30s:50,1m:200,20s:0
  loads-runner mytests.py -k 'login and not slow' --list
  loads-runner --config nightly.toml --show-plan
"""


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@with_options
@click.version_option(loads.__version__, prog_name="loads-runner")
def command(**options: Any) -> ExitCode:
    """Run unittests as a load test: once to see that they work, or with many virtual users.

    Without any setting about the load each test runs once.
    """
    if options["show_plan"] and options["list_tests"]:
        raise UsageError("--show-plan and --list exclude each other", "the plan names the tests, too")
    config, source = read_layers(options)
    wanted = assemble(config)
    if options["list_tests"]:
        from loads.cli.show import show_tests

        return show_tests(wanted.spec)
    if options["show_plan"]:
        from loads.cli.show import show_plan

        return show_plan(wanted.spec, config, source)
    return _run(wanted.spec, wanted.outputs, quiet=wanted.quiet)


def main(arguments: list[str] | None = None) -> None:
    """The command, with every foreseen problem as one message and its exit code."""
    prepare_streams()
    try:
        status = command.main(arguments, prog_name="loads-runner", standalone_mode=False)
    except click.ClickException as error:
        complain(UsageError(error.format_message().rstrip("."), "loads-runner --help lists what there is"))
        status = ExitCode.USAGE
    except LoadsError as error:
        complain(error)
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        complain(NotStarted("stopped before the first iteration"))
        status = ExitCode.ABORTED
    except OSError as error:
        complain(
            LoadsError(
                f"this machine does not let it run: {error}", "see its limits (ulimit -a), disks and directories"
            )
        )
        status = ExitCode.FAILED
    _leave(int(status or 0))


def complain(error: LoadsError) -> None:
    """One message on the standard error: what happened, the test's own traceback if there is one, what to do."""
    say(f"loads-runner: {error.message}")
    trace = getattr(error, "traceback", "")
    if trace:
        say(trace)
    if error.hint:
        say(f"  {error.hint}".replace("\n", "\n  "))


def _leave(status: int) -> NoReturn:
    """End the process, and with it threads that tests left behind in it (--workers 0)."""
    show_bytes(b"")
    own = threading.main_thread()
    if any(thread is not own and not thread.daemon for thread in threading.enumerate()):
        os._exit(status)
    sys.exit(status)


def _run(spec: RunSpec, outputs: list[Path | None], *, quiet: bool) -> ExitCode:
    to_stdout = None in outputs
    screen = _screen(quiet=quiet, to_stdout=to_stdout, inline=spec.workers == 0)
    try:
        if spec.workers == 0:
            from loads.cli.inline import run_inline

            result = run_inline(spec, screen)
        else:
            import asyncio

            from loads.runner.local import run_local

            result = asyncio.run(run_local(spec, screen))
    finally:
        screen.close()
    problems = _write(outputs, result, quiet=quiet)
    problems += _show(result, quiet=quiet, to_stdout=to_stdout)
    for problem in problems:
        complain(problem)
    status = result.judge().exit_code
    return ExitCode.FAILED if problems and not status else status


def _show(result: Result, *, quiet: bool, to_stdout: bool) -> list[LoadsError]:
    """Print the block, or with --quiet what went wrong; the problem that this met, if any."""
    from loads.report.console import end_block, trouble_lines

    if quiet and not result.judge().exit_code:
        return []
    text = "\n".join(trouble_lines(result)) if quiet else end_block(result)
    problem = show(text, on_error_stream=quiet or to_stdout)
    return [] if problem is None else [LoadsError(f"the result could not be printed: {problem}", "")]


def _write(outputs: list[Path | None], result: Result, *, quiet: bool) -> list[LoadsError]:
    """Write the result to all `outputs` (None: the standard output); the problems that this met."""
    if not outputs:
        return []
    from loads.report.export import to_json

    hint = "run without --quiet to see it, or give another file" if quiet else "it is printed above"
    document = to_json(result)
    problems = []
    for path in outputs:
        problem = None
        try:
            if path is None:
                problem = show_bytes(document)
            else:
                path.write_bytes(document)
        except OSError as error:
            problem = error.strerror
        if problem is not None:
            where = "the standard output" if path is None else path
            problems.append(LoadsError(f"the result could not be written to {where}: {problem}", hint))
    return problems


def _screen(*, quiet: bool, to_stdout: bool, inline: bool) -> Unbreakable:
    from rich.console import Console

    from loads.report.live import LiveScreen, PlainScreen, QuietScreen

    if quiet:
        return Unbreakable(QuietScreen(say))
    console = Console(stderr=to_stdout)
    return Unbreakable(LiveScreen(console) if console.is_terminal and not inline else PlainScreen(say))

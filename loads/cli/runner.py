"""``loads-runner``: run unittests as a load test."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import loads
from loads.cli.assemble import assemble
from loads.cli.layers import read_layers
from loads.cli.options import with_options
from loads.errors import ExitCode, LoadsError, NotStarted, UsageError
from loads.runner.spec import RunSpec

if TYPE_CHECKING:
    from loads.metrics.result import Result
    from loads.report.live import LiveScreen, PlainScreen, QuietScreen

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
    sys.stdout.flush()
    sys.exit(int(status or 0))


def complain(error: LoadsError) -> None:
    """One message on the standard error: what happened, the test's own traceback if there is one, what to do."""
    print(f"loads-runner: {error.message}", file=sys.stderr)
    trace = getattr(error, "traceback", "")
    if trace:
        print(trace, file=sys.stderr)
    if error.hint:
        print(f"  {error.hint}".replace("\n", "\n  "), file=sys.stderr)


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
    from loads.report.console import end_block, trouble_lines

    if not quiet:
        print(end_block(result), file=sys.stderr if to_stdout else sys.stdout)
    elif result.judge().exit_code:
        print("\n".join(trouble_lines(result)), file=sys.stderr)
    return _write(outputs, result, shown=not quiet)


def _write(outputs: list[Path | None], result: Result, *, shown: bool) -> ExitCode:
    status = result.judge().exit_code
    if not outputs:
        return status
    from loads.report.export import to_json

    hint = "it is printed above" if shown else "run without --quiet to see it, or give another file"
    document = to_json(result)
    for path in outputs:
        if path is None:
            sys.stdout.flush()
            sys.stdout.buffer.write(document)
            continue
        try:
            path.write_bytes(document)
        except OSError as error:
            complain(LoadsError(f"the result could not be written to {path}: {error.strerror}", hint))
            status = status or ExitCode.FAILED
    return status


def _screen(*, quiet: bool, to_stdout: bool, inline: bool) -> LiveScreen | PlainScreen | QuietScreen:
    from rich.console import Console

    from loads.report.live import LiveScreen, PlainScreen, QuietScreen

    def to_stderr(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    if quiet:
        return QuietScreen(to_stderr)
    console = Console(stderr=to_stdout)
    return LiveScreen(console) if console.is_terminal and not inline else PlainScreen(to_stderr)

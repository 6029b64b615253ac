"""``loads-runner``: run unittests as a load test."""

from __future__ import annotations

import difflib
import glob
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

import loads
from loads.errors import ExitCode, LoadsError, UsageError
from loads.plan.spec import DEFAULT_GRACEFUL_STOP_US, LoadOptions, build_plan, parse_cycle, parse_stages
from loads.runner.spec import RunSpec, new_seed
from loads.units import parse_duration_us

if TYPE_CHECKING:
    from loads.metrics.result import Result
    from loads.report.live import LiveScreen, PlainScreen, QuietScreen

MAX_WORKERS = 256
_T = TypeVar("_T")

EPILOG = """\
\b
A TARGET is package.module, package.module.Class, package.module.Class.test,
or path/to/file.py[::Class[::test]].

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
"""


def _parsed(parse: Callable[[str], _T]) -> Callable[[click.Context, click.Parameter, str | None], _T | None]:
    """A click callback that reads an option with `parse`."""

    def callback(context: click.Context, parameter: click.Parameter, text: str | None) -> _T | None:
        if text is None:
            return None
        try:
            return parse(text)
        except UsageError as error:
            name = parameter.opts[-1]
            message = error.message if error.message.startswith("-") else f"{name}: {error.message}"
            raise UsageError(message, error.hint) from None

    return callback


def _workers(text: str) -> int | None:
    if text == "auto":
        return None
    if not (text.isascii() and text.isdigit() and int(text) <= MAX_WORKERS):
        raise UsageError(
            f"{text!r} is not a number of workers", f"give auto, or a whole number from 0 to {MAX_WORKERS}"
        )
    return int(text)


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 1 << 63):
        raise UsageError(f"{text!r} is not a seed", "give a whole number, zero or more")
    return int(text)


def _server_url(text: str) -> str:
    if not text.startswith(("http://", "https://")) or len(text.split("://", 1)[1]) == 0:
        raise UsageError(f"{text!r} is not the URL of a server", "like http://127.0.0.1:8000")
    return text


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@click.option(
    "-u",
    "--users",
    callback=_parsed(lambda text: parse_cycle(text, "--users")),
    metavar="N[:N...]",
    help="Virtual users in total, divided among the workers; 10:20:30 runs one round after the other.  [default: 1]",
)
@click.option(
    "--hits",
    "--iterations",
    "hits",
    callback=_parsed(lambda text: parse_cycle(text, "--hits")),
    metavar="N[:N...]",
    help="Iterations of each user.  [default: 1 without --duration; each test once when no load is given]",
)
@click.option(
    "-d", "--duration", callback=_parsed(parse_duration_us), metavar="TIME", help="How long to run, like 90s or 1m30s."
)
@click.option(
    "--ramp-up",
    callback=_parsed(parse_duration_us),
    metavar="TIME",
    help="Start the users evenly over this time, a part of the duration.",
)
@click.option(
    "--stages",
    callback=_parsed(parse_stages),
    metavar="TIME:N,...",
    help="Users over time: in each stage they go evenly to N; 0s:N jumps.",
)
@click.option(
    "--graceful-stop",
    callback=_parsed(parse_duration_us),
    metavar="TIME",
    help="How long iterations in flight may go on after the end.  [default: 30s]",
)
@click.option(
    "--workers",
    callback=_parsed(_workers),
    default="auto",
    metavar="N",
    show_default=True,
    help="Worker processes; 0 runs the tests inside this command, for a debugger.",
)
@click.option(
    "--seed",
    callback=_parsed(_seed),
    metavar="N",
    help="Makes the choice among several tests repeatable.  [default: a new one, printed]",
)
@click.option(
    "--server-url",
    callback=_parsed(_server_url),
    metavar="URL",
    envvar="LOADS_SERVER_URL",
    show_envvar=True,
    help="The server for self.app and self.server_url, instead of the class's own.",
)
@click.option(
    "--fresh-session", is_flag=True, help="A new session (cookies, connections) for each iteration, not for each user."
)
@click.option(
    "--include-file",
    "include_files",
    multiple=True,
    metavar="PATH",
    help="A file, directory or pattern that the test needs; made importable. Repeatable.",
)
@click.option(
    "--output",
    "outputs",
    multiple=True,
    metavar="json=FILE",
    help="Write the result; FILE may be - for the standard output. Repeatable.",
)
@click.option("--quiet", is_flag=True, help="Show nothing but errors.")
@click.version_option(loads.__version__, prog_name="loads-runner")
def command(**options: Any) -> ExitCode:
    """Run unittests as a load test: once to see that they work, or with many virtual users.

    Without any option about the load each test runs once.
    """
    load = LoadOptions(
        users=options["users"],
        hits=options["hits"],
        duration_us=options["duration"],
        ramp_up_us=options["ramp_up"],
        stages=options["stages"],
        graceful_stop_us=DEFAULT_GRACEFUL_STOP_US if options["graceful_stop"] is None else options["graceful_stop"],
    )
    build_plan(load, 1)
    spec = RunSpec(
        targets=options["targets"],
        search_path=(str(Path.cwd()), *_importable(options["include_files"])),
        load=load,
        workers=options["workers"],
        seed=new_seed() if options["seed"] is None else options["seed"],
        server_url=options["server_url"],
        fresh_session=options["fresh_session"],
    )
    outputs = [_output(text) for text in options["outputs"]]
    return _run(spec, outputs, quiet=options["quiet"])


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
        status = ExitCode.INTERRUPTED
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
    return _write(outputs, result)


def _write(outputs: list[Path | None], result: Result) -> ExitCode:
    status = result.judge().exit_code
    if not outputs:
        return status
    from loads.report.export import to_json

    document = to_json(result)
    for path in outputs:
        if path is None:
            sys.stdout.flush()
            sys.stdout.buffer.write(document)
            continue
        try:
            path.write_bytes(document)
        except OSError as error:
            complain(LoadsError(f"the result could not be written to {path}: {error.strerror}", "it is printed above"))
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


def _importable(patterns: tuple[str, ...]) -> list[str]:
    """The directories from which the included files can be imported."""
    directories = []
    for pattern in patterns:
        paths = [Path(match) for match in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207 - an absolute pattern, too
        if not paths:
            raise UsageError(f"--include-file {pattern}: there is nothing of that name", _like(pattern))
        for path in paths:
            inside = path.is_dir() and not (path / "__init__.py").exists()
            directories.append(str((path if inside else path.parent).resolve()))
    return list(dict.fromkeys(directories))


def _like(pattern: str) -> str:
    """What the user may have meant by `pattern`."""
    there = [path.name for path in Path(pattern).parent.glob("*")]
    close = difflib.get_close_matches(Path(pattern).name, there, n=1)
    return f"did you mean {Path(pattern).with_name(close[0])}?" if close else f"looked in {Path.cwd()}"


def _output(text: str) -> Path | None:
    """The file of ``json=FILE``; None for the standard output. Checked now, so that no result is lost later."""
    kind, equals, name = text.partition("=")
    if kind != "json" or not equals or not name:
        raise UsageError(
            f"--output {text!r} is not json=FILE", "like json=result.json, or json=- for the standard output"
        )
    if name == "-":
        return None
    path = Path(name)
    probed = path if path.exists() else path.parent
    if path.is_dir() or not probed.exists() or not os.access(probed, os.W_OK):
        raise UsageError(f"--output {text}: {path} can't be written", "give a file in a directory that is yours")
    return path

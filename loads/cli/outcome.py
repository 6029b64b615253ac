"""From a run's screen to its result on paper: what all ways to run or follow one share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from loads.cli.outputs import Outputs, takes_stdout
from loads.cli.outputs import write as write_all
from loads.cli.terminal import Unbreakable, say, show
from loads.errors import ExitCode, LoadsError, UsageError
from loads.wire.plain import LINES, plain

if TYPE_CHECKING:
    from loads.metrics.result import Result


def program() -> str:
    """What the command was called, for messages."""
    context = click.get_current_context(silent=True)
    return (context.find_root().info_name if context is not None else None) or "loads-runner"


def complain(error: LoadsError, name: str | None = None) -> None:
    """One message on the standard error: what happened, the test's own traceback if there is one, what to do."""
    say(f"{name or program()}: {plain(error.message, keep=LINES)}")
    trace = getattr(error, "traceback", "")
    if trace:
        say(trace)
    if error.hint:
        say(f"  {plain(error.hint, keep=LINES)}".replace("\n", "\n  "))


def misused(error: click.ClickException, name: str) -> UsageError:
    """What click says of a command line, and where to look: at the command that was meant."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = name if context is None else context.command_path
    said = " ".join(error.format_message().split()).rstrip(".")
    return UsageError(said, f"{command} --help lists what there is")


def open_screen(*, quiet: bool, to_stdout: bool, inline: bool = False) -> Unbreakable:
    """What shows the run while it goes; `to_stdout`: the result has the standard output to itself."""
    from rich.console import Console

    from loads.report.live import LiveScreen, PlainScreen, QuietScreen

    if quiet:
        return Unbreakable(QuietScreen(say))
    console = Console(stderr=to_stdout)
    return Unbreakable(LiveScreen(console) if console.is_terminal and not inline else PlainScreen(say, program()))


def tell(result: Result, outputs: Outputs, *, quiet: bool) -> ExitCode:
    """Write and print the finished `result`; how the command ends."""
    problems = write(outputs, result, quiet=quiet)
    problems += _show(result, quiet=quiet, to_stdout=takes_stdout(outputs))
    for problem in problems:
        complain(problem)
    status = result.judge().exit_code
    return ExitCode.FAILED if problems and not status else status


def write(outputs: Outputs, result: Result, *, quiet: bool) -> list[LoadsError]:
    """Write the result to all `outputs`; the problems that this met."""
    hint = "run without --quiet to see it, or give another file" if quiet else "it is printed above"
    return write_all(outputs, result, hint=hint)


def _show(result: Result, *, quiet: bool, to_stdout: bool) -> list[LoadsError]:
    """Print the block, or with --quiet what went wrong; the problem that this met, if any."""
    from loads.report.console import end_block, trouble_lines

    if quiet and not result.judge().exit_code:
        return []
    text = "\n".join(trouble_lines(result)) if quiet else end_block(result)
    problem = show(text, on_error_stream=quiet or to_stdout)
    return [] if problem is None else [LoadsError(f"the result could not be printed: {problem}", "")]

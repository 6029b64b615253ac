"""Where a result goes besides the screen: each ``--output KIND=FILE``, and who writes which kind.

A kind is one entry of `KINDS`: how its file is made of a result, and whether what happened in each series over time is
needed for it, which a run on a cluster has to be asked for. What can be found wrong before a run is found then, so that
no result is lost.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loads.cli.terminal import show_bytes
from loads.errors import LoadsError, UsageError

if TYPE_CHECKING:
    from loads.metrics.result import Result


@dataclass(frozen=True)
class Kind:
    """A way to write a result.

    Attributes:
        write: makes the file's content.
        check: raises what keeps it from being made at all.
        is_detailed: it holds each series over time.
    """

    write: Callable[[Result], bytes]
    check: Callable[[], None] = lambda: None
    is_detailed: bool = True


@dataclass(frozen=True)
class Output:
    """One file to write; a path of None is the standard output."""

    kind: str
    path: Path | None

    def content(self, result: Result) -> bytes:
        """What goes there."""
        return KINDS[self.kind].write(result)


Outputs = Sequence[Output]


def _json(result: Result) -> bytes:
    from loads.report.export import to_json

    return to_json(result)


def _html(result: Result) -> bytes:
    from loads.report.html import to_html

    return to_html(result)


def _check_html() -> None:
    from loads.report.html import find_parts

    find_parts()


KINDS: Final = {"json": Kind(_json), "html": Kind(_html, _check_html)}
NAMES: Final = " or ".join(KINDS)


def parse_outputs(texts: Iterable[str], origin: str, problems: list[UsageError]) -> list[Output]:
    """What `texts` ask for, which were given as `origin` has it; what is wrong with them is added to `problems`."""
    outputs: list[Output] = []
    for text in texts:
        kind, equals, name = text.partition("=")
        if kind not in KINDS or not equals or not name:
            hint = f"KIND is {NAMES}: like json=result.json, or json=- for the standard output"
            problems.append(UsageError(f"{origin} {text!r} is not KIND=FILE", hint))
            continue
        output = Output(kind, None if name == "-" else Path(name))
        problem = _find_problem(output, f"{origin} {text}", outputs)
        if problem is not None:
            problems.append(problem)
        outputs.append(output)
    return outputs


def _find_problem(output: Output, named: str, before: Outputs) -> UsageError | None:
    """Why `output` can't be written; `before` are those that will be written first."""
    if output.path is not None and not is_writable(output.path):
        return not_writable(named, output.path)
    if any(_is_same(output.path, other.path) for other in before):
        where = "the standard output" if output.path is None else output.path
        return UsageError(f"{named}: {where} is asked for twice", "give each output a file of its own")
    try:
        KINDS[output.kind].check()
    except LoadsError as error:
        return UsageError(f"{named}: {error.message}", error.hint)
    return None


def _is_same(one: Path | None, other: Path | None) -> bool:
    """Whether one would overwrite the other; devices take both."""
    if one is None or other is None:
        return one is other
    return one.resolve() == other.resolve() and (one.is_file() or not one.exists())


def report_to(name: str) -> Output:
    """The report of a run in the file `name`."""
    return Output("html", None if name == "-" else Path(name))


def named_after(run: str) -> str:
    """The file of the report of `run` where nobody says another."""
    return f"loads-{re.sub(r'[^A-Za-z0-9-]', '_', run)}.html"


def check_report(name: str | None) -> None:
    """See that a report can be written to `name`, or to a file of its own here.

    Raises:
        UsageError: it can't.
    """
    output = report_to("./loads-run.html" if name is None else name)
    problem = _find_problem(output, "the report" if name is None else f"--output {name}", ())
    if problem is not None:
        raise problem


def takes_stdout(outputs: Outputs) -> bool:
    """Whether one of them has the standard output to itself."""
    return any(output.path is None for output in outputs)


def needs_details(outputs: Outputs) -> bool:
    """Whether one of them holds each series over time."""
    return any(KINDS[output.kind].is_detailed for output in outputs)


def write(outputs: Outputs, result: Result, *, hint: str) -> list[LoadsError]:
    """Write the result to all `outputs`; the problems that this met. `hint` says where else the result is."""
    return [problem for output in outputs if (problem := _write(output, result, hint)) is not None]


def _write(output: Output, result: Result, hint: str) -> LoadsError | None:
    try:
        content = output.content(result)
    except LoadsError as error:
        return error
    problem = None
    try:
        if output.path is None:
            problem = show_bytes(content)
        else:
            output.path.write_bytes(content)
    except OSError as error:
        problem = error.strerror
    if problem is None:
        return None
    where = "the standard output" if output.path is None else output.path
    return LoadsError(f"the result could not be written to {where}: {problem}", hint)


def not_writable(named: str, path: Path) -> UsageError:
    """The problem with a file that `is_writable` denies."""
    return UsageError(f"{named}: {path} can't be written", "give a file in a directory that is yours")


def is_writable(path: Path) -> bool:
    """Whether `path` can be written; it is not touched."""
    probed = path if path.exists() else path.parent
    return not path.is_dir() and probed.exists() and os.access(probed, os.W_OK)

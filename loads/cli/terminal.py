"""Writing to a standard output or error that may be closed, full, gone, or of another alphabet.

What a person can't be shown must not cost the result: nothing here raises because a terminal is what it is.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loads.metrics.result import Result
    from loads.report.live import LiveScreen, PlainScreen, QuietScreen


def prepare_streams() -> None:
    """Make the standard output and error usable, whatever the shell made of them."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - for the whole life of the process
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """A line on the standard error, if anybody is there."""
    with suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


def show(text: str, *, on_error_stream: bool = False) -> str | None:
    """Print `text`; what kept it from being printed, if something did. A reader that went away is no fault."""
    try:
        print(text, file=sys.stderr if on_error_stream else sys.stdout, flush=True)
    except BrokenPipeError:
        _give_up_stdout()
    except OSError as error:
        _give_up_stdout()
        return error.strerror or str(error)
    return None


def show_bytes(data: bytes) -> str | None:
    """The same for bytes on the standard output."""
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        _give_up_stdout()
    except OSError as error:
        _give_up_stdout()
        return error.strerror or str(error)
    return None


def _give_up_stdout() -> None:
    """Let what is left in its buffer go nowhere, so that Python does not complain of it at the end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


class Unbreakable:
    """A screen whose terminal may go away in mid-run: the run goes on unwatched."""

    def __init__(self, screen: LiveScreen | PlainScreen | QuietScreen) -> None:
        self._screen = screen

    def planned(self, result: Result) -> None:
        """As the screen's."""
        with suppress(OSError):
            self._screen.planned(result)

    def progress(self, result: Result, elapsed_us: int) -> None:
        """As the screen's."""
        with suppress(OSError):
            self._screen.progress(result, elapsed_us)

    def printed(self, worker: int, line: str) -> None:
        """As the screen's."""
        with suppress(OSError):
            self._screen.printed(worker, line)

    def noticed(self, what: str) -> None:
        """As the screen's."""
        with suppress(OSError):
            self._screen.noticed(what)

    def asked(self, question: str | None) -> None:
        """As the screen's."""
        with suppress(OSError):
            self._screen.asked(question)

    def close(self) -> None:
        """As the screen's."""
        with suppress(OSError):
            self._screen.close()

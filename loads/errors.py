"""Errors that a user sees, and the one table of exit codes.

Every error carries what happened (`message`) and what to do next (`hint`). The command line prints both
and ends with `exit_code`; nothing below `cli/` prints or exits by itself. Imports nothing of loads.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from textwrap import indent


class ExitCode(IntEnum):
    """How a command ended, for the shell and for a CI."""

    PASSED = 0
    FAILED = 1
    USAGE = 2
    THRESHOLD = 3
    INVALID = 4
    ABORTED = 5
    INTERRUPTED = 130


class LoadsError(Exception):
    """Something the user can act on.

    Args:
        message: what happened, one sentence without a full stop.
        hint: what to do next; several lines are allowed.
    """

    exit_code: ExitCode = ExitCode.FAILED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(LoadsError):
    """The command line, the plan or the test file can't be used as given (exit code 2)."""

    exit_code = ExitCode.USAGE

    @classmethod
    def of(cls, problems: Sequence[LoadsError]) -> UsageError:
        """One error that tells all `problems` (at least one) at once; one that is several itself has its own below."""
        if len(problems) == 1:
            return cls(problems[0].message, problems[0].hint)
        return cls(f"{len(problems)} problems", "\n".join(map(_as_item, problems)))


def _as_item(problem: LoadsError) -> str:
    if "\n" in problem.hint:
        return f"- {problem.message}\n{indent(problem.hint, '  ')}"
    return f"- {problem.message}" + (f" ({problem.hint})" if problem.hint else "")


class ProtocolError(LoadsError):
    """The other side of a connection said something that is not in the protocol."""


class NotStarted(LoadsError):
    """The user stopped a run before its first iteration: there is no result (exit code 5)."""

    exit_code = ExitCode.ABORTED


class Interrupted(BaseException):
    """Raised inside an iteration that a hard stop cuts off.

    A BaseException, so that a test's ``except Exception`` can't swallow it.
    """

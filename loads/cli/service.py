"""What the commands of the broker and of agents share: their log, their end, their state directory."""

from __future__ import annotations

import fcntl
import os
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import NoReturn

import click

from loads.cli.outcome import misused
from loads.cli.terminal import prepare_streams, say
from loads.errors import ExitCode, LoadsError
from loads.wire.endpoint import secure_directory
from loads.wire.plain import LINES, plain


def run_command(command: click.Command, arguments: list[str] | None, name: str) -> NoReturn:
    """Run a command of ours; every foreseen problem is one message and its exit code."""
    prepare_streams()
    try:
        status = command.main(arguments, prog_name=name, standalone_mode=False)
    except click.ClickException as error:
        complain(name, misused(error, name))
        status = ExitCode.USAGE
    except LoadsError as error:
        complain(name, error)
        status = ExitCode.USAGE if error.exit_code is ExitCode.FAILED else error.exit_code
    except (click.Abort, KeyboardInterrupt):
        status = ExitCode.PASSED
    except OSError as error:
        complain(name, LoadsError(f"this machine does not let it run: {error}", "see its disks, ports and limits"))
        status = ExitCode.FAILED
    sys.exit(int(status or 0))


def complain(name: str, error: LoadsError) -> None:
    """One message on the standard error."""
    say(f"{name}: {plain(error.message, keep=LINES)}")
    if error.hint:
        say(f"  {plain(error.hint, keep=LINES)}".replace("\n", "\n  "))


def logger(name: str) -> Callable[[str], None]:
    """Takes lines for the log of a service, which is its standard error."""
    return lambda text: say(f"{datetime.now():%Y-%m-%d %H:%M:%S} {name}: {text}")  # noqa: DTZ005 - for people


def raise_open_files() -> None:
    """As many connections as the machine allows: the soft limit is often a thousand."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # some systems say "unlimited" and mean less
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def lock_directory(path: Path, *, passable: bool = False) -> int | None:
    """Take `path` for this process, as long as it lives; None: another process has it.

    With `passable` others may be allowed to go through it, if not to see what is in it.

    Raises:
        LoadsError: it can't be made, or is not ours alone.
    """
    secure_directory(path, passable=passable)
    descriptor = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor

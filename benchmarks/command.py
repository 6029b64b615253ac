"""What the command lines of all benchmarks have in common, so that each script holds only what it measures.

Tables go to the standard output and progress to the standard error: `throughput.py --rst > table.rst` is a clean file.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from loads.errors import LoadsError


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """A type for argparse: a whole number from `low` to `high`, so that every benchmark is bounded."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low:,} to {high:,}")
        return int(text)

    return parse


def parser_for(docstring: str | None) -> argparse.ArgumentParser:
    """A parser described by a script's own docstring, with the option that all scripts share."""
    parser = argparse.ArgumentParser(description=docstring, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rst", action="store_true", help="print tables as reStructuredText, for the docs")
    return parser


def say(line: str) -> None:
    """Progress, for a person who waits."""
    print(line, file=sys.stderr, flush=True)


def run(main: Callable[[], None]) -> None:
    """Call `main`; problems are one message and an exit code (2: something is missing or was asked for wrongly)."""
    # The default would end us without our `finally` blocks, and what we started would live on.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        main()
    except LoadsError as error:
        say(f"{Path(sys.argv[0]).name}: {error.message}")
        if error.hint:
            say("  " + error.hint.replace("\n", "\n  "))
        sys.exit(int(error.exit_code))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)

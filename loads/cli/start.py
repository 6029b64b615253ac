"""Where the command begins: as little as possible before a Ctrl-C is understood."""

import sys


def loads_runner() -> None:
    """``loads-runner``. A Ctrl-C while the command itself is still being imported ends it as one before the run."""
    try:
        from loads.cli.runner import main

        main()
    except KeyboardInterrupt:
        print("loads-runner: stopped before the first iteration", file=sys.stderr)
        sys.exit(5)

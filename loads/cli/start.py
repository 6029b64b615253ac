"""Where the commands begin: as little as possible before a Ctrl-C is understood."""

import sys


def loads() -> None:
    """``loads``."""
    try:
        from loads.cli.group import main

        main()
    except KeyboardInterrupt:
        _stopped("loads")


def loads_runner() -> None:
    """``loads-runner``. A Ctrl-C while the command itself is still being imported ends it as one before the run."""
    try:
        from loads.cli.runner import main

        main()
    except KeyboardInterrupt:
        _stopped("loads-runner")


def loads_broker() -> None:
    """``loads-broker``."""
    try:
        from loads.cli.broker import main

        main()
    except KeyboardInterrupt:
        sys.exit(0)


def loads_agent() -> None:
    """``loads-agent``."""
    try:
        from loads.cli.agent import main

        main()
    except KeyboardInterrupt:
        sys.exit(0)


def loads_web() -> None:
    """``loads-web``."""
    try:
        from loads.cli.web import main

        main()
    except KeyboardInterrupt:
        sys.exit(0)


def _stopped(name: str) -> None:
    print(f"{name}: stopped before the first iteration", file=sys.stderr)
    sys.exit(5)

"""Who looks on while a run goes: what every screen has to offer."""

from __future__ import annotations

from typing import Protocol

from loads.metrics.result import Result
from loads.wire.messages import Loaded


class Follower(Protocol):
    """Told what happens, in order, from one thread."""

    def planned(self, result: Result) -> None:
        """The tests are found and the plan stands; the run is about to begin."""

    def progress(self, result: Result, elapsed_us: int) -> None:
        """The run as it stands, a few times a second."""

    def printed(self, worker: int, line: str) -> None:
        """A test printed `line`."""

    def noticed(self, what: str) -> None:
        """Something the user should know now: a worker was lost, a stop was asked for."""

    def asked(self, question: str | None) -> None:
        """The user is asked `question` until it is None; what goes on is shown meanwhile."""


def tell_set_up(follower: Follower, loaded: Loaded) -> None:
    """Say what the run waits for before it begins."""
    names = [name for name in loaded.once if name.endswith(".setUpRun")]
    if names:
        follower.noticed(f"running {', '.join(names)}, once for the whole run")

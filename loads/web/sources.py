"""Where the dashboard has its runs from: a broker (`cluster`), or this very process (`local`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from loads.errors import LoadsError
from loads.metrics.result import Result

if TYPE_CHECKING:
    from loads.report.page import ClusterFrame, Gone, RunRow
    from loads.report.view.whole import Seen

_MOST_TRACEBACK: Final = 4_000
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Result).decode


def copied(result: Result) -> Callable[[], Result]:
    """Copies `result` as it is now, in whatever thread it is called; that is the larger part of the work."""
    data = _encode(result)
    return lambda: _decode(data)


def told(error: LoadsError) -> str:
    """What a page shows of `error`: all of it, and the end of a traceback, which tells most."""
    trace: str = getattr(error, "traceback", "")
    return "\n".join(filter(None, (error.message, error.hint, trace[-_MOST_TRACEBACK:])))


class Run(Protocol):
    """A run that is looked at."""

    @property
    def gone(self) -> Gone | None:
        """Why there is no such run; None: there is, as far as is known."""

    @property
    def result(self) -> Result | None:
        """As far as it is known."""

    @property
    def is_over(self) -> bool:
        """Nothing of it will change."""

    @property
    def is_whole(self) -> bool:
        """`result` has all that there is at this time, times of its series included."""

    @property
    def size_bytes(self) -> int:
        """About what it costs to keep it."""

    def seen(self) -> Seen | None:
        """The run as it stands; None: that is not known yet."""

    def close(self) -> None:
        """Look at it no more."""


class Source(Protocol):
    """What there is to look at.

    Attributes:
        where: the broker's address, for people; empty: there is none.
        run: the only one, if it is a run of this process.
        may_stop: who looks may stop runs, as far as is known here.
    """

    where: str
    may_stop: bool
    is_local: bool

    @property
    def run(self) -> str | None: ...

    def watch(self, run: str, changed: Callable[[], None]) -> Run:
        """Look at that run; `changed` is called when it is worth a look before the second is over."""

    def attend(self, *, closely: bool) -> None:
        """Whether somebody looks at the cluster."""

    def cluster(self) -> ClusterFrame | None:
        """The cluster as it was last heard of; None: there is none."""

    async def runs(self) -> Sequence[RunRow]:
        """All runs that are known.

        Raises:
            LoadsError: the broker does not tell.
        """

    async def stop(self, run: str, *, now: bool) -> None:
        """Stop that run.

        Raises:
            LoadsError: it can't be.
        """

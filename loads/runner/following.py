"""A run on a cluster as its runner sees it: what it says to the broker, and what it makes of what it hears.

All of it is level, not edge: `due` are the messages that should have been said over the present connection, and those
that were not yet are said with each turn. A connection that breaks costs nothing, for the broker's `Snapshot` has
everything. Has no socket and no clock: `remote` brings both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from loads.errors import LoadsError, NotStarted
from loads.metrics.result import Place, Result
from loads.metrics.verdict import Stop
from loads.runner.follow import Follower
from loads.runner.recollecting import Recollecting
from loads.runner.spec import TestsRefused
from loads.units import US_PER_S, plural
from loads.wire.cluster import (
    CHUNK_BYTES,
    Accepted,
    Cease,
    Chunk,
    Ended,
    Fetch,
    Follow,
    FromBroker,
    Line,
    Notice,
    Recollected,
    Refused,
    RunState,
    Seated,
    Snapshot,
    Stage,
    Submit,
    ToBroker,
    Trouble,
    Update,
    Welcome,
    Who,
)
from loads.wire.fold import fold, note
from loads.wire.messages import LoadFailed

STOPPED: Final = "stopped before the first iteration"
"""How a run ends that was told to stop before it began."""
EARLIER: Final = 20
"""Who comes to a run that goes on sees so many of the lines that were printed before."""
KEPT: Final = 2_000
"""Lines and notices that are remembered, so that a snapshot does not show them again: as many as the broker keeps."""
SLOW_US: Final = 10 * US_PER_S
"""Who gets ready for longer is named."""
_HELD: Final = frozenset({RunState.WAITING, RunState.PREPARING, RunState.FITTING})
"""Before the start."""
_NUMBERED: Final = frozenset(Stage) - {
    Stage.PREPARING,
    Stage.LOADED,
    Stage.SETTING_UP,
    Stage.SET_UP,
    Stage.FAILED,
}

_SLOW: Final = {
    Stage.PREPARING: "get the bundle and load the tests",
    Stage.SETTING_UP: "run setUpRun",
    Stage.FITTING: "run their fixtures",
}
"""For what the others may have to wait, and it may take its time."""

T = TypeVar("T")
Read = Callable[[str, int, int], tuple[bytes, int]]
"""A piece of a bundle: its sha256, offset and most bytes -> the piece, and how long all of it is."""


@dataclass(frozen=True)
class Detached:
    """Nobody follows `run` any more; it goes on."""

    run: str


class Following:
    """One run, from the submission or from where it stands.

    Args:
        follower: is shown what happens.
        send: says a message to the broker; False: that could not be done now.
        submit: what to submit; None: `run` is there already, or the latest one is meant.
        read: gives the pieces of the bundle.
        detach: leave once it runs.
        detailed: have the result by series and by machine over time, too; its outcome waits for that.

    Attributes:
        outcome: set when there is nothing more to follow.
        stopping: whether it was told to stop, and to do so now.
        run_at_us: when it began, by our clock.
        seats: the agents' parts, as far as was told.
        lines, notices: the latest of what was printed and told, at most `KEPT` of each.
        who, targets, name, tags: what was submitted, by whom; None, or empty: not known (yet).
    """

    def __init__(
        self,
        follower: Follower,
        send: Callable[[ToBroker], bool],
        *,
        submit: Submit | None = None,
        read: Read | None = None,
        run: str | None = None,
        detach: bool = False,
        detailed: bool = False,
    ) -> None:
        self.run = run
        self.state: RunState | None = None
        self.result: Result | None = None
        self.run_at_us: int | None = None
        self.stopping: bool | None = None
        self.outcome: Result | Detached | None = None
        self._follower = follower
        self._send = send
        self._submit = submit
        self._read = read
        self._stays = _HELD if detach else None
        self._said: set[object] = set()
        self._planned = self._met = self._synced = False
        self.lines: list[Line] = []
        self.notices: list[Notice] = []
        self.seats: Sequence[Seated] = ()
        self.who: Who | None = None
        self.targets: tuple[str, ...] = ()
        self.name = ""
        self.tags: dict[str, str] = {}
        self._recollecting = Recollecting(send) if detailed else None
        self._ended: Result | None = None
        self._now_us = 0
        self._told_ready = False
        self._told_slow: set[Stage] = set()
        self._entered_us = 0

    def __repr__(self) -> str:
        state = "unknown" if self.state is None else self.state.value
        return f"<Following {self.run} {state} stopping={self.stopping} outcome={type(self.outcome).__name__}>"

    @property
    def is_whole(self) -> bool:
        """`result` is there, and nothing of it that was asked for is still under way."""
        return self.result is not None and (self._recollecting is None or self._recollecting.is_whole)

    def heard(self, message: FromBroker, now_us: int) -> None:
        """What the broker says.

        Raises:
            TestsRefused: the run can't be, or could not be.
            NotStarted: it was stopped before it began.
        """
        self._now_us = now_us
        match message:
            case Welcome():
                self._said.clear()
                self._synced = False
            case Fetch(sha256, offset):
                piece, total = self._read(sha256, offset, CHUNK_BYTES) if self._read is not None else (b"", 0)
                self._send(Chunk(sha256=sha256, offset=offset, total=total, data=piece))
            case Accepted(run):
                self._accepted(run)
            case Snapshot():
                self._snapshot(message, now_us)
            case Update() if message.run == self.run and self._synced:
                self._update(message, now_us)
            case Ended():
                self._end(message, now_us)
            case Recollected() if self._recollecting is not None:
                self._recollecting.hear(message)
            case Refused(_, trouble):
                raise refusal(trouble)
        self.turn()

    def turn(self) -> None:
        """Say what is due and was not said over this connection."""
        if self.outcome is not None:
            return
        for key, message in list(self._due()):
            if key not in self._said and self._send(message):
                self._said.add(key)
        if self._recollecting is not None:
            self._recollecting.turn(self._now_us)
            if self._ended is not None and self._recollecting.is_whole:
                self.outcome = self._ended

    def stop(self, *, now: bool) -> None:
        """The user wants it to end; `now`: without waiting for what is in flight."""
        self.stopping = now
        self.turn()

    def leave(self) -> bool:
        """The user wants to go; the run is to go on. False: later, for it still needs its runner."""
        self._stays = frozenset({RunState.WAITING}) if self._submit is not None else frozenset()
        self._leave_if_due()
        return self.outcome is not None

    def progress(self, now_us: int) -> None:
        """Show how it stands; to be called a few times a second."""
        self._now_us = now_us
        self.turn()
        self._tell_slow(now_us)
        if self.result is not None and self.run_at_us is not None and self.outcome is None:
            if self.stopping is not None:
                self.result.stop = Stop.HARD if self.stopping else Stop.GRACEFUL
            self._follower.progress(self.result, max(0, now_us - self.run_at_us))

    def _due(self) -> Iterator[tuple[object, ToBroker]]:
        # Once it has a name, a submission is only said again to bring the bundle, which a run that waits may lack.
        if self._submit is not None and (self.run is None or self.state is RunState.WAITING):
            yield Submit, self._submit
        if self.run is not None or self._submit is None:
            yield Follow, Follow(run=self.run)
        if self.run is not None and self.stopping is not None:
            yield (Cease, self.stopping), Cease(run=self.run, now=self.stopping)

    def _end(self, ended: Ended, now_us: int) -> None:
        self.run, self.result = ended.run, ended.result
        self.who = ended.who or self.who
        self.name, self.tags, self.targets = ended.result.info.name, ended.result.info.tags, ended.result.info.targets
        self.state, self._entered_us = RunState.ENDED, now_us
        if self._met:
            self._show_lines(ended.lines, whole=True)
        if self._recollecting is None:
            self.outcome = ended.result
        else:
            self._ended = ended.result
            self._recollecting.begin(ended.run, ended.result)

    def _accepted(self, run: str) -> None:
        if self.run is None:
            self.run = run
            self._follower.noticed(f"run {run}")

    def _snapshot(self, snapshot: Snapshot, now_us: int) -> None:
        self.run = snapshot.run
        if snapshot.result is not None:
            self.result = snapshot.result
        if self._recollecting is not None:
            self._recollecting.begin(snapshot.run, snapshot.result)
        self.who, self.targets = snapshot.who or self.who, snapshot.targets
        self.name, self.tags = snapshot.name, snapshot.tags
        self.run_at_us = None
        self._set_clock(snapshot.elapsed_us, now_us)
        self._enter(snapshot.state, snapshot.seats, now_us)
        self._show_notices(_new_of(snapshot.notices, self.notices))
        self._show_lines(snapshot.lines, whole=True)
        self._met = self._synced = True
        self._leave_if_due()

    def _update(self, update: Update, now_us: int) -> None:
        self._set_clock(update.elapsed_us, now_us)
        if self.result is not None:
            if update.seats is not None:  # before the fold: it is by them that workers are some machine's
                self.result.places += new_places(self.result.places, update.seats)
            fold(
                self.result,
                update.spans,
                update.users,
                update.gone,
                update.losses,
                update.warnings,
                update.thresholds,
            )
            note(self.result, update.notices)
        self._enter(update.state, update.seats, now_us)
        self._show_notices(update.notices)
        self._show_lines(update.lines, whole=False)
        self._leave_if_due()

    def _set_clock(self, elapsed_us: int | None, now_us: int) -> None:
        """What came soonest after it was said tells the start best."""
        if elapsed_us is not None:
            begun_us = now_us - elapsed_us
            self.run_at_us = begun_us if self.run_at_us is None else min(self.run_at_us, begun_us)

    def _enter(self, state: RunState, seats: Sequence[Seated] | None, now_us: int) -> None:
        if state is not self.state:
            self.state, self._entered_us = state, now_us
        if seats is not None:
            self.seats = seats
        if state is RunState.PREPARING and not self._told_ready and seats:
            self._told_ready = True
            names = ", ".join(seat.agent for seat in seats)
            self._follower.noticed(f"getting ready on {plural(len(seats), 'agent')}: {names}")
        if self.result is not None and not self._planned:
            self._planned = True
            self._follower.planned(self.result)

    def _tell_slow(self, now_us: int) -> None:
        """Say once for whom the others wait: packages that are installed, or fixtures, may take their time."""
        if self.state not in (RunState.PREPARING, RunState.FITTING) or now_us - self._entered_us < SLOW_US:
            return
        for stage, doing in _SLOW.items():
            late = [seat.agent for seat in self.seats if seat.stage is stage]
            if late and stage not in self._told_slow:
                self._told_slow.add(stage)
                self._follower.noticed(f"waiting for {', '.join(late)} to {doing}")

    def _leave_if_due(self) -> None:
        if self._stays is None or self.run is None or self.outcome is not None:
            return
        if self.state is not None and self.state not in self._stays:
            self.outcome = Detached(self.run)

    def _show_notices(self, notices: Sequence[Notice]) -> None:
        for notice in notices:
            self._follower.noticed(notice.text)
        self.notices = [*self.notices, *notices][-KEPT:]

    def _show_lines(self, lines: Sequence[Line], *, whole: bool) -> None:
        """`whole`: all that were printed so far, of which some were shown."""
        fresh = list(_new_of(lines, self.lines)) if whole else list(lines)
        self.lines = [*self.lines, *fresh][-KEPT:]
        late = whole and not self._met and self._submit is None
        if late and len(fresh) > EARLIER:
            self._follower.noticed(f"the last {EARLIER} of {len(fresh):,} lines that were printed before:")
            fresh = fresh[-EARLIER:]
        for line in fresh:
            if line.worker is None:
                self._follower.noticed(line.text)
            else:
                self._follower.printed(line.worker, line.text)


def refusal(trouble: Trouble) -> LoadsError:
    """The error that `trouble` is for a user."""
    if trouble.message == STOPPED:
        return NotStarted(STOPPED)
    message = trouble.message if trouble.agent is None else f"agent {trouble.agent}: {trouble.message}"
    return TestsRefused(LoadFailed(message, trouble.hint, trouble.traceback))


def _new_of(told: Sequence[T], known: Sequence[T]) -> Sequence[T]:
    """What in `told`, a part of a story up to its end, comes after `known`, an earlier part of it."""
    for length in range(min(len(told), len(known)), 0, -1):
        if list(told[:length]) == list(known[-length:]):
            return told[length:]
    if known:  # or `told` begins before `known` does
        for end in range(len(known) + 1, len(told) + 1):
            if told[end - 1] == known[-1] and list(told[end - len(known) : end]) == list(known):
                return told[end:]
    return told


def new_places(places: Sequence[Place], seats: Sequence[Seated]) -> list[Place]:
    """Where workers of agents that joined are."""
    known = {place.first for place in places}
    return [
        Place(agent=seat.agent, host="", first=seat.first, workers=seat.workers)
        for seat in seats
        if seat.stage in _NUMBERED and seat.workers and seat.first not in known
    ]

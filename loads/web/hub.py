"""Who looks at what: a look a second at whatever somebody looks at, and nothing of what nobody does.

A run that nobody looks at any more is followed for another minute: pages are reloaded. Those that have ended are kept
longer, as many as there is room for.
"""

from __future__ import annotations

import asyncio
import re
import time
import traceback
from collections.abc import Awaitable, Callable
from typing import Final

from loads.report.page import Follow, FromPage, Gone, Open, Watch
from loads.web.sources import Source
from loads.web.subjects import ClusterSubject, RunSubject, encode
from loads.web.viewers import PATIENCE_S, Subject, Viewer

RUN: Final = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}"
"""Names of runs."""
_RUN: Final = re.compile(RUN, re.ASCII)
LOOK_S: Final = 1.0
TURN_S: Final = 0.1
"""How often it is seen whether something came: frames wait so long at the most."""
SOON_S: Final = 0.1
LET_GO_S: Final = 60.0
"""Nobody has looked at a run for so long: it is not followed any more."""
KEPT_BYTES: Final = 16 << 20
"""Of runs that have ended, as they come over the wire: in memory it is several times that."""
MOST_VIEWERS: Final = 200
MOST_RUNS: Final = 64
"""That go on, or are not known yet, and are followed for all viewers together: each is a connection to the broker."""
MOST_SUBJECTS: Final = 40
"""Of one viewer: runs that it follows and series that it has opened."""
WHOLE_S: Final = 30.0
"""A report waits so long for what is on its way."""


class Full(Exception):
    """So many runs are looked at that no other can be."""


class Hub:
    """All viewers of one `source`. `say` takes what its log should have."""

    def __init__(self, source: Source, say: Callable[[str], None], *, patience_s: float = PATIENCE_S) -> None:
        self.source = source
        self.viewers: set[Viewer] = set()
        self._say, self._patience_s = say, patience_s
        self._cluster = ClusterSubject(source)
        self._runs: dict[str, RunSubject] = {}
        """Those that were looked at last stand last."""

    def __repr__(self) -> str:
        return f"<Hub viewers={len(self.viewers)} runs={list(self._runs)}>"

    @property
    def is_full(self) -> bool:
        """Nobody more is let in."""
        return len(self.viewers) >= MOST_VIEWERS

    @property
    def runs(self) -> list[str]:
        """Those that are looked at, or were."""
        return list(self._runs)

    def join(
        self, send: Callable[[bytes], Awaitable[None]], drop: Callable[[], None], end: Callable[[], None]
    ) -> Viewer:
        """A page has come. `drop` ends its connection whatever is under way, `end` after that."""
        viewer = Viewer(send, drop, end, patience_s=self._patience_s)
        self.viewers.add(viewer)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """It has gone."""
        self.viewers.discard(viewer)
        for subject in list(viewer.subjects):
            self._part(viewer, subject)
        viewer.close()
        self.source.attend(closely=bool(self._cluster.viewers))

    def heard(self, viewer: Viewer, message: FromPage) -> None:
        """A page asks for something, or wants no more of it."""
        match message:
            case Watch(on=on):
                if not self.source.is_local:
                    self._watch(viewer, on=on)
            case Follow(run=run, on=True):
                self._follow(viewer, run)
            case Follow(run=run):
                if run in self._runs:
                    for each in (self._runs[run], *self._runs[run].series.values()):
                        self._part(viewer, each)
            case Open(run=run, series=number, on=on):
                self._open(viewer, run, number, on=on)

    async def look(self) -> None:
        """For ever: at the cluster each second, at a run as soon as a second's results are here."""
        next_s = time.monotonic()
        while True:
            if time.monotonic() >= next_s:
                next_s = max(next_s + LOOK_S, time.monotonic())
                if self._cluster.viewers:
                    self._guarded(self._cluster, self._cluster.look)
                self._let_go(time.monotonic())
            for subject in list(self._runs.values()):
                if subject.is_watched and subject.is_due:
                    self._guarded(subject, subject.look)
                    await asyncio.sleep(0)
            await asyncio.sleep(TURN_S)

    async def flush(self, limit_s: float) -> None:
        """Look once more, and wait until all viewers have what there is, so long at the most."""
        for subject in list(self._runs.values()):
            self._guarded(subject, subject.look)
        end_s = time.monotonic() + limit_s
        while not all(viewer.is_idle for viewer in self.viewers) and time.monotonic() < end_s:
            await asyncio.sleep(0.01)

    async def subject(self, run: str) -> RunSubject:
        """A run as a whole, once it is: for a report.

        Raises:
            TimeoutError: it does not come.
        """
        subject = self._subject(run)
        async with asyncio.timeout(WHOLE_S):
            while not (subject.is_whole or subject.gone() is not None):
                subject.unseen_since_s = None
                await asyncio.sleep(0.02)
        return subject

    def close(self) -> None:
        """Everybody is to go."""
        for viewer in list(self.viewers):
            self.leave(viewer)
            viewer.end()
        for subject in self._runs.values():
            subject.close()
        self._runs.clear()

    def _subject(self, run: str) -> RunSubject:
        subject = self._runs.pop(run, None)
        if subject is None:
            self._make_room()
            subject = RunSubject(run, self.source.watch(run, lambda: self._look_soon(run)))
        self._runs[run] = subject
        return subject

    def _make_room(self) -> None:
        """Let go of what goes on and nobody looks at, if that is too much; the longest unseen first.

        Raises:
            Full: somebody looks at all of it.
        """
        going = [subject for subject in self._runs.values() if not subject.is_over]
        if len(going) < MOST_RUNS:
            return
        unseen = next((subject for subject in going if not subject.is_watched), None)
        if unseen is None:
            raise Full
        del self._runs[unseen.run]
        unseen.close()

    def _look_soon(self, run: str) -> None:
        subject = self._runs.get(run)
        if subject is not None and subject.is_watched:
            self._guarded(subject, subject.look)

    def _watch(self, viewer: Viewer, *, on: bool) -> None:
        is_first = not self._cluster.viewers
        self._turn(viewer, self._cluster, on=on)
        self.source.attend(closely=bool(self._cluster.viewers))
        if on and is_first:  # what is known is old: an answer is under way
            asyncio.get_running_loop().call_later(SOON_S, self._guarded, self._cluster, self._cluster.look)

    def _follow(self, viewer: Viewer, run: str) -> None:
        if not self._has_room(viewer, run):
            return
        if not _RUN.fullmatch(run):
            viewer.tell_once(encode(Gone(run=run[:100], message="there is no such run")))
            return
        try:
            subject = self._subject(run)
        except Full:
            told = Gone(
                run=run, message="too many runs are looked at", hint="close some pages, and load this one again"
            )
            viewer.tell_once(encode(told))
            return
        is_old = not (subject.is_known and subject.is_watched)
        self._turn(viewer, subject, on=True)
        if is_old:
            self._guarded(subject, subject.look)

    def _open(self, viewer: Viewer, run: str, number: int, *, on: bool) -> None:
        subject = self._runs.get(run)
        if subject is None or viewer not in subject.viewers:
            return
        if not on:
            if number in subject.series:
                self._turn(viewer, subject.series[number], on=False)
            return
        if not self._has_room(viewer, run):
            return
        try:
            series = subject.open(number)
        except KeyError:
            viewer.tell_once(encode(Gone(run=run, message=f"{run} has no series {number}")))
        else:
            self._turn(viewer, series, on=True)

    def _has_room(self, viewer: Viewer, run: str) -> bool:
        if len(viewer.subjects) < MOST_SUBJECTS:
            return True
        viewer.tell_once(encode(Gone(run=run, message="this page looks at too much", hint="close some of it")))
        return False

    def _turn(self, viewer: Viewer, subject: Subject, *, on: bool) -> None:
        if not on:
            self._part(viewer, subject)
            return
        viewer.subjects.add(subject)
        subject.viewers.add(viewer)
        viewer.tell_whole(subject)

    def _part(self, viewer: Viewer, subject: Subject) -> None:
        subject.viewers.discard(viewer)
        viewer.forget(subject)

    def _guarded(self, subject: ClusterSubject | RunSubject, step: Callable[[], None]) -> None:
        """A fault in what draws one run is no fault of the others, nor of a runner that has us beside it."""
        gone = None
        try:
            step()
            if isinstance(subject, RunSubject):
                gone = subject.gone()
        except Exception:
            self._say(f"can't show {subject!r}:\n{traceback.format_exc()}")
            run = subject.run if isinstance(subject, RunSubject) else ""
            gone = Gone(run=run, message="the dashboard can't show this", hint="its log says why; please report it")
        if gone is not None:
            subject.dismiss(encode(gone))
            self._forget(subject)

    def _forget(self, subject: ClusterSubject | RunSubject) -> None:
        if isinstance(subject, RunSubject):
            for series in subject.series.values():
                for viewer in list(series.viewers):
                    self._part(viewer, series)
            if self._runs.get(subject.run) is subject:
                del self._runs[subject.run]
            subject.close()

    def _let_go(self, now_s: float) -> None:
        """Forget what nobody looks at: what goes on, after a while; what has ended, when there is no room for it."""
        room_bytes = KEPT_BYTES
        for run, subject in reversed(list(self._runs.items())):
            subject.close_unseen()
            if subject.is_watched:
                subject.unseen_since_s = None
                continue
            if subject.unseen_since_s is None:
                subject.unseen_since_s = now_s
            if subject.is_over:
                room_bytes -= subject.size_bytes
                keeps = room_bytes >= 0
            else:
                keeps = now_s - subject.unseen_since_s < LET_GO_S
            if not keeps:
                del self._runs[run]
                subject.close()

"""Notices code that blocks the event loop, and names the line.

While one test computes, waits in a C library or holds the interpreter's lock, all other users of its worker stand
still, and their latencies are the generator's, not the service's. A greenlet beats every 50 ms; a native thread looks
at the beats. When one is overdue it takes the main thread's stack and keeps the innermost line of the user's own code.
The thread needs the lock, too: code that holds it is caught the moment it lets go, still on its line.

What blocks at the moment also stands in the page of counters, so that a worker that had to be killed tells why.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import gevent
from gevent.monkey import get_original

from loads.client.clock import monotonic_ns
from loads.metrics.counters import PAGE_BYTES, write_note
from loads.worker.tracebacks import place_of_frames

if TYPE_CHECKING:
    from loads.client.recorder import Recorder

BLOCKED_AFTER_S: Final = 0.25
"""An event loop that is late by so much is blocked."""
_BEAT_S: Final = 0.05
_ORPHAN_S: Final = 6.0
"""Longer than an orphaned worker needs to end by itself."""


class Watchdog:
    """Watches the thread that makes it. `start` it when the run begins; `scenario_of` reads a stack's test."""

    def __init__(self, recorder: Recorder, page: memoryview, scenario_of: Callable[[FrameType], str | None]) -> None:
        self._recorder = recorder
        self._page = page
        self._scenario_of = scenario_of
        self._thread_id = get_original("_thread", "get_ident")()
        self._beat_ns = 0
        self._blocked: tuple[str, str] | None = None
        self._parent = os.getppid()
        self._orphaned_ns: int | None = None
        self._last_deed: Callable[[], object] = lambda: None
        self._running = False
        self._watching = False
        self._beating: gevent.Greenlet | None = None

    def start(self) -> None:
        """Begin to watch; a second call changes nothing."""
        if self._running:
            return
        self._running = True
        self._beat_ns = monotonic_ns()
        self._beating = gevent.spawn(self._beat)
        self.watch()

    def watch_parent(self, last_deed: Callable[[], object]) -> None:
        """Don't outlive the parent for long. `last_deed` is done before, on the native thread."""
        self._last_deed = last_deed
        self.watch()

    def watch(self) -> None:
        """Start the native thread; a second call changes nothing."""
        if not self._watching:
            self._watching = True
            get_original("_thread", "start_new_thread")(self._watch, ())

    def disown(self) -> None:
        """In a forked child, which has no such thread: leave the worker's page alone."""
        self._running = False
        self._page = memoryview(bytearray(PAGE_BYTES)).cast("Q")

    def stop(self) -> None:
        """Watch no more."""
        self._running = False
        if self._beating is not None:
            self._beating.kill()

    def _beat(self) -> None:
        """Each beat that comes late, and was found blocked meanwhile, is recorded here, on the main thread."""
        while True:
            gevent.sleep(_BEAT_S)
            now_ns = monotonic_ns()
            if self._blocked is not None:
                (scenario, place), self._blocked = self._blocked, None
                self._recorder.blocked(scenario, place, (now_ns - self._beat_ns) // 1_000)
                write_note(self._page, "")
            self._beat_ns = now_ns

    def _leave_with_parent(self) -> None:
        """A worker whose parent is gone ends by itself, unless its test never lets it: then this does it."""
        if os.getppid() == self._parent:
            self._orphaned_ns = None
        elif self._orphaned_ns is None:
            self._orphaned_ns = monotonic_ns()
        elif monotonic_ns() - self._orphaned_ns > _ORPHAN_S * 1e9:
            self._last_deed()
            os._exit(1)

    def _watch(self) -> None:
        """The native thread."""
        sleep: Callable[[float], Any] = get_original("time", "sleep")
        while True:
            sleep(_BEAT_S)
            self._leave_with_parent()
            late_s = (monotonic_ns() - self._beat_ns) / 1e9
            if late_s < BLOCKED_AFTER_S or not self._running:
                continue
            frame = sys._current_frames().get(self._thread_id)
            if frame is None:
                continue
            if self._blocked is None:
                place = place_of_frames(frame)
                if place is None:
                    continue  # not the test's doing: the machine is busy, or Loads is
                self._blocked = (self._scenario_of(frame) or "(outside)", place)
            scenario, place = self._blocked
            write_note(self._page, f"blocked for {late_s:.0f} s by {scenario} at {place}")

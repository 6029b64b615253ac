"""Watches the worker itself while virtual users run: is what they measure the service, or this process?

A greenlet sleeps for `INTERVAL_US` again and again and notes how late it wakes: so long an answer that has arrived
waits for its reader. Processor time and time spent waiting for a processor are read when the meter takes a span; open
files once a second, ports each few seconds in a thread, and more rarely where that is dear. Where there is no /proc,
those figures are None. The system's clocks are held against each other with each span: they tell when the machine slept
and when somebody set the wall clock.

A wake-up takes 7 us, 20 of them and all else together less than 0.1 % of a processor. A worker that has nothing to do
spends 0.4 % on it: waking a processor that sleeps takes longer than the work.
"""

from __future__ import annotations

import gc
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import gevent

from loads.client.clock import monotonic_us
from loads.metrics.health import Health
from loads.units import US_PER_S
from loads.worker.ports import count_ports, port_range

INTERVAL_US: Final = 50_000
_FIRST_LOOK_S: Final = 0.2
_LOOK_S: Final = 1.0
FILES_EVERY_US: Final = US_PER_S
PORTS_EVERY_US: Final = 5 * US_PER_S
RARITY: Final = 500
"""Asking may take one part in so many of the time: what took 20 ms is asked again after 10 s."""
_FILES: Final = Path("/proc/self/fd")
_SCHEDULED: Final = Path("/proc/self/schedstat")
_PRESSURE: Final = Path("/proc/pressure/cpu")
MOVED_US: Final = US_PER_S
"""When two clocks moved apart by this much between two looks, it is told. Less is how NTP mends a clock, or nothing."""
_LINUX: Final = sys.platform == "linux"
_boot_ns = partial(time.clock_gettime_ns, time.CLOCK_BOOTTIME if _LINUX else time.CLOCK_MONOTONIC)
"""Goes on while the machine sleeps; elsewhere nothing is known of that."""
_APART_US: Final = 10_000
"""Clocks that were read further apart than this can't be compared: the process was stopped in between."""


class Question:
    """Asks the kernel something, at most once in `every_us`, and more rarely when the answer takes long."""

    def __init__(self, ask: Callable[[], int | None], every_us: int) -> None:
        self._ask = ask
        self._every_us = every_us
        self._due_us = 0

    def hurry(self) -> None:
        """Don't wait for the next answer."""
        self._due_us = 0

    def answer(self, now_us: int) -> int | None:
        """The answer at `now_us`; None when it is too soon, or where the kernel has none."""
        if now_us < self._due_us:
            return None
        try:
            return self._ask()
        except OSError:
            return None
        finally:
            self._due_us = now_us + max(self._every_us, RARITY * (monotonic_us() - now_us))


_MOST_MISSED = 10_000
"""Intervals that are counted one by one when a worker was stopped: more than eight minutes say no more."""


def _wall_clock() -> int:
    """The wall clock's number: on Linux CLOCK_REALTIME_COARSE, where there is one. It is as good here, and libraries
    that freeze time for a test, in C as well, leave it alone.
    """
    coarse = 5
    try:
        if _LINUX and time.clock_gettime_ns(coarse):
            return coarse
    except OSError:
        pass
    return time.CLOCK_REALTIME


_wall_ns = partial(time.clock_gettime_ns, _wall_clock())


class Clocks(NamedTuple):
    """How far two of the system's clocks are ahead of the monotonic one, which counts neither sleep nor corrections."""

    wall_us: int
    boot_us: int

    @classmethod
    def read(cls) -> Clocks | None:
        """As they stand; None when there was no moment to read all of them at once."""
        before_us = monotonic_us()
        wall_us, boot_us = _wall_ns() // 1_000, _boot_ns() // 1_000
        after_us = monotonic_us()
        return cls(wall_us - after_us, boot_us - after_us) if after_us - before_us < _APART_US else None


class Sampler:
    """How this process fares, from `begin` to `end`; `take` gives what came together since the last time."""

    def __init__(self) -> None:
        self._span: Health | None = None
        self._greenlets: list[gevent.Greenlet] = []
        self._from_us = 0
        self._cpu_us = 0
        self._waited_us: int | None = None
        self._stalled_us: int | None = None
        self._due_us = 0
        self._clocks: Clocks | None = None
        self._pause_from_us = 0
        self._ports = port_range()
        self._files_asked = Question(count_files, FILES_EVERY_US)
        self._ports_asked = Question(self._count_ports, PORTS_EVERY_US)

    def begin(self) -> None:
        """Watch from now on."""
        self._span = Health()
        self._clocks = Clocks.read()
        self._mark(monotonic_us())
        self._due_us = self._from_us + INTERVAL_US
        gc.callbacks.append(self._on_collection)
        self._greenlets = [gevent.spawn(self._watch), gevent.spawn_later(_FIRST_LOOK_S, self._look_around)]

    def end(self) -> None:
        """Watch no more; what was not taken is forgotten."""
        if self._span is None:
            return
        gevent.killall(self._greenlets)
        gc.callbacks.remove(self._on_collection)
        self._span = None

    def look_once_more(self) -> None:
        """Before the end: ports that were used up meanwhile are still in use."""
        if self._span is not None:
            self._ports_asked.hurry()
            self._look()

    def take(self) -> Health | None:
        """The span since the last time, rated; None while nobody watches."""
        span = self._span
        if span is None:
            return None
        now_us = monotonic_us()
        self.woke(now_us)
        before = self._from_us, self._cpu_us, self._waited_us, self._stalled_us
        self._mark(now_us)
        span.wall_us = self._from_us - before[0]
        span.cpu_us = self._cpu_us - before[1]
        span.waited_us = _minus(self._waited_us, before[2])
        span.stalled_us = _minus(self._stalled_us, before[3])
        self._compare_clocks(span)
        span.rate()
        self._span = Health()
        return span

    def woke(self, now_us: int) -> None:
        """The event loop came by at `now_us`: note by how much that is later than it was due.

        Who is late by several intervals missed as many chances to be late by less: they count, too, so that
        percentiles go by time and not by how often the loop came by.
        """
        late_us = now_us - self._due_us
        if late_us < 0 or self._span is None:
            return
        self._due_us = now_us + INTERVAL_US
        for _ in range(_MOST_MISSED):
            self._span.lag.add(late_us)
            late_us -= INTERVAL_US
            if late_us < 0:
                break

    def _watch(self) -> None:
        while True:
            gevent.sleep(max(0, self._due_us - monotonic_us()) / US_PER_S)
            self.woke(monotonic_us())

    def _look_around(self) -> None:
        while True:
            self._look()
            gevent.sleep(_LOOK_S)

    def _look(self) -> None:
        files = self._files_asked.answer(monotonic_us())
        ports = self._ports_asked.answer(monotonic_us())
        span = self._span
        if span is None:
            return
        if files is not None:
            limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            span.files = max(files, span.files or 0)
            span.files_limit = None if limit == resource.RLIM_INFINITY else limit
        if ports is not None and self._ports is not None:
            span.ports, span.ports_range = max(ports, span.ports or 0), len(self._ports)

    def _count_ports(self) -> int | None:
        if self._ports is None:
            return None
        found: int | None = gevent.get_hub().threadpool.apply(count_ports, (self._ports,))
        return found

    def _mark(self, now_us: int) -> None:
        self._from_us = now_us
        self._cpu_us = time.process_time_ns() // 1_000
        self._waited_us = _waited_us()
        self._stalled_us = _stalled_us() if self._waited_us is None else None

    def _compare_clocks(self, span: Health) -> None:
        """Sleep shows in both clocks, a corrected wall clock in one."""
        clocks, before = Clocks.read(), self._clocks
        if clocks is None:
            return
        self._clocks = clocks
        if before is None:
            return
        slept_us = clocks.boot_us - before.boot_us
        set_us = clocks.wall_us - before.wall_us - slept_us
        if slept_us >= MOVED_US:
            span.slept_us = slept_us
        if abs(set_us) >= MOVED_US:
            span.set_forward_us, span.set_back_us = max(0, set_us), max(0, -set_us)

    def _on_collection(self, phase: str, _: dict[str, Any]) -> None:
        if phase == "start":
            self._pause_from_us = monotonic_us()
        elif self._pause_from_us and self._span is not None:
            self._span.paused(monotonic_us() - self._pause_from_us)


def count_files() -> int | None:
    """How many files this process has open; None where the kernel doesn't tell.

    Linux tells it as the size of a directory since 6.2; before, the directory has to be read.
    """
    return _FILES.stat().st_size or sum(1 for _ in _FILES.iterdir())


def _waited_us() -> int | None:
    """How long this process was ready to run and waited for a processor, since its start; None: not known."""
    try:
        return int(_SCHEDULED.read_bytes().split()[1]) // 1_000
    except (OSError, ValueError, IndexError):
        return None


def _stalled_us() -> int | None:
    """How long at least one program of the machine waited for a processor, since its start; None: not known."""
    try:
        return int(_PRESSURE.read_bytes().partition(b"total=")[2].split()[0])
    except (OSError, ValueError, IndexError):
        return None


def _minus(now_us: int | None, before_us: int | None) -> int | None:
    return None if now_us is None or before_us is None else now_us - before_us

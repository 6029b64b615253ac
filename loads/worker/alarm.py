"""An alarm that rings to the microsecond, where the kernel has one.

The event loop waits in whole milliseconds, rounded up: an iteration that it wakes up for begins half a millisecond late
on average, which is more than many a service takes to answer. A timerfd is a file that is readable at the very time:
0.04 ms late (timerfd_create(2)). Python has no call for it before 3.13, so it is called in the C library; where there
is none, the loop's own timer has to do.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from typing import Any, Final, Protocol

import gevent

from loads.client.clock import monotonic_us
from loads.units import US_PER_S

_CLOCK_MONOTONIC: Final = 1
_ABSOLUTE: Final = 1
_READABLE: Final = 1


class Alarm(Protocol):
    """Rings once for each time that it is set to; for the last one, when it is set anew before."""

    def set(self, at_us: int) -> None:
        """Ring at that time of the monotonic clock, or at once if it is over."""

    def close(self) -> None:
        """Never ring again."""


def alarm(ring: Callable[[], None]) -> Alarm:
    """The best there is on this machine; `ring` is called by the event loop, and must not wait."""
    try:
        return _Precise(ring)
    except (OSError, AttributeError):
        return _Coarse(ring)


class _Span(ctypes.Structure):
    """struct itimerspec: an interval, and the first time."""

    _fields_ = [(name, ctypes.c_long) for name in ("every_s", "every_ns", "at_s", "at_ns")]


class _Precise:
    def __init__(self, ring: Callable[[], None]) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        self._set: Any = library.timerfd_settime
        self._set.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.POINTER(_Span), ctypes.c_void_p)
        self._fd = library.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "no timer")
        self._ring = ring
        self._span = _Span()
        self._watcher = gevent.get_hub().loop.io(self._fd, _READABLE)
        self._watcher.start(self._rings)

    def set(self, at_us: int) -> None:
        """As `Alarm.set`. A time of zero would mean never."""
        span = self._span
        span.at_s, rest_us = divmod(max(1, at_us), US_PER_S)
        span.at_ns = rest_us * 1_000
        self._set(self._fd, _ABSOLUTE, span, None)

    def close(self) -> None:
        """As `Alarm.close`."""
        self._watcher.stop()
        self._watcher.close()
        os.close(self._fd)

    def _rings(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return  # it was set anew meanwhile
        self._ring()


class _Coarse:
    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._timer: Any = None

    def set(self, at_us: int) -> None:
        """As `Alarm.set`."""
        self.close()
        self._timer = gevent.get_hub().loop.timer(max(0, at_us - monotonic_us()) / US_PER_S)
        self._timer.start(self._ring, update=True)

    def close(self) -> None:
        """As `Alarm.close`."""
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None

"""One request on its way, and how its end is noticed: where http.client lets go of the body.

Knows http.client's response and nothing of who asked; `capture` makes hits where the libraries make requests.
"""

from __future__ import annotations

import http.client
import io
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from loads.client.clock import monotonic_ns
from loads.client.kinds import ErrorKind, kind_of
from loads.client.user import running
from loads.metrics.summary import SeriesKey

if TYPE_CHECKING:
    from loads.client.recorder import Opened, Recorder

_open: Final[set[Hit]] = set()
holding: ContextVar[list[Hit] | None] = ContextVar("loads_holding", default=None)
"""Where hits of the call that is being made wait for the test's own word on them (``catch=True``)."""


class Hit:
    """One request on its way: started, perhaps sent, answered or failed, and ended with its body.

    Attributes:
        opened: the connection that was opened for it.
        sent_ns, first_ns: when it was handed to the socket, and when its answer began.
    """

    __slots__ = (
        "_answered",
        "_closed_ns",
        "_ended_ns",
        "_error",
        "_failed",
        "_held",
        "_key",
        "_late_us",
        "_recorder",
        "_start_ns",
        "_status",
        "bytes_received",
        "bytes_sent",
        "first_ns",
        "opened",
        "sent_ns",
        "was_sent",
    )

    def __init__(self, recorder: Recorder, key: SeriesKey, start_ns: int | None = None) -> None:
        self._recorder = recorder
        self._key = key
        self._status: int | None = None
        self._error: ErrorKind | None = None
        self._answered = False
        self._closed_ns: int | None = None
        self._ended_ns: int | None = None
        self._failed: bool | None = None
        held = holding.get()
        self._held = held is not None
        if held is not None:
            for step in held:
                step.release(None)
            held.append(self)
        self.was_sent = False
        self.bytes_sent = 0
        self.bytes_received = 0
        self.opened: Opened | None = None
        self.sent_ns: int | None = None
        self.first_ns: int | None = None
        self._start_ns = monotonic_ns() if start_ns is None else start_ns
        user = running()
        self._late_us = 0 if user is None else user.late_us
        _open.add(self)

    def sending(self) -> None:
        """Bytes of it are about to be handed to the socket."""
        if not self.was_sent:
            self.was_sent = True
            self._recorder.sending()
            self.sent_ns = monotonic_ns()

    def received(self, count: int) -> None:
        """So many bytes of the answer are here."""
        self.bytes_received += count
        if self.first_ns is None:
            self.first_ns = monotonic_ns()

    def went(self, sent_ns: int) -> None:
        """It was counted as sent already, and handed to the socket then."""
        self.was_sent = True
        self.sent_ns = sent_ns

    def broken(self, error: ErrorKind) -> None:
        """Its connection failed while the answer was read; the first reason counts."""
        if self._error is None:
            self._error = error

    def answered(self, status: int) -> None:
        """The head of the answer is here; the hit ends with the body."""
        self._answered = True
        self._status = status
        if self._closed_ns is not None:
            self._record(self._closed_ns)

    def failed(self, error: BaseException) -> None:
        """No answer came."""
        self._error = kind_of(error, sent=self.was_sent) if self._error is None else self._error
        self._record(monotonic_ns())

    def closed(self, at_ns: int | None = None) -> None:
        """The body was read to its end, or given up, just now or at that time."""
        if self._closed_ns is None:
            self._closed_ns = monotonic_ns() if at_ns is None else at_ns
            if self._answered:
                self._record(self._closed_ns)

    def spoilt(self, status: int, received: int, first_ns: int, end_ns: int) -> None:
        """The answer is all there, and can't be what it says it is."""
        self.bytes_received, self.first_ns = received, first_ns
        self.broken(ErrorKind.PROTOCOL)
        self.answered(status)
        self.closed(end_ns)

    def forget(self) -> None:
        """It was no request after all."""
        _open.discard(self)

    def hold(self) -> bool:
        """Let it wait for `release`; whether it wasn't waiting for somebody else's word already, or is over."""
        free = not self._held and self in _open
        self._held = self._held or free
        return free

    def release(self, failed: bool | None) -> None:
        """Let a held one be recorded: as `failed` or not as the test says, or with None as its status says."""
        if self._held:
            self._held = False
            self._failed = failed
            if self._ended_ns is not None:
                self._record(self._ended_ns)

    def _record(self, end_ns: int) -> None:
        if self not in _open:
            return
        if self._held:
            self._ended_ns = end_ns
            return
        _open.discard(self)
        service_us = (end_ns - self._start_ns) // 1_000
        first_byte_us = None
        body_us = 0
        if self.sent_ns is not None and self.first_ns is not None:
            first_byte_us = (self.first_ns - self.sent_ns) // 1_000
            body_us = max(0, end_ns - self.first_ns) // 1_000
        self._recorder.hit(
            self._key,
            service_us,
            self._status,
            self._error,
            self.was_sent,
            self.bytes_sent,
            self.bytes_received,
            self._failed,
            self.opened,
            first_byte_us,
            body_us,
            self._late_us,
        )


class _Wire(io.RawIOBase):
    """The receiving side of a socket: counts bytes and notices how it breaks."""

    def __init__(self, inner: Any, hit: Hit) -> None:
        self._inner = inner
        self._hit = hit
        self.at_end = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        try:
            count: int | None = self._inner.readinto(buffer)
        except BaseException as error:
            self._hit.broken(kind_of(error, sent=True))
            raise
        if count:
            self._hit.received(count)
        elif count == 0:
            self.at_end = True
        return count

    def fileno(self) -> int:
        return int(self._inner.fileno())

    def close(self) -> None:
        if not self.closed:
            self._inner.close()
        super().close()


class WatchedResponse(http.client.HTTPResponse):
    """http.client's response, which tells its hit when the body is over."""

    def __init__(self, hit: Hit, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._loads_hit = hit
        self._loads_wire = _Wire(self.fp.detach(), hit)
        self.fp = io.BufferedReader(self._loads_wire)

    def _close_conn(self) -> None:
        super()._close_conn()  # type: ignore[misc]
        missing = self.chunked is True or (isinstance(self.length, int) and self.length > 0)
        if missing and self._loads_wire.at_end:
            self._loads_hit.broken(ErrorKind.INCOMPLETE)
        self._loads_hit.closed()


def close_open_hits() -> None:
    """Count requests whose answers nobody read to the end, before the last summary leaves the worker."""
    for hit in list(_open):
        hit.release(None)
        hit.broken(ErrorKind.INTERRUPTED)
        hit.answered(0)
        hit.closed()

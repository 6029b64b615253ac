"""The hot path: adds what happened to the worker's current Summary, in place.

One recorder per worker process, shared by all its virtual users. It has no lock (one gevent process), formats nothing
and reads no clock: whoever measured hands times in. Once a second the executor takes the summary away and leaves an
empty one, so nothing here may hold on to a part of it. `benchmarks/recorder.py` prints what a hit costs.
"""

from __future__ import annotations

import itertools
from hashlib import blake2b
from typing import NamedTuple

from loads.metrics.counters import ENDED, SENT, STARTED, UNSENT
from loads.metrics.histogram import EXACT_BELOW, SUB_BUCKET_BITS, Histogram
from loads.metrics.summary import (
    INTERRUPTED,
    ITERATION,
    ITERATION_NAME,
    MAX_NAMES,
    TRANSACTION,
    Block,
    BlockKey,
    ErrorGroup,
    ErrorKey,
    Series,
    SeriesKey,
    Summary,
    add_counts,
    fold_block,
)
from loads.units import US_PER_S, sendable

MAX_MESSAGE_CHARS = 2_000
MAX_TRACEBACK_CHARS = 16_000


_MAX_NAME_CHARS = 500
_MOST = 2**63 - 1
_epochs = itertools.count(1)
"""Of all recorders: no two ever have the same."""


class Opened(NamedTuple):
    """How long each step to a connection took, in microseconds; None: there was no such step, or it failed."""

    dns_us: int | None
    connect_us: int | None
    tls_us: int | None
    stands: bool


class Recorder:
    """Counts into `summary`, and into `page`: four u64 that outlive the process (see `metrics.counters`)."""

    __slots__ = ("_iterations", "_taken", "epoch", "page", "planned", "summary")

    def __init__(self, page: memoryview) -> None:
        self.page = page
        self.summary = Summary()
        self.epoch = next(_epochs)
        """Changes when a `Series` of the summary may not be one any more: whoever holds on to one must look again."""
        self.planned = False
        """Whether iterations have times at which they should start: then each duration is kept twice, as it was and
        with the lateness of its iteration."""
        self._iterations: dict[str, Series] = {}
        self._taken = page[STARTED], page[ENDED]

    def take(self) -> Summary:
        """What was recorded since the last call.

        Some numbers follow from others; they are made here, and not for each hit.
        """
        summary, self.summary = self.summary, Summary()
        self._forget_series()
        started, ended = self._taken
        self._taken = self.page[STARTED], self.page[ENDED]
        summary.totals.started = self._taken[0] - started
        summary.totals.ended = self._taken[1] - ended - summary.totals.interrupted
        _even_out(summary)
        summary.trim()
        for name, count in summary.counters.items():
            summary.counters[name] = max(-_MOST, min(count, _MOST))
        return summary

    def sending(self) -> None:
        """A request is about to reach the wire."""
        self.page[SENT] += 1

    def hit(
        self,
        key: SeriesKey,
        service_us: int,
        status: int | None,
        error: str | None,
        sent: bool,
        bytes_sent: int,
        bytes_received: int,
        failed: bool | None = None,
        opened: Opened | None = None,
        first_byte_us: int | None = None,
        body_us: int = 0,
        late_us: int = 0,
    ) -> None:
        """A request ended: with a `status` and no `error`, or with the kind of error that took its (whole) answer.

        A sent one must have been announced by `sending`. Whether it `failed` follows, unless the test says. `opened`
        is the connection that was opened for it; `first_byte_us` counts from the moment when it was handed to the
        socket, None where no answer began, or nobody looked. Its iteration began `late_us` after it should have.
        """
        series = self.series(key)
        if opened is not None:
            self.opened(series, opened)
        if first_byte_us is not None:
            series.phases.first_byte.add(first_byte_us)
            series.phases.body.add(body_us)
        if sent:
            series.sent += 1
            series.service.add(service_us)
            if self.planned:
                _respond(series, service_us + late_us)
        else:
            series.unsent += 1
            self.page[UNSENT] += 1
        if error is None and status is not None:
            statuses = series.statuses
            statuses[status] = statuses.get(status, 0) + 1
            if status >= 400 if failed is None else failed:
                series.failed += 1
        else:
            kind = error or "other"
            series.failed += 1
            series.errors[kind] = series.errors.get(kind, 0) + 1
        series.bytes_sent += bytes_sent
        series.bytes_received += bytes_received

    def answered(
        self,
        series: Series,
        service_us: int,
        first_byte_us: int,
        body_us: int,
        status: int,
        bytes_sent: int,
        bytes_received: int,
        late_us: int = 0,
    ) -> None:
        """A request was sent, and has its whole answer: what `hit` does, for the way that most requests go.

        Everything is written out: a call costs as much as two of these lines.
        """
        series.sent += 1
        statuses = series.statuses
        statuses[status] = statuses.get(status, 0) + 1
        if status >= 400:
            series.failed += 1
        series.bytes_sent += bytes_sent
        series.bytes_received += bytes_received
        service = series.service
        if service_us < EXACT_BELOW:
            index = service_us
        else:
            shift = service_us.bit_length() - SUB_BUCKET_BITS - 1
            index = (shift << SUB_BUCKET_BITS) + (service_us >> shift)
        counts = service.counts
        counts[index] = counts.get(index, 0) + 1
        service.sum_us += service_us
        if service_us < service.min_us:
            service.min_us = service_us
        if service_us > service.max_us:
            service.max_us = service_us
        phases = series.phases
        span = phases.first_byte
        span.count += 1
        span.total_us += first_byte_us
        if first_byte_us > span.longest_us:
            span.longest_us = first_byte_us
        if body_us:
            span = phases.body  # its count is that of `first_byte`: see `take`
            span.total_us += body_us
            if body_us > span.longest_us:
                span.longest_us = body_us
        if self.planned:
            _respond(series, service_us + late_us)

    def opened(self, series: Series, opened: Opened) -> None:
        """A connection was opened for a request of `series`, or wasn't in the end."""
        series.connections += opened.stands
        for span, took_us in (
            (series.phases.dns, opened.dns_us),
            (series.phases.connect, opened.connect_us),
            (series.phases.tls, opened.tls_us),
        ):
            if took_us is not None:
                span.add(took_us)

    def series(self, key: SeriesKey) -> Series:
        """Where hits of that name are counted, while `epoch` stays what it is."""
        series = self.summary.series.get(key)
        return self._new_series(key) if series is None else series

    def started(self) -> None:
        """An iteration begins."""
        self.page[STARTED] += 1

    def began(self, late_us: int, *, awaited: bool) -> None:
        """The iteration that begins should have begun `late_us` ago; `awaited`: a user was there for it."""
        pace = self.summary.pace
        pace.lateness.add(late_us)
        if awaited:
            pace.delay.add(late_us)

    def ended(self, scenario: str, service_us: int, failed: bool, late_us: int = 0) -> None:
        """An iteration came to its end by itself."""
        self.page[ENDED] += 1
        series = self._iterations.get(scenario) or self._new_iterations(scenario)
        series.sent += 1
        if failed:
            series.failed += 1
        series.service.add(service_us)
        if self.planned:
            _respond(series, service_us + late_us)

    def unstarted(self, scenario: str, waited_us: int, *, neglected: bool = False) -> None:
        """An iteration was due, and never began in the `waited_us` that there were for it; `neglected`: a user was
        free.
        """
        self.summary.pace.neglected += neglected
        series = self._iterations.get(scenario) or self._new_iterations(scenario)
        series.unstarted += 1
        _respond(series, waited_us)

    def interrupted(self, scenario: str) -> None:
        """An iteration was cut off: it has no duration, and is no success."""
        self.page[ENDED] += 1
        self.summary.totals.interrupted += 1
        errors = (self._iterations.get(scenario) or self._new_iterations(scenario)).errors
        errors[INTERRUPTED] = errors.get(INTERRUPTED, 0) + 1

    def transaction(
        self, scenario: str, name: str, named: bool, service_us: int, failed: bool, late_us: int = 0
    ) -> None:
        """A timed block of a test ended."""
        series = self.series(SeriesKey(scenario, TRANSACTION, name, named))
        series.sent += 1
        series.failed += failed
        series.service.add(service_us)
        if self.planned:
            _respond(series, service_us + late_us)

    def counter(self, name: str, by: int) -> None:
        """Add to one of the test's own counters."""
        counters = self.summary.counters
        if name not in counters:
            name = _fit(name)
        counters[name] = counters.get(name, 0) + by

    def blocked(self, scenario: str, place: str, duration_us: int) -> None:
        """Code of the test kept all other users waiting for `duration_us`."""
        key = BlockKey(sendable(scenario), sendable(place))
        self.summary.blocks[key] = fold_block(self.summary.blocks.get(key), Block(1, duration_us, duration_us))

    def error(self, key: ErrorKey, t_us: int, message: str, traceback: str, scenario: str, series: str) -> None:
        """A failure or an error at `t_us` of the run, after the request `series`; long texts are cut."""
        group = self.summary.errors.get(key)
        if group is None:
            key = ErrorKey(key.outcome, sendable(key.kind), sendable(key.place))
            text, trace = sendable(message[:MAX_MESSAGE_CHARS]), sendable(traceback[-MAX_TRACEBACK_CHARS:])
            group = self.summary.errors.setdefault(key, ErrorGroup(0, t_us, t_us, text, trace, sendable(scenario)))
        group.count += 1
        group.last_us = t_us
        add_counts(group.points, {t_us // US_PER_S: 1})
        add_counts(group.series, {sendable(series): 1})

    def _new_iterations(self, scenario: str) -> Series:
        series = self._iterations[scenario] = self.series(SeriesKey(scenario, ITERATION, ITERATION_NAME))
        return series

    def _forget_series(self) -> None:
        """What was a series of the summary may not be one any more."""
        self.epoch = next(_epochs)
        self._iterations.clear()

    def _new_series(self, key: SeriesKey) -> Series:
        if len(self.summary.series) > 2 * MAX_NAMES:
            _even_out(self.summary)
            self.summary.trim()
            self._forget_series()
        key = SeriesKey(_fit(key.scenario), _fit(key.method), _fit(key.name), key.named)
        return self.summary.series.setdefault(key, Series())


def _respond(series: Series, response_us: int) -> None:
    """One response time more."""
    if series.response is None:
        series.response = Histogram()
    series.response.add(response_us)


def _even_out(summary: Summary) -> None:
    """Each answer that begins has a body: the hot path counts one of the two."""
    for series in summary.series.values():
        series.phases.body.count = series.phases.first_byte.count


def _fit(name: str) -> str:
    """`name` as it can be sent and shown: of a very long one the beginning, and a hash that tells it from others."""
    if len(name) <= _MAX_NAME_CHARS:
        return sendable(name)
    digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    return f"{sendable(name[:_MAX_NAME_CHARS])}... ({digest})"

"""What a run is judged by: one condition on what was measured, and how it stands.

Values only, in two parts: a `Threshold` is what the user asked for, as `expressions.parse_thresholds` reads it; a
`Standing` is what came of it, as `watch.Watch` says. Both travel on the wire, so their sizes are bounded.

    p(95){name:/checkout}   <          500ms   over 30s     for 10s   or no data   abort after 20s
    measure, tags           comparison bound   window_us    for_us    or_no_data   abort, abort_after_us
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Final, NamedTuple

import msgspec

from loads.metrics.histogram import Histogram
from loads.metrics.tags import Tags, Text
from loads.units import US_PER_S, format_duration

MAX_WINDOW_US: Final = 3_600 * US_PER_S
"""Longest window: each second of it is kept."""
_MAX_DELAY_US: Final = 366 * 86_400 * US_PER_S
_HITS: Final = ("name", "method", "scenario")

Span = Annotated[int, msgspec.Meta(ge=US_PER_S, le=MAX_WINDOW_US, multiple_of=US_PER_S)]
"""Whole seconds, for that is how often a run is looked at."""


class Kind(Enum):
    """What values of a measure are, and so their unit."""

    TIME = "a time"
    PART = "a part"
    COUNT = "a count"
    PER_SECOND = "a rate"


class _Facts(NamedTuple):
    kind: Kind
    tags: tuple[str, ...] = ()
    final: bool = False


class Measure(Enum):
    """What is measured. The first nine are times, which have a `Statistic`."""

    RESPONSE = "response"
    SERVICE = "service"
    LATENESS = "lateness"
    ITERATION = "iteration"
    TRANSACTION = "transaction"
    CONNECT = "connect"
    TLS = "tls"
    FIRST_BYTE = "first_byte"
    BODY = "body"
    FAILURE_RATE = "failure_rate"
    SUCCESS_RATE = "success_rate"
    HIT_FAILURE_RATE = "hit_failure_rate"
    HITS = "hits"
    SENT = "sent"
    UNSENT = "unsent"
    FAILED_HITS = "failed_hits"
    ERRORS = "errors"
    FAILURES = "failures"
    ITERATIONS = "iterations"
    UNSTARTED = "unstarted"
    LOST = "lost"
    BYTES_SENT = "bytes_sent"
    BYTES_RECEIVED = "bytes_received"
    COUNTER = "counter"
    HIT_RATE = "hit_rate"
    ITERATION_RATE = "iteration_rate"
    BYTES_SENT_RATE = "bytes_sent_rate"
    BYTES_RECEIVED_RATE = "bytes_received_rate"
    COUNTER_RATE = "counter_rate"

    @property
    def kind(self) -> Kind:
        """What its values are."""
        return _FACTS[self].kind

    @property
    def tags(self) -> tuple[str, ...]:
        """Those that can narrow it down."""
        return _FACTS[self].tags

    @property
    def is_final(self) -> bool:
        """Whether it is known only when the run is over."""
        return _FACTS[self].final

    @property
    def is_phase(self) -> bool:
        """Whether it is a phase of requests, of which only sums and the longest are kept (see `phases`)."""
        return self in PHASES

    @property
    def is_counter(self) -> bool:
        """Whether it is one of the test's own counters, by its name."""
        return self in (Measure.COUNTER, Measure.COUNTER_RATE)


PHASES: Final = (Measure.CONNECT, Measure.TLS, Measure.FIRST_BYTE, Measure.BODY)
_FACTS: Final = {
    Measure.RESPONSE: _Facts(Kind.TIME, _HITS),
    Measure.SERVICE: _Facts(Kind.TIME, _HITS),
    Measure.LATENESS: _Facts(Kind.TIME),
    Measure.ITERATION: _Facts(Kind.TIME, ("scenario",)),
    Measure.TRANSACTION: _Facts(Kind.TIME, ("name", "scenario")),
    **dict.fromkeys(PHASES, _Facts(Kind.TIME, _HITS)),
    Measure.FAILURE_RATE: _Facts(Kind.PART, ("scenario",)),
    Measure.SUCCESS_RATE: _Facts(Kind.PART, ("scenario",)),
    Measure.HIT_FAILURE_RATE: _Facts(Kind.PART, _HITS),
    Measure.HITS: _Facts(Kind.COUNT, (*_HITS, "status")),
    Measure.SENT: _Facts(Kind.COUNT, _HITS),
    Measure.UNSENT: _Facts(Kind.COUNT, _HITS),
    Measure.FAILED_HITS: _Facts(Kind.COUNT, _HITS),
    Measure.ERRORS: _Facts(Kind.COUNT),
    Measure.FAILURES: _Facts(Kind.COUNT),
    Measure.ITERATIONS: _Facts(Kind.COUNT, ("scenario",)),
    Measure.UNSTARTED: _Facts(Kind.COUNT, final=True),
    Measure.LOST: _Facts(Kind.COUNT, final=True),
    Measure.BYTES_SENT: _Facts(Kind.COUNT, _HITS),
    Measure.BYTES_RECEIVED: _Facts(Kind.COUNT, _HITS),
    Measure.COUNTER: _Facts(Kind.COUNT),
    Measure.HIT_RATE: _Facts(Kind.PER_SECOND, (*_HITS, "status")),
    Measure.ITERATION_RATE: _Facts(Kind.PER_SECOND, ("scenario",)),
    Measure.BYTES_SENT_RATE: _Facts(Kind.PER_SECOND, _HITS),
    Measure.BYTES_RECEIVED_RATE: _Facts(Kind.PER_SECOND, _HITS),
    Measure.COUNTER_RATE: _Facts(Kind.PER_SECOND),
}


class Statistic(Enum):
    """Which value stands for many times."""

    PERCENTILE = "percentile"
    MEAN = "mean"
    MIN = "min"
    MAX = "max"


class Comparison(Enum):
    """How a value must compare with the bound for the threshold to hold."""

    BELOW = "<"
    AT_MOST = "<="
    ABOVE = ">"
    AT_LEAST = ">="
    EQUAL = "=="
    OTHER = "!="

    def holds(self, value: float, bound: float) -> bool:
        """Whether `value` is on the right side."""
        return _COMPARE[self](value, bound)


_COMPARE: Final[dict[Comparison, Callable[[float, float], bool]]] = {
    Comparison.BELOW: operator.lt,
    Comparison.AT_MOST: operator.le,
    Comparison.ABOVE: operator.gt,
    Comparison.AT_LEAST: operator.ge,
    Comparison.EQUAL: operator.eq,
    Comparison.OTHER: operator.ne,
}


class Threshold(msgspec.Struct, frozen=True, kw_only=True):
    """One condition.

    Attributes:
        text: as the user wrote it, blanks evened out; it parses to this value again.
        bound: us for times, 0..1 for parts, per second for rates, plain for counts.
        statistic, quantile: of times; the quantile (0..1) of percentiles only.
        counter: its name, where the measure is one.
        window_us: judged over each window of this length; None: over the whole run.
        for_us: it has to be violated at each second for so long; None: once is enough.
        or_no_data: it holds where there is nothing to judge.
        abort, abort_after_us: the run ends when it is crossed, and so much of it has passed.
    """

    text: Text
    measure: Measure
    comparison: Comparison
    bound: float
    statistic: Statistic | None = None
    quantile: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    tags: Tags = Tags()
    counter: Text | None = None
    window_us: Span | None = None
    for_us: Span | None = None
    or_no_data: bool = False
    abort: bool = False
    abort_after_us: Annotated[int, msgspec.Meta(ge=0, le=_MAX_DELAY_US)] = 0

    def __post_init__(self) -> None:
        """What comes over a wire must make sense as a whole, not just field by field."""
        if (self.statistic is not None) is not (self.measure.kind is Kind.TIME):
            raise ValueError("times have a statistic, and nothing else has")
        if self.measure.is_phase and self.statistic not in (Statistic.MEAN, Statistic.MAX):
            raise ValueError("of a phase there is only the mean and the longest")
        if (self.counter is not None) is not self.measure.is_counter:
            raise ValueError("counters have a name, and nothing else has")
        if any(getattr(self.tags, name) is not None and name not in self.measure.tags for name in _TAGS):
            raise ValueError("the measure has no such tag")
        if self.measure.is_final and (self.window_us or self.for_us or self.abort):
            raise ValueError("what is known at the end can't be watched before")

    @property
    def is_sticky(self) -> bool:
        """Whether it may be crossed at any second, and is crossed for good then."""
        return self.window_us is not None or self.for_us is not None

    def statistic_us(self, times: Histogram) -> float | None:
        """The value that stands for `times`; None: there are none."""
        if not times.counts:
            return None
        if self.statistic is Statistic.MEAN:
            return times.mean_us
        if self.statistic is Statistic.MIN:
            return float(times.min_us)
        if self.statistic is Statistic.MAX:
            return float(times.max_us)
        return times.percentile_us(self.quantile)

    def show(self, value: float | None) -> str:
        """`value`, in the measure's own unit, for people."""
        if value is None:
            return "no data"
        if self.measure.kind is Kind.TIME:
            return _time(value)
        if self.measure.kind is Kind.PART:
            return f"{100 * value:.3g}%"
        if self.measure.kind is Kind.COUNT:
            return f"{round(value):,}"
        return f"{_short(value)}/s"


_TAGS: Final = Tags.__struct_fields__


def _time(value_us: float) -> str:
    """Three digits that count, as a bound may be close."""
    if value_us < 999.5:
        return f"{value_us:.3g}us"
    if value_us < 999_500:
        return f"{value_us / 1_000:.3g}ms"
    return f"{value_us / US_PER_S:.3g}s" if value_us < 60 * US_PER_S else format_duration(round(value_us))


def _short(value: float) -> str:
    if 0 < abs(value) < 1:
        return f"{value:.3g}"
    return f"{value:,.1f}".removesuffix(".0")


class State(Enum):
    """How a threshold stands."""

    PENDING = "pending"
    """Nothing is decided; it wasn't crossed so far."""
    PASSED = "passed"
    CROSSED = "crossed"
    NO_DATA = "no data"
    """There was nothing to judge, which fails it."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A threshold, and what came of it.

    Attributes:
        value: in the measure's own unit; the one that decided, or the latest. None: there is none.
        shown: the same for people.
        crossed_us: when it was crossed first, from the run's start. None: it wasn't, or the end of the run decided.
        aborted: it ended the run.
        slipped_us: of one that only the end decides: since when it does not hold any more, while it goes on.
    """

    text: Text
    state: State
    value: float | None = None
    shown: Text = "no data"
    crossed_us: int | None = None
    aborted: bool = False
    slipped_us: int | None = None

    @property
    def failed(self) -> bool:
        """Whether it makes the run fail."""
        return self.state in (State.CROSSED, State.NO_DATA)

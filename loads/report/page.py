"""What a page of the dashboard is told, and what a report holds: values only.

The same for a run that goes on, one that has ended and one in a file. `report.view` makes them of a `Result`, the front
end has their types from here (``python frontend/messages.py``), so a field that is renamed here does not build there.

    server                                     page
    ClusterFrame      each second     ->
    RunFrame(full)    at once         ->       <- Follow(run)
    RunFrame          each second     ->
    SeriesFrame(full) at once         ->       <- Open(run, series)
    SeriesFrame       each second     ->
    Gone              it can't be     ->

Times: `_us` are microseconds, and but for those of the page itself they count from the run's start. Lists of a frame
that is not `full` hold what changed and go by its id (points: by where they begin and how wide they are); those of a
full one are all that there is.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Final

import msgspec

from loads.metrics.events import EventKind

HEAT_ROWS_PER_OCTAVE: Final = 4
"""Row r of a heat map holds times from 2 ** (r / 4) us up to the next row's."""


class _Value(msgspec.Struct, frozen=True, kw_only=True):
    """Base: an object in JSON."""


class _Row(msgspec.Struct, frozen=True, array_like=True):
    """Base: an array in JSON, for what there is much of."""


class _Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=True):
    """Base: an object in JSON whose `type` is its name."""


class Stage(Enum):
    """Where a run is in its life."""

    WAITING = "waiting"
    PREPARING = "preparing"
    RUNNING = "running"
    ENDING = "ending"
    ENDED = "ended"
    REFUSED = "refused"


class Outlook(Enum):
    """How a run stands: its verdict once it has ended, and before that what is plain already."""

    GOOD = "good"
    """Nothing has gone wrong so far."""
    BAD = "bad"
    """It would not pass as it stands."""
    PASSED = "passed"
    FAILED = "failed"
    INVALID = "invalid"
    ABORTED = "aborted"


class Spread(_Row, frozen=True):
    """A distribution of times in us; all but `count` None when that is 0."""

    count: int
    mean: float | None = None
    min: float | None = None
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    p999: float | None = None
    max: float | None = None


class Point(_Row, frozen=True):
    """A run in the span of `width_us` from `t_us` on.

    Attributes:
        users: that ran on average.
        started: iterations begun. `failures`, `errors`: iterations that came to that.
        hits, failed: requests, and those of them without an answer or with a status of 400 and above.
        s50, s95, s99: service times; r50, r95, r99: response times, the same where nothing was planned.
        l50, l99: lateness; None where nothing was planned.
        cpu_share: processor time of the busiest worker, 0..1. `lag_us`: how late the latest event loop was.
        heat: response times as pairs, flat: row of the heat map, count, row, count...
    """

    t_us: int
    width_us: int
    users: int
    started: int
    hits: int
    failed: int
    failures: int
    errors: int
    s50: float | None
    s95: float | None
    s99: float | None
    r50: float | None
    r95: float | None
    r99: float | None
    l50: float | None
    l99: float | None
    cpu_share: float | None
    lag_us: int | None
    heat: tuple[int, ...]


class SeriesPoint(_Row, frozen=True):
    """One series in the span of `width_us` from `t_us` on; its times are off by up to 3.2 %."""

    t_us: int
    width_us: int
    hits: int
    failed: int
    s50: float | None
    s95: float | None
    s99: float | None
    r50: float | None
    r95: float | None
    r99: float | None
    heat: tuple[int, ...]


class MachinePoint(_Row, frozen=True):
    """An agent, or a worker of a local run, in the span of `width_us` from `t_us` on."""

    t_us: int
    width_us: int
    users: int
    hits: int
    failed: int
    cpu_share: float | None
    lag_us: int | None


class Span(_Row, frozen=True):
    """Names a point: what is gone, for wider ones took its place."""

    t_us: int
    width_us: int


class SeriesName(_Row, frozen=True):
    """A series: requests of one method and name, a transaction, or whole iterations. `id` stays for the run."""

    id: int
    scenario: str
    method: str
    name: str


class SeriesFigures(_Row, frozen=True):
    """A series as it stands: whole counts, exact percentiles (to 0.4 %)."""

    id: int
    hits: int
    sent: int
    unsent: int
    failed: int
    unstarted: int
    bytes_sent: int
    bytes_received: int
    connections: int
    service: Spread
    response: Spread


class Spark(_Row, frozen=True):
    """Hits of a series, oldest first, over equal parts of what `RunFrame.spark_us` says."""

    id: int
    hits: tuple[int, ...]


class ErrorText(_Value, frozen=True):
    """A group of errors: what they are. `message` and `traceback` are those of the first."""

    id: int
    outcome: str
    kind: str
    place: str
    scenario: str
    message: str
    traceback: str
    first_us: int


class ErrorFigures(_Value, frozen=True):
    """The same group: how many. `points` are pairs of a second and a count; `series` counts by what went before."""

    id: int
    count: int
    last_us: int
    points: tuple[tuple[int, int], ...]
    series: dict[str, int]


class Threshold(_Value, frozen=True):
    """A condition, and how it stands. `shown` is its value for people; `holds`: that is on the right side, whatever may
    come of it. None: there is no value.
    """

    text: str
    state: str
    failed: bool
    holds: bool | None
    shown: str
    crossed_us: int | None
    aborted: bool


class Machine(_Value, frozen=True):
    """An agent of the run, or a worker of a local one; `id` is the number of its first worker.

    Attributes:
        stage: where it is with its part, in a word; empty: nobody knows.
        lost: it was given up.
        users: run there now.
        cpu_share, lag_us: the largest of its workers, over the whole run.
        waited_share: part of the time that its workers waited for a processor.
        trouble: what it suffered from, in words.
    """

    id: int
    name: str
    host: str
    workers: int
    stage: str
    lost: bool
    users: int
    cpu_share: float | None
    lag_us: int | None
    waited_share: float | None
    trouble: str


class Event(_Value, frozen=True):
    """Something that happened at `t_us`, and lasted until `until_us` if that is known."""

    id: int
    t_us: int
    until_us: int | None
    kind: EventKind
    text: str


class Line(_Row, frozen=True):
    """What a worker printed; `who` is its name."""

    t_us: int
    who: str
    text: str


class Head(_Value, frozen=True):
    """What a run is: known at its start, or when it was submitted.

    Attributes:
        label: the name that its user gave it; empty: none. `tags` likewise.
        who: ``ana@laptop``; empty: here.
        plan: the load in words, in lines.
        due: planned iterations; None: time decides. `duration_us`: planned length; None: iterations decide.
        users: the most at a time.
        is_open: iterations arrive at a rate. `has_starts`: they have times to start at, so response times are measured.
    """

    id: str
    label: str
    tags: dict[str, str]
    who: str
    targets: tuple[str, ...]
    scenarios: tuple[str, ...]
    plan: str
    started_at: datetime | None
    server_url: str | None
    seed: int | None
    users: int
    workers: int
    due: int | None
    duration_us: int | None
    is_open: bool
    has_starts: bool
    version: str


class Totals(_Value, frozen=True):
    """The whole run as it stands. The names are those of the JSON's totals.

    `rps` is over the whole time; `rps_now`, `failed_now` (requests) and `started_now` (iterations) are per second over
    the last full seconds.
    """

    users: int
    due: int
    started: int
    ended: int
    unstarted: int
    interrupted: int
    lost_iterations: int
    success: int
    failures: int
    errors: int
    skipped: int
    hits: int
    sent: int
    unsent: int
    failed: int
    lost: int
    bytes_sent: int
    bytes_received: int
    connections: int
    rps: float
    rps_now: float
    failed_now: float
    started_now: float
    service: Spread
    response: Spread
    lateness: Spread | None
    iteration: Spread


class Standing(_Value, frozen=True):
    """How a run stands, in a word and why. `exit_code` is there once it has ended."""

    outlook: Outlook
    reasons: tuple[str, ...]
    exit_code: int | None


class RunFrame(_Message, frozen=True):
    """A run, whole (`full`) or what changed since the last frame.

    Attributes:
        elapsed_us: its age; None: not begun. Of one that has ended: how long it was.
        trouble: why it was refused, or what is wrong with the connection; empty: nothing.
        head, totals, standing, thresholds, machines, warnings: None: as before, or not known yet.
        gone: points that are no more; those of machines alike.
        names, figures: series; `folded` are ids that are part of ``(other)`` now. `errors_folded` and
            `counters_folded` alike.
        machine_points: by id of the machine.
        spark_us, sparks: only in a full frame: the last minute of a run that goes on, all of one that has ended. The
            page makes what follows of the figures itself.
    """

    run: str
    full: bool
    stage: Stage
    elapsed_us: int | None
    trouble: str = ""
    head: Head | None = None
    totals: Totals | None = None
    standing: Standing | None = None
    thresholds: tuple[Threshold, ...] | None = None
    points: tuple[Point, ...] = ()
    gone: tuple[Span, ...] = ()
    names: tuple[SeriesName, ...] = ()
    figures: tuple[SeriesFigures, ...] = ()
    folded: tuple[int, ...] = ()
    spark_us: int = 0
    sparks: tuple[Spark, ...] = ()
    errors: tuple[ErrorText, ...] = ()
    error_figures: tuple[ErrorFigures, ...] = ()
    errors_folded: tuple[int, ...] = ()
    counters: dict[str, int] = {}
    counters_folded: tuple[str, ...] = ()
    machines: tuple[Machine, ...] | None = None
    machine_points: dict[int, tuple[MachinePoint, ...]] = {}
    machine_gone: tuple[Span, ...] = ()
    events: tuple[Event, ...] = ()
    lines: tuple[Line, ...] = ()
    warnings: tuple[str, ...] | None = None


class Phase(_Row, frozen=True):
    """A part of requests' time: its name, how many passed it, and in us."""

    name: str
    count: int
    mean: float | None
    max: float | None


class SeriesFrame(_Message, frozen=True):
    """One series over time, whole or what changed, with what only its own page shows."""

    run: str
    series: int
    full: bool
    points: tuple[SeriesPoint, ...] = ()
    gone: tuple[Span, ...] = ()
    statuses: dict[str, int] = {}
    kinds: dict[str, int] = {}
    """Requests without a whole answer, by kind of error."""
    phases: tuple[Phase, ...] = ()


class Gone(_Message, frozen=True):
    """There is no such run or series, or nothing more is to be had of it: why, and what to do."""

    run: str
    message: str
    hint: str = ""


class AgentRow(_Value, frozen=True):
    """An agent of the cluster.

    Attributes:
        cpu_share: of all its processors, 0..1; None: not told.
        memory_used_bytes, memory_bytes: of the machine.
        load: load average of the last minute.
        run: the one that it works for. `leaving`: it takes no other.
        max_users: the most that it runs; None: any number.
        heard_us: how long ago it was heard.
    """

    name: str
    host: str
    cores: int
    version: str
    labels: dict[str, str]
    cpu_share: float | None
    memory_used_bytes: int | None
    memory_bytes: int | None
    load: float
    run: str | None
    leaving: bool
    max_users: int | None
    heard_us: int


class RunRow(_Value, frozen=True):
    """A run in a list. The figures are None until it has ended, or if it never ran."""

    id: str
    label: str
    tags: dict[str, str]
    who: str
    targets: tuple[str, ...]
    agents: tuple[str, ...]
    stage: Stage
    verdict: str | None
    trouble: str
    created_at: datetime
    elapsed_us: int | None
    users: int | None
    hits: int | None
    failed: int | None
    rps: float | None
    p95_us: float | None


class BrokerRow(_Value, frozen=True):
    """The broker; `insecure`: it lets in whoever can reach it."""

    version: str
    host: str
    pid: int
    up_us: int
    store: str
    listens: tuple[str, ...]
    insecure: bool


class ClusterFrame(_Message, frozen=True):
    """The cluster as it is: always whole. `trouble`: the broker does not answer; what stands here is old then."""

    trouble: str
    broker: BrokerRow | None
    agents: tuple[AgentRow, ...]
    runs: tuple[RunRow, ...]
    """Those that go on or wait, and the last ones that ended."""


class RunList(_Value, frozen=True):
    """An answer of ``/api/runs``: those of `total` that fit on this page, the newest first.

    `labels` and `tags` are all that there are, to choose from.
    """

    total: int
    runs: tuple[RunRow, ...]
    labels: tuple[str, ...]
    tags: dict[str, tuple[str, ...]]


class Me(_Value, frozen=True):
    """An answer of ``/api/me``: what this page may do. `local`: the run of one loads-runner, without a cluster."""

    version: str
    may_stop: bool
    local: bool
    run: str | None
    """The only run, if `local`."""
    where: str
    """The broker's address, for people."""


class Refusal(_Value, frozen=True):
    """The body of every answer of the server that is an error."""

    message: str
    hint: str = ""


class Report(_Value, frozen=True):
    """All of a report: the run as a full frame, and each of its series over time."""

    run: RunFrame
    series: tuple[SeriesFrame, ...]


# From the page.


class Watch(_Message, frozen=True):
    """Tell me of the cluster, or with `on` false: no more."""

    on: bool


class Follow(_Message, frozen=True):
    """Tell me of that run, or no more."""

    run: str
    on: bool


class Open(_Message, frozen=True):
    """Tell me of that series of a run that I follow, or no more."""

    run: str
    series: int
    on: bool


ToPage = ClusterFrame | RunFrame | SeriesFrame | Gone
FromPage = Watch | Follow | Open

"""A whole run as it stands: what follows it folds deltas in here, what reports it reads from here.

The same value for a local run, an in-process run, and (later) a run on a cluster. Pure: times come in with the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from loads.metrics.bottleneck import find_bottlenecks
from loads.metrics.counters import Counts
from loads.metrics.details import DetailRow, Details
from loads.metrics.events import MAX_EVENTS, Event, EventKind
from loads.metrics.health import RECENT_US, Health, WorkerHealth
from loads.metrics.machines import Load, MachinePoint, Machines
from loads.metrics.rules import Rules
from loads.metrics.summary import SeriesKey, Summary
from loads.metrics.symptoms import Symptom, find_symptoms, warnings_of
from loads.metrics.threshold import Standing
from loads.metrics.tiers import MAX_POINTS
from loads.metrics.timeline import Point, Timeline
from loads.metrics.verdict import Facts, Judgement, Stop, find_remarks, judge
from loads.units import US_PER_S


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is, known at its start.

    Attributes:
        plan: the load in words.
        due: planned iterations; None when time decides.
        duration_us: planned length; None when iterations decide.
        rules: what it is judged by.
        is_open, has_starts: as of the plan: iterations arrive at a rate, or have times to start at.
        graceful_stop_us: how long iterations in flight may go on after the end.
        fits_memory: nobody said how many users there are for arrivals: as many as memory has room for.
        name, tags: what its user calls it, and knows it by.
    """

    id: str
    started_at: datetime
    targets: tuple[str, ...]
    scenarios: tuple[str, ...]
    plan: str
    users: int
    workers: int
    seed: int
    server_url: str | None
    due: int | None
    duration_us: int | None
    rules: Rules = Rules()
    is_open: bool = False
    has_starts: bool = False
    fits_memory: bool = False
    graceful_stop_us: int = 0
    name: str = ""
    tags: dict[str, str] = {}


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """An agent of the run: workers `first` .. `first + workers - 1` are its."""

    agent: str
    host: str
    first: int
    workers: int


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """What died with one worker process, or with a whole agent: everything between what it delivered last and its end.

    Attributes:
        worker: None: all workers of `agent`.
        reason: how it died, in words.
        from_us, to_us: the interval, from the run's start.
        iterations, sent, unsent: begun in it, outcome unknown. For an agent, whose counters are out of reach, these are
            the least there must be, and `users` are those that it ran in the interval.
    """

    worker: int | None
    incarnation: int
    reason: str
    from_us: int
    to_us: int
    iterations: int
    sent: int
    unsent: int
    agent: str | None = None
    users: int = 0

    @property
    def users_us(self) -> int:
        """User-microseconds of which nothing is known; 0 for a worker, whose counters tell."""
        return self.users * (self.to_us - self.from_us)


class Result(msgspec.Struct, kw_only=True):
    """The run so far, or the whole run once `duration_us` is set.

    Attributes:
        started_lost: iterations that a lost worker began without telling.
        users: VUs that run now, by worker.
        health: how each worker fared itself.
        given_up: workers that died so often that their users stayed away for the rest of the run.
        places: the agents, on a cluster; workers are numbered through.
        unrun_us: time of users that the plan wanted and no agent ran, summed up over them.
        thresholds: how each of them stands.
        details, machines: each series, and each agent or local worker, over time.
        events: what happened, in order of its being known; the first and the last of very many.
    """

    info: RunInfo
    summary: Summary = msgspec.field(default_factory=Summary)
    timeline: Timeline = msgspec.field(default_factory=Timeline)
    losses: list[Loss] = []
    started_lost: int = 0
    users: dict[int, int] = {}
    health: dict[int, WorkerHealth] = {}
    stop: Stop | None = None
    duration_us: int | None = None
    warnings: list[str] = []
    given_up: list[int] = []
    places: list[Place] = []
    unrun_us: int = 0
    thresholds: list[Standing] = []
    details: Details = msgspec.field(default_factory=Details)
    machines: Machines = msgspec.field(default_factory=Machines)
    events: list[Event] = []

    def machine_of(self, worker: int) -> int:
        """The number that `machines` knows the machine of `worker` by: that of its first worker, or its own here."""
        for place in self.places:
            if place.first <= worker < place.first + place.workers:
                return place.first
        return worker

    def name_of(self, worker: int) -> str:
        """``worker 3``, or ``worker 1 of north`` on a cluster."""
        for place in self.places:
            if place.first <= worker < place.first + place.workers:
                return f"worker {worker - place.first} of {place.agent}"
        return f"worker {worker}"

    def add(self, t_us: int, summary: Summary, worker: int = 0, health: Health | None = None) -> None:
        """Fold in what `worker` measured in the second from `t_us` on, and how it fared since it last told."""
        self.absorb(t_us, summary)
        self.bear(t_us, {worker: (Load.of(summary), health)})

    def absorb(self, t_us: int, summary: Summary) -> None:
        """Fold in what was measured in the second from `t_us` on, by whichever workers."""
        self.summary.merge(summary)
        self.timeline.add(t_us, Point.of(summary))
        self.details.add(t_us, summary, self.summary.series)

    def bear(self, t_us: int, workers: Mapping[int, tuple[Load | None, Health | None]]) -> None:
        """Fold in what workers did in the second from `t_us` on, and how they fared since they last told."""
        points: dict[int, MachinePoint] = {}
        for worker, (load, health) in workers.items():
            points.setdefault(self.machine_of(worker), MachinePoint()).merge(MachinePoint.of(load, health))
            if health is not None:
                self.fare(t_us, worker, health)
        self.machines.add(t_us, points)

    def fare(self, t_us: int, worker: int, health: Health) -> None:
        """Fold in how `worker` fared since it last told, in the second from `t_us` on."""
        point = Point.of(Summary(), health)
        self.timeline.add(t_us, point)
        self.health.setdefault(worker, WorkerHealth()).add(t_us, health)
        for second in range(1, min(round(health.wall_us / US_PER_S), MAX_POINTS)):
            self.timeline.add(t_us + second * US_PER_S, Point(cpu_share=point.cpu_share, lag_us=point.lag_us))

    def symptoms(self) -> list[Symptom]:
        """What the workers' own health did to the figures of the run so far."""
        return find_symptoms({worker: health.total for worker, health in self.health.items()}, self.name_of)

    def symptoms_now(self, elapsed_us: int) -> list[Symptom]:
        """The same for the last seconds before `elapsed_us`."""
        from_us = elapsed_us - RECENT_US
        return find_symptoms({worker: health.since(from_us) for worker, health in self.health.items()}, self.name_of)

    def declare(self, loss: Loss, missing: Counts) -> None:
        """Take a dead worker into account: `missing` is what its counters say beyond what it delivered."""
        self.losses.append(loss)
        who = f"agent {loss.agent}" if loss.worker is None else self.name_of(loss.worker)
        told = f"{who} {loss.reason}"
        self.note(Event(t_us=loss.from_us, until_us=loss.to_us, kind=EventKind.LOST, text=told))
        self.started_lost += missing.started
        if loss.worker is not None:
            self.users.pop(loss.worker, None)

    def note(self, event: Event) -> None:
        """Something happened. Of very many the first and the last are kept."""
        self.events.append(event)
        if len(self.events) > MAX_EVENTS:
            del self.events[MAX_EVENTS // 2]

    def series_rows(self, key: SeriesKey, most: int | None = None) -> list[DetailRow]:
        """One series over time; of ``(other)`` with all that was folded into it. `most`: see `Details.rows`."""
        series = self.summary.series
        folded = [each for each in self.details.keys if each != key and each not in series and each.other() == key]
        return self.details.rows(key, most, folded)

    def series_tables(self, most: int | None = None) -> dict[SeriesKey, list[DetailRow]]:
        """The same for all series at once."""
        tables = self.details.tables(most)
        return {
            key: self.series_rows(key, most) if key == key.other() else tables.get(key, [])
            for key in self.summary.series
        }

    def conclude(self, stop: Stop | None) -> None:
        """The run is over, as `stop` says: what there is to be said of the whole of it is added."""
        if self.duration_us is None:
            self.duration_us = 0
        self.stop = stop
        self.users.clear()
        self.warnings += warnings_of(self.symptoms())
        self.warnings += find_remarks(self.facts)
        self.warnings += self.imbalances()

    @property
    def trouble(self) -> int:
        """Failures and errors together."""
        return self.summary.totals.failures + self.summary.totals.errors

    @property
    def started(self) -> int:
        """Iterations begun, lost ones included."""
        return self.summary.totals.started + self.started_lost

    @property
    def due(self) -> int:
        """Iterations that the plan called for: with a duration, those that started."""
        return self.started if self.info.due is None else self.info.due

    @property
    def unstarted(self) -> int:
        """Iterations that the plan called for and nobody began."""
        return self.due - self.started

    @property
    def kept_waiting(self) -> int:
        """Those of them that were due and found no user free."""
        waited = sum(series.unstarted for series in self.summary.series.values())
        return max(0, waited - self.summary.pace.neglected)

    @property
    def lost_sent(self) -> int:
        """Requests that reached the wire and whose outcome died with their worker."""
        return sum(loss.sent for loss in self.losses)

    @property
    def lost_unsent(self) -> int:
        """Requests that failed before the wire and whose kind died with their worker."""
        return sum(loss.unsent for loss in self.losses)

    @property
    def lost_iterations(self) -> int:
        """Iterations that ended with their worker."""
        return sum(loss.iterations for loss in self.losses)

    @property
    def lost_part(self) -> float:
        """Part of the time of all users that went with lost agents, 0..1: what they did in it is not known."""
        lost_us = sum(loss.users_us for loss in self.losses)
        return lost_us / (lost_us + self.summary.totals.users_us) if lost_us else 0.0

    @property
    def unrun_part(self) -> float:
        """Part of the time of all users that nobody ran, though the plan wanted it, 0..1."""
        return self.unrun_us / (self.unrun_us + self.summary.totals.users_us) if self.unrun_us else 0.0

    @property
    def facts(self) -> Facts:
        """What there is to judge."""
        info, totals, hits = self.info, self.summary.totals, self.summary.hits
        healths = {worker: health.total for worker, health in self.health.items()}
        return Facts(
            rules=info.rules,
            stop=self.stop,
            thresholds=tuple(self.thresholds),
            started=self.started,
            ended=totals.ended,
            skipped=totals.skipped,
            failures=totals.failures,
            errors=totals.errors,
            interrupted=totals.interrupted,
            grace_us=info.graceful_stop_us,
            unstarted=self.unstarted,
            kept_waiting=self.kept_waiting,
            neglected=self.summary.pace.neglected,
            retired=totals.retired,
            hits=hits.hits,
            lost=self.lost_sent,
            lost_iterations=self.lost_iterations,
            deaths=sum(loss.worker is not None for loss in self.losses),
            given_up=len(self.given_up),
            agents_lost=sum(loss.worker is None for loss in self.losses),
            lost_part=self.lost_part,
            unrun_part=self.unrun_part,
            imbalances=0 if self.duration_us is None else len(self.imbalances()),
            bottlenecks=tuple(find_bottlenecks(healths, self.summary.pace, hits, info.rules.max_lost, self.name_of)),
            users=info.users,
            is_open=info.is_open,
            is_paced=info.has_starts and not info.is_open and info.duration_us is not None,
            fits_memory=info.fits_memory,
        )

    def judge(self) -> Judgement:
        """Verdict, exit code and reasons."""
        return judge(self.facts)

    def imbalances(self) -> list[str]:
        """Which laws of conservation this finished run breaks, in words; none, unless Loads itself has a fault."""
        totals = self.summary.totals
        known = totals.ended + totals.interrupted + self.lost_iterations
        broken = []
        if self.unstarted < 0:
            broken.append(f"{self.started:,} iterations started and {self.due:,} were due")
        if self.started != known:
            broken.append(f"{self.started:,} iterations started and {known:,} are accounted for")
        for key, series in self.summary.series.items():
            answered = sum(series.statuses.values()) + sum(series.errors.values())
            if series.service.count != series.sent or (key.is_hit and series.hits != answered):
                broken.append(f"{series.hits:,} hits of {key.method} {key.name} are not all accounted for")
        return broken

"""The agents of a run, or the workers of a local one: how each is, and over time.

A machine goes by the number of its first worker, as `Result.machine_of` has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from loads.metrics import machines
from loads.metrics.health import Health, joined
from loads.metrics.result import Result
from loads.metrics.symptoms import Symptom, warnings_of
from loads.metrics.tiers import Row
from loads.report.page import Machine, MachinePoint, Span
from loads.report.view import spans
from loads.report.view.spans import axis_of

Points = dict[int, MachinePoint]
Stages = Mapping[str, tuple[str, bool]]


class MachineChange(NamedTuple):
    """What is new of the points."""

    points: dict[int, tuple[MachinePoint, ...]]
    gone: tuple[Span, ...]


class MachineList:
    """The points of machines that a page has."""

    def __init__(self) -> None:
        self._spans: spans.Spans[Points] = spans.Spans()

    def look(self, result: Result, end_us: int) -> MachineChange:
        """Take all machines as they are now; the run has come to `end_us`."""
        times = result.machines

        def prints(row: Row) -> object:
            return times.packed[row.span], min(end_us, row.t_us + row.width_us)

        def make(span: Span, row: Row) -> Points:
            return _points_of(span, times.points(row.span), end_us, result)

        change = self._spans.look(axis_of(times), prints, make)
        return MachineChange(_by_machine(change.points), change.gone)

    def all(self) -> dict[int, tuple[MachinePoint, ...]]:
        """Every point, by machine."""
        return _by_machine(self._spans.all())


def joined_points(result: Result, end_us: int, most: int) -> dict[int, tuple[MachinePoint, ...]]:
    """At most `most` points of each machine for the whole run."""
    found = []
    for span, rows in spans.joined(axis_of(result.machines), most):
        whole: dict[int, machines.MachinePoint] = {}
        for row in rows:
            for number, point in result.machines.points(row.span).items():
                whole.setdefault(number, machines.MachinePoint()).merge(point)
        found.append(_points_of(span, whole, end_us, result))
    return _by_machine(found)


def _by_machine(found: Iterable[Points]) -> dict[int, tuple[MachinePoint, ...]]:
    points: dict[int, list[MachinePoint]] = {}
    for each in found:
        for number, point in each.items():
            points.setdefault(number, []).append(point)
    return {number: tuple(points[number]) for number in sorted(points)}


def _points_of(span: Span, points: Mapping[int, machines.MachinePoint], end_us: int, result: Result) -> Points:
    """What a page has of one span. Users are counted as those of the whole run, see `figures.users_in`."""
    least_us = span.width_us // 10 if result.info.is_open else 1
    covered_us = min(span.width_us, max(end_us - span.t_us, least_us))
    return {
        number: MachinePoint(
            span.t_us,
            span.width_us,
            min(result.info.users, round(point.users_us / covered_us)),
            point.hits,
            point.failed,
            _rounded(point.cpu_share),
            point.lag_us,
        )
        for number, point in points.items()
    }


def machines_of(result: Result, stages: Stages) -> tuple[Machine, ...]:
    """Each machine as it stands; `stages` says by the name of an agent where it is, and whether it was given up."""
    symptoms = result.symptoms()
    return tuple(_machine(result, symptoms, stages, *each) for each in _machines(result))


def _machines(result: Result) -> Iterator[tuple[str, str, range]]:
    """The name, the host and the workers of each."""
    for place in result.places:
        yield place.agent, place.host, range(place.first, place.first + place.workers)
    if not result.places:
        for worker in sorted({*range(result.info.workers), *result.health, *result.users}):
            yield result.name_of(worker), "", range(worker, worker + 1)


def _machine(
    result: Result,
    symptoms: list[Symptom],
    stages: Stages,
    name: str,
    host: str,
    workers: range,
) -> Machine:
    healths = [result.health[worker].total for worker in workers if worker in result.health]
    stage, lost = stages.get(name) or ("", _is_lost(result, name, workers))
    cpu_share, lag_us, waited_share = _worst(healths)
    return Machine(
        id=workers.start,
        name=name,
        host=host,
        workers=len(workers),
        stage=stage,
        lost=lost,
        users=sum(result.users.get(worker, 0) for worker in workers),
        cpu_share=cpu_share,
        lag_us=lag_us,
        waited_share=waited_share,
        trouble="\n".join(warnings_of([each for each in symptoms if each.worker in workers])),
    )


def _is_lost(result: Result, name: str, workers: range) -> bool:
    if result.places:
        return any(loss.worker is None and loss.agent == name for loss in result.losses)
    return workers.start in result.given_up


def _worst(healths: list[Health]) -> tuple[float | None, int | None, float | None]:
    """The largest share of a processor and the longest lag of any of the workers; and what they waited on average."""
    cpu_share: float | None = None
    lag_us: int | None = None
    for health in healths:
        cpu_share = joined(max, cpu_share, joined(max, health.cpu_peak, health.cpu_share))
        lag_us = joined(max, lag_us, health.lag.max_us if health.lag.counts else None)
    told = [(health.waited_us, health.wall_us) for health in healths if health.waited_us is not None and health.wall_us]
    waited = sum(waited for waited, _ in told) / sum(wall for _, wall in told) if told else None
    return _rounded(cpu_share), lag_us, _rounded(waited)


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)

"""The cluster as others see it: who works for what, and all of it as a status. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from loads.broker.agents import Agents
from loads.broker.recollecting import PIECE_BYTES
from loads.broker.run import LiveRun
from loads.wire.cluster import RunStatus, Status

Runs = Mapping[str, LiveRun]


@dataclass(frozen=True)
class Broker:
    """What a broker is. `clock` names the clock of `now_us`, `wall` gives the time of day for one of its times.

    `listens` are its addresses; `insecure`: one of them lets in whoever can reach it. `piece_bytes`: about so much of a
    run over time it tells at once.
    """

    incarnation: int
    version: str
    host: str
    pid: int
    store: str
    clock: str
    wall: Callable[[int], datetime]
    started_us: int
    listens: tuple[str, ...] = ()
    insecure: bool = False
    piece_bytes: int = PIECE_BYTES


def find_run(runs: Runs, name: str | None) -> LiveRun | None:
    """The one of `runs` whose name begins so, if it is one; None: the latest."""
    if name is None:
        return next(reversed(list(runs.values())), None)
    if name in runs:
        return runs[name]
    found = [run for run in runs.values() if run.id.startswith(name)]
    return found[0] if len(found) == 1 else None


def busy(runs: Runs) -> set[int]:
    """Agent processes that have a seat."""
    return {seat.incarnation for run in runs.values() for seat in run.record.seats}


def busy_names(runs: Runs) -> dict[str, str]:
    """Runs by agent. Who lost its part is free again, once its process is another."""
    return {seat.agent: run.id for run in runs.values() for seat in run.record.seats if seat.lost is None}


def status(broker: Broker, trouble: str | None, agents: Agents, runs: Runs, now_us: int) -> Status:
    """All of it; `trouble` is what is wrong with the store."""
    return Status(
        version=broker.version,
        host=broker.host,
        pid=broker.pid,
        up_us=now_us - broker.started_us,
        store=broker.store if trouble is None else f"{broker.store}: {trouble}",
        agents=tuple(agents.status(busy_names(runs), now_us)),
        runs=tuple(_status_of(run, now_us) for run in runs.values()),
        listens=broker.listens,
        insecure=broker.insecure,
    )


def _status_of(run: LiveRun, now_us: int) -> RunStatus:
    record = run.record
    return RunStatus(
        id=run.id,
        state=record.state,
        who=record.submit.who,
        created_at=record.created_at,
        targets=record.submit.spec.targets,
        agents=tuple(seat.agent for seat in record.seats),
        elapsed_us=run.age_us(now_us),
        name=record.submit.spec.name,
        tags=record.submit.spec.tags,
        users=None if record.info is None else record.info.users,
    )

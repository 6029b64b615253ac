"""The cluster as others see it: who works for what, and all of it as a status. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from loads.broker.agents import Agents
from loads.broker.run import LiveRun
from loads.wire.cluster import RunStatus, Status

if TYPE_CHECKING:
    from loads.broker.state import Broker

Runs = Mapping[str, LiveRun]


def busy(runs: Runs) -> set[int]:
    """Agent processes that have a seat."""
    return {seat.incarnation for run in runs.values() for seat in run.record.seats}


def busy_names(runs: Runs) -> dict[str, str]:
    """Runs by agent."""
    return {seat.agent: run.id for run in runs.values() for seat in run.record.seats}


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
    )

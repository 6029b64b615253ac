"""What can happen to an agent, and what can follow from it: the vocabulary of `AgentState`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loads.agent.records import Base, Record
from loads.metrics.counters import Counts
from loads.pool.events import Event as PoolEvent
from loads.wire.cluster import (
    Batch,
    Beat,
    BundleRef,
    Complete,
    Enlist,
    Standing,
    ToAgent,
    Trouble,
)
from loads.wire.messages import Delta, Load

if TYPE_CHECKING:
    from loads.pool.pool import Report

# Events.


@dataclass(frozen=True)
class Linked:
    """The connection to the broker stands, or it does not any more."""

    up: bool


@dataclass(frozen=True)
class Heard:
    """The broker said `message`."""

    message: ToAgent


@dataclass(frozen=True)
class Obtained:
    """The files of `run` are there, unpacked in the working directory `directory`, and its dependencies."""

    run: str
    directory: str
    search_path: tuple[str, ...]


@dataclass(frozen=True)
class NotObtained:
    """They are not, and why."""

    run: str
    trouble: Trouble


@dataclass(frozen=True)
class Pooled:
    """The pool of `run` reports."""

    run: str
    report: Report


@dataclass(frozen=True)
class PoolBroke:
    """The pool of `run` itself failed."""

    run: str
    trouble: Trouble


@dataclass(frozen=True)
class Inherited:
    """An incarnation that was here before left these records."""

    run: str
    incarnation: int
    records: tuple[Record, ...]


@dataclass(frozen=True)
class Remains:
    """What a worker process left behind: its counters, its last words, the deltas that nobody had taken."""

    incarnation: int
    counts: Counts
    note: str
    deltas: tuple[Delta, ...]


@dataclass(frozen=True)
class Buried:
    """No worker of that estate lives any more."""

    run: str
    incarnation: int
    remains: tuple[Remains, ...]


@dataclass(frozen=True)
class Reading:
    """How the machine is: as `Beat` has it."""

    load: float = 0.0
    cpu_share: float | None = None
    memory_used_bytes: int | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True)
class Tick:
    """Time has passed: to be sent a few times a second."""

    reading: Reading = Reading()


@dataclass(frozen=True)
class Leave:
    """Somebody wants it to go: once its run is over. Said again: now."""


Event = Linked | Heard | Obtained | NotObtained | Pooled | PoolBroke | Inherited | Buried | Tick | Leave

# Effects.


@dataclass(frozen=True)
class Send:
    """Say it to the broker."""

    message: Enlist | Beat | Standing | Complete | Batch | bytes


@dataclass(frozen=True)
class Obtain:
    """Get the files of `run` and what it depends on."""

    run: str
    bundle: BundleRef | None
    test_dir: str | None


@dataclass(frozen=True)
class OpenPool:
    """Start `workers` workers for `run`."""

    run: str
    workers: int
    load: Load


@dataclass(frozen=True)
class ToPool:
    """Put `event` to the pool of `run`."""

    run: str
    event: PoolEvent


@dataclass(frozen=True)
class ClosePool:
    """End what is left of the workers of `run`, at once."""

    run: str


@dataclass(frozen=True)
class Append:
    """Add `record` to the spool, before anything else is done."""

    run: str
    incarnation: int
    record: Record


@dataclass(frozen=True)
class Rewrite:
    """Let the spool begin anew with `base`."""

    run: str
    incarnation: int
    base: Base


@dataclass(frozen=True)
class Drop:
    """Remove the spool and all that belongs to it, the `pages` of its workers, too."""

    run: str
    incarnation: int
    pages: tuple[str, ...]


@dataclass(frozen=True)
class Watch:
    """Tell (`Buried`) when no process holds one of these `pages` (by incarnation) any more."""

    run: str
    incarnation: int
    pages: dict[int, str]


@dataclass(frozen=True)
class Quit:
    """The broker will not have this agent."""

    reason: str
    hint: str


@dataclass(frozen=True)
class Depart:
    """Nothing keeps it any more, or nothing shall: end."""


@dataclass(frozen=True)
class Log:
    """For whoever reads the agent's log."""

    text: str


Effect = Send | Obtain | OpenPool | ToPool | ClosePool | Append | Rewrite | Drop | Watch | Quit | Depart | Log

"""What can happen to the workers of a run, and what can follow from it: the vocabulary of `PoolState`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from loads.metrics.counters import Counts
from loads.metrics.result import Loss
from loads.plan.http import HttpOptions
from loads.plan.share import WHOLE, Portion
from loads.plan.spec import Plan
from loads.wire.messages import Delta, Down, Loaded, LoadFailed, Up


class MemberState(Enum):
    """Where a worker is in its life."""

    STARTING = "starting"
    LOADING = "loading"
    LOADED = "loaded"
    SETTING_UP = "setting up"
    FITTING = "fitting"
    READY = "ready"
    RUNNING = "running"
    RESTING = "resting"
    FINISHING = "finishing"
    GONE = "gone"


# Events.


@dataclass(frozen=True)
class Took:
    """The process `incarnation` is worker `worker` from now on; `page` holds its counters.

    An event, and a report to the owner, before all others of that process.
    """

    worker: int
    incarnation: int
    page: Path


@dataclass(frozen=True)
class Said:
    """Worker `worker` said `message`."""

    worker: int
    message: Up


@dataclass(frozen=True)
class Died:
    """Worker `worker` is gone, and all that it said was handled: why, and what its counters hold."""

    worker: int
    reason: str
    counts: Counts


@dataclass(frozen=True)
class SetUpRun:
    """All are loaded, and this pool was chosen of all of the run: let one worker run setUpRun.

    `RunIsSetUp` follows, or `Refused`. What it wants of the run is said here as in Begin, which comes after it.
    """

    server_url: str | None = None
    http: HttpOptions = field(default_factory=HttpOptions)


@dataclass(frozen=True)
class Begin:
    """The owner agrees to what was loaded: get ready for these `portions` of `plan`.

    Worker 0 of this pool is number `first` of the whole run. Here, and in all other events, it is called 0. `run_data`
    is what setUpRun returned, wherever it ran. The `keeper` is the pool that runs tearDownRun when it Ends.
    """

    plan: Plan
    seed: int
    server_url: str | None
    fresh_session: bool
    think_time_us: tuple[int, int] | None = None
    stop_on_failure: int | None = None
    http: HttpOptions = field(default_factory=HttpOptions)
    first: int = 0
    portions: tuple[Portion, ...] = (WHOLE,)
    from_us: int = 0
    """Of a phase at a rate what is due before, so long after its start, is others'."""
    run_data: bytes = b""
    keeper: bool = False


@dataclass(frozen=True)
class Go:
    """Start phase `phase`."""

    phase: int
    run_at_us: int
    phase_at_us: int


@dataclass(frozen=True)
class Share:
    """From now on hold exactly these `portions`: what is new from phase `from_phase` on, what is missing no more.

    Of a phase at a rate both begin with the iterations that are due `from_us` after its start.
    """

    portions: tuple[Portion, ...]
    from_phase: int
    from_us: int = 0


@dataclass(frozen=True)
class Lease:
    """Iterations may start until `until_us`. For a pool that doesn't renew its lease itself."""

    until_us: int


@dataclass(frozen=True)
class End:
    """No phase will follow.

    The `keeper` of the run has one worker run tearDownRun, after all others of the pool are gone. None: it is who it
    was by Begin, or, before that, who was told SetUpRun.
    """

    keeper: bool | None = None


@dataclass(frozen=True)
class Halt:
    """The user wants it to stop; with `now`, without waiting for what is in flight.

    `grace_us`: how long that may go on, if not as long as the plan says.
    """

    now: bool
    grace_us: int | None = None


@dataclass(frozen=True)
class Tick:
    """Time has passed; to be sent each second."""


Event = Took | Said | Died | SetUpRun | Begin | Go | Share | Lease | End | Halt | Tick

# Effects: on workers, and reports to the owner.


@dataclass(frozen=True)
class Spawn:
    """Start a process for worker `worker`."""

    worker: int


@dataclass(frozen=True)
class Tell:
    """Send `message` to worker `worker`."""

    worker: int
    message: Down


@dataclass(frozen=True)
class Kill:
    """SIGKILL worker `worker`."""

    worker: int


@dataclass(frozen=True)
class AllLoaded:
    """Every worker has the tests: say Begin."""

    loaded: Loaded


@dataclass(frozen=True)
class Refused:
    """The tests can't be run."""

    failure: LoadFailed


@dataclass(frozen=True)
class RunIsSetUp:
    """setUpRun is through, and returned `data` for all workers of the run: say Begin."""

    data: bytes


@dataclass(frozen=True)
class AllReady:
    """The barrier: every worker waits for Go."""


@dataclass(frozen=True)
class Measured:
    """A delta to fold in; the owner's now. Once this report returns, the worker hears that it is safe."""

    worker: int
    incarnation: int
    delta: Delta


@dataclass(frozen=True)
class PhaseOver:
    """No worker runs phase `phase` any more; its last iteration ended at `ended_us` of the run.

    Comes again when the phase was `Resumed`.
    """

    phase: int
    ended_us: int


@dataclass(frozen=True)
class Resumed:
    """Phase `phase` was over, but now a worker runs what was taken of it."""

    phase: int


@dataclass(frozen=True)
class Shared:
    """These portions are held, and nothing else runs any more."""

    portions: tuple[Portion, ...]


@dataclass(frozen=True)
class Lost:
    """A worker died. `missing` is what it began beyond what it delivered.

    `replaced`: another takes its slots. `given_up`: nobody does, though there was time left, for it always dies.
    """

    loss: Loss
    missing: Counts
    replaced: bool
    given_up: bool


@dataclass(frozen=True)
class AllGone:
    """No worker is left, and none will come."""


Report = Took | AllLoaded | RunIsSetUp | Refused | AllReady | Measured | PhaseOver | Resumed | Shared | Lost | AllGone
"""To the owner."""
Effect = Spawn | Tell | Kill | Report

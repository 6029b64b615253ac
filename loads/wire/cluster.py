"""What runners, agents and the broker of a cluster say to each other.

Every peer of the broker begins with `Hello`, whose shape never changes, and hears `Welcome` or `Rejected`. From then on

    runner                          broker                          agent
    Submit          ->                                              <- Enlist            who I am
                    <- Fetch ...    the bundle, in pieces
    Chunk ...       ->
                    <- Accepted     Prepare         ->              reserved: get the bundle, load the tests
                                    Chunk ...       ->              <- Fetch ...
                                                                    <- Standing(LOADED)
                                    SetUp           ->              one of all: run setUpRun
                                                                    <- Standing(SET_UP) what it returned
                                    Fit             ->              the plan, and your portions of it
                                                                    <- Standing(READY)  the barrier
                    <- Snapshot     Go              ->              start phase 0 at that time
                    <- Update ...   Stored ...      ->              <- Batch ...         once a second
                                    Hold            ->              your portions are others now
                                                                    <- Standing(RESTING) through with the phase
                                    Go ...          ->              the next one, or
                                    Wind            ->              no phase will follow: finish; the run's keeper
                                                                    is told last, and runs tearDownRun
                                                                    <- Complete          nothing follows batch n
                    <- Ended        Release         ->              all of it is stored: forget the run

Besides, who follows a run may ask for what its `Snapshot` leaves out, the results by series and by machine over time:

    Recollect       ->                                              what was from there on back in time
                    <- Recollected                                  some of it, the latest first

and `Beat` goes to the broker each second from everybody, with `Beaten` as its answer. All orders to agents are level,
not edge: an agent says in each beat where it stands, the broker says again what it should do next, and an agent that
is there already does nothing. A message that is lost with a connection costs a second, not a run.

Times: `_us` are microseconds. `sent_us` is the sender's monotonic clock, `broker_us` and what is named `at_us` the
broker's, all else counts from the run's start. `from_us` counts from the phase's.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Annotated, Final, Self

import msgspec

from loads.metrics.events import EventKind
from loads.metrics.health import Health
from loads.metrics.machines import Load
from loads.metrics.result import Loss, Result
from loads.metrics.summary import Summary
from loads.metrics.threshold import Standing as ThresholdStanding
from loads.plan.share import Portion
from loads.plan.spec import Plan
from loads.wire.messages import Loaded, RunData
from loads.wire.run import RunSpec

CHUNK_BYTES: Final = 256 * 1024
CHUNKS_AHEAD: Final = 2
"""So many pieces may be asked for and not have come yet: heartbeats must not wait behind files."""


U64 = Annotated[int, msgspec.Meta(ge=0)]
"""Unsigned 64 bits, which is all that MessagePack has room for."""
Moment = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
"""Microseconds, or a count: what a database has room for."""


CpuShare = Annotated[float, msgspec.Meta(ge=0, le=1)]
Processes = Annotated[int, msgspec.Meta(ge=0, le=1_024)]
"""Workers of one agent."""
Name = Annotated[str, msgspec.Meta(max_length=255)]
MOST_TOLD: Final = 16_384
MOST_TRACEBACK: Final = 1 << 20
Told = Annotated[str, msgspec.Meta(max_length=MOST_TOLD)]
"""A sentence or some lines for people."""
TestDir = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$")]
"""A plain name: it becomes a directory's."""


class _Message(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Base: tagged with its class name."""


class Role(Enum):
    """What a peer of the broker is."""

    AGENT = "agent"
    RUNNER = "runner"
    OBSERVER = "observer"
    """Looks, and changes nothing."""


class Stage(Enum):
    """How far an agent is with its part of a run. In this order, but for RUNNING and RESTING, which alternate."""

    PREPARING = "preparing"
    LOADED = "loaded"
    SETTING_UP = "setting up"
    """One agent of a run whose tests have a setUpRun; all others wait for it, loaded."""
    SET_UP = "set up"
    FITTING = "fitting"
    READY = "ready"
    RUNNING = "running"
    RESTING = "resting"
    WINDING = "winding"
    COMPLETE = "complete"
    FAILED = "failed"


class RunState(Enum):
    """Where a run is in its life."""

    WAITING = "waiting"
    """For agents to be free, and for its bundle."""
    PREPARING = "preparing"
    """Agents load the tests."""
    FITTING = "fitting"
    """Agents run fixtures; the barrier follows."""
    RUNNING = "running"
    ENDING = "ending"
    """No phase follows; results come in."""
    ENDED = "ended"
    """The result is final."""
    REFUSED = "refused"
    """It never ran; the reason is kept."""


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """Why something can't be: what happened, what to do, a traceback or a tool's output, and where."""

    message: Told
    hint: Told = ""
    traceback: Annotated[str, msgspec.Meta(max_length=MOST_TRACEBACK)] = ""
    agent: str | None = None

    @classmethod
    def of(cls, message: str, hint: str = "", traceback: str = "") -> Self:
        """With what comes from tests and tools cut to what the wire takes: a traceback tells most at its end."""
        return cls(message=message[:MOST_TOLD], hint=hint[:MOST_TOLD], traceback=traceback[-MOST_TRACEBACK:])


class Track(Enum):
    """What is kept of a run over time."""

    TOTAL = "total"
    SERIES = "series"
    MACHINES = "machines"


class Who(msgspec.Struct, frozen=True):
    """A person at a machine."""

    user: str
    host: str


class BundleRef(msgspec.Struct, frozen=True, kw_only=True):
    """The files of a run, named by their content.

    Attributes:
        sha256: of the archive, hexadecimal.
        targets, search_path: instead of those of the spec, relative to where it is unpacked.
        ca_bundle: where --ca-bundle's file is in it.
        requirements: lines as pip has them, to be installed before.
    """

    sha256: str
    size_bytes: int
    targets: tuple[str, ...]
    search_path: tuple[str, ...]
    ca_bundle: str | None = None
    requirements: tuple[str, ...] = ()


# Everybody, to and from the broker.


class Hello(_Message, frozen=True):
    """First words of every peer; this never changes. `session` is random: the connection's own."""

    protocol: int
    version: Name
    role: Role
    session: U64


class Welcome(_Message, frozen=True):
    """You are known. `incarnation` is new at each start of the broker.

    `insecure`: it also lets in whoever can reach some address, which every screen should say.
    """

    version: str
    incarnation: U64
    insecure: bool = False


class Rejected(_Message, frozen=True):
    """Not with me: why, and what to do. Nothing more is heard."""

    reason: str
    hint: str


class WhoAreYou(_Message, frozen=True):
    """Say Hello again: this connection is new to me."""


class Standing(_Message, frozen=True):
    """Where an agent is with the run it works for. Said at each change, and with each beat.

    Attributes:
        phase: the one it is in, or through with.
        ended_us: RESTING: when its last iteration ended.
        run_us: RUNNING and RESTING: the run's age, for a broker that lost its clock.
        holding: the `version` of the portions that it has; in a phase at a rate, of those that it knows of.
        given_us: of such a phase: what it has ever given up, it runs no more where that is due then or later.
        workers: processes that it runs.
        loaded: LOADED and SET_UP: what the tests are.
        run_data: SET_UP: what setUpRun returned.
        trouble: FAILED: why.
    """

    run: str
    incarnation: U64
    stage: Stage
    phase: Annotated[int, msgspec.Meta(ge=-1)] = -1
    ended_us: Moment = 0
    run_us: int | None = None
    holding: Moment = 0
    given_us: Moment = 0
    workers: Processes = 0
    loaded: Loaded | None = None
    run_data: RunData | None = None
    trouble: Trouble | None = None


class Beat(_Message, frozen=True):
    """I live. An agent says where it stands, and how its machine is.

    Attributes:
        load: load average of the last minute.
        leaving: it goes when its run is over, and wants no other.
        cpu_share: of all processors of the machine, since the beat before; None: not known, like what follows.
        memory_used_bytes, memory_bytes: of the machine.
    """

    sent_us: int
    load: float = 0.0
    standing: Standing | None = None
    leaving: bool = False
    cpu_share: CpuShare | None = None
    memory_used_bytes: Moment | None = None
    memory_bytes: Moment | None = None


class Beaten(_Message, frozen=True):
    """Your beat of `sent_us` was here at `broker_us`."""

    sent_us: int
    broker_us: int


class Fetch(_Message, frozen=True):
    """Send the piece of the bundle from `offset` on."""

    sha256: str
    offset: Moment


class Chunk(_Message, frozen=True):
    """At most `CHUNK_BYTES` of a bundle; none, and a `total` of 0: there is no such bundle here."""

    sha256: str
    offset: Moment
    total: int
    data: bytes


# Agents, to the broker.


class Enlist(_Message, frozen=True):
    """An agent offers itself.

    Attributes:
        identity: random, of its state directory; an agent that is started again there is the same one.
        incarnation: random, of this process.
        estates: (run, incarnation) of results in its state directory that are not yet all delivered.
        standing: the run it works for.
        max_users: the most virtual users that it runs at a time; None: any number.
        room: how many it has memory for, as it is now; None: it does not know.
    """

    name: str
    identity: U64
    incarnation: U64
    host: str
    cores: int
    version: str
    labels: dict[str, str] = {}
    estates: tuple[tuple[str, U64], ...] = ()
    standing: Standing | None = None
    max_users: Annotated[int, msgspec.Meta(ge=1)] | None = None
    room: Annotated[int, msgspec.Meta(ge=1)] | None = None


class Fare(msgspec.Struct, frozen=True, array_like=True):
    """How worker `worker` of the run fared (None: not watched in that time), and what it did (None: nothing)."""

    worker: Moment
    health: Health | None
    load: Load | None = None


class Span(msgspec.Struct, frozen=True, array_like=True):
    """What all workers of an agent measured in the second of the run from `t_us` on."""

    t_us: Moment
    summary: Summary
    fares: Annotated[tuple[Fare, ...], msgspec.Meta(max_length=4_096)] = ()


class Line(msgspec.Struct, frozen=True, array_like=True):
    """What worker `worker` printed, or the agent has to say (worker None)."""

    t_us: Moment
    worker: Moment | None
    text: Annotated[str, msgspec.Meta(max_length=8_192)]


class Lost(msgspec.Struct, frozen=True, array_like=True):
    """A worker died: see `pool.events.Lost`. `started` iterations were begun and never told."""

    loss: Loss
    started: int
    replaced: bool
    given_up: bool


class Batch(_Message, frozen=True):
    """Results number `seq` (from 1) of one incarnation of an agent. Once sent it never changes.

    `users`: virtual users that run now, by worker. `told`: until when, in the run, each worker told what it did, as far
    as that is new. `warnings` are of the agent, for the result.
    """

    run: str
    incarnation: U64
    seq: Moment
    warnings: Annotated[tuple[Told, ...], msgspec.Meta(max_length=100)] = ()
    spans: Annotated[tuple[Span, ...], msgspec.Meta(max_length=64)] = ()
    users: Annotated[dict[int, int], msgspec.Meta(max_length=4_096)] = {}
    told: Annotated[dict[Moment, Moment], msgspec.Meta(max_length=4_096)] = {}
    losses: Annotated[tuple[Lost, ...], msgspec.Meta(max_length=10_000)] = ()
    lines: Annotated[tuple[Line, ...], msgspec.Meta(max_length=1_000)] = ()


class Complete(_Message, frozen=True):
    """No batch follows number `last_seq` of that incarnation: its workers are gone, and what they did is told."""

    run: str
    incarnation: U64
    last_seq: Moment


# The broker, to agents.


class Enlisted(_Message, frozen=True):
    """The offer stands."""


class Prepare(_Message, frozen=True):
    """You are reserved for `run`: get the bundle ready and load the tests.

    Attributes:
        workers: at most so many; None: as many as processors. Never more than `slots`, its most virtual users.
        test_dir: name of the working directory to use again; None: one for this run.
    """

    run: str
    spec: RunSpec
    bundle: BundleRef | None
    workers: int | None
    slots: int
    test_dir: TestDir | None = None


class SetUp(_Message, frozen=True):
    """Of all agents of `run` it is you that runs setUpRun."""

    run: str


class Fit(_Message, frozen=True):
    """The plan stands: run the fixtures and wait at the barrier.

    Attributes:
        first: number of this agent's first worker in the run.
        portions, holding: what it is to run, and the version of that.
        run_data: what setUpRun returned; empty: there is none.
    """

    run: str
    plan: Plan
    first: Moment
    portions: tuple[Portion, ...]
    holding: Moment
    run_data: RunData = b""


class Go(_Message, frozen=True):
    """Start phase `phase` at `phase_at_us`; the run began, or begins, at `run_at_us`. Both of the broker's clock."""

    run: str
    phase: Moment
    run_at_us: int
    phase_at_us: int


class Hold(_Message, frozen=True):
    """From now on the agent's portions are these, version `holding`: take what is new, yield what is missing.

    What is new is run from phase `from_phase` on. Of a phase at a rate all of it changes with the iterations that are
    due `from_us` after its start; who has to give something up may do so later, and says when (`Standing.given_us`).
    """

    run: str
    holding: Moment
    portions: tuple[Portion, ...]
    from_phase: int
    from_us: Moment = 0


class Halt(_Message, frozen=True):
    """Start no more iterations; `now`: cut off those in flight. `grace_us`: how long they may last."""

    run: str
    now: bool
    grace_us: Moment | None = None


class Wind(_Message, frozen=True):
    """No phase follows: run the fixtures' ends, deliver everything, say `Complete`. The `keeper` runs tearDownRun, too:
    all others are through.
    """

    run: str
    keeper: bool = False


class Stored(_Message, frozen=True):
    """All batches through `seq` of that incarnation are on the broker's disk."""

    run: str
    incarnation: U64
    seq: Moment


class Release(_Message, frozen=True):
    """Nothing more is wanted of that incarnation's part in `run`: end what still goes on, and forget it."""

    run: str
    incarnation: U64


class Closed(_Message, frozen=True):
    """The run has ended: what that incarnation still holds was declared lost. Forget it."""

    run: str
    incarnation: U64


# Runners and tools, to the broker.


class Submit(_Message, frozen=True):
    """Run `spec`.

    Attributes:
        nonce: random; said again with the same one, it is the same run.
        agents: so many; None: all that are free. Never more than users.
        names: only these agents; empty: any.
        labels: only agents that have all of these.
        wait: until enough are free.
        elastic: agents that come later get a part of the load.
        per_agent: the load is for each agent; it is multiplied when their number is known.
        detached: nobody waits for the result.
    """

    nonce: U64
    who: Who
    spec: RunSpec
    bundle: BundleRef | None
    agents: int | None
    names: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    wait: bool = False
    elastic: bool = False
    per_agent: bool = False
    detached: bool = False
    test_dir: TestDir | None = None


class Follow(_Message, frozen=True):
    """Tell me all of `run` from now on, and first how it stands. None: the latest that goes on, or the latest."""

    run: str | None


class Cease(_Message, frozen=True):
    """Stop `run`; None: all of them."""

    run: str | None
    now: bool


class Recollect(_Message, frozen=True):
    """Tell me what was by series and machine in spans that begin before `before_us`; None: from the latest on back."""

    run: str
    before_us: Moment | None


class Ask(_Message, frozen=True):
    """How is the cluster? `runs`: tell of at most so many that have ended."""

    runs: int = 0


# The broker, to runners and tools.


class Accepted(_Message, frozen=True):
    """The run has a name."""

    run: str


class Refused(_Message, frozen=True):
    """It can't be, or could not be: a submission, or the run that is followed."""

    run: str | None
    trouble: Trouble


class Seated(msgspec.Struct, frozen=True, kw_only=True):
    """An agent's part in a run, for a screen. Workers `first` .. `first + workers - 1` of the run are its."""

    agent: str
    first: Moment
    workers: Moment
    stage: Stage
    lost: bool = False


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Something that who follows a run is told. With a `t_us` it is an event of the result, too."""

    text: str
    kind: EventKind | None = None
    t_us: int | None = None


class Snapshot(_Message, frozen=True):
    """A run as it stands.

    Attributes:
        result: None before the plan stands. Without what `Recollected` brings.
        elapsed_us: its age; None: not begun.
        who, targets, name, tags: what was submitted, by whom.
    """

    run: str
    state: RunState
    result: Result | None
    elapsed_us: int | None
    seats: tuple[Seated, ...]
    lines: tuple[Line, ...]
    notices: tuple[Notice, ...]
    stop_on_failure: int | None = None
    who: Who | None = None
    targets: tuple[str, ...] = ()
    name: str = ""
    tags: dict[str, str] = {}


class Update(_Message, frozen=True):
    """What came since the last snapshot or update: to be folded into the same result, in this order of fields."""

    run: str
    state: RunState
    elapsed_us: int | None
    spans: tuple[Span, ...] = ()
    users: dict[int, int] = {}
    gone: tuple[int, ...] = ()
    """Workers that run no users any more, for they are lost."""
    losses: tuple[Lost, ...] = ()
    warnings: tuple[str, ...] = ()
    lines: tuple[Line, ...] = ()
    notices: tuple[Notice, ...] = ()
    seats: tuple[Seated, ...] | None = None
    thresholds: tuple[ThresholdStanding, ...] | None = None
    """How they stand; None: as before."""


class Ended(_Message, frozen=True):
    """The run is over, and this is its result, without what `Recollected` brings."""

    run: str
    result: Result
    lines: tuple[Line, ...] = ()
    who: Who | None = None


class Slot(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of one span of the run by series, or by machine: packed, as the result has it."""

    track: Track
    t_us: Moment
    width_us: Moment
    data: bytes


class Recollected(_Message, frozen=True):
    """Some of what was by series and machine before `before_us`, the latest first, whole for each `t_us` that is in it.

    Each takes the place of what was known of that span: it is as after all updates that were said before.
    `more`: there is more before it.
    """

    run: str
    before_us: Moment | None
    slots: tuple[Slot, ...]
    more: bool


class Ceased(_Message, frozen=True):
    """These runs were told to stop."""

    runs: tuple[str, ...]


class AgentStatus(msgspec.Struct, frozen=True, kw_only=True):
    """An agent as the broker sees it. `run` is the one it works for; `heard_us` how long ago it was heard.

    `leaving`: it takes no run any more. `max_users`: the most it runs; None: any number. `cpu_share` and memory are
    those of its last `Beat`.
    """

    name: str
    host: str
    cores: int
    load: float
    version: str
    labels: dict[str, str]
    run: str | None
    heard_us: int
    leaving: bool = False
    max_users: int | None = None
    cpu_share: float | None = None
    memory_used_bytes: int | None = None
    memory_bytes: int | None = None


class Brief(msgspec.Struct, frozen=True, array_like=True):
    """What came of a run, for a list: requests, failed ones among them, requests per second, and the 95th percentile of
    their response times; None: there were none.
    """

    hits: int
    failed: int
    rps: float
    p95_us: float | None


class RunStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A run in a list.

    Attributes:
        users: the most at a time; None: there is no plan yet.
        brief: what came of it; None: it has not ended.
    """

    id: str
    state: RunState
    who: Who
    created_at: datetime
    targets: tuple[str, ...]
    agents: tuple[str, ...]
    elapsed_us: int | None = None
    verdict: str | None = None
    trouble: str | None = None
    name: str = ""
    tags: dict[str, str] = {}
    ended_at: datetime | None = None
    users: int | None = None
    brief: Brief | None = None


class Status(_Message, frozen=True):
    """The cluster as it is. `listens`: the broker's addresses; `insecure`: one of them lets in whoever reaches it."""

    version: str
    host: str
    pid: int
    up_us: int
    store: str
    agents: tuple[AgentStatus, ...]
    runs: tuple[RunStatus, ...]
    listens: tuple[str, ...] = ()
    insecure: bool = False


ToBroker = (
    Hello | Beat | Standing | Enlist | Batch | Complete | Fetch | Chunk | Submit | Follow | Cease | Ask | Recollect
)
"""From any peer."""
ToAgent = (
    Welcome
    | Rejected
    | WhoAreYou
    | Beaten
    | Enlisted
    | Prepare
    | SetUp
    | Fit
    | Go
    | Hold
    | Halt
    | Wind
    | Stored
    | Release
    | Closed
    | Chunk
)
ToRunner = (
    Welcome
    | Rejected
    | WhoAreYou
    | Beaten
    | Accepted
    | Refused
    | Fetch
    | Snapshot
    | Update
    | Ended
    | Recollected
    | Ceased
    | Status
)
FromBroker = ToAgent | ToRunner

"""What a worker and its parent say to each other, in the order in which they say it.

    parent                          worker
                <- Hello            who I am
    Load        ->                  import these targets
                <- Loaded | LoadFailed
    SetUp       ->                  to one worker of the run: run its setUpRun
                <- Delta, SetUpDone | LoadFailed
    Assign      ->                  your share of the load; run the fixtures
                <- Ready
    Start       ->                  a phase begins at that time
                <- Delta ...        once a second
                <- PhaseDone        (or Misused, at any time after Assign)
    Start ...   ->                  the next one, or
    Finish      ->                  run the fixtures' ends, and one worker tearDownRun
                <- Delta, Bye
    Alive       ->                  each second, all the time: no iteration starts without
    Kept        ->                  these deltas are safe with me
    Take        ->                  these virtual users are yours, too
    Yield       ->                  these are not yours any more
                <- Yielded          and they run no more
    Stop        ->                  at any time

A worker whose parent is gone starts nothing more, waits a little for what is in flight, and leaves every delta that was
not `Kept`, its last one and `Bye` in a file beside its page, framed as on the socket.

Times are microseconds of this machine's monotonic clock where named `at_us`, else since the run's start.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from loads.metrics.health import Health
from loads.metrics.summary import Summary
from loads.plan.http import HttpOptions
from loads.plan.share import Portion
from loads.plan.spec import Plan

PROTOCOL: Final = 5
"""Of workers and of the cluster alike; changes whenever a message does."""
MOST_RUN_DATA: Final = (1 << 20) + (64 << 10)
"""Bytes: the megabyte that what setUpRun returns may have, and the names of the classes that it is for."""
RunData = Annotated[bytes, msgspec.Meta(max_length=MOST_RUN_DATA)]


class _Message(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Base: tagged with its class name."""


class Hello(_Message, frozen=True):
    """First words of a worker: its protocol, and the random 64 bits of this process's life."""

    protocol: int
    incarnation: int


class Load(_Message, frozen=True):
    """Import `targets`, with `search_path` in front of sys.path; `select` is a -k expression.

    With a `log_level` the tests' logging goes to `log_file`, or to the standard error. `directory` becomes the working
    directory first; relative paths in `search_path` and `targets` are meant from there. `env` are variables for the
    environment of the tests.
    """

    targets: tuple[str, ...]
    search_path: tuple[str, ...]
    select: str | None = None
    log_level: str | None = None
    log_file: str | None = None
    directory: str | None = None
    env: dict[str, str] = {}


class ScenarioInfo(_Message, frozen=True):
    """One selected test and how often it is chosen."""

    name: str
    weight: int


class Loaded(_Message, frozen=True):
    """The targets hold these tests.

    `hooks` are the fixtures that will run once per worker, `once` those that will run once in the whole run, like
    "shop.TestShop.setUpRun"; `left_out` tests that need what only pytest can give.
    """

    scenarios: tuple[ScenarioInfo, ...]
    hooks: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    once: tuple[str, ...] = ()


class LoadFailed(_Message, frozen=True):
    """The targets can't be used: what is wrong, what to do, and the test file's own traceback if it raised."""

    message: str
    hint: str
    traceback: str


class SetUp(_Message, frozen=True):
    """Run setUpRun of the tests, for the whole run. `server_url` and `http` are the run's, as in `Assign`."""

    server_url: str | None = None
    http: HttpOptions = HttpOptions()


class SetUpDone(_Message, frozen=True):
    """It ran. `data` is what it returned, for every worker; nobody on the way looks into it."""

    data: RunData


class Assign(_Message, frozen=True):
    """Run these `portions` of `plan`, as worker number `worker` of the whole run. `run_data` is from `SetUpDone`."""

    worker: int
    portions: tuple[Portion, ...]
    plan: Plan
    seed: int
    server_url: str | None
    fresh_session: bool
    think_time_us: tuple[int, int] | None = None
    stop_on_failure: int | None = None
    http: HttpOptions = HttpOptions()
    run_data: RunData = b""


class Ready(_Message, frozen=True):
    """Fixtures ran; `runnable` of the selected tests can run (fewer when a setUpClass failed)."""

    runnable: int


class Start(_Message, frozen=True):
    """Phase `phase` begins at `phase_at_us`; the run began (or begins) at `run_at_us`.

    Of a phase at a rate, what is due before `from_us` after its start was a dead worker's, whose place this one has.
    """

    phase: int
    run_at_us: int
    phase_at_us: int
    from_us: int = 0


class Delta(_Message, frozen=True):
    """What was measured in the second of the run that begins at `t_us`; `users` run now. `seq` counts from 1.

    `health` is how the worker fared since the last delta that told of it; None while it was not watched.
    """

    seq: int
    t_us: int
    users: int
    summary: Summary
    health: Health | None = None


class Misused(_Message, frozen=True):
    """A test asked for what nobody gave it, like the URL of the server: the run makes no sense."""

    message: str
    hint: str


class PhaseDone(_Message, frozen=True):
    """All of the worker's users are through with phase `phase`; the last iteration ended at `ended_us`."""

    phase: int
    ended_us: int


class Alive(_Message, frozen=True):
    """The parent is there: iterations may start until `until_us` (of the monotonic clock of this machine)."""

    until_us: int


class Kept(_Message, frozen=True):
    """All deltas through `seq` are safe, whatever happens to the parent."""

    seq: int


class Take(_Message, frozen=True):
    """From phase `from_phase` on, run these `portions` besides what is yours. What of them is over is skipped.

    Of a phase at a rate: the iterations that are due `from_us` after its start, or later.
    """

    portions: tuple[Portion, ...]
    from_phase: int
    from_us: int = 0


class Yield(_Message, frozen=True):
    """Run these `portions` no more: iterations in flight come to their end, others are not begun.

    Of a phase at a rate those that are due before `from_us` after its start are still yours.
    """

    portions: tuple[Portion, ...]
    from_us: int = 0


class Yielded(_Message, frozen=True):
    """No iteration of these `portions` runs here."""

    portions: tuple[Portion, ...]


class Stop(_Message, frozen=True):
    """Start no more iterations; with `now`, cut off those in flight.

    `grace_us`: how long those may go on, if not as long as the plan says.
    """

    now: bool
    grace_us: int | None = None


class Finish(_Message, frozen=True):
    """Run the ends of the fixtures, send what is left, say Bye and exit. With `tear_down_run`, tearDownRun, too."""

    tear_down_run: bool = False


class Bye(_Message, frozen=True):
    """The last words: `last_seq` deltas were sent."""

    last_seq: int


Down = Load | SetUp | Assign | Start | Alive | Kept | Take | Yield | Stop | Finish
"""From the parent to a worker."""
Up = Hello | Loaded | LoadFailed | SetUpDone | Ready | Delta | Misused | PhaseDone | Yielded | Bye
"""From a worker to its parent."""
Message = Down | Up

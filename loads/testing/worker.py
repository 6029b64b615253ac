"""A worker process: the protocol of the real one (`worker.process`, `worker.link`), with iterations that are made up.

It counts with the real recorder into a page that outlives it, keeps deltas until they are `Kept`, and leaves those that
are not beside its page when its agent dies.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from loads.client.recorder import Recorder
from loads.metrics.counters import PAGE_BYTES, Counts
from loads.metrics.health import Health
from loads.metrics.summary import ErrorKey
from loads.plan.spec import Plan
from loads.testing.arrivals import Arrivals
from loads.testing.shift import Shift
from loads.testing.world import Lane as Pipe
from loads.testing.world import Process
from loads.units import US_PER_S
from loads.wire.codec import frame, from_parent
from loads.wire.messages import (
    PROTOCOL,
    Alive,
    Assign,
    Bye,
    Delta,
    Down,
    Finish,
    Hello,
    Kept,
    Load,
    Loaded,
    LoadFailed,
    PhaseDone,
    Ready,
    ScenarioInfo,
    SetUp,
    SetUpDone,
    Start,
    Stop,
    Take,
    Up,
    Yield,
    Yielded,
)
from loads.worker.holding import Holding
from loads.worker.lanes import Lane

if TYPE_CHECKING:
    from loads.testing.machine import AgentProcess, FakePool

SCENARIO: Final = "t.Test.test"
UNFIT: Final = "unfit"
"""A target of this name can't be loaded."""
ONCE: Final = "once"
"""One of this name has a setUpRun and a tearDownRun."""
_ORPHAN_US: Final = 2 * US_PER_S
HEARS_US: Final = 30_000
"""After it was woken up, a process has looked at all its timers and sockets."""


class Page:
    """What a worker leaves: its counters, and its last words beside them."""

    def __init__(self, worker: Worker) -> None:
        self.data = bytearray(PAGE_BYTES)
        self.words = bytearray()
        self.worker = worker

    @property
    def counts(self) -> Counts:
        """The counters."""
        return Counts.read(bytes(self.data))


class Worker(Process):
    """Worker `number` of `pool`, for `run`."""

    def __init__(self, agent: AgentProcess, pool: FakePool, run: str, number: int) -> None:
        self.incarnation = agent.world.random.getrandbits(64)
        super().__init__(agent.world, f"{agent.machine.name}/{number}/{self.incarnation >> 48:04x}", agent.skew_us)
        self.agent: AgentProcess = agent
        self.run: str = run
        self.number = number
        self.page = Page(self)
        self.path = f"{agent.machine.name}/{self.incarnation:016x}"
        self.recorder = Recorder(memoryview(self.page.data).cast("Q"))
        self.holding = Holding()
        self.assign: Assign | None = None
        self.lease_until_us = 0
        self.orphaned = False
        self.users = 0
        self.said_bye = False
        self.stop: Stop | None = None
        self.shift: Shift | Arrivals | None = None
        self.taken: set[int] = set()
        """Slots that run in the current phase, or did; at a rate: lanes."""
        self._start: Start | None = None
        self._over: set[int] = set()
        """Lanes that an earlier Start of the phase ran to their end."""
        self._phase = -1
        self._run_at_us: int | None = None
        self._flushed_us = 0
        self._seq = 0
        self._acts: deque[Down] = deque()
        self._acting = False
        self._unkept: deque[tuple[int, bytes]] = deque()
        self.down = Pipe(self.world, self._hear, lambda: self.awake, 2_000)
        self.up = Pipe(self.world, lambda data: pool.hear(self, data), lambda: agent.awake, 2_000)
        self.on_thaw.append(self.down.resume)
        agent.on_thaw.append(self.up.resume)
        self.say(Hello(protocol=PROTOCOL, incarnation=self.incarnation))

    @property
    def may_start(self) -> bool:
        """Whether it would begin an iteration now, had it one to begin."""
        return self.awake and not self.orphaned and self.agent.alive and self.time_us() <= self.lease_until_us

    @property
    def has_yet_to_hear(self) -> bool:
        """It stood still while its agent died, and has just been woken up: it hears of it with its next turn."""
        woken_us = self.world.now_us - (self.thawed_us or -HEARS_US)
        return not self.agent.alive and not self.orphaned and woken_us < HEARS_US

    def describe(self) -> str:
        """For who wonders what it does."""
        left_s = (self.lease_until_us - self.time_us()) / US_PER_S
        return f"{self} lease={left_s:.3f}s orphaned={self.orphaned} awake={self.awake} {self.shift!r}"

    def say(self, message: Up) -> None:
        """To the agent, or to the file of last words when there is none."""
        data = frame(message)
        if self.orphaned:
            self.page.words += data
            return
        if isinstance(message, Delta):
            self._unkept.append((message.seq, data))
        self.up.put(data)

    def lose_parent(self) -> None:
        """Its agent is dead: begin nothing more, wait a little for what is in flight, leave everything and end."""
        if self.orphaned or not self.alive:
            return
        self.orphaned = True
        self.up.close()
        self.down.close()
        self.page.words += b"".join(data for _, data in self._unkept)
        self._halt(Stop(now=False))
        self.later(_ORPHAN_US, lambda: self._halt(Stop(now=True)))
        self._acts.append(Finish())
        self._act_next()

    def die(self) -> None:
        """Its page and what it wrote stay."""
        if not self.alive:
            return
        super().die()
        self.agent.machine.cluster.deaths += not self.said_bye
        if self.shift is not None:
            self.shift.forget()
        self.up.put(None)

    def slots(self) -> set[int]:
        """What is its own of the current phase."""
        if self.assign is None or self._phase < 0:
            return set()
        return self.holding.slots(self._phase, self.assign.plan.phases[self._phase].users)

    def error(self) -> None:
        """An iteration went wrong."""
        t_us = self.time_us() - (self._run_at_us or 0)
        self.recorder.error(ErrorKey("error", "E", "t.py:1"), max(0, t_us), "wrong", "", SCENARIO, "/")

    def _hear(self, data: bytes | None) -> None:
        assert data is not None
        for message in from_parent().feed(data):
            self._heed(message)

    def _heed(self, message: Down) -> None:
        if not isinstance(message, Alive | Kept):
            self.world.note(self, "hears", message)
        match message:
            case Alive(until_us=until_us):
                self.lease_until_us = until_us
            case Kept(seq=seq):
                while self._unkept and self._unkept[0][0] <= seq:
                    self._unkept.popleft()
            case Stop():
                self._halt(message)
            case Take(portions=portions, from_phase=from_phase, from_us=from_us):
                self.holding.take(portions, from_phase, from_us)
                if isinstance(self.shift, Shift):
                    new = self.slots() - self.taken
                    if self.shift.take(new):
                        self.taken |= new
                elif self.shift is not None:
                    self._hold(self.shift)
            case Yield():
                self._yield(message)
            case _:
                if isinstance(message, Assign):
                    self.holding.take(message.portions)
                self._acts.append(message)
                self._act_next()

    def _yield(self, message: Yield) -> None:
        self.holding.give(message.portions, message.from_us)
        if isinstance(self.shift, Shift):
            gone = self.taken - self.slots()
            self.taken -= gone
            self.shift.give(gone, lambda: self.say(Yielded(portions=message.portions)))
            return
        if self.shift is not None:
            self._hold(self.shift)
        self.say(Yielded(portions=message.portions))

    def _hold(self, arrivals: Arrivals) -> None:
        lanes = self._lanes()
        if arrivals.hold(lanes):
            self.taken |= {lane.number for lane in lanes}

    def _lanes(self) -> list[Lane]:
        """What is its own of the current phase at a rate, but for what is over."""
        if self.assign is None or self._start is None:
            return []
        users = self.assign.plan.phases[self._phase].users
        held = self.holding.lanes(self._phase, users, self._start.from_us)
        return [lane for lane in held if lane.number not in self._over]

    def _halt(self, stop: Stop) -> None:
        if not self.alive:
            return
        if self.stop is None or stop.now:
            self.stop = stop
        if self.shift is not None:
            self.shift.stop(stop)

    def _act_next(self) -> None:
        """One after the other, each takes its time."""
        if self._acting or not self._acts:
            return
        self._acting = True
        message = self._acts.popleft()
        if self.orphaned and not isinstance(message, Finish):
            self._done()
        elif isinstance(message, Start):
            self._begin(message)
        else:
            self.later(self.world.between(1_000, 200_000), lambda: self._act(message))

    def _act(self, message: Down) -> None:
        match message:
            case Load(targets=targets):
                if targets[0] == UNFIT:
                    self.say(LoadFailed(message="can't be loaded", hint="", traceback=""))
                else:
                    once = ("t.Test.setUpRun", "t.Test.tearDownRun") if targets[0] == ONCE else ()
                    self.say(Loaded(scenarios=(ScenarioInfo(name=SCENARIO, weight=1),), hooks=(), once=once))
            case SetUp():
                self.say(SetUpDone(data=self.agent.machine.cluster.target.set_up(self)))
            case Assign():
                self.agent.machine.cluster.target.check_data(self, message.run_data)
                self.assign = message
                self.say(Ready(runnable=1))
            case Finish(tear_down_run=tear_down_run):
                if tear_down_run and not (self.stop is not None and self.stop.now):
                    self.agent.machine.cluster.target.tear_down(self)
                self._flush(last=True)
                self.say(Bye(last_seq=self._seq))
                self.said_bye = True
                self.die()
        self._done()

    def _done(self) -> None:
        self._acting = False
        if self.alive:
            self._act_next()

    def _begin(self, start: Start) -> None:
        assert self.assign is not None
        if self._phase != start.phase:
            self.taken.clear()
        self._phase = start.phase
        if self._run_at_us is None:
            self._run_at_us = start.run_at_us
        self._flushed_us = max(self._run_at_us, self.time_us())
        self._start = start
        shift = self.shift = self._make_shift(start, self.assign.plan)
        self.later(self._to_next_second_us(), lambda: self._second(shift))
        if self.stop is not None:
            shift.stop(self.stop)
        shift.check()

    def _make_shift(self, start: Start, plan: Plan) -> Shift | Arrivals:
        def over(ended_us: int) -> None:
            self._through(start, ended_us)

        if plan.phases[start.phase].arrivals is not None:
            self._over = set(self.taken)
            lanes = self._lanes()
            self.taken |= {lane.number for lane in lanes}
            return Arrivals(self, start, plan, lanes, over)
        slots = self.slots() - self.taken
        self.taken |= slots
        shift = Shift(self, start, plan, over)
        shift.take(slots)
        return shift

    def _through(self, start: Start, ended_us: int) -> None:
        self.shift = None
        self._flush(last=True)
        self.say(PhaseDone(phase=start.phase, ended_us=max(0, ended_us - start.run_at_us)))
        self._done()

    def _second(self, shift: Shift | Arrivals) -> None:
        if self.shift is shift:
            self._flush()
            self.later(self._to_next_second_us(), lambda: self._second(shift))

    def _to_next_second_us(self) -> int:
        return US_PER_S - (self.time_us() - (self._run_at_us or 0)) % US_PER_S

    def _flush(self, *, last: bool = False) -> None:
        summary = self.recorder.take()
        if last and not any(summary.counts) and not summary.errors:
            return
        t_us = max(0, self._flushed_us - (self._run_at_us or 0)) // US_PER_S * US_PER_S
        self._flushed_us = self.time_us()
        health = Health(wall_us=US_PER_S, cpu_us=1_000, users=self.users) if self.world.chance(0.2) else None
        self._seq += 1
        self.say(Delta(seq=self._seq, t_us=t_us, users=self.users, summary=summary, health=health))

"""A run of worker processes, pool and owner by seeded chance: deaths, hangs, late messages, stops.

The promise: nothing raises, each run comes to AllGone, and what the workers' own counters say is in the result or
declared lost. The workers count with the real recorder; they and the shell's pipes are all that is made up.
"""

from __future__ import annotations

from collections import deque
from random import Random

import pytest

from loads.metrics.counters import Counts
from loads.metrics.result import Result
from loads.metrics.summary import SeriesKey, Summary
from loads.plan.profile import Stage
from loads.plan.share import slots_of
from loads.plan.spec import Phase, Plan
from loads.pool.events import (
    AllGone,
    AllLoaded,
    AllReady,
    Begin,
    Died,
    Effect,
    End,
    Event,
    Go,
    Halt,
    Kill,
    Lost,
    Measured,
    PhaseOver,
    Refused,
    RunIsSetUp,
    Said,
    SetUpRun,
    Spawn,
    Tell,
    Tick,
)
from loads.pool.state import PoolState
from loads.units import US_PER_S
from loads.wire.messages import (
    PROTOCOL,
    Assign,
    Bye,
    Delta,
    Down,
    Finish,
    Hello,
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
    Up,
)
from tests.build import info_of, new_recorder

SCHEDULES = 300
LOADED = Loaded(scenarios=(ScenarioInfo(name="t", weight=1),), hooks=())
FAILED = LoadFailed(message="t can't be imported", hint="", traceback="")
KEY = SeriesKey("t", "GET", "/")


class Process:
    """A worker process as its parent sees it: what it was told waits in `inbox`, what it said in `outbox`."""

    def __init__(self, random: Random, incarnation: int, *, loads: bool) -> None:
        self._random = random
        self._loads = loads
        self._recorder = new_recorder()
        self._in_flight = 0
        self._seq = 0
        self._left: int | None = None
        self._plan: Plan | None = None
        self._slots = 0
        self._phase: Start | None = None
        self._stop: Stop | None = None
        self.inbox: deque[Down] = deque()
        self.outbox: deque[Up] = deque([Hello(protocol=PROTOCOL, incarnation=incarnation)])
        self.hangs = False
        self.dead = False
        self.set_up = 0
        self.torn_down = 0

    @property
    def counts(self) -> Counts:
        return Counts.read(self._recorder.page.tobytes())

    def act(self, now_us: int) -> None:
        """Read one message, or go on with the phase."""
        if self.hangs or self.dead:
            return
        if self.inbox:
            self._read(self.inbox.popleft())
        elif self._phase is not None:
            self._run(self._phase, now_us)

    def _read(self, message: Down) -> None:
        match message:
            case Load():
                self.outbox.append(LOADED if self._loads else FAILED)
            case SetUp():
                self.set_up += 1
                self.outbox.append(SetUpDone(data=b"d"))
            case Assign():
                assert message.run_data == (b"d" if message.seed else b"")
                self._plan = message.plan
                self._slots = sum(len(slots_of(portion, 4)) for portion in message.portions)
                if self._random.random() < 0.2:
                    self._request()
                    self._flush(0)
                self.outbox.append(Ready(runnable=1))
            case Start():
                assert self._plan is not None
                phase = self._plan.phases[message.phase]
                self._phase = message
                self._left = None if phase.hits is None else self._slots * phase.hits
            case Stop():
                self._stop = message
            case Finish():
                self.torn_down += message.tear_down_run
                self._flush(0)
                self.outbox.append(Bye(last_seq=self._seq))
                self.dead = True

    def _run(self, start: Start, now_us: int) -> None:
        t_us = max(0, now_us - start.run_at_us)
        assert self._plan is not None
        length_us = self._plan.phases[start.phase].duration_us
        ending = self._stop is not None or (length_us is not None and now_us >= start.phase_at_us + length_us)
        cut_off = self._stop is not None and self._stop.now
        if self._in_flight and (cut_off or self._random.random() < 0.5):
            self._in_flight -= 1
            if cut_off:
                self._recorder.interrupted("t")
            else:
                self._request()
                self._recorder.ended("t", 5, failed=False)
        elif not ending and self._left != 0 and now_us >= start.phase_at_us:
            self._recorder.started()
            self._in_flight += 1
            self._left = None if self._left is None else self._left - 1
        elif not self._in_flight and (ending or self._left == 0):
            self._flush(t_us)
            self.outbox.append(PhaseDone(phase=start.phase, ended_us=t_us))
            self._phase = None
        if self._phase is not None and self._random.random() < 0.3:
            self._flush(t_us)

    def _request(self) -> None:
        self._recorder.sending()
        self._recorder.hit(KEY, 5, 200, None, True, 1, 1)

    def _flush(self, t_us: int) -> None:
        summary = self._recorder.take()
        if summary != Summary():
            self._seq += 1
            self.outbox.append(Delta(seq=self._seq, t_us=t_us, users=1, summary=summary))


class Simulation:
    """The shell and the owner (as a local run is one) around a PoolState."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now_us = 1_000 * US_PER_S
        self.workers = self.random.randint(1, 4)
        self.plan = self._draw_plan()
        self.state = PoolState(self.workers, Load(targets=("t",), search_path=()))
        self.processes: dict[int, Process] = {}
        self.buried: list[Counts] = []
        self.result = Result(info=info_of(due=self.plan.due, duration_us=self.plan.duration_us))
        self.run_at_us: int | None = None
        self.halt: Halt | None = None
        self.phases_over: list[int] = []
        self.once = self.random.random() < 0.5
        self.set_up = self.torn_down = 0
        self.refused = 0
        self.gone = 0
        self._deaths = self.random.choice([0.0, 0.005, 0.03])
        self._hangs = self.random.choice([0.0, 0.0, 0.003])
        self._halts = self.random.choice([0.0, 0.002, 0.02])
        self.is_kind = not self._deaths and not self._hangs
        self._is_patient = self.random.random() < 0.5
        self._bad_tests = self.random.choice([0.0, 0.0, 0.0, 0.05])

    def run(self) -> None:
        for effect in self.state.start():
            self._perform(effect)
        begun_us, next_tick_us = self.now_us, self.now_us + US_PER_S
        while not self.gone:
            self.now_us += self.random.randrange(150_000)
            if self.now_us >= next_tick_us:
                next_tick_us += US_PER_S
                self._handle(Tick())
            self._maybe_halt(self.now_us - begun_us)
            for number in list(self.processes):
                self._let_act(number)
            assert self.now_us - begun_us < 1_000 * US_PER_S, f"no end in sight: {self.state}"

    def _let_act(self, number: int) -> None:
        process, random = self.processes[number], self.random
        for _ in range(random.randint(0, 3)):
            process.act(self.now_us)
        process.hangs = process.hangs or random.random() < self._hangs
        process.dead = process.dead or random.random() < self._deaths
        for _ in range(len(process.outbox) if process.dead else random.randint(0, 2)):
            if process.outbox:
                self._handle(Said(number, process.outbox.popleft()))
        if process.dead and not process.outbox:
            del self.processes[number]
            self.buried.append(process.counts)
            self.set_up += process.set_up
            self.torn_down += process.torn_down
            self._handle(Died(number, "was killed by chance", process.counts))

    def _maybe_halt(self, elapsed_us: int) -> None:
        """The user loses patience by chance, at the latest after a minute, for good after two; some never in a run."""
        if self._is_patient and self.run_at_us is not None:
            return
        if self.halt is None and (self.random.random() < self._halts or elapsed_us > 60 * US_PER_S):
            self._stop(Halt(now=False))
        elif self.halt == Halt(now=False) and (self.random.random() < self._halts or elapsed_us > 120 * US_PER_S):
            self._stop(Halt(now=True))

    def _stop(self, halt: Halt) -> None:
        self.halt = halt
        self._handle(halt)
        if self.run_at_us is None:
            self._handle(End())

    def _handle(self, event: Event) -> None:
        assert not self.gone or not isinstance(event, Said | Died)
        for effect in self.state.handle(event, self.now_us):
            self._perform(effect)

    def _perform(self, effect: Effect) -> None:
        assert not self.gone, f"{effect} after AllGone"
        match effect:
            case Spawn(number):
                assert number not in self.processes, f"two processes for worker {number}"
                loads = self.random.random() >= self._bad_tests
                process = Process(self.random, self.random.getrandbits(64), loads=loads)
                process.hangs = self.run_at_us is not None and self.random.random() < 50 * self._hangs
                self.processes[number] = process
            case Tell(number, message):
                if number in self.processes:
                    self.processes[number].inbox.append(message)
            case Kill(number):
                if number in self.processes:
                    self.processes[number].dead = True
            case AllLoaded():
                if self.halt is not None:
                    self._handle(End())
                else:
                    self._handle(SetUpRun() if self.once else Begin(self.plan, 0, None, False))
            case RunIsSetUp(data):
                stopped = self.halt is not None or self.refused
                self._handle(End() if stopped else Begin(self.plan, 7, None, False, run_data=data, keeper=True))
            case AllReady():
                self.run_at_us = None if self.halt is not None else self.now_us + 50_000
                self._handle(End() if self.run_at_us is None else Go(0, self.run_at_us, self.run_at_us))
            case Measured(_, _, delta):
                self.result.add(delta.t_us, delta.summary)
            case Lost(loss, missing):
                self.result.declare(loss, missing)
            case PhaseOver(phase):
                self._next_phase(phase)
            case Refused():
                self.refused += 1
                self._handle(End())
            case AllGone():
                self.gone += 1

    def _next_phase(self, phase: int) -> None:
        self.phases_over.append(phase)
        if self.halt is None and not self.refused and phase + 1 < len(self.plan.phases):
            assert self.run_at_us is not None
            self._handle(Go(phase + 1, self.run_at_us, self.now_us + 50_000))
        else:
            self._handle(End())

    def _draw_plan(self) -> Plan:
        def phase() -> Phase:
            if self.random.random() < 0.5:
                return Phase(4, hits=self.random.randint(1, 6))
            return Phase(4, stages=(Stage(0, 4), Stage(self.random.randint(1, 8) * US_PER_S, 4)))

        return Plan(tuple(phase() for _ in range(self.random.randint(1, 3))), graceful_stop_us=2 * US_PER_S)


@pytest.mark.parametrize("seed", range(SCHEDULES))
def test_whatever_dies_the_run_ends_and_everything_is_accounted_for(seed: int) -> None:
    run = Simulation(seed)
    run.run()
    totals, told = run.result.summary.totals, run.result.summary.counts
    done = [sum(column) for column in zip(*run.buried, strict=True)]
    assert run.gone == 1
    assert run.refused <= 1
    assert run.phases_over == list(range(len(run.phases_over)))
    assert run.result.started == totals.ended + totals.interrupted + run.result.lost_iterations == done[0]
    assert told.sent + run.result.lost_sent == done[2]
    assert run.result.unstarted >= 0
    assert run.set_up <= run.once
    assert run.torn_down <= run.once
    if run.set_up and run.is_kind and run.halt != Halt(now=True):
        assert run.torn_down == 1
    if not run.result.losses and run.halt is None and not run.refused:
        assert run.result.unstarted == 0
        assert len(run.phases_over) == len(run.plan.phases)

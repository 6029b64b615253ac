"""What is held changes again and again, workers are slow, die and come to their ends meanwhile.

The promise: when all has been said, each slot of what is held is run by exactly one worker, and nothing else is; and
no share is reported to hold while something that was given up for it still runs.
"""

from __future__ import annotations

from collections import Counter, deque
from random import Random

import pytest

from loads.metrics.counters import Counts
from loads.plan.profile import Stage
from loads.plan.share import WHOLE, Portion, cut, slots_of
from loads.plan.spec import Phase, Plan
from loads.pool.events import Begin, Died, Effect, End, Event, Go, PhaseOver, Resumed, Said, Share, Shared, Spawn, Tell
from loads.pool.state import PoolState
from loads.units import US_PER_S
from loads.wire.messages import (
    PROTOCOL,
    Assign,
    Down,
    Hello,
    Load,
    Loaded,
    PhaseDone,
    Ready,
    ScenarioInfo,
    Start,
    Take,
    Up,
    Yield,
    Yielded,
)
from loads.worker.holding import Holding

USERS = 24
LOADED = Loaded(scenarios=(ScenarioInfo(name="t", weight=1),), hooks=())
PHASE_US = 1_000 * US_PER_S


class Process:
    """A worker as its parent sees it: it heeds Take and Yield as they come, and runs what it holds when it is told."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._users = 0
        self._holding = Holding()
        self._start: Start | None = None
        self._orders: deque[Down] = deque()
        self._leaving: deque[tuple[Yield, set[int]]] = deque()
        self._running: set[int] = set()
        self._done: set[int] = set()
        self.inbox: deque[Down] = deque()
        self.outbox: deque[Up] = deque([Hello(protocol=PROTOCOL, incarnation=random.getrandbits(64))])
        self.in_phase = False

    @property
    def slots(self) -> set[int]:
        """All that run here, those on their way out included."""
        return self._running.union(*(slots for _, slots in self._leaving))

    def act(self) -> None:
        if self.inbox:
            self._hear(self.inbox.popleft())
        if self._leaving and self._random.random() < 0.5:
            message, _ = self._leaving.popleft()
            self.outbox.append(Yielded(portions=message.portions))
        if not self.in_phase and self._orders:
            self._act(self._orders.popleft())
        elif self.in_phase and not self._running and self._start is not None:
            self.in_phase = False
            self.outbox.append(PhaseDone(phase=self._start.phase, ended_us=1))

    def come_to_an_end(self) -> None:
        """All users are through, as they are with hits."""
        self._done |= self._running
        self._running = set()

    def _ours(self) -> set[int]:
        return set() if self._start is None else self._holding.slots(self._start.phase, self._users)

    def _hear(self, message: Down) -> None:
        match message:
            case Assign():
                self._holding.take(message.portions)
                self._users = message.plan.phases[0].users
                self._orders.append(message)
            case Take():
                self._holding.take(message.portions, message.from_phase)
                if self.in_phase:
                    self._running |= self._ours() - self._done
            case Yield():
                self._holding.give(message.portions)
                gone = self._running - self._ours()
                self._running -= gone
                self._done &= self._ours()
                self._leaving.append((message, gone))
            case Load() | Start():
                self._orders.append(message)

    def _act(self, message: Down) -> None:
        match message:
            case Load():
                self.outbox.append(LOADED)
            case Assign():
                self.outbox.append(Ready(runnable=1))
            case Start():
                if self._start is None or self._start.phase != message.phase:
                    self._done = set()
                self._start, self.in_phase = message, True
                self._running = self._ours() - self._done


class Agent:
    """The shell and the owner around a PoolState."""

    def __init__(self, seed: int, phase: Phase) -> None:
        self.random = Random(seed)
        self.workers = self.random.randint(1, 4)
        self.now_us = 1_000 * US_PER_S
        self.plan = Plan((phase, phase))
        self.timed = phase.hits is None
        self.state = PoolState(self.workers, Load(targets=("t",), search_path=()), own_lease=False)
        self.processes: dict[int, Process] = {}
        self.portions: tuple[Portion, ...] = self.draw()
        self.asked: deque[tuple[Portion, ...]] = deque()
        self.over = False
        self.perform(self.state.start())
        self.settle()
        self.handle(Begin(self.plan, 7, None, False, portions=self.portions))
        self.settle()
        self.handle(Go(0, self.now_us, self.now_us))

    def draw(self) -> tuple[Portion, ...]:
        """Some disjoint portions of the whole, cut somehow."""
        portions: list[Portion] = [WHOLE]
        for _ in range(self.random.randint(0, 3)):
            chosen = portions.pop(self.random.randrange(len(portions)))
            portions += cut(chosen, self.random.randint(2, 3))
        return tuple(self.random.sample(portions, self.random.randint(0, len(portions))))

    def share(self, from_phase: int = 0) -> None:
        self.portions = self.draw()
        self.asked.append(self.portions)
        self.handle(Share(self.portions, from_phase))

    def kill(self) -> None:
        number = self.random.choice(list(self.processes))
        process = self.processes.pop(number)
        while process.outbox:
            self.handle(Said(number, process.outbox.popleft()))
        self.handle(Died(number, "was killed", Counts()))

    def settle(self) -> None:
        """Let all be said and heard."""
        for _ in range(400):
            self.step()

    def step(self) -> None:
        for number, process in list(self.processes.items()):
            if self.random.random() < 0.7:
                process.act()
            while process.outbox and self.random.random() < 0.7:
                self.handle(Said(number, process.outbox.popleft()))

    def handle(self, event: Event) -> None:
        self.now_us += 1
        self.perform(self.state.handle(event, self.now_us))

    def perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Spawn(number):
                    self.processes[number] = Process(self.random)
                case Tell(number, message):
                    if number in self.processes:
                        self.processes[number].inbox.append(message)
                case PhaseOver():
                    assert not self.over, "over twice"
                    self.over = True
                case Resumed():
                    assert self.over, "resumed what was not over"
                    self.over = False
                case Shared(portions):
                    assert portions == self.asked.popleft()
                    if not self.asked:
                        assert set(self.running()) <= self.held(), "given up, reported, and run"

    def held(self) -> set[int]:
        return {slot for portion in self.portions for slot in slots_of(portion, USERS)}

    def running(self) -> Counter[int]:
        return Counter(slot for process in self.processes.values() for slot in process.slots)


def phase_of(timed: bool) -> Phase:
    return Phase(USERS, stages=(Stage(0, USERS), Stage(PHASE_US, USERS))) if timed else Phase(USERS, hits=5)


@pytest.mark.parametrize("seed", range(150))
def test_each_slot_of_what_is_held_runs_once_whoever_dies(seed: int) -> None:
    agent = Agent(seed, phase_of(timed=True))
    for _ in range(agent.random.randint(1, 6)):
        agent.share()
        for _ in range(agent.random.choice([0, 3, 30])):
            agent.step()
        if agent.random.random() < 0.3 and agent.processes:
            agent.kill()
    agent.settle()
    assert agent.running() == Counter(agent.held())
    assert not agent.asked
    assert agent.over is not bool(agent.held())


@pytest.mark.parametrize("seed", range(100))
def test_what_is_taken_is_run_although_all_was_over_and_the_phase_ends_again(seed: int) -> None:
    agent = Agent(seed, phase_of(timed=False))
    for _ in range(4):
        for process in agent.processes.values():
            if agent.random.random() < 0.5:
                process.come_to_an_end()
        for _ in range(agent.random.choice([0, 2, 10])):
            agent.step()
        agent.share()
    agent.settle()
    assert set(agent.running()) <= agent.held()
    assert max(agent.running().values(), default=1) == 1
    for process in agent.processes.values():
        process.come_to_an_end()
    agent.settle()
    assert agent.over
    assert not agent.asked
    agent.over = False
    agent.handle(Go(1, agent.now_us, agent.now_us))
    agent.settle()
    assert agent.running() == Counter(agent.held())
    agent.handle(End())


@pytest.mark.parametrize("seed", range(50))
def test_what_is_taken_for_a_later_phase_does_not_run_before(seed: int) -> None:
    agent = Agent(seed, phase_of(timed=False))
    agent.settle()
    before = agent.held()
    agent.share(from_phase=1)
    agent.settle()
    assert set(agent.running()) <= before & agent.held()
    for process in agent.processes.values():
        process.come_to_an_end()
    agent.settle()
    agent.over = False
    agent.handle(Go(1, agent.now_us, agent.now_us))
    agent.settle()
    assert agent.running() == Counter(agent.held())

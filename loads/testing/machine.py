"""An agent process as `agent.server` is one, around the real states of agent and pool; and the machine it runs on.

It may die between any two effects. What is in its spools and on the pages of its workers stays for the next one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loads.agent.events import (
    Append,
    Buried,
    ClosePool,
    Depart,
    Drop,
    Effect,
    Event,
    Heard,
    Inherited,
    Leave,
    Linked,
    Log,
    NotObtained,
    Obtain,
    Obtained,
    OpenPool,
    Pooled,
    Quit,
    Reading,
    Remains,
    Rewrite,
    Send,
    Tick,
    ToPool,
    Watch,
)
from loads.agent.records import decode_records, encode_record
from loads.agent.state import LEASE_US, Agent, AgentState
from loads.errors import ProtocolError
from loads.pool import events as pool_events
from loads.pool.output import Printed
from loads.pool.state import PoolState
from loads.testing.arrivals import Arrivals
from loads.testing.wires import Peer
from loads.testing.worker import Page, Worker
from loads.testing.world import Broken
from loads.units import US_PER_S
from loads.wire.cluster import Beaten, Hello, Role, ToBroker, Trouble, WhoAreYou
from loads.wire.codec import decode_from_broker, encode, frame, from_worker
from loads.wire.messages import PROTOCOL, Delta, Load

if TYPE_CHECKING:
    from loads.testing.cluster import Cluster

TICK_US: Final = 250_000
UNPROVIDED: Final = "unprovided"
"""The bundle of this hash can't be had."""


class Machine:
    """Has a state directory, a clock, and at most one agent process at a time."""

    def __init__(
        self,
        cluster: Cluster,
        name: str,
        cores: int,
        grace_us: int,
        labels: Mapping[str, str] | None = None,
        max_users: int | None = None,
        room: int | None = None,
    ) -> None:
        self.cluster = cluster
        self.name = name
        self.cores = cores
        self.grace_us = grace_us
        self.labels = labels or {}
        self.max_users = max_users
        self.room = room
        self.identity = cluster.world.random.getrandbits(64)
        self.skew_us = cluster.world.between(0, 10**12)
        self.spools: dict[tuple[str, int], bytearray] = {}
        self.pages: dict[str, Page] = {}
        self.agent: AgentProcess | None = None
        self.lost = False
        """It burnt down."""

    def start(self) -> None:
        """Start an agent, if none runs."""
        if not self.lost and (self.agent is None or not self.agent.alive):
            self.agent = AgentProcess(self)
            self.agent.begin()

    def burn(self) -> None:
        """Nothing is left, and it never comes back."""
        self.lost = True
        for page in self.pages.values():
            page.worker.die()
        if self.agent is not None:
            self.agent.die()
        self.spools.clear()

    def check_room(self, agent: AgentProcess) -> None:
        """At no moment does an agent run more users than it has room for."""
        users = sum(worker.users for worker in self.workers() if worker.agent is agent)
        at_rate = any(isinstance(worker.shift, Arrivals) for worker in self.workers())  # there numbers change at once
        if self.max_users is not None and users > self.max_users and not at_rate:
            raise Broken(f"{agent} runs {users} users and has room for {self.max_users}")

    def workers(self) -> list[Worker]:
        """Those that live."""
        return [page.worker for page in self.pages.values() if page.worker.alive]


class AgentProcess(Peer):
    """One start of an agent. `fuse`: it dies before that many more effects."""

    def __init__(self, machine: Machine) -> None:
        world = machine.cluster.world
        super().__init__(world, machine.name, machine.skew_us)
        self.machine = machine
        self.incarnation = world.random.getrandbits(64)
        self.fuse: int | None = None
        self.told_to_leave = 0
        self.heard_us = world.now_us
        self.grace_until_us = 0
        """Until then load may go on without the broker, for its process was seen to go."""
        self._pools: dict[str, FakePool] = {}
        self._queue: deque[Event] = deque()
        self._doing = False
        self.state = AgentState(
            Agent(
                name=machine.name,
                identity=machine.identity,
                incarnation=self.incarnation,
                host=machine.name,
                cores=machine.cores,
                limit=machine.cores,
                version="1",
                grace_us=machine.grace_us,
                labels=machine.labels,
                max_users=machine.max_users,
                room=lambda: machine.room,
            )
        )

    @property
    def is_in_grace(self) -> bool:
        """Whether its load may double, within the declared time."""
        return self.alive and self.world.now_us <= self.grace_until_us

    def begin(self) -> None:
        """Take over what earlier processes left, and go to the broker."""
        self.world.note(self, f"starts as {self.incarnation:016x}")
        for (run, incarnation), data in sorted(self.machine.spools.items()):
            records = tuple(decode_records(bytes(data)))
            del data[sum(len(encode_record(record)) for record in records) :]
            self.put(Inherited(run, incarnation, records))
        self.machine.cluster.net.join(self)
        self._tick()

    def hear(self, data: bytes) -> None:
        """A message of the broker came."""
        message = decode_from_broker(data)
        self.heard_us = self.world.now_us
        if isinstance(message, WhoAreYou):
            self._hello()
        if isinstance(message, Beaten):
            self.grace_until_us = min(self.grace_until_us, self.world.now_us + LEASE_US)
        self.put(Heard(message))  # type: ignore[arg-type]

    def linked(self, up: bool) -> None:
        """The connection stands, or does not any more."""
        self.world.note(self, "is linked" if up else "is not linked any more")
        if up:
            self._hello()
        elif self.state.part is not None and self.time_us() <= self.state.part.lease_until_us:
            self.grace_until_us = max(self.grace_until_us, self.world.now_us + self.machine.grace_us)
        self.put(Linked(up))

    def put(self, event: Event) -> None:
        """Handle `event`, and what follows from what follows."""
        self._queue.append(event)
        if self._doing:
            return
        self._doing = True
        while self._queue and self.alive:
            for effect in self.state.handle(self._queue.popleft(), self.time_us()):
                if self.alive:
                    self._perform(effect)
            self.machine.cluster.laws.check_outboxes(self)
        self._doing = False

    def leave(self) -> None:
        """SIGTERM."""
        if self.alive:
            self.told_to_leave += 1
            self.when_awake(lambda: self.put(Leave()))

    def die(self) -> None:
        """Its workers see it at once."""
        if not self.alive:
            return
        self.world.note(self, "dies")
        self.machine.cluster.deaths += 1
        super().die()
        for worker in self.machine.workers():
            if worker.agent is self:
                self.world.clock.call_in(self.world.between(1, 2_000), partial(worker.when_awake, worker.lose_parent))

    def _hello(self) -> None:
        session = self.world.random.getrandbits(64)
        self.send(encode(Hello(protocol=PROTOCOL, version="1", role=Role.AGENT, session=session)))

    def _tick(self) -> None:
        self.later(TICK_US, self._tick)
        self.put(Tick(Reading(load=0.5, cpu_share=0.25)))

    def _perform(self, effect: Effect) -> None:
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse <= 0:
                self._die_before(effect)
                return
        match effect:
            case Send(message):
                self._send(message)
            case Append(run, incarnation, record):
                self.machine.spools.setdefault((run, incarnation), bytearray()).extend(encode_record(record))
            case Rewrite(run, incarnation, base):
                self.machine.spools[run, incarnation] = bytearray(encode_record(base))
            case Drop():
                self.later(self.world.between(1_000, 50_000), lambda: self._drop(effect))
            case Obtain():
                self.later(self.world.between(10_000, 400_000), lambda: self._obtain(effect))
            case OpenPool(run, workers, load):
                self._pools[run] = FakePool(self, run, workers, load)
                self._pools[run].open()
            case ToPool(run, event):
                if run in self._pools:
                    self._pools[run].handle(event)
            case ClosePool(run):
                if run in self._pools:
                    self._pools.pop(run).close()
            case Watch():
                self._watch(effect)
            case Quit(reason):
                raise Broken(f"{self} was sent away: {reason}")
            case Depart():
                self.machine.cluster.laws.check_departure(self)
                self.die()
            case Log(text):
                self.world.note(f"{self}:", text)

    def _die_before(self, effect: Effect) -> None:
        self.world.note(self, "dies before", type(effect).__name__)
        if isinstance(effect, Append):  # the kernel had a part of it
            data = encode_record(effect.record)
            torn = data[: self.world.random.randrange(len(data))]
            self.machine.spools.setdefault((effect.run, effect.incarnation), bytearray()).extend(torn)
        self.die()

    def _send(self, message: ToBroker | bytes) -> None:
        self.world.note(self, "says", message if not isinstance(message, bytes) else "a batch")
        self.send(message if isinstance(message, bytes) else encode(message))

    def _obtain(self, effect: Obtain) -> None:
        if effect.bundle is not None and effect.bundle.requirements == (UNPROVIDED,):
            self.put(NotObtained(effect.run, Trouble(message="no such distribution")))
        else:
            self.put(Obtained(effect.run, "/work", (".",)))

    def _drop(self, drop: Drop) -> None:
        self.machine.spools.pop((drop.run, drop.incarnation), None)
        for page in drop.pages:
            self.machine.pages.pop(page, None)

    def _watch(self, watch: Watch) -> None:
        """Wait for workers that lost their agent to end, and read what they left."""
        pages = {incarnation: self.machine.pages.get(page) for incarnation, page in watch.pages.items()}
        if any(page is not None and page.worker.alive for page in pages.values()):
            self.later(100_000, lambda: self._watch(watch))
            return
        if (watch.run, watch.incarnation) not in self.machine.spools:
            return  # nobody wants to know any more
        remains = tuple(_remains(incarnation, page) for incarnation, page in pages.items())
        self.put(Buried(watch.run, watch.incarnation, remains))


def _remains(incarnation: int, page: Page | None) -> Remains:
    if page is None:
        raise Broken(f"the page of {incarnation:016x} is gone before it was read")
    words = list(from_worker().feed(bytes(page.words)))
    deltas = tuple(word for word in words if isinstance(word, Delta))
    return Remains(incarnation, page.counts, "", deltas)


class FakePool:
    """`pool.pool` around the real `PoolState`, with worker processes that are made up."""

    def __init__(self, agent: AgentProcess, run: str, workers: int, load: Load) -> None:
        self.agent = agent
        self.run = run
        self.state = PoolState(workers, load, own_lease=False)
        self._workers: dict[int, Worker] = {}
        self._closed = False

    def open(self) -> None:
        """Start all workers."""
        for effect in self.state.start():
            self._perform(effect)
        self.agent.later(US_PER_S, self._tick)

    def close(self) -> None:
        """Kill what is left."""
        self._closed = True
        for worker in self._workers.values():
            worker.die()

    def handle(self, event: pool_events.Event) -> None:
        """Put `event` to the state."""
        for effect in self.state.handle(event, self.agent.time_us()):
            if not self.agent.alive:
                return
            self._perform(effect)

    def hear(self, worker: Worker, data: bytes | None) -> None:
        """`worker` wrote `data`; None: it is dead, and nothing follows."""
        if self._closed:
            return
        if data is None:
            self._workers.pop(worker.number, None)
            self.handle(pool_events.Died(worker.number, "was killed by SIGKILL", worker.page.counts))
            return
        for message in from_worker().feed(data):
            try:
                self.handle(pool_events.Said(worker.number, message))
            except ProtocolError as error:
                raise Broken(f"{worker} broke the protocol: {error}") from error

    def _tick(self) -> None:
        if not self._closed:
            self.agent.later(US_PER_S, self._tick)
            self.handle(pool_events.Tick())

    def _perform(self, effect: pool_events.Effect) -> None:
        match effect:
            case pool_events.Spawn(number):
                self.agent.later(self.agent.world.between(5_000, 200_000), lambda: self._spawn(number))
            case pool_events.Tell(number, message):
                if number in self._workers:
                    self._workers[number].down.put(frame(message))
            case pool_events.Kill(number):
                if number in self._workers:
                    self._workers[number].die()
            case _:
                self.agent.put(Pooled(self.run, effect))

    def _spawn(self, number: int) -> None:
        if self._closed:
            return
        worker = self._workers[number] = Worker(self.agent, self, self.run, number)
        self.agent.machine.pages[worker.path] = worker.page
        self.handle(pool_events.Took(number, worker.incarnation, Path(worker.path)))
        if self.agent.world.chance(0.3):
            self.agent.put(Pooled(self.run, Printed(number, "hello")))

"""A cluster by seeded chance: what runs on it, and all that befalls it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from loads.metrics.rules import Rules
from loads.plan.load import LoadOptions
from loads.plan.pacer import RateStage
from loads.plan.profile import Stage
from loads.testing.cluster import Cluster
from loads.testing.laws import BACK_WITHIN_US
from loads.testing.machine import UNPROVIDED, Machine
from loads.testing.runner import Runner
from loads.testing.worker import ONCE, UNFIT
from loads.units import RATE_PER_S, US_PER_S
from loads.wire.cluster import BundleRef

FAULTS_UNTIL_US: Final = 20 * US_PER_S
NOTED: Final = 300
"""Lines of what happened that are told with an error; the command tells all."""
RETURN_US: Final = 6 * US_PER_S
"""A broker that was started again waits so long for its agents."""
REGIONS: Final = ("eu", "us")
THRESHOLDS: Final = ("p(50) < 170ms over 3s abort", "errors < 4", "hits > 100 or no data")
"""Of which some runs cross some."""
GRACES_US: Final = (0, 0, 5 * US_PER_S, 30 * US_PER_S)


class Chaos:
    """Does things to `cluster`, at times of its own choice."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.world = cluster.world
        self._kills = 4
        """More deaths of workers than this, and their pool gives them up."""
        self._elastic = self.world.chance(0.25)
        self._capped = self.world.chance(0.4)

    def prepare(self) -> None:
        """Machines, runs and what will happen."""
        world = self.world
        grace_us = world.random.choice(GRACES_US)
        for number in range(world.between(1, 4)):
            self._add_machine(f"a{number}", grace_us)
        for number in range(world.random.choice((1, 1, 1, 2, 3))):
            self._at(world.between(200_000, 1_500_000 + number * 3_000_000), self._submit)
        few = world.chance(0.4)
        for _ in range(world.between(0, 2) if few else world.between(2, 12)):
            fault = world.random.choices(*zip(*self._faults(), strict=True))[0]
            self._at(world.between(500_000, FAULTS_UNTIL_US - US_PER_S), fault)

    def _faults(self) -> list[tuple[Callable[[], None], int]]:
        return [
            (self._break_link, 4),
            (self._cut, 5),
            (self._freeze_agent, 4),
            (self._kill_agent, 4),
            (self._light_agent, 6),
            (self._leave, 4),
            (self._burn, 2),
            (self._kill_worker, 3),
            (self._freeze_worker, 1),
            (self._freeze_broker, 2),
            (self._kill_broker, 3),
            (self._light_broker, 6),
            (self._fill_disk, 2),
            (self._slow_peer, 2),
            (self._vanish, 2),
            (self._follow, 2),
            (self._stop, 2),
            (self._arrive, 3 if self._elastic else 1),
        ]

    # Runs.

    def _submit(self) -> None:
        world = self.world
        bundle = None
        if world.chance(0.3):
            requirements = (UNPROVIDED,) if world.chance(0.1) else ()
            sha256 = f"{world.between(0, 2):064x}"
            bundle = BundleRef(
                sha256=sha256, size_bytes=1, targets=("t",), search_path=(".",), requirements=requirements
            )
        self.cluster.submit(
            self._load(),
            agents=world.random.choice((None, 1, 2, len(self.cluster.machines))),
            wait=world.chance(0.6),
            elastic=self._elastic,
            per_agent=world.chance(0.1),
            target=UNFIT if world.chance(0.03) else ONCE if world.chance(0.2) else "t",
            bundle=bundle,
            stop_on_failure=world.between(1, 5) if world.chance(0.1) else None,
            labels={"region": world.random.choice(REGIONS)} if world.chance(0.15) else {},
            rules=Rules(THRESHOLDS, warm_up_us=world.between(0, 2) * US_PER_S) if world.chance(0.2) else Rules(),
        )
        if world.chance(0.15):  # when it was chosen, and may not know it yet
            self._in(world.between(0, 300_000), self._leave)

    def _add_machine(self, name: str, grace_us: int) -> None:
        world = self.world
        labels = {"region": world.random.choice(REGIONS)} if world.chance(0.5) else {}
        max_users = world.between(1, 8) if self._capped and world.chance(0.6) else None
        cores, room = world.between(1, 2), world.between(1, 30)
        self.cluster.add_machine(name, cores=cores, grace_us=grace_us, labels=labels, max_users=max_users, room=room)

    def _load(self) -> LoadOptions:
        world = self.world
        users = tuple(world.between(1, 9) for _ in range(world.random.choice((1, 1, 2))))
        grace_us = world.between(0, 4) * US_PER_S
        match world.between(0, 6):
            case 4 | 5 | 6:
                return self._rate(grace_us)
            case 0:
                hits = tuple(world.between(1, 6) for _ in range(world.random.choice((1, 1, 2))))
                return LoadOptions(users=users, hits=hits, graceful_stop_us=grace_us)
            case 1:
                lengths_us = [world.between(1, 5) * US_PER_S for _ in range(3)]
                stages = tuple(Stage(length_us, world.between(1, 6)) for length_us in lengths_us)
                return LoadOptions(stages=stages, graceful_stop_us=grace_us)
        duration_us = world.between(2, 16) * US_PER_S // len(users)
        ramp_up_us = duration_us // 2 if world.chance(0.3) else None
        return LoadOptions(users=users, duration_us=duration_us, ramp_up_us=ramp_up_us, graceful_stop_us=grace_us)

    def _rate(self, grace_us: int) -> LoadOptions:
        """Arrivals, sometimes more than the users can serve."""
        world = self.world
        max_users = world.between(1, 12) if world.chance(0.5) else None
        poisson = world.chance(0.3)
        if world.chance(0.3):
            lengths_us = [world.between(1, 5) * US_PER_S for _ in range(3)]
            rates = tuple(RateStage(length_us, world.between(1, 40) * RATE_PER_S) for length_us in lengths_us)
            return LoadOptions(rates=rates, poisson=poisson, max_users=max_users, graceful_stop_us=grace_us)
        return LoadOptions(
            arrival_rate=world.between(1, 40) * RATE_PER_S,
            duration_us=world.between(2, 16) * US_PER_S,
            poisson=poisson,
            max_users=max_users,
            graceful_stop_us=grace_us,
        )

    # Faults of agents.

    def _machine(self) -> Machine:
        return self.world.random.choice(list(self.cluster.machines.values()))

    def _break_link(self) -> None:
        """Not of one that stands still: its kernel would not hear of it, and neither would its workers."""
        peer = self.world.random.choice([*self.cluster.runners, self._machine().agent])
        if peer is not None and peer.awake and not peer.cut and peer.wire is not None:
            self._note("the link of", peer, "breaks")
            self.cluster.disturb()
            peer.wire.break_off()

    def _cut(self) -> None:
        """Silence, in both directions; the end of it may be the end of the connection, too."""
        peer = self.world.random.choice([*self.cluster.runners, self._machine().agent])
        if peer is None or not peer.alive or peer.cut:
            return
        self._note(peer, "is cut off")
        self.cluster.disturb()
        peer.cut = True

        def end() -> None:
            if not peer.cut:
                return
            self._note(peer, "is not cut off any more")
            self.cluster.disturb()
            peer.cut = False
            if peer.wire is not None and peer.awake and breaks:
                peer.wire.break_off()
            elif peer.wire is not None:
                peer.wire.resume()

        breaks = self.world.chance(0.4)
        self._in(self._while_us(), end)

    def _freeze_agent(self) -> None:
        agent = self._machine().agent
        if agent is not None and agent.awake:
            self._note(agent, "is frozen")
            self.cluster.disturb()
            agent.freeze()
            self._in(self._while_us(), lambda: self._thaw(agent))

    def _thaw(self, process: object) -> None:
        self._note(process, "is thawed")
        self.cluster.disturb()
        process.thaw()  # type: ignore[attr-defined]

    def _kill_agent(self) -> None:
        machine = self._machine()
        if machine.agent is not None and machine.agent.alive:
            self.cluster.disturb()
            machine.agent.die()
            self._revive(machine)

    def _light_agent(self) -> None:
        """It dies before one of its next effects."""
        machine = self._machine()
        agent = machine.agent
        if agent is not None and agent.alive:
            agent.fuse = self.world.between(1, 60)
            self.cluster.disturb(15 * US_PER_S)
            self._note(agent, f"will die within {agent.fuse} effects")
            self._revive(machine)

    def _revive(self, machine: Machine) -> None:
        """Or never."""
        if self.world.chance(0.85):
            for delay_us in (self._while_us(), 15 * US_PER_S):
                self._in(delay_us, machine.start)

    def _leave(self) -> None:
        """It is told to go: once, or once more while it still finishes its run; later another comes, or none."""
        machine = self._machine()
        agent = machine.agent
        if agent is None or not agent.alive:
            return
        self._note(agent, "is told to leave")
        self.cluster.disturb(15 * US_PER_S)
        agent.leave()
        if self.world.chance(0.3):
            self._in(self._while_us(), agent.leave)
        self._revive(machine)

    def _burn(self) -> None:
        machine = self._machine()
        if not machine.lost:
            self._note(machine.name, "burns")
            self.cluster.disturb()
            machine.burn()

    def _arrive(self) -> None:
        self.cluster.disturb(10 * US_PER_S)
        grace_us = self._machine().grace_us
        name = f"a{len(self.cluster.machines)}"
        self._note(name, "comes")
        self._add_machine(name, grace_us)

    def _kill_worker(self) -> None:
        workers = self._machine().workers()
        if workers and self._kills:
            self._kills -= 1
            worker = self.world.random.choice(workers)
            self._note(worker, "is killed")
            self.cluster.disturb()
            worker.die()

    def _freeze_worker(self) -> None:
        workers = self._machine().workers()
        if workers and self._kills:
            self._kills -= 1
            worker = self.world.random.choice(workers)
            self._note(worker, "is frozen")
            self.cluster.disturb(20 * US_PER_S)
            worker.freeze()
            self._in(self._while_us(), worker.thaw)

    # Faults of the broker and of runners.

    def _freeze_broker(self) -> None:
        broker = self.cluster.broker
        if broker is not None and broker.awake:
            length_us = self._while_us()
            self._note("the broker is frozen")
            self.cluster.disturb(length_us + RETURN_US)
            broker.freeze()
            self._in(length_us, broker.thaw)

    def _kill_broker(self) -> None:
        if self.cluster.broker is not None:
            self.cluster.broker.die()
            self._restart_broker()

    def _light_broker(self) -> None:
        """It dies before one of its next effects."""
        broker = self.cluster.broker
        if broker is not None and broker.alive:
            broker.fuse = self.world.between(1, 60)
            self._note(f"the broker will die within {broker.fuse} effects")
            self._restart_broker()

    def _restart_broker(self) -> None:
        delay_us, rebooted = self._while_us(), self.world.chance(0.2)
        self.cluster.disturb(delay_us + 10 * US_PER_S + RETURN_US)
        for again_us in (delay_us, delay_us + 10 * US_PER_S):
            self._in(again_us, lambda: self.cluster.start_broker(rebooted=rebooted))

    def _fill_disk(self) -> None:
        length_us = self._while_us()
        self._note("the disk is full")
        self.cluster.disturb(length_us + BACK_WITHIN_US)
        self.cluster.disk.full = True
        self._in(length_us, lambda: setattr(self.cluster.disk, "full", False))

    def _slow_peer(self) -> None:
        """What is said to it finds no room."""
        broker = self.cluster.broker
        if broker is not None and broker.wires:
            wire = self.world.random.choice(list(broker.wires.values()))
            length_us = self._while_us()
            self._note(wire.peer, "is slow")
            self.cluster.disturb(length_us)
            wire.full = True
            self._in(length_us, lambda: setattr(wire, "full", False))

    def _runner(self) -> Runner | None:
        alive = [runner for runner in self.cluster.runners if runner.alive]
        return self.world.random.choice(alive) if alive else None

    def _vanish(self) -> None:
        runner = self._runner()
        if runner is not None:
            self._note(runner, "vanishes")
            runner.die()

    def _follow(self) -> None:
        runner = self._runner()
        if runner is not None and runner.run is not None:
            self.cluster.follow(runner.run)

    def _stop(self) -> None:
        runner = self._runner()
        if runner is not None:
            runner.stop(now=self.world.chance(0.5))
            self._note(runner, "wants its run to stop", runner.ceasing)

    # Time.

    def _while_us(self) -> int:
        world = self.world
        return world.between(50_000, world.random.choice((500_000, 3_000_000, 5_000_000, 12_000_000)))

    def _at(self, at_us: int, call: Callable[[], object]) -> None:
        self.world.clock.call_at(at_us, call)

    def _in(self, delay_us: int, call: Callable[[], object]) -> None:
        """Unless it is over by then."""
        self.world.clock.call_in(delay_us, call)

    def _note(self, *what: object) -> None:
        self.world.note("*", *what)


def simulate(seed: int) -> Cluster:
    """One cluster and all that befalls it; closed, for who wants to look at it.

    Raises:
        Broken: a law does not hold. Noted on it, as on any other error, are the seed and what happened last.
    """
    with Cluster(seed) as cluster:
        try:
            Chaos(cluster).prepare()
            cluster.run_until(FAULTS_UNTIL_US)
            cluster.settle()
        except Exception as error:
            error.add_note(f"{cluster.world.story(NOTED)}\npython -m loads.testing {seed}")
            raise
        return cluster

"""A cluster in memory: a broker, agents with their workers, and runners, around the real states, messages and store.

    with Cluster(seed) as cluster:
        cluster.add_machine("north", cores=2)
        runner = cluster.submit(load, agents=1)
        cluster.run_until(cluster.now_us + 10 * US_PER_S)
        cluster.settle()

Whatever is done to it, `laws` are checked all the time, and those of the end by `settle`.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from loads.broker.engine import FILE_NAME
from loads.broker.record import RunRecord
from loads.broker.store import Store
from loads.metrics.rules import Rules
from loads.plan.load import LoadOptions
from loads.testing.broker import BrokerProcess, Disk
from loads.testing.laws import BACK_WITHIN_US, Laws
from loads.testing.machine import Machine
from loads.testing.runner import Runner
from loads.testing.target import Target
from loads.testing.wires import Net
from loads.testing.world import Broken, World
from loads.units import US_PER_S
from loads.wire.cluster import BundleRef, RunState, Submit, Who
from loads.wire.run import RunSpec

LOOK_US: Final = 500_000
ENDS_WITHIN_US: Final = 90 * US_PER_S
"""So soon after the last fault all runs are over: 30 s of patience, and the longest plan."""
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a store that syncs to memory is ten times as fast


class Cluster:
    """One seed's cluster; a context manager, for its store is a file. `disturbed_until_us`: users may stand still."""

    def __init__(self, seed: int) -> None:
        self.world = World(seed)
        self._directory = Path(tempfile.mkdtemp(prefix="loads-", dir=_MEMORY if _MEMORY.is_dir() else None))
        shutil.copy(_empty_store(), self._directory / FILE_NAME)
        self.disk = Disk(Store(None, self._directory))
        self.target = Target(self.world)
        self.laws = Laws(self)
        self.net = Net(self.world, lambda: self.broker)
        self.machines: dict[str, Machine] = {}
        self.runners: list[Runner] = []
        self.skews: dict[str, int] = {}
        self.disturbed_until_us = 0
        self.deaths = 0
        """Of agents and workers, so far."""
        self.broker: BrokerProcess | None = None
        self._boot()
        self.start_broker()
        self._look()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.disk.store.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def now_us(self) -> int:
        """The true time."""
        return self.world.now_us

    # What is there.

    def add_machine(
        self,
        name: str,
        *,
        cores: int = 1,
        grace_us: int = 0,
        labels: Mapping[str, str] | None = None,
        max_users: int | None = None,
        room: int | None = None,
    ) -> Machine:
        """A machine with an agent that runs."""
        machine = self.machines[name] = Machine(self, name, cores, grace_us, labels, max_users, room)
        machine.start()
        return machine

    def submit(
        self,
        load: LoadOptions,
        *,
        agents: int | None = None,
        wait: bool = False,
        elastic: bool = False,
        per_agent: bool = False,
        target: str = "t",
        bundle: BundleRef | None = None,
        stop_on_failure: int | None = None,
        labels: Mapping[str, str] | None = None,
        rules: Rules | None = None,
    ) -> Runner:
        """A runner that wants a run."""
        spec = RunSpec(
            targets=(target,),
            search_path=(".",),
            load=load,
            workers=None,
            seed=1,
            server_url=None,
            fresh_session=False,
            stop_on_failure=stop_on_failure,
            rules=rules or Rules(),
        )
        submit = Submit(
            nonce=self.world.random.getrandbits(64),
            who=Who("me", "here"),
            spec=spec,
            bundle=bundle,
            agents=agents,
            wait=wait,
            elastic=elastic,
            per_agent=per_agent,
            labels=dict(labels or {}),
        )
        name = f"runner{len(self.runners)}"
        runner = Runner(self.world, self.net, name, submit, check=self.laws.check_follower)
        self.runners.append(runner)
        return runner

    def follow(self, run: str) -> Runner:
        """One more follower of `run`."""
        name = f"runner{len(self.runners)}"
        runner = Runner(self.world, self.net, name, None, run, check=self.laws.check_follower)
        self.runners.append(runner)
        return runner

    def start_broker(self, *, rebooted: bool = False) -> None:
        """Start the broker, if none runs; on a machine that was `rebooted` its clock is another."""
        if self.broker is not None and self.broker.alive:
            return
        if rebooted:
            self._boot()
        self.broker = BrokerProcess(self.world, self.disk, self._clock, self.skews[self._clock], lambda: None)

    def disturb(self, for_us: int = 0) -> None:
        """Something happens that may stop users, for so long."""
        until_us = self.now_us + for_us + BACK_WITHIN_US
        self.disturbed_until_us = max(self.disturbed_until_us, until_us)

    # Time.

    def run_until(self, at_us: int) -> None:
        """Let time pass until then.

        Raises:
            Broken: a law does not hold.
        """
        self.world.clock.run_until(at_us)

    def settle(self) -> None:
        """Nothing happens any more: all runs come to their end, and add up.

        Raises:
            Broken: they don't.
        """
        self.heal()
        until_us = self.now_us + ENDS_WITHIN_US
        while self.now_us < until_us and self._goes_on():
            self.run_until(self.now_us + US_PER_S)
        left = self._goes_on()
        for run in left:
            if run not in self._waiting():
                raise Broken(f"{run} does not end: {self._describe(run)}")
        for runner in self.runners:  # for agents that don't come
            if not runner.is_done:
                runner.stop(now=True)
        if left and self.broker is not None:
            for live in list(self.broker.state.runs.values()):
                self.follow(live.id).stop(now=True)
        self.run_until(self.now_us + 15 * US_PER_S)
        for runner in self.runners:
            if runner.alive and not runner.is_done:
                raise Broken(f"{runner} does not hear how {runner.run} ended")
        self.laws.check_end()

    def heal(self) -> None:
        """All faults are over; what is dead for good stays dead."""
        self.world.note("all faults are over")
        self.disk.full = False
        if self.broker is not None:
            self.broker.fuse = None
            self.broker.thaw()
            for wire in self.broker.wires.values():
                wire.full = False
        self.start_broker()
        for peer in [*self.runners, *(machine.agent for machine in self.machines.values())]:
            if peer is not None:
                peer.cut = False
                peer.thaw()
                if peer.wire is not None:
                    peer.wire.resume()
        for machine in self.machines.values():
            if machine.agent is not None:
                machine.agent.fuse = None
            for worker in machine.workers():
                worker.thaw()

    def _goes_on(self) -> list[str]:
        if self.broker is None or any(
            not runner.is_done and runner.run is None for runner in self.runners if runner.alive
        ):
            return ["?"]
        return list(self.broker.state.runs)

    def _describe(self, run_id: str) -> str:
        run = None if self.broker is None else self.broker.state.runs.get(run_id)
        agents = [machine.agent.state for machine in self.machines.values() if machine.agent and machine.agent.alive]
        told = "" if run is None else f"{run!r} stored={run.stored} away={run.away} {run.record.seats}"
        return f"{told}\n{agents}"

    def _waiting(self) -> list[str]:
        if self.broker is None:
            return []
        runs = self.broker.state.runs.values()
        return ["?", *(run.id for run in runs if _waits(run.record))]

    def _look(self) -> None:
        """A few times a second."""
        self.world.clock.call_in(LOOK_US, self._look)
        if self.broker is not None:
            for run in self.broker.state.runs.values():
                if any(seat.joining for seat in run.record.seats):
                    self.disturb(3 * US_PER_S)  # who joins waits for what is in flight elsewhere
        self.laws.check_coverage()

    def _boot(self) -> None:
        self._clock = f"boot{len(self.skews)}"
        self.skews[self._clock] = self.world.between(0, 10**12)


@cache
def _empty_store() -> Path:
    """A store without runs, to be copied: to make its tables takes longer than many a simulation."""
    directory = Path(tempfile.mkdtemp(prefix="loads-", dir=_MEMORY if _MEMORY.is_dir() else None))
    Store(None, directory).close()
    return directory / FILE_NAME


def _waits(record: RunRecord) -> bool:
    """Whether the run may wait for an agent for ever: for all of its own, or for one in place of one that left."""
    return record.state is RunState.WAITING or (record.short and record.submit.wait)

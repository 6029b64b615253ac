"""The agent's shell: connection, pool, files and time around `AgentState`. Performs effects, decides nothing."""

from __future__ import annotations

import asyncio
import os
import time
import traceback
from collections import deque
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final, NoReturn

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
    PoolBroke,
    Pooled,
    Quit,
    Rewrite,
    Send,
    Tick,
    ToPool,
    Watch,
)
from loads.agent.gauge import Gauge
from loads.agent.pages import Pages
from loads.agent.provision import NotProvided, Provision
from loads.agent.spool import Spool
from loads.agent.state import Agent, AgentState
from loads.errors import LoadsError, ProtocolError, UsageError
from loads.plan.share import most_slots
from loads.pool.child import try_child
from loads.pool.confine import Confinement
from loads.pool.events import Begin, Go
from loads.pool.events import Event as PoolEvent
from loads.pool.limits import find_file_doubts
from loads.pool.nursery import Nursery
from loads.pool.pool import WorkerPool
from loads.wire.cluster import Chunk, FromBroker, Role, Trouble
from loads.wire.dealer import Dealer
from loads.wire.endpoint import Endpoint

TICK_S: Final = 0.25
BURIAL_S: Final = 0.1
QUIET_S: Final = 3.0
"""A broker that is started again is back by then, and nothing is said of it."""
DROP_S: Final = 5.0
_LOCAL: Final = "start one with loads-broker; or end this, and join one elsewhere: loads keys join LINE, or --ssh"
_FAR: Final = "see that a loads-broker listens there, and that no firewall is between"


class AgentServer:
    """One agent, with its state in `directory`, which is locked for it. `say` takes lines for its log.

    Workers get what `confinement` says.
    """

    def __init__(
        self,
        agent: Agent,
        endpoint: Endpoint,
        directory: Path,
        say: Callable[[str], None],
        confinement: Confinement,
    ) -> None:
        self._agent, self._endpoint = agent, endpoint
        self._directory = directory
        self._say = say
        self._state = AgentState(agent)
        self._dealer = Dealer(
            endpoint, role=Role.AGENT, version=agent.version, heard=self._heard, changed=lambda up: self._do(Linked(up))
        )
        self._confinement = confinement
        passable = confinement.user is not None
        self._spool = Spool(directory / "runs", passable=passable)
        self._pages = Pages(directory / "workers", agent.incarnation, passable=passable)
        self._provision = Provision(directory, self._dealer.send, confinement)
        self._nursery = Nursery(self._pages.own, agent.limit, confinement)
        self._pools: dict[str, tuple[WorkerPool, asyncio.Task[None]]] = {}
        self._obtaining: dict[str, asyncio.Task[None]] = {}
        self._queue: deque[Event] = deque()
        self._doing = False
        self._told_too_large = False
        self._told_trouble: LoadsError | None = None
        self._is_missed = True
        self._met_s = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._drops: set[asyncio.Task[None]] = set()
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def __repr__(self) -> str:
        return f"{self._state!r} {self._dealer!r}"

    async def serve(self) -> None:
        """Work for the broker until `stop`.

        Raises:
            LoadsError: the broker will not have this agent, its state directory holds what it can't read, or no
                worker can live as it is to.
        """
        try:
            if self._confinement.is_special:
                await try_child(self._pages.own, self._confinement)
            inherited, gauge = list(self._spool.found()), Gauge()
            self._met_s = time.monotonic()
            async with self._nursery, self._dealer:
                for run, incarnation, records in inherited:
                    self._do(Inherited(run, incarnation, records))
                self._pages.clear(self._state.pages())
                while not self._over.done():
                    self._do(Tick(gauge.read()))
                    self._tell_trouble()
                    self._provision.tick()
                    await asyncio.wait([self._over], timeout=TICK_S)
                if self._state.part is not None:
                    self._leave()
                await self._end()
        finally:
            self._pages.close()
        self._over.result()

    def leave(self) -> None:
        """Leave once the run that it works for is over, if there is one; when that was said already, now."""
        self._do(Leave())

    def stop(self) -> None:
        """Leave now; what was measured stays in the state directory, and the next agent there delivers it."""
        if not self._over.done():
            self._over.set_result(None)

    def _leave(self) -> NoReturn:
        """In mid-run: workers see the end of this process, finish what is in flight and leave their last words."""
        error = self._over.exception()
        status = 0 if error is None else 1
        if isinstance(error, LoadsError):
            self._complain(error)
            status = int(error.exit_code)
        elif error is not None:
            self._say("".join(traceback.format_exception(error)))
        self._say("leaves in mid-run; the next agent in its state directory delivers what was measured")
        os._exit(status)

    async def _end(self) -> None:
        """Let go of everything; what is done with is removed first."""
        if self._drops:
            await asyncio.wait(self._drops, timeout=DROP_S)
        tasks = [*self._tasks, *(task for _, task in self._pools.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # Events.

    def _heard(self, message: FromBroker) -> None:
        if isinstance(message, Chunk):
            self._provision.take(message)
        else:
            self._do(Heard(message))  # type: ignore[arg-type]

    def _do(self, event: Event) -> None:
        """Put `event` to the state, and do what follows before anything else happens."""
        self._queue.append(event)
        if self._doing:
            return
        self._doing = True
        try:
            while self._queue:
                for effect in self._state.handle(self._queue.popleft(), time.monotonic_ns() // 1_000):
                    self._perform(effect)
        except Exception as error:
            if not self._over.done():
                self._over.set_exception(error)
        finally:
            self._doing = False

    # Effects.

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Send(bytes() as batch):
                self._send_batch(batch)
            case Send(message):
                self._dealer.send(message)
            case Append(run, incarnation, record):
                self._spool.append(run, incarnation, record)
            case Rewrite(run, incarnation, base):
                self._spool.rewrite(run, incarnation, base)
            case Drop(run, incarnation, pages):
                drop = self._spawn(self._drop(run, incarnation, pages))
                self._drops.add(drop)
                drop.add_done_callback(self._drops.discard)
            case Obtain():
                self._obtaining[effect.run] = self._spawn(self._obtain(effect))
            case OpenPool():
                self._open_pool(effect)
            case ToPool(run, event):
                self._to_pool(run, event)
            case ClosePool(run):
                self._close_pool(run)
            case Watch():
                self._spawn(self._watch(effect))
            case Quit(reason, hint):
                if not self._over.done():
                    self._over.set_exception(UsageError(reason, hint))
            case Depart():
                self.stop()
            case Log(text):
                self._say(text)

    def _tell_trouble(self) -> None:
        """Once: that there is no way to the broker, and why if that is known; and then that there is one."""
        now_s = time.monotonic()
        before, trouble = self._told_trouble, self._dealer.trouble
        if self._dealer.connected:
            if self._is_missed:
                self._say(f"the broker at {self._endpoint} is there")
            self._is_missed, self._told_trouble, self._met_s = False, None, now_s
            return
        if trouble is None and before is None and now_s - self._met_s > QUIET_S:
            trouble = LoadsError(f"no broker answers at {self._endpoint}", _LOCAL if self._endpoint.is_local else _FAR)
        if trouble is not None and str(trouble) != str(before):
            self._is_missed, self._told_trouble = True, trouble
            self._complain(trouble, "; it is tried again")
            if isinstance(trouble, UsageError):  # nothing that time mends
                self._say("a key that is joined meanwhile is taken up when this agent is started again")

    def _complain(self, error: LoadsError, then: str = "") -> None:
        """In lines that belong together: all but the first are indented."""
        self._say(f"{error.message}{then}\n{error.hint}".rstrip().replace("\n", "\n  "))

    def _send_batch(self, batch: bytes) -> None:
        """A batch that is too large stays in the spool, and those after it wait for it. The agent goes on."""
        try:
            self._dealer.send(batch)
        except ProtocolError as error:
            if not self._told_too_large:
                self._told_too_large = True
                self._say(f"what was measured can't be delivered, and stays in the state directory: {error.message}")

    async def _obtain(self, effect: Obtain) -> None:
        run = effect.run
        own = self._spool.place(run, self._agent.incarnation) / "work"
        work = own if effect.test_dir is None else self._provision.named(effect.test_dir)
        try:
            search_path = await self._provision.obtain(effect.bundle, work)
        except NotProvided as error:
            self._do(NotObtained(run, error.trouble))
        else:
            self._do(Obtained(run, str(work), search_path))

    def _open_pool(self, effect: OpenPool) -> None:
        run = effect.run
        self._nursery.pause()
        pool = WorkerPool(
            effect.workers,
            effect.load,
            self._pages.own,
            lambda report: self._do(Pooled(run, report)),
            own_lease=False,
            nursery=self._nursery,
        )
        self._pools[run] = pool, asyncio.create_task(self._keep_pool(run, pool))

    async def _keep_pool(self, run: str, pool: WorkerPool) -> None:
        """Holds the pool open until it is closed, also when it breaks."""
        async with pool:
            try:
                await asyncio.shield(pool.broken)
            except OSError as error:
                hint = "see the limits of its machine (ulimit -a), its disks and directories"
                self._do(PoolBroke(run, Trouble(message=f"the agent can't run workers: {error}", hint=hint)))
                await asyncio.get_running_loop().create_future()

    def _to_pool(self, run: str, event: PoolEvent) -> None:
        if isinstance(event, Go):
            self._nursery.resume()
        if isinstance(event, Begin):
            users = most_slots(event.portions, (phase.users for phase in event.plan.phases))
            for doubt in find_file_doubts(users // self._agent.limit, self._confinement.limits):
                self._state.warn(doubt)
        if run in self._pools:
            self._pools[run][0].handle(event)

    def _close_pool(self, run: str) -> None:
        self._nursery.resume()
        if run in self._obtaining:
            self._obtaining[run].cancel()
        if run in self._pools:
            self._pools[run][1].cancel()

    async def _drop(self, run: str, incarnation: int, pages: tuple[str, ...]) -> None:
        """Once nobody writes there any more."""
        if incarnation == self._agent.incarnation:
            writing = [self._obtaining[run]] if run in self._obtaining else []
            if run in self._pools:
                writing.append(self._pools.pop(run)[1])
            await asyncio.gather(*writing, return_exceptions=True)
        await asyncio.to_thread(self._spool.drop, run, incarnation)
        self._pages.remove(pages)

    async def _watch(self, effect: Watch) -> None:
        """Wait for workers that lost their agent to end, and read what they left."""
        remains = []
        for incarnation, page in effect.pages.items():
            while self._pages.is_alive(page):
                await asyncio.sleep(BURIAL_S)
            remains.append(await asyncio.to_thread(self._pages.remains, incarnation, page))
        self._do(Buried(effect.run, effect.incarnation, tuple(remains)))

    def _spawn(self, job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        for run, obtaining in list(self._obtaining.items()):
            if obtaining is task:
                del self._obtaining[run]
        if not task.cancelled() and (error := task.exception()) is not None and not self._over.done():
            self._over.set_exception(error)

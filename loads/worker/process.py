"""What a worker does with each message from its parent, in a process of its own or inside the command (--workers 0)."""

from __future__ import annotations

import gc
import logging
import select
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event
from gevent.monkey import get_original
from gevent.queue import Queue

from loads.client.capture import install
from loads.client.clock import monotonic_us
from loads.client.engine import configure
from loads.client.environment import environment
from loads.client.hit import close_open_hits
from loads.client.recorder import Recorder
from loads.client.settings import Lookup, NetSettings
from loads.client.user import Numbers, VirtualUser
from loads.errors import ProtocolError, UsageError
from loads.metrics.counters import PAGE_BYTES
from loads.plan.choice import Deck
from loads.plan.share import share
from loads.units import US_PER_S, sendable
from loads.wire.messages import (
    PROTOCOL,
    Alive,
    Assign,
    Bye,
    Down,
    Finish,
    Hello,
    Load,
    Loaded,
    LoadFailed,
    Misused,
    PhaseDone,
    Ready,
    ScenarioInfo,
    Start,
    Stop,
    Up,
)
from loads.worker.executor import Crew, Executor, scenario_of
from loads.worker.finder import LoadFailure
from loads.worker.fixtures import Fixtures
from loads.worker.forks import disown_children
from loads.worker.health import Sampler
from loads.worker.loader import Scenario, hook_names, load_targets, uses_app
from loads.worker.meter import Meter
from loads.worker.outcome import Faults
from loads.worker.watchdog import Watchdog

if TYPE_CHECKING:
    from loads.plan.http import HttpOptions
    from loads.worker.link import Link


class Worker:
    """One worker. `send` takes what it says to its parent, `page` the counters that outlive it.

    The methods are to be called in the order of the protocol (see `wire.messages`); `stop` and `heard` at any time.
    """

    def __init__(self, send: Callable[[Up], None], page: memoryview, *, leased: bool = True) -> None:
        self._send = send
        self._recorder = Recorder(page)
        self._faults = Faults(self._recorder, self._misused)
        self._sampler = Sampler()
        self._meter = Meter(self._recorder, send, self._sampler.take)
        self._leased = leased
        self._scenarios: list[Scenario] = []
        self._assign: Assign | None = None
        self._fixtures: Fixtures | None = None
        self._crew: Crew | None = None
        self._executor: Executor | None = None
        self._stop: Stop | None = None
        self._told_misuse = False
        self._watchdog = Watchdog(self._recorder, page, scenario_of)

    def handle(self, message: Down) -> None:
        """Do what `message` says; blocks for as long as that takes."""
        match message:
            case Load():
                self._load(message)
            case Assign():
                self._prepare(message)
            case Start():
                self._run(message)
            case Finish():
                self._finish()
            case Alive():
                self.heard()
            case Stop():
                self.stop(message)

    def watch_parent(self) -> None:
        """From now on, don't outlive the parent."""
        self._watchdog.watch()

    def disown(self) -> None:
        """In a child that a test forked: what it does is not the worker's."""
        self._recorder.page = memoryview(bytearray(PAGE_BYTES)).cast("Q")
        self._watchdog.disown()

    def heard(self) -> None:
        """The parent is there: iterations may start."""
        if self._crew is not None:
            self._crew.heard_us = monotonic_us()

    def stop(self, message: Stop) -> None:
        """Start no more iterations, in this phase or another."""
        if self._stop is None or message.now:
            self._stop = message
        if self._executor is not None:
            self._executor.stop(now=message.now)

    def _misused(self, error: UsageError) -> None:
        """Every iteration would fail for the same reason: one word is enough."""
        if not self._told_misuse:
            self._told_misuse = True
            self._send(Misused(message=sendable(error.message), hint=sendable(error.hint)))

    def _enough(self) -> None:
        """As many have failed as the user wants to see: start no more, and tell at once."""
        if self._stop is None:
            self.stop(Stop(now=False))
            gevent.spawn(self._meter.flush)

    def _load(self, message: Load) -> None:
        if message.log_level is not None:
            _set_up_logging(message.log_level, message.log_file)
        try:
            suite = load_targets(message.targets, message.search_path, message.select)
        except KeyboardInterrupt:
            if not self._leased:
                raise
            self._send(LoadFailed(message="the tests raise KeyboardInterrupt when imported", hint="", traceback=""))
            return
        except LoadFailure as failure:
            what, hint, trace = (sendable(text) for text in (failure.message, failure.hint, failure.traceback))
            self._send(LoadFailed(message=what, hint=hint, traceback=trace))
            return
        self._scenarios = suite.scenarios
        infos = tuple(ScenarioInfo(name=scenario.name, weight=scenario.weight) for scenario in self._scenarios)
        hooks = tuple(hook_names(self._scenarios))
        self._send(Loaded(scenarios=infos, hooks=hooks, left_out=tuple(suite.left_out)))

    def _prepare(self, message: Assign) -> None:
        self._assign = message
        self._faults.left, self._faults.on_enough = message.stop_on_failure, self._enough
        outside = VirtualUser(Numbers(worker=message.worker), self._recorder)
        configure(_net_settings(message.http))
        install(outside, get_original("select", "poll") if hasattr(select, "POLLIN") else None)
        outside.enter()
        environment()
        import loads.client.quick

        if any(uses_app(scenario.cls) for scenario in self._scenarios):
            import loads.client.webapp  # noqa: F401 - now rather than in the first user's first iteration
        self._fixtures = Fixtures(self._scenarios, self._faults)
        runnable = self._fixtures.set_up()
        once = message.plan.each_once
        self._crew = Crew(
            self._scenarios,
            runnable,
            Deck([1 if once else scenario.weight for scenario in self._scenarios], None if once else message.seed),
            self._recorder,
            self._faults,
            self._meter,
            worker=message.worker,
            server_url=message.server_url,
            fresh_session=message.fresh_session or once,
            think_time_us=message.think_time_us,
            seed=message.seed,
        )
        self._meter.flush()
        gc.collect()
        gc.freeze()
        self._send(Ready(runnable=sum(scenario.cls in runnable for scenario in self._scenarios)))

    def _run(self, message: Start) -> None:
        assign, crew = self._assign, self._crew
        if assign is None or crew is None:
            raise ProtocolError("Start before Assign")
        phase = assign.plan.phases[message.phase]
        slots = share(range(phase.users), assign.worker, assign.workers)
        self._meter.begin(message.run_at_us)
        self._faults.run_at_us = message.run_at_us
        crew.heard_us = monotonic_us()
        crew.last_end_us = 0
        self._watchdog.start()
        self._executor = Executor(crew, phase, slots, message.phase_at_us, assign.plan.graceful_stop_us, self._leased)
        if self._stop is not None:
            self._executor.stop(now=self._stop.now)
        over = Event()
        self._sampler.begin()
        ticker = gevent.spawn(self._tick, over)
        self._executor.run()
        self._executor = None
        over.set()
        ticker.join()
        self._sampler.look_once_more()
        self._meter.flush(last=True)
        self._sampler.end()
        planned_us = phase.duration_us
        ended_us = max(crew.last_end_us, message.phase_at_us) - message.run_at_us
        if planned_us is not None and crew.runnable and self._stop is None:
            ended_us = max(ended_us, message.phase_at_us + planned_us - message.run_at_us)
        self._send(PhaseDone(phase=message.phase, ended_us=ended_us))

    def _finish(self) -> None:
        if self._fixtures is not None and not (self._stop is not None and self._stop.now):
            self._fixtures.tear_down()
        self._watchdog.stop()
        close_open_hits()
        self._meter.flush(last=True)
        self._send(Bye(last_seq=self._meter.seq))

    def _tick(self, over: Event) -> None:
        while not over.wait(self._meter.due_in_s()):
            self._meter.flush()


def _net_settings(options: HttpOptions) -> NetSettings:
    """The run's options as the client has them."""
    return NetSettings(
        timeout_s=options.timeout_us / US_PER_S,
        insecure=options.insecure_tls,
        ca_bundle=options.ca_bundle,
        keepalive=options.keepalive,
        lookup=Lookup(options.dns.value),
        resolve={(each.host, each.port): each.addresses for each in options.resolve},
        user_agent=options.user_agent,
        source_addresses=options.source_addresses,
    )


def _set_up_logging(level: str, file: str | None) -> None:
    """The tests' logging, of this process alone. Lines of several workers share a file, each appended whole."""
    handler = logging.StreamHandler() if file is None else logging.FileHandler(file, mode="a", encoding="utf-8")
    form = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=level.upper(), format=form, handlers=[handler])


def serve(worker: Worker, link: Link, incarnation: int) -> None:
    """Say Hello and do what the parent says, until Finish; without a parent, stop and leave the last words."""
    worker.watch_parent()
    disown_children(worker.disown, link.disown)
    link.send(Hello(protocol=PROTOCOL, incarnation=incarnation))
    orders: Queue[Down] = Queue()

    def listen(messages: Iterable[Down]) -> None:
        for message in messages:
            worker.heard()
            if isinstance(message, Stop):
                worker.stop(message)
            elif not isinstance(message, Alive):
                orders.put(message)
        worker.stop(Stop(now=True))
        orders.put(Finish())

    gevent.spawn(listen, link)
    while True:
        order = orders.get()
        worker.handle(order)
        if isinstance(order, Finish):
            break
    link.close()

"""What a worker does with each message from its parent, in a process of its own or inside the command (--workers 0)."""

from __future__ import annotations

import gc
import logging
import os
import select
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event
from gevent.monkey import get_original

from loads.case import TestCase
from loads.client.capture import install
from loads.client.engine import configure
from loads.client.environment import environment
from loads.client.hit import close_open_hits
from loads.client.recorder import Recorder
from loads.client.settings import Lookup, NetSettings
from loads.client.user import Numbers, VirtualUser
from loads.errors import Interrupted, ProtocolError, UsageError
from loads.metrics.counters import PAGE_BYTES
from loads.plan.choice import Deck
from loads.units import US_PER_S, sendable
from loads.wire.messages import (
    Alive,
    Assign,
    Bye,
    Down,
    Finish,
    Load,
    Loaded,
    LoadFailed,
    Misused,
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
from loads.worker.crew import NO_LEASE, Crew
from loads.worker.finder import LoadFailure
from loads.worker.fixtures import Fixtures
from loads.worker.health import Sampler
from loads.worker.loader import Scenario, hook_names, load_targets, read_ahead, uses_app
from loads.worker.meter import Meter
from loads.worker.outcome import Faults
from loads.worker.runfixtures import RunFixtures
from loads.worker.slot import scenario_of
from loads.worker.stint import Stint
from loads.worker.tracebacks import format_traceback
from loads.worker.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loads.plan.http import HttpOptions

ORPHAN_GRACE_S = 2.0
"""How long iterations in flight may go on when the parent is gone."""
ORPHAN_END_S = 1.0
"""How long, after that, fixtures may."""


class Worker:
    """One worker. `send` takes what it says to its parent, `page` the counters that outlive it.

    The parent's messages go through `heed` as they come, and those that it leaves through `act`, one after the other
    (see `wire.messages`). `handle` does both, for who has all the time: then `stop` may be called meanwhile.
    """

    def __init__(self, send: Callable[[Up], None], page: memoryview, *, leased: bool = True) -> None:
        self._send = send
        self._recorder = Recorder(page)
        self._faults = Faults(self._recorder, self._misused)
        self._sampler = Sampler()
        self._meter = Meter(self._recorder, send, self._sampler.take)
        self._leased = leased
        self._lease_until_us = 0 if leased else NO_LEASE
        self._scenarios: list[Scenario] = []
        self._stint = Stint()
        self._assign: Assign | None = None
        self._is_equipped = False
        self._run_fixtures = RunFixtures()
        self._is_setting_up = False
        """Whether a setUpRun goes on."""
        self._fixtures: Fixtures | None = None
        self._crew: Crew | None = None
        self._stop: Stop | None = None
        self._orphaned = False
        self._outside: gevent.Greenlet | None = None
        """Who runs code of the test's outside a phase."""
        self._told_misuse = False
        self._watchdog = Watchdog(self._recorder, page, scenario_of)

    def handle(self, message: Down) -> None:
        """Do what `message` says; blocks for as long as that takes."""
        if self.heed(message):
            self.act(message)

    def heed(self, message: Down) -> bool:
        """Do at once what can't wait for its turn. Whether `message` is to be acted upon, too."""
        match message:
            case Alive(until_us=until_us):
                self._lease_until_us = until_us
                if self._crew is not None:
                    self._crew.lease_until_us = until_us
            case Stop():
                self.stop(message)
            case Assign(portions=portions, plan=plan):
                self._stint.assign(portions, plan)
            case Take():
                self._stint.take(message)
            case Yield():
                self._stint.give(message, lambda given: self._send(Yielded(portions=given.portions)))
        return isinstance(message, Load | SetUp | Assign | Start | Finish)

    def act(self, message: Down) -> None:
        """Do what `message` says and takes its time; of orphans nothing is wanted but their end."""
        if self._orphaned and not isinstance(message, Finish):
            return
        match message:
            case Load():
                with self._code_of_tests():
                    self._load(message)
            case SetUp():
                with self._code_of_tests():
                    self._set_up_run(message)
            case Assign():
                with self._code_of_tests():
                    self._prepare(message)
            case Start():
                self._run(message)
            case Finish():
                self._finish(message)

    def watch_parent(self, last_deed: Callable[[], None]) -> None:
        """From now on, don't outlive the parent; `last_deed` is done before a test that never lets go is ended."""
        self._watchdog.watch_parent(last_deed)

    def lose_parent(self) -> None:
        """The parent is gone: start nothing more, and let nothing go on for long. Blocks until all had their time."""
        self._orphaned = True
        self.stop(Stop(now=False))
        gevent.sleep(ORPHAN_GRACE_S)
        self.stop(Stop(now=True))
        gevent.sleep(ORPHAN_END_S)
        gevent.get_hub().loop.run_callback(self._cut_off_outside, "the parent is gone")

    def disown(self) -> None:
        """In a child that a test forked: what it does is not the worker's."""
        self._recorder.page = memoryview(bytearray(PAGE_BYTES)).cast("Q")
        self._watchdog.disown()

    def stop(self, message: Stop) -> None:
        """Start no more iterations, in this phase or another. A setUpRun is of no use then, and is cut off."""
        if self._stop is None or message.now:
            self._stop = message
        if self._is_setting_up:
            gevent.get_hub().loop.run_callback(self._cut_off_set_up)
        if self._stint.executor is not None:
            self._stint.executor.stop(now=message.now, grace_us=message.grace_us)

    @contextmanager
    def _code_of_tests(self) -> Iterator[None]:
        """Around what runs the tests' code outside a phase, which an orphan ends before its time."""
        self._outside = gevent.getcurrent()
        try:
            yield
        except Interrupted:
            if not self._orphaned:
                raise
        finally:
            self._outside = None

    def _cut_off_outside(self, why: str) -> None:
        if self._outside is not None:
            self._outside.throw(Interrupted(why))

    def _cut_off_set_up(self) -> None:
        if self._is_setting_up:
            self._is_setting_up = False
            self._cut_off_outside("the run was stopped")

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
        try:
            _set_variables(message.env)
            if message.directory is not None:
                os.chdir(message.directory)
            if message.log_level is not None:
                _set_up_logging(message.log_level, message.log_file)
        except OSError as error:
            hint = "it must be there, and allowed, for the user that the worker runs as"
            self._send(LoadFailed(message=sendable(f"the worker can't begin: {error}"), hint=hint, traceback=""))
            return
        try:
            suite = load_targets(message.targets, message.search_path, message.select)
            self._run_fixtures = RunFixtures(suite.scenarios)
        except KeyboardInterrupt:
            if not self._leased:
                raise
            self._send(LoadFailed(message="the tests raise KeyboardInterrupt when imported", hint="", traceback=""))
            return
        except LoadFailure as failure:
            self._send(_refusal(failure))
            return
        self._scenarios = suite.scenarios
        infos = tuple(ScenarioInfo(name=scenario.name, weight=scenario.weight) for scenario in self._scenarios)
        hooks = tuple(hook_names(self._scenarios))
        once = self._run_fixtures.names()
        self._send(Loaded(scenarios=infos, hooks=hooks, left_out=tuple(suite.left_out), once=once))

    def _equip(self, worker: int, http: HttpOptions, server_url: str | None) -> None:
        """Before the first code of a test's that may make requests."""
        if self._is_equipped:
            return
        self._is_equipped = True
        outside = VirtualUser(Numbers(worker=worker), self._recorder)
        configure(_net_settings(http))
        install(outside, get_original("select", "poll") if hasattr(select, "POLLIN") else None)
        outside.enter()
        environment()
        import loads.client.quick

        classes = {scenario.cls for scenario in self._scenarios}
        if any(uses_app(cls) for cls in classes):
            import loads.client.webapp  # noqa: F401 - now rather than in the first user's first iteration
        for cls in classes:
            if server_url is not None and issubclass(cls, TestCase):
                cls.server_url = server_url

    def _set_up_run(self, message: SetUp) -> None:
        """Run setUpRun. What was set up before one that raises is torn down again, for no run will follow."""
        self._equip(0, message.http, message.server_url)
        answer: SetUpDone | LoadFailed
        later: list[str] = []
        try:
            self._is_setting_up = True
            if self._stop is not None:
                raise Interrupted("the run was stopped")
            answer = SetUpDone(data=self._run_fixtures.set_up())
        except (LoadFailure, Interrupted) as error:
            self._is_setting_up = False
            failure = error if isinstance(error, LoadFailure) else LoadFailure("stopped in setUpRun")
            if self._stop is None or not self._stop.now:
                self._run_fixtures.tear_down(lambda error, name: later.append(f"{name}: {format_traceback(error)}"))
            answer = _refusal(failure, *later)
        finally:
            self._is_setting_up = False
        self._meter.flush()
        self._send(answer)

    def _prepare(self, message: Assign) -> None:
        self._assign = message
        self._recorder.planned = message.plan.has_starts
        self._faults.left, self._faults.on_enough = message.stop_on_failure, self._enough
        self._equip(message.worker, message.http, message.server_url)
        self._run_fixtures.spread(message.run_data)
        read_ahead(dict.fromkeys(scenario.cls for scenario in self._scenarios))
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
        self._crew.lease_until_us = self._lease_until_us
        self._meter.flush()
        gc.collect()
        gc.freeze()
        self._send(Ready(runnable=sum(scenario.cls in runnable for scenario in self._scenarios)))

    def _run(self, message: Start) -> None:
        """Run a phase, or what was taken after it had come to its end here."""
        assign, crew = self._assign, self._crew
        if assign is None or crew is None:
            raise ProtocolError("Start before Assign")
        phase = assign.plan.phases[message.phase]
        self._meter.begin(message.run_at_us)
        self._faults.run_at_us = message.run_at_us
        crew.last_end_us = 0
        self._watchdog.start()
        executor = self._stint.begin(crew, message)
        if self._stop is not None:
            executor.stop(now=self._stop.now, grace_us=self._stop.grace_us)
        over = Event()
        self._sampler.begin()
        ticker = gevent.spawn(self._tick, over)
        executor.run()
        self._stint.executor = None
        over.set()
        ticker.join()
        self._sampler.look_once_more()
        self._meter.flush(last=True)
        self._sampler.end()
        planned_us = phase.duration_us
        ended_us = max(crew.last_end_us, message.phase_at_us) - message.run_at_us
        if planned_us is not None and crew.runnable and self._stop is None and not self._stint.gave:
            ended_us = max(ended_us, message.phase_at_us + planned_us - message.run_at_us)
        self._send(PhaseDone(phase=message.phase, ended_us=ended_us))

    def _finish(self, message: Finish) -> None:
        if self._stop is None or not self._stop.now:
            with self._code_of_tests():
                if self._fixtures is not None:
                    self._fixtures.tear_down()
                if message.tear_down_run:
                    self._run_fixtures.tear_down(self._faults.error)
        self._watchdog.stop()
        close_open_hits()
        self._meter.flush(last=True)
        self._send(Bye(last_seq=self._meter.seq))

    def _tick(self, over: Event) -> None:
        while not over.wait(self._meter.due_in_s()):
            self._meter.flush()


def _refusal(failure: LoadFailure, *more: str) -> LoadFailed:
    """`failure` for the parent; `more` that went wrong on the way out."""
    trace = "\n".join(each for each in (failure.traceback, *more) if each)
    what, hint, trace = (sendable(text) for text in (failure.message, failure.hint, trace))
    return LoadFailed(message=what, hint=hint, traceback=trace)


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


def _set_variables(variables: dict[str, str]) -> None:
    """What --env says, for the tests and what they start. Told without a value: those are for nobody's log."""
    for name, value in variables.items():
        try:
            os.environ[name] = value
        except (OSError, ValueError):
            raise OSError(f"{sendable(repr(name))} with its value can't be in an environment") from None
    time.tzset()


def _set_up_logging(level: str, file: str | None) -> None:
    """The tests' logging, of this process alone. Lines of several workers share a file, each appended whole."""
    handler = logging.StreamHandler() if file is None else logging.FileHandler(file, mode="a", encoding="utf-8")
    form = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=level.upper(), format=form, handlers=[handler])

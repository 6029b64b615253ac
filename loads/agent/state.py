"""An agent, as a pure state machine: `handle(event, now_us)` answers what to do.

It works for one run at a time (`Part`), and keeps the estates of incarnations that died before it: what they measured
is delivered under their names. It beats each second, seals a batch each second, and holds a lease: without an answer
to a beat of the last 2.5 s its workers start nothing. A lease counts from when the beat was *sent*, so however long an
answer lay in a buffer while the agent stood still, it gives no more time than the broker may count on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Final

from loads.agent.clock import BrokerClock
from loads.agent.estates import Estate, read_remains
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
    Obtained,
    PoolBroke,
    Pooled,
    Quit,
    Reading,
    Rewrite,
    Send,
    Tick,
    Watch,
)
from loads.agent.leaving import Leaving
from loads.agent.outbox import Outbox
from loads.agent.part import Part
from loads.agent.records import Acked, Sealed
from loads.pool.output import Printed
from loads.units import US_PER_S, plural
from loads.wire.cluster import (
    Beat,
    Beaten,
    Closed,
    Complete,
    Enlist,
    Enlisted,
    Fit,
    Go,
    Halt,
    Hold,
    Prepare,
    Rejected,
    Release,
    SetUp,
    Stored,
    ToAgent,
    Welcome,
    Wind,
)

LEASE_US: Final = 2_500_000
"""After the last beat that was answered."""
GRACE_US: Final = 30_000_000
"""After the broker's process went away: as long as load may go on unwatched."""
SEND_AGAIN_US: Final = 5_000_000
"""A batch that is not acknowledged for so long is sent again."""
ASK_AGAIN_US: Final = 2 * US_PER_S
"""A broker that is connected and has not answered is asked again."""
REWRITE_BYTES: Final = 8 << 20
INSECURE: Final = "INSECURE: this broker lets in whoever can reach it, to run any code here"


@dataclass(frozen=True)
class Agent:
    """What an agent is: `limit` is the most workers it runs, `grace_us` its patience with a broker that is gone.

    `labels` are what runs choose it by, `max_users` the most virtual users at a time; None: any number. `room` says how
    many the machine has memory for, as it is when it is asked.
    """

    name: str
    identity: int
    incarnation: int
    host: str
    cores: int
    limit: int
    version: str
    grace_us: int = GRACE_US
    labels: Mapping[str, str] = field(default_factory=dict)
    max_users: int | None = None
    room: Callable[[], int | None] = lambda: None


class AgentState:
    """One agent process."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.part: Part | None = None
        self.estates: dict[tuple[str, int], Estate] = {}
        self._clock = BrokerClock()
        self._lease_until_us = 0
        self._up = False
        self._enlisted = self._answered = False
        self._asked_us = 0
        self._beat_us: int | None = None
        self._sealed_us = 0
        self._acked_us = 0
        self._spooled: dict[tuple[str, int], int] = {}
        self._leaving: Leaving | None = None
        self._heard_us = 0
        self._reading = Reading()

    def __repr__(self) -> str:
        link = "enlisted" if self._enlisted else "linked" if self._up else "alone"
        return f"<Agent {self.agent.name} {link} {self.part!r} estates={len(self.estates)}>"

    def handle(self, event: Event, now_us: int) -> list[Effect]:
        """What follows from `event`."""
        effects = self._handle(event, now_us)
        if self._leaving is None or Depart() in effects or not self._may_go(self._leaving, now_us):
            return effects
        return [*effects, Depart()]

    def _handle(self, event: Event, now_us: int) -> list[Effect]:
        match event:
            case Leave():
                return self._leave(now_us)
            case Linked(up):
                return self._linked(up, now_us)
            case Heard(message):
                return self._heard(message, now_us)
            case Tick():
                return self._tick(event, now_us)
            case Inherited():
                return self._inherit(event)
            case Buried():
                return self._bury(event)
            case Obtained() | NotObtained() | Pooled() | PoolBroke():
                return self._of_part(event, now_us)

    def _leave(self, now_us: int) -> list[Effect]:
        """What it has it does to the end, and takes nothing new; when that was said already, it goes."""
        if self._leaving is not None:
            return [Depart()]
        self._leaving = Leaving(now_us)
        first: list[Effect] = []
        if self.part is not None:
            first = [Log(f"finishes {self.part.run} first; again to leave now")]
        elif self.estates and self._enlisted:
            first = [Log(f"delivers first what {plural(len(self.estates), 'earlier run')} left; again to leave now")]
        return [*first, *self._beat(now_us)]

    def _may_go(self, leaving: Leaving, now_us: int) -> bool:
        silent_us = now_us - self._heard_us
        return leaving.is_done(
            self.part, has_estates=bool(self.estates), enlisted=self._enlisted, silent_us=silent_us, now_us=now_us
        )

    def _of_part(self, event: Obtained | NotObtained | Pooled | PoolBroke, now_us: int) -> list[Effect]:
        part = self.part
        if part is None or part.run != event.run:
            return []
        match event:
            case Obtained():
                return part.obtained(event.directory, event.search_path)
            case PoolBroke(_, trouble) if part.has_run:
                # As if it had died: its users go to the others at once, and what it measured is there for the next one.
                return [Quit(f"{trouble.message}, in mid-run", trouble.hint)]
            case NotObtained(_, trouble) | PoolBroke(_, trouble):
                return part.failed(trouble)
            case Pooled(_, Printed(worker, line)):
                part.printed(worker, line, now_us)
                return []
            case Pooled(_, report):
                return self._counted(part.report(report, now_us))

    def _linked(self, up: bool, now_us: int) -> list[Effect]:
        answered, self._answered = self._answered, False
        self._up, self._enlisted, self._asked_us = up, False, now_us
        if self._leaving is not None:
            self._leaving.meets_anew()
        if up or self.part is None or not answered or now_us > self._lease_until_us:
            return []  # after a silence our users are others' already; no connection after another prolongs the grace
        self._lease_until_us = now_us + self.agent.grace_us
        return self.part.lease(self._lease_until_us)

    def _heard(self, message: ToAgent, now_us: int) -> list[Effect]:
        self._heard_us = now_us
        match message:
            case Welcome(insecure=insecure):
                return [*([Log(INSECURE)] if insecure else []), Send(self._enlist(now_us))]
            case Enlisted():
                return self._enter(now_us)
            case Rejected(reason, hint):
                return [Quit(reason, hint)]
            case Beaten():
                return self._beaten(message, now_us)
            case Prepare():
                return self._prepare(message, now_us)
            case Stored(run, incarnation, seq):
                return self._stored(run, incarnation, seq, now_us)
            case Release(run, incarnation) | Closed(run, incarnation):
                return self._release(run, incarnation)
            case SetUp(run) | Fit(run) | Go(run) | Hold(run) | Halt(run) | Wind(run):
                if self.part is not None and self.part.run == run:
                    return self.part.order(message, now_us)
        return []

    def _enlist(self, now_us: int) -> Enlist:
        agent = self.agent
        return Enlist(
            name=agent.name,
            identity=agent.identity,
            incarnation=agent.incarnation,
            host=agent.host,
            cores=agent.cores,
            version=agent.version,
            labels=dict(agent.labels),
            max_users=agent.max_users,
            room=agent.room(),
            estates=tuple(self.estates),
            standing=None if self.part is None else self.part.standing_at(now_us),
        )

    def _enter(self, now_us: int) -> list[Effect]:
        """The broker knows us (again): all that it has not acknowledged is due."""
        self._enlisted = True
        if self.part is not None:
            self.part.meet_anew()
        self._clock.forget()
        for outbox in self._outboxes():
            outbox.send_again()
        return [*self._beat(now_us), *self._deliver(now_us)]

    def _beaten(self, beaten: Beaten, now_us: int) -> list[Effect]:
        self._clock.hear(beaten.sent_us, beaten.broker_us, now_us)
        self._lease_until_us = beaten.sent_us + LEASE_US
        self._answered = True
        if self._leaving is not None:
            self._leaving.is_answered(beaten.sent_us)
        return [] if self.part is None else self.part.lease(self._lease_until_us)

    def _prepare(self, prepare: Prepare, now_us: int) -> list[Effect]:
        agent = self.agent
        if self.part is not None or self._leaving is not None or (prepare.run, agent.incarnation) in self.estates:
            return []
        self.part = Part(
            prepare,
            agent.incarnation,
            agent.limit,
            lambda: self._clock.offset_us,
            agent.name,
            capped=agent.max_users is not None,
        )
        self.part.lease_until_us = self._lease_until_us
        self._acked_us = now_us
        return [Log(f"prepares for {prepare.run}"), *self.part.begin()]

    def _stored(self, run: str, incarnation: int, seq: int, now_us: int) -> list[Effect]:
        outbox = self._outbox(run, incarnation)
        if outbox is None or seq <= outbox.acked:
            return []
        self._acked_us = now_us
        if self._leaving is not None:
            self._leaving.delivers(now_us)
        acked = Acked(seq)
        outbox.apply(acked)
        effects: list[Effect] = [Append(run, incarnation, acked)]
        base = outbox.base()
        if base is not None and self._spooled.get((run, incarnation), 0) > REWRITE_BYTES:
            self._spooled[run, incarnation] = 0
            effects.append(Rewrite(run, incarnation, base))
        return [*effects, *self._deliver(now_us)]

    def _release(self, run: str, incarnation: int) -> list[Effect]:
        part = self.part
        self._spooled.pop((run, incarnation), None)
        if part is not None and (part.run, part.outbox.incarnation) == (run, incarnation):
            self.part = None
            pages = tuple(part.outbox.pages)
            return [ClosePool(run), Drop(run, incarnation, pages), Log(f"is done with {run}"), *self._beat()]
        estate = self.estates.pop((run, incarnation), None)
        if estate is not None:
            return [Drop(run, incarnation, tuple(estate.outbox.pages))]
        return []

    def _tick(self, tick: Tick, now_us: int) -> list[Effect]:
        effects: list[Effect] = []
        self._reading = tick.reading
        if self.part is not None:
            self.part.check_lease(now_us)
        if self._up and not self._enlisted and now_us - self._asked_us >= ASK_AGAIN_US:
            self._asked_us = now_us
            effects.append(Send(self._enlist(now_us)))  # what the broker said found no room
        if self._up and (self._beat_us is None or now_us - self._beat_us >= US_PER_S):
            effects += self._beat(now_us)
        if now_us - self._sealed_us >= US_PER_S:
            self._sealed_us = now_us
            if now_us - self._acked_us > SEND_AGAIN_US:
                self._acked_us = now_us
                for outbox in self._outboxes():
                    outbox.send_again()
            effects += self._deliver(now_us)
        return effects

    def _beat(self, now_us: int | None = None) -> list[Effect]:
        """Say that we live, and where we stand."""
        if not self._enlisted:
            return []
        if now_us is None:
            self._beat_us = None  # at the next tick
            return []
        self._beat_us = now_us
        standing = None if self.part is None else self.part.standing_at(now_us)
        if self._leaving is not None:
            self._leaving.beats(now_us)
        how = asdict(self._reading)
        beat = Beat(sent_us=now_us, standing=standing, leaving=self._leaving is not None, **how)
        return [Send(beat), *self._completions()]

    def _deliver(self, now_us: int) -> list[Effect]:
        """Seal what waits, and send what is due."""
        effects: list[Effect] = []
        for outbox in self._outboxes():
            sealed = outbox.seal()
            if sealed is not None:
                outbox.apply(sealed)
                effects += self._counted([Append(outbox.run, outbox.incarnation, sealed)])
            if self._enlisted:
                effects += [Send(data) for data in outbox.to_send()]
        return [*effects, *self._completions()] if self._enlisted else effects

    def _completions(self) -> list[Effect]:
        said: list[Complete] = []
        if self.part is not None and (complete := self.part.completion()) is not None:
            said.append(complete)
        for estate in self.estates.values():
            if estate.buried and not estate.outbox.has_pending:
                outbox = estate.outbox
                said.append(Complete(run=outbox.run, incarnation=outbox.incarnation, last_seq=outbox.last_seq))
        return [Send(complete) for complete in said]

    def _inherit(self, event: Inherited) -> list[Effect]:
        outbox = Outbox(event.run, event.incarnation)
        for record in event.records:
            outbox.apply(record)
        outbox.send_again()
        self.estates[event.run, event.incarnation] = Estate(outbox)
        pages = {incarnation: desk.page for incarnation, desk in outbox.desks.items()}
        return [Watch(event.run, event.incarnation, pages), Log(f"takes over {outbox!r}")]

    def _bury(self, event: Buried) -> list[Effect]:
        """What the workers left behind is ours to tell."""
        estate = self.estates.get((event.run, event.incarnation))
        if estate is None:
            return []
        effects: list[Effect] = []
        for remains in event.remains:
            for record in read_remains(estate.outbox, remains, self.agent.name):
                estate.outbox.apply(record)
                effects.append(Append(event.run, event.incarnation, record))
        estate.buried = True
        return effects

    def warn(self, text: str) -> None:
        """Tell whoever reads the result of the run that goes on."""
        if self.part is not None:
            self.part.outbox.warn(f"agent {self.agent.name}: {text}")

    def pages(self) -> set[str]:
        """Those that earlier processes left and that are still needed."""
        return {page for estate in self.estates.values() for page in estate.outbox.pages}

    def _counted(self, effects: list[Effect]) -> list[Effect]:
        """Know roughly how long the spools are."""
        for effect in effects:
            if isinstance(effect, Append):
                size = len(effect.record.data) if isinstance(effect.record, Sealed) else 1_000
                key = effect.run, effect.incarnation
                self._spooled[key] = self._spooled.get(key, 0) + 2 * size
        return effects

    def _outboxes(self) -> list[Outbox]:
        own = [] if self.part is None else [self.part.outbox]
        return own + [estate.outbox for estate in self.estates.values()]

    def _outbox(self, run: str, incarnation: int) -> Outbox | None:
        for outbox in self._outboxes():
            if (outbox.run, outbox.incarnation) == (run, incarnation):
                return outbox
        return None

"""The broker, as a pure state machine: `handle(event, now_us)` answers what to do.

Knows the peers and the agents, who is free and who is silent, which runs wait and which go on; the life of a run is
`LiveRun`'s. Has no socket, no clock, no file: what it must remember is `Save`d, what it says is `Send`.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from random import Random

from loads.broker.agents import Agents, AgentSeen
from loads.broker.events import (
    Admitted,
    Effect,
    Event,
    Gone,
    Kept,
    Log,
    NotObtained,
    Obtain,
    Obtained,
    Recall,
    Report,
    Said,
    Saved,
    Send,
    Spoiled,
    StoreTrouble,
    Tick,
    ToSeat,
    Unsent,
)
from loads.broker.excess import find_excess
from loads.broker.fold import Fold
from loads.broker.liveness import RETURN_US
from loads.broker.names import new_name
from loads.broker.notes import agent_joined, run_ended, run_submitted, runs_stopped
from loads.broker.peers import Peer, Peers
from loads.broker.queue import reservation
from loads.broker.recollecting import recollect
from loads.broker.record import RunRecord
from loads.broker.run import LiveRun
from loads.broker.serving import give_up, serve
from loads.broker.views import Broker, busy, busy_names, find_run, status
from loads.metrics.events import EventKind
from loads.wire.cluster import (
    Accepted,
    Ask,
    Batch,
    Beat,
    Beaten,
    Cease,
    Ceased,
    Closed,
    Complete,
    Enlist,
    Enlisted,
    Follow,
    Hello,
    Recollect,
    Refused,
    Release,
    RunState,
    Standing,
    Submit,
    Trouble,
    WhoAreYou,
)


class BrokerState:
    """All that the broker knows."""

    def __init__(
        self,
        broker: Broker,
        random: Random,
        known: Callable[[str], bool],
        over: Callable[[int], str | None] = lambda _: None,
    ) -> None:
        """`known` says whether the store has a run of that name, `over` which one was submitted with that nonce."""
        self.broker = broker
        self.peers = Peers(broker.version, broker.incarnation, insecure=broker.insecure)
        self.agents = Agents(broker.started_us)
        self.runs: dict[str, LiveRun] = {}
        self._random = random
        self._known = known
        self._over = over
        self._trouble: str | None = None
        self._obtained: set[str] = set()

    def __repr__(self) -> str:
        runs = " ".join(map(repr, self.runs.values()))
        return f"<Broker peers={len(self.peers.by_name)} agents={len(self.agents.by_name)} {runs}>"

    def restore(self, runs: Iterable[tuple[RunRecord, Fold]]) -> list[Effect]:
        """Go on with what the store holds. To be called once, before anything is handled."""
        effects: list[Effect] = []
        for record, fold in runs:
            run = self.runs[record.id] = LiveRun(record, fold, self.broker.clock, self.broker.wall)
            run.orphaned_us = self.broker.started_us
            effects += self._obtain(run, b"")
        return effects

    def handle(self, event: Event, now_us: int) -> list[Effect]:
        """What follows from `event`."""
        return self.peers.addressed(self._handle(event, now_us), self.agents)

    def _handle(self, event: Event, now_us: int) -> list[Effect]:
        match event:
            case Said():
                return self._said(event, now_us)
            case Admitted(keys):
                return self._admitted(keys, now_us)
            case Gone(peer):
                return self._gone(peer, now_us)
            case Unsent(peer):
                self.peers.missed(peer, self.runs)
            case Kept():
                return self._kept(event, now_us)
            case Saved(run, version):
                return self._saved(run, version, now_us)
            case Obtained(run):
                self._obtained.add(run)
                return self._serve_queue(now_us)
            case NotObtained(run, trouble) | Spoiled(run, trouble) if run in self.runs:
                return self.runs[run].refuse(trouble)
            case StoreTrouble(text):
                return self._store_trouble(text, now_us)
            case Tick():
                return self._tick(now_us)
        return []

    def _said(self, said: Said, now_us: int) -> list[Effect]:
        name, message = said.peer, said.message
        if isinstance(message, Hello):
            return self.peers.hello(name, message, said.who, now_us)
        peer = self.peers.by_name.get(name)
        if peer is None:
            return [Send(name, WhoAreYou())]
        if peer.rejected_us is not None:
            return []
        denied = self.peers.denied(name, message, now_us)
        if denied is not None:
            return denied
        self.agents.hear(name, now_us)
        match message:
            case Beat():
                return self._beat(name, message, now_us)
            case Standing():
                return self._stands(message, now_us)
            case Batch():
                return self._batch(name, message, said.data, now_us)
            case Complete():
                return self._complete(name, message, now_us)
            case Enlist():
                return self._enlist(name, message, now_us)
            case Submit():
                return self._submit(name, message, len(said.data), now_us)
            case Follow(run):
                return self._follow(name, peer, run, now_us)
            case Cease(run, now):
                return self._cease(name, peer, run, now)
            case Recollect():
                return recollect(self.runs, name, message, self.broker.piece_bytes)
            case Ask(runs):
                return [Report(name, status(self.broker, self._trouble, self.agents, self.runs, now_us), runs)]
        return []

    def _gone(self, name: bytes, now_us: int) -> list[Effect]:
        self.peers.by_name.pop(name, None)
        effects: list[Effect] = []
        for incarnation in self.agents.disconnect(name):
            effects += self._lose(incarnation, "went away", now_us)
        for run in self.runs.values():
            if run.submitter == name:
                run.orphaned_us = now_us
        return effects

    def _admitted(self, keys: Container[bytes], now_us: int) -> list[Effect]:
        """Who came in with a key that is none any more is out, with all that depends on it."""
        effects: list[Effect] = []
        for name, last_words in self.peers.expelled(keys):
            effects += [*last_words, *self._gone(name, now_us)]
        return effects

    # Agents.

    def _enlist(self, name: bytes, enlist: Enlist, now_us: int) -> list[Effect]:
        other = self.agents.by_name.get(enlist.name)
        if other is not None and other.peer is not None and other.enlist.identity != enlist.identity:
            return self.peers.reject(
                name,
                f"there is an agent named {enlist.name} already, on {other.enlist.host}",
                "give this one another name with --name",
                now_us,
            )
        if self.agents.are_others(enlist):
            return self.peers.reject(
                name,
                f"agent {enlist.name} speaks for a process that another agent is",
                "give each agent a state directory of its own, that is no copy of another's",
                now_us,
            )
        effects: list[Effect] = [Send(name, Enlisted())]
        if other is not None and other.peer not in (None, name) and other.enlist.incarnation != enlist.incarnation:
            effects += self.peers.supersede(other.peer, enlist.name, now_us)
        replaced = self.agents.enlist(name, enlist, now_us)
        for incarnation in replaced:
            effects += self._lose(incarnation, "was started again", now_us)
        for run in self.runs.values():
            effects += run.back(enlist.incarnation, anew=False)
        for run_id, incarnation in enlist.estates:
            if run_id in self.runs:  # a broker that was started again may not know yet that it is over
                effects += self.runs[run_id].gone(incarnation, "was started again", now_us)
                effects += self.runs[run_id].back(incarnation, anew=True)
            else:
                effects.append(Send(name, Closed(run=run_id, incarnation=incarnation)))
        if enlist.standing is not None:
            effects += self._stands(enlist.standing, now_us)
        effects.append(agent_joined(enlist, self.peers.by_name[name].who))
        return [*effects, Log(f"agent {enlist.name} of {enlist.host} is here"), *self._serve_queue(now_us)]

    def _beat(self, name: bytes, beat: Beat, now_us: int) -> list[Effect]:
        """Orders go first: who hears that the broker is there must know already what it wants."""
        agent = self.agents.at(name)
        effects: list[Effect] = []
        if agent is not None:
            for run in self.runs.values():
                for incarnation in self.agents.spoken_for(agent) if run.away else ():
                    effects += run.back(incarnation, anew=incarnation != agent.enlist.incarnation)
            was_busy = agent.standing is not None
            agent.heed(beat)
            if beat.standing is not None:
                effects += self._stands(beat.standing, now_us)
            else:
                effects += self._remind(agent, now_us)
                grows = any(run.may_grow for run in self.runs.values())
                effects += self._serve_queue(now_us) if was_busy or grows else []
            if any(run.withholds(agent.enlist.incarnation) for run in self.runs.values()):
                return effects
        return [*effects, Send(name, Beaten(sent_us=beat.sent_us, broker_us=now_us))]

    def _remind(self, agent: AgentSeen, now_us: int) -> list[Effect]:
        """It works for no run: if it should, it has not heard yet."""
        effects: list[Effect] = []
        for run in self.runs.values():
            seat = run.seat_of(agent.enlist.incarnation)
            if seat is not None and not run.is_final:
                effects += run.withdraw(seat, now_us) if agent.leaving else run.remind(seat)
        return effects

    def _stands(self, standing: Standing, now_us: int) -> list[Effect]:
        run = self.runs.get(standing.run)
        if run is None:
            return [ToSeat(standing.incarnation, Release(run=standing.run, incarnation=standing.incarnation))]
        agent = self.agents.of(standing.incarnation)
        if agent is not None:
            agent.standing = standing
        return run.stands(standing, now_us)

    def _batch(self, name: bytes, batch: Batch, data: bytes, now_us: int) -> list[Effect]:
        run = self.runs.get(batch.run)
        if run is None or run.seat_of(batch.incarnation) is None:
            return [Send(name, Closed(run=batch.run, incarnation=batch.incarnation))]
        return run.batch(batch, data, now_us)

    def _complete(self, name: bytes, complete: Complete, now_us: int) -> list[Effect]:
        run = self.runs.get(complete.run)
        if run is None or run.seat_of(complete.incarnation) is None:
            return [Send(name, Release(run=complete.run, incarnation=complete.incarnation))]
        return run.complete(complete, now_us)

    def _lose(self, incarnation: int, reason: str, now_us: int) -> list[Effect]:
        return [effect for run in self.runs.values() for effect in run.gone(incarnation, reason, now_us)]

    # Runners.

    def _submit(self, name: bytes, submit: Submit, size_bytes: int, now_us: int) -> list[Effect]:
        for run in self.runs.values():
            if run.record.submit.nonce == submit.nonce:  # said again: the answer was lost
                run.submitter, run.orphaned_us = name, None
                accepted = [Send(name, Accepted(run=run.id))] if run.saved else []
                return [*accepted, *self._obtain(run, name)]
        over = self._over(submit.nonce)
        if over is not None:
            return [Send(name, Accepted(run=over))]
        excess = find_excess(submit, size_bytes, len(self.runs))
        if excess is not None:
            return [Send(name, Refused(run=None, trouble=excess))]
        free = self.agents.free(busy(self.runs))
        trouble = reservation(submit, free, self.agents.by_name.values(), busy_names(self.runs))
        if trouble is not None and not submit.wait and not self.agents.come_free(self.runs):
            return [Send(name, Refused(run=None, trouble=trouble))]
        run_id = new_name(self._random, lambda taken: taken in self.runs or self._known(taken))
        record = RunRecord(id=run_id, submit=submit, created_at=self.broker.wall(now_us))
        run = self.runs[run_id] = LiveRun(record, Fold(), self.broker.clock, self.broker.wall)
        run.submitter = name
        who = submit.who
        log = Log(f"{run_id}: submitted by {who.user} of {who.host}: {' '.join(submit.spec.targets)}")
        if trouble is not None:
            run.notice(f"waiting: {trouble.message}")
        return [log, run_submitted(run, self.peers.by_name[name].who), *run.save(), *self._obtain(run, name)]

    def _obtain(self, run: LiveRun, name: bytes) -> list[Effect]:
        bundle = run.record.submit.bundle
        if run.record.state is not RunState.WAITING:
            return []
        if bundle is None:
            self._obtained.add(run.id)
            return []
        return [Obtain(run.id, bundle, name)] if run.id not in self._obtained else []

    def _serve_queue(self, now_us: int) -> list[Effect]:
        refuses = now_us - self.broker.started_us > RETURN_US
        return serve(self.runs, self.agents, self._obtained, refuses=refuses, now_us=now_us)

    def _follow(self, name: bytes, peer: Peer, run_id: str | None, now_us: int) -> list[Effect]:
        run = find_run(self.runs, run_id)
        if run is None or run.is_final:
            peer.follows, peer.owed = run_id, False
            return [Recall(name, run_id)]
        peer.follows, peer.behind, peer.owed = run.id, False, True
        return [*run.settle(now_us), Send(name, run.snapshot(now_us))]

    def _cease(self, name: bytes, peer: Peer, run_id: str | None, now: bool) -> list[Effect]:
        one = None if run_id is None else find_run(self.runs, run_id)
        if run_id is not None and one is None:
            hint = "loads-runner --ping-broker lists those that go on"
            return [Send(name, Refused(run=run_id, trouble=Trouble(message=f"no run {run_id} goes on", hint=hint)))]
        runs = [one] if one is not None else list(self.runs.values())
        effects = [effect for run in runs for effect in run.cease(now=now)]
        names = tuple(run.id for run in runs)
        return [*effects, Send(name, Ceased(runs=names)), runs_stopped(names, peer.who, now=now)]

    # The store.

    def _kept(self, event: Kept, now_us: int) -> list[Effect]:
        effects: list[Effect] = []
        for (run_id, incarnation), seq in event.seqs.items():
            if run_id in self.runs:
                effects += self.runs[run_id].kept(incarnation, seq, now_us)
        return effects

    def _saved(self, run_id: str, version: int, now_us: int) -> list[Effect]:
        run = self.runs.get(run_id)
        if run is None:
            return []
        first = run.saved == 0
        effects = run.saved_version(version)
        if first:
            effects = [Send(run.submitter, Accepted(run=run_id)), *effects, *self._serve_queue(now_us)]
        if run.is_final:
            effects.append(run_ended(run))
            addressed = self.peers.addressed(effects, self.agents)
            del self.runs[run_id]
            self._obtained.discard(run_id)
            return [*addressed, *self._serve_queue(now_us)]
        return effects

    def _store_trouble(self, text: str | None, now_us: int) -> list[Effect]:
        if text == self._trouble:
            return []
        self._trouble = text
        told = f"the broker can't write results down: {text}" if text is not None else "the broker can write again"
        for run in self.runs.values():
            run.notice(told, EventKind.WARNING, now_us)
        return [Log(told)]

    # Time.

    def _tick(self, now_us: int) -> list[Effect]:
        effects: list[Effect] = []
        for incarnation in self.agents.silent(now_us):
            effects += self._lose(incarnation, "was not heard for 3.5 s", now_us)
        if now_us - self.broker.started_us > RETURN_US:
            for run in self.runs.values():
                for seat in run.record.seats:
                    if not run.has_all_of(seat) and self.agents.of(seat.incarnation) is None:
                        effects += run.gone(seat.incarnation, "did not come back to the broker", now_us)
        for run in list(self.runs.values()):
            effects += run.tick(now_us)
            effects += give_up(run, self._obtained, now_us)
            effects += self._catch_up(run, now_us)
        effects += self.peers.tick(self.runs, now_us)
        return [*effects, *self._serve_queue(now_us)]

    def _catch_up(self, run: LiveRun, now_us: int) -> list[Effect]:
        """Who missed something gets the whole."""
        behind = self.peers.behind(run.id, now_us)
        if not behind:
            return []
        effects = run.settle(now_us)
        snapshot = run.snapshot(now_us)
        return [*effects, *(Send(name, snapshot) for name in behind)]

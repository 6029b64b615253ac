"""Builders of what a broker and an agent know: submissions, records, seats, batches."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any

from loads.broker.events import Effect, Save, Saved, Send
from loads.broker.record import RunRecord, Seat
from loads.broker.state import BrokerState
from loads.broker.views import Broker
from loads.metrics.summary import Summary
from loads.plan.load import LoadOptions
from loads.plan.pacer import Arrivals, RateStage
from loads.plan.profile import Stage as Step
from loads.plan.spec import Phase, Plan
from loads.units import RATE_PER_S, US_PER_S
from loads.wire.cluster import Batch, RunState, Span, Stage, Standing, Submit, Who
from loads.wire.messages import Loaded, ScenarioInfo
from loads.wire.run import RunSpec

AT = datetime(2014, 5, 9, tzinfo=UTC)
LOADED = Loaded(scenarios=(ScenarioInfo(name="t", weight=1),), hooks=())


def submit_of(load: LoadOptions | None = None, **changed: Any) -> Submit:
    spec = RunSpec(
        targets=("t",),
        search_path=(".",),
        load=load or LoadOptions(users=(6,), duration_us=10 * US_PER_S),
        workers=None,
        seed=1,
        server_url=None,
        fresh_session=False,
    )
    fields: dict[str, Any] = {"nonce": 1, "who": Who("me", "here"), "spec": spec, "bundle": None, "agents": None}
    return Submit(**{**fields, **changed})


def seat_of(incarnation: int = 1, **changed: Any) -> Seat:
    fields: dict[str, Any] = {
        "agent": f"a{incarnation}",
        "identity": incarnation,
        "incarnation": incarnation,
        "host": "h",
        "slots": 3,
        "workers": 1,
        "portions": ((),),
    }
    return Seat(**{**fields, **changed})


def timed_plan(users: int = 6) -> Plan:
    return Plan((Phase(users, stages=(Step(0, users), Step(10 * US_PER_S, users))),))


def counted_plan(*hits: int, users: int = 6) -> Plan:
    return Plan(tuple(Phase(users, hits=count) for count in hits or (5,)))


def arrivals(per_second: int, seed: int | None = None) -> Arrivals:
    rate = per_second * RATE_PER_S
    return Arrivals((RateStage(0, rate), RateStage(10 * US_PER_S, rate)), seed)


def rate_plan(per_second: int = 100, slots: int = 6) -> Plan:
    return Plan((Phase(slots, arrivals=arrivals(per_second)),))


def record_of(state: RunState, *seats: Seat, plan: Plan | None = None, **changed: Any) -> RunRecord:
    fields: dict[str, Any] = {"id": "run", "submit": submit_of(), "created_at": AT, "run_at_us": 0}
    return RunRecord(state=state, seats=list(seats), plan=plan or timed_plan(), **{**fields, **changed})


def batch_of(seq: int, *summaries: Summary, incarnation: int = 1, **changed: Any) -> Batch:
    spans = tuple(Span(second * US_PER_S, summary) for second, summary in enumerate(summaries))
    return Batch(run="run", incarnation=incarnation, seq=seq, spans=spans, **changed)


def standing_of(stage: Stage, incarnation: int = 1, **changed: Any) -> Standing:
    fields: dict[str, Any] = {"run": "run", "workers": 1, "holding": 1}
    return Standing(incarnation=incarnation, stage=stage, **{**fields, **changed})


def new_broker(over: dict[int, str] | None = None) -> BrokerState:
    broker = Broker(incarnation=7, version="1", host="h", pid=1, store="s", clock="c", wall=lambda _: AT, started_us=0)
    return BrokerState(broker, Random(1), lambda _: False, (over or {}).get)


def told(effects: list[Effect], peer: bytes) -> list[str]:
    """What `peer` is told, by kind."""
    return [type(effect.message).__name__ for effect in effects if isinstance(effect, Send) and effect.peer == peer]


def stored(broker: BrokerState, effects: list[Effect], now_us: int = 0) -> list[Effect]:
    """What follows once all that `effects` save is on the disk, and so on."""
    following: list[Effect] = []
    for effect in effects:
        if isinstance(effect, Save):
            after = broker.handle(Saved(effect.record.id, effect.record.version), now_us)
            following += [*after, *stored(broker, after, now_us)]
    return following

"""A broker's state, driven by hand: what peers say to it, and what it answers."""

from __future__ import annotations

from loads.broker.events import Effect, Keep, Kept, Said
from loads.broker.rights import LOCAL
from loads.broker.state import BrokerState
from loads.plan.load import LoadOptions
from loads.wire.cluster import Enlist, Hello, Role, RunState, Stage, Submit, ToBroker
from loads.wire.messages import PROTOCOL
from tests.runs import LOADED, new_broker, standing_of, stored, submit_of


class Driven:
    """A broker whose store is at once."""

    def __init__(self, broker: BrokerState | None = None) -> None:
        self.broker = broker or new_broker()
        self.now_us = 0
        self.effects: list[Effect] = []

    def say(self, peer: bytes, message: ToBroker) -> list[Effect]:
        return self.do(self.broker_said(peer, message))

    def broker_said(self, peer: bytes, message: ToBroker) -> object:
        return Said(peer, message, b"data", LOCAL)

    def do(self, event: object, *, store: bool = True) -> list[Effect]:
        effects = self.broker.handle(event, self.now_us)  # type: ignore[arg-type]
        if store:
            effects += stored(self.broker, effects, self.now_us)
            for keep in [effect for effect in effects if isinstance(effect, Keep)]:
                after = self.broker.handle(Kept({(keep.run, keep.incarnation): keep.seq}), self.now_us)
                effects += [*after, *stored(self.broker, after, self.now_us)]
        self.effects += effects
        return effects

    def hello(self, peer: bytes, role: Role = Role.AGENT, protocol: int = PROTOCOL) -> list[Effect]:
        return self.say(peer, Hello(protocol=protocol, version="1", role=role, session=1))

    def enlist(self, number: int, *, incarnation: int | None = None, **changed: object) -> list[Effect]:
        peer = b"a%d" % (incarnation or number)
        self.hello(peer)
        enlist = Enlist(
            name=f"a{number}",
            identity=number,
            incarnation=incarnation or number,
            host="h",
            cores=1,
            version="1",
            **changed,  # type: ignore[arg-type]
        )
        return self.say(peer, enlist)

    def stand(self, stage: Stage, *agents: int, **changed: object) -> None:
        for number in agents:
            loaded = LOADED if stage is Stage.LOADED else None
            standing = standing_of(stage, number, run=self.run, loaded=loaded, **changed)
            self.say(b"a%d" % number, standing)

    def submit(self, submit: Submit | None = None) -> None:
        self.hello(b"r", Role.RUNNER)
        self.say(b"r", submit or submit_of())

    def running(self, agents: int = 2, load: LoadOptions | None = None) -> Driven:
        numbers = range(1, agents + 1)
        for number in numbers:
            self.enlist(number)
        self.submit(submit_of(load))
        for stage in (Stage.LOADED, Stage.FITTING, Stage.READY):
            self.stand(stage, *numbers)
        self.stand(Stage.RUNNING, *numbers, phase=0)
        assert self.state is RunState.RUNNING
        return self

    @property
    def run(self) -> str:
        return next(iter(self.broker.runs))

    @property
    def state(self) -> RunState:
        return self.broker.runs[self.run].record.state

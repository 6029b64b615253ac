"""The connections of the broker: who said Hello, who follows what, and to whom effects go. Pure.

What a peer claims to be is held against its key and its connection in `claims`, before anybody acts on it.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Final

from loads.broker.agents import Agents
from loads.broker.claims import Claims, speaks_early
from loads.broker.events import Audit, Dismiss, Effect, Kick, Log, Recall, Send, ToFollowers, ToSeat
from loads.broker.rights import Principal, role_for
from loads.units import US_PER_S
from loads.wire.cluster import (
    Ask,
    Cease,
    Closed,
    Ended,
    Enlist,
    Follow,
    FromBroker,
    Hello,
    Recollect,
    Refused,
    Rejected,
    Release,
    Role,
    Snapshot,
    Stored,
    Submit,
    ToBroker,
    Trouble,
    Update,
    Welcome,
)
from loads.wire.messages import PROTOCOL
from loads.wire.plain import plain

CATCH_UP_US: Final = 3 * US_PER_S
"""Between two snapshots for a peer that does not keep up."""
STRANGER_US: Final = 5 * US_PER_S
"""How long a peer that was rejected may stay connected."""
MOST_ASKED: Final = 100
"""So many questions a second of one connection, each of which may be much work; nobody reads more answers."""
_ASKED: Final = (Ask, Follow, Recollect, Submit, Cease, Enlist)
_VERSION: Final = 60
_A: Final = {Role.AGENT: "an agent", Role.RUNNER: "a runner", Role.OBSERVER: "an observer"}
_REVOKED: Final = "whoever looks after the broker made it so; a new key is made there with loads keys add"


@dataclass
class Peer:
    """A connection that said Hello.

    Attributes:
        who: who stands behind it.
        follows: the run that it is told of.
        behind: it missed something, and gets a snapshot when it can take one.
        owed: it was not yet told how the run that it follows ended.
        rejected_us: since when it is not wanted.
        caught_up_us: when it got a snapshot for what it missed.
        agent: as what it enlisted.
        asked: how much it asked for in the second that began at `asked_us`.
    """

    role: Role
    who: Principal
    follows: str | None = None
    behind: bool = False
    owed: bool = False
    rejected_us: int | None = None
    caught_up_us: int = -CATCH_UP_US
    agent: Enlist | None = None
    asked: int = 0
    asked_us: int = 0


class Peers:
    """By routing id. `version` and `incarnation` are the broker's own; `insecure`: it asks some for no key."""

    def __init__(self, version: str, incarnation: int, *, insecure: bool = False) -> None:
        self.by_name: dict[bytes, Peer] = {}
        self._version = version
        self._incarnation = incarnation
        self._insecure = insecure
        self._claims = Claims()

    def hello(self, name: bytes, hello: Hello, who: Principal, now_us: int) -> list[Effect]:
        """First words; another protocol is no protocol, and a role that its key does not have is none.

        Said again they change nothing of what it is: who was rejected stays so.
        """
        before = self.by_name.get(name)
        if before is not None and before.rejected_us is not None:
            return []
        self.by_name[name] = Peer(hello.role, who)
        if before is not None:
            again = self.by_name[name]
            again.agent, again.asked, again.asked_us = before.agent, before.asked, before.asked_us
            if self._asks_too_much(again, now_us):
                return self._too_much(name, now_us)
        if hello.protocol == PROTOCOL and hello.role in who.roles:
            return [Send(name, Welcome(version=self._version, incarnation=self._incarnation, insecure=self._insecure))]
        if hello.protocol == PROTOCOL:
            return self.reject(
                name,
                f"{who.name} {who.rights}, and this is {_A[hello.role]}",
                "a key with that role is made on the broker's machine: "
                f"loads keys add NAME --role {hello.role.value}\nand stored here: loads keys join LINE",
                now_us,
            )
        return self.reject(
            name,
            f"the broker is of version {self._version} (protocol {PROTOCOL}), "
            f"and this is {plain(hello.version[:_VERSION])} (protocol {hello.protocol})",
            f"install loads {self._version} here, or the same version everywhere",
            now_us,
        )

    def reject(self, name: bytes, reason: str, hint: str, now_us: int) -> list[Effect]:
        """Nothing more is heard of it."""
        peer = self.by_name[name]
        peer.rejected_us = now_us
        return [
            Send(name, Rejected(reason=reason, hint=hint)),
            Log(f"rejected {_A[peer.role]}: {reason}"),
            Audit("refused", peer.who.name, {"as": peer.role.value, "why": reason}),
        ]

    def denied(self, name: bytes, message: ToBroker, now_us: int) -> list[Effect] | None:
        """What follows when `message` is more than its peer may say; None: it may."""
        peer = self.by_name[name]
        if isinstance(message, _ASKED) and self._asks_too_much(peer, now_us):
            return self._too_much(name, now_us)
        if peer.who.may(message):
            return self._claimed(name, peer, message, now_us)
        kind = type(message).__name__.lower()
        reason = f"{peer.who.name} {peer.who.rights}"
        hint = f"on the broker's machine: loads keys add NAME --role {role_for(message).value}"
        if not isinstance(message, Submit | Cease):
            return self.reject(name, reason, hint, now_us)
        run = message.run if isinstance(message, Cease) else None
        return [
            Send(name, Refused(run=run, trouble=Trouble(message=reason, hint=hint))),
            Log(f"refused: {reason}, and wanted to {kind}"),
            Audit("refused", peer.who.name, {"what": kind, "run": run, "why": reason}),
        ]

    def _claimed(self, name: bytes, peer: Peer, message: ToBroker, now_us: int) -> list[Effect] | None:
        if speaks_early(peer.agent, message, peer.who):
            return []
        false = self._claims.check(peer.agent, message, peer.who)
        if false is not None:
            return self.reject(name, false.message, false.hint, now_us)
        if isinstance(message, Enlist):
            peer.agent = message
        return None

    def _asks_too_much(self, peer: Peer, now_us: int) -> bool:
        if now_us - peer.asked_us >= US_PER_S:
            peer.asked, peer.asked_us = 0, now_us
        peer.asked += 1
        return peer.asked > MOST_ASKED

    def _too_much(self, name: bytes, now_us: int) -> list[Effect]:
        reason = f"{self.by_name[name].who.name} asks for more than {MOST_ASKED} things a second"
        return self.reject(name, reason, "ask less often: loads status and loads attach do", now_us)

    def trusts(self, name: bytes, message: ToBroker) -> bool:
        """Whether it said Hello, was not rejected, and may say `message`."""
        peer = self.by_name.get(name)
        return peer is not None and peer.rejected_us is None and peer.who.may(message)

    def expelled(self, keys: Container[bytes]) -> list[tuple[bytes, list[Effect]]]:
        """Peers whose key is none of `keys`, each with what is to be done before it is gone."""
        self._claims.admitted(keys)
        gone = [
            (name, peer) for name, peer in self.by_name.items() if peer.who.key is not None and peer.who.key not in keys
        ]
        return [
            (
                name,
                [
                    Send(name, Rejected(reason=f"{peer.who.name} was revoked, or is not what it was", hint=_REVOKED)),
                    Dismiss(name),
                    Log(f"sent away {_A[peer.role]}: {peer.who.name} was revoked"),
                    Audit("sent away", peer.who.name, {"as": peer.role.value, "why": "its key was revoked"}),
                ],
            )
            for name, peer in gone
        ]

    def supersede(self, name: bytes | None, agent: str, now_us: int) -> list[Effect]:
        """Another process came as `agent` before this one went: its state was copied, as a machine is.

        What it ran is others' now, so it must not go on.
        """
        if name is None or name not in self.by_name:
            return []
        return self.reject(
            name,
            f"another process came with the name and the identity of agent {agent}, and took its place",
            "give each agent a state directory of its own, that is no copy of another's",
            now_us,
        )

    def missed(self, name: bytes, runs: Container[str]) -> None:
        """A message could not be handed over. `runs` are those that go on."""
        peer = self.by_name.get(name)
        if peer is not None and peer.follows is not None:
            peer.behind = True
            peer.owed = peer.owed or peer.follows not in runs

    def behind(self, run: str, now_us: int) -> list[bytes]:
        """Who missed something of `run`, and is to get the whole now; who can't take it is not tried all the time."""
        names = []
        for name, peer in self.by_name.items():
            if peer.behind and peer.follows == run and now_us - peer.caught_up_us > CATCH_UP_US:
                peer.behind, peer.caught_up_us = False, now_us
                names.append(name)
        return names

    def tick(self, runs: Container[str], now_us: int) -> list[Effect]:
        """Time has passed."""
        effects: list[Effect] = []
        for name, peer in self.by_name.items():
            if peer.rejected_us is not None and now_us - peer.rejected_us > STRANGER_US:
                effects.append(Kick(name))
            elif peer.owed and peer.follows is not None and peer.follows not in runs:
                peer.owed = False
                effects.append(Recall(name, peer.follows))
        return effects

    def addressed(self, effects: list[Effect], agents: Agents) -> list[Effect]:
        """`effects` with peers in place of seats and followers; what nobody is there for is left out."""
        addressed: list[Effect] = []
        for effect in effects:
            match effect:
                case ToSeat(incarnation, message):
                    agent = agents.of(incarnation)
                    if agent is None or agent.peer is None:
                        continue
                    # Of one that died only what it left can be spoken of: orders would be taken for the next one's.
                    if agent.enlist.incarnation == incarnation or isinstance(message, Stored | Release | Closed):
                        addressed.append(Send(agent.peer, message))
                case ToFollowers(run, message):
                    addressed += self._to_followers(run, message)
                case _:
                    addressed.append(effect)
        return addressed

    def _to_followers(self, run: str, message: FromBroker) -> list[Effect]:
        told: list[Effect] = []
        for name, peer in self.by_name.items():
            if peer.follows != run:
                continue
            match message:
                case Ended() | Refused():
                    peer.owed = peer.behind = False
                case Snapshot():
                    peer.behind = False
                case Update() if peer.behind:
                    continue
            told.append(Send(name, message))
        return told

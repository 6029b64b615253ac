"""The agents that the broker knows, and over which connection each of their incarnations is heard. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from loads.broker.liveness import Liveness
from loads.wire.cluster import AgentStatus, Beat, Enlist, Standing

MOST_AWAY: Final = 1_000
"""So many agents that are away are remembered. One that comes back later is taken for a new one, and loses nothing."""


@dataclass
class AgentSeen:
    """One agent. `peer` is None while it is away; `standing` the run that it works for, as it says.

    `leaving`: it goes once that is over. `load` and what follows it are those of its last beat.
    """

    enlist: Enlist
    peer: bytes | None
    standing: Standing | None = None
    leaving: bool = False
    load: float = 0.0
    cpu_share: float | None = None
    memory_used_bytes: int | None = None
    memory_bytes: int | None = None

    def heed(self, beat: Beat) -> None:
        """Take what it says of itself."""
        self.standing, self.leaving, self.load = beat.standing, beat.leaving, beat.load
        self.cpu_share = beat.cpu_share
        self.memory_used_bytes, self.memory_bytes = beat.memory_used_bytes, beat.memory_bytes


class Agents:
    """By name, by connection and by incarnation: an agent speaks for those that died before it, too."""

    def __init__(self, now_us: int) -> None:
        self.by_name: dict[str, AgentSeen] = {}
        self._names: dict[bytes, str] = {}
        self._speakers: dict[int, str] = {}
        self._liveness = Liveness(now_us)

    def at(self, peer: bytes) -> AgentSeen | None:
        """The agent of that connection."""
        name = self._names.get(peer)
        return None if name is None else self.by_name[name]

    def of(self, incarnation: int) -> AgentSeen | None:
        """The agent that speaks for that incarnation and is connected."""
        agent = self.by_name.get(self._speakers.get(incarnation, ""))
        return agent if agent is not None and agent.peer is not None else None

    def hear(self, peer: bytes, now_us: int) -> None:
        """Something came over that connection."""
        agent = self.at(peer)
        if agent is not None:
            self._liveness.hear(agent.enlist.incarnation, now_us)

    def enlist(self, peer: bytes, enlist: Enlist, now_us: int) -> list[int]:
        """An agent offers itself. The incarnations of it that are over by that."""
        before = self.by_name.get(enlist.name)
        over: list[int] = []
        leaving = before is not None and before.leaving and before.enlist.incarnation == enlist.incarnation
        if before is not None:
            if before.peer is not None:
                self._names.pop(before.peer, None)
            if before.enlist.incarnation != enlist.incarnation:
                over.append(before.enlist.incarnation)
                self._liveness.forget(before.enlist.incarnation)
            self._silence(before)
        self.by_name[enlist.name] = AgentSeen(enlist, peer, enlist.standing, leaving=leaving)
        self._names[peer] = enlist.name
        for incarnation in (enlist.incarnation, *(estate for _, estate in enlist.estates)):
            self._speakers[incarnation] = enlist.name
        self._liveness.hear(enlist.incarnation, now_us)
        return over

    def _silence(self, agent: AgentSeen) -> None:
        """It speaks for nobody until it says again for whom."""
        for incarnation in self.spoken_for(agent):
            del self._speakers[incarnation]

    def _forget_some(self) -> None:
        away = [name for name, agent in self.by_name.items() if agent.peer is None]
        for name in away[: max(0, len(away) - MOST_AWAY)]:
            self._silence(self.by_name.pop(name))

    def spoken_for(self, agent: AgentSeen) -> list[int]:
        """The incarnations that `agent` speaks for."""
        return [incarnation for incarnation, speaker in self._speakers.items() if speaker == agent.enlist.name]

    def are_others(self, enlist: Enlist) -> bool:
        """Whether an agent of another name, which is connected, is one of the processes that `enlist` speaks for."""
        claimed = {enlist.incarnation, *(estate for _, estate in enlist.estates)}
        return any(
            agent.peer is not None and agent.enlist.incarnation in claimed
            for name, agent in self.by_name.items()
            if name != enlist.name
        )

    def disconnect(self, peer: bytes) -> list[int]:
        """That connection is closed. The incarnations that it spoke for."""
        name = self._names.pop(peer, None)
        if name is None:
            return []
        agent = self.by_name[name] = self.by_name.pop(name)  # those that left last are remembered longest
        agent.peer = None
        self._liveness.forget(agent.enlist.incarnation)
        over = self.spoken_for(agent)
        self._forget_some()
        return over

    def silent(self, now_us: int) -> list[int]:
        """Incarnations whose agent was not heard for too long, though connected; those it speaks for, too."""
        names = {self._speakers.get(incarnation) for incarnation in self._liveness.silent(now_us)}
        return [incarnation for incarnation, speaker in self._speakers.items() if speaker in names] if names else []

    def free(self, busy: set[int]) -> list[AgentSeen]:
        """Those that are there, work for nobody and mean to stay."""
        silent = set(self._liveness.silent_now())
        return [
            agent
            for agent in self.by_name.values()
            if agent.peer is not None
            and agent.standing is None
            and not agent.leaving
            and agent.enlist.incarnation not in busy
            and agent.enlist.incarnation not in silent
        ]

    def come_free(self, runs: Container[str]) -> bool:
        """Whether some are about to be free: they still work for a run that is none of those that go on."""
        return any(
            agent.peer is not None
            and not agent.leaving
            and agent.standing is not None
            and agent.standing.run not in runs
            for agent in self.by_name.values()
        )

    def status(self, busy: Mapping[str, str], now_us: int) -> Iterator[AgentStatus]:
        """For a screen, by name; those that are away are left out."""
        for name, agent in sorted(self.by_name.items()):
            if agent.peer is None:
                continue
            enlist = agent.enlist
            heard_us = self._liveness.heard_us(enlist.incarnation)
            yield AgentStatus(
                name=name,
                host=enlist.host,
                cores=enlist.cores,
                load=agent.load,
                version=enlist.version,
                labels=enlist.labels,
                run=agent.standing.run if agent.standing is not None else busy.get(name),
                heard_us=now_us - (now_us if heard_us is None else heard_us),
                leaving=agent.leaving,
                max_users=enlist.max_users,
                cpu_share=agent.cpu_share,
                memory_used_bytes=agent.memory_used_bytes,
                memory_bytes=agent.memory_bytes,
            )

"""What peers claim to be, held against their connections and their keys: an agent's key is not all agents' key. Pure.

An agent's name is of the key that it came with first, for as long as that is admitted: another key's agent does not get
it, nor its part in a run, when it is away for a moment. The same agent may come with another key, for its state
directory proves who it is; and whoever needs no key is this user, whose word counts. A connection is one agent, which
speaks for its own process and for those that died before it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Final

from loads.broker.rights import Principal
from loads.wire.cluster import Batch, Beat, Complete, Enlist, Standing, Submit, ToBroker, Trouble
from loads.wire.plain import MOST_CHARACTERS, is_plain

MOST_NAMES: Final = 1_000
"""Of the agents of one key; those that came first are forgotten first."""
MOST_ESTATES: Final = 10_000
"""Parts of runs that an agent has not delivered: each is work, and memory."""
MOST_LABELS: Final = 100
_OWN_STATE: Final = "give each agent a state directory of its own, that is no copy of another's"


class Claims:
    """Of all peers: which names of agents belong to which key."""

    def __init__(self) -> None:
        self._names: dict[bytes | None, dict[str, int]] = {}
        """Of each key: names of agents, with the identity of who came by that name."""
        self._keys: dict[bytes, str] = {}
        """What keys are called."""

    def __repr__(self) -> str:
        return f"<Claims names={sum(map(len, self._names.values()))}>"

    def check(self, agent: Enlist | None, message: ToBroker, who: Principal) -> Trouble | None:
        """What is wrong with `message` over the connection of `agent`, as it enlisted; None: nothing.

        `who` has the right to say such a thing.
        """
        match message:
            case Enlist():
                return self._enlist(agent, message, who)
            case Submit():
                return _unreadable("run", _texts_of_run(message))
        spoken_for = _spoken_for(message)
        if who.key is None or agent is None or spoken_for is None or _speaks(agent, spoken_for):
            return None
        return _not_its_own(agent)

    def admitted(self, keys: Container[bytes]) -> None:
        """What belonged to other keys belongs to nobody."""
        for key in [key for key in self._keys if key not in keys]:
            del self._keys[key]
            self._names.pop(key, None)

    def _enlist(self, before: Enlist | None, enlist: Enlist, who: Principal) -> Trouble | None:
        false = _unreadable("agent", _texts_of_agent(enlist))
        if false is not None:
            return false
        if len(enlist.estates) > MOST_ESTATES:
            return Trouble(
                message=f"agent {enlist.name} has {len(enlist.estates):,} parts of runs to deliver",
                hint="give it a new state directory; what is in the old one is lost",
            )
        if before is not None and _self_of(before) != _self_of(enlist):
            return Trouble(
                message=f"agent {enlist.name} came over the connection of agent {before.name}",
                hint="each agent has a connection of its own",
            )
        if enlist.standing is not None and not _speaks(enlist, enlist.standing.incarnation):
            return _not_its_own(enlist)
        owner = self._owner(enlist, who)
        if owner is not None:
            return Trouble(
                message=f"agent {enlist.name} came with {owner} before, and this is {who.name}",
                hint="give this one another name with --name; if that one is no more, take its key away, "
                "on the broker's machine: loads keys revoke NAME",
            )
        self._note(enlist, who)
        return None

    def _owner(self, enlist: Enlist, who: Principal) -> str | None:
        """Whose the name is, if it is not for `who` to use."""
        if who.key is None:
            return None
        for key, names in self._names.items():
            identity = names.get(enlist.name)
            if key != who.key and identity is not None and identity != enlist.identity:
                return "no key" if key is None else self._keys[key]
        return None

    def _note(self, enlist: Enlist, who: Principal) -> None:
        for names in self._names.values():
            names.pop(enlist.name, None)
        names = self._names.setdefault(who.key, {})
        names[enlist.name] = enlist.identity
        if len(names) > MOST_NAMES:
            del names[next(iter(names))]
        if who.key is not None:
            self._keys[who.key] = who.name


def speaks_early(agent: Enlist | None, message: ToBroker, who: Principal) -> bool:
    """Whether it speaks for a process before it said which it is; it will say that again. Who needs no key may."""
    return agent is None and who.key is not None and _spoken_for(message) is not None


def _spoken_for(message: ToBroker) -> int | None:
    """The process that `message` is of."""
    match message:
        case Beat(standing=Standing(incarnation=incarnation)):
            return incarnation
        case Standing(incarnation=incarnation) | Batch(incarnation=incarnation) | Complete(incarnation=incarnation):
            return incarnation
    return None


def _self_of(enlist: Enlist) -> tuple[str, int, int]:
    return enlist.name, enlist.identity, enlist.incarnation


def _speaks(agent: Enlist, incarnation: int) -> bool:
    return incarnation == agent.incarnation or any(incarnation == estate for _, estate in agent.estates)


def _not_its_own(agent: Enlist) -> Trouble:
    return Trouble(message=f"agent {agent.name} speaks for a process that it is not", hint=_OWN_STATE)


def _texts_of_agent(enlist: Enlist) -> Iterable[str]:
    return enlist.name, enlist.host, enlist.version, *_some(enlist.labels)


def _texts_of_run(submit: Submit) -> Iterable[str]:
    return submit.who.user, submit.who.host, *_some(submit.labels)


def _some(labels: dict[str, str]) -> Iterable[str]:
    if len(labels) > MOST_LABELS:
        return ("\n",)
    return (*labels, *labels.values())


def _unreadable(what: str, texts: Iterable[str]) -> Trouble | None:
    """Names are shown on the screens and in the logs of others: there they must not move a cursor."""
    if all(map(is_plain, texts)):
        return None
    return Trouble(
        message=f"what this {what} is called can't be shown",
        hint=f"names, machines and labels are printable, at most {MOST_CHARACTERS} characters and {MOST_LABELS} labels",
    )

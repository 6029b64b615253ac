"""Which agents a run gets: those with its labels, the least loaded of them, or those that have room for it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import replace

import msgspec

from loads.broker.agents import AgentSeen
from loads.broker.record import Seat
from loads.broker.shares import even
from loads.plan.load import LoadOptions, times
from loads.plan.spec import DEFAULT_ROOM
from loads.units import plural
from loads.wire.cluster import Submit, Trouble

MOST_LABELS = 20
"""That a hint names."""
_HINT = "start more with loads-agent, ask for fewer with -a, or wait for them with --wait"


def fits(submit: Submit, agent: AgentSeen) -> bool:
    """Whether `agent` has all labels that `submit` asks for."""
    return submit.labels.items() <= agent.enlist.labels.items()


def reservation(
    submit: Submit,
    free: Iterable[AgentSeen],
    known: Collection[AgentSeen],
    busy: Mapping[str, str],
    kept: Container[int] = (),
) -> Trouble | None:
    """What keeps `submit` from getting its agents now; None: nothing.

    `busy` are runs by agent, `known` all agents; `kept` are processes of `free` that are its own already.
    """
    fit = [agent for agent in free if fits(submit, agent)]
    if submit.names:
        here = {agent.enlist.name for agent in fit}
        missing = [name for name in submit.names if name not in here]
        if missing:
            return Trouble(message=f"agent {', '.join(missing)} is not free", hint=_HINT)
    elif not fit or _wanted(submit, len(fit)) > len(fit):
        return _too_few(submit, fit, known, busy)
    return _too_crowded(submit, fit, _choose(submit, fit, kept))


def seats_for(submit: Submit, free: Iterable[AgentSeen], kept: Container[int] = ()) -> list[Seat]:
    """A seat for each agent that `submit` gets: those with the least load first, if they have room."""
    chosen = _choose(submit, [agent for agent in free if fits(submit, agent)], kept)
    seats = [
        Seat(
            agent=agent.enlist.name,
            identity=agent.enlist.identity,
            incarnation=agent.enlist.incarnation,
            host=agent.enlist.host,
            slots=1,
            max_users=agent.enlist.max_users,
            room=agent.enlist.room,
        )
        for agent in chosen
    ]
    most = most_users(submit.spec.load)
    users = room_of(seats) if most is None else most * (len(chosen) if submit.per_agent else 1)
    rooms = {number: seat.max_users for number, seat in enumerate(seats)}
    for number, slots in even(users, dict.fromkeys(rooms, 0), rooms).items():
        seats[number].slots = max(1, slots)
    return seats


def room_of(seats: Sequence[Seat]) -> int:
    """How many users there may be for what arrives, where nobody said it: on each agent as many as on the smallest has
    memory for, for all get an even part; fewer where it was told so.
    """
    least = min((DEFAULT_ROOM if seat.room is None else seat.room for seat in seats), default=DEFAULT_ROOM)
    return sum(least if seat.max_users is None else min(least, seat.max_users) for seat in seats)


def for_agents(submit: Submit, agents: int) -> Submit:
    """`submit` with the load of all its agents, where that of each was given."""
    if not submit.per_agent:
        return submit
    spec = replace(submit.spec, load=times(submit.spec.load, agents))
    return msgspec.structs.replace(submit, spec=spec, per_agent=False)


def most_users(load: LoadOptions) -> int | None:
    """The most virtual users at a time; None: as many as there is room for."""
    if load.is_open:
        return load.max_users
    if load.stages is not None:
        return max((stage.users for stage in load.stages), default=1)
    return max(load.users or (1,))


def _wanted(submit: Submit, free: int) -> int:
    """At most one agent per user; of those that are free, when no number is said."""
    wanted = max(1, free) if submit.agents is None else submit.agents
    most = most_users(submit.spec.load)
    return wanted if most is None or submit.per_agent else min(most, wanted)


def _choose(submit: Submit, fit: Sequence[AgentSeen], kept: Container[int]) -> list[AgentSeen]:
    """Those that are named, or the least loaded; but those with more room in their place, as far as it takes."""
    if submit.names:
        return [agent for agent in fit if agent.enlist.name in submit.names]
    most = most_users(submit.spec.load)
    users = 1 if most is None else most  # who has any room has enough

    def room(agent: AgentSeen) -> int:
        most = agent.enlist.max_users
        return users if most is None else min(users, most)

    def is_kept(agent: AgentSeen) -> bool:
        return agent.enlist.incarnation in kept

    ready = sorted(fit, key=lambda each: (not is_kept(each), each.load / max(1, each.enlist.cores), each.enlist.name))
    count = max(1, _wanted(submit, len(fit)))
    if submit.per_agent:
        return [agent for agent in ready if room(agent) == users][:count]
    chosen, others = ready[:count], sorted(ready[count:], key=room, reverse=True)
    for other in others:
        least = min((each for each in chosen if not is_kept(each)), key=room, default=other)
        if sum(map(room, chosen)) >= users or room(other) <= room(least):
            break
        chosen[chosen.index(least)] = other
    return chosen


def _too_crowded(submit: Submit, fit: Sequence[AgentSeen], chosen: Sequence[AgentSeen]) -> Trouble | None:
    """Whether `chosen` of those that `fit` have no room for the load."""
    users = most_users(submit.spec.load)
    if users is None:
        return None
    if submit.per_agent:
        enough = [agent for agent in chosen if (agent.enlist.max_users or users) >= users]
        wanted = len(submit.names) or (1 if submit.agents is None else _wanted(submit, len(fit)))
        if len(enough) >= wanted:
            return None
        have = f"{len(enough)} of the {plural(len(fit), 'free agent')} {'has' if len(enough) == 1 else 'have'} room"
        hint = "raise their --max-users, start more with loads-agent, or ask for fewer users with -u"
        return Trouble(message=f"the run has {plural(users, 'user')} for each agent, and {have} for them", hint=hint)
    room = sum(users if agent.enlist.max_users is None else agent.enlist.max_users for agent in chosen)
    if room >= users:
        return None
    all_of = "the only free agent has" if len(chosen) == 1 else f"the {len(chosen):,} free agents have"
    have = f"{all_of} room for {room:,}"
    more = ""
    if len(chosen) < len(fit):
        most = "no free agent has" if len(chosen) == 1 else f"no {len(chosen):,} free agents have"
        have, more = f"{most} room for more than {room:,}", "ask for more agents with -a, "
    return Trouble(
        message=f"the run has {plural(users, 'user')} and {have}",
        hint=f"{more}start more with loads-agent, raise their --max-users, ask for fewer users, or wait with --wait",
    )


def _too_few(
    submit: Submit, fit: Sequence[AgentSeen], known: Collection[AgentSeen], busy: Mapping[str, str]
) -> Trouble:
    """There are not as many as are wanted."""
    wanted = _wanted(submit, len(fit))
    labels = [f"{name}={value}" for name, value in submit.labels.items()]
    able = [agent for agent in known if fits(submit, agent)]
    here = [agent for agent in known if agent.peer is not None]
    if labels and here and not any(fits(submit, agent) for agent in here):
        return Trouble(message=f"no agent has {' and '.join(labels)}", hint=_name_labels(here, labels))
    if not able and not fit:
        label = "".join(f" --label {each}" for each in labels)
        return Trouble(message="no agent is there", hint=f"start one with loads-agent{label} on each machine")
    runs = {agent.enlist.name: busy[agent.enlist.name] for agent in able if agent.enlist.name in busy}
    others = [f"{len(runs)} busy: {', '.join(sorted(set(runs.values())))}"] if runs else []
    leaving = sum(agent.leaving and agent.peer is not None and agent.enlist.name not in runs for agent in able)
    others += [f"{leaving} leaving"] if leaving else []
    what = plural(wanted, "agent") + (f" with {' and '.join(labels)}" if labels else "")
    at_work = f" ({'; '.join(others)})" if others else ""
    return Trouble(message=f"{what} {'is' if wanted == 1 else 'are'} wanted and {len(fit)} free{at_work}", hint=_HINT)


def _name_labels(here: Iterable[AgentSeen], labels: Sequence[str]) -> str:
    """What to do when nobody has the `labels`."""
    there = sorted({f"{name}={value}" for agent in here for name, value in agent.enlist.labels.items()})
    more = f" and {len(there) - MOST_LABELS} more" if len(there) > MOST_LABELS else ""
    have = f"what they have: {', '.join(there[:MOST_LABELS])}{more}" if there else "none of them has a label"
    return f"{have}; start one with loads-agent {' '.join(f'--label {each}' for each in labels)}"

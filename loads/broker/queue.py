"""Which agents a run gets: those with its labels, the least loaded of them, or those that have room for it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import replace

import msgspec

from loads.broker.agents import AgentSeen
from loads.broker.record import Seat
from loads.broker.shares import even
from loads.plan.load import LoadOptions, times
from loads.units import plural
from loads.wire.cluster import Submit, Trouble

MOST = 10_000_000
MOST_US = 2**52
MOST_RUNS = 1_000
"""At a time, those that wait for agents included: each is looked at in each tick."""
MOST_BYTES = 4 << 20
"""Of a submission, which is kept in memory as long as its run goes on. Files go another way."""
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
    users = most_users(submit.spec.load) * (len(chosen) if submit.per_agent else 1)
    rooms = {number: agent.enlist.max_users for number, agent in enumerate(chosen)}
    slots = even(users, dict.fromkeys(rooms, 0), rooms)
    return [
        Seat(
            agent=agent.enlist.name,
            identity=agent.enlist.identity,
            incarnation=agent.enlist.incarnation,
            host=agent.enlist.host,
            slots=max(1, slots[number]),
            max_users=agent.enlist.max_users,
        )
        for number, agent in enumerate(chosen)
    ]


def for_agents(submit: Submit, agents: int) -> Submit:
    """`submit` with the load of all its agents, where that of each was given."""
    if not submit.per_agent:
        return submit
    spec = replace(submit.spec, load=times(submit.spec.load, agents))
    return msgspec.structs.replace(submit, spec=spec, per_agent=False)


def find_excess(submit: Submit, size_bytes: int, runs: int) -> Trouble | None:
    """What is beyond reason: its size, so many `runs` that go on or wait, something in the load; None: nothing.

    Of the load runners say it earlier, and better.
    """
    if size_bytes > MOST_BYTES:
        return Trouble(
            message=f"what is to be run takes more than {MOST_BYTES:,} bytes to say",
            hint="name fewer targets, or hand on less with --env",
        )
    if runs >= MOST_RUNS:
        return Trouble(
            message=f"{runs:,} runs wait or go on already", hint="stop some: loads-runner --stop RUN, or --purge-broker"
        )
    load = submit.spec.load
    counts = [*(load.users or ()), *(load.hits or ()), *(stage.users for stage in load.stages or ())]
    times_us = [load.duration_us or 0, load.ramp_up_us or 0, load.graceful_stop_us]
    times_us += [stage.duration_us for stage in load.stages or ()]
    if any(not 0 <= count <= MOST for count in counts) or any(not 0 <= time_us < MOST_US for time_us in times_us):
        return Trouble(message="the load is beyond reason", hint=f"give at most {MOST:,} users and iterations")
    return None


def most_users(load: LoadOptions) -> int:
    """The most virtual users at a time."""
    if load.stages is not None:
        return max((stage.users for stage in load.stages), default=1)
    return max(load.users or (1,))


def _wanted(submit: Submit, free: int) -> int:
    """At most one agent per user; of those that are free, when no number is said."""
    most = most_users(submit.spec.load) if not submit.per_agent else submit.agents or free
    return min(most, max(1, free) if submit.agents is None else submit.agents)


def _choose(submit: Submit, fit: Sequence[AgentSeen], kept: Container[int]) -> list[AgentSeen]:
    """Those that are named, or the least loaded; but those with more room in their place, as far as it takes."""
    if submit.names:
        return [agent for agent in fit if agent.enlist.name in submit.names]
    users = most_users(submit.spec.load)

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

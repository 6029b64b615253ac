"""Which agents a run gets. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec

from loads.broker.agents import AgentSeen
from loads.broker.record import Seat
from loads.plan.spec import LoadOptions, times
from loads.units import plural
from loads.wire.cluster import Submit, Trouble

MOST = 10_000_000
MOST_US = 2**52
_HINT = "start more with loads-agent, ask for fewer with -a, or wait for them with --wait"


def reservation(submit: Submit, free: Sequence[AgentSeen], known: int, busy: Mapping[str, str]) -> Trouble | None:
    """What keeps `submit` from getting its agents now; None: nothing. `busy` are runs by agent, `known` all agents."""
    if submit.names:
        here = {agent.enlist.name for agent in free}
        missing = [name for name in submit.names if name not in here]
        if missing:
            return Trouble(message=f"agent {', '.join(missing)} is not free", hint=_HINT)
        return None
    wanted = _wanted(submit, len(free))
    if wanted <= len(free) and free:
        return None
    at_work = f" ({len(busy)} busy: {', '.join(sorted(set(busy.values())))})" if busy else ""
    if not known and not free:
        return Trouble(message="no agent is there", hint="start one with loads-agent on each machine")
    return Trouble(
        message=f"{plural(wanted, 'agent')} {'is' if wanted == 1 else 'are'} wanted and {len(free)} free{at_work}",
        hint=_HINT,
    )


def seats_for(submit: Submit, free: Sequence[AgentSeen]) -> list[Seat]:
    """A seat for each agent that `submit` gets: those with the least load first."""
    if submit.names:
        chosen = [agent for agent in free if agent.enlist.name in submit.names]
    else:
        ready = sorted(free, key=lambda agent: (agent.load / max(1, agent.enlist.cores), agent.enlist.name))
        chosen = ready[: max(1, _wanted(submit, len(free)))]
    users = most_users(submit.spec.load)
    return [
        Seat(
            agent=agent.enlist.name,
            identity=agent.enlist.identity,
            incarnation=agent.enlist.incarnation,
            host=agent.enlist.host,
            slots=max(1, users // len(chosen) + (number < users % len(chosen))),
        )
        for number, agent in enumerate(chosen)
    ]


def for_agents(submit: Submit, agents: int) -> Submit:
    """`submit` with the load of all its agents, where that of each was given."""
    if not submit.per_agent:
        return submit
    spec = replace(submit.spec, load=times(submit.spec.load, agents))
    return msgspec.structs.replace(submit, spec=spec, per_agent=False)


def find_excess(submit: Submit) -> Trouble | None:
    """What in the load is beyond reason; None: nothing. Runners say it earlier, and better."""
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

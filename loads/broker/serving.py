"""Who waits gets its agents, in turn; who may grow gets what is left. Pure."""

from __future__ import annotations

from collections.abc import Collection

from loads.broker.agents import Agents
from loads.broker.events import Effect
from loads.broker.queue import reservation, seats_for
from loads.broker.views import Runs, busy, busy_names
from loads.wire.cluster import RunState


def serve(runs: Runs, agents: Agents, obtained: Collection[str]) -> list[Effect]:
    """Runs that wait get their agents, in the order in which they came, once their bundles are `obtained`."""
    effects: list[Effect] = []
    for run in list(runs.values()):
        submit = run.record.submit
        if run.record.state is not RunState.WAITING or run.id not in obtained or run.saved == 0:
            continue
        free = agents.free(busy(runs))
        trouble = reservation(submit, free, len(agents.by_name), busy_names(runs))
        if trouble is None:
            effects += run.reserve(seats_for(submit, free))
        elif not submit.wait:
            if not agents.are_leaving(runs):
                effects += run.refuse(trouble)
        elif submit.agents is not None:
            break  # those behind it must not take what it waits for
    for run in runs.values():
        if run.may_grow:
            for agent in agents.free(busy(runs)):
                if run.seat_of(agent.enlist.incarnation) is None:
                    effects += run.join(seats_for(run.record.submit, [agent])[0])
    return effects

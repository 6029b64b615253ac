"""Who waits gets its agents, in turn; who may grow gets what is left. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from loads.broker.agents import Agents
from loads.broker.events import Effect
from loads.broker.queue import reservation, seats_for
from loads.broker.run import LiveRun
from loads.broker.views import Runs, busy, busy_names
from loads.units import US_PER_S
from loads.wire.cluster import RunState, Trouble

ORPHANED_US: Final = 15 * US_PER_S
"""How long a run waits for agents when its runner went away: it may be back over another connection."""


def serve(runs: Runs, agents: Agents, obtained: Collection[str], *, refuses: bool) -> list[Effect]:
    """Runs that wait get their agents, in the order in which they came, once their bundles are `obtained`.

    `refuses`: a run that does not want to wait is refused when there are too few; else some may still come.
    """
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
            if refuses and not agents.are_leaving(runs):
                effects += run.refuse(trouble)
        elif submit.agents is not None:
            return effects  # nobody must take what it waits for
    for run in runs.values():
        if run.may_grow:
            for agent in agents.free(busy(runs)):
                incarnation = agent.enlist.incarnation
                if run.seat_of(incarnation) is None and incarnation not in run.unfit:
                    effects += run.join(seats_for(run.record.submit, [agent])[0])
    return effects


def give_up(run: LiveRun, obtained: Collection[str], now_us: int) -> list[Effect]:
    """Nobody is there any more for a run that waits: for its result, or to send its bundle."""
    needs_nobody = run.record.submit.detached and run.id in obtained
    if run.record.state is not RunState.WAITING or run.orphaned_us is None or needs_nobody:
        return []
    if now_us - run.orphaned_us < ORPHANED_US:
        return []
    return run.refuse(Trouble(message="its runner went away while it waited"))

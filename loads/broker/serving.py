"""Who waits gets its agents, in turn; who may grow gets what is left. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from loads.broker.agents import Agents, AgentSeen
from loads.broker.events import Effect
from loads.broker.queue import fits, reservation, seats_for
from loads.broker.rescue import may_help
from loads.broker.run import LiveRun
from loads.broker.views import Runs, busy, busy_names
from loads.units import US_PER_S
from loads.wire.cluster import RunState, Submit, Trouble

ORPHANED_US: Final = 15 * US_PER_S
"""How long a run waits for agents when its runner went away: it may be back over another connection."""


def serve(runs: Runs, agents: Agents, obtained: Collection[str], *, refuses: bool, now_us: int) -> list[Effect]:
    """Runs that wait get their agents, in the order in which they came, once their bundles are `obtained`.

    `refuses`: a run that does not want to wait is refused when there are too few; else some may still come.
    """
    effects = _complete(runs, agents, refuses=refuses, now_us=now_us)
    waiting: list[Submit] = []
    for run in list(runs.values()):
        submit = run.record.submit
        if run.record.state is not RunState.WAITING or run.id not in obtained or run.saved == 0:
            continue
        free = _free(runs, agents, waiting)
        trouble = reservation(submit, free, agents.by_name.values(), busy_names(runs))
        if trouble is None:
            effects += run.reserve(seats_for(submit, free))
        elif not submit.wait:
            # Where others wait for what is free, it has its turn after them.
            trouble = reservation(submit, agents.free(busy(runs)), agents.by_name.values(), busy_names(runs))
            if trouble is not None and refuses and not agents.come_free(runs):
                effects += run.refuse(trouble)
        elif submit.agents is not None:
            waiting.append(submit)
    for run in runs.values():
        for agent in _free(runs, agents, waiting):
            incarnation = agent.enlist.incarnation
            able = fits(run.record.submit, agent) and incarnation not in run.unfit
            wanted = run.may_grow or may_help(run.record, agent.enlist.name)
            if able and wanted and run.seat_of(incarnation) is None:
                effects += run.join(seats_for(run.record.submit, [agent])[0])
    return effects


def _complete(runs: Runs, agents: Agents, *, refuses: bool, now_us: int) -> list[Effect]:
    """Runs that had an agent which left before they began get another, or go on with those that they have."""
    effects: list[Effect] = []
    for run in runs.values():
        if not run.record.short or run.is_over:
            continue
        submit = run.record.submit
        own = [agent for seat in run.record.seats if (agent := agents.of(seat.incarnation)) is not None]
        kept = {agent.enlist.incarnation for agent in own}
        free = [*own, *agents.free(busy(runs))]
        trouble = reservation(submit, free, agents.by_name.values(), busy_names(runs), kept)
        if trouble is None:
            effects += run.complete_seats(seats_for(submit, free, kept), now_us)
        elif not submit.wait and refuses and not agents.come_free(runs):
            effects += run.refuse(trouble)
    return effects


def _free(runs: Runs, agents: Agents, waiting: Iterable[Submit]) -> list[AgentSeen]:
    """Those that nobody before waits for: nobody must take them."""
    free = agents.free(busy(runs))
    return [agent for agent in free if not any(fits(submit, agent) for submit in waiting)]


def give_up(run: LiveRun, obtained: Collection[str], now_us: int) -> list[Effect]:
    """Nobody is there any more for a run that waits: for its result, or to send its bundle."""
    needs_nobody = run.record.submit.detached and run.id in obtained
    waits = run.record.state is RunState.WAITING or (run.record.short and not run.is_over)
    if not waits or run.orphaned_us is None or needs_nobody:
        return []
    if now_us - run.orphaned_us < ORPHANED_US:
        return []
    return run.refuse(Trouble(message="its runner went away while it waited"))

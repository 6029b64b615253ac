"""What is run once for the whole run, on one agent of all: setUpRun before the plan, tearDownRun at the end. Pure.

The first seat sets up, while the others wait with their tests loaded; what setUpRun returned is kept in the record, so
that each agent gets it with its plan, those that join later, too. Whoever set up is the run's keeper. When no phase
follows it is told last, and to run tearDownRun. When the keeper is lost before it was at that, another is; one that
dies in tearDownRun has no successor, for what it did by then nobody knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from loads.broker.orders import LAST, knows_its_part
from loads.broker.record import RunRecord, Seat
from loads.metrics.verdict import Stop
from loads.wire.cluster import Stage, Standing
from loads.wire.messages import Loaded

READY_FOR_PLAN: Final = frozenset({Stage.LOADED, Stage.SET_UP})


def choose(record: RunRecord, loaded: Mapping[int, Loaded]) -> bool:
    """All have loaded the tests: whether somebody has to set up first, who was chosen by that."""
    first = record.seats[0].incarnation
    if record.keeper is not None or first not in loaded or not loaded[first].once:
        return False
    record.keeper = first
    return True


def is_awaited(record: RunRecord) -> bool:
    """Whether setUpRun is not through yet."""
    return record.keeper is not None and record.run_data is None


def take(record: RunRecord, standing: Standing) -> bool:
    """What the keeper has to hand on, the first time that it says it. Nobody else has anything to say."""
    if standing.run_data is None or standing.incarnation != record.keeper or record.run_data is not None:
        return False
    record.run_data = standing.run_data
    return True


def see_to(record: RunRecord) -> None:
    """There is a keeper as long as somebody can be it."""
    if record.run_data is None:
        return
    keeper = keeper_of(record)
    if keeper is None or (keeper.lost is not None and keeper.stage not in LAST):
        able = [seat for seat in record.seats if seat.lost is None and seat.stage not in LAST and knows_its_part(seat)]
        record.keeper = able[0].incarnation if able else record.keeper


def keeper_of(record: RunRecord) -> Seat | None:
    """Its seat."""
    return next((seat for seat in record.seats if seat.incarnation == record.keeper), None)


def find_omission(record: RunRecord) -> str | None:
    """Why tearDownRun was not run to its end, as far as is known here, for the result; None: it was, or need not be."""
    keeper = keeper_of(record)
    if record.run_data is None or keeper is None or record.stop is Stop.HARD:
        return None
    if keeper.lost is None or keeper.last_seq is not None:
        return None
    return f"tearDownRun may not have been run: agent {keeper.agent} was to, and {keeper.lost}"

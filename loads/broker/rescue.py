"""A run that lost all its agents while it had time left: one that is started again goes on with it.

A supervisor brings an agent back in a second, and what it measured is not lost; so neither is the rest of the run. What
nobody ran in between, and what users for whom nobody has room would have run, is summed up: it makes the result
invalid when it is too much. Pure: on the run's record.
"""

from __future__ import annotations

from loads.broker import seating
from loads.broker.ending import PATIENCE_US
from loads.broker.fold import Fold
from loads.broker.record import RunRecord
from loads.units import US_PER_S
from loads.wire.cluster import RunState, Stage


def may_help(record: RunRecord, agent: str) -> bool:
    """Whether the free `agent` is to go on with the run: it was one of its own."""
    if record.bereft_us is None or record.stop is not None or record.state is not RunState.RUNNING:
        return False
    waits = not any(seat.lost is None for seat in record.seats)
    return waits and any(seat.agent == agent for seat in record.seats)


def look(record: RunRecord, fold: Fold, passed_us: int, age_us: int) -> str | None:
    """So much time has passed: what of it is lost, and what becomes of a run that nobody runs, to be told; or None."""
    _count_unrun(record, passed_us)
    if record.bereft_us is None:
        return None
    record.waited_us += passed_us
    if _is_here(record):
        fold.warn(_tell(record, age_us))
        record.bereft_us, record.waited_us = None, 0
        return "an agent is back, and goes on with the load"
    if not _is_hopeless(record, age_us):
        return None
    fold.warn(_tell(record, age_us))
    if record.stop is None:
        _count_rest(record, age_us)
    record.bereft_us, record.state = None, RunState.ENDING
    return "nobody is left to run the load: it is over"


def _is_here(record: RunRecord) -> bool:
    """Whether somebody runs it again."""
    return any(seat.lost is None and seat.stage in (Stage.RUNNING, Stage.RESTING) for seat in record.seats)


def _is_hopeless(record: RunRecord, age_us: int) -> bool:
    """Whether there is nothing to wait for any more."""
    return record.stop is not None or record.waited_us > PATIENCE_US or _left_us(record, age_us) <= 0


def _left_us(record: RunRecord, age_us: int) -> int:
    """How long the phase still lasts."""
    assert record.plan is not None
    assert record.run_at_us is not None
    began_us = record.phase_at_us - record.run_at_us
    return began_us + (record.plan.phases[record.phase].duration_us or 0) - age_us


def _count_unrun(record: RunRecord, passed_us: int) -> None:
    """So much time has passed: for users that nobody runs it is gone."""
    if passed_us <= 0 or record.state is not RunState.RUNNING or record.stop or not seating.is_timed(record):
        return
    assert record.plan is not None
    if record.plan.is_open:  # what arrived and nobody ran is counted, one by one
        return
    users = record.plan.phases[record.phase].users if record.bereft_us is not None else seating.unheld_users(record)
    record.unrun_us += users * passed_us


def _count_rest(record: RunRecord, age_us: int) -> None:
    """Nobody runs the rest of the plan."""
    assert record.plan is not None
    if record.plan.is_open:
        return
    now, *later = record.plan.phases[record.phase :]
    record.unrun_us += now.users * max(0, _left_us(record, age_us))
    record.unrun_us += sum(phase.users * (phase.duration_us or 0) for phase in later)


def _tell(record: RunRecord, age_us: int) -> str:
    """From when to when nobody ran it, for the result."""
    assert record.bereft_us is not None
    return (
        f"no agent ran the load from {record.bereft_us / US_PER_S:.1f} to {age_us / US_PER_S:.1f} s: "
        "all that it had were lost"
    )

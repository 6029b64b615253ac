"""Whose users are whose in a run, and what changes when an agent is lost or one more comes. Pure: on its record.

Users of a phase that lasts a time may change hands in it. Those of a phase whose iterations are counted may not, for
what was begun here can't be ended there: they change hands with the next phase. Of a phase at a rate `arrivals` knows.
"""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime

from loads.broker import arrivals, shares
from loads.broker.queue import for_agents, room_of
from loads.broker.record import RunRecord, Seat, Stint
from loads.broker.seating import (
    first_open,
    has_open_phase,
    holders,
    is_at_rate,
    is_timed,
    number,
    open_users,
    places,
    takers,
    unheld_users,
)
from loads.broker.stints import began_us
from loads.metrics.result import Result
from loads.plan.share import Portion
from loads.units import plural
from loads.wire.cluster import RunState, Stage, Standing
from loads.wire.messages import Loaded
from loads.wire.run import plan_run


def assume_told(record: RunRecord) -> None:
    """What is on the disk may be older than what agents did since."""
    for seat in record.seats if record.state in (RunState.RUNNING, RunState.ENDING) else ():
        if seat.portions and seat.stage in (Stage.LOADED, Stage.SET_UP):
            seat.stage = Stage.FITTING


def deal_out(record: RunRecord) -> None:
    """At the start: an even share for each that has room for it."""
    assert record.plan is not None
    rooms = {number: seat.max_users for number, seat in enumerate(record.seats)}
    dealt, record.unheld = shares.deal(rooms, record.plan.max_users, rooms)
    for seat, portions in zip(record.seats, dealt.values(), strict=True):
        seat.portions = portions
        seat.stints = tuple(map(Stint, portions)) if is_at_rate(record) else ()
        number(record, seat)


def let_join(record: RunRecord, age_us: int) -> bool:
    """Who joins and has loaded the tests gets an even part of what the others hold. Whether one did."""
    if is_at_rate(record):
        return arrivals.let_in(record, age_us - began_us(record))
    present = holders(record)
    for seat in present:
        if seat.joining and seat.stage in (Stage.RUNNING, Stage.RESTING):
            seat.joining = False
        if not seat.joining or seat.stage is not Stage.LOADED or seat.holding:
            continue
        others = {other.incarnation: other for other in present if other is not seat and other.portions}
        held = {name: other.portions for name, other in others.items()}
        kept, given, record.unheld = shares.make_room(held, open_users(record), seat.max_users, record.unheld)
        for name, portions in kept.items():
            if set(portions) != set(held[name]):
                _hold(record, others[name], portions)
        seat.portions, seat.holding, seat.from_phase = given, 1, first_open(record)
        seat.awaited = is_timed(record)
        number(record, seat)
        return True
    return False


def lose(record: RunRecord, seat: Seat, reason: str, age_us: int) -> None:
    """The agent of `seat` is gone, and with it what it was to run."""
    seat.lost, seat.lost_us = reason, age_us
    if is_at_rate(record):
        arrivals.give_up(record, seat, age_us - began_us(record))


def give_away(record: RunRecord, seat: Seat) -> None:
    """Nobody waits for a newcomer's fixtures any more: what was lost must be run now."""
    if is_at_rate(record):
        arrivals.pass_on(record, seat)
        return
    others = takers(record)
    record.unheld += seat.portions
    take_up(record, first_open(record))
    for each in others.values():
        each.awaited = False


def take_up(record: RunRecord, from_phase: int) -> None:
    """What nobody runs goes to who has room for it in the phases `from_phase` and after."""
    others = takers(record)
    users = open_users(record, from_phase)
    held = {name: each.portions for name, each in others.items()}
    rooms = {name: each.max_users for name, each in others.items()}
    changed, record.unheld = shares.give_away(record.unheld, held, users, rooms)
    for name, portions in changed.items():
        _hold(record, others[name], portions, from_phase)


def take_over(record: RunRecord, seat: Seat) -> tuple[str, str | None]:
    """The share of `seat` is given away, if that is possible: what became of it, and what the result is to warn of."""
    others = takers(record)
    if not others and (is_timed(record) and record.stop is None):
        give_away(record, seat)
        record.bereft_us = seat.lost_us if record.bereft_us is None else record.bereft_us
        return "; no agent is left, and the run waits for one of them to come back", None
    if not others:
        record.state = RunState.ENDING
        return "; no agent is left", None
    if not has_open_phase(record) or record.stop is not None:
        return "", None
    give_away(record, seat)
    told = f"; {plural(len(others), 'other')} took its users" if is_timed(record) else "; its iterations are not run"
    left = unheld_users(record)
    if not left:
        return told, None
    nobody = f"nobody runs {plural(left, 'user')} of agent {seat.agent}, which {seat.lost}"
    return "; the others took those that they have room for", f"{nobody}: the others have no room (--max-users)"


def drop(record: RunRecord, seat: Seat, age_us: int) -> None:
    """Who can't join has no part in it any more."""
    record.seats.remove(seat)
    if is_at_rate(record):
        arrivals.give_up(record, seat, age_us - began_us(record))
    if seat.portions and record.state is RunState.RUNNING and has_open_phase(record):
        give_away(record, seat)


def make_plan(record: RunRecord, loaded: Loaded, started_at: datetime) -> Result:
    """The tests are known: plan the run, and deal it out. Its result, with nothing in it yet.

    Raises:
        UsageError: the load makes no sense.
    """
    seats = record.seats
    record.submit = for_agents(record.submit, len(seats))
    workers = sum(seat.workers for seat in seats)
    spec = record.submit.spec
    record.plan, record.info = plan_run(
        spec, loaded, workers, run=record.id, started_at=started_at, agents=len(seats), room=room_of(seats)
    )
    deal_out(record)
    return Result(info=record.info, places=places(record))


def is_adrift(record: RunRecord, clock: str) -> bool:
    """The run's times are of another clock than `clock`, which is ours: the machine was started anew."""
    return record.run_at_us is not None and record.clock != clock


def nobody_began(record: RunRecord, met: Container[int], clock: str) -> bool:
    """The broker died after it had decided on a start, of which no agent knows: all were `met` since, and wait.

    Who came later to join them waits for that, too.
    """
    if record.state is not RunState.RUNNING or not is_adrift(record, clock):
        return False
    return not _has_begun(record) and _all_wait(record, met)


def is_stranded(record: RunRecord, met: Container[int], clock: str) -> bool:
    """Nobody who ran what arrives is left to say how old the run is by a clock that there still is: it can't go on."""
    ran = record.state is RunState.RUNNING and record.bereft_us is None and is_adrift(record, clock)
    return ran and _has_begun(record) and _all_wait(record, met)


def _has_begun(record: RunRecord) -> bool:
    """Whether somebody may have run what arrives, and is lost. Who has nothing to run waits all the time."""
    return is_at_rate(record) and any(seat.lost is not None and seat.stints for seat in record.seats)


def _all_wait(record: RunRecord, met: Container[int]) -> bool:
    own = [seat for seat in holders(record) if not seat.joining]
    return bool(own) and all(seat.incarnation in met and seat.stage is Stage.READY for seat in own)


def follow_clock(record: RunRecord, standing: Standing, clock: str, now_us: int) -> None:
    """After the machine was started anew our `clock` is another: the run's age is what its agents say."""
    if record.run_at_us is None or record.clock == clock or standing.run_us is None:
        return
    moved_us = now_us - standing.run_us - record.run_at_us
    record.run_at_us += moved_us
    record.phase_at_us += moved_us
    record.clock = clock


def _hold(record: RunRecord, seat: Seat, portions: tuple[Portion, ...], from_phase: int | None = None) -> None:
    seat.portions, seat.from_phase = portions, first_open(record) if from_phase is None else from_phase
    seat.holding += 1

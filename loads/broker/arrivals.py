"""Who serves the arrivals of a phase at a rate, when an agent is lost or one more comes. Pure: on the run's record.

Slots change hands there from a stated iteration on: `from_us` names the first one that is due at it or later. Whoever
takes over begins with it; whoever gives up still runs those that are due before. Both are kept in the record, so that a
broker that is started again says the same. What falls between two is nobody's, and is unstarted; no iteration is ever
two agents', by these rules:

- An agent is lost: its slots are the others' from `TAKE_US` after that moment on. It begins nothing more by then: its
  workers see that it died, or have no lease any more. (One whose connection broke may go on for its grace, as always.)
- An agent joins: it loads, and runs its fixtures, and holds nothing. Then the others are asked (Hold) to give up an
  even part of theirs `GIVE_US` later. Each says at once that it knows, and from when on it has given up its part
  (`Standing.given_us`). That is later than asked if one of its workers could begin such an iteration without having
  heard of it, which ends with the longest lease that it was given before. When all have said so, what they gave up is
  dealt out to who has least, the newcomer, from the latest of these times on (Hold, and Go). Who is lost meanwhile has
  given up everything.

What was asked for is nobody's in between (`RunRecord.unheld`), so it makes no difference who of them is lost then.
Times are microseconds from the phase's start.
"""

from __future__ import annotations

from typing import Final

from loads.broker import seating, shares, stints
from loads.broker.record import RunRecord, Seat
from loads.plan.share import Portion
from loads.units import US_PER_S
from loads.wire.cluster import Stage, Standing

TAKE_US: Final = 250_000
"""Between the decision that slots are another's and the first iteration that is: to write it down, and to be heard."""
GIVE_US: Final = 3 * US_PER_S
"""The same where somebody has to let go of them who lives: more than a lease."""


def acknowledge(record: RunRecord, seat: Seat, standing: Standing) -> None:
    """The agent of `seat` knows what it is to run; what it gave up others may run, if not before it says."""
    if not seat.giving or seat.held < seat.holding:
        return
    seat.giving = False
    record.free_us = max(record.free_us, standing.given_us)
    if standing.given_us > seat.from_us:
        seat.stints = stints.moved(seat.stints, seat.from_us, standing.given_us)
        seat.from_us = standing.given_us


def let_in(record: RunRecord, now_us: int) -> bool:
    """Who joins comes a step further, if it can; what nobody holds goes to who can. Whether anything changed."""
    changed = False
    for seat in seating.holders(record):
        if not seat.joining:
            continue
        if seat.stage in (Stage.RUNNING, Stage.RESTING):
            seat.joining = False
        elif seat.stage is Stage.LOADED and not seat.holding:
            seat.holding, seat.awaited, changed = 1, True, True
            seating.number(record, seat)
        elif seat.stage is Stage.READY and seat.awaited:
            seat.awaited, changed = False, True
            _ask(record, seat, now_us)
    return _hand_out(record, now_us) or changed


def give_up(record: RunRecord, seat: Seat, now_us: int) -> None:
    """The agent of `seat` is lost: from `seat.from_us` on others may have its slots."""
    seat.from_us = max(now_us + TAKE_US, stints.latest_us(seat.stints))
    stopped_us = seat.from_us if record.stop_us is None else record.stop_us - stints.began_us(record) + TAKE_US
    seat.stints, seat.giving = stints.ended(seat.stints, min(seat.from_us, stopped_us)), False


def pass_on(record: RunRecord, seat: Seat) -> None:
    """All that `seat` held goes to the others; what they have no room for is nobody's."""
    record.unheld += _deal(record, seat.portions, seat.from_us)
    record.free_us = max(record.free_us, seat.from_us)


def hold(seat: Seat, portions: tuple[Portion, ...], from_us: int) -> None:
    """From then on `seat` is to run just these."""
    if seat.held < seat.holding:  # it may hear of both changes at once
        later_us = max(from_us, seat.from_us)
        seat.stints = stints.moved(seat.stints, seat.from_us, later_us)
        from_us = later_us
    before = len(stints.held(seat.stints))
    after = stints.changed(seat.stints, portions, from_us)
    kept = sum(one.until_us is None for one in after[: len(seat.stints)])
    seat.giving = seat.giving or kept < before
    seat.stints, seat.portions, seat.from_us = after, portions, from_us
    seat.holding += 1


def _ask(record: RunRecord, seat: Seat, now_us: int) -> None:
    """The others are to give up an even part for `seat`."""
    others = {each.incarnation: each for each in seating.holders(record) if each is not seat and each.portions}
    had = {name: each.portions for name, each in others.items()}
    kept, given, left = shares.make_room(had, seating.open_users(record), seat.max_users, record.unheld)
    for name, portions in kept.items():
        if set(portions) != set(had[name]):
            hold(others[name], portions, now_us + GIVE_US)
    record.unheld = given + left


def _hand_out(record: RunRecord, now_us: int) -> bool:
    """What nobody holds goes to who has room, once nobody could begin anything of it. Whether anything changed."""
    if any(seat.giving for seat in seating.holders(record)):
        return False
    before = record.unheld
    if before:
        record.unheld = _deal(record, before, max(record.free_us, now_us + TAKE_US))
    idle = [seat for seat in seating.takers(record).values() if seat.joining and not seat.portions]
    for seat in idle:  # nothing was left for it
        seat.joining = False
    return bool(idle) or record.unheld != before


def _deal(record: RunRecord, portions: tuple[Portion, ...], from_us: int) -> tuple[Portion, ...]:
    """Give `portions` to those that have least. What nobody has room for."""
    others = seating.takers(record)
    held = {name: each.portions for name, each in others.items()}
    rooms = {name: each.max_users for name, each in others.items()}
    changed, left = shares.give_away(portions, held, seating.open_users(record), rooms)
    for name, mine in changed.items():
        hold(others[name], mine, from_us)
    return left

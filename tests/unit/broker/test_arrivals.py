"""Slots of a phase at a rate change hands with a stated iteration: never two agents have the same one."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from loads.broker.arrivals import GIVE_US, TAKE_US, acknowledge, let_in
from loads.broker.ending import conclude
from loads.broker.fold import Fold
from loads.broker.handover import drop, give_away, lose
from loads.broker.orders import orders
from loads.broker.record import RunRecord, Seat, Stint, decode_record, encode_record
from loads.broker.seating import takers, waited_for
from loads.metrics.result import Result
from loads.plan.share import slots_of
from loads.units import US_PER_S
from loads.wire.cluster import Go, Hold, RunState, Stage
from tests.build import info_of
from tests.runs import AT, rate_plan, record_of, seat_of, standing_of, submit_of

SLOTS = 6


def running(number: int, portions: tuple[tuple[tuple[int, int], ...], ...], **changed: object) -> Seat:
    stints = tuple(map(Stint, portions))
    fields = {"first": number, "stage": Stage.RUNNING, "phase": 0, "held": 1, "portions": portions, "stints": stints}
    return seat_of(number + 1, **{**fields, **changed})


def halves(**changed: object) -> RunRecord:
    seats = [running(number, (((number, 2),),)) for number in range(2)]
    return record_of(RunState.RUNNING, *seats, plan=rate_plan(slots=SLOTS), next_first=2, clock="c", **changed)


def joiner(record: RunRecord) -> Seat:
    seat = seat_of(9, joining=True, holding=0, portions=(), stage=Stage.LOADED)
    record.seats.append(seat)
    return seat


def told(record: RunRecord, seat: Seat) -> list[str]:
    return [type(order).__name__ for order in orders(record, seat, 0)]


def hears(record: RunRecord, seat: Seat, given_us: int = 0) -> None:
    """The agent of `seat` says that it knows."""
    seat.held = seat.holding
    acknowledge(record, seat, standing_of(seat.stage, seat.incarnation, holding=seat.held, given_us=given_us))


def check_owners(record: RunRecord) -> None:
    """At no time anything of a slot is two seats'."""
    for slot in range(SLOTS):
        spans = sorted(
            (stint.from_us, 1 << 60 if stint.until_us is None else stint.until_us)
            for seat in record.seats
            for stint in seat.stints
            if slot in slots_of(stint.portion, SLOTS)
        )
        assert all(before[1] <= after[0] for before, after in pairwise(spans)), spans


def test_a_lost_share_is_the_others_a_moment_later() -> None:
    record = halves()
    lost, other = record.seats
    lose(record, lost, "went away", 4 * US_PER_S)
    give_away(record, lost)
    assert (other.holding, other.from_us) == (2, 4 * US_PER_S + TAKE_US)
    (hold,) = orders(record, other, 0)
    assert isinstance(hold, Hold)
    assert hold.from_us == 4 * US_PER_S + TAKE_US
    check_owners(record)
    assert orders(decode_record(encode_record(record)), other, 0) == [hold]  # a broker that is started again says so


def test_who_joins_gets_its_part_when_all_others_know_since_when_it_is_not_theirs() -> None:
    record = halves()
    seat = joiner(record)
    assert let_in(record, US_PER_S)
    assert told(record, seat) == ["Fit"]
    assert all(other.holding == 1 for other in record.seats[:2])  # nobody is asked before it is ready
    seat.stage, seat.held = Stage.READY, 1
    assert let_in(record, 2 * US_PER_S)
    first, second = record.seats[:2]
    assert first.from_us == second.from_us == 2 * US_PER_S + GIVE_US
    assert told(record, seat) == []
    hears(record, first, first.from_us)
    let_in(record, 2_100_000)
    assert told(record, seat) == []
    hears(record, second, second.from_us + 700_000)  # one of its workers may not have heard
    assert let_in(record, 2_200_000)
    assert seat.from_us == 2 * US_PER_S + GIVE_US + 700_000
    assert told(record, seat) == ["Hold", "Go"]
    assert not record.unheld
    assert sum(len(slots_of(portion, SLOTS)) for portion in seat.portions) == 2
    check_owners(record)


def test_who_is_lost_before_it_took_anything_leaves_it_to_the_others() -> None:
    record = halves()
    seat = joiner(record)
    let_in(record, US_PER_S)
    seat.stage, seat.held = Stage.READY, 1
    let_in(record, US_PER_S)
    lose(record, seat, "went away", US_PER_S)
    give_away(record, seat)
    for other in record.seats[:2]:
        hears(record, other, other.from_us)
    assert let_in(record, 1_500_000)
    assert not record.unheld
    assert {other.from_us for other in record.seats[:2]} == {US_PER_S + GIVE_US}
    check_owners(record)


def test_who_is_lost_before_its_time_came_is_followed_by_others_from_then_on() -> None:
    record = halves()
    seat = joiner(record)
    let_in(record, 0)
    seat.stage, seat.held = Stage.READY, 1
    let_in(record, 0)
    for other in record.seats[:2]:
        hears(record, other, other.from_us)
    let_in(record, 100_000)
    seat.stage = Stage.RUNNING
    lose(record, seat, "went away", US_PER_S)
    give_away(record, seat)
    assert all(other.from_us >= GIVE_US for other in record.seats[:2])  # until then they have it themselves
    check_owners(record)


def test_a_giver_that_is_lost_is_not_waited_for() -> None:
    record = halves()
    seat = joiner(record)
    let_in(record, 0)
    seat.stage, seat.held = Stage.READY, 1
    let_in(record, 0)
    hears(record, record.seats[0], GIVE_US)
    lose(record, record.seats[1], "went away", US_PER_S)
    give_away(record, record.seats[1])
    assert let_in(record, US_PER_S)
    assert not record.unheld
    holders = [record.seats[0], seat]
    assert sorted(len(slots_of(portion, SLOTS)) for each in holders for portion in each.portions if portion)
    assert sum(len(slots_of(portion, SLOTS)) for each in holders for portion in each.portions) == SLOTS
    check_owners(record)


def test_two_changes_of_which_an_agent_hears_at_once_begin_with_the_later() -> None:
    record = halves()
    first, second = record.seats
    seat = joiner(record)
    let_in(record, 0)
    seat.stage, seat.held = Stage.READY, 1
    let_in(record, 0)
    assert first.from_us == GIVE_US
    lose(record, second, "went away", 100_000)
    give_away(record, second)
    assert first.from_us == GIVE_US
    check_owners(record)


def test_nobody_is_left_to_run_what_arrives_until_one_comes_back() -> None:
    record = halves()
    for seat in record.seats:
        lose(record, seat, "went away", 2 * US_PER_S)
        give_away(record, seat)
    assert not takers(record)
    again = joiner(record)
    let_in(record, 5 * US_PER_S)
    again.stage, again.held = Stage.READY, 1
    assert let_in(record, 5 * US_PER_S)
    assert again.from_us == 5 * US_PER_S + TAKE_US
    assert told(record, again) == ["Hold", "Go"]
    check_owners(record)


def test_there_may_be_nothing_for_who_joins() -> None:
    record = halves()
    record.plan = rate_plan(slots=2)
    for seat, part in zip(record.seats, range(2), strict=True):
        seat.portions = (((part, 2),),)
    seat = joiner(record)
    let_in(record, 0)
    seat.stage, seat.held = Stage.READY, 1
    let_in(record, 0)
    assert not seat.joining
    assert told(record, seat) == []
    assert seat not in waited_for(record)  # the end does not wait for it
    lose(record, record.seats[0], "went away", US_PER_S)
    give_away(record, record.seats[0])
    assert told(record, seat) == ["Hold", "Go"]
    check_owners(record)


def test_one_that_can_not_join_gives_back_what_it_was_to_have() -> None:
    record = halves()
    seat = joiner(record)
    let_in(record, 0)
    seat.stage, seat.held = Stage.READY, 1
    let_in(record, 0)
    for other in record.seats[:2]:
        hears(record, other, GIVE_US)
    let_in(record, 0)
    assert seat.portions
    drop(record, seat, US_PER_S)
    held = [portion for each in record.seats for portion in each.portions]
    assert sorted(slot for portion in held for slot in slots_of(portion, SLOTS)) == list(range(SLOTS))
    check_owners(record)


def test_who_has_nothing_yet_is_not_told_to_go() -> None:
    record = halves()
    seat = record.seats[0]
    seat.portions, seat.stage, seat.phase = (), Stage.READY, -1
    assert not any(isinstance(order, Go) for order in orders(record, seat, 0))


@given(st.lists(st.sampled_from(["lose", "join", "ready", "hear", "late", "look"]), max_size=25), st.randoms())
def test_whatever_happens_no_slot_is_ever_two_agents(steps: list[str], random: object) -> None:
    record = halves(submit=submit_of(elastic=True))
    now_us = 0
    for step in steps:
        now_us += random.randint(0, US_PER_S)  # type: ignore[attr-defined]
        living = [seat for seat in record.seats if seat.lost is None]
        behind = [seat for seat in living if seat.held < seat.holding and seat.stage is not Stage.LOADED]
        match step:
            case "lose" if living:
                seat = random.choice(living)  # type: ignore[attr-defined]
                lose(record, seat, "went away", now_us)
                give_away(record, seat)
            case "join" if not any(seat.joining for seat in living):
                joiner(record).incarnation = len(record.seats) + 10
            case "ready":
                for seat in living:
                    if seat.stage is Stage.LOADED and seat.holding:
                        seat.stage, seat.held = Stage.READY, 1
                    elif seat.stage is Stage.READY and seat.portions and seat.held == seat.holding:
                        seat.stage, seat.phase = Stage.RUNNING, 0
            case "hear" | "late" if behind:
                seat = random.choice(behind)  # type: ignore[attr-defined]
                hears(record, seat, (seat.from_us if step == "hear" else now_us + GIVE_US) * seat.giving)
        let_in(record, now_us)
        check_owners(record)
        owned = [portion for seat in record.seats if seat.lost is None for portion in seat.portions]
        everything = [slot for portion in (*owned, *record.unheld) for slot in slots_of(portion, SLOTS)]
        assert sorted(everything) == list(range(SLOTS))


def test_what_was_run_twice_in_a_grace_is_told() -> None:
    record = halves()
    fold = Fold(Result(info=info_of(due=100, is_open=True)))
    assert fold.result is not None
    fold.result.summary.totals.started = fold.result.summary.totals.ended = 104
    for seat in record.seats:
        seat.last_seq = 0
    record.seats[0].lost = "went away"
    conclude(record, fold, datetime.now(AT.tzinfo))
    assert fold.result.unstarted == 0
    assert any("4 iterations more than planned" in warning for warning in fold.result.warnings)

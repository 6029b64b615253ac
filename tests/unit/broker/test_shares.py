"""However often a plan is cut, given away and shared with more: each slot is in one portion of one holder at the most.

In exactly one where there is room for all, and nobody ever has more than there is room for.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loads.broker.shares import deal, even, give_away, make_room, size
from loads.plan.share import WHOLE, Portion, cut, slots_of

Held = dict[int, tuple[Portion, ...]]
Rooms = dict[int, int | None]
users_counts = st.integers(1, 40)
room = st.one_of(st.none(), st.integers(1, 20))
rooms_of_some = st.lists(room, min_size=1, max_size=8).map(lambda rooms: dict(enumerate(rooms)))
steps = st.lists(st.one_of(st.tuples(st.just("join"), room), st.tuples(st.just("lose"), st.integers(0, 9))), max_size=8)


def slots(held: tuple[Portion, ...], users: int) -> list[int]:
    return [slot for portion in held for slot in slots_of(portion, users)]


def room_for(rooms: Rooms, users: int) -> int:
    return sum(users if most is None else most for most in rooms.values())


def check(held: Held, unheld: tuple[Portion, ...], rooms: Rooms, users: int) -> None:
    """Each slot once; nobody over its room; nothing left where there is room."""
    everything = [*held.values(), unheld]
    assert sorted(slot for portions in everything for slot in slots(portions, users)) == list(range(users))
    for holder, portions in held.items():
        most = rooms[holder]
        assert most is None or size(portions, users) <= most
    assert size(unheld, users) == max(0, users - room_for(rooms, users))


def assert_even_but_for_caps(held: Held, rooms: Rooms, users: int) -> None:
    """Who has room for more has no less than anybody else, but for one."""
    most = max(size(portions, users) for portions in held.values())
    for holder, portions in held.items():
        assert size(portions, users) >= most - 1 or size(portions, users) == rooms[holder]


@given(rooms_of_some, users_counts)
def test_dealt_shares_are_the_whole_and_even_where_there_is_room(rooms: Rooms, users: int) -> None:
    held, unheld = deal(rooms, users, rooms)
    check(held, unheld, rooms, users)
    assert_even_but_for_caps(held, rooms, users)


@given(st.integers(2, 12), st.integers(0, 30))
def test_without_caps_slots_are_dealt_like_cards(holders: int, more: int) -> None:
    held, unheld = deal(range(holders), holders + more, {})
    assert list(held.values()) == [(piece,) for piece in cut(WHOLE, holders)]
    assert not unheld


@given(rooms_of_some, steps, users_counts)
def test_whoever_comes_and_goes_no_slot_has_two_holders_and_nobody_too_many(
    rooms: Rooms, what: list[tuple[str, int | None]], users: int
) -> None:
    held, unheld = deal(rooms, users, rooms)
    for number, (step, value) in enumerate(what, len(rooms)):
        if step == "lose":
            if len(held) < 2:
                continue
            gone = sorted(held)[(value or 0) % len(held)]
            lost = held.pop(gone)
            del rooms[gone]
            changed, unheld = give_away((*unheld, *lost), held, users, rooms)
            held |= changed
        else:
            kept, given_, unheld = make_room(held, users, value, unheld)
            rooms[number] = value
            held = {**kept, number: given_}
        check(held, unheld, rooms, users)


@given(rooms_of_some, users_counts)
def test_who_is_left_gets_even_parts_where_there_is_room(rooms: Rooms, users: int) -> None:
    rooms[99] = None
    held, unheld = deal(rooms, users, rooms)
    lost = held.pop(99)
    del rooms[99]
    changed, unheld = give_away((*unheld, *lost), held, users, rooms)
    held |= changed
    check(held, unheld, rooms, users)
    assert_even_but_for_caps(held, rooms, users)


@given(st.integers(2, 6), users_counts)
def test_only_what_changes_is_told(holders: int, users: int) -> None:
    held, _ = deal(range(holders), users, {})
    lost = held.pop(0)
    changed, left = give_away(lost, held, users, {})
    assert not left
    for holder, portions in changed.items():
        assert portions[: len(held[holder])] == held[holder]
        assert len(slots(portions, users)) > len(slots(held[holder], users))


@given(rooms_of_some, users_counts, room)
def test_who_joins_gets_an_even_part(rooms: Rooms, users: int, most: int | None) -> None:
    held, unheld = deal(rooms, users, rooms)
    kept, given_, _ = make_room(held, users, most, unheld)
    after = {**kept, 99: given_}
    joined = size(given_, users)
    assert most is None or joined <= most
    assert joined >= min(users // len(after), users if most is None else most)
    assert all(size(portions, users) >= joined - 1 or portions == held[holder] for holder, portions in kept.items())
    assert all(slots_of(portion, users) for portions in kept.values() for portion in portions)


def test_who_joins_gets_first_what_nobody_runs_and_then_from_who_has_most() -> None:
    held, unheld = deal([0, 1], 30, {0: 5, 1: 10})
    assert size(unheld, 30) == 15
    kept, given_, left = make_room(held, 30, None, unheld)
    assert (size(given_, 30), left) == (15, ())
    assert kept == held
    kept, given_, left = make_room({0: (WHOLE,)}, 30, 10)
    assert (size(kept[0], 30), size(given_, 30)) == (20, 10)


@given(st.integers(1, 2_000), st.data())
def test_few_portions_say_any_number_of_slots(users: int, data: st.DataObject) -> None:
    most = data.draw(st.integers(1, users))
    held, _ = deal([0, 1], users, {0: most})
    assert len(held[0]) + len(held[1]) <= 4 * users.bit_length()


@given(st.integers(0, 200), rooms_of_some, st.data())
def test_parts_are_as_even_as_least_and_room_allow(more: int, rooms: Rooms, data: st.DataObject) -> None:
    least = {holder: data.draw(st.integers(0, 10 if most is None else most)) for holder, most in rooms.items()}
    total = sum(least.values()) + more
    parts = even(total, least, rooms)
    assert sum(parts.values()) == min(total, room_for(rooms, total))
    for holder, part in parts.items():
        most = rooms[holder]
        assert least[holder] <= part <= (total if most is None else most)
        larger = [other for other in parts.values() if other > part + 1]
        assert not larger or part == most or all(least[each] == parts[each] for each in parts if parts[each] > part + 1)

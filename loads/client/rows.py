"""Which row of a feed is whose: no two virtual users of a run have the same at the same time.

Row r belongs to slot r modulo the number of slots. Where users loop, a slot is a user, and has its own rows to itself
(`OwnRows`). Where iterations arrive at a rate, slots are many and any user serves any arrival. So a worker deals the
rows of the slots that it holds (`Dealer`): a row is the user's who asked for it until its iteration ends (`Hand`).
"""

from __future__ import annotations

import random
import unittest
from array import array
from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from loads.client.clock import monotonic_us
from loads.client.feeders import Feed, open_feed
from loads.errors import LoadsError, UsageError
from loads.units import plural

if TYPE_CHECKING:
    from loads.client.user import VirtualUser


class Policy(Enum):
    """What follows when all rows were fed: the first again, nothing, or there is no order at all."""

    CYCLE = "cycle"
    STOP = "stop"
    RANDOM = "random"


class RowsUsedUp(BaseException):
    """With `Policy.STOP`, there is no further row. No Exception, so that a test's own handlers let it pass."""


class NoFreeRow(LoadsError):
    """All rows are in the hands of other users; perhaps not for long."""


class Rows(Protocol):
    """Gives a virtual user rows of feeds."""

    def next(self, feed: Feed, policy: Policy) -> int:
        """The number of its next row.

        Raises:
            RowsUsedUp: there is none any more.
            NoFreeRow: there is none now.
            UsageError: there never was.
        """


def next_row(user: VirtualUser, cls: Any, name: str, policy: str) -> Any:
    """What ``self.feed(name, policy=policy)`` answers in a test of `cls` that `user` runs.

    Raises:
        UsageError: as `open_feed`; or there are fewer rows than users, or no such policy.
        RowsUsedUp, NoFreeRow: see `Rows.next`. A lone test skips instead of the former.
    """
    feed = open_feed(cls, name)
    try:
        wanted = Policy(policy)
    except ValueError:
        known = ", ".join(each.value for each in Policy)
        raise UsageError(f"{policy!r} is no policy of a feed", f"there are {known}") from None
    if user.rows is None:
        user.rows = OwnRows(user.numbers.user, user.numbers.users)
    try:
        return feed.row(user.rows.next(feed, wanted))
    except RowsUsedUp as end:
        if user.recorder is not None:
            raise
        raise unittest.SkipTest(str(end)) from None


class OwnRows:
    """Those of user `user` of `users`: each in its turn, or by a chance that `seed` decides."""

    def __init__(self, user: int, users: int, seed: int = 0) -> None:
        self._user = user
        self._users = users
        self._seed = seed
        self._turns: dict[tuple[Feed, Policy], int] = {}
        self._chances: dict[Feed, random.Random] = {}

    def next(self, feed: Feed, policy: Policy) -> int:
        """See `Rows`."""
        if len(feed) < self._users:
            raise UsageError(
                f"{feed.path.name} has {plural(len(feed), 'row')}, and {plural(self._users, 'user')} each need one of "
                "their own",
                "add rows, or lower -u",
            )
        own = range(self._user, len(feed), self._users)
        if policy is Policy.RANDOM:
            chance = self._chances.get(feed)
            if chance is None:
                chance = self._chances[feed] = random.Random(f"{self._seed}/feed/{feed.path.name}/{self._user}")
            return own[chance.randrange(len(own))]
        turn = self._turns.get((feed, policy), 0)
        if policy is Policy.STOP and turn >= len(own):
            raise RowsUsedUp(f"the {plural(len(own), 'row')} of {feed.path.name} for this user are used up")
        self._turns[feed, policy] = turn + 1
        return own[turn % len(own)]


class Dealer:
    """Deals the rows of the slots that a worker holds of all `slots`."""

    def __init__(self, slots: int, seed: int) -> None:
        self._slots = slots
        self._held: frozenset[int] = frozenset()
        self._later: list[tuple[int, frozenset[int]]] = []
        self._packs: dict[Feed, _Pack] = {}
        self._chance = random.Random(f"{seed}/feed")

    def hold(self, lanes: Iterable[tuple[int, Iterable[int]]]) -> None:
        """From now on it holds these: slots, each with the time (on our clock) from which on they are its own."""
        now_us = monotonic_us()
        each = [(at_us, frozenset(slots)) for at_us, slots in lanes]
        self._later = sorted(((at_us, slots) for at_us, slots in each if at_us > now_us), key=lambda lane: lane[0])
        self._set(frozenset().union(*(slots for at_us, slots in each if at_us <= now_us)))

    def take(self, feed: Feed, policy: Policy) -> int:
        """A row that nobody has."""
        while self._later and self._later[0][0] <= monotonic_us():
            self._set(self._held | self._later.pop(0)[1])
        pack = self._packs.get(feed)
        if pack is None:
            pack = self._packs[feed] = _Pack(self._rows(feed, self._held))
        if not pack.free:
            raise self._nothing(feed, pack)
        row = pack.draw(self._chance) if policy is Policy.RANDOM else pack.next()
        if policy is Policy.STOP:
            pack.used += 1
        else:
            pack.out.add(row)
        return row

    def give_back(self, feed: Feed, row: int) -> None:
        """Nobody has `row` any more; it comes after those that wait."""
        pack = self._packs[feed]
        pack.out.discard(row)
        if row % self._slots in self._held:
            pack.put(row)

    def _nothing(self, feed: Feed, pack: _Pack) -> BaseException:
        name = feed.path.name
        if pack.out:
            return NoFreeRow(
                f"all {plural(len(pack.out), 'row')} of {name} here are in use",
                "add rows, or lower --max-users: each user that is busy has a row of its own",
            )
        if pack.used:
            return RowsUsedUp(f"the {plural(pack.used, 'row')} of {name} for this worker are used up")
        return UsageError(f"{name} has {plural(len(feed), 'row')}, and none is for this worker", "add rows")

    def _set(self, held: frozenset[int]) -> None:
        added, self._held = held - self._held, held
        for feed, pack in self._packs.items():
            kept = (row for row in pack.waiting() if row % self._slots in held)
            new = (row for row in self._rows(feed, added) if row not in pack.out)
            pack.fill(array("I", [*kept, *new]))

    def _rows(self, feed: Feed, slots: frozenset[int]) -> array[int]:
        """In the order of the file."""
        count = len(feed)
        if len(slots) == self._slots:
            return array("I", range(count))
        inside = sorted(slot for slot in slots if slot < count)
        turns = range(0, count, self._slots)
        return array("I", (row for turn in turns for slot in inside if (row := turn + slot) < count))


class Hand:
    """What a user of the open model has of a `dealer`'s rows."""

    def __init__(self, dealer: Dealer) -> None:
        self._dealer = dealer
        self.rows: list[tuple[Feed, int]] = []
        """To be given back."""

    def next(self, feed: Feed, policy: Policy) -> int:
        """See `Rows`."""
        row = self._dealer.take(feed, policy)
        if policy is not Policy.STOP:
            self.rows.append((feed, row))
        return row

    def give_back(self) -> None:
        """The iteration is over."""
        for feed, row in self.rows:
            self._dealer.give_back(feed, row)
        self.rows.clear()


class _Pack:
    """The rows of one feed that are free, in a ring: a row takes four bytes, however long the run.

    Attributes:
        free: how many there are.
        out: those that users have, and will give back.
        used: how many never come back.
    """

    def __init__(self, rows: array[int]) -> None:
        self.out: set[int] = set()
        self.used = 0
        self.fill(rows)

    def fill(self, rows: array[int]) -> None:
        """`rows` and no others are free."""
        self._ring = rows
        self._first = 0
        self.free = len(rows)

    def waiting(self) -> list[int]:
        """All that are free, in their order."""
        return [self._ring[(self._first + place) % len(self._ring)] for place in range(self.free)]

    def next(self) -> int:
        """The one that has waited longest."""
        row = self._ring[self._first]
        self._first = (self._first + 1) % len(self._ring)
        self.free -= 1
        return row

    def draw(self, chance: random.Random) -> int:
        """Any."""
        place = (self._first + chance.randrange(self.free)) % len(self._ring)
        self._ring[place], self._ring[self._first] = self._ring[self._first], self._ring[place]
        return self.next()

    def put(self, row: int) -> None:
        """`row` is free again."""
        if self.free == len(self._ring):
            self.fill(array("I", [*self.waiting(), row, *[0] * len(self.out)]))
            self.free -= len(self.out)
            return
        self._ring[(self._first + self.free) % len(self._ring)] = row
        self.free += 1

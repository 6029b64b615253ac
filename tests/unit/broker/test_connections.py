"""The order that ZeroMQ keeps, played with: connections begin, speak and end on a few descriptors, and what the monitor
and the socket tell of it is read at any later time, but nothing of a connection before its beginning.
"""

from __future__ import annotations

from collections import deque
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from loads.broker.connections import MOST_PAST, UNCLEAR, Connection, Connections


class World:
    """The I/O thread's side, and the reader's."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.events: deque[tuple[str, int]] = deque()
        self.queues: dict[bytes, deque[int]] = {}  # by peer: the descriptor of each message
        self.open: dict[int, bytes] = {}
        self.ended: set[bytes] = set()
        self.fd_of: dict[bytes, int] = {}
        self.connections = Connections()
        self.cut: set[int] = set()
        self.heard: list[bytes] = []
        self.told: list[bytes] = []
        self.unclear = 0

    def accept(self) -> None:
        fd = next(number for number in range(99) if number not in self.open)
        peer = b"\0" + len(self.fd_of).to_bytes(4, "big")
        self.events.append(("accepted", fd))
        self.open[fd] = peer
        self.fd_of[peer] = fd
        self.queues[peer] = deque()

    def speak(self) -> None:
        if self.open:
            fd = self.random.choice(sorted(self.open))
            self.queues[self.open[fd]].append(fd)

    def end(self, fd: int | None = None) -> None:
        if fd is None:
            fd = self.random.choice(sorted(self.open)) if self.open else None
        if fd is not None and fd in self.open:
            self.ended.add(self.open.pop(fd))
            self.events.append(("disconnected", fd))

    def hear_monitor(self) -> None:
        while self.events:
            kind, fd = self.events.popleft()
            getattr(self.connections, kind)(fd)

    def read_one(self) -> bool:
        waiting = sorted(peer for peer, queue in self.queues.items() if queue)
        if not waiting:
            return False
        peer = self.random.choice(waiting)
        fd = self.queues[peer].popleft()
        connection: object = self.connections.of(peer)
        if connection is None:
            self.hear_monitor()
            connection = self.connections.meet(peer, fd)
        if connection is UNCLEAR:
            self.unclear += 1
            latest = self.connections.latest(fd)
            assert latest is not None
            latest.muted = True
            if not latest.ended:
                self.end(fd)
        elif isinstance(connection, Connection) and not connection.muted:
            assert connection.peer == peer
            assert connection.fd == self.fd_of[peer]
            assert peer not in self.told, "heard after it was told to be gone"
            self.heard.append(peer)
        return True

    def read(self, count: int, *, overdue: bool = False) -> None:
        self.hear_monitor()
        is_empty = False
        for _ in range(count):
            if not self.read_one():
                is_empty = True
                break
        if is_empty or overdue:
            self.told += self.connections.left()
        if is_empty:
            self.connections.found_empty()
        assert set(self.told) <= self.ended, "told to be gone, and is not"


@settings(max_examples=300)
@given(
    st.randoms(use_true_random=False),
    st.lists(st.sampled_from(["accept", "accept", "speak", "speak", "end", "end", "read", "late"]), max_size=60),
)
def test_no_connection_is_taken_for_another(random: Random, steps: list[str]) -> None:
    world = World(random)
    for step in steps:
        match step:
            case "accept":
                world.accept()
            case "speak":
                world.speak()
            case "end":
                world.end()
            case "read":
                world.read(random.randrange(6))
            case "late":
                world.read(random.randrange(6), overdue=True)
    world.read(1_000)
    world.read(1_000)  # once more, for those that were cut
    assert len(set(world.told)) == len(world.told)
    assert set(world.told) >= set(world.heard) & world.ended
    assert world.connections.open == len(world.open)


def test_two_that_may_have_said_it_are_not_guessed_between() -> None:
    connections = Connections()
    connections.accepted(7)
    connections.disconnected(7)
    connections.accepted(7)
    assert connections.meet(b"a", 7) is UNCLEAR


def test_once_the_socket_was_empty_only_the_newest_can_have_said_it() -> None:
    connections = Connections()
    connections.accepted(7)
    connections.disconnected(7)
    connections.accepted(7)
    connections.found_empty()
    connection = connections.meet(b"b", 7)
    assert isinstance(connection, Connection)
    assert not connection.ended
    assert repr(connection) == "<Connection 7 of 62>"


def test_one_that_ended_without_a_successor_may_still_be_heard() -> None:
    connections = Connections()
    connections.accepted(7)
    connections.disconnected(7)
    connections.found_empty()
    assert isinstance(connections.meet(b"a", 7), Connection)
    assert connections.left() == [b"a"]
    assert connections.left() == []


def test_a_message_over_a_forgotten_connection_is_nobodys() -> None:
    connections = Connections()
    assert connections.meet(b"a", 7) is None


def test_what_is_remembered_is_bounded_though_the_socket_is_never_empty() -> None:
    connections = Connections()
    for number in range(2 * MOST_PAST):
        connections.accepted(7)
        connections.meet(number.to_bytes(5, "big"), 7)
        connections.disconnected(7)
        connections.left()
    assert repr(connections) == f"<Connections open=0 peers={MOST_PAST + 1} past={MOST_PAST}>"


def test_who_says_nothing_from_one_look_to_the_next_but_one_is_silent() -> None:
    connections = Connections()
    for fd in (1, 2, 3):
        connections.accepted(fd)
    connections.meet(b"a", 1)
    connections.disconnected(2)
    assert connections.silent() == []
    connections.accepted(4)
    assert [connection.fd for connection in connections.silent()] == [3]
    assert [connection.fd for connection in connections.silent()] == [4]
    assert connections.silent() == []

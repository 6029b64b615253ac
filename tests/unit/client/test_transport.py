"""One connection: waits that end in time, closing, liveness, and sending more than there is room for."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import gevent
import pytest
from gevent import get_hub
from gevent.event import Event

from loads.client.origin import LOOK_AFTER_NS, Origin, Origins, place_of
from loads.client.transport import Connection, Sweeper, sweeper_of
from tests.unit.client.wires import (
    LONG_NS,
    SECOND_NS,
    Scripted,
    beside,
    joined,
    now_ns,
    origin,
    quick_sweeper,
    scripted,
)

MS_NS = 1_000_000


@pytest.fixture
def sweeper() -> Iterator[Sweeper]:
    with quick_sweeper() as sweeper:
        yield sweeper


def wait_out(connection: Connection, timeout_ns: int) -> int:
    """Wait until it times out: how long that took."""
    begin_ns = now_ns()
    with pytest.raises(TimeoutError, match="timed out"):
        connection.wait(begin_ns + timeout_ns)
    return now_ns() - begin_ns


# Waits


def test_a_wait_ends_when_there_is_something_to_receive() -> None:
    with joined() as (connection, theirs):
        theirs.sendall(b"hello")
        assert connection.receive(now_ns() + LONG_NS) == 5
        assert bytes(connection.view[:5]) == b"hello"
        theirs.close()
        assert connection.receive(now_ns() + LONG_NS) == 0


def test_a_wait_ends_soon_after_its_deadline_and_not_before(sweeper: Sweeper) -> None:
    """With slack for a machine that has other things to do."""
    with joined() as (connection, _):
        assert 10 * MS_NS <= wait_out(connection, 10 * MS_NS) < SECOND_NS
        assert "open" in repr(connection)


def test_a_connection_that_waited_in_vain_can_wait_again(sweeper: Sweeper) -> None:
    with joined() as (connection, theirs):
        wait_out(connection, MS_NS)
        theirs.sendall(b"late")
        assert connection.receive(now_ns() + LONG_NS) == 4
        wait_out(connection, MS_NS)


def test_a_wait_for_room_ends_too(sweeper: Sweeper) -> None:
    with joined() as (connection, _):
        with pytest.raises(TimeoutError, match="timed out"):
            connection.send(bytes(10_000_000), 5 * MS_NS)
        wait_out(connection, MS_NS)


def test_each_of_several_waits_ends_once_and_in_the_order_of_their_deadlines(sweeper: Sweeper) -> None:
    """Even if who was told asks for the next wait at once."""
    ended: list[tuple[int, int]] = []

    def waits(number: int, connection: Connection) -> None:
        for turn in range(2):
            wait_out(connection, (5 - number) * 8 * MS_NS)
            ended.append((turn, number))

    with joined() as a, joined() as b, joined() as c, joined() as d:
        greenlets = [gevent.spawn(waits, number, pair[0]) for number, pair in enumerate((a, b, c, d))]
        gevent.joinall(greenlets, timeout=10, raise_error=True)
        assert len(ended) == len(set(ended)) == 8
        assert [number for turn, number in ended if turn == 0] == [3, 2, 1, 0]
        assert all(pair[0].deadline_ns > now_ns() + 3_600 * SECOND_NS for pair in (a, b, c, d))


def test_a_late_wait_does_not_end_that_of_another(sweeper: Sweeper) -> None:
    with joined() as (late, _), joined() as (patient, theirs):
        waiting = gevent.spawn(patient.receive, now_ns() + LONG_NS)
        wait_out(late, 5 * MS_NS)
        assert not waiting.dead
        assert "waiting" in repr(patient)
        theirs.sendall(b"here")
        assert waiting.get(timeout=10) == 4


def test_closing_others_while_waits_end_is_no_trouble(sweeper: Sweeper) -> None:
    """What one does who was told its wait is over may concern those that are told next."""
    with joined() as (one, _), joined() as (other, _), joined() as (third, _):
        deadline_ns = now_ns() + 5 * MS_NS

        def first() -> None:
            with pytest.raises(TimeoutError):
                one.wait(deadline_ns)
            third.close()

        def second() -> None:
            with pytest.raises(TimeoutError):
                other.wait(deadline_ns)
            third.close()

        gevent.joinall([gevent.spawn(first), gevent.spawn(second)], timeout=10, raise_error=True)
        assert sweeper.connections == {one, other}


def test_who_is_killed_while_waiting_leaves_the_connection_sound(sweeper: Sweeper) -> None:
    with joined() as (connection, theirs):
        greenlet = gevent.spawn(connection.wait, now_ns() + LONG_NS)
        gevent.sleep(0)
        greenlet.kill()
        theirs.sendall(b"x")
        assert connection.receive(now_ns() + LONG_NS) == 1


def test_short_waits_end_in_time_and_long_ones_do_not_end_early(sweeper: Sweeper) -> None:
    """The earliest deadline decides when the sweeper looks next, whoever came first."""
    ended: dict[str, float] = {}

    def wait(name: str, connection: Connection, begin_ns: int, timeout_ns: int) -> None:
        with pytest.raises(TimeoutError):
            connection.wait(begin_ns + timeout_ns)
        ended[name] = (now_ns() - begin_ns) / MS_NS

    with joined() as (one, _), joined() as (other, _):
        begin_ns = now_ns()
        waits = [("long", one, 120 * MS_NS), ("short", other, 20 * MS_NS)]
        gevent.joinall([gevent.spawn(wait, name, each, begin_ns, after_ns) for name, each, after_ns in waits])
    assert list(ended) == ["short", "long"]
    assert 20 <= ended["short"] < 120 <= ended["long"]


# The sweeper


def test_a_sweeper_is_not_hurried_by_what_is_far_away(sweeper: Sweeper) -> None:
    with joined() as (connection, theirs):
        before_ns = sweeper.next_ns
        theirs.sendall(b"x")
        connection.receive(now_ns() + LONG_NS)
        assert sweeper.next_ns == before_ns


def test_a_sweeper_works_while_there_is_a_connection_and_no_longer(sweeper: Sweeper) -> None:
    assert sweeper is sweeper_of(get_hub())
    with joined() as (one, _), joined() as (other, _):
        assert sweeper.connections == {one, other}
        one.close()
        assert sweeper.connections == {other}
        wait_out(other, MS_NS)
    assert sweeper.connections == set()
    stopped = Event()
    poll = get_hub().loop.timer(0.001, 0.001)
    poll.start(lambda: sweeper._timer is None and stopped.set())
    try:
        assert stopped.wait(10)
    finally:
        poll.stop()
        poll.close()
    with joined() as (connection, _):
        wait_out(connection, MS_NS)


# Closing


def test_closing_twice_is_closing_once() -> None:
    with scripted() as (connection, sock):
        assert not connection.is_closed
        for _ in range(2):
            connection.close()
        assert connection.is_closed
        assert sock.closed == 1
        assert repr(connection) == "<Connection <Origin http://site.test> closed>"


def test_the_other_side_notices_that_it_was_closed() -> None:
    with joined() as (connection, theirs):
        connection.close()
        assert theirs.recv(1) == b""


# Sending


@pytest.mark.parametrize("how", [bytes, bytearray, memoryview])
def test_much_more_than_there_is_room_for_arrives_whole(how: type) -> None:
    data = bytes(range(256)) * 20_000
    got = bytearray()

    with joined() as (connection, theirs):

        def drain() -> None:
            while len(got) < len(data):
                got.extend(theirs.recv(1_000_000))

        with beside(drain):
            connection.send(how(data), LONG_NS)
    assert got == data


def test_what_breaks_while_sending_is_raised() -> None:
    with joined() as (connection, theirs):
        theirs.close()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            connection.send(b"x" * 10_000_000, LONG_NS)


# Whether an idle connection is alive


def idle(connection: Connection, for_ns: int) -> bool:
    return connection.is_alive(connection.idle_ns + for_ns)


def test_an_idle_connection_is_alive_until_the_other_side_closes_it() -> None:
    with joined() as (connection, theirs):
        assert idle(connection, 0)
        assert idle(connection, LONG_NS)
        theirs.shutdown(socket.SHUT_WR)
        assert not idle(connection, 0)


def test_who_says_something_unasked_is_not_to_be_used_again() -> None:
    """And what it said stays there: whoever looks takes nothing away."""
    with joined() as (connection, theirs):
        theirs.sendall(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        assert not idle(connection, 0)
        assert connection.receive(now_ns() + LONG_NS) == 32


def test_a_reset_connection_is_dead() -> None:
    with scripted([ConnectionResetError()]) as (connection, _):
        assert not idle(connection, 0)


def trusted(times: int = 1_000) -> Origin:
    server = origin()
    for _ in range(times):
        server.found(alive=True, idle_ns=0)
    return server


def test_a_server_is_on_probation_at_first() -> None:
    """Every connection is looked at, until so many were alive in a row."""
    assert origin().look_after_ns < 0
    assert trusted(999).look_after_ns < 0
    assert trusted(1_000).look_after_ns == LOOK_AFTER_NS == 50 * MS_NS


def test_a_server_that_closed_a_connection_at_once_is_never_trusted_again() -> None:
    for trials in (0, 500, 1_000):
        server = trusted(trials)
        server.found(alive=False, idle_ns=LOOK_AFTER_NS)
        for _ in range(2_000):
            server.found(alive=True, idle_ns=0)
        assert server.look_after_ns < 0


@pytest.mark.parametrize("alive", [True, False])
def test_what_became_of_longer_idleness_tells_nothing_about_a_moment(alive: bool) -> None:
    server = trusted(999)
    server.found(alive=alive, idle_ns=LOOK_AFTER_NS + 1)
    assert server.look_after_ns < 0
    server.found(alive=True, idle_ns=0)
    assert server.look_after_ns == LOOK_AFTER_NS


def test_a_trusted_server_is_looked_at_only_after_a_while() -> None:
    sock = Scripted([])  # whoever looks finds the end
    connection = Connection(trusted(), sock)  # type: ignore[arg-type]
    try:
        assert idle(connection, LOOK_AFTER_NS)
        assert not idle(connection, LOOK_AFTER_NS + 1)
    finally:
        connection.close()


# Origins


def test_a_server_has_one_origin_for_each_kind_of_trust() -> None:
    origins = Origins()
    plain = origins.get("http", "site.test", None, True)
    assert origins.get("http", "site.test", 80, "/ca.pem") is plain
    sealed = origins.get("https", "site.test", None, True)
    assert origins.get("https", "site.test", 443, True) is sealed
    assert len({plain, sealed, *(origins.get("https", "site.test", 443, each) for each in (False, "/ca.pem"))}) == 4


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        (("http", "site.test", None), "http://site.test"),
        (("http", "site.test", 443), "http://site.test:443"),
        (("https", "site.test", 443), "https://site.test"),
        (("http", "::1", 8080), "http://[::1]:8080"),
        (("https", "[::1]", None), "https://[::1]"),
    ],
)
def test_an_origin_is_shown_as_in_a_url(place: tuple[str, str, int | None], shown: str) -> None:
    server = Origins().get(*place, True)
    assert (server.shown, repr(server)) == (shown, f"<Origin {shown}>")


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("HTTP://Site.Test:81/a", ("http", "site.test", 81)),
        ("https://site.test", ("https", "site.test", None)),
        ("http://[::1]:81/", ("http", "::1", 81)),
        ("ftp://site.test/", None),
        ("/path", None),
        ("http:///path", None),
    ],
)
def test_the_place_a_url_names(url: str, place: tuple[str, str, int | None] | None) -> None:
    assert place_of(url) == place


def test_a_port_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"[Pp]ort"):
        place_of("http://site.test:99999/")

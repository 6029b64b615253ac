"""Addresses for names: by policy, by --resolve, from memory; with a clock and a resolver that the test holds."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from urllib3.exceptions import LocationParseError

from loads.client import resolver as resolver_module
from loads.client.resolver import TTL_S, Resolver
from loads.client.settings import Lookup, NetSettings

V4, V6 = socket.AF_INET, socket.AF_INET6


class Clock:
    now_s = 1_000.0

    def __call__(self) -> int:
        return int(self.now_s * 1_000_000_000)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(resolver_module, "monotonic_ns", clock)
    return clock


class LookUp:
    """getaddrinfo whose answer is another one each time."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def __call__(self, host: str, port: int, _family: int, kind: int) -> list[Any]:
        assert kind == socket.SOCK_STREAM
        self.asked.append((host, port))
        number = len(self.asked)
        return [
            (V6, kind, 6, "", ("::1", port, 0, number)),
            (V4, kind, 6, "", (f"127.0.0.{number % 250}", port)),
        ]


def made(**settings: Any) -> tuple[Resolver, LookUp]:
    look_up = LookUp()
    return Resolver(NetSettings(**settings), look_up), look_up


def test_all_addresses_are_given_in_the_resolvers_order() -> None:
    resolver, _ = made()
    assert resolver.addresses("site.test", 80) == ([(V6, ("::1", 80, 0, 1)), (V4, ("127.0.0.1", 80))], True)


@pytest.mark.parametrize(
    ("lookup", "times"), [(Lookup.TTL, [1, 1, 2, 2]), (Lookup.ONCE, [1, 1, 1, 1]), (Lookup.ALWAYS, [1, 2, 3, 4])]
)
def test_how_long_an_answer_is_believed(clock: Clock, lookup: Lookup, times: list[int]) -> None:
    """Asked at once, a moment before the time is over, when it is over, and a day later but one."""
    resolver, look_up = made(lookup=lookup)
    asked = []
    for after_s in (0, TTL_S - 0.001, 0.001, TTL_S - 0.001):
        clock.now_s += after_s
        before = len(look_up.asked)
        found, looked_up = resolver.addresses("site.test", 80)
        assert looked_up is (len(look_up.asked) > before)
        assert found[0][1][3] == len(look_up.asked)
        asked.append(len(look_up.asked))
    assert asked == times


def test_names_and_ports_are_remembered_apart_whatever_their_case() -> None:
    resolver, look_up = made()
    for host, port in (("a.test", 80), ("A.Test", 80), ("b.test", 80), ("a.test", 81)):
        resolver.addresses(host, port)
    assert look_up.asked == [("a.test", 80), ("b.test", 80), ("a.test", 81)]


def test_a_failed_look_up_is_tried_again() -> None:
    answers: list[Any] = [socket.gaierror(-2, "unknown"), [(V4, 1, 6, "", ("127.0.0.1", 80))]]

    def look_up(*_: Any) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    resolver = Resolver(NetSettings(lookup=Lookup.ONCE), look_up)
    with pytest.raises(socket.gaierror):
        resolver.addresses("site.test", 80)
    assert resolver.addresses("site.test", 80) == ([(V4, ("127.0.0.1", 80))], True)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "[::1]", "[FE80::1]"])
def test_an_address_needs_no_look_up(host: str) -> None:
    resolver, look_up = made(lookup=Lookup.ALWAYS)
    plain = host.strip("[]").lower()
    sockaddr: Any = (plain, 80, 0, 0) if ":" in plain else (plain, 80)
    assert resolver.addresses(host, 80) == ([(V6 if ":" in plain else V4, sockaddr)], False)
    assert look_up.asked == []


@pytest.mark.parametrize("host", ["127.1", "1", "fe80::1%lo", "1.2.3.4.5", "256.0.0.1"])
def test_what_only_looks_like_an_address_is_looked_up(host: str) -> None:
    resolver, look_up = made()
    resolver.addresses(host, 80)
    assert look_up.asked == [(host, 80)]


@pytest.mark.parametrize("host", ["a..test", "a" * 64 + ".test", ".test"])
def test_what_is_no_name_is_refused_as_urllib3_refuses_it(host: str) -> None:
    resolver, look_up = made()
    with pytest.raises(LocationParseError, match="label empty or too long"):
        resolver.addresses(host, 80)
    assert look_up.asked == []


def test_fixed_addresses_are_used_in_turn_and_the_others_tried_after() -> None:
    resolver, look_up = made(resolve={("site.test", 80): ("10.0.0.1", "10.0.0.2", "::3")})
    turns = [resolver.addresses("Site.Test", 80) for _ in range(4)]
    first, second, third = (V4, ("10.0.0.1", 80)), (V4, ("10.0.0.2", 80)), (V6, ("::3", 80, 0, 0))
    rows = [[first, second, third], [second, third, first], [third, first, second], [first, second, third]]
    assert turns == [(row, False) for row in rows]
    assert look_up.asked == []


def test_fixed_addresses_are_for_that_port_alone_and_take_turns_of_their_own() -> None:
    pair = ("10.0.0.1", "10.0.0.2")
    resolver, look_up = made(resolve={("a.test", 80): pair, ("b.test", 80): pair})
    firsts = [resolver.addresses(host, 80)[0][0][1][0] for host in ("a.test", "b.test", "a.test")]
    assert firsts == ["10.0.0.1", "10.0.0.1", "10.0.0.2"]
    assert resolver.addresses("a.test", 81)[1]
    assert look_up.asked == [("a.test", 81)]


@pytest.mark.parametrize("host", ["::1", "[::1]", "0:0:0:0:0:0:0:1", "[0::0001]"])
def test_an_ipv6_address_can_stand_for_another_however_it_is_written(host: str) -> None:
    resolver, _ = made(resolve={("::1", 80): ("10.0.0.1",)})
    assert resolver.addresses(host, 80) == ([(V4, ("10.0.0.1", 80))], False)


def test_source_addresses_take_turns_in_each_family() -> None:
    resolver, _ = made(source_addresses=("127.0.0.1", "::1", "127.0.0.2"))
    turns = [resolver.source_address(family) for family in (V4, V6, V4, V6, V4)]
    assert turns == [("127.0.0.1", 0), ("::1", 0), ("127.0.0.2", 0), ("::1", 0), ("127.0.0.1", 0)]


def test_without_a_source_address_of_that_family_the_system_chooses() -> None:
    assert made()[0].source_address(V4) is None
    assert made(source_addresses=("127.0.0.1",))[0].source_address(V6) is None


@pytest.mark.parametrize("lookup", list(Lookup))
def test_the_memory_for_names_is_bounded(lookup: Lookup) -> None:
    resolver, look_up = made(lookup=lookup)
    for number in range(2_500):
        resolver.addresses(f"n{number}.test", 80)
        assert len(resolver._known) <= 1_000
    assert len(look_up.asked) == 2_500
    assert len(resolver._turns) == 0

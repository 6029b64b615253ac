"""Who is let in: hosts, origins, tokens, and the fence around each answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.web.doors import WRONG_PER_S, Doors, is_loopback, own_names, shown_host
from loads.web.secret import Secret


def doors(**more: object) -> Doors:
    return Doors(Secret("t" * 43, "s" * 43), 7777, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "host", ["127.0.0.1:7777", "localhost:7777", "LOCALHOST:8000", "[::1]:7777", "10.0.0.5", "web.example:7777"]
)
def test_a_host_is_ours_by_name_or_if_it_is_an_address(host: str) -> None:
    assert doors(names={"Web.Example"}).is_ours(host)


@pytest.mark.parametrize(
    "host",
    ["evil.example:7777", "127.0.0.1.evil.example", "localhost.evil.example:7777", "", "a b", "127.0.0.1:x", "::1"],
)
def test_a_name_that_was_made_to_lead_here_is_not_ours(host: str) -> None:
    assert not doors().is_ours(host)


@given(st.text(max_size=60))
def test_whatever_stands_in_host_nothing_breaks_out_of_the_policy(host: str) -> None:
    policy = doors().headers(host)["Content-Security-Policy"]
    assert policy.count(";") == 7
    assert not any(char in policy for char in "\r\n\0")


@pytest.mark.parametrize(
    ("origin", "is_so"),
    [
        ("http://127.0.0.1:7777", True),
        ("http://127.0.0.1:8888", False),
        ("http://localhost:7777", False),
        ("https://127.0.0.1:7777", False),
        ("http://evil.example", False),
        ("null", False),
        ("", False),
        (None, False),
    ],
)
def test_only_a_page_of_the_very_same_place_is_from_us(origin: str | None, is_so: bool) -> None:
    assert doors().is_from_us(origin, "127.0.0.1:7777") is is_so


def test_over_tls_pages_come_over_tls() -> None:
    assert doors(secure=True).is_from_us("https://web:1", "web:1")
    assert not doors(secure=True).is_from_us("http://web:1", "web:1")
    assert "wss://localhost" in doors(secure=True).headers("localhost")["Content-Security-Policy"]
    assert "Strict-Transport-Security" in doors(secure=True).headers("localhost")


def test_the_token_lets_in_and_another_does_not() -> None:
    ours = doors()
    assert ours.lets_in("t" * 43)
    assert not ours.lets_in("t" * 42)
    assert not ours.lets_in("é" * 43)
    assert not ours.lets_in("\ud800")


def test_a_few_wrong_tokens_a_second_are_looked_at() -> None:
    now = [0.0]
    ours = doors(clock=lambda: now[0])
    tried = 0
    while ours.may_try():
        ours.lets_in("wrong")
        tried += 1
    assert tried == WRONG_PER_S
    now[0] += 1 / WRONG_PER_S
    assert ours.may_try()


def test_right_tokens_are_never_too_many() -> None:
    ours = doors(clock=lambda: 0.0)
    for _ in range(100):
        assert ours.may_try()
        assert ours.lets_in("t" * 43)


def test_nothing_inline_and_nothing_from_elsewhere() -> None:
    policy = doors().headers("127.0.0.1:7777")["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "connect-src 'self' ws://127.0.0.1:7777;" in policy


def test_a_secret_is_not_in_what_is_printed_of_it() -> None:
    assert "ttt" not in repr(doors())
    assert "sss" not in repr(doors())


@pytest.mark.parametrize("bind", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
def test_loopback(bind: str) -> None:
    assert is_loopback(bind)
    assert not own_names(bind)


@pytest.mark.parametrize("bind", ["0.0.0.0", "::", "10.0.0.5", "web.example", ""])
def test_what_others_may_reach(bind: str) -> None:
    assert not is_loopback(bind)


def test_a_link_leads_to_where_it_listens() -> None:
    assert shown_host("127.0.0.1") == "127.0.0.1"
    assert shown_host("::1") == "[::1]"
    assert shown_host("0.0.0.0") not in ("0.0.0.0", "")

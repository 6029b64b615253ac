"""What users share, and what each session keeps: time limits, trust, idle connections."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gevent
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from urllib3.util import Timeout

from loads.client import engine as engine_module
from loads.client.engine import FOREVER_NS, MAX_IDLE, Engine, Kept, configure, engine
from loads.client.environment import Environment
from loads.client.settings import NetSettings
from loads.client.transport import Connection
from tests.unit.client.wires import Scripted, now_ns, origin

MS_NS = 1_000_000


# Time limits


def stock_timeouts(timeout: Any) -> tuple[Any, Any] | None:
    """As requests' adapter hands them to urllib3; None: it raises, or it takes an object of urllib3's."""
    try:
        if isinstance(timeout, tuple):
            connect, read = timeout
            made = Timeout(connect=connect, read=read)
        else:
            made = Timeout(connect=timeout, read=timeout)
        return made.connect_timeout, made.read_timeout
    except (ValueError, TypeError):
        return None


limits = st.one_of(
    st.none(),
    st.integers(-1, 100),
    st.floats(-1, 1e8),
    st.sampled_from([True, False, float("nan"), float("inf"), "5", "x", b"5", [], [1, 2], 1e-12, 10**30, 1e300]),
)


@given(st.one_of(limits, st.tuples(limits), st.tuples(limits, limits), st.tuples(limits, limits, limits)))
def test_time_limits_are_what_requests_takes_them_for(timeout: Any) -> None:
    """Or None: then requests has a look itself."""
    found = Engine(NetSettings(timeout_s=7.0)).timeouts_ns(timeout)
    if found is None:
        return
    stock = stock_timeouts(timeout)
    assert stock is not None
    for ours, theirs in zip(found, stock, strict=True):
        assert ours == (7_000_000_000 if theirs is None else int(theirs * 1_000_000_000))


@pytest.mark.parametrize("timeout", [None, 1, 0.25, (1, 2), (None, 2.5), (3, None), (None, None), 86_400])
def test_plain_time_limits_need_no_look(timeout: Any) -> None:
    assert Engine(NetSettings()).timeouts_ns(timeout) is not None


@pytest.mark.parametrize("timeout", [0, -1, True, "5", float("nan"), (1,), (1, 0), (1, 2, 3), [1, 2], Timeout(3)])
def test_strange_time_limits_are_for_requests_to_judge(timeout: Any) -> None:
    assert Engine(NetSettings()).timeouts_ns(timeout) is None


def test_without_a_limit_of_the_users_waits_are_for_ever() -> None:
    assert Engine(NetSettings(timeout_s=None)).timeouts_ns(None) == (FOREVER_NS, FOREVER_NS)
    assert Engine(NetSettings()).timeouts_ns(None) == (60 * 1_000_000_000,) * 2


# Trust


def test_requests_own_trust_is_kept_where_the_user_says_nothing(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    plain = Engine(NetSettings())
    assert [plain.trust(verify) for verify in (True, False, str(bundle), str(tmp_path))] == [
        *(True, False),
        *(str(bundle), str(tmp_path)),
    ]


def test_the_users_bundle_stands_for_the_default_alone(tmp_path: Path) -> None:
    bundle, other = tmp_path / "ca.pem", tmp_path / "other.pem"
    bundle.touch()
    other.touch()
    own = Engine(NetSettings(ca_bundle=str(bundle)))
    assert [own.trust(verify) for verify in (True, False, str(other))] == [str(bundle), False, str(other)]


def test_insecure_is_insecure_whatever_the_test_says(tmp_path: Path) -> None:
    careless = Engine(NetSettings(insecure=True, ca_bundle="/nowhere"))
    assert [careless.trust(verify) for verify in (True, False, "/nowhere", 1)] == [False] * 4


@pytest.mark.parametrize("verify", ["/nowhere/ca.pem", 1, 0, None, b"/", Path("/")])
def test_what_requests_should_look_at(verify: Any) -> None:
    """A bundle that isn't there, and values that are no values."""
    assert Engine(NetSettings()).trust(verify) is None
    if verify == "/nowhere/ca.pem":
        assert Engine(NetSettings(ca_bundle=verify)).trust(True) is None


# What the stock way is told


def test_the_stock_way_follows_the_users_settings_where_the_test_says_nothing() -> None:
    request = requests.Request("GET", "http://site.test/").prepare()
    own = Engine(NetSettings(timeout_s=3.0, insecure=True, keepalive=False))
    asked = {"timeout": None, "verify": True, "stream": True}
    assert own.stock_settings(request, asked) == {"timeout": 3.0, "verify": False, "stream": True}
    assert request.headers["Connection"] == "close"
    assert own.stock_settings(request, {**asked, "timeout": 9})["timeout"] == 9
    assert Engine(NetSettings()).stock_settings(request, {**asked, "verify": "/nowhere"})["verify"] == "/nowhere"


# Header sets


def test_sessions_that_are_alike_share_what_they_made() -> None:
    shared = Engine(NetSettings())
    items = (("Accept", "*/*"),)
    fields = shared.fields(items, True, None)
    assert fields is not None
    assert shared.fields((("Accept", "*/*"),), True, None) is fields
    assert shared.fields((("Accept", "text/html"),), True, None) is not fields
    assert shared.fields(items, False, None) is not fields
    assert shared.fields(items, True, Environment(False, False, None)) is not fields


@pytest.mark.parametrize("item", [("Host", "a"), ("cookie", "a=1"), ("X", None), ("X", ["a"])])
def test_headers_that_need_requests_own_look(item: tuple[str, Any]) -> None:
    assert Engine(NetSettings()).fields((item,), True, None) is None


def test_the_memory_for_header_sets_is_bounded() -> None:
    shared = Engine(NetSettings())
    for number in range(2_500):
        assert shared.fields((("X", str(number)),), True, None) is not None
        assert len(shared._fields) <= 1_024


def test_a_process_has_one_engine_until_it_is_configured_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module._Current, "engine", None)
    first = engine()
    assert engine() is first
    second = configure(NetSettings(insecure=True))
    assert engine() is second is not first
    assert "insecure=True" in repr(second)


# Idle connections


def connections(count: int, server: Any = None) -> list[tuple[Connection, Scripted]]:
    server = origin() if server is None else server
    socks = [Scripted([BlockingIOError()] * 3) for _ in range(count)]
    return [(Connection(server, sock), sock) for sock in socks]  # type: ignore[arg-type]


def test_at_most_so_many_connections_are_kept_and_the_latest_used_first() -> None:
    kept, pairs = Kept(), connections(MAX_IDLE + 2)
    for connection, _ in pairs:
        kept.give(connection, now_ns())
    assert [sock.closed for _, sock in pairs] == [0] * MAX_IDLE + [1, 1]
    server = pairs[0][0].origin
    taken = [kept.take(server) for _ in range(MAX_IDLE)]
    assert taken == [connection for connection, _ in reversed(pairs[:MAX_IDLE])]
    assert kept.take(server) is None
    for connection in taken:
        assert connection is not None
        connection.close()


def test_dead_connections_are_dropped_on_the_way_to_one_that_lives() -> None:
    kept, pairs = Kept(), connections(3)
    for connection, _ in pairs:
        kept.give(connection, now_ns())
    pairs[2][1].steps = []
    pairs[1][1].steps = [b"unasked"]
    server = pairs[0][0].origin
    assert kept.take(server) is pairs[0][0]
    assert [sock.closed for _, sock in pairs] == [0, 1, 1]
    assert kept.take(server) is None
    pairs[0][0].close()


def test_connections_are_kept_for_their_server() -> None:
    kept = Kept()
    ((one, _),), ((other, _),) = connections(1), connections(1, origin("https"))
    kept.give(one, now_ns())
    kept.give(other, now_ns())
    assert kept.take(origin()) is None
    assert kept.take(other.origin) is other
    assert kept.take(one.origin) is one
    one.close()
    other.close()


def test_a_connection_of_another_thread_is_closed_not_used() -> None:
    kept, ((connection, sock),) = Kept(), connections(1)
    kept.give(connection, now_ns())
    taken = gevent.get_hub().threadpool.apply(kept.take, (connection.origin,))
    assert (taken, sock.closed) == (None, 1)


def test_closing_closes_all_that_are_idle() -> None:
    kept, pairs = Kept(), connections(3)
    for connection, _ in pairs:
        kept.give(connection, now_ns())
    kept.close()
    kept.close()
    assert [sock.closed for _, sock in pairs] == [1, 1, 1]
    assert kept.take(pairs[0][0].origin) is None

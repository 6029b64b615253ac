from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
import pytest

from loads.client.clock import monotonic_us
from loads.worker import alarm as module
from loads.worker.alarm import Alarm, alarm

KINDS = [alarm, module._Coarse]


@pytest.fixture(params=KINDS, ids=["best", "of the loop"])
def make(request: pytest.FixtureRequest) -> Callable[[Callable[[], None]], Alarm]:
    return request.param  # type: ignore[no-any-return]


def test_it_rings_at_its_time_and_once(make: Callable[..., Alarm]) -> None:
    rung: list[int] = []
    bell = make(lambda: rung.append(monotonic_us()))
    at_us = monotonic_us() + 20_000
    bell.set(at_us)
    gevent.sleep(0.08)
    bell.close()
    assert len(rung) == 1
    assert rung[0] >= at_us - 1_000  # the loop's own timer counts from when the turn began


def test_a_time_that_is_over_rings_at_once(make: Callable[..., Alarm]) -> None:
    rung: list[Any] = []
    bell = make(lambda: rung.append(1))
    bell.set(monotonic_us() - 1_000_000)
    gevent.sleep(0.05)
    bell.close()
    assert rung == [1]


def test_the_last_time_counts(make: Callable[..., Alarm]) -> None:
    rung: list[int] = []
    bell = make(lambda: rung.append(monotonic_us()))
    now_us = monotonic_us()
    bell.set(now_us + 10_000)
    bell.set(now_us + 40_000)
    gevent.sleep(0.1)
    bell.close()
    assert len(rung) == 1
    assert rung[0] >= now_us + 39_000


def test_it_is_silent_once_closed(make: Callable[..., Alarm]) -> None:
    rung: list[Any] = []
    bell = make(lambda: rung.append(1))
    bell.set(monotonic_us() + 10_000)
    bell.close()
    gevent.sleep(0.05)
    assert rung == []


def test_where_the_kernel_has_none_the_loops_timer_does(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(ring: Callable[[], None]) -> None:
        raise OSError("no such call")

    monkeypatch.setattr(module, "_Precise", refuse)
    assert isinstance(alarm(lambda: None), module._Coarse)

"""What an agent tells of its machine is within bounds, and read once a second."""

from __future__ import annotations

import psutil
import pytest

from loads.agent import gauge
from loads.agent.gauge import Gauge


def test_a_machine_has_some_memory_and_the_share_is_there_from_the_second_look_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gauge, "READ_S", 0.0)
    looks = Gauge()
    first, second = looks.read(), looks.read()
    assert first.cpu_share is None
    assert first.load >= 0
    assert first.memory_bytes == psutil.virtual_memory().total
    assert 0 < (first.memory_used_bytes or 0) < (first.memory_bytes or 0)
    assert second.cpu_share is None or 0 <= second.cpu_share <= 1


def test_it_is_read_once_a_second() -> None:
    looks = Gauge()
    assert looks.read() is looks.read()

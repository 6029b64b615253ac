"""What --env says becomes the environment of the tests."""

from __future__ import annotations

import os
import time

import pytest

from loads.worker.process import _set_variables


def test_they_are_set_and_the_time_zone_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("TOKEN", "before")
    try:
        _set_variables({"TOKEN": "a=b", "TZ": "XYZ-3"})
        assert os.environ["TOKEN"] == "a=b"
        assert time.timezone == -3 * 3_600
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("variables", [{"A=B": "secret"}, {"": "secret"}, {"A": "secret\0"}, {"A\ud800": "secret"}])
def test_what_can_be_none_is_told_without_its_value(variables: dict[str, str]) -> None:
    with pytest.raises(OSError, match="can't be in an environment") as caught:
        _set_variables(variables)
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__

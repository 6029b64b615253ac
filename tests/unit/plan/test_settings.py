"""The table of settings."""

from __future__ import annotations

import pytest

from loads.errors import UsageError
from loads.plan.files import read_toml
from loads.plan.settings import SETTINGS, parse_run_name, parse_tag, parse_think_time
from loads.units import US_PER_S


@pytest.mark.parametrize("name", SETTINGS)
def test_each_example_of_a_setting_is_true(name: str) -> None:
    setting = SETTINGS[name]
    for example in setting.example.split(" or "):
        assert read_toml(f"{name} = {example}", "f.toml").problems == []


@pytest.mark.parametrize(
    ("text", "ends_s"), [("2s", (2, 2)), ("1s-3s", (1, 3)), ("0-1m", (0, 60)), (" 1s - 3s ", (1, 3)), ("3s-3s", (3, 3))]
)
def test_a_think_time_is_one_time_or_two(text: str, ends_s: tuple[int, int]) -> None:
    assert parse_think_time(text) == (ends_s[0] * US_PER_S, ends_s[1] * US_PER_S)


@pytest.mark.parametrize("text", ["", "soon", "-3s", "1s-", "1s-2s-3s", "3s-1s"])
def test_a_think_time_of_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_think_time(text)
    assert caught.value.hint


@pytest.mark.parametrize("text", ["1", "2", "-1%", "101%", "many", ""])
def test_what_may_be_lost_is_a_part(text: str) -> None:
    """A bare 1 would be all of it, and whoever says it means one in a hundred."""
    with pytest.raises(UsageError) as caught:
        SETTINGS["max-lost"].parse(text)
    assert "1% or 0.01" in caught.value.hint


@pytest.mark.parametrize(("text", "part"), [("1%", 0.01), ("0.02", 0.02), ("0", 0.0), ("100%", 1.0), ("1.0", 1.0)])
def test_a_part_is_said_in_percent_or_as_a_fraction(text: str, part: float) -> None:
    assert SETTINGS["max-lost"].parse(text) == part


@pytest.mark.parametrize("text", ["checkout", "checkout, new index", "é" * 200, " padded "])
def test_any_line_is_a_name(text: str) -> None:
    assert parse_run_name(text) == text.strip()


@pytest.mark.parametrize("text", ["", " ", "a\nb", "\x1b[2J", "x" * 201])
def test_what_is_no_line_is_no_name(text: str) -> None:
    with pytest.raises(UsageError, match="is not a name for a run"):
        parse_run_name(text)


@pytest.mark.parametrize(("text", "tag"), [("a=b", ("a", "b")), ("a.b-c_d=e f=g", ("a.b-c_d", "e f=g"))])
def test_a_tag_is_a_plain_key_and_any_line(text: str, tag: tuple[str, str]) -> None:
    assert parse_tag(text) == tag


@pytest.mark.parametrize("text", ["", "a", "a=", "=b", "a b=c", "a=b\n", "a=" + "x" * 201])
def test_anything_else_is_no_tag(text: str) -> None:
    with pytest.raises(UsageError, match="is not a tag"):
        parse_tag(text)

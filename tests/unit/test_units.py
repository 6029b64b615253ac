from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.errors import UsageError
from loads.units import (
    HIGHEST_RATE,
    RATE_PER_S,
    US_PER_S,
    format_duration,
    format_rate,
    parse_duration_us,
    parse_part,
    parse_rate,
    parse_size_bytes,
    plural,
)

MINUTE_US = 60 * US_PER_S
HOUR_US = 60 * MINUTE_US


@pytest.mark.parametrize(
    ("text", "duration_us"),
    [
        ("90s", 90 * US_PER_S),
        ("1m30s", 90 * US_PER_S),
        ("1.5h", 90 * MINUTE_US),
        ("250ms", 250_000),
        ("7us", 7),
        ("2d", 48 * HOUR_US),
        ("0.0000015s", 2),
        ("0s", 0),
        ("12", 12 * US_PER_S),
        ("0.5", 500_000),
        (" 1M30S ", 90 * US_PER_S),
    ],
)
def test_a_duration_is_read_with_its_units(text: str, duration_us: int) -> None:
    assert parse_duration_us(text) == duration_us


@pytest.mark.parametrize(
    "text", ["", " ", "s", "abc", "-1s", "1 s", "1s,", "1m 30s", "1x", "1.s", ".5s", "1e3s", "½s", "٣", "1s30", "nan"]
)
def test_anything_else_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(UsageError, match="is not a duration") as caught:
        parse_duration_us(text)
    assert caught.value.hint == "write it with its unit, like 90s, 1m30s or 250ms"


@given(st.text("0123456789.usmhd -", max_size=12))
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    with suppress(UsageError):
        assert parse_duration_us(text) >= 0


@given(st.lists(st.tuples(st.integers(0, 999), st.sampled_from(["h", "m", "s", "ms", "us"])), min_size=1, max_size=8))
def test_parts_add_up(parts: list[tuple[int, str]]) -> None:
    texts = [f"{number}{unit}" for number, unit in parts]
    assert parse_duration_us("".join(texts)) == sum(parse_duration_us(text) for text in texts)


def _rounding_us(duration_us: int) -> float:
    """Half of the last digit that is shown."""
    if duration_us < 1_000:
        return 0
    if duration_us < US_PER_S:
        return 5 * 10.0 ** (len(str(duration_us)) - 4)
    return 50_000 if duration_us < MINUTE_US else 500_000


@given(st.one_of(st.integers(0, US_PER_S), st.integers(0, 2 * MINUTE_US), st.integers(0, HOUR_US - US_PER_S)))
def test_what_is_shown_is_read_back_within_its_rounding(duration_us: int) -> None:
    assert abs(parse_duration_us(format_duration(duration_us)) - duration_us) <= _rounding_us(duration_us)


@given(st.integers(HOUR_US, 1_000 * HOUR_US))
def test_above_an_hour_minutes_are_shown(duration_us: int) -> None:
    assert abs(parse_duration_us(format_duration(duration_us)) - duration_us) <= MINUTE_US


@given(st.integers(0, 10 * HOUR_US))
def test_a_duration_is_shown_in_its_one_shortest_form(duration_us: int) -> None:
    text = format_duration(duration_us)
    assert re.fullmatch(r"\d+(\.\d+)?(us|ms|s)|\d+m(\d\ds)?|\d+h(\d\dm)?", text)
    assert format_duration(parse_duration_us(text)) == text


@pytest.mark.parametrize(
    ("duration_us", "text"),
    [
        (0, "0us"),
        (999, "999us"),
        (12_500, "12.5ms"),
        (999_499, "999ms"),
        (999_500, "1s"),
        (9_340_000, "9.3s"),
        (59_949_999, "59.9s"),
        (59_950_000, "1m"),
        (90 * US_PER_S, "1m30s"),
        (3_599_600_000, "1h"),
        (125 * MINUTE_US, "2h05m"),
        (48 * HOUR_US, "48h"),
    ],
)
def test_a_duration_changes_its_unit_where_rounding_does(duration_us: int, text: str) -> None:
    assert format_duration(duration_us) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 hits"), (1, "1 hit"), (12_000, "12,000 hits")])
def test_only_one_is_singular(count: int, text: str) -> None:
    assert plural(count, "hit") == text


@pytest.mark.parametrize("text", ["9" * 400 + "s", "9" * 400, "9" * 20 + "d"])
def test_a_duration_beyond_all_measure_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_duration_us(text)


def test_minutes_are_rounded_above_an_hour() -> None:
    assert format_duration(3_659 * US_PER_S) == "1h01m"


def test_digits_are_ascii() -> None:
    with pytest.raises(UsageError):
        parse_duration_us("٣s")


@given(st.integers(0, 1 << 31), st.sampled_from([("", 0), ("k", 10), ("M", 20), ("gb", 30), ("b", 0)]))
def test_a_size_is_read_with_its_unit(amount: int, unit: tuple[str, int]) -> None:
    assert parse_size_bytes(f" {amount}{unit[0]} ") == amount << unit[1]


def test_a_part_of_a_unit_is_a_size() -> None:
    assert parse_size_bytes("1.5k") == 1_536
    assert parse_size_bytes("0.1g") == 107_374_182


@given(st.text("0123456789.kmgtb -x", max_size=12))
def test_no_text_is_more_than_refused_as_a_size(text: str) -> None:
    with suppress(UsageError):
        assert 0 <= parse_size_bytes(text) < 1 << 62


@pytest.mark.parametrize("text", ["", "k", "-1", "1 k", "1kk", "1e3", "nan", "٣", "9999999t"])
def test_anything_else_is_no_size(text: str) -> None:
    with pytest.raises(UsageError, match="is not a size") as caught:
        parse_size_bytes(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("500/s", 500 * RATE_PER_S),
        ("500/sec", 500 * RATE_PER_S),
        ("30/m", RATE_PER_S // 2),
        ("30/min", RATE_PER_S // 2),
        ("7/m", 7 * RATE_PER_S // 60),
        ("1/h", RATE_PER_S // 3_600),
        ("0.5/h", RATE_PER_S // 7_200),
        (" 2.5 / S ", 5 * RATE_PER_S // 2),
        ("0/s", 0),
        ("10000000/s", HIGHEST_RATE),
    ],
)
def test_a_rate_is_read_exactly_with_its_unit_of_time(text: str, rate: int) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text",
    ["", "500", "/s", "-1/s", "500/d", "500/ms", "500s", "1e3/s", "1,000/s", "٣/s", "10000001/s", "1/s/s", "nan/s"],
)
def test_anything_else_is_no_rate(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_rate(text)
    assert caught.value.hint == "write it with its unit of time, like 500/s, 30/m or 100/h"


@given(st.text("0123456789./smhinec -", max_size=10))
def test_any_text_is_a_rate_or_refused(text: str) -> None:
    with suppress(UsageError):
        assert 0 <= parse_rate(text) <= HIGHEST_RATE


@pytest.mark.parametrize("text", ["0/s", "500/s", "2.5/s", "30/m", "1/m", "1/h", "0.5/h", "1,000/s", "1,234,567/s"])
def test_a_rate_is_shown_by_the_shortest_time_in_which_it_is_not_below_one(text: str) -> None:
    assert format_rate(parse_rate(text.replace(",", ""))) == text


@given(st.integers(0, HIGHEST_RATE))
def test_a_rate_is_shown_to_six_digits(rate: int) -> None:
    shown = parse_rate(format_rate(rate).replace(",", "")) if rate >= 1_000 else rate
    assert abs(shown - rate) <= rate * 5e-6 + 1


@pytest.mark.parametrize(
    ("text", "part"), [("1%", 0.01), ("0.01", 0.01), ("0", 0.0), ("1", 1.0), ("100%", 1.0), (" 0.5 % ", 0.005)]
)
def test_a_part_of_a_whole_is_percent_or_a_fraction(text: str, part: float) -> None:
    assert parse_part(text) == part


@pytest.mark.parametrize("text", ["", "%", "-1%", "101%", "1.01", "nan", "1e-3", "٣%", "1%%"])
def test_anything_else_is_no_part(text: str) -> None:
    with pytest.raises(UsageError, match="is no part of a whole"):
        parse_part(text)

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from loads.metrics.expressions import parse_thresholds
from loads.metrics.tags import Tags
from loads.metrics.threshold import Comparison, Kind, Measure, Standing, State, Statistic, Threshold
from tests.build import histogram_of

packed = msgspec.msgpack.encode
EVERY = "p(99.9){name:/checkout, method:POST} <= 2s over 30s for 5s or no data abort after 20s"


def threshold(**changed: Any) -> Threshold:
    fields = {"text": "hits > 1", "measure": Measure.HITS, "comparison": Comparison.ABOVE, "bound": 1.0}
    return Threshold(**{**fields, **changed})


@pytest.mark.parametrize("text", [EVERY, "hits > 1", "counter:x != 3", "hits{status:5xx} == 0", "lost < 3"])
def test_it_travels(text: str) -> None:
    (one,) = parse_thresholds(text)
    assert msgspec.msgpack.decode(packed(one), type=Threshold) == one
    standing = Standing(text=text, state=State.CROSSED, value=1.5, shown="1.5", crossed_us=3, aborted=True)
    assert msgspec.msgpack.decode(packed(standing), type=Standing) == standing


@pytest.mark.parametrize(
    "changed",
    [
        {"statistic": Statistic.MAX},
        {"measure": Measure.RESPONSE},
        {"measure": Measure.BODY, "statistic": Statistic.PERCENTILE},
        {"measure": Measure.COUNTER},
        {"counter": "x"},
        {"measure": Measure.ERRORS, "tags": Tags(name="x")},
        {"measure": Measure.LOST, "abort": True},
        {"measure": Measure.UNSTARTED, "window_us": 1_000_000},
    ],
)
def test_one_that_makes_no_sense_is_not_one(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        threshold(**changed)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("window_us", 1_500_000),
        ("window_us", 3_601_000_000),
        ("for_us", 0),
        ("text", "x" * 501),
        ("abort_after_us", -1),
        ("quantile", 1.5),
    ],
)
def test_what_comes_over_a_wire_is_bounded(field: str, value: object) -> None:
    fields = msgspec.to_builtins(threshold())
    fields[field] = value
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(fields, Threshold)


def test_what_comes_over_a_wire_makes_sense_as_a_whole() -> None:
    fields = {**msgspec.to_builtins(threshold()), "counter": "x"}
    with pytest.raises(msgspec.ValidationError, match="counters have a name"):
        msgspec.msgpack.decode(packed(fields), type=Threshold)


@pytest.mark.parametrize(
    ("sign", "below", "equal", "above"),
    [
        ("<", True, False, False),
        ("<=", True, True, False),
        (">", False, False, True),
        (">=", False, True, True),
        ("==", False, True, False),
        ("!=", True, False, True),
    ],
)
def test_each_comparison_is_what_it_says(sign: str, below: bool, equal: bool, above: bool) -> None:
    comparison = Comparison(sign)
    assert [comparison.holds(value, 2.0) for value in (1.0, 2.0, 3.0)] == [below, equal, above]


@pytest.mark.parametrize(
    ("text", "value", "shown"),
    [
        ("p(95) < 500ms", 431_000.4, "431ms"),
        ("p(95) < 500ms", 2_100_000.0, "2.1s"),
        ("failure_rate < 1%", 0.0052, "0.52%"),
        ("failure_rate < 1%", 1.0, "100%"),
        ("hits > 3", 1_204.0, "1,204"),
        ("hit_rate > 3", 98.2, "98.2/s"),
        ("hit_rate > 3", 1_204.0, "1,204/s"),
        ("hit_rate > 3", 0.0333333, "0.0333/s"),
        ("counter_rate:x > 3", 0.0, "0/s"),
        ("hits > 3", None, "no data"),
    ],
)
def test_values_are_shown_with_their_unit(text: str, value: float | None, shown: str) -> None:
    (one,) = parse_thresholds(text)
    assert one.show(value) == shown


def test_a_statistic_stands_for_many_times() -> None:
    times = histogram_of(range(1, 101))
    stands = {
        text: parse_thresholds(f"{text} < 1s")[0].statistic_us(times)
        for text in ("p(95)", "p(99.9)", "median", "mean", "min", "max")
    }
    assert stands == {"p(95)": 95, "p(99.9)": 100, "median": 50, "mean": 50.5, "min": 1, "max": 100}
    assert parse_thresholds("max < 1s")[0].statistic_us(histogram_of([])) is None


def test_a_standing_fails_where_it_was_crossed_or_there_was_nothing_to_judge() -> None:
    failed = {state for state in State if Standing(text="", state=state).failed}
    assert failed == {State.CROSSED, State.NO_DATA}


def test_each_measure_says_what_it_is() -> None:
    assert all(measure.kind in Kind for measure in Measure)
    assert {measure for measure in Measure if measure.is_final} == {Measure.UNSTARTED, Measure.LOST}

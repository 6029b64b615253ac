"""A run told in frames: what changed each second comes to what there is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.metrics import summary as summaries_module
from loads.metrics.events import Event, EventKind
from loads.metrics.health import Health
from loads.metrics.machines import Load
from loads.metrics.result import Place, Result
from loads.metrics.summary import SeriesKey, Summary, Totals
from loads.metrics.threshold import Standing, State
from loads.metrics.verdict import Stop
from loads.report.page import Line, Outlook, RunFrame, SeriesFrame, Stage
from loads.report.view.whole import RunView, Seen
from loads.units import US_PER_S
from tests.build import (
    health_of,
    healths,
    info_of,
    iterations_of,
    loss_of,
    result_of,
    series_of,
    summaries,
)
from tests.unit.report.view.frames import applied, applied_to_series, in_order

SITE = SeriesKey("t", "GET", "http://127.0.0.1/")


def running(summary: Summary | None = None, **changed: Any) -> Result:
    """A run that goes on, and has measured `summary` in its first second."""
    result = Result(info=info_of(**changed))
    if summary is not None:
        result.add(0, summary)
    return result


def seen(result: Result | None, elapsed_us: int | None = 2 * US_PER_S, **changed: Any) -> Seen:
    over = result is not None and result.duration_us is not None
    stage = Stage.ENDED if over else Stage.RUNNING
    return Seen(**{"stage": stage, "elapsed_us": elapsed_us, "result": result, "over": over, **changed})


@dataclass
class Second:
    """What a run may go through between two looks."""

    t_s: int
    summary: Summary
    health: Health
    worker: int
    users: int
    lines: list[str]
    event: str | None = None
    until_us: int | None = None
    standing: State = State.PENDING
    stages: dict[str, tuple[str, bool]] = field(default_factory=dict)


seconds = st.builds(
    Second,
    t_s=st.one_of(st.integers(0, 20), st.sampled_from([700, 5_000, 8_000])),
    summary=summaries(),
    health=healths(),
    worker=st.integers(0, 3),
    users=st.integers(0, 5),
    lines=st.lists(st.sampled_from("ab"), max_size=3),
    event=st.sampled_from([None, "x", "y"]),
    until_us=st.sampled_from([None, 5]),
    standing=st.sampled_from([State.PENDING, State.CROSSED]),
    stages=st.sampled_from([{}, {"north": ("running", False)}, {"north": ("running", True)}]),
)


def live(result: Result, second: Second) -> None:
    t_us = second.t_s * US_PER_S
    result.absorb(t_us, second.summary)
    result.bear(t_us, {second.worker: (Load.of(second.summary), second.health)})
    result.users[second.worker] = second.users
    result.thresholds = [Standing(text="p(95) < 1ms", state=second.standing)]
    if second.event is not None:
        result.note(Event(t_us=1, kind=EventKind.NOTE, text=second.event, until_us=second.until_us))


@given(st.lists(seconds, min_size=1, max_size=8), st.integers(0, 7), st.booleans())
def test_frames_in_order_onto_a_full_one_give_what_a_full_one_is_then(
    steps: list[Second], joins: int, ends: bool
) -> None:
    """Whenever the viewer came. Series and errors fold as there are too many, and spans are joined as time goes on."""
    result, view, frames, lines = running(users=10, has_starts=True), RunView("x"), [], []
    places = [("north", 0), ("south", 2)]
    result.places = [Place(agent=name, host="h", first=first, workers=2) for name, first in places]
    full: RunFrame | None = None
    with patch.object(summaries_module, "MAX_NAMES", 4):
        for number, step in enumerate(steps):
            live(result, step)
            lines += [Line(number, "worker 0", text) for text in step.lines]
            if ends and number == len(steps) - 1:
                result.duration_us = step.t_s * US_PER_S
                result.conclude(Stop.GRACEFUL)
            frame = view.look(seen(result, (number + 1) * US_PER_S, lines=lines[-50:], machines=step.stages))
            if full is not None:
                frames.append(frame)
            elif number == min(joins, len(steps) - 1):
                full = view.full()
    assert full is not None
    assert applied(in_order(full), frames) == in_order(view.full())


@given(st.lists(seconds, min_size=1, max_size=6))
def test_a_full_frame_says_what_another_view_would_say(steps: list[Second]) -> None:
    """But for the numbers of series, which go by what came first."""
    result, view = running(users=10), RunView("x")
    for number, step in enumerate(steps):
        live(result, step)
        view.look(seen(result, (number + 1) * US_PER_S))
    late = RunView("x").look(seen(result, len(steps) * US_PER_S))
    early = view.full()
    for name in ("head", "totals", "standing", "thresholds", "machines", "warnings", "points", "machine_points"):
        assert getattr(early, name) == getattr(late, name), name
    assert sorted(each.hits for each in early.figures) == sorted(each.hits for each in late.figures)


@given(st.lists(seconds, min_size=1, max_size=8), st.integers(0, 7))
def test_frames_of_a_series_come_to_what_it_is(steps: list[Second], joins: int) -> None:
    result, view = running(users=10), RunView("x")
    live(result, Second(0, Summary({SITE: series_of([5])}), Health(), 0, 1, []))
    view.look(seen(result))
    series = view.series(0)
    series.look()
    full, frames = series.full(), list[SeriesFrame]()
    for number, step in enumerate(steps):
        step.summary.series[SITE] = series_of([1_000 * number])
        live(result, step)
        view.look(seen(result))
        frames.append(series.look())
        if number < joins:
            full, frames = series.full(), []
    assert applied_to_series(full, frames) == series.full()
    assert sum(point.hits for point in series.full().points) == len(steps) + 1


@given(summaries())
def test_a_frame_is_json_that_reads_as_itself(summary: Summary) -> None:
    frame = RunView("x").look(seen(running(summary)))
    assert msgspec.json.decode(msgspec.json.encode(frame), type=RunFrame) == frame


def test_the_first_look_is_full_and_the_next_one_has_what_changed() -> None:
    result, view = running(iterations_of(3, sent=3)), RunView("x")
    assert view.look(seen(result)).full
    result.add(US_PER_S, iterations_of(1, sent=1))
    frame = view.look(seen(result))
    assert not frame.full
    assert [point.t_us for point in frame.points] == [US_PER_S]
    assert [(each.id, each.hits) for each in frame.figures] == [(0, 4)]
    assert (frame.head, frame.standing, frame.names) == (None, None, ())


def test_where_nothing_changed_nothing_is_told() -> None:
    result, view = running(iterations_of(3, sent=3)), RunView("x")
    view.look(seen(result))
    assert view.look(seen(result)) == RunFrame(run="x", full=False, stage=Stage.RUNNING, elapsed_us=2 * US_PER_S)


def test_before_its_plan_stands_a_run_has_the_head_of_its_submission() -> None:
    view = RunView("red-fox")
    first = view.look(
        Seen(stage=Stage.WAITING, who="ana@laptop", label="nightly", tags={"a": "b"}, targets=("shop.py",))
    )
    assert first.head is not None
    assert (first.head.who, first.head.label, first.head.tags, first.head.targets) == (
        "ana@laptop",
        "nightly",
        {"a": "b"},
        ("shop.py",),
    )
    assert (first.elapsed_us, first.totals, first.standing) == (None, None, None)
    then = view.look(seen(running(id="red-fox", name="nightly"), 0, who="ana@laptop"))
    assert then.head is not None
    assert (then.head.plan[:7], then.head.label) == ("Running", "nightly")


def test_a_run_that_was_refused_says_why() -> None:
    frame = RunView("x").look(Seen(stage=Stage.REFUSED, trouble="no agent is free", over=True))
    assert (frame.stage, frame.trouble, frame.standing) == (Stage.REFUSED, "no agent is free", None)


def test_a_way_that_is_lost_changes_nothing_of_the_run() -> None:
    result, view = running(iterations_of(1, sent=1)), RunView("x")
    view.look(seen(result))
    frame = view.look(seen(result, trouble="the broker does not answer"))
    assert frame.trouble == "the broker does not answer"
    assert frame.totals is None
    assert view.full().totals is not None


def test_a_view_goes_on_with_a_result_that_was_told_anew() -> None:
    """A connection that broke brings a new one with the same in it: nothing changed."""
    result, view = running(iterations_of(3, sent=3)), RunView("x")
    view.look(seen(result))
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(result), type=Result)
    assert view.look(seen(again)).points == ()


def test_of_lines_the_new_ones_are_told_whatever_was_forgotten() -> None:
    view, lines = RunView("x"), [Line(n, "w", "same") for n in range(10)]
    view.look(seen(None, lines=lines[:4]))
    assert view.look(seen(None, lines=lines[2:6])).lines == tuple(lines[4:6])
    assert view.look(seen(None, lines=lines[2:6])).lines == ()
    assert view.look(seen(None, lines=lines[8:])).lines == tuple(lines[8:])
    assert view.full().lines == tuple(lines[8:])


# How it stands.


def outlook(result: Result) -> tuple[Outlook, tuple[str, ...]]:
    frame = RunView("x").look(seen(result))
    assert frame.standing is not None
    assert frame.standing.exit_code is None
    return frame.standing.outlook, frame.standing.reasons


def test_a_run_is_good_as_long_as_nothing_has_gone_wrong() -> None:
    assert outlook(running()) == (Outlook.GOOD, ())
    assert outlook(running(iterations_of(5, 3, sent=3), due=1_000)) == (Outlook.GOOD, ())


def test_failures_and_errors_make_it_bad() -> None:
    failed = Summary(totals=Totals(started=5, ended=5, success=2, failures=2, errors=1))
    assert outlook(running(failed)) == (Outlook.BAD, ("2 failures", "1 error"))


def test_a_lost_worker_makes_it_bad() -> None:
    result = running(iterations_of(100, sent=100), due=1_000)
    result.losses = [loss_of(sent=0, iterations=0)]
    assert outlook(result) == (Outlook.BAD, ("1 worker died",))


def test_a_crossed_threshold_makes_it_bad_and_with_thresholds_failures_do_not() -> None:
    failed = Summary(totals=Totals(started=5, ended=5, success=3, failures=2))
    result = running(failed)
    result.thresholds = [Standing(text="p(95) < 1ms", state=State.PENDING)]
    assert outlook(result)[0] is Outlook.GOOD
    result.thresholds = [Standing(text="p(95) < 1ms", state=State.CROSSED, shown="5ms", crossed_us=3 * US_PER_S)]
    assert outlook(result) == (Outlook.BAD, ("p(95) < 1ms: it was 5ms at 3 s", "2 failures"))


@pytest.mark.parametrize("stop", [None, *Stop])
def test_after_the_end_it_is_the_verdict(stop: Stop | None) -> None:
    result = result_of(iterations_of(1, sent=1))
    result.conclude(stop)
    frame, judgement = RunView("x").look(seen(result)), result.judge()
    assert frame.standing is not None
    assert frame.standing.outlook.value == judgement.verdict.value
    assert frame.standing.reasons == tuple(judgement.reasons)
    assert frame.standing.exit_code == judgement.exit_code


def test_the_generators_troubles_are_told_while_they_last_and_in_the_end_once() -> None:
    result = running(iterations_of(1))
    for second in range(5):
        result.add(second * US_PER_S, Summary(), health=health_of(cpu_us=990_000))
    [now] = RunView("x").look(seen(result, 5 * US_PER_S)).warnings or ()
    assert "worker 0 was at 99 % CPU" in now
    assert RunView("x").look(seen(result, 60 * US_PER_S)).warnings == ()
    result.duration_us = 60 * US_PER_S
    result.conclude(None)
    assert RunView("x").look(seen(result)).warnings == tuple(result.warnings)

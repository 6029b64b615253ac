from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loads.metrics import watch as module
from loads.metrics.expressions import parse_thresholds
from loads.metrics.histogram import Histogram
from loads.metrics.pace import Pace
from loads.metrics.phases import Phases
from loads.metrics.summary import ITERATION, ITERATION_NAME, TRANSACTION, Series, SeriesKey, Summary, Totals
from loads.metrics.tags import Tags
from loads.metrics.threshold import Kind, Measure, Standing, State, Statistic, Threshold
from loads.metrics.watch import SLIPPED_S, Memory, Watch
from tests.build import histogram_of, series_of, span_of, summaries

S = 1_000_000
GET = SeriesKey("pkg.TestSite.test_home", "GET", "http://host/checkout")
POST = SeriesKey("pkg.TestSite.test_buy", "POST", "pay", True)
BLOCK = SeriesKey("pkg.TestSite.test_buy", TRANSACTION, "buy", True)


def thresholds_of(*texts: str) -> tuple[Threshold, ...]:
    return tuple(threshold for text in texts for threshold in parse_thresholds(text))


def hits(*times_ms: int, key: SeriesKey = GET, status: int = 200) -> Summary:
    return Summary({key: series_of([ms * 1_000 for ms in times_ms], status)})


def iterations(good: int, bad: int = 0, scenario: str = "pkg.TestSite.test_home") -> Summary:
    series = Series(sent=good + bad, failed=bad, service=histogram_of([5_000] * (good + bad)))
    totals = Totals(started=good + bad, ended=good + bad, success=good, errors=bad)
    return Summary({SeriesKey(scenario, ITERATION, ITERATION_NAME): series}, totals=totals)


class Run:
    """A watch that sees one second after the other."""

    def __init__(self, *texts: str, warm_up_us: int = 0) -> None:
        self.watch = Watch(thresholds_of(*texts), warm_up_us)
        self.second = 0
        self.aborts_at: int | None = None

    def sees(self, *summaries: Summary) -> Run:
        """One summary a second."""
        for summary in summaries:
            self.watch.add(self.second * S, summary)
            self.second += 1
            if self.watch.look(self.second * S, self.second * S) and self.aborts_at is None:
                self.aborts_at = self.second
        return self

    def ends(self, unstarted: int = 0, lost: int = 0) -> Standing:
        self.watch.conclude(self.second * S, unstarted, lost)
        return self.now

    @property
    def now(self) -> Standing:
        (standing,) = self.watch.standings()
        return standing


def whole() -> Summary:
    """A second in which a bit of everything happened."""
    summary = hits(100, 200, 300)
    summary.merge(hits(400, key=POST, status=500))
    summary.merge(hits(700, key=BLOCK))
    summary.merge(iterations(3, 1))
    summary.counters["island"] = 7
    summary.totals.failures = 2
    summary.pace = Pace(lateness=histogram_of([20_000]))
    series = summary.series[GET]
    series.unsent, series.failed, series.bytes_sent, series.bytes_received = 1, 1, 50, 5_000
    series.response = histogram_of([150_000, 250_000, 350_000])
    series.phases = Phases(*(span_of([ms * 1_000]) for ms in (1, 2, 3, 4, 5)))
    return summary


EVERY = {
    "p(95) < {}ms": 400,
    "median < {}ms": 250,
    "mean < {}ms": 287,
    "min < {}ms": 150,
    "max < {}ms": 400,
    "service.min < {}ms": 100,
    "lateness.max < {}ms": 20,
    "max{{name:/checkout}} < {}ms": 350,
    "service.max{{name:/checkout,method:get}} < {}ms": 300,
    "max{{scenario:test_buy}} < {}ms": 400,
    "max{{name:buy}} < {}ms": 700,
    "failure_rate < {}%": 25,
    "failure_rate{{scenario:test_home}} < {}%": 25,
    "hit_failure_rate < {}%": 40,
    "hit_failure_rate{{name:pay}} < {}%": 100,
    "hits < {}": 5,
    "hits{{name:/checkout}} < {}": 4,
    "hits{{status:5xx}} < {}": 1,
    "hits{{status:200}} < {}": 3,
    "sent < {}": 4,
    "unsent < {}": 1,
    "failed_hits < {}": 2,
    "errors < {}": 1,
    "failures < {}": 2,
    "iterations < {}": 4,
    "iterations{{scenario:test_home}} < {}": 4,
    "unstarted < {}": 11,
    "lost < {}": 12,
    "bytes_sent < {}": 50,
    "bytes_received < {}": 5000,
    "counter:island < {}": 7,
    "hit_rate < {}/s": 5,
    "hit_rate{{status:500}} < {}/s": 1,
    "iteration_rate < {}/s": 4,
    "counter_rate:island < {}/s": 7,
    "http_req_duration: max<{}": 400,
    "http_req_waiting: avg<{}": 4,
    "http_req_receiving: max<{}": 5,
    "http_req_connecting: max<{}": 2,
    "http_req_tls_handshaking: avg<{}": 3,
    "iteration_duration: max<{}": 5,
    "dropped_iterations: count<{}": 11,
    "data_sent: rate<{}": 50,
    "data_received: count<{}": 5000,
    "group_duration{{group:::buy}}: max<{}": 700,
}


@pytest.mark.parametrize("form", EVERY)
def test_every_form_fails_at_its_bound_and_passes_beyond(form: str) -> None:
    value = EVERY[form]
    more = value * 1.01 if "%" not in form else min(100, value * 1.01)
    less = value * 0.99
    bounds = (f"{less:.12g}", f"{more:.12g}")
    states = [Run(form.format(bound)).sees(whole()).ends(11, 12).state for bound in bounds]
    passes = State.PASSED if more > value else State.CROSSED
    assert states == [State.CROSSED, passes]


def test_what_the_end_decides_is_known_to_slip_once_it_has_not_held_for_a_while() -> None:
    run = Run("max < 500ms").sees(hits(100), hits(100), hits(900))
    assert run.now.slipped_us is None
    for _ in range(SLIPPED_S):
        run.sees(hits(100))
    assert (run.now.state, run.now.slipped_us) == (State.PENDING, 3 * S)
    standing = run.ends()
    assert (standing.state, standing.slipped_us) == (State.CROSSED, None)


def test_what_holds_again_has_not_slipped() -> None:
    run = Run("mean < 500ms").sees(hits(100), *[hits(2_000)] * (SLIPPED_S + 1))
    assert run.now.slipped_us == 2 * S
    run.sees(hits(*[1] * 100))
    assert run.now.slipped_us is None


@pytest.mark.parametrize("text", ["hits > 1000", "max < 500ms"])
def test_what_never_held_does_not_slip(text: str) -> None:
    """A count that grows to its bound is no news, and neither is what was wrong from the start."""
    run = Run(text).sees(*[hits(900)] * (SLIPPED_S + 3))
    assert run.now.slipped_us is None


def test_checks_are_iterations_that_passed() -> None:
    assert Run("checks: rate>0.7").sees(whole()).ends().state is State.PASSED
    assert Run("checks: rate>0.8").sees(whole()).ends().shown == "75%"


def test_the_end_of_the_run_decides_what_is_judged_as_a_whole() -> None:
    run = Run("p(95) < 500ms").sees(hits(900))
    assert (run.now.state, run.now.shown, run.now.failed) == (State.PENDING, "900ms", False)
    standing = run.sees(hits(*[100] * 99)).ends()
    assert (standing.state, standing.shown, standing.crossed_us, standing.failed) == (
        State.PASSED,
        "100ms",
        None,
        False,
    )
    standing = Run("max < 500ms").sees(hits(100), hits(900)).ends()
    assert (standing.state, standing.shown, standing.crossed_us, standing.failed) == (
        State.CROSSED,
        "900ms",
        None,
        True,
    )


def test_the_last_part_of_a_second_counts_for_the_whole_and_for_no_window() -> None:
    watch = Watch(thresholds_of("hits == 3", "hit_rate > 0.9", "max < 1s over 1s"))
    watch.add(0, hits(1))
    watch.add(1 * S, hits(1))
    watch.add(2 * S, hits(2_000))
    watch.conclude(2 * S + S // 2, 0, 0)
    assert [standing.state for standing in watch.standings()] == [State.PASSED] * 3
    assert watch.standings()[1].value == 3 / 2.5


def test_the_warm_up_is_left_out_in_whole_seconds() -> None:
    run = Run("hits == 1", warm_up_us=1_500_000).sees(hits(1), hits(1))
    assert run.now.value is None
    assert run.sees(hits(1)).ends().value == 1
    run = Run("hit_rate == 2", warm_up_us=1_000_000).sees(hits(1), hits(1, 1), hits(1, 1))
    assert run.ends().state is State.PASSED


def test_a_run_that_ends_in_the_warm_up_has_no_data() -> None:
    for text in ("errors < 5", "p(95) < 1s", "hit_rate < 5"):
        assert Run(text, warm_up_us=5 * S).sees(whole()).ends().state is State.NO_DATA


def test_a_window_is_crossed_for_good() -> None:
    run = Run("max < 500ms over 2s").sees(hits(900))
    assert (run.now.state, run.now.value) == (State.PENDING, None)
    run.sees(hits(100))
    assert (run.now.state, run.now.shown, run.now.crossed_us) == (State.CROSSED, "900ms", 2 * S)
    standing = run.sees(hits(100), hits(1_200)).ends()
    assert (standing.state, standing.shown, standing.crossed_us) == (State.CROSSED, "900ms", 2 * S)


def test_a_window_slides() -> None:
    run = Run("max < 500ms over 2s", warm_up_us=S).sees(hits(900), hits(100), hits(200), hits(150))
    assert (run.now.state, run.now.shown) == (State.PENDING, "200ms")
    run.sees(hits(120))
    assert run.now.shown == "150ms"
    assert run.ends().state is State.PASSED


def test_a_run_shorter_than_its_window_is_judged_over_what_there_is() -> None:
    assert Run("max < 500ms over 1h").sees(hits(100), hits(900)).ends().state is State.CROSSED
    assert Run("max < 500ms over 1h").sees(hits(100), hits(100)).ends().state is State.PASSED
    assert Run("hit_rate == 2/s over 1h").sees(hits(1), hits(1, 1, 1)).ends().state is State.PASSED
    assert Run("max < 500ms over 1h for 5s").sees(hits(900)).ends().state is State.PASSED


def test_for_wants_it_violated_in_a_row() -> None:
    slow, fast = hits(900), hits(100)
    run = Run("max < 500ms over 1s for 3s").sees(slow, slow, fast, slow, slow)
    assert run.now.state is State.PENDING
    run.sees(slow)
    assert (run.now.state, run.now.crossed_us) == (State.CROSSED, 6 * S)
    assert run.sees(fast).ends().state is State.CROSSED
    assert Run("max < 500ms over 1s for 3s").sees(slow, slow, fast, slow, slow).ends().state is State.PASSED


def test_for_without_a_window_looks_at_the_whole_run_each_second() -> None:
    run = Run("errors < 2 for 2s").sees(iterations(1, 1), iterations(1, 1))
    assert run.now.state is State.PENDING
    run.sees(iterations(1))
    assert (run.now.state, run.now.value, run.now.crossed_us) == (State.CROSSED, 2, 3 * S)
    assert Run("errors < 2 for 2s").sees(iterations(1, 1), iterations(1, 1)).ends().state is State.PASSED


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("errors < 2 abort", 2),
        ("errors < 2 abort after 4s", 4),
        ("max < 500ms over 2s abort", 2),
        ("max < 500ms over 2s abort after 5s", 5),
        ("max < 500ms over 1s for 3s abort", 3),
        ("http_req_failed: rate<0.01 abortOnFail delayAbortEval=3s", 3),
        ("counter:never < 5 over 1s abort", None),
        ("p(95){name:never} < 1s over 3s abort", 3),
        ("p(95){name:never} < 1s abort", None),
    ],
)
def test_an_aborting_one_ends_the_run_when_it_is_crossed_and_its_delay_is_over(text: str, at: int | None) -> None:
    second = hits(900, status=500)
    second.merge(iterations(0, 1))
    run = Run(text).sees(*[second] * 8)
    assert run.aborts_at == at
    standing = run.ends()
    assert standing.aborted is (at is not None)
    assert standing.failed


def test_a_whole_run_one_that_holds_by_then_does_not_abort() -> None:
    run = Run("failure_rate < 50% abort after 3s").sees(iterations(0, 1), iterations(5), iterations(5), iterations(5))
    assert run.aborts_at is None
    assert run.ends().state is State.PASSED


def test_an_abort_decides_for_good() -> None:
    run = Run("failure_rate < 50% abort").sees(iterations(0, 1), iterations(50))
    standing = run.ends()
    assert (standing.state, standing.shown, standing.crossed_us, standing.aborted) == (State.CROSSED, "100%", S, True)


@pytest.mark.parametrize(
    "text",
    [
        "p(95){name:never} < 1s",
        "hits{name:never} < 5",
        "failed_hits{name:never} < 5",
        "hit_failure_rate{name:never} < 5%",
        "failure_rate{scenario:never} < 5%",
        "counter:never < 5",
        "counter_rate:never < 5",
        "lateness.max < 1s",
        "p(95){name:never} < 1s over 1s",
        "hits{name:never} < 5 over 1s",
        "counter:never < 5 over 1s",
        "p(95){name:never} < 1s for 1s",
    ],
)
def test_no_data_fails_unless_the_threshold_says_so(text: str) -> None:
    standing = Run(text).sees(hits(1), hits(1)).ends()
    assert (standing.state, standing.value, standing.shown, standing.failed) == (State.NO_DATA, None, "no data", True)
    standing = Run(f"{text} or no data").sees(hits(1), hits(1)).ends()
    assert (standing.state, standing.value) == (State.PASSED, None)


def test_an_empty_window_fails_when_it_is_seen() -> None:
    run = Run("p(95) < 1s over 2s").sees(hits(1), hits(1), Summary(), Summary())
    assert (run.now.state, run.now.crossed_us) == (State.NO_DATA, 4 * S)


def test_counts_without_tags_have_data_as_soon_as_anything_was_measured() -> None:
    assert Run("errors < 5").sees(hits(1)).ends().state is State.PASSED
    assert Run("hits > 5").sees(iterations(1)).ends().state is State.CROSSED
    assert Run("errors < 5").sees(Summary(totals=Totals(started=5, users_us=S))).ends().state is State.NO_DATA
    run = Run("hit_rate > 0.4 over 2s").sees(hits(1), hits(1), hits(1))
    assert run.now.state is State.PENDING
    run.sees(Summary(), Summary())
    assert (run.now.state, run.now.value) == (State.CROSSED, 0)


def test_a_counter_that_was_touched_late_is_judged_from_then_on() -> None:
    touched = Summary(counters={"x": 3})
    run = Run("counter:x < 5 over 1s").sees(hits(1), hits(1), touched, hits(1))
    assert (run.now.state, run.now.value) == (State.PENDING, 0)
    assert run.ends().state is State.PASSED
    assert Run("counter:x < 5").sees(Summary(counters={"x": 0})).ends().state is State.PASSED


def test_a_name_is_that_of_hits_where_there_are_any() -> None:
    block, hit = hits(900, key=BLOCK), hits(100, key=SeriesKey("t", "GET", "buy", True))
    assert Run("max{name:buy} < 500ms").sees(block).ends().shown == "900ms"
    assert Run("max{name:buy} < 500ms").sees(block, hit).ends().shown == "100ms"
    run = Run("max{name:buy} < 500ms over 1s").sees(hit, block)
    assert (run.now.state, run.now.value) == (State.NO_DATA, None)


def test_what_is_late_counts_for_what_is_judged_after() -> None:
    watch = Watch(thresholds_of("max < 500ms", "max < 500ms over 2s", "max < 500ms over 1s", "counter:x == 2"))
    for second in range(3):
        watch.add(second * S, hits(100))
    watch.look(3 * S, 3 * S)
    late = hits(900)
    late.counters["x"] = 2
    watch.add(2 * S, late)
    watch.look(3 * S, 3 * S)
    assert [standing.state for standing in watch.standings()] == [State.PENDING] * 4
    watch.add(3 * S, hits(100))
    watch.look(4 * S, 4 * S)
    assert [standing.state for standing in watch.standings()] == [
        State.PENDING,
        State.CROSSED,
        State.PENDING,
        State.PENDING,
    ]
    watch.look(6 * S, 6 * S)
    watch.conclude(6 * S, 0, 0)
    states = [standing.state for standing in watch.standings()]
    assert states == [State.CROSSED, State.CROSSED, State.NO_DATA, State.PASSED]


def test_what_is_not_complete_waits() -> None:
    watch = Watch(thresholds_of("max < 500ms over 1s abort"))
    watch.add(1 * S, hits(900))
    assert not watch.look(S // 2, 9 * S)
    watch.add(0, hits(100))
    assert not watch.look(S, 9 * S)
    assert watch.look(2 * S, 9 * S)
    assert watch.standings()[0].crossed_us == 2 * S


def test_after_the_end_nothing_changes() -> None:
    run = Run("hits < 2").sees(hits(1))
    ended = run.ends()
    run.watch.add(0, hits(1, 1))
    assert not run.watch.look(9 * S, 9 * S)
    run.watch.conclude(9 * S, 0, 0)
    assert run.now == ended


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that stays silent holds the judgement back, but not for ever."""
    monkeypatch.setattr(module, "MAX_AHEAD", 5)
    watch = Watch(thresholds_of("max < 5s over 3s", "hits > 0", "p(95) < 5s abort", "hits == 50"))
    for second in range(50):
        watch.add(second * S, hits(second + 1))
        assert all(len(track.slots) <= 5 + (track.window_s or 0) for track in watch.memory.tracks)
    watch.look(50 * S, 50 * S)
    assert watch.standings()[0].value == 50_000
    watch.conclude(50 * S, 0, 0)
    assert [standing.state for standing in watch.standings()] == [State.PASSED] * 4


def test_a_window_stays_whole_when_seconds_can_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_AHEAD", 5)
    watch = Watch(thresholds_of("hits == 3 over 5s for 1h"))
    for second in range(60):
        if second % 3 < 2:
            watch.add(second * S, hits(1))
    watch.look(59 * S, 59 * S)
    assert watch.standings()[0].value == 4
    assert sorted(watch.memory.tracks[0].slots) == [54, 55, 57, 58]


def test_seconds_that_could_not_wait_break_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_AHEAD", 2)
    run = Run("max < 500ms over 1s for 4s").sees(*[hits(900)] * 3)
    for second in range(3, 7):
        run.watch.add(second * S, hits(900))
    assert run.watch.memory.judged_s == 5
    run.watch.look(6 * S, 6 * S)
    assert run.now.state is State.PENDING


def test_a_window_keeps_no_more_than_its_seconds_and_what_is_decided_keeps_nothing() -> None:
    run = Run("max < 5s over 3s").sees(*[hits(1)] * 20)
    (track,) = run.watch.memory.tracks
    assert len(track.slots) == 3
    assert run.watch.memory.tracks[0].sum.times.count == 3
    run.sees(hits(9_000))
    assert run.now.state is State.CROSSED
    assert (track.slots, track.sum.is_empty) == ({}, True)
    run.sees(hits(1))
    assert track.slots == {}


def test_thresholds_that_look_at_the_same_share_what_is_kept() -> None:
    texts = (
        "p(95) < 1s",
        "p(99) < 2s",
        "max < 3s abort",
        "p(95) < 1s over 3s",
        "p(50) < 1s over 3s",
        "p(95) < 1s over 4s",
    )
    assert len(Watch(thresholds_of(*texts)).memory.tracks) == 3


def test_its_repr_tells_the_story() -> None:
    run = Run("max < 500ms over 1s").sees(hits(900))
    assert repr(run.watch) == "<Watch judged=1s max < 500ms over 1s: crossed>"


# The same, from all raw seconds.

TEXTS = (
    "p(95) < 1s",
    "max{name:a0} < 1s",
    "min{name:b*, method:POST} <= 70ms over 2s",
    "service.mean < 10s over 3s for 2s",
    "median{scenario:a1} > 1ms over 1s or no data",
    "lateness.max < 1s over 2s or no data",
    "failure_rate < 50% for 2s",
    "hit_failure_rate < 20% abort after 4s",
    "hit_failure_rate{method:GET} <= 40% over 3s abort",
    "hits > 3",
    "hits{status:5xx} < 2 over 2s or no data",
    "failed_hits{name:a1} < 2 over 4s",
    "errors < 20 abort",
    "failures < 3 over 1s for 2s abort after 5s",
    "iterations > 10",
    "unstarted < 3",
    "lost == 0",
    "bytes_sent{name:c*} < 1000 over 3s or no data",
    "counter:a0 < 5",
    "counter:b1 >= 0 over 2s",
    "hit_rate > 0.5/s over 3s",
    "iteration_rate > 1/s for 3s",
    "counter_rate:a1 < 3 over 1s or no data",
    "http_req_waiting: max<60000",
    "iteration_duration: p(50)<100",
    "group_duration{group:::a0}: avg<1000 abortOnFail delayAbortEval=3s",
    "checks: rate>0.5",
)
EVERYTHING = thresholds_of(*TEXTS)


class Part(NamedTuple):
    second: int
    summary: Summary


class Case(NamedTuple):
    """A run: its parts, and up to which second all of it is there, at each look."""

    parts: list[Part]
    looks: list[int]
    duration_us: int
    warm_up_us: int


@st.composite
def cases(draw: st.DrawFn) -> Case:
    seconds = draw(st.integers(0, 8))
    rich = st.one_of(st.just(whole()), summaries())
    parts = [Part(second, summary) for second in range(seconds) for summary in draw(st.lists(rich, max_size=2))]
    looks = sorted(draw(st.sets(st.integers(0, seconds), max_size=seconds)))
    duration_us = max(0, seconds * S - draw(st.sampled_from([0, 0, 1, 400_000])))
    return Case(parts, looks, duration_us, draw(st.sampled_from([0, 0, 1, S, 2_500_000])))


def watched(case: Case, order: Sequence[int], resume_at: int = -1) -> tuple[list[bool], tuple[Standing, ...]]:
    """What `Watch` says; between two looks parts come as `order` has them, some long before they are complete."""
    watch = Watch(EVERYTHING, case.warm_up_us)
    waiting = [case.parts[index] for index in order]
    aborts = []
    for number, complete in enumerate([*case.looks, 99]):
        for part in [part for index, part in enumerate(waiting) if part.second < complete or index % 3 == number % 3]:
            watch.add(part.second * S + 17, part.summary)
            waiting.remove(part)
        if number == resume_at:
            watch = Watch.resumed(msgspec.msgpack.decode(msgspec.msgpack.encode(watch.memory), type=Memory))
        if complete < 99:
            aborts.append(watch.look(complete * S, complete * S))
    watch.conclude(case.duration_us, 2, 1)
    return aborts, watch.standings()


class Judge:
    """One threshold judged from all parts, each time anew."""

    def __init__(self, threshold: Threshold, case: Case) -> None:
        self.threshold, self.case = threshold, case
        self.first = -(-case.warm_up_us // S)

    def between(self, from_s: int, to_s: int) -> Summary:
        merged = Summary()
        for part in self.case.parts:
            if max(from_s, self.first) <= part.second < to_s:
                merged.merge(part.summary)
        return merged

    def value(self, from_s: int, to_s: int, span_us: int) -> float | None:
        threshold, measure = self.threshold, self.threshold.measure
        if measure is Measure.UNSTARTED:
            return 2.0
        if measure is Measure.LOST:
            return 1.0
        if span_us <= 0:
            return None
        over, before = self.between(from_s, to_s), self.between(0, to_s)
        if measure.kind is Kind.TIME:
            return self.time(over, before)
        if measure.is_counter:
            amount = over.counters.get(str(threshold.counter), 0) if threshold.counter in before.counters else None
        elif measure.kind is Kind.PART:
            return self.part(over)
        else:
            amount = self.count(over, before)
        if amount is None or measure.kind is Kind.COUNT:
            return amount
        return amount / span_us * S

    def fitting(self, summary: Summary, method: str | None = None) -> list[Series]:
        return [
            series
            for key, series in summary.series.items()
            if (key.is_hit if method is None else key.method == method) and self.threshold.tags.fits(key)
        ]

    def time(self, over: Summary, before: Summary) -> float | None:
        threshold, measure = self.threshold, self.threshold.measure
        times = Histogram()
        method = {Measure.ITERATION: ITERATION, Measure.TRANSACTION: TRANSACTION}.get(measure)
        found = self.fitting(over, method)
        if measure is Measure.LATENESS:
            times = over.pace.lateness
        elif measure.is_phase:
            spans = [series.phases.first_byte for series in found if series.phases.first_byte.count]
            return float(max(span.longest_us for span in spans)) if spans else None
        else:
            named = threshold.tags.name is not None and threshold.tags.method is None
            if named and method is None and not any(self.times(series).counts for series in self.fitting(before)):
                found = self.fitting(over, TRANSACTION)
            for series in found:
                times.merge(self.times(series))
        if not times.counts:
            return None
        if threshold.statistic is Statistic.PERCENTILE:
            return times.percentile_us(threshold.quantile)
        return {Statistic.MEAN: times.mean_us, Statistic.MIN: times.min_us}.get(threshold.statistic, times.max_us)

    def times(self, series: Series) -> Histogram:
        return series.service if self.threshold.measure is Measure.SERVICE else series.response_or_service

    def part(self, over: Summary) -> float | None:
        of_hits = self.threshold.measure is Measure.HIT_FAILURE_RATE
        found = self.fitting(over, None if of_hits else ITERATION)
        all_, failed = sum(series.hits for series in found), sum(series.failed for series in found)
        if self.threshold.measure is Measure.SUCCESS_RATE:
            failed = all_ - failed
        return failed / all_ if all_ else None

    def count(self, over: Summary, before: Summary) -> float | None:
        threshold, measure = self.threshold, self.threshold.measure
        found = self.fitting(over)
        if threshold.tags != Tags():
            if not sum(series.hits for series in found):
                return None
        elif not (before.series or before.counters or before.errors):
            totals = before.totals
            if not (totals.ended or totals.failures or totals.errors or totals.skipped):
                return None
        if measure in (Measure.ERRORS, Measure.FAILURES):
            return float(getattr(over.totals, measure.value))
        if measure in (Measure.ITERATIONS, Measure.ITERATION_RATE):
            return float(over.totals.ended)
        if threshold.tags.status:
            return float(sum(n for series in found for status, n in series.statuses.items() if status >= 500))
        names = {Measure.FAILED_HITS: "failed", Measure.BYTES_SENT: "bytes_sent"}
        return float(sum(getattr(series, names.get(measure, "hits")) for series in found))

    def standing(self) -> tuple[list[bool], Standing]:
        threshold, first = self.threshold, self.first
        window_s = (threshold.window_us or 0) // S
        judged_live = max([first, *self.case.looks])
        crossed: tuple[State, float | None, int] | None = None
        aborted_at: int | None = None
        streak, value = 0, None
        for now in range(first + 1, max(judged_live, self.case.duration_us // S) + 1):
            live = now <= judged_live
            if crossed or not (threshold.is_sticky or (threshold.abort and live)) or now - first < window_s:
                continue
            from_s = now - window_s if window_s else first
            value = self.value(from_s, now, (now - from_s) * S)
            if value is None:
                untouched = threshold.measure.is_counter
                bad = bool(window_s) and not threshold.or_no_data and not untouched
            else:
                bad = not threshold.comparison.holds(value, threshold.bound)
            streak = streak + 1 if bad else 0
            if threshold.is_sticky and bad and streak * S >= (threshold.for_us or 0):
                crossed = (State.NO_DATA if value is None else State.CROSSED, value, now * S)
            elif not threshold.is_sticky and bad and now * S >= threshold.abort_after_us:
                crossed = (State.CROSSED, value, now * S)
        aborts = []
        for look in self.case.looks:
            due = crossed is not None and crossed[2] <= look * S and look * S >= threshold.abort_after_us
            if threshold.abort and due and aborted_at is None:
                aborted_at = look
            aborts.append(aborted_at is not None)
        if crossed:
            state, value, crossed_us = crossed
            return aborts, self.told(state, value, crossed_us, aborted_at is not None)
        windows = window_s and max(judged_live, self.case.duration_us // S) - first >= window_s
        if not windows:
            value = self.value(first, 99, self.case.duration_us - first * S)
        if windows:
            never = threshold.measure.is_counter and threshold.counter not in self.between(0, 99).counters
            state = State.NO_DATA if never and not threshold.or_no_data else State.PASSED
        elif value is None:
            state = State.PASSED if threshold.or_no_data else State.NO_DATA
        elif (threshold.for_us or 0) > (S if window_s else 0):
            state = State.PASSED
        else:
            state = State.PASSED if threshold.comparison.holds(value, threshold.bound) else State.CROSSED
        return aborts, self.told(state, value, None, False)

    def told(self, state: State, value: float | None, crossed_us: int | None, aborted: bool) -> Standing:
        return Standing(
            text=self.threshold.text,
            state=state,
            value=value,
            shown=self.threshold.show(value),
            crossed_us=crossed_us,
            aborted=aborted,
        )


def close(one: Standing, other: Standing) -> bool:
    """Equal, but for the last bits of a quotient."""
    if one.value is None or other.value is None:
        return one == other
    plain = [msgspec.structs.replace(standing, value=None) for standing in (one, other)]
    return plain[0] == plain[1] and one.value == pytest.approx(other.value, rel=1e-12)


@settings(max_examples=60)
@given(case=cases(), data=st.data())
def test_it_agrees_with_judging_all_raw_seconds_anew(case: Case, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(case.parts))))
    aborts, standings = watched(case, order)
    judged = [Judge(threshold, case).standing() for threshold in EVERYTHING]
    for standing, (_, expected) in zip(standings, judged, strict=True):
        assert close(standing, expected), (standing, expected)
    assert aborts == [any(row) for row in zip(*(rows for rows, _ in judged), strict=True)]


@given(case=cases(), data=st.data())
def test_the_order_in_which_data_comes_makes_no_difference(case: Case, data: st.DataObject) -> None:
    orders = st.permutations(range(len(case.parts)))
    assert watched(case, data.draw(orders)) == watched(case, data.draw(orders))


@given(case=cases(), data=st.data())
def test_two_agents_apart_give_what_they_give_merged(case: Case, data: st.DataObject) -> None:
    by_second: dict[int, Summary] = {}
    for part in case.parts:
        by_second.setdefault(part.second, Summary()).merge(part.summary)
    merged = case._replace(parts=[Part(second, summary) for second, summary in by_second.items()])
    apart = watched(case, data.draw(st.permutations(range(len(case.parts)))))
    assert watched(merged, range(len(merged.parts))) == apart


@given(case=cases(), data=st.data())
def test_one_that_was_stored_and_read_again_goes_on_the_same(case: Case, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(case.parts))))
    resume_at = data.draw(st.integers(0, len(case.looks)))
    assert watched(case, order, resume_at) == watched(case, order)

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from loads.errors import UsageError
from loads.metrics.expressions import MAX_INPUT, MAX_THRESHOLDS, parse_thresholds
from loads.metrics.tags import Tags
from loads.metrics.threshold import Comparison, Measure, Statistic, Threshold

P95 = {"measure": Measure.RESPONSE, "statistic": Statistic.PERCENTILE, "quantile": 0.95, "bound": 500_000.0}


def parsed(text: str) -> Threshold:
    (threshold,) = parse_thresholds(text)
    return threshold


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("p(95) < 500ms", P95),
        ("P(95)<500MS", P95),
        ("p (95) < 500 ms", P95),
        ("response.p(95) < 500ms", P95),
        ("service.p(95) < 500ms", {**P95, "measure": Measure.SERVICE}),
        ("lateness.p(95) < 500ms", {**P95, "measure": Measure.LATENESS}),
        ("p(99.9) < 1m30s", {**P95, "quantile": 0.999, "bound": 90e6}),
        ("p(100) < 500ms", {**P95, "quantile": 1.0}),
        ("median < 500ms", {**P95, "quantile": 0.5}),
        ("med < 500ms", {**P95, "quantile": 0.5}),
        ("mean < 2s", {"measure": Measure.RESPONSE, "statistic": Statistic.MEAN, "bound": 2e6}),
        ("avg < 2s", {"measure": Measure.RESPONSE, "statistic": Statistic.MEAN, "bound": 2e6}),
        ("Min < 250us", {"measure": Measure.RESPONSE, "statistic": Statistic.MIN, "bound": 250}),
        ("service.max < 2s", {"measure": Measure.SERVICE, "statistic": Statistic.MAX, "bound": 2e6}),
        ("failure_rate < 1%", {"measure": Measure.FAILURE_RATE, "bound": 0.01}),
        ("failure_rate < 0.01", {"measure": Measure.FAILURE_RATE, "bound": 0.01}),
        ("failure_rate < 0", {"measure": Measure.FAILURE_RATE, "bound": 0}),
        ("failure_rate < 100%", {"measure": Measure.FAILURE_RATE, "bound": 1}),
        ("'p(95) < 500ms'", P95),
        ('"p(95) < 500ms"', P95),
        ("'p(95){name:'/x'} < 500ms'", {**P95, "tags": Tags(name="/x")}),
        ("'counter:'x y' < 5'", {"measure": Measure.COUNTER, "counter": "x y", "bound": 5}),
        ("“p(95) < 500ms”", P95),
        ("p（95） ＜ ５００ms", P95),
        ("p(95)｛name：/x，method：get｝＜500ms", {**P95, "tags": Tags(name="/x", method="GET")}),
        ("p(95){name: “/x” , method:‘get’} < 500ms", {**P95, "tags": Tags(name="/x", method="GET")}),
        ("p(95){name:日（a）≤’s} < 500ms", {**P95, "tags": Tags(name="日（a）≤’s")}),
        ("counter:注文（東京）＜5", {"measure": Measure.COUNTER, "counter": "注文（東京）", "bound": 5}),
        ("counter:“a b” < 5", {"measure": Measure.COUNTER, "counter": "a b", "bound": 5}),
        ("hit_failure_rate < 0.5 %", {"measure": Measure.HIT_FAILURE_RATE, "bound": 0.005}),
        *((f"{name} < 10", {"measure": Measure(name), "bound": 10}) for name in ("hits", "sent", "unsent")),
        *((f"{name} < 10", {"measure": Measure(name), "bound": 10}) for name in ("failed_hits", "errors", "failures")),
        *((f"{name} < 10", {"measure": Measure(name), "bound": 10}) for name in ("iterations", "unstarted", "lost")),
        *((f"{name} < 10", {"measure": Measure(name), "bound": 10}) for name in ("bytes_sent", "bytes_received")),
        ("counter:island-was-there < 100", {"measure": Measure.COUNTER, "counter": "island-was-there", "bound": 100}),
        ("Counter: x<-5", {"measure": Measure.COUNTER, "counter": "x", "bound": -5}),
        ("counter:'a  <b' < 1", {"measure": Measure.COUNTER, "counter": "a  <b", "bound": 1}),
        ("hit_rate < 100/s", {"measure": Measure.HIT_RATE, "bound": 100}),
        ("hit_rate < 100", {"measure": Measure.HIT_RATE, "bound": 100}),
        ("hit_rate < 120 / m", {"measure": Measure.HIT_RATE, "bound": 2}),
        ("iteration_rate < 3600/h", {"measure": Measure.ITERATION_RATE, "bound": 1}),
        ("counter_rate:x < 0.5/s", {"measure": Measure.COUNTER_RATE, "counter": "x", "bound": 0.5}),
        ("counter_rate:x < -60/m", {"measure": Measure.COUNTER_RATE, "counter": "x", "bound": -1}),
        ("p(95){name:/checkout} < 500ms", {**P95, "tags": Tags(name="/checkout")}),
        (
            "p(95) {Name: '/a, b', method:get, scenario:test_x}<500ms",
            {**P95, "tags": Tags(name="/a, b", method="GET", scenario="test_x")},
        ),
        ("hits{status:5xx} < 1", {"measure": Measure.HITS, "tags": Tags(status="5xx"), "bound": 1}),
        ("hit_rate{status:404} < 1", {"measure": Measure.HIT_RATE, "tags": Tags(status="404"), "bound": 1}),
        ("failure_rate{scenario:x} < 1%", {"measure": Measure.FAILURE_RATE, "tags": Tags(scenario="x"), "bound": 0.01}),
        ("p(95) < 500ms over 30s", {**P95, "window_us": 30_000_000}),
        ("p(95) < 500ms OVER 1h FOR 10 s", {**P95, "window_us": 3_600_000_000, "for_us": 10_000_000}),
        ("p(95) < 500ms or no data", {**P95, "or_no_data": True}),
        ("p(95) < 500ms Or No Data abort", {**P95, "or_no_data": True, "abort": True}),
        ("p(95) < 500ms abort after 1m30s", {**P95, "abort": True, "abort_after_us": 90_000_000}),
        (
            "p(95) < 500ms abort after 20s or no data for 5s over 30s",
            {
                **P95,
                "abort": True,
                "abort_after_us": 20_000_000,
                "or_no_data": True,
                "for_us": 5_000_000,
                "window_us": 30_000_000,
            },
        ),
    ],
)
def test_each_form_says_what_it_means(text: str, fields: dict[str, Any]) -> None:
    got = parsed(text)
    assert got == Threshold(text=got.text, comparison=Comparison.BELOW, **fields)
    assert parsed(got.text) == got


@pytest.mark.parametrize("sign", [comparison.value for comparison in Comparison])
def test_each_comparison_is_read(sign: str) -> None:
    assert parsed(f"hits{sign}5").comparison is parsed(f"hits {sign} 5").comparison is Comparison(sign)


def test_signs_of_other_keyboards_are_read() -> None:
    for typed, sign in (("≤", "<="), ("≥", ">="), ("≠", "!="), ("＞＝", ">=")):
        assert parsed(f"hits {typed} 5") == parsed(f"hits {sign} 5")
        assert parsed(f"http_reqs: count {typed} 5") == parsed(f"http_reqs: count {sign} 5")
        assert parsed(f"http_reqs: [‘count {typed} 5’]") == parsed(f"http_reqs: count {sign} 5")


def test_the_text_is_the_users_with_its_blanks_evened_out() -> None:
    assert parsed("  p(95)   <500ms\n over  30s ").text == "p(95) <500ms over 30s"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "the threshold is empty", "write it like p(95) < 500ms"),
        ("p95 < 500ms", "there is no measure 'p95'", "did you mean p(95)?"),
        ("service.p99.9 < 1s", "there is no measure 'service.p99.9'", "did you mean service.p(99.9)?"),
        ("failurerate < 1%", "there is no measure 'failurerate'", "did you mean failure_rate?"),
        ("servce.mean < 1s", "there is no measure 'servce.mean'", "did you mean service.mean?"),
        ("late.p(99)<1s", "there is no measure 'late.p(99)'", "did you mean lateness.p(99)?"),
        ("respons.p(95)<1s", "there is no measure 'respons.p(95)'", "did you mean response.p(95)?"),
        ("respons.p95<1s", "there is no measure 'respons.p95'", "did you mean response.p(95)?"),
        ("xyz.p(95)<1s", "there is no measure 'xyz.p(95)'", "write it like p(95) < 500ms"),
        ("error_rate < 1%", "there is no measure 'error_rate'", "did you mean failure_rate?"),
        ("failure_rate < 1", "1 may be one in a hundred or all of them", "say 1% or 100%"),
        ("hit_failure_rate <= 1.0", "1.0 may be one in a hundred or all of them", "say 1% or 100%"),
        ("xyzzy < 1%", "there is no measure 'xyzzy'", "write it like p(95) < 500ms"),
        ("service < 1s", "there is no measure 'service'", "say which of them, like service.p(95)"),
        ("< 1s", "there is no measure", "write it like p(95)"),
        ("p(101) < 1s", "p(101): there is no percentile above 100", "p(99.9)"),
        ("http_req_duration < 500", "there is no measure 'http_req_duration'", "like http_req_duration: avg<500"),
        ("http_req_duration{name:x} < 500", "there is no measure", "it is k6's"),
        ("http_reqs > 5", "there is no measure 'http_reqs'", "like http_reqs: count"),
        ("counter > 5", "counter needs a name", "counter:island-was-there > 100"),
        ("counter: > 5", "counter: has no name", "counter:island-was-there > 100"),
        ("counter:'x > 5", "the quote ' is not closed", "close it after the counter's name"),
        ("counter:x{name:y} > 5", "counters have no tags", "quote the name"),
        ("counter:wow! > 5", "'!' is no comparison", "needs quotes"),
        ("p(95) 500ms", "there is no measure 'p(95) 500ms'", ""),
        ("p(95)", "there is no comparison", "p(95) < 500ms"),
        ("failure_rate", "there is no comparison", "failure_rate < 1%"),
        ("hits{name:x} 5", "'5' stands where a comparison should", "hits{name:x} < 100"),
        ("p(95) = 500ms", "'=' is no comparison", "there are <, <=, >, >=, == and !="),
        ("p(95) =< 500ms", "'=<' is no comparison", "there are <"),
        ("p(95) <", "there is nothing to compare with", "like 500ms"),
        ("p(95) < over 10s", "there is nothing to compare with", "like 500ms"),
        (
            "p(95) < 500",
            "500 has no unit",
            "write 500ms or 500s: k6 means milliseconds by a bare number, Loads seconds",
        ),
        ("p(95) < fast", "'fast' is not a duration", "250ms"),
        ("p(95) < 5%", "'5%' is not a duration", ""),
        ("failure_rate < 5", "'5' is no part of a whole", "for 5 of 100 write 5%"),
        ("failure_rate < 101%", "'101%' is no part of a whole", "write it like 1% or 0.01"),
        ("failure_rate < 5ms", "'5ms' is no part of a whole", "write it like 1% or 0.01"),
        ("hits > 5s", "'5s' is not a number", "write a plain one, like 1000"),
        ("hits > 1,000", "'1,000' is not a number", "no comma"),
        ("hits > -1", "-1: hits can't be below zero", "only counters can"),
        ("hit_rate > 5/d", "'5/d' is not a rate", "like 500/s"),
        ("hit_rate > -5", "'-5' is not a rate", "like 500/s"),
        ("errors{name:x} < 5", "errors has no tags, so {name:...} can't be", "leave them out"),
        ("lateness.p(95){name:x} < 5s", "lateness.p(95) has no tags", "leave them out"),
        ("p(95){status:200} < 5s", "p(95) has no tag 'status'", "there are name, method, scenario"),
        ("failure_rate{name:x} < 5%", "failure_rate has no tag 'name'", "there is scenario"),
        ("hits{status:700} < 5", "'700' is not an HTTP status", "5xx"),
        ("hits{name:x < 5", "'}' is missing", "tags end with"),
        ("hits{name:x}{name:y} < 5", "'{name:y}' stands where a comparison should", ""),
        ("p(95) < 1s ovr 30s", "'ovr' is not known here", "did you mean over?"),
        ("p(95) < 1s please", "'please' is not known here", "after the value there may be over TIME"),
        ("p(95) < 1s over", "'over' is followed by no time", "write it like over 30s"),
        ("p(95) < 1s over abort", "'over' is followed by no time", "write it like over 30s"),
        ("p(95) < 1s over night", "'over' is followed by no time, but 'night'", "write it like over 30s"),
        ("p(95) < 1s over 5x", "over '5x' is not a duration", "90s"),
        ("p(95) < 1s over 500ms", "'over 500ms' is out of range", "from 1s to 1h"),
        ("p(95) < 1s over 2h", "'over 2h' is out of range", "from 1s to 1h"),
        ("p(95) < 1s for 1500ms", "'for 1.5s' is no whole number of seconds", "each second"),
        ("p(95) < 1s over 5s over 6s", "'over' is given twice", "leave one"),
        ("p(95) < 1s abort abort", "'abort' is given twice", "leave one"),
        ("p(95) < 1s abort after", "'abort after' is followed by no time", "write it like abort after 30s"),
        ("p(95) < 1s after 5s", "'after' is not known here", ""),
        ("p(95) < 1s or hits > 5", "'or' is not followed by 'no data'", "give two"),
        ("unstarted < 5 over 10s", "unstarted is known only when the run is over", "leave out over, for and abort"),
        ("lost < 5 abort", "lost is known only when the run is over", "leave out over, for and abort"),
        ("failure_rate: < 1%", "'< 1%' is not an expression", "leave out the colon"),
    ],
)
def test_what_is_wrong_is_told_with_what_to_do(text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_thresholds(text)
    assert message in str(caught.value)
    assert hint in caught.value.hint
    assert repr(text)[1:-1] in caught.value.message or not text or "'" in text


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        parse_thresholds("p95{nam:x} =< 500 ovr 30s for 1500ms")
    for part in ("there is no measure 'p95'", "'=<' is no comparison", "'ovr' is not known", "'for 1.5s' is no whole"):
        assert part in str(caught.value), part


def test_what_is_too_long_is_told() -> None:
    for text in ("hits > " + "1" * 600, "x" * (MAX_INPUT + 1)):
        with pytest.raises(UsageError, match="too long"):
            parse_thresholds(text)
    with pytest.raises(UsageError, match="101 thresholds are too many"):
        parse_thresholds("{http_reqs: [" + "'count>1'," * (MAX_THRESHOLDS + 1) + "]}")


def test_odd_bytes_become_text_that_can_be_sent() -> None:
    assert parsed("counter:\udcff > 1").counter == "\\udcff"


WORDS = (
    "p(95) p(99.9) median mean service. lateness. failure_rate hits counter: counter_rate: hit_rate {name:/x} { } "
    "method:GET scenario:a , : status:5xx < <= == = ! 500ms 1% 5 100/s -3 over for or no data abort after 30s ' \" "
    "http_req_duration http_req_failed http_reqs checks thresholds [ ] 'p(95)<5' rate<0.01 count>5 p(95)<500 avg "
    "abortOnFail delayAbortEval=10s true threshold: // /* */ ` \\ \n \x00 \ud800 x"
)
parts = st.one_of(st.sampled_from(WORDS.split(" ")), st.just(" "), st.text(max_size=3))


@settings(max_examples=500)
@given(st.one_of(st.lists(parts, max_size=14).map("".join), st.lists(parts, max_size=10).map(" ".join), st.text()))
@example("{")
@example("counter:'")
@example("/")
def test_whatever_the_text_it_is_read_or_a_usage_error(text: str) -> None:
    try:
        thresholds = parse_thresholds(text)
    except UsageError:
        return
    assert thresholds
    for threshold in thresholds:
        assert parse_thresholds(threshold.text) == (threshold,)


def joined(*choices: st.SearchStrategy[str] | str) -> st.SearchStrategy[str]:
    strategies = [st.just(choice) if isinstance(choice, str) else choice for choice in choices]
    return st.tuples(*strategies).map("".join)


@settings(max_examples=500)
@given(
    st.lists(
        st.sampled_from(
            [*"‘’“”„；≤（）｛｝：＜＂", "hits", "p（95）", "{name:", "}", "counter:", "＜", "<", "5", "1s", "a: ", " "]
        )
    ).map("".join)
)
def test_signs_of_other_keyboards_are_read_once_and_for_all(text: str) -> None:
    try:
        thresholds = parse_thresholds(text)
    except UsageError:
        return
    for threshold in thresholds:
        assert parse_thresholds(threshold.text) == (threshold,)


blank = st.sampled_from(["", " ", "  ", "\t"])
names = st.text("ab/*?=&.: ", min_size=1, max_size=8).map(str.strip).filter(bool)
heads = joined(
    st.sampled_from(["", "service.", "RESPONSE."]),
    st.sampled_from(["p(95)", "p( 99.9 )", "median", "Mean", "max"]),
    blank,
    st.one_of(st.just(""), joined("{name:", blank, names, blank, "}"), joined("{ method:get,name: '", names, "'}")),
)
clauses = st.permutations(["over 30s", "for 10s", "or no data", "abort after 1m30s"]).flatmap(
    lambda all_: st.integers(0, 4).map(lambda count: "  ".join(all_[:count]))
)


@settings(max_examples=200)
@given(joined(heads, blank, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), blank, "500ms ", clauses))
def test_what_is_well_formed_is_read_and_its_text_means_the_same(text: str) -> None:
    threshold = parsed(text)
    assert parsed(threshold.text) == threshold
    assert threshold.bound == 500_000

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loads.errors import UsageError
from loads.metrics.expressions import parse_thresholds
from loads.metrics.k6 import METRICS
from loads.metrics.literals import MAX_DEPTH, Member, Members, Reader
from loads.metrics.tags import Tags
from loads.metrics.threshold import Comparison, Measure, Statistic, Threshold


def read(text: str) -> dict[str, dict[str, Any]]:
    """The fields of each threshold in `text` that are not what they are by default."""
    thresholds = parse_thresholds(text)
    for threshold in thresholds:
        assert parse_thresholds(threshold.text) == (threshold,)
    defaults = {"statistic": None, "quantile": 0.0, "tags": Tags(), "counter": None, "abort": False}
    defaults |= {"window_us": None, "for_us": None, "or_no_data": False, "abort_after_us": 0}
    found = {}
    for threshold in thresholds:
        fields = {name: getattr(threshold, name) for name in Threshold.__struct_fields__ if name != "text"}
        found[threshold.text] = {
            name: value for name, value in fields.items() if name not in defaults or value != defaults[name]
        }
    return found


def times(statistic: Statistic, bound_ms: float, quantile: float = 0.0, **more: Any) -> dict[str, Any]:
    fields = {"measure": Measure.RESPONSE, "comparison": Comparison.BELOW, "statistic": statistic, **more}
    return {**fields, "bound": bound_ms * 1_000, **({"quantile": quantile} if quantile else {})}


def p(quantile: float, bound_ms: float, **more: Any) -> dict[str, Any]:
    return times(Statistic.PERCENTILE, bound_ms, quantile, **more)


def count(measure: Measure, comparison: str, bound: float, **more: Any) -> dict[str, Any]:
    return {"measure": measure, "comparison": Comparison(comparison), "bound": bound, **more}


FAILED = count(Measure.HIT_FAILURE_RATE, "<", 0.01)
SLOW = {"abort": True, **p(0.99, 10)}

DOCUMENTED = {
    "{ http_req_failed: ['rate<0.01'], // http errors\n http_req_duration: ['p(95)<200'], // 95% of requests\n}": {
        "http_req_failed: rate<0.01": FAILED,
        "http_req_duration: p(95)<200": p(0.95, 200),
    },
    "http_req_duration: ['p(90) < 400'],": {"http_req_duration: p(90) < 400": p(0.9, 400)},
    "http_req_duration: ['p(90) < 400', 'p(95) < 800', 'p(99.9) < 2000'],": {
        "http_req_duration: p(90) < 400": p(0.9, 400),
        "http_req_duration: p(95) < 800": p(0.95, 800),
        "http_req_duration: p(99.9) < 2000": p(0.999, 2_000),
    },
    "'group_duration{group:::individualRequests}': ['avg < 400'],\n"
    "'group_duration{group:::batchRequests}': ['avg < 200'],": {
        "group_duration{group:::individualRequests}: avg < 400": times(
            Statistic.MEAN, 400, measure=Measure.TRANSACTION, tags=Tags(name="individualRequests")
        ),
        "group_duration{group:::batchRequests}: avg < 200": times(
            Statistic.MEAN, 200, measure=Measure.TRANSACTION, tags=Tags(name="batchRequests")
        ),
    },
    "thresholds: { http_req_duration: [{ threshold: 'p(99) < 10', abortOnFail: true }], },": {
        "http_req_duration: p(99) < 10 abortOnFail": SLOW
    },
    "http_req_duration: [{ threshold: 'p(99) < 10', // string\n abortOnFail: true, // boolean\n"
    " delayAbortEval: '10s', // string\n /*...*/ }]": {
        "http_req_duration: p(99) < 10 abortOnFail delayAbortEval=10s": {**SLOW, "abort_after_us": 10_000_000}
    },
    "checks: ['rate>0.9'],": {"checks: rate>0.9": count(Measure.SUCCESS_RATE, ">", 0.9)},
    "Errors: ['count<100'],": {"Errors: count<100": count(Measure.COUNTER, "<", 100, counter="Errors")},
    "http_reqs: ['count>1000', 'rate>50']": {
        "http_reqs: count>1000": count(Measure.HITS, ">", 1_000),
        "http_reqs: rate>50": count(Measure.HIT_RATE, ">", 50),
    },
    "iterations: ['count>=500']": {"iterations: count>=500": count(Measure.ITERATIONS, ">=", 500)},
    "'group_duration{group:::Main page::Assets}': ['p(95)<200']": {
        "group_duration{group:::Main page::Assets}: p(95)<200": p(
            0.95, 200, measure=Measure.TRANSACTION, tags=Tags(name="Assets")
        )
    },
}


@pytest.mark.parametrize("text", DOCUMENTED)
def test_an_example_of_k6s_documentation_gives_what_it_means(text: str) -> None:
    assert read(text) == DOCUMENTED[text]
    assert read("{" + text.removeprefix("{").removesuffix("}") + "}") == DOCUMENTED[text]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ContentSize: ['value<4000']", "'ContentSize' has no value: custom metrics are counters"),
        ("ContentOK: ['rate>0.95']", "the rate of 'ContentOK' is a part of a whole with k6, or a number per second"),
        ("RTT: ['p(99)<300']", "'RTT' has no p(99): custom metrics are counters"),
        ("RTT: ['avg<200']", "'RTT' has no avg"),
        ("'http_req_duration{type:API}': ['p(95)<500']", "http_req_duration has no tag 'type'"),
        ("'http_req_duration{staticAsset:yes}': ['p(95)<500']", "http_req_duration has no tag 'staticAsset'"),
        ("'checks{myTag:hola}': ['rate>0.9']", "checks has no tag 'myTag'"),
        ("{ metric_name: ['count<100'], metric_name: ['rate<50'] }", "the metric 'metric_name' is given twice"),
        ("vus: ['value>10']", "vus can't be judged"),
        ("'http_req_duration{expected_response:true}': ['p(95)<500']", "whether the answer was expected"),
        ("'http_req_duration{group:::Main page}': ['p(95)<500']", "http_req_duration is not known by group"),
        ("browser_web_vital_lcp: ['p(90) < 1000']", "there is no metric 'browser_web_vital_lcp'"),
        ("ws_connecting: ['p(95)<1000']", "there is no metric 'ws_connecting'"),
        ("grpc_req_duration: ['p(95)<1000']", "there is no metric 'grpc_req_duration'"),
    ],
)
def test_an_example_that_can_not_be_judged_is_one_clear_error(text: str, problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_thresholds(text)
    assert problem in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "measure"),
    [
        ("http_req_waiting: avg<1", Measure.FIRST_BYTE),
        ("http_req_receiving: max<1", Measure.BODY),
        ("http_req_connecting: avg<1", Measure.CONNECT),
        ("http_req_tls_handshaking: avg<1", Measure.TLS),
        ("http_req_failed{scenario:test_x}: rate<1", Measure.HIT_FAILURE_RATE),
        ("http_reqs{status:500}: count<1", Measure.HITS),
        ("iterations: rate>1", Measure.ITERATION_RATE),
        ("iteration_duration: med<1", Measure.ITERATION),
        ("dropped_iterations: count<1", Measure.UNSTARTED),
        ("data_sent: count<1", Measure.BYTES_SENT),
        ("data_sent: rate<1", Measure.BYTES_SENT_RATE),
        ("data_received: count<1", Measure.BYTES_RECEIVED),
        ("data_received: rate<1", Measure.BYTES_RECEIVED_RATE),
        ("group_duration: avg<1", Measure.TRANSACTION),
        ("orders: rate>2", Measure.COUNTER_RATE),
        ("island-was-there: count>2", Measure.COUNTER),
        ("'counter': count>2", Measure.COUNTER),
        ("counter: ['count>2']", Measure.COUNTER),
        ("'my orders': count>2", Measure.COUNTER),
    ],
)
def test_each_metric_is_what_stands_for_it(text: str, measure: Measure) -> None:
    ((_, fields),) = read(text).items()
    assert fields["measure"] is measure


def test_all_metrics_are_covered() -> None:
    for metric, ways in METRICS.items():
        for way in ways:
            assert read(f"{metric}: {'avg' if way == 'trend' else way}<1")


@pytest.mark.parametrize("sign", ["<", "<=", ">", ">=", "==", "===", "!="])
def test_each_comparison_is_read(sign: str) -> None:
    (threshold,) = parse_thresholds(f"http_reqs: count {sign} 5")
    assert threshold.comparison is Comparison("==" if sign == "===" else sign)


@pytest.mark.parametrize(
    ("text", "after_us"),
    [
        ("http_req_failed: rate<0.01 abortOnFail", 0),
        ("http_req_failed: rate<0.01 abortonfail=true delayAbortEval=1m30s", 90_000_000),
        ("http_req_failed: rate<0.01 delayAbortEval=10s abortOnFail", 10_000_000),
        ("http_req_failed: [{threshold: `rate<0.01`, 'abortOnFail': true, delayAbortEval: 1500}]", 1_500_000),
        ('{"thresholds": {"http_req_failed": {"threshold": "rate<0.01", "abortOnFail": true}}};', 0),
    ],
)
def test_a_threshold_that_aborts_is_read(text: str, after_us: int) -> None:
    (threshold,) = parse_thresholds(text)
    assert (threshold.measure, threshold.abort, threshold.abort_after_us) == (Measure.HIT_FAILURE_RATE, True, after_us)
    assert parse_thresholds(threshold.text) == (threshold,)


@pytest.mark.parametrize(
    "text",
    [
        "http_req_failed: rate<0.01 abortOnFail=false delayAbortEval=10s",
        "http_req_failed: [{threshold: 'rate<0.01', abortOnFail: false, delayAbortEval: '10s'}]",
        "http_req_failed: [{threshold: 'rate<0.01', delayAbortEval: null}]",
    ],
)
def test_one_that_is_told_not_to_abort_does_not(text: str) -> None:
    (threshold,) = parse_thresholds(text)
    assert (threshold.text, threshold.abort) == ("http_req_failed: rate<0.01", False)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("http_req_duraton: p(95)<500", "there is no metric 'http_req_duraton'", "did you mean http_req_duration?"),
        ("iteration: count<5", "there is no metric 'iteration'", "a counter of that name is counter:iteration"),
        ("http_new: count<5", "there is no metric 'http_new'", "there are http_req_duration"),
        ("http_req_duration: p95<500", "there is no 'p95'", "did you mean p(95)?"),
        ("http_req_duration: foo<500", "there is no 'foo'", "there are avg, min"),
        ("http_req_duration: rate<5", "http_req_duration has no rate", "it has avg, min, max, med, p(N)"),
        ("http_req_failed: avg<5", "http_req_failed has no avg", "it has rate"),
        ("http_reqs: p(95)<5", "http_reqs has no p(95)", "it has count, rate"),
        ("http_req_waiting: p(95)<5", "http_req_waiting has no p(95)", "only the mean and the longest of it are kept"),
        ("http_req_waiting: min<5", "http_req_waiting has no min", "only the mean and the longest"),
        ("http_req_waiting: count<5", "http_req_waiting has no count", "it has avg and max"),
        ("http_req_blocked: avg<5", "http_req_blocked can't be judged", "not measured apart"),
        ("http_req_sending: avg<5", "http_req_sending can't be judged", "not measured apart"),
        ("dropped_iterations: rate<5", "dropped_iterations has no rate", "it has count"),
        ("dropped_iterations: count<5 abortOnFail", "known only when the run is over", "leave out abortOnFail"),
        ("http_req_duration: p(101)<5", "there is no percentile above 100", "p(99.9)"),
        ("http_req_duration: p(95)<500ms", "'500ms' is not a number", "times are in milliseconds"),
        ("http_req_duration: p(95)<", "there is no number to compare with", "times are in milliseconds"),
        ("http_req_duration: avg<-1", "http_req_duration can't be below zero", ""),
        ("http_req_failed: rate<1%", "'1%' is not a number", "write a plain number"),
        ("http_req_failed: rate<5", "5 is more than all of http_req_failed", "write 0.01 for 1 %"),
        ("http_req_failed: rate=<0.1", "'=<' is no comparison", "==="),
        ("http_req_failed: rate", "'rate' is not an expression like p(95)<500", "write it like"),
        ("http_req_failed:", "'' is not an expression", "write it like"),
        ("hits: count>5 over 10s", "'5 over 10s' is not a number", "plain number"),
        ("http_req_failed: rate<0.1 delayAbortEval=5s", "delayAbortEval does nothing without", "add abortOnFail"),
        ("http_req_failed: rate<0.1 abortOnFail delayAbortEval=5", "5 has no unit", "write 5s or 5ms"),
        ("http_req_failed: rate<0.1 abortOnFail delayAbortEval", "'delayAbortEval' has no time", "10s"),
        ("http_req_failed: rate<0.1 abortOnFail delayAbortEval=x", "'x' is not a duration", "90s"),
        ("http_req_failed: rate<0.1 abortOnFail=maybe", "neither true nor false", "write abortOnFail alone"),
        ("http_req_failed: [{abortOnFail: true}]", "'threshold' is missing", "{threshold: 'rate<0.01'"),
        (
            "http_req_failed: [{threshold: 'rate<0.1', abortOnFial: true}]",
            "no 'abortOnFial'",
            "did you mean abortOnFail?",
        ),
        ("http_req_failed: [{threshold: 'rate<0.1', abortOnFail: 1}]", "neither true nor false", "abortOnFail: true"),
        ("http_req_failed: [{threshold: 'rate<0.1', delayAbortEval: []}]", "'delayAbortEval' is no time", "'10s'"),
        ("http_req_failed: [{threshold: 'a', threshold: 'b'}]", "given twice in one threshold", "leave one"),
        ("http_req_failed: [5]", "5.0 is no threshold", "write a list of expressions"),
        ("{vus: 5, checks: ['rate<1']}", "these are options, and there are no thresholds", "paste its thresholds"),
        ("{duration: '30s'}", "these are options, and there are no thresholds", "paste its thresholds"),
        ("{stages: [{target: 5}]}", "these are options, and there are no thresholds", "paste its thresholds"),
        ("{iterations: ['foo<1']}", "there is no 'foo'", "there are avg"),
        ("{stages: []}", "there is no threshold in it", "write it like"),
        ("export const options = { vus: 10 };", "there are no thresholds in these options", "paste its thresholds"),
        ("options = {vus: V, thresholds: {}}", "the options can't be read: a text in quotes", "paste its thresholds"),
        ("options = {} x", "the options can't be read: the end was expected at character 14", "paste its thresholds"),
        ("options = {thresholds: {}}", "there is no threshold in it", "write it like"),
        (
            "{checks: ['rate<1'], thresholds: {checks: ['rate<1']}}",
            "'checks' stands beside the thresholds",
            "put all into one object",
        ),
        ("{thresholds: {}, thresholds: {}}", "'thresholds' stands beside the thresholds", "put all into one object"),
        ("{}", "there is no threshold in it", "write it like"),
        ("thresholds: {}", "there is no threshold in it", "write it like"),
        ("checks: []", "there is no threshold in it", "write it like"),
        ("{checks: ['rate<1'", "',' or ']' was expected at character 19, but there is the end", "copy it"),
        ("{checks: ['rate<1']", "',' or '}' was expected", "copy it"),
        ("{checks: ['rate<1']} x", "the end was expected at character 22, but there is 'x'", "copy it"),
        ("{\nchecks ['rate<1']}", "':' was expected at character 8 of line 2, but there is \"['rate<1']}\"", "copy it"),
        ("{checks: rate}", "a text in quotes, a number, true, false, an array or an object was expected", "copy it"),
        ("{checks: ['rate<1}", "a text that ends with ' was expected", "copy it"),
        ("{checks: [`rate<${x}`]}", "${...} in a text can't be worked out", "write what it stands for"),
        ("{[x]: ['rate<1']}", "the name of a metric was expected", "copy it"),
        ("{checks: [[[[[[[[[[[1]]]]]]]]]]]}", "more than 8 brackets in each other", "three"),
        ("'checks{scenario:x}y': ['rate<1']", "'y' follows the tags", "write it like"),
        ("orders{name:x}: count<5", "orders has no tags", "leave them out"),
    ],
)
def test_what_is_wrong_is_told_with_what_to_do(text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_thresholds(text)
    assert message in str(caught.value)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "export const options = { vus: 10, thresholds: { checks: ['rate>0.9'] }, };",
        "export let options: Options = {\n  stages: [{ duration: '1m', target: 5 }], // don't\n"
        "  userAgent: 'a (b=c)',\n  thresholds: {\n    checks: ['rate>0.9'],\n  },\n};",
        "const options={thresholds:{checks:'rate>0.9'}}",
        "options = {'thresholds': {checks: [{threshold: 'rate>0.9'}]}};",
        "{vus: 5, thresholds: {checks: ['rate>0.9']}},",
        '{"vus": 5, "iterations": 10, "thresholds": {"checks": ["rate>0.9"]}}',
        "thresholds: {checks: ['rate>0.9']},",
        "thresholds: {checks: ['rate>0.9']};",
        "'checks: rate>0.9'",
    ],
)
def test_the_thresholds_are_taken_out_of_all_options(text: str) -> None:
    assert read(text) == {"checks: rate>0.9": count(Measure.SUCCESS_RATE, ">", 0.9)}


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        parse_thresholds("{http_req_duraton: ['p(95)<500'], http_req_failed: ['rate<5'], checks: ['rate>0.9']}")
    assert "2 problems" in caught.value.message
    assert "did you mean http_req_duration" in caught.value.hint
    assert "5 is more than all of http_req_failed" in caught.value.hint


def test_literals_are_read_as_javascript_has_them() -> None:
    text = r"""{ a: 'it\'s \u00e4\x41\u{1F600}\n', "b c": [1, -2.5, .5, true, null,], 'd': {e: `x "y" 'z'`}, /**/}"""
    reader = Reader(text)
    assert reader.value() == Members(
        (
            Member("a", "it's äA\N{GRINNING FACE}\n"),
            Member("b c", [1.0, -2.5, 0.5, True, None]),
            Member("d", Members((Member("e", "x \"y\" 'z'"),))),
        )
    )
    assert reader.peek() == ""


@settings(max_examples=300)
@given(st.text("{}[]:,'\"`\\/*$ ab01.-\nutrefalsn", max_size=40))
def test_whatever_the_text_is_a_value_or_a_usage_error(text: str) -> None:
    with suppress(UsageError):
        Reader(text).value()


def test_deep_nesting_is_no_burden() -> None:
    for opening in ("[", "{a:"):
        with pytest.raises(UsageError, match=f"more than {MAX_DEPTH} brackets"):
            Reader(opening * 10_000).value()


keys = st.sampled_from([*METRICS, "orders", "counter", "thresholds", "my orders", 'odd "name\'s"'])
expressions = st.sampled_from(["avg<5", "p(95) < 500", "rate<0.5", "rate > 2", "count>=5", "med===3"])
tag_texts = st.sampled_from(
    ["", "{name:/x}", "{name:'a  b', method:get}", "{scenario:x}", "{group:::x y}", "{status:5xx}"]
)


@given(keys, tag_texts, expressions, st.sampled_from(["", " abortOnFail", " abortOnFail delayAbortEval=5s"]))
def test_the_flat_form_and_a_member_mean_the_same(key: str, tags: str, expression: str, options: str) -> None:
    quoted = "'" + (key + tags).replace("'", r"\'") + "'"
    item = f"{{threshold: '{expression}'" + ", abortOnFail: true" * bool(options)
    item += ", delayAbortEval: '5s'" * options.endswith("5s") + "}"
    try:
        thresholds = parse_thresholds(f"{{{quoted}: [{item}]}}")
    except UsageError:
        with pytest.raises(UsageError):
            parse_thresholds(f"{quoted}: {expression}{options}")
        return
    assert parse_thresholds(f"{quoted}: {expression}{options}") == thresholds
    assert parse_thresholds(thresholds[0].text) == thresholds

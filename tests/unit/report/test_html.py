"""The report in one file: what is in it, what can't get out of it, and how large it is."""

from __future__ import annotations

import gzip
import re
from base64 import b64decode, b64encode
from hashlib import sha256
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.errors import LoadsError
from loads.metrics.result import Result
from loads.metrics.summary import ErrorGroup, ErrorKey, SeriesKey, Summary
from loads.report import html
from loads.report.console import end_block
from loads.report.html import Parts, find_parts, page_of, to_html
from loads.report.page import Report, Stage
from loads.report.view.report import MAX_POINTS, MIN_POINTS, SERIES_POINTS, report_of
from loads.units import US_PER_S
from tests.build import health_of, histogram_of, info_of, iterations_of, result_of, series_of

PARTS = Parts("draw();\n", "p{margin:0}")
HOSTILE = "</script></pre></noscript></title><!-- <script>alert(1)</script> \u2028 é ' \" & \0"


class Page(HTMLParser):
    """The elements of a page, and what is in them."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=False)
        self.tags: list[str] = []
        self.attributes: list[dict[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.append(dict(attrs))


TAGS = [*("html", "head", "meta", "meta", "meta", "meta", "link", "title", "style", "body", "div", "noscript", "pre")]
TAGS += ["script", "script"]


def page(result: Result, parts: Parts = PARTS) -> str:
    return page_of(parts, report_of(result), title=html._title(result), block=end_block(result)).decode()


def data_of(text: str) -> Report:
    found = re.search(r'<script type="application/octet-stream" id="report-data">([A-Za-z0-9+/=]+)</script>', text)
    assert found is not None
    return msgspec.json.decode(gzip.decompress(b64decode(found[1])), type=Report)


def within(text: str, tag: str) -> str:
    """What is in the element; of scripts, in the one that runs."""
    return text.partition(f"</script>\n<{tag}>" if tag == "script" else f"<{tag}>")[2].partition(f"</{tag}>")[0]


def hostile() -> Result:
    summary = Summary(series={SeriesKey(HOSTILE, "GET", HOSTILE): series_of([100])}, counters={HOSTILE: 1})
    summary.errors[ErrorKey("error", HOSTILE, HOSTILE)] = ErrorGroup(1, 0, 0, HOSTILE, HOSTILE, HOSTILE)
    return result_of(summary, name=HOSTILE, tags={HOSTILE: HOSTILE}, plan=HOSTILE, targets=(HOSTILE,))


def test_the_file_holds_the_run_and_each_of_its_series() -> None:
    result = result_of(iterations_of(3, sent=3), id="red-fox")
    report = data_of(page(result))
    assert report == report_of(result)
    assert (report.run.run, report.run.full, [each.series for each in report.series]) == ("red-fox", True, [0])
    assert report.series[0].points[0].hits == 3


def test_its_title_names_the_run_and_the_verdict() -> None:
    assert "<title>red-fox: passed - Loads</title>" in page(result_of(iterations_of(1), id="red-fox"))
    named = result_of(iterations_of(1), id="red-fox", name="a & b")
    assert "<title>a &amp; b (red-fox): passed - Loads</title>" in page(named)


def test_without_scripts_it_shows_the_console_block() -> None:
    result = result_of(iterations_of(3, sent=3))
    assert unescape(within(page(result), "pre")) == end_block(result)


def test_nothing_of_the_tested_service_gets_out_of_its_place() -> None:
    text = page(hostile())
    assert Page(text).tags == TAGS
    assert data_of(text).run.names[0].name == HOSTILE


@given(st.text(max_size=30))
def test_no_text_makes_an_element(text: str) -> None:
    result = result_of(Summary(series={SeriesKey("t", "GET", text): series_of([100])}), name=text)
    assert Page(page(result)).tags == TAGS


def test_the_policy_lets_in_this_script_and_this_style_and_nothing_else() -> None:
    text = page(hostile())
    [policy] = [each["content"] for each in Page(text).attributes if each.get("http-equiv")]
    assert policy is not None
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules == {
        "default-src": "'none'",
        "script-src": f"'sha256-{hash_of(within(text, 'script'))}'",
        "style-src": f"'sha256-{hash_of(within(text, 'style'))}'",
        "img-src": "data: blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def hash_of(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()


def test_there_is_no_address_of_anything_else() -> None:
    for attributes in Page(page(result_of(iterations_of(1)))).attributes:
        assert attributes.get("src") is None
        assert attributes.get("href") in (None, "data:,")


@pytest.mark.parametrize("script", ['x="</script>"', 'x="</SCRIPT "', 'x="<!--<script>"', "x=/<\\/script>/"])
def test_a_script_that_speaks_of_scripts_stays_whole(script: str) -> None:
    text = page(result_of(iterations_of(1)), Parts(script, "a{content:'</style>'}\r\n"))
    assert Page(text).tags == TAGS
    assert hash_of(within(text, "script")) in text
    assert within(text, "script").replace("<\\", "<") == script.replace("<\\", "<")
    assert within(text, "style") == "a{content:'<\\/style>'}\n"


def test_the_same_result_gives_the_same_bytes() -> None:
    result = result_of(iterations_of(3, sent=3))
    assert page(result) == page(result)


def test_without_a_front_end_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(html, "files", lambda _: tmp_path)
    with pytest.raises(LoadsError, match="are not there") as caught:
        to_html(result_of())
    assert "Node 20" in caught.value.hint


def test_the_parts_are_what_was_built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "report.js").write_text("é", encoding="utf-8")
    (tmp_path / "static" / "report.css").write_text("b")
    monkeypatch.setattr(html, "files", lambda _: tmp_path)
    assert find_parts() == Parts("é", "b")
    assert data_of(to_html(result_of(iterations_of(1))).decode()).run.full


# How large.


def test_a_hundred_series_over_an_hour_are_less_than_500_kb() -> None:
    """With a front end of 160 KB. Times scatter, so that they pack badly."""
    dice, result = Random(7), Result(info=info_of(users=200, has_starts=True))
    seconds = [hundred_series(dice) for _ in range(20)]
    for second in range(0, 3_600, 12):
        health = health_of(cpu_us=dice.randrange(900_000), lag=histogram_of([dice.randrange(9_000)]))
        result.add(second * US_PER_S, dice.choice(seconds), worker=second % 3, health=health)
    result.duration_us = 3_600 * US_PER_S
    result.conclude(None)
    text = page(result, Parts("x" * 130_000, "y" * 30_000))
    assert len(text) < 500_000
    report = data_of(text)
    assert len(report.run.points) <= MAX_POINTS
    assert len(report.series[0].points) >= MIN_POINTS
    assert sum(point.hits for point in report.run.points) == result.summary.hits.hits
    assert [sum(point.hits for point in each.points) for each in report.series] == [
        figures.hits for figures in report.run.figures
    ]


def hundred_series(dice: Random) -> Summary:
    summary = Summary()
    for number in range(100):
        series = series_of([int(dice.lognormvariate(7 + number % 5, 0.8)) for _ in range(6)])
        series.response = histogram_of([int(dice.lognormvariate(8 + number % 5, 0.9)) for _ in range(6)])
        summary.series[SeriesKey("shop.TestShop.test_it", "GET", f"http://shop.example/item/{number}")] = series
    return summary


def test_a_short_run_of_a_few_series_keeps_all_of_its_points() -> None:
    result = result_of()
    for second in range(300):
        result.add(second * US_PER_S, iterations_of(1, sent=1))
    result.duration_us = 300 * US_PER_S
    report = report_of(result)
    assert (len(report.run.points), len(report.series[0].points)) == (300, 300)
    assert SERIES_POINTS > 300


def test_a_report_of_a_run_that_goes_on_says_so_and_gives_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "find_parts", lambda: PARTS)
    result = result_of()
    result.duration_us = None
    result.add(0, iterations_of(3, sent=3))
    report = report_of(result, 2 * US_PER_S)
    assert (report.run.stage, report.run.elapsed_us) == (Stage.RUNNING, 2 * US_PER_S)
    assert report.run.totals is not None
    assert report.run.totals.hits == 3
    assert report.run.standing is not None
    assert report.run.standing.exit_code is None
    text = to_html(result, 2 * US_PER_S).decode()
    assert ": running - Loads</title>" in text
    assert "Verdict" not in text.partition("<noscript>")[2].partition("</noscript>")[0]

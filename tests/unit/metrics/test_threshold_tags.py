from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.errors import UsageError
from loads.metrics.summary import SeriesKey
from loads.metrics.tags import Tag, Tags, even, read_tags, tags_of

KEY = SeriesKey("pkg.TestSite.test_home", "POST", "http://host:80/shop/checkout")


@pytest.mark.parametrize(
    "tags",
    [
        Tags(),
        Tags(name="http://host:80/shop/checkout"),
        Tags(name="/shop/checkout"),
        Tags(name="/shop/*"),
        Tags(name="*checkout"),
        Tags(name="http://*/shop/*"),
        Tags(method="POST"),
        Tags(scenario="test_home"),
        Tags(scenario="TestSite.test_home"),
        Tags(scenario="pkg.TestSite.test_home"),
        Tags(scenario="TestSite.*"),
        Tags(scenario="*home"),
        Tags(name="/shop/checkout", method="POST", scenario="test_home"),
    ],
)
def test_a_series_fits(tags: Tags) -> None:
    assert tags.fits(KEY)


@pytest.mark.parametrize(
    "tags",
    [
        Tags(name="/shop"),
        Tags(name="checkout"),
        Tags(name="shop/checkout"),
        Tags(name="/shop/*/x"),
        Tags(method="GET"),
        Tags(scenario="home"),
        Tags(scenario="test_home.pkg"),
        Tags(name="/shop/checkout", method="GET"),
    ],
)
def test_a_series_does_not_fit(tags: Tags) -> None:
    assert not tags.fits(KEY)


def test_the_path_of_a_server_alone_is_a_slash() -> None:
    assert Tags(name="/").fits(SeriesKey("t", "GET", "http://host"))
    assert Tags(name="/").fits(SeriesKey("t", "GET", "http://host/"))
    assert not Tags(name="/").fits(SeriesKey("t", "GET", "host/"))


def test_a_status_is_one_or_a_hundred() -> None:
    assert [status for status in (200, 404, 499, 500, 599) if Tags(status="5xx").has_status(status)] == [500, 599]
    assert [status for status in (200, 404) if Tags(status="404").has_status(status)] == [404]


@given(
    st.lists(st.text("ab", max_size=3), min_size=1, max_size=4),
    st.lists(st.text("abx", max_size=3), min_size=5, max_size=5),
)
def test_a_star_stands_for_anything(pieces: list[str], between: list[str]) -> None:
    name = pieces[0] + "".join(filler + piece for filler, piece in zip(between, pieces[1:], strict=False))
    assert Tags(name="*".join(pieces)).fits(SeriesKey("t", "GET", name))


def test_many_stars_do_not_take_long() -> None:
    assert not Tags(name="*a" * 200 + "*b").fits(SeriesKey("t", "GET", "a" * 500))


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("{}", []),
        ("{name:/x}", [("name", "/x")]),
        ("{ name : /x , method:GET }", [("name", "/x"), ("method", "GET")]),
        ("{name:/x,}", [("name", "/x")]),
        ("{name:http://h:80/a?b=1&c=*}", [("name", "http://h:80/a?b=1&c=*")]),
        ("{name:'a, b}'}", [("name", "a, b}")]),
        ('{name:"it\'s"}', [("name", "it's")]),
        ("{name:it's my page}", [("name", "it's my page")]),
        ("{group:::Main page}", [("group", "::Main page")]),
    ],
)
def test_tags_are_read(text: str, tags: list[tuple[str, str]]) -> None:
    assert read_tags("x" + text + "y", 1) == ([Tag(*tag) for tag in tags], len(text) + 1)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{name}", "'name' has no value"),
        ("{", "'nothing' has no value"),
        ("{name,method:GET}", "'name' has no value"),
        ("{name:/x", "'}' is missing"),
        ("{name:'x}", "the quote ' is not closed"),
        ("{name:'x'y}", "'y' follows the value of the tag 'name'"),
    ],
)
def test_what_are_no_tags_is_told(text: str, problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_tags(text, 0)
    assert problem in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("tag", "problem", "hint"),
    [
        (("nam", "x"), "p(95) has no tag 'nam'", "did you mean name?"),
        (("colour", "x"), "p(95) has no tag 'colour'", "there are name, status"),
        (("status", "600"), "'600' is not an HTTP status", "write one like 404, or 5xx for all of them"),
        (("status", "5"), "'5' is not an HTTP status", "write one like 404, or 5xx for all of them"),
        (("name", ""), "the tag 'name' has no value", "write tags like {name:/checkout}"),
    ],
)
def test_a_tag_that_can_not_be_is_told(tag: tuple[str, str], problem: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        tags_of([Tag(*tag)], ("name", "status"), "p(95)")
    assert (caught.value.message, caught.value.hint) == (problem, hint)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(UsageError, match="2 problems") as caught:
        tags_of([Tag("nam", "x"), Tag("name", "x"), Tag("NAME", "y")], ("name",), "p(95)")
    assert "'name' is given twice" in caught.value.hint


def test_what_has_no_tags_takes_none() -> None:
    with pytest.raises(UsageError, match="errors has no tags"):
        tags_of([Tag("name", "x")], (), "errors")


def test_methods_and_statuses_are_in_one_case() -> None:
    assert tags_of([Tag("Method", "get"), Tag("status", "5XX")], ("method", "status"), "hits") == Tags(
        method="GET", status="5xx"
    )


def test_blanks_are_evened_out_but_in_quotes() -> None:
    assert even("  p(95)  {name: 'a  b',\n method:\tGET }  <  1s ") == "p(95) {name: 'a  b', method: GET } < 1s"
    assert even("{name:it's  my   page}") == "{name:it's my page}"


@given(st.text(":'\"{} ab\t", max_size=30))
def test_evening_out_twice_is_evening_out_once(text: str) -> None:
    assert even(even(text)) == even(text)

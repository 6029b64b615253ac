from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.errors import UsageError
from loads.plan.select import parse_selection

NAMES = ["site.TestShop.test_login", "site.TestShop.test_slow_login", "site.TestAdmin.test_list[1-a]"]


def selected(text: str) -> list[str]:
    selection = parse_selection(text)
    return [name for name in NAMES if selection(name)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("login", NAMES[:2]),
        ("LOGIN", NAMES[:2]),
        ("testshop", NAMES[:2]),
        ("not login", NAMES[2:]),
        ("login and not slow", NAMES[:1]),
        ("slow or admin", NAMES[1:]),
        ("slow or admin and list", NAMES[1:]),
        ("(slow or admin) and list", NAMES[2:]),
        ("not (slow or admin)", NAMES[:1]),
        ("not not login", NAMES[:2]),
        ("list[1-a]", NAMES[2:]),
        ("site.TestAdmin", NAMES[2:]),
        ("nothing", []),
    ],
)
def test_an_expression_selects_as_with_pytest(text: str, expected: list[str]) -> None:
    assert selected(text) == expected


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("and", "a word is missing"),
        ("login and", "a word is missing"),
        ("not", "a word is missing"),
        ("(login", "a ) is missing"),
        ("login)", "')' comes where it should end"),
        ("login slow", "'slow' comes where it should end"),
        ("()", "a word is missing"),
    ],
)
def test_what_is_no_expression_is_refused_with_an_example(text: str, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_selection(text)
    assert what in caught.value.message
    assert "login and not slow" in caught.value.hint


WORDS = st.sampled_from(["login", "slow", "admin", "list", "nothing"])
EXPRESSIONS = st.recursive(
    WORDS,
    lambda inner: st.one_of(
        inner.map(lambda text: f"not {text}" if " " not in text else f"not ({text})"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
            lambda three: f"({three[0]}) {three[1]} ({three[2]})"
        ),
    ),
    max_leaves=8,
)


@given(EXPRESSIONS, EXPRESSIONS)
def test_the_words_mean_what_logic_says(left: str, right: str) -> None:
    for name in NAMES:
        one, two = parse_selection(left)(name), parse_selection(right)(name)
        assert parse_selection(f"({left}) and ({right})")(name) == (one and two)
        assert parse_selection(f"({left}) or ({right})")(name) == (one or two)
        assert parse_selection(f"not ({left})")(name) == (not one)


@given(st.text(max_size=30))
def test_any_text_is_an_expression_or_a_usage_error(text: str) -> None:
    try:
        selection = parse_selection(text)
    except UsageError:
        return
    assert isinstance(selection("site.TestShop.test_login"), bool)

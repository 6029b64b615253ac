"""What others say is shown, and does nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loads.wire.plain import MOST_CHARACTERS, is_plain, plain


@given(st.text())
def test_nothing_in_it_steers_a_terminal(text: str) -> None:
    assert plain(text).isprintable()
    assert plain(plain(text)) == plain(text)


def test_what_can_be_shown_stays_as_it_is() -> None:
    assert plain("Žofie of desk") == "Žofie of desk"
    assert plain("a\tb\x1b[2J", keep="\t") == "a\tb\\x1b[2J"
    assert is_plain("Žofie")
    assert not is_plain("a\nb")
    assert not is_plain("a" * (MOST_CHARACTERS + 1))

"""docs/protocol.rst says what the messages are now."""

import runpy
import typing
from pathlib import Path

from loads.wire import cluster, messages

DOCS = Path(__file__).parents[3] / "docs"


def generated() -> str:
    page: str = runpy.run_path(str(DOCS / "protocol.py"))["page"]()
    return page


def test_the_page_is_that_of_the_messages_as_they_are() -> None:
    committed = (DOCS / "protocol.rst").read_text(encoding="utf-8")
    assert committed == generated(), "the messages have changed: run python docs/protocol.py"


def test_each_message_has_an_entry_that_says_who_speaks() -> None:
    lines = generated().splitlines()
    for union in (cluster.ToBroker, cluster.FromBroker, messages.Message):
        for message in typing.get_args(union):
            module = message.__module__.rpartition(".")[2]
            at = lines.index(f".. _protocol-{module}-{message.__name__}:".lower())
            assert lines[at + 2] == message.__name__
            assert " to " in lines[at + 5]


def test_fields_are_shown_with_type_default_and_meaning() -> None:
    text = generated()
    said = text.partition("\nSubmit\n~~~~~~\n")[2].partition("~~~~")[0]
    assert "    * - ``agents``\n      - integer or null\n      -\n      - so many; None: all that are free." in said
    assert "    * - ``wait``\n      - boolean\n      - false\n" in said


def test_what_is_said_beneath_a_field_is_its_meaning() -> None:
    said = generated().partition("\nUpdate\n~~~~~~\n")[2].partition("~~~~")[0]
    assert "    * - ``gone``\n      - array of integer\n      - empty\n      - Workers that run no users" in said

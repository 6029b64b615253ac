"""What a feed takes for rows, and what it says of files that it can't use."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.client.feeders import Feed, open_feed, read_feed
from loads.errors import UsageError


def fed(path: Path, text: str | bytes) -> Feed:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    read_feed.cache_clear()
    return read_feed(path)


def rows(feed: Feed) -> list[Any]:
    return [feed.row(number) for number in range(len(feed))]


def refused(path: Path, text: str | bytes) -> str:
    with pytest.raises(UsageError) as caught:
        fed(path, text)
    return caught.value.message


def test_a_csv_file_has_its_names_in_the_first_line(tmp_path: Path) -> None:
    assert rows(fed(tmp_path / "a.csv", "id,name\n1,Ann\n2,Bob\n")) == [
        {"id": "1", "name": "Ann"},
        {"id": "2", "name": "Bob"},
    ]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffid,name\n1,Ann\n",
        "id,name\r\n1,Ann\r\n",
        "id,name\n1,Ann",
        "\n\nid,name\n\n\n1,Ann\n\n",
        'id,"name"\n"1","Ann"\n',
    ],
)
def test_marks_of_byte_order_line_ends_and_empty_lines_change_nothing(tmp_path: Path, text: str) -> None:
    assert rows(fed(tmp_path / "a.csv", text)) == [{"id": "1", "name": "Ann"}]


def test_what_is_quoted_may_hold_lines_commas_and_quotes(tmp_path: Path) -> None:
    feed = fed(tmp_path / "a.csv", 'id,text\n1,"a\nb, ""c"""\n\n2,d\n')
    assert rows(feed) == [{"id": "1", "text": 'a\nb, "c"'}, {"id": "2", "text": "d"}]


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2, max_size=2), min_size=1))
def test_a_csv_file_is_read_as_csv_reads_it(tmp_path_factory: pytest.TempPathFactory, table: list[list[str]]) -> None:
    stream = io.StringIO()
    csv.writer(stream).writerows([["a", "b"], *table])
    feed = fed(tmp_path_factory.getbasetemp() / "drawn.csv", stream.getvalue())
    assert rows(feed) == list(csv.DictReader(io.StringIO(stream.getvalue(), newline="")))


@given(st.lists(st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5), min_size=1))
def test_json_lines_are_read_as_json_reads_them(tmp_path_factory: pytest.TempPathFactory, values: list[Any]) -> None:
    text = "\n\n".join(json.dumps(value) for value in values)
    assert rows(fed(tmp_path_factory.getbasetemp() / "drawn.jsonl", text)) == values


def test_each_row_is_a_fresh_one(tmp_path: Path) -> None:
    feed = fed(tmp_path / "a.ndjson", '{"a": [1]}\n')
    feed.row(0)["a"].append(2)
    assert feed.row(0) == {"a": [1]}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "a,b\n1,2\n3\n", "line 3: it has 1 fields, and there are 2 columns"),
        ("a.csv", 'a,b\n"1\n",2\n3,4,5\n', "line 4: it has 3 fields"),
        ("a.csv", 'a,b\n1,2\n"3,4\n', "line 3: unexpected end of data"),
        ("a.csv", "a,b,a\n", "line 1: two columns are called 'a'"),
        ("a.csv", b"a,b\n1,\xff\n", "line 2: it is not UTF-8"),
        ("a.csv", "a,b\r1,2\r", "line 1: new-line character"),
        ("a.csv", "a,b\n", "holds no rows"),
        ("a.csv", "", "holds no rows"),
        ("a.jsonl", "\n \n", "holds no rows"),
        ("a.jsonl", "1\n{\n", "line 2: "),
        ("a.jsonl", "1\n[NaN]\n", "line 2: "),
        ("a.jsonl", "[" * 100_000, "line 1: "),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, name: str, text: str | bytes, said: str) -> None:
    message = refused(tmp_path / name, text)
    assert said in message
    assert message.startswith(str(tmp_path / name))


@given(st.binary(max_size=200), st.sampled_from(["a.csv", "a.jsonl"]))
def test_whatever_a_file_holds_it_is_rows_or_a_usage_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, name: str
) -> None:
    try:
        feed = fed(tmp_path_factory.getbasetemp() / name, data)
    except UsageError:
        return
    assert rows(feed)


def test_a_file_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    first = fed(path, "a\n1\n")
    path.write_text("a\n2\n")
    assert read_feed(path) is first


class Here:
    """Its module's directory is that of this file."""


def test_it_is_looked_for_beside_the_test_then_here_then_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for directory in ("beside", "here", "path"):
        (tmp_path / directory).mkdir()
        (tmp_path / directory / "u.csv").write_text(f"in\n{directory}\n")
    monkeypatch.setattr(sys.modules[__name__], "__file__", str(tmp_path / "beside" / "shop.py"))
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.syspath_prepend(tmp_path / "path")
    found = []
    for directory in ("beside", "here", "path"):
        open_feed.cache_clear()
        found.append(open_feed(Here, "u.csv").row(0)["in"])
        (tmp_path / directory / "u.csv").unlink()
    assert found == ["beside", "here", "path"]
    open_feed.cache_clear()
    with pytest.raises(UsageError, match=r"there is no u.csv to feed from") as caught:
        open_feed(Here, "u.csv")
    assert str(tmp_path / "beside") in caught.value.hint
    assert "--include-file" in caught.value.hint


def test_other_kinds_of_files_are_no_feeds() -> None:
    with pytest.raises(UsageError, match=r"'u.txt' can't be fed from"):
        open_feed(Here, "u.txt")

"""Which runs of all are shown."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from loads.report.page import RunRow, Stage
from loads.web.histories import MOST, Query, select


def row(number: int, **more: object) -> RunRow:
    about: dict[str, object] = {
        "id": f"run-{number}",
        "label": "",
        "tags": {},
        "who": "ana@desk",
        "targets": ("shop.py",),
        "agents": ("north",),
        "stage": Stage.ENDED,
        "verdict": "passed",
        "trouble": "",
        "created_at": datetime(2026, 11, 1, 12, tzinfo=UTC) + timedelta(days=number),
        "elapsed_us": 1,
        "users": 1,
        "hits": 1,
        "failed": 0,
        "rps": 1.0,
        "p95_us": 1.0,
    }
    return RunRow(**{**about, **more})  # type: ignore[arg-type]


def found(rows: list[RunRow], **query: object) -> list[str]:
    return [row.id for row in select(rows, Query(**query)).runs]  # type: ignore[arg-type]


ROWS = [
    row(1, label="nightly", tags={"branch": "main"}),
    row(2, label="nightly", tags={"branch": "main", "team": "shop"}, verdict="failed"),
    row(3, tags={"branch": "topic"}, who="bo@lab", targets=("pages.TestPages",)),
    row(4, stage=Stage.RUNNING, verdict=None),
    row(5, stage=Stage.REFUSED, verdict=None, trouble="no such file"),
]


def test_the_newest_comes_first() -> None:
    assert found(ROWS) == ["run-5", "run-4", "run-3", "run-2", "run-1"]


def test_every_word_must_be_somewhere() -> None:
    assert found(ROWS, text="BO") == ["run-3"]
    assert found(ROWS, text="nightly team=shop") == ["run-2"]
    assert found(ROWS, text="nightly lab") == []
    assert found(ROWS, text="testpages") == ["run-3"]


def test_by_name_and_tags() -> None:
    assert found(ROWS, label="nightly") == ["run-2", "run-1"]
    assert found(ROWS, label="night") == []
    assert found(ROWS, tags={"branch": "main", "team": "shop"}) == ["run-2"]
    assert found(ROWS, tags={"team": ""}) == []


def test_by_verdict_or_by_where_those_are_that_have_none() -> None:
    assert found(ROWS, verdict="failed") == ["run-2"]
    assert found(ROWS, verdict="running") == ["run-4"]
    assert found(ROWS, verdict="refused") == ["run-5"]


def test_by_days_of_which_both_count() -> None:
    days = [row.created_at.astimezone().date() for row in ROWS]
    assert found(ROWS, first=days[1], last=days[2]) == ["run-3", "run-2"]
    assert found(ROWS, last=date(2020, 1, 1)) == []


def test_what_there_is_to_choose_from_is_of_all_runs() -> None:
    answer = select(ROWS, Query(text="run-4"))
    assert answer.labels == ("nightly",)
    assert answer.tags == {"branch": ("main", "topic"), "team": ("shop",)}


@given(st.integers(0, 40), st.integers(0, 50), st.integers(1, 50))
def test_pages_are_the_whole_without_gaps_or_repeats(count: int, offset: int, limit: int) -> None:
    rows = [row(number) for number in range(count)]
    answer = select(rows, Query(offset=offset, limit=limit))
    assert answer.total == count
    assert [each.id for each in answer.runs] == found(rows, limit=MOST)[offset : offset + limit]

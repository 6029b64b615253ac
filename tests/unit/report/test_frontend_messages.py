"""What is promised here: the pages' types are those of the code."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loads.report import page

FRONTEND = Path(__file__).parents[3] / "frontend"


def made() -> dict[str, Any]:
    return runpy.run_path(str(FRONTEND / "messages.py"))


def test_the_committed_types_are_those_of_the_frames() -> None:
    committed = (FRONTEND / "src" / "messages.ts").read_text(encoding="utf-8")
    generated: Callable[[], str] = made()["source"]
    assert committed == generated(), "loads/report/page.py has changed: run python frontend/messages.py"


def test_every_type_of_the_frames_is_there_by_its_name() -> None:
    source: str = made()["source"]()
    names = [name for name, kind in vars(page).items() if isinstance(kind, type) and kind.__module__ == page.__name__]
    public = [name for name in names if not name.startswith("_")]
    assert len(public) > 30
    assert [name for name in public if f" {name} " not in source] == []


@pytest.mark.parametrize(
    ("hint", "written"),
    [
        (int | None, "number | null"),
        (tuple[str, ...], "string[]"),
        (tuple[int | None, ...], "(number | null)[]"),
        (tuple[tuple[int, float], ...], "[number, number][]"),
        (dict[int, tuple[page.Span, ...]], "Record<string, Span[]>"),
        (page.Stage, "Stage"),
    ],
)
def test_a_type_is_written_as_the_page_has_it(hint: object, written: str) -> None:
    type_of: Callable[[object], str] = made()["_type"]
    assert type_of(hint) == written

"""What is promised here: the sample that the front end is tested with is one that a server could have sent."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from loads.report import page

FRONTEND = Path(__file__).parents[3] / "frontend"


@pytest.fixture
def sample(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(FRONTEND))
    return importlib.import_module("sample")


def test_the_committed_sample_is_of_todays_frames(sample: Any) -> None:
    committed = (FRONTEND / "tests" / "sample.json").read_bytes()
    assert committed == sample.fixture(), "the frames have changed: run python frontend/sample.py --fixture"
    assert len(committed) < 60_000


def test_what_is_written_reads_as_the_frames_that_it_is(sample: Any) -> None:
    parts = msgspec.json.decode(sample.fixture())
    for told in (parts["run"], *parts["run-frames"], parts["run-final"]):
        assert isinstance(msgspec.convert(told, page.ToPage, strict=False), page.RunFrame)
    assert isinstance(msgspec.convert(parts["cluster"], page.ToPage, strict=False), page.ClusterFrame)
    assert msgspec.convert(parts["runs"], page.RunList, strict=False).total


def test_the_counts_of_a_run_add_up(sample: Any) -> None:
    run = sample.Sample(series=5, seconds=40, middle=25)
    frame = run.run(39, full=True)
    assert frame.stage is page.Stage.ENDED
    assert sum(each.hits for each in frame.figures) == frame.totals.hits
    assert sum(point.hits for point in frame.points) == frame.totals.hits
    assert sum(point.failed for point in frame.points) == frame.totals.failed
    assert sum(run.series(2, 39, full=True).points[i].hits for i in range(len(frame.points))) == frame.figures[2].hits
    assert all(sum(point.heat[1::2]) == point.hits for point in frame.points)


def test_changes_laid_on_a_full_frame_give_the_last_one(sample: Any) -> None:
    run = sample.Sample(series=4, seconds=50, middle=30)
    points = {point[:2]: point for point in map(msgspec.structs.astuple, run.run(29, full=True).points)}
    for t in range(30, 50):
        frame = run.run(t, full=False)
        for span in frame.gone:
            del points[span.t_us, span.width_us]
        points |= {point[:2]: point for point in map(msgspec.structs.astuple, frame.points)}
    assert sorted(points.values()) == sorted(map(msgspec.structs.astuple, run.run(49, full=True).points))

"""Fixtures that all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands import LoadsRunner
from tests.servers import Nginx, run_nginx, run_site


@pytest.fixture
def loads(tmp_path: Path) -> LoadsRunner:
    """loads-runner in an empty directory."""
    directory = tmp_path / "run"
    directory.mkdir()
    return LoadsRunner(directory)


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Nginx]:
    """An nginx with an access log of its own."""
    directory = tmp_path / "nginx"
    directory.mkdir()
    with run_nginx(directory) as server:
        yield server


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """The URL of the example site."""
    with run_site() as url:
        yield url

"""Fixtures that all tests share."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.commands import LoadsRunner
from tests.servers import Nginx, run_nginx, run_site
from tests.turns import turn


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with a test that runs alone come last: then hardly anybody has to wait for it."""
    last = {item.path for item in items if item.get_closest_marker("alone")}
    items.sort(key=lambda item: item.path in last)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """With several processes, a test that runs alone waits for those of all others, and they for it."""
    if not hasattr(item.config, "workerinput"):
        return (yield)
    directory = Path(item.config.option.basetemp).parent
    with turn(directory, alone=item.get_closest_marker("alone") is not None):
        return (yield)


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

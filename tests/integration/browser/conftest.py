"""Pages that are built, and a browser for each module of tests: it must have nothing to complain of in any of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser

import loads
from tests.browser import Visitor, launched, visiting
from tests.cluster import Cluster, run_cluster
from tests.dashboards import SHOP
from tests.servers import Nginx, run_nginx

ROOT = Path(__file__).parents[3]
Visit = Callable[..., Visitor]


@pytest.fixture(scope="session")
def pages() -> None:
    """The built front end. A wheel has it; a clone builds it if its sources are newer, one process at a time."""
    if not Path(loads.__file__).is_relative_to(ROOT / "loads"):
        return
    done = subprocess.run([sys.executable, ROOT / "frontend" / "build.py"], capture_output=True, text=True, check=False)
    if done.returncode and not os.environ.get("CI"):
        pytest.skip(f"the pages can't be built: {done.stderr}")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """What is tested by the runs that are looked at."""
    with run_nginx(tmp_path_factory.mktemp("nginx")) as server:
        yield server


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A broker and two agents, north and south."""
    with run_cluster("north", "south") as started:
        started.write("shop.py", SHOP)
        yield started


@pytest.fixture(scope="module")
def browser(pages: None, cluster: Cluster) -> Iterator[Browser]:
    """Chromium; what asks the cluster something has to do so `apart` now."""
    with launched() as started:
        yield started


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Lets somebody in who has cookies of their own, with playwright's options for contexts."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(visiting(browser, **options))

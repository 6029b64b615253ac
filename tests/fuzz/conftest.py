"""How much hypothesis does, and the broker that intruders work upon."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.build import load_profile
from tests.intruders import Siege, besiege
from tests.servers import run_nginx

load_profile()


@pytest.fixture(scope="module")
def siege(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siege]:
    """A broker with a run in it, for all tests of a file; in the end nothing of the run may be missing."""
    with run_nginx(tmp_path_factory.mktemp("nginx")) as nginx, besiege(nginx) as started:
        yield started

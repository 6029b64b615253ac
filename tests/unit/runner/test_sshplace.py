"""Where a tunnel has its sockets."""

from __future__ import annotations

import stat
import tempfile
from pathlib import Path

import pytest

from loads.runner.sshplace import MAX_BYTES, private_place


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A short path that nobody else has; temporary files go there, too."""
    base = Path(tempfile.mkdtemp(prefix="lp-", dir="/tmp"))
    monkeypatch.setattr(tempfile, "tempdir", str(base))
    return base


def test_it_is_this_users_alone_and_gone_in_the_end(base: Path) -> None:
    with private_place(base / "run") as place:
        assert place.parent == base / "run"
        assert stat.S_IMODE(place.stat().st_mode) == stat.S_IMODE(place.parent.stat().st_mode) == 0o700
        (place / "control").touch()
    assert list((base / "run").iterdir()) == []


def test_what_a_killed_process_left_is_removed_by_the_next(base: Path) -> None:
    for name in ("ssh-killed01", "ssh-halfmade"):
        (base / "run" / name).mkdir(parents=True, mode=0o700)
    (base / "run").chmod(0o700)
    (base / "run" / "ssh-killed01" / "lock").touch()
    (base / "run" / "broker.sock").touch()
    with private_place(base / "run") as first, private_place(base / "run") as second:
        assert set((base / "run").iterdir()) == {first, second, base / "run" / "broker.sock"}


def test_a_path_that_is_too_long_for_sockets_is_not_used(base: Path) -> None:
    long = base / ("x" * MAX_BYTES)
    with private_place(long) as place:
        assert place.parent == base
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert list(base.iterdir()) == []


def test_a_directory_that_others_may_enter_is_not_used(base: Path) -> None:
    (base / "run").mkdir()
    (base / "run").chmod(0o755)
    with private_place(base / "run") as place:
        assert place.parent == base

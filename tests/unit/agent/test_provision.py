"""Working directories: whose they are, and what is written into them."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest

from loads.agent.provision import NotProvided, Provision
from loads.pool.confine import Confinement, WorkerUser

OTHER = WorkerUser("ada", 54_321, 54_321, (), "/nonexistent")
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")


def provision(directory: Path, user: WorkerUser | None = None) -> Provision:
    return Provision(directory, lambda _: True, Confinement({}, user=user))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_without_another_user_all_is_closed(tmp_path: Path) -> None:
    own = provision(tmp_path)
    assert asyncio.run(own.obtain(None, own.named("kept"))) == (".",)
    assert {mode(tmp_path / name) for name in ("work", "work/kept", "environments", "bundles")} == {0o700}


def test_what_a_crash_left_half_copied_is_removed(tmp_path: Path) -> None:
    left = tmp_path / "work" / ".fresh-1"
    left.mkdir(parents=True)
    provision(tmp_path)
    assert not left.exists()


@root_only
def test_another_users_working_directory_is_his_alone_below_one_that_he_can_pass(tmp_path: Path) -> None:
    others = provision(tmp_path, OTHER)
    work = others.named("kept")
    asyncio.run(others.obtain(None, work))
    assert (work.stat().st_uid, mode(work)) == (OTHER.uid, 0o700)
    assert [mode(tmp_path / name) for name in ("work", "environments", "bundles")] == [0o711, 0o711, 0o700]


@root_only
def test_a_directory_of_somebody_else_is_not_written_to(tmp_path: Path) -> None:
    """He may have put links anywhere in it."""
    work = provision(tmp_path, OTHER).named("kept")
    work.mkdir()
    for asking, owner in ((OTHER, os.geteuid()), (None, OTHER.uid)):
        os.chown(work, owner, -1)
        with pytest.raises(NotProvided) as caught:
            asyncio.run(provision(tmp_path, asking).obtain(None, work))
        assert "the working directory kept belongs to another user" in caught.value.trouble.message
        assert "--test-dir" in caught.value.trouble.hint

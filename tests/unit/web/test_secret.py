"""The login's secret: made once, kept, for this user alone."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from loads.errors import LoadsError, UsageError
from loads.web.secret import keep


def test_it_is_made_once_and_the_same_ever_after(tmp_path: Path) -> None:
    first = keep(tmp_path / "secret.json")
    assert keep(tmp_path / "secret.json") == first
    assert len(first.token) >= 43
    assert first.token != first.signing


def test_only_its_user_may_read_it_and_nothing_else_is_left(tmp_path: Path) -> None:
    keep(tmp_path / "secret.json")
    keep(tmp_path / "secret.json", new=True)
    (path,) = tmp_path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_new_one_is_another(tmp_path: Path) -> None:
    first, second = keep(tmp_path / "secret.json"), keep(tmp_path / "secret.json", new=True)
    assert first.token != second.token
    assert first.signing != second.signing
    assert keep(tmp_path / "secret.json") == second


def test_two_that_start_at_once_have_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = set(threads.map(lambda _: keep(tmp_path / "secret.json"), range(16)))
    assert len(made) == 1


def test_one_that_others_can_read_is_refused_and_replaced_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "secret.json"
    keep(path)
    path.chmod(0o644)
    with pytest.raises(UsageError, match="others may read it"):
        keep(path)
    assert keep(path, new=True)


@pytest.mark.parametrize("text", ["", "{}", "no", '{"token": "", "signing": ""}', '{"token": 1, "signing": 2}'])
def test_what_is_no_secret_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "secret.json"
    path.touch(mode=0o600)
    path.write_text(text)
    with pytest.raises(UsageError, match="no secret"):
        keep(path)


def test_a_place_that_can_t_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(LoadsError, match="can't keep"):
        keep(tmp_path / "missing" / "secret.json")

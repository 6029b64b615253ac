"""Which requirements mean the same on every machine, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.bundle.requirements import find_problems, read_requirements
from loads.errors import UsageError


def test_files_are_followed_and_lines_come_out_as_pip_joins_them(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "all.txt").write_text(
        "# what we need\n"
        "--extra-index-url https://example.invalid/simple/\n"
        "requests[socks] >= 2.0 , < 3  # not too old\n"
        "-r more/base.txt\n"
        "--requirement=more/base.txt\n"
        "-c limits.txt\n"
        "exact==1.0 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n"
        "direct @ https://example.invalid/direct-1.0.tar.gz#egg=direct\n"
        "marked; python_version < '4'\n"
        "https://example.invalid/other-1.0-py3-none-any.whl\n"
        "\n"
    )
    (tmp_path / "more/base.txt").write_text("-r ../all.txt\nbase\n")
    (tmp_path / "limits.txt").write_text("base<2\n")
    assert read_requirements(tmp_path / "all.txt") == (
        "--extra-index-url https://example.invalid/simple/",
        "requests[socks] >= 2.0 , < 3",
        "base",
        "-c base<2",
        "exact==1.0 --hash=sha256:00 --hash=sha256:11",
        "direct @ https://example.invalid/direct-1.0.tar.gz#egg=direct",
        "marked; python_version < '4'",
        "https://example.invalid/other-1.0-py3-none-any.whl",
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("-e .", "an editable install can't be shipped"),
        ("--editable=./x", "an editable install can't be shipped"),
        ("./vendored", "that is no package by its name"),
        ("vendored/pkg-1.0.whl", "that is no package by its name"),
        ("pkg-1.0-py3-none-any.whl", "agents don't have that file"),
        ("/opt/pkg-1.0.tar.gz", "that is no package by its name"),
        ("file:///opt/pkg-1.0.tar.gz", "that is no package by its name"),
        ("pkg @ file:///opt/pkg", "agents don't have that file"),
        ("-f wheels", "agents don't have that directory"),
        ("--find-links /nfs/wheels", None),
        ("--target /tmp", "no meaning on an agent"),
        ("--prefix=/usr", "no meaning on an agent"),
        ("--user", "no meaning on an agent"),
        ("-r https://example.invalid/x.txt", "a file on another machine is not fetched"),
        ("-r missing.txt", "missing.txt can't be read: No such file"),
        ("-i https://example.invalid/simple", None),
        ("--no-binary :all:", None),
        ("--pre", None),
    ],
)
def test_what_only_this_machine_has_is_refused(tmp_path: Path, line: str, said: str | None) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text(f"{line}\n")
    if said is None:
        assert read_requirements(path) == (line,)
        return
    with pytest.raises(UsageError) as caught:
        read_requirements(path)
    assert said in caught.value.message
    assert caught.value.hint


def test_all_problems_are_told(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("-e .\n./x\n-r none.txt\ngood\n")
    with pytest.raises(UsageError, match="3 problems"):
        read_requirements(tmp_path / "r.txt")


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not UTF-8"):
        read_requirements(tmp_path / "r.txt")


@pytest.mark.parametrize("line", ["one\n-e /etc", "one\r--pre", " one", "one\0", ""])
def test_what_is_received_is_one_requirement_a_line(line: str) -> None:
    assert find_problems([line])


@given(st.text(max_size=200))
def test_any_text_gives_lines_without_problems_or_says_what_is_wrong(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("any") / "r.txt"
    path.write_text(text, encoding="utf-8", errors="replace")
    try:
        lines = read_requirements(path)
    except UsageError:
        return
    assert find_problems(lines) == []

from __future__ import annotations

import resource

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.errors import UsageError
from loads.pool.limits import NO_CORE, find_file_doubts, parse_limits


@given(st.integers(1, 1 << 30), st.sampled_from(["", "k", "m", "g"]))
def test_limits_are_read_as_they_are_written(amount: int, unit: str) -> None:
    size_bytes = amount << {"": 0, "k": 10, "m": 20, "g": 30}[unit]
    assert parse_limits([f"memory={amount}{unit}"]) == {**NO_CORE, resource.RLIMIT_AS: size_bytes}


def test_each_limit_is_a_kernels() -> None:
    assert parse_limits(["file-size=1m", "files=20", "processes=30"]) == {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 1 << 20,
        resource.RLIMIT_NOFILE: 20,
        resource.RLIMIT_NPROC: 30,
    }
    assert parse_limits([]) == NO_CORE


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("memory", "'' is not a size"),
        ("memory=much", "'much' is not a size"),
        ("memory=0", "nothing can be done with none of it"),
        ("files=2k", "'2k' is not a number"),
        ("files=-1", "'-1' is not a number"),
        ("files=999999999", "the agent itself may have no more than"),
        ("cpu=1s", "there is no such limit"),
        ("", "there is no such limit"),
    ],
)
def test_a_limit_that_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_limits([text])
    assert caught.value.message.startswith(f"--limit {text}: {message}")
    assert caught.value.hint


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(UsageError, match="3 problems"):
        parse_limits(["memory=1g", "memory=2g", "x=1", "processes=9"], as_root=True)


def test_a_limit_of_files_counts_for_the_warning() -> None:
    assert find_file_doubts(10) == []
    [doubt] = find_file_doubts(10, {resource.RLIMIT_NOFILE: 50})
    assert "about 74 open files and 50 are allowed" in doubt

from __future__ import annotations

import resource

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.errors import UsageError
from loads.plan.load import LoadOptions
from loads.plan.spec import build_plan
from loads.pool import limits
from loads.pool.limits import (
    FEWEST_USERS,
    MOST_USERS,
    NO_CORE,
    count_workers,
    find_doubts,
    find_file_doubts,
    parse_limits,
    room_for_users,
)
from loads.units import RATE_PER_S, US_PER_S

GIB = 1 << 30
OPEN = LoadOptions(arrival_rate=500 * RATE_PER_S, duration_us=3_600 * US_PER_S)


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


# Room for users, where nobody says how many.


def room(
    monkeypatch: pytest.MonkeyPatch,
    memory_bytes: int,
    files: int = resource.RLIM_INFINITY,
    *,
    workers: int = 2,
    given_limits: dict[int, int] | None = None,
) -> int:
    monkeypatch.setattr(limits, "available_bytes", lambda: memory_bytes)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
    return room_for_users(workers, given_limits or {})


def test_users_get_half_of_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """100 KiB each: 1 GiB has room for 5,242, in hundreds."""
    assert room(monkeypatch, GIB) == 5_200


def test_a_small_load_always_fits_and_there_is_a_most(monkeypatch: pytest.MonkeyPatch) -> None:
    assert room(monkeypatch, 0) == FEWEST_USERS == 100
    assert room(monkeypatch, 10_000 * GIB) == MOST_USERS == 100_000
    assert room(monkeypatch, GIB, files=10) == FEWEST_USERS


@pytest.mark.parametrize(("workers", "users"), [(0, 900), (1, 900), (2, 1_900)])
def test_each_user_may_have_a_connection(workers: int, users: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert room(monkeypatch, 100 * GIB, files=1_024, workers=workers) == users


def test_limits_of_workers_count(monkeypatch: pytest.MonkeyPatch) -> None:
    assert room(monkeypatch, 100 * GIB, given_limits={resource.RLIMIT_NOFILE: 564}) == 1_000
    assert room(monkeypatch, 100 * GIB, given_limits={resource.RLIMIT_AS: GIB}) == 10_400


def test_on_this_machine_there_is_room() -> None:
    assert FEWEST_USERS <= room_for_users(2) <= MOST_USERS


@given(st.integers(0, 1 << 45), st.integers(100, 1 << 20), st.integers(0, 64))
def test_users_that_were_guessed_never_run_out_of_files(memory_bytes: int, files: int, workers: int) -> None:
    """So nobody who did not ask for that many is warned of them; but for machines that are too small for any load."""
    with pytest.MonkeyPatch.context() as patch:
        users = room(patch, memory_bytes, files, workers=workers)
        plan = build_plan(OPEN, 1, room=users)
        assert plan.max_users == users
        assert find_doubts(plan, workers) == [] or users == FEWEST_USERS


@pytest.mark.parametrize(("most", "workers", "count"), [(None, 7, 7), (1, 2, 1), (3, 2, 2), (3, 8, 3), (1, 0, 1)])
def test_arrivals_have_no_more_workers_than_there_may_be_users(most: int | None, workers: int, count: int) -> None:
    assert count_workers(msgspec.structs.replace(OPEN, max_users=most), workers) == count


def test_one_arrival_has_one_worker() -> None:
    assert count_workers(LoadOptions(arrival_rate=1, duration_us=US_PER_S), 4) == 1

from __future__ import annotations

import stat
from pathlib import Path

import msgspec
import pytest

from loads.agent.records import Acked, Base, Format, Record, Sealed, Took, encode_record
from loads.agent.spool import Spool
from loads.errors import LoadsError

RECORDS: tuple[Record, ...] = (Took(0, 7, "page"), Sealed(1, b"batch"), Acked(1))


def spooled(directory: Path, *records: Record) -> Path:
    """The file of a run whose agent died after it had written `records`."""
    spool = Spool(directory)
    for record in records:
        spool.append("a1", 5, record)
    return spool.place("a1", 5) / "records"


def test_another_process_finds_what_was_written(tmp_path: Path) -> None:
    spooled(tmp_path, *RECORDS)
    assert list(Spool(tmp_path).found()) == [("a1", 5, RECORDS)]


def test_a_new_beginning_takes_the_place_of_all_and_can_be_added_to(tmp_path: Path) -> None:
    spooled(tmp_path, *RECORDS)
    spool = Spool(tmp_path)
    spool.rewrite("a1", 5, Base(1, {}))
    spool.append("a1", 5, RECORDS[0])
    assert list(Spool(tmp_path).found()) == [("a1", 5, (Base(1, {}), RECORDS[0]))]


def test_a_torn_record_is_cut_off_wherever_it_is_torn_and_more_can_be_added(tmp_path: Path) -> None:
    data = spooled(tmp_path, *RECORDS).read_bytes()
    for at in range(len(data)):
        path = spooled(tmp_path)
        path.write_bytes(data[:at])
        [(_, _, left)] = Spool(tmp_path).found()
        assert left == RECORDS[: len(left)]
        assert data.startswith(path.read_bytes())
        spooled(tmp_path, RECORDS[2])
        assert list(Spool(tmp_path).found()) == [("a1", 5, (*left, RECORDS[2]))]


OTHERS = {
    "a later format": encode_record(Format(version=Format().version + 1)) + encode_record(RECORDS[0]),
    "another protocol": encode_record(Format(protocol=Format().protocol + 1)) + encode_record(RECORDS[0]),
    "no format": encode_record(RECORDS[0]),
    "other records": b"\0\0\0\x07" + msgspec.msgpack.encode(["Taken"]) + b"more",
    "zeros": bytes(64),
}


@pytest.mark.parametrize("data", OTHERS.values(), ids=OTHERS.keys())
def test_what_another_version_wrote_is_refused_and_stays_as_it_is(tmp_path: Path, data: bytes) -> None:
    """An upgrade in the middle of a run must not cost what the run measured."""
    path = spooled(tmp_path)
    path.write_bytes(data)
    with pytest.raises(LoadsError, match="another version of loads wrote it") as caught:
        list(Spool(tmp_path).found())
    assert f"remove {path.parent}" in caught.value.hint
    assert path.read_bytes() == data


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a1-zz").mkdir()
    (tmp_path / "5").mkdir()
    assert list(Spool(tmp_path).found()) == []


def test_where_another_user_works_he_passes_and_sees_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "runs", passable=True)
    for record in RECORDS:
        spool.append("a1", 5, record)
    spool.rewrite("a1", 5, Base(1, {}))
    place = spool.place("a1", 5)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "runs", place)] == [0o711, 0o711]
    assert stat.S_IMODE((place / "records").stat().st_mode) == 0o600
    assert stat.S_IMODE(Spool(tmp_path / "runs").place("a1", 5).stat().st_mode) == 0o700

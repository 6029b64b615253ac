"""The promise: whatever an archive is, unpacking it writes nothing outside of its own directory, and raises BundleError
or nothing; after an error nothing is there at all.
"""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from loads.bundle.archive import BundleError, Limits, write_archive
from loads.bundle.unpack import unpack

LIMITS = Limits(files=20, size_bytes=50_000)
names = st.sampled_from(["../out", "/tmp/out", "a/../../out", "..", "", "a//b", "x" * 300, "a/b/c"])
more = settings(max_examples=150)

HOSTILE = ["../out", "/tmp/out", "a/../../out", "..", ".", "", "a//b", "./a", "a/.", "a/", "a\0b", "x" * 300, "a/b/c"]
KINDS = [
    *(tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE),
    *(tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CONTTYPE, tarfile.GNUTYPE_SPARSE, tarfile.GNUTYPE_LONGLINK),
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def attempt(base: Path, data: bytes) -> bool:
    """Whether `data` could be unpacked."""
    home = base / "home"
    home.mkdir(exist_ok=True)
    archive, into = base / "archive", home / "into"
    archive.write_bytes(data)
    try:
        unpack(archive, into, LIMITS)
    except BundleError:
        assert list(home.iterdir()) == []
        return False
    finally:
        assert sorted(path.name for path in base.iterdir()) == ["archive", "home"]
    assert list(home.iterdir()) == [into]
    files = [path for path in into.rglob("*") if not path.is_dir()]
    assert len(files) <= LIMITS.files
    assert sum(path.stat().st_size for path in files) <= LIMITS.size_bytes
    for path in into.rglob("*"):
        assert not path.is_symlink()
        assert path.is_dir() or path.is_file()
        assert path.is_dir() or path.stat().st_nlink == 1
        assert path.stat().st_mode & 0o7777 in (0o600, 0o700)
    for path in sorted(into.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    into.rmdir()
    return True


def tar_of(*members: tuple[str, bytes, bytes], **fields: Any) -> bytes:
    """A tar of (name, type, content)."""
    out = bytearray()
    for name, kind, content in members:
        info = tarfile.TarInfo(name)
        info.type, info.size, info.linkname = kind, len(content), "/etc/passwd"
        for field, value in fields.items():
            setattr(info, field, value)
        out += info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape") + content + bytes(-len(content) % 512)
    return bytes(out) + bytes(1024)


def good(base: Path) -> bytes:
    sources = base.parent / "sources"
    sources.mkdir(exist_ok=True)
    files = {}
    for number, name in enumerate(["a.py", "pack/b.py", "pack/data/" + "long" * 40 + ".csv", "pack/é.txt"]):
        files[name] = sources / str(number)
        files[name].write_bytes(bytes([7 * number]) + b"text " * 300 * number)
    out = io.BytesIO()
    write_archive(files, out)
    return out.getvalue()


def test_a_good_archive_is_unpacked(base: Path) -> None:
    assert attempt(base, good(base))
    assert attempt(base, gzip.compress(tar_of(("a", tarfile.REGTYPE, b"x"))))


@more
@given(st.binary(max_size=3_000))
@example(b"")
@example(gzip.compress(b""))
def test_random_bytes(base: Path, data: bytes) -> None:
    assert not attempt(base, data)
    assert not attempt(base, gzip.compress(data, 1)) or not any(data)


@more
@given(st.randoms(use_true_random=False), st.integers(1, 6), st.booleans())
def test_flipped_bytes_inside_and_outside_of_the_compression(
    base: Path, random: Random, flips: int, inside: bool
) -> None:
    whole = good(base)
    data = bytearray(gzip.decompress(whole) if inside else whole)
    for _ in range(flips):
        data[random.randrange(len(data))] = random.randrange(256)
    attempt(base, gzip.compress(data, 1) if inside else bytes(data))


@more
@given(st.randoms(use_true_random=False), st.integers(1, 5))
def test_headers_with_valid_checksums_and_other_fields(base: Path, random: Random, flips: int) -> None:
    data = bytearray(gzip.decompress(good(base)))
    block = random.choice([at for at in range(0, len(data), 512) if data[at + 257 : at + 262] == b"ustar"])
    for _ in range(flips):
        data[block + random.choice([*range(20), *range(100, 140), 156, *range(345, 360)])] = random.randrange(256)
    data[block + 148 : block + 156] = b" " * 8
    data[block + 148 : block + 156] = b"%06o\0 " % sum(data[block : block + 512])
    attempt(base, gzip.compress(data, 1))


@more
@given(st.data())
def test_truncated_and_lengthened(base: Path, data: st.DataObject) -> None:
    whole = good(base)
    assert not attempt(base, whole[: data.draw(st.integers(0, len(whole) - 1))])
    assert not attempt(base, whole + data.draw(st.binary(min_size=1, max_size=50)))
    plain = gzip.decompress(whole)
    assert not attempt(base, gzip.compress(plain[: data.draw(st.integers(0, len(plain) - 1024))], 1))
    assert not attempt(base, gzip.compress(plain + b"x", 1))


@more
@given(st.lists(st.tuples(names, st.sampled_from(KINDS), st.binary(max_size=20)), max_size=4))
def test_hostile_members(base: Path, members: list[tuple[str, bytes, bytes]]) -> None:
    possible = all(name == "a/b/c" and kind == tarfile.REGTYPE for name, kind, _ in members) and len(members) <= 1
    assert attempt(base, gzip.compress(tar_of(*members), 1)) == possible


@pytest.mark.parametrize("name", HOSTILE[:-1])
def test_hostile_names(base: Path, name: str) -> None:
    assert attempt(base, gzip.compress(tar_of((name, tarfile.REGTYPE, b"x")))) == (name == "a\0b")


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "a/../../out", "..", ".", "", "a//b", "a/.", "x" * 300])
def test_names_are_judged_before_the_disk_is(base: Path, name: str) -> None:
    archive = base / "archive"
    archive.write_bytes(gzip.compress(tar_of((name, tarfile.REGTYPE, b"x"))))
    with pytest.raises(BundleError, match="which is not allowed"):
        unpack(archive, base / "home" / "into", LIMITS)


@pytest.mark.parametrize("kind", KINDS[1:])
def test_all_but_plain_files_are_refused(base: Path, kind: bytes) -> None:
    assert not attempt(base, gzip.compress(tar_of(("name", kind, b"x" * 5))))


@pytest.mark.parametrize("names", [("a", "a"), ("a", "a/b"), ("a/b", "a"), ("a/b/c", "a/b")])
def test_names_that_are_twice(base: Path, names: tuple[str, str]) -> None:
    assert not attempt(base, gzip.compress(tar_of(*((name, tarfile.REGTYPE, b"") for name in names))))


@pytest.mark.parametrize("size", [-1, 1 << 40, 1 << 70, 50_001])
def test_sizes_that_are_not_so(base: Path, size: int) -> None:
    header = tarfile.TarInfo("a").tobuf(tarfile.GNU_FORMAT)
    field = (size % (1 << 88)).to_bytes(11, "big")
    data = bytearray(header[:124] + (b"\xff" if size < 0 else b"\x80") + field + header[136:])
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data)
    assert not attempt(base, gzip.compress(bytes(data) + bytes(4096)))


def test_a_bomb_costs_no_more_than_the_limits(base: Path) -> None:
    assert not attempt(base, gzip.compress(tar_of(("zeros", tarfile.REGTYPE, bytes(30 << 20)))))
    assert not attempt(base, gzip.compress(tar_of(*((f"f{number}", tarfile.REGTYPE, b"") for number in range(21)))))


@pytest.mark.parametrize("times", [2, 5_000])
def test_long_names_without_end(base: Path, times: int) -> None:
    member = ("././@LongLink", tarfile.GNUTYPE_LONGNAME, b"name\0")
    assert not attempt(base, gzip.compress(tar_of(*[member] * times, ("a", tarfile.REGTYPE, b""))))


def test_a_link_that_stands_where_the_directory_goes_is_not_followed(base: Path) -> None:
    elsewhere, into = base / "home" / "elsewhere", base / "home" / "into"
    elsewhere.mkdir(parents=True)
    into.symlink_to(elsewhere)
    archive = base / "archive"
    archive.write_bytes(good(base))
    with pytest.raises(BundleError):
        unpack(archive, into, LIMITS)
    assert list(elsewhere.iterdir()) == []
    into.unlink()
    elsewhere.rmdir()

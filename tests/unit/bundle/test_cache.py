"""Bundles that are received in pieces, kept, unpacked, and let go."""

from __future__ import annotations

import hashlib
import itertools
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.bundle.archive import BundleError, Limits
from loads.bundle.cache import BundleCache, BundleWriter
from loads.bundle.pack import Packed, pack

_numbers = itertools.count()


def bundle_of(directory: Path, text: str) -> Packed:
    home = directory / f"suite{next(_numbers)}"
    home.mkdir()
    (home / "t.py").write_text(text)
    return pack(["t"], directory=home, archive=home / "bundle.tar.gz")


def receive(cache: BundleCache, packed: Packed, piece_bytes: int = 100) -> None:
    writer = cache.writer(packed.sha256, packed.size_bytes)
    while not writer.is_whole:
        writer.add(writer.missing_from, packed.read(writer.missing_from, piece_bytes))
    writer.close()


@pytest.fixture
def cache(tmp_path: Path) -> BundleCache:
    return BundleCache(tmp_path / "cache")


def test_a_bundle_comes_in_pieces_and_is_read_in_pieces(tmp_path: Path, cache: BundleCache) -> None:
    packed = bundle_of(tmp_path, "x = 1")
    assert cache.archive(packed.sha256) is None
    assert cache.read(packed.sha256, 0, 10) == (b"", 0)
    receive(cache, packed, 7)
    whole = packed.archive.read_bytes()
    assert cache.read(packed.sha256, 3, 5) == (whole[3:8], len(whole))
    assert cache.read(packed.sha256, len(whole) + 9, 5) == (b"", len(whole))
    assert cache.path_of(packed.sha256) is None
    tree = cache.unpacked(packed.sha256)
    assert (tree / "t.py").read_text() == "x = 1"
    assert cache.path_of(packed.sha256) == tree == cache.unpacked(packed.sha256)


@given(st.lists(st.tuples(st.integers(-5, 250), st.integers(0, 60)), max_size=30), st.integers(0, 3))
def test_pieces_that_are_not_next_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[tuple[int, int]], restarts: int
) -> None:
    """Whatever is said twice, too early, or across a restart: in the end it is whole."""
    tmp_path = tmp_path_factory.mktemp("cache")
    packed = bundle_of(tmp_path, "y = 2\n" * 20)
    whole = packed.archive.read_bytes()
    cache = BundleCache(tmp_path / "cache")
    for _ in range(restarts + 1):
        writer = cache.writer(packed.sha256, packed.size_bytes)
        for offset, length in pieces:
            if 0 <= offset < len(whole):
                writer.add(offset, whole[offset : offset + length])
        before = writer.missing_from
        writer.close()
        cache = BundleCache(tmp_path / "cache")
        writer = cache.writer(packed.sha256, packed.size_bytes)
        assert writer.missing_from == before
        writer.close()
    receive(cache, packed)
    assert cache.read(packed.sha256, 0, len(whole)) == (whole, len(whole))


def test_who_asks_for_a_bundle_that_is_being_written_gets_the_same_writer(tmp_path: Path, cache: BundleCache) -> None:
    packed = bundle_of(tmp_path, "z")
    one, other = (cache.writer(packed.sha256, packed.size_bytes) for _ in range(2))
    one.add(0, packed.read(0, 50))
    one.close()
    assert other.add(50, packed.read(50, packed.size_bytes))
    other.close()
    assert cache.writer(packed.sha256, packed.size_bytes).is_whole
    with pytest.raises(BundleError, match="has"):
        cache.writer(packed.sha256, packed.size_bytes + 1)


def fails(writer: BundleWriter, data: bytes, said: str) -> None:
    with pytest.raises(BundleError, match=said):
        writer.add(0, data)
    with pytest.raises(BundleError, match=said):
        writer.add(0, data)
    assert not writer.is_whole


def test_damaged_and_too_long_bundles_are_deleted(tmp_path: Path, cache: BundleCache) -> None:
    packed = bundle_of(tmp_path, "z")
    for data, said in ((bytes(packed.size_bytes), "damaged"), (bytes(packed.size_bytes + 1), "longer")):
        writer = cache.writer(packed.sha256, packed.size_bytes)
        fails(writer, data, said)
        writer.close()
        assert list((tmp_path / "cache").iterdir()) == []
    receive(cache, packed)


def test_a_rest_of_something_else_is_begun_anew(tmp_path: Path, cache: BundleCache) -> None:
    packed = bundle_of(tmp_path, "z")
    for rest in (bytes(packed.size_bytes), bytes(packed.size_bytes + 1)):
        cache.part(packed.sha256).write_bytes(rest)
        writer = cache.writer(packed.sha256, packed.size_bytes)
        assert writer.missing_from == 0
        writer.close()
        assert cache.part(packed.sha256).stat().st_size == 0
    cache.part(packed.sha256).write_bytes(packed.archive.read_bytes())
    assert cache.writer(packed.sha256, packed.size_bytes).is_whole


@pytest.mark.parametrize("name", ["", "../" + "a" * 61, "A" * 64, "a" * 64 + "\n", "a" * 65])
def test_names_that_are_no_sha256_never_reach_the_disk(tmp_path: Path, cache: BundleCache, name: str) -> None:
    with pytest.raises(BundleError):
        cache.writer(name, 10)
    assert cache.read(name, 0, 5) == (b"", 0)
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize("size_bytes", [-1, 0, 1 << 40])
def test_sizes_that_no_bundle_has(cache: BundleCache, size_bytes: int) -> None:
    with pytest.raises(BundleError):
        cache.writer("a" * 64, size_bytes)


def test_an_archive_that_can_not_be_unpacked_is_forgotten(tmp_path: Path, cache: BundleCache) -> None:
    data = b"no archive"
    sha256 = hashlib.sha256(data).hexdigest()
    writer = cache.writer(sha256, len(data))
    assert writer.add(0, data)
    writer.close()
    with pytest.raises(BundleError, match="damaged"):
        cache.unpacked(sha256)
    assert cache.archive(sha256) is None
    assert list((tmp_path / "cache").iterdir()) == []
    with pytest.raises(BundleError, match="there is no bundle"):
        cache.unpacked(sha256)


def test_the_least_recently_used_goes_but_not_what_is_in_use(tmp_path: Path) -> None:
    cache = BundleCache(tmp_path / "cache", most=2)
    one, two, three, four = (bundle_of(tmp_path, str(number)) for number in range(4))
    receive(cache, one)
    receive(cache, two)
    cache.unpacked(one.sha256)
    receive(cache, three)
    assert cache.archive(two.sha256) is None
    with cache.using(one.sha256):
        receive(cache, two)
        receive(cache, four)
        assert cache.path_of(one.sha256) is not None
        assert cache.archive(three.sha256) is None
    assert cache.archive(four.sha256) is not None


def test_bytes_are_limited_but_the_latest_stays(tmp_path: Path) -> None:
    cache = BundleCache(tmp_path / "cache", most_bytes=10)
    one, two = (bundle_of(tmp_path, str(number)) for number in range(2))
    receive(cache, one)
    assert cache.unpacked(one.sha256).is_dir()
    receive(cache, two)
    assert cache.archive(one.sha256) is None
    assert cache.archive(two.sha256) is not None
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [f"{two.sha256}.tar.gz"]


def test_a_restart_finds_what_is_whole_in_the_order_of_its_use(tmp_path: Path, cache: BundleCache) -> None:
    bundles = [bundle_of(tmp_path, str(number)) for number in range(3)]
    for number, packed in enumerate(bundles):
        receive(cache, packed)
        tree = cache.unpacked(packed.sha256)
        for path in (tree, cache.archive(packed.sha256)):
            assert path is not None
            os.utime(path, (1_000 - number, 1_000 - number))
    (tmp_path / "cache/.half-x").mkdir()
    again = BundleCache(tmp_path / "cache", most=2)
    assert again.path_of(bundles[2].sha256) is None
    assert again.path_of(bundles[0].sha256) is not None
    assert not (tmp_path / "cache/.half-x").exists()
    assert again.size_bytes == cache.size_bytes - bundles[2].size_bytes - 1


def test_limits_hold_for_what_is_received(tmp_path: Path) -> None:
    cache = BundleCache(tmp_path / "cache", limits=Limits(files=1, size_bytes=3))
    packed = bundle_of(tmp_path, "too long")
    receive(cache, packed)
    with pytest.raises(BundleError, match="larger than"):
        cache.unpacked(packed.sha256)

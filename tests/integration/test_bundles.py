"""A suite that is packed, unpacked elsewhere, and run there by loads-runner."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from loads.bundle.cache import BundleCache
from loads.bundle.pack import Packed, pack
from tests.commands import Finished, LoadsRunner

SITE = """
from pathlib import Path

import {helper}
from shop import prices
from loads.case import TestCase

class TestShop(TestCase):
    def test_price(self):
        names = Path(__file__).with_name("names.csv").read_text().split(",")
        assert names == ["apple", "pear"]
        assert {helper}.NAME == "helper"
        self.incr_counter("price", prices.of(names))

    def test_other(self):
        self.incr_counter("other")
"""
FILES = {
    "shop/__init__.py": "",
    "shop/prices.py": "from top import each\n\ndef of(names):\n    return each(names)\n",
    "shop/tests/__init__.py": "",
    "shop/tests/site.py": SITE.format(helper="top"),
    "shop/tests/names.csv": "apple,pear",
    "top.py": "NAME = 'helper'\n\ndef each(names):\n    return 2 * len(names)\n",
    "alone/test_alone.py": SITE.format(helper="beside"),
    "alone/beside.py": "NAME = 'helper'\n",
    "alone/names.csv": "apple,pear",
    "unrelated.py": "raise SystemExit('never shipped')\n",
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "home" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "home"


def run_elsewhere(tmp_path: Path, packed: Packed) -> Finished:
    """Send it in pieces, unpack it, let nothing be left where it was, and run it."""
    cache = BundleCache(tmp_path / "cache")
    writer = cache.writer(packed.sha256, packed.size_bytes)
    while not writer.is_whole:
        writer.add(writer.missing_from, packed.read(writer.missing_from, 500))
    writer.close()
    root = cache.unpacked(packed.sha256)
    shutil.rmtree(tmp_path / "home")
    included = [part for directory in packed.search_path[1:] for part in ("--include-file", directory)]
    return LoadsRunner(root).run(*packed.targets, *included)


@pytest.mark.parametrize(
    ("targets", "include", "counters"),
    [
        (["shop.tests.site.TestShop.test_price"], [], {"price": 4}),
        (["shop.tests.site"], [], {"price": 4, "other": 1}),
        (["shop/tests/site.py::TestShop"], [], {"price": 4, "other": 1}),
        (["alone/test_alone.py"], ["alone/*.csv"], {"price": 4, "other": 1}),
        (["test_alone.TestShop.test_price"], ["alone"], {"price": 4}),
        (["../home/shop/tests/site.py::TestShop::test_other"], [], {"other": 1}),
    ],
)
def test_a_suite_runs_where_it_was_unpacked(
    tmp_path: Path, home: Path, targets: list[str], include: list[str], counters: dict[str, int]
) -> None:
    packed = pack(targets, directory=home, include=include, archive=tmp_path / "bundle")
    done = run_elsewhere(tmp_path, packed)
    assert done.exit_code == 0, done.err
    assert done.document["counters"] == counters


def test_a_suite_from_inside_of_its_package(tmp_path: Path, home: Path) -> None:
    """The local run finds the package above the working directory; so does the bundle."""
    (home / "top.py").rename(home / "shop" / "top.py")
    for name in ("prices.py", "tests/site.py"):
        path = home / "shop" / name
        path.write_text(
            path.read_text().replace("from top", "from shop.top").replace("import top", "from shop import top")
        )
    packed = pack(["tests/site.py"], directory=home / "shop", archive=tmp_path / "bundle")
    assert packed.targets == ("shop/tests/site.py",)
    done = run_elsewhere(tmp_path, packed)
    assert done.exit_code == 0, done.err
    assert done.document["counters"] == {"price": 4, "other": 1}


def test_packing_can_wait_in_a_thread(tmp_path: Path, home: Path) -> None:
    packed = asyncio.run(asyncio.to_thread(pack, ["shop.tests.site"], directory=home, archive=tmp_path / "bundle"))
    assert packed.files == 6

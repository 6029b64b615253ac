"""What a bundle holds for which targets, what is refused, and that equal files give an equal bundle."""

from __future__ import annotations

import os
import socket
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.bundle.archive import Limits
from loads.bundle.pack import Packed, pack
from loads.bundle.unpack import unpack
from loads.errors import UsageError


@pytest.fixture
def here(tmp_path: Path) -> Path:
    directory = tmp_path / "here"
    directory.mkdir()
    return directory


def write(directory: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def packed(here: Path, *targets: str, **more: Any) -> tuple[Packed, set[str]]:
    bundle = pack(targets, directory=here, archive=here.parent / "bundle.tar.gz", **more)
    with tarfile.open(bundle.archive) as tar:
        names = set(tar.getnames())
    assert bundle.files == len(names)
    assert bundle.size_bytes == bundle.archive.stat().st_size
    return bundle, names


def refused(here: Path, *targets: str, **more: Any) -> str:
    with pytest.raises(UsageError) as caught:
        packed(here, *targets, **more)
    assert not (here.parent / "bundle.tar.gz").exists()
    return str(caught.value)


PACKAGE = {
    "pack/__init__.py": "",
    "pack/site.py": "from . import words",
    "pack/words.py": "",
    "pack/data/names.csv": "a,b",
    "pack/inner/__init__.py": "",
    "pack/inner/deep.py": "",
}
RUBBISH = {
    "pack/__pycache__/site.pyc": "",
    "pack/.git/HEAD": "",
    "pack/node_modules/x.js": "",
    "pack/.venv/lib.py": "",
    "pack/pack.egg-info/PKG-INFO": "",
    "pack/old.pyc": "",
}


@pytest.mark.parametrize(
    "target", ["pack", "pack.site", "pack.site.TestA", "pack.site.TestA.test_b", "pack/site.py", "pack/site.py::TestA"]
)
def test_a_package_comes_whole_without_what_others_make_of_it(here: Path, target: str) -> None:
    write(here, PACKAGE | RUBBISH | {"other.py": "", "README": ""})
    bundle, names = packed(here, target)
    assert names == set(PACKAGE)
    assert bundle.targets == (target,)
    assert bundle.search_path == (".",)


def test_a_module_comes_with_what_it_imports_from_beside_it_and_nothing_else(here: Path) -> None:
    write(
        here,
        {
            "mytests.py": "import helpers, os, json\nfrom shop import page\nimport requests, nowhere",
            "helpers.py": "def f():\n    import late",
            "late.py": "",
            "shop/__init__.py": "",
            "shop/page.py": "",
            "unused.py": "",
        },
    )
    _, names = packed(here, "mytests.TestA")
    assert names == {"mytests.py", "helpers.py", "late.py", "shop/__init__.py", "shop/page.py"}


def test_circular_imports_and_broken_files_are_packed_as_they_are(here: Path) -> None:
    write(here, {"a.py": "import b, broken, nul", "b.py": "import a", "broken.py": "def (:", "nul.py": "\0"})
    assert packed(here, "a")[1] == {"a.py", "b.py", "broken.py", "nul.py"}


def test_a_file_outside_of_packages_comes_with_its_neighbours_and_those_of_the_directory(here: Path) -> None:
    write(
        here, {"sub/test_it.py": "import near, far", "sub/near.py": "", "far.py": "", "near.py": "", "conftest.py": ""}
    )
    bundle, names = packed(here, "sub/test_it.py::TestA::test_b")
    assert names == {"sub/test_it.py", "sub/near.py", "far.py", "conftest.py"}
    assert bundle.targets == ("sub/test_it.py::TestA::test_b",)


def test_each_test_file_has_its_own_neighbours_first(here: Path) -> None:
    write(here, {f"{name}/{file}": "" for name in ("one", "two") for file in ("near.py", "more.py")})
    write(here, {"one/test_a.py": "import near", "two/test_b.py": "import near"})
    assert packed(here, "one/test_a.py", "two/test_b.py")[1] == {
        *("one/test_a.py", "one/near.py"),
        *("two/test_b.py", "two/near.py"),
    }


def test_a_module_beside_a_test_file_is_a_target_after_it(here: Path) -> None:
    """The local run has its directory on the path by then."""
    write(here, {"sub/test_it.py": "", "sub/other.py": ""})
    assert packed(here, "sub/test_it.py", "other.TestA")[1] == {"sub/test_it.py", "sub/other.py"}


def test_a_directory_without_init_is_passed_through(here: Path) -> None:
    write(
        here,
        {
            "tests/site.py": "from tests import words\nfrom . import more\nfrom .deep import inner",
            "tests/words.py": "",
            "tests/more.py": "",
            "tests/deep/inner.py": "",
            "tests/unused.py": "",
        },
    )
    assert packed(here, "tests.site.TestA")[1] == {
        "tests/site.py",
        "tests/words.py",
        "tests/more.py",
        "tests/deep/inner.py",
    }


def test_what_is_installed_is_not_packed_nor_is_loads(here: Path) -> None:
    write(here, {"site_.py": "from loads.case import TestCase\nimport msgspec", "loads/__init__.py": ""})
    assert packed(here, "site_", "msgspec.json")[1] == {"site_.py"}


def test_targets_from_elsewhere_land_at_the_top(here: Path) -> None:
    write(
        here.parent / "else", {"test_x.py": "import beside", "beside.py": "", "pack/__init__.py": "", "pack/t.py": ""}
    )
    bundle, names = packed(here, str(here.parent / "else/test_x.py"), "../else/pack/t.py::TestA")
    assert names == {"test_x.py", "beside.py", "pack/__init__.py", "pack/t.py"}
    assert bundle.targets == ("test_x.py", "pack/t.py::TestA")


def test_a_working_directory_inside_of_a_package(here: Path) -> None:
    write(here, PACKAGE)
    bundle, names = packed(here / "pack", "site.py")
    assert bundle.targets == ("pack/site.py",)
    assert names == set(PACKAGE)


def test_an_absolute_file_below_the_directory_is_named_from_there(here: Path) -> None:
    write(here, PACKAGE)
    assert packed(here, f"{here}/pack/site.py")[0].targets == ("pack/site.py",)


@pytest.mark.parametrize(
    ("include", "files", "search_path"),
    [
        (["lib/extra.py"], {"lib/extra.py", "lib/other.py"}, (".", "lib")),
        (["lib"], {"lib/extra.py", "lib/other.py", "lib/pack/__init__.py"}, (".", "lib")),
        (["lib/pack"], {"lib/pack/__init__.py"}, (".", "lib")),
        (["**/*.csv"], {"data/deep/a.csv", "data/b.csv"}, (".", "data", "data/deep")),
        (["data/*", "lib/e?tra.py"], {"data/b.csv", "data/deep/a.csv", "lib/extra.py", "lib/other.py"}, None),
        (["../out/lib.txt", "../out/tree"], {"lib.txt", "tree/x"}, (".", "tree")),
    ],
)
def test_included_files_keep_their_place_and_are_importable(
    here: Path, include: list[str], files: set[str], search_path: tuple[str, ...] | None
) -> None:
    write(here, {"t.py": "", "lib/extra.py": "import other", "lib/other.py": "", "lib/pack/__init__.py": ""})
    write(here, {"data/deep/a.csv": "", "data/b.csv": "", "../out/lib.txt": "", "../out/tree/x": ""})
    bundle, names = packed(here, "t", include=include)
    assert names == files | {"t.py"}
    assert search_path is None or bundle.search_path == search_path


def test_a_target_may_lie_in_an_included_directory(here: Path) -> None:
    write(here, {"lib/extra.py": "", "unused.py": ""})
    bundle, names = packed(here, "extra.TestA", include=["lib"])
    assert names == {"lib/extra.py"}
    assert bundle.targets == ("extra.TestA",)


def test_files_at_given_names(here: Path) -> None:
    write(here, {"t.py": "", "../ca.pem": "x"})
    assert packed(here, "t", files={".loads/ca.pem": here.parent / "ca.pem"})[1] == {"t.py", ".loads/ca.pem"}


def test_links_inside_are_packed_as_what_they_point_to(here: Path) -> None:
    write(here, PACKAGE | {"shared/x.txt": "there"})
    (here / "pack/link.txt").symlink_to("../shared/x.txt")
    (here / "pack/tree").symlink_to(here / "shared")
    bundle, _ = packed(here, "pack")
    unpack(bundle.archive, here.parent / "there")
    for name in ("pack/link.txt", "pack/tree/x.txt"):
        assert not (here.parent / "there" / name).is_symlink()
        assert (here.parent / "there" / name).read_text() == "there"


def test_all_that_cant_be_shipped_is_told_at_once(here: Path) -> None:
    write(here, PACKAGE)
    (here / "pack/out").symlink_to("/etc/hostname")
    (here / "pack/dangling").symlink_to("nowhere")
    (here / "pack/again").symlink_to(".")
    (here / "pack/loop").symlink_to("loop")
    os.mkfifo(here / "pack/fifo")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(os.path.relpath(here / "pack/sock"))
        said = refused(here, "pack.site", "nothing", include=["missing*"])
    for part in (
        "8 problems",
        "pack/out is a link to /etc/hostname, which is outside",
        "pack/dangling is not there",
        "pack/again leads back",
        "pack/loop can't be read",
        "pack/fifo is a pipe",
        "pack/sock is a pipe, a socket",
        "there is no module nothing",
        "--include-file missing*: there is nothing",
    ):
        assert part in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_cant_be_read_is_told(here: Path) -> None:
    write(here, {"t.py": ""})
    (here / "t.py").chmod(0)
    assert "can't be read" in refused(here, "t")


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("sute.TestA", "there is no module sute in {here} or on the Python path\ndid you mean suite?"),
        ("zzz", "modules here: pack, suite"),
        ("suit.py", "there is no file suit.py\ndid you mean suite.py?"),
        ("nowhere/x.py", "there is no directory {here}/nowhere"),
        ("pack::TestA", "mixes two ways"),
        ("a b", "is not a target"),
        ("bad-name.py", "bad-name is not a module name"),
        ("space.none", "there is no module space.none in"),
    ],
)
def test_a_target_that_is_not_there_comes_with_what_is(here: Path, target: str, said: str) -> None:
    write(here, {"suite.py": "", "pack/__init__.py": "", "bad-name.py": "", "space/x.txt": ""})
    assert said.format(here=here) in refused(here, target)


def test_a_link_to_itself_as_a_target(here: Path) -> None:
    (here / "loop.py").symlink_to("loop.py")
    refused(here, "loop.py")


def test_two_includes_of_one_name_from_outside(here: Path) -> None:
    write(here, {"t.py": "", "../a/x.txt": "1", "../b/x.txt": "2"})
    assert "would both be x.txt" in refused(here, "t", include=["../a/x.txt", "../b/x.txt"])


def test_too_many_files_or_bytes(here: Path) -> None:
    write(here, {"t.py": "", **{f"data/{number}": "x" * 1_000 for number in range(12)}})
    assert "more than 10 files would be shipped" in refused(here, "t", include=["data"], limits=Limits(files=10))
    said = refused(here, "t", include=["data"], limits=Limits(size_bytes=5_000))
    assert "would be shipped (the largest: data" in said


def test_many_problems_are_counted(here: Path) -> None:
    write(here, {"t.py": ""})
    assert "10 problems more" in refused(here, "t", *[f"none{number}" for number in range(30)])


FEEDS = "class T:\n    def test(self):\n        self.feed('users.csv')\n"


@pytest.mark.parametrize(
    ("target", "files"),
    [
        ("shop", {"shop.py": FEEDS, "users.csv": "beside"}),
        ("tests/shop.py", {"tests/shop.py": FEEDS, "tests/users.csv": "beside", "users.csv": "here"}),
        ("tests/shop.py", {"tests/shop.py": FEEDS, "users.csv": "here"}),
        ("tests/shop.py", {"tests/shop.py": "import base", "tests/base.py": FEEDS, "tests/users.csv": "beside"}),
        ("shop", {"shop.py": FEEDS.replace("users.csv", "data/users.csv"), "data/users.csv": "below"}),
        ("tests/shop.py", {"tests/shop.py": FEEDS.replace("users", "../data/users"), "data/users.csv": "above"}),
    ],
)
def test_what_a_test_feeds_is_packed_where_the_local_run_finds_it(
    here: Path, target: str, files: dict[str, str]
) -> None:
    write(here, {**files, "other.csv": ""})
    _, names = packed(here, target)
    assert names == {name for name, text in files.items() if text != "here" or "tests/users.csv" not in files}


def test_a_feed_in_an_included_directory_is_found_there(here: Path) -> None:
    write(here, {"shop.py": FEEDS, "data/users.csv": "", "data/more.py": ""})
    _, names = packed(here, "shop", include=["data/more.py"])
    assert names == {"shop.py", "data/more.py", "data/users.csv"}


def test_a_feed_that_is_not_there_or_has_a_name_of_run_time_is_not_packed(here: Path) -> None:
    write(here, {"shop.py": FEEDS + "        self.feed(name)\n        parser.feed('<p>')\n        self.feed()\n"})
    _, names = packed(here, "shop")
    assert names == {"shop.py"}


def test_a_feed_outside_of_all_that_is_shipped_is_told(here: Path) -> None:
    write(here, {"shop.py": FEEDS.replace("users", "../users")})
    write(here.parent, {"users.csv": ""})
    assert "shop.py feeds ../users.csv, which lies outside of" in refused(here, "shop")


def test_nothing_is_imported(here: Path) -> None:
    write(here, {"pack/__init__.py": "raise SystemExit", "pack/t.py": "raise SystemExit"})
    assert len(packed(here, "pack.t.TestA")[1]) == 2


names = st.lists(
    st.text(st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=120).filter(
        lambda name: name not in (".", "..") and len(name.encode()) < 255
    ),
    min_size=1,
    max_size=3,
).map("/".join)
trees = st.dictionaries(names, st.tuples(st.binary(max_size=2_000), st.booleans()), max_size=8)


def grow(directory: Path, tree: Mapping[str, tuple[bytes, bool]], at_s: int) -> dict[str, tuple[bytes, bool]]:
    """Write what of `tree` can be (a name may be a file and a directory)."""
    grown = {}
    for name, (data, executable) in tree.items():
        path = directory / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        except OSError:
            continue
        path.chmod(0o755 if executable else 0o644)
        os.utime(path, (at_s, at_s))
        grown[name] = (data, executable)
    return grown


@given(trees)
def test_what_is_unpacked_is_what_was_packed_and_equal_trees_are_one_bundle(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, tuple[bytes, bool]]
) -> None:
    base = tmp_path_factory.mktemp("trees")
    bundles = []
    for number, order in enumerate((list(tree), list(reversed(tree)))):
        root = base / str(number)
        root.mkdir()
        grown = grow(root, {name: tree[name] for name in order}, 1_000_000 * (number + 1))
        bundles.append((root, grown))
    if bundles[0][1] != bundles[1][1]:
        return
    made = [
        pack((), directory=base, archive=base / f"{root.name}.tar.gz", files={name: root / name for name in grown})
        for root, grown in bundles
    ]
    assert made[0].sha256 == made[1].sha256
    unpack(made[0].archive, base / "there")
    there = {
        path.relative_to(base / "there").as_posix(): (path.read_bytes(), path.stat().st_mode & 0o777 == 0o700)
        for path in (base / "there").rglob("*")
        if path.is_file()
    }
    assert there == bundles[0][1]


def test_who_includes_his_home_does_not_ship_his_keys(here: Path) -> None:
    secrets = {
        ".local/state/loads/keys/joined/master-runner": "loads-join-1-",
        ".ssh/id_ed25519": "",
        ".aws/credentials": "",
        ".env": "",
        "sub/.env": "",
        ".netrc": "",
    }
    write(here, {"mytests.py": "", "data.csv": "", **secrets})
    assert packed(here, "mytests", include=["."])[1] == {"mytests.py", "data.csv"}
    assert packed(here, "mytests", include=[".env"])[1] == {"mytests.py", ".env"}

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from loads.worker.finder import LoadFailure
from loads.worker.loader import Scenario, hook_names, load_targets

SITE = """
import unittest
from loads.case import TestCase, weight

class TestSite(TestCase):
    @weight(3)
    def test_home(self): pass
    def test_about(self): pass
    def helper(self): pass

class TestOther(unittest.TestCase):
    def test_it(self): pass

class NoTest: pass
"""


@pytest.fixture(autouse=True)
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory; what is imported from it is forgotten again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(path: str, text: str = SITE) -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def load(*targets: str) -> list[Scenario]:
    return load_targets(targets, [str(Path.cwd())]).scenarios


def names(*targets: str) -> list[str]:
    return [scenario.name for scenario in load(*targets)]


def failure(*targets: str) -> LoadFailure:
    with pytest.raises(LoadFailure) as caught:
        load(*targets)
    return caught.value


# What a target names.


@pytest.mark.parametrize("form", ["site_a.TestSite.test_home", "site_a.py::TestSite::test_home"])
def test_a_method(form: str) -> None:
    write("site_a.py")
    assert names(form) == ["site_a.TestSite.test_home"]


@pytest.mark.parametrize("form", ["site_b.TestSite", "site_b.py::TestSite", "./site_b.py::TestSite"])
def test_all_tests_of_a_class(form: str) -> None:
    write("site_b.py")
    assert names(form) == ["site_b.TestSite.test_about", "site_b.TestSite.test_home"]


@pytest.mark.parametrize("form", ["site_c", "site_c.py"])
def test_all_classes_of_a_module(form: str) -> None:
    write("site_c.py")
    assert names(form) == ["site_c.TestOther.test_it", "site_c.TestSite.test_about", "site_c.TestSite.test_home"]


@pytest.mark.parametrize("form", ["shop.tests.site_d.TestOther", "shop/tests/site_d.py::TestOther"])
def test_a_module_of_a_package(form: str) -> None:
    write("shop/__init__.py", "")
    write("shop/tests/__init__.py", "")
    write("shop/tests/site_d.py")
    assert names(form) == ["shop.tests.site_d.TestOther.test_it"]


def test_a_file_elsewhere(tmp_path: Path) -> None:
    file = write(str(tmp_path / "far" / "away" / "site_e.py"))
    assert names(f"{file}::TestOther") == ["site_e.TestOther.test_it"]


def test_several_targets_in_their_order_and_each_test_once() -> None:
    write("site_f.py")
    assert names("site_f.TestSite.test_home", "site_f.TestOther", "site_f.TestSite") == [
        "site_f.TestSite.test_home",
        "site_f.TestOther.test_it",
        "site_f.TestSite.test_about",
    ]


def test_a_weight_that_was_set_and_one_that_was_not() -> None:
    write("site_g.py")
    weights = {scenario.method: scenario.weight for scenario in load("site_g.TestSite")}
    assert weights == {"test_home": 3, "test_about": 1}


def test_any_method_that_is_named_outright_need_not_begin_with_test() -> None:
    write("site_h.py")
    assert names("site_h.TestSite.helper") == ["site_h.TestSite.helper"]


def test_the_base_class_itself_is_no_test() -> None:
    write("site_i.py", "from loads.case import TestCase\nclass A(TestCase):\n    def test_it(self): pass\n")
    assert names("site_i") == ["site_i.A.test_it"]


def test_directories_that_are_searched_come_first(tmp_path: Path) -> None:
    write("one/site_j.py")
    load_targets(["site_j"], [str(tmp_path / "one"), str(tmp_path / "two")])
    assert sys.path[:2] == [str(tmp_path / "one"), str(tmp_path / "two")]


# What is not there.


@pytest.mark.parametrize(
    ("target", "message", "hint"),
    [
        ("nosuch", "there is no module nosuch in ", "modules here: site_k"),
        ("nosuch.Class.test", "there is no module nosuch in ", "modules here: site_k"),
        ("site_k.Nosuch", "there is no class Nosuch in site_k", "test classes there: TestOther, TestSite"),
        ("site_k.TestSite.test_x", "there is no test test_x in site_k.TestSite", "tests there: test_about, test_home"),
        ("site_k.NoTest", "site_k.NoTest is not a test class", "derive it from loads.case.TestCase"),
        ("nosuch.py", "there is no file nosuch.py", "site_k.py"),
        ("nosuch/x.py", "there is no file nosuch/x.py", "there is no directory nosuch either"),
        ("site_k.TestSite.test_home.x", "goes on after the test", "package.module.Class.test"),
        ("site_k.py::TestSite::test_home::x", "goes on after the test", "file.py::Class::test"),
        ("site_k::TestSite", "mixes two ways to name a test", "file.py::Class::test"),
        ("site k", "is not a target", "path/to/file.py::Class::test"),
        ("", "is not a target", "path/to/file.py::Class::test"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(target: str, message: str, hint: str) -> None:
    write("site_k.py")
    error = failure(target)
    assert message in error.message
    assert hint in error.hint
    assert error.traceback == ""


def test_a_file_that_can_be_no_module_is_refused() -> None:
    write("my-site.py")
    assert "is not a module name" in failure("my-site.py").message


def test_a_module_without_tests_says_what_a_test_is() -> None:
    write("site_l.py", "")
    assert failure("site_l").hint.startswith("test classes derive from loads.case.TestCase, or are plain tests")


def test_a_class_without_tests_says_what_a_test_is() -> None:
    write("site_m.py", "from loads.case import TestCase\nclass Empty(TestCase): pass\n")
    assert failure("site_m.Empty").hint == "tests are methods of a TestCase whose names begin with test"


def test_no_more_names_than_a_person_reads_are_listed() -> None:
    write("site_n.py", "\n".join(["import unittest", *(f"class T{n:02}(unittest.TestCase): pass" for n in range(30))]))
    assert failure("site_n.Nosuch").hint.endswith("T11, and 18 more")


# What can't run here.


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("def broken(:\n", "SyntaxError"),
        ("import nosuch_module\n", "ModuleNotFoundError: No module named 'nosuch_module'"),
        ("def f():\n    raise ValueError('no')\nf()\n", "ValueError: no"),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
    ],
)
def test_a_file_that_does_not_import_shows_its_own_traceback(text: str, line: str) -> None:
    write("site_o.py", text)
    error = failure("site_o.TestSite")
    assert error.message == "site_o can't be imported"
    assert line in error.traceback
    assert "site_o.py" in error.traceback
    assert "loader.py" not in error.traceback
    assert "importlib" not in error.traceback


def test_a_ctrl_c_while_importing_is_no_fault_of_the_file() -> None:
    write("site_p.py", "raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load("site_p")


def test_an_asyncio_test_case_is_refused_with_a_way_out() -> None:
    write("site_q.py", "from unittest import *\nclass A(IsolatedAsyncioTestCase):\n    async def test_it(self): pass\n")
    error = failure("site_q.A")
    assert error.message == "A is an IsolatedAsyncioTestCase"
    assert "without async" in error.hint


def test_a_test_that_calling_would_not_run_is_refused() -> None:
    write("site_r.py", "from loads.case import TestCase\nclass A(TestCase):\n    async def test_it(self): pass\n")
    assert failure("site_r").message == "A.test_it is async, so calling it would run nothing"


# Fixtures.


def test_only_fixtures_that_somebody_wrote_are_named() -> None:
    write(
        "site_s.py",
        "from loads.case import TestCase\n"
        "def setUpModule(): pass\n"
        "class A(TestCase):\n"
        "    @classmethod\n"
        "    def tearDownClass(cls): pass\n"
        "    def test_it(self): pass\n"
        "class B(TestCase):\n"
        "    def test_it(self): pass\n",
    )
    assert hook_names(load("site_s")) == ["site_s.setUpModule", "site_s.A.tearDownClass"]

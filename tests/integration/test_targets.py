"""How tests are named on the command line, and what is said when they are not there."""

from __future__ import annotations

import pytest

from tests.commands import LoadsRunner

SITE = """
from loads.case import TestCase

class TestOne(TestCase):
    def test_a(self):
        self.incr_counter("one.a")

    def test_b(self):
        self.incr_counter("one.b")

class TestTwo(TestCase):
    def test_c(self):
        self.incr_counter("two.c")
"""


@pytest.mark.parametrize(
    ("targets", "counted"),
    [
        (["pack.sites.TestOne.test_a"], {"one.a"}),
        (["pack.sites.TestOne"], {"one.a", "one.b"}),
        (["pack.sites"], {"one.a", "one.b", "two.c"}),
        (["pack/sites.py"], {"one.a", "one.b", "two.c"}),
        (["pack/sites.py::TestOne"], {"one.a", "one.b"}),
        (["pack/sites.py::TestOne::test_b"], {"one.b"}),
        (["pack.sites.TestTwo", "pack/sites.py::TestOne::test_b"], {"one.b", "two.c"}),
        (["pack.sites.TestTwo", "pack.sites"], {"one.a", "one.b", "two.c"}),
    ],
)
def test_a_target_names_tests(loads: LoadsRunner, targets: list[str], counted: set[str]) -> None:
    loads.write("pack/__init__.py", "")
    loads.write("pack/sites.py", SITE)
    run = loads.run(*targets)
    assert run.exit_code == 0, run.err
    assert run.document["counters"] == dict.fromkeys(counted, 1)


def test_a_file_elsewhere_finds_its_neighbours_and_the_working_directory(loads: LoadsRunner) -> None:
    loads.write("here.py", "NAME = 'here'\n")
    loads.write("sub/neighbour.py", "NAME = 'neighbour'\n")
    loads.write("sub/site.test.py", "")
    loads.write("sub/test_it.py", "import here, neighbour\n" + SITE)
    assert loads.run("sub/test_it.py").exit_code == 0


@pytest.mark.parametrize("included", ["lib/extra.py", "lib", "l*", "lib/e?tra.py"])
def test_included_files_are_importable(loads: LoadsRunner, included: str) -> None:
    loads.write("lib/extra.py", "NAME = 'extra'\n")
    loads.write("site_.py", "import extra\n" + SITE)
    assert loads.run("site_.py").exit_code == 2
    assert loads.run("site_.py", "--include-file", included).exit_code == 0


def test_an_included_package_is_importable_by_its_name(loads: LoadsRunner) -> None:
    loads.write("lib/extra/__init__.py", "NAME = 'extra'\n")
    loads.write("site_.py", "import extra\n" + SITE)
    assert loads.run("site_.py", "--include-file", "lib/extra").exit_code == 0


@pytest.mark.parametrize(
    ("target", "message", "hint"),
    [
        ("nothing", "there is no module nothing", "modules here: async_, empty, sites, types"),
        ("sites.TestNone", "there is no class TestNone in sites", "TestOne, TestTwo"),
        ("sites.TestOne.test_z", "there is no test test_z in sites.TestOne", "test_a, test_b"),
        ("sites.TestOne.test_a.more", "goes on after the test", "package.module.Class.test"),
        ("missing.py", "there is no file missing.py", "sites.py"),
        ("nowhere/missing.py", "there is no file nowhere/missing.py", "there is no directory nowhere"),
        ("sites.py::TestNone", "there is no class TestNone in sites", "TestOne, TestTwo"),
        ("sites::TestOne", "mixes two ways", "file.py::Class::test"),
        ("sites.TestCase", "no test in sites.TestCase", "begin with test"),
        ("a b", "is not a target", "package.module.Class.test"),
        ("odd-name.py", "is not a module name", "rename the file"),
        ("types.py", "has the name of another module", "a name of its own"),
        ("empty.py", "no test class in empty", "loads.case.TestCase"),
        ("async_.TestAsync.test_it", "is async", "plain method"),
        ("async_.TestIsolated", "is an IsolatedAsyncioTestCase", "greenlets"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(loads: LoadsRunner, target: str, message: str, hint: str) -> None:
    loads.write("sites.py", SITE)
    for name in ("empty.py", "odd-name.py", "types.py"):
        loads.write(name, "")
    loads.write(
        "async_.py",
        "import unittest\nfrom loads.case import TestCase\n"
        "class TestAsync(TestCase):\n    async def test_it(self): pass\n"
        "class TestIsolated(unittest.IsolatedAsyncioTestCase):\n    async def test_it(self): pass\n",
    )
    run = loads.run(target)
    assert run.exit_code == 2
    assert run.out == ""
    assert message in run.err
    assert hint in run.err
    assert "Traceback" not in run.err


@pytest.mark.parametrize(
    ("text", "last_line"),
    [
        ("import nothing_there\n", "ModuleNotFoundError: No module named 'nothing_there'"),
        ("def f(:\n", "SyntaxError: invalid syntax"),
        ("import sys\nsys.exit(7)\n", "SystemExit: 7"),
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
    ],
)
@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_file_that_does_not_import_shows_its_own_traceback(
    loads: LoadsRunner, text: str, last_line: str, workers: str
) -> None:
    loads.write("broken.py", text)
    run = loads.run("broken.py", "-u", "2", "--workers", workers)
    assert run.exit_code == 2
    assert "loads-runner: broken can't be imported" in run.err
    assert run.err.rstrip().endswith(last_line)
    assert 'File "broken.py"' in run.err
    assert "/loads/" not in run.err
    assert run.err.count("File ") == 1

"""pytest-style tests end under Loads as they end under pytest, or are left out and named."""

from __future__ import annotations

import sys
import unittest
import unittest.mock
from collections.abc import Iterator
from pathlib import Path

import pytest

from loads.worker.finder import LoadFailure
from loads.worker.loader import Suite, hook_names, load_targets

HEAD = "import unittest\nfrom unittest import mock\nimport pytest\nlog = []\n"


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


def load(text: str, target: str = "suite", select: str | None = None) -> Suite:
    Path("suite.py").write_text(HEAD + text)
    return load_targets([target], [str(Path.cwd())], select)


def names(suite: Suite) -> list[str]:
    return [scenario.name.removeprefix("suite.") for scenario in suite.scenarios]


def outcomes(text: str) -> dict[str, str]:
    """What became of each test: passed, failed (as the counts go), error or skipped."""
    found = {}
    for scenario in load(text).scenarios:
        result = unittest.TestResult()
        scenario.cls(scenario.method).run(result)
        bad = result.failures + [(test, "") for test in result.unexpectedSuccesses]
        told = "skipped" if result.skipped else "failed" if bad else "error" if result.errors else "passed"
        found[scenario.name.removeprefix("suite.")] = told
    return found


# What is found.


def test_classes_and_functions_by_pytests_names() -> None:
    suite = load(
        "class TestA:\n    def test_one(self): pass\n    def helper(self): pass\n"
        "class B:\n    def test_no(self): pass\n"
        "class TestWithInit:\n    def __init__(self): pass\n    def test_no(self): pass\n"
        "class TestOff:\n    __test__ = False\n    def test_no(self): pass\n"
        "def test_function(): pass\n"
        "def other(): pass\n"
        "class TestUnit(unittest.TestCase):\n    def test_two(self): pass\n"
    )
    assert names(suite) == ["TestA.test_one", "TestUnit.test_two", "test_function"]


def test_a_class_inside_a_class_and_what_is_inherited() -> None:
    suite = load(
        "class Base:\n    def test_inherited(self): pass\n"
        "class TestOuter(Base):\n    def test_own(self): pass\n"
        "    class TestInner:\n        def test_deep(self): pass\n"
    )
    expected = ["TestOuter.test_inherited", "TestOuter.test_own", "TestOuter.TestInner.test_deep"]
    assert names(suite) == expected
    assert names(load_again("suite.TestOuter")) == expected


def load_again(target: str) -> Suite:
    return load_targets([target], [str(Path.cwd())])


def test_static_and_class_methods_and_what_only_looks_like_a_test() -> None:
    text = (
        "class TestA:\n"
        "    @staticmethod\n    def test_static(): log.append('static')\n"
        "    @classmethod\n    def test_class(cls): log.append(cls.__name__)\n"
        "    test_client = dict\n"
        "    test_data = 3\n"
        "test_callable = print\n"
    )
    assert outcomes(text) == {"TestA.test_static": "passed", "TestA.test_class": "passed"}
    assert sorted(sys.modules["suite"].log) == ["TestA", "static"]


def test_each_iteration_has_an_instance_of_its_own() -> None:
    (scenario,) = load(
        "class TestA:\n    seen = 0\n    def test_it(self):\n        self.seen += 1\n        assert self.seen == 1\n"
    ).scenarios
    for _ in range(2):
        result = unittest.TestResult()
        scenario.cls(scenario.method).run(result)
        assert result.wasSuccessful()


@pytest.mark.parametrize("form", ["suite.test_f", "suite.py::test_f", "suite.TestA.test_m", "suite.py::TestA::test_m"])
def test_one_test_by_name_is_all_its_sets_of_parameters(form: str) -> None:
    suite = load(
        "two = pytest.mark.parametrize('x', [1, 2])\n"
        "@two\ndef test_f(x): pass\ndef test_full(): pass\n"
        "class TestA:\n    @two\n    def test_m(self, x): pass\n    def test_more(self): pass\n",
        form,
    )
    stem = form.replace(".py", "").replace("::", ".").removeprefix("suite.")
    assert names(suite) == [f"{stem}[1]", f"{stem}[2]"]


# Set-ups and their ends.


def test_setups_run_as_pytest_runs_them() -> None:
    text = (
        "def setup_function(function): log.append(f'+{function.__name__}')\n"
        "def teardown_function(): log.append('-function')\n"
        "def test_f(): log.append('f')\n"
        "class TestA:\n"
        "    def setup_method(self, method): log.append(f'+{method.__name__}')\n"
        "    def teardown_method(self): log.append('-method')\n"
        "    def test_m(self): log.append('m')\n"
    )
    assert set(outcomes(text).values()) == {"passed"}
    assert sys.modules["suite"].log == ["+test_m", "m", "-method", "+test_f", "f", "-function"]


def test_class_and_module_setups_run_once_around() -> None:
    suite = load(
        "def setup_module(module): log.append(module.__name__)\n"
        "def teardown_module(): log.append('-module')\n"
        "class TestA:\n"
        "    @classmethod\n    def setup_class(cls): log.append(cls.__name__)\n"
        "    @classmethod\n    def teardown_class(cls): log.append('-class')\n"
        "    def test_m(self): pass\n"
    )
    assert hook_names(suite.scenarios)[:2] == ["suite.setup_module", "suite.teardown_module"]
    cls = suite.scenarios[0].cls
    cls.setUpClass()
    cls.tearDownClass()
    assert sys.modules["suite"].log == ["TestA", "-class"]


def test_a_skip_in_a_setup_is_a_skip() -> None:
    text = (
        "class TestA:\n    def setup_method(self): pytest.skip('not today')\n    def test_it(self): assert False\n"
        "class TestB:\n    @classmethod\n    def setup_class(cls): pytest.skip('no')\n    def test_it(self): pass\n"
    )
    suite = load(text)
    assert outcomes(text)["TestA.test_it"] == "skipped"
    with pytest.raises(unittest.SkipTest, match="no"):
        suite.scenarios[1].cls.setUpClass()


# Outcomes.


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("pass", "passed"),
        ("assert 1 == 2", "failed"),
        ("{}['x']", "error"),
        ("pytest.skip('no')", "skipped"),
        ("raise unittest.SkipTest('no')", "skipped"),
        ("pytest.importorskip('no_such_module')", "skipped"),
        ("pytest.fail('no')", "failed"),
        ("pytest.xfail('known')", "passed"),
        ("with pytest.raises(KeyError): {}['x']", "passed"),
        ("with pytest.raises(KeyError): pass", "failed"),
    ],
)
def test_what_a_body_ends_as(body: str, outcome: str) -> None:
    text = f"def test_f():\n    {body}\nclass TestA:\n    def test_m(self):\n        {body}\n"
    assert outcomes(text) == {"test_f": outcome, "TestA.test_m": outcome}


@pytest.mark.parametrize(
    ("mark", "passing", "failing"),
    [
        ("skip", "skipped", "skipped"),
        ("skip('why')", "skipped", "skipped"),
        ("skip(reason='why')", "skipped", "skipped"),
        ("skipif(True, reason='why')", "skipped", "skipped"),
        ("skipif(False, reason='why')", "passed", "failed"),
        ("skipif(False, True, reason='why')", "skipped", "skipped"),
        ("skipif(condition=True, reason='why')", "skipped", "skipped"),
        ("xfail", "passed", "passed"),
        ("xfail(reason='why')", "passed", "passed"),
        ("xfail(True, reason='why')", "passed", "passed"),
        ("xfail(False, reason='why')", "passed", "failed"),
        ("xfail(condition=False, reason='why')", "passed", "failed"),
        ("xfail(strict=True)", "failed", "passed"),
        ("xfail(False, reason='why', strict=True)", "passed", "failed"),
        ("xfail(raises=AssertionError)", "passed", "passed"),
        ("xfail(raises=KeyError)", "passed", "failed"),
        ("xfail(raises=(KeyError, AssertionError))", "passed", "passed"),
        ("xfail(run=False)", "skipped", "skipped"),
        ("long", "passed", "failed"),
    ],
)
def test_a_mark_means_what_it_means_to_pytest(mark: str, passing: str, failing: str) -> None:
    two = "test_good({0}): pass\n{1}def test_bad({0}): assert False\n"
    mark = f"pytest.mark.{mark}"
    both = {"test_good": passing, "test_bad": failing}
    assert outcomes(f"@{mark}\ndef " + two.format("", f"@{mark}\n")) == both
    del sys.modules["suite"]
    on_class = f"@{mark}\nclass TestA:\n    def " + two.format("self", "    ")
    assert outcomes(on_class) == {f"TestA.{name}": outcome for name, outcome in both.items()}
    del sys.modules["suite"]
    inherited = f"@{mark}\nclass Base: pass\n@pytest.mark.long\nclass TestA(Base):\n    def "
    assert outcomes(inherited + two.format("self", "    ")) == {f"TestA.{name}": end for name, end in both.items()}
    del sys.modules["suite"]
    assert outcomes(f"pytestmark = {mark}\ndef " + two.format("", "")) == both
    del sys.modules["suite"]
    text = f"pytestmark = [{mark}]\nclass TestA:\n    def " + two.format("self", "    ")
    assert outcomes(text) == {f"TestA.{name}": outcome for name, outcome in both.items()}


# Parameters.


def labels_of_pytest(directory: Path) -> list[str]:
    """The names that pytest itself gives to the tests of suite.py."""

    class Collected:
        names: list[str] = []

        def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
            self.names += [item.nodeid.removeprefix("suite.py::").replace("::", ".") for item in items]

    collected = Collected()
    options = ["--collect-only", "-qq", "-c", "/dev/null", "--rootdir", str(directory), "-p", "no:cacheprovider"]
    assert pytest.main([*options, str(directory / "suite.py")], plugins=[collected]) == 0
    return collected.names


PARAMETRIZED = [
    "('x', [1, 2.5, None, True, 'text', b'bytes', 3j])",
    "('x', [1, 1, 'a', 'a', 'a0'])",
    r"('x', ['\u00e9', 'a\nb', 'back\\slash', ''])",
    "('x', [object(), [1], {}, dict, len])",
    "('x,y', [(1, 'a'), (2, [])])",
    "(['x', 'y'], [(1, 2), (3, 4)], ids=['one', None])",
    "('x', [1, 2], ids=lambda value: f'v{value}')",
    "('x', [1, 'a'], ids=lambda value: None if value == 1 else 'A')",
    "('x', [pytest.param(1, id='one'), pytest.param(2), pytest.param(3, marks=pytest.mark.skip)])",
    "('x', (value for value in 'ab'))",
    "(argnames='x', argvalues=[1, 2])",
    "('x', [1, 2])\n@pytest.mark.parametrize('y', ['a', 'b'])",
    "('x', [__import__('re').compile('a+'), __import__('http').HTTPMethod.GET, 1e3])",
]


def test_sets_of_parameters_have_pytests_names(tmp_path: Path) -> None:
    text = ""
    for number, marks in enumerate(PARAMETRIZED):
        arguments = "x, y" if "'y'" in marks or "x,y" in marks else "x"
        text += f"@pytest.mark.parametrize{marks}\ndef test_{number}({arguments}): pass\n"
    ours = names(load(text))
    del sys.modules["suite"]
    assert sorted(ours) == sorted(labels_of_pytest(tmp_path))
    assert len(set(ours)) == len(ours) > 2 * len(PARAMETRIZED)


def test_parameters_reach_the_test_and_may_have_marks_of_their_own() -> None:
    text = (
        "@pytest.mark.parametrize('y', [10])\n"
        "class TestA:\n"
        "    @pytest.mark.parametrize('x', [1, pytest.param(2, marks=pytest.mark.skip),\n"
        "                                   pytest.param(3, marks=pytest.mark.xfail), 4])\n"
        "    def test_m(self, x, y):\n"
        "        log.append((x, y))\n"
        "        assert x < 3\n"
    )
    assert outcomes(text) == {
        "TestA.test_m[1-10]": "passed",
        "TestA.test_m[2-10]": "skipped",
        "TestA.test_m[3-10]": "passed",
        "TestA.test_m[4-10]": "failed",
    }
    assert sys.modules["suite"].log == [(1, 10), (3, 10), (4, 10)]


def test_a_parametrize_without_values_is_skipped() -> None:
    assert outcomes("@pytest.mark.parametrize('x', [])\ndef test_f(x): pass\n") == {"test_f": "skipped"}


# What only pytest can run.


@pytest.mark.parametrize(
    "needy",
    [
        "def test_needy(tmp_path): pass\n",
        "def test_needy(*, tmp_path): pass\n",
        "@pytest.mark.usefixtures('tmp_path')\ndef test_needy(): pass\n",
        "@pytest.mark.parametrize('x', [1])\ndef test_needy(x, tmp_path): pass\n",
        "@pytest.mark.parametrize('tmp', [1], indirect=True)\ndef test_needy(tmp): pass\n",
        "@pytest.mark.skipif('1 > 0', reason='text')\ndef test_needy(): pass\n",
        "@pytest.mark.xfail('1 > 0', reason='text')\ndef test_needy(): pass\n",
    ],
)
def test_what_needs_fixtures_is_left_out_and_named(needy: str) -> None:
    suite = load(needy + "def test_other(): pass\n")
    assert names(suite) == ["test_other"]
    assert suite.left_out == ["suite.test_needy"]


@pytest.mark.parametrize("scope", ["    ", ""])
def test_a_fixture_for_all_tests_of_a_class_or_module_leaves_them_out(scope: str) -> None:
    suite = load(
        "class TestA:\n"
        "    def test_needy(self): pass\n"
        f"{scope}@pytest.fixture(autouse=True)\n{scope}def prepare({'self' if scope else ''}): pass\n"
        "class TestB(unittest.TestCase):\n    def test_other(self): pass\n"
    )
    assert names(suite) == ["TestB.test_other"]
    assert suite.left_out == ["suite.TestA.test_needy"]


def test_a_fixture_that_is_not_asked_for_harms_nobody() -> None:
    suite = load("@pytest.fixture\ndef test_data(): pass\ndef test_f(data=3): pass\n")
    assert (names(suite), suite.left_out) == (["test_f"], [])


def test_what_mock_patch_gives_is_no_fixture() -> None:
    text = (
        "@mock.patch('os.getcwd')\ndef test_f(getcwd): assert isinstance(getcwd, mock.Mock)\n"
        "class TestA:\n"
        "    @mock.patch('os.getcwd')\n    @mock.patch('os.getpid', new=lambda: 7)\n"
        "    def test_m(self, getcwd): assert isinstance(getcwd, mock.Mock)\n"
        "    @mock.patch('os.getcwd')\n"
        "    def test_needy(self, getcwd, tmp_path): pass\n"
    )
    assert outcomes(text) == {"test_f": "passed", "TestA.test_m": "passed"}
    assert load_again("suite").left_out == ["suite.TestA.test_needy"]


def test_a_module_of_nothing_else_is_refused_alone_and_left_out_beside_others() -> None:
    with pytest.raises(LoadFailure, match="no test in suite") as caught:
        load("def test_needy(tmp_path): pass\n")
    assert "these need fixtures of pytest: suite.test_needy" in caught.value.hint
    Path("more.py").write_text("def test_f(): pass\n")
    suite = load_targets(["suite", "more"], [])
    assert [scenario.name for scenario in suite.scenarios] == ["more.test_f"]
    assert suite.left_out == ["suite.test_needy"]


def test_one_that_is_named_outright_is_refused() -> None:
    with pytest.raises(LoadFailure, match="test_needy needs fixtures"):
        load("def test_needy(tmp_path): pass\n", "suite.test_needy")


@pytest.mark.parametrize(
    ("needless", "kind"), [("async def test_f(): pass", "async"), ("def test_f():\n    yield", "a generator")]
)
def test_what_calling_would_not_run_is_refused_unless_deselected(needless: str, kind: str) -> None:
    text = f"{needless}\ndef test_other(): pass\n"
    with pytest.raises(LoadFailure, match=f"test_f is {kind}, so calling it would run nothing"):
        load(text)
    assert names(load(text, select="not test_f")) == ["test_other"]


def test_a_module_that_skips_itself_says_why() -> None:
    for line in ("pytest.importorskip('no_such_module')\n", "raise unittest.SkipTest('no_such_module')\n"):
        with pytest.raises(LoadFailure, match=r"suite skips itself: .*no_such_module") as caught:
            load(line)
        assert caught.value.traceback == ""

"""Public test suites from the package index: fetched, run plainly by pytest, run as load tests, and compared.

Nothing of them is kept in the repository: sdists are unpacked below .cache/suites, their requirements go to virtual
environments beside them. Without the package index the tests skip; in CI they fail.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.commands import check_laws
from tests.servers import DEADLINE_S

ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".cache" / "suites"
USERS = 20
GUARD = ROOT / "tests" / "long" / "loopback"
PIP_DEADLINE_S = 600
RUN_DEADLINE_S = 180


@dataclass(frozen=True)
class Suite:
    """A test suite inside an sdist.

    Attributes:
        targets: its test files, as pytest and loads-runner are given them.
        tests: how many tests run as load tests.
        left_out: how many of pytest's tests Loads leaves out, as they need fixtures.
        hits: requests of one pass over all tests; None: it differs from pass to pass.
        requirements: what the tests need besides the package itself.
        select: a ``-k`` expression for both, without tests that can't be load tests.
        httpbin: the environment variable for the URL of an httpbin; None: the suite needs no server of ours.
    """

    package: str
    version: str
    targets: tuple[str, ...]
    tests: int
    left_out: int = 0
    hits: int | None = 0
    requirements: tuple[str, ...] = ()
    select: str | None = None
    httpbin: str | None = None

    def __str__(self) -> str:
        return f"{self.package}-{self.version}"


@dataclass(frozen=True)
class Outcomes:
    """What became of each test: ``passed``, ``failed`` or ``skipped``."""

    by_test: Mapping[str, str]
    expected_failures: frozenset[str] = frozenset()

    def count(self, outcome: str) -> int:
        """How many tests ended so."""
        return Counter(self.by_test.values())[outcome]


@dataclass(frozen=True)
class Environment:
    """A Python with Loads and a suite's requirements."""

    bin: Path

    @classmethod
    def current(cls) -> Environment:
        """The one that runs this test."""
        return cls(Path(sys.executable).parent)

    def run(
        self, *command: str | Path, cwd: Path, directory: Path, more: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run one of its commands to the end. It reaches loopback, and nothing else."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("LOADS_", "PYTEST_"))}
        elsewhere = directory / "elsewhere"
        guard = {"PYTHONPATH": str(GUARD), "LOOPBACK_ONLY_LOG": str(elsewhere)}
        environment = {**inherited, **more, **guard, "COLUMNS": "120"}
        name, *arguments = command
        done = subprocess.run(
            [self.bin / name, *arguments],
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_DEADLINE_S,
            check=False,
        )
        assert not elsewhere.exists(), elsewhere.read_text()
        return done


def fetch(suite: Suite) -> Path:
    """The unpacked sdist, from the cache or from the package index."""
    place = CACHE / "sources" / str(suite)
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as temporary:
            _pip(
                *("download", "--no-binary", ":all:", "--no-deps", "--dest", temporary),
                f"{suite.package}=={suite.version}",
            )
            archive = next(Path(temporary).glob("*.tar.gz"))
            with tarfile.open(archive) as sdist:
                sdist.extractall(Path(temporary) / "unpacked", filter="data")
            (unpacked,) = (Path(temporary) / "unpacked").iterdir()
            unpacked.rename(place)
    return place


def environment_for(*requirements: str) -> Environment:
    """A virtual environment with `requirements` and Loads as it stands now."""
    place = _venv(("pytest>=8.3", *_own_requirements(), *requirements))
    _install_loads(place)
    return Environment(place / "bin")


@contextmanager
def httpbin(directory: Path) -> Iterator[tuple[str, Path]]:
    """An httpbin on loopback: its URL, and a file that grows by one byte with each request.

    It has an environment of its own, as it wants an older greenlet than gevent does.
    """
    place = _venv(("httpbin==0.10.4", "waitress==3.0.2"))
    counter = directory / "requests"
    process = subprocess.Popen(
        [place / "bin" / "python", ROOT / "tests" / "long" / "serve_httpbin.py", counter],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url, "httpbin did not start"
        yield url, counter
    finally:
        process.terminate()
        process.wait(DEADLINE_S)
        process.stdout.close()


def run_plainly(suite: Suite, source: Path, environment: Environment, directory: Path, **more: str) -> Outcomes:
    """The outcomes under pytest, without any configuration but what is said here."""
    report = directory / "plain.xml"
    options = ["-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", source, f"--junitxml={report}"]
    select = ["-k", suite.select] if suite.select else []
    command = ["python", "-m", "pytest", *options, *select, *suite.targets]
    done = environment.run(*command, cwd=source, directory=directory, more=more)
    assert report.exists(), done.stdout + done.stderr
    outcomes: dict[str, str] = {}
    expected = set()
    for case in ET.parse(report).iter("testcase"):
        name = _short(suite, f"{case.get('classname')}.{case.get('name')}")
        skipped = case.find("skipped")
        if skipped is not None and skipped.get("type") == "pytest.xfail":
            outcomes[name] = "passed"
            expected.add(name)
        elif skipped is not None:
            outcomes[name] = "skipped"
        else:
            failed = case.find("failure") is not None or case.find("error") is not None
            outcomes[name] = "failed" if failed else "passed"
    return Outcomes(outcomes, frozenset(expected))


def run_as_load_test(
    suite: Suite, source: Path, environment: Environment, directory: Path, **more: str
) -> dict[str, Any]:
    """The JSON document of a run in which each test runs once for each of the users."""
    result = directory / "result.json"
    options = ["-u", str(USERS), "--hits", str(suite.tests), "--seed", "1", "--output", f"json={result}"]
    select = ["-k", suite.select] if suite.select else []
    command = ["loads-runner", *suite.targets, *options, *select]
    done = environment.run(*command, cwd=source, directory=directory, more=more)
    assert result.exists(), done.stdout + done.stderr
    (directory / "screen").write_text(done.stdout + done.stderr)
    document: dict[str, Any] = json.loads(result.read_text())
    check_laws(document)
    return document


def compare(suite: Suite, plain: Outcomes, document: dict[str, Any]) -> None:
    """No outcome differs, and each test ran as often as there are users."""
    iterations = {
        _whole(_short(suite, series["scenario"]), plain): series
        for series in document["series"]
        if series["method"] == "iteration"
    }
    left_out = plain.by_test.keys() - iterations.keys()
    assert iterations.keys() <= plain.by_test.keys()
    assert (len(iterations), len(left_out)) == (suite.tests, suite.left_out), sorted(left_out)
    assert {name: series["hits"] for name, series in iterations.items()} == dict.fromkeys(iterations, USERS)
    failed = {name: series["failed"] for name, series in iterations.items()}
    wanted = {name: USERS if plain.by_test[name] == "failed" else 0 for name in iterations}
    assert failed == wanted, "\n\n".join(error["traceback"] for error in document["errors"])
    totals = document["totals"]
    ran = Counter(plain.by_test[name] for name in iterations)
    assert totals["success"] == USERS * ran["passed"]
    assert totals["skipped"] == USERS * ran["skipped"]
    assert totals["failures"] + totals["errors"] == USERS * ran["failed"]
    if suite.hits is not None:
        assert totals["hits"] == USERS * suite.hits


def _short(suite: Suite, name: str) -> str:
    """`name` from its module's own name on: pytest and Python see packages differently."""
    stems = [Path(target.partition("::")[0]).stem for target in suite.targets]
    parts = name.split(".")
    at = next(index for index, part in enumerate(parts) if part in stems)
    return ".".join(parts[at:])


def _whole(name: str, plain: Outcomes) -> str:
    """`name` as pytest has it: a very long one ends in dots and a digest in the document."""
    begin, dots, _ = name.rpartition("... (")
    (whole,) = [known for known in plain.by_test if known.startswith(begin)] if dots else [name]
    return whole


@cache
def _venv(requirements: tuple[str, ...]) -> Path:
    digest = hashlib.sha256("\n".join((sys.version, *requirements)).encode()).hexdigest()[:12]
    place = CACHE / "environments" / digest
    if not (place / "ready").exists():
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", place], check=True, timeout=PIP_DEADLINE_S)
        _pip("install", *requirements, python=place / "bin" / "python")
        (place / "ready").touch()
    return place


@cache
def _install_loads(place: Path) -> None:
    _pip("install", "--no-deps", "--force-reinstall", str(ROOT), python=place / "bin" / "python")


def _own_requirements() -> list[str]:
    import tomllib

    document = tomllib.loads((ROOT / "pyproject.toml").read_text())
    requirements: list[str] = document["project"]["dependencies"]
    return requirements


def _pip(*arguments: str, python: Path = Path(sys.executable)) -> None:
    """pip, to its end. When it can't, the test skips; in CI, where the package index is there, it fails."""
    command = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_DEADLINE_S, check=False)
        said = done.stderr.strip().splitlines()[-1:]
        ok = done.returncode == 0
    except subprocess.TimeoutExpired:
        said, ok = [f"not done after {PIP_DEADLINE_S} s"], False
    if not ok:
        reason = f"needs the package index: pip {arguments[0]} failed: {' '.join(said)}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)

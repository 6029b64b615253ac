"""What is promised here: packaging builds the front end when it is missing or old, once, and else asks for no Node."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

FRONTEND = Path(__file__).parents[2] / "frontend"
NPM = """\
#!/bin/sh
echo "$@" >> npm.log
case "$1" in
  ci) mkdir -p node_modules; touch node_modules/.package-lock.json ;;
  run) if grep -q wrong src/main.tsx; then echo "main.tsx is wrong"; exit 3; fi
    mkdir -p ../loads/web/static ../loads/report/static
    touch ../loads/web/static/index.html ../loads/web/static/login.css
    touch ../loads/report/static/report.js ../loads/report/static/report.css ;;
esac
"""


class Tree:
    """A working tree of its own, with a Node and an npm that only write down what they are asked for."""

    def __init__(self, root: Path) -> None:
        self.frontend, self.bin, self.static = root / "frontend", root / "bin", root / "loads" / "web" / "static"
        for folder in (self.frontend / "src", self.frontend / "public", self.bin, root / "loads"):
            folder.mkdir(parents=True)
        shutil.copy(FRONTEND / "build.py", self.frontend)
        for name in ("package.json", "package-lock.json", "src/main.tsx", "public/icon.svg"):
            (self.frontend / name).write_text("{}")
        self.node("v22.12.0")
        self.command("npm", NPM)

    def node(self, version: str) -> None:
        self.command("node", f"#!/bin/sh\necho {version}\n")

    def command(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)

    def start(self, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-I", str(self.frontend / "build.py"), *words]
        env = {**os.environ, "PATH": f"{self.bin}:/bin:/usr/bin"}
        return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *words: str) -> tuple[int, str]:
        with self.start(*words) as process:
            _, errors = process.communicate()
        return process.returncode, errors

    @property
    def asked(self) -> list[str]:
        log = self.frontend / "npm.log"
        return [line.split()[0] for line in log.read_text().splitlines()] if log.exists() else []


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


@pytest.fixture
def build_of(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module itself, in that tree, where no Node is to be found."""
    monkeypatch.setenv("PATH", str(tree.bin / "nothing"))
    spec = importlib.util.spec_from_file_location("frontend_build_of_a_test", tree.frontend / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_is_current_is_not_built_again(tree: Tree) -> None:
    assert tree.run() == (0, "")
    assert tree.run() == (0, "")
    assert tree.asked == ["ci", "run"]


@pytest.mark.parametrize("name", ["src/main.tsx", "public/icon.svg", "package.json", "src/new/part.ts"])
def test_a_source_that_changed_or_came_is_built(tree: Tree, name: str) -> None:
    tree.run()
    (tree.frontend / name).parent.mkdir(exist_ok=True)
    (tree.frontend / name).write_text("changed")
    assert tree.run() == (0, "")
    assert tree.asked == ["ci", "run", "run"]


def test_packages_are_fetched_again_when_the_lock_file_is_newer(tree: Tree) -> None:
    tree.run()
    later = (tree.frontend / "node_modules" / ".package-lock.json").stat().st_mtime + 10
    os.utime(tree.frontend / "package-lock.json", (later, later))
    assert tree.run("check") == (0, "")
    assert tree.asked == ["ci", "run", "ci", "run"]


def test_a_test_that_changed_is_no_reason_to_build(tree: Tree) -> None:
    tree.run()
    (tree.frontend / "src" / "main.test.tsx").write_text("new")
    tree.run()
    assert tree.asked == ["ci", "run"]


def test_a_built_file_that_is_gone_is_built(tree: Tree) -> None:
    tree.run()
    (tree.static / "index.html").unlink()
    tree.run()
    assert tree.asked == ["ci", "run", "run"]
    assert (tree.static / "index.html").exists()


def test_two_at_a_time_build_once(tree: Tree) -> None:
    both = [tree.start(), tree.start()]
    assert [process.communicate()[1] for process in both] == ["", ""]
    assert [process.returncode for process in both] == [0, 0]
    assert tree.asked == ["ci", "run"]


def test_what_was_built_needs_no_node(tree: Tree, build_of: ModuleType) -> None:
    assert not build_of.is_current()
    tree.run()
    assert build_of.is_current()
    assert not build_of.needs_package()
    build_of.build()


def test_without_sources_what_was_built_has_to_do(tree: Tree, build_of: ModuleType) -> None:
    tree.run()
    (tree.frontend / "package.json").unlink()
    assert build_of.is_current()


def test_a_failure_is_told_with_what_npm_said_and_leaves_nothing_that_looks_current(
    tree: Tree, build_of: ModuleType
) -> None:
    tree.run()
    (tree.frontend / "src" / "main.tsx").write_text("wrong")
    code, errors = tree.run()
    assert code == 1
    assert errors.startswith("main.tsx is wrong\n")
    assert errors.endswith("npm run --silent build ended with 3; see above.\n")
    assert not build_of.is_current()


@pytest.mark.parametrize("version", ["v18.20.0", "v20.18.1", "v21.7.0", "v22.11.0"])
def test_a_node_on_which_vite_does_not_run_is_none(tree: Tree, build_of: ModuleType, version: str) -> None:
    tree.node(version)
    assert not build_of._is_usable(str(tree.bin / "node"))


@pytest.mark.parametrize("version", ["v20.19.0", "v22.12.0", "v24.0.1"])
def test_a_node_on_which_vite_runs_is_used(tree: Tree, build_of: ModuleType, version: str) -> None:
    tree.node(version)
    assert build_of._is_usable(str(tree.bin / "node"))


def test_a_word_that_is_none_is_refused(tree: Tree) -> None:
    assert tree.run("bild") == (2, "not bild: say build, check, test, node\n")

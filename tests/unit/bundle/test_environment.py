"""Packages from local wheels and sdists, installed by a real pip without any index."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from loads.bundle.environment import (
    MOST_WHEEL_BYTES,
    EnvironmentFailed,
    _environment,
    environment_key,
    platform_tag,
    prepare,
    python_tag,
)
from tests.commands import alive
from tests.servers import wait_until


def wheel(directory: Path, name: str, version: str = "1.0", requires: str = "", value: str = "1") -> None:
    """A wheel of one module."""
    directory.mkdir(exist_ok=True)
    info = f"{name}-{version}.dist-info"
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    files = {
        f"{name}.py": f"VALUE = {value!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(text)}\n"
    with zipfile.ZipFile(directory / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(path, text)


def stuck_sdist(directory: Path, sign: Path) -> None:
    """A source distribution whose build says where it is and then waits for ever."""
    directory.mkdir(exist_ok=True)
    backend = (
        "import os, signal\n"
        "def build_wheel(*a, **k):\n"
        f"    open({str(sign)!r} + '.new', 'w').write(str(os.getpid()))\n"
        f"    os.rename({str(sign)!r} + '.new', {str(sign)!r})\n"
        "    signal.pause()\n"
        "prepare_metadata_for_build_wheel = build_wheel\n"
    )
    project = "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
    with zipfile.ZipFile(directory / "stuck-1.0.zip", "w") as archive:
        archive.writestr("stuck-1.0/backend.py", backend)
        archive.writestr("stuck-1.0/pyproject.toml", project)


def imported(environment: Path, expression: str) -> str:
    """What a Python with `environment` on its path says."""
    code = f"import sys; sys.path.append({str(environment)!r}); {expression}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def kept(home: Path) -> list[str]:
    return sorted(path.name for path in home.iterdir() if path.suffix != ".lock")


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    wheel(tmp_path / "wheels", "upper", requires="lower<2")
    wheel(tmp_path / "wheels", "lower")
    wheel(tmp_path / "wheels", "lower", "1.5", value="1.5")
    wheel(tmp_path / "wheels", "lower", "2.0", value="2")
    return tmp_path / "wheels"


def test_packages_and_what_they_need_are_installed_once(tmp_path: Path, wheels: Path) -> None:
    home = tmp_path / "home"
    lines = ["--no-index", f"--find-links {wheels}", "upper", "-c lower<1.2"]
    environment = asyncio.run(prepare(lines, home))
    assert imported(environment, "import upper, lower; print(upper.VALUE, lower.VALUE)") == "1 1"
    assert kept(home) == [environment.name]
    (environment / "sign").touch()
    assert asyncio.run(prepare(lines, home)) == environment
    assert (environment / "sign").exists()


def test_other_packages_in_the_directory_that_is_searched_are_another_environment(tmp_path: Path, wheels: Path) -> None:
    home = tmp_path / "home"
    one = asyncio.run(prepare(["--no-index", "lower"], home, search=wheels))
    assert imported(one, "import lower; print(lower.VALUE)") == "2"
    wheel(wheels, "lower", "3.0", value="3")
    other = asyncio.run(prepare(["--no-index", "lower"], home, search=wheels))
    assert imported(other, "import lower; print(lower.VALUE)") == "3"
    assert kept(home) == sorted([one.name, other.name])


def test_two_that_want_the_same_build_it_once(tmp_path: Path, wheels: Path) -> None:
    home = tmp_path / "home"

    async def both() -> list[Path]:
        return await asyncio.gather(*(prepare(["--no-index", "lower"], home, search=wheels) for _ in range(2)))

    one, other = asyncio.run(both())
    assert one == other
    assert kept(home) == [one.name]


def test_pip_that_fails_is_quoted_and_leaves_nothing(tmp_path: Path, wheels: Path) -> None:
    home = tmp_path / "home"
    with pytest.raises(EnvironmentFailed) as caught:
        asyncio.run(prepare(["--no-index", "absent"], home, search=wheels))
    assert "pip can't install absent: it ended with exit code 1" in caught.value.message
    assert "No matching distribution found for absent" in caught.value.output
    assert len(caught.value.output.splitlines()) <= 40
    assert kept(home) == []


@pytest.mark.parametrize("line", ["-e .", "-r /etc/hostname", "one\n--target /tmp"])
def test_lines_that_are_not_sound_never_reach_pip(tmp_path: Path, line: str) -> None:
    with pytest.raises(EnvironmentFailed):
        asyncio.run(prepare([line], tmp_path / "home"))
    assert not (tmp_path / "home").exists()


def test_settings_of_this_machines_pip_do_not_change_the_place(
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_USER", "1")
    monkeypatch.setenv("PIP_PREFIX", str(tmp_path / "prefix"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    environment = asyncio.run(prepare(["lower"], tmp_path / "home", search=wheels))
    assert (environment / "lower.py").exists()
    assert not (tmp_path / "prefix").exists()


def test_cancelled_pip_is_killed_with_all_its_children_and_nothing_half_stays(tmp_path: Path, wheels: Path) -> None:
    home, sign = tmp_path / "home", tmp_path / "sign"
    stuck_sdist(wheels, sign)

    async def cancelled() -> int:
        task = asyncio.create_task(prepare(["--no-index", "stuck"], home, search=wheels))
        await asyncio.to_thread(wait_until, sign.exists, "the build to begin")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return int(sign.read_text())

    pid = asyncio.run(cancelled())
    wait_until(lambda: not alive(pid), "the build to be killed")
    assert kept(home) == []


def test_the_next_builder_waits_for_the_first_and_takes_over(tmp_path: Path, wheels: Path) -> None:
    home, sign = tmp_path / "home", tmp_path / "sign"
    stuck_sdist(wheels, sign)

    def somebody_waits() -> bool:
        lock = next(home.glob("*.lock"))
        waiting = [line for line in Path("/proc/locks").read_text().splitlines() if "->" in line]
        return any(f":{lock.stat().st_ino} " in line for line in waiting)

    async def two() -> None:
        first = asyncio.create_task(prepare(["--no-index", "stuck"], home, search=wheels))
        await asyncio.to_thread(wait_until, sign.exists, "the build to begin")
        second = asyncio.create_task(prepare(["--no-index", "stuck"], home, search=wheels))
        await asyncio.to_thread(wait_until, somebody_waits, "the second builder to wait")
        for task in (first, second):
            await asyncio.to_thread(wait_until, sign.exists, "the build to begin")
            sign.unlink()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(two())
    assert kept(home) == []


def test_a_builder_that_was_killed_is_no_obstacle(tmp_path: Path, wheels: Path) -> None:
    """What it left is cleared by the next one."""
    home = tmp_path / "home"
    environment = asyncio.run(prepare(["--no-index", "lower"], home, search=wheels))
    half = home / f"{environment.name}.half"
    environment.rename(half)
    (half / "rubbish").touch()
    assert asyncio.run(prepare(["--no-index", "lower"], home, search=wheels)) == environment
    assert not (environment / "rubbish").exists()
    assert kept(home) == [environment.name]


def test_a_key_is_of_everything_that_makes_a_difference() -> None:
    base = (("a", "b"), "cpython-3.11", "linux-x86_64")
    keys = {
        environment_key(*base),
        environment_key(("b", "a"), *base[1:]),
        environment_key(("ab",), *base[1:]),
        environment_key(base[0], "cpython-3.12", base[2]),
        environment_key(*base[:2], "linux-arm64"),
        environment_key(*base, ["a.whl 00"]),
    }
    assert len(keys) == 6
    assert environment_key(["a", "b"], *base[1:]) in keys
    assert python_tag().startswith(sys.implementation.name)
    assert platform_tag()


def test_pip_sees_what_tests_see_and_its_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs code of packages that it builds."""
    ours = {"AWS_SECRET": "1", "LOADS_JOIN": "2", "PIP_INDEX_URL": "https://x", "PIP_TARGET": "/x", "PATH": "ours"}
    for name, text in ours.items():
        monkeypatch.setenv(name, text)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    given = _environment({"PATH": "theirs"})
    assert {name: text for name, text in given.items() if name in ours} == {
        "PIP_INDEX_URL": "https://x",
        "PATH": "theirs",
    }
    assert {name for name in given if not name.startswith("PIP_")} == {"PATH"}
    assert _environment(None)["AWS_SECRET"] == "1"


def test_the_builder_imports_nothing_from_the_home_of_the_tests_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has his HOME and may be root: where Loads is in no virtual environment, his usercustomize would be root's."""
    interpreter, told = tmp_path / "python", tmp_path / "told"
    interpreter.write_text(f'#!/bin/sh\necho "$@" > {told}\nexit 1\n')
    interpreter.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(interpreter))
    with pytest.raises(EnvironmentFailed):
        asyncio.run(prepare(["x"], tmp_path / "environments", variables={"HOME": "/home/tests"}))
    assert "-s" in told.read_text().partition("-m")[0].split()


def test_a_package_with_an_endless_hole_is_not_read(tmp_path: Path) -> None:
    """A test that works in the same directory may have left it."""
    work = tmp_path / "work"
    work.mkdir()
    with (work / "x-1.0-py3-none-any.whl").open("wb") as file:
        file.truncate(MOST_WHEEL_BYTES + 1)
    with pytest.raises(EnvironmentFailed, match=r"x-1.0-py3-none-any.whl is larger than 4 GB"):
        asyncio.run(prepare(["x"], tmp_path / "environments", search=work))

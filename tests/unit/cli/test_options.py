"""The options are the settings; what the shell completes."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from loads.cli.options import complete_target, given_settings
from loads.cli.runner import command
from loads.plan.settings import COMMAND_LINE_ONLY, SETTINGS

COMMANDS_RST = Path(__file__).parents[3] / "docs" / "commands.rst"
TARGETS = command.params[0]


def completed(typed: str) -> list[str]:
    return complete_target(click.Context(command), TARGETS, typed)


def test_settings_and_options_are_the_same() -> None:
    options = {name for parameter in command.params for name in (*parameter.opts, parameter.human_readable_name)}
    assert {setting.flag for setting in SETTINGS.values()} - {"TARGET"} <= options
    named = {parameter.name for parameter in command.params if parameter.name}
    only = {name.replace("-", "_") for name in COMMAND_LINE_ONLY} - {"list", "help"} | {"list_tests"}
    assert named == {name.replace("-", "_") for name in SETTINGS} | only


@pytest.mark.parametrize("name", SETTINGS)
def test_each_setting_is_documented_with_its_variable(name: str) -> None:
    text = COMMANDS_RST.read_text()
    assert f"``{name}``" in text
    assert f"``{SETTINGS[name].variable}``" in text


def test_what_is_not_typed_is_not_said() -> None:
    assert given_settings(command.make_context("loads-runner", []).params) == {}


def test_what_is_typed_is_handed_on_as_it_is() -> None:
    typed = ["a.py", "-u", "x", "--iterations", "5", "--no-quiet", "--output", "1", "--output", "2", "-k", ""]
    assert given_settings(command.make_context("loads-runner", typed).params) == {
        "targets": ("a.py",),
        "users": "x",
        "hits": "5",
        "quiet": False,
        "output": ("1", "2"),
        "select": "",
    }


def test_lists_are_repeatable_options() -> None:
    many = {parameter.name for parameter in command.params if parameter.multiple or parameter.nargs == -1}
    assert many == {name.replace("-", "_") for name, setting in SETTINGS.items() if setting.kind.many} | {"config"}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("site.py", "shop.py", "notes.txt", "tests/test_a.py", "tests/deep/test_b.py", "tests/c.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name in (".venv/lib.py", "tests/__pycache__/test_a.py"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("s", ["shop.py", "site.py"]),
        ("te", ["tests/deep/test_b.py", "tests/test_a.py"]),
        ("tests/te", ["tests/test_a.py"]),
        ("tests/de", ["tests/deep/test_b.py"]),
        ("./si", ["./site.py"]),
        (".venv/", [".venv/lib.py"]),
        ("", ["shop.py", "site.py", "tests/deep/test_b.py", "tests/test_a.py"]),
        ("no", []),
        ("nowhere/a", []),
    ],
)
def test_python_files_are_offered_also_those_further_down(tree: Path, typed: str, offered: list[str]) -> None:
    assert completed(typed) == offered


def test_absolute_paths_are_completed_as_such(tree: Path) -> None:
    assert completed(f"{tree}/sh") == [f"{tree}/shop.py"]


def test_what_is_offered_is_bounded(tree: Path) -> None:
    for number in range(700):
        (tree / f"many_{number}.py").touch()
    assert len(completed("many")) == 500

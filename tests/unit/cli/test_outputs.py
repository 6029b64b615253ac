"""Where results go: what is wrong is known before a run, and what goes wrong after it costs no more than a file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from loads.cli import outputs
from loads.cli.outputs import (
    KINDS,
    Kind,
    Output,
    check_report,
    named_after,
    needs_details,
    parse_outputs,
    report_to,
    takes_stdout,
    write,
)
from loads.errors import LoadsError, UsageError
from tests.build import result_of

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two kinds that are always there, and one that can't be made here."""

    def refuse() -> None:
        raise LoadsError("the press is not there", "build it")

    monkeypatch.setitem(KINDS, "json", Kind(lambda result: result.info.id.encode()))
    monkeypatch.setitem(KINDS, "html", Kind(lambda _: b"<p>", is_detailed=False))
    monkeypatch.setitem(KINDS, "print", Kind(lambda _: b"", refuse))


def parsed(*texts: str) -> tuple[list[Output], list[str]]:
    problems: list[UsageError] = []
    found = parse_outputs(texts, "--output", problems)
    assert all(problem.hint for problem in problems)
    return found, [problem.message for problem in problems]


def test_a_kind_and_a_file_are_an_output() -> None:
    assert parsed("json=a", "html=b=c", "json=-") == (
        [Output("json", Path("a")), Output("html", Path("b=c")), Output("json", None)],
        [],
    )


@pytest.mark.parametrize("text", ["json", "json=", "=a", "", "xml=a", "JSON=a"])
def test_what_is_no_kind_and_file_is_refused(text: str) -> None:
    assert parsed(text) == ([], [f"--output {text!r} is not KIND=FILE"])


@pytest.mark.parametrize("name", [".", "no/such/directory"])
def test_a_file_that_can_not_be_written_is_refused(name: str) -> None:
    assert parsed(f"html={name}")[1] == [f"--output html={name}: {name} can't be written"]


@pytest.mark.parametrize("name", ["a", "./a", "sub/../a"])
def test_two_outputs_to_one_file_are_refused(here: Path, name: str) -> None:
    (here / "sub").mkdir()
    assert parsed("json=a", f"html={name}")[1] == [f"--output html={name}: {Path(name)} is asked for twice"]


def test_the_standard_output_takes_one_output() -> None:
    assert parsed("json=-", "html=-")[1] == ["--output html=-: the standard output is asked for twice"]


def test_a_device_takes_several_outputs() -> None:
    assert parsed(f"json={os.devnull}", f"html={os.devnull}")[1] == []


def test_a_kind_that_can_not_be_made_here_is_refused_before_the_run() -> None:
    assert parsed("print=a")[1] == ["--output print=a: the press is not there"]


def test_each_output_holds_the_whole_result(here: Path) -> None:
    assert write([Output("json", Path("a")), Output("html", Path("b"))], result_of(id="red-fox"), hint="") == []
    assert ((here / "a").read_bytes(), (here / "b").read_bytes()) == (b"red-fox", b"<p>")


def test_an_output_that_fails_costs_no_other(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> bytes:
        raise LoadsError("there is no paper", "get some")

    monkeypatch.setitem(KINDS, "print", Kind(refuse))
    told = write(
        [Output("json", Path("no/a")), Output("print", Path("p")), Output("json", Path("a"))], result_of(), hint="see"
    )
    assert [(problem.message, problem.hint) for problem in told] == [
        ("the result could not be written to no/a: No such file or directory", "see"),
        ("there is no paper", "get some"),
    ]
    assert (here / "a").exists()


def test_what_needs_the_standard_output_or_details_says_so() -> None:
    file, stdout = Output("html", Path("a")), Output("json", None)
    assert (takes_stdout([file]), takes_stdout([file, stdout]), takes_stdout([])) == (False, True, False)
    assert (needs_details([file]), needs_details([file, stdout]), needs_details([])) == (False, True, False)


def test_a_report_is_called_after_its_run_and_stays_where_it_is_asked_for() -> None:
    assert named_after("red-fox-3") == "loads-red-fox-3.html"
    assert named_after("../../etc/x") == "loads-______etc_x.html"
    assert report_to("-") == Output("html", None)


def test_a_report_that_can_not_be_written_is_refused_before_it_is_made() -> None:
    check_report(None)
    check_report("-")
    with pytest.raises(UsageError, match=r"no/r\.html can't be written"):
        check_report("no/r.html")


def test_each_kind_is_named_in_the_hint() -> None:
    assert outputs.NAMES == "json or html"

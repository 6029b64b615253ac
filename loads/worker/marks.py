"""What pytest's decorators left on tests: marks, sets of parameters, reasons to skip, and the need for fixtures.

pytest itself is never imported: only the attributes that its decorators set are read. Whatever here can't be told for
sure (a condition as text, indirect parameters) counts as a need for pytest, so that no test runs in another way than
there.
"""

from __future__ import annotations

import enum
import inspect
import itertools
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

_PARAMETRIZE = ("argnames", "argvalues", "indirect", "ids", "scope")


class NeedsPytest(Exception):
    """Only pytest can run the test: it wants the fixtures `names`, or something else that is pytest's own."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(", ".join(names))
        self.names = names


@dataclass(frozen=True)
class ParameterSet:
    """One run of a parametrized test: what follows the test's name, its arguments, and marks of its own."""

    label: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    marks: list[Any] = field(default_factory=list)


def marks_of(*things: Any) -> list[Any]:
    """The marks of a function, its class and its module, given in this order: the closest first."""
    return [mark for thing in things for owner in _with_bases(thing) for mark in _own_marks(owner)]


def expand(marks: Sequence[Any]) -> Iterator[ParameterSet]:
    """Every combination of the parametrize marks among `marks`; one empty set when there is none.

    Raises:
        NeedsPytest: parameters go to fixtures.
    """
    axes = [_axis(mark) for mark in marks if mark.name == "parametrize"]
    for parts in itertools.product(*axes):
        labels = [part.label for part in parts if part.label is not None]
        yield ParameterSet(
            "-".join(labels) if labels else None,
            {name: value for part in parts for name, value in part.arguments.items()},
            [mark for part in parts for mark in part.marks],
        )


def skip_reason(marks: Iterable[Any]) -> str | None:
    """Why the test is to be skipped; None: it isn't.

    Raises:
        NeedsPytest: a condition is given as text.
    """
    for mark in marks:
        if mark.name == "skip" or (mark.name == "skipif" and any(_conditions(mark))):
            reason = mark.kwargs.get("reason", mark.args[0] if mark.name == "skip" and mark.args else "")
            return str(reason)
    return None


@dataclass(frozen=True)
class ExpectedFailure:
    """A test that is expected to fail, by one of `raises`; `strict`: or else it is a failure; `run`: whether to try."""

    raises: tuple[type[BaseException], ...]
    strict: bool
    run: bool


def expected_failure(marks: Iterable[Any]) -> ExpectedFailure | None:
    """The first xfail mark that applies; None: there is none.

    Raises:
        NeedsPytest: a condition is given as text.
    """
    for mark in marks:
        if mark.name != "xfail":
            continue
        conditions = _conditions(mark)
        if conditions and not any(conditions):
            continue
        raises = mark.kwargs.get("raises") or Exception
        kinds = raises if isinstance(raises, tuple) else (raises,)
        return ExpectedFailure(kinds, bool(mark.kwargs.get("strict")), bool(mark.kwargs.get("run", True)))
    return None


def required_arguments(function: Callable[..., Any], *, bound: bool) -> list[str]:
    """Names of the arguments that `function` can't be called without; self and what mock.patch fills in left out."""
    parameters = list(inspect.signature(function).parameters.values())[1 if bound else 0 :]
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    needed = [one.name for one in parameters if one.default is inspect.Parameter.empty and one.kind in named]
    return needed[_mock_arguments(function) :]


def fixtures_used(marks: Iterable[Any]) -> list[str]:
    """The fixtures that usefixtures marks name."""
    return [str(name) for mark in marks if mark.name == "usefixtures" for name in mark.args]


def autouse_fixtures(owner: Any) -> list[str]:
    """Names of the fixtures in a class or module that pytest applies to every test in it."""
    found: dict[str, Any] = {}
    for part in reversed(_with_bases(owner)):
        found |= vars(part)
    markers = ((name, fixture_marker(thing)) for name, thing in found.items())
    return [name for name, marker in markers if marker is not None and marker.autouse]


def fixture_marker(thing: Any) -> Any:
    """What pytest.fixture left on `thing`; None when that is no fixture."""
    for name in ("_fixture_function_marker", "_pytestfixturefunction"):
        marker = getattr(thing, name, None)
        if type(marker).__name__ == "FixtureFunctionMarker":
            return marker
    return None


def _with_bases(thing: Any) -> list[Any]:
    return list(thing.__mro__) if inspect.isclass(thing) else [thing]


def _own_marks(thing: Any) -> list[Any]:
    marks = vars(thing).get("pytestmark", []) if hasattr(thing, "__dict__") else []
    return [getattr(mark, "mark", mark) for mark in (marks if isinstance(marks, (list, tuple)) else [marks])]


def _conditions(mark: Any) -> list[Any]:
    conditions = [*mark.args] + ([mark.kwargs["condition"]] if "condition" in mark.kwargs else [])
    texts = [condition for condition in conditions if isinstance(condition, str)]
    if texts:
        raise NeedsPytest([f"{mark.name} {text!r}" for text in texts])
    return conditions


def _mock_arguments(function: Any) -> int:
    """How many arguments mock.patch gives to `function`."""
    patches = getattr(function, "patchings", None)
    defaults = [sys.modules[name].DEFAULT for name in ("unittest.mock", "mock") if name in sys.modules]
    if not isinstance(patches, list):
        return 0
    return sum(not patch.attribute_name and any(patch.new is default for default in defaults) for patch in patches)


def _axis(mark: Any) -> list[ParameterSet]:
    given = dict(zip(_PARAMETRIZE, mark.args, strict=False)) | mark.kwargs
    argnames = given["argnames"]
    names = [name.strip() for name in argnames.split(",") if name.strip()] if isinstance(argnames, str) else argnames
    if given.get("indirect"):
        raise NeedsPytest(list(names))
    rows = [_row(value, names) for value in given["argvalues"]]
    ids = given.get("ids")
    fixed = list(ids) if ids is not None and not callable(ids) else [None] * len(rows)
    labels = [
        _label(row, identity if identity is not None else own, names, index, ids if callable(ids) else None)
        for index, ((row, own, _), identity) in enumerate(zip(rows, fixed, strict=False))
    ]
    return [
        ParameterSet(label, dict(zip(names, row, strict=True)), marks)
        for label, (row, _, marks) in zip(_unique(labels), rows, strict=True)
    ]


def _row(value: Any, names: Sequence[str]) -> tuple[Sequence[Any], Any, list[Any]]:
    """The cells of one set of parameters, its id and its marks."""
    if type(value).__name__ == "ParameterSet":
        return value.values, value.id, [getattr(mark, "mark", mark) for mark in value.marks]
    return (value if len(names) > 1 else (value,)), None, []


def _label(row: Sequence[Any], identity: Any, names: Sequence[str], index: int, id_of: Any) -> str:
    if identity is not None:
        return _escaped(identity) if isinstance(identity, str) else str(identity)
    return "-".join(_cell(value, f"{name}{index}", id_of) for name, value in zip(names, row, strict=False))


def _cell(value: Any, otherwise: str, id_of: Any) -> str:
    """One value in a test's name, as pytest writes it."""
    if id_of is not None:
        identity = id_of(value)
        if identity is not None:
            return _escaped(str(identity))
    if isinstance(value, str):
        return _escaped(value)
    if isinstance(value, bytes):
        return value.decode("ascii", "backslashreplace")
    if value is None or isinstance(value, (bool, int, float, complex, enum.Enum)):
        return str(value)
    if isinstance(value, re.Pattern):
        return _escaped(str(value.pattern))
    name = getattr(value, "__name__", None)
    return name if isinstance(name, str) else otherwise


def _escaped(text: str) -> str:
    return text.encode("unicode_escape").decode("ascii")


def _unique(labels: list[str]) -> list[str]:
    """The same label twice gets a number, as pytest gives it."""
    counts = Counter(labels)
    numbers: Counter[str] = Counter()
    unique = list(labels)
    for index, label in enumerate(labels):
        if counts[label] > 1:
            between = "_" if label[-1:].isdigit() else ""
            while (numbered := f"{label}{between}{numbers[label]}") in unique:
                numbers[label] += 1
            unique[index] = numbered
            numbers[label] += 1
    return unique

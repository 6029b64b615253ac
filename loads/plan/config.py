"""What was set, where, and what holds: layers of settings, and how they are laid over one another.

    command line  >  environment  >  file

Each layer is read whole, with all its problems, also where a higher one hides it: a mistake is told when it is made.
A setting holds as the highest layer says it, but for the load: the highest layer that says anything about the load
says all of it, so that half of one plan never meets half of another. Each value keeps where it came from.

Pure: it is handed what was given. `plan.files` parses files, `cli.layers` reads them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from loads.errors import UsageError
from loads.plan.settings import ALIASES, COMMAND_LINE_ONLY, SETTINGS, Kind, Setting, variable_of

CONFIG_VARIABLE: Final = variable_of("config")
"""Names the file, so it is no setting of a layer."""

_RESERVED = {
    variable_of(name)
    for name in (
        *("worker-id", "agent-id", "status", "zmq-receiver", "join"),
        *("total-users", "current-user", "total-hits", "current-hit"),
    )
}
_RESERVED_PREFIX = variable_of("run-")

_MARKS: Final = re.compile(r"""(?:^|(?<=[\s:,;\[({]))(['"`])(?:\\.|(?!\1)[^\\\n])*\1|[()\[\]{}\n;]""")
"""What stands in quotes, on one line, as a whole; brackets; what divides. An apostrophe in a word opens no quotes."""

Text = str | tuple[str, ...]


@dataclass(frozen=True)
class Value:
    """What a setting was set to: parsed (None where it can't be), as it was written, and where."""

    value: Any
    text: Text
    origin: str


@dataclass(frozen=True)
class Layer:
    """What one place says, by setting, and all that is wrong there."""

    values: dict[str, Value] = field(default_factory=dict)
    problems: list[UsageError] = field(default_factory=list)

    def say(self, setting: Setting, text: Text, origin: str) -> None:
        """Take `text` for `setting`, once."""
        if setting.name in self.values:
            before = self.values[setting.name].origin
            self.problems.append(UsageError(f"{origin} says again what {before} says", "leave one of them out"))
            return
        parsed, problems = [], list[UsageError]()
        for item in (text,) if isinstance(text, str) else text:
            try:
                parsed.append(setting.parse(item))
            except UsageError as error:
                message = error.message if error.message.startswith(origin) else f"{origin}: {error.message}"
                problems.append(UsageError(message, error.hint))
        value = None if problems else parsed[0] if isinstance(text, str) else tuple(parsed)
        self.problems.extend(problems)
        self.values[setting.name] = Value(value, text, origin)


@dataclass(frozen=True)
class Config:
    """What holds.

    Attributes:
        unused: what lower layers say of the load, in vain.
        problems: of all layers; nothing may be run while there are any.
    """

    values: Mapping[str, Value]
    unused: tuple[Value, ...] = ()
    problems: tuple[UsageError, ...] = ()

    def __getitem__(self, name: str) -> Any:
        """The setting's value; None: nobody says anything."""
        return self.values[name].value if name in self.values else None

    def origin(self, name: str) -> str:
        """Where the setting was set; its option, if it was not."""
        return self.values[name].origin if name in self.values else SETTINGS[name].flag


def merge(*layers: Layer) -> Config:
    """What holds where `layers`, the highest first, are laid over one another."""
    values: dict[str, Value] = {}
    unused: list[Value] = []
    load_is_said = False
    for layer in layers:
        load = {name: value for name, value in layer.values.items() if SETTINGS[name].load}
        if load_is_said:
            unused += load.values()
        for name, value in layer.values.items():
            if name not in values and not (load_is_said and name in load):
                values[name] = value
        load_is_said = load_is_said or bool(load)
    problems = tuple(problem for layer in layers for problem in layer.problems)
    return Config(values, tuple(unused), problems)


def read_options(given: Mapping[str, Text | bool]) -> Layer:
    """The command line: what each option was given, by setting."""
    layer = Layer()
    for name, said in given.items():
        setting = SETTINGS[name]
        if isinstance(said, bool):
            layer.say(setting, str(said).lower(), setting.flag if said else f"--no-{name}")
        else:
            layer.say(setting, said if isinstance(said, str) else divided(said, setting.kind), setting.flag)
    return layer


def read_environment(environment: Mapping[str, str]) -> Layer:
    """The variables ``LOADS_...``; an empty one says nothing, reserved ones are not for us."""
    layer = Layer()
    known = {variable_of(name): name for name in (*SETTINGS, *ALIASES)}
    only = {variable_of(name): name for name in COMMAND_LINE_ONLY}
    for variable, text in sorted(environment.items()):
        if not text or not variable.startswith("LOADS_") or variable == CONFIG_VARIABLE:
            continue
        if variable in _RESERVED or variable.startswith(_RESERVED_PREFIX):
            continue
        if variable in only:
            layer.problems.append(only_an_option(variable, only[variable]))
        elif variable not in known:
            hint = nearest(variable, (*known, CONFIG_VARIABLE), "variables")
            layer.problems.append(UsageError(f"unknown variable {variable}", hint))
        else:
            setting = setting_of(known[variable])
            layer.say(setting, split(text, setting.kind), variable)
    return layer


def setting_of(name: str) -> Setting:
    """The setting of that name, or of that other name."""
    return SETTINGS[ALIASES.get(name, name)]


def split(text: str, kind: Kind) -> Text:
    """A text that has no types: a list is words, or lines."""
    if not kind.many:
        return text.strip()
    return tuple(split_lines(text) if kind.lines else text.split())


def divided(items: tuple[str, ...], kind: Kind) -> tuple[str, ...]:
    """`items` of a list, where one may hold several as a text does; an empty one stays, to be told."""
    return tuple(piece for item in items for piece in (split_lines(item) or [item])) if kind.lines else items


def split_lines(text: str) -> list[str]:
    """What is on the lines of `text`, or between semicolons, but for those in quotes or in brackets: k6's lists and
    objects may go over several. Where brackets don't match, none of them counts: who reads the pieces will say what is
    wrong.
    """
    pieces = _pieces(text, brackets=True) or _pieces(text, brackets=False)
    return [piece.strip() for piece in pieces if piece.strip()]


def _pieces(text: str, *, brackets: bool) -> list[str]:
    """Empty: the brackets don't match."""
    pieces, begin, depth = list[str](), 0, 0
    for mark in _MARKS.finditer(text):
        if mark[0] in ("\n", ";"):
            if not depth:
                pieces.append(text[begin : mark.start()])
                begin = mark.end()
        elif brackets and not mark[1]:
            depth += 1 if mark[0] in "([{" else -1
            if depth < 0:
                return []
    return [] if depth else [*pieces, text[begin:]]


def only_an_option(name: str, option: str) -> UsageError:
    """The problem with `name`: what `option` does is asked for each time anew."""
    return UsageError(f"{name} can't be set", f"--{option} is for the command line only")


def nearest(name: str, known: Iterable[str], what: str) -> str:
    """A hint for who wrote `name`, which is none of the `known`."""
    there = list(known)
    close = difflib.get_close_matches(name, there, n=1, cutoff=0.75)
    return f"did you mean {close[0]}?" if close else f"the {what} are {', '.join(there)}"

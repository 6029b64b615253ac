"""Writes docs/protocol.rst from the messages themselves: ``python docs/protocol.py``, after each change of them.

What a message is, its fields and their meaning are taken from the code and its docstrings, and so are the limits. Here
is only what no type says: who speaks to whom, and the rules of the connection, in words. Every type that can come over
a connection gets an entry; one of a kind that this does not know is an error, so that none is left out.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import sys
import textwrap
import types
import typing
from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import Enum
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import msgspec

from loads.wire import cluster, codec, messages

PAGE: Final = Path(__file__).with_name("protocol.rst")
MB: Final = 1 << 20
_BASIC: Final = {
    int: "integer",
    float: "number",
    str: "string",
    bool: "boolean",
    bytes: "binary",
    datetime: "timestamp",
}
_FROM_AGENTS: Final = (
    *(cluster.Hello, cluster.Enlist, cluster.Beat, cluster.Standing),
    *(cluster.Fetch, cluster.Batch, cluster.Complete),
)
_FROM_RUNNERS: Final = (
    *(cluster.Hello, cluster.Beat, cluster.Submit, cluster.Chunk),
    *(cluster.Follow, cluster.Recollect, cluster.Cease, cluster.Ask),
)
Sides = tuple[tuple[str, tuple[type, ...]], ...]
CLUSTER: Final[Sides] = (
    ("agent to broker", _FROM_AGENTS),
    ("broker to agent", typing.get_args(cluster.ToAgent)),
    ("runner to broker", _FROM_RUNNERS),
    ("broker to runner", typing.get_args(cluster.ToRunner)),
)
WORKERS: Final[Sides] = (
    ("parent to worker", typing.get_args(messages.Down)),
    ("worker to parent", typing.get_args(messages.Up)),
)


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """The whole page."""
    parts = [
        _HEAD,
        _heading("Rules", "-"),
        "\n".join(_wrapped(rule) for rule in _RULES),
        _heading("The cluster", "-"),
        _prose(inspect.getdoc(cluster) or ""),
        *_side(CLUSTER, cluster.ToBroker | cluster.FromBroker),
        _heading("A worker and its parent", "-"),
        _prose(inspect.getdoc(messages) or ""),
        *_side(WORKERS, messages.Message),
        _heading("Values", "-"),
        "What messages are made of, by name.",
        *(_entry(kind) for kind in sorted(_values(), key=_name)),
    ]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _side(sides: Sides, union: object) -> Iterator[str]:
    """An entry for each message, in the order of the code, with who says it."""
    spoken = {message for _, told in sides for message in told}
    if spoken != set(typing.get_args(union)):
        raise ValueError(f"who says these? {spoken ^ set(typing.get_args(union))}")
    for message in sorted(spoken, key=_line_of):
        yield _entry(message, ", ".join(who for who, told in sides if message in told))


def _values() -> set[type]:
    """All types that are in messages, without the messages."""
    everything = set[type]()
    spoken = {message for _, told in (*CLUSTER, *WORKERS) for message in told}
    waiting: list[type] = list(spoken)
    while waiting:
        kind = waiting.pop()
        if kind not in everything:
            everything.add(kind)
            for field in _fields(kind):
                waiting += _types_in(field[1])
    return everything - spoken


def _types_in(kind: Any) -> Iterator[type]:
    """The types of ours that a field of this type holds."""
    if typing.get_origin(kind) is typing.Annotated:
        yield from _types_in(typing.get_args(kind)[0])
    elif typing.get_origin(kind) is not None:
        for part in typing.get_args(kind):
            yield from _types_in(part)
    elif kind not in _BASIC and kind not in (None, types.NoneType, Ellipsis):
        yield kind


def _fields(kind: type) -> list[tuple[str, Any, str]]:
    """Name, type and default of each field, in their order."""
    if issubclass(kind, msgspec.Struct):
        return [(field.encode_name, field.type, _default(field)) for field in msgspec.structs.fields(kind)]
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind, include_extras=True)
        return [(field.name, hints[field.name], _default(field)) for field in dataclasses.fields(kind)]
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        hints = typing.get_type_hints(kind, include_extras=True)
        defaults: dict[str, object] = vars(kind)["_field_defaults"]
        return [(name, hint, _shown(defaults[name]) if name in defaults else "") for name, hint in hints.items()]
    if issubclass(kind, Enum):
        return []
    raise TypeError(f"{kind} is in a message, and {Path(__file__).name} does not know how to show it")


def _default(field: Any) -> str:
    """What a field is when it is left out; empty: it must be there."""
    missing = (msgspec.NODEFAULT, dataclasses.MISSING)
    if field.default not in missing:
        return _shown(field.default)
    if field.default_factory in missing:
        return ""
    return _shown(field.default_factory())


def _shown(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Enum):
        return f"``{value.value}``"
    if isinstance(value, int | float | str) and value != "":
        return f"{value:,}" if isinstance(value, int) else str(value)
    return "empty"


def _entry(kind: type, direction: str = "") -> str:
    """A type: what it is for, what it looks like, its fields or its values."""
    text, meanings = _documented(kind)
    lines = [f".. _{_label(kind)}:", _heading(_name(kind), "~")]
    if direction:
        lines.append(f"*{direction[0].upper()}{direction[1:]}.*")
    lines.append(_prose(text))
    if issubclass(kind, Enum):
        values = [(f"``{each.value}``", meanings.get(each.name, "")) for each in kind]
        return "\n\n".join([*lines, _table(("Value", "Meaning"), values)])
    fields = _fields(kind)
    if _is_array(kind):
        lines.append("An array, in this order:" if fields else "An empty array.")
    if fields:
        rows = [(f"``{name}``", _type(hint), default, meanings.get(name, "")) for name, hint, default in fields]
        lines.append(_table(("Field", "Type", "Default", "Meaning"), rows))
    return "\n\n".join(lines)


def _is_array(kind: type) -> bool:
    config = getattr(kind, "__struct_config__", None)
    return issubclass(kind, tuple) or (config is not None and config.array_like)


def _type(kind: Any) -> str:
    """A type in words, with links."""
    arguments = typing.get_args(kind)
    match typing.get_origin(kind):
        case typing.Annotated:
            return _bounded(arguments[0], arguments[1:])
        case typing.Union | types.UnionType:
            return " or ".join(_type(each) for each in arguments)
        case builtin if builtin in (list, set) or (builtin is tuple and arguments[-1] is Ellipsis):
            return f"array of {_type(arguments[0])}"
        case builtin if builtin is tuple:
            return f"[{', '.join(_type(each) for each in arguments)}]"
        case builtin if builtin is dict:
            return f"map of {_type(arguments[0])} to {_type(arguments[1])}"
    if kind is types.NoneType:
        return "null"
    return _BASIC[kind] if kind in _BASIC else f":ref:`{_name(kind)} <{_label(kind)}>`"


def _bounded(kind: Any, extras: tuple[Any, ...]) -> str:
    least = next((each.ge for each in extras if isinstance(each, msgspec.Meta) and each.ge is not None), None)
    most = next((each.le for each in extras if isinstance(each, msgspec.Meta) and each.le is not None), None)
    if most is not None:
        return f"{_type(kind)}, {'up' if least is None else least} to {_large(int(most))}"
    return _type(kind) if least is None else f"{_type(kind)}, {least} or more"


def _large(number: int) -> str:
    """Powers of two, and what is one less, as people know them."""
    for less, text in ((0, ""), (1, " - 1")):
        power = (number + less).bit_length() - 1
        if power > 20 and number + less == 1 << power:
            return f"2^{power}{text}"
    return f"{number:,}"


def _documented(kind: type) -> tuple[str, dict[str, str]]:
    """The docstring of `kind` without its attributes, and what is said of each of those, there or beneath it."""
    text, _, listed = (inspect.getdoc(kind) or "").partition("\nAttributes:\n")
    meanings: dict[str, str] = {}
    for item in re.split(r"\n(?=    \S)", "\n" + listed)[1:]:
        names, _, meaning = item.strip().partition(": ")
        meanings.update(dict.fromkeys(names.split(", "), " ".join(meaning.split())))
    body = _definition(kind).body
    for field, below in pairwise(body):
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            for name in _assigned(field):
                meanings[name] = " ".join(str(below.value.value).split())
    return text, meanings


def _assigned(statement: ast.stmt) -> list[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _definition(kind: type) -> ast.ClassDef:
    for node in _module_tree(kind).body:
        if isinstance(node, ast.ClassDef) and node.name == kind.__name__:
            return node
    raise TypeError(f"{kind} is not defined at the top of its module")


def _module_tree(kind: type) -> ast.Module:
    path = sys.modules[kind.__module__].__file__
    assert path is not None
    return ast.parse(Path(path).read_text(encoding="utf-8"))


def _line_of(kind: type) -> int:
    return _definition(kind).lineno


def _name(kind: type) -> str:
    """What it is called here; with its module where a message has the name."""
    taken = {other.__name__ for _, told in (*CLUSTER, *WORKERS) for other in told} | {"Span", "Stage"}
    is_of_wire = kind.__module__.startswith("loads.wire")
    return kind.__name__ if is_of_wire or kind.__name__ not in taken else f"{_module(kind)}.{kind.__name__}"


def _label(kind: type) -> str:
    return f"protocol-{_module(kind)}-{kind.__name__}".lower()


def _module(kind: type) -> str:
    return kind.__module__.rpartition(".")[2]


def _heading(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}"


def _prose(text: str) -> str:
    """A docstring as text; what is set off in it stands as it is."""
    blocks: list[str] = []
    for block in re.split(r"\n\s*\n", text):
        is_drawn = block.startswith("    ")
        if is_drawn and not (blocks and blocks[-1].startswith("    ")):
            blocks.append("::")
        blocks.append(block)
    return "\n\n".join(blocks)


def _wrapped(text: str) -> str:
    """An item of a list."""
    return textwrap.fill(f"- {text}", 120, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """`rows` below `heads`, without columns that are empty."""
    columns = [(head, *cells) for head, *cells in zip(heads, *rows, strict=True) if any(cells)]
    lines = [".. list-table::", "    :header-rows: 1", ""]
    for row in zip(*columns, strict=True):
        for number, cell in enumerate(row):
            mark = "*" if number == 0 else " "
            lines.append(f"    {mark} - {cell}".rstrip())
    return "\n".join(lines)


_FETCH: Final = f":ref:`Fetch <{_label(cluster.Fetch)}>`"
_HEAD: Final = f"""\
.. Written by docs/protocol.py from the code. Change that, and run: python docs/protocol.py

The protocol
============

What the processes of a cluster say to each other, for whoever changes it or watches it. This is its
version {messages.PROTOCOL}. :doc:`distributed` tells what it is for, and :doc:`internals` how it comes about.
"""
_RULES: Final = (
    "Messages are `MessagePack <https://msgpack.org>`_. One is a map with its name as ``type``, and its fields by "
    f'their names; ``"type": "Fetch"`` is a {_FETCH}. A field with a default may be left out, any other must be '
    "there. A field that is not known is passed over. Values that are said to be arrays have their fields in order and "
    "without names. What is said of None holds for null.",
    "In a cluster a message is one frame of ZeroMQ: peers are ``DEALER``, the broker is one ``ROUTER``. Between a "
    "worker and its parent, which have a socketpair, each message has its length in front, four bytes, the highest "
    "first.",
    f"A message to the broker has at most {codec.MAX_MESSAGE_BYTES // MB} MB, one from the broker "
    f"{codec.MAX_ANSWER_BYTES // MB} MB, one between a worker and its parent {codec.MAX_FRAME_BYTES // MB} MB. A "
    "longer one is not read: its connection is cut.",
    f"The files of a run go in pieces of {cluster.CHUNK_BYTES >> 10} KB. At most {cluster.CHUNKS_AHEAD} are asked for "
    "and have not come yet, so a heartbeat never waits behind more than that.",
    "Whoever says what is no message costs itself the connection, and nobody else anything. So does a peer that "
    "chooses its own routing id, or one that connects and says nothing: it is cut off after three to six seconds.",
    "The version is that of all messages together, and changes with any of them. ``Hello`` alone stays as it is, so "
    "that any two versions understand each other far enough to say why they can't work together: ``Rejected``.",
    "Nothing is kept for a peer that is not there. What can't be said now is not said; orders and acknowledgements "
    "come again as long as they hold, and batches until they are acknowledged.",
    "There is no pickle, and nothing that is received is run but the tests.",
)

if __name__ == "__main__":
    main()

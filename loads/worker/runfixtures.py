"""setUpRun and tearDownRun: class methods that run on exactly one worker of the whole run.

That worker sets up all the classes that define them before any other fixture runs anywhere. What they return goes to
every worker of the run as one piece of data, packed here and unpacked here. One that raises refuses the run.
"""

from __future__ import annotations

import inspect
import unittest
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from loads.case import TestCase
from loads.client.rundata import MARK, MOST_BYTES, is_own, pack, unpack
from loads.errors import Interrupted, UsageError
from loads.worker.finder import LoadFailure
from loads.worker.loader import Scenario
from loads.worker.plain import PlainTest
from loads.worker.tracebacks import format_traceback, kind_name, message_of

_HOOKS: Final = ("setUpRun", "tearDownRun")


class _Data(msgspec.Struct, frozen=True, array_like=True):
    """What travels: for each class what its setUpRun returned, packed, or why it skips its tests."""

    values: dict[str, bytes] = {}
    skips: dict[str, str] = {}


class RunFixtures:
    """Those of the classes of `scenarios`, each of which is called once, as itself, wherever the method stands.

    Raises:
        LoadFailure: one of them can't be called.
    """

    def __init__(self, scenarios: Sequence[Scenario] = ()) -> None:
        self._classes: list[type[Any]] = list(dict.fromkeys(scenario.cls for scenario in scenarios))
        self._ready: list[type[Any]] | None = None
        for cls in self._classes:
            if issubclass(cls, TestCase):
                setattr(cls, MARK, True)  # no other than this calls them
            for hook in _HOOKS:
                if _has(cls, hook):
                    _check(cls, hook)

    def names(self) -> tuple[str, ...]:
        """What there is to call, in order."""
        setting_up = [_name(cls, "setUpRun") for cls in self._classes if _has(cls, "setUpRun")]
        return (
            *setting_up,
            *(_name(cls, "tearDownRun") for cls in reversed(self._classes) if _has(cls, "tearDownRun")),
        )

    def set_up(self) -> bytes:
        """Call every setUpRun; what they returned, for `spread`.

        Raises:
            LoadFailure: one raised, or returned what can't be sent.
            Interrupted: it was cut off.
        """
        self._ready = []
        values: dict[str, bytes] = {}
        skips: dict[str, str] = {}
        for cls in self._classes:
            name = _name(cls)
            if getattr(cls, "__unittest_skip__", False):
                continue
            try:
                value = cls.setUpRun() if _has(cls, "setUpRun") else None
            except unittest.SkipTest as skip:
                skips[name] = str(skip)
                continue
            except BaseException as error:
                raise _judged(error, _name(cls, "setUpRun")) from None
            self._ready.append(cls)
            values[name] = _packed(name, value, MOST_BYTES - sum(map(len, values.values())))
            cls.run_data = unpack(values[name])
        return msgspec.msgpack.encode(_Data({name: data for name, data in values.items() if data != _NOTHING}, skips))

    def spread(self, data: bytes) -> None:
        """Give the classes what was returned for them, in whatever worker."""
        if not data:
            return
        told = msgspec.msgpack.decode(data, type=_Data)
        for cls in self._classes:
            name = _name(cls)
            if name in told.skips:
                unittest.skip(told.skips[name])(cls)
            elif name in told.values:
                cls.run_data = unpack(told.values[name])

    def tear_down(self, failed: Callable[[BaseException, str], None]) -> None:
        """Call the tearDownRun of all that was set up, by this worker or another, the last first.

        `failed` is told what one raised, and which.
        """
        ready = self._classes if self._ready is None else self._ready
        self._ready = []
        for cls in reversed(ready):
            if _has(cls, "tearDownRun") and not getattr(cls, "__unittest_skip__", False):
                try:
                    cls.tearDownRun()
                except Interrupted:
                    raise
                except BaseException as error:
                    failed(error, _name(cls, "tearDownRun"))


_NOTHING: Final = pack("", None)


def _packed(name: str, value: Any, room_bytes: int) -> bytes:
    try:
        return pack(f"{name}.setUpRun", value, room_bytes)
    except UsageError as error:
        raise LoadFailure(error.message, error.hint) from None


def _judged(error: BaseException, name: str) -> BaseException:
    """What becomes of what setUpRun raised."""
    if isinstance(error, Interrupted | LoadFailure):
        return error
    if isinstance(error, UsageError):
        return LoadFailure(error.message, error.hint)
    return LoadFailure(
        f"{name} raised {kind_name(type(error))}: {message_of(error)}",
        "the run does not begin without what it prepares",
        format_traceback(error),
    )


def _has(cls: type[Any], hook: str) -> bool:
    return not issubclass(cls, PlainTest) and is_own(cls, hook, TestCase)


def _check(cls: type[Any], hook: str) -> None:
    function = inspect.getattr_static(cls, hook)
    if not isinstance(function, classmethod | staticmethod):
        raise LoadFailure(f"{_name(cls, hook)} is no class method", "write @classmethod above it")
    if inspect.iscoroutinefunction(function.__func__):
        raise LoadFailure(f"{_name(cls, hook)} is async, so calling it would run nothing", "write it without async")


def _name(cls: type[Any], *hook: str) -> str:
    return ".".join([cls.__module__, cls.__qualname__, *hook])

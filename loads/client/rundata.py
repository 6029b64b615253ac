"""setUpRun and tearDownRun of a test class: what one returns, packed for all workers, and both under plain unittest.

What setUpRun returns goes round MessagePack wherever it runs, so that a test sees the same values everywhere: tuples
are lists then, and dates texts. In a load test the worker calls both (see `worker.runfixtures`) and marks the classes,
so that `wrap` leaves them alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

import msgspec

from loads.errors import UsageError

SERVER_URL_VARIABLE: Final = "LOADS_SERVER_URL"
MOST_BYTES: Final = 1 << 20
"""Of all that is returned: it is sent to each worker, and kept by the broker."""
MARK: Final = "_loads_run_is_set_up"
"""Attribute of a class whose setUpRun ran, or that has somebody else to run it."""
_LENT: Final = (MARK, "run_data", "server_url")
"""What a class has of ours while its tests run."""
ADDED: Final = "_loads_added"
"""Attribute of a setUpClass that is ours alone."""


def pack(name: str, value: Any, room_bytes: int = MOST_BYTES) -> bytes:
    """`value`, which `name` (``shop.TestShop.setUpRun``) returned, as MessagePack.

    Raises:
        UsageError: it can't be sent, or takes more than `room_bytes`, which is what is left for it.
    """
    kind = type(value).__name__
    try:
        data = msgspec.msgpack.encode(value)
        msgspec.msgpack.decode(data)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        raise UsageError(
            f"{name} returned a {kind} that can't be sent to the workers: {error}",
            "return what JSON could hold: dictionaries, lists, texts, numbers, None",
        ) from None
    if len(data) > room_bytes:
        others = f", with {MOST_BYTES - room_bytes:,} bytes of other classes" if room_bytes < MOST_BYTES else ""
        raise UsageError(
            f"{name} returned a {kind} of {len(data):,} bytes{others}: {MOST_BYTES:,} can be sent to the workers",
            "return less, like keys of what lies on the server; rows for users are better fed: self.feed('users.csv')",
        )
    return data


def unpack(data: bytes) -> Any:
    """What `pack` packed."""
    return msgspec.msgpack.decode(data)


def is_own(cls: type[Any], hook: str, base: type[Any]) -> bool:
    """Whether `cls` has a `hook` (setUpRun or tearDownRun) that is not that of `base`, which does nothing."""
    there, nothing = getattr(cls, hook, None), getattr(base, hook, None)
    return there is not None and getattr(there, "__func__", there) is not getattr(nothing, "__func__", nothing)


def wrap(cls: type[Any]) -> None:
    """Let setUpClass of `cls` run setUpRun first, and tearDownRun when all else of the class is over."""
    own: Any = vars(cls).get("setUpClass")

    def setUpClass(running: type[Any]) -> None:
        _begin(running)
        inner: Callable[[], None] = super(cls, running).setUpClass if own is None else own.__get__(None, running)
        inner()

    if own is None:
        setattr(setUpClass, ADDED, True)
    cls.setUpClass = classmethod(setUpClass)


def _begin(cls: type[Any]) -> None:
    """Run setUpRun of `cls`, for this process alone, unless it ran or a worker does it."""
    if MARK in vars(cls):
        return
    before = {name: vars(cls)[name] for name in _LENT if name in vars(cls)}
    setattr(cls, MARK, True)
    cls.addClassCleanup(_restore, cls, before)
    if url := os.environ.get(SERVER_URL_VARIABLE):
        cls.server_url = url
    cls.run_data = unpack(pack(f"{cls.__module__}.{cls.__qualname__}.setUpRun", cls.setUpRun()))
    cls.addClassCleanup(cls.tearDownRun)


def _restore(cls: type[Any], before: dict[str, Any]) -> None:
    for name in _LENT:
        if name in vars(cls):
            delattr(cls, name)
    for name, value in before.items():
        setattr(cls, name, value)

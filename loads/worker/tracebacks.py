"""Tracebacks as the author of a test wants them: without the frames of Loads and unittest around the test."""

from __future__ import annotations

import sysconfig
import traceback
import unittest
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import loads

_MACHINERY = tuple(f"{Path(module.__file__ or '').parent}/" for module in (loads, unittest))
_LIBRARIES = tuple({f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib", "purelib", "platlib")})
_FROZEN = "<frozen "


def format_traceback(error: BaseException) -> str:
    """The whole traceback of `error` and of what caused it, from the test's own first line on."""
    formatted = traceback.TracebackException.from_exception(error)
    _clean(formatted)
    return "".join(formatted.format()).rstrip()


def place_of(trace: TracebackType | None) -> str:
    """``file.py:12`` of the innermost line of the user's own code, or of any code when none is theirs."""
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(trace)]
    own = [frame for frame in frames if not _is_foreign(frame[0])]
    if not (own or frames):
        return ""
    filename, line = (own or frames)[-1]
    return f"{filename}:{line}"


def kind_name(type_: type[BaseException]) -> str:
    """``AssertionError``, ``requests.exceptions.ConnectionError``: as a traceback's last line has it."""
    if type_.__module__ in ("builtins", "__main__"):
        return type_.__qualname__
    return f"{type_.__module__}.{type_.__qualname__}"


def _is_foreign(filename: str) -> bool:
    return filename.startswith((*_MACHINERY, *_LIBRARIES, _FROZEN))


def _clean(formatted: traceback.TracebackException) -> None:
    kept = [frame for frame in formatted.stack if not frame.filename.startswith((*_MACHINERY, _FROZEN, "<frozen"))]
    kept = _without_importlib(kept)
    formatted.stack = traceback.StackSummary.from_list(kept)
    for link in (formatted.__cause__, formatted.__context__):
        if link is not None:
            _clean(link)


def _without_importlib(frames: Iterable[traceback.FrameSummary]) -> list[traceback.FrameSummary]:
    return [frame for frame in frames if "/importlib/" not in frame.filename]

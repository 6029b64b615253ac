"""Tracebacks as the author of a test wants them: without the frames of Loads and unittest around the test.

Files are named as imports find them, `shop/checkout.py`: the same on every machine, wherever a run's files are unpacked
there, so that one mistake is one group of errors.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import traceback
import unittest
from pathlib import Path
from types import FrameType, TracebackType

import loads

_MACHINERY = tuple(f"{Path(module.__file__ or '').parent}/" for module in (loads, unittest))
_LIBRARIES = tuple({f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib", "purelib", "platlib")})
_FROZEN = "<frozen "
_COMPILED = ("src/gevent/", "src/greenlet/")
"""Frames of compiled modules carry the path that they were built from."""
_MAX_CAUSES = 8


def format_traceback(error: BaseException) -> str:
    """The traceback of `error` from the test's own first line on, then what caused it.

    A cause that passed through the user's code has its own traceback; one from deep inside a library gets a line: five
    screens of a HTTP client's internals say less.
    """
    formatted = traceback.TracebackException.from_exception(error)
    parts = [_one(formatted)]
    cause = formatted
    for _ in range(_MAX_CAUSES):
        following = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
        if following is None:
            break
        cause = following
        own = any(not _is_foreign(frame.filename) for frame in cause.stack)
        parts.append("caused by: " + (_one(cause) if own else "".join(cause.format_exception_only()).rstrip()))
    return "\n".join(parts)


def message_of(error: BaseException) -> str:
    """``str(error)``, for errors whose own code fails at that, too."""
    if kind_name(type(error)) == "bdb.BdbQuit":
        return "a breakpoint has no terminal here: --workers 0 runs the tests inside the command"
    try:
        return str(error)
    except BaseException as failure:
        return f"<its str() raised {kind_name(type(failure))}>"


def place_of(trace: TracebackType | None) -> str:
    """``file.py:12`` of the innermost line of the user's own code, or of any code when none is theirs."""
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(trace)]
    own = [frame for frame in frames if not _is_foreign(frame[0])]
    if not (own or frames):
        return ""
    filename, line = (own or frames)[-1]
    return f"{short_name(filename)}:{line}"


def place_of_frames(frame: FrameType | None) -> str | None:
    """The same for a stack that runs: the innermost line of the user's own code; None when there is none."""
    places = []
    while frame is not None:
        places.append((frame.f_code.co_filename, frame.f_lineno))
        frame = frame.f_back
    own = [place for place in places if not _is_foreign(place[0])]
    return f"{short_name(own[0][0])}:{own[0][1]}" if own else None


def short_name(filename: str) -> str:
    """`filename` from the directory on in which imports find it; whole, if there is none, and for libraries."""
    if _is_foreign(filename):
        return filename
    above = [f"{directory}{os.sep}" for directory in sys.path if directory]
    return min((filename.removeprefix(directory) for directory in above), key=len, default=filename)


def kind_name(type_: type[BaseException]) -> str:
    """``AssertionError``, ``requests.exceptions.ConnectionError``: as a traceback's last line has it."""
    if type_.__module__ in ("builtins", "__main__"):
        return type_.__qualname__
    return f"{type_.__module__}.{type_.__qualname__}"


def _is_foreign(filename: str) -> bool:
    return filename.startswith((*_MACHINERY, *_LIBRARIES, _FROZEN, *_COMPILED))


def _one(formatted: traceback.TracebackException) -> str:
    """One exception with its frames, but for those of Loads, unittest and the import machinery."""
    kept = [frame for frame in formatted.stack if not _is_machinery(frame.filename)]
    for frame in kept:
        frame.filename = short_name(frame.filename)  # its line of code was looked up before
    wrong = getattr(formatted, "filename", None)  # of what does not parse
    if wrong:
        formatted.filename = short_name(wrong)
    lines = ["Traceback (most recent call last):\n", *traceback.StackSummary.from_list(kept).format()] if kept else []
    return "".join([*lines, *formatted.format_exception_only()]).rstrip()


def _is_machinery(filename: str) -> bool:
    return filename.startswith((*_MACHINERY, _FROZEN, *_COMPILED)) or "/importlib/" in filename

"""`TestCase`: all that a test file imports.

It is a unittest.TestCase and runs as one under unittest and pytest: with a plain requests session, nothing recorded and
gevent not even imported. A worker hands the same class a virtual user, and then what it does is measured.
"""

from __future__ import annotations

import os
import unittest
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from loads.client.rundata import SERVER_URL_VARIABLE, is_own, wrap
from loads.client.user import Numbers, VirtualUser
from loads.errors import UsageError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from webtest import TestApp

    from loads.client.session import LoadsSession

__all__ = ["TestCase", "weight"]

MAX_WEIGHT = 10_000
MAX_STEP = 2**53
"""What JSON's readers can hold, and far from what the wire can't."""
_Test = TypeVar("_Test", bound=Callable[..., Any])


def weight(n: int) -> Callable[[_Test], _Test]:
    """Run a test `n` times as often as one of weight 1, where several are chosen from.

    Args:
        n: 1 to 10,000.
    """
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MAX_WEIGHT:
        raise UsageError(f"@weight({n!r}) is not a whole number from 1 to {MAX_WEIGHT:,}", "write it like @weight(3)")

    def mark(test: _Test) -> _Test:
        test._loads_weight = n  # type: ignore[attr-defined]
        return test

    return mark


class _NoServerUrl:
    """`server_url` of a class that sets none, when nobody else says where the server is."""

    def __get__(self, case: TestCase | None, owner: type[TestCase]) -> str:
        raise UsageError(
            f"{owner.__name__} has no server_url",
            f"set server_url = 'http://...' in the class, give --server-url, or set {SERVER_URL_VARIABLE}",
        )


class TestCase(unittest.TestCase):
    """A test that is a load test too.

    Attributes:
        session: a `requests.Session` of the virtual user's own; every verb takes `name=`.
        app: WebTest's `TestApp` against `server_url`, with the session's cookies and connections.
        server_url: set it in the class; --server-url and LOADS_SERVER_URL override it.
        run_data: what setUpRun returned, as it comes out of MessagePack.
    """

    __test__ = True
    server_url: str = _NoServerUrl()  # type: ignore[assignment]
    run_data: Any = None

    @classmethod
    def setUpRun(cls) -> Any:
        """Called once in the whole run, before everything else; what it returns is `run_data` for all users.

        Under unittest and pytest once per process, before setUpClass.
        """

    @classmethod
    def tearDownRun(cls) -> None:
        """Called once in the whole run, after everything else."""

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        if any(is_own(cls, hook, TestCase) for hook in ("setUpRun", "tearDownRun")):
            wrap(cls)

    def __init__(self, methodName: str = "runTest") -> None:
        super().__init__(methodName)
        self._use_server(os.environ.get(SERVER_URL_VARIABLE))

    @cached_property
    def _virtual_user(self) -> VirtualUser:
        return VirtualUser()

    @property
    def user(self) -> Numbers:
        """Numbers of `user`, `users`, `iteration` and `worker`; each from 0, for data that must differ."""
        return self._virtual_user.numbers

    @cached_property
    def session(self) -> LoadsSession:
        """The virtual user's session. Cookies and connections live across its iterations."""
        from loads.client.session import session_of

        return session_of(self._virtual_user)

    @cached_property
    def app(self) -> TestApp:
        """WebTest's application on `session`, for `server_url`; ``self.app.server_url = ...`` changes the server until
        the test ends.

        Raises:
            UsageError: nobody said where the server is.
        """
        from loads.client.webapp import WebApp

        return WebApp(self.session, self.server_url)

    def feed(self, name: str | os.PathLike[str], *, policy: str = "cycle") -> Any:
        """The next row of the file `name` (CSV or JSON lines) for this virtual user, which no other has.

        Args:
            name: looked for beside the test's module, then in the working directory and on ``sys.path``.
            policy: what comes after the last row: ``cycle``, the first again; ``stop``, the user ends. ``random``: any
                of the user's rows, each time.

        Returns:
            A dictionary of texts for a CSV file, whose first line holds the names; else what the JSON says.

        Raises:
            UsageError: the file is missing or broken, or there are fewer rows than users.
        """
        from loads.client.rows import next_row

        return next_row(self._virtual_user, type(self), os.fspath(name), policy)

    def incr_counter(self, name: str, by: int = 1) -> None:
        """Add `by` to the counter `name`, summed over all users and shown as a custom metric."""
        if isinstance(by, bool) or not isinstance(by, int):
            raise TypeError(f"incr_counter({name!r}, by={by!r}): counters are whole numbers")
        if abs(by) > MAX_STEP:
            raise ValueError(f"incr_counter({name!r}, by={by!r}): no step may be beyond 2**53")
        recorder = self._virtual_user.recorder
        if recorder is not None:
            recorder.counter(str(name), by)

    def transaction(self, name: str) -> AbstractContextManager[None]:
        """Time a block as a series of its own: ``with self.transaction("checkout"): ...``."""
        return self._virtual_user.transaction(name, named=True)

    @contextmanager
    def subTest(self, msg: Any = None, **params: Any) -> Iterator[None]:
        """As unittest's, and timed like a transaction, named by its message or its parameters."""
        words = [str(msg)] if msg is not None else []
        words += [f"{key}={value!r}" for key, value in params.items()]
        arguments = () if msg is None else (msg,)
        with (
            super().subTest(*arguments, **params),
            self._virtual_user.transaction(" ".join(words) or "(subTest)", named=msg is not None and not params),
        ):
            yield

    def _use_server(self, url: str | None) -> None:
        """Let `url`, if any, stand in front of the class's own."""
        if url:
            self.server_url = url

    def _renew(self, *, session: bool) -> None:
        """Make ready for another iteration: the app's server as at first, and with `session` a new session."""
        if session:
            self._virtual_user.forget()
            self.__dict__.pop("session", None)
            self.__dict__.pop("app", None)
        elif "app" in self.__dict__:
            self.app.server_url = self.server_url

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """As unittest's. A lone test closes its session; in a load test the session belongs to the virtual user."""
        try:
            return super().run(result)
        finally:
            if self._virtual_user.recorder is None:
                self._virtual_user.forget()

"""What all answers share: the door, the fence around each of them, and how errors are told."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
from tornado.web import HTTPError, RequestHandler

from loads.errors import LoadsError
from loads.report.page import Refusal
from loads.web.doors import COOKIE_DAYS, Doors
from loads.web.hub import Hub

_CHANGES: Final = ("POST", "PUT", "PATCH", "DELETE")
_COOKIE: Final = b"in"


class Refused(HTTPError):
    """The answer is an error, and this is what it says."""

    def __init__(self, status: int, message: str, hint: str = "") -> None:
        super().__init__(status)
        self.refusal = Refusal(message=message, hint=hint)


class Guarded(RequestHandler):
    """Base: nobody gets through who is not logged in, but for what is `open_to_all`."""

    open_to_all = False
    doors: Doors
    hub: Hub

    def initialize(self, hub: Hub, doors: Doors, say: Callable[[str], None], static: Path) -> None:
        self.hub, self.doors, self.say, self.static = hub, doors, say, static

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        doors: Doors | None = getattr(self, "doors", None)
        if doors is not None:
            self._fence(doors)

    def _fence(self, doors: Doors) -> None:
        for name, value in doors.headers(self.request.host).items():
            self.set_header(name, value)

    def prepare(self) -> None:
        """Before anything else is looked at.

        Raises:
            Refused: this is not for who asks.
        """
        self._fence(self.doors)
        if not self.doors.is_ours(self.request.host):
            raise Refused(421, "this is not the server that you asked for", "open the address that it printed")
        if self.request.method in _CHANGES and not self.is_from_us:
            raise Refused(403, "this did not come from a page of this server")
        if not self.open_to_all and self.current_user is None:
            self.turn_away()

    def turn_away(self) -> None:
        """Who is not logged in: a page leads to the login, whatever it would have been."""
        if self.request.method in ("GET", "HEAD") and not self.is_call:
            self.redirect("/login")
        else:
            raise Refused(401, "you are not logged in", "open the link that the server printed when it started")

    @property
    def is_call(self) -> bool:
        """A program asks, not a person."""
        return self.request.path.startswith(("/api/", "/static/"))

    @property
    def is_from_us(self) -> bool:
        """The request was made by one of our pages."""
        return self.doors.is_from_us(self.request.headers.get("Origin"), self.request.host)

    def get_current_user(self) -> bytes | None:
        cookie: bytes | None = self.get_signed_cookie(self.doors.cookie, max_age_days=COOKIE_DAYS)
        return cookie if cookie == _COOKIE else None

    def let_in(self) -> None:
        """From now on this browser is logged in."""
        self.set_signed_cookie(
            self.doors.cookie,
            _COOKIE,
            expires_days=COOKIE_DAYS,
            httponly=True,
            samesite="Strict",
            secure=self.doors.secure,
        )

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        refusal = refusal_of(status_code, kwargs.get("exc_info"))
        if self.is_call:
            self.answer(refusal)
            return
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{refusal.message}\n{refusal.hint}".rstrip() + "\n")

    def answer(self, value: msgspec.Struct) -> None:
        """`value` as JSON."""
        self.set_header("Content-Type", "application/json")
        self.finish(msgspec.json.encode(value))

    def log_exception(self, kind: Any, error: Any, trace: Any) -> None:
        """Not what was asked for, which may hold the token."""
        if not isinstance(error, HTTPError | LoadsError):
            told = "".join(traceback.format_exception(kind, error, trace))
            self.say(f"a fault in {self.request.method} {self.request.path}:\n{told}")


def refusal_of(status: int, info: Any) -> Refusal:
    """What the answer to a request that failed says; of a fault of ours nothing but that it is one."""
    error = None if info is None else info[1]
    if isinstance(error, Refused):
        return error.refusal
    if status == 404:
        return Refusal(message="there is nothing here")
    if status >= 500:
        return Refusal(message="the dashboard met a fault", hint="its log says which; please report it")
    return Refusal(message=f"this is not a request that can be answered ({status})")

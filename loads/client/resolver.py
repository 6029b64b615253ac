"""Addresses for names, as --resolve and --dns say, with one memory for all users of a worker.

The system's resolver does not tell how long an answer holds, so with `Lookup.TTL` each is believed for `TTL_S`.
"""

from __future__ import annotations

import socket
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Any, Final

from urllib3.exceptions import LocationParseError
from urllib3.util.connection import allowed_gai_family

from loads.client.clock import monotonic_ns
from loads.client.settings import Lookup

if TYPE_CHECKING:
    from collections.abc import Callable

    from loads.client.settings import NetSettings

TTL_S: Final = 60
_MAX_NAMES: Final = 1_000

Address = tuple[int, Any]
"""Family, and what `connect` takes."""


class Resolver:
    """`look_up` is `socket.getaddrinfo`, or what stands for it."""

    def __init__(self, settings: NetSettings, look_up: Callable[..., list[Any]]) -> None:
        self._settings = settings
        self._look_up = look_up
        self._known: dict[tuple[str, int], tuple[list[Address], int]] = {}
        self._turns: dict[object, int] = {}

    def addresses(self, host: str, port: int) -> tuple[list[Address], bool]:
        """Addresses to try, in order, and whether they had to be looked up now.

        Raises:
            socket.gaierror: there are none.
            LocationParseError: no name looks like this.
        """
        host = host.strip("[]").lower()
        fixed = self._settings.resolve.get((_shortest(host), port))
        if fixed is not None:
            first = self._turn((host, port), len(fixed))
            return [_numeric(address, port) for address in (*fixed[first:], *fixed[:first])], False
        if _is_numeric(host):
            return [_numeric(host, port)], False
        known = self._known.get((host, port))
        if known is not None and self._is_fresh(known[1]):
            return known[0], False
        try:
            host.encode("idna")
        except UnicodeError:
            raise LocationParseError(f"'{host}', label empty or too long") from None
        found = self._look_up(host, port, allowed_gai_family(), socket.SOCK_STREAM)
        addresses = [(family, sockaddr) for family, _, _, _, sockaddr in found]
        if self._settings.lookup is not Lookup.ALWAYS:
            if len(self._known) >= _MAX_NAMES:
                self._known.clear()
            self._known[host, port] = addresses, monotonic_ns()
        return addresses, True

    def source_address(self, family: int) -> tuple[str, int] | None:
        """The local address whose turn it is, of those of that family; None: the system chooses."""
        wanted = [each for each in self._settings.source_addresses if (":" in each) == (family == socket.AF_INET6)]
        if not wanted:
            return None
        return wanted[self._turn(family, len(wanted))], 0

    def _turn(self, of: object, places: int) -> int:
        """Whose turn it is, counted from 0."""
        turn = self._turns[of] = self._turns.get(of, -1) + 1
        return turn % places

    def _is_fresh(self, since_ns: int) -> bool:
        return self._settings.lookup is Lookup.ONCE or monotonic_ns() - since_ns < TTL_S * 1_000_000_000


def _is_numeric(host: str) -> bool:
    """Whether it is an address already, in the usual form."""
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    except (OSError, ValueError):
        return False
    return True


def _shortest(host: str) -> str:
    """IPv6 as --resolve has it."""
    return str(IPv6Address(host)) if ":" in host and _is_numeric(host) else host


def _numeric(address: str, port: int) -> Address:
    if ":" in address:
        return socket.AF_INET6, (address, port, 0, 0)
    return socket.AF_INET, (address, port)

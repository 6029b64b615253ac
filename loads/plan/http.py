"""How requests find their way, whatever a test asks for: patience, trust, names, addresses, connections.

Values and the parsers of their texts; one `HttpOptions` goes to every worker as it is. Pure: whether a bundle is there
and an address is this machine's is the command line's to find out, and what the values do is the client's business.
"""

from __future__ import annotations

import binascii
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

import msgspec

from loads.errors import UsageError
from loads.units import parse_duration_us

DEFAULT_TIMEOUT_US: Final = 60_000_000

_MOST_NAMED = 3
"""Names, and addresses, that the plan lists; the others are counted."""
_HINT = "like shop.example:443:10.0.0.7,10.0.0.8, with an IPv6 address in brackets"
_ASCII_HINT = "give the name as it goes over the wire, like xn--mnchen-3ya.example"
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.ASCII)
_BEGIN = re.compile(rb"-----BEGIN ((?:TRUSTED |X509 )?CERTIFICATE)-----\s")


class DnsPolicy(StrEnum):
    """How long the addresses of a name are believed: for a minute, as long as the worker lives, for one connection."""

    TTL = "ttl"
    ONCE = "once"
    ALWAYS = "always"


class Resolve(msgspec.Struct, frozen=True):
    """The addresses that stand for a host and port, in the order of their turns.

    `host` is in lower case; that and the addresses have no brackets, and IPv6 is written in its shortest form.
    """

    host: str
    port: int
    addresses: tuple[str, ...]

    def __str__(self) -> str:
        """As --resolve has it."""
        addresses = ",".join(_bracketed(address) for address in self.addresses)
        return f"{_bracketed(self.host)}:{self.port}:{addresses}"


class HttpOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for all requests of a run.

    Attributes:
        timeout_us: to wait for a connection, and for each next piece of an answer, where the test says nothing.
        insecure_tls: certificates are not verified.
        ca_bundle: absolute path of the certificates to trust instead of the usual ones.
        keepalive: False: every request has a connection of its own.
        resolve: one for each host and port; what the resolver would say is not asked for.
        user_agent: instead of that of requests, where the test says nothing.
        source_addresses: of this machine, used in turn; none: the system chooses.
    """

    timeout_us: int = DEFAULT_TIMEOUT_US
    insecure_tls: bool = False
    ca_bundle: str | None = None
    keepalive: bool = True
    dns: DnsPolicy = DnsPolicy.TTL
    resolve: tuple[Resolve, ...] = ()
    user_agent: str | None = None
    source_addresses: tuple[str, ...] = ()

    def describe(self) -> str:
        """What makes the load another one than the tests alone tell, for the plan; empty: nothing does."""
        return "; ".join(self._peculiarities())

    def _peculiarities(self) -> Iterator[str]:
        if self.insecure_tls:
            yield "certificates are not verified"
        if not self.keepalive:
            yield "a connection for each"
        if self.resolve:
            yield f"resolved as {_some([str(each) for each in self.resolve], ' ')}"
        if self.source_addresses:
            yield f"from {_some(self.source_addresses, ', ')}"


def parse_timeout_us(text: str) -> int:
    """A time that is not zero, in microseconds.

    Raises:
        UsageError: it is none, or zero.
    """
    timeout_us = parse_duration_us(text)
    if not timeout_us:
        raise UsageError(f"{text!r} leaves no time for an answer", "give a time above zero, like 10s")
    return timeout_us


def parse_dns(text: str) -> DnsPolicy:
    """``ttl``, ``once`` or ``always``.

    Raises:
        UsageError: it is none of these.
    """
    try:
        return DnsPolicy(text.lower())
    except ValueError:
        raise UsageError(f"{text!r} is not a way to look up names", f"the ways are {', '.join(DnsPolicy)}") from None


def parse_resolve(text: str) -> Resolve:
    """``HOST:PORT:ADDRESS[,ADDRESS...]``; an IPv6 host stands in brackets, such an address may.

    Raises:
        UsageError: with all that is wrong in it.
    """
    parts = re.fullmatch(r"(\[[^]]*\]|[^:]*):([^:]*):(.*)", text, re.DOTALL)
    if parts is None:
        raise UsageError(f"{text!r} is not HOST:PORT:ADDRESS", _HINT)
    host, port, addresses = _host(parts[1]), parts[2], parts[3].split(",")
    problems = [] if host is not None else [f"{parts[1]!r} is not a name or an address"]
    if not _is_port(port):
        problems.append(f"{port!r} is not a port from 1 to 65535")
    found = [_address(address.strip()) for address in addresses]
    problems += [
        f"{said!r} is not an IP address" for said, address in zip(addresses, found, strict=True) if not address
    ]
    if problems or host is None:
        raise UsageError(f"in {text!r}, {' and '.join(problems)}", _HINT if parts[1].isascii() else _ASCII_HINT)
    return Resolve(host, int(port), tuple(address for address in found if address))


def merge_resolves(resolves: Iterable[Resolve]) -> tuple[Resolve, ...]:
    """One for each host and port, with the addresses of all of them, in the order in which they come."""
    addresses: dict[tuple[str, int], tuple[str, ...]] = {}
    for each in resolves:
        key = each.host, each.port
        addresses[key] = addresses.get(key, ()) + each.addresses
    return tuple(Resolve(host, port, all_of_it) for (host, port), all_of_it in addresses.items())


def parse_source_address(text: str) -> str:
    """An address that a connection can come from, in its shortest form.

    Raises:
        UsageError: it is not an address, or one that stands for several machines or none.
    """
    address = _address(text.strip())
    if address is None:
        raise UsageError(f"{text!r} is not an IP address", "give addresses of this machine, like 10.0.0.5")
    parsed = IPv6Address(address) if ":" in address else IPv4Address(address)
    if parsed.is_unspecified or parsed.is_multicast or address == "255.255.255.255":
        raise UsageError(f"{text!r} is not the address of one machine", "give addresses of this one, like 10.0.0.5")
    return address


def parse_user_agent(text: str) -> str:
    """What a header can hold on one line; white space around it is no part of it.

    Raises:
        UsageError: it is empty, or holds something else.
    """
    stripped = text.strip(" ")
    if not stripped:
        raise UsageError("there is nothing in it", "say something, or leave it out")
    if any(unicodedata.category(character) == "Cc" for character in stripped):
        raise UsageError(f"{text!r} holds a control character", "a header is one line of plain text")
    try:
        stripped.encode("latin-1")
    except UnicodeEncodeError as error:
        raise UsageError(f"{text!r} holds {stripped[error.start]!r}", "a header can hold Latin-1 only") from None
    return stripped


def find_bundle_problem(data: bytes) -> str | None:
    """What keeps `data` from being PEM with at least one certificate; None: nothing that can be seen.

    Neither signatures nor dates are looked at. OpenSSL is not asked, for ``ssl`` must not be imported in a process
    that may become a gevent one.
    """
    number = 0
    for number, begin in enumerate(_BEGIN.finditer(data), 1):
        end = data.find(b"-----END " + begin[1] + b"-----", begin.end())
        if end < 0 or not _is_sequence(data[begin.end() : end]):
            return f"is broken at its certificate {number}"
    return None if number else "holds no certificate in PEM"


def _is_sequence(base64: bytes) -> bool:
    """Whether it is the base64 of a DER sequence that is not cut off (RFC 7468, X.690 8.1.3)."""
    try:
        der = binascii.a2b_base64(b"".join(base64.split()), strict_mode=True)
    except binascii.Error:
        return False
    if len(der) < 2 or der[0] != 0x30:
        return False
    head, length = 2, der[1]
    if length >= 0x80:
        head += length - 0x80
        length = int.from_bytes(der[2:head], "big")
    return 0 < length <= len(der) - head


def _host(text: str) -> str | None:
    """A name in lower case or an address without brackets; None: it is neither."""
    if text.startswith("["):
        return _ipv6(text[1:-1])
    name = text.lower() if text.isascii() else ""
    *_, last = labels = name.split(".")
    if last.isdigit():
        return _ipv4(name)
    return name if len(name) <= 253 and all(_LABEL.fullmatch(label) for label in labels) else None


def _address(text: str) -> str | None:
    if text.startswith("[") and text.endswith("]"):
        return _ipv6(text[1:-1])
    return _ipv6(text) if ":" in text else _ipv4(text)


def _ipv4(text: str) -> str | None:
    try:
        return str(IPv4Address(text))
    except AddressValueError:
        return None


def _ipv6(text: str) -> str | None:
    """Without a zone (``%eth0``): the client has no place for it."""
    try:
        return None if "%" in text else str(IPv6Address(text))
    except AddressValueError:
        return None


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) <= 65_535


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _some(items: Sequence[str], joiner: str) -> str:
    more = len(items) - _MOST_NAMED
    return joiner.join(items[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")

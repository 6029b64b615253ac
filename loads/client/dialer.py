"""Opens connections: resolves the name, connects to the first address that answers, shakes hands for TLS.

What goes wrong keeps the exception that the system raised, with the stage in which it did: `retelling` makes of it
what requests would have raised.
"""

from __future__ import annotations

import _socket
import errno
import os
import socket
import ssl
import sys
from _socket import SO_ERROR, SOL_SOCKET
from typing import TYPE_CHECKING, Any

from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.exceptions import LocationParseError
from urllib3.util.ssl_ import create_urllib3_context

from loads.client.clock import monotonic_ns
from loads.client.kinds import ErrorKind
from loads.client.recorder import Opened
from loads.client.transport import Connection

if TYPE_CHECKING:
    from loads.client.origin import Origin, Verify
    from loads.client.resolver import Address, Resolver

_BIND_ADDRESS_NO_PORT = 24
"""Linux: the port is chosen when it connects, so each of a server's addresses has all ports for itself."""
_UNDER_WAY = (errno.EINPROGRESS, errno.EWOULDBLOCK)


class DialError(Exception):
    """No connection: `error` is what the system said, `kind` what it comes to."""

    def __init__(self, error: Exception, kind: ErrorKind, opened: Opened) -> None:
        super().__init__(error)
        self.error = error
        self.kind = kind
        self.opened = opened


class Dialer:
    """One per worker: its resolver and its TLS contexts are shared by all users."""

    def __init__(self, resolver: Resolver) -> None:
        self.resolver = resolver
        self._contexts: dict[Verify, ssl.SSLContext] = {}

    def can_verify(self, verify: Verify) -> bool:
        """Whether the certificates that `verify` names are there; if not, requests knows what to say."""
        return verify is False or os.path.exists(DEFAULT_CA_BUNDLE_PATH if verify is True else verify)  # noqa: PTH110 - what requests does

    def open(self, origin: Origin, timeout_ns: int) -> Connection:
        """A new connection; each step but the look-up may take `timeout_ns`.

        Raises:
            DialError: there is none.
        """
        begin_ns = monotonic_ns()
        try:
            addresses, looked_up = self.resolver.addresses(origin.host, origin.port)
        except (OSError, LocationParseError) as error:
            raise DialError(error, ErrorKind.DNS, Opened(None, None, None, False)) from None
        resolved_ns = monotonic_ns()
        dns_us = (resolved_ns - begin_ns) // 1_000 if looked_up else None
        try:
            connection = self._connect(origin, addresses, timeout_ns)
        except OSError as error:
            raise DialError(error, _connect_kind(error), Opened(dns_us, None, None, False)) from None
        connect_us = _us_since(resolved_ns)
        tls_us = None
        if origin.scheme == "https":
            connected_ns = monotonic_ns()
            opened = Opened(dns_us, connect_us, None, False)
            try:
                connection.start_tls(self._context(origin.verify), _name_for_tls(origin.host), timeout_ns)
            except TimeoutError as error:
                connection.close()
                raise DialError(error, ErrorKind.CONNECT_TIMEOUT, opened) from None
            except (OSError, ValueError) as error:
                connection.close()
                raise DialError(error, ErrorKind.TLS, opened) from None
            except BaseException:
                connection.close()
                raise
            tls_us = _us_since(connected_ns)
        connection.opened = Opened(dns_us, connect_us, tls_us, True)
        return connection

    def _connect(self, origin: Origin, addresses: list[Address], timeout_ns: int) -> Connection:
        failure: OSError | None = None
        for family, address in addresses:
            try:
                return self._connect_to(origin, family, address, timeout_ns)
            except OSError as error:
                failure = error
        raise failure or OSError("getaddrinfo returns an empty list")

    def _connect_to(self, origin: Origin, family: int, address: Any, timeout_ns: int) -> Connection:
        sock = _socket.socket(family, socket.SOCK_STREAM)
        connection = None
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            source = self.resolver.source_address(family)
            if source is not None:
                bind_to(sock, source)
            connection = Connection(origin, sock)
            status = sock.connect_ex(address)
            if status in _UNDER_WAY:
                connection.wait_to_send(monotonic_ns() + timeout_ns)
                status = sock.getsockopt(SOL_SOCKET, SO_ERROR)
            if status:
                raise OSError(status, os.strerror(status))
            return connection
        except BaseException:
            if connection is None:
                sock.close()
            else:
                connection.close()
            raise

    def _context(self, verify: Verify) -> ssl.SSLContext:
        """One for each kind of trust: making one reads all the authorities there are."""
        context = self._contexts.get(verify)
        if context is None:
            context = create_urllib3_context(cert_reqs=ssl.CERT_NONE if verify is False else ssl.CERT_REQUIRED)
            if verify is not False:
                path = DEFAULT_CA_BUNDLE_PATH if verify is True else verify
                if os.path.isdir(path):  # noqa: PTH112 - what requests does
                    context.load_verify_locations(capath=path)
                else:
                    context.load_verify_locations(cafile=path)
            context.set_alpn_protocols(["http/1.1"])
            self._contexts[verify] = context
        return context


def bind_to(sock: Any, source: tuple[str, int]) -> None:
    """Have `sock` connect from there, from whatever port is free for its destination."""
    if sys.platform == "linux":
        sock.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
    sock.bind(source)


def _name_for_tls(host: str) -> str:
    """The name a certificate has to be for: no brackets around an address, no dot at the end."""
    return host.strip("[]").partition("%")[0] if host.startswith("[") else host.rstrip(".")


def _connect_kind(error: OSError) -> ErrorKind:
    if isinstance(error, ConnectionRefusedError):
        return ErrorKind.CONNECT_REFUSED
    return ErrorKind.CONNECT_TIMEOUT if isinstance(error, TimeoutError) else ErrorKind.CONNECT


def _us_since(begin_ns: int) -> int:
    return (monotonic_ns() - begin_ns) // 1_000

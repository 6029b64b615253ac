"""What can go wrong with a request, in one word each; the same words in every report.

A request that failed with one of `BEFORE_THE_WIRE` is *unsent*: the server can't have counted it.
"""

from __future__ import annotations

import errno
import http.client
import ssl
from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from urllib3 import exceptions

from loads.errors import Interrupted


class ErrorKind(StrEnum):
    """Why a request has no whole answer."""

    DNS = "dns"
    CONNECT = "connect"
    CONNECT_REFUSED = "connect-refused"
    CONNECT_TIMEOUT = "connect-timeout"
    TLS = "tls"
    READ_TIMEOUT = "read-timeout"
    RESET = "reset"
    CLOSED = "closed"
    INCOMPLETE = "incomplete"
    PROTOCOL = "protocol"
    INTERRUPTED = "interrupted"
    OTHER = "other"


BEFORE_THE_WIRE: Final = frozenset(
    {ErrorKind.DNS, ErrorKind.CONNECT, ErrorKind.CONNECT_REFUSED, ErrorKind.CONNECT_TIMEOUT, ErrorKind.TLS}
)

# Subclasses before their bases: urllib3's NewConnectionError is a ConnectTimeoutError.
_BY_TYPE: Final[tuple[tuple[type[BaseException], ErrorKind], ...]] = (
    (Interrupted, ErrorKind.INTERRUPTED),
    (exceptions.NameResolutionError, ErrorKind.DNS),
    (exceptions.NewConnectionError, ErrorKind.CONNECT),
    (exceptions.ConnectTimeoutError, ErrorKind.CONNECT_TIMEOUT),
    (ConnectionRefusedError, ErrorKind.CONNECT_REFUSED),
    (exceptions.SSLError, ErrorKind.TLS),
    (ssl.SSLError, ErrorKind.TLS),
    (exceptions.ReadTimeoutError, ErrorKind.READ_TIMEOUT),
    (TimeoutError, ErrorKind.READ_TIMEOUT),
    (exceptions.InvalidChunkLength, ErrorKind.PROTOCOL),
    (exceptions.DecodeError, ErrorKind.PROTOCOL),
    (http.client.RemoteDisconnected, ErrorKind.CLOSED),
    (http.client.IncompleteRead, ErrorKind.INCOMPLETE),
    (ConnectionResetError, ErrorKind.RESET),
    (BrokenPipeError, ErrorKind.RESET),
    (ConnectionAbortedError, ErrorKind.RESET),
    (http.client.HTTPException, ErrorKind.PROTOCOL),
)


def kind_of(error: BaseException, *, sent: bool) -> ErrorKind:
    """The kind of `error`, raised by urllib3 or http.client; `sent`: whether the request had reached the wire."""
    links = list(_chain(error))
    kind = next((kind for link in links for type_, kind in _BY_TYPE if isinstance(link, type_)), ErrorKind.OTHER)
    if kind is ErrorKind.CONNECT and any(getattr(link, "errno", None) == errno.ECONNREFUSED for link in links):
        kind = ErrorKind.CONNECT_REFUSED
    if kind is ErrorKind.READ_TIMEOUT and not sent:
        kind = ErrorKind.CONNECT_TIMEOUT
    if kind in BEFORE_THE_WIRE and sent:
        kind = ErrorKind.PROTOCOL if kind is ErrorKind.TLS else ErrorKind.OTHER
    return kind


def _chain(error: BaseException) -> Iterator[BaseException]:
    """`error` and what it was made from, at most eight links."""
    link: BaseException | None = error
    for _ in range(8):
        if link is None:
            return
        yield link
        link = link.__cause__ or link.__context__

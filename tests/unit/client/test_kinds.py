from __future__ import annotations

import errno
import http.client
import socket
import ssl
from collections.abc import Callable

import pytest
from urllib3 import HTTPConnectionPool, exceptions
from urllib3.connection import HTTPConnection

from loads.client.kinds import BEFORE_THE_WIRE, ErrorKind, kind_of
from loads.errors import Interrupted

K = ErrorKind
CONNECTION = HTTPConnection("127.0.0.1")
POOL = HTTPConnectionPool("127.0.0.1")


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


def refused() -> BaseException:
    """As urllib3 raises it: a NewConnectionError, which is a ConnectTimeoutError by its type."""
    return caused(
        exceptions.NewConnectionError(CONNECTION, "Failed to establish a new connection"),
        ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
    )


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (exceptions.NameResolutionError("nowhere", CONNECTION, socket.gaierror()), K.DNS),
        (refused(), K.CONNECT_REFUSED),
        (ConnectionRefusedError(), K.CONNECT_REFUSED),
        (exceptions.ConnectTimeoutError(), K.CONNECT_TIMEOUT),
        (TimeoutError(), K.CONNECT_TIMEOUT),
        (caused(exceptions.NewConnectionError(CONNECTION, ""), OSError(errno.ENETUNREACH, "")), K.CONNECT),
        (exceptions.SSLError(), K.TLS),
        (ssl.SSLCertVerificationError(), K.TLS),
        (Interrupted(), K.INTERRUPTED),
        (OSError(errno.EMFILE, "Too many open files"), K.OTHER),
    ],
)
def test_what_fails_before_a_request_is_sent(error: BaseException, kind: ErrorKind) -> None:
    assert kind_of(error, sent=False) is kind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (exceptions.ReadTimeoutError(POOL, "/", ""), K.READ_TIMEOUT),
        (TimeoutError(), K.READ_TIMEOUT),
        (ConnectionResetError(), K.RESET),
        (BrokenPipeError(), K.RESET),
        (ConnectionAbortedError(), K.RESET),
        (http.client.RemoteDisconnected(), K.CLOSED),
        (http.client.IncompleteRead(b""), K.INCOMPLETE),
        (http.client.BadStatusLine("x"), K.PROTOCOL),
        (ssl.SSLError(), K.PROTOCOL),
        (Interrupted(), K.INTERRUPTED),
        (ValueError(), K.OTHER),
    ],
)
def test_what_fails_after_a_request_was_sent(error: BaseException, kind: ErrorKind) -> None:
    assert kind_of(error, sent=True) is kind


@pytest.mark.parametrize(
    "make",
    [refused, exceptions.ConnectTimeoutError, exceptions.SSLError, ssl.SSLError, TimeoutError, ConnectionRefusedError,
     lambda: exceptions.NameResolutionError("nowhere", CONNECTION, socket.gaierror())],
)  # fmt: skip
def test_what_was_sent_never_counts_as_unsent(make: Callable[[], BaseException]) -> None:
    """Whatever the error says: the server may have counted it."""
    assert kind_of(make(), sent=True) not in BEFORE_THE_WIRE


@pytest.mark.parametrize(
    "wrap",
    [
        lambda error: caused(exceptions.ProtocolError("Connection aborted."), error),
        lambda error: caused(RuntimeError(), caused(RuntimeError(), error)),
    ],
)
def test_the_kind_is_found_behind_what_wraps_it(wrap: Callable[[BaseException], BaseException]) -> None:
    assert kind_of(wrap(ConnectionResetError()), sent=True) is K.RESET


def test_an_error_that_is_its_own_cause_is_no_trap() -> None:
    error = RuntimeError()
    error.__context__ = caused(RuntimeError(), error)
    assert kind_of(error, sent=True) is K.OTHER


def test_the_words_are_stable() -> None:
    """They are in every report that somebody keeps."""
    assert sorted(kind.value for kind in ErrorKind) == [
        "closed",
        "connect",
        "connect-refused",
        "connect-timeout",
        "dns",
        "incomplete",
        "interrupted",
        "other",
        "protocol",
        "read-timeout",
        "reset",
        "tls",
    ]

"""TLS over a connection: against Python's own server side, whose every byte is in the test's hands."""

from __future__ import annotations

import contextlib
import ssl
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loads.client.answers import Heads
from loads.client.exchange import Broken, converse
from loads.client.transport import Connection
from tests.unit.client.wires import (
    LONG_NS,
    Scripted,
    Sealer,
    Step,
    beside,
    client_context,
    joined,
    now_ns,
    quick_sweeper,
    sealed,
    server_context,
)

BUFFER = 256 * 1024
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def take(connection: Connection, count: int) -> bytes:
    """So many bytes, or all there are until the end."""
    data = bytearray()
    while len(data) < count and (received := connection.receive(now_ns() + LONG_NS)):
        data += connection.view[:received]
    return bytes(data)


class Impatient:
    """The client's TLS, which is not asked for nothing again and again."""

    def __init__(self, tls: Any) -> None:
        self._tls = tls
        self._vain = 0

    def write(self, data: bytes) -> int:
        return int(self._tls.write(data))

    def read(self, count: int, target: Any) -> int:
        got = int(self._tls.read(count, target))
        self._vain = 0 if got else self._vain + 1
        if self._vain > 100:
            raise AssertionError("reads nothing, for ever")
        return got


def replay(connection: Connection, steps: list[Step]) -> Scripted:
    """Have it receive these after what its socket holds."""
    assert connection._sock is not None
    with contextlib.suppress(BlockingIOError):
        steps = [connection._sock.recv(BUFFER), *steps]
    sock = Scripted(steps)
    connection._sock.close()
    connection._reader.stop()
    connection._reader.close()
    connection._reader = connection.hub.loop.io(sock.fileno(), 1)
    connection._sock = sock  # type: ignore[assignment]
    return sock


@pytest.mark.parametrize("version", VERSIONS)
def test_bytes_go_both_ways(version: ssl.TLSVersion) -> None:
    with sealed(version) as (connection, sealer):
        connection.send(b"question", LONG_NS)
        assert sealer.read(8) == b"question"
        sealer.sock.sendall(sealer.sealed(b"answer"))
        assert take(connection, 6) == b"answer"
        assert repr(connection) == "<Connection <Origin https://site.test> open tls>"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_request_of_many_records_arrives_whole(version: ssl.TLSVersion) -> None:
    """One that no socket takes at once."""
    data = bytes(range(256)) * 8_000
    got = []
    with sealed(version) as (connection, sealer):
        with beside(lambda: got.append(sealer.read(len(data)))):
            connection.send(data, LONG_NS)
        assert got == [data]
        with beside(lambda: (got.append(sealer.read(len(data))), sealer.sock.sendall(sealer.sealed(ANSWER)))):
            answer = converse(connection, data, Heads(), False, LONG_NS, now_ns())
        assert got == [data, data]
        assert answer[1] == b"hello"


@pytest.mark.parametrize("version", VERSIONS)
@settings(max_examples=15)
@given(st.lists(st.integers(1, 40_000), min_size=1, max_size=5), st.lists(st.integers(1, 60_000), max_size=8))
def test_records_may_be_cut_anywhere(version: ssl.TLSVersion, sizes: list[int], cuts: list[int]) -> None:
    """Several in one piece, one in several pieces."""
    records = [bytes([number + 1]) * size for number, size in enumerate(sizes)]
    with sealed(version) as (connection, sealer):
        wire = sealer.sealed(*records)
        steps: list[Step] = []
        for cut in cuts:
            steps.append(wire[:cut])
            wire = wire[cut:]
        replay(connection, [step for step in [*steps, wire] if step])
        assert take(connection, sum(sizes) + 1) == b"".join(records)


def test_a_big_answer_arrives_whole() -> None:
    body = bytes(range(256)) * 12_000
    with sealed(tcp=False) as (connection, sealer):
        connection._tls = Impatient(connection._tls)  # type: ignore[assignment]
        wire = sealer.sealed(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), body)
        with beside(lambda: sealer.sock.sendall(wire)):
            answer = converse(connection, b"x", Heads(), False, LONG_NS, now_ns())
    assert answer[1] == body


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("record", [16_384, 10_000, 300])
@pytest.mark.parametrize("cut", [1, 9_000, 16_390])
def test_more_than_the_buffer_holds_is_received_by_and_by(version: ssl.TLSVersion, record: int, cut: int) -> None:
    """A piece of a record that was there already, and a whole buffer full of records behind it."""
    body = bytes(range(256)) * 2_000
    with sealed(version) as (connection, sealer):
        wire = sealer.sealed(*(body[at : at + record] for at in range(0, len(body), record)))
        replay(connection, [wire[:cut], wire[cut : cut + BUFFER], wire[cut + BUFFER :]])
        connection._tls = Impatient(connection._tls)  # type: ignore[assignment]
        assert take(connection, len(body)) == body


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("farewell", [True, False])
def test_an_end_is_an_end_with_or_without_a_farewell(version: ssl.TLSVersion, farewell: bool) -> None:
    """requests takes a ragged one for an end, too."""
    with sealed(version) as (connection, sealer):
        sealer.sock.sendall(sealer.sealed(b"bye") + (sealer.farewell() if farewell else b""))
        sealer.sock.close()
        assert take(connection, 100) == b"bye"


def test_a_farewell_behind_data_is_the_end_even_if_the_socket_stays_open() -> None:
    with quick_sweeper(), sealed() as (connection, sealer):
        sealer.sock.sendall(sealer.sealed(b"bye") + sealer.farewell())
        assert connection.receive(now_ns() + LONG_NS) == 3
        assert connection.receive(now_ns() + 20_000_000) == 0


def test_an_end_is_an_end_even_if_nobody_listens_any_more() -> None:
    """OpenSSL answers a ragged end with an alert, which a closed local socket does not take; nor does TCP at times."""
    with sealed(tcp=False) as (connection, sealer):
        sealer.sock.sendall(sealer.sealed(b"bye"))
        sealer.sock.close()
        assert take(connection, 100) == b"bye"


def test_half_a_record_and_then_the_end_is_the_end() -> None:
    with sealed() as (connection, sealer):
        sealer.sock.sendall(sealer.sealed(b"hello")[:-3])
        sealer.sock.close()
        assert take(connection, 100) == b""


def test_spoilt_records_break_the_answer() -> None:
    with sealed() as (connection, sealer):
        wire = bytearray(sealer.sealed(ANSWER))
        wire[20] ^= 1
        sealer.sock.sendall(wire)
        with pytest.raises(Broken) as caught:
            converse(connection, b"x", Heads(), False, LONG_NS, now_ns())
        assert isinstance(caught.value.error, ssl.SSLError)


def test_what_came_before_a_spoilt_record_is_not_lost() -> None:
    """A whole answer, and rubbish right behind it: requests gets the answer."""
    with sealed() as (connection, sealer):
        wire = sealer.sealed(ANSWER) + b"\x17\x03\x03\x00\x20" + bytes(32)
        sealer.sock.sendall(wire)
        assert converse(connection, b"x", Heads(), False, LONG_NS, now_ns())[1] == b"hello"


def test_silence_within_a_record_is_a_timeout() -> None:
    with quick_sweeper(), sealed() as (connection, sealer):
        sealer.sock.sendall(sealer.sealed(b"hello")[:-3])
        with pytest.raises(TimeoutError):
            connection.receive(now_ns() + 5_000_000)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_idle_connection_with_nothing_but_tickets_is_alive(version: ssl.TLSVersion) -> None:
    """TLS 1.3 sends those after the handshake."""
    with sealed(version) as (connection, sealer):
        assert connection.is_alive(LONG_NS)
        sealer.sock.sendall(sealer.sealed(b"unasked"))
        connection.wait(now_ns() + LONG_NS)
        assert not connection.is_alive(LONG_NS)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("farewell", [True, False])
def test_an_idle_connection_that_was_closed_is_dead(version: ssl.TLSVersion, farewell: bool) -> None:
    with sealed(version) as (connection, sealer):
        sealer.sock.sendall(sealer.sealed(b"answer"))
        assert take(connection, 6) == b"answer"
        sealer.sock.sendall(sealer.farewell() if farewell else b"")
        sealer.sock.close()
        connection.wait(now_ns() + LONG_NS)
        assert not connection.is_alive(LONG_NS)


def test_an_end_behind_tickets_is_seen() -> None:
    with sealed(VERSIONS[1]) as (connection, sealer):
        sealer.sock.close()
        connection.wait(now_ns() + LONG_NS)
        assert not connection.is_alive(LONG_NS)


# Handshakes that fail


def refuse(name: str, context: ssl.SSLContext, version: ssl.TLSVersion = VERSIONS[1]) -> tuple[ssl.SSLError, Any]:
    """What the client raises, and what the server hears."""
    heard: list[Any] = []

    with joined("https") as (connection, theirs):

        def serve() -> None:
            sealer = Sealer(theirs, server_context(version))
            try:
                sealer.shake()
                sealer.read(1)
            except ssl.SSLError as error:
                heard.append(error)

        with beside(serve):
            with pytest.raises(ssl.SSLError) as caught:
                connection.start_tls(context, name, LONG_NS)
            connection.close()
    return caught.value, heard


@pytest.mark.parametrize("version", VERSIONS)
def test_a_certificate_for_another_name_is_refused(version: ssl.TLSVersion) -> None:
    error, heard = refuse("other.test", client_context(0), version)
    assert isinstance(error, ssl.SSLCertVerificationError)
    assert "Hostname mismatch" in str(error)
    assert "ALERT" in str(heard[0]).upper()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_certificate_of_an_unknown_authority_is_refused_and_the_server_told(version: ssl.TLSVersion) -> None:
    error, heard = refuse("site.test", client_context(1), version)
    assert isinstance(error, ssl.SSLCertVerificationError)
    assert "unknown ca" in str(heard[0])


def test_who_does_not_speak_tls_is_refused() -> None:
    with joined("https") as (connection, theirs):
        theirs.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with pytest.raises(ssl.SSLError, match=r"(?i)wrong.version|record"):
            connection.start_tls(client_context(0), "site.test", LONG_NS)


def test_who_hangs_up_in_the_handshake_is_refused() -> None:
    with (
        joined("https") as (connection, theirs),
        beside(lambda: (theirs.recv(100), theirs.close())),
        pytest.raises(OSError),  # noqa: PT011 - an SSLError or a broken pipe
    ):
        connection.start_tls(client_context(0), "site.test", LONG_NS)


def test_silence_in_the_handshake_is_a_timeout() -> None:
    with quick_sweeper(), joined("https") as (connection, _), pytest.raises(TimeoutError):
        connection.start_tls(client_context(0), "site.test", 5_000_000)

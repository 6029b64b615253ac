"""One request and its answer over one connection. The hot path of the client.

Mostly an answer comes in one piece and begins as others did: then this is one send, one wait, one receive and one
look-up. Everything else is `_read_on`. What goes wrong is raised with all that was received until then, for it is
requests that decides what that means to the test (see `retelling`). Nothing is ever sent twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loads.client.answers import CHUNKED, MAX_HEAD_BYTES, UNTIL_CLOSE, end_of_head, might_become_a_head
from loads.client.clock import monotonic_ns

if TYPE_CHECKING:
    from loads.client.answers import Head, Heads
    from loads.client.transport import Connection

_MAX_CHUNK_LINE: Final = 4_096
_MAX_DIGITS: Final = 32
_CRLF: Final = b"\r\n"


Answer = tuple["Head", bytes, int, int, int, bool]
"""A whole answer: its head, its body as it was sent, when its first and its last bytes were here, bytes received, and
whether the connection is spent: its end was the answer's, or there was more than the answer. A bare tuple: a named one
takes longer to make than all the bytes to be copied.
"""


class Broken(Exception):
    """The answer has no end. `error`: what the socket said; None: the other side closed the connection.

    `sending`: the request itself did not get through.
    """

    def __init__(
        self, received: bytes, error: Exception | None, first_ns: int | None, *, sending: bool = False
    ) -> None:
        super().__init__(error)
        self.sending = sending
        self.received = received
        self.error = error
        self.first_ns = first_ns

    @property
    def was_closed(self) -> bool:
        """Whether the connection may have been closed before the request came."""
        return self.first_ns is None and not isinstance(self.error, TimeoutError)


class Unclear(Exception):
    """What came is for http.client to understand: `received` so far; more may follow."""

    def __init__(self, received: bytes, first_ns: int) -> None:
        super().__init__()
        self.received = received
        self.first_ns = first_ns


def converse(
    connection: Connection, request: bytes, heads: Heads, bodyless: bool, timeout_ns: int, now_ns: int
) -> Answer:
    """Send `request`, all of it, and read the answer to it, each wait no longer than `timeout_ns`.

    `bodyless`: it is a HEAD, so its answer has no body, whatever it says.

    Raises:
        Broken, Unclear: there is no whole answer, or none that leaves no doubt.
    """
    connection.timeout_ns = timeout_ns
    try:
        try:
            sent = connection.send_some(request)
        except BlockingIOError:
            sent = 0
        if sent < len(request):
            connection.send_plain(memoryview(request)[sent:], timeout_ns)
    except (BrokenPipeError, ConnectionResetError):
        pass  # the answer may be there all the same
    except OSError as error:
        raise Broken(b"", error, None, sending=True) from None
    return receive(connection, heads, bodyless, timeout_ns, now_ns)


def receive(connection: Connection, heads: Heads, bodyless: bool, timeout_ns: int, now_ns: int) -> Answer:
    """Read the answer to a request that was sent until `now_ns`; otherwise as `converse`."""
    try:
        connection.wait(now_ns + timeout_ns)
        count = connection.receive_into(connection.buffer)
    except BlockingIOError:
        count = -1
    except OSError as error:
        raise Broken(b"", error, None) from None
    first_ns = monotonic_ns()
    if count > 0:
        data = bytes(connection.view[:count])
        head = heads.known.get(data[: connection.head_bytes])
        if head is None:
            connection.head_bytes = data.find(b"\n\r\n") + 3
            head = heads.known.get(data[: connection.head_bytes])
        if head is not None and head.length == count - head.size and not bodyless:
            return head, data[head.size :], first_ns, first_ns, count, False
    else:
        data = b""
    return _Reading(connection, heads, timeout_ns, first_ns).read(data, bodyless, ended=count == 0)


class _Reading:
    """Reads an answer that does not come in one piece, or begins as none before it."""

    def __init__(self, connection: Connection, heads: Heads, timeout_ns: int, first_ns: int) -> None:
        self._connection = connection
        self._heads = heads
        self._timeout_ns = timeout_ns
        self._first_ns: int | None = first_ns
        self._all = bytearray()
        """All that came, as it came: what http.client is given when it is to judge."""
        self._at = 0
        """Where in it the answer begins, behind interim ones."""

    def read(self, data: bytes, bodyless: bool, *, ended: bool) -> Answer:
        self._all += data
        if ended:
            raise self._broken(None)
        if not data:
            self._first_ns = None
            self._more()
        while True:
            head = self._head()
            if not head.interim:
                break
            self._at += head.size
            if self._at > MAX_HEAD_BYTES:
                raise self._unclear()
        begin = self._at + head.size
        if bodyless or head.length == 0:
            end = begin
            body = b""
        elif head.length > 0:
            end = begin + head.length
            self._fill(end)
            body = bytes(memoryview(self._all)[begin:end])
        elif head.length == UNTIL_CLOSE:
            body, end = self._rest(begin)
        else:
            assert head.length == CHUNKED
            body, end = self._chunks(begin)
        assert self._first_ns is not None
        until_close = head.length == UNTIL_CLOSE and not bodyless
        spent = until_close or len(self._all) > end
        return head, body, self._first_ns, monotonic_ns(), len(self._all), spent

    def _head(self) -> Head:
        while True:
            end = end_of_head(self._all, self._at)
            if end:
                break
            if not might_become_a_head(bytes(self._all[self._at :])):
                raise self._unclear()
            self._more()
        data = bytes(self._all[self._at : end])
        head = self._heads.known.get(data) or self._heads.parse(data)
        if head is None or head.status == 101:
            raise self._unclear()
        return head

    def _fill(self, end: int) -> None:
        while len(self._all) < end:
            self._more()

    def _rest(self, begin: int) -> tuple[bytes, int]:
        """All there is until the connection closes."""
        while self._receive():
            pass
        return bytes(memoryview(self._all)[begin:]), len(self._all)

    def _chunks(self, begin: int) -> tuple[bytes, int]:
        """The chunks' content, and where the trailers end. Anything but plain chunks is unclear."""
        parts = []
        at = begin
        while True:
            line_end = self._line_end(at)
            size = self._chunk_size(bytes(self._all[at:line_end]))
            at = line_end + 2
            if size == 0:
                break
            self._fill(at + size + 2)
            if self._all[at + size : at + size + 2] != _CRLF:
                raise self._unclear()
            parts.append(bytes(memoryview(self._all)[at : at + size]))
            at += size + 2
        while (line_end := self._line_end(at)) > at:
            at = line_end + 2
        return b"".join(parts), at + 2

    def _line_end(self, at: int) -> int:
        while (end := self._all.find(_CRLF, at)) < 0:
            if len(self._all) - at > _MAX_CHUNK_LINE or self._all.find(b"\n", at) >= 0:
                raise self._unclear()
            self._more()
        if end - at > _MAX_CHUNK_LINE or self._all.find(b"\n", at, end) >= 0:
            raise self._unclear()
        return end

    def _chunk_size(self, line: bytes) -> int:
        digits = line.partition(b";")[0]
        try:
            size = int(digits, 16) if len(digits) <= _MAX_DIGITS else -1
        except ValueError:
            size = -1
        if size < 0:
            raise self._unclear()
        return size

    def _more(self) -> None:
        """Receive something more.

        Raises:
            Broken: nothing more comes.
        """
        if not self._receive():
            raise self._broken(None)

    def _receive(self) -> int:
        try:
            count = self._connection.receive(monotonic_ns() + self._timeout_ns)
        except OSError as error:
            raise self._broken(error) from None
        if self._first_ns is None and count:
            self._first_ns = monotonic_ns()
        self._all += self._connection.view[:count]
        return count

    def _broken(self, error: Exception | None) -> Broken:
        return Broken(bytes(self._all[self._at :]), error, self._first_ns if self._all else None)

    def _unclear(self) -> Unclear:
        assert self._first_ns is not None
        return Unclear(bytes(self._all[self._at :]), self._first_ns)

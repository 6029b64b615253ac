"""What a torture server can be told to answer: bytes, pieces, stalls and ends in a row; and how sound answers look."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

STALL_S: Final = 3.0


@dataclass(frozen=True)
class Pieces:
    """Bytes that go out `size` at a time, each on its own."""

    data: bytes
    size: int = 1


@dataclass(frozen=True)
class Stall:
    """Silence, until the client hangs up; `seconds` at most."""

    seconds: float = STALL_S


@dataclass(frozen=True)
class Close:
    """End of data. What the client still sends is read and remembered, and not answered."""


@dataclass(frozen=True)
class Reset:
    """The connection is torn down at once."""


@dataclass(frozen=True)
class Early:
    """As the first step: the answer does not wait for the request's body."""


Step = bytes | Pieces | Stall | Close | Reset | Early
Answer = tuple[Step, ...]


def reply(
    body: bytes = b"ok", *headers: str | bytes, status: str = "200 OK", length: bool = True, version: str = "HTTP/1.1"
) -> bytes:
    """A sound answer; `headers` are whole lines, without their ends."""
    lines = [f"{version} {status}".encode("latin-1")]
    lines += [line.encode("latin-1") if isinstance(line, str) else line for line in headers]
    if length:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def chunked(parts: Iterable[bytes], *headers: str, trailers: bytes = b"", status: str = "200 OK") -> bytes:
    """A sound answer in chunks, one for each of `parts`."""
    body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    head = reply(b"", "Transfer-Encoding: chunked", *headers, status=status, length=False)
    return head + body + b"0\r\n" + trailers + b"\r\n"


def moved(location: str | bytes, status: str = "302 Found", *headers: str | bytes, body: bytes = b"") -> Answer:
    """A redirect."""
    where = location.encode("utf-8") if isinstance(location, str) else location
    return (reply(body, b"Location: " + where, *headers, status=status),)


OK: Final[Answer] = (reply(b"ok", "Content-Type: text/plain"),)
OK_TO_HEAD: Final[Answer] = (reply(b"", "Content-Type: text/plain", "Content-Length: 2", length=False),)

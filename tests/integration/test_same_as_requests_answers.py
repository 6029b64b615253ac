"""Whatever sound or odd answer a server gives, the caller gets what stock requests makes of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.parity import Call, Parity, two_sessions
from tests.torture_answers import Close, Pieces, chunked, reply

TEXT = b'{"island": "in the sea, somewhere", "n": [1, 2, 3]}' * 3
CHUNKED = "Transfer-Encoding: chunked"


@pytest.fixture(scope="module")
def both() -> Iterator[Parity]:
    with two_sessions() as both:
        yield both


def head(*lines: str | bytes, body: bytes = b"", status: bytes = b"HTTP/1.1 200 OK", end: bytes = b"\r\n") -> bytes:
    """An answer of exactly these lines."""
    return end.join([status, *(line.encode("latin-1") if isinstance(line, str) else line for line in lines)]) + (
        end * 2 + body
    )


# fmt: off
SOUND: dict[str, bytes] = {
    "empty": reply(b""),
    "json": reply(TEXT, "Content-Type: application/json"),
    "chunked": chunked([b"one", b"two" * 100, b"3"], "Content-Type: text/plain; charset=utf-8"),
    "chunked empty": chunked([]),
    "chunk extensions": head(CHUNKED, body=b"3;a=b;c\r\nabc\r\n2 ; x=\"y;z\"\r\nde\r\n0;last\r\n\r\n"),
    "chunked with trailers": chunked([b"abc"], "Trailer: X-T", trailers=b"X-T: 1\r\nX-U: 2\r\n"),
    "chunk sizes with zeros and capitals": head(CHUNKED, body=b"00A\r\n0123456789\r\n0a\r\nabcdefghij\r\n000\r\n\r\n"),
    "Chunked with a capital": head("transfer-encoding: Chunked", body=b"1\r\na\r\n0\r\n\r\n"),
    "no content": reply(b"", status="204 No Content", length=False),
    "not modified": reply(b"", 'ETag: "x"', status="304 Not Modified", length=False),
    "not modified with a length": head("Content-Length: 500", status=b"HTTP/1.1 304 Not Modified"),
    "no content with a length of 0": reply(b"", status="204 No Content"),
    "no content in chunks": head("Transfer-Encoding: chunked", status=b"HTTP/1.1 204 No Content"),
    "reset content": reply(b"", status="205 Reset Content"),
    "partial": reply(b"part", "Content-Range: bytes 0-3/10", status="206 Partial Content"),
    "not found": reply(b"no", status="404 Not Found"),
    "teapot": reply(b"", status="418 I'm a teapot"),
    "server error": reply(TEXT, status="500 Internal Server Error"),
    "unheard-of status": reply(b"x", status="799 Well"),
    "status 999": reply(b"x", status="999 Most"),
    "multiple choices": reply(b"x", "Location: /y", status="300 Multiple Choices"),
    "no reason": reply(b"x", status="200 "),
    "no reason and no blank": reply(b"x", status="200"),
    "long reason": reply(b"x", status="200 " + "because " * 500),
    "odd reason": reply(b"x", status="200  Çé  \t "),
    "connection close": reply(b"x", "Connection: close"),
    "connection Close, x": reply(b"x", "Connection: x, Close"),
    "keep-alive": reply(b"x", "Connection: keep-alive", "Keep-Alive: timeout=5, max=100"),
    "HTTP/1.0": reply(b"old", version="HTTP/1.0"),
    "HTTP/1.0 keep-alive": reply(b"old", "Connection: keep-alive", version="HTTP/1.0"),
    "HTTP/1.0 Keep-Alive header": reply(b"old", "Keep-Alive: 5", version="HTTP/1.0"),
    "HTTP/1.0 in chunks": reply(b"1\r\na\r\n0\r\n\r\n", "Transfer-Encoding: chunked", length=False, version="HTTP/1.0"),
    "HTTP/1.2": reply(b"new", version="HTTP/1.2"),
    "HTTP/1.9": reply(b"new", version="HTTP/1.9"),
    "proxy-connection": reply(b"x", "Proxy-Connection: close"),
    "two lengths alike": head("Content-Length: 2", "Content-Length: 2", body=b"ab"),
    "a list of equal lengths": head("Content-Length: 2, 2", "Connection: close", body=b"ab"),
    "length with blanks": head("Content-Length:   2  ", body=b"ab"),
    "length with zeros": head("Content-Length: 0002", body=b"ab"),
    "length with a plus": head("Content-Length: +2", body=b"ab"),
    "length with an underscore": head("Content-Length: 1_0", body=b"0123456789"),
    "same name many times": reply(b"x", "X-A: 1", "x-a: 2", "X-B: 3", "X-a: 4", "Vary: a", "Vary: b"),
    "no headers": head(status=b"HTTP/1.1 204 No Content"),
    "empty values": reply(b"x", "X-A:", "X-B: ", "X-C:\t"),
    "values with blanks": reply(b"x", "X-A: \t a b \t ", "X-B:c", "X-C:  d  "),
    "values with quotes and colons": reply(b"x", 'X-A: "a:b"; c=\'d\'', "X-B: ::", "X-C: http://a/b"),
    "latin and other bytes": reply(b"x", "X-A: é", b"X-B: \xe6\x97\xa5", b"X-C: \xff\xfe", b"X-D: a\x80b\x85c\xa0d"),
    "control bytes": reply(b"x", b"X-A: a\x01b", b"X-B: a\x0bb\x0cc", b"X-C: a\x1cb\x1dc\x1ed", b"X-D: \x7f"),
    "header of 64 KB": reply(b"x", "X-Long: " + "v" * 65_000),
    "100 headers": reply(b"x", *(f"X-{n}: {n}" for n in range(99))),
    "64 KB of headers": reply(b"x", *(f"X-{n}: {'v' * 1500}" for n in range(43))),
    "links": reply(b"x", 'Link: </a?p=2>; rel="next"; title="n, m", </a?p=9>; rel=last, <x>'),
    "names of odd characters": reply(b"x", "X!#$%&'*+-.^_`|~9: v", "x.y: 1", "1: 2"),
    "upgrade": reply(b"x", "Upgrade: h2c", "Connection: Upgrade"),
    "until close": reply(TEXT, "Content-Type: text/html", length=False),
    "until close, HTTP/1.0": reply(TEXT, length=False, version="HTTP/1.0"),
    "refresh and date": reply(b"x", "Date: Tue, 15 Nov 1994 08:12:31 GMT", "Server: torture/1", "Refresh: 5; url=/"),
}
ODD_HEADS: dict[str, bytes] = {
    "bare LF": head("Content-Length: 2", "X-A: 1", body=b"ab", end=b"\n"),
    "bare LF and CRLF": b"HTTP/1.1 200 OK\r\nX-A: 1\nContent-Length: 2\r\n\nab",
    "folded": head("X-A: one", " two", "\tthree", "Content-Length: 2", body=b"ab"),
    "folded first": head(" X-A: one", "Content-Length: 2", body=b"ab"),
    "blank before colon": head("X-A : 1", "Content-Length : 2", "Content-Length: 2", body=b"ab"),
    "blank in name": head("Content-Length: 2", "X A: 1", "X-B: 2", body=b"ab"),
    "no colon": head("Content-Length: 2", "nothing here", "X-B: 2", body=b"ab"),
    "no colon first": head("nothing here", "Content-Length: 2", body=b"ab"),
    "empty name": head("Content-Length: 2", ": v", "X-B: 2", body=b"ab"),
    "non-latin name": head("Content-Length: 2", b"X-\xc3\xa9: 1", "X-B: 2", body=b"ab"),
    "bare CR in value": head("Content-Length: 2", b"X-A: a\rX-B: b", body=b"ab"),
    "bare CR ends lines": b"HTTP/1.1 200 OK\rContent-Length: 2\r\rab",
    "two CRs": head("Content-Length: 2\r", "X-A: 1\r", body=b"ab"),
    "NUL in value": head("Content-Length: 2", b"X-A: a\x00b", body=b"ab"),
    "NUL in name": head("Content-Length: 2", b"X\x00A: ab", "X-B: 2", body=b"ab"),
    "From line": head("From nobody", "Content-Length: 2", body=b"ab"),
    "header like a status line": head("HTTP/1.1 200 OK", "Content-Length: 2", body=b"ab"),
    "two lengths that differ": head("Content-Length: 2", "Content-Length: 3", body=b"abc"),
    "a list of lengths that differ": head("Content-Length: 2, 3", body=b"abc"),
    "negative length": head("Content-Length: -2", body=b"ab"),
    "length no number": head("Content-Length: two", body=b"ab"),
    "length of hex": head("Content-Length: 0x2", body=b"ab"),
    "empty length": head("Content-Length:", body=b"ab"),
    "length of other digits": head(b"Content-Length: \xb2", body=b"ab"),
    "huge length": head("Content-Length: 99999999999999999999", body=b"ab"),
    "length and chunks": head("Content-Length: 3", "Transfer-Encoding: chunked", body=b"5\r\nabcde\r\n0\r\n\r\n"),
    "chunks and length": head("Transfer-Encoding: chunked", "Content-Length: 3", body=b"5\r\nabcde\r\n0\r\n\r\n"),
    "transfer encoding gzip": head("Transfer-Encoding: gzip", "Content-Length: 2", body=b"ab"),
    "transfer encoding gzip, chunked": head("Transfer-Encoding: gzip, chunked", body=b"1\r\na\r\n0\r\n\r\n"),
    "transfer encoding identity": head("Transfer-Encoding: identity", "Content-Length: 2", body=b"ab"),
    "transfer encoding chunked, identity": head("Transfer-Encoding: chunked, identity", body=b"1\r\na\r\n0\r\n\r\n"),
    "transfer encoding twice": head(CHUNKED, CHUNKED, body=b"1\r\na\r\n0\r\n\r\n"),
    "transfer encoding with blanks": head("Transfer-Encoding:  chunked ", body=b"1\r\na\r\n0\r\n\r\n"),
    "empty transfer encoding": head("Transfer-Encoding:", "Content-Length: 2", body=b"ab"),
    "status no number": head(status=b"HTTP/1.1 abc"),
    "status of two digits": head(status=b"HTTP/1.1 99 x"),
    "status of four digits": head("Content-Length: 2", status=b"HTTP/1.1 2000 x", body=b"ab"),
    "status with zeros": head("Content-Length: 2", status=b"HTTP/1.1 0200 x", body=b"ab"),
    "status with a plus": head("Content-Length: 2", status=b"HTTP/1.1 +200 x", body=b"ab"),
    "status of 200.5": head(status=b"HTTP/1.1 200.5 x"),
    "negative status": head(status=b"HTTP/1.1 -200 x"),
    "no status": head(status=b"HTTP/1.1"),
    "no status but a blank": head(status=b"HTTP/1.1 "),
    "ICY": head("Content-Length: 2", status=b"ICY 200 OK", body=b"ab"),
    "HTTP/2.0": head("Content-Length: 2", status=b"HTTP/2.0 200 OK", body=b"ab"),
    "HTTP/2": head("Content-Length: 2", status=b"HTTP/2 200", body=b"ab"),
    "HTTP/0.9": head("Content-Length: 2", status=b"HTTP/0.9 200 OK", body=b"ab"),
    "HTTP/1": head("Content-Length: 2", status=b"HTTP/1 200 OK", body=b"ab"),
    "HTTP/1.10": head("Content-Length: 2", status=b"HTTP/1.10 200 OK", body=b"ab"),
    "HTTP/1.x": head("Content-Length: 2", status=b"HTTP/1.x 200 OK", body=b"ab"),
    "http/1.1": head("Content-Length: 2", status=b"http/1.1 200 OK", body=b"ab"),
    "HTTP/": head("Content-Length: 2", status=b"HTTP/ 200 OK", body=b"ab"),
    "tabs in the status line": head("Content-Length: 2", status=b"HTTP/1.1\t200\tOK", body=b"ab"),
    "blanks in the status line": head("Content-Length: 2", status=b"  HTTP/1.1   200   OK", body=b"ab"),
    "empty line first": b"\r\n" + reply(b"ab"),
    "empty lines first": b"\n\r\n" + reply(b"ab"),
    "no HTTP at all": b"There is an island in the sea.\n" * 5,
    "a mail server": b"220 mail.example.org ESMTP\r\n",
    "TLS alert": b"\x15\x03\x01\x00\x02\x02\x28",
    "nothing but line ends": b"\r\n" * 10,
    "binary": bytes(range(256)),
    "101 headers": reply(b"x", *(f"X-{n}: {n}" for n in range(101))),
    "header line too long": reply(b"x", "X-Long: " + "v" * 66_000),
    "header line of 65536 bytes": reply(b"x", "X-L: " + "v" * (65_536 - 7)),
    "header line of 65537 bytes": reply(b"x", "X-L: " + "v" * (65_537 - 7)),
    "status line too long": reply(b"x", status="200 " + "x" * 66_000),
    "endless header line": b"HTTP/1.1 200 OK\r\nX: " + b"v" * 300_000,
    "endless status line": b"HTTP/1.1 200 " + b"v" * 300_000,
    "headers that end with the connection": b"HTTP/1.1 200 OK\r\nX-A: 1\r\nX-B: 2\r\n",
    "header injection": reply(b"x", "X-A: a\r\nSet-Cookie: b=c\r\nX-D: e"),
    "obsolete fold of a length": head("Content-Length:", " 2", body=b"ab"),
    "fold after an empty value": head("X-A:", "  v", "Content-Length: 2", body=b"ab"),
    "blank line with blanks": head("Content-Length: 2", "X-A: 1", "  ", "X-B: 2", body=b"ab"),
    "utf-8 BOM": b"\xef\xbb\xbf" + reply(b"ab"),
}
ODD_CHUNKS: dict[str, bytes] = {
    "0x": b"0x5\r\nabcde\r\n0\r\n\r\n", "blanks": b" 5 \r\nabcde\r\n0\r\n\r\n", "plus": b"+5\r\nabcde\r\n0\r\n\r\n",
    "empty": b"\r\nabcde\r\n0\r\n\r\n", "huge": b"ffffffffffffffffff\r\nabc", "no hex": b"xyz\r\nabc\r\n0\r\n\r\n",
    "negative": b"-5\r\nabcde\r\n0\r\n\r\n", "underscore": b"1_0\r\n" + b"a" * 16 + b"\r\n0\r\n\r\n",
    "bare LF": b"5\nabcde\r\n0\r\n\r\n", "no CRLF after": b"5\r\nabcde0\r\n\r\n", "other end": b"5\r\nabcdeXX0\r\n\r\n",
    "LF after": b"5\r\nabcde\n0\r\n\r\n", "data too long": b"3\r\nabcde\r\n0\r\n\r\n",
    "only blank": b" \r\nab\r\n0\r\n\r\n",
    "extension of nothing": b"5;\r\nabcde\r\n0\r\n\r\n", "extension with CR": b"5;a\rb\r\nabcde\r\n0\r\n\r\n",
    "only an extension": b";x\r\nabcde\r\n0\r\n\r\n", "tab": b"5\t\r\nabcde\r\n0\r\n\r\n",
    "comma": b"5,5\r\nabcde\r\n0\r\n\r\n",
    "no last chunk": b"5\r\nabcde\r\n", "no last line": b"5\r\nabcde\r\n0\r\n", "no end": b"5\r\nabcde\r\n0",
    "last line LF": b"5\r\nabcde\r\n0\r\n\n", "more after the end": b"5\r\nabcde\r\n0\r\n\r\nmore",
    "null": b"\x005\r\nabcde\r\n0\r\n\r\n",
    "minus zero": b"5\r\nabcde\r\n-0\r\n\r\n", "endless size line": b"5;" + b"x" * 70_000,
    "long size line": b"5;" + b"x" * 60_000 + b"\r\nabcde\r\n0\r\n\r\n",
    "trailer without colon": b"1\r\na\r\n0\r\nno colon\r\n\r\n",
    "long trailer": b"1\r\na\r\n0\r\nX: " + b"v" * 70_000 + b"\r\n\r\n",
    "many trailers": b"1\r\na\r\n0\r\n" + b"X: 1\r\n" * 200 + b"\r\n", "0x only": b"0x\r\nab\r\n0\r\n\r\n",
    "zeros": b"0" * 40 + b"5\r\nabcde\r\n0\r\n\r\n",
}
# fmt: on


@pytest.mark.parametrize("name", SOUND)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_sound_answers(both: Parity, name: str, method: str) -> None:
    """In one piece, in pieces, and with the connection closed at the end."""
    answer = SOUND[name]
    ends_with_connection = name.startswith("until close") or name in ("a list of equal lengths", "no content in chunks")
    if not ends_with_connection:
        both.check(Call(method, f"{both.url}/x", timeout=5), answers=[(answer,)])
        both.check(
            *[Call(method, f"{both.url}/x", timeout=5)] * 2, answers=[(Pieces(answer, max(13, len(answer) // 40)),)] * 2
        )
    both.check(Call(method, f"{both.url}/x", timeout=5), answers=[(answer, Close())])


@pytest.mark.parametrize("name", [name for name in SOUND if len(SOUND[name]) < 400])
def test_sound_answers_one_byte_at_a_time(both: Parity, name: str) -> None:
    both.check(Call("GET", f"{both.url}/x", timeout=5), answers=[(Pieces(SOUND[name]), Close())])


@pytest.mark.parametrize("name", SOUND)
def test_answers_to_head_have_no_body(both: Parity, name: str) -> None:
    """Whatever their heads announce; the next answer is the next one."""
    only_head = SOUND[name].partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    both.check(*[Call("HEAD", f"{both.url}/x", timeout=5)] * 2, answers=[(only_head,)] * 2)


@pytest.mark.parametrize("name", ODD_HEADS)
def test_odd_heads(both: Parity, name: str) -> None:
    """What a parser may refuse or repair: status lines, names, values and lengths that break the rules."""
    answer = ODD_HEADS[name]
    both.check(Call("GET", f"{both.url}/x", timeout=5), answers=[(answer, Close())])
    both.check(Call("GET", f"{both.url}/x", timeout=5), answers=[(Pieces(answer, max(11, len(answer) // 30)), Close())])


@pytest.mark.parametrize("name", ODD_CHUNKS)
def test_odd_chunks(both: Parity, name: str) -> None:
    """What a parser may refuse or repair: sizes and ends of chunks that break the rules."""
    answer = head("Transfer-Encoding: chunked", body=ODD_CHUNKS[name])
    both.check(Call("GET", f"{both.url}/x", timeout=5), answers=[(answer, Close())])
    both.check(Call("GET", f"{both.url}/x", timeout=5), answers=[(Pieces(answer, max(11, len(answer) // 30)), Close())])

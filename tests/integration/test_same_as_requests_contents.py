"""What is in an answer (compressed, in any charset, large, behind interim answers) is read as stock requests does."""

from __future__ import annotations

import gzip
import hashlib
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from tests.parity import Call, Parity, engine_is_active, two_sessions
from tests.parity_views import view
from tests.torture_answers import Answer, Close, Pieces, Stall, chunked, reply

TEXT = b'{"island": "in the sea, somewhere", "n": [1, 2, 3]}' * 40
GZIP = gzip.compress(TEXT, mtime=0)
DEFLATE = zlib.compress(TEXT)
MEGABYTES = bytes(range(251)) * 13_000


@pytest.fixture(scope="module")
def both() -> Iterator[Parity]:
    with two_sessions() as both:
        yield both


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def coded(coding: str, body: bytes, *headers: str) -> bytes:
    return reply(body, f"Content-Encoding: {coding}", "Content-Type: application/json", *headers)


# fmt: off
CODED: dict[str, bytes] = {
    "gzip": coded("gzip", GZIP),
    "x-gzip": coded("x-gzip", GZIP),
    "GZIP": coded("GZIP", GZIP),
    "gzip with blanks": coded("  gzip  ", GZIP),
    "gzip of nothing": coded("gzip", gzip.compress(b"")),
    "nothing as gzip": coded("gzip", b""),
    "gzip of several members": coded("gzip", GZIP + gzip.compress(b"more") + gzip.compress(b"")),
    "gzip and garbage": coded("gzip", GZIP + b"garbage"),
    "gzip and zeros": coded("gzip", GZIP + b"\0" * 20),
    "truncated gzip": coded("gzip", GZIP[:-10]),
    "gzip without its checksum": coded("gzip", GZIP[:-8]),
    "gzip with a wrong checksum": coded("gzip", GZIP[:-8] + b"\0" * 8),
    "broken gzip": coded("gzip", GZIP[:40] + b"\xff" * 10 + GZIP[50:]),
    "gzip head alone": coded("gzip", GZIP[:10]),
    "text as gzip": coded("gzip", TEXT),
    "deflate": coded("deflate", DEFLATE),
    "raw deflate": coded("deflate", raw_deflate(TEXT)),
    "truncated deflate": coded("deflate", DEFLATE[:-10]),
    "broken deflate": coded("deflate", b"\xff" + DEFLATE),
    "nothing as deflate": coded("deflate", b""),
    "one byte as deflate": coded("deflate", b"x"),
    "deflate and garbage": coded("deflate", DEFLATE + b"garbage"),
    "gzip twice": coded("gzip, gzip", gzip.compress(GZIP)),
    "deflate, gzip": coded("deflate, gzip", gzip.compress(DEFLATE)),
    "gzip, deflate": coded("gzip,deflate", zlib.compress(GZIP)),
    "two headers": coded("deflate", gzip.compress(DEFLATE), "Content-Encoding: gzip"),
    "six codings": coded("gzip," * 5 + "gzip", GZIP),
    "gzip, unknown": coded("gzip, unknown", GZIP),
    "gzip, identity": coded("gzip, identity", GZIP),
    "identity": coded("identity", TEXT),
    "unknown": coded("unknown", TEXT),
    "empty coding": coded("", TEXT),
    "comma": coded(",", TEXT),
    "br": coded("br", b"\x0b\x02\x80hello\x03"),
    "truncated br": coded("br", b"\x0b\x02\x80hel"),
    "broken br": coded("br", b"\xff\xff" * 20),
    "nothing as br": coded("br", b""),
    "zstd": coded("zstd", bytes.fromhex("28b52ffd0405290000") + b"hello" + bytes.fromhex("daee6ca8")),
    "broken zstd": coded("zstd", b"\x28\xb5\x2f\xfd" + b"\xff" * 20),
    "nothing as zstd": coded("zstd", b""),
    "text as zstd": coded("zstd", TEXT),
    "gzip in chunks": chunked([GZIP[:1], GZIP[1:9], GZIP[9:30], GZIP[30:]], "Content-Encoding: gzip"),
    "truncated gzip in chunks": chunked([GZIP[:30], GZIP[30:-10]], "Content-Encoding: gzip"),
    "broken gzip in chunks": chunked([GZIP[:30], b"\xff" * 10, GZIP[40:]], "Content-Encoding: gzip"),
    "broken deflate in chunks": chunked([b"\xff", DEFLATE], "Content-Encoding: deflate"),
    "raw deflate in chunks": chunked([raw_deflate(TEXT)[:1], raw_deflate(TEXT)[1:]], "Content-Encoding: deflate"),
    "a long text as gzip": coded("gzip", gzip.compress(MEGABYTES, mtime=0)),
    "a very dense gzip": coded("gzip", gzip.compress(b"\0" * 5_000_000)),
    "gzip of no content": reply(b"", "Content-Encoding: gzip", status="204 No Content", length=False),
    "gzip not modified": reply(b"", "Content-Encoding: gzip", status="304 Not Modified", length=False),
}
TYPED: list[tuple[str | None, bytes]] = [
    ("application/json", '{"é": "ü"}'.encode()), ("application/json", '{"é": "ü"}'.encode("utf-16")),
    ("application/json", '{"é": "ü"}'.encode("utf-32-le")), ("application/json; charset=latin-1", b'{"a": "\xe9"}'),
    ("application/json", b'{"a": "\xe9"}'), ("application/json", b"{"), ("application/json", b""),
    ("application/json", b"NaN"),
    ("application/json", b"\xef\xbb\xbf{}"), ("text/json", b"[]"), (None, b'{"a": 1}'), (None, b"\xff\xfe\x00"),
    (None, b""),
    ("text/plain", "é".encode()), ("text/html; charset=utf-8", "é".encode()), ("text/html; charset=UTF8", "é".encode()),
    ('text/html; charset="utf-8"', "é".encode()), ("text/html;charset='latin-1'", b"\xe9"),
    ("text/html; charset=nonsense", b"\xe9"),
    ("text/html; charset=", b"\xe9"), ("text/html; charset", b"\xe9"),
    ("text/plain; charset=utf-16", "é".encode("utf-16")),
    ("text/plain; charset=utf-8; charset=latin-1", b"\xe9"), ("TEXT/PLAIN; CHARSET=UTF-8", "é".encode()), ("", b"\xe9"),
    ("application/octet-stream", bytes(range(256))), ("text/plain; charset=rot13", b"a"),
    ("text/plain; charset=\xe9", b"a"),
    ("image/png", b"\x89PNG"), ("text/plain; charset=idna", b"\xff"), ("text/plain; charset=utf-8\0", b"a"),
    (";", b"\xe9"),
]
INTERIM: dict[str, bytes] = {
    "100": b"HTTP/1.1 100 Continue\r\n\r\n",
    "100 with headers": b"HTTP/1.1 100 Continue\r\nX-I: 1\r\nContent-Length: 5\r\n\r\n",
    "three times 100": b"HTTP/1.1 100 Continue\r\n\r\n" * 3,
    "100 of HTTP/1.0": b"HTTP/1.0 100 Continue\r\n\r\n",
}
EARLY_HINTS: dict[str, bytes] = {
    "102": b"HTTP/1.1 102 Processing\r\n\r\n",
    "103": b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n",
    "103 twice": b"HTTP/1.1 103 Early Hints\r\nX-I: 1\r\n\r\n" * 2,
    "100 and 103": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n",
    "199": b"HTTP/1.1 199 Odd\r\n\r\n",
}
# fmt: on


@pytest.mark.parametrize("name", CODED)
def test_compressed_contents(both: Parity, name: str) -> None:
    """Undone as urllib3 undoes it, or the same error; for br and zstd, if the libraries for them are there."""
    answer = CODED[name]
    both.check(*[Call("GET", f"{both.url}/x", timeout=5)] * 2, answers=[(answer,)] * 2)
    if len(answer) < 10_000:
        both.check(Call("GET", f"{both.url}/x", timeout=5), answers=[(Pieces(answer, 41), Close())])
    head = answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    both.check(Call("HEAD", f"{both.url}/x", timeout=5), answers=[(head,)])


def test_brotli_is_undone_where_its_library_is_there(both: Parity) -> None:
    brotli = pytest.importorskip("brotli", reason="urllib3 undoes br with the package brotli, which is not installed")
    packed = coded("br", brotli.compress(TEXT))
    outcome = both.check(Call("GET", f"{both.url}/x"), answers=[(packed,)])
    assert outcome.results[0]["content"] == TEXT


def test_zstd_is_undone_where_its_library_is_there(both: Parity) -> None:
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    zstd = pytest.importorskip(name, reason=f"urllib3 undoes zstd with {name}, which is not installed")
    frame = zstd.compress(TEXT)
    for body, text in ((frame, TEXT), (frame + zstd.compress(b"more"), TEXT + b"more"), (frame[:-5], None)):
        outcome = both.check(Call("GET", f"{both.url}/x"), answers=[(coded("zstd", body),)])
        assert text is None or outcome.results[0]["content"] == text


@pytest.mark.parametrize("number", range(len(TYPED)))
def test_text_and_json_of_any_charset(both: Parity, number: int) -> None:
    kind, body = TYPED[number]
    headers = [] if kind is None else [f"Content-Type: {kind}".encode("latin-1")]
    both.check(Call("GET", f"{both.url}/x"), answers=[(reply(body, *headers),)])


def test_an_answer_can_be_changed_by_its_caller(both: Parity) -> None:
    """As tests do: another encoding, status, header or history, and what follows from it."""

    def change(response: requests.Response) -> Any:
        first = view(response)
        response.encoding = "utf-16"
        response.headers["X-Mine"] = "1"
        del response.headers["content-length"]
        response.status_code = 503
        response.reason = "mine"
        response.url = "http://elsewhere.test/"
        response.history = [response.history[0]] if response.history else []
        response.cookies.set("mine", "1")
        return first, view(response)

    for answers in ([(reply("é".encode(), "Set-Cookie: a=b"),)], [(reply(b"", "Location: /y", status="301 Moved"),)]):
        both.check(Call("GET", f"{both.url}/x", then=change), answers=answers)


RAW: dict[str, Callable[[Any], Any]] = {
    "read": lambda raw: raw.read(),
    "read some": lambda raw: raw.read(5),
    "read without decoding": lambda raw: raw.read(decode_content=False),
    "read1": lambda raw: raw.read1(5),
    "readinto": lambda raw: raw.readinto(bytearray(5)),
    "readline": lambda raw: raw.readline(),
    "lines": list,
    "stream": lambda raw: list(raw.stream(3)),
    "data": lambda raw: raw.data,
    "tell": lambda raw: raw.tell(),
    "closed": lambda raw: (raw.closed, raw.isclosed()),
    "length": lambda raw: raw.length_remaining,
    "connection": lambda raw: raw.connection is None,
    "close": lambda raw: raw.close(),
    "drain": lambda raw: raw.drain_conn(),
    "release": lambda raw: raw.release_conn(),
}


@pytest.mark.parametrize("name", RAW)
def test_what_is_left_of_the_raw_answer(both: Parity, name: str) -> None:
    """Below an answer that was read, as libraries on top of requests look there."""
    for answer in (
        reply(TEXT),
        chunked([TEXT]),
        reply(b""),
        coded("gzip", GZIP),
        reply(b"", status="204 No", length=False),
    ):
        both.check(Call("GET", f"{both.url}/x", then=lambda response: RAW[name](response.raw)), answers=[(answer,)])


def test_an_answer_is_usable_when_its_session_is_closed(both: Parity) -> None:
    """Nothing of it is fetched late."""

    def step(session: requests.Session) -> Any:
        response = session.get(f"{both.url}/x")
        response.close()
        session.close()
        return view(response)

    both.check(step, answers=[(reply(TEXT, "Content-Type: application/json", "Set-Cookie: a=b"),)])


@pytest.mark.parametrize("name", INTERIM)
@pytest.mark.parametrize("stall", [(), (Stall(0.05),)], ids=["at once", "later"])
def test_an_interim_100_is_passed_over(both: Parity, name: str, stall: Answer) -> None:
    answer = (INTERIM[name], *stall, reply(b"done", "X-F: 1"))
    for call in (Call("POST", f"{both.url}/x", data=b"d", headers={"Expect": "100-continue"}), Call("GET", both.url)):
        outcome = both.check(call, call, answers=[answer, answer])
        assert [result["status"] for result in outcome.results] == [200, 200]


@pytest.mark.parametrize("name", EARLY_HINTS)
@pytest.mark.parametrize("stall", [(), (Stall(0.05),)], ids=["at once", "later"])
def test_other_interim_answers_are_passed_over_by_our_engine(both: Parity, name: str, stall: Answer) -> None:
    """The one difference that we mean: http.client of this Python takes them for the answer; RFC 9110 15.2 does not."""
    answer = (EARLY_HINTS[name], *stall, reply(b"done", "X-F: 1"))
    call = Call("GET", f"{both.url}/x", timeout=5)
    if not engine_is_active(both.server):
        both.check(call, answers=[answer])
        return
    outcome = both.ours(call, call, answers=[answer, answer])
    assert [(result["status"], result["content"]) for result in outcome.results] == [(200, b"done")] * 2
    assert [result["headers"] for result in outcome.results] == [[("X-F", "1"), ("Content-Length", "4")]] * 2
    assert outcome.recorded is not None
    assert (outcome.recorded.sent, outcome.recorded.statuses, outcome.counted) == (2, {200: 2}, 2)
    assert outcome.after["content"] == b"ok"


@pytest.mark.parametrize(
    "more", [b"", b"raw bytes of another protocol", reply(b"x")], ids=["nothing", "bytes", "answer"]
)
def test_switching_protocols_is_an_answer(both: Parity, more: bytes) -> None:
    """101 is final; what comes behind it is nobody's answer."""
    switch = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n" + more
    headers = {"Connection": "Upgrade", "Upgrade": "x"}
    both.check(Call("GET", f"{both.url}/x", headers=headers, timeout=5), answers=[(switch,)], connections=False)
    both.check(Call("GET", f"{both.url}/x", headers=headers, timeout=5), answers=[(switch, Close())])


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("sized", [reply(MEGABYTES), reply(MEGABYTES, length=False), chunked([MEGABYTES])])
def test_megabytes(both: Parity, method: str, sized: bytes) -> None:
    both.check(Call(method, f"{both.url}/x", then=digest), answers=[(sized, Close())])
    both.check(Call(method, f"{both.url}/x", then=digest), answers=[(Pieces(sized, 30_011), Close())])


@pytest.mark.parametrize("size", [50, 1_000, 16_384, 70_000])
def test_chunks_of_all_sizes(both: Parity, size: int) -> None:
    data = MEGABYTES[: size * 300]
    answer = (chunked(data[at : at + size] for at in range(0, len(data), size)),)
    outcome = both.check(*[Call("GET", f"{both.url}/x", then=digest)] * 2, answers=[answer, answer])
    assert outcome.results[0][0] == len(data)


def test_a_hundred_megabytes(both: Parity) -> None:
    """Once; byte for byte."""
    body = MEGABYTES * 32
    outcome = both.check(Call("GET", f"{both.url}/x", then=digest), answers=[(reply(body),)])
    assert outcome.results[0] == (len(body), hashlib.blake2b(body).hexdigest(), 200)


def digest(response: requests.Response) -> tuple[int, str, int]:
    """All that tells one long body from another."""
    return len(response.content), hashlib.blake2b(response.content).hexdigest(), response.status_code


STREAMED: dict[str, bytes] = {
    "sized": reply(TEXT),
    "chunked": chunked([TEXT[:100], TEXT[100:]]),
    "gzip": coded("gzip", GZIP),
    "lines": reply(b"one\r\ntwo\nthree\n\nfour"),
    "empty": reply(b""),
    "broken gzip": coded("gzip", b"\xff" * 100),
    "too short": reply(TEXT).replace(b"Content-Length: 20", b"Content-Length: 30"),
}


@pytest.mark.parametrize("name", STREAMED)
def test_streamed_contents(both: Parity, name: str) -> None:
    """With ``stream=True``: by parts, by lines, raw, given up early, and read twice."""
    url = f"{both.url}/x"
    ways = [
        lambda response: list(response.iter_content(10)),
        lambda response: list(response.iter_content(None)),
        lambda response: list(response.iter_lines()),
        lambda response: list(response.iter_lines(decode_unicode=True)),
        lambda response: response.raw.read(7),
        lambda response: response.raw.read(decode_content=True),
        lambda response: next(response.iter_content(5), None),
        lambda response: (response.content, list(response.iter_content(3))),
        lambda response: (list(response.iter_content(3)), response.content),
        lambda response: response.status_code,
        lambda response: list(response)[:5],
    ]
    for way in ways:
        answer = (STREAMED[name], Close()) if name == "too short" else (STREAMED[name],)
        both.check(Call("GET", url, stream=True, then=way), answers=[answer], connections=False)

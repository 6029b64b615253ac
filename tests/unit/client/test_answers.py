"""The head of an answer: ours against what http.client and urllib3 read in the same bytes."""

from __future__ import annotations

import string
from http.client import HTTPException
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import HTTPError

from loads.client.answers import (
    CHUNKED,
    INTERIM,
    MAX_HEAD_BYTES,
    UNTIL_CLOSE,
    Head,
    Heads,
    end_of_head,
    might_become_a_head,
)
from tests.unit.client.wires import stock_answer

TOKEN = string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~"
TEXT = "".join(map(chr, [9, *range(32, 127), *range(128, 256)]))

free = st.tuples(st.text(TOKEN, min_size=1, max_size=12), st.text(TEXT, max_size=20))
known = st.sampled_from(
    [
        *(("Content-Length", value) for value in ("0", "5", "05", " 7\t", "5, 5", "5,6", "-1", "+5", "x", "", "5_0")),
        *(("Transfer-Encoding", value) for value in ("chunked", "Chunked", "gzip, chunked", "identity", "chunked ")),
        *(("Connection", value) for value in ("close", "keep-alive", "Keep-Alive, Upgrade", "foo, CLOSE", "")),
        *(("Content-Encoding", value) for value in ("gzip", "GZip", "br, gzip", "identity")),
        *((name, "timeout=5") for name in ("Keep-Alive", "keep-alive")),
        ("Proxy-Connection", "keep-alive"),
        ("Set-Cookie", "a=1; path=/"),
        ("set-cookie", "b=2"),
        ("Location", "/there"),
        ("From ", "nobody"),
        ("Content-Type", "text/html; charset=\xe9"),
    ]
)
headers = st.lists(st.one_of(known, free), max_size=8)
codes = st.sampled_from([200, 201, 204, 206, 301, 302, 303, 304, 307, 308, 404, 500, 999])
versions = st.sampled_from(["HTTP/1.1", "HTTP/1.0"])
reasons = st.one_of(st.none(), st.text(TEXT, max_size=10))


def written(version: str, code: int, reason: str | None, items: list[tuple[str, str]], end: str = "\r\n") -> bytes:
    first = f"{version} {code}" + ("" if reason is None else f" {reason}")
    return end.join([first, *(f"{name}: {value}" for name, value in items), "", ""]).encode("latin-1")


def stock(data: bytes) -> dict[str, Any] | None:
    """What http.client and urllib3 see; None: they refuse."""
    try:
        answer = stock_answer(data)
    except (HTTPException, HTTPError, ValueError, OSError):
        return None
    original: Any = answer._original_response
    chunked = answer.chunked and answer.supports_chunked_reads()
    length = CHUNKED if chunked else answer.length_remaining
    return {
        "version": answer.version,
        "status": answer.status,
        "reason": answer.reason,
        "items": list(answer.headers.items()),
        "length": UNTIL_CLOSE if length is None else length,
        "keep": length is not None and not original.will_close,
        "disputed": chunked is not original.chunked or (not chunked and length != original.length),
    }


def ours(head: Head) -> dict[str, Any]:
    again = Head(head.version, head.status, head.reason, head.items, size=head.size, length=head.length, keep=head.keep)
    assert list(again.headers().items()) == list(head.headers().items())
    return {
        "version": head.version,
        "status": head.status,
        "reason": head.reason,
        "length": head.length,
        "keep": head.keep and head.length != UNTIL_CLOSE,
    }


def agree(data: bytes) -> Head | None:
    """Fail unless we see what stock clients see, or see nothing."""
    head, seen = Heads().parse(data), stock(data)
    if head is None:
        return None
    assert seen is not None
    assert not seen.pop("disputed")
    listed = seen.pop("items")
    assert ours(head) == seen
    assert head.size == len(data)
    assert list(head.headers().items()) == list(CaseInsensitiveDict(_joined(listed)).items())
    assert _grouped(head.items) == listed
    return head


def _joined(items: list[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in items:
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


def _grouped(items: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """As urllib3 lists them: those of one name together, under the first one's spelling."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for name, value in items:
        group = groups.setdefault(name.lower(), [])
        group.append((group[0][0] if group else name, value))
    return [item for group in groups.values() for item in group]


@settings(max_examples=200)
@given(versions, codes, reasons, headers, st.sampled_from(["\r\n", "\n"]))
@example("HTTP/1.1", 200, "\xa0OK\x85", [], "\r\n")
@example("HTTP/1.1", 204, "", [("Transfer-Encoding", "chunked")], "\r\n")
@example("HTTP/1.1", 200, "OK", [("Transfer-Encoding", "gzip"), ("Transfer-Encoding", "chunked")], "\r\n")
def test_what_is_understood_is_what_stock_clients_understand(
    version: str, code: int, reason: str | None, items: list[tuple[str, str]], end: str
) -> None:
    """Whatever headers: the same status, reason, headers, length, and fate of the connection; or no verdict."""
    data = written(version, code, reason, items, end)
    agree(data)


@pytest.mark.parametrize("code", [204, 304])
@pytest.mark.parametrize("item", [("Content-Length", "5,6"), ("Transfer-Encoding", "gzip, chunked")])
def test_a_bodyless_status_does_not_hide_a_dispute(code: int, item: tuple[str, str]) -> None:
    """urllib3 refuses the one and reads chunks behind the other, whatever the status: nothing is to be decided."""
    assert Heads().parse(written("HTTP/1.1", code, "So", [item])) is None


plain = st.lists(
    st.tuples(st.text(TOKEN, min_size=1, max_size=12).map("X-{}".format), st.text(TEXT, max_size=20)), max_size=8
)
lengths = st.sampled_from([[], [("Content-Length", "12")], [("transfer-encoding", "chunked")]])


@given(versions, codes, reasons, plain, lengths)
def test_plain_heads_are_always_understood(
    version: str, code: int, reason: str | None, items: list[tuple[str, str]], length: list[tuple[str, str]]
) -> None:
    assert agree(written(version, code, reason, length + items)) is not None


@given(st.data())
def test_no_verdict_or_the_right_one_for_heads_that_went_wrong(data: st.DataObject) -> None:
    """A head with a few bytes changed is refused, left to requests, or read as stock clients read it."""
    good = bytearray(written("HTTP/1.1", 200, "OK", data.draw(headers)))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(good) - 1))
        good[place : place + data.draw(st.integers(0, 1))] = data.draw(
            st.sampled_from([b" ", b"\t", b"\r", b"\n", b":", b",", b"\x00", b"\x0b", b"\x85", b"9", b"\r\n "])
        )
    end = end_of_head(good, 0)
    head = bytes(good[:end])
    if end and b" 200 " in head[:13]:
        agree(head)


HEAD_OF_HEAD = written("HTTP/1.1", 200, "OK", [("Content-Length", "5")])


@pytest.mark.parametrize(
    ("lines", "length"),
    [
        (["HTTP/1.1 200 OK", "Content-Length: 5"], 5),
        (["HTTP/1.1 200 OK"], UNTIL_CLOSE),
        (["HTTP/1.0 200 OK", "Connection: keep-alive"], UNTIL_CLOSE),
        (["HTTP/1.1 200 OK", "Transfer-Encoding: chunked"], CHUNKED),
        (["HTTP/1.1 204 No Content", "Content-Length: 5"], 0),
        (["HTTP/1.1 304 Not Modified", "Content-Length: 5"], 0),
        (["HTTP/1.1 304 Not Modified"], 0),
        (["HTTP/1.1 100 Continue", "X: 1"], None),
        (["HTTP/1.1 102 Processing"], INTERIM),
        (["HTTP/1.1 103 Early Hints", "Link: </a.css>"], INTERIM),
        (["HTTP/1.1 200 OK", "Content-Length: 5", "Content-Length: 5"], None),
        (["HTTP/1.1 200 OK", "Content-Length: 5", "Content-Length: 6"], None),
        (["HTTP/1.1 200 OK", "Content-Length: 5", "Transfer-Encoding: chunked"], CHUNKED),
        (["HTTP/1.1 200 OK", "Content-Length : 5"], None),
        (["HTTP/1.1 200 OK", "Content-Length:", " 5"], None),
        (["HTTP/1.1 200 OK", "X: a", " b", "Content-Length: 5"], 5),
        (["HTTP/1.1 200 OK", "Transfer-Encoding: gzip, chunked"], None),
        (["HTTP/1.1 103 Early Hints", "Transfer-Encoding: chunked"], None),
        (["HTTP/2 200 OK"], None),
        (["ICY 200 OK"], None),
        (["HTTP/1.1 2x0 OK"], None),
        (["HTTP/1.1 099 Low"], None),
    ],
)
@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_what_a_head_says_of_the_body(lines: list[str], length: int | None, end: str) -> None:
    """The traps in which llhttp, http.client and urllib3 differ: with either kind of line end."""
    data = end.join([*lines, "", ""]).encode()
    head = Heads().parse(data)
    if length is None:
        if head is not None and not head.interim:
            agree(data)
    else:
        assert head is not None
        assert (head.length, head.interim) == (length, length == INTERIM)


def test_a_go_ahead_is_an_interim_answer() -> None:
    head = Heads().parse(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert head is not None
    assert (head.interim, head.length) == (True, INTERIM)


def test_an_answer_that_changes_the_protocol_is_no_interim_one() -> None:
    data = written("HTTP/1.1", 101, "Switching Protocols", [("Upgrade", "websocket"), ("Connection", "Upgrade")])
    head = Heads().parse(data)
    assert head is None or (head.status, head.interim) == (101, False)


@pytest.mark.parametrize(("lines", "fits"), [(99, True), (100, False), (101, False)])
def test_a_head_has_as_many_headers_as_http_client_takes(lines: int, fits: bool) -> None:
    data = written("HTTP/1.1", 200, "OK", [(f"X-{number}", "1") for number in range(lines)])
    assert (Heads().parse(data) is not None) is (stock(data) is not None) is fits


@pytest.mark.parametrize(("size", "fits"), [(65_536, True), (65_537, False)])
@pytest.mark.parametrize("which", ["status", "header"])
def test_a_line_is_as_long_as_http_client_takes(size: int, fits: bool, which: str) -> None:
    """Its end counts."""
    if which == "status":
        data = written("HTTP/1.1", 200, "a" * (size - len("HTTP/1.1 200 \r\n")), [])
    else:
        data = written("HTTP/1.1", 200, "OK", [("X", "a" * (size - len("X: \r\n")))])
    assert (Heads().parse(data) is not None) is (stock(data) is not None) is fits


@given(versions, codes, reasons, plain, lengths, st.data())
def test_a_head_that_is_coming_is_waited_for(
    version: str,
    code: int,
    reason: str | None,
    items: list[tuple[str, str]],
    length: list[tuple[str, str]],
    data: st.DataObject,
) -> None:
    """No beginning of a head that will be understood is given up, and none is taken for a whole one."""
    head = written(version, code, reason, length + items)
    count = data.draw(st.integers(0, len(head) - 1))
    assert might_become_a_head(head[:count])
    assert end_of_head(bytearray(head[:count]), 0) == 0
    assert end_of_head(bytearray(b"x" * 3 + head + b"\r\n\r\n"), 3) == len(head) + 3


def test_the_longest_status_line_is_waited_for() -> None:
    head = written("HTTP/1.1", 200, "a" * (65_536 - len("HTTP/1.1 200 \r\n")), [])
    assert Heads().parse(head) is not None
    assert all(might_become_a_head(head[:count]) for count in range(65_500, len(head)))


@pytest.mark.parametrize(
    "data",
    [
        b"FTP",
        b"HTTP/2",
        b"<html>",
        b"\r\n",
        b"HTTP/1.1 OK\r\n",
        b"HTTP/1.1 20\r\n",
        b"HTTP/1.1 200 " + b"a" * 65_536,
        b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * (MAX_HEAD_BYTES // 6),
    ],
)
def test_what_cannot_become_a_head_is_not_waited_for(data: bytes) -> None:
    assert not might_become_a_head(data)


def test_a_head_is_remembered_by_its_bytes() -> None:
    heads = Heads()
    head = heads.parse(HEAD_OF_HEAD)
    assert heads.known == {HEAD_OF_HEAD: head}
    assert heads.parse(b"nonsense\r\n\r\n") is None
    assert len(heads.known) == 1


def test_the_memory_for_heads_is_bounded() -> None:
    heads, most = Heads(), 0
    for number in range(2_000):
        assert heads.parse(written("HTTP/1.1", 200, "OK", [("X-Request-Id", str(number))])) is not None
        most = max(most, len(heads.known))
    assert most <= 512


def test_what_one_answer_does_to_its_headers_is_its_own_affair() -> None:
    """Answers share a head, not what the caller gets of it."""
    head = Heads().parse(HEAD_OF_HEAD)
    assert head is not None
    first = head.headers()
    first["X"] = "1"
    del first["content-length"]
    assert dict(head.headers()) == {"Content-Length": "5"}


@pytest.mark.parametrize(
    ("code", "items", "redirects", "cookies"),
    [
        (302, [("Location", "/")], True, False),
        (302, [], False, False),
        (300, [("Location", "/")], False, False),
        (304, [("Location", "/")], False, False),
        (200, [("Location", "/"), ("SET-COOKIE", "a=1")], False, True),
    ],
)
def test_it_tells_what_requests_still_has_to_do(
    code: int, items: list[tuple[str, str]], redirects: bool, cookies: bool
) -> None:
    head = Heads().parse(written("HTTP/1.1", code, "So", items))
    assert head is not None
    assert (head.redirects, head.sets_cookies) == (redirects, cookies)


def test_it_shows_what_it_is() -> None:
    assert repr(Heads().parse(HEAD_OF_HEAD)) == "<Head 200 OK length=5>"

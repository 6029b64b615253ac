"""Servers that hang up, reset, stall and lie: stock requests' exception, a sound pool after, nothing sent twice."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loads.client.kinds import ErrorKind
from tests.parity import Call, Fresh, Outcome, Parity, engine_is_active, two_sessions
from tests.torture import run_torture
from tests.torture_answers import OK, Answer, Close, Early, Pieces, Reset, Stall, Step, chunked, reply

MANY = settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])
STALLED_S = 0.15

WHOLE: dict[str, bytes] = {
    "sized": reply(b"0123456789", "X-A: 1"),
    "chunked": chunked([b"0123456789", b"abc"], "X-A: 1", trailers=b"X-T: 1\r\n"),
    "until close": reply(b"0123456789", length=False),
    "gzip": reply(gzip.compress(b"0123456789", mtime=0), "Content-Encoding: gzip"),
    "gzip in chunks": chunked([gzip.compress(b"0123456789", mtime=0)], "Content-Encoding: gzip"),
    "redirect": reply(b"moved", "Location: /y", status="302 Found"),
    "interim": b"HTTP/1.1 100 Continue\r\n\r\n" + reply(b"0123456789"),
    "with a cookie": reply(b"0123456789", "Set-Cookie: a=1"),
}
KINDS = {
    Close: {ErrorKind.CLOSED, ErrorKind.INCOMPLETE, ErrorKind.PROTOCOL},
    Reset: {ErrorKind.RESET, ErrorKind.INCOMPLETE, ErrorKind.PROTOCOL, ErrorKind.CLOSED},
    Stall: {ErrorKind.READ_TIMEOUT},
}


@pytest.fixture(scope="module")
def both() -> Iterator[Parity]:
    with two_sessions() as both:
        yield both


def classes(outcome: Outcome) -> list[Any]:
    """Of each result the class of the exception, or the status."""
    return [result[1] if isinstance(result, tuple) else result["status"] for result in outcome.results]


def check_kinds(outcome: Outcome, end: type[Step]) -> None:
    """What our record calls the end."""
    if outcome.recorded is not None:
        assert set(outcome.recorded.errors) <= KINDS[end], outcome.recorded.errors


def step_of(answer: bytes) -> int:
    """Many places; which ones depends on the length."""
    return max(1, len(answer) // 35)


@pytest.mark.parametrize("end", [Close(), Reset()], ids=["closes", "resets"])
@pytest.mark.parametrize("name", WHOLE)
def test_ends_at_any_place(both: Parity, name: str, end: Step) -> None:
    """Before, in and after the head, in the body, in a chunk, in its size, in a trailer, after all."""
    answer = WHOLE[name]
    for cut in [*range(0, len(answer), step_of(answer)), len(answer) - 1, len(answer)]:
        if cut == len(answer) and name == "redirect":
            continue  # whether its end is seen in time for the next step is a matter of chance, for both
        steps: Answer = (answer[:cut], end) if cut else (end,)
        outcome = both.check(Call("GET", f"{both.url}/x", timeout=5), answers=[steps], connections=False)
        check_kinds(outcome, type(end))


@pytest.mark.parametrize("name", ["sized", "chunked"])
@pytest.mark.parametrize("method", ["POST", "HEAD"])
def test_ends_at_some_places_for_other_methods(both: Parity, name: str, method: str) -> None:
    answer = WHOLE[name]
    for cut in range(0, len(answer), 9):
        steps: Answer = (answer[:cut], Close()) if cut else (Close(),)
        both.check(Call(method, f"{both.url}/x", timeout=5, data=b"d"), answers=[steps], connections=False)


@pytest.mark.parametrize("end", [Close(), Reset()], ids=["closes", "resets"])
def test_a_kept_connection_that_ends_under_a_request_is_not_tried_again(both: Parity, end: Step) -> None:
    """The request was sent: it may have been done. The server sees it once."""
    for kwargs in ({}, {"data": b"d"}, {"data": Fresh(lambda: iter([b"a", b"b"]), "parts")}):
        for method in ("GET", "POST", "DELETE"):
            calls = [Call("GET", f"{both.url}/first"), Call(method, f"{both.url}/x", **kwargs)]
            outcome = both.check(*calls, answers=[OK, (end,)])
            assert outcome.counted == 2
            assert classes(outcome) == [200, "requests.exceptions.ConnectionError"]
            check_kinds(outcome, type(end))


@pytest.mark.parametrize("end", [Close(), Reset()], ids=["closes", "resets"])
def test_a_kept_connection_that_ended_is_not_used(both: Parity, end: Step) -> None:
    """Found out before anything is sent, even a moment after, and a new one is opened."""
    for method in ("GET", "POST", "DELETE"):
        calls = [Call(method, f"{both.url}/x")] * 4
        outcome = both.check(*calls, answers=[(*OK, end), OK, (*OK, end), OK])
        assert classes(outcome) == [200, 200, 200, 200]


@pytest.mark.parametrize("end", [(), (Close(),)], ids=["stays", "closes"])
def test_what_a_server_says_unasked_is_no_answer(both: Parity, end: Answer) -> None:
    """Such as 408 on an idle connection, or a second answer: it is dropped with the connection."""
    for more in (
        reply(b"too slow", "Connection: close", status="408 Request Timeout"),
        reply(b"second"),
        b"x",
        b"\r\n",
    ):
        answer = (*OK, Stall(0.01), more, *end)
        outcome = both.check(Call("GET", f"{both.url}/x"), Call("GET", f"{both.url}/y"), answers=[answer, OK])
        assert [result["content"] for result in outcome.results] == [b"ok", b"ok"]


def test_a_server_that_was_trusted_is_looked_at_again_once_it_closes_a_connection(both: Parity) -> None:
    """A long row of good connections earns a server our trust; one request at most is lost to the first bad one."""

    with run_torture() as server:

        def status(session: requests.Session) -> Any:
            try:
                return session.get(f"{server.url}/x").status_code
            except requests.ConnectionError as error:
                return type(error).__name__
            finally:
                server.wait_idle()

        def step(session: requests.Session) -> list[Any]:
            for _ in range(1_100):
                session.get(f"{server.url}/x")
            server.play(*[(*OK, Close())] * 12)
            return [status(session) for _ in range(12)]

        statuses = Parity(server).ours(step).results[0]
    assert statuses.count(200) >= 11
    assert set(statuses[2:]) == {200}


@pytest.mark.parametrize(
    "steps",
    [
        (Stall(),),
        (b"HTTP/1.1 2", Stall()),
        (b"HTTP/1.1 200 OK\r\nX-A: 1\r\n", Stall()),
        (b"HTTP/1.1 100 Continue\r\n\r\n", Stall()),
        (reply(b"0123456789")[:-10], Stall()),
        (reply(b"0123456789")[:-2], Stall()),
        (reply(b"01234", length=False), Stall()),
        (chunked([b"0123456789"])[:-16], Stall()),
        (chunked([b"0123456789"])[:-9], Stall()),
        (chunked([b"0123456789"])[:-2], Stall()),
        (reply(b"x", "Location: /y", status="302 Found")[:-1], Stall()),
    ],
    ids=["at once", "status", "head", "interim", "body", "in body", "until close", "size", "chunk", "last", "redirect"],
)
def test_stalls_end_with_the_timeout(both: Parity, steps: Answer) -> None:
    """In head and body, with requests' two exceptions for them; the connection is closed and not used again."""
    outcome = both.check(Call("GET", f"{both.url}/x", timeout=(5, STALLED_S)), answers=[steps])
    check_kinds(outcome, Stall)
    assert classes(outcome)[0] in ("requests.exceptions.ReadTimeout", "requests.exceptions.ConnectionError")


def test_a_timeout_is_for_each_wait_and_not_for_the_whole(both: Parity) -> None:
    """A slow answer, each part of it in time, is a good one; in head and body."""
    for answer in (WHOLE["sized"], WHOLE["chunked"]):
        parts = [answer[at : at + 30] for at in range(0, len(answer), 30)]
        steps = [step for part in parts for step in (part, Stall(0.3))][:-1]
        outcome = both.check(Call("GET", f"{both.url}/x", timeout=0.8), answers=[tuple(steps)])
        assert classes(outcome) == [200]


def test_elapsed_is_the_time_to_the_head(both: Parity) -> None:
    """However long the body takes."""
    answer = reply(b"0123456789")
    steps = (Stall(0.05), answer[:-5], Stall(0.3), answer[-5:])
    both.check(Call("GET", f"{both.url}/x", then=lambda response: 50 <= _ms(response.elapsed) < 300), answers=[steps])
    outcome = both.ours(Call("GET", f"{both.url}/x"), answers=[steps])
    assert outcome.recorded is None or outcome.recorded.service.max_us >= 350_000


def _ms(time_: timedelta) -> float:
    return time_ / timedelta(milliseconds=1)


LIES: dict[str, Answer] = {
    "too long": (reply(b"0123456789").replace(b"Length: 10", b"Length: 12"), Close()),
    "far too long": (reply(b"0123456789").replace(b"Length: 10", b"Length: 999999999999"), Close()),
    "too long, compressed": (
        reply(gzip.compress(b"x" * 99), "Content-Encoding: gzip").replace(b"th: ", b"th: 9"),
        Close(),
    ),
    "too short": (reply(b"0123456789").replace(b"Length: 10", b"Length: 4"),),
    "too short and closed": (reply(b"0123456789").replace(b"Length: 10", b"Length: 4"), Close()),
    "zero": (reply(b"0123456789").replace(b"Length: 10", b"Length: 0"),),
    "twice": (reply(b"first") + reply(b"second"),),
    "twice and closed": (reply(b"first") + reply(b"second"), Close()),
    "twice in chunks": (chunked([b"first"]) + chunked([b"second"]),),
    "a line too much": (reply(b"first") + b"\r\n",),
    "no content with content": (reply(b"0123456789", status="204 No Content"),),
    "not modified with content": (reply(b"0123456789", status="304 Not Modified"),),
    "length and chunks, cut": (chunked([b"0123456789"], "Content-Length: 5")[:-8], Close()),
}


@pytest.mark.parametrize("name", LIES)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_lies_about_the_end(both: Parity, name: str, method: str) -> None:
    """What is too much is never taken for the next answer."""
    call = Call(method, f"{both.url}/x", timeout=5)
    outcome = both.check(call, Call("GET", f"{both.url}/y", timeout=5), answers=[LIES[name], OK], connections=False)
    assert outcome.results[1]["content"] == b"ok"


@pytest.mark.parametrize("end", [Close(), Reset()], ids=["closes", "resets"])
def test_a_server_that_does_not_read(both: Parity, end: Step) -> None:
    """It hangs up in the middle of a large request: an error or its answer, never a second request."""
    for steps in ((Early(), end), (Early(), reply(b"no", "Connection: close", status="413 Too Large"), end)):
        call = Call("POST", f"{both.url}/x", data=b"x" * 3_000_000, timeout=5)
        outcome = both.check(call, answers=[steps], ignore=("results", "seen"))
        assert classes(outcome)[0] in (413, "requests.exceptions.ConnectionError")
        assert outcome.counted == 1


def test_a_slow_reader_gets_the_whole_body(both: Parity) -> None:
    """The server reads late; nothing of the request is lost or sent twice."""
    body = bytes(range(256)) * 8_000
    outcome = both.check(Call("PUT", f"{both.url}/x", data=body), answers=[(Early(), Stall(0.1), *OK)])
    assert outcome.counted == 1


@MANY
@given(data=st.data())
def test_any_misbehaviour(both: Parity, data: st.DataObject) -> None:
    """Several calls in a row, each answer cut, delayed, torn to pieces or ended anyhow."""
    answers: list[Answer] = []
    calls = []
    for number in range(data.draw(st.integers(1, 4), label="calls")):
        answer = WHOLE[data.draw(st.sampled_from(sorted(WHOLE)), label="answer")]
        cut = data.draw(st.one_of(st.just(len(answer)), st.integers(0, len(answer))), label="cut")
        size = data.draw(st.sampled_from([1, 7, 1000]), label="pieces")
        ends = [Close(), Reset()]
        if cut == len(answer) and answer != WHOLE["until close"]:
            ends = [()] if answer == WHOLE["redirect"] else [(), Close(), Reset()]
        end = data.draw(st.sampled_from(ends), label="end")
        answers.append((Pieces(answer[:cut], size), *([end] if end else [])))  # type: ignore[arg-type]
        method = data.draw(st.sampled_from(["GET", "POST"]), label="method")
        calls.append(Call(method, f"{both.url}/{number}", timeout=5))
    both.check(*calls, answers=answers, connections=False)


def test_what_a_server_that_closes_early_counts_is_what_we_sent(both: Parity) -> None:
    """2,000 requests; every tenth answer ends before its time."""
    if not engine_is_active(both.server):
        pytest.skip("plain calls are not recorded without the engine")
    whole = reply(b"0123456789")
    answers = [(whole[:-3], Close()) if number % 10 == 9 else (whole,) for number in range(2_000)]

    def many(session: requests.Session) -> int:
        failed = 0
        for _ in answers:
            try:
                session.get(f"{both.url}/x")
            except requests.RequestException:
                failed += 1
        return failed

    outcome = both.ours(many, answers=answers)
    assert outcome.recorded is not None
    assert outcome.results == [200]
    assert (outcome.recorded.sent, outcome.counted) == (2_000, 2_000)
    assert outcome.recorded.errors == {ErrorKind.INCOMPLETE: 200}

"""Several at once, and calls that are broken off from outside: nobody gets another's answer, or one that is stale."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from typing import Any
from unittest import mock

import gevent
import pytest
import requests
from requests.adapters import HTTPAdapter

from loads.client.kinds import ErrorKind
from loads.client.session import session_of
from loads.client.user import VirtualUser
from tests.build import new_recorder
from tests.parity import Call, Parity, limit, two_sessions
from tests.parity_views import request_view
from tests.torture import run_torture
from tests.torture_answers import OK, Stall, chunked, moved, reply


@pytest.fixture(scope="module")
def both() -> Iterator[Parity]:
    with two_sessions() as both:
        for number in range(20):
            body = b"%d" % number * 500
            both.server.at[f"/{number}"] = (
                reply(body[:100])[:-50],
                Stall(0.02 * (number % 3)),
                body[:50],
            )
            both.server.at[f"/chunked{number}"] = (chunked([body]),)
        yield both


def test_greenlets_share_a_session(both: Parity) -> None:
    """Each gets the answer to its own request, and connections are used again."""

    def step(session: requests.Session) -> list[bytes]:
        jobs = [
            gevent.spawn(lambda number=number: session.get(f"{both.url}/{number % 20}").content) for number in range(60)
        ]
        gevent.joinall(jobs, raise_error=True)
        return [job.value for job in jobs]

    outcome = both.ours(step)
    assert outcome.results[0] == [(b"%d" % (number % 20) * 500)[:100] for number in range(60)]
    assert outcome.recorded is None or outcome.recorded.sent == outcome.counted == 60


def test_threads_share_a_session(both: Parity) -> None:
    """As with stock requests, where it mostly works: each thread has its own event loop, and so its own connections."""

    def step(session: requests.Session) -> dict[int, bytes]:
        contents: dict[int, bytes] = {}

        def get(number: int) -> None:
            for _ in range(5):
                contents[number] = session.get(f"{both.url}/{number}").content

        threads = [threading.Thread(target=get, args=(number,)) for number in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return contents

    outcome = both.check(step, recorded=False, ignore=("seen",))
    assert outcome.results[0] == {number: (b"%d" % number * 500)[:100] for number in range(5)}


def test_a_call_that_is_broken_off_leaves_nothing_behind(both: Parity) -> None:
    """A greenlet's timeout or kill in head or body: the connection is closed; the hit counts as interrupted."""
    answer = reply(b"stale" * 10)
    for steps in ((Stall(0.5), answer), (answer[:20], Stall(0.5), answer[20:]), (answer[:-9], Stall(0.5), answer[-9:])):
        recorder = new_recorder()
        both.server.play(steps, OK)
        with limit(20), session_of(VirtualUser(recorder=recorder)) as session:
            with pytest.raises(gevent.Timeout), gevent.Timeout(0.1):
                session.get(f"{both.url}/x")
            assert session.get(f"{both.url}/y").content == b"ok"
            both.server.play(steps, OK)
            job = gevent.spawn(session.get, f"{both.url}/x")
            gevent.sleep(0.05)
            job.kill()
            assert session.get(f"{both.url}/y").content == b"ok"
        both.server.wait_gone()
        summary = recorder.take()
        if summary.series:
            broken = [series for key, series in summary.series.items() if key.name.endswith("/x")]
            assert [series.sent for series in broken] == [2]
            assert [set(series.errors) <= {ErrorKind.INTERRUPTED, ErrorKind.OTHER} for series in broken] == [True]


def test_redirects_go_on_for_each_greenlet_on_its_own(both: Parity) -> None:
    """Ways of several steps, taken at the same time."""
    with run_torture() as server:
        for number in range(10):
            for step in range(3):
                server.at[f"/{number}/{step}"] = (
                    Stall(0.005),
                    *moved(f"/{number}/{step + 1}", "302 Found", f"Set-Cookie: c{number}=1"),
                )
            server.at[f"/{number}/3"] = (reply(b"%d" % number),)

        def follow(session: requests.Session) -> list[Any]:
            jobs = [gevent.spawn(session.get, f"{server.url}/{number}/0") for number in range(10)]
            gevent.joinall(jobs, raise_error=True)
            return [(job.value.content, len(job.value.history), len(job.value.history[0].cookies)) for job in jobs]

        outcome = Parity(server).ours(follow)
    assert outcome.results[0] == [(b"%d" % number, 3, 1) for number in range(10)]


def answered(request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
    """What a mock puts in place of the network."""
    response = requests.Response()
    response.status_code, response.url, response.request, response._content = 299, str(request.url), request, b"mock"
    response.raw = mock.MagicMock(_original_response=None)
    return response


def put(_session: Any, request: requests.Request) -> requests.PreparedRequest:
    return requests.Request("PUT", request.url).prepare()


def settings(*_: Any) -> dict[str, Any]:
    return {"proxies": {}, "stream": False, "verify": True, "cert": None, "timeout": 3}


ADAPTER = mock.MagicMock(send=answered)
ANSWER = mock.Mock(return_value=mock.sentinel.answer)
PATCHES: dict[str, tuple[Any, str, Any]] = {
    "HTTPAdapter.send": (HTTPAdapter, "send", lambda _self, *args, **kwargs: answered(*args, **kwargs)),
    "Session.send": (requests.Session, "send", lambda _self, *args, **kwargs: answered(*args, **kwargs)),
    "Session.request": (requests.Session, "request", ANSWER),
    "Session.get": (requests.Session, "get", ANSWER),
    "Session.get_adapter": (requests.Session, "get_adapter", mock.Mock(return_value=ADAPTER)),
    "Session.rebuild_method": (requests.Session, "rebuild_method", mock.Mock()),
    "Session.rebuild_auth": (requests.Session, "rebuild_auth", mock.Mock()),
    "session.get": (None, "get", ANSWER),
    "session.request": (None, "request", ANSWER),
    "session.send": (None, "send", answered),
    "session.get_adapter": (None, "get_adapter", mock.Mock(return_value=ADAPTER)),
    "session.prepare_request": (None, "prepare_request", partial(put, None)),
    "session.rebuild_auth": (None, "rebuild_auth", mock.Mock()),
    "session.get_redirect_target": (None, "get_redirect_target", mock.Mock(return_value=None)),
    "session.merge_environment_settings": (None, "merge_environment_settings", settings),
}


@pytest.mark.parametrize("name", PATCHES)
@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_what_a_mock_puts_in_place_is_called(both: Parity, name: str, warm: bool) -> None:
    """As tests and mocking libraries do it, on the session or its class; and all is as before when they are done."""
    place, attribute, new = PATCHES[name]

    def look(response: Any) -> Any:
        if response is mock.sentinel.answer:
            return "the mock's"
        return response.status_code, response.content, request_view(response.request)

    def step(session: requests.Session) -> Any:
        url = f"{both.url}/chunked1"
        seen = [look(session.get(url))] if warm else []
        with mock.patch.object(session if place is None else place, attribute, new):
            seen.append(look(session.get(url)))
            seen.append(look(session.post(f"{both.url}/x", data=b"d", auth=("u", "p"))))
        return [*seen, look(session.get(url))]

    both.check(step, answers=[moved("/y")], recorded=False)


def test_names_in_any_case_share_connections(both: Parity) -> None:
    port = both.server.port
    calls = [Call("GET", f"http://{host}:{port}/x") for host in ("localhost", "LOCALHOST", "LocalHost", "localhost")]
    both.check(*calls)


def test_an_address_of_ipv6(both: Parity) -> None:
    try:
        running = run_torture(host="::1")
        with running as server:
            calls = [
                Call("GET", f"http://[::1]:{server.port}/x"),
                Call("POST", f"http://[0:0::1]:{server.port}/x", data=b"d"),
            ]
            Parity(server).check(*calls, answers=[moved("/y")])
    except OSError:
        pytest.skip("needs an IPv6 loopback address, which this machine lacks")

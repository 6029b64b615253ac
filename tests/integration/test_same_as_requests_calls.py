"""All arguments of a call together, in any mixture, by any verb, do what they do with stock requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import urllib3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from requests.cookies import cookiejar_from_dict

from loads.client.session import session_of
from loads.client.user import VirtualUser
from tests.build import new_recorder
from tests.integration.test_same_as_requests_bodies import DATA, FILES, JSON
from tests.integration.test_same_as_requests_headers import AUTH, COOKIES, HEADERS
from tests.integration.test_same_as_requests_urls import METHODS, PARAMS, TAILS
from tests.parity import Call, Parity, engine_is_active, look_again, name_of, two_sessions
from tests.parity_views import LOOKS, request_view, view
from tests.torture_answers import moved

MANY = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])


def replaced(response: requests.Response, **_: Any) -> requests.Response:
    response.status_code = 418
    return response


def raising(_response: requests.Response, **_: Any) -> None:
    raise LookupError("no")


# fmt: off
TIMEOUTS: list[Any] = [
    None, 5, 5.5, (5, 5), (None, 5), (5, None), (None, None), urllib3.Timeout(5), urllib3.Timeout(connect=5, read=5),
    [5, 5], (1, 2, 3), (5,), (), "x", "5", -1, 0, (0, 5), (5, 0), True, (5, "x"), (5, -1), float("nan"), object(), b"5",
]
HOOKS: list[Any] = [
    None, {}, {"response": replaced}, {"response": [replaced, replaced]}, {"response": []}, {"response": raising},
    {"response": None}, {"other": replaced}, {"response": lambda *_, **__: None},
]
VERBS: list[Callable[[Any, str], requests.Response]] = [
    lambda session, url: session.get(url, params={"a": 1}),
    lambda session, url: session.options(url),
    lambda session, url: session.head(url),
    lambda session, url: session.post(url, {"d": 1}, {"j": 1}),
    lambda session, url: session.put(url, b"d"),
    lambda session, url: session.patch(url, b"d"),
    lambda session, url: session.delete(url),
    lambda session,
    url: session.request("POST", url, {"p": 1}, b"d", {"X": "1"}, {"c": "1"}, None, ("u", "p"), 5, False),
    lambda session, url: session.request(method="GET", url=url),
    lambda session, url: session.send(requests.Request("POST", url, json=[1]).prepare()),
    lambda session,
    url: session.send(session.prepare_request(requests.Request("GET", url, cookies={"a": "b"})), timeout=5),
    lambda session, url: session.send(requests.Request("GET", url).prepare(), stream=True, verify=False),
    lambda session, url: session.send(requests.Request("GET", url)),
    lambda session, url: session.get(url, nonsense=1),
    lambda session, url: session.get(),
    lambda session, url: session.get(url, proxies={}),
    lambda session, url: session.get(url, proxies={"http": None}),
    lambda session, url: session.get(url, proxies={"http": url}),
]
# fmt: on


@pytest.fixture(scope="module")
def both() -> Iterator[Parity]:
    with two_sessions() as both:
        yield both


@MANY
@given(data=st.data())
def test_any_mixture(both: Parity, data: st.DataObject) -> None:
    """Up to five arguments, from the odd to the usual, with texts of any kind."""
    texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    mappings = st.dictionaries(texts, texts, max_size=3)
    values = {
        "params": st.sampled_from(PARAMS) | mappings,
        "data": st.sampled_from(DATA) | mappings | st.binary(max_size=50),
        "json": st.sampled_from(JSON),
        "headers": st.sampled_from(HEADERS) | mappings,
        "cookies": st.sampled_from(COOKIES) | mappings,
        "auth": st.sampled_from(AUTH) | st.tuples(texts, texts),
        "timeout": st.sampled_from(TIMEOUTS[:9]),
        "files": st.sampled_from(FILES),
        "hooks": st.sampled_from(HOOKS),
        "stream": st.booleans(),
        "allow_redirects": st.booleans(),
        "verify": st.sampled_from([True, False, None, "/nonexistent"]),
        "cert": st.sampled_from([None, "/nonexistent", ("/nonexistent", "/nonexistent")]),
    }
    names = data.draw(st.lists(st.sampled_from(sorted(values)), unique=True, max_size=5), label="arguments")
    kwargs = {name: data.draw(values[name], label=name) for name in names}
    tail = data.draw(st.sampled_from(TAILS) | texts.map(lambda text: f"/{text}"), label="tail")
    method = data.draw(st.sampled_from(METHODS[:13]), label="method")
    answers = [moved("/elsewhere")] if data.draw(st.booleans(), label="redirect") else []
    both.check(Call(method, both.url + tail, **kwargs), answers=answers)


@pytest.mark.parametrize("timeout", TIMEOUTS, ids=name_of)
def test_any_timeout(both: Parity, timeout: Any) -> None:
    both.check(Call("GET", f"{both.url}/x", timeout=timeout))


@pytest.mark.parametrize("hooks", HOOKS, ids=name_of)
def test_any_hooks(both: Parity, hooks: Any) -> None:
    both.check(Call("GET", f"{both.url}/x", hooks=hooks), recorded=False)


@pytest.mark.parametrize("number", range(len(VERBS)))
def test_every_way_to_call(both: Parity, number: int) -> None:
    """All verbs, positional arguments, prepared requests, and what is no call at all."""

    def step(session: requests.Session) -> Any:
        with VERBS[number](session, f"{both.url}/x") as response:
            return view(response)

    both.check(step)


def test_a_prepared_request_is_the_one_of_requests(both: Parity) -> None:
    """`prepare_request` merges as stock requests does, and sends nothing."""

    def step(session: requests.Session) -> Any:
        session.params, session.auth, session.cookies = {"s": "1"}, ("u", "p"), cookiejar_from_dict({"k": "v"})
        request = requests.Request("POST", f"{both.url}/x?y=1", params={"p": "2"}, json={"j": 1}, headers={"X": "1"})
        return request_view(session.prepare_request(request))

    assert both.check(step).counted == 0


@MANY
@given(order=st.permutations(list(LOOKS)))
def test_an_answer_may_be_looked_at_in_any_order(both: Parity, order: list[str]) -> None:
    """Nothing that is worked out late depends on what was asked for before."""
    both.check(Call("GET", f"{both.url}/x", then=lambda response: view(response, order)), answers=[moved("/y")])


def test_a_name_groups_hits_and_changes_nothing_else(both: Parity) -> None:
    """`name=` is ours alone: the server can't see it."""
    url = f"{both.url}/named"
    for kwargs in ({}, {"data": b"d"}, {"json": [1]}, {"params": {"p": "1"}}):
        look_again()
        named = both.ours(Call("POST", url, name="orders", **kwargs), Call("POST", url, **kwargs))
        look_again()
        plain = both.ours(Call("POST", url, **kwargs), Call("POST", url, name="orders", **kwargs))
        assert (named.results, named.seen) == (plain.results, plain.seen)
    for wrong in ("", 5):
        assert both.ours(Call("GET", f"{both.url}/x", name=wrong)).results == [("raised", "builtins.TypeError")]


def test_a_name_is_the_series_of_all_steps_of_a_redirect(both: Parity) -> None:
    if not engine_is_active(both.server):
        pytest.skip("plain calls are not recorded without the engine")
    recorder = new_recorder()
    both.server.play(moved("/a"), moved("/b"))
    with session_of(VirtualUser(recorder=recorder)) as session:
        session.get(f"{both.url}/x", name="orders")
        session.get(f"{both.url}/x")
    counted = {(key.method, key.name, key.named): series.sent for key, series in recorder.take().series.items()}
    assert counted == {("GET", "orders", True): 3, ("GET", f"{both.url}/x", False): 1}

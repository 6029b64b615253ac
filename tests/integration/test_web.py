"""The dashboard's server over real HTTP, with a run that the test makes up: the door, the fence, and the frames."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tornado.websocket import WebSocketClosedError

from loads.errors import UsageError
from loads.metrics.result import Result
from loads.metrics.summary import SeriesKey, Summary
from loads.units import US_PER_S
from loads.web.app import PortTaken, Server, Tls
from loads.web.dashboard import Dashboard
from loads.web.local import HERE, Here
from loads.web.secret import Secret
from tests.build import info_of, series_of
from tests.visiting import Visitor

SECRET = Secret("right-" * 8, "signs-" * 8)
PAGE = b"<!DOCTYPE html><title>Loads</title>" + b" " * 2_000
FENCE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass
class Site:
    """A dashboard of one run, `here`, and whoever visits it."""

    dashboard: Dashboard
    here: Here
    stops: list[bool]
    said: list[str]
    visitors: list[Visitor] = field(default_factory=list)
    result: Result = field(default_factory=lambda: Result(info=info_of(id="3f2a")))
    seconds: int = 0

    async def visitor(self, *, logged_in: bool = True) -> Visitor:
        self.visitors.append(Visitor(self.dashboard.link))
        if logged_in:
            await self.visitors[-1].log_in()
        return self.visitors[-1]

    def measure(self, series: int = 2) -> None:
        """A second passes in the run."""
        keys = [SeriesKey("shop", "GET", f"/{number}") for number in range(series)]
        summary = Summary(series={key: series_of([1_000, 2_000, 3_000]) for key in keys})
        self.result.add(self.seconds * US_PER_S, summary)
        self.seconds += 1
        self.here.progress(self.result, self.seconds * US_PER_S)


@asynccontextmanager
async def a_site(tmp_path: Path, *, patience_s: float = 15.0, read_only: bool = False) -> AsyncIterator[Site]:
    static = tmp_path / "static"
    (static / "assets").mkdir(parents=True)
    (static / "index.html").write_bytes(PAGE)
    (static / "login.css").write_text("main {}")
    (static / "assets" / "app-1234.js").write_text("1;" * 2_000)
    (tmp_path / "private").write_text("no")
    stops: list[bool] = []
    said: list[str] = []

    async def stop(run: str | None, now: bool) -> None:
        stops.append(now)

    here = Here(stop)
    here.may_stop = not read_only
    server = Server("127.0.0.1", 0)
    async with Dashboard(here, server, SECRET, said.append, static=static, patience_s=patience_s) as dashboard:
        site = Site(dashboard, here, stops, said)
        try:
            yield site
        finally:
            for visitor in site.visitors:
                await visitor.__aexit__(None, None, None)
        assert not said


@pytest.fixture
def on_a_site(tmp_path: Path) -> Callable[..., None]:
    """Runs a test with a site."""

    def run(test: Callable[[Site], Awaitable[None]], **how: Any) -> None:
        async def whole() -> None:
            async with a_site(tmp_path, **how) as site, asyncio.timeout(60):
                await test(site)

        asyncio.run(whole())

    return run


OnSite = Callable[..., None]


# The door.


def test_nothing_is_shown_before_login_and_nothing_told_of_what_there_is(on_a_site: OnSite) -> None:
    async def test(site: Site) -> None:
        stranger = await site.visitor(logged_in=False)
        for path in ("/", "/runs", "/runs/wild-heron", "/compare", "/nothing", "/nothing/at/all.html"):
            answer = await stranger.ask(path)
            assert (answer.code, answer.headers["Location"]) == (302, "/login"), path
        for path in ("/api/me", "/api/runs", "/api/nothing", "/static/assets/app-1234.js", "/static/nothing"):
            answer = await stranger.ask(path)
            assert answer.code == 401, path
            assert json.loads(answer.body)["message"] == "you are not logged in"
        assert await stranger.is_turned_away() == 401
        assert (await stranger.ask("/static/login.css")).code == 200

    on_a_site(test)


def test_the_link_logs_in_with_a_cookie_that_scripts_and_other_sites_never_have(on_a_site: OnSite) -> None:
    async def test(site: Site) -> None:
        visitor = await site.visitor(logged_in=False)
        answer = await visitor.ask(f"/login?token={SECRET.token}")
        assert (answer.code, answer.headers["Location"]) == (302, "/")
        (cookie,) = answer.headers.get_list("Set-Cookie")
        port = visitor.origin.rpartition(":")[2]
        assert cookie.startswith(f"loads-{port}=")
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert SECRET.token not in cookie
        assert (await visitor.ask("/")).body == PAGE
        assert (await visitor.get("/api/me"))["local"] is True
        assert (await visitor.ask("/login")).headers["Location"] == "/"

    on_a_site(test)


def test_a_link_that_was_clicked_elsewhere_logs_in_by_a_page_of_ours(on_a_site: OnSite) -> None:
    """A cookie that is SameSite=Strict does not follow a redirect that another site began."""

    async def test(site: Site) -> None:
        visitor = await site.visitor(logged_in=False)
        answer = await visitor.ask(f"/login?token={SECRET.token}", headers={"Sec-Fetch-Site": "cross-site"})
        assert (answer.code, answer.headers["Refresh"]) == (200, "0; url=/")
        assert (await visitor.ask("/")).code == 200

    on_a_site(test)


def test_a_wrong_token_is_refused_and_many_are_not_looked_at(on_a_site: OnSite) -> None:
    async def test(site: Site) -> None:
        visitor = await site.visitor(logged_in=False)
        codes = [(await visitor.ask(f"/login?token=wrong-{number}")).code for number in range(8)]
        assert codes[0] == 403
        assert codes[-1] == 429
        assert "wrong-" not in (await visitor.ask("/login?token=wrong-0")).body.decode()
        assert not [name for name in visitor.cookies if name.startswith("loads-")]

    on_a_site(test)


def test_the_form_takes_the_token_and_must_be_ours(on_a_site: OnSite) -> None:
    async def test(site: Site) -> None:
        visitor = await site.visitor(logged_in=False)
        page = await visitor.ask("/login")
        # "no-referrer" would have browsers send "Origin: null" with the form.
        assert page.headers["Referrer-Policy"] == "same-origin"
        form = f"token={SECRET.token}"
        assert (await visitor.ask("/login", "POST", body=form, headers={"X-XSRFToken": ""})).code == 403
        assert (await visitor.ask("/login", "POST", body=form, origin="http://evil.example")).code == 403
        assert (await visitor.ask("/login", "POST", body=form, origin="null")).code == 403
        assert (await visitor.ask("/login", "POST", body="token=wrong")).code == 403
        assert (await visitor.ask("/login", "POST", body=form)).code == 302
        assert (await visitor.ask("/")).code == 200

    on_a_site(test)


def test_a_cookie_that_was_not_signed_here_is_none(on_a_site: OnSite) -> None:
    async def test(site: Site) -> None:
        visitor = await site.visitor()
        (name,) = (name for name in visitor.cookies if name.startswith("loads-"))
        good = visitor.cookies[name]
        for bad in (good[:-3] + "abc", "in", "aW4=", ""):
            visitor.cookies[name] = bad
            assert (await visitor.ask("/api/me")).code == 401

    on_a_site(test)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "localhost.evil.example"])
def test_a_name_that_leads_here_without_being_ours_is_refused(on_a_site: OnSite, host: str) -> None:
    async def test(site: Site) -> None:
        visitor = await site.visitor()
        for path in ("/", "/login", "/api/me", "/static/login.css", "/nothing"):
            assert (await visitor.ask(path, headers={"Host": host})).code == 421
        assert await visitor.is_turned_away(host=host) == 421
        assert await visitor.is_turned_away(host=host, origin=f"http://{host}") == 421

    on_a_site(test)


def test_the_socket_is_for_our_own_pages(on_a_site: OnSite) -> None:
    async def test(site: Site) -> None:
        visitor = await site.visitor()
        port = visitor.origin.rpartition(":")[2]
        for origin in ("http://evil.example", f"http://localhost:{port}", "http://127.0.0.1:1", "null"):
            assert await visitor.is_turned_away(origin=origin) == 403
        await visitor.open()

    on_a_site(test)


# The fence.


def test_each_answer_is_fenced(on_a_site: OnSite) -> None:
    async def test(site: Site) -> None:
        visitor, stranger = await site.visitor(), await site.visitor(logged_in=False)
        answers = [
            await visitor.ask(path) for path in ("/", "/login", "/api/me", "/nothing", "/static/assets/app-1234.js")
        ]
        answers += [await stranger.ask(path) for path in ("/", "/login", "/api/me", "/login?token=x")]
        answers.append(await visitor.ask("/api/runs/here/stop", "POST", headers={"X-XSRFToken": ""}))
        answers.append(await visitor.ask("/", "POST"))
        for answer in answers:
            policy = answer.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
            assert "unsafe" not in policy
            assert FENCE.items() <= dict(answer.headers).items()
            assert "Referrer-Policy" in answer.headers
            assert "Server" not in answer.headers
        socket = await visitor.open()
        assert socket.headers["Content-Security-Policy"]
        assert "Server" not in socket.headers

    on_a_site(test)


def test_only_files_whose_names_change_with_them_are_kept_by_browsers(on_a_site: OnSite) -> None:
    async def test(site: Site) -> None:
        visitor = await site.visitor()
        assert "immutable" in (await visitor.ask("/static/assets/app-1234.js")).headers["Cache-Control"]
        for path in ("/", "/login", "/api/me", "/api/runs", "/static/login.css", "/nothing"):
            assert (await visitor.ask(path)).headers["Cache-Control"] == "no-store"

    on_a_site(test)


@pytest.mark.parametrize(
    "path", ["", "assets", "assets/", "../private", "%2e%2e/private", "assets/../../private", "a%00b"]
)
def test_there_is_nothing_but_files(on_a_site: OnSite, path: str) -> None:
    async def test(site: Site) -> None:
        answer = await (await site.visitor()).ask(f"/static/{path}")
        assert answer.code in (400, 404)
        assert b"app-1234" not in answer.body

    on_a_site(test)


def test_large_answers_are_packed(on_a_site: OnSite) -> None:
    async def test(site: Site) -> None:
        visitor = await site.visitor()
        answer = await visitor.ask("/", headers={"Accept-Encoding": "gzip"}, decompress_response=False)
        assert answer.headers["Content-Encoding"] == "gzip"
        assert len(answer.body) < len(PAGE) / 4

    on_a_site(test)


def test_without_its_pages_it_says_how_they_are_made(on_a_site: OnSite, tmp_path: Path) -> None:
    async def test(site: Site) -> None:
        (tmp_path / "static" / "index.html").unlink()
        answer = await (await site.visitor()).ask("/")
        assert answer.code == 503
        assert b"pip install ." in answer.body

    on_a_site(test)


# Stopping.


def test_a_stop_must_come_from_our_own_page(on_a_site: OnSite) -> None:
    async def test(site: Site) -> None:
        visitor, stranger = await site.visitor(), await site.visitor(logged_in=False)
        path = "/api/runs/here/stop?now=0"
        assert (await visitor.ask(path, "POST", headers={"X-XSRFToken": ""})).code == 403
        assert (await visitor.ask(path, "POST", origin="http://evil.example")).code == 403
        assert (await visitor.ask(path)).code == 405
        await stranger.ask("/login")
        assert (await stranger.ask(path, "POST")).code == 401
        assert not site.stops
        assert (await visitor.ask(path, "POST")).code == 204
        assert site.stops == [False]

    on_a_site(test)


def test_a_stop_is_said_once_and_may_become_one_at_once(on_a_site: OnSite) -> None:
    async def test(site: Site) -> None:
        visitor = await site.visitor()
        for now in (0, 0, 1, 1, 0):
            assert (await visitor.ask(f"/api/runs/here/stop?now={now}", "POST")).code == 204
        assert site.stops == [False, True]
        site.measure()
        site.here.ended(site.result)
        answer = await visitor.ask("/api/runs/here/stop", "POST")
        assert answer.code == 409
        assert json.loads(answer.body)["message"] == "the run has ended"

    on_a_site(test)


def test_who_only_looks_stops_nothing(on_a_site: OnSite) -> None:
    async def test(site: Site) -> None:
        visitor = await site.visitor()
        assert (await visitor.get("/api/me"))["may_stop"] is False
        assert (await visitor.ask("/api/runs/here/stop", "POST")).code == 403
        assert not site.stops

    on_a_site(test, read_only=True)


# Frames.


def test_a_page_sees_the_whole_and_then_each_second(on_a_site: OnSite) -> None:
    async def test(site: Site) -> None:
        visitor = await site.visitor()
        await visitor.follow(HERE)
        assert (await visitor.hear("RunFrame"))["stage"] == "preparing"
        site.here.planned(site.result)
        site.measure()
        await visitor.hear("RunFrame", lambda frame: frame["stage"] == "running" and frame["totals"]["hits"] == 6)
        site.measure()
        frame = await visitor.hear("RunFrame", lambda frame: bool(frame["totals"]) and frame["totals"]["hits"] == 12)
        assert frame["full"] is False
        assert not frame["names"]
        site.result.conclude(None)
        site.here.ended(site.result)
        assert (await visitor.hear("RunFrame", lambda frame: frame["stage"] == "ended"))["standing"][
            "exit_code"
        ] is not None

    on_a_site(test)


def test_a_late_visitor_sees_the_whole_run_at_once(on_a_site: OnSite) -> None:
    async def test(site: Site) -> None:
        early, late = await site.visitor(), await site.visitor()
        site.here.planned(site.result)
        await early.follow(HERE)
        for _ in range(5):
            site.measure()
        await early.hear("RunFrame", lambda frame: bool(frame["totals"]) and frame["totals"]["hits"] == 30)
        await late.follow(HERE)
        frame = await late.hear("RunFrame")
        assert frame["full"] is True
        assert frame["totals"]["hits"] == 30
        assert sum(point[4] for point in frame["points"]) == 30

    on_a_site(test)


def test_a_series_is_told_of_while_it_is_open(on_a_site: OnSite) -> None:
    async def test(site: Site) -> None:
        visitor = await site.visitor()
        site.here.planned(site.result)
        site.measure()
        await visitor.follow(HERE)
        names = (await visitor.hear("RunFrame"))["names"]
        await visitor.say("Open", run=HERE, series=names[0][0], on=True)
        frame = await visitor.hear("SeriesFrame")
        assert (frame["full"], frame["statuses"]) == (True, {"200": 3})
        site.measure()
        frame = await visitor.hear("SeriesFrame", lambda frame: bool(frame["points"]))
        assert frame["full"] is False
        await visitor.say("Open", run=HERE, series=names[0][0], on=False)
        await visitor.say("Open", run=HERE, series=999, on=True)
        assert (await visitor.hear("Gone"))["message"] == "here has no series 999"
        site.measure()
        before = len(visitor.heard)
        await visitor.hear("RunFrame", lambda frame: bool(frame["totals"]) and frame["totals"]["hits"] == 18)
        assert not [frame for frame in visitor.heard[before:] if frame["type"] == "SeriesFrame"]

    on_a_site(test)


def test_a_run_that_is_not_there_is_gone(on_a_site: OnSite) -> None:
    async def test(site: Site) -> None:
        visitor = await site.visitor()
        await visitor.follow("wild-heron")
        assert (await visitor.hear("Gone"))["message"] == "there is no run wild-heron here"
        await visitor.follow(HERE)
        await visitor.hear("RunFrame")

    on_a_site(test)


@pytest.mark.parametrize(
    "message", ["", "{}", "[1]", '{"type": "Follow"}', "\ufffd", '{"type":"Watch","on":1}', "x" * 5_000]
)
def test_what_is_no_message_of_a_page_costs_its_sender_the_connection(on_a_site: OnSite, message: str) -> None:
    async def test(site: Site) -> None:
        visitor = await site.visitor()
        socket = await visitor.open()
        await socket.write_message(message)
        assert await socket.read_message() is None
        assert socket.close_code in (1007, 1009)

    on_a_site(test)


def test_a_page_may_not_look_at_everything_at_once(on_a_site: OnSite) -> None:
    async def test(site: Site) -> None:
        visitor = await site.visitor()
        site.here.planned(site.result)
        site.measure(series=100)
        await visitor.follow(HERE)
        names = (await visitor.hear("RunFrame"))["names"]
        for name in names:
            await visitor.say("Open", run=HERE, series=name[0], on=True)
        assert (await visitor.hear("Gone"))["message"] == "this page looks at too much"
        (viewer,) = site.dashboard.hub.viewers
        assert len(viewer.subjects) == 40

    on_a_site(test)


def test_a_page_that_asks_without_end_is_sent_away(on_a_site: OnSite) -> None:
    async def test(site: Site) -> None:
        visitor = await site.visitor()
        with suppress(WebSocketClosedError):
            for number in range(1_000):
                await visitor.say("Follow", run=f"ghost-{number}", on=True)
        while site.dashboard.hub.viewers:
            await asyncio.sleep(0.01)

    on_a_site(test)


def test_names_that_no_run_has_are_not_looked_for(on_a_site: OnSite) -> None:
    async def test(site: Site) -> None:
        visitor = await site.visitor()
        for name in ("", "a\nb", "x" * 500, "../etc"):
            await visitor.say("Follow", run=name, on=True)
            assert (await visitor.hear("Gone"))["message"] == "there is no such run"
        assert site.dashboard.hub.runs == []

    on_a_site(test)


def test_the_right_token_opens_also_while_somebody_guesses(on_a_site: OnSite) -> None:
    async def test(site: Site) -> None:
        visitor = await site.visitor(logged_in=False)
        for number in range(20):
            answer = await visitor.ask(f"/login?token=wrong-{number}")
        assert answer.code == 429
        assert (await visitor.ask(f"/login?token={SECRET.token}")).code == 302

    on_a_site(test)


def test_a_page_that_never_reads_is_dropped_and_the_others_go_on(on_a_site: OnSite) -> None:
    async def test(site: Site) -> None:
        site.here.planned(site.result)
        alert = await site.visitor()
        await alert.follow(HERE)
        await alert.hear("RunFrame")
        with alert.deaf_twin(HERE):
            while len(site.dashboard.hub.viewers) == 1:
                await asyncio.sleep(0.01)
            while len(site.dashboard.hub.viewers) == 2:
                site.measure(series=1_500)
                await alert.hear("RunFrame", lambda frame: frame["elapsed_us"] == site.seconds * US_PER_S)
        assert len(site.dashboard.hub.viewers) == 1

    on_a_site(test, patience_s=3.0)


def test_a_run_is_told_to_its_end_before_the_server_goes(on_a_site: OnSite) -> None:
    async def test(site: Site) -> None:
        visitor = await site.visitor()
        site.here.planned(site.result)
        site.measure()
        await visitor.follow(HERE)
        await visitor.hear("RunFrame")
        site.result.conclude(None)
        site.here.ended(site.result)
        await site.dashboard.hub.flush(1.0)
        assert all(viewer.is_idle for viewer in site.dashboard.hub.viewers)
        await visitor.hear("RunFrame", lambda frame: frame["stage"] == "ended")

    on_a_site(test)


# Listening.


def test_a_port_that_is_taken_is_said_in_one_sentence() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        with pytest.raises(PortTaken, match=r"can't listen on port \d+ of 127\.0\.0\.1: Address already in use"):
            Server("127.0.0.1", sock.getsockname()[1])


def test_a_certificate_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't use the certificate"):
        Server("127.0.0.1", 0, Tls(tmp_path / "no.pem", tmp_path / "no.key"))

"""Who gets in, and what they may do there; and a page whose server, or the broker behind it, goes and comes back."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from playwright.sync_api import Page, expect

from tests.browser import AWAY, REFUSED
from tests.cluster import Cluster, run_cluster
from tests.commands import environment_for_loads
from tests.dashboards import (
    SHOP,
    address,
    figures,
    going,
    link_of,
    number,
    row,
    run_page,
    saved_rows,
    start_web,
    verdict,
    wait_for_more,
)
from tests.integration.browser.conftest import Visit
from tests.servers import Nginx, free_port, wait_until
from tests.sshd import far_loads, run_sshd


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A broker that is reached over TCP, too, by who has a key; north and south are beside it."""
    with run_cluster(broker=None) as started:
        address = f"tcp://127.0.0.1:{free_port()}"
        started.call("loads", "keys", "init", "--endpoint", address)
        started.start_broker("--bind", address)
        started.start_agents("north", "south")
        started.write("shop.py", SHOP)
        yield started


@pytest.fixture(scope="module")
def link(cluster: Cluster) -> str:
    """To a dashboard that stays."""
    return start_web(cluster)[1]


def stop(cluster: Cluster, process: subprocess.Popen[str]) -> None:
    """End the run that `process` follows, as its user does."""
    cluster.runner.interrupt(process)
    assert cluster.runner.end(process).exit_code == 5


def is_in(page: Page) -> None:
    """It shows the cluster."""
    expect(page.get_by_role("heading", name="Cluster")).to_be_visible()
    expect(row(page, "Agents").first).to_be_visible()


def test_without_the_token_nobody_gets_in_and_with_it_by_the_form(visit: Visit, link: str) -> None:
    visitor = visit()
    visitor.allowed += REFUSED
    page = visitor.open(address(link, "/runs"))
    expect(page).to_have_url(address(link, "/login"))
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_have_text(
        "That is not the token. Each start of loads-web prints the link again."
    )
    page.get_by_label("Token").fill(link.partition("token=")[2])
    page.get_by_label("Token").press("Enter")
    is_in(page)
    assert "token" not in page.url


def test_the_link_is_not_left_in_the_address_and_the_login_is_for_all_pages(visit: Visit, link: str) -> None:
    visitor = visit()
    page = visitor.open(link)
    is_in(page)
    assert page.url == address(link, "/")
    is_in(visitor.open(address(link, "/")))
    cookies = {cookie["name"].partition("-")[0]: cookie for cookie in visitor.context.cookies()}
    assert (cookies["loads"]["httpOnly"], cookies["loads"]["sameSite"]) == (True, "Strict")


def test_what_must_not_be_is_noticed(visit: Visit, link: str) -> None:
    """The policy stops it, and all tests here would fail of it."""
    visitor = visit()
    page = visitor.open(link)
    is_in(page)
    assert visitor.complaints == []
    page.evaluate("document.body.append(Object.assign(new Image(), { src: 'http://127.0.0.1:9/picture.png' }))")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">red</p>')")
    parts = ("127.0.0.1:9/picture.png", "inline style")
    wait_until(lambda: all(any(part in told for told in visitor.complaints) for part in parts), "both complaints")
    visitor.allowed += ("Content Security Policy", "asked elsewhere")


def test_a_page_comes_back_by_itself_when_its_server_was_killed(visit: Visit, cluster: Cluster, nginx: Nginx) -> None:
    port = str(free_port())
    web, link = start_web(cluster, "--port", port, name="killed")
    visitor = visit()
    visitor.allowed += AWAY
    with going(cluster, nginx, "-d", "60s") as (process, run):
        page = visitor.open(link)
        page.goto(run_page(link, run))
        wait_for_more(page, "Requests")
        web.kill()
        expect(page.get_by_text("The connection is lost")).to_be_visible()
        before = number(page, "Requests")
        web.restart()
        link_of(web, 2)
        expect(page.get_by_text("The connection is lost")).to_be_hidden()
        wait_for_more(page, "Requests")
        points = [float(point["t_s"]) for point in saved_rows(page, "Requests")]
        assert points == [float(second) for second in range(len(points))]
        assert number(page, "Requests") > before
        stop(cluster, process)


def test_with_a_new_token_old_logins_end_and_open_pages_say_so(visit: Visit, cluster: Cluster) -> None:
    port = str(free_port())
    state = ("--state-dir", str(cluster.directory / "renewed"), "--broker", str(cluster.endpoint))
    web, link = start_web(cluster, "--port", port, *state, name="old")
    visitor = visit()
    visitor.allowed += (*AWAY, *REFUSED)
    page = visitor.open(link)
    is_in(page)
    web.terminate()
    _, renewed = start_web(cluster, "--port", port, "--new-token", *state, name="new")
    expect(page).to_have_url(address(link, "/login"))
    page.goto(link)
    expect(page.get_by_role("alert")).to_be_visible()
    page.goto(renewed)
    is_in(page)


def test_an_observers_key_sees_a_run_and_no_way_to_stop_it(
    visit: Visit, cluster: Cluster, nginx: Nginx, link: str
) -> None:
    key = cluster.call("loads", "keys", "add", "wall", "--role", "observer").out.strip()
    elsewhere = environment_for_loads({"XDG_STATE_HOME": str(cluster.directory / "wall"), "LOADS_JOIN": key})
    _, looking = start_web(cluster, name="looker", environment=elsewhere)
    with going(cluster, nginx, "-d", "60s") as (process, run):
        for here, stops in ((link, 1), (looking, 0)):
            page = visit().open(here)
            page.goto(run_page(here, run))
            wait_for_more(page, "Requests", 1)
            expect(page.get_by_role("button", name="Stop", exact=True)).to_have_count(stops)
        stop(cluster, process)


def test_the_dashboard_over_tls(visit: Visit, cluster: Cluster, tmp_path: Path) -> None:
    """The page finds its socket by itself: wss."""
    made = trustme.CA().issue_cert("127.0.0.1")
    made.private_key_pem.write_to_path(tmp_path / "key.pem")
    for blob in made.cert_chain_pems:
        blob.write_to_path(tmp_path / "certificate.pem", append=True)
    files = ("--certificate", str(tmp_path / "certificate.pem"), "--key", str(tmp_path / "key.pem"))
    _, link = start_web(cluster, *files, name="secured")
    assert link.startswith("https://")
    visitor = visit(ignore_https_errors=True)
    is_in(visitor.open(link))
    assert all(cookie["secure"] for cookie in visitor.context.cookies())


def test_a_cluster_behind_ssh_is_seen_from_here(visit: Visit, cluster: Cluster, nginx: Nginx) -> None:
    there = far_loads(cluster.directory / "loads-there", cluster.directory, noise="You have mail.\n")
    here = cluster.directory / "here"
    here.mkdir()
    with run_sshd(cluster.directory / "sshd") as sshd:
        way = sshd.options("--ssh-command", str(there))
        variables = environment_for_loads({"XDG_STATE_HOME": str(here)})
        web, link = start_web(cluster, *way, name="afar", environment=variables)
        page = visit().open(link)
        is_in(page)
        expect(row(page, "Agents")).to_have_count(2)
        with going(cluster, nginx, "-d", "2s") as (process, run):
            page.goto(run_page(link, run))
            expect(verdict(page, "Passed")).to_be_visible()
            assert cluster.runner.end(process).exit_code == 0
        assert figures(page)["Requests"]
        assert web.terminate() == 0


def test_the_broker_goes_and_comes_back(visit: Visit, cluster: Cluster, nginx: Nginx, link: str) -> None:
    visitor = visit()
    with going(cluster, nginx, "-d", "60s") as (process, run):
        page, overview = visitor.open(link), visitor.open(address(link, "/"))
        is_in(overview)
        page.goto(run_page(link, run))
        wait_for_more(page, "Requests")
        cluster.broker.kill()
        expect(overview.get_by_text("The broker does not answer")).to_be_visible()
        is_in(overview)
        expect(page.get_by_text("does not answer: this is how it stood before")).to_be_visible()
        cluster.broker.restart()
        expect(overview.get_by_text("The broker does not answer")).to_be_hidden()
        wait_for_more(page, "Requests")
        expect(page.get_by_text("does not answer")).to_be_hidden()
        stop(cluster, process)

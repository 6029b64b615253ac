"""A run on a cluster, watched: what rises by itself, what a late visitor sees, and what there is once it has ended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import Visitor, apart
from tests.cluster import Cluster
from tests.dashboards import (
    chart,
    check_console,
    check_figures,
    endpoint,
    figure,
    figures,
    going,
    number,
    row,
    run_page,
    saved,
    saved_rows,
    start_web,
    table,
    verdict,
    wait_for_more,
)
from tests.integration.browser.conftest import Visit
from tests.servers import DEADLINE_S, Nginx


@pytest.fixture(scope="module")
def link(cluster: Cluster) -> str:
    """To the dashboard."""
    return start_web(cluster)[1]


@pytest.fixture(scope="module")
def run(cluster: Cluster, nginx: Nginx, link: str) -> Iterator[str]:
    """A run on north or south that goes on as long as the tests that look at it."""
    with going(cluster, nginx, "-d", "5m") as (process, run):
        yield run
        cluster.call("loads", "stop", run, "--now")
        process.communicate(timeout=DEADLINE_S)


def watch(visitor: Visitor, link: str, run: str) -> Page:
    """Log in, and look at that run."""
    page = visitor.open(link)
    look_at(page, link, run)
    return page


def look_at(page: Page, link: str, run: str) -> None:
    """The same of who is logged in already."""
    page.goto(run_page(link, run))
    expect(figure(page, "Requests")).to_be_visible()


def test_the_cluster_shows_who_works_for_what(visit: Visit, link: str, run: str) -> None:
    page = visit().open(link)
    expect(page.get_by_role("heading", name="Cluster")).to_be_visible()
    expect(row(page, "Agents")).to_have_count(2)
    expect(row(page, "Agents", "Busy")).to_have_count(1)
    row(page, "Agents", "Busy").get_by_role("link").click()
    expect(page).to_have_url(run_page(link, run))
    expect(verdict(page, "Running")).to_be_visible()


def test_a_reload_loses_nothing_and_a_late_visitor_sees_the_whole_run(visit: Visit, link: str, run: str) -> None:
    page = watch(visit(), link, run)
    wait_for_more(page, "Requests", 4)
    points = saved_rows(page, "Requests")
    assert [float(point["t_s"]) for point in points] == list(range(len(points)))
    settled = points[:-3]
    page.reload()
    wait_for_more(page, "Requests")
    assert saved_rows(page, "Requests")[: len(settled)] == settled
    late = watch(visit(), link, run)
    assert saved_rows(late, "Requests")[: len(settled)] == settled


def test_a_row_opens_that_endpoints_own_charts_by_mouse(visit: Visit, link: str, run: str) -> None:
    page = watch(visit(), link, run)
    assert not table(page, "Endpoints").get_by_role("figure").count()
    endpoint(page, "/basket").click()
    opened = table(page, "Endpoints").get_by_role("figure", name="Response time", exact=True)
    expect(opened).to_be_visible()
    statuses = page.get_by_role("table", name="Statuses")
    expect(statuses).to_contain_text("404")
    before = statuses.inner_text()
    expect(statuses).not_to_have_text(before, use_inner_text=True)
    endpoint(page, "/basket").click()
    expect(opened).to_be_hidden()


def test_an_endpoint_is_found_sorted_opened_and_closed_by_keyboard(visit: Visit, link: str, run: str) -> None:
    page = watch(visit(), link, run)
    page.get_by_role("searchbox", name="Search Endpoints").focus()
    page.keyboard.type("/")
    expect(row(page, "Endpoints")).to_have_count(3)
    table(page, "Endpoints").get_by_role("button", name="Endpoint", exact=True).press("Enter")
    expect(row(page, "Endpoints").first).to_contain_text("/basket")
    endpoint(page, "/basket").focus()
    page.keyboard.press("ArrowDown")
    expect(endpoint(page, "/home")).to_be_focused()
    page.keyboard.press("Enter")
    expect(endpoint(page, "/home")).to_have_attribute("aria-expanded", "true")
    expect(table(page, "Endpoints").get_by_role("figure", name="Requests", exact=True)).to_be_visible()
    page.keyboard.press("Enter")
    expect(endpoint(page, "/home")).to_have_attribute("aria-expanded", "false")


def test_a_run_that_goes_on_has_a_report_of_how_it_stands(visit: Visit, link: str, run: str, tmp_path: Path) -> None:
    page = watch(visit(), link, run)
    wait_for_more(page, "Requests")
    before = number(page, "Requests")
    (tmp_path / "report.html").write_bytes(saved(page.get_by_role("link", name="Report")))
    report = visit(offline=True).open((tmp_path / "report.html").as_uri())
    expect(verdict(report, "Running")).to_be_visible()
    assert number(report, "Requests") >= before
    assert len(saved_rows(report, "Requests")) >= 1


def test_a_stop_asks_first_and_ends_the_run_as_aborted(visit: Visit, cluster: Cluster, nginx: Nginx, link: str) -> None:
    with going(cluster, nginx, "-d", "60s") as (process, run):
        page = watch(visit(), link, run)
        page.get_by_role("button", name="Stop").click()
        dialog = page.get_by_role("dialog", name="Stop this run?")
        dialog.get_by_role("button", name="Go on").click()
        expect(dialog).to_be_hidden()
        wait_for_more(page, "Requests", 1)
        page.get_by_role("button", name="Stop").click()
        dialog.get_by_role("button", name="Stop gracefully").click()
        expect(verdict(page, "Aborted")).to_be_visible()
        expect(page.get_by_role("button", name="Stop", exact=True)).to_have_count(0)
        expect(page.get_by_role("region", name="Events")).to_contain_text("Stop")
        assert cluster.runner.end(process).exit_code == 5


def test_figures_rise_by_themselves_and_are_the_same_everywhere_in_the_end(
    visit: Visit, cluster: Cluster, nginx: Nginx, link: str, tmp_path: Path
) -> None:
    """The page, the same page later, the report, the JSON documents and the console."""
    html = tmp_path / "report.html"
    page = visit().open(link)
    options = ("-d", "6s", "--threshold", "hits>1000000", "--output", f"html={html}")
    with going(cluster, nginx, *options) as (process, run):
        look_at(page, link, run)
        wait_for_more(page, "Requests")
        expect(figure(page, "Users")).to_have_text("4")
        expect(verdict(page, "Failed")).to_be_visible()
        done = cluster.runner.end(process)
    shown = figures(page)
    check_figures(shown, done.document)
    assert sum(float(point["Requests (per s)"]) for point in saved_rows(page, "Requests")) >= done.totals["hits"]
    again = cluster.call("loads", "show", run, "--output", "json=-")
    assert json.loads(again.out) == done.document
    check_console(shown, done.out)
    assert figures(watch(visit(), link, run)) == shown
    report = visit(offline=True).open(html.as_uri())
    assert figures(report) == shown


def test_an_agent_that_dies_can_be_understood_from_the_page_alone(
    visit: Visit, cluster: Cluster, nginx: Nginx, link: str
) -> None:
    cluster.start_agent("east")
    apart(lambda: cluster.wait_for_agents("east"))
    page = visit().open(link)
    with going(cluster, nginx, "-d", "8s", agents=2) as (process, run):
        look_at(page, link, run)
        wait_for_more(page, "Requests")
        cluster.agents["east"].kill()
        expect(page.get_by_role("region", name="Events").get_by_role("button", name="east")).not_to_have_count(0)
        expect(page.get_by_text("Lost: east")).to_be_visible()
        expect(row(page, "Load generators", "east")).to_contain_text("lost")
        chart(page, "Requests").scroll_into_view_if_needed()
        expect(chart(page, "Requests").get_by_role("button", name="east")).not_to_have_count(0)
        expect(page.get_by_role("region", name="Events")).to_contain_text("waits up to")
        cluster.call("loads", "stop", run)
        done = cluster.runner.end(process)
    expect(verdict(page, "Failed")).to_be_visible()
    events = page.get_by_role("region", name="Events")
    assert [event["kind"] for event in done.document["events"]].count("lost") == 1
    for event in done.document["events"]:
        expect(events).to_contain_text(event["text"])
    assert "1 agent lost" in done.document["reasons"]
    for reason in done.document["reasons"]:
        expect(page.get_by_role("main")).to_contain_text(reason)

"""How pages look and feel: on a phone, in the dark, zoomed; and the page of a run that needs no cluster."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import AWAY, PHONE
from tests.cluster import Cluster
from tests.commands import Finished
from tests.dashboards import (
    BUY,
    VISIT,
    address,
    chart,
    check_figures,
    ended,
    endpoint,
    figure,
    figures,
    run_page,
    saved_rows,
    scrolls_sideways,
    start_web,
    verdict,
    wait_for_more,
)
from tests.integration.browser.conftest import Visit
from tests.integration.test_web_cluster import link_of
from tests.servers import Nginx, wait_until


@pytest.fixture(scope="module")
def done(cluster: Cluster, nginx: Nginx) -> Finished:
    """A run of three seconds with errors and a threshold that was crossed."""
    return ended(cluster, nginx, "-d", "3s", "--name", "shop", "--threshold", "p(95) < 1us over 1s", test=BUY)


@pytest.fixture(scope="module")
def link(cluster: Cluster, done: Finished) -> str:
    """To the dashboard."""
    return start_web(cluster)[1]


@pytest.fixture
def run(done: Finished) -> str:
    """The id of `done`."""
    name: str = done.document["run"]["id"]
    return name


def wait_for_ground(page: Page, *, dark: bool) -> None:
    """Until the page's ground is dark, or light."""

    def look() -> bool:
        told: str = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        red, green, blue = (float(part) for part in told.partition("(")[2].rstrip(")").split(",")[:3])
        return red + green + blue < 300 if dark else red + green + blue > 600

    wait_until(look, "a dark ground" if dark else "a light ground")


def drag(part: Locator, from_share: float, to_share: float) -> None:
    """Over a chart, from left to right."""
    part.scroll_into_view_if_needed()
    box = part.bounding_box()
    assert box is not None
    mouse, middle = part.page.mouse, box["y"] + box["height"] / 2
    mouse.move(box["x"] + box["width"] * from_share, middle)
    mouse.down()
    mouse.move(box["x"] + box["width"] * (from_share + to_share) / 2, middle)
    mouse.move(box["x"] + box["width"] * to_share, middle)
    mouse.up()


@pytest.mark.parametrize("path", ["/", "/runs", "/compare", "/compare?a={run}&b={run}", "/runs/{run}"])
def test_a_phone_shows_all_pages_without_scrolling_sideways(visit: Visit, link: str, run: str, path: str) -> None:
    page = visit(viewport=PHONE, has_touch=True).open(link)
    page.goto(address(link, path.format(run=run)))
    expect(page.get_by_role("main").get_by_role("heading").first).to_be_visible()
    if run in path.format(run=run).partition("?")[0]:
        endpoint(page, "/basket").tap()
        expect(page.get_by_role("table", name="Statuses")).to_be_visible()
    assert not scrolls_sideways(page)


def test_a_phone_shows_the_login_without_scrolling_sideways(visit: Visit, link: str) -> None:
    page = visit(viewport=PHONE).open(address(link, "/login"))
    expect(page.get_by_label("Token")).to_be_visible()
    assert not scrolls_sideways(page)


def test_colours_are_the_systems_until_others_are_chosen(visit: Visit, link: str) -> None:
    visitor = visit(color_scheme="dark")
    page = visitor.open(link)
    wait_for_ground(page, dark=True)
    page.emulate_media(color_scheme="light")
    wait_for_ground(page, dark=False)
    page.get_by_role("button", name="Dark").click()
    wait_for_ground(page, dark=True)
    page.reload()
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    wait_for_ground(page, dark=True)
    page.get_by_role("button", name="As the system").click()
    wait_for_ground(page, dark=False)


def test_a_drag_zooms_all_charts_and_a_double_click_shows_the_whole_run_again(
    visit: Visit, link: str, run: str
) -> None:
    page = visit().open(link)
    page.goto(run_page(link, run))
    plot = chart(page, "Requests").get_by_role("slider")
    shown = page.get_by_role("group", name="Shown time")
    expect(shown.get_by_role("button", name="Whole run")).to_have_attribute("aria-pressed", "true")
    drag(plot, 0.4, 0.7)
    expect(shown.get_by_role("button", name="Reset zoom")).to_be_visible()
    before = chart(page, "Load").screenshot()
    shown.get_by_role("button", name="Reset zoom").click()
    expect(shown.get_by_role("button", name="Reset zoom")).to_be_hidden()
    assert chart(page, "Load").screenshot() != before
    drag(plot, 0.4, 0.7)
    expect(shown.get_by_role("button", name="Reset zoom")).to_be_visible()
    plot.dblclick()
    expect(shown.get_by_role("button", name="Whole run")).to_have_attribute("aria-pressed", "true")
    shown.get_by_role("button", name="1 min").click()
    expect(shown.get_by_role("button", name="1 min")).to_have_attribute("aria-pressed", "true")
    assert len(saved_rows(page, "Requests")) >= 3


def test_a_chart_is_read_and_zoomed_by_keyboard(visit: Visit, link: str, run: str) -> None:
    page = visit().open(link)
    page.goto(run_page(link, run))
    plot = chart(page, "Requests").get_by_role("slider")
    plot.focus()
    page.keyboard.press("ArrowRight")
    first = plot.get_attribute("aria-valuetext") or ""
    page.keyboard.press("ArrowRight")
    expect(plot).not_to_have_attribute("aria-valuetext", first)
    moment, said, _ = (plot.get_attribute("aria-valuetext") or "").partition(": Requests ")
    assert said
    expect(chart(page, "Load").get_by_role("list").first).to_contain_text(moment)  # its cursor is the same
    page.keyboard.press("+")
    expect(page.get_by_role("button", name="Reset zoom")).to_be_visible()
    page.keyboard.press("0")
    expect(page.get_by_role("button", name="Reset zoom")).to_be_hidden()


def test_an_event_leads_to_its_time_in_the_charts(visit: Visit, link: str, run: str) -> None:
    page = visit().open(link)
    page.goto(run_page(link, run))
    page.get_by_role("region", name="Events").get_by_role("button", name="Threshold").first.click()
    expect(chart(page, "Requests")).to_be_in_viewport()
    expect(chart(page, "Requests").get_by_role("list").first).to_contain_text("0:0")  # the cursor is there


def test_errors_are_there_with_their_traceback(visit: Visit, link: str, run: str, done: Finished) -> None:
    page = visit().open(link)
    page.goto(run_page(link, run))
    [error] = done.document["errors"]
    errors = page.get_by_role("region", name="Errors")
    expect(errors).to_contain_text("the basket is empty")
    expect(errors).to_contain_text(f"{error['count']:,}")
    expect(errors.get_by_text("Traceback (most recent call last)")).to_be_hidden()
    errors.get_by_text("Traceback of the first").click()
    expect(errors.get_by_text("Traceback (most recent call last)")).to_be_visible()
    expect(page.get_by_role("table", name="Counters")).to_contain_text(f"{done.document['counters']['visits']:,}")
    expect(page.get_by_role("region", name="Thresholds")).to_contain_text("p(95) < 1us over 1s")


@pytest.fixture
def local(cluster: Cluster, nginx: Nginx) -> Iterator[subprocess.Popen[str]]:
    """A run on this machine alone, with a page of its own."""
    options = (VISIT, "-u", "2", "--workers", "1", "-d", "6s", "--web", "--web-port", "0", "--server-url", nginx.url)
    with cluster.start(*options) as process:
        yield process


def test_a_local_run_has_the_same_page(visit: Visit, cluster: Cluster, local: subprocess.Popen[str]) -> None:
    link = link_of(local)
    visitor = visit()
    visitor.allowed += AWAY
    page = visitor.open(link)
    wait_for_more(page, "Requests")
    expect(figure(page, "Users")).to_have_text("2")
    expect(page.get_by_text("Local run")).to_be_visible()
    expect(page.get_by_role("link", name="Runs", exact=True)).to_have_count(0)
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
    done = cluster.runner.end(local)  # and its server is gone
    expect(verdict(page, "Passed")).to_be_visible()
    check_figures(figures(page), done.document)

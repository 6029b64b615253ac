"""The report of a run as a file of its own: from disk, without a network, on paper; and names that mean harm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser import DESK, PHONE
from tests.cluster import Cluster
from tests.commands import Finished
from tests.dashboards import (
    address,
    chart,
    check_figures,
    ended,
    endpoint,
    figures,
    print_out,
    row,
    run_page,
    saved,
    saved_rows,
    scrolls_sideways,
    start_web,
    table,
    verdict,
)
from tests.integration.browser.conftest import Visit
from tests.servers import Nginx

HOSTILE = """
from loads.case import TestCase

NAMES = [
    "<script>document.title = 'hacked'</script>",
    "</script><img src=x onerror=\\"document.title = 'hacked'\\">",
    "\\"quotes' and `more` &amp; {{braces}} ${dollars}",
    "\\u202eright to left\\u202c",
    "=HYPERLINK(1)",
    "long " + "x" * 4995,
]

class TestHostile(TestCase):
    def test_it(self):
        for name in NAMES:
            self.session.get(self.server_url, name=name)
            self.incr_counter(name[:100])
        self.fail(NAMES[0] + NAMES[1] + NAMES[3] + NAMES[5])
"""
SCRIPT = "<script>document.title = 'hacked'</script>"
IMAGE = "</script><img src=x onerror=\"document.title = 'hacked'\">"


@pytest.fixture(scope="module")
def done(cluster: Cluster, nginx: Nginx) -> Finished:
    """A run of three seconds."""
    return ended(cluster, nginx, "-d", "3s", "--output", f"html={cluster.directory / 'report.html'}")


@pytest.fixture(scope="module")
def report(cluster: Cluster, done: Finished) -> Path:
    """That run's."""
    return cluster.directory / "report.html"


@pytest.fixture(scope="module")
def hostile(cluster: Cluster, nginx: Nginx) -> dict[str, Any]:
    """The document of a run whose names try to be more than text."""
    cluster.write("hostile.py", HOSTILE)
    marked = ("--name", SCRIPT, "--tag", f"label={IMAGE}", "--hits", "2")
    run = cluster.run("hostile.py", "-a", "1", "--server-url", nginx.url, *marked)
    assert run.exit_code == 1, run.err
    return run.document


@pytest.fixture(scope="module")
def link(cluster: Cluster, done: Finished, hostile: dict[str, Any]) -> str:
    """To a dashboard that has both."""
    return start_web(cluster)[1]


def test_a_report_needs_no_network_and_has_the_figures_of_the_document(
    visit: Visit, done: Finished, report: Path
) -> None:
    page = visit(offline=True).open(report.as_uri())
    check_figures(figures(page), done.document)
    expect(verdict(page, "Passed")).to_be_visible()
    endpoint(page, "/basket").click()
    expect(page.get_by_role("table", name="Statuses")).to_contain_text("404")
    opened = table(page, "Endpoints").get_by_role("figure", name="Requests", exact=True)
    expect(opened).to_be_visible()
    points = saved_rows(page, "Requests")
    assert [float(point["t_s"]) for point in points] == [point["t_s"] for point in done.document["timeline"]]


def test_a_report_of_a_run_that_is_kept_is_the_same(
    visit: Visit, cluster: Cluster, link: str, done: Finished, report: Path, tmp_path: Path
) -> None:
    """Written by ``loads report``, and downloaded from the run's page."""
    run = done.document["run"]["id"]
    visitor = visit(offline=True)
    first = figures(visitor.open(report.as_uri()))
    written = cluster.call("loads", "report", run, "--output", str(tmp_path / "written.html"))
    assert written.exit_code == 0, written.err
    assert figures(visitor.open((tmp_path / "written.html").as_uri())) == first
    page = visit().open(link)
    page.goto(run_page(link, run))
    (tmp_path / "downloaded.html").write_bytes(saved(page.get_by_role("link", name="Report")))
    assert figures(visitor.open((tmp_path / "downloaded.html").as_uri())) == first


def test_a_report_is_for_who_is_logged_in_and_of_runs_that_there_are(visit: Visit, link: str, done: Finished) -> None:
    path = f"/api/runs/{done.document['run']['id']}/report"
    page = visit().open(link)
    there = page.request.get(address(link, path))
    assert (there.status, there.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert there.headers["content-disposition"].startswith("attachment")
    gone = page.request.get(address(link, "/api/runs/no-such-run/report"))
    assert (gone.status, gone.json()["message"]) == (404, "there is no run no-such-run")
    stranger = visit().context.request.get(address(link, path))
    assert stranger.status == 401


def test_on_paper_all_charts_and_tables_are_drawn_on_a_light_ground(visit: Visit, report: Path) -> None:
    page = visit(offline=True, color_scheme="dark").open(report.as_uri())
    expect(row(page, "Endpoints").first).to_be_visible()
    charts = page.get_by_role("figure")
    expect(charts).not_to_have_count(0)
    paper, drawn = print_out(page)
    assert paper.startswith(b"%PDF")
    assert len(drawn) == charts.count()
    assert all(drawn)
    page.emulate_media(media="print")
    expect(row(page, "Endpoints")).to_have_count(4)
    expect(page.get_by_role("button", name="Print")).to_be_hidden()
    assert "rgb(255, 255, 255)" in page.evaluate("getComputedStyle(document.documentElement).backgroundColor")


def test_a_chart_is_saved_as_a_picture_and_as_a_table(visit: Visit, link: str, done: Finished) -> None:
    page = visit().open(link)
    page.goto(run_page(link, done.document["run"]["id"]))
    for title in ("Requests", "Response time", "Response time heat map"):
        picture = saved(chart(page, title).get_by_role("button", name="PNG"))
        assert picture.startswith(b"\x89PNG")
        assert len(picture) > 2_000
    points = saved_rows(page, "Requests")
    expected = [point["hits"] for point in done.document["timeline"]]
    assert [round(float(point["Requests (per s)"]) * float(point["width_s"])) for point in points][:-1] == expected[:-1]
    heat = saved_rows(page, "Response time heat map")
    assert sum(int(field["count"]) for field in heat) == done.totals["hits"]


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_hostile_names_are_text_wherever_they_are_shown(
    visit: Visit, cluster: Cluster, link: str, hostile: dict[str, Any], tmp_path: Path, size: dict[str, int]
) -> None:
    run = hostile["run"]["id"]
    report = tmp_path / "hostile.html"
    assert cluster.call("loads", "report", run, "--output", str(report)).exit_code == 0
    visitor = visit(viewport=size)
    page = visitor.open(link)
    for url in (page.url, address(link, "/runs"), run_page(link, run), report.as_uri()):
        page.goto(url)
        expect(page.get_by_text(SCRIPT).first).to_be_attached()
        assert page.title() != "hacked"
        assert page.locator("img[src=x]").count() == 0
        assert not scrolls_sideways(page), url
    for name in hostile["series"]:
        if name["method"] == "GET":
            expect(row(page, "Endpoints", name["name"])).to_have_count(1)
    endpoint(page, IMAGE).click()
    expect(page.get_by_role("region", name="Errors")).to_contain_text(IMAGE)
    expect(page.get_by_role("region", name="Plan")).to_contain_text(IMAGE)
    assert not scrolls_sideways(page)


def test_a_report_without_scripts_is_the_consoles_block(visit: Visit, report: Path, done: Finished) -> None:
    page = visit(offline=True, java_script_enabled=False).open(report.as_uri())
    expect(page.locator("noscript")).to_contain_text(f"Hits: {done.totals['hits']}", use_inner_text=True)

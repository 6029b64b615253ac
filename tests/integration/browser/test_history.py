"""The runs of the past: found again, kept in the address, laid over each other."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.cluster import Cluster
from tests.dashboards import address, chart, ended, endpoint, figures, row, run_page, start_web, table
from tests.integration.browser.conftest import Visit
from tests.servers import Nginx


@pytest.fixture(scope="module")
def runs(cluster: Cluster, nginx: Nginx) -> dict[str, str]:
    """Ids of three runs by what they are called."""
    few = ("--hits", "3")
    tagged = {
        "before": ended(cluster, nginx, "--name", "shop", "--tag", "branch=main", "--tag", "build=1", *few),
        "after": ended(cluster, nginx, "--name", "shop", "--tag", "branch=next", "--threshold", "hits>1000000", *few),
        "other": ended(cluster, nginx, *few),
    }
    return {name: done.document["run"]["id"] for name, done in tagged.items()}


@pytest.fixture(scope="module")
def link(cluster: Cluster, runs: dict[str, str]) -> str:
    """To the dashboard."""
    return start_web(cluster)[1]


@pytest.fixture
def page(visit: Visit, link: str) -> Page:
    """The history."""
    opened = visit().open(link)
    opened.get_by_role("link", name="Runs", exact=True).click()
    expect(row(opened, "Runs")).to_have_count(3)
    return opened


def expect_only(page: Page, *runs: str) -> None:
    """Those are listed, and after a reload still."""
    for again in (False, True):
        if again:
            page.reload()
        expect(row(page, "Runs")).to_have_count(len(runs))
        for run in runs:
            expect(row(page, "Runs", run[:8])).to_have_count(1)


def test_runs_are_searched_by_any_word_of_them(page: Page, runs: dict[str, str]) -> None:
    page.get_by_role("searchbox", name="Search").fill(f"SHOP {runs['after']}")
    expect_only(page, runs["after"])
    expect(page.get_by_role("searchbox", name="Search")).to_have_value(f"SHOP {runs['after']}")


def test_runs_are_chosen_by_name_and_tag_and_the_choice_is_taken_back(page: Page, runs: dict[str, str]) -> None:
    page.get_by_role("combobox", name="Name").select_option("shop")
    expect_only(page, runs["before"], runs["after"])
    page.get_by_role("combobox", name="Tag").select_option("branch=next")
    expect_only(page, runs["after"])
    page.get_by_role("button", name="Without tag branch=next").click()
    expect_only(page, runs["before"], runs["after"])
    page.get_by_role("button", name="Clear").click()
    expect(row(page, "Runs")).to_have_count(3)


def test_runs_are_chosen_by_verdict(page: Page, runs: dict[str, str]) -> None:
    page.get_by_role("combobox", name="Verdict").select_option("failed")
    expect_only(page, runs["after"])
    expect(row(page, "Runs", runs["after"][:8])).to_contain_text("Failed")
    page.get_by_role("combobox", name="Verdict").select_option("aborted")
    expect(page.get_by_text("No run is like that")).to_be_visible()
    page.get_by_role("button", name="Show all runs").click()
    expect(row(page, "Runs")).to_have_count(3)


def test_runs_are_chosen_by_day(page: Page, runs: dict[str, str]) -> None:
    today = datetime.now().astimezone().date()
    page.get_by_label("From").fill(str(today + timedelta(days=1)))
    expect(page.get_by_text("No run is like that")).to_be_visible()
    page.get_by_label("From").fill(str(today - timedelta(days=1)))
    page.get_by_label("To", exact=True).fill(str(today + timedelta(days=1)))
    expect_only(page, *runs.values())


def test_back_and_forward_lead_where_one_was(page: Page, runs: dict[str, str], link: str) -> None:
    row(page, "Runs", runs["other"][:8]).get_by_role("link").click()
    expect(page).to_have_url(run_page(link, runs["other"]))
    expect(endpoint(page, "/home")).to_be_visible()
    page.go_back()
    expect(row(page, "Runs")).to_have_count(3)
    page.go_forward()
    expect(endpoint(page, "/home")).to_be_visible()


def test_two_runs_are_laid_over_each_other(page: Page, runs: dict[str, str], link: str) -> None:
    for name in ("before", "after"):
        row(page, "Runs", runs[name][:8]).get_by_role("checkbox").check()
    expect(row(page, "Runs", runs["other"][:8]).get_by_role("checkbox")).to_be_disabled()
    page.get_by_role("link", name="Compare", exact=True).last.click()
    expect(page).to_have_url(address(link, f"/compare?a={runs['before']}&b={runs['after']}"))
    expect(page.get_by_role("region", name="Run A")).to_contain_text("Passed")
    expect(page.get_by_role("region", name="Run B")).to_contain_text("Failed")
    expect(chart(page, "Requests").get_by_role("button", name="A", exact=True)).to_be_visible()
    expect(row(page, "Endpoints of both runs")).to_have_count(4)
    expect(row(page, "Endpoints of both runs", "only in")).to_have_count(0)
    table(page, "Endpoints of both runs").get_by_role("button", name="/home").click()
    opened = table(page, "Endpoints of both runs").get_by_role("figure", name="Requests", exact=True)
    expect(opened.get_by_role("button", name="B", exact=True)).to_be_visible()
    page.get_by_role("button", name="Swap A and B").click()
    expect(page.get_by_role("region", name="Run A")).to_contain_text("Failed")
    page.reload()
    expect(page.get_by_role("region", name="Run A")).to_contain_text("Failed")


def test_a_second_run_is_chosen_from_a_list(visit: Visit, runs: dict[str, str], link: str) -> None:
    page = visit().open(link)
    page.goto(run_page(link, runs["before"]))
    shown = figures(page)
    page.get_by_role("main").get_by_role("link", name="Compare").click()
    page.get_by_role("combobox", name="B: after").select_option(runs["other"])
    expect(page.get_by_role("region", name="Run B")).to_contain_text(runs["other"][:8])
    assert shown["Requests"].partition(" |")[0] in page.get_by_role("main").inner_text()


def test_a_run_that_is_not_there_leads_to_those_that_are(visit: Visit, link: str) -> None:
    page = visit().open(link)
    page.goto(run_page(link, "no-such-run"))
    expect(page.get_by_text("there is no run no-such-run")).to_be_visible()
    page.get_by_role("link", name="All runs").click()
    expect(row(page, "Runs")).to_have_count(3)

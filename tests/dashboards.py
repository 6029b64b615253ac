"""What people do and read on a dashboard's pages, by the words that stand there; and a shop to look at meanwhile.

member, link = start_web(cluster)
with going(cluster, nginx, "-d", "60s") as (process, run):
    page = visitor.open(link)
    page.goto(run_page(link, run))
    assert figures(page)["Requests"] == ...
"""

from __future__ import annotations

import csv
import io
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Locator, Page, expect

from loads.report.figures import short_time
from loads.wire.cluster import RunStatus
from tests.browser import apart
from tests.cluster import Cluster, Member
from tests.commands import Finished
from tests.servers import Nginx, wait_until

LINK = re.compile(r"https?://\S+/login\?token=\S+")
SHOP = """
import random, time
from loads.case import TestCase

class TestShop(TestCase):
    def visit(self):
        self.session.get(self.server_url + "/", name="/home")
        self.session.get(self.server_url + "/search", name="/search")
        self.session.get(self.server_url + "/gone", name="/basket")  # nginx has no such page
        self.incr_counter("visits")
        time.sleep(random.uniform(0.1, 0.2))

    def test_visit(self):
        self.visit()

    def test_buy(self):
        self.visit()
        self.assertEqual(1, 2, "the basket is empty")
"""
VISIT = "shop.TestShop.test_visit"
"""All its iterations succeed; a third of its requests don't."""
BUY = "shop.TestShop.test_buy"
"""None of its iterations succeeds."""
ENDPOINTS = ("GET/home", "GET/search", "GET/basket")


# Around the pages.


def start_web(cluster: Cluster, *arguments: str, name: str = "web", **more: Any) -> tuple[Member, str]:
    """A dashboard on a free port, and the link that it printed."""
    member = cluster.start_member(
        name, "loads-web", *(arguments if "--port" in arguments else ("--port", "0", *arguments)), **more
    )
    return member, link_of(member)


def link_of(member: Member, number: int = 1) -> str:
    """The link that it printed, at its so many-th start."""
    wait_until(lambda: len(LINK.findall(member.log())) >= number, f"a link; it said:\n{member.log()}")
    link: str = LINK.findall(member.log())[-1]
    return link


def address(link: str, path: str) -> str:
    """A page of the same dashboard."""
    parts = urlsplit(link)
    return f"{parts.scheme}://{parts.netloc}{path}"


def run_page(link: str, run: str) -> str:
    """The page of that run."""
    return address(link, f"/runs/{run}")


@contextmanager
def going(
    cluster: Cluster, nginx: Nginx, *more: str, agents: int = 1, test: str = VISIT
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A run of the shop that goes on, and its name; whoever started it is killed in the end if the run still goes."""
    options = (test, "-a", str(agents), "-u", str(4 * agents), "--server-url", nginx.url, *more)
    before = set(apart(cluster.going))

    def is_it(run: RunStatus) -> bool:
        return run.id not in before and run.state.value == "running"

    with cluster.start(*options) as process:
        yield process, apart(lambda: cluster.wait_for_run(is_it, "is new and runs")).id


def ended(cluster: Cluster, nginx: Nginx, *more: str, test: str = VISIT) -> Finished:
    """A run of the shop that has ended, with its document."""
    done = apart(lambda: cluster.run(test, "-a", "1", "-u", "4", "--server-url", nginx.url, *more))
    assert done.document, done.err
    return done


# What stands on a page.


def figure(page: Page, name: str) -> Locator:
    """One of the large figures at the top."""
    term = page.get_by_role("term").filter(has_text=re.compile(f"^{re.escape(name)}$"))
    return term.locator("xpath=following-sibling::dd[1]").first


def number(page: Page, name: str) -> int:
    """The same as a number."""
    return int((figure(page, name).text_content() or "").replace(",", ""))


def wait_for_more(page: Page, name: str, times: int = 2) -> None:
    """Until a figure has risen so many times, by itself."""
    for _ in range(times):
        before = figure(page, name).text_content() or ""
        expect(figure(page, name)).not_to_have_text(before)
        assert number(page, name) > int(before.replace(",", ""))


def figures(page: Page) -> dict[str, str]:
    """All large figures, and each endpoint's cells but for the name."""
    expect(row(page, "Endpoints").first).to_be_visible()
    found = {}
    for tile in page.locator("dl.tiles > div").all():
        words = [" ".join(text.split()) for text in tile.locator("dt, dd").all_text_contents()]
        found[words[0]] = " | ".join(words[1:])
    for line in row(page, "Endpoints").all():
        name, *cells = [" ".join(text.split()) for text in line.get_by_role("cell").all_text_contents()]
        found[name] = " | ".join(cells)
    return found


def table(page: Page, caption: str) -> Locator:
    """A table by its name."""
    return page.get_by_role("table", name=caption, exact=True)


def row(page: Page, caption: str, text: str = "") -> Locator:
    """Its rows that hold that text."""
    return table(page, caption).locator("tbody tr[aria-rowindex]").filter(has_text=text)


def endpoint(page: Page, name: str) -> Locator:
    """What opens an endpoint."""
    return table(page, "Endpoints").get_by_role("button", name=name)


def chart(page: Page, title: str) -> Locator:
    """The first chart of that name."""
    return page.get_by_role("figure", name=title, exact=True).first


def verdict(page: Page, word: str) -> Locator:
    """The word at the top for how the run stands, behind the sign of its tone."""
    return page.get_by_role("main").locator("header").get_by_text(re.compile(rf"^\W*{word}$"))


def saved_rows(page: Page, title: str) -> list[dict[str, str]]:
    """The points of a chart, as its file has them."""
    return list(csv.DictReader(io.StringIO(saved(chart(page, title).get_by_role("button", name="CSV")).decode())))


def saved(button: Locator) -> bytes:
    """The file that a press on `button` saves."""
    with button.page.expect_download() as waited:
        button.click()
    return Path(waited.value.path()).read_bytes()


def scrolls_sideways(page: Page) -> bool:
    """Whether it is wider than its window."""
    return bool(page.evaluate("document.scrollingElement.scrollWidth > innerWidth"))


def print_out(page: Page) -> tuple[bytes, list[bool]]:
    """The page as PDF; and of each of its pictures whether anything was on it when it went to paper."""
    page.evaluate(
        """() => addEventListener("beforeprint", () => {
            window.printed = [...document.querySelectorAll("canvas")].map((canvas) => {
                if (canvas.width === 0 || canvas.height === 0) return false;
                const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
                return data.some((value) => value !== 0);
            });
        })"""
    )
    paper = page.pdf(print_background=True)
    return paper, list(page.evaluate("window.printed"))


# What ought to stand there.


def check_figures(shown: dict[str, str], document: dict[str, Any]) -> None:
    """What a page of an ended run shows is what its JSON document has."""
    totals = document["totals"]
    failed = sum(point["failed"] for point in document["timeline"])
    assert shown["Requests"].partition(" |")[0] == f"{totals['hits']:,}"
    assert shown["Failed requests"].endswith(f"| {failed:,}")
    assert shown["Iterations"].partition(" |")[0] == f"{totals['ended']:,}"
    for name in ("p50", "p95", "p99"):
        assert shown[f"Response {name}"].partition(" |")[0] in times(totals["response"][f"{name}_ms"])
    requests = [series for series in document["series"] if series["method"] not in ("transaction", "iteration")]
    for series in requests:
        cells = shown[f"{series['method']}{series['name']}"].split(" | ")
        assert cells[0] == f"{series['hits']:,}"
        assert f"{cells[4]} ms" in times(series["response"]["p95_ms"]) or cells[4] == "-", cells


def check_console(shown: dict[str, str], block: str) -> None:
    """The same figures stand in the block at the end of the command."""
    assert f"Hits: {shown['Requests'].partition(' |')[0].replace(',', '')}" in block.splitlines()
    heads = ["hits", "p50", "p90", "p95", "p99", "p99.9", "max"]
    rows = block.partition("Service times in ms")[2].splitlines()[1:]
    assert rows[0].split() == [*heads, "series"]
    told = {
        "".join(line.split()[7:]): dict(zip(heads, line.split(), strict=False)) for line in rows if line.split()[7:]
    }
    for name in ENDPOINTS:
        hits, _, _, p50, p95, p99, most, *_ = shown[name].split(" | ")
        assert [hits, p50, p95, p99, most] == [told[name][head] for head in ("hits", "p50", "p95", "p99", "max")]


def times(value_ms: float | None) -> set[str]:
    """How a time may be shown: the document's thousandths of ms are rounded themselves."""
    return {"-"} if value_ms is None else {short_time(value_ms * 1_000 + off_us) for off_us in (-0.5, 0, 0.5)}

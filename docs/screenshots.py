"""Takes the pictures of docs/dashboard.rst: ``python docs/screenshots.py``, after each change of the pages.

A shop on loopback, a broker, three agents and loads-web are started; shorter runs make a history. Then a run of a
minute is watched in Chromium: its checkout gets slow, a threshold is crossed, one agent is killed. What the docs show
is taken while it goes and after it has ended. It takes two minutes and needs what the tests need: Debian's chromium,
playwright, Pillow.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

HERE: Final = Path(__file__).parent
BIN: Final = Path(sys.executable).parent
TARGET: Final = HERE.parent / "examples" / "target.py"
LINK: Final = re.compile(r"http://\S+/login\?token=\S+")
DESK: Final = {"width": 1280, "height": 900}
PHONE: Final = {"width": 360, "height": 740}
MOST_BYTES: Final = 2_500_000
SHOP: Final = '''\
import random
import time

from loads.case import TestCase, weight

BEGAN = time.monotonic()


class TestShop(TestCase):
    """A shop whose checkout has a bad quarter of a minute."""

    def get(self, path, name, **more):
        return self.session.get(f"{self.server_url}{path}", name=name, **more)

    def tearDown(self):
        time.sleep(random.uniform(0.1, 0.4))

    @weight(6)
    def test_browse(self):
        self.assertEqual(self.get("/", "/").status_code, 200)
        self.assertEqual(self.get("/json", "/products").json()["palms"], [1, 2, 3])

    @weight(4)
    def test_search(self):
        self.get(f"/sleep?s={random.lognormvariate(-3.6, 0.7):.4f}", "/search")
        self.incr_counter("searches")

    @weight(2)
    def test_buy(self):
        with self.transaction("buy"):
            self.session.post(f"{self.server_url}/json", json={"palm": 3}, name="/cart")
            slow = 0.35 if 22 < time.monotonic() - BEGAN < 38 else 0.0
            self.get(f"/sleep?s={random.uniform(0.05, 0.15) + slow:.4f}", "/checkout")
        self.incr_counter("orders")
        self.incr_counter("revenue in cents", random.randrange(500, 9_000))

    @weight(1)
    def test_account(self):
        broken = random.random() < 0.08
        response = self.get("/status/503" if broken else "/json", "/account")
        self.assertEqual(response.status_code, 200, "the account did not open")

    @weight(1)
    def test_recommendations(self):
        self.get("/sleep?s=0.5" if random.random() < 0.04 else "/sleep?s=0.02", "/recommendations", timeout=0.2)
'''
LOAD: Final = ("shop.py", "-a", "3", "-u", "45", "--name", "shop", "--allow-invalid")
CHECKOUT: Final = "p(95){name:/checkout} < 300ms"


class Cluster:
    """All that runs here; each process is ended by its id."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        ours = {name: text for name, text in os.environ.items() if not name.startswith("LOADS_")}
        self.variables = {**ours, "XDG_STATE_HOME": str(directory), "PYTHONUNBUFFERED": "1"}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        """A process that stays; what it says goes to a file of its name."""
        with (self.directory / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(  # noqa: S603 - our own commands
                command, cwd=self.directory, env=self.variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        return self.processes[name]

    def said(self, name: str, what: str) -> str:
        """The first text like that which a process says, once it does."""
        path = self.directory / f"{name}.log"
        found: list[str] = []

        def look() -> bool:
            found[:] = re.findall(what, path.read_text())
            return bool(found)

        wait_until(look, f"{name} to say {what}; it said:\n{path.read_text()}")
        return found[0]

    def run(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """A load test that begins."""
        return self.start(name, str(BIN / "loads-runner"), *LOAD, *arguments)

    def end(self) -> None:
        """Everything, the last first."""
        for process in reversed(self.processes.values()):
            process.terminate()
            process.wait(60)


def wait_until(is_so: Callable[[], bool], what: str, deadline_s: float = 60.0) -> None:
    """Look again and again until it is so."""
    until_s = time.monotonic() + deadline_s
    while not is_so():
        if time.monotonic() > until_s:
            raise SystemExit(f"waited too long for {what}")
        time.sleep(0.1)


@contextmanager
def run_cluster() -> Iterator[Cluster]:
    """The shop, a broker with three agents, and a dashboard."""
    directory = Path(tempfile.mkdtemp(prefix="ls-", dir="/tmp"))
    cluster = Cluster(directory)
    try:
        (directory / "shop.py").write_text(SHOP)
        cluster.start("site", sys.executable, str(TARGET))
        cluster.variables["LOADS_SERVER_URL"] = cluster.said("site", r"http://\S+")
        cluster.start("broker", str(BIN / "loads-broker"))
        cluster.said("broker", "listens on")
        for name in ("berlin", "oslo", "turin"):
            label = f"--label=zone={'north' if name == 'oslo' else 'middle'}"
            cluster.start(name, str(BIN / "loads-agent"), "--name", name, "--workers", "1", label)
        cluster.start("web", str(BIN / "loads-web"), "--port", "0")
        yield cluster
    finally:
        cluster.end()
        shutil.rmtree(directory)


class Camera:
    """Pictures of pages into `folder`."""

    def __init__(self, browser: Browser, link: str, folder: Path) -> None:
        self.browser, self.link, self.folder = browser, link, folder
        self.origin = link.partition("/login")[0]
        self._asking = self._context("light", DESK).request
        self._asking.get(link)

    def runs(self) -> list[dict[str, Any]]:
        """All runs, the newest first."""
        found: list[dict[str, Any]] = self._asking.get(f"{self.origin}/api/runs").json()["runs"]
        return found

    def wait_for_run(self, tag: str) -> str:
        """The name of the run with that build, once it runs."""
        found: list[str] = []

        def look() -> bool:
            found[:] = [row["id"] for row in self.runs() if row["stage"] == "running" and row["tags"]["build"] == tag]
            return bool(found)

        wait_until(look, f"the run of build {tag}")
        return found[0]

    def open(self, path: str, scheme: str = "light", viewport: dict[str, int] = DESK) -> Page:
        """A page of somebody who is logged in."""
        context = self._context(scheme, viewport)
        page = context.new_page()
        page.goto(self.link)
        page.goto(path if "://" in path else self.origin + path)
        return page

    def login(self) -> Page:
        """The login, as somebody sees it who is not."""
        page = self._context("light", {"width": 800, "height": 420}).new_page()
        page.goto(f"{self.origin}/login")
        return page

    def take(self, name: str, of: Page | Locator, *, full: bool = False) -> None:
        """A picture."""
        png = of.screenshot(full_page=full) if isinstance(of, Page) else of.screenshot()
        path = self.folder / f"dashboard-{name}.png"
        path.write_bytes(_smaller(png))
        print(f"{path.name}: {path.stat().st_size:,} bytes", flush=True)

    def _context(self, scheme: str, viewport: dict[str, int]) -> BrowserContext:
        context = self.browser.new_context(viewport=viewport, color_scheme=scheme, reduced_motion="reduce")
        context.set_default_timeout(30_000)
        return context


def _smaller(png: bytes) -> bytes:
    """The same with a palette. By median cut, which keeps the colours of surfaces as they are; others tint them."""
    with Image.open(io.BytesIO(png)) as picture:
        few = picture.convert("RGB").quantize(256, Image.Quantize.MEDIANCUT, kmeans=3, dither=Image.Dither.NONE)
    written = io.BytesIO()
    few.save(written, "PNG", optimize=True)
    return min(png, written.getvalue(), key=len)


def make_history(cluster: Cluster, camera: Camera) -> None:
    """Runs that ended before: one of the build before, and one that somebody stopped."""
    cluster.run("before", "-d", "30s", "--tag", "build=411", "--tag", "branch=main", "--threshold", CHECKOUT).wait()
    stopped = cluster.run("stopped", "-d", "60s", "--tag", "build=412", "--tag", "branch=slow-checkout")
    camera.wait_for_run("412")
    time.sleep(4)
    stopped.send_signal(signal.SIGINT)
    stopped.wait()


def watch(cluster: Cluster, camera: Camera) -> None:
    """The run from its start to its end, and what is left of it."""
    runner = cluster.run(
        *("run", "-d", "60s", "--ramp-up", "8s", "--tag", "build=413", "--tag", "branch=main"),
        *("--threshold", CHECKOUT, "--threshold", "failure_rate < 5%", "--output", "html=report.html"),
    )
    run = camera.wait_for_run("413")
    age = camera.open(f"/runs/{run}")
    wait_for_age(age, r"1\d")
    for scheme in ("light", "dark"):
        page = camera.open("/", scheme)
        expect(page.get_by_role("table", name="Agents").get_by_role("row")).to_have_count(4)
        page.get_by_text("Asking").wait_for(state="hidden")
        camera.take(f"cluster-{scheme}", page, full=True)
        page.context.close()
    wait_for_age(age, r"(2[6-9]|3\d)")
    cluster.processes["turin"].kill()
    wait_for_age(age, r"4\d")
    for scheme in ("light", "dark"):
        page = camera.open(f"/runs/{run}", scheme)
        drawn(page)
        camera.take(f"live-{scheme}", page)
        page.context.close()
    page = camera.open(f"/runs/{run}", viewport=PHONE)
    drawn(page)
    camera.take("phone", page)
    page.context.close()
    runner.wait(120)
    age.context.close()
    look_back(cluster, camera, run)


def look_back(cluster: Cluster, camera: Camera, run: str) -> None:
    """The run when it has ended, among the others, and its report."""
    before = next(row["id"] for row in camera.runs() if row["tags"].get("build") == "411")
    for scheme in ("light", "dark"):
        page = camera.open(f"/runs/{run}", scheme)
        drawn(page)
        camera.take(f"run-{scheme}", page, full=True)
        page.goto(f"{camera.origin}/runs")
        expect(page.get_by_role("table", name="Runs").get_by_role("row")).to_have_count(4)
        camera.take(f"runs-{scheme}", page)
        page.context.close()
    page = camera.open(f"/runs/{run}")
    drawn(page)
    page.get_by_role("button", name="GET /checkout").click()
    expect(page.locator(".endpoint-detail canvas")).to_have_count(3)
    camera.take("endpoint", page.locator("#endpoints"))
    page.locator("#errors details").first.locator("summary").click()
    camera.take("errors", page.locator("#errors"))
    camera.take("agents", page.locator("#agents"))
    camera.take("events", page.locator("#events"))
    page.goto(f"{camera.origin}/compare?a={before}&b={run}")
    drawn(page)
    camera.take("compare", page)
    page.goto((cluster.directory / "report.html").as_uri())
    drawn(page)
    camera.take("report", page)
    camera.take("login", camera.login())


def wait_for_age(page: Page, seconds: str) -> None:
    """Until the run has gone on for so long."""
    expect(page.locator(".progress-text")).to_have_text(re.compile(rf"^{seconds}(\.\d+)?s"), timeout=60_000)


def drawn(page: Page) -> None:
    """Until the charts are there, also those that are drawn when somebody gets to them."""
    page.locator("#charts canvas").first.wait_for()
    for section in page.locator("section[id]").all():
        section.scroll_into_view_if_needed()
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.evaluate("() => window.scrollTo(0, 0)")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def main() -> None:
    """Take all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, default=HERE / "images", help="default: docs/images")
    folder: Path = parser.parse_args().into
    folder.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("chromium is not installed (Debian: apt-get install chromium)")
    with ExitStack() as stack:
        cluster = stack.enter_context(run_cluster())
        link = cluster.said("web", LINK.pattern)
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        stack.callback(browser.close)
        camera = Camera(browser, link, folder)
        make_history(cluster, camera)
        watch(cluster, camera)
    total = sum(path.stat().st_size for path in folder.glob("dashboard-*.png"))
    print(f"all together: {total:,} bytes")
    if total > MOST_BYTES:
        raise SystemExit(f"that is more than {MOST_BYTES:,}")


if __name__ == "__main__":
    main()

"""A real Chromium, driven by playwright, that takes notes of everything that should not be.

    with launched() as browser, visiting(browser) as visitor:
        page = visitor.open(link)
        page.get_by_role("heading", name="Agents").wait_for()
    # every complaint of the console, of the content policy, and every request to elsewhere fails the test here

Playwright keeps an event loop in this thread: what calls `asyncio.run` meanwhile, as a cluster's questions do, goes
through `apart`. So a browser belongs to a module of tests at most, not to the whole session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from tests.servers import DEADLINE_S, command_or_skip

_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
"""Root in a container needs the first; the others keep the browser itself from calling anybody."""
DESK = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 740}
REFUSED = ("status of 401", "status of 403")
"""What Chromium complains of where an answer refuses something."""
AWAY = ("WebSocket connection to", "ERR_CONNECTION_REFUSED", "status of 502")
"""Where a server is gone, or what it needs itself."""
T = TypeVar("T")


def apart(call: Callable[[], T]) -> T:
    """`call` in a thread of its own."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(call).result()


class Visitor:
    """A browser's window with cookies of its own. `complaints`: what must not be, in words."""

    def __init__(self, browser: Browser, **options: Any) -> None:
        self.context: BrowserContext = browser.new_context(viewport=options.pop("viewport", DESK), **options)
        self.context.set_default_timeout(DEADLINE_S * 1_000)
        self.complaints: list[str] = []
        self.allowed: list[str] = []
        """Parts of complaints that a test brings about on purpose."""
        self._hosts: set[str] = set()
        self.context.on("console", self._said)
        self.context.on("weberror", lambda error: self.complaints.append(f"raised: {error.error}"))
        self.context.on("request", lambda request: self._asked(request.url))
        self.context.on("page", lambda page: page.on("websocket", lambda socket: self._asked(socket.url)))

    def open(self, url: str) -> Page:
        """A new page there. It may ask nobody else."""
        self._hosts.add(urlsplit(url).netloc)
        page = self.context.new_page()
        page.goto(url)
        return page

    def unexpected(self) -> list[str]:
        """The complaints that no test asked for."""
        return [told for told in self.complaints if not any(part in told for part in self.allowed)]

    def tell(self) -> None:
        """What it sees, for whoever has to find out why a test failed."""
        for page in self.context.pages:
            print(f"----- {page.url}\n{page.locator('body').inner_text(timeout=2_000)}")

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning", "assert"):
            self.complaints.append(f"{message.type}: {message.text}")

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc not in self._hosts:
            self.complaints.append(f"asked elsewhere: {url}")


@contextmanager
def launched() -> Iterator[Browser]:
    """Debian's Chromium until the end of the block."""
    expect.set_options(timeout=DEADLINE_S * 1_000)
    path = command_or_skip("chromium", "chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visiting(browser: Browser, **options: Any) -> Iterator[Visitor]:
    """Somebody who looks until the end of the block, which fails if there was something to complain of.

    `options` are those of playwright's contexts: viewport, color_scheme, offline...
    """
    visitor = Visitor(browser, **options)
    try:
        yield visitor
        visitor.tell()
    finally:
        visitor.context.close()
    assert visitor.unexpected() == []

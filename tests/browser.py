"""A real Chromium, driven by playwright, that takes notes of everything that should not be.

    with chromium() as browser:
        page = browser.open(link)
        page.get_by_role("heading", name="Agents").wait_for()
    # every complaint of the console, of the content policy, and every request to elsewhere fails the test here

Playwright keeps an event loop in this thread: what calls `asyncio.run` meanwhile, as a cluster's questions do, goes
through `apart`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

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
T = TypeVar("T")


def apart(call: Callable[[], T]) -> T:
    """`call` in a thread of its own."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(call).result()


class Chromium:
    """One browser with one set of cookies. `complaints`: what must not be, in words."""

    def __init__(self, browser: Browser, **options: Any) -> None:
        self.context: BrowserContext = browser.new_context(viewport=options.pop("viewport", DESK), **options)
        self.context.set_default_timeout(20_000)
        self.complaints: list[str] = []
        self.allowed: list[str] = []
        """Parts of complaints that a test brings about on purpose."""
        self._hosts: set[str] = set()
        self.context.on("console", self._said)
        self.context.on("weberror", lambda error: self.complaints.append(f"raised: {error.error}"))
        self.context.on("request", self._asked)

    def open(self, url: str) -> Page:
        """A new page there. It may ask nobody else."""
        self._hosts.add(urlsplit(url).netloc)
        page = self.context.new_page()
        page.goto(url)
        return page

    def unexpected(self) -> list[str]:
        """The complaints that no test asked for."""
        return [told for told in self.complaints if not any(part in told for part in self.allowed)]

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning", "assert"):
            self.complaints.append(f"{message.type}: {message.text}")

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc not in self._hosts:
            self.complaints.append(f"asked elsewhere: {request.url}")


@contextmanager
def chromium(**options: Any) -> Iterator[Chromium]:
    """A browser that is there until the end of the block, which fails if it has something to complain of.

    `options` are those of playwright's contexts: viewport, color_scheme, reduced_motion...
    """
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        message = "chromium is not installed (Debian: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS))
        try:
            watched = Chromium(browser, **options)
            yield watched
            assert watched.unexpected() == []
        finally:
            browser.close()

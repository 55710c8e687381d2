"""A real browser, and everything that it complains of."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

#: Debian's own first.
NAMES = ("chromium", "chromium-browser", "google-chrome")
VARIABLE = "TRUEUP_TEST_BROWSER"
MISSING = (
    "The page is tested in a real Chromium and none is here: `make browser` installs Debian's, "
    f"or set {VARIABLE} to the program of another."
)
WAIT_MILLISECONDS = 30_000
expect.set_options(timeout=WAIT_MILLISECONDS)
#: Told of what the policy forbids, wherever it happens.
_LISTEN = """
window.violations = [];
addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
"""


def program() -> str:
    """The browser's program; the test fails, and says how to get one, where there is none."""
    found = os.environ.get(VARIABLE) or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.fail(MISSING)
    return found


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    executable = program()
    async with async_playwright() as playwright:
        # Containers have no sandbox for a browser that root starts; it sees nothing but our own page.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = await playwright.chromium.launch(executable_path=executable, args=arguments)
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Watched:
    """A page, and what it did that it should not."""

    page: Page
    #: `host:port` that it may talk to.
    host: str
    complaints: list[str] = field(default_factory=list)

    async def check(self) -> None:
        """Nothing on the console, nothing that the policy forbids, nobody else asked for anything."""
        assert not self.complaints
        if self.page.context is not None and await self.page.evaluate("'violations' in window"):
            assert await self.page.evaluate("window.violations") == []


@asynccontextmanager
async def opened(
    browser: Browser, host: str, path: str, *, width: int = 1280, scheme: str = "light", script: bool = True
) -> AsyncIterator[Watched]:
    """A page of a person who comes for the first time."""
    context = await browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        java_script_enabled=script,
    )
    context.set_default_timeout(WAIT_MILLISECONDS)
    page = await context.new_page()
    watched = Watched(page, host)
    page.on("pageerror", lambda error: watched.complaints.append(f"error: {error}"))
    page.on("console", lambda message: watched.complaints.append(message.text) if message.type == "error" else None)

    def note_request(url: str) -> None:
        if urlsplit(url).scheme not in ("data", "blob") and urlsplit(url).netloc != host:
            watched.complaints.append(f"asked for {url}")

    page.on("request", lambda request: note_request(request.url))
    await page.add_init_script(_LISTEN)
    await page.goto(f"http://{host}{path}")
    try:
        yield watched
    finally:
        await context.close()

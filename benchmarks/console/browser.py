"""Debian's Chromium, and what a page costs the main thread of its renderer."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from playwright.sync_api import Browser, Page, sync_playwright

from tests.console.looking import leave

PATIENCE_MS = 600_000


class Reading(NamedTuple):
    """What a renderer has used: CPU seconds of its main thread; bytes of its heap and nodes of its document now."""

    thread_s: float
    heap_bytes: float
    nodes: float


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    program = shutil.which("chromium")
    if program is None:
        raise SystemExit("console: Debian's chromium is missing: python3 scripts/setup.py system chromium")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


class MeteredPage:
    """A page of its own renderer, and its meter."""

    def __init__(self, browser: Browser, init_script: str = "") -> None:
        context = browser.new_context(locale="en", viewport={"width": 1280, "height": 800})
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        if init_script:
            self.page.add_init_script(init_script)
        self._session = context.new_cdp_session(self.page)
        self._session.send("Performance.enable", {"timeDomain": "threadTicks"})  # CPU time, whatever else runs here

    def read(self) -> Reading:
        """The meter as it stands."""
        metrics = {row["name"]: row["value"] for row in self._session.send("Performance.getMetrics")["metrics"]}
        return Reading(metrics["TaskDuration"], metrics["JSHeapUsedSize"], metrics["Nodes"])

    def collect_garbage(self) -> None:
        """So that the heap holds only what is still of use."""
        self._session.send("HeapProfiler.collectGarbage")

    def close(self) -> None:
        """It and its renderer."""
        leave(self.page.context)
        self.page.context.close()

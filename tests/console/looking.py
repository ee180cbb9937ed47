"""What a test looks at on a page, and presses."""

from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Error, Page, expect

UNHEARD_MS = 20_000
OVERTAKEN = ("interrupted by another navigation", "net::ERR_ABORTED", f"Timeout {UNHEARD_MS}ms exceeded")


def leave(context: BrowserContext) -> None:
    """A test is over: its pages let go of the console.

    The context itself ends with the browser: if a page asks for itself anew at the moment at which its context is
    disposed of, Chromium never answers, and Playwright waits for that without end.
    """
    for page in context.pages:
        visit(page, "about:blank")


def is_valve(page: Page, zone_id: str, words: str) -> None:
    """Wait until a zone's valve is called so."""
    expect(page.locator(f"[data-zone={zone_id}] [data-cell=valve]")).to_have_text(words)


def press(page: Page, name: str) -> None:
    """Press the button of that name."""
    page.get_by_role("button", name=name, exact=True).click()


def visit(page: Page, path: str) -> None:
    """Go there, also from a page that asks for itself anew at that moment, as it does when an order ends.

    Then its own way may win, with an error, or without a word: such a visit is begun again.
    """
    while True:
        try:
            page.goto(path, timeout=UNHEARD_MS)
        except Error as error:
            if not any(words in str(error) for words in OVERTAKEN):
                raise
        if urlsplit(page.url).path == urlsplit(path).path:
            return

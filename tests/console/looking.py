"""What a test looks at on a page, and presses."""

from urllib.parse import urlsplit

from playwright.sync_api import Error, Page, expect


def is_valve(page: Page, zone_id: str, words: str) -> None:
    """Wait until a zone's valve is called so."""
    expect(page.locator(f"[data-zone={zone_id}] [data-cell=valve]")).to_have_text(words)


def press(page: Page, name: str) -> None:
    """Press the button of that name."""
    page.get_by_role("button", name=name, exact=True).click()


def visit(page: Page, path: str) -> None:
    """Go there, also from a page that asks for itself anew at that moment, as it does when an order ends."""
    while True:
        try:
            page.goto(path)
        except Error as error:
            if not any(words in str(error) for words in ("interrupted by another navigation", "net::ERR_ABORTED")):
                raise
        if urlsplit(page.url).path == urlsplit(path).path:
            return

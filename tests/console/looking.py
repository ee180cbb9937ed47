"""What a test looks at on a page, and presses."""

from playwright.sync_api import Page, expect


def is_valve(page: Page, zone_id: str, words: str) -> None:
    """Wait until a zone's valve is called so."""
    expect(page.locator(f"[data-zone={zone_id}] [data-cell=valve]")).to_have_text(words)


def press(page: Page, name: str) -> None:
    """Press the button of that name."""
    page.get_by_role("button", name=name, exact=True).click()

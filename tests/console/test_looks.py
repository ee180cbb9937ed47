"""Every page in both languages and themes, on a phone and on a desk: readable by everybody, without sideways scroll."""

import json
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from tests.console.looking import leave
from tests.console.site_of_test import Site

ROOT = Path(__file__).parents[2]
AXE = (ROOT / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]
RUN = "(tags) => axe.run({runOnly: tags}).then(found => found.violations.map(one => [one.id, one.nodes[0].html]))"
PAGES = (
    *("/", "/zones/plot-1a", "/timeline", "/gateways", "/gateways/irrigation-gateway-1", "/alarms", "/water"),
    *("/settings", "/settings/zones/plot-1b", "/settings/text", "/people", "/login?next=/people", "/zones/nowhere"),
)
Look = tuple[int, int, Literal["light", "dark"]]  # width and height in CSS pixels, and the colours
LOOKS: list[Look] = [(1280, 800, "light"), (1280, 800, "dark"), (360, 740, "light"), (360, 740, "dark")]
# Where Portuguese, whose words are longer, may not fit; colours are those of English.
NARROW: list[Look] = [(360, 740, "light")]


def violations(page: Page) -> list[list[str]]:
    found: list[list[str]] = page.evaluate(RUN, TAGS)
    return found


@pytest.mark.parametrize(
    ("code", "looks"),
    [
        pytest.param("en", LOOKS, id="en"),
        pytest.param("pt-BR", NARROW, id="pt-BR"),
        pytest.param("pt-BR", LOOKS, id="pt-BR, every look", marks=pytest.mark.soak),
    ],
)
def test_every_page_is_for_everybody(browser: Browser, busy_site: Site, code: str, looks: list[Look]) -> None:
    """axe finds nothing against WCAG 2.2 AA, no page scrolls sideways, and none is in another language."""
    context = browser.new_context(base_url=busy_site.address, locale=code, bypass_csp=True)
    page = context.new_page()
    problems: list[tuple[object, ...]] = []
    for path in PAGES:
        page.goto(path)
        page.evaluate(AXE)
        assert page.locator("html").get_attribute("lang") == code
        for width, height, scheme in looks:
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme=scheme)
            problems += [(path, width, scheme, *one) for one in violations(page)]
            wide = page.evaluate("document.documentElement.scrollWidth")
            problems += [(path, width, "scrolls sideways", str(wide))] if wide > width else []
    leave(context)
    assert problems == [], json.dumps(problems, indent=1)


def test_a_zoom_of_200_percent_is_no_hindrance(browser: Browser, busy_site: Site) -> None:
    """A desk's page at twice the size is a page of half the width: nothing is cut off, nothing scrolls sideways."""
    context = browser.new_context(
        base_url=busy_site.address, locale="en", viewport={"width": 640, "height": 400}, device_scale_factor=2
    )
    page = context.new_page()
    for path in ("/", "/zones/plot-1a", "/water"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 640, path
    leave(context)


def test_colours_are_as_somebody_chose(browser: Browser, busy_site: Site) -> None:
    """Dark stays dark in this browser, whatever the device says."""
    context = browser.new_context(base_url=busy_site.address, locale="en", color_scheme="light")
    page = context.new_page()
    page.goto("/water")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="dark").click()
    page.locator("html[data-theme=dark]").wait_for()
    assert page.url.endswith("/water")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    leave(context)


def test_a_chart_is_drawn_and_stands_beside_its_table(browser: Browser, busy_site: Site) -> None:
    """The canvas is there with a script; the same figures are a table for whoever sees none."""
    context = browser.new_context(base_url=busy_site.address, locale="en")
    page = context.new_page()
    page.goto("/zones/plot-1a")
    page.locator("#charts canvas").nth(1).wait_for()
    page.get_by_text("The same as a table").click()
    assert page.locator(".scroll tbody tr").count() > 5
    leave(context)

"""Everything by keyboard alone, and everything without a script."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.console.conftest import console_on
from tests.console.living import ZONES_FILE, LivingFarm, living_farm, service_at_work
from tests.console.looking import leave, press
from tests.console.site_of_test import Site
from tests.waiting import LAST_RESORT_S, until_true

expect.set_options(timeout=LAST_RESORT_S * 1000)
PAGES = (
    *("/", "/zones/plot-1a", "/timeline", "/gateways", "/gateways/irrigation-gateway-1", "/alarms", "/water"),
    *("/settings", "/settings/zones/plot-1b", "/settings/text", "/people", "/login?next=/people", "/zones/nowhere"),
)
# What takes part in a page by hand, in the order of the page; a thing behind a closed summary waits for that.
OPERABLE = """() => [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")]
    .filter((one) => one.type !== "hidden" && !one.disabled && one.checkVisibility()).map((one, number) => {
      one.dataset.hand = number;
      return one.outerHTML.slice(0, 80);
    })"""
REACHED = """() => {
    const one = document.activeElement;
    const style = getComputedStyle(one);
    const box = one.getBoundingClientRect();
    const is_seen = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1 && box.width > 0;
    return [one.dataset.hand ?? "", is_seen];
}"""


@pytest.fixture(scope="module")
def quiet_farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, LivingFarm]]:
    """A farm with an alarm, its service at work, and its console."""
    folder = tmp_path_factory.mktemp("by-hand")
    (folder / "zones.yaml").write_text(ZONES_FILE, encoding="utf-8")
    with living_farm(folder / "compute.sqlite", hours=1) as farm, console_on(folder) as site:
        farm.hear_status("irrigation-gateway-2", "offline")
        farm.bench.tick(15 * 60)
        with service_at_work(farm):
            yield site, farm


@pytest.fixture
def plain(browser: Browser, quiet_farm: tuple[Site, LivingFarm]) -> Iterator[Page]:
    """A page of a browser that runs no script."""
    context = browser.new_context(base_url=quiet_farm[0].address, java_script_enabled=False, locale="en")
    page = context.new_page()
    page.set_default_timeout(LAST_RESORT_S * 1000)
    yield page
    leave(context)


def test_every_page_is_worked_by_keyboard(browser: Browser, busy_site: Site) -> None:
    """Tab reaches every link, button and field of every page, in the order of the page, and one sees where it is."""
    context = browser.new_context(base_url=busy_site.address, locale="en", viewport={"width": 1280, "height": 800})
    page = context.new_page()
    problems: list[tuple[str, object]] = []
    for path in PAGES:
        page.goto(path)
        operable: list[str] = page.evaluate(OPERABLE)
        reached: list[str] = []
        for _ in range(2 * len(operable) + 4):  # some have stops within: the parts of a date
            page.keyboard.press("Tab")
            number, is_seen = page.evaluate(REACHED)
            if not number or (len(reached) > 1 and number == reached[0]):
                break  # out of the page, or round it
            if not reached or reached[-1] != number:
                reached.append(number)
                problems += [] if is_seen else [(path, f"no focus to see: {operable[int(number)]}")]
        missing = [text for number, text in enumerate(operable) if str(number) not in reached]
        problems += [(path, missing)] if missing else []
        problems += [(path, "another order")] if reached != sorted(reached, key=int) else []
    leave(context)
    assert problems == []


def test_a_zone_is_opened_by_keyboard(browser: Browser, quiet_farm: tuple[Site, LivingFarm]) -> None:
    """Tab to the minutes, a number, Enter; and the same way back by Close now."""
    site, farm = quiet_farm
    context = browser.new_context(base_url=site.address, locale="en")
    page = context.new_page()
    page.goto("/zones/plot-1b")
    tab_to(page, "document.activeElement.name === 'minutes'")
    page.keyboard.type("5")
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_contain_text("sent")
    tab_to(page, "document.activeElement.textContent === 'Close now'")
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_contain_text("close plot-1b")
    leave(context)
    assert [one["action"] for one in farm.new_commands()][-2:] == ["open", "close"]


def tab_to(page: Page, condition: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(condition):
            return
    raise AssertionError(f"Tab never came to where {condition}")


def test_settings_without_a_script(plain: Page, quiet_farm: tuple[Site, LivingFarm]) -> None:
    """The form, the difference, the file, and its history."""
    path = quiet_farm[0].folder / "zones.yaml"
    plain.goto("/settings")
    plain.get_by_role("link", name="plot-1a").click()
    plain.get_by_label("Longest run, s").fill("900")
    press(plain, "Look at the change")
    assert "max_run_s: 900" in plain.locator("ins").inner_text()
    assert path.read_text() == ZONES_FILE
    press(plain, "Save")
    assert "by local" in plain.locator("details summary").first.inner_text()
    assert "max_run_s: 900" in path.read_text()


def test_alarms_without_a_script(plain: Page, quiet_farm: tuple[Site, LivingFarm]) -> None:
    """Read, seen, and who saw it."""
    farm = quiet_farm[1]
    until_true(lambda: bool(farm.store.alarms.open()), "an alarm")
    plain.goto("/alarms")
    card = plain.locator(".card").filter(has_text="irrigation-gateway-2").first
    card.get_by_role("button").click()
    assert "seen by local" in card.inner_text()


def test_water_is_taken_away_without_a_script(plain: Page, tmp_path: Path) -> None:
    """CSV and Parquet are two links for what is shown, and two buttons of one plain form for other days."""
    plain.goto("/water")
    plain.get_by_text("Other days to take away").click()
    for name in ("CSV", "Parquet"):
        with plain.expect_download() as download:
            press(plain, name)
        download.value.save_as(tmp_path / name)
        assert (tmp_path / name).stat().st_size > 20


def test_every_page_says_all_without_a_script(plain: Page) -> None:
    """No page is empty, and none waits for a script to show what it has."""
    for path in PAGES:
        plain.goto(path)
        assert plain.locator("h1").inner_text()
        assert len(plain.locator("main").inner_text()) > 20, path

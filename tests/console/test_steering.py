"""A person steers the farm from the page, in a real browser, on a real service with its clock in the test's hands."""

import re
from pathlib import Path

from playwright.sync_api import Browser, Page, Route, expect

from compute_service.domain.ports import Beat
from tests.console.conftest import console_process
from tests.console.living import LivingFarm, service_at_work
from tests.console.looking import leave, visit
from tests.console.site_of_test import Site
from tests.waiting import LAST_RESORT_S, until_true

# Asks for `/told` when the page has heard that a run is done, and has done all that it does then.
TELL_WHEN_DONE = """
  addEventListener("DOMContentLoaded", () => {
    const news = document.getElementById("news");
    const isDone = () => news.firstElementChild.textContent.match(/is done|: done/);
    new MutationObserver(() => isDone() && fetch("/told")).observe(news ?? document.body, { childList: true });
  });
"""

expect.set_options(timeout=LAST_RESORT_S * 1000)


def valve(page: Page, zone_id: str) -> str:
    return page.locator(f"[data-zone={zone_id}] [data-cell=valve]").inner_text()


def is_valve(page: Page, zone_id: str, words: str) -> None:
    expect(page.locator(f"[data-zone={zone_id}] [data-cell=valve]")).to_have_text(words)


def test_a_valve_is_open_once_its_board_says_so(page: Page, working: LivingFarm) -> None:
    """Told to open it is `opening`, and stays so; with the board's word for it, it is OPEN, before anything else."""
    page.goto("/")
    is_valve(page, "plot-1a", "shut")
    [command] = working.dry_out("plot-1a")
    is_valve(page, "plot-1a", "opening")
    with working.lock:
        working.ack(command, "received")
    expect(page.locator("#news li").first).to_contain_text("the board has the command")
    is_valve(page, "plot-1a", "opening")
    with working.lock:
        working.ack(command, "started")
        seq = working.store.journal.newest()
        is_valve(page, "plot-1a", "OPEN")
        assert working.store.journal.newest() == seq
    with working.lock:
        working.ack(command, "done")
    is_valve(page, "plot-1a", "shut")


def test_stop_ends_two_runs_and_holds_until_resume(page: Page, working: LivingFarm) -> None:
    """One press, no question: both gateways are told, nothing opens again, and resume ends it."""
    commands = working.dry_out("plot-1a", "plot-1d")
    with working.lock:
        for command in commands:
            working.ack(command, "started")
    page.goto("/")
    is_valve(page, "plot-1a", "OPEN")
    page.get_by_role("button", name="STOP ALL").click()
    expect(page.locator("#said")).to_contain_text("sent")
    is_valve(page, "plot-1a", "closing")
    with working.lock:
        for command, stop in zip(commands, working.new_commands(), strict=True):
            assert stop["action"] == "stop_all"
            working.ack(command, "done", end_reason="stop_all")
            working.obey_stop(stop)
    is_valve(page, "plot-1d", "stopped")
    expect(page.locator("#said")).to_contain_text("done")
    visit(page, "/zones/plot-1a")
    page.get_by_label("Minutes").fill("10")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("alert")).to_contain_text("stopped the farm")
    assert working.new_commands() == []
    page.get_by_role("button", name="Resume the farm").click()
    expect(page.locator("#said")).to_contain_text("done")
    assert working.store.orders.holds() == []


def test_a_link_is_not_overtaken_by_a_page_that_renews_itself(page: Page, working: LivingFarm) -> None:
    """Who goes on to another page just as an order ends gets there, however slowly that page comes."""
    page.add_init_script(TELL_WHEN_DONE)
    page.goto("/zones/plot-1a")
    page.get_by_label("Minutes").fill("10")
    page.get_by_role("button", name="Open").click()
    page.locator("[data-order][data-state=under_way]").wait_for()
    with page.expect_request(re.compile("/events")):  # it listens
        page.reload()
    asked: dict[str, Route] = {}
    page.route(re.compile("/(water|told)$"), lambda route: asked.setdefault(route.request.url[-5:], route))
    page.evaluate("document.querySelector('a[href=\"/water\"]').click()")
    with working.lock:
        [command] = working.new_commands()
        for state in ("received", "started", "done"):
            working.ack(command, state)
    while not asked.keys() >= {"water", "/told"}:
        page.wait_for_timeout(50)
    asked["water"].continue_()
    expect(page).to_have_url(re.compile("/water$"))


def test_a_stop_while_the_service_is_dead(page: Page, farm: LivingFarm) -> None:
    """The page says that it waits, and when each valve shuts by itself; back again the service closes all."""
    with service_at_work(farm):
        commands = farm.dry_out("plot-1a", "plot-1d")
        for command in commands:
            farm.ack(command, "started")
    farm.store.journal.beat(Beat(farm.bench.now, farm.bench.store.journal.last_beat().wall_s - 100, 0.0))  # type: ignore[union-attr]
    page.goto("/")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The service has not run since")
    expect(alert).to_contain_text("plot-1a shuts by its own deadline, at ")
    page.get_by_role("button", name="STOP ALL").click()
    expect(page.locator("#said")).to_contain_text("the order waits for it")
    assert farm.new_commands() == []
    farm.bench.now += 60
    with service_at_work(farm):
        until_true(lambda: sum(one["action"] == "stop_all" for one in farm.bench.commands()) == 2, "two stops")
        is_valve(page, "plot-1a", "closing")
        farm.report("plot-1b", 0.15)
    farm.bench.tick(12)
    assert [one["action"] for one in farm.new_commands()] == ["stop_all", "stop_all"]


def test_an_open_that_was_ordered_in_an_outage_never_starts(page: Page, farm: LivingFarm) -> None:
    """An hour later nothing opens, and the page says that it expired."""
    farm.store.journal.beat(Beat(farm.bench.now, farm.bench.store.journal.last_beat().wall_s - 30, 1.0))  # type: ignore[union-attr]
    page.goto("/zones/plot-1b")
    page.get_by_label("or litres").fill("100")
    page.get_by_role("button", name="Open").click()
    expect(page.locator("#said")).to_contain_text("written down")
    farm.bench.now += 3600
    with service_at_work(farm):
        expect(page.locator("#said")).to_contain_text("expired, nothing was opened")
    assert farm.new_commands() == []


def test_pause_and_resume_of_a_zone(page: Page, working: LivingFarm) -> None:
    """It closes what runs, says who and why, and ends by a press."""
    [command] = working.dry_out("plot-1c")
    with working.lock:
        working.ack(command, "started")
    page.goto("/zones/plot-1c")
    page.get_by_label("Reason").fill("harvest <b>today</b>")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#said")).to_contain_text("sent")
    with working.lock:
        [close] = working.new_commands()
        working.ack(command, "done", end_reason="close")
        working.obey_stop(close)
    is_valve(page, "plot-1c", "paused")
    expect(page.locator(".now .is-why")).to_contain_text("(harvest <b>today</b>)")
    visit(page, "/zones/plot-1c")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#said")).to_contain_text("done")
    is_valve(page, "plot-1c", "shut")


def test_without_a_script_everything_is_done_by_forms(browser: Browser, site: Site, working: LivingFarm) -> None:
    """Stop, resume, open, close, pause, language: each is a form that leads to a page that says what came of it."""
    context = browser.new_context(base_url=site.address, java_script_enabled=False, locale="en")
    page = context.new_page()
    page.goto("/zones/plot-1a")
    page.get_by_label("Minutes").fill("2,5")
    page.get_by_role("button", name="Open").click()
    assert "open plot-1a 2 min: sent" in page.locator("#said").inner_text().replace("\u00a0", " ").replace("\n", " ")
    assert working.new_commands()[0]["duration_s"] == 150
    page.get_by_role("button", name="Close now").click()
    assert "sent" in page.locator("#said").inner_text()
    page.get_by_role("button", name="STOP ALL").click()
    assert "sent" in page.locator("#said").inner_text()
    page.get_by_role("button", name="Português").click()
    assert page.locator("html").get_attribute("lang") == "pt-BR"
    page.get_by_role("button", name="Retomar a fazenda").first.click()
    assert "feita" in page.locator("#said").inner_text()
    leave(context)


def test_stop_is_the_first_thing_after_the_skip_link(page: Page, working: LivingFarm) -> None:
    """By keyboard alone: Tab, Tab, Enter stops the farm; the rest of the page is reached the same way."""
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_contain_text("sent")
    reached: set[str] = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.textContent.trim() || document.activeElement.name"))
    assert {"Timeline", "plot-1a", "Steer…", "until", "Pause the farm", "Resume the farm", "Português"} <= reached


def test_an_offline_gateway_is_told_when_it_is_back(page: Page, working: LivingFarm) -> None:
    """An open is refused with that sentence; a close is kept, shown as sent, and said again when it returns."""
    with working.lock:
        working.hear_status("irrigation-gateway-2", "offline")
    page.goto("/zones/plot-1e")
    page.get_by_label("Minutes").fill("5")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("alert")).to_contain_text("irrigation-gateway-2 is offline since")
    with working.lock:
        working.order("close", "plot-1e")
    until_true(lambda: any(one["action"] == "close" for one in working.bench.commands()), "the close")
    with working.lock:
        working.hear_status("irrigation-gateway-2")
        assert [one["action"] for one in working.new_commands()] == ["close", "close"]


def test_the_console_may_die(farm: LivingFarm, folder: Path, browser: Browser) -> None:
    """Killed right after a stop was pressed, the farm stops all the same; watering needs no page."""
    with console_process(folder) as (address, process):
        context = browser.new_context(base_url=address, locale="en")
        page = context.new_page()
        page.goto("/")
        page.get_by_role("button", name="STOP ALL").click()
        expect(page.locator("#said")).to_be_visible()
        process.kill()
        process.wait()
        leave(context)
    farm.bench.tick(1)
    assert [one["action"] for one in farm.new_commands()] == ["stop_all", "stop_all"]


def test_a_leak_is_cleared_by_who_has_looked(page: Page, working: LivingFarm) -> None:
    """The page says what happened and what a clear does; it wants a tick first, and then sends one clear, once."""
    with working.lock:
        working.hear_status("irrigation-gateway-1", latched=["plot-1b"], epochs={"plot-1a": 4})
        working.bench.tick()
    page.goto("/gateways/irrigation-gateway-1")
    latch = page.locator("#latch")
    expect(latch).to_contain_text("irrigation-gateway-1 saw water where none should flow: plot-1b")
    page.get_by_role("button", name="Clear the leak").click()
    expect(page).to_have_url(re.compile("/gateways/irrigation-gateway-1$"))  # the browser asks for the tick
    assert working.new_commands() == []
    visit(page, "/zones/plot-1a")
    page.get_by_role("checkbox").check()
    page.get_by_label("Reason").first.fill("new pipe")
    page.get_by_role("button", name="Clear the leak").click()
    expect(page.locator("#said")).to_contain_text("sent")
    with working.lock:
        [clear] = working.new_commands()
        assert (clear["action"], clear["epochs"]) == ("clear", {"plot-1a": 5, "plot-1b": 1, "plot-1c": 1})
        working.ack(clear, "done", duration_s=None, volume_l=None, volume_source="none", end_reason=None)
    expect(page.locator("#said")).to_contain_text("done")
    page.reload()
    expect(page.locator("#latch")).to_have_count(0)
    [order] = [row.order for row in working.store.orders.last() if row.order.action == "clear"]
    assert (order.zone_id, order.via, order.why) == ("plot-1a", "page", "new pipe")


def test_a_clear_without_a_tick_is_none(working: LivingFarm, site: Site) -> None:
    """A form that somebody built without it is refused; so is who may only look."""
    with working.lock:
        working.hear_status("irrigation-gateway-1", latched=["plot-1b"])
    answer = site.ask("POST", "/orders", form={"action": "clear", "zone_id": "plot-1a", "key": "k"})
    assert answer.status == 303
    assert working.store.orders.last() == []

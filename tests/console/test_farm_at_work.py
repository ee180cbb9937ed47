"""The page on a farm at work: gate, gateways, service and console are processes, and field time stands until moved.

So whatever the page shows was told by a board over the broker, and every process may be killed in between.
"""

import csv
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from compute_service import orders
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.orders import Order
from compute_service.reading import farm_of
from console.news import KINDS
from demo.participants import FLEET
from tests.console.field_in_hand import COMPUTE, ConsoleProcess, Field, field_in_hand
from tests.console.line import Line
from tests.console.looking import is_valve, leave, press, visit
from tests.waiting import LAST_RESORT_S, free_port, until_true

expect.set_options(timeout=LAST_RESORT_S * 1000)
DRY = "plot-1c"
# Every event as the browser's own stream has it, before the page takes it.
WATCH = """
window.events = [];
const Plain = window.EventSource;
window.EventSource = class extends Plain {
  addEventListener(kind, take) {
    super.addEventListener(kind, (event) => {
      if (event.data) {
        const { news = [] } = JSON.parse(event.data);
        window.events.push({ kind, id: Number(event.lastEventId), news: news.map((one) => one.seq) });
      }
      take(event);
    });
  }
};
"""


def give(field: Field, action: str, zone_id: str | None = None, **more: Any) -> None:
    """Somebody at a shell orders something, and the service takes it."""
    order_id = orders.new_order_id(field.now)
    order = Order(order_id=order_id, action=action, at=field.now, by="ana", via="shell", zone_id=zone_id, **more)
    orders.give(field.store, farm_of(field.store), order)
    until_true(lambda: _state(field, order_id) != "waiting", f"the {action}")


def _state(field: Field, order_id: str) -> str:
    row = field.store.orders.get(order_id)
    assert row
    return row.state


def is_at_rest(store: SqliteStore) -> bool:
    return not store.commands.open() and not store.orders.open()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    """The farm's processes, for all tests of this file."""
    with field_in_hand(tmp_path_factory.mktemp("field")) as field:
        yield field


@pytest.fixture
def field(running: Field) -> Field:
    """The farm at rest: all its processes are there, its valves shut, and only the dry zone is held, by a pause."""
    for name in (FLEET, COMPUTE):
        if not running.is_up(name):
            running.start(name)
    for zone_id in (None, "plot-1a", "plot-1b", DRY):
        give(running, "resume", zone_id)
    give(running, "pause", DRY, until=running.now + 40 * 86_400)
    running.until(is_at_rest, "rest")
    until_true(lambda: running.open_valves() == set(), "all valves shut")
    return running


@pytest.fixture(scope="module")
def console(running: Field) -> Iterator[ConsoleProcess]:
    """The console's process."""
    console = ConsoleProcess(running.out, free_port())
    console.start()
    yield console
    console.kill()


@pytest.fixture
def context(browser: Browser, console: ConsoleProcess, field: Field) -> Iterator[BrowserContext]:
    """An English browser at the console, which a failed test may have left killed."""
    if not console.is_up():
        console.start()
    context = browser.new_context(base_url=console.address, locale="en", viewport={"width": 1280, "height": 800})
    context.set_default_timeout(LAST_RESORT_S * 1000)
    context.add_init_script(WATCH)
    yield context
    leave(context)


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A page on the farm."""
    return context.new_page()


def said(page: Page, words: str) -> None:
    expect(page.locator("#said")).to_contain_text(words)


def open_by_page(page: Page, zone_id: str, minutes: str = "20") -> None:
    visit(page, f"/zones/{zone_id}")
    page.get_by_label("Minutes").fill(minutes)
    press(page, "Open")
    is_valve(page, zone_id, "OPEN")


def run_two_zones(page: Page) -> None:
    for zone_id in ("plot-1a", "plot-1b"):
        open_by_page(page, zone_id)
    visit(page, "/")


def acks(state: str, zone_id: str, since: int) -> Callable[[SqliteStore], bool]:
    def is_told(store: SqliteStore) -> bool:
        rows = store.journal.after(since, 1000)
        return any((row["kind"], row["zone_id"], row["body"].get("state")) == ("ack", zone_id, state) for row in rows)

    return is_told


def test_a_dry_zone_turns_open_when_its_board_says_so(page: Page, field: Field) -> None:
    """Released from its pause the dry zone is watered by itself; the page says OPEN while the ack is the newest row."""
    visit(page, f"/zones/{DRY}")
    is_valve(page, DRY, "paused")
    press(page, "Resume")
    said(page, "done")
    visit(page, "/")
    is_valve(page, DRY, "shut")
    since = field.store.journal.newest()
    field.until(acks("started", DRY, since), "the dry zone's run", within_s=86_400)
    is_valve(page, DRY, "OPEN")
    [started] = [row["seq"] for row in field.after(since) if row["body"].get("state") == "started"]
    assert field.store.journal.newest() == started  # nothing came after it, and nothing had to
    assert field.open_valves() == {DRY}


@pytest.mark.parametrize("killed", ["nobody", "service", "console"])
def test_stop_everything(page: Page, field: Field, console: ConsoleProcess, killed: str) -> None:
    """While two zones run: all shuts, though service or console is killed before, and stays shut until `resume`."""
    run_two_zones(page)
    assert field.open_valves() == {"plot-1a", "plot-1b"}
    if killed != "nobody":
        field.kill(COMPUTE)
        page.reload()
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("The service has not run since")
        expect(alert).to_contain_text("Orders wait for it")
        for zone_id in ("plot-1a", "plot-1b"):
            expect(alert).to_contain_text(f"{zone_id} shuts by its own deadline, at ")
    press(page, "STOP ALL")
    if killed != "nobody":
        said(page, "the order waits for it")
        field.go_on(30)
        assert field.open_valves() == {"plot-1a", "plot-1b"}
        if killed == "console":
            page.wait_for_load_state("load")  # with its script: words are there before
            console.kill()
            expect(page.locator("#lost")).to_be_visible()
        field.start(COMPUTE)
    until_true(lambda: field.open_valves() == set(), "all valves shut")
    if killed == "console":
        console.start()
    is_valve(page, "plot-1a", "stopped")
    is_valve(page, "plot-1b", "stopped")
    said(page, "done")
    nothing_opens_before_resume(page, field)


def nothing_opens_before_resume(page: Page, field: Field) -> None:
    """Not the dry zone either, which would have water."""
    stopped_at, begin = field.now, len(field.edges())
    give(field, "resume", DRY)
    field.go_on(240)
    checks = [row["checks"] for row in field.store.decisions.last(3, DRY) if row["at"] > stopped_at]
    assert {next(one["name"] for one in row if not one["passed"]) for row in checks} == {"not_stopped"}
    assert len(field.edges()) == begin
    give(field, "pause", DRY, until=field.now + 86_400)
    visit(page, "/")
    expect(page.locator(".hold").first).to_contain_text("stopped the farm")
    page.locator(".hold").get_by_role("button", name="Resume the farm").click()
    said(page, "done")
    assert [hold.zone_id for hold in field.store.orders.holds()] == [DRY]


def test_an_open_of_an_outage_expires(page: Page, field: Field) -> None:
    """Ordered while the service is killed, it waits; a minute later the page says that it is over, unopened."""
    field.kill(COMPUTE)
    begin = len(field.edges())
    visit(page, "/zones/plot-1b")
    page.get_by_label("Minutes").fill("5")
    press(page, "Open")
    said(page, "the order waits for it")
    field.go_on(61)
    field.start(COMPUTE)
    said(page, "expired, nothing was opened")
    field.go_on(120)
    assert len(field.edges()) == begin


def test_run_pause_and_resume(page: Page, field: Field) -> None:
    """Two minutes are two minutes of the valve; a pause shuts what runs and says until when; all in Portuguese too."""
    begun_at, begin = field.now, len(field.edges())
    open_by_page(page, "plot-1a", "2")
    field.go_on(130)
    is_valve(page, "plot-1a", "shut")
    assert [edge["at"] - begun_at for edge in field.edges()[begin:]] == [0, 120]
    said(page, "done")
    open_by_page(page, "plot-1a", "10")
    press(page, "Português")
    expect(page.locator("html")).to_have_attribute("lang", "pt-BR")
    is_valve(page, "plot-1a", "ABERTA")
    page.get_by_label("Motivo").fill("colheita")
    press(page, "Pausa")
    is_valve(page, "plot-1a", "em pausa")
    until_true(lambda: field.open_valves() == set(), "the valve shut")
    expect(page.locator(".now .is-why")).to_contain_text("(colheita)")
    press(page, "Retomar")
    is_valve(page, "plot-1a", "fechada")
    press(page, "English")
    expect(page.locator("html")).to_have_attribute("lang", "en")


def test_a_gateway_that_is_gone(page: Page, field: Field) -> None:
    """No open for it; a close is kept, said to wait, and obeyed when it is back; an alarm is raised, seen, and ends."""
    open_by_page(page, "plot-1b")
    field.kill(FLEET)
    until_true(lambda: [row["state"] for row in field.store.updates.gateways()] == ["offline"], "the broker's word")
    visit(page, "/zones/plot-1a")
    begin = field.store.journal.newest()
    page.get_by_label("Minutes").fill("5")
    press(page, "Open")
    expect(page.get_by_role("alert")).to_contain_text("irrigation-gateway-1 is offline since")
    assert field.store.journal.newest() == begin
    visit(page, "/zones/plot-1b")
    press(page, "Close now")
    said(page, "waits for the gateway's answer")
    visit(page, "/")
    field.go_on(11 * 60)
    expect(page.locator("#news")).to_contain_text("alarm: ")
    visit(page, "/alarms")
    expect(page.get_by_role("link", name="Alarms").locator(".count")).to_be_visible()
    alarm = page.locator(".card").filter(has_text="irrigation-gateway-1 is silent")
    alarm.get_by_role("button").click()
    expect(alarm).to_contain_text("seen by local")
    assert any(row["body"].get("state") == "acknowledged" for row in field.after(begin))
    field.start(FLEET)
    field.until(is_at_rest, "the close")
    field.go_on(120)
    visit(page, "/alarms")
    expect(page.get_by_role("heading", name="Over")).to_be_visible()
    visit(page, "/zones/plot-1b")
    is_valve(page, "plot-1b", "closed for today")
    told = [row["body"] for row in field.after(begin) if row["kind"] == "order" and row["zone_id"] == "plot-1b"]
    assert [body["state"] for body in told if body["action"] == "close"] == ["waiting", "under_way", "done"]


def test_settings_are_changed_on_a_farm_at_work(page: Page, field: Field) -> None:
    """The difference is shown before anything is saved; the service goes by it at once, and the history says who."""
    path = field.out / "zones.yaml"
    before = path.read_text()
    visit(page, "/settings/zones/plot-1b")
    page.get_by_label("Longest run, s").fill("2400")
    press(page, "Look at the change")
    expect(page.locator("ins")).to_contain_text("max_run_s: 2400")
    assert path.read_text() == before
    press(page, "Save")
    expect(page.locator("details summary").first).to_contain_text("by local")
    until_true(lambda: '"max_run_s":2400' in (field.store.updates.config() or "").replace(" ", ""), "the service")
    visit(page, "/zones/plot-1b")
    expect(page.get_by_text("At most 40 min in one go")).to_be_visible()


def test_water_is_taken_away_through_the_browser(page: Page, field: Field, tmp_path: Path) -> None:
    """As CSV and as Parquet, the same rows, with what just ran in them."""
    open_by_page(page, "plot-1a", "2")
    field.go_on(200)
    visit(page, "/water")
    for name in ("CSV", "Parquet"):
        with page.expect_download() as download:
            page.get_by_role("link", name=name, exact=True).click()
        download.value.save_as(tmp_path / name)
        assert download.value.suggested_filename.endswith(f".{name.lower()}")
    table = pq.read_table(tmp_path / "Parquet").to_pylist()
    with (tmp_path / "CSV").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [{name: "" if value is None else str(value) for name, value in row.items()} for row in table] == rows
    assert sum(row["litres"] for row in table if row["zone_id"] == "plot-1a") > 0


@pytest.mark.parametrize("cut_s", [0.0, pytest.param(60.0, marks=pytest.mark.soak)])
def test_a_line_cut_for_a_minute(browser: Browser, console: ConsoleProcess, field: Field, cut_s: float) -> None:
    """For a minute of the field's time in which much happens: no event is missing, and none comes twice."""
    line = Line(console.address)
    context = browser.new_context(base_url=line.address, locale="en")
    context.add_init_script(WATCH)
    page = context.new_page()
    visit(page, "/")
    begin = int(page.locator("body").get_attribute("data-seq") or 0)
    give(field, "open", "plot-1a", duration_s=60)
    is_valve(page, "plot-1a", "OPEN")
    last_id = page.evaluate("window.events.at(-1).id")
    line.cut()
    expect(page.locator("#lost")).to_be_visible()
    field.go_on(30)
    give(field, "open", "plot-1b", duration_s=60)
    field.go_on(32)
    time.sleep(cut_s)
    asked_before = len(line.asked)
    line.mend()
    is_valve(page, "plot-1a", "shut")
    expect(page.locator("#lost")).to_have_count(0)
    asked = b"".join(line.asked[asked_before:]).decode().lower()  # by the browser, or by the page once it gave that up
    assert f"last-event-id: {last_id}\r\n" in asked or f"get /events?after={last_id} " in asked
    field.go_on(60)
    is_valve(page, "plot-1b", "shut")
    newest = page.evaluate("window.events.at(-1).id")
    wanted = [row["seq"] for row in field.after(begin) if row["kind"] in KINDS and row["seq"] <= newest]
    events = page.evaluate("window.events")
    assert [seq for event in events for seq in event["news"]] == wanted, json.dumps(events)
    assert len(wanted) > 8
    assert sorted(event["id"] for event in events) == [event["id"] for event in events]
    leave(context)
    line.cut()

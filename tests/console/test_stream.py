"""The stream of what happens: cut, and resumed with no event missing or twice; and never more than is seen."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from console.news import KINDS
from console.stream import fold, is_urgent
from tests.console.conftest import console_on
from tests.console.line import Line
from tests.console.living import LivingFarm
from tests.console.looking import leave
from tests.console.site_of_test import Site
from tests.waiting import LAST_RESORT_S, free_port
from web import events
from web.events import Event

expect.set_options(timeout=LAST_RESORT_S * 1000)


def told(page: Page) -> list[int]:
    numbers: list[str] = page.eval_on_selector_all("#news li", "all => all.map(one => one.dataset.seq)")
    return [int(number) for number in numbers]


def test_a_page_keeps_its_script(site: Site) -> None:
    """A browser asks for a file once, so no page stays dumb where the console ends while it comes."""
    with httpx.Client(base_url=site.address) as client:
        names = re.findall(r'"(/static/[^"]+)"', client.get("/").text)
        kept = {name: client.get(name).headers["cache-control"] for name in names}
        assert len(kept) == 3
        assert set(kept.values()) == {"private, max-age=31536000, immutable"}
        for address in ("/static/console.js", "/static/console.js?v=of-another-time"):
            assert client.get(address).headers["cache-control"] == "no-store"


def test_a_cut_stream_goes_on_where_it_was(browser: Browser, working: LivingFarm, folder: Path) -> None:
    """While the line was cut things happened: the page then has each of them once, as the journal has them."""
    port = free_port()
    context = browser.new_context(base_url=f"http://127.0.0.1:{port}", locale="en")
    page = context.new_page()
    with console_on(folder, port):
        page.goto("/")
        page.evaluate("document.getElementById('news').dataset.count = 1000")
        begin = max(told(page), default=0)
        [command] = working.dry_out("plot-1a")
        expect(page.locator("#news li").first).to_contain_text(": sent")
    expect(page.locator("#lost")).to_be_visible()
    with working.lock:
        working.ack(command, "started")
        for number in range(20):
            working.hear_status("irrigation-gateway-2", ("offline", "online")[number % 2])
        newest = working.store.journal.newest()
    with console_on(folder, port):
        expect(page.locator("[data-zone=plot-1a] [data-cell=valve]")).to_have_text("OPEN")
        rows = working.store.journal.after(begin)
        wanted = [row["seq"] for row in rows if row["kind"] in KINDS and row["seq"] <= newest]
        expect(page.locator(f"#news li[data-seq='{wanted[-1]}']")).to_have_count(1)
        assert sorted(number for number in told(page) if begin < number <= newest) == wanted
    leave(context)


def test_a_line_that_only_goes_silent(
    browser: Browser, working: LivingFarm, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody closed it, yet the page says that it may be old; with the line back it goes on after its last number."""
    monkeypatch.setattr(events, "PING_S", 0.4)
    with console_on(folder) as site:
        line = Line(site.address)
        context = browser.new_context(base_url=line.address, locale="en")
        page = context.new_page()
        page.goto("/")
        [command] = working.dry_out("plot-1a")
        valve = page.locator("[data-zone=plot-1a] [data-cell=valve]")
        expect(valve).to_have_text("opening")
        last, asked_before = page.locator("body").get_attribute("data-seq"), len(line.asked)
        line.hush()
        expect(page.locator("#lost")).to_be_visible()
        with working.lock:
            working.ack(command, "started")
        expect(page.locator("#lost")).to_be_visible()
        assert valve.inner_text() == "opening"
        line.go_on()
        expect(valve).to_have_text("OPEN")
        expect(page.locator("#lost")).to_have_count(0)
        assert f"GET /events?after={last} ".encode() in b"".join(line.asked[asked_before:])
        assert len(told(page)) == len(set(told(page)))
        leave(context)
        line.cut()


@pytest.mark.parametrize("kinds", [["zones", "zones", "zones"], ["zones", "valve", "zones"], ["order"]])
def test_decisions_in_a_row_are_one_message(kinds: Sequence[str]) -> None:
    """With the last state of each zone; what is urgent stays as it is, in its place."""
    events = [Event(seq, kind, json.dumps({"zones": {"a": {"n": seq}}})) for seq, kind in enumerate(kinds, 1)]
    messages = fold(events)
    assert messages[-1].seq == len(kinds)
    assert [one.kind for one in messages] == [
        kind for seq, kind in enumerate(kinds) if not (kind == "zones" and kinds[seq - 1 : seq] == ["zones"])
    ]
    assert json.loads(messages[-1].data)["zones"]["a"]["n"] == len(kinds)
    assert [is_urgent(one) for one in events] == [kind != "zones" for kind in kinds]


def test_a_hidden_page_waits_and_catches_up(browser: Browser, site: Site, working: LivingFarm) -> None:
    """What came while nobody looked is painted when somebody does, the last state only."""
    context = browser.new_context(base_url=site.address, locale="en")
    page = context.new_page()
    page.add_init_script("window.away = false; Object.defineProperty(document, 'hidden', {get: () => window.away})")
    page.goto("/")
    page.evaluate("window.away = true")
    working.dry_out("plot-1c")
    expect(page.locator("#news li").first).to_contain_text(": sent")
    assert page.locator("[data-zone=plot-1c] [data-cell=valve]").inner_text() == "shut"
    page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("[data-zone=plot-1c] [data-cell=valve]")).to_have_text("opening")
    leave(context)

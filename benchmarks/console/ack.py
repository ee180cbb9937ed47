"""From a board's `started`, as it is published to the broker, until its zone reads OPEN on the farm's page.

Everything between is real: broker, service, store, console and Chromium. Beside the live page another polls each 2 s,
and both are told by the same acks.
"""

import statistics
from typing import NamedTuple

from playwright.sync_api import Browser, Page

from benchmarks.console.boards import FarmAtWork, wait_for
from benchmarks.console.browser import MeteredPage
from benchmarks.console.live import POLL_S, polling_page
from benchmarks.console.table import Ratio

# The console asks its store each 0.25 s, and the other page each 2 s: by these waits alone the ratio is 0.125, and
# what both have in common (broker, service, browser) brings it nearer to 1. At one half a person would see no stream.
MOST_OF_POLLING = 0.5
GOLDEN = 0.618034  # its multiples fall evenly into the time between two polls, however few they are

# When each zone's valve read OPEN last, by the clock that the boards have, too.
WATCH = """
window.opens = {};
addEventListener("DOMContentLoaded", () =>
  new MutationObserver((changes) => {
    const now = Date.now();
    for (const { target } of changes) {
      const zone = target.dataset?.cell === "valve" && target.textContent === "OPEN" && target.closest("[data-zone]");
      if (zone) window.opens[zone.dataset.zone] = now;
    }
  }).observe(document.body, { subtree: true, childList: true }),
);
"""


class Delay(NamedTuple):
    """Of one ack (s), on the live page and on the one that polls; was it the newest row when the live page had it?"""

    live_s: float
    polling_s: float
    is_newest: bool


def measure(browser: Browser, address: str, farm: FarmAtWork, runs: int) -> list[Ratio]:
    """So many runs, at most one of each zone, one after the other."""
    live, polling = MeteredPage(browser, WATCH), polling_page(browser, farm.path, WATCH)
    for one in (live, polling):
        one.page.goto(address)
    delays = [
        _run(farm, zone.zone_id, POLL_S * (number * GOLDEN % 1), live.page, polling.page)
        for number, zone in enumerate(farm.config.zones[:runs])
    ]
    live.close()
    polling.close()
    return [_delay_row(delays), _order_row(delays)]


def _run(farm: FarmAtWork, zone_id: str, wait_s: float, live: Page, polling: Page) -> Delay:
    """A zone is opened by a person, its board has started after a while, and is done once both pages know."""

    def pause(seconds: float) -> None:
        live.wait_for_timeout(1000 * seconds)  # in which the other page's polls are answered

    farm.order_open(zone_id)
    command = farm.boards.command(pause)
    pause(wait_s)
    before = farm.store.journal.newest()
    at = farm.boards.ack(command, "started")
    live_at = _read_open(live, zone_id, at)
    is_newest = [row["body"].get("state") for row in farm.store.journal.after(before, 10)] == ["started"]
    polling_at = _read_open(polling, zone_id, at)
    farm.boards.ack(command, "done", duration_s=1, volume_l=1.0, end_reason="close")
    wait_for(farm.is_at_rest, pause, "the end of a run")
    return Delay(live_at - at, polling_at - at, is_newest)


def _read_open(page: Page, zone_id: str, since: float) -> float:
    """When a zone read OPEN (Unix s), once it has since a moment."""
    words = "([zone, since]) => window.opens[zone] >= since && window.opens[zone]"
    handle = page.wait_for_function(words, arg=[zone_id, 1000 * since - 1], polling=10)
    moment: float = handle.json_value()
    return moment / 1000


def _delay_row(delays: list[Delay]) -> Ratio:
    sides = [one.live_s for one in delays], [one.polling_s for one in delays]
    live, polling = (statistics.median(side) for side in sides)
    live_ms, polling_ms = (f"{1e3 * statistics.median(side):.0f} ms, at worst {1e3 * max(side):.0f}" for side in sides)
    note = f"{live_ms}, against {polling_ms}; {len(delays)} runs"
    return Ratio("from a board's `started` to OPEN, live / polling each 2 s", live / polling, MOST_OF_POLLING, note)


def _order_row(delays: list[Delay]) -> Ratio:
    """None may be late: the page must say OPEN though nothing comes after the ack."""
    late = sum(not one.is_newest for one in delays)
    note = f"{len(delays) - late} of {len(delays)} read OPEN while the ack was the journal's newest row"
    return Ratio("runs that read OPEN after the next row", late / len(delays), 0.0, note)

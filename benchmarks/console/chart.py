"""A zone's charts of a season against those of five days: CPU time of the main thread from the data to the picture."""

import statistics
from functools import partial
from urllib.parse import urlsplit, urlunsplit

from playwright.sync_api import Browser, Route

from agronomy.units import DAY_S
from benchmarks.console.browser import MeteredPage
from benchmarks.console.table import Ratio
from tests.compute_service.bench import NOON

MOST = 2.0
LOOK_EVERY_MS = 50
POINTS_A_DAY = 96

# The data wait here until the page is at rest, so that only the drawing is measured.
WAITING = """
const go = new Promise((resolve) => (window.go = resolve));
const json = Response.prototype.json;
Response.prototype.json = async function () {
  const data = await json.call(this);
  window.points = data.at.length;
  await go;
  return data;
};
"""
PAINTED = """() => new Promise((done) => {
  window.go();
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 0)));
})"""


def measure(browser: Browser, address: str, season_days: int, short_days: int, pairs: int) -> Ratio:
    """So many pairs in turn, after one that warms up; medians."""
    costs: dict[int, list[float]] = {short_days: [], season_days: []}
    _draw(browser, address, short_days)
    for _ in range(pairs):
        for days, times in costs.items():
            times.append(_draw(browser, address, days))
    short, season = (statistics.median(times) for times in costs.values())
    note = f"{1e3 * season:.0f} ms of the main thread against {1e3 * short:.0f} ms, {pairs} pairs"
    points = [f"{POINTS_A_DAY * days:,}" for days in (season_days, short_days)]
    return Ratio(f"charts of {points[0]} points / {points[1]}", season / short, MOST, note)


def _draw(browser: Browser, address: str, days: int) -> float:
    """A new page with the charts of so many days, every point of them; gives CPU seconds."""
    metered = MeteredPage(browser, WAITING)
    page = metered.page
    page.route("**/history?*", partial(_ask, days))
    page.goto(f"{address}/zones/zone-000")
    while not (points := page.evaluate("window.points ?? 0")):
        page.wait_for_timeout(LOOK_EVERY_MS)
    if points != days * POINTS_A_DAY:
        raise SystemExit(f"console: the page had {points} points of {days} days")
    metered.collect_garbage()
    before = metered.read()
    page.evaluate(PAINTED)
    after = metered.read()
    if page.locator("#charts canvas").count() != 2:
        raise SystemExit("console: the charts were not drawn")
    metered.close()
    return after.thread_s - before.thread_s


def _ask(days: int, route: Route) -> None:
    parts = urlsplit(route.request.url)
    route.continue_(url=urlunsplit(parts._replace(query=f"from={NOON - days * DAY_S + 1}&to={NOON + 1}&points=20000")))

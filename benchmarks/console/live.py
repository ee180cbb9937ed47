"""The farm's page live against one that polls, and its heap over the minutes."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Browser, Route

from benchmarks.console.browser import MeteredPage
from benchmarks.console.table import Ratio
from compute_service.adapters.sqlite.store import SqliteStore
from console.languages import LANGUAGES
from console.stream import JournalEvents, fold

ROOT = Path(__file__).parents[2]
CHANGES_A_SECOND = 100
MOST_OF_POLLING, MOST_GROWTH = 2.0, 1.1
WINDOWS = 5
WARM_UP_S = 10.0
POLL_S = 2.0
PAGE = 2000  # rows of the journal in one answer to a poll

# The page's own script stands; what it takes for the stream asks each POLL_S, and gives it what came, folded as the
# stream folds it.
POLLER = """
window.EventSource = class extends EventTarget {
  constructor(url) {
    super();
    this.after = new URL(url, location).searchParams.get("after");
    this.timer = setInterval(() => this.ask(), POLL_MS);
  }
  async ask() {
    const answer = await fetch(`/poll?after=${this.after}`);
    const events = await answer.json();
    for (const { seq, kind, data } of events) {
      this.after = seq;
      this.dispatchEvent(new MessageEvent(kind, { data, lastEventId: String(seq) }));
    }
  }
  close() {
    clearInterval(this.timer);
  }
};
""".replace("POLL_MS", str(round(1000 * POLL_S)))

# How often rows came: a console that is starved sends less often, and its page would seem to cost less.
COUNTER = """
const add = EventSource.prototype.addEventListener;
window.comings = 0;
EventSource.prototype.addEventListener = function (kind, take) {
  add.call(this, kind, (event) => {
    if (kind === "zones") window.comings += 1;
    take(event);
  });
};
"""


@contextmanager
def changes(store: Path, zones: int, rate: float = CHANGES_A_SECOND) -> Iterator[None]:
    """A process that changes a farm's store so often a second, for the time of the block."""
    words = [sys.executable, "-m", "benchmarks.console.changes", str(store), str(zones), str(rate)]
    process = subprocess.Popen(words, cwd=ROOT)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def measure_live(browser: Browser, address: str, store: Path, seconds: float) -> Ratio:
    """The main thread of the live page and of one that polls, both at the same time, in WINDOWS windows."""
    live, polling = MeteredPage(browser, COUNTER), polling_page(browser, store, COUNTER)
    for one in (live, polling):
        one.page.goto(address)
    live.page.wait_for_timeout(1000 * min(seconds / WINDOWS, WARM_UP_S))
    first, begin = _newest(store), time.monotonic()
    before_all = _comings(live, polling)
    ratios, shares = [], []
    for _ in range(WINDOWS):
        before = live.read(), polling.read()
        window_begin = time.monotonic()
        live.page.wait_for_timeout(1000 * seconds / WINDOWS)
        after = live.read(), polling.read()
        costs = [later.thread_s - earlier.thread_s for earlier, later in zip(before, after, strict=True)]
        ratios.append(costs[0] / costs[1])
        shares.append([100 * one / (time.monotonic() - window_begin) for one in costs])
    rate = (_newest(store) - first) / (time.monotonic() - begin)
    paces = [
        (now - then) / (time.monotonic() - begin) for now, then in zip(_comings(live, polling), before_all, strict=True)
    ]
    live.close()
    polling.close()
    shares_now = [statistics.median(column) for column in zip(*shares, strict=True)]
    of_core = f"{shares_now[0]:.1f} % of a core against {shares_now[1]:.1f} %"
    note = f"{of_core}; {rate:.0f} changes a second, rows came {paces[0]:.2f} times against {paces[1]:.2f}"
    return Ratio("main thread, live / polling each 2 s", statistics.median(ratios), MOST_OF_POLLING, note)


def polling_page(browser: Browser, store: Path, init_script: str) -> MeteredPage:
    """A page that asks each POLL_S for what the journal of a store has, and is answered by this process."""
    polling = MeteredPage(browser, POLLER + init_script)
    source = JournalEvents(partial(SqliteStore.reader, store), time.time, dict, LANGUAGES["en"])
    polling.page.route("**/poll?*", partial(_answer, source))
    return polling


def _comings(*pages: MeteredPage) -> list[int]:
    return [one.page.evaluate("window.comings") for one in pages]


def _answer(source: JournalEvents, route: Route) -> None:
    after = int(parse_qs(urlsplit(route.request.url).query)["after"][0])
    events = fold(source.after(after, PAGE))
    route.fulfill(body=json.dumps([event._asdict() for event in events]), content_type="application/json")


def _newest(store: Path) -> int:
    with closing(SqliteStore.reader(store)) as reader:
        return reader.journal.newest()


def measure_heap(browser: Browser, address: str, store: Path, minutes: float) -> list[Ratio]:
    """The heap of the live page at the end against that after a minute, and the nodes of its document."""
    live = MeteredPage(browser)
    live.page.goto(address)
    first_at = min(minutes / 2, 1.0)
    live.page.wait_for_timeout(60_000 * first_at)
    seq, begin = _newest(store), time.monotonic()
    live.collect_garbage()
    first = live.read()
    live.page.wait_for_timeout(60_000 * (minutes - first_at))
    live.collect_garbage()
    last = live.read()
    rate = (_newest(store) - seq) / (time.monotonic() - begin)
    live.close()
    title = f"after {minutes:g} min / after {first_at:g}"
    note = f"{first.heap_bytes / 1e6:.2f} MB, then {last.heap_bytes / 1e6:.2f}, at {rate:.0f} changes a second"
    return [
        Ratio(f"heap {title}", last.heap_bytes / first.heap_bytes, MOST_GROWTH, note),
        Ratio(f"nodes {title}", last.nodes / first.nodes, MOST_GROWTH, f"{first.nodes:,.0f}, then {last.nodes:,.0f}"),
    ]

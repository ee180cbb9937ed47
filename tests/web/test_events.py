"""A stream of numbered events: cut, resumed, slow, stuck, ended; nothing is missing, nothing comes twice."""

import asyncio
import json
import socket
import threading
import tracemalloc
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.waiting import LAST_RESORT_S, eventually, until_true
from tests.web.site_under_test import running
from web import events
from web.events import Event, Hub, Rhythm

QUICK = Rhythm(poll_s=0.005)


class Journal:
    """A numbered source that counts how often it is asked."""

    def __init__(self, count: int = 0) -> None:
        self.rows: list[Event] = []
        self.questions = 0
        self.pages = 0
        self.is_broken = False
        self.write(count)

    def write(self, count: int, kind: str = "zone", size: int = 0) -> None:
        first = self.rows[-1].seq + 1 if self.rows else 1
        pad = "x" * size
        rows = [Event(seq, kind, json.dumps({"n": seq, "pad": pad})) for seq in range(first, first + count)]
        self.rows = [*self.rows, *rows]  # all or nothing, as a transaction

    def after(self, seq: int, limit: int) -> Sequence[Event]:
        self._ask()
        self.pages += 1
        rows = [row for row in self.rows if row.seq > seq]
        return rows[:limit]

    def newest(self) -> int:
        self._ask()
        return self.rows[-1].seq if self.rows else 0

    def _ask(self) -> None:
        self.questions += 1
        if self.is_broken:
            raise OSError("the disk is gone")


def parse(text: str) -> list[tuple[int, str]]:
    """Number and kind of every event in a piece of a stream; a number alone has no kind."""
    blocks = [
        dict(line.split(": ", 1) for line in block.splitlines() if ": " in line) for block in text.split("\r\n\r\n")
    ]
    return [(int(block["id"]), block.get("event", "")) for block in blocks if "id" in block]


async def take(stream: AsyncIterator[bytes], count: int) -> list[tuple[int, str]]:
    """So many events of a stream, which must come without waiting for ever."""
    found: list[tuple[int, str]] = []
    async with asyncio.timeout(LAST_RESORT_S):
        while len(found) < count:
            found += parse((await anext(stream)).decode())
    return found


def numbers(first: int, last: int, kind: str = "zone") -> list[tuple[int, str]]:
    return [(seq, kind) for seq in range(first, last + 1)]


@pytest.mark.parametrize("place", [0, 3, 9])
def test_a_stream_goes_on_where_it_was(place: int) -> None:
    """What came after the last number, then what comes; with a gap in the numbers too."""

    async def story() -> None:
        journal = Journal(10)
        journal.rows = [row for row in journal.rows if row.seq != 5]
        async with aclosing(Hub(journal, rhythm=QUICK).stream(place)) as stream:
            expected = [one for one in numbers(place + 1, 10) if one[0] != 5]
            assert await take(stream, len(expected)) == expected
            journal.write(3)
            assert await take(stream, 3) == numbers(11, 13)

    asyncio.run(story())


def test_a_new_stream_begins_with_what_is_new() -> None:
    """Who has no number gets no history."""

    async def story() -> None:
        journal = Journal(10)
        async with aclosing(Hub(journal, rhythm=QUICK).stream(None)) as stream:
            await anext(stream)
            task = asyncio.create_task(take(stream, 2))
            await eventually(lambda: journal.questions > 3, "a look at the journal")
            journal.write(2)
            assert await task == numbers(11, 12)

    asyncio.run(story())


@pytest.mark.parametrize("place", [0, 999, 10**15])
def test_who_is_too_far_behind_begins_anew(place: int) -> None:
    """Or ahead of anything there is, as after another file was put in: one `reset`, and then what comes."""

    async def story() -> None:
        journal = Journal(7000)
        async with aclosing(Hub(journal, rhythm=QUICK).stream(place)) as stream:
            assert await take(stream, 1) == [(7000, "reset")]
            journal.write(2)
            assert await take(stream, 2) == numbers(7001, 7002)

    asyncio.run(story())


def test_who_is_just_near_enough_gets_everything() -> None:
    """Five thousand events behind, over many pages, none is missing."""

    async def story() -> None:
        async with aclosing(Hub(Journal(7000), rhythm=QUICK).stream(2000)) as stream:
            assert await take(stream, 5000) == numbers(2001, 7000)

    asyncio.run(story())


def test_another_journal_resets_everybody() -> None:
    """The store was put back to an older copy while pages were open."""

    async def story() -> None:
        journal = Journal(100)
        async with aclosing(Hub(journal, rhythm=QUICK).stream(99)) as stream:
            assert await take(stream, 1) == numbers(100, 100)
            journal.rows = journal.rows[:40]
            assert await take(stream, 1) == [(40, "reset")]
            journal.write(1)
            assert await take(stream, 1) == numbers(41, 41)

    asyncio.run(story())


def test_cut_again_and_again_nothing_is_missing_or_twice() -> None:
    """A phone on a bad line: cut at any event, it comes back with its last number while events go on being written."""

    async def story() -> None:
        journal, hub, last = Journal(1), Hub(Journal(), rhythm=QUICK), 0
        hub = Hub(journal, rhythm=QUICK)
        found: list[tuple[int, str]] = []
        for turn in range(40):
            async with aclosing(hub.stream(last)) as stream:
                found += await take(stream, 1 + turn % 3)
                last = found[-1][0]
            journal.write(turn % 5)
            await asyncio.sleep(0.002 * (turn % 3))
            journal.write(3)
        assert found == numbers(1, len(found))

    asyncio.run(story())


def test_twenty_pages_cost_no_more_questions_than_one() -> None:
    """One reader for all; each page gets every event all the same."""

    async def story(pages: int) -> int:
        journal = Journal(10)
        hub = Hub(journal, rhythm=Rhythm(poll_s=0.02))
        streams = [hub.stream(10) for _ in range(pages)]
        tasks = [asyncio.create_task(take(stream, 200)) for stream in streams]
        await eventually(lambda: journal.questions > 2, "a look at the journal")
        for _ in range(20):
            journal.write(10)
            await asyncio.sleep(0.02)
        assert [await task for task in tasks] == [numbers(11, 210)] * pages
        for stream in streams:
            await stream.aclose()
        return journal.pages

    assert max(asyncio.run(story(1)), asyncio.run(story(20))) <= 20  # as often as there was something new


def test_without_pages_nobody_asks() -> None:
    """The reader begins with the first page and ends with the last one."""

    async def story() -> None:
        journal = Journal(10)
        hub = Hub(journal, rhythm=QUICK)
        for _ in range(2):
            async with aclosing(hub.stream(9)) as stream:
                assert await take(stream, 1) == numbers(10, 10)
                reader = hub._reader
            assert reader is not None
            await asyncio.wait({reader})
            questions = journal.questions
            await asyncio.sleep(0.05)
            assert journal.questions == questions

    asyncio.run(story())


def test_events_between_two_pages_are_not_lost() -> None:
    """Nobody looked for a while; the page that comes back gets what happened meanwhile."""

    async def story() -> None:
        journal = Journal(10)
        hub = Hub(journal, rhythm=QUICK)
        async with aclosing(hub.stream(9)) as stream:
            assert await take(stream, 1) == numbers(10, 10)
        journal.write(30)
        async with aclosing(hub.stream(10)) as stream:
            assert await take(stream, 30) == numbers(11, 40)

    asyncio.run(story())


# Pace and fold


def last_of_each(rows: Sequence[Event]) -> Sequence[Event]:
    """The last event of each kind, as a page of zones needs no more."""
    return sorted({row.kind: row for row in rows}.values())


def test_many_changes_are_few_messages() -> None:
    """What is not urgent goes out together and folded; what is urgent goes at once, after all that was before it."""

    async def story() -> None:
        journal = Journal(1)
        rhythm = Rhythm(poll_s=0.005, pace_s=10_000, is_urgent=lambda event: event.kind == "valve")
        async with aclosing(Hub(journal, fold=last_of_each, rhythm=rhythm).stream(1)) as stream:
            await anext(stream)
            task = asyncio.create_task(take(stream, 1))
            await eventually(lambda: journal.questions > 3, "a look at the journal")
            journal.write(1)  # the first one is due, since nothing went out before it
            assert await task == [(2, "zone")]
            task = asyncio.create_task(take(stream, 2))
            journal.write(50)
            await asyncio.sleep(0.05)
            assert not task.done()
            journal.write(1, "valve")
            assert await task == [(52, "zone"), (53, "valve")]

    asyncio.run(story())


def test_what_is_folded_away_still_moves_the_place() -> None:
    """A browser remembers the number, so it does not come back for the same events for ever."""

    async def story() -> None:
        journal = Journal(10)
        hub = Hub(journal, fold=lambda _: [], rhythm=QUICK)
        async with aclosing(hub.stream(0)) as stream:
            await anext(stream)
            assert await anext(stream) == b"id: 10\r\n\r\n"
            journal.write(5)
            assert await anext(stream) == b"id: 15\r\n\r\n"

    asyncio.run(story())


# Slow, stuck, ended, broken


def test_a_stuck_page_holds_no_more_than_a_few_messages() -> None:
    """Ten thousand events of 1 KiB while a page takes none: memory stays, and then it begins anew or reads on."""

    async def story() -> None:
        journal = Journal(1)
        hub = Hub(journal, rhythm=QUICK)
        stuck, quick = hub.stream(0), hub.stream(1)
        assert await take(stuck, 1) == numbers(1, 1)
        await anext(quick)
        tracemalloc.start()
        try:
            for turn in range(100):
                reading = asyncio.create_task(take(quick, 100))
                journal.write(100, size=1024)
                assert await reading == numbers(2 + 100 * turn, 101 + 100 * turn)
                journal.rows = journal.rows[-1200:]  # so that what grows is the hub's
                if turn == 20:
                    before, _ = tracemalloc.get_traced_memory()
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert after < before + 2 * 2**20
        assert await take(stuck, 1) == [(10_001, "reset")]
        await stuck.aclose()
        await quick.aclose()

    asyncio.run(story())


@pytest.mark.parametrize("burst", [events.RING - 1, events.RING + 1, 2000])
def test_a_slow_page_reads_on_from_the_journal(burst: int) -> None:
    """What has gone from the common memory is still in the source: nothing is missing."""

    async def story() -> None:
        journal = Journal(1)
        hub = Hub(journal, rhythm=QUICK)
        async with aclosing(hub.stream(0)) as slow, aclosing(hub.stream(1)) as quick:
            assert await take(slow, 1) == numbers(1, 1)
            await anext(quick)
            journal.write(burst)
            assert await take(quick, burst) == numbers(2, burst + 1)
            assert await take(slow, burst) == numbers(2, burst + 1)

    asyncio.run(story())


def test_a_stream_ends_with_its_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was let in and is so no more gets not one event more, and a silent stream ends soon too."""
    monkeypatch.setattr(events, "PING_S", 0.05)

    async def story() -> None:
        journal, is_in = Journal(1), [True]
        hub = Hub(journal, rhythm=QUICK)
        async with aclosing(hub.stream(0, lambda: is_in[0])) as stream:
            assert await take(stream, 1) == numbers(1, 1)
            is_in[0] = False
            journal.write(1)
            with pytest.raises(StopAsyncIteration):
                await anext(stream)

    asyncio.run(story())


def test_a_broken_source_ends_every_stream(caplog: pytest.LogCaptureFixture) -> None:
    """Browsers come again by themselves, and when the source is back they miss nothing; the log says it once."""

    async def story() -> None:
        journal = Journal(1)
        hub = Hub(journal, rhythm=QUICK)
        streams = [hub.stream(1) for _ in range(3)]
        tasks = [asyncio.create_task(drain(stream)) for stream in streams]
        await eventually(lambda: journal.questions > 5, "a look at the journal")
        journal.is_broken = True
        await asyncio.wait_for(asyncio.gather(*tasks), 60)
        journal.is_broken = False
        journal.write(2)
        async with aclosing(hub.stream(1)) as stream:
            assert await take(stream, 2) == numbers(2, 3)

    asyncio.run(story())
    [line] = [line for line in caplog.messages if "cannot be read" in line]
    assert "every stream ends" in line


async def drain(stream: AsyncIterator[bytes]) -> None:
    async for _ in stream:
        pass


# Over HTTP


class Served:
    """A real server of one journal, and how many streams it has open."""

    def __init__(self, journal: Journal, **options: Any) -> None:
        self.hub = Hub(journal, rhythm=QUICK, **options)
        self.is_in = True
        self.app = Starlette(routes=[Route("/events", self.events)])

    async def events(self, request: Request) -> Response:
        return self.hub.response(request, lambda: self.is_in)


class Page(threading.Thread):
    """A browser's EventSource over a real connection, until it has what it waits for."""

    def __init__(self, url: str, is_enough: Callable[[str], bool], headers: dict[str, str] | None = None) -> None:
        super().__init__()
        self.url, self.is_enough, self.headers = url, is_enough, headers or {}
        self.pieces: list[str] = []
        self.response: httpx.Response | None = None
        self.start()

    def run(self) -> None:
        with httpx.stream("GET", self.url, headers=self.headers, timeout=LAST_RESORT_S) as response:
            self.response = response
            for piece in response.iter_text():
                self.pieces.append(piece)
                if self.is_enough("".join(self.pieces[-2:])):
                    return

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def found(self) -> list[tuple[int, str]]:
        self.join()
        return parse(self.text)


def test_a_browser_resumes_by_its_last_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the header that it sends by itself, which counts more than the number that the page was made with."""
    journal = Journal(20)
    with running(Served(journal).app) as address:
        first = Page(f"{address}/events?after=5", lambda text: "id: 12\r\n" in text)
        last = first.found()[-1][0]
        journal.write(5)
        second = Page(f"{address}/events?after=5", lambda text: "id: 25\r\n" in text, {"Last-Event-ID": str(last)})
        assert first.found() + second.found() == numbers(6, 25)
    assert first.response is not None
    assert first.response.headers["content-type"].startswith("text/event-stream")
    assert first.response.headers["x-accel-buffering"] == "no"
    assert first.text.startswith(": ok\r\nretry: ")


@pytest.mark.parametrize("number", ["x", "-1", "1e3", "9" * 40, "٣", ""])
def test_a_number_that_is_none_is_no_place(number: str) -> None:
    """A stream with nonsense for a number begins with what is new, and nothing breaks."""
    journal = Journal(20)
    with running(Served(journal).app) as address:
        page = Page(f"{address}/events?after={number}", lambda text: "id: 21\r\n" in text)
        until_true(lambda: journal.questions > 5, "a look at the journal")
        until_true(lambda: ": ok" in page.text, "the stream")
        journal.write(1)
        assert page.found() == numbers(21, 21)


def test_silence_is_broken_by_a_comment(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no proxy takes the stream for dead; the page sees nothing of it."""
    monkeypatch.setattr(events, "PING_S", 0.05)
    with running(Served(Journal(3)).app) as address:
        page = Page(f"{address}/events", lambda text: ": ping" in text)
        assert page.found() == []


def test_a_thousand_events_at_once_beside_a_page_that_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other pages get all of them in order; the one that stands still is dropped, and its memory with it."""
    monkeypatch.setattr(events, "SEND_PATIENCE_S", 0.5)  # of the stuck one
    journal = Journal(1)
    served = Served(journal)
    with running(served.app) as address:
        port = int(address.rpartition(":")[2])
        stuck = socket.socket()
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect(("127.0.0.1", port))
        stuck.sendall(b"GET /events?after=0 HTTP/1.1\r\nHost: x\r\n\r\n")
        until_true(lambda: served.hub._clients == 1, "the stuck page's stream")
        monkeypatch.setattr(events, "SEND_PATIENCE_S", LAST_RESORT_S)
        pages = [Page(f"{address}/events?after=1", lambda text: "id: 2001\r\n" in text) for _ in range(3)]
        until_true(lambda: served.hub._clients == 4, "four streams")
        journal.write(1000, size=4096)
        journal.write(1000, size=4096)
        for page in pages:
            assert page.found() == numbers(2, 2001)
        until_true(lambda: not served.hub._clients, "the stuck one's end")
        assert served.hub._ring_bytes <= events.RING_BYTES
        stuck.close()


def test_an_ended_session_closes_the_stream() -> None:
    """The connection itself ends."""
    journal = Journal(1)
    served = Served(journal)
    with running(served.app) as address:
        page = Page(f"{address}/events?after=0", lambda _: False)
        until_true(lambda: "id: 1\r\n" in page.text, "the first event")
        served.is_in = False
        journal.write(1)
        assert page.found() == numbers(1, 1)

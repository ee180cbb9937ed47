"""Server-sent events of any numbered source: whoever was cut off goes on where it was, and misses nothing.

One reader asks the source for all clients, and keeps the last few messages for all of them; a client is no more than a
place in the numbers. What a slow client has not fetched is read again from the source, and whoever is too far behind is
told to begin anew (`reset`): nothing grows with a client that stands still.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple, Protocol

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

log = logging.getLogger(__name__)
RESET = "reset"
POLL_S = 0.25
PAGE = 500  # events in one question to the source
RING = 500  # messages that are kept for all clients
RING_BYTES = 2**20
FARTHEST = 5000  # events that a client may be behind and still get every one of them
PING_S = 15  # a proxy's patience is often 60 s
SEND_PATIENCE_S = 30.0  # for a client that takes nothing any more
RETRY_MS = 2000


class Event(NamedTuple):
    """One event: its number in the source, its kind, and its text (JSON)."""

    seq: int
    kind: str
    data: str


class Source(Protocol):
    """What is numbered: numbers rise, gaps are allowed, and what has a number does not change."""

    def after(self, seq: int, limit: int) -> Sequence[Event]:
        """The next events after a number, the oldest first, at most so many."""

    def newest(self) -> int:
        """The number of the newest one; 0 if there is none."""


# Makes fewer messages of the events that come at once, say the last state of each zone. It keeps the order; the last
# message takes the number of the last event.
Fold = Callable[[Sequence[Event]], Sequence[Event]]


class _Message(NamedTuple):
    seq: int
    body: bytes


class Hub:
    """The streams of one source. It reads only while somebody listens."""

    def __init__(
        self,
        source: Source,
        *,
        fold: Fold = lambda events: events,
        poll_s: float = POLL_S,
        farthest: int = FARTHEST,
        is_urgent: Callable[[Event], bool] = lambda _: True,
        pace_s: float = 1.0,
    ) -> None:
        """Events that are not urgent go out together, at most once in `pace_s`; an urgent one takes them along."""
        self._source = source
        self._fold = fold
        self._poll_s = poll_s
        self._farthest = farthest
        self._is_urgent = is_urgent
        self._pace_s = pace_s
        self._clients = 0
        self._reader: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._ring: deque[_Message] = deque()
        self._ring_bytes = 0
        self._base = 0  # the ring holds what comes after this number
        self._top = -1  # and ends with this one; -1: nothing was read yet

    def response(self, request: Request, still: Callable[[], bool] = lambda: True) -> EventSourceResponse:
        """The answer to `GET /events`: after the browser's Last-Event-ID, or `?after=`, or from now on.

        `still` is asked (in a thread) before each batch and each ping: False ends the stream.
        """
        place = _number(request.headers.get("last-event-id")) or _number(request.query_params.get("after"))
        return EventSourceResponse(
            self.stream(place, still), ping=PING_S, send_timeout=SEND_PATIENCE_S, headers={"Cache-Control": "no-store"}
        )

    async def stream(self, place: int | None, still: Callable[[], bool] = lambda: True) -> AsyncIterator[bytes]:
        """Encoded events after a number (None: from now on), for ever. Raises what the source raises."""
        async with self._listening():
            yield ServerSentEvent(comment="ok", retry=RETRY_MS).encode()
            if place is None:
                place = await run_in_threadpool(self._source.newest)
            while await run_in_threadpool(still):
                for message in await self._next(place):
                    place = message.seq
                    yield message.body

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[None]:
        self._clients += 1
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read())
        try:
            yield
        finally:
            self._clients -= 1
            if not self._clients and self._reader is not None:
                self._reader.cancel()
                self._reader = None

    async def _next(self, place: int) -> Sequence[_Message]:
        """What comes after a place: from the ring, from the source, or a reset; empty if all is quiet for a while."""
        if place == self._top:
            await self._wait()
        if self._top < 0 or place == self._top:
            return []
        if self._base <= place < self._top:
            return [message for message in self._ring if message.seq > place]
        newest = await run_in_threadpool(self._source.newest)
        if place > newest or newest - place > self._farthest:
            return [_encoded(Event(newest, RESET, "{}"))]
        if place < newest:
            return [_encoded(event) for event in await self._page(place)]
        await self._wait()  # ahead of the reader, which is about to see it
        return []

    async def _page(self, place: int) -> Sequence[Event]:
        events = await run_in_threadpool(self._source.after, place, PAGE)
        return _checked(self._fold(events), events)

    async def _wait(self) -> None:
        news = self._news
        assert self._reader is not None
        waiter = asyncio.ensure_future(news.wait())
        try:
            await asyncio.wait({waiter, self._reader}, timeout=PING_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiter.cancel()
        if self._reader is not None and self._reader.done():
            await self._reader  # the source failed: every stream ends with its error, and browsers come again

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        top = await run_in_threadpool(self._source.newest)
        self._begin(top)
        pending: list[Event] = []
        told_at = loop.time() - self._pace_s
        while True:
            newest = await run_in_threadpool(self._source.newest)
            if newest < top:  # another source than before: nobody's place means anything there
                top, pending = newest, []
                self._begin(top)
            if newest > top:
                events = await run_in_threadpool(self._source.after, top, PAGE)
                pending += events
                top = events[-1].seq if events else newest
            is_due = loop.time() - told_at >= self._pace_s or len(pending) >= PAGE
            if pending and (is_due or any(map(self._is_urgent, pending))):
                self._tell(_checked(self._fold(pending), pending))
                pending, told_at = [], loop.time()
            if top == newest:
                await asyncio.sleep(self._poll_s)

    def _begin(self, top: int) -> None:
        self._ring.clear()
        self._ring_bytes = 0
        self._base = self._top = top
        self._wake()

    def _tell(self, events: Sequence[Event]) -> None:
        for event in events:
            message = _encoded(event)
            self._ring.append(message)
            self._ring_bytes += len(message.body)
            self._top = message.seq
        while len(self._ring) > RING or self._ring_bytes > RING_BYTES:
            oldest = self._ring.popleft()
            self._ring_bytes -= len(oldest.body)
            self._base = oldest.seq
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def _checked(messages: Sequence[Event], events: Sequence[Event]) -> Sequence[Event]:
    """A fold may leave events out, but not the number of the last one: that is where the stream goes on."""
    if not messages:
        return [Event(events[-1].seq, "quiet", "")] if events else []
    assert messages[-1].seq == events[-1].seq, "a fold's last message has the number of the last event"
    return messages


def _encoded(event: Event) -> _Message:
    body = ServerSentEvent(event.data, event=event.kind, id=str(event.seq)).encode()
    return _Message(event.seq, body)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() and len(text) < 19 else None

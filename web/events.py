"""Server-sent events of any numbered source: whoever was cut off goes on where it was, and misses nothing.

One reader asks the source for all clients, and keeps the last few messages for all of them; a client is no more than a
place in the numbers. What a slow client has not fetched is read again from the source, and whoever is too far behind is
told to begin anew (`reset`): nothing grows with a client that stands still.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import takewhile
from typing import NamedTuple, Protocol

from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

log = logging.getLogger(__name__)
RESET = "reset"
PING = "ping"  # without a number; a page that misses some knows that its line is dead, before TCP does
POLL_S = 0.25
PAGE = 500  # events in one question to the source
RING = 500  # messages that are kept for all clients
RING_BYTES = 2**20
FARTHEST = 5000  # events that a client may be behind and still get every one of them
PING_S = 15  # a proxy's patience is often 60 s
SEND_PATIENCE_S = 30.0  # for a client that takes nothing any more
RETRY_MS = 2000
AT_ONCE = 50  # messages that a client holds while it takes them
UNREAD = -1


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


# Makes fewer messages of the events that come at once, say the last state of each thing, and keeps their order. A
# message has the number of an event that it stands for, so that a stream that is cut goes on after it.
Fold = Callable[[Sequence[Event]], Sequence[Event]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """How often the source is asked (s), and what waits: events that are not urgent go out together, at most once in
    `pace_s`; an urgent one goes out at once and takes along those before it.
    """

    poll_s: float = POLL_S
    pace_s: float = 1.0
    is_urgent: Callable[[Event], bool] = lambda _: True


class _Message(NamedTuple):
    seq: int
    body: bytes
    is_last: bool = False


class Hub:
    """The streams of one source. It reads only while somebody listens."""

    def __init__(
        self,
        source: Source,
        *,
        fold: Fold = lambda events: events,
        rhythm: Rhythm = Rhythm(),
        farthest: int = FARTHEST,
        is_last: Callable[[Event], bool] = lambda _: False,
    ) -> None:
        """`farthest`: how many numbers a client may be behind before it is told to begin anew; `is_last`: after that
        event each stream ends.
        """
        self._source = source
        self._fold = fold
        self._rhythm = rhythm
        self._farthest = farthest
        self._is_last = is_last
        self._clients = 0
        self._reader: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._ring: deque[_Message] = deque()
        self._ring_bytes = 0
        self._base = 0  # the ring holds what comes after this number
        self._top = UNREAD  # and ends with this one

    def response(
        self, request: Request, still: Callable[[], bool] = lambda: True, begin: int | None = None
    ) -> EventSourceResponse:
        """The answer to `GET /events`: after the browser's Last-Event-ID, or `?after=`, or `begin` (None: from now on).

        `still` is asked (in a thread) before each batch and each ping: False ends the stream.
        """
        place = place_of(request)
        place = begin if place is None else place
        return _Response(
            self.stream(place, still),
            ping=PING_S,
            ping_message_factory=lambda: ServerSentEvent("{}", event=PING),
            send_timeout=SEND_PATIENCE_S,
            headers={"Cache-Control": "no-store"},
        )

    async def stream(self, place: int | None, still: Callable[[], bool] = lambda: True) -> AsyncGenerator[bytes, None]:
        """Encoded events after a number (None: from now on), up to the last one, or until `still` says no or the source
        fails.
        """
        async with self._listening():
            if place is None:
                place = await run_in_threadpool(self._source.newest)
            yield ServerSentEvent(comment="ok", retry=RETRY_MS).encode()
            while not self._has_failed() and await run_in_threadpool(still):
                for message in await self._next(place):
                    place = message.seq
                    yield message.body
                    if message.is_last:
                        return

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[None]:
        self._clients += 1
        if self._reader is None or self._has_failed():
            self._begin(UNREAD)
            self._reader = asyncio.create_task(self._read())
            self._reader.add_done_callback(_tell_failure)
        try:
            yield
        finally:
            self._clients -= 1
            if not self._clients and self._reader is not None:
                self._reader.cancel()
                self._reader = None

    def _has_failed(self) -> bool:
        return self._reader is not None and self._reader.done()

    async def _next(self, place: int) -> Sequence[_Message]:
        """What comes after a place: from the ring, from the source, or a reset; empty if all is quiet for a while."""
        if self._top in {UNREAD, place}:
            await self._wait()
            return []
        if self._base <= place < self._top:
            return self._from_ring(place)
        newest = await run_in_threadpool(self._source.newest)
        if place > newest or newest - place > self._farthest:
            return [_encoded(Event(newest, RESET, "{}"))]
        if place < newest:
            events = await run_in_threadpool(self._source.after, place, PAGE)
            return self._messages(events)
        await self._wait()  # ahead of the reader, which is about to see it
        return []

    def _from_ring(self, place: int) -> Sequence[_Message]:
        later = list(takewhile(lambda message: message.seq > place, reversed(self._ring)))
        return later[: -AT_ONCE - 1 : -1]

    def _messages(self, events: Sequence[Event]) -> list[_Message]:
        messages = [_encoded(event)._replace(is_last=self._is_last(event)) for event in self._fold(events)]
        if events and (not messages or messages[-1].seq < events[-1].seq):
            messages.append(_encoded(Event(events[-1].seq, "", "")))  # the place, for what the fold left out
        return messages

    async def _wait(self) -> None:
        """Until there is something new, or for a while, or until the reader has failed."""
        assert self._reader is not None
        news = asyncio.ensure_future(self._news.wait())
        try:
            await asyncio.wait({news, self._reader}, timeout=PING_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()

    async def _read(self) -> None:
        clock, rhythm = asyncio.get_running_loop().time, self._rhythm
        place = await run_in_threadpool(self._source.newest)
        self._begin(place)
        pending: list[Event] = []
        told_at = clock() - rhythm.pace_s
        while True:
            newest = await run_in_threadpool(self._source.newest)
            if newest < place:  # another source than before: nobody's place means anything there
                place, pending = newest, []
                self._begin(place)
            if newest > place:
                events = await run_in_threadpool(self._source.after, place, PAGE)
                pending += events
                place = events[-1].seq if events else newest
            is_due = clock() - told_at >= rhythm.pace_s or len(pending) >= PAGE
            if pending and (is_due or any(map(rhythm.is_urgent, pending))):
                self._tell(self._messages(pending))
                pending, told_at = [], clock()
            if place == newest:
                await asyncio.sleep(rhythm.poll_s)

    def _begin(self, place: int) -> None:
        self._ring.clear()
        self._ring_bytes = 0
        self._base = self._top = place
        self._wake()

    def _tell(self, messages: Sequence[_Message]) -> None:
        self._ring.extend(messages)
        self._ring_bytes += sum(len(message.body) for message in messages)
        self._top = messages[-1].seq
        while len(self._ring) > RING or self._ring_bytes > RING_BYTES:
            oldest = self._ring.popleft()
            self._ring_bytes -= len(oldest.body)
            self._base = oldest.seq
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def place_of(request: Request) -> int | None:
    """The number after which a client wants to go on: the browser's Last-Event-ID, or `?after=`."""
    return _number(request.headers.get("last-event-id")) or _number(request.query_params.get("after"))


class _Response(EventSourceResponse):
    """One that takes a client's standing still for its end."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            log.info("a client took nothing of its stream for %s s and is dropped", self.send_timeout)


def _tell_failure(reader: asyncio.Task[None]) -> None:
    if not reader.cancelled() and (error := reader.exception()) is not None:
        log.error("the source of events cannot be read; every stream ends, and browsers come again", exc_info=error)


def _encoded(event: Event) -> _Message:
    """Without a kind it is a place only, which a browser remembers and tells no page."""
    number = str(event.seq)
    sse = ServerSentEvent(event.data, event=event.kind, id=number) if event.kind else ServerSentEvent(id=number)
    return _Message(event.seq, sse.encode())


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 19 else None

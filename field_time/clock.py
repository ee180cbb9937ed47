"""Field time: one virtual clock for every process of a demonstration.

The owner, `FieldClock`, advances to the next due moment only when nothing is in flight, so that speed is bounded by the
machine and results do not depend on it. Each process takes part through `take_part`, and its asyncio code lives on a
`VirtualTime`. Two rounds of questions find the quiet: if every participant is idle in both, and none was active in
between, then there was a moment in which all of them were idle at once.

Wire format: JSON lines on a loopback socket, one question and one answer at a time.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from field_time.errors import FieldClockError, LostError
from field_time.participant import LINE_LIMIT, send

STUCK_AFTER_S = 60  # real seconds without an answer
LOOK_EVERY_S = 0.1  # real seconds between two moves of the hands while nothing is due


class _Participant:
    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str, facts: dict[str, Any]
    ) -> None:
        self._reader, self._writer, self.name, self.facts = reader, writer, name, facts
        self.due_ms: int | None = None
        self.leaves = False

    async def ask(self, do: str, limit_s: float | None = None, **more: Any) -> dict[str, Any]:
        limit_s = limit_s or STUCK_AFTER_S
        try:
            send(self._writer, {"do": do, **more})
            async with asyncio.timeout(limit_s):  # not wait_for: in Python 3.11 it can swallow a cancellation
                line = await self._reader.readline()
        except TimeoutError:
            raise FieldClockError(f"{self.name} did not answer '{do}' within {limit_s} s") from None
        except ConnectionError as error:
            raise LostError(f"{self.name} is gone: {error}") from error
        if not line.endswith(b"\n"):
            raise LostError(f"{self.name} is gone")
        answer: dict[str, Any] = json.loads(line)
        if "restless" in answer:
            raise FieldClockError(f"{self.name} does not come to rest: {answer['restless']}")
        return answer

    def close(self) -> None:
        self._writer.close()


class FieldClock:
    """Owns field time. `order` names the participants; at one moment they are released in this order.

    A participant that is gone ends it with LostError, unless `expect_again` announced another in its place.
    """

    def __init__(self, start_s: int, order: tuple[str, ...]) -> None:
        self.now_ms = start_s * 1000
        self.released = ""  # who was told to run last, and how many have been told
        self.releases = 0
        self._order = order
        self._present: dict[str, _Participant] = {}
        self._arrivals = asyncio.Condition()

    async def serve(self) -> int:
        """Listen on loopback; gives the port."""
        self._server = await asyncio.start_server(self._welcome, "127.0.0.1", 0, limit=LINE_LIMIT)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Let every participant go and stop listening."""
        for participant in self._present.values():
            participant.close()
        self._server.close()
        await self._server.wait_closed()

    async def joined(self, *names: str) -> dict[str, Any]:
        """Wait until these participants have come; gives the facts that they told, together."""
        async with self._arrivals:
            await self._arrivals.wait_for(
                lambda: all(n in self._present and not self._present[n].leaves for n in names)
            )
        return {key: value for name in names for key, value in self._present[name].facts.items()}

    def expect_again(self, name: str) -> None:
        """This participant is about to go, and another will come in its place: field time waits for it."""
        self._present[name].leaves = True

    async def run_until(self, end_s: int, tell: Callable[[int, str], None]) -> None:
        """Advance from one due moment to the next up to `end_s`; `tell(now_s, news)` hears of progress."""
        while True:
            tell(self.now_ms // 1000, await self.quiet())
            if not await self._release(end_s * 1000):
                await self.advance(end_s)
                return

    async def keep_pace(self, end_s: int, speed: float, tell: Callable[[int, str], None]) -> None:
        """As `run_until`, but no faster than `speed` times the world's time: field time is late, never early.

        The hands also move between two due moments, so that whoever looks at them, or comes in between, knows the time.
        """
        now_s = asyncio.get_running_loop().time
        began_s, began_ms = now_s(), self.now_ms
        while True:
            tell(self.now_ms // 1000, await self.quiet())
            until_ms = min(began_ms + int((now_s() - began_s) * speed * 1000), end_s * 1000)
            if await self._release(until_ms):
                continue
            if until_ms == end_s * 1000:
                await self.advance(end_s)
                return
            await self._advance(max(until_ms, self.now_ms))
            await asyncio.sleep(LOOK_EVERY_S)

    async def _release(self, until_ms: int) -> bool:
        """Have the participant run that is due first; False if nobody is due by then."""
        due = [
            (due_ms, i) for i, name in enumerate(self._names()) if (due_ms := self._present[name].due_ms) is not None
        ]
        if not due or min(due)[0] > until_ms:
            return False
        moment, index = min(due)
        await self._advance(max(moment, self.now_ms))
        self.released = self._names()[index]
        self.releases += 1
        await self._ask(self.released, "run")
        return True

    async def quiet(self) -> str:
        """Wait until nothing is in flight anywhere; gives the news."""
        before: list[int] | None = None
        news = ""
        while True:
            answers = await asyncio.gather(*(self._ask(name, "settle") for name in self._names()))
            for name, answer in zip(self._names(), answers, strict=True):
                self._present[name].due_ms = answer["due_ms"]
            news = next((answer["news"] for answer in answers if answer["news"]), news)
            activity = [answer["activity"] for answer in answers]
            if activity == before:
                return news
            before = activity

    async def stop(self, name: str) -> dict[str, Any]:
        """Have one participant bring everything home; gives its last words. It takes no further part."""
        last_words = await self._ask(name, "stop", limit_s=300)
        self._present.pop(name).close()
        return last_words

    async def advance(self, now_s: int) -> None:
        """Move the hands, and run nothing."""
        await self._advance(now_s * 1000)

    def _names(self) -> list[str]:
        return [name for name in self._order if name in self._present]

    async def _ask(self, name: str, do: str, limit_s: float | None = None, **more: Any) -> dict[str, Any]:
        while True:
            participant = self._present[name]
            try:
                return await participant.ask(do, limit_s, **more)
            except LostError:
                if not participant.leaves:
                    raise
                await self._replacement(participant)
                if do == "run":  # what was due is due again, or done
                    return {}

    async def _replacement(self, participant: _Participant) -> None:
        participant.close()
        async with self._arrivals, asyncio.timeout(STUCK_AFTER_S):
            await self._arrivals.wait_for(lambda: self._present[participant.name] is not participant)
        await self._ask(participant.name, "time", ms=self.now_ms)

    async def _advance(self, ms: int) -> None:
        if ms != self.now_ms:
            self.now_ms = ms
            await asyncio.gather(*(self._ask(name, "time", ms=ms) for name in self._names()))

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello = json.loads(await reader.readline())
        async with self._arrivals:
            if before := self._present.get(hello["name"]):
                before.close()
            self._present[hello["name"]] = _Participant(reader, writer, hello["name"], hello["facts"])
            self._arrivals.notify_all()

"""Field time, a participant's side: the clock its code lives on, and the answers to the owner's questions."""

import asyncio
import heapq
import itertools
import json
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

LINE_LIMIT = 64 * 1024 * 1024  # a participant's last words can hold a season's traces
RESTLESS_AFTER_S = 40  # real seconds in which a participant may come to rest; the owner gives up after 60
LOOK_AFTER_S = (0.001, 0.01)  # real seconds between two looks: rest is near, or a process is on its way back
SETTLING_TURNS = 12  # turns of the event loop after which a chain of woken tasks has come to rest


class VirtualTime:
    """The clock that code on field time is given: `now`, `ticks_ms`, `trusted`, `sleep_ms`. Starts in Unix ms."""

    def __init__(self, start_ms: int) -> None:
        self._ms = start_ms
        self._start_ms = start_ms
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> int:
        """Unix seconds."""
        return self._ms // 1000

    def now_ms(self) -> int:
        """Unix milliseconds."""
        return self._ms

    def ticks_ms(self) -> int:
        """Milliseconds since the start, never going back."""
        return self._ms - self._start_ms

    def trusted(self) -> bool:
        """True: field time is what the demonstration calls the right time."""
        return True

    async def sleep_ms(self, ms: int) -> None:
        """Wait until `ms` of field time have passed."""
        if ms <= 0:
            await asyncio.sleep(0)
            return
        sleeper = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._ms + ms, next(self._order), sleeper))
        await sleeper

    def due_ms(self) -> int | None:
        """When the next sleeper wakes, in Unix milliseconds."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    def set_ms(self, ms: int) -> None:
        """Move the hands without waking anyone."""
        self._ms = ms

    def wake(self) -> None:
        """Wake every sleeper whose time has come."""
        while (due := self.due_ms()) is not None and due <= self._ms:
            heapq.heappop(self._sleepers)[2].set_result(None)


class Part(Protocol):
    """What a process does on field time."""

    def idle(self) -> bool:
        """True if nothing is in flight and nothing will happen until the next due moment or a message."""

    def why_busy(self) -> str:
        """What it waits for while it is not idle, for a person."""

    def activity(self) -> int:
        """A count that rises with everything sent, received or run."""

    def due_ms(self) -> int | None:
        """The next moment, in Unix milliseconds, at which this process has something to do."""

    async def run_due(self) -> None:
        """Do what is due now."""

    async def stop(self) -> dict[str, Any]:
        """Bring everything home, close, and say what came of it."""

    def news(self) -> str:
        """The last thing worth telling a person since it was last asked, or nothing."""


async def take_part(port: int, name: str, time: VirtualTime, part: Part, **facts: Any) -> None:
    """Answer the field clock's questions until it says stop, or is gone; `facts` are told when joining."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=LINE_LIMIT)
    try:
        send(writer, {"name": name, "facts": facts})
        while line := await reader.readline():
            question = json.loads(line)
            send(writer, await ANSWERS[question["do"]](time, part, question))
            await writer.drain()
            if question["do"] == "stop":
                return
    finally:
        writer.close()


async def _settle(_time: VirtualTime, part: Part, _question: dict[str, Any]) -> dict[str, Any]:
    patience = asyncio.get_running_loop().time() + RESTLESS_AFTER_S
    nap_s = LOOK_AFTER_S[0]
    while not await _at_rest(part):
        await asyncio.sleep(nap_s)
        nap_s = min(nap_s * 1.1, LOOK_AFTER_S[1])
        if asyncio.get_running_loop().time() > patience:
            return {"restless": part.why_busy()}
    return {"activity": part.activity(), "due_ms": part.due_ms(), "news": part.news()}


async def _at_rest(part: Part) -> bool:
    for _ in range(SETTLING_TURNS):
        await asyncio.sleep(0)
    return part.idle()


async def _set_time(time: VirtualTime, _part: Part, question: dict[str, Any]) -> dict[str, Any]:
    time.set_ms(question["ms"])
    return {}


async def _run(_time: VirtualTime, part: Part, _question: dict[str, Any]) -> dict[str, Any]:
    await part.run_due()
    return {}


async def _stop(_time: VirtualTime, part: Part, _question: dict[str, Any]) -> dict[str, Any]:
    return await part.stop()


# What the owner asks, and who answers.
ANSWERS: dict[str, Callable[[VirtualTime, Part, dict[str, Any]], Awaitable[dict[str, Any]]]] = {
    "settle": _settle,
    "time": _set_time,
    "run": _run,
    "stop": _stop,
}


def send(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    writer.write(json.dumps(message).encode() + b"\n")


async def until_let_go(answering: Coroutine[Any, Any, None]) -> None:
    """Run `answering` to its end, or until whoever started this process is gone; raises what `answering` raises."""
    ends = [asyncio.create_task(answering), asyncio.create_task(input_closed())]
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if ends[0].done():
            ends[0].result()
    finally:
        for task in ends:
            task.cancel()


async def input_closed() -> None:
    """Return when standard input ends: who started us is gone."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        while await reader.read(4096):
            pass
    finally:
        transport.close()

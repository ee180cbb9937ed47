"""The network of a chaos run: a TCP relay a link, whose weather can be made bad; what it did is counted at the link."""

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass, field

BLOCK = 16384
UP, DOWN = "up", "down"  # towards the gate, and from it
HTTP_500 = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass
class Weather:
    """What befalls the bytes of a link; as made, nothing does."""

    refuses: bool = False  # hangs up on whoever connects
    is_silent: bool = False  # takes connections, and carries nothing
    answers_500: bool = False
    is_stalled: bool = False  # carries nothing more, either way, until the weather changes
    swallows: str = ""  # the direction whose bytes are lost
    tears: bool = False  # hangs up in the middle of the next block towards the gate
    delay_s: float = 0.0  # of each block
    bytes_per_s: int = 0  # 0: as fast as it goes


@dataclass
class Link:
    """A relay from a port of its own to `target` on the loopback. `seen` counts what its weather did."""

    name: str
    target: int
    seen: Counter[str] = field(default_factory=Counter)
    port: int = 0

    def __post_init__(self) -> None:
        self._weather = Weather()
        self._changed = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """Listen on a free port; gives it."""
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self.port

    async def stop(self) -> None:
        """Hang up, and listen no more."""
        if self._server:
            self._server.close()
        self.cut()
        while self._writers:
            await asyncio.sleep(0.01)

    @property
    def live(self) -> int:
        """How many connections it carries."""
        return len(self._writers) // 2

    def set(self, weather: Weather) -> None:
        """From now on this is its weather."""
        self._weather = weather
        self._changed.set()
        self._changed = asyncio.Event()

    def cut(self) -> None:
        """Hang up on both sides of every connection."""
        for writer in self._writers:
            writer.transport.abort()
        self.seen["cut"] += self.live

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        weather = self._weather
        if weather.refuses:
            self.seen["refused"] += 1
            writer.transport.abort()
            return
        self.seen["accepted"] += 1
        if weather.is_silent or weather.answers_500:
            await self._lonely(reader, writer)
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            self.seen["unreachable"] += 1
            writer.transport.abort()
            return
        pair = {writer, far_writer}
        self._writers |= pair
        try:
            await asyncio.gather(self._pump(reader, far_writer, UP), self._pump(far_reader, writer, DOWN))
        finally:
            self._writers -= pair
            for one in pair:
                one.transport.abort()

    async def _lonely(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A connection that reaches nobody: without a word, or with a server's error to each request."""
        self._writers |= {writer}
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(60):
                while await reader.read(BLOCK):
                    if self._weather.answers_500:
                        self.seen["answered_500"] += 1
                        writer.write(HTTP_500)
                        break
                    self.seen["unanswered"] += 1
                await writer.drain()
        self._writers -= {writer}
        writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str) -> None:
        with contextlib.suppress(OSError):
            while block := await reader.read(BLOCK):
                if not await self._carry(block, writer, way):
                    writer.transport.abort()
                    break
        writer.close()

    async def _carry(self, block: bytes, writer: asyncio.StreamWriter, way: str) -> bool:
        """Under the weather as it is; False: hang up."""
        while self._weather.is_stalled:
            self.seen["stalled"] += 1
            await self._changed.wait()
        weather = self._weather
        if weather.swallows == way:
            self.seen["swallowed"] += len(block)
            return True
        if weather.tears and way == UP:
            self.seen["torn"] += 1
            writer.write(block[: len(block) // 2])
            await writer.drain()
            return False
        if weather.delay_s:
            self.seen["delayed"] += 1
            await asyncio.sleep(weather.delay_s)
        for start in range(0, len(block), weather.bytes_per_s or len(block)):
            writer.write(block[start : start + (weather.bytes_per_s or len(block))])
            await writer.drain()
            if weather.bytes_per_s:
                self.seen["throttled"] += 1
                await asyncio.sleep(min(1.0, len(block) / weather.bytes_per_s))
        return True

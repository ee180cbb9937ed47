"""A forecast server that can die and lie."""

import asyncio
import contextlib
import json
from collections import Counter

HANG_S = 15
GOOD = {
    "utc_offset_seconds": 0,
    "hourly_units": {"time": "iso8601", "precipitation": "mm", "temperature_2m": "°C"},
    "hourly": {"time": [], "precipitation": [], "temperature_2m": []},
}


def _lie(rain: object, temperature: object) -> bytes:
    hours = [f"2020-07-{day:02}T{hour:02}:00" for day in range(1, 4) for hour in range(24)]
    hourly = {"time": hours, "precipitation": [rain] * 72, "temperature_2m": [temperature] * 72}
    return json.dumps({**GOOD, "hourly": hourly}).encode()


# What it answers in each mood; None: not at all.
MOODS: dict[str, tuple[int, bytes] | None] = {
    "good": (200, _lie(0.0, 22.0)),
    "hangs": None,
    "error": (500, b"no forecast today"),
    "is no JSON": (200, b"<html>maintenance</html>"),
    "is cut off": (200, _lie(0.0, 22.0)[:700]),
    "2,000 mm an hour": (200, _lie(2000.0, 22.0)),
    "-9999": (200, _lie(-9999, -9999)),
    "NaN": (200, _lie(float("nan"), float("inf"))),
    "words": (200, _lie("much", None)),
    "nests": (200, b"[" * 100_000),
}


class ForecastServer:
    """Answers every request in its `mood`, and counts them by it."""

    def __init__(self) -> None:
        self.mood = "good"
        self.answered: Counter[str] = Counter()
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """Listen; gives the port."""
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Listen no more."""
        if self._server:
            self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mood = self.mood
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            async with asyncio.timeout(HANG_S):
                await reader.readuntil(b"\r\n\r\n")
                self.answered[mood] += 1
                answer = MOODS[mood]
                if answer is None:
                    await reader.read()
                else:
                    code, body = answer
                    head = f"HTTP/1.1 {code} so\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                    writer.write(head.encode() + body)
                    await writer.drain()
        writer.close()

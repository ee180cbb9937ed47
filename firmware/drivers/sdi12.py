"""SDI-12 probes (version 1.4): break, command, wait, data, over a UART at 1200 baud with 7 bits and even parity."""

import asyncio
import time

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from machine import UART, Pin

BAUD = 1200
BREAK_BAUD = 1000  # a break of the UART is 13 bits; the standard wants at least 12 ms of it
MARK_MS = 9
CHARACTER_MS = 9  # ten bits at 1200 baud
LINE_MS = 1000  # an answer's longest line at 1200 baud takes less
TURN_MS = 20
SILENCE_MS = 200  # without a character; the standard says 15, a busy event loop looks later
ATTEMPTS = 3
BLOCKS = 10  # aD0! to aD9!


class Sdi12:
    """One probe at `address`. `values` names the quantities in the order in which the probe sends them.

    `uart` gives the line's UART at a baud rate. `enable` is high while we speak, to switch the one-wire driver. Probes
    of one line may be measured one after the other. Temperatures are in Celsius, water in m3/m3 as sent.
    """

    def __init__(self, uart: "Callable[[int], UART]", enable: "Pin", address: str, values: "Sequence[str]") -> None:
        self._uart_at = uart
        self._uart = uart(BAUD)
        self._enable = enable
        self._address = address
        self._values = values

    async def measure(self) -> "dict[str, float | None]":
        """The named quantities; None for all of them when the probe is silent or answers what the standard forbids."""
        try:
            numbers = await self._numbers()
        except (OSError, ValueError):
            numbers = []
        good = len(numbers) >= len(self._values)
        return {name: numbers[index] if good else None for index, name in enumerate(self._values)}

    async def _numbers(self) -> "list[float]":
        """`aM!` gives `atttn`: ready after ttt seconds with n values; `aD0!`, `aD1!` ... give them."""
        answer = await self._ask("M!")
        if len(answer) != 5 or not answer[1:].isdigit():
            raise ValueError("no answer to a measurement")
        seconds, count = int(answer[1:4]), int(answer[4])
        for _ in range(seconds * 10):
            if self._uart.any():  # `a`: ready before its time
                break
            await asyncio.sleep(0.1)
        numbers: list[float] = []
        for block in range(BLOCKS):
            if len(numbers) >= count:
                break
            numbers += signed((await self._ask(f"D{block}!"))[1:])
        return numbers[:count]

    async def _ask(self, command: str) -> str:
        """The answer without its end of line; asked again if none comes. Raises OSError, ValueError."""
        frame = (self._address + command).encode()
        for _ in range(ATTEMPTS):
            self._speak(frame)
            answer = await self._heard(frame)
            if answer.endswith(b"\r\n") and answer[:1] == frame[:1]:
                return answer[:-2].decode()
        raise OSError("no answer")

    def _speak(self, frame: bytes) -> None:
        """Blocks for 50 ms: the probe answers 9 ms after our last bit, and has to find the line free."""
        self._enable.value(1)
        try:
            self._uart_at(BREAK_BAUD).sendbreak()
            self._uart_at(BAUD)
            time.sleep_ms(MARK_MS)
            self._uart.read()  # what came in late, and the break's echo
            self._uart.write(frame)
            time.sleep_ms(len(frame) * CHARACTER_MS)
        finally:
            self._enable.value(0)

    async def _heard(self, frame: bytes) -> bytes:
        answer = b""
        for turn in range(LINE_MS // TURN_MS):
            await asyncio.sleep(TURN_MS / 1000)
            answer = (answer + (self._uart.read() or b"")).lstrip(b"\x00")
            if answer.startswith(frame):  # on one wire our own words come back
                answer = answer[len(frame) :]
            if answer.endswith(b"\r\n") or (turn * TURN_MS > SILENCE_MS and not answer):
                break
        return answer


def signed(text: str) -> "list[float]":
    """The values of a data answer: each begins with its sign. Raises ValueError."""
    values, begin = [], 0
    for index in range(1, len(text) + 1):
        if index == len(text) or text[index] in "+-":
            if text[begin] not in "+-" or not text[begin + 1 : index].replace(".", "", 1).isdigit():
                raise ValueError(text)
            values.append(float(text[begin:index]))
            begin = index
    return values

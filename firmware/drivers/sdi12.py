"""SDI-12 probes (version 1.4): break, command, wait, data, over a UART at 1200 baud with 7 bits and even parity."""

import asyncio

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    from collections.abc import Sequence

    from machine import UART, Pin

BREAK_MS = 13
MARK_MS = 9
CHARACTER_MS = 9  # ten bits at 1200 baud
LINE_MS = 1000  # an answer's longest line at 1200 baud takes less


class Sdi12:
    """One probe at `address`. `values` names the quantities in the order in which the probe sends them.

    `enable` is high while we speak, to switch the one-wire driver. Temperatures are in Celsius, water in m3/m3 as sent.
    """

    def __init__(self, uart: "UART", enable: "Pin", address: str, values: "Sequence[str]") -> None:
        self._uart = uart
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
        seconds, count = int(answer[1:4]), int(answer[4:5])
        for _ in range(seconds * 10):
            if self._uart.any():  # `a`: ready before its time
                self._uart.read()
                break
            await asyncio.sleep(0.1)
        numbers: list[float] = []
        block = 0
        while len(numbers) < count and block < 10:
            numbers += signed((await self._ask(f"D{block}!"))[1:])
            block += 1
        return numbers

    async def _ask(self, command: str) -> str:
        sent = (self._address + command).encode()
        self._enable.value(1)
        self._uart.sendbreak()
        await asyncio.sleep((BREAK_MS + MARK_MS) / 1000)
        self._uart.write(sent)
        await asyncio.sleep(len(sent) * CHARACTER_MS / 1000)
        self._enable.value(0)
        answer = b""
        for _ in range(LINE_MS // 20):
            await asyncio.sleep(0.02)
            answer = (answer + (self._uart.read() or b"")).lstrip(b"\x00")  # as the break echoes
            if answer.startswith(sent):  # on one wire our own words come back
                answer = answer[len(sent) :]
            if answer.endswith(b"\r\n"):
                break
        if not answer.endswith(b"\r\n") or answer[:1] != sent[:1]:
            raise OSError("no answer")
        return answer[:-2].decode()


def signed(text: str) -> "list[float]":
    """The values of a data answer: each begins with its sign. Raises ValueError."""
    values, begin = [], 0
    for index in range(1, len(text) + 1):
        if index == len(text) or text[index] in "+-":
            values.append(float(text[begin:index]))
            begin = index
    return values

"""Simulated for the bench, never upload it to a board: asyncio's streams over the host's sockets."""

import asyncio
from asyncio import Event

import _wires
import uctypes

OPENING, OPEN = 0, 1
_streams = {}


def _changed():
    for stream in list(_streams.values()):
        stream.event.set()


_wires.when_changed(_changed)


class Stream:
    """One connection, reader and writer in one, as on the board."""

    def __init__(self, wire):
        self.event = Event()
        self._wire = wire
        self._out = b""
        _streams[wire] = self

    async def opened(self):
        """Wait until the connection is there. Raises OSError or ValueError as the board's handshake does."""
        while _wires.state(self._wire) == OPENING:
            await self._change()
        if _wires.state(self._wire) != OPEN:
            self._raise()
        return self

    async def read(self, n=-1):
        while not _wires.available(self._wire) and not _wires.ended(self._wire):
            await self._change()
        there = _wires.available(self._wire)
        return self._take(there if n < 0 else min(n, there))

    async def readexactly(self, n):
        while _wires.available(self._wire) < n:
            if _wires.ended(self._wire):
                raise EOFError
            await self._change()
        return self._take(n)

    async def readinto(self, buf):
        data = await self.read(len(buf))
        buf[: len(data)] = data
        return len(data)

    def write(self, data):
        self._out += data

    async def drain(self):
        if not self._out:
            return await asyncio.sleep(0)
        data, self._out = self._out, b""
        if _wires.send(self._wire, uctypes.addressof(data), len(data)):
            self._raise()
        await asyncio.sleep(0)

    def close(self):
        """Closes nothing, as on the board."""

    async def wait_closed(self):
        _streams.pop(self._wire, None)
        _wires.close(self._wire)

    def get_extra_info(self, _name):
        return ("127.0.0.1", 0)

    async def _change(self):
        self.event.clear()
        await self.event.wait()

    def _take(self, n):
        data = bytearray(n)
        if n:
            _wires.take(self._wire, uctypes.addressof(data), n)
        return bytes(data)

    def _raise(self):
        number, text = _wires.errorNumber(self._wire), _wires.errorText(self._wire)
        if not number:
            raise ValueError(text)
        raise OSError(number, text)


async def open_connection(host, port, ssl=None, server_hostname=None, local_addr=None):
    """Looks the name up, which blocks as on the board, then connects."""
    address = _wires.resolve(host)
    if address[0] == "-":
        raise OSError(int(address))
    context = ssl._id if ssl else -1
    if ssl and ssl.verify_mode == 2 and not ssl._trusts:
        raise ValueError("The certificate is not correctly signed by the trusted CA\n")
    stream = Stream(_wires.connect(address, port, context, server_hostname or host))
    try:
        await stream.opened()
    except BaseException:
        await stream.wait_closed()
        raise
    return stream, stream


class ThreadSafeFlag:
    """Set from an interrupt, awaited by one task; clears itself."""

    def __init__(self):
        self._event = Event()

    def set(self):
        self._event.set()

    def clear(self):
        self._event.clear()

    async def wait(self):
        await self._event.wait()
        self._event.clear()

"""Simulated for the bench, never upload it to a board: datagrams to the world's name server and time server."""

import _chip
import _wires
import uctypes

AF_INET, SOCK_STREAM, SOCK_DGRAM = 2, 1, 2
EAGAIN, ETIMEDOUT = 11, 116


def getaddrinfo(host, port, *_more):
    """Blocks, for as long as the board's own does."""
    address = _wires.resolve(host)
    if address[0] == "-":
        raise OSError(int(address))
    return [(AF_INET, SOCK_STREAM, 0, host, (address, port))]


class socket:  # noqa: N801
    def __init__(self, _family=AF_INET, kind=SOCK_STREAM, _protocol=0):
        if kind != SOCK_DGRAM:
            raise NotImplementedError("the bench has streams in asyncio only")
        self._asked = None
        self._timeout_s = None

    def setblocking(self, flag):
        self._timeout_s = None if flag else 0

    def settimeout(self, seconds):
        self._timeout_s = seconds

    def sendto(self, data, address):
        self._asked = _wires.sendDatagram(address[0], address[1], uctypes.addressof(data), len(data))
        if self._asked < 0:
            raise OSError(-self._asked)
        return len(data)

    def recv(self, size):
        data = bytearray(size)
        count = _wires.takeDatagram(self._asked, uctypes.addressof(data), size) if self._asked else 0
        if not count and self._timeout_s:
            _chip.spend_us(self._timeout_s * 1000000)
            raise OSError(ETIMEDOUT)
        if not count:
            raise OSError(EAGAIN)
        return bytes(data[:count])

    def close(self):
        self._asked = None

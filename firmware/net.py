"""The network of a board without a call that blocks: Wi-Fi that comes back, DNS and NTP over UDP."""

import asyncio
import errno
import random
import socket
import struct

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    from collections.abc import Callable

    from network import WLAN

ANSWER_MS = 3000
POLL_MS = 50
JOIN_MS = 15_000
LOOK_S = 5  # from one look at the joined network to the next; a broken connection tells earlier
BACKOFF_MS = (2000, 120_000)  # least and most between two attempts to join
NTP_TO_UNIX = 2208988800
DNS_PORT = 53
NTP_PORT = 123
FALLBACK_DNS = "1.1.1.1"


class NetError(OSError):
    """The network does not do what is asked; the text says what."""


class Wifi:
    """Joins a network and joins it again, with a backoff that is jittered so that a farm does not wake as one.

    `networks`: rows of ssid and password, the preferred one first. Each failure is the next one's turn, each loss of a
    joined one the first one's.
    """

    def __init__(self, wlan: "WLAN", networks: "list[dict[str, str]]") -> None:
        self._wlan = wlan
        self._networks = tuple([(row["ssid"], row["password"]) for row in networks])
        self.joined = asyncio.Event()

    async def keep(self) -> None:
        """Stay joined, for ever."""
        attempt = 0
        self._wlan.active(True)
        while True:
            if self._wlan.isconnected():
                attempt = 0
                self.joined.set()
                await asyncio.sleep(LOOK_S)
                continue
            self.joined.clear()
            rounds, turn = divmod(attempt, len(self._networks))
            if rounds and not turn:
                await asyncio.sleep(_backoff_ms(rounds) / 1000)
            attempt += 1
            await self._join(*self._networks[turn])

    def check(self) -> None:
        """Raise NetError while there is no network."""
        if not self._wlan.isconnected():
            raise NetError("no Wi-Fi")

    def rssi_dbm(self) -> "int | None":
        """Signal strength; None while there is none."""
        try:
            return self._wlan.status("rssi") if self._wlan.isconnected() else None
        except OSError:  # it went away between the two questions
            return None

    def dns_server(self) -> str:
        """The network's own, or one that everybody may ask."""
        address: str = self._wlan.ifconfig()[3]
        return address if address not in ("", "0.0.0.0") else FALLBACK_DNS  # noqa: S104  # "none", as lwIP writes it

    async def _join(self, ssid: str, password: str) -> None:
        for act, words in ((self._wlan.disconnect, ()), (self._wlan.connect, (ssid, password or None))):
            try:
                act(*words)
            except OSError:  # the radio is busy with the attempt before: wait for that one
                pass
        for _ in range(JOIN_MS // 500):
            await asyncio.sleep(0.5)
            if self._wlan.isconnected():
                return


def _backoff_ms(attempt: int) -> int:
    least, most = BACKOFF_MS
    return least + int(random.random() * min(most, least << min(attempt, 8)))


async def ask(address: str, port: int, question: bytes, accept: "Callable[[bytes], bool]") -> bytes:
    """Send a datagram, and wait for the answer that `accept` takes. Raises NetError."""
    try:
        channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            channel.setblocking(False)
            channel.sendto(question, (address, port))
            for _ in range(ANSWER_MS // POLL_MS):
                await asyncio.sleep(POLL_MS / 1000)
                answer = _received(channel)
                if answer and accept(answer):
                    return answer
        finally:
            channel.close()
    except OSError as error:
        raise NetError(f"{address} port {port}: {error}") from error
    raise NetError(f"{address} port {port} does not answer")


def _received(channel: socket.socket) -> "bytes | None":
    try:
        return channel.recv(512)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.ETIMEDOUT):
            raise
        return None


async def resolve(name: str, server: str, port: int = DNS_PORT) -> str:
    """The first IPv4 address of a name (RFC 1035); an address is its own. Raises NetError.

    `socket.getaddrinfo` would do, but blocks for longer than a watchdog waits.
    """
    if all(letter.isdigit() or letter == "." for letter in name):
        return name
    labels = name.encode().split(b".")
    if not all(0 < len(label) < 64 for label in labels):
        raise NetError(f"{name} is no host name")
    number = random.getrandbits(16)
    question = struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0)
    question += b"".join(bytes([len(label)]) + label for label in labels) + b"\x00\x00\x01\x00\x01"
    answer = await ask(server, port, question, lambda data: _answers(data, question))
    address = first_address(answer)
    if address is None:
        raise NetError(f"{server} knows no address of {name}")
    return address


def _answers(data: bytes, question: bytes) -> bool:
    """True for an answer to just this question: its number alone could be guessed."""
    return data[:2] == question[:2] and data[12 : len(question)].lower() == question[12:].lower()


def first_address(answer: bytes) -> "str | None":
    """The first A record of a DNS answer, None if it has none or is no answer."""
    if len(answer) < 12:
        return None
    _, flags, questions, records = struct.unpack("!HHHH", answer[:8])
    if not flags & 0x8000 or flags & 0xF:
        return None
    try:
        place = 12
        for _ in range(questions):
            place = _after_name(answer, place) + 4
        for _ in range(records):
            place = _after_name(answer, place) + 10
            if place > len(answer):
                return None
            kind, _, _, length = struct.unpack("!HHIH", answer[place - 10 : place])
            if kind == 1 and length == 4 and place + 4 <= len(answer):
                return ".".join(str(byte) for byte in answer[place : place + 4])
            place += length
    except IndexError:  # cut short
        pass
    return None


def _after_name(data: bytes, place: int) -> int:
    while data[place]:
        if data[place] & 0xC0:  # the rest of the name stands elsewhere
            return place + 2
        place += data[place] + 1
    return place + 1


async def network_time(server: str, dns_server: str, port: int = NTP_PORT) -> int:
    """Unix seconds from an NTP server (RFC 5905, as a client in mode 3). Raises NetError."""
    address = await resolve(server, dns_server)
    token = bytes(random.getrandbits(8) for _ in range(8))  # it comes back as the origin: nobody else can answer
    question = b"\x23" + bytes(39) + token
    answer = await ask(address, port, question, lambda data: len(data) >= 48 and data[24:32] == token)
    mode, stratum = answer[0] & 7, answer[1]
    seconds: int = struct.unpack("!I", answer[40:44])[0]
    if mode != 4 or not 1 <= stratum <= 15 or answer[0] >> 6 == 3 or not seconds:
        raise NetError(f"{server} does not know the time itself")
    return seconds - NTP_TO_UNIX + (1 << 32 if seconds < 1 << 31 else 0)  # the count begins again in 2036

"""Wi-Fi, DNS and NTP on both runtimes, with answers that are late, cut short, forged, or somebody else's."""

import asyncio
import errno
import random
import struct
import unittest

from firmware import net
from tests.vm.portable.bench import AsyncTestCase, ended
from tests.vm.portable.fake_chip import Sleeper, Time

HOST = "example-ats.iot.us-east-1.amazonaws.com"
ENCODED = b"\x0bexample-ats\x03iot\x09us-east-1\x09amazonaws\x03com\x00"
ASKED = ENCODED + b"\x00\x01\x00\x01"
ALIAS = b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x06\x03abc\xc0\x17"  # a CNAME, with the rest of its name before
A_RECORD = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x34\x01\x02\x03"
V6_RECORD = b"\xc0\x0c\x00\x1c\x00\x01\x00\x00\x00\x3c\x00\x10" + bytes(16)
SERVER = "192.168.4.1"


def reply(question, records, flags=0x8180, asked=None):
    head = question[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0, 0)
    return head + (question[12:] if asked is None else asked) + b"".join(records)


def clock_reply(question, seconds, first=0x24, stratum=2, origin=None):
    """A packet of an NTP server: leap, version and mode, stratum, our own token, its time."""
    origin = question[40:48] if origin is None else origin
    return bytes([first, stratum]) + bytes(22) + origin + bytes(8) + struct.pack("!II", seconds, 0)


class Network:
    """Takes the place of `socket`: one server, whose `answer(question)` gives datagrams or raises."""

    AF_INET, SOCK_DGRAM = 2, 2

    def __init__(self, answer):
        self.answer = answer
        self.asked = []
        self.open = 0
        self._queue = []

    def socket(self, _family, _kind):
        self.open += 1
        return self

    def setblocking(self, flag):
        assert not flag

    def sendto(self, question, address):
        self.asked.append((address, question))
        self._queue = list(self.answer(question))

    def recv(self, size):
        if not self._queue:
            raise OSError(errno.EAGAIN, "nothing yet")
        entry = self._queue.pop(0)
        if isinstance(entry, OSError):
            raise entry
        return entry[:size]

    def close(self):
        self.open -= 1


class Unplugged:
    """No socket to be had."""

    AF_INET, SOCK_DGRAM = 2, 2

    def socket(self, _family, _kind):
        raise OSError(23, "none left")


class NetTestCase(AsyncTestCase):
    def setUp(self):
        self.real = (net.socket, net.asyncio)
        self.time = Time()
        self.sleeper = net.asyncio = Sleeper(self.time)
        self.sleeper.Event = asyncio.Event

    def tearDown(self):
        net.socket, net.asyncio = self.real

    async def resolve(self, answer, name=HOST):
        """The address, or what is complained of."""
        net.socket = self.network = Network(answer)
        try:
            return await net.resolve(name, SERVER)
        except net.NetError as error:
            return str(error)

    async def hour(self, answer):
        net.socket = self.network = Network(answer)
        try:
            return await net.network_time("10.0.0.1", SERVER)
        except net.NetError as error:
            return str(error)


class Names(NetTestCase):
    async def test_a_name_becomes_an_address(self):
        """Asked as RFC 1035 writes it; the first IPv4 address counts, after aliases and IPv6."""
        found = await self.resolve(lambda question: [reply(question, [ALIAS, V6_RECORD, A_RECORD])])
        self.assertEqual(found, "52.1.2.3")
        [(address, question)] = self.network.asked
        self.assertEqual(address, (SERVER, 53))
        self.assertEqual(question[2:], b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + ASKED)
        self.assertEqual(self.network.open, 0)

    async def test_an_address_is_its_own(self):
        """Nobody is asked."""
        self.assertEqual(await self.resolve(None, "192.168.4.7"), "192.168.4.7")
        self.assertEqual(self.network.asked, [])

    async def test_a_name_that_cannot_be_one(self):
        """Labels of 1 to 63 letters: anything else would be asked as something else."""
        for name in ("a..b", "b.", "x" * 64 + ".com"):
            self.assertEqual(await self.resolve(None, name), name + " is no host name")

    async def test_a_server_that_does_not_know(self):
        """No such name, a failure, an answer without address: told, with the name."""
        for records, flags in (([], 0x8183), ([A_RECORD], 0x8182), ([], 0x8180), ([V6_RECORD], 0x8180)):
            found = await self.resolve(lambda question, rows=records, bits=flags: [reply(question, rows, bits)])
            self.assertEqual(found, SERVER + " knows no address of " + HOST)

    async def test_a_forged_answer_is_waited_out(self):
        """Another number, another name, or the question itself sent back: the real one behind them counts."""
        evil = A_RECORD[:-4] + b"\x06\x06\x06\x06"

        def answer(question):
            number = bytes([question[0] ^ 1]) + question[1:]
            other = b"\x04evil" + ENCODED[5:] + b"\x00\x01\x00\x01"
            return [
                reply(number, [evil]),
                reply(question, [evil], asked=other),
                b"",
                b"\x00",
                reply(question, [A_RECORD]),
            ]

        self.assertEqual(await self.resolve(answer), "52.1.2.3")

    async def test_a_question_sent_back_is_no_answer(self):
        """A server that echoes, address and all, has not answered."""
        found = await self.resolve(lambda question: [reply(question, [A_RECORD], 0x0100)])
        self.assertTrue("knows no address" in found, found)

    async def test_an_answer_cut_anywhere(self):
        """Whatever is missing at its end: no address, or the right one, and no other error."""
        whole = reply(b"\x12\x34" + bytes(10) + ASKED, [ALIAS, V6_RECORD, A_RECORD])
        for size in range(len(whole)):
            self.assertTrue(net.first_address(whole[:size]) is None, size)
        self.assertEqual(net.first_address(whole), "52.1.2.3")

    async def test_hostile_answers_end(self):
        """Counts and lengths that lie, names that never end: no address, at once."""
        head = b"\x12\x34\x81\x80"
        endless = A_RECORD[:10] + b"\xff\xff" + A_RECORD[12:]
        for answer in (
            head + b"\xff\xff\xff\xff" + bytes(500),
            head + b"\x00\x00\xff\xff\x00\x00\x00\x00" + b"\xc0\x0c" * 250,
            head + b"\x00\x00\x00\x02\x00\x00\x00\x00" + endless,
            head + b"\x00\x01\x00\x01\x00\x00\x00\x00" + b"\x3f" * 500,
            head + b"\x00\x00\x00\x01\x00\x00\x00\x00" + b"\x00\x00\x01\x00\x01\x00\x00\x00\x00\x00\x10" + bytes(16),
        ):
            self.assertTrue(net.first_address(answer) is None, answer[:24])

    async def test_noise(self):
        """A thousand random datagrams, and a thousand damaged answers: nothing but None or an address."""
        whole = reply(b"\x12\x34" + bytes(10) + ASKED, [ALIAS, A_RECORD])
        random.seed(7)
        for _ in range(1000):
            damaged = bytearray(whole)
            for _ in range(3):
                damaged[random.getrandbits(16) % len(whole)] = random.getrandbits(8)
            noise = b"\x12\x34\x81\x80" + bytes([random.getrandbits(8) for _ in range(random.getrandbits(6))])
            for data in (bytes(damaged), noise):
                found = net.first_address(data)
                self.assertTrue(found is None or found.count(".") == 3, data)

    async def test_a_silent_server_is_given_three_seconds(self):
        """Less than a watchdog waits, without blocking anybody."""
        self.assertEqual(await self.resolve(lambda _question: []), SERVER + " port 53 does not answer")
        self.assertEqual(self.time.ms, 3000)
        self.assertTrue(max(self.sleeper.naps_ms) <= 50)
        self.assertEqual(self.network.open, 0)

    async def test_a_network_that_fails(self):
        """No route, a refused datagram, no socket left: one error of ours, and no socket stays open."""

        def no_route(_question):
            raise OSError(118, "no route")

        for answer in (no_route, lambda _question: [OSError(104, "refused")]):
            found = await self.resolve(answer)
            self.assertTrue(found.startswith(SERVER + " port 53: "), found)
            self.assertEqual(self.network.open, 0)
        net.socket = Unplugged()
        with self.assertRaises(net.NetError):
            await net.resolve(HOST, SERVER)


class Clocks(NetTestCase):
    async def test_a_server_tells_the_time(self):
        """Its seconds since 1900 become Unix seconds, in whole numbers: floats are too small here."""
        self.assertEqual(await self.hour(lambda question: [clock_reply(question, 3_991_000_001)]), 1_782_011_201)
        [(address, question)] = self.network.asked
        self.assertEqual((address, len(question), question[0]), (("10.0.0.1", 123), 48, 0x23))

    async def test_after_the_count_begins_again(self):
        """In 2036 it starts from 0."""
        self.assertEqual(await self.hour(lambda question: [clock_reply(question, 1000)]), 2_085_979_496)

    async def test_a_server_without_the_time(self):
        """A kiss of death, an unsynchronised clock, no server's mode, no time at all: refused."""
        for wrong in (
            {"stratum": 0},
            {"stratum": 16},
            {"first": 0xE4},
            {"first": 0x23},
            {"first": 0x25},
            {"seconds": 0},
        ):
            fields = {"seconds": 3_991_000_001}
            fields.update(wrong)
            found = await self.hour(lambda question, fields=fields: [clock_reply(question, **fields)])
            self.assertEqual(found, "10.0.0.1 does not know the time itself")

    async def test_who_did_not_hear_the_question_cannot_answer(self):
        """An answer without our token, or a short one, is waited out."""

        def answer(question):
            good = clock_reply(question, 3_991_000_001)
            return [
                clock_reply(question, 1, origin=bytes(8)),
                good[:47],
                clock_reply(bytes(reversed(question)), 2),
                good,
            ]

        self.assertEqual(await self.hour(answer), 1_782_011_201)

    async def test_each_question_has_its_own_token(self):
        """An answer to an earlier question does not fit."""
        tokens = []
        for _ in range(3):
            await self.hour(lambda question: [clock_reply(question, 3_991_000_001)])
            tokens.append(self.network.asked[0][1][40:])
        self.assertEqual(len(set(tokens)), 3)

    async def test_a_silent_time_server(self):
        """Told, after three seconds."""
        self.assertEqual(await self.hour(lambda _question: []), "10.0.0.1 port 123 does not answer")


class Radio:
    """A WLAN that joins when `joins(attempt)` says so; `busy` makes a call of it fail."""

    def __init__(self, joins, busy=()):
        self.attempts = []
        self.connected = False
        self.time = None
        self._joins = joins
        self._busy = busy

    def active(self, _on):
        return True

    def disconnect(self):
        self.connected = False
        if "disconnect" in self._busy:
            raise OSError(1)

    def connect(self, ssid, password):
        self.attempts.append((self.time.ms, ssid, password))
        if "connect" in self._busy:
            raise OSError(1)
        self.connected = self._joins(len(self.attempts))

    def isconnected(self):
        return self.connected

    def status(self, _what):
        if "status" in self._busy:
            raise OSError(1)
        return -61

    def ifconfig(self):
        return ("192.168.4.7", "255.255.255.0", "192.168.4.1", self.dns)


class WifiLink(NetTestCase):
    def wifi(self, joins, busy=(), password="of-the-farm", others=()):
        self.radio = Radio(joins, busy)
        self.radio.time = self.time
        rows = [("farm", password)] + list(others)  # noqa: RUF005  # no `*` in a list here
        return net.Wifi(self.radio, [{"ssid": ssid, "password": word} for ssid, word in rows])

    async def test_it_joins_and_says_so(self):
        """Whoever waits for the network goes on; an open one is joined without a password."""
        for password, given in (("of-the-farm", "of-the-farm"), ("", None)):
            wifi = self.wifi(lambda _attempt: True, password=password)
            await self.keep(wifi, self.time.ms + 3000)
            self.assertTrue(wifi.joined.is_set())
            self.assertEqual(self.radio.attempts[0][1:], ("farm", given))
            wifi.check()

    async def keep(self, wifi, until_ms):
        task = asyncio.create_task(wifi.keep())
        while self.time.ms < until_ms:
            await asyncio.sleep(0)
        task.cancel()
        await ended(task)

    async def test_it_comes_back_by_itself(self):
        """After a loss it joins again at once, and who asks meanwhile hears that there is none."""
        wifi = self.wifi(lambda _attempt: True)
        await self.keep(wifi, 3000)
        self.radio.connected = False
        with self.assertRaises(net.NetError):
            wifi.check()
        self.assertTrue(wifi.rssi_dbm() is None)
        await self.keep(wifi, self.time.ms + 3000)
        self.assertEqual(len(self.radio.attempts), 2)
        self.assertTrue(wifi.joined.is_set())

    async def test_attempts_get_rarer_and_never_stop(self):
        """A day without network: waits grow to two minutes, jittered, and the last attempt is not long ago."""
        wifi = self.wifi(lambda _attempt: False)
        await self.keep(wifi, 86_400_000)
        times = [at for at, _, _ in self.radio.attempts]
        gaps = [times[n + 1] - times[n] - net.JOIN_MS for n in range(len(times) - 1)]
        self.assertTrue(2000 <= gaps[0] <= 8000, gaps[:3])
        self.assertTrue(min(gaps) >= 2000 and max(gaps) <= 123_000, (min(gaps), max(gaps)))
        self.assertTrue(len(set(gaps)) > len(gaps) // 2)
        self.assertTrue(len(times) > 600, len(times))

    async def test_each_failure_is_the_next_network_s_turn(self):
        """All of them are tried before it waits; after the loss of the second one the first is tried first again."""
        wifi = self.wifi(lambda attempt: attempt == 2, others=[("barn", "of-the-barn"), ("road", "")])
        await self.keep(wifi, 3 * net.JOIN_MS + 2000)
        self.assertEqual(
            [words for _, *words in self.radio.attempts], [["farm", "of-the-farm"], ["barn", "of-the-barn"]]
        )
        self.assertTrue(wifi.joined.is_set())
        self.radio.connected = False
        begin = self.time.ms
        await self.keep(wifi, begin + 4 * net.JOIN_MS + 8000)
        names = [ssid for _, ssid, _ in self.radio.attempts[2:]]
        self.assertEqual(names[:4], ["farm", "barn", "road", "farm"])
        times = [at for at, _, _ in self.radio.attempts[2:]]
        self.assertTrue(times[2] - times[0] < 2 * net.JOIN_MS + 2000 <= times[3] - times[1], times)

    async def test_a_busy_radio_is_asked_all_the_same(self):
        """A call that fails ends nothing: the next one is made, and the next attempt comes."""
        wifi = self.wifi(lambda _attempt: True, busy=("disconnect",))
        await self.keep(wifi, 2000)
        self.assertTrue(wifi.joined.is_set())
        wifi = self.wifi(lambda _attempt: True, busy=("connect",))
        await self.keep(wifi, self.time.ms + 60_000)
        self.assertTrue(len(self.radio.attempts) > 1)

    async def test_signal_and_name_server(self):
        """A signal that is gone between two questions is None; a network without name server has a public one."""
        wifi = self.wifi(lambda _attempt: True)
        self.radio.connected = True
        self.assertEqual(wifi.rssi_dbm(), -61)
        for told, used in (("192.168.4.1", "192.168.4.1"), ("0.0.0.0", net.FALLBACK_DNS), ("", net.FALLBACK_DNS)):
            self.radio.dns = told
            self.assertEqual(wifi.dns_server(), used)
        wifi = self.wifi(lambda _attempt: True, busy=("status",))
        self.radio.connected = True
        self.assertTrue(wifi.rssi_dbm() is None)


if __name__ == "__main__":
    unittest.main()

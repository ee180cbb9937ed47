"""A chip for the tests of drivers, on both runtimes: DO NOT UPLOAD to a board. Pins, buses, and time that obeys."""

import asyncio

WRAP = 1 << 30  # where the ticks of the ESP32 begin again


class Time:
    """Takes the place of `time`: milliseconds move when somebody sleeps."""

    def __init__(self, ms=0):
        self.ms = ms

    def ticks_ms(self):
        return self.ms % WRAP

    def ticks_add(self, ticks, delta):
        return (ticks + delta) % WRAP

    def ticks_diff(self, end, start):
        return (end - start + WRAP // 2) % WRAP - WRAP // 2

    def sleep_ms(self, ms):
        self.ms += ms


class Sleeper:
    """Takes the place of `asyncio` in a driver: its sleep moves `time`, and lets the others work."""

    def __init__(self, time):
        self._time = time
        self.naps_ms = []

    async def sleep(self, seconds):
        self._time.ms += round(seconds * 1000)
        self.naps_ms.append(round(seconds * 1000))
        await asyncio.sleep(0)


class Pin:
    """Remembers its levels with their times; `pull_down` is an edge."""

    IN, OUT, PULL_UP, IRQ_FALLING = 1, 3, 2, 2

    def __init__(self, time=None, log=None):
        self.levels = []
        self._time = time
        self._log = log
        self._handler = None

    def value(self, level):
        self.levels.append((self._time.ms if self._time else 0, level))
        if self._log is not None:
            self._log.append((self, level))

    def irq(self, handler, trigger):
        self._handler = handler
        self.trigger = trigger

    def fall(self):
        self._handler(self)


class Adc:
    """Gives one reading after the other, and the last one for ever."""

    def __init__(self, *microvolts):
        self._microvolts = list(microvolts)

    def read_uv(self):
        return self._microvolts.pop(0) if len(self._microvolts) > 1 else self._microvolts[0]


class Bus:
    """An I2C bus with one chip that answers, or does not."""

    def __init__(self, answer):
        self.answer = answer
        self.written = []

    def writeto(self, address, data):
        self.written.append((address, data))
        if self.answer is None:
            raise OSError(19)

    def readfrom(self, _address, size):
        return self.answer[:size]


class OneWire:
    """Thermometers by ROM; a temperature of None is a wrong checksum, as the bus tells it."""

    def __init__(self, temperatures):
        self.temperatures = temperatures

    def scan(self):
        return [bytearray(rom) for rom in sorted(self.temperatures)]

    def convert_temp(self):
        if not self.temperatures:
            raise Exception("nobody there")  # the real bus raises no better

    def read_temp(self, rom):
        value = self.temperatures[bytes(rom)]
        if value is None:
            raise Exception("CRC error")  # the real bus raises no better
        return value


class Line:
    """An SDI-12 line with probes: `answers` are lists of what each question gets, one after the other."""

    def __init__(self, time, answers, echo=False):
        self.time = time
        self.enable = Pin(time)
        self.baud = None
        self.said = []
        self.breaks = []
        self._answers = answers
        self._echo = echo
        self._arriving = []

    def at(self, baud):
        self.baud = baud
        return self

    def sendbreak(self):
        self.breaks.append(13_000 / self.baud)
        self.time.ms += round(13_000 / self.baud)
        if self._echo:
            self.arrives(b"\x00")

    def write(self, data):
        self.said.append(data.decode())
        if self._echo:
            self.arrives(data, 25)
        pending = self._answers.get(data.decode())
        for after_ms, answer in pending.pop(0) if pending else ():
            self.arrives(answer, 25 + after_ms)

    def arrives(self, data, after_ms=0):
        self._arriving.append((self.time.ms + after_ms, data))

    def any(self):
        return sum([len(data) for at, data in self._arriving if at <= self.time.ms])

    def read(self):
        heard = b"".join([data for at, data in self._arriving if at <= self.time.ms])
        self._arriving = [entry for entry in self._arriving if entry[0] > self.time.ms]
        return heard or None

"""Simulated for the bench, never upload it to a board: the chip, with pins and buses that live in hardware.mjs."""

import binascii

import utime

import _chip
import _hardware
import uctypes

PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5
EPOCH_2000 = 946684800
reset = _chip.reset
reset_cause = _chip.reset_cause
deepsleep = _chip.deepsleep


def soft_reset():
    _chip.reset()


def unique_id():
    return b"\x24\x6f\x28\x01\x02\x03"


def freq(_hz=None):
    return 160000000


def idle():
    pass


class Pin:
    IN, OUT, OPEN_DRAIN = 1, 3, 7
    PULL_DOWN, PULL_UP = 1, 2
    IRQ_RISING, IRQ_FALLING = 1, 2

    def __init__(self, id, mode=-1, pull=-1, value=None, drive=None, hold=None):
        if not 0 <= id <= 39 or id in (20, 24, 28, 29, 30, 31):
            raise ValueError("invalid pin")
        if mode == self.OUT and id >= 34:
            raise ValueError("pin can only be input")
        self._id = id
        if mode == self.OUT:
            _hardware.drive(id, 1 if value else 0)

    def value(self, level=None):
        if level is None:
            return _hardware.read(self._id)
        _hardware.drive(self._id, 1 if level else 0)

    __call__ = value

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)

    def irq(self, handler=None, trigger=3):
        _hardware.onEdge(self._id, lambda: handler(self), trigger)


class Counter:
    RISING, FALLING = 1, 2

    def __init__(self, _id, src, edge=1, direction=None, filter_ns=0):
        self._pin = src._id
        self._count = -_hardware.turned(self._pin)
        src.irq(self._edge, edge)

    def value(self, count=None):
        before = self._count + _hardware.turned(self._pin)
        if count is not None:
            self._count += count - before
        return before

    def _edge(self, _pin):
        self._count += 1


class ADC:
    ATTN_0DB, ATTN_2_5DB, ATTN_6DB, ATTN_11DB = 0, 1, 2, 3

    def __init__(self, pin, atten=0):
        self._id = pin._id

    def read_uv(self):
        return _hardware.microvolts(self._id)

    def read_u16(self):
        return min(65535, self.read_uv() * 65535 // 3300000)


class I2C:
    def __init__(self, _id=-1, scl=None, sda=None, freq=400000, timeout=50000):
        pass

    def scan(self):
        return []

    def writeto(self, address, data, stop=True):
        return _done(_hardware.i2cWrite(address, uctypes.addressof(data), len(data)))

    def readfrom(self, address, size, stop=True):
        data = bytearray(size)
        _done(_hardware.i2cRead(address, uctypes.addressof(data), size))
        return bytes(data)


SoftI2C = I2C


def _done(count):
    if count < 0:
        raise OSError(19)  # ENODEV: nobody says that it heard
    return count


class UART:
    def __init__(self, id, baudrate=115200, bits=8, parity=None, stop=1, tx=None, rx=None, timeout=0):
        self._id = id

    def write(self, data):
        _hardware.uartWrite(self._id, uctypes.addressof(data), len(data))
        return len(data)

    def any(self):
        return _hardware.uartAny(self._id)

    def read(self, _size=None):
        return _hardware.uartRead(self._id).encode() or None

    def sendbreak(self):
        _chip.spend_us(13000)


class WDT:
    def __init__(self, id=0, timeout=5000):
        _chip.watch(timeout)

    def feed(self):
        _chip.feed()


class RTC:
    def memory(self, data=None):
        if data is None:
            return binascii.a2b_base64(_chip.memory().encode())
        if len(data) > 2048:
            raise ValueError("buffer too long")
        _chip.set_memory(binascii.b2a_base64(data).decode().strip())
        return None

    def datetime(self, parts=None):
        if parts is None:
            year, month, day, hour, minute, second, weekday, _ = utime.gmtime(_chip.wall_s() + EPOCH_2000)
            return (year, month, day, weekday, hour, minute, second, 0)
        year, month, day, _, hour, minute, second, _ = parts
        _chip.set_wall_s(utime.mktime((year, month, day, hour, minute, second, 0, 0)) - EPOCH_2000)

"""Simulated for the bench, never upload it to a board: `time` as on the ESP32, whose epoch is 2000."""

import utime
from utime import ticks_add, ticks_diff, ticks_ms  # noqa: F401

import _chip

EPOCH_2000 = 946684800


def time():
    return _chip.wall_s()


def time_ns():
    return _chip.wall_s() * 1000000000


def gmtime(seconds=None):
    return utime.gmtime((time() if seconds is None else seconds) + EPOCH_2000)


localtime = gmtime


def mktime(parts):
    return utime.mktime(parts) - EPOCH_2000


def sleep(seconds):
    _chip.spend_us(seconds * 1000000)


def sleep_ms(ms):
    _chip.spend_us(ms * 1000)


def sleep_us(us):
    _chip.spend_us(us)


def ticks_us():
    return _chip.ticks_us()


ticks_cpu = ticks_us

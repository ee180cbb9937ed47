"""The chip of a native MicroPython: what is done to it stands on standard output. DO NOT UPLOAD to a board."""

import sys
import time

PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5
clock_off_s = 0  # what the firmware has set the clock by


class Pin:
    """A pin that says each of its levels."""

    IN, OUT, PULL_UP, IRQ_FALLING = 1, 3, 2, 2

    def __init__(self, number, _mode=None, _pull=None, value=None):
        self.number = number
        self._level = 0
        if value is not None:
            self.value(value)

    def value(self, level=None):
        if level is None:
            return self._level
        self._level = level
        print("pin", self.number, level, time.ticks_ms())
        return None

    def irq(self, handler, trigger):
        print("irq", self.number)


class Counter:
    """The chip's own counter, at which nothing arrives; it says whose pulses it counts."""

    FALLING = 2

    def __init__(self, _unit, pin, edge, filter_ns):
        print("counter", pin.number)

    def value(self):
        return 0


class ADC:
    """A converter at 1.5 V."""

    ATTN_11DB = 3

    def __init__(self, _pin, atten):
        pass

    def read_uv(self):
        return 1_500_000


class RTC:
    """The clock of this machine stays as it is; what it was set to is said."""

    def datetime(self, moment):
        print("clock", moment[0], moment[1], moment[2])


class WDT:
    """Nobody dies here of a watchdog."""

    def __init__(self, timeout):
        self.timeout = timeout

    def feed(self):
        pass


def reset_cause():
    return PWRON_RESET


def reset():
    print("reset")
    sys.exit(0)

"""Simulated for the bench, never upload it to a board: DS18B20 thermometers on a one-wire bus."""

import _hardware


class DS18X20:
    def __init__(self, bus):
        self._pin = bus.pin._id

    def scan(self):
        return [bytearray(bytes.fromhex(rom)) for rom in _hardware.oneWireRoms(self._pin).split()]

    def convert_temp(self):
        from onewire import OneWireError

        if not self.scan():
            raise OneWireError

    def read_temp(self, rom):
        celsius = _hardware.oneWireCelsius(self._pin, bytes(rom).hex())
        if celsius != celsius:
            raise AssertionError("CRC error")
        return celsius

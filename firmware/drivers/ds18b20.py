"""DS18B20 thermometers on a one-wire bus, several on one pin told apart by their ROM."""

import asyncio
import binascii

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    from ds18x20 import DS18X20

CONVERSION_MS = 750
POWER_ON_C = 85.0  # what the chip says before its first conversion
NOTHING: "dict[str, float | None]" = {"soil_temperature_c": None}


class Ds18b20:
    """One thermometer of `bus`; without a `rom` (16 hex digits) the only one on it."""

    def __init__(self, bus: "DS18X20", rom: "str | None" = None) -> None:
        self._bus = bus
        self._rom = bytearray(binascii.unhexlify(rom)) if rom else None

    async def measure(self) -> "dict[str, float | None]":
        """`soil_temperature_c`; None when nobody answers, the checksum is wrong, or nothing was converted."""
        try:
            rom = self._present()
            self._bus.convert_temp()
            await asyncio.sleep(CONVERSION_MS / 1000)
            value = self._bus.read_temp(rom)
        except Exception:  # the bus raises OneWireError, a plain Exception's child, AssertionError or IndexError
            return NOTHING
        return NOTHING if value is None or value == POWER_ON_C else {"soil_temperature_c": round(value, 2)}

    def _present(self) -> bytearray:
        """The ROM, found on the bus: a line shorted to ground gives zeros, 0 degrees with a right checksum."""
        roms = self._bus.scan()
        if self._rom is None:
            [rom] = roms  # ValueError: none, or several and nobody said which
            return rom
        return roms[roms.index(self._rom)]

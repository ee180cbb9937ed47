"""DS18B20 thermometers on a one-wire bus, several on one pin told apart by their ROM."""

import asyncio
import binascii

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    from ds18x20 import DS18X20

CONVERSION_MS = 750
POWER_ON_C = 85.0  # what the chip says before its first conversion


class Ds18b20:
    """One thermometer of `bus`; without a `rom` (16 hex digits) the only one on it."""

    def __init__(self, bus: "DS18X20", rom: "str | None" = None) -> None:
        self._bus = bus
        self._rom = bytearray(binascii.unhexlify(rom)) if rom else None

    async def measure(self) -> "dict[str, float | None]":
        """`soil_temperature_c`; None when nobody answers, the checksum is wrong, or nothing was converted."""
        try:
            rom = self._rom or self._alone()
            self._bus.convert_temp()
            await asyncio.sleep(CONVERSION_MS / 1000)
            value = self._bus.read_temp(rom)
        except Exception:  # the bus raises OneWireError, a plain Exception's child, AssertionError or IndexError
            return {"soil_temperature_c": None}
        if value is None or value == POWER_ON_C:
            return {"soil_temperature_c": None}
        return {"soil_temperature_c": round(value, 2)}

    def _alone(self) -> bytearray:
        [rom] = self._bus.scan()  # ValueError: none, or several and nobody said which
        return rom

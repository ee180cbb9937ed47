"""SHT3x air temperature and humidity on I2C, its checksums verified (Sensirion's data sheet, 4.4 and 4.12)."""

import asyncio

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    from machine import I2C

MEASURE = b"\x24\x00"  # one shot, high repeatability, no clock stretching
MEASURE_MS = 20
NOTHING: "dict[str, float | None]" = {"air_temperature_c": None, "relative_humidity_pct": None}


class Sht3x:
    """One chip at `address`, 0x44 or 0x45."""

    def __init__(self, i2c: "I2C", address: int = 0x44) -> None:
        self._i2c = i2c
        self._address = address

    async def measure(self) -> "dict[str, float | None]":
        """`air_temperature_c` and `relative_humidity_pct`; None when the chip is silent or a checksum is wrong."""
        try:
            self._i2c.writeto(self._address, MEASURE)
            await asyncio.sleep(MEASURE_MS / 1000)
            data = self._i2c.readfrom(self._address, 6)
        except OSError:
            return NOTHING
        if crc8(data[0:2]) != data[2] or crc8(data[3:5]) != data[5]:
            return NOTHING
        raw_temperature, raw_humidity = data[0] << 8 | data[1], data[3] << 8 | data[4]
        return {
            "air_temperature_c": round(-45 + 175 * raw_temperature / 65535, 2),
            "relative_humidity_pct": round(100 * raw_humidity / 65535, 2),
        }


def crc8(data: bytes) -> int:
    """Polynomial 0x31, starting from 0xFF."""
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x31 if crc & 0x80 else crc << 1) & 0xFF
    return crc

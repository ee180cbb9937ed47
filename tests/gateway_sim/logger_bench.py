"""A logger's file and its map, written by a test and read as a replay reads them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from gateway_sim import logger_file, logger_map, logger_report
from gateway_sim.logger_file import Recording

TORONTO = ZoneInfo("America/Toronto")
MAPS = Path(logger_map.__file__).parent / "maps"
WIDE = """
layout: wide
time: {columns: [time], format: "%Y-%m-%d %H:%M", timezone: America/Toronto}
missing: ["", NA, -9999]
sensor: {gateway: gateway-1, sensor: soil-1, zone: plot-1}
columns: {moisture: {quantity: vwc, unit: "%"}}
"""
LONG = """
layout: long
time: {columns: [date], format: "%Y-%m-%d", timezone: America/Toronto}
missing: ["", NaN]
sensor: {gateway: "gateway-{Plot}", sensor: "soil-{Sensor}", zone: "plot-{Plot}"}
words: {Plot: {E1: 1, E2: 2}, Sensor: {First Sensor: 1, Second Sensor: 2}}
value: Value
variable: Variable
unit: Unit
variables:
  Moisture: {quantity: vwc}
  Temperature: {quantity: soil_temperature_c}
ignore: {columns: [Depth], rows: {Variable: [Salt]}}
"""
LONG_HEADER = "date,Plot,Sensor,Variable,Value,Unit,Depth"


class Logger:
    """Writes a file and its map, and reads them."""

    def __init__(self, folder: Path) -> None:
        self.file, self.map = folder / "logger.csv", folder / "map.yaml"

    def read(self, map_text: str, *rows: str, encoding: str = "utf-8") -> Recording:
        self.file.write_text("\n".join(rows) + "\n", encoding=encoding)
        recording = logger_file.read(self.file, self.load(map_text))
        assert recording.ledger.adds_up()
        return recording

    def load(self, map_text: str) -> logger_map.LoggerMap:
        self.map.write_text(map_text, encoding="utf-8")
        return logger_map.load(self.map)


def samples(recording: Recording, sensor_id: str = "gateway-1.soil-1") -> list[tuple[str, dict[str, float | None]]]:
    """`(UTC, values)` of a sensor's samples."""
    found = [rows for sensor, rows in recording.samples.items() if sensor.sensor_id == sensor_id]
    return [(utc(sample.measured_at), sample.values) for sample in (found[0] if found else [])]


def moisture(recording: Recording) -> list[float | None]:
    return [values["vwc"] for _, values in samples(recording)]


def utc(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%m-%d %H:%M")


def aside(recording: Recording) -> list[tuple[int, str]]:
    return [(entry.line, entry.kind) for entry in recording.ledger.aside]


def told(recording: Recording, sensor_id: str = "gateway-1.soil-1") -> dict[str, Any]:
    """What the report says of a sensor."""
    found: dict[str, Any] = logger_report.report(recording)["sensors"][sensor_id]
    return found

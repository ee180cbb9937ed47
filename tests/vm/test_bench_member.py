"""A board that joins a farm is wired right: what its probes' voltages say is the soil, what its pins do is the flow."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from firmware.config import check_pins
from firmware.drivers.sht3x import Sht3x
from firmware.drivers.soil_adc import SoilProbe
from tests.vm.bench.board import BenchError, running
from tests.vm.bench.member import POLLS_MS, main
from tests.vm.bench.wiring import (
    MASTER_PIN,
    METER_PINS,
    ONE_WIRE_PIN,
    POINTS,
    Plumbing,
    air,
    microvolts,
    pins_for,
    valve_pins,
    wires,
)

FIRMWARE = Path(__file__).parents[2] / "firmware"
COUNTS = b"""
import asyncio, machine
counter = machine.Counter(0, machine.Pin(5, machine.Pin.IN), edge=machine.Counter.FALLING)
async def main():
    machine.Pin(16, machine.Pin.OUT, value=1)
    while True:
        await asyncio.sleep(10)
        print(counter.value())
        await asyncio.sleep(77)
asyncio.run(main())
"""


def zone(number: int, depths: tuple[float, ...] = ()) -> dict[str, Any]:
    return {"zone_id": f"plot-{number}", "sensor": f"soil-{number}", "probe_depths_m": depths}


class FixedAdc:
    def __init__(self, level_uv: int) -> None:
        self._level_uv = level_uv

    def read_uv(self) -> int:
        return self._level_uv


class FixedI2c:
    def __init__(self, answers: dict[str, list[int]]) -> None:
        self._answers = answers
        self._asked = ""

    def writeto(self, _address: int, data: bytes) -> None:
        self._asked = data.hex()

    def readfrom(self, _address: int, size: int) -> bytes:
        return bytes(self._answers[self._asked][:size])


@pytest.mark.parametrize("vwc", [0.0, 0.031, 0.12, 0.25, 0.2504, 0.33, 0.549])
def test_a_probe_says_the_moisture_that_it_stands_in(vwc: float) -> None:
    """Through a voltage in whole millivolts, by the firmware's own driver: right to a millivolt's worth."""
    probe = SoilProbe(FixedAdc(microvolts(vwc)), POINTS)  # type: ignore[arg-type]  # all that it asks of an ADC
    assert asyncio.run(probe.measure())["vwc"] == pytest.approx(vwc, abs=3e-4)


def test_a_probe_without_a_value_is_a_torn_wire() -> None:
    """The driver must not take it for dry soil."""
    probe = SoilProbe(FixedAdc(microvolts(None)), POINTS)  # type: ignore[arg-type]  # all that it asks of an ADC
    assert asyncio.run(probe.measure()) == {"vwc": None}


@pytest.mark.parametrize(("celsius", "percent"), [(21.37, 64.2), (-12.5, 99.9)])
def test_the_air_sensor_says_the_weather(celsius: float, percent: float) -> None:
    """With checksums that the firmware's driver accepts."""
    bus = FixedI2c(air({"air_temperature_c": celsius, "relative_humidity_pct": percent}))
    said = asyncio.run(Sht3x(bus).measure())  # type: ignore[arg-type]  # all that it asks of a bus
    assert said["air_temperature_c"] == pytest.approx(celsius, abs=0.01)
    assert said["relative_humidity_pct"] == pytest.approx(percent, abs=0.01)


def test_pins_are_those_that_a_board_accepts() -> None:
    """The firmware's own check has nothing to complain of, up to as many zones as there are pins for."""
    zones = [zone(number, (0.1,) if number < 3 else ()) for number in range(len(METER_PINS))]
    pins = pins_for(zones)
    assert check_pins(json.loads(json.dumps(pins)), [row["zone_id"] for row in zones])
    assert len(set(valve_pins(pins))) == 7
    values = {"vwc": 0.2, "soil_temperature_c": 18.0, "air_temperature_c": 20.0, "relative_humidity_pct": 50.0}
    world = wires(pins, {row["sensor"]: values for row in pins["sensors"]})
    assert list(world["microvolts"].values()) == [microvolts(0.2)] * 7
    assert len(world["one_wire"][ONE_WIRE_PIN]) == 7


@pytest.mark.parametrize("zones", [[zone(n) for n in range(5)], [zone(1, (0.1, 0.2, 0.3)), zone(2, (0.1, 0.2, 0.3))]])
def test_more_than_the_board_has_pins_for_is_refused(zones: list[dict[str, Any]]) -> None:
    """Five zones, or eight probes: the text says how many there can be."""
    with pytest.raises(BenchError, match="pins for 4, and 7 probes; take fewer"):
        pins_for(zones)


def test_water_needs_both_valves() -> None:
    """The master valve and the zone's own; without power relays fall, and a latching valve stays where it is."""
    pins = pins_for([zone(1), zone(2)])
    relay, latching = pins["valves"]
    plumbing = Plumbing(pins)
    assert plumbing.moves(relay["pin"], 1) == []
    assert plumbing.moves(MASTER_PIN, 1) == [("plot-1", True)]
    assert plumbing.moves(latching["open_pin"], 1) == [("plot-2", True)]
    assert plumbing.moves(latching["open_pin"], 0) == []
    assert plumbing.dark() == [("plot-1", False), ("plot-2", False)]
    assert plumbing.moves(MASTER_PIN, 1) == [("plot-2", True)]
    assert plumbing.moves(latching["close_pin"], 1) == [("plot-2", False)]
    assert plumbing.open == set()


def test_no_job_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that holds no job is refused, with the place where one is described."""
    path = tmp_path / "job.json"
    path.write_text('{"gateway_id": "a"}')
    assert main([str(path)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "docs/field.md" in said


@pytest.mark.parametrize(
    ("file", "interval"),
    [("net.py", "LOOK_S"), ("board.py", "MEASURE_EVERY_S"), ("lib/gateway/gateway.py", "FEED_INTERVAL_S")],
)
def test_who_only_looks_again_does_not_stop_the_field(file: str, interval: str) -> None:
    """Each loop of the firmware that looks every few seconds is known as such: else a field day takes minutes."""
    found = re.search(rf"^{interval} = (\d+)", (FIRMWARE / file).read_text(), re.MULTILINE)
    assert found
    assert int(found[1]) * 1000 in POLLS_MS


async def test_a_board_on_field_time(tmp_path: Path) -> None:
    """It says when a sleep ends that is no poll, counts a steady flow, and writes its valves' pins down at once."""
    part = {"keep": str(tmp_path), "watch": [16], "polls_ms": [10_000]}
    async with running() as bench:
        board = await bench.board("part", {"/boot.py": b"", "/main.py": COUNTS}, part=part, unix_s=1000)
        await board.world(flows={5: {"us": 0, "pulses": 0, "hz": 2.5}})
        await board.power_on()
        assert (tmp_path / "pins.jsonl").read_text() == "[1000000,16,1]\n"
        assert board.date_ms is None
        await board.towards(12_000)
        assert (board.log, board.date_ms) == (["25"], 87_000)
        await board.world(flows={5: {"us": 12_000_000, "pulses": 30, "hz": 0}})
        await board.towards(100_000)
        assert board.log == ["25", "30"]
        await board.power_off()

"""Every kind of fault, on a whole fleet: what is heard is what its label claims, and the water balance still closes."""

import re
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway_sim.faults import KINDS
from protocol.messages import FINAL_STATES
from tests.gateway.conftest import Broker, Pki
from tests.gateway_sim.world import HOUR_S, WEATHER, World, at_work
from tests.waiting import eventually

GUIDE = Path(__file__).parents[2] / "docs" / "field.md"
GATEWAY, ZONE = "irrigation-gateway-1", "plot-1a"
SENSOR, OTHER = f"{GATEWAY}.soil-a", f"{GATEWAY}.soil-b"
RUN_S = 1800
PROBE_SCATTER = 0.015  # five standard deviations of a sound probe


@dataclass(frozen=True)
class Season:
    """Eight hours with a run of half an hour in the first zone, as they were told; times are seconds since the start.

    `values` and `heard` are by (sensor, when measured), `balance` and `litres` by zone.
    """

    values: dict[tuple[str, int], dict[str, float | None]]
    heard: dict[tuple[str, int], int]
    acks: list[dict[str, Any]]
    errors: list[str]
    boots: set[str]
    balance: dict[str, dict[str, float]]
    litres: dict[str, float]

    def vwc(self, sensor: str = SENSOR) -> dict[int, float | None]:
        """Moisture by when it was measured."""
        return {at: values["vwc"] for (name, at), values in self.values.items() if name == sensor}

    @property
    def done(self) -> dict[str, Any]:
        """The ack that ended the run."""
        return next(ack for ack in self.acks if ack["state"] in {"done", "failed"})

    @property
    def watered_mm(self) -> float:
        """What reached the soil of the watered zone."""
        return self.balance[ZONE]["irrigation_mm"] - self.balance[ZONE]["lost_mm"]


async def season(broker: Broker, pki: Pki, *rows: dict[str, Any]) -> Season:
    """Play it, with these faults."""
    async with at_work(World(broker, pki, rows=list(rows))) as world:
        await world.clock.advance(HOUR_S, world.fleet.idle)
        await world.command_open(ZONE, RUN_S)
        await eventually(lambda: bool(world.events or world.of("ack")))  # the valve has moved, or it was refused
        await world.clock.advance(7 * HOUR_S + 60, world.fleet.idle)
        summary = world.fleet.summary()
        await eventually(lambda: samples(world) == summary["samples_taken"])
        await eventually(lambda: any(ack["state"] in FINAL_STATES for ack in world.of("ack")))
    told = [(message, at) for (kind, message), at in zip(world.heard, world.heard_at, strict=True) if kind == "reading"]
    rows_heard = [(reading["sensor_id"], sample, at) for reading, at in told for sample in reading["samples"]]
    return Season(
        {(sensor, sample["measured_at"] - WEATHER.start): sample for sensor, sample, _ in rows_heard},
        {(sensor, sample["measured_at"] - WEATHER.start): at - WEATHER.start for sensor, sample, at in rows_heard},
        world.of("ack"),
        [error["code"] for error in world.of("error")],
        {reading["boot_id"] for reading, _ in told if reading["gateway_id"] == GATEWAY},
        {zone_id: truth["water_balance"] for zone_id, truth in summary["zones"].items()},
        summary["litres"],
    )


def samples(world: World) -> int:
    """How many different ones were heard."""
    return len(
        {
            (reading["sensor_id"], reading["boot_id"], sample["seq"])
            for reading in world.of("reading")
            for sample in reading["samples"]
        }
    )


def errors_of(faulty: Season, sound: Season) -> list[float]:
    """How far the struck probe is off, by time; every value is there."""
    values = faulty.vwc()
    assert set(values) == set(sound.vwc())
    return [value - (sound.vwc()[at] or 0) for at, value in sorted(values.items()) if value is not None]


def scatters(faulty: Season, sound: Season) -> bool:
    errors = errors_of(faulty, sound)
    return 0.03 < statistics.stdev(errors) < 0.08 and abs(statistics.mean(errors)) < 0.03


def is_off_by_the_same(faulty: Season, sound: Season) -> bool:
    return all(error == pytest.approx(0.05, abs=2e-4) for error in errors_of(faulty, sound))


def is_off_by_more_each_hour(faulty: Season, sound: Season) -> bool:
    errors = errors_of(faulty, sound)  # one each quarter of an hour
    return all(error == pytest.approx(0.24 * (n + 1) / 96, abs=2e-4) for n, error in enumerate(errors))


def says_one_value(faulty: Season, _sound: Season) -> bool:
    return set(faulty.vwc().values()) == {0.31}


def says_nothing(faulty: Season, sound: Season) -> bool:
    missing = set(faulty.vwc()) == set(sound.vwc()) and set(faulty.vwc().values()) == {None}
    return missing and all(faulty.values[SENSOR, at]["soil_temperature_c"] is not None for at in faulty.vwc())


def is_caught_and_reported(faulty: Season, sound: Season) -> bool:
    return says_nothing(faulty, sound) and "bad_value" in faulty.errors and "bad_value" not in sound.errors


def speak_of_each_other(faulty: Season, sound: Season) -> bool:
    pairs = [(faulty.vwc(one), sound.vwc(other)) for one, other in ((SENSOR, OTHER), (OTHER, SENSOR))]
    return all(said[at] == pytest.approx(true[at], abs=PROBE_SCATTER) for said, true in pairs for at in true)


def lets_no_water_through(faulty: Season, sound: Season) -> bool:
    none = faulty.done["volume_l"] == faulty.litres[ZONE] == faulty.balance[ZONE]["irrigation_mm"] == 0
    return bool(none and faulty.done["state"] == "done" and sound.done["volume_l"] > 100)


def runs_on(faulty: Season, sound: Season) -> bool:
    longer = faulty.litres[ZONE] == pytest.approx(4 * sound.litres[ZONE], rel=0.01)  # to its end after two hours
    return faulty.done["volume_l"] == sound.done["volume_l"] and longer and faulty.watered_mm > 3.9 * sound.watered_mm


def passes_less(faulty: Season, sound: Season) -> bool:
    shares = (faulty.done["volume_l"] / sound.done["volume_l"], faulty.watered_mm / sound.watered_mm)
    return 0.35 < shares[0] < 0.6 and shares[1] == pytest.approx(shares[0], abs=0.01)


def loses_water_after_the_meter(faulty: Season, sound: Season) -> bool:
    more = faulty.done["volume_l"] > 1.3 * sound.done["volume_l"]
    return more and faulty.watered_mm < 0.95 * sound.watered_mm and faulty.balance[ZONE]["lost_mm"] > 2


def dates_samples_late_and_refuses(faulty: Season, sound: Season) -> bool:
    dated = {at - 7200 for (sensor, at) in faulty.values if sensor == SENSOR}
    rejected = faulty.acks[-1]["state"] == "rejected" and faulty.acks[-1]["code"] == "expired"
    return dated <= {at for (sensor, at) in sound.values if sensor == SENSOR} and rejected


def is_cut_off(faulty: Season, sound: Season) -> bool:
    cut = faulty.done["end_reason"] == "power_cut" and faulty.done["state"] == "failed"
    a_third = faulty.litres[ZONE] == pytest.approx(sound.litres[ZONE] / 3, rel=0.01)
    return cut and a_third and len(faulty.boots) == 2 > len(sound.boots)


def resets_the_board(faulty: Season, sound: Season) -> bool:
    cut = faulty.done["end_reason"] == "power_cut" and faulty.litres[ZONE] == 0
    return cut and len(faulty.boots) == 2 > len(sound.boots)


def is_heard_late(faulty: Season, sound: Season) -> bool:
    lost = [place for place in faulty.heard if place[0] == SENSOR and 2 * HOUR_S < place[1] < 5 * HOUR_S]
    late = all(faulty.heard[place] >= 5 * HOUR_S + 600 > sound.heard[place] for place in lost)
    return len(lost) == 11 and late and faulty.values == sound.values


Claim = Callable[[Season, Season], bool]

# What to inject, and what then holds of (the faulty season, the sound one). A kind may have several rows.
CLAIMS: dict[str, list[tuple[dict[str, Any], Claim]]] = {
    "noise": [({"target": SENSOR, "amount": 0.05}, scatters)],
    "bias": [({"target": SENSOR, "amount": 0.05}, is_off_by_the_same)],
    "drift": [({"target": SENSOR, "amount": 0.24}, is_off_by_more_each_hour)],
    "stuck": [({"target": SENSOR, "amount": 0.31}, says_one_value)],
    "dropout": [({"target": SENSOR}, says_nothing)],
    "percent": [({"target": SENSOR}, is_caught_and_reported)],
    "swapped": [({"target": [SENSOR, OTHER]}, speak_of_each_other)],
    "dead_valve": [
        ({"target": ZONE}, lets_no_water_through),
        ({"target": ZONE, "amount": 1, "until": "3h"}, runs_on),
    ],
    "clogged": [({"target": ZONE, "amount": 0.6}, passes_less)],
    "burst": [({"target": ZONE, "amount": 1.0}, loses_water_after_the_meter)],
    "wrong_clock": [({"target": GATEWAY, "amount": 7200}, dates_samples_late_and_refuses)],
    "reboot": [({"target": GATEWAY, "from": "1h 10m", "amount": 60}, is_cut_off)],
    "wifi_loss": [({"target": GATEWAY, "from": "2h 10m", "until": "5h 10m"}, is_heard_late)],
    "brown_out": [({"target": GATEWAY, "amount": 60}, resets_the_board)],
}
ROWS = [(kind, *row) for kind, rows in CLAIMS.items() for row in rows]


def test_every_kind_has_a_claim() -> None:
    """The kinds of the simulator, of this table and of the guide are the same."""
    section = GUIDE.read_text().split("## Faults")[1].split("\n## ")[0]
    told = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert set(KINDS) == set(CLAIMS) == set(told)


@pytest.mark.parametrize(("kind", "row", "claim"), ROWS, ids=lambda part: getattr(part, "__name__", str(part)))
async def test_a_fault_does_what_its_label_claims(
    broker: Broker, pki: Pki, kind: str, row: dict[str, Any], claim: Claim
) -> None:
    """A probe, a meter or an ack says what the label claims, and in minus out is the change of storage in each zone."""
    sound = await season(broker, pki)
    faulty = await season(broker, pki, {"kind": kind, **row})
    assert not claim(sound, sound), "a claim that a sound farm fulfils too says nothing"
    assert claim(faulty, sound)
    for balance in faulty.balance.values():
        came = balance["rain_mm"] + balance["irrigation_mm"]
        went = sum(balance[f"{name}_mm"] for name in ("lost", "evapotranspiration", "percolation", "runoff"))
        change = balance["stored_at_end_mm"] - balance["stored_at_start_mm"]
        assert came - went == pytest.approx(change, abs=1e-6)

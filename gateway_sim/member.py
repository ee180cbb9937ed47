"""`python -m gateway_sim member JOB`: one simulated gateway as a process of its own, on the field time of others.

What a job holds, and what is asked over the field clock's socket, is in docs/field.md: any other program may be a
gateway of a scenario in the same way.
"""

import argparse
import asyncio
import json
import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from field_time.participant import VirtualTime, take_part, until_let_go
from field_time.record import EventRecord
from gateway_sim.errors import SimError, StateError
from gateway_sim.farm import HARD_CAP_S, Crop, Farm, FarmGateway, Soil, Zone
from gateway_sim.faults import Fault, Faults
from gateway_sim.fleet import Fleet
from gateway_sim.scenario import Scenario
from gateway_sim.weather import Weather

NOT_A_ZONES = ("hard_cap_s", "litres_per_minute")  # of a row of zones: for a board, which has no soil to simulate

Document = dict[str, Any]


def season(scenario: Scenario, gateway: FarmGateway) -> Document:
    """The part of a gateway's job that does not change: what it is, its zones, weather and faults."""
    zones = [
        asdict(zone) | {"hard_cap_s": HARD_CAP_S, "litres_per_minute": zone.litres_per_minute} for zone in gateway.zones
    ]
    weather = [
        {"at": scenario.weather.start + 3600 * number, **hour} for number, hour in enumerate(scenario.weather.hours)
    ]
    ids = {gateway.gateway_id, *gateway.sensor_ids, *(zone.zone_id for zone in gateway.zones)}
    faults = [row for row in fault_rows(scenario.faults) if ids & set(row["targets"])]
    about = {"gateway_id": gateway.gateway_id, "farm": scenario.farm.name, "seed": scenario.farm.seed}
    return {**about, "zones": zones, "weather": weather, "faults": faults}


def fault_rows(faults: Faults) -> list[Document]:
    """Every fault as a document: times in Unix s, an `end` of None for one that stays."""
    return [
        {"name": fault.name, **asdict(fault), "end": None if fault.end == math.inf else fault.end}
        for fault in faults.all
    ]


def main(words: list[str]) -> int:
    """Be the gateway of a job until the field clock says stop; 0, or 2 after one line about what to mend."""
    parser = argparse.ArgumentParser(prog="python -m gateway_sim member", description=__doc__)
    parser.add_argument("job", type=Path, metavar="JOB", help="JSON, as docs/field.md describes it")
    path = parser.parse_args(words).job
    try:
        asyncio.run(_perform(read_job(path)))
    except (SimError, OSError) as error:
        sys.stderr.write(f"gateway_sim member: {error}\n")
        return 2
    return 0


def read_job(path: Path) -> Document:
    """A job, as docs/field.md describes it. Raises StateError."""
    try:
        job: Document = json.loads(path.read_text())
        gateway_of(job), faults_of(job)
    except (ValueError, KeyError, TypeError) as error:
        raise StateError(f"{path}: no job of a gateway ({error!r}); docs/field.md says what one holds") from error
    return job


async def _perform(job: Document) -> None:
    time = VirtualTime(job["now_ms"])
    record = EventRecord(Path(job["record"]))
    farm = Farm(job["farm"], job["seed"], (gateway_of(job),))
    certs, state, address = Path(job["certs"]).parent, Path(job["state"]).parent, (job["host"], job["port"])
    settings = {"server_hostname": job["server_hostname"], "sample_interval_s": job["sample_interval_s"]}
    fleet = Fleet(farm, weather_of(job), certs, *address, time, record, settings, state, record.has, faults_of(job))
    await fleet.start()
    try:
        await until_let_go(take_part(job["clock_port"], job["gateway_id"], time, GatewayPart(fleet, time)))
    finally:
        await fleet.stop(patience_s=0)


def gateway_of(job: Document) -> FarmGateway:
    """The gateway of a job, with its zones."""
    return FarmGateway(job["gateway_id"], tuple(_zone(row) for row in job["zones"]))


def _zone(row: Document) -> Zone:
    kinds = {"soil": Soil(**row["soil"]), "crop": Crop(**row["crop"]), "probe_depths_m": tuple(row["probe_depths_m"])}
    return Zone(**{name: value for name, value in row.items() if name not in NOT_A_ZONES} | kinds)


def weather_of(job: Document) -> Weather:
    """The weather of a job's season."""
    hours = [{name: value for name, value in hour.items() if name != "at"} for hour in job["weather"]]
    return Weather(job["weather"][0]["at"], hours)


def faults_of(job: Document) -> Faults:
    """What strikes the gateway of a job."""

    def fault(row: Document) -> Fault:
        end = math.inf if row["end"] is None else row["end"]
        return Fault(
            kind=row["kind"],
            targets=tuple(row["targets"]),
            begin=row["begin"],
            end=end,
            amount=row["amount"],
            quantity=row["quantity"],
        )

    return Faults([fault(row) for row in job["faults"]], job["seed"])


class GatewayPart:
    """A fleet of one gateway, as a part in field time."""

    def __init__(self, fleet: Fleet, time: VirtualTime) -> None:
        self._fleet, self._time = fleet, time

    def idle(self) -> bool:
        """True if it is connected with nothing to send, nothing un-acknowledged."""
        return self._fleet.idle()

    def why_busy(self) -> str:
        """The same for every reason."""
        return "it is offline, or waits for acknowledgements"

    def activity(self) -> int:
        """The gate counts what it sends and receives."""
        return 0

    def due_ms(self) -> int | None:
        """When it wakes, in Unix ms; None if it does not sleep."""
        return self._time.due_ms()

    async def run_due(self) -> None:
        """Wake it if its time has come."""
        self._time.wake()

    async def stop(self) -> Document:
        """Whatever is broken is mended; hand over what was measured, and say what the season was."""
        await self._fleet.mend()
        await self._fleet.stop()
        return self._fleet.last_words()

    def news(self) -> str:
        """Nothing: what it does is in its record."""
        return ""

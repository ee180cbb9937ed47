"""The gateways of a chaos run: the firmware's own code on simulated boards, each behind a link of its own.

Their clock keeps pace with field time, but stands still while something is due: a machine under load makes a board's
whole world late, and never a board. What their pins did is in `pins.jsonl`, what their probes were read in
`reads.jsonl`. A line `stop` on standard input: what is broken is mended, everything is brought home, and the
process ends.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from field_time.participant import VirtualTime
from field_time.record import cut_torn_line
from gateway_sim.device import Device
from gateway_sim.farm import Farm, FarmGateway
from gateway_sim.faults import Fault, Faults, Values
from gateway_sim.fleet import Fleet
from tests.chaos.place import SAMPLE_EVERY_S, Place, farm_of, honest, weather_of_run

TURNS = 4  # of the event loop, in which a woken task does its work and sleeps again
HOME_S = 240
DAY_S = 86400


class Probes(Faults):
    """The faults of a gateway; it notes each reading of a probe on the way."""

    def __init__(self, faults: list[Fault], reads: TextIO) -> None:
        super().__init__(faults)
        self._reads = reads

    def told(self, sensor_id: str, values: Mapping[str, float | int | None], measured_at: int) -> Values:
        told = super().told(sensor_id, values, measured_at)
        self._reads.write(json.dumps([measured_at, sensor_id, told]) + "\n")
        return told


def _log(path: Path) -> TextIO:
    """A log that goes on after the last whole line of a life before."""
    file = path.open("a", buffering=1)
    cut_torn_line(path)
    return file


class Gateways:
    """A fleet of one each, so that each has its own link and faults."""

    def __init__(self, place: Place, faults: list[Fault]) -> None:
        self.time = VirtualTime(place.pace.now_ms())
        self._place = place
        self._pins, self._reads = (_log(place.path / name) for name in ("pins.jsonl", "reads.jsonl"))
        farm, weather = farm_of(place.gateways, place.seed), weather_of_run()
        self.fleets = {one.gateway_id: self._fleet(farm, one, weather, faults) for one in honest(farm)}

    def _fleet(self, farm: Farm, row: FarmGateway, weather: Any, faults: list[Fault]) -> Fleet:
        name, place = row.gateway_id, self._place
        every_s = SAMPLE_EVERY_S[sum(name.encode()) % len(SAMPLE_EVERY_S)]
        settings = {"server_hostname": "localhost", "sample_interval_s": every_s, "publish_interval_s": every_s}
        own = Probes([fault for fault in faults if name in fault.targets], self._reads)
        return Fleet(
            Farm(farm.name, farm.seed, (row,)),
            weather,
            place.path / "certs",
            "127.0.0.1",
            place.link_ports[name],
            self.time,
            self._note,
            settings,
            faults=own,
        )

    def _note(self, event: dict[str, Any]) -> None:
        if event["kind"] == "valve_edge":
            self._pins.write(json.dumps({**event, "late_ms": self._place.pace.now_ms() - self.time.now_ms()}) + "\n")

    async def keep_pace(self) -> None:
        """Field time, each moment at which something is due after the other."""
        while True:
            to_ms = self._place.pace.now_ms()
            while (due := self.time.due_ms()) is not None and due <= to_ms:
                self.time.set_ms(max(due, self.time.now_ms()))
                self.time.wake()
                for _ in range(TURNS):
                    await asyncio.sleep(0)
            self.time.set_ms(max(to_ms, self.time.now_ms()))
            await asyncio.sleep(0.01)

    def tell(self) -> None:
        """How they are, for whoever looks on."""
        devices = {name: fleet.gateways[name] for name, fleet in self.fleets.items()}
        facts = {
            "home": sum(fleet.idle() for fleet in self.fleets.values()),
            "boots": {name: one.boots for name, one in devices.items() if isinstance(one, Device)},
            "counters": {name: one.counters for name, one in devices.items()},
        }
        path = self._place.path / "fleet.json"
        path.with_suffix(".new").write_text(json.dumps(facts))
        path.with_suffix(".new").rename(path)

    async def bring_home(self) -> None:
        """Mend what is broken, and hand over everything that was measured."""
        await asyncio.gather(*(fleet.mend() for fleet in self.fleets.values()))
        for _ in range(HOME_S * 2):
            if all(fleet.idle() for fleet in self.fleets.values()):
                break
            await asyncio.sleep(0.5)
        await asyncio.gather(*(fleet.stop(patience_s=60) for fleet in self.fleets.values()))


async def main(place: Place, faults: list[Fault]) -> None:
    """Work until `stop`."""
    gateways = Gateways(place, faults)
    clock = asyncio.create_task(gateways.keep_pace())
    over = asyncio.create_task(_told_to_stop())
    for fleet in gateways.fleets.values():
        await fleet.start()
    while not over.done():
        if clock.done():
            clock.result()
        gateways.tell()
        await asyncio.wait({over, clock}, timeout=2, return_when=asyncio.FIRST_COMPLETED)
    over.result()
    await gateways.bring_home()
    clock.cancel()
    gateways.tell()


async def _told_to_stop() -> None:
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    if await reader.readline() != b"stop\n":
        raise SystemExit("whoever started the fleet is gone")


def faults_in(path: Path) -> list[Fault]:
    """The plan of what befalls boards."""
    return [Fault(**{**row, "targets": tuple(row["targets"])}) for row in json.loads(path.read_text())]


if __name__ == "__main__":
    asyncio.run(main(Place.load(sys.argv[1]), faults_in(Path(sys.argv[2]))))

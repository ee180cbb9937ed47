"""The simulated gateways of a demonstration, connected."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from demo.job import Job
from demo.processes.part import serve_part
from demo.recorder import Recorder
from demo.scenario import scenario_of
from field_time.participant import Part, VirtualTime
from gateway_sim.fleet import Fleet
from gateway_sim.member import GatewayPart

LIVELY = {"sample_interval_s": 60, "publish_interval_s": 60}  # while people look on


class FleetPart(GatewayPart):
    """The gateways: as one of them would take part, with news and the truth about their zones."""

    def __init__(self, fleet: Fleet, time: VirtualTime, record: Recorder) -> None:
        super().__init__(fleet, time)
        self._record = record

    def why_busy(self) -> str:
        """Gateways are offline, or have messages that the broker did not acknowledge."""
        return "gateways are offline, or wait for acknowledgements"

    def news(self) -> str:
        """What a valve did last, or whom the gate refused."""
        return self._record.news()

    async def stop(self) -> dict[str, Any]:
        """Close the valves, empty the outboxes; gives what the fleet saw, and the true moisture of its zones."""
        last_words = await super().stop()
        zones = self._fleet.summary()["zones"]
        return last_words | {"moisture": {zone_id: truth["moisture"] for zone_id, truth in zones.items()}}


@asynccontextmanager
async def open_part(job: Job, time: VirtualTime, record: Recorder) -> AsyncIterator[tuple[Part, dict[str, Any]]]:
    """The fleet, going on from what a killed one kept."""
    scenario, work = scenario_of(job), Path(job.work)
    fleet = Fleet(
        scenario.farm.simulated,
        scenario.weather,
        work / "certs",
        "127.0.0.1",
        job.gate_port,
        time,
        record,
        LIVELY if job.is_live else None,
        state=work / "fleet",
        recorded=record.has,
        faults=scenario.faults,
    )
    await fleet.start()
    try:
        yield FleetPart(fleet, time, record), {}
    finally:
        await fleet.stop(patience_s=0)  # nothing to wait for after a stop in good order, nobody to wait for otherwise


if __name__ == "__main__":
    sys.exit(serve_part("fleet", open_part, sys.argv[1]))

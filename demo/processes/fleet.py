"""The simulated gateways of a demonstration, connected."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from demo.job import Job
from demo.participants import FleetPart, Recorder, perform
from demo.scenery import scenario_of
from field_time.participant import Part, VirtualTime
from gateway_sim.fleet import Fleet


@asynccontextmanager
async def role(job: Job, time: VirtualTime, record: Recorder) -> AsyncIterator[tuple[Part, dict[str, Any]]]:
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
    sys.exit(perform("fleet", role, sys.argv[1]))

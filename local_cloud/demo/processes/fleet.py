"""The simulated gateways of a demonstration, connected."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway_sim.fleet import Fleet
from local_cloud.demo.job import Job
from local_cloud.demo.roles import FleetPart, Recorder, perform
from local_cloud.demo.scenery import scenario_of
from local_cloud.field_clock import Part, VirtualTime


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

"""The compute service of a demonstration, subscribed."""

import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from compute_service.adapters import zones_file as farm_config
from compute_service.adapters.mqtt import MqttConnection
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.forecast import Forecast
from compute_service.service import Service
from demo.forecaster import Forecaster
from demo.job import COMPUTE, ZONE_FILE, Job
from demo.participants import ComputePart, Recorder, perform
from demo.scenery import scenario_of
from field_time.participant import Part, VirtualTime


@asynccontextmanager
async def role(job: Job, time: VirtualTime, record: Recorder) -> AsyncIterator[tuple[Part, dict[str, Any]]]:
    """The service, going on from its store."""
    farm = farm_config.load(Path(job.out) / ZONE_FILE)
    forecaster = Forecaster(scenario_of(job), Path(job.out) / farm.forecast) if farm.forecast else None

    def forecast() -> Forecast | None:
        return forecaster.newest(time.now()) if forecaster else None

    with contextlib.closing(SqliteStore(Path(job.out) / "compute.sqlite")) as store:
        connection = MqttConnection(Path(job.work) / "certs" / COMPUTE, "localhost", job.gate_port)
        service = Service(farm, store, connection.publish, time.now, record, forecast)
        connection.connect(service.handle)
        service.start()
        yield ComputePart(service, store, connection, record), {}


if __name__ == "__main__":
    sys.exit(perform("compute", role, sys.argv[1]))

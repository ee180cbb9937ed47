"""The rooms as participants in field time: what each does when it is due, when it is idle, what it brings home.

Each plays in a process of its own, in `processes/`, that imports its room and no other: after a kill it is back sooner.
"""

import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from certs.errors import CertsError
from compute_service.errors import ComputeError
from demo.job import Job
from demo.supervisor import input_closed
from field_time.participant import Part, VirtualTime, take_part
from gateway_sim.errors import SimError
from local_cloud.errors import LocalCloudError

if TYPE_CHECKING:  # whoever plays a part has its room at hand
    from compute_service.adapters.mqtt import MqttConnection
    from compute_service.adapters.sqlite.store import SqliteStore
    from compute_service.service import Service
    from gateway_sim.fleet import Fleet
    from local_cloud.cloud import Cloud

KNOWN_TROUBLE = (CertsError, ComputeError, SimError, LocalCloudError, OSError)


class Recorder:
    """Writes events as they happen, one JSON object a line, and keeps the last one worth telling a person."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO = path.open("a", buffering=1)
        self._news = ""

    def __call__(self, event: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(event) + "\n")
        if told := NEWS.get(event["kind"]):
            self._news = told(event)

    def has(self, event: dict[str, Any]) -> bool:
        """True if this very event is on record, from this process or one before it."""
        return json.dumps(event) + "\n" in self._path.read_text()

    def news(self) -> str:
        """What was worth telling since this was last asked."""
        news, self._news = self._news, ""
        return news

    def close(self) -> None:
        """Close the file."""
        self._file.close()


NEWS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "valve_edge": lambda event: f"{event['zone_id']} {'opens' if event['open'] else 'closes'}",
    "refusal": lambda event: f"refused {event['thing']}: {event['why']}",
}


class FleetPart:
    """The gateways."""

    def __init__(self, fleet: "Fleet", time: VirtualTime, record: Recorder) -> None:
        self._fleet, self._time = fleet, time
        self.news = record.news

    def idle(self) -> bool:
        """True if every gateway is connected with nothing to send, nothing un-acknowledged."""
        return self._fleet.idle()

    def why_busy(self) -> str:
        """Gateways are offline, or have messages that the broker did not acknowledge."""
        return "gateways are offline, or wait for acknowledgements"

    def activity(self) -> int:
        """The gate counts what gateways send and receive."""
        return 0

    def due_ms(self) -> int | None:
        """When the next gateway wakes."""
        return self._time.due_ms()

    async def run_due(self) -> None:
        """Wake the gateways whose time has come."""
        self._time.wake()

    async def stop(self) -> dict[str, Any]:
        """Close the valves, empty the outboxes; gives what the fleet saw, and the true moisture of its zones."""
        await self._fleet.mend()
        await self._fleet.stop()
        zones = self._fleet.summary()["zones"]
        moisture = {zone_id: truth["moisture"] for zone_id, truth in zones.items()}
        return self._fleet.last_words() | {"moisture": moisture}


class ComputePart:
    """The compute service."""

    def __init__(
        self, service: "Service", store: "SqliteStore", connection: "MqttConnection", record: Recorder
    ) -> None:
        self._service, self._store, self._connection = service, store, connection
        self.news = record.news

    def idle(self) -> bool:
        """True if every command is acknowledged by the broker and no message is being handled."""
        return self._service.idle()

    def why_busy(self) -> str:
        """Publishes wait for the broker, or a message is being handled."""
        return f"{self._connection.un_acked()} publishes wait for their acknowledgement"

    def activity(self) -> int:
        """The gate counts what the service sends and receives."""
        return 0

    def due_ms(self) -> int | None:
        """When a decision or an expiry is due."""
        due = self._service.next_due()
        return None if due is None else due * 1000

    async def run_due(self) -> None:
        """Decide."""
        self._service.tick()

    async def stop(self) -> dict[str, Any]:
        """Close what is overdue, disconnect; gives the commands by state and what was settled."""
        self._service.give_up()
        await asyncio.to_thread(self._connection.close)
        litres = sum(delivery.volume_l or 0 for delivery in self._store.commands.deliveries())
        return {"commands": self._store.commands.counts(), "litres_settled": litres}


class CloudPart:
    """Gate, broker and topic rule."""

    def __init__(self, cloud: "Cloud", record: Recorder) -> None:
        self._cloud = cloud
        self.news = record.news

    def idle(self) -> bool:
        """True if no message is between the gate and anyone; raises what made the gate fail."""
        if self._cloud.gate.failure:
            raise self._cloud.gate.failure
        return self._cloud.gate.in_flight() == 0

    def why_busy(self) -> str:
        """What is in flight."""
        return self._cloud.gate.describe_in_flight()

    def activity(self) -> int:
        """Packets relayed."""
        return self._cloud.gate.activity()

    def due_ms(self) -> int | None:
        """When the topic rule's buffer goes to S3."""
        due = self._cloud.rule.next_due()
        return None if due is None else due * 1000

    async def run_due(self) -> None:
        """Deliver what has waited long enough."""
        await self._cloud.rule.flush()

    async def stop(self) -> dict[str, Any]:
        """Deliver everything that is buffered."""
        await self._cloud.rule.flush(everything=True)
        return {}


Role = Callable[[Job, VirtualTime, Recorder], AbstractAsyncContextManager[tuple[Part, dict[str, Any]]]]


def perform(name: str, role: Role, job_file: str) -> int:
    """Play one role until the field clock says stop or the parent is gone; what goes wrong becomes one line, rc 2."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(_perform(name, role, Job.load(job_file)))
    except KNOWN_TROUBLE as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 2
    return 0


async def _perform(name: str, role: Role, job: Job) -> None:
    time = VirtualTime(job.now_ms)
    with contextlib.closing(Recorder(Path(job.work) / "events" / f"{name}.jsonl")) as record:
        async with role(job, time, record) as (part, facts):
            playing = asyncio.create_task(take_part(job.clock_port, name, time, part, **facts))
            orphaned = asyncio.create_task(input_closed())
            await asyncio.wait({playing, orphaned}, return_when=asyncio.FIRST_COMPLETED)
            orphaned.cancel()
            if playing.done():
                playing.result()
            playing.cancel()

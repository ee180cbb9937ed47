"""The compute service of a demonstration, subscribed."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compute_service.adapters import zones_file as farm_config
from compute_service.adapters.mqtt import MqttConnection
from compute_service.adapters.sqlite.sole_service import SoleService
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.alarms import LOOK_EVERY_S
from compute_service.domain.forecast import Forecast
from compute_service.domain.orders import SETTINGS, WAITING
from compute_service.domain.zone import Config
from compute_service.service import Service
from compute_service.settings import SettingsWatch
from demo.forecaster import Forecaster
from demo.job import COMPUTE, ZONE_FILE, Job
from demo.processes.part import serve_part
from demo.recorder import Recorder
from demo.scenario import scenario_of
from field_time.participant import Part, VirtualTime


@dataclass(frozen=True)
class ComputePlace:
    """What a compute service of this machine starts from: its zones file as read, its store, who it is, the gate.

    With a `watch` of its zones file, people steer the farm: what they order or change there is due at once.
    """

    farm: Config
    store: Path
    identity: Path
    gate_port: int
    watch: SettingsWatch | None = None  # of the zones file, where people may change it


@dataclass(frozen=True)
class Steered:
    """A farm that people steer: its clock, and the zones file that they may change."""

    time: VirtualTime
    settings: SettingsWatch


class ComputePart:
    """The compute service. Where people steer, their orders are due at once, and so are the settings they saved."""

    def __init__(
        self,
        service: Service,
        store: SqliteStore,
        connection: MqttConnection,
        record: Recorder,
        steered: Steered | None = None,
    ) -> None:
        self._service, self._store, self._connection = service, store, connection
        self._steered = steered
        self._ticked_at = steered.time.now() if steered else 0
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
        """When a decision or an expiry is due, or now if somebody has given an order, or changed or queued settings."""
        if self._steered and self._is_asked(self._steered.settings):
            return self._steered.time.now_ms()
        due = self._service.next_due()
        if self._steered:  # alarms are looked at also when nothing is heard any more
            due = min(due or self._ticked_at + LOOK_EVERY_S, self._ticked_at + LOOK_EVERY_S)
        return None if due is None else due * 1000

    def _is_asked(self, settings: SettingsWatch) -> bool:
        rows = self._store.orders.open()
        is_ordered = any(row.state == WAITING and row.order.action != SETTINGS for row in rows)
        return is_ordered or settings.is_changed() or bool(self._store.updates.in_states("queued"))

    async def run_due(self) -> None:
        """Decide, by the settings as they are."""
        if self._steered and (change := self._steered.settings.change()):
            self._service.take_settings(change)
        if self._steered:
            self._ticked_at = self._steered.time.now()
        self._service.tick()

    async def stop(self) -> dict[str, Any]:
        """Close what is overdue, disconnect; gives the commands by state and what was settled."""
        self._service.give_up()
        await asyncio.to_thread(self._connection.close)
        litres = sum(delivery.volume_l or 0 for delivery in self._store.commands.deliveries())
        return {"commands": self._store.commands.counts(), "litres_settled": litres}


@asynccontextmanager
async def connected(
    place: ComputePlace, time: VirtualTime, record: Recorder, forecast: Callable[[], Forecast | None] = lambda: None
) -> AsyncIterator[ComputePart]:
    """The service, subscribed, going on from its store. Raises ComputeError."""
    with contextlib.closing(SoleService(place.store)), contextlib.closing(SqliteStore(place.store)) as store:
        connection = MqttConnection(place.identity, "localhost", place.gate_port)
        service = Service(place.farm, store, connection.publish, time.now, record, forecast)
        # In a thread, as the gate may be on this loop.
        await asyncio.to_thread(connection.connect, service.handle, service.set_aside)
        try:
            service.start(place.watch.first if place.watch else None)
            steered = Steered(time, place.watch) if place.watch else None
            yield ComputePart(service, store, connection, record, steered)
        finally:
            await asyncio.to_thread(connection.close, 0)


@asynccontextmanager
async def open_part(job: Job, time: VirtualTime, record: Recorder) -> AsyncIterator[tuple[Part, dict[str, Any]]]:
    """The service; if the scenario has one, with the forecast that a weather service would give."""
    out, identity = Path(job.out), Path(job.work) / "certs" / COMPUTE
    watch = SettingsWatch(out / ZONE_FILE) if job.is_live else None
    farm = watch.farm if watch else farm_config.load(out / ZONE_FILE)
    forecaster = Forecaster(scenario_of(job), out / farm.forecast) if farm.forecast else None

    def forecast() -> Forecast | None:
        return forecaster.newest(time.now()) if forecaster else None

    place = ComputePlace(farm, out / "compute.sqlite", identity, job.gate_port, watch)
    async with connected(place, time, record, forecast) as part:
        yield part, {}


if __name__ == "__main__":
    sys.exit(serve_part("compute", open_part, sys.argv[1]))

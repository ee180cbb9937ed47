"""A fleet against a real broker over mutual TLS, on field time that a test moves, with compute's place in its hands."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gateway.mqtt import Client
from gateway_sim import farm as farms
from gateway_sim import weather as weathers
from gateway_sim.faults import parse
from gateway_sim.fleet import Fleet
from protocol import messages, topics
from tests.gateway.conftest import Broker, Pki, StepClock
from tests.waiting import eventually

WEATHER = weathers.load(days=10)
HOUR_S = 3600


class World:
    """A fleet, the events that it recorded, and compute's place at the broker."""

    def __init__(self, broker: Broker, pki: Pki, seed: int = 1, rows: list[dict[str, Any]] | None = None) -> None:
        self.farm = farms.build(2, seed)
        for row in self.farm.gateways:
            pki.issue(row.gateway_id)
        self.clock = StepClock(WEATHER.start)
        self.events: list[dict[str, Any]] = []
        self.heard: list[tuple[str, Any]] = []
        self.heard_at: list[int] = []  # field time, for each of them
        address = ("localhost", broker.port)
        targets = {
            "gateway": [row.gateway_id for row in self.farm.gateways],
            "zone": [zone.zone_id for zone in self.farm.zones],
            "sensor": [sensor_id for row in self.farm.gateways for sensor_id in row.sensor_ids],
        }
        faults = parse(rows, targets, WEATHER.start, seed)
        self.fleet = Fleet(self.farm, WEATHER, pki.folder, *address, self.clock, self.events.append, faults=faults)
        self.compute = Client(
            f"compute-{seed}",
            (*address, "localhost"),
            pki.context("irrigation-compute"),
            subscriptions=topics.from_gateways(),
            on_message=self._hear,
        )

    def _hear(self, topic: str, payload: bytes) -> None:
        self.heard.append(messages.decode(topic, payload))
        self.heard_at.append(self.clock.now())

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for found, message in self.heard if found == kind]

    def settled(self) -> bool:
        published = sum(gateway.counters["messages_acked"] for gateway in self.fleet.gateways.values())
        return self.fleet.idle() and len(self.heard) >= published

    async def open(self, zone_id: str, seconds: int, epoch: int = 1) -> None:
        acks = len(self.of("ack"))
        await self.command_open(zone_id, seconds, epoch)
        await eventually(lambda: len(self.of("ack")) > acks)

    async def command_open(self, zone_id: str, seconds: int, epoch: int = 1) -> None:
        gateway_id = next(row.gateway_id for row in self.farm.gateways if zone_id in [z.zone_id for z in row.zones])
        now = self.clock.now()
        command = {
            "command_id": f"{zone_id}-{epoch}",
            "device_id": gateway_id,
            "zone_id": zone_id,
            "action": "open",
            "duration_s": seconds,
            "issued_at": now,
            "expires_at": now + 900,
            "epoch": epoch,
        }
        await self.compute.publish(topics.command(gateway_id), messages.encode("command", command))


@asynccontextmanager
async def at_work(world: World) -> AsyncIterator[World]:
    listening = asyncio.create_task(world.compute.run())
    await eventually(lambda: world.compute.online)
    await world.fleet.start()
    try:
        yield world
    finally:
        await world.fleet.stop()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)

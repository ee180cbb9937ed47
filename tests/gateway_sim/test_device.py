"""Faults of a device: what a gateway says through a lost network, a power cut, a brown-out and a wrong clock."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

from gateway.gateway import Gateway
from gateway.mqtt import Client
from gateway.store import MemoryStore
from gateway_sim.device import Device, Radio
from gateway_sim.faults import SkewedClock, parse
from protocol import messages, topics
from tests.gateway.conftest import Broker, Pki, StepClock
from tests.waiting import eventually

T0 = 1_591_675_200
HOUR_S = 3600
GATEWAY = "irrigation-gateway-1"


class Board:
    """One probe, one valve of 60 l/min with a meter, which remembers every edge."""

    def __init__(self, clock: StepClock) -> None:
        self.clock = clock
        self.edges: list[tuple[int, bool]] = []
        self.device: Device | None = None

    def read(self) -> list[tuple[str, str | None, dict[str, float | int | None]]]:
        return [("soil-a", "plot-1a", {"vwc": 0.2})]

    def set_valve(self, zone_id: str, is_open: bool) -> None:
        if is_open != (bool(self.edges) and self.edges[-1][1]):
            self.edges.append((self.clock.now(), is_open))
            assert self.device
            self.device.valve_edge(is_open)

    def metered_l(self, zone_id: str) -> float | None:
        times = [*self.edges, (self.clock.now(), False)]
        return float(sum(end - begin for (begin, is_open), (end, _) in pairwise(times) if is_open))

    def pulse_l(self, zone_id: str) -> float:
        return 0.0

    def health(self) -> dict[str, Any]:
        return {"firmware": "test", "reset_cause": "power_on"}


class World:
    def __init__(self, broker: Broker, pki: Pki, kind: str, **row: Any) -> None:
        self.clock = StepClock(T0)
        faults = parse([{"kind": kind, "target": GATEWAY} | row], {"gateway": [GATEWAY]}, T0)
        self.board = Board(self.clock)
        context = pki.context(GATEWAY)

        def boot(store: Any, address: dict[str, Any]) -> Gateway:
            zones = [{"zone_id": "plot-1a", "hard_cap_s": 3900, "litres_per_minute": 60.0}]
            config = {"gateway_id": GATEWAY, "server_hostname": "localhost", **address}
            clock = SkewedClock(self.clock, faults, GATEWAY)
            return Gateway({**config, "zones": zones}, self.board, clock, store, context)

        radio = Radio("localhost", broker.port)
        self.device = Device(GATEWAY, boot, MemoryStore(), self.clock, faults, radio)
        self.board.device = self.device
        self.heard: list[tuple[str, Any]] = []
        self.compute = Client(
            "compute",
            ("localhost", broker.port, "localhost"),
            pki.context("irrigation-compute"),
            subscriptions=topics.from_gateways(),
            on_message=lambda topic, payload: self.heard.append(messages.decode(topic, payload)),
        )

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for found, message in self.heard if found == kind]

    def measured(self) -> list[int]:
        return [sample["measured_at"] - T0 for reading in self.of("reading") for sample in reading["samples"]]

    async def pass_time(self, seconds: int) -> None:
        await self.clock.advance(seconds, self.device.idle)
        await asyncio.sleep(0.05)

    async def command_open(self, seconds: int) -> None:
        now = self.clock.now()
        command = {"command_id": f"open-{now}", "device_id": GATEWAY, "zone_id": "plot-1a", "action": "open"}
        times = {"duration_s": seconds, "issued_at": now, "expires_at": now + 900, "epoch": now - T0 + 1}
        edges, acks = len(self.board.edges), len(self.of("ack"))
        await self.compute.publish(topics.command(GATEWAY), messages.encode("command", {**command, **times}))
        await eventually(lambda: len(self.board.edges) > edges or len(self.of("ack")) > acks)


@asynccontextmanager
async def at_work(world: World) -> AsyncIterator[World]:
    listening = asyncio.create_task(world.compute.run())
    await eventually(lambda: world.compute.online)
    running = asyncio.create_task(world.device.run())
    await eventually(lambda: world.device.gateway is not None and world.device.idle())
    try:
        yield world
    finally:
        await world.device.stop(2)
        await running
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def test_lost_wifi_delays_readings_and_loses_none(broker: Broker, pki: Pki) -> None:
    """Between its begin and its end nothing is heard; afterwards every sample of it arrives."""
    async with at_work(World(broker, pki, "wifi_loss", **{"from": "2h", "until": "5h"})) as world:
        await world.pass_time(2 * HOUR_S - 60)
        before = len(world.measured())
        await world.pass_time(3 * HOUR_S)
        assert before == 4
        assert max(world.measured()) < 2 * HOUR_S
        await world.pass_time(HOUR_S + 60)
        await eventually(lambda: len(set(world.measured())) == 24)
    assert [status["state"] for status in world.of("status")].count("offline") >= 1  # the last will told of it


async def test_a_reboot_cuts_a_run_and_says_so(broker: Broker, pki: Pki) -> None:
    """The valve falls shut with the power; the next boot, with an identity of its own, acks what had run."""
    async with at_work(World(broker, pki, "reboot", **{"from": "1h 10m", "amount": 60})) as world:
        await world.pass_time(HOUR_S)
        await world.command_open(1800)
        await world.pass_time(HOUR_S)
        await eventually(lambda: any(ack["state"] not in {"received", "started"} for ack in world.of("ack")))
        acks = world.of("ack")
        await eventually(lambda: len({reading["boot_id"] for reading in world.of("reading")}) == 2)
    assert world.board.edges == [(T0 + 3600, True), (T0 + 4200, False)]
    assert (acks[-1]["end_reason"], acks[-1]["volume_source"]) == ("power_cut", "estimated")
    assert world.device.boots == 2


async def test_a_brown_out_ends_each_run_at_once(broker: Broker, pki: Pki) -> None:
    """While the supply is weak an opening valve resets the board, and no water flows; afterwards it runs again."""
    async with at_work(World(broker, pki, "brown_out", until="3h")) as world:
        for _ in range(2):
            await world.pass_time(HOUR_S)
            await world.command_open(600)
        await world.pass_time(2 * HOUR_S)
        assert world.device.boots == 3
        assert world.board.metered_l("plot-1a") == 0
        await world.command_open(600)
        await world.pass_time(HOUR_S)
    assert world.board.metered_l("plot-1a") == 600
    assert world.device.boots == 3


async def test_a_wrong_clock_shows_in_every_reading(broker: Broker, pki: Pki) -> None:
    """Samples are dated two hours late while it is wrong, and a command of now has expired for that gateway."""
    async with at_work(World(broker, pki, "wrong_clock", **{"from": "1h", "until": "3h", "amount": 7200})) as world:
        await world.pass_time(2 * HOUR_S)
        await world.command_open(600)
        await eventually(lambda: bool(world.of("ack")))
        rejected = world.of("ack")[-1]
        await world.pass_time(HOUR_S)
    assert max(world.measured()) >= 4 * HOUR_S
    assert (rejected["state"], rejected["code"]) == ("rejected", "expired")
    assert world.board.edges == []

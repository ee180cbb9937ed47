"""A farm that lives: a real service on a real store, probes and boards that answer, and a clock in the test's hands."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from compute_service import orders
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.orders import Order
from compute_service.domain.ports import Beat
from compute_service.domain.zone import Zone
from protocol import topics
from tests.compute_service.bench import NOON, Bench, zone

GATEWAYS = ("irrigation-gateway-1", "irrigation-gateway-2")
EVERY_S = 1800
DRY, USED_AN_HOUR = 0.205, 0.0011  # m3/m3


def zones() -> tuple[Zone, ...]:
    """Five zones on two gateways, each of its own crop and need."""
    crops = ("tomato", "maize", "lettuce", "soybean", "grape")
    return tuple(
        zone(
            letter,
            gateway_id=GATEWAYS[number // 3],
            sensor_id=f"{GATEWAYS[number // 3]}.soil-{letter}",
            crop=crop,
            area_m2=100.0 + 40 * number,
            application_rate_mm_h=20.0 + 10 * number,
        )
        for number, (letter, crop) in enumerate(zip("abcde", crops, strict=True))
    )


ZONES_FILE = """# the farm of the tests
farm: test farm   # its name
timezone: America/Toronto
latitude: 45.88
longitude: -72.48
elevation_m: 82
zones:
  # the first plot
  - &common
    zone_id: plot-1a
    gateway_id: irrigation-gateway-1
    sensor_id: irrigation-gateway-1.soil-a
    crop: tomato
    sown: 2025-04-01
    soil: loam
    field_capacity: 0.29
    wilting_point: 0.12
    root_depth_m: 0.5   # by hand
    area_m2: 100
    application_rate_mm_h: 20
    efficiency: 0.75
    max_run_s: 1800
    cooldown_s: 3600
    daily_cap_s: 5400
    max_reading_age_s: 3600
  - <<: *common
    zone_id: plot-1b
    sensor_id: irrigation-gateway-1.soil-b
    limits:
      hours: ["20:00-06:00"]
"""


@dataclass
class LivingFarm:
    """The service's side is a `Bench`; here is the field's: moisture by zone, boards that obey."""

    store: SqliteStore
    now: int = NOON
    do_boards_answer: bool = True
    moisture: dict[str, float] = field(default_factory=dict)
    answered: int = 0
    seq: int = 0
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # of zones' settings, by zone

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        changed = tuple(replace(one, **self.changes.get(one.zone_id, {})) for one in zones())
        self.bench = Bench(self.store, changed, now=self.now)
        self.moisture = {one.zone_id: 0.27 - 0.006 * number for number, one in enumerate(self.bench.zones)}
        self.bench.service.start()

    def order(self, action: str, zone_id: str | None = None, **more: Any) -> None:
        """Somebody at a shell orders something."""
        wish = {"by": "ana", "via": "shell", **more}
        now = self.bench.now
        order = Order(order_id=orders.new_order_id(now), action=action, at=now, zone_id=zone_id, **wish)
        orders.give(self.store, self.bench.config, order)

    def dry_out(self, *zone_ids: str) -> list[dict[str, Any]]:
        """Zones that must have water are told to open; gives the commands, which no board has answered."""
        with self.lock:
            for zone_id in zone_ids:
                self.order("open", zone_id, duration_s=900)
            self.bench.tick()
            self.beat()
            return self.new_commands()

    def hear_statuses(self, state: str = "online", **more: Any) -> None:
        for number, gateway_id in enumerate(GATEWAYS):
            self.hear_status(gateway_id, state, rssi_dbm=-61 - 9 * number, **more)

    def hear_status(self, gateway_id: str, state: str = "online", **more: Any) -> None:
        message = {
            "gateway_id": gateway_id,
            "boot_id": "boot-1",
            "state": state,
            "at": self.bench.now,
            "firmware": "1.4.0",
            "reset_cause": "power_on",
            "uptime_s": self.bench.now - NOON + 864_000,
            "heap_free_bytes": 88_400,
            "outbox_depth": 0,
            "outbox_dropped": 0,
            "open_valves": [],
            **more,
        }
        self.bench.hear(topics.status(gateway_id), message)

    def live(self, hours: float) -> None:
        """Half an hour after half an hour: probes report, the service decides, boards run to the end."""
        end = self.bench.now + round(hours * 3600)
        while self.bench.now < end:
            self.bench.tick(EVERY_S)
            self.read_probes()
            self.bench.tick(12)
            self.answer()
        self.beat()

    def read_probes(self) -> None:
        for one in self.bench.zones:
            self.moisture[one.zone_id] -= USED_AN_HOUR * EVERY_S / 3600
            self.report(one.zone_id, self.moisture[one.zone_id])

    def report(self, zone_id: str, vwc: float) -> None:
        """A probe's reading, as its gateway sends it."""
        one = next(one for one in self.bench.zones if one.zone_id == zone_id)
        self.seq += 1
        sample = {"seq": self.seq, "measured_at": self.bench.now, "clock": "synced", "vwc": round(vwc, 4)}
        message = {"gateway_id": one.gateway_id, "sensor_id": one.sensor_id, "zone_id": zone_id, "boot_id": "boot-1"}
        self.bench.hear(topics.data(one.sensor_id), {**message, "samples": [sample]})

    def new_commands(self) -> list[dict[str, Any]]:
        commands = self.bench.commands()
        fresh, self.answered = commands[self.answered :], len(commands)
        return fresh

    def answer(self) -> None:
        """The boards obey what came since the last time, and every run goes to its end."""
        for command in self.new_commands():
            if command["action"] == "open":
                self.run(command)
            else:
                self.obey_stop(command)

    def run(self, command: dict[str, Any]) -> None:
        self.ack(command, "started")
        litres = command["max_volume_l"] / 1.5
        self.bench.now += command["duration_s"]
        one = next(one for one in self.bench.zones if one.zone_id == command["zone_id"])
        self.moisture[one.zone_id] += litres / one.area_m2 * one.efficiency / 1000 / one.root_depth_m
        self.ack(command, "done", duration_s=command["duration_s"], volume_l=round(litres, 1))

    def obey_stop(self, command: dict[str, Any]) -> None:
        self.ack(command, "done", duration_s=None, volume_l=None)

    def ack(self, command: dict[str, Any], state: str, **more: Any) -> None:
        self.bench.hear_ack(command, state, **more)

    def beat(self, speed: float = 0.0) -> None:
        """That the service lives; its time stands still between two beats, unless told otherwise."""
        self.store.journal.beat(Beat(self.bench.now, time.time(), speed))


@contextmanager
def living_farm(
    path: Path, hours: float = 0, changes: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
) -> Iterator[LivingFarm]:
    """A farm on a new store, after some hours of its life; `changes` of its zones' settings."""
    with closing(SqliteStore(path)) as store:
        farm = LivingFarm(store, changes=changes)
        farm.hear_statuses()
        if hours:
            farm.live(hours)
            farm.hear_statuses()
        farm.beat()
        yield farm


@contextmanager
def service_at_work(farm: LivingFarm) -> Iterator[None]:
    """The service ticks in a thread of its own for the time of the block; the farm's clock stands."""
    over = threading.Event()

    def serve() -> None:
        while not over.wait(0.02):
            with farm.lock:
                farm.bench.service.tick()
                farm.beat()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()

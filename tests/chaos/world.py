"""The world of a chaos run: its real processes, kept alive as an init system would, its links, its people."""

import asyncio
import contextlib
import json
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from certs.authority import Authority
from compute_service.adapters import zones_file
from compute_service.domain.zone import Config
from demo.supervisor import Supervisor
from gateway_sim.farm import Farm, local_day
from gateway_sim.faults import Fault
from local_cloud.aws import Aws
from tests.chaos.forecast import ForecastServer
from tests.chaos.links import Link
from tests.chaos.place import COMPUTE, START_H, Pace, Place, farm_of, honest, weather_of_run, zones_text
from tests.waiting import free_port

RESTART_AFTER_S = 1.0
STARTS_WITHIN_S = 120
STORE_MB, EVENTS_MB = 256, 64
HOUR_MS = 3_600_000
MOSQUITTO = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
autosave_interval 5
max_inflight_messages 100
max_queued_messages 100000
user root
log_type error
"""


@dataclass
class World:
    """All of it. `restarts` counts how often a process had to be started again, by name."""

    place: Place
    farm: Farm
    config: Config
    aws_endpoint: str
    supervisor: Supervisor
    links: dict[str, Link]
    service_link: Link
    aws_link: Link
    forecast: ForecastServer
    restarts: Counter[str] = field(default_factory=Counter)
    deaths: list[tuple[str, int]] = field(default_factory=list)
    store_lock: asyncio.Lock = field(default_factory=asyncio.Lock)  # whoever else has the store open keeps it mounted
    is_over: bool = False

    def command(self, name: str) -> tuple[str, ...]:
        """What a process is started with."""
        place = self.place
        saved = str(place.path / "place.json")
        options = ("--store", str(place.store), "--zones", str(place.zones), "--port", str(place.service_port))
        events = ("--events", str(place.path / "events" / "events.jsonl"))
        return {
            "broker": ("mosquitto", "-c", str(place.path / "mosquitto.conf")),
            "cloud": ("python", "-m", "tests.chaos.cloud_process", saved, str(place.path / "witness.jsonl")),
            "fleet": ("python", "-m", "tests.chaos.fleet_process", saved, str(place.path / "board_faults.json")),
            "service": (
                *("python", "-m", "tests.chaos.service_process", saved, "run"),
                *(*options, "--certs", str(place.path / "certs" / COMPUTE), *events),
            ),
        }[name]

    async def start(self, name: str) -> None:
        """Start one of the processes."""
        await self.supervisor.start(name, *self.command(name))

    async def keep_alive(self) -> None:
        """Start again whatever ends, a second later."""
        while True:
            name = await self.supervisor.next_end()
            self.restarts[name] += 1
            self.deaths.append((name, self.supervisor.code(name) or 0))
            if name == "fleet":
                raise RuntimeError(f"the fleet ended: {self.supervisor.last_line(name)}")
            await asyncio.sleep(RESTART_AFTER_S)
            if not self.is_over:
                await self.start(name)

    def ends(self, name: str, since: int) -> list[int]:
        """With which codes a process has ended, after so many deaths of any."""
        return [code for who, code in self.deaths[since:] if who == name]

    def log_of(self, name: str) -> str:
        """All that a process has said."""
        path = self.place.path / "logs" / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def witness_size(self) -> int:
        """Where the witness's book ends now."""
        path = self.place.path / "witness.jsonl"
        return path.stat().st_size if path.exists() else 0

    def witnessed(self, start: int) -> list[list[Any]]:
        """What passed the gate since the book had that size."""
        path = self.place.path / "witness.jsonl"
        if not path.exists():
            return []
        with path.open("rb") as file:
            file.seek(start)
            lines = file.read().split(b"\n")
        rows = []
        for line in lines:
            with contextlib.suppress(ValueError):  # cut off at either end
                rows.append(json.loads(line))
        return [row for row in rows if isinstance(row, list)]

    async def decides(self, within_s: float) -> float | None:
        """Seconds until the service's next command passes the gate; None if none does within the time."""
        begin, start = time.monotonic(), self.witness_size()
        while time.monotonic() - begin < within_s:
            if any(row[1] == COMPUTE and row[2].endswith("/command") for row in self.witnessed(start)):
                return time.monotonic() - begin
            await asyncio.sleep(0.5)
        return None

    def mount(self, name: str, options: str) -> None:
        """Mount, or remount, one of the small file systems. Raises CalledProcessError."""
        folder = self.place.path / name
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "chaos", str(folder)], check=True, capture_output=True)


def make_place(root: Path, gateways: int, seed: int, speed: float, ports: dict[str, Any]) -> Place:
    """The place, with its field time running from now on."""
    start_ms = weather_of_run().start * 1000 + START_H * HOUR_MS
    pace = Pace(start_ms, time.monotonic(), speed)
    place = Place(root=str(root), gateways=gateways, seed=seed, pace=pace, **ports)
    place.clock_shift.write_text("0")
    return place


def prepare(root: Path, gateways: int, seed: int) -> Farm:
    """Folders, file systems, certificates."""
    for name in ("store", "events", "spool", "broker", "logs"):
        (root / name).mkdir(parents=True)
    for name, megabytes in (("store", STORE_MB), ("events", EVENTS_MB)):
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "chaos", str(root / name)]
        subprocess.run(command, check=True, capture_output=True)
    farm = farm_of(gateways, seed)
    authority = Authority(root / "certs")
    authority.issue_server(["localhost", "127.0.0.1"])
    for thing in (COMPUTE, *(one.gateway_id for one in farm.gateways)):
        authority.issue(thing)
    return farm


@asynccontextmanager
async def open_world(root: Path, gateways: int, seed: int, speed: float, plan: Any) -> AsyncIterator[World]:
    """A farm at work; `plan(farm, pace)` gives what will befall its boards, as `Fault`s."""
    farm = prepare(root, gateways, seed)
    aws, forecast = Aws(plain=True), ForecastServer()
    endpoint = await aws.start()
    aws_link = Link("aws", int(endpoint.rpartition(":")[2]))
    gate_port, broker_port = free_port(), free_port()
    service_link = Link("service", gate_port)
    links = {one.gateway_id: Link(one.gateway_id, gate_port) for one in honest(farm)}
    ports: dict[str, Any] = {"gate_port": gate_port, "broker_port": broker_port, "aws_port": await aws_link.start()}
    ports |= {"service_port": await service_link.start(), "forecast_port": await forecast.start()}
    ports |= {"link_ports": {name: await link.start() for name, link in links.items()}}
    conf = MOSQUITTO.format(port=broker_port, folder=root / "broker")
    (root / "mosquitto.conf").write_text(conf)
    async with Supervisor(root / "logs") as supervisor:
        place = make_place(root, gateways, seed, speed, ports)
        first_day = local_day(place.pace.start_ms / 1000, farm.timezone)
        place.zones.write_text(zones_text(farm, first_day, f"http://127.0.0.1:{ports['forecast_port']}/"))
        place.save()
        faults: list[Fault] = plan(farm, place.pace)
        (root / "board_faults.json").write_text(json.dumps([asdict(fault) for fault in faults]))
        config = zones_file.load(place.zones)
        world = World(place, farm, config, endpoint, supervisor, links, service_link, aws_link, forecast)
        await _start_all(world)
        alive = asyncio.create_task(world.keep_alive())
        try:
            yield world
        finally:
            world.is_over = True
            alive.cancel()
            await asyncio.gather(alive, return_exceptions=True)
            for name in ("service", "cloud", "broker", "fleet"):
                with contextlib.suppress(KeyError):
                    supervisor.send(name, signal.SIGCONT)
            for link in (*links.values(), service_link, aws_link):
                await link.stop()
            await forecast.stop()
    await aws.stop()


async def _start_all(world: World) -> None:
    await world.start("broker")
    await world.start("cloud")
    async with asyncio.timeout(STARTS_WITHIN_S):
        while "serving" not in world.log_of("cloud"):
            await asyncio.sleep(0.1)
        await world.start("service")
        while "serving" not in world.log_of("service"):
            await asyncio.sleep(0.1)
    await world.start("fleet")


def free_bytes(folder: Path) -> int:
    """Of the file system that holds a folder."""
    return shutil.disk_usage(folder).free

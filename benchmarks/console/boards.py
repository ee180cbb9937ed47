"""A farm on the world's own clock: a broker, the compute service's process, and boards that speak when they are told.

The boards of all gateways share one connection; the broker is the tests' mosquitto, which asks for a certificate and
lets its owner publish for any gateway.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from typing import Any

import paho.mqtt.client as paho
import yaml
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.console.farm import status, zones
from benchmarks.console.live import ROOT
from compute_service import orders
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.orders import Order
from compute_service.domain.zone import Config
from compute_service.reading import farm_of
from protocol import topics
from tests.compute_service.bench import GATEWAY, SITE, ack
from tests.compute_service.conftest import Broker
from tests.processes import end
from tests.waiting import LAST_RESORT_S, until_true

RUN_S = 600
COMMANDS = "irrigation/control/+/command"  # those of every gateway
LOOK_EVERY_S = 0.01
Pause = Callable[[float], None]  # for so many seconds


def wait_for(condition: Callable[[], bool], pause: Pause, what: str) -> None:
    """Until something is so, as `until_true`; `pause` passes the time. Raises SystemExit."""
    limit = time.monotonic() + LAST_RESORT_S
    while not condition():
        if time.monotonic() > limit:
            raise SystemExit(f"console: {what} never came")
        pause(LOOK_EVERY_S)


@dataclass
class Boards:
    """What the boards have been told, and what they say. One thread."""

    client: paho.Client
    told: SimpleQueue[dict[str, Any]] = field(default_factory=SimpleQueue)

    def command(self, pause: Pause) -> dict[str, Any]:
        """The next command; `pause` passes the time until it is there."""
        wait_for(lambda: not self.told.empty(), pause, "a command")
        return self.told.get_nowait()

    def say(self, topic: str, message: Mapping[str, Any]) -> float:
        """Publish; gives the moment (Unix s) just before."""
        payload, moment = json.dumps({"v": 1, **message}), time.time()
        self.client.publish(topic, payload, 1)
        return moment

    def ack(self, command: dict[str, Any], state: str, **more: Any) -> float:
        """A command has come so far; gives the moment (Unix s) at which its board says so."""
        return self.say(topics.ack(command["device_id"]), ack(command, state, at=int(time.time()), **more))


@dataclass(frozen=True)
class FarmAtWork:
    """The farm at work, for one who orders and one who answers."""

    store: SqliteStore
    config: Config
    boards: Boards

    @property
    def path(self) -> Path:
        """The store's file."""
        return Path(self.store.database.path)

    def order_open(self, zone_id: str) -> None:
        """Somebody at a shell opens a zone's valve."""
        now = int(time.time())
        order = Order(
            order_id=orders.new_order_id(now),
            action="open",
            at=now,
            by="ana",
            via="shell",
            zone_id=zone_id,
            duration_s=RUN_S,
        )
        orders.give(self.store, self.config, order)

    def is_at_rest(self) -> bool:
        """Is every command and order at its end?"""
        return not self.store.commands.open() and not self.store.orders.open()


@contextmanager
def farm_at_work(folder: Path, count: int) -> Iterator[FarmAtWork]:
    """So many zones whose gateways are online, at rest, on `compute.sqlite` of a folder that is made."""
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        broker = Broker(folder / "broker")
        stack.callback(broker.stop)
        broker.start()
        stack.enter_context(_service(folder, broker, count))
        boards = stack.enter_context(_boards(broker))
        store = stack.enter_context(closing(SqliteStore(folder / "compute.sqlite", must_exist=True)))
        gateways = sorted({one.gateway_id for one in zones(count)})
        for gateway_id in gateways:
            boards.say(topics.status(gateway_id), {**status(gateway_id, int(time.time()))})
        until_true(lambda: len(store.updates.gateways()) == len(gateways), "the gateways' statuses")
        yield FarmAtWork(store, farm_of(store), boards)


@contextmanager
def _service(folder: Path, broker: Broker, count: int) -> Iterator[None]:
    """`python -m compute_service run`, once it serves."""
    (folder / "zones.yaml").write_text(_zones_file(count), encoding="utf-8")
    words = ["--store", folder / "compute.sqlite", "--zones", folder / "zones.yaml"]
    words += ["--certs", broker.folder / "irrigation-compute", "--port", str(broker.port)]
    command = [sys.executable, "-m", "compute_service", "run", *map(str, words)]
    log = folder / "service.log"
    with log.open("wb") as file, subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=file) as process:
        try:
            assert process.stdout is not None
            if b"serving" not in process.stdout.readline():
                raise SystemExit(f"console: the service did not start: {log.read_text()}")
            yield
        finally:
            end(process)


def _zones_file(count: int) -> str:
    names = "zone_id gateway_id sensor_id crop sown soil field_capacity wilting_point root_depth_m area_m2"
    names += " application_rate_mm_h efficiency max_run_s cooldown_s daily_cap_s max_reading_age_s"
    rows = [{name: getattr(one, name) for name in names.split()} for one in zones(count)]
    site = {"latitude": SITE.latitude_deg, "longitude": SITE.longitude_deg, "elevation_m": SITE.elevation_m}
    return yaml.safe_dump({"farm": "big farm", "timezone": "America/Toronto", **site, "zones": rows})


@contextmanager
def _boards(broker: Broker) -> Iterator[Boards]:
    """Connected, and subscribed to every gateway's commands."""
    home, subscribed = broker.folder / GATEWAY, Event()
    client = paho.Client(CallbackAPIVersion.VERSION2, GATEWAY)
    client.tls_set(str(home / "root_ca.pem"), str(home / "certificate.pem"), str(home / "private_key.pem"))
    boards = Boards(client)
    client.on_message = lambda _client, _data, message: boards.told.put(json.loads(message.payload))
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect("localhost", broker.port)
    client.subscribe(COMMANDS, 1)
    client.loop_start()
    try:
        if not subscribed.wait(LAST_RESORT_S):
            raise SystemExit("console: the broker takes no subscription")
        yield boards
    finally:
        client.disconnect()
        client.loop_stop()

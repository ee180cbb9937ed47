"""A board in its field: the flash that is shipped, a gateway's certificates, a broker, a commander, a judge."""

import asyncio
import functools
import itertools
import json
import ssl
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from certs.authority import Authority
from firmware import build
from protocol import topics
from protocol.messages import FINAL_STATES
from tests.vm.bench.board import Bench, BenchError, Cut, VmBoard
from tests.vm.bench.judge import Judge
from tests.waiting import LAST_RESORT_S, eventually

RELAY, OPEN_PIN, CLOSE_PIN, SOIL, METER, LIGHT = 16, 17, 18, 34, 27, 4
ZONES = [
    {"zone_id": "plot-1a", "hard_cap_s": 600, "litres_per_minute": 60},
    {"zone_id": "plot-1b", "hard_cap_s": 600, "litres_per_minute": 60},
]
PINS: dict[str, Any] = {
    "valves": [
        {"kind": "relay", "zone_id": "plot-1a", "pin": RELAY},
        {"kind": "latching", "zone_id": "plot-1b", "open_pin": OPEN_PIN, "close_pin": CLOSE_PIN},
    ],
    "sensors": [
        {
            "kind": "soil_adc",
            "sensor": "soil-a",
            "zone_id": "plot-1a",
            "pin": SOIL,
            "points": [[800, 0.45], [2200, 0.05]],
        }
    ],
}
CONFIG: dict[str, Any] = {
    "gateway_id": "irrigation-gateway-1",
    "wifi": {"ssid": "farm", "password": "of-the-farm"},
    "broker": {"host": "localhost"},
    "zones": ZONES,
    "sample_interval_s": 900,
    "publish_interval_s": 900,
    "keepalive_s": 60,
}
WORLD: dict[str, Any] = {
    "microvolts": {SOIL: 1_500_000},
    "dns": {"localhost": "127.0.0.1", "time.aws.com": "10.0.0.1", "pool.ntp.org": "10.0.0.2"},
}
# Leaf by leaf: a VM that collects no garbage while it runs cannot take them all at once into a small heap.
MODULES = [
    *(f"protocol.{name}" for name in ("errors", "topics", "messages")),
    *("net", "drivers.valve", "drivers.soil_adc"),
    *(f"gateway.{name}" for name in ("errors", "clock", "store", "journal", "outbox", "valves", "mqtt", "gateway")),
    *("board", "config"),
]
# A board without PSRAM: 95 KB, and 33 KB for the bench and the names, which a frozen build has in ROM. This VM collects
# garbage between two events only, so there is room for whatever a test lets happen in one, and 8 KB of what waits to be
# collected; live_heap.py has less.
SMALL_BOARD = {
    "heap_bytes": (128 + 8) * 1024,
    "heap_is_all": True,
    "collect_after": 8 * 1024,
    "in_rom": True,
    "preload": MODULES,
}
AT_EACH_EVENT = {"collect_after": 1024}  # for a heap without any room to spare
ONLINE_AFTER_S = 30  # Wi-Fi, time and connection take a few seconds of device time


def tomorrow() -> int:
    """A midnight, so that every schedule falls alike, within the life of certificates issued now; Unix seconds."""
    return (int(time.time()) // 86400 + 1) * 86400


@functools.cache
def compiled(pins: str) -> dict[str, bytes]:
    """What is flashed on every board with these pins (JSON): path -> content."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "flash"
        build.build(out, json.loads(pins))
        return {f"/{path.relative_to(out)}": path.read_bytes() for path in out.rglob("*") if path.is_file()}


def flash(identity: Path, port: int, pins: Mapping[str, Any] = PINS, **config: Any) -> dict[str, bytes]:
    """A whole flash: the firmware, one gateway's certificates, its configuration and pins."""
    text = json.dumps(pins)
    entries = {**CONFIG, **config}
    entries["broker"] = {**entries["broker"], "port": port}
    files = {**compiled(text), "/pins.json": text.encode(), "/config.json": json.dumps(entries).encode()}
    for name in ("certificate", "private_key", "root_ca"):
        files[f"/certs/{name}.der"] = (identity / f"{name}.der").read_bytes()
    return files


class Identities:
    """A certificate authority for the time of the tests, in the shape that tests/gateway's Broker asks for."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self._server = self.authority.issue_server(["localhost", "127.0.0.1"])

    def issue(self, name: str) -> Path:
        """The folder of a thing, or of the server."""
        return self._server if name == "localhost" else self.authority.issue(name)


class Commander:
    """Somebody else at the broker, outside of all of this: hears everything, and commands."""

    def __init__(self, port: int, identity: Path) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self._markers = itertools.count(1)
        self._lock = threading.Lock()
        self._subscribed = threading.Event()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(identity / "root_ca.pem")
        context.load_cert_chain(identity / "certificate.pem", identity / "private_key.pem")
        self._client = paho.Client(CallbackAPIVersion.VERSION2, identity.name, clean_session=False)
        self._client.tls_set_context(context)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe([(name, 1) for name in topics.from_gateways()])
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = lambda _client, _data, message: self.heard.append(
            (message.topic, json.loads(message.payload))
        )
        self._client.connect("localhost", port)
        self._client.loop_start()
        if not self._subscribed.wait(LAST_RESORT_S):
            raise BenchError("the commander cannot subscribe")

    async def publish(self, topic: str, message: Mapping[str, Any]) -> None:
        """At QoS 1; the broker has it when this returns."""
        await eventually(self._client.is_connected, "the commander's connection")
        sent = self._client.publish(topic, json.dumps(message).encode(), 1)
        await eventually(sent.is_published, f"the broker's acknowledgement of {topic}")

    async def catch_up(self) -> None:
        """Return when everything is heard that the broker has acknowledged to a board: it delivers in order."""
        marker = {"gateway_id": "", "number": next(self._markers)}
        await self.publish(topics.OLD_STATUS, marker)
        await eventually(lambda: (topics.OLD_STATUS, marker) in self.heard, "the commander's own message")

    def of(self, suffix: str, gateway_id: str) -> list[dict[str, Any]]:
        """The messages of a gateway on topics that end so."""
        return [
            message for topic, message in self.heard if topic.endswith(suffix) and message["gateway_id"] == gateway_id
        ]

    def close(self) -> None:
        """Say farewell."""
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def commanding(port: int, identity: Path) -> Iterator[Commander]:
    """A commander for the time of the block."""
    commander = Commander(port, identity)
    try:
        yield commander
    finally:
        commander.close()


class Field:
    """One board with everything around it. Its valves are judged at each step."""

    def __init__(self, board: VmBoard, commander: Commander, gateway_id: str, pins: Mapping[str, Any] = PINS) -> None:
        self.board = board
        self.commander = commander
        self.gateway_id = gateway_id
        self.judge = Judge(board, ZONES, pins)
        self._epochs = itertools.count(1)
        self.commands: list[dict[str, Any]] = []

    async def start(self, cut: Cut | None = None) -> None:
        """Power on, and wait until it is online."""
        await self.board.power_on(cut)
        await self.online()

    async def online(self) -> None:
        """Let device time pass until the board is subscribed; as long as it has power."""
        for _ in range(ONLINE_AFTER_S):
            if self.board.seen("online") or not self.board.on:
                break
            await self.board.advance(1)
        else:
            raise BenchError(f"{self.gateway_id} is not online:\n" + "\n".join(self.board.log))
        self.judge.look()

    def new(self, action: str, zone_id: str | None = "plot-1a", **fields: Any) -> dict[str, Any]:
        """A command as compute issues one now."""
        number = next(self._epochs)
        now = self.board.unix_s
        command = {
            "v": 1,
            "command_id": f"{self.gateway_id}-{number}",
            "device_id": self.gateway_id,
            "zone_id": zone_id,
            "action": action,
            "issued_at": now,
            "expires_at": now + 900,
            "epoch": number,
            "reason": "test",
            "decision_id": None,
        }
        if action == "open":
            command["duration_s"] = 60
        command.update(fields)
        self.commands.append(command)
        self.judge.issued(command)
        return command

    async def publish(self, command: Mapping[str, Any]) -> None:
        """Hand a command to the broker."""
        await self.commander.publish(topics.command(command["device_id"]), command)

    async def command(self, action: str, zone_id: str | None = "plot-1a", **fields: Any) -> dict[str, Any]:
        """Command, and let the board do at once what it does; without a connection the broker keeps it."""
        command = self.new(action, zone_id, **fields)
        deliveries = len(self.board.seen("in"))
        connected = self.board.on and self.connected
        await self.publish(command)
        if connected:
            await self._taken(deliveries + 1)
        self.judge.look()
        return command

    async def wait(self, seconds: float, **more: Any) -> None:
        """Device time passes."""
        await self.board.advance(seconds, **more)
        self.judge.look()

    @property
    def connected(self) -> bool:
        """True if the board has subscribed, and has not lost that connection since."""
        last = [event.kind for event in self.board.events if event.kind in ("online", "lost", "closed", "boot")]
        return bool(last) and last[-1] == "online"

    def acks(self, command: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What the commander heard of a command, in order."""
        heard = self.commander.of("/ack", self.gateway_id)
        return [ack for ack in heard if ack["command_id"] == command["command_id"]]

    def is_final(self, command: Mapping[str, Any]) -> bool:
        """True once the commander heard the last word of a command."""
        return any(ack["state"] in FINAL_STATES for ack in self.acks(command))

    def final(self, command: Mapping[str, Any]) -> dict[str, Any]:
        """The last word of a command; an assertion if there is none."""
        finals = [ack for ack in self.acks(command) if ack["state"] in FINAL_STATES]
        assert finals, f"no final ack of {command['command_id']}: {self.acks(command)}\n" + "\n".join(self.board.log)
        return finals[-1]

    def openings(self, pin: int = RELAY) -> list[float]:
        """How long the pin was high each time, in seconds."""
        begin, lengths = None, []
        for ms, number, level in self.board.pins:
            if number == pin and level == 1:
                begin = ms
            elif number == pin and begin is not None:
                lengths.append((ms - begin) / 1000)
                begin = None
        return lengths

    async def _taken(self, count: int) -> None:
        limit = time.monotonic() + LAST_RESORT_S
        while len(self.board.seen("in")) < count and self.board.on:
            if time.monotonic() > limit:
                raise BenchError(f"{self.gateway_id} did not receive a command")
            await asyncio.sleep(0.002)
            await self.board.settle()


@asynccontextmanager
async def field(
    bench: Bench, commander: Commander, identity: Path, port: int, gateway_id: str, **more: Any
) -> AsyncIterator[Field]:
    """A board that is not powered yet. `more`: pins, entries of config.json, `world`, `options` of the bench."""
    pins = more.pop("pins", PINS)
    world, options = more.pop("world", {}), more.pop("options", {})
    files = flash(identity, port, pins, gateway_id=gateway_id, **more)
    board = await bench.board(gateway_id, files, {**WORLD, **world}, unix_s=tomorrow(), **options)
    try:
        yield Field(board, commander, gateway_id, pins)
    finally:
        await board.power_off()

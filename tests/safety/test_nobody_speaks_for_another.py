"""Who publishes, in whose name, which message: over TLS, gate, policies and a service process, nobody moves another."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from compute_service.adapters.sqlite.store import SqliteStore
from integrations.farm_now import FarmReader
from integrations.home_assistant import states
from integrations.metrics.collector import FarmCollector
from integrations.metrics.collector import text as metrics
from protocol import topics
from tests.compute_service.bench import Bench, reading, zone
from tests.compute_service.test_zones_file import GOOD
from tests.local_cloud.conftest import aws, certs, moto_endpoint, world
from tests.waiting import LAST_RESORT_S

__all__ = ["aws", "certs", "moto_endpoint", "world"]  # fixtures

ONE, TWO = "irrigation-gateway-1", "irrigation-gateway-2"
ZONE_OF = {ONE: "plot-1a", TWO: "plot-2a"}
SECOND = GOOD.split("zones:\n")[1].replace("plot-1a", "plot-2a").replace(ONE, TWO)
OWN = {"reading": "data", "ack": "ack", "status": "status", "error": "errors", "diagnostics": "diagnostics"}
OLD = {"status": topics.OLD_STATUS, "error": topics.OLD_ERRORS, "diagnostics": topics.OLD_DIAGNOSTICS}


class Attack(NamedTuple):
    """What a publisher sends, and where; `passes` is whether the policy lets it."""

    kind: str
    topic: str
    message: dict[str, Any]
    passes: bool


def spoken(name: str, command_id: str, now: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """One message of each kind and effect, as the gateway `name` could say it itself."""
    head, zone_id = {"v": 1, "gateway_id": name, "boot_id": "b"}, ZONE_OF[name]
    sample = {"seq": 9, "measured_at": now, "clock": "synced"}
    of_zone = {**head, "sensor_id": f"{name}.soil-a", "zone_id": zone_id}
    yield "reading", {**of_zone, "samples": [{**sample, "vwc": 0.14}]}
    yield "reading", {**of_zone, "samples": [{**sample, "vwc": None, "out_of_range": {"vwc": 25.0}}]}
    yield "reading", {**of_zone, "samples": [{**sample, "vwc": 25.0}]}
    yield "reading", {**of_zone, "samples": [{**sample, "volume_l": 900.0, "leak_s": 900}]}
    yield "reading", {**of_zone, "zone_id": None, "samples": [{**sample, "rain_mm": 400.0}]}
    ack = {
        **head,
        "command_id": command_id,
        "zone_id": zone_id,
        "epoch": 1,
        "volume_source": "none",
        "seq": 1,
        "at": now,
    }
    yield "ack", {**ack, "state": "done", "code": "ok", "duration_s": 1800}
    yield "ack", {**ack, "state": "rejected", "code": "stale_epoch", "held_epoch": 1_000_000}
    yield "status", {**head, "at": now, "state": "online", "epochs": {zone_id: 1_000_000}, "open_valves": [zone_id]}
    yield "status", {**head, "at": now, "state": "offline"}
    report = {**head, "at": now, "zone_id": zone_id, "volume_l": 900.0, "duration_s": 900}
    yield "error", {**report, "code": "flow_while_shut", "text": f"{zone_id}: 900 l in 900 s"}
    yield "error", {**head, "at": now, "code": "bad_value", "text": f"{name}.soil-a: vwc of 0.14, it can be 0.0 to 1.0"}
    yield "diagnostics", {**head, "at": now, "counters": {"samples_taken": 1}}


def place(kind: str, name: str) -> str:
    where: Callable[[str], str] = getattr(topics, OWN[kind])
    return where(f"{name}.soil-a" if kind == "reading" else name)


def attacks(publisher: str, victim: str, command_id: str, now: int) -> Iterator[Attack]:
    """In the victim's name on its topics, on the publisher's own, on the old ones; and in its own, about the other."""
    for kind, message in spoken(victim, command_id, now):
        yield Attack(kind, place(kind, publisher), message, True)
        yield Attack(kind, place(kind, victim), message, False)
        if kind in OLD:
            yield Attack(kind, OLD[kind], message, True)
    for kind, message in spoken(publisher, command_id, now):
        text = json.dumps(message).replace(ZONE_OF[publisher], ZONE_OF[victim])
        if message.get("zone_id") or "epochs" in message:
            yield Attack(kind, place(kind, publisher), json.loads(text), True)


def kept(path: Path, name: str) -> list[str]:
    """All that is held and shown of a gateway and its zone: rows of the store, metrics, Home Assistant's states."""
    with closing(SqliteStore(path, read_only=True)) as store:
        connection = store.database.connection
        found = []
        for (table,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
        ).fetchall():
            names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            for column in sorted({"gateway_id", "zone_id", "sensor_id", "place"} & set(names)):
                rows = connection.execute(f"SELECT * FROM {table} WHERE {column} IN (?, ?, ?)", (*_names(name),))
                found += [f"{table} {row}" for row in rows.fetchall()]
        reader = FarmReader(store)
        lines = metrics(FarmCollector(reader, time.time, "1")).decode().splitlines()
        found += [line for line in lines if f'"{name}"' in line or f'"{ZONE_OF[name]}"' in line]
        farm = reader.read(time.time())
        state = states.gateway_state(farm, name)
        del state["is_serving"]  # the service's own heart beat
        found += [states.availability(farm, name), json.dumps(state)]
        for one in (one for one in farm.zones if one.zone.gateway_id == name):
            zone_state = states.zone_state(farm, one)
            del zone_state["next_water_at"]  # a plan is of the moment at which it is asked for
            found.append(json.dumps(zone_state))
    return found


def _names(name: str) -> tuple[str, str, str]:
    return name, ZONE_OF[name], f"{name}.soil-a"


@contextmanager
def serving(folder: Path, identity: Path, port: int) -> Iterator[Path]:
    """A service process on a store that has commanded both zones; gives the store's path."""
    store, zones = folder / "store", folder / "zones.yaml"
    zones.write_text(GOOD + SECOND)
    with closing(SqliteStore(store)) as before:
        two = zone("a", zone_id="plot-2a", gateway_id=TWO, sensor_id=f"{TWO}.soil-a")
        bench = Bench(before, (zone("a"), two), now=int(time.time()) - 20)
        bench.hear_reading("a", vwc=0.15)
        dry = reading("a", bench.now, 0.15, gateway_id=TWO, sensor_id=f"{TWO}.soil-a", zone_id="plot-2a")
        bench.hear(topics.data(f"{TWO}.soil-a"), dry)
        bench.tick(10)
        assert len(bench.commands()) == 2
    options = ["--zones", str(zones), "--certs", str(identity), "--port", str(port), "--store", str(store)]
    command = [sys.executable, "-m", "compute_service", "run", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            yield store
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(120)


class Stage:
    """The two gateways at the gate, and the service behind it."""

    def __init__(self, cloud: Any, store: Path) -> None:
        self.cloud, self.store, self._marks = cloud, store, 0

    async def say(self, client: Any, kind: str, message: dict[str, Any]) -> None:
        await client.publish(place(kind, message["gateway_id"]), json.dumps(message).encode())

    async def fence(self, name: str) -> None:
        """Return when the service has handled what was published until now."""
        self._marks += 1
        client = await self.cloud.connected(name)
        status = {
            "v": 1,
            "gateway_id": name,
            "boot_id": "b",
            "state": "online",
            "uptime_s": 1,
            "outbox_depth": self._marks,
        }
        async with asyncio.timeout(LAST_RESORT_S):
            while self._mark_of(name) != self._marks:  # the service may not have subscribed yet
                await self.say(client, "status", {**status, "at": int(time.time())})
                await asyncio.sleep(0.2)
        await client.close()

    def _mark_of(self, name: str) -> Any:
        with closing(SqliteStore(self.store, read_only=True)) as store:
            return {row["gateway_id"]: row["status"].get("outbox_depth") for row in store.updates.gateways()}.get(name)

    def command_of(self, name: str) -> str:
        with closing(SqliteStore(self.store, read_only=True)) as store:
            return next(row.command_id for row in store.commands.open() if row.gateway_id == name)

    async def attack(self, publisher: str, one: Attack) -> None:
        client = await self.cloud.connected(publisher)
        payload = json.dumps(one.message).encode()
        if one.passes:
            await client.publish(one.topic, payload)
            await client.close()
            return
        client.send_publish(one.topic, payload)
        assert await client.closed(), one
        assert self.cloud.refusals()[-1] == (publisher, f"publish {one.topic}")
        leaver = await self.cloud.open(publisher)
        assert (await leaver.connect(publisher, will=(one.topic, payload)))[1] != 0, one


@pytest.mark.parametrize(("publisher", "victim"), [(TWO, ONE), (ONE, TWO)])
def test_nobody_moves_another(world: Any, tmp_path: Path, publisher: str, victim: str) -> None:
    """No message of a gateway changes what is held or shown of another; the same message of the other itself does."""

    async def walk() -> None:
        async with world() as cloud:
            with serving(tmp_path, cloud.certs / "irrigation-compute", cloud.cloud.port) as store:
                stage = Stage(cloud, store)
                await stage.fence(victim)
                await stage.fence(publisher)
                command_id, now = stage.command_of(victim), int(time.time())
                before = kept(store, victim)
                tried = list(attacks(publisher, victim, command_id, now))
                for one in tried:
                    await stage.attack(publisher, one)
                await stage.fence(publisher)
                assert kept(store, victim) == before
                assert len(tried) >= 35
                client = await cloud.connected(victim)
                for kind, message in spoken(victim, command_id, now):
                    if kind in {"ack", "status"}:
                        await stage.say(client, kind, message)
                await client.close()
                await stage.fence(victim)
                assert kept(store, victim) != before

    asyncio.run(asyncio.wait_for(walk(), 4 * LAST_RESORT_S))

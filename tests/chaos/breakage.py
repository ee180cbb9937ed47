"""Faults of processes, disks, clocks and neighbours. Each gives what was seen of it; nothing seen, nothing counted."""

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt import publish
from paho.mqtt.enums import CallbackAPIVersion

from compute_service import settings
from local_cloud.aws import environment, without_aws
from tests.chaos.forecast import MOODS
from tests.chaos.links import Weather
from tests.chaos.network import until
from tests.chaos.place import COMPUTE
from tests.chaos.world import STORE_MB, World, free_bytes
from tests.safety.garbage import documents, rows

DIES_WITHIN_S, DECIDES_WITHIN_S, RETURNS_WITHIN_S = 20.0, 150.0, 60.0
GATE_SERVES_WITHIN_S = 120.0
FLOOD_S, FLOOD_A_TURN = 3.0, 60

Breakage = Callable[[World, random.Random], Awaitable[str]]


async def _end(world: World, name: str, sign: signal.Signals) -> str:
    """A signal that ends a process; it is started again, and a service decides again."""
    before = len(world.deaths)
    world.supervisor.send(name, sign)
    if not await until(lambda: bool(world.ends(name, before)), DIES_WITHIN_S):
        return ""
    code, seconds = world.ends(name, before)[0], await world.decides(DECIDES_WITHIN_S)
    return f"ended with {code}, commands again" if seconds is not None else ""


async def _pause(world: World, name: str, seconds: float) -> str:
    """Stopped as a machine that swaps or is moved; then it goes on."""
    world.supervisor.send(name, signal.SIGSTOP)
    stopped = await until(lambda: _is_stopped(world.supervisor.pid(name)), DIES_WITHIN_S)
    await asyncio.sleep(seconds)
    world.supervisor.send(name, signal.SIGCONT)
    seconds_again = await world.decides(DECIDES_WITHIN_S)
    return f"stopped for {seconds} s, commands again" if stopped and seconds_again is not None else ""


def _is_stopped(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    return False


async def kill_service(world: World, _draw: random.Random) -> str:
    return await _end(world, "service", signal.SIGKILL)


async def restart_service(world: World, _draw: random.Random) -> str:
    return await _end(world, "service", signal.SIGTERM)


async def pause_service(world: World, draw: random.Random) -> str:
    return await _pause(world, "service", draw.choice((3, 8, 20, 50)))


async def kill_cloud(world: World, _draw: random.Random) -> str:
    return await _end(world, "cloud", signal.SIGKILL)


async def pause_cloud(world: World, draw: random.Random) -> str:
    return await _pause(world, "cloud", draw.choice((3, 8, 20)))


async def kill_broker(world: World, _draw: random.Random) -> str:
    """It comes back with the state that it had saved last."""
    return await _end(world, "broker", signal.SIGKILL)


async def restart_broker(world: World, _draw: random.Random) -> str:
    return await _end(world, "broker", signal.SIGTERM)


async def lose_broker_state(world: World, _draw: random.Random) -> str:
    """It comes back without a session, a subscription or a message that waited."""
    database = world.place.path / "broker" / "mosquitto.db"
    before, was_there = len(world.deaths), database.exists()
    world.supervisor.send("broker", signal.SIGKILL)
    if not await until(lambda: bool(world.ends("broker", before)), DIES_WITHIN_S):
        return ""
    database.unlink(missing_ok=True)
    seconds = await world.decides(DECIDES_WITHIN_S)
    return "its sessions are gone, commands again" if was_there and seconds is not None else ""


async def pause_broker(world: World, draw: random.Random) -> str:
    return await _pause(world, "broker", draw.choice((2, 5, 15)))


async def fill_store(world: World, draw: random.Random) -> str:
    """No byte is left on the disk of the service's store."""
    return await _fill(world, world.place.store.parent, draw.uniform(4, 12))


async def fill_events(world: World, draw: random.Random) -> str:
    """No byte is left on the disk of its events."""
    return await _fill(world, world.place.path / "events", draw.uniform(4, 12))


async def _fill(world: World, folder: Path, seconds: float) -> str:
    ballast = folder / "ballast"
    said = len(world.log_of("service"))
    with ballast.open("wb") as file:
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:  # what is freed meanwhile is taken, too
            free = free_bytes(folder)
            with contextlib.suppress(OSError):
                if free:
                    os.posix_fallocate(file.fileno(), file.seek(0, 2), free)
                    file.seek(0, 2)
            await asyncio.sleep(0.2)
        left = free_bytes(folder)
    words = world.log_of("service")[said:]
    ballast.unlink()
    told = "full" in words or "No space" in words or "I/O" in words
    seconds_again = await world.decides(DECIDES_WITHIN_S)
    return f"{left} bytes left, told of, commands again" if told and seconds_again is not None else ""


async def make_store_read_only(world: World, draw: random.Random) -> str:
    """After a crash the file system comes back read-only, until somebody repairs it."""
    before, said = len(world.deaths), len(world.log_of("service"))
    async with world.store_lock:
        world.supervisor.send("service", signal.SIGKILL)
        if not await until(lambda: bool(world.ends("service", before)), DIES_WITHIN_S):
            return ""
        try:
            world.mount("store", f"remount,ro,size={STORE_MB}m")
        except subprocess.CalledProcessError:
            return ""
        await asyncio.sleep(draw.uniform(4, 10))
        words = world.log_of("service")[said:]
        world.mount("store", f"remount,rw,size={STORE_MB}m")
    seconds = await world.decides(DECIDES_WITHIN_S)
    told = "Read-only" in words or "readonly" in words
    return "told of, commands again" if told and seconds is not None else ""


async def set_clock(world: World, draw: random.Random) -> str:
    """Somebody, or a time server, sets the service's clock; later it is right again."""
    by_s = draw.choice((-86_400, -7_200, -600, 600, 7_200, 86_400, 400 * 86_400, -400 * 86_400))
    real_s = draw.choice((0.2, 1.5, 6))
    world.place.clock_shift.write_text(str(by_s))
    await asyncio.sleep(real_s)
    world.place.clock_shift.write_text("0")
    seconds = await world.decides(DECIDES_WITHIN_S)
    return f"{by_s} s, right again, commands again" if seconds is not None else ""


async def second_service(world: World, _draw: random.Random) -> str:
    """Somebody starts a second service on the store."""
    words = [sys.executable, *world.command("service")[1:]]
    async with world.store_lock:
        process = await asyncio.create_subprocess_exec(
            *words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        assert process.stderr is not None
        try:
            async with asyncio.timeout(RETURNS_WITHIN_S):
                told = await process.stderr.read()
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            return ""
    return "refused with a sentence" if process.returncode == 2 and b"another service" in told else ""


async def spoil_settings(world: World, draw: random.Random) -> str:
    """Somebody saves nonsense as the zones file, and mends it later."""
    path, good = world.place.zones, world.place.zones.read_bytes()
    nonsense = draw.choice(
        (b"", good[: len(good) // 2], b"zones: [", b"\xff\xfe", good.replace(b"max_run_s: 3600", b"max_run_s: -1"))
    )
    before = _settings_notes(world)
    path.write_bytes(nonsense)
    noticed = await until(lambda: _settings_notes(world) > before, RETURNS_WITHIN_S)
    path.write_bytes(good)
    seconds = await world.decides(DECIDES_WITHIN_S)
    return "noted, mended, commands again" if noticed and seconds is not None else ""


def _settings_notes(world: World) -> int:
    """How often the service has written down that its zones file is another one."""
    uri, query = f"{world.place.store.as_uri()}?mode=ro", "SELECT count(*) FROM journal WHERE kind = ?"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as store:
            return int(store.execute(query, (settings.KIND,)).fetchone()[0])
    except sqlite3.Error:
        return 0


async def _gate_serves(world: World) -> None:
    """A gate that starts reads the whole registry: it is given the time, or a run would be one long outage."""
    await until(
        lambda: sum(link.live > 0 for link in world.links.values()) > len(world.links) / 2, GATE_SERVES_WITHIN_S
    )


async def store_away(world: World, draw: random.Random) -> str:
    """S3 and the registry cannot be reached."""
    return await _aws_trouble(world, draw, Weather(refuses=True), "refused", "refused")


async def store_in_error(world: World, draw: random.Random) -> str:
    """S3 and the registry answer with an error."""
    return await _aws_trouble(world, draw, Weather(answers_500=True), "answered_500", "times 500")


async def _aws_trouble(world: World, draw: random.Random, weather: Weather, counter: str, what: str) -> str:
    link = world.aws_link
    await _gate_serves(world)
    before = link.seen[counter]
    link.set(weather)
    link.cut()
    seen = await until(lambda: link.seen[counter] > before, RETURNS_WITHIN_S)
    await asyncio.sleep(draw.uniform(1, 8))
    link.set(Weather())
    return f"{link.seen[counter] - before} {what}" if seen else ""


async def kill_lake(world: World, draw: random.Random) -> str:
    """The aggregate function is killed in the middle of its work; the next invocation finishes it."""
    process = await start_lake(world)
    await asyncio.sleep(draw.uniform(0.3, 2.0))
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
    killed = process.returncode == -signal.SIGKILL
    again = await start_lake(world)
    done = await again.wait() == 0
    return "killed, the next one finished" if killed and done else ""


async def start_lake(world: World) -> asyncio.subprocess.Process:
    """An invocation of the aggregate function."""
    log = (world.place.path / "logs" / "lake.log").open("ab")
    with log:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.chaos.lake_process", world.aws_endpoint),
            stdout=log,
            stderr=log,
            env=without_aws(os.environ) | environment(world.aws_endpoint),
        )


async def lie_about_weather(world: World, draw: random.Random) -> str:
    """The forecast server dies or lies, until somebody has asked it."""
    server = world.forecast
    server.mood = mood = draw.choice([name for name in MOODS if name != "good"])
    before = server.answered[mood]
    seen = await until(lambda: server.answered[mood] > before, 200)
    server.mood = "good"
    return f"asked while it {mood}" if seen else ""


async def replay_command(world: World, draw: random.Random) -> str:
    """The broker delivers an old command once more, late and out of order."""
    start = max(0, world.witness_size() - 2_000_000)
    rows_of_book = [row for row in world.witnessed(start) if row[1] == COMPUTE and row[2].endswith("/command")]
    if not rows_of_book:
        return ""
    chosen = draw.sample(rows_of_book, min(len(rows_of_book), 5))
    return _again(await _publish(world, chosen), "commands")


async def replay_reading(world: World, draw: random.Random) -> str:
    """The broker delivers old readings and acks once more, out of order."""
    start = max(0, world.witness_size() - 2_000_000)
    kinds = ("/data", "/ack")
    chosen = [row for row in world.witnessed(start) if row[1] != COMPUTE and row[2].endswith(kinds)]
    if not chosen:
        return ""
    return _again(await _publish(world, draw.sample(chosen, min(len(chosen), 20))), "messages")


def _again(count: int, what: str) -> str:
    return f"{count} {what} again" if count else ""


async def _publish(world: World, rows_of_book: list[list[Any]]) -> int:
    port = world.place.broker_port

    def tell() -> None:
        publish.multiple([(row[2], row[3], 1, False) for row in rows_of_book], hostname="127.0.0.1", port=port)

    try:
        await asyncio.to_thread(tell)
    except OSError:  # it is away just now
        return 0
    return len(rows_of_book)


async def flood(world: World, draw: random.Random) -> str:
    """The hostile gateway says all it may, true and broken, as fast as it can."""
    name = world.farm.gateways[-1].gateway_id
    sent = await asyncio.to_thread(_flood, world, name, draw)
    return f"{sent} messages" if sent else ""


def _flood(world: World, name: str, draw: random.Random) -> int:
    zone, home = world.farm.gateways[-1].zones[0], world.place.path / "certs" / name
    client = paho.Client(CallbackAPIVersion.VERSION2, name)
    client.tls_set(str(home / "root_ca.pem"), str(home / "certificate.pem"), str(home / "private_key.pem"))
    sent = 0
    with contextlib.suppress(OSError):
        client.connect("localhost", world.place.gate_port)
        client.loop_start()
        limit = time.monotonic() + FLOOD_S
        good = documents(world.place.pace.now_ms() // 1000)
        garbage = [row for row in rows(good) if len(row.payload) < 5000 and row.kind in {"reading", "ack", "status"}]
        while time.monotonic() < limit:
            for row in draw.sample(garbage, FLOOD_A_TURN):
                own = [text.replace("irrigation-gateway-1", name) for text in (row.topic, row.payload.decode("latin1"))]
                topic = own[0].replace("soil-b", zone.sensor)
                if topic.split("/")[2].split(".")[0] == name:
                    sent += client.publish(topic, own[1].replace("plot-1b", zone.zone_id).encode("latin1"), 1).rc == 0
            time.sleep(0.2)
        client.disconnect()
        client.loop_stop()
    return sent


SERVICE_FAULTS: dict[str, Breakage] = {
    "service killed": kill_service,
    "service restarted": restart_service,
    "service stopped and continued": pause_service,
    "store's disk full": fill_store,
    "store read-only": make_store_read_only,
    "events' disk full": fill_events,
    "service's clock set": set_clock,
    "second service": second_service,
    "zones file spoilt": spoil_settings,
}
CLOUD_FAULTS: dict[str, Breakage] = {
    "gate and rule killed": kill_cloud,
    "gate and rule stopped and continued": pause_cloud,
    "broker killed": kill_broker,
    "broker restarted": restart_broker,
    "broker lost its state": lose_broker_state,
    "broker stopped and continued": pause_broker,
    "commands delivered again": replay_command,
    "readings and acks delivered again": replay_reading,
    "flood by a gateway": flood,
}
LAKE_FAULTS: dict[str, Breakage] = {
    "S3 away": store_away,
    "S3 in error": store_in_error,
    "aggregate function killed": kill_lake,
}
WEATHER_FAULTS: dict[str, Breakage] = {"forecast dies or lies": lie_about_weather}

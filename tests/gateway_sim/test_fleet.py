"""A fleet of the firmware's own gateways against a real broker over mutual TLS, on field time."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from demo.audit import open_spans
from gateway_sim import farm as farms
from gateway_sim import scenario as scenarios
from gateway_sim.__main__ import main
from gateway_sim.errors import IdentityMissingError
from gateway_sim.fleet import Fleet
from tests.gateway.conftest import Broker, Pki, StepClock
from tests.gateway_sim.world import HOUR_S, WEATHER, World, at_work
from tests.waiting import LAST_RESORT_S, eventually


async def test_every_sample_of_a_day_arrives_once(broker: Broker, pki: Pki) -> None:
    """Samples taken, sent and heard are the same, each with its own identity."""
    async with at_work(World(broker, pki)) as world:
        await world.clock.advance(24 * HOUR_S, world.settled)
        samples = [
            (reading["sensor_id"], reading["boot_id"], sample["seq"])
            for reading in world.of("reading")
            for sample in reading["samples"]
        ]
        summary = world.fleet.summary()
    assert len(samples) == len(set(samples)) == summary["samples_taken"] == 2 * 4 * 96
    assert summary["messages_published"] == summary["messages_acked"]
    assert (summary["samples_dropped"], summary["zones_below_wilting_point"]) == (0, [])


async def test_a_command_changes_the_next_readings(broker: Broker, pki: Pki) -> None:
    """The loop is closed: the watered zone gets wetter, its litres are acked, and the other zones go on drying."""
    async with at_work(World(broker, pki)) as world:
        await world.clock.advance(HOUR_S, world.settled)
        await world.open("plot-2b", 1800)
        await world.clock.advance(2 * HOUR_S, world.settled)
        summary = world.fleet.summary()
        done = world.of("ack")[-1]
    zone = next(zone for zone in world.farm.zones if zone.zone_id == "plot-2b")
    litres = zone.litres_per_minute * 30
    assert (done["state"], done["duration_s"], done["volume_source"]) == ("done", 1800, "measured")
    assert done["volume_l"] == pytest.approx(litres, abs=1)  # the meter counts whole litres
    assert summary["litres"]["plot-2b"] == pytest.approx(litres)
    edges = [event for event in world.events if event["kind"] == "valve_edge"]
    assert [edge["open"] for edge in edges] == [True, False]
    assert edges[1]["at_ms"] - edges[0]["at_ms"] == 1800_000
    assert edges[0]["at_ms"] == (WEATHER.start + HOUR_S) * 1000
    vwc = {
        reading["zone_id"]: [sample["vwc"] for sample in reading["samples"]]
        for reading in world.of("reading")
        if reading["zone_id"]
    }
    rise = zone.application_rate_mm_h * zone.efficiency * 0.5 / (zone.root_depth_m * 1000)
    assert vwc["plot-2b"][-1] - zone.initial_vwc == pytest.approx(rise, abs=0.012)
    assert vwc["plot-2a"][-1] < world.farm.gateways[1].zones[0].initial_vwc + 0.01


async def test_the_same_seed_gives_the_same_season(broker: Broker, pki: Pki) -> None:
    """Readings and acks depend on the seed alone, but for the names of boots; another seed gives another season."""

    async def season(seed: int) -> set[str]:
        world = World(broker, pki, seed)
        async with at_work(world):
            for hour in range(6):
                await world.clock.advance(HOUR_S, world.settled)
                await world.open("plot-1a", 600 + 60 * hour, epoch=hour + 1)
            await world.clock.advance(HOUR_S, world.settled)
        texts = (json.dumps(entry, sort_keys=True) for entry in world.heard if entry[0] in {"reading", "ack"})
        return {re.sub(r"boot-\d+-\w{8}", "boot", text) for text in texts}  # a boot's name is new each time

    first = await season(1)
    assert len(first) == 2 * 4 * 7 + 2 * 6
    assert await season(1) == first
    assert await season(2) != first


async def test_a_faulty_farm_says_what_its_faults_claim(broker: Broker, pki: Pki) -> None:
    """Percent is caught, dropouts are None, swapped probes change places, a dead valve gives no water; all balances."""
    soil = "irrigation-gateway-1.soil-"
    rows: list[dict[str, Any]] = [
        {"kind": "percent", "target": "irrigation-gateway-2.soil-a"},
        {"kind": "dropout", "target": f"{soil}a"},
        {"kind": "swapped", "target": [f"{soil}b", f"{soil}c"]},
        {"kind": "dead_valve", "target": "plot-1a"},
        {"kind": "burst", "target": "plot-2b"},
        {"kind": "reboot", "target": "irrigation-gateway-2", "from": "4h 10m", "amount": 60},
        {"kind": "wifi_loss", "target": "irrigation-gateway-1", "from": "4h 10m", "until": "5h 10m"},
    ]
    async with at_work(World(broker, pki, rows=rows)) as world:
        for zone_id in ("plot-1a", "plot-2b"):
            await world.clock.advance(HOUR_S, world.fleet.idle)
            await world.open(zone_id, 1800)
        await world.clock.advance(5 * HOUR_S, world.fleet.idle)
        await eventually(
            lambda: len({(reading["gateway_id"], reading["boot_id"]) for reading in world.of("reading")}) == 3
        )
        summary = world.fleet.summary()
    done = {ack["zone_id"]: ack["volume_l"] for ack in world.of("ack") if ack["state"] == "done"}
    zones = {zone.zone_id: zone for zone in world.farm.zones}
    assert done["plot-1a"] == 0
    assert done["plot-2b"] > 1.3 * zones["plot-2b"].litres_per_minute * 30
    seen = {
        reading["sensor_id"]: reading["samples"][0]["vwc"]
        for reading in reversed(world.of("reading"))
        if reading["zone_id"]
    }
    assert seen["irrigation-gateway-2.soil-a"] is seen[f"{soil}a"] is None
    assert seen[f"{soil}b"] == pytest.approx(zones["plot-1c"].initial_vwc, abs=0.015)
    assert seen[f"{soil}c"] == pytest.approx(zones["plot-1b"].initial_vwc, abs=0.015)
    assert "bad_value" in {error["code"] for error in world.of("error")}
    for truth in summary["zones"].values():
        balance = truth["water_balance"]
        came = balance["rain_mm"] + balance["irrigation_mm"]
        went = sum(balance[f"{name}_mm"] for name in ("lost", "evapotranspiration", "percolation", "runoff"))
        assert came - went == pytest.approx(balance["stored_at_end_mm"] - balance["stored_at_start_mm"], abs=1e-6)


async def test_a_dying_board_opens_nothing(broker: Broker, pki: Pki) -> None:
    """Of several opens that arrive together in a brown-out, no valve stays open while the board has no power."""
    rows = [{"kind": "brown_out", "target": "irrigation-gateway-1", "amount": 60, "until": "2h"}]
    async with at_work(World(broker, pki, rows=rows)) as world:
        await world.clock.advance(HOUR_S, world.fleet.idle)
        for zone_id in ("plot-1a", "plot-1b", "plot-1c"):
            await world.command_open(zone_id, 1800)
        await eventually(lambda: bool(world.events))
        await world.clock.advance(HOUR_S / 2, world.fleet.idle)
    spans = open_spans(world.events)
    assert {span.zone_id for span in spans} == {"plot-1a", "plot-1b", "plot-1c"}
    assert [span for span in spans if span.end_ms != span.start_ms] == []


async def test_what_a_cut_off_gateway_keeps_can_be_brought_home(broker: Broker, pki: Pki) -> None:
    """Without network or without power at the end: `mend` gives both back, and every sample arrives."""
    rows: list[dict[str, Any]] = [
        {"kind": "wifi_loss", "target": "irrigation-gateway-1", "from": "1h 10m"},
        {"kind": "reboot", "target": "irrigation-gateway-2", "from": "2h 50m", "amount": 7200},
    ]
    async with at_work(World(broker, pki, rows=rows)) as world:
        await world.clock.advance(3 * HOUR_S, world.fleet.idle)
        taken = world.fleet.summary()["samples_taken"]
        before = sum(len(reading["samples"]) for reading in world.of("reading"))
        await world.fleet.mend()
        await eventually(world.fleet.idle)
        await world.fleet.stop()
        await eventually(lambda: sum(len(reading["samples"]) for reading in world.of("reading")) >= taken)
    assert taken == 4 * (3 * 4 + 2 * 4 + 3)  # of the last hour, a powerless board has three quarters
    assert before == 4 * (4 + 2 * 4)


async def test_a_device_that_starts_without_power_waits_for_it(broker: Broker, pki: Pki) -> None:
    """A fleet that is started again within a power cut boots when the power is back, and not before."""
    row = {"kind": "reboot", "target": "irrigation-gateway-1", "amount": 4500}
    async with at_work(World(broker, pki, rows=[row])) as world:
        await world.clock.advance(HOUR_S, world.fleet.idle)
        alone = {reading["gateway_id"] for reading in world.of("reading")}
        await world.clock.advance(HOUR_S, world.fleet.idle)
        await eventually(lambda: len({reading["gateway_id"] for reading in world.of("reading")}) == 2)
    assert alone == {"irrigation-gateway-2"}


async def test_an_outage_loses_nothing(broker: Broker, pki: Pki) -> None:
    """Readings taken while the broker is away arrive when it is back."""
    async with at_work(World(broker, pki)) as world:
        await world.clock.advance(2 * HOUR_S, world.settled)
        broker.stop()
        await world.clock.advance(4 * HOUR_S, lambda: True)
        assert not world.fleet.idle()
        broker.start()
        await eventually(world.fleet.idle, "that everything is handed over")
        await eventually(lambda: world.compute.online)
        await world.clock.advance(HOUR_S, world.fleet.idle)

        def seqs() -> set[int]:
            readings = [reading for reading in world.of("reading") if reading["zone_id"] == "plot-1a"]
            return {sample["seq"] for reading in readings for sample in reading["samples"]}

        # The gateways' PUBACKs may come before the broker has delivered to compute.
        await eventually(lambda: seqs() == set(range(1, 7 * 4 + 1)))


async def test_stopping_closes_open_valves_and_settles_them(broker: Broker, pki: Pki) -> None:
    """A fleet that ends in the middle of a run closes the valve, acks what flowed, and says it is offline."""
    async with at_work(World(broker, pki)) as world:
        await world.clock.advance(HOUR_S, world.settled)
        await world.open("plot-1a", 3600)
        await world.clock.advance(600, world.settled)
        await world.fleet.stop()
        await eventually(lambda: [status["state"] for status in world.of("status")].count("offline") == 2)
    assert [event["open"] for event in world.events if event["kind"] == "valve_edge"] == [True, False]
    assert world.of("ack")[-1]["duration_s"] == 600


def test_a_gateway_without_identity(tmp_path: Path) -> None:
    """The missing folder and the remedy are named."""
    with pytest.raises(IdentityMissingError, match=r"irrigation-gateway-1.*certs issue"):
        Fleet(farms.build(1, 1), WEATHER, tmp_path, "localhost", 1, StepClock(WEATHER.start), print)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--weather", "nowhere.csv"],
        ["--days", "500"],
        ["--certs", "nowhere"],
        ["--gateways", "0"],
        ["--speed", "x"],
        ["--scenario", "winter"],
    ],
)
def test_bad_options_end_with_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Return code 2, and the last line on stderr names the input."""
    try:
        code = main(arguments)
    except SystemExit as error:
        code = int(error.code or 0)
    assert code == 2
    assert arguments[-1] in capsys.readouterr().err.strip().splitlines()[-1]


def await_message(broker: Broker, pki: Pki, topic: str) -> None:
    """Return when somebody has published there."""
    heard = threading.Event()
    observer = paho.Client(CallbackAPIVersion.VERSION2, "observer")
    observer.tls_set_context(pki.context("observer"))
    observer.on_connect = lambda client, *_: client.subscribe(topic)
    observer.on_message = lambda *_: heard.set()
    observer.connect("localhost", broker.port)
    observer.loop_start()
    assert heard.wait(LAST_RESORT_S), f"nothing came on {topic}"
    observer.disconnect()
    observer.loop_stop()


def test_the_command_line_ends_cleanly_on_ctrl_c(broker: Broker, pki: Pki) -> None:
    """Interrupted in the middle, it hands over what it has, prints its summary and returns 0."""
    for number in (1, 2):
        pki.issue(f"irrigation-gateway-{number}")
    arguments = ["--port", str(broker.port), "--certs", str(pki.folder), "--gateways", "2", "--speed", "3600"]
    command = [sys.executable, "-m", "gateway_sim", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        await_message(broker, pki, "irrigation/sensors/#")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=LAST_RESORT_S)
    summary = json.loads(out)
    assert (process.returncode, err) == (0, "")
    assert summary["samples_taken"] > 0
    assert summary["messages_published"] == summary["messages_acked"]


def test_zones_can_be_written_for_compute(tmp_path: Path) -> None:
    """The zones document is a file that compute reads."""
    path = tmp_path / "zones.yaml"
    assert main(["--gateways", "2", "--write-zones", str(path)]) == 0
    assert json.loads(path.read_text()) == farms.zones_document(
        farms.build(2, 1), farms.local_day(time.time(), farms.TIMEZONE)
    )


def test_a_scenario_can_be_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its farm is what compute is told of; a farm that is all processes has no fleet."""
    path = tmp_path / "zones.yaml"
    assert main(["--scenario", "mixed-soils", "--write-zones", str(path)]) == 0
    assert json.loads(path.read_text()) == farms.zones_document(
        scenarios.load("mixed-soils").farm, farms.local_day(time.time(), farms.TIMEZONE)
    )
    text = (scenarios.FOLDER / "hard-season.yaml").read_text()
    last = text[text.index("  - gateway: irrigation-gateway-6") : text.index("faults:")]
    alone = tmp_path / "alone.yaml"
    alone.write_text(f"gateways:\n{last}")
    assert main(["--scenario", str(alone)]) == 2
    assert "processes of their own" in capsys.readouterr().err

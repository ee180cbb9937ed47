"""A logger's file on its way: gateways with certificates publish it, and the lake has exactly its samples."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from certs.authority import Authority
from gateway.mqtt import Client
from gateway_sim import logger_file, logger_map, units
from gateway_sim.errors import IdentityMissingError, ReplayError
from gateway_sim.logger_file import Recording
from gateway_sim.replay import Address, main, readings, replay
from local_cloud.cloud import serve
from protocol import messages, topics
from tests.aggregate.conftest import Lake, endpoint, lake
from tests.gateway.conftest import Broker, Pki
from tests.processes import catches
from tests.waiting import LAST_RESORT_S, eventually, free_port, until_true

__all__ = ["endpoint", "lake"]  # fixtures

ROOT = Path(__file__).parents[2]
NOW = 1_780_000_000
MAP = """
layout: long
time: {columns: [time], format: "%Y-%m-%d %H:%M", timezone: America/Toronto}
sensor: {gateway: "irrigation-gateway-{Plot}", sensor: "soil-{Probe}", zone: "plot-{Plot}"}
value: Value
variable: Variable
unit: Unit
variables: {Moisture: {quantity: vwc}, Temperature: {quantity: soil_temperature_c}}
"""
HOURS = 300
COLUMNS = ("zone_id", "seq", "clock", "soil_temperature_c")
Files = tuple[Path, Path]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Two gateways' hours over the end of summer time, with every tenth moisture missing, and rows for each count."""
    first = datetime(2020, 10, 25)
    lines = ["time,Plot,Probe,Variable,Value,Unit"]
    for plot in (1, 2):
        times = [first + timedelta(hours=hour) for hour in range(HOURS)]
        for name, unit in (("Moisture", "%"), ("Temperature", "deg F")):
            lines += [
                f"{at:%Y-%m-%d %H:%M},{plot},a,{name},{'' if unit == '%' and n % 10 == 0 else 20 + n / 10},{unit}"
                for n, at in enumerate(times)
            ]
    lines += [lines[2], lines[3].replace("20.2", "99"), "2020-10-25 00:00,1,a,Moisture,wet,%"]
    file, map_file = tmp_path / "logger.csv", tmp_path / "map.yaml"
    file.write_text("\n".join(lines) + "\n")
    map_file.write_text(MAP)
    return file, map_file


@pytest.fixture
def recording(files: Files) -> Recording:
    return logger_file.read(files[0], logger_map.load(files[1]))


def command(files: Files, out: Path, *more: str) -> list[str]:
    return [str(files[0]), "--map", str(files[1]), "--out", str(out), *more]


async def test_the_lake_has_exactly_the_samples(lake: Lake, tmp_path: Path, recording: Recording) -> None:
    """Through gate, broker, topic rule and the real function; a second replay of the same file adds nothing."""
    authority = Authority(tmp_path / "issued")
    authority.issue_server(["localhost", "127.0.0.1"])
    for number in (1, 2):
        authority.issue(f"irrigation-gateway-{number}")
    refused: list[object] = []
    cloud = serve(
        certs=authority.folder,
        spool=tmp_path / "spool",
        bucket=lake.bucket,
        prefix="raw/",
        now=lambda: NOW,
        record=refused.append,
    )
    async with cloud as running:
        address = Address("localhost", running.port, authority.folder)
        told = [await replay(recording, address, asyncio.Event()) for _ in range(2)]
    assert refused == []
    assert told[0] == told[1]
    assert (told[0]["samples"], told[0]["complete"]) == (2 * HOURS, True)
    report = lake.run()
    assert (report["samples_written"], report["duplicates_dropped"]) == (2 * HOURS, 2 * HOURS)
    assert lake.quarantine() == []
    assert written(lake) == expected(recording)


def written(lake: Lake) -> list[tuple[object, ...]]:
    return sorted(
        (row["sensor_id"], int(row["measured_at"].timestamp()), *(row[name] for name in COLUMNS), str(row["vwc"]))
        for row in lake.table("samples")
    )


def expected(recording: Recording) -> list[tuple[object, ...]]:
    return sorted(
        (sensor.sensor_id, at, sensor.zone_id, seq, "synced", values["soil_temperature_c"], str(values["vwc"]))
        for sensor, samples in recording.samples.items()
        for _, seq, at, values in samples
    )


def test_readings_are_full_and_never_too_large(recording: Recording) -> None:
    """Each fits into 5 KB as it is sent, is nearly full, and numbers its samples on within the boot."""
    made = list(readings(recording, "irrigation-gateway-1"))
    sizes = [len(messages.encode("reading", reading)) for reading in made]
    assert max(sizes) <= messages.READING_BYTES
    assert min(sizes[:-1]) > 0.9 * messages.READING_BYTES
    assert [sample["seq"] for reading in made for sample in reading["samples"]] == list(range(1, HOURS + 1))
    assert {reading["boot_id"] for reading in made} == {f"replay-{recording.sha256[:12]}-1"}


def test_a_restart_of_the_logger_is_another_boot(tmp_path: Path) -> None:
    """No reading mixes two boots; another file, or another map, never has the same boots."""
    file, map_file = tmp_path / "logger.csv", tmp_path / "map.yaml"
    rows = [f"2020-06-0{day} 00:00,1,a,Moisture,{20 + n},%" for n, day in enumerate((5, 6, 1, 2))]
    file.write_text("\n".join(["time,Plot,Probe,Variable,Value,Unit", *rows]) + "\n")
    boots = []
    for text in (MAP, MAP + "missing: NA\n"):
        map_file.write_text(text)
        found = readings(logger_file.read(file, logger_map.load(map_file)), "irrigation-gateway-1")
        boots.append([(reading["boot_id"].split("-")[2], len(reading["samples"])) for reading in found])
        digest = logger_file.read(file, logger_map.load(map_file)).sha256
        boots[-1].append((digest, 0))
    assert boots[0][:2] == boots[1][:2] == [("1", 2), ("2", 2)]
    assert boots[0][2] != boots[1][2]


def test_a_dry_run_reports_and_connects_to_nothing(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Table, JSON and the rows kept aside, which all agree; no certificate is needed."""
    report = tmp_path / "report.json"
    assert main(command(files, tmp_path / "out", "--dry-run", "--report", str(report))) == 0
    document = json.loads(report.read_text())
    assert document["rows"] == {"read": 1203, "used": 1140, "aside": 2, "repeated": 1, "missing": 60, "ignored": 0}
    assert document["adds_up"] is True
    assert document["aside_by_kind"] == {"bad number": 1, "conflicting repeat": 1}
    assert "published" not in document
    assert len((tmp_path / "out" / "aside.csv").read_text().splitlines()) == 3
    table = capsys.readouterr().out
    assert "1203 rows = 1140 used + 2 aside + 1 repeated + 60 missing + 0 ignored" in table
    assert "irrigation-gateway-2.soil-a (plot-2): 300 samples, 2020-10-25T00:00-04:00 to" in table


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--map", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
        (["--certs", "nowhere"], "nowhere/irrigation-gateway-1: no usable identity"),
        (["--report", "/dev/null/report.json", "--dry-run"], "--report /dev/null/report.json"),
        (["--out", "/dev/null/out"], "--out /dev/null/out"),
    ],
)
def test_a_mistake_is_one_line(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    """On stderr, with the remedy, and code 2."""
    assert main(command(files, tmp_path / "out", *more)) == 2
    caught = capsys.readouterr()
    assert said in caught.err
    assert caught.err.count("\n") == 1


async def test_a_broker_that_is_not_there_is_named(recording: Recording, pki: Pki) -> None:
    """A replay does not wait for ever."""
    for number in (1, 2):
        pki.issue(f"irrigation-gateway-{number}")
    with pytest.raises(ReplayError, match=r"nothing acknowledged in 1.5 s.*is the broker up"):
        await replay(recording, Address("localhost", free_port(), pki.folder), asyncio.Event(), 1.5)


async def test_a_gateway_without_identity_stops_all(recording: Recording, pki: Pki, tmp_path: Path) -> None:
    """Before anything is published, or even connected."""
    (tmp_path / "irrigation-gateway-1").symlink_to(pki.issue("irrigation-gateway-1"))
    with pytest.raises(IdentityMissingError, match="irrigation-gateway-2"):
        await replay(recording, Address("localhost", free_port(), tmp_path), asyncio.Event())


async def test_a_living_gateways_commands_are_left_alone(recording: Recording, broker: Broker, pki: Pki) -> None:
    """A command that waits at the broker for a gateway ends a replay under its name, and waits on."""
    for number in (1, 2):
        pki.issue(f"irrigation-gateway-{number}")
    name, heard = "irrigation-gateway-1", []
    place = ("localhost", broker.port, "localhost")

    def gateway(hear: Callable[[str, bytes], None]) -> Client:
        return Client(name, place, pki.context(name), subscriptions=topics.for_gateway(name), on_message=hear)

    first, compute = gateway(lambda *_: None), Client("compute", place, pki.context("irrigation-compute"))
    await connected(first)
    await connected(compute, (topics.command(name), b"close"))
    with pytest.raises(
        ReplayError, match=f"{topics.command(name)} waits for a living gateway; map the file to an identity"
    ):
        await replay(recording, Address("localhost", broker.port, pki.folder), asyncio.Event())
    second = gateway(lambda topic, payload: heard.append((topic, payload)))
    await connected(second, until=lambda: bool(heard))
    assert heard == [(topics.command(name), b"close")]


async def connected(
    client: Client, publish: tuple[str, bytes] | None = None, until: Callable[[], bool] | None = None
) -> None:
    """Connect, do one thing, and leave."""
    task = asyncio.create_task(client.run())
    await eventually(until or (lambda: client.online))
    if publish:
        await client.publish(*publish)
    await client.disconnect()
    await task


def test_ctrl_c_ends_a_replay_with_its_report(files: Files, tmp_path: Path, broker: Broker, pki: Pki) -> None:
    """It says what was acknowledged, leaves no stack trace, and has code 130."""
    for number in (1, 2):
        pki.issue(f"irrigation-gateway-{number}")
    report = tmp_path / "report.json"
    port = broker.port
    broker.stop()
    more = ["--port", str(port), "--certs", str(pki.folder), "--report", str(report)]
    words = [sys.executable, "-m", "gateway_sim.replay", *command(files, tmp_path / "out", *more)]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        until_true(lambda: catches(process, signal.SIGTERM), "its own handlers, which come together")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=LAST_RESORT_S)
    assert (process.returncode, err) == (130, "")
    assert "acknowledged: 0 samples in 0 messages; interrupted" in out
    assert json.loads(report.read_text())["published"]["complete"] is False


def test_the_page_names_every_unit_and_reads_its_own_map(tmp_path: Path) -> None:
    """docs/replay.md: its example is a map, and its table of units is the code's."""
    page = (ROOT / "docs" / "replay.md").read_text(encoding="utf-8")
    (tmp_path / "map.yaml").write_text(page.split("```yaml\n")[1].split("```")[0], encoding="utf-8")
    assert set(logger_map.load(tmp_path / "map.yaml").wide) == {"VWC_10", "VWC_30", "T_10", "Wind"}
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| `")]
    told = {name.strip("`"): row[1] for row in rows for name in row[0].split(", ")}
    assert {name: told.get(name) for name in units.BASES} == {
        name: ", ".join(units.known(name)) for name in units.BASES
    }

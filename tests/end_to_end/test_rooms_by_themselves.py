"""Each room runs by itself, in real time, as on a farm: local cloud, gateways, compute service, and an update."""

import contextlib
import json
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import LAST_RESORT_S, until_true


def room(*words: str) -> list[str]:
    return [sys.executable, "-m", *words]


@contextlib.contextmanager
def running(log: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A room in a process of its own, ended by Ctrl-C; it must then end well."""
    with log.open("wb") as output, subprocess.Popen(room(*words), stdout=output, stderr=output) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            code = process.wait(timeout=LAST_RESORT_S)
    assert code == 0, log.read_text()


def until(log: Path, text: str) -> None:
    """Wait until a room has said something."""
    until_true(lambda: text in log.read_text(), f"{text!r} in {log.name}")


def is_online(store: Path) -> bool:
    """True once compute has heard that the gateway is there, which it says when it has subscribed."""
    with contextlib.closing(sqlite3.connect(store, timeout=LAST_RESORT_S)) as database:
        return database.execute("SELECT state FROM gateways").fetchall() == [("online",)]


def port_of(log: Path) -> str:
    """Where the local cloud says that MQTT is."""
    [line] = [line for line in log.read_text().splitlines() if line.startswith("MQTT")]
    return line.split(":")[2].split()[0]


def raw_lines(data: Path) -> list[dict[str, object]]:
    """What the topic rule holds in its spool."""
    return [
        json.loads(line) for spool in (data / "spool").glob("readings-*") for line in spool.read_text().splitlines()
    ]


def test_gateways_obey_an_update(tmp_path: Path) -> None:
    """`compute_service update` reaches a gateway through service and broker, and the gateway samples as it says."""
    certs, data, zones, store = tmp_path / "certs", tmp_path / "data", tmp_path / "zones.yaml", tmp_path / "c.sqlite"
    subprocess.run(room("certs", "issue", "--gateways", "1", "--out", str(certs)), check=True, capture_output=True)
    subprocess.run(room("gateway_sim", "--gateways", "1", "--write-zones", str(zones)), check=True)
    (tmp_path / "faster.yaml").write_text("device_id: all\nsettings: {sample_interval_s: 10, publish_interval_s: 10}\n")
    logs = {name: tmp_path / f"{name}.log" for name in ("cloud", "fleet", "compute")}
    with contextlib.ExitStack() as farm:
        cloud = ("local_cloud", "--port", "0", "--certs", str(certs), "--data", str(data))
        farm.enter_context(running(logs["cloud"], *cloud))
        until(logs["cloud"], "things")
        where = ("--port", port_of(logs["cloud"]))
        compute = ("--zones", str(zones), "--certs", str(certs / "irrigation-compute"), "--store", str(store))
        farm.enter_context(running(logs["compute"], "compute_service", "run", *where, *compute))
        until(logs["compute"], "Ctrl-C stops")
        farm.enter_context(running(logs["fleet"], "gateway_sim", *where, "--certs", str(certs), "--gateways", "1"))
        until_true(lambda: is_online(store), "the status of the gateway")
        update = ("compute_service", "update", str(tmp_path / "faster.yaml"), "--store", str(store))
        told = subprocess.run(room(*update), check=True, capture_output=True, text=True).stdout
        assert "published" in told
        until_true(lambda: len(raw_lines(data)) >= 8, "that four sensors publish twice, not once an hour")
        lines = raw_lines(data)
    assert {line["client_id"] for line in lines} == {"irrigation-gateway-1"}


def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    """The local cloud names the port and the remedy, with rc 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = ("local_cloud", "--port", str(port), "--certs", str(tmp_path / "c"), "--data", str(tmp_path / "d"))
        done = subprocess.run(room(*words), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert str(port) in done.stderr
    assert "choose another port" in done.stderr


@pytest.mark.parametrize("name", ["gateway_sim", "compute_service", "local_cloud", "demo", "demo.deploy", "certs"])
def test_every_room_explains_itself(name: str) -> None:
    """`python -m ROOM --help` works without anything running."""
    done = subprocess.run(room(name, "--help"), capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.startswith("usage: ")

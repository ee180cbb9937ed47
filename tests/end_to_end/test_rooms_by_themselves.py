"""Each room runs by itself, in real time, as on a farm: local cloud, gateways, compute service, and an update."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


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
            code = process.wait(timeout=30)
    assert code == 0, log.read_text()


def until(log: Path, text: str, within_s: float = 30) -> None:
    """Wait until a room has said something."""
    deadline = time.monotonic() + within_s
    while text not in log.read_text():
        assert time.monotonic() < deadline, f"{log.name} never said {text!r}:\n{log.read_text()}"
        time.sleep(0.1)


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


def raw_lines(data: Path) -> list[dict[str, object]]:
    """What the topic rule holds in its spool."""
    return [
        json.loads(line) for spool in (data / "spool").glob("readings-*") for line in spool.read_text().splitlines()
    ]


def test_gateways_obey_an_update(tmp_path: Path, port: int) -> None:
    """`compute_service update` reaches a gateway through service and broker, and the gateway samples as it says."""
    certs, data, zones, store = tmp_path / "certs", tmp_path / "data", tmp_path / "zones.yaml", tmp_path / "c.sqlite"
    subprocess.run(room("certs", "issue", "--gateways", "1", "--out", str(certs)), check=True, capture_output=True)
    subprocess.run(room("gateway_sim", "--gateways", "1", "--write-zones", str(zones)), check=True)
    (tmp_path / "faster.yaml").write_text("device_id: all\nsettings: {sample_interval_s: 10, publish_interval_s: 10}\n")
    where = ("--port", str(port))
    logs = {name: tmp_path / f"{name}.log" for name in ("cloud", "fleet", "compute")}
    with contextlib.ExitStack() as farm:
        cloud = ("local_cloud", *where, "--certs", str(certs), "--data", str(data))
        farm.enter_context(running(logs["cloud"], *cloud))
        until(logs["cloud"], "things")
        compute = ("--zones", str(zones), "--certs", str(certs / "irrigation-compute"), "--store", str(store))
        farm.enter_context(running(logs["compute"], "compute_service", "run", *where, *compute))
        until(logs["compute"], "Ctrl-C stops")
        farm.enter_context(running(logs["fleet"], "gateway_sim", *where, "--certs", str(certs), "--gateways", "1"))
        time.sleep(3)
        update = ("compute_service", "update", str(tmp_path / "faster.yaml"), "--store", str(store))
        told = subprocess.run(room(*update), check=True, capture_output=True, text=True).stdout
        assert "published" in told
        deadline = time.monotonic() + 40
        while len(lines := raw_lines(data)) < 8 and time.monotonic() < deadline:
            time.sleep(0.5)
    assert len(lines) >= 8, "one gateway with four sensors publishes twice within 20 s, not once an hour"
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

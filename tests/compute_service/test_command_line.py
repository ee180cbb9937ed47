"""The command line, as a person uses it."""

import json
import re
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from compute_service.__main__ import main
from compute_service.adapters.sqlite.store import SqliteStore
from protocol import messages, topics
from tests.compute_service.bench import GATEWAY, NOON, Bench, ack, zone
from tests.compute_service.conftest import Broker, until
from tests.compute_service.test_mqtt import gateway
from tests.compute_service.test_zones_file import GOOD, write


def test_zones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`zones` prints what a good file says."""
    assert main(["zones", str(write(tmp_path, GOOD))]) == 0
    assert "plot-1a  irrigation-gateway-1.soil-a  tomato" in capsys.readouterr().out


def test_decisions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`decisions` prints the sentences of a zone, and every check when asked."""
    with closing(SqliteStore(tmp_path / "store")) as store:
        bench = Bench(store, (zone("a"), zone("b")), now=NOON)
        bench.water("a")
        bench.water("b")
    command = ["decisions", "--store", str(tmp_path / "store"), "--zone", "plot-1a", "--checks"]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert re.search(r"2025-06-15 15:06:50Z  [0-9A-Z]{26}  plot-1a gets water for 30 min: its roots lack", out)
    assert "needs_water" in out
    assert "plot-1b" not in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["decisions", "--store", "store", "--zone", "plot-1z"], "'plot-1z', did you mean 'plot-1a'?; known: plot-1a"),
        (["decisions", "--store", "new", "--zone", "nowhere"], "new: knows no zone 'nowhere'; known: none yet"),
        (["zones", "nothing.yaml"], "nothing.yaml: cannot be read: No such file or directory"),
        (["zones", "percent.yaml"], "field_capacity: 29: looks like percent; write 0.29"),
        (["decisions", "--store", "nothing"], "nothing: no such store"),
        (["explain", "D1", "--store", "store"], "store: knows no decision 'D1'; `decisions` lists the last ones"),
        (["replay", "2026-07-03", "--store", "store"], "store: has no decisions of 2026-07-03; days are in UTC"),
        (["update", "update.yaml", "--store", "nothing"], "nothing: no such store"),
        (["update", "bad.yaml"], "did you mean 'settings'?"),
        (["run", "--zones", "nothing.yaml"], "nothing.yaml: cannot be read"),
        (["run", "--zones", "zones.yaml", "--certs", "nowhere"], "nowhere: thing_name.txt is missing"),
        (["run", "--zones", "zones.yaml", "--store", "nowhere/x"], "nowhere/x.lock: No such file or directory"),
        (["run", "--zones", "zones.yaml", "--events", "nowhere/x"], "nowhere/x: No such file or directory"),
    ],
)
def test_user_errors(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    told: str,
) -> None:
    """Bad input ends with one line on stderr that names it, and exit code 2."""
    monkeypatch.chdir(tmp_path)
    with closing(SqliteStore("store")) as store, closing(SqliteStore("new")):
        Bench(store, (zone("a"),)).hear_reading("a")
    Path("zones.yaml").write_text(GOOD)
    Path("percent.yaml").write_text(GOOD.replace("0.29", "29"))
    Path("update.yaml").write_text("{device_id: all, settings: {sample_interval_s: 600}}")
    Path("bad.yaml").write_text("{device_id: all, setings: {sample_interval_s: 600}}")
    assert main(arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("compute_service: ")
    assert told in lines[0]


def test_update_waits_in_the_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An update is kept for a service that does not run at the moment."""
    SqliteStore(tmp_path / "store").close()
    path = write(tmp_path, "{device_id: all, settings: {sample_interval_s: 600}}")
    assert main(["update", str(path), "--store", str(tmp_path / "store"), "--wait", "0"]) == 0
    assert "queued; it is published as soon as the service runs" in capsys.readouterr().out
    with closing(SqliteStore(tmp_path / "store")) as store:
        assert store.updates.in_states("queued")[0]["settings"] == {"sample_interval_s": 600}


def test_a_service_from_start_to_end(broker: Broker, tmp_path: Path) -> None:
    """The real process waters a dry zone, settles it, publishes an update handed to it, and stops on SIGTERM."""
    zones, events, store_path = write(tmp_path, GOOD), tmp_path / "events.jsonl", tmp_path / "store"
    with closing(SqliteStore(store_path)) as store:  # heard ten seconds ago by the process before
        Bench(store, (zone("a"),), now=int(time.time()) - 10).hear_reading("a", vwc=0.15)
    python = [sys.executable, "-m", "compute_service"]
    options = ["--certs", str(tmp_path / "irrigation-compute"), "--port", str(broker.port), "--store", str(store_path)]
    run = [*python, "run", "--zones", str(zones), *options, "--events", str(events)]
    with gateway(broker) as (client, heard), subprocess.Popen(run, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "Test farm: serving, zones: 1; Ctrl-C stops\n"
        until(lambda: len(heard) == 1)
        command: Any = messages.decode(heard[0].topic, heard[0].payload)[1]
        done = messages.encode("ack", ack(command, "done"))
        client.publish(topics.ack(GATEWAY), done, 1).wait_for_publish(10)
        client.subscribe(topics.updates(), 1)
        path = write(tmp_path, "{device_id: all, settings: {sample_interval_s: 600}}")
        told = subprocess.check_output([*python, "update", str(path), "--store", str(store_path)], text=True)
        assert told.endswith("for all: published\n")
        until(lambda: len(heard) == 2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
    update: Any = messages.decode(heard[1].topic, heard[1].payload)[1]
    assert update["settings"] == {"sample_interval_s": 600}
    assert (command["action"], command["duration_s"]) == ("open", 1800)
    kinds = [json.loads(line)["kind"] for line in events.read_text().splitlines()]
    assert kinds == ["decision", "command", "ack"]
    assert not Path(f"{store_path}-wal").exists()
    with closing(SqliteStore(store_path)) as store:
        assert [delivery.volume_l for delivery in store.commands.deliveries()] == [300.0]
        assert store.updates.root() == "irrigation"

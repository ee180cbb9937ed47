"""A farm's metrics: what Prometheus reads of them, and that counters only ever rise."""

import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from compute_service.adapters.sqlite.store import SqliteStore
from integrations.farm_now import FarmReader
from integrations.metrics import FarmCollector, text
from integrations.metrics.__main__ import main
from tests.compute_service.bench import GATEWAY
from tests.integrations.conftest import Farm
from tests.processes import end

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scrape(path: Path) -> str:
    """As a process that has just been started gives them."""
    with closing(SqliteStore.reader(path)) as store:
        return text(FarmCollector(FarmReader(store), time.time, "1.0.0")).decode()


def samples(page: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def counters(page: str) -> Samples:
    families = [family for family in text_string_to_metric_families(page) if family.type == "counter"]
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_the_farm_in_numbers(farm: Farm) -> None:
    """A run of 300 measured litres, one that nothing measured, a dry zone, a status: each is where it belongs, in base
    units."""
    farm.hear_ack(farm.water("a"), "done")
    unmeasured = {"volume_l": None, "volume_source": "none", "duration_s": 60}
    farm.hear_ack(farm.water("b"), "done", **unmeasured)
    farm.hear_ack(farm.commands()[0], "done")  # late or twice: it counts once
    farm.beat()
    page = samples(scrape(farm.path))
    zone_a, gateway = ("zone", "plot-1a"), ("gateway", GATEWAY)
    assert page["pythoflow_zone_moisture_ratio", (zone_a,)] == 0.18
    depletion_m = page["pythoflow_zone_depletion_meters", (zone_a,)]
    assert 0.05 < depletion_m < 0.06
    assert page["pythoflow_zone_water_liters_total", (("source", "measured"), zone_a)] == 300
    assert page["pythoflow_zone_water_liters_total", (("source", "none"), ("zone", "plot-1b"))] == 200
    assert page["pythoflow_commands_total", (("state", "done"),)] == 2
    assert page["pythoflow_decisions_total", (("check", "none"),)] == 2
    assert page["pythoflow_gateway_last_status_timestamp_seconds", (gateway,)] == farm.now - 20
    assert page["pythoflow_outbox_dropped_samples_total", (gateway,)] == 3
    assert page["pythoflow_gateway_up", (gateway,)] == page["pythoflow_service_up", ()] == 1
    assert page["pythoflow_alarms", (("severity", "critical"),)] == 0
    assert page["pythoflow_build_info", (("version", "1.0.0"),)] == 1


def test_counters_only_rise(farm: Farm) -> None:
    """Over runs, commands that expire and are settled late, and restarts of everything, no counter falls."""
    before = counters(scrape(farm.path))
    command = farm.water("a")
    steps: tuple[Callable[[], None], ...] = (
        lambda: farm.hear_ack(command, "started"),
        lambda: farm.tick(command["duration_s"] + 1000),  # nobody answers: it expires
        lambda: farm.hear_ack(command, "done"),
        lambda: farm.hear_reading("b", vwc=0.28),
        lambda: farm.hear("irrigation/nonsense", {}),
    )
    for step in steps:
        step()
        after = counters(scrape(farm.path))
        assert {name: value for name, value in before.items() if after.get(name, -1) < value} == {}
        before = after
    assert before["pythoflow_commands_total", (("state", "done"),)] == 1


def test_promtool_has_nothing_to_say(farm: Farm) -> None:
    """Prometheus's own tool finds neither a mistake nor a name against the custom."""
    program = shutil.which("promtool")
    assert program, "promtool is missing; run: python3 scripts/setup.py system promtool"
    farm.water("a")
    page = scrape(farm.path)
    done = subprocess.run([program, "check", "metrics"], input=page, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_they_are_served_on_this_machine_only(farm: Farm, capsys: pytest.CaptureFixture[str]) -> None:
    """As a person starts it: it says its address, which is loopback's; a port that is taken, and a store that is none,
    are one sentence and exit code 2."""
    command = [sys.executable, "-m", "integrations.metrics", "--store", str(farm.path), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        address = process.stdout.readline().decode().split(" at ")[1].split(";")[0]
        try:
            assert address.startswith("http://127.0.0.1:")
            with urllib.request.urlopen(address, timeout=60) as response:
                assert "pythoflow_service_up 1.0" in response.read().decode()
            port = address.removeprefix("http://127.0.0.1:").removesuffix("/metrics")
            assert main(["--store", str(farm.path), "--port", port]) == 2
            assert f"port {port} cannot be used" in capsys.readouterr().err
        finally:
            end(process)
    assert main(["--store", f"{farm.path}-none", "--port", "0"]) == 2
    assert "no such store" in capsys.readouterr().err


def test_the_guide_names_every_metric(farm: Farm) -> None:
    """docs/integrations.md has a row for each metric that is served, with its labels, and no other."""
    farm.water("a")
    page = scrape(farm.path)
    guide = (Path(__file__).parents[2] / "docs" / "integrations.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(pythoflow_\w+)` \| ([a-z, ]*?) ?\|", guide, re.MULTILINE))
    served = {
        sample.name: ", ".join(sample.labels)
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }
    served["pythoflow_zone_water_liters_total"] = "zone, source"  # nothing is settled yet
    assert rows == served

"""Farms beside each other at one broker, each part a process: what one farm orders and tells, it alone hears."""

import contextlib
import json
import subprocess
from pathlib import Path

from tests.end_to_end.test_rooms_by_themselves import is_online, port_of, room, running, until
from tests.waiting import until_true

FARMS = ONE, OTHER = "sitio1", "sitio10"  # the wildcard of a prefix would take both


def edges(log: Path) -> list[tuple[str, bool]]:
    """Every valve that a fleet says has moved, and whether it opened."""
    events = [json.loads(line) for line in log.read_text().splitlines() if line.startswith('{"')]
    return [(event["zone_id"], event["open"]) for event in events if event.get("kind") == "valve_edge"]


def publishers(data: Path, farm: str) -> list[object]:
    """Whose readings the farm's own topic rule holds, one entry a reading."""
    spools = (data / "spool" / farm).glob("readings-*.jsonl")
    return [json.loads(line)["client_id"] for spool in spools for line in spool.read_text().splitlines()]


def test_a_farm_s_orders_and_settings_end_at_its_border(tmp_path: Path) -> None:
    """An open and an update for all are obeyed by the farm's own gateway, and not by one next door."""
    certs, data, stores = tmp_path / "certs", tmp_path / "data", {farm: tmp_path / f"{farm}.sqlite" for farm in FARMS}
    (tmp_path / "faster.yaml").write_text("device_id: all\nsettings: {sample_interval_s: 10, publish_interval_s: 10}\n")
    with contextlib.ExitStack() as farms:
        for farm in FARMS:
            issue = ("certs", "issue", "--farm", farm, "--gateways", "1", "--out", str(certs))
            subprocess.run(room(*issue), check=True, capture_output=True)
        cloud, fleets = tmp_path / "cloud.log", {farm: tmp_path / f"{farm}.log" for farm in FARMS}
        words = ("local_cloud", "--port", "0", "--certs", str(certs), "--data", str(data), "--farms", *FARMS)
        farms.enter_context(running(cloud, *words))
        until(cloud, "things")
        for farm in FARMS:
            fleet = ("gateway_sim", "--gateways", "1", "--farm", farm)
            zones, log = tmp_path / f"{farm}.yaml", tmp_path / f"{farm}-compute.log"
            subprocess.run(room(*fleet, "--write-zones", str(zones)), check=True)
            where = ("--farm", farm, "--port", port_of(cloud))
            compute = ("--zones", str(zones), "--certs", str(certs / f"{farm}-compute"), "--store", str(stores[farm]))
            farms.enter_context(running(log, "compute_service", "run", *where, *compute))
            until(log, "Ctrl-C stops")
            farms.enter_context(running(fleets[farm], *fleet, "--port", port_of(cloud), "--certs", str(certs)))
        until_true(lambda: all(map(is_online, stores.values())), "each farm's own gateway, and no other, in its store")
        orders: list[list[str]] = [["update", str(tmp_path / "faster.yaml")], ["open", "plot-1a", "--minutes", "1"]]
        for order in orders:
            said = room("compute_service", *order, "--store", str(stores[ONE]))
            subprocess.run(said, check=True, capture_output=True)
        until_true(lambda: ("plot-1a", True) in edges(fleets[ONE]), "that the farm's own valve opens")
        until_true(lambda: len(publishers(data, ONE)) >= 8, "that four sensors publish twice, not once an hour")
        assert set(publishers(data, ONE)) == {f"{ONE}-gateway-1"}
        assert set(publishers(data, OTHER)) <= {f"{OTHER}-gateway-1"}
        assert edges(fleets[OTHER]) == []
        assert all(map(is_online, stores.values()))
    assert '"refusal"' not in (data / "events.jsonl").read_text()

"""Boards without valves: their probes are those of other gateways' zones, and their silence is one alarm."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agronomy.units import HOUR_S
from compute_service.adapters import crops_table, zones_file
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.inputs import config_from, config_text
from compute_service.domain.zone import PlacedProbe
from compute_service.errors import ConfigError
from protocol import topics
from tests.compute_service.bench import GATEWAY, Bench, zone
from tests.compute_service.in_memory.store import InMemoryStore
from tests.compute_service.people import People, actions, online, stop_ack
from tests.compute_service.test_zones_file import GOOD, write

NODE = "irrigation-gateway-7"
THERE: dict[str, Any] = {"gateway_id": NODE, "sensor_id": f"{NODE}.soil-a"}
MEASURED_THERE: dict[str, Any] = {"sensor_id": f"{NODE}.soil-a", "max_reading_age_s": 2 * HOUR_S}


def begun(store: Any, *zones: Any, nodes: tuple[str, ...] = (NODE,)) -> Bench:
    bench = Bench(store, zones or (zone(**MEASURED_THERE), zone("b")), nodes=nodes)
    bench.service.start()
    return bench


@pytest.fixture
def farm() -> Bench:
    return begun(InMemoryStore())


def refusals(bench: Bench) -> int:
    return bench.store.updates.counters().get("refusals", 0)


def test_a_zone_is_watered_by_a_nodes_probe(farm: Bench) -> None:
    """The node measures, and the zone's own gateway opens."""
    farm.hear_reading("a", **THERE)
    farm.tick(10)
    assert actions(farm) == [("open", GATEWAY, "plot-1a")]
    assert refusals(farm) == 0


def test_a_gateway_that_nobody_names_is_refused() -> None:
    """It might be a neighbour's."""
    farm = begun(InMemoryStore(), nodes=())
    online(farm, NODE)
    farm.hear_reading("a", **THERE)
    assert refusals(farm) == 2


def test_a_node_speaks_for_the_probes_that_a_zone_names_alone(farm: Bench) -> None:
    """Nor does its reading tell of water at a valve, which is another board's."""
    farm.hear_reading("b", gateway_id=NODE, sensor_id=f"{NODE}.soil-b")
    assert refusals(farm) == 1
    leak = {"measured_at": farm.now, "clock": "synced", "seq": 1, "volume_l": 500.0, "leak_s": 600}
    message = {"gateway_id": NODE, "sensor_id": f"{NODE}.meter", "zone_id": "plot-1a", "boot_id": "b"}
    farm.hear(topics.data(message["sensor_id"]), {**message, "samples": [leak]})
    assert farm.store.journal.water(farm.zones[0], 0, 2**40) == []


def test_a_stop_is_for_boards_with_valves(farm: Bench) -> None:
    """A node has nothing to shut, and would never answer while it sleeps."""
    people = People(farm)
    row = people.order("stop")
    assert actions(farm) == [("stop_all", GATEWAY, None)]
    stop_ack(farm, farm.commands()[-1])
    assert people.again(row).state == "done"


def test_a_supply_is_kept_beside_the_status(farm: Bench) -> None:
    """Of a node, and of any gateway; over the next status, and over a restart."""
    for gateway_id in (NODE, GATEWAY):
        online(farm, gateway_id)
        sample = {"measured_at": farm.now, "clock": "synced", "seq": 1, "battery_v": 3.7}
        message: dict[str, Any] = {"gateway_id": gateway_id, "sensor_id": f"{gateway_id}.supply", "boot_id": "b"}
        message["samples"] = [sample]
        farm.hear(topics.data(message["sensor_id"]), message)
        online(farm, gateway_id)
    begun(farm.store)
    assert [row["status"].get("battery_v") for row in farm.store.updates.gateways()] == [3.7, 3.7]


# alarms


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Bench]:
    """A zone with two probes, one of them on a node that sleeps; the other one on its own gateway."""
    with closing(SqliteStore(tmp_path / "store")) as store:
        own = PlacedProbe(f"{GATEWAY}.soil-a", 0.3)
        yield begun(store, zone(**MEASURED_THERE, probes=(own,)))


def hours(bench: Bench, count: int, *, node: bool = True, own: bool = True) -> list[str]:
    """Hours go by; the alarms that stand then."""
    for _ in range(4 * count):
        if own:
            online(bench)
            bench.hear_reading("a", vwc=0.27)
        if node:
            online(bench, NODE, wakes_at=bench.now + 900)
            bench.hear_reading("a", vwc=0.27, **THERE)
        for _ in range(15):
            bench.tick(60)
    return sorted(row.alarm.kind for row in bench.store.alarms.open())


def test_a_node_that_is_heard_is_no_alarm(watched: Bench) -> None:
    """Its status, until when it sleeps, and the readings of its zones."""
    assert hours(watched, 4) == []


def test_a_silent_node_is_one_alarm(watched: Bench) -> None:
    """And not one besides for each probe on it, nor for its zones."""
    hours(watched, 1)
    assert hours(watched, 6, node=False) == ["gateway_silent"]
    [row] = watched.store.alarms.open()
    assert (row.alarm.place, row.alarm.values["zones"]) == (NODE, 1)
    assert hours(watched, 2) == []


def test_a_nodes_probe_that_fails_is_silent(watched: Bench) -> None:
    """The node lives, and one of its probes is not heard."""
    hours(watched, 1)
    for _ in range(6):
        online(watched, NODE, wakes_at=watched.now + 600)
        hours(watched, 1, node=False)
    [alarm] = [row.alarm for row in watched.store.alarms.open()]
    assert (alarm.kind, alarm.place, alarm.gateway_id) == ("probe_silent", f"{NODE}.soil-a", NODE)


def test_nothing_is_stale_while_the_node_sleeps(farm: Bench) -> None:
    """A zone with no probe but the node's waits for its waking."""
    online(farm)
    online(farm, NODE, wakes_at=farm.now + 8 * HOUR_S)
    for _ in range(8):
        online(farm)
        farm.hear_reading("b", vwc=0.27)
        for _ in range(60):
            farm.tick(60)
    assert farm.store.alarms.open() == []
    for _ in range(3 * 60):
        online(farm)
        farm.hear_reading("b", vwc=0.27)
        farm.tick(60)
    assert "reading_stale" in {row.alarm.kind for row in farm.store.alarms.open()}


# the file


def named(nodes: str, **changes: str) -> str:
    text = GOOD.replace("zones:", f"nodes: {nodes}\nzones:")
    for before, after in changes.items():
        text = re.sub(rf"{before}: \S+", f"{before}: {after}", text, count=1)
    return text


def test_a_file_names_its_nodes(tmp_path: Path) -> None:
    """And a zone's probe, or the weather, may be a node's; kept with the farm."""
    text = named(f"[{NODE}]", sensor_id=f"{NODE}.soil-a").replace("zones:", f"weather_stations: [{NODE}]\nzones:")
    farm = zones_file.load(write(tmp_path, text))
    assert (farm.nodes, farm.weather_stations) == ((NODE,), (NODE,))
    assert farm.zones[0].measured_by == (NODE,)
    assert config_from(config_text(farm), crops_table.crop) == farm
    assert zones_file.load(write(tmp_path, GOOD)).nodes == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (named("[irrigation-gateway-1]"), "is the gateway of zone plot-1a; a node has no valve, so take it out here"),
        (named("[all]"), "'all': is the group of all gateways"),
        (named(NODE), "want a list of gateways"),
        (
            named("[irrigation-gateway-8]", sensor_id=f"{NODE}.soil-a"),
            f"if {NODE} is a board without valves, name it in the farm's nodes",
        ),
        (
            named(f"[{NODE}]", sensor_id=f"{NODE}.soil-a") + "    fallback: {run_s: 600, days: 3}\n",
            "is on a node, which its board cannot hear without the cloud, so no fallback here",
        ),
    ],
    ids=["has a valve", "a group", "no list", "not named", "fallback"],
)
def test_a_mistake_about_nodes_is_told(tmp_path: Path, text: str, why: str) -> None:
    """With what to write instead."""
    with pytest.raises(ConfigError, match=re.escape(why)):
        zones_file.load(write(tmp_path, text))

"""Whose a message is the broker knows: nobody speaks for another, and what nobody can prove changes nothing."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from compute_service.adapters.schema import SCHEMAS
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.constraints import Limits
from compute_service.domain.zone import Config
from compute_service.service import Service
from protocol import messages, topics
from protocol.errors import IdentityError
from tests.compute_service.alarm_farm import begun, reborn
from tests.compute_service.bench import GATEWAY, NOON, SITE, Bench, reading, zone
from tests.compute_service.in_memory.store import InMemoryStore
from tests.compute_service.people import People, online, stop_ack

NEIGHBOUR = "irrigation-gateway-2"
OTHERS = zone(zone_id="plot-2a", gateway_id=NEIGHBOUR, sensor_id=f"{NEIGHBOUR}.soil-a")


def said(at: int, **fields: Any) -> dict[str, Any]:
    return {"gateway_id": GATEWAY, "boot_id": "boot-1", "at": at, **fields}


def places(of: str) -> list[str]:
    """Where a neighbour can try to report in the name of a gateway: the old topic, and its own."""
    old = {"errors": topics.OLD_ERRORS, "status": topics.OLD_STATUS, "diagnostics": topics.OLD_DIAGNOSTICS}
    return [old[of], getattr(topics, of)(NEIGHBOUR)]


def believed(bench: Bench) -> list[Any]:
    """What the service goes by, and what people are shown of each gateway and zone."""
    store = bench.store
    shown = list(store.journal.last(999, ("error", "status", "ack", "command")))
    models = [store.zones.model(one) for one in bench.zones]
    epochs = [store.commands.epoch(one.zone_id) for one in bench.zones]
    decisions = [row["checks"] for row in store.decisions.last(999)]
    return [models, epochs, decisions, store.updates.gateways(), shown, store.alarms.last(99), bench.commands()]


def lived(hours: int, vwc: float, lie: Any = None, **settings: Any) -> Bench:
    """Hours of honest readings of plot-1a, after each of which somebody may lie."""
    bench = Bench(InMemoryStore(), (zone("a", **settings), OTHERS))
    bench.service.start()
    for _ in range(hours):
        bench.now += 3600
        bench.hear_reading("a", vwc=vwc)
        if lie:
            lie(bench)
        bench.tick(10)
        for command in bench.commands():
            bench.hear_ack(command, "done", duration_s=command["duration_s"], volume_l=None, volume_source="none")
        bench.now -= 10
    return bench


@pytest.mark.parametrize("topic", places("errors"))
def test_no_report_drowns_a_full_zone(topic: str) -> None:
    """A neighbour's words of dry probes, around each honest reading, change no belief and open no valve."""

    def lie(bench: Bench) -> None:
        for vwc, at in (("0.141", bench.now - 1), ("0.14", bench.now)):
            text = f"{GATEWAY}.soil-a: vwc of {vwc}, it can be 0.0 to 1.0"
            bench.hear(topic, said(at, code="bad_value", text=text, sensor_id=f"{GATEWAY}.soil-a"))

    honest, lied = lived(24, 0.28), lived(24, 0.28, lie)
    assert lied.commands() == []
    assert believed(lied) == believed(honest)


@pytest.mark.parametrize("topic", places("errors"))
def test_no_report_starves_a_dry_zone(topic: str) -> None:
    """A neighbour's words of full probes keep no water back."""

    def lie(bench: Bench) -> None:
        text = f"{GATEWAY}.soil-a: vwc of 0.28, it can be 0.0 to 1.0"
        bench.hear(topic, said(bench.now + 1, code="bad_value", text=text))

    honest, lied = lived(6, 0.18), lived(6, 0.18, lie)
    assert [one["duration_s"] for one in lied.commands()] == [one["duration_s"] for one in honest.commands()] != []


@pytest.mark.parametrize("topic", places("errors"))
def test_no_report_uses_up_a_budget(topic: str) -> None:
    """Water that a neighbour merely tells of is in no book: the season's litres are there for the zone."""

    def lie(bench: Bench) -> None:
        report = said(bench.now, code="flow_while_shut", text="plot-1a: 999999999 l in 999999 s")
        bench.hear(topic, {**report, "zone_id": "plot-1a", "volume_l": 999999999.0, "duration_s": 80000})

    settings = {"limits": Limits(seasonal_l=300_000, daily_l=50_000)}
    honest, lied = lived(6, 0.18, **settings), lived(6, 0.18, lie, **settings)
    assert [one["duration_s"] for one in lied.commands()] == [one["duration_s"] for one in honest.commands()] != []
    assert lied.store.alarms.last() == honest.store.alarms.last()


def test_even_its_own_report_is_no_reading() -> None:
    """What a gateway reports of its own probe and zone is for people: only readings and acks change a belief."""

    def lie(bench: Bench) -> None:
        text = f"{GATEWAY}.soil-a: vwc of 0.14, it can be 0.0 to 1.0"
        bench.hear(topics.errors(GATEWAY), said(bench.now, code="bad_value", text=text, sensor_id=f"{GATEWAY}.soil-a"))
        report = said(bench.now, code="flow_while_shut", text="plot-1a: 900 l in 900 s")
        bench.hear(topics.errors(GATEWAY), {**report, "zone_id": "plot-1a", "volume_l": 900.0, "duration_s": 900})

    assert believed(lived(12, 0.28, lie))[:3] == believed(lived(12, 0.28))[:3]


@pytest.mark.parametrize("topic", places("status"))
def test_no_false_status_touches_an_epoch(topic: str) -> None:
    """Told twice by a neighbour, each time a million more: the next command's epoch is the next."""
    bench = Bench(InMemoryStore(), (zone("a"), OTHERS))
    for claim in (1_000_000, 2_000_000):
        bench.hear(topic, said(NOON, state="online", epochs={"plot-1a": claim}))
    assert bench.water("a")["epoch"] == 1
    assert bench.store.updates.gateways() == []


def test_a_true_epoch_is_always_believable() -> None:
    """However far its gateway is, a store that was lost goes on from the status of the gateway itself."""
    bench = Bench(InMemoryStore(), (zone("a"), OTHERS))
    bench.hear(topics.status(GATEWAY), said(NOON, state="online", epochs={"plot-1a": 2_000_001}))
    bench.tick(86400)  # until then what the gateway gave without our knowing counts towards the day
    assert bench.water("a")["epoch"] == 2_000_002


def test_a_lost_store_finds_back_by_a_rejection(bench: Bench) -> None:
    """The ack of a stale epoch tells the board's own: the next command is obeyed, and old words lower nothing."""
    command = bench.water("a")
    for held in (2_000_001, 5):
        bench.hear_ack(command, "rejected", code="stale_epoch", held_epoch=held)
    bench.tick(86400)
    assert bench.water("a")["epoch"] == 2_000_002


def test_a_lost_store_finds_back_to_older_firmware(bench: Bench) -> None:
    """It does not tell its epoch: twice as much with each try passes two million within 22 tries."""
    while bench.water("a")["epoch"] <= 2_000_001:
        bench.hear_ack(bench.commands()[-1], "rejected", code="stale_epoch")
        bench.tick(4000)
        assert len(bench.commands()) <= 22
    assert bench.commands()[-1]["epoch"] < 2**23


def test_an_epoch_that_is_no_count_is_not_taken(bench: Bench) -> None:
    """A board that tells an impossible epoch stops nobody: the next command can still be written."""
    command = bench.water("a")
    for held in (-1, "7", 2**53 + 1):
        bench.hear_ack(command, "rejected", code="stale_epoch", held_epoch=held)
    assert bench.store.updates.counters()["refusals"] == 3
    bench.hear_ack(command, "rejected", code="stale_epoch", held_epoch=2**53)
    bench.tick(4000)
    assert bench.water("a")["epoch"] == 2


def test_a_gateway_tells_of_its_own_zones_only() -> None:
    """A zone that was moved away takes nothing else with it: the rest of the old gateway's status is heard."""
    bench = Bench(InMemoryStore(), (zone("b"), OTHERS))
    status = {"state": "online", "epochs": {"plot-2a": 9, "plot-1b": 7}, "open_valves": ["plot-2a", "plot-1b"]}
    bench.hear(topics.status(GATEWAY), said(NOON, **status))
    assert [bench.store.commands.epoch(name) for name in ("plot-2a", "plot-1b")] == [0, 7]
    [row] = bench.store.updates.gateways()
    assert row["status"]["open_valves"] == ["plot-1b"]
    [refusal] = bench.events_of("refusal")
    assert (refusal["thing"], refusal["what"]) == (GATEWAY, "epoch of plot-2a")
    assert f"a zone of {NEIGHBOUR}" in refusal["why"]


def test_no_meter_speaks_of_another_gateways_zone() -> None:
    """A neighbour's flow meter that saw water run into a zone of this gateway is refused, and moves nothing."""
    bench = lived(1, 0.30)
    before = believed(bench)
    message = reading("a", bench.now, gateway_id=NEIGHBOUR, sensor_id=f"{NEIGHBOUR}.flow")
    del message["samples"][0]["vwc"]
    message["samples"][0] |= {"volume_l": 500.0, "leak_s": 600}
    bench.hear(topics.data(message["sensor_id"]), message)
    assert believed(bench) == before
    [refusal] = bench.events_of("refusal")
    assert (refusal["thing"], refusal["why"]) == (message["sensor_id"], "is not the configured probe of plot-1a")


def rainy(store: Any, **named: Any) -> Bench:
    """Two dry zones, of which only the neighbour has a weather station, and tells of rain."""
    zones = (zone("a"), OTHERS)
    bench = Bench(store, zones)
    config = Config(farm="f", timezone="America/Toronto", site=SITE, zones=zones, **named)
    bench.service = Service(config, store, bench._publish, lambda: bench.now, bench.events.append)
    sample = {"rain_mm": 20.0, "air_temperature_c": 12.0}
    station: dict[str, Any] = {
        "gateway_id": NEIGHBOUR,
        "sensor_id": f"{NEIGHBOUR}.weather",
        "zone_id": None,
        "sample": sample,
    }
    bench.hear_reading(vwc=None, **station)
    bench.hear_reading("a", vwc=0.15)
    bench.tick(10)
    return bench


def test_a_neighbours_weather_counts_only_where_it_is_named(store: InMemoryStore) -> None:
    """A gateway without a station goes by no other's, unless the grower named that one."""
    assert [one["zone_id"] for one in rainy(store).commands()] == ["plot-1a"]
    assert rainy(InMemoryStore(), weather_stations=(NEIGHBOUR,)).commands() == []
    assert rainy(InMemoryStore(), weather_stations=(GATEWAY,)).commands() != []


def test_what_nobody_can_prove_is_shown_and_that_is_all() -> None:
    """On the old topics a report is shown as unproven, once an hour a kind, and is in no gateway's history."""
    bench = lived(1, 0.28)
    before = believed(bench)
    for minute in range(70):
        bench.now += 60
        bench.hear(topics.OLD_STATUS, said(bench.now, state="offline", open_valves=["plot-1a"]))
        bench.hear(topics.OLD_ERRORS, said(bench.now, code=f"c{minute}", text=f"no. {minute}"))
        bench.hear(topics.OLD_DIAGNOSTICS, said(bench.now, counters={"x": minute}))
    assert believed(bench) == before
    shown = bench.events_of("unproven")
    assert [(one["topic"], one["text"]) for one in shown if one["topic"] == topics.OLD_ERRORS] == [
        (topics.OLD_ERRORS, "no. 0"),
        (topics.OLD_ERRORS, "no. 60"),
    ]
    assert len(shown) == 6
    notes = bench.store.journal.last(99, ("unproven",))
    assert {note["gateway_id"] for note in notes} == {None}
    assert [note["body"]["named"] for note in notes] == [GATEWAY] * 6
    counters = bench.store.updates.counters()
    assert counters["unproven_messages"] == 210
    assert "status_messages" not in counters


def test_what_statuses_claimed_before_is_forgotten(tmp_path: Path) -> None:
    """A store of the service before has states that anybody may have claimed: no page shows them any more."""
    path = tmp_path / "old.sqlite"
    with closing(sqlite3.connect(path)) as old:
        for schema in SCHEMAS[:4]:
            old.executescript(schema)
        old.executescript(
            f"PRAGMA user_version=4; INSERT INTO gateways VALUES ('{GATEWAY}', 'online', 1, 1, '{{}}');"
            f"INSERT INTO statuses VALUES ('{GATEWAY}', 1, 1, 'online', '{{}}')"
        )
    with closing(SqliteStore(path)) as after:
        assert after.updates.gateways() == after.updates.statuses(GATEWAY, 0, 9) == []


def test_firmware_that_is_too_old_is_told() -> None:
    """Readings without any status of the gateway's own raise the alarm with the remedy; its own status ends it."""
    with closing(SqliteStore(":memory:")) as store:
        farm = begun(store)
        for _ in range(6):
            farm.hear(topics.OLD_STATUS, said(farm.now, state="online"))
            for letter in "ab":
                farm.hear_reading(letter, vwc=0.27)
            farm.tick(900)
        farm.hear_reading("a", vwc=0.27)
        farm.tick(60)
        assert farm.kinds() == ["firmware_too_old"]
        assert farm.of_kind("firmware_too_old").place == GATEWAY
        farm.hear_status()
        farm.tick(60)
        assert farm.kinds() == []


def test_no_neighbour_makes_firmware_look_old() -> None:
    """A gateway that reports on its own topics stays new, whatever is said in its name on the old ones."""
    with closing(SqliteStore(":memory:")) as store:
        farm = begun(store)
        farm.hear_status()
        for _ in range(12):
            for topic in topics.UNPROVEN:
                farm.hear(topic, said(farm.now, state="offline", code="x", text="y", counters={}))
            farm.pass_time(1800)
        again = reborn(farm)
        again.pass_time(1800)
        assert store.alarms.last() == []


def test_an_unanswered_stop_is_said_each_minute_of_readings(bench: Bench) -> None:
    """A board whose status nobody can prove hears an unanswered stop again while it reads, at most once a minute."""
    bench.service.start()
    People(bench).order("stop")
    assert len(bench.commands()) == 1
    told = []
    for _ in range(4):
        bench.now += 30
        for letter in "ab":
            bench.hear_reading(letter, vwc=0.27)
        told.append(len(bench.commands()))
    assert told == [1, 2, 2, 3]
    stop_ack(bench, bench.commands()[0])
    bench.now += 120
    bench.hear_reading("a", vwc=0.27)
    assert len(bench.commands()) == 3


def test_a_will_is_a_hint_that_a_reading_undoes(bench: Bench) -> None:
    """One broker tells a will as the same gateway connects anew, after its status: the next reading undoes it."""
    online(bench, uptime_s=60)
    online(bench, state="offline")
    bench.tick(1)
    assert bench.store.updates.gateways()[0]["state"] == "offline"
    bench.hear_reading("a", vwc=0.27)
    assert bench.store.updates.gateways()[0]["state"] == "online"
    online(bench, state="offline", uptime_s=90)  # it takes leave itself: what is still under way says nothing else
    bench.hear_reading("b", vwc=0.27)
    assert bench.store.updates.gateways()[0]["state"] == "offline"


def test_a_report_of_a_foreign_sensor_is_refused() -> None:
    """Not even as a field of its own report may a gateway name another's probe."""
    report = said(NOON, code="bad_value", text="x", sensor_id=f"{NEIGHBOUR}.soil-a")
    with pytest.raises(IdentityError):
        messages.decode(topics.errors(GATEWAY), json.dumps({"v": 1, **report}).encode())


@pytest.mark.parametrize(
    "outliers",
    [{}, {"vwc": 0.5}, {"vwc": None}, {"vwc": "25"}, {"vwc": 1e10}, {"vwc": float("nan")}, {"taste": 2}, [25.0]],
)
def test_only_what_cannot_be_is_out_of_range(bench: Bench, outliers: Any) -> None:
    """A value that its quantity can have, or none at all, does not come in by the side door."""
    bench.hear_reading("a", vwc=None, sample={"out_of_range": outliers})
    assert bench.store.updates.counters() == {"refusals": 1}

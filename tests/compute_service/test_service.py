"""The service: from what it hears to what it publishes, keeps and tells."""

import json
import random
import sqlite3
import threading
from contextlib import closing
from itertools import permutations
from pathlib import Path

import pytest

from compute_service.adapters.schema import SCHEMAS
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.decide import Run
from compute_service.domain.zone import PlacedProbe
from compute_service.service import ROUTES
from protocol import messages, topics
from tests.compute_service.bench import GATEWAY, NOON, Bench, reading, zone
from tests.compute_service.in_memory.store import InMemoryStore
from tests.safety.garbage import TOPICS, documents


def test_dry_reading_becomes_a_command(bench: Bench) -> None:
    """Ten seconds after a dry reading its gateway is told to open, for a bounded time, with the reason."""
    bench.hear_reading("a")
    assert bench.service.next_due() == NOON + 10
    bench.tick(9)
    assert bench.published == []
    bench.tick(1)
    topic, command, _ = bench.published[0]
    assert topic == f"irrigation/control/{GATEWAY}/command"
    assert (command["action"], command["zone_id"], command["duration_s"]) == ("open", "plot-1a", 1800)
    assert (command["issued_at"], command["expires_at"], command["epoch"]) == (NOON + 10, NOON + 310, 1)
    assert "water is due at" in command["reason"]
    assert [event["kind"] for event in bench.events] == ["decision", "command"]
    assert bench.events[0]["decision_id"] == command["decision_id"]


def test_wet_reading_keeps_its_reasons(bench: Bench) -> None:
    """A zone that needs nothing gets a decision with all its reasons, and no command."""
    bench.hear_reading("a", vwc=0.25)
    bench.tick(10)
    assert bench.published == []
    [decision] = bench.store.decisions.last()
    lacks, due = (decision["receipt"][name] for name in ("depletion_mm", "due_mm"))
    assert (
        decision["sentence"]
        == f"plot-1a gets no water: the roots lack {lacks:.1f} mm, and water is due at {due:.1f} mm."
    )
    assert [check["passed"] for check in decision["checks"]].count(False) == 1
    assert bench.service.next_due() is None


def test_one_decision_per_moment(bench: Bench) -> None:
    """All readings that arrive before a zone's decision share it, and the newest counts."""
    bench.hear_reading("a", at=NOON - 10, vwc=0.25)
    bench.now += 5
    bench.hear_reading("a", at=NOON, vwc=0.18)
    bench.tick(5)
    assert len(bench.store.decisions.last()) == 1
    assert len(bench.commands()) == 1


def test_order_of_arrival_does_not_matter(bench: Bench) -> None:
    """Late, repeated and shuffled readings of a moment leave the same belief and decision, in every order."""
    samples = [(NOON - 60, 1, 0.22), (NOON, 2, 0.20), (NOON, 3, 0.21), (NOON - 30, 9, 0.19)]
    found = set()
    for turn, order in enumerate(permutations(samples)):
        sensor = f"{GATEWAY}.soil-{turn}"
        one = Bench(bench.store, (zone(zone_id=f"z-{turn}", sensor_id=sensor),))
        for at, seq, vwc in (*order, *order):
            one.hear_reading("a", at, vwc, sample={"seq": seq}, sensor_id=sensor, zone_id=None)
        one.tick(10)
        model = one.store.zones.model(one.zones[0])
        assert model is not None
        assert model.probes[sensor].vwc == 0.21
        found.add(json.dumps(model.to_json()).replace(sensor, "soil"))
    assert len(found) == 1


def test_old_reading_asks_for_no_decision(bench: Bench) -> None:
    """A repeated or older reading changes nothing, and no decision follows it."""
    bench.hear_reading("a", vwc=0.25)
    bench.tick(10)
    bench.hear_reading("a", at=NOON, vwc=0.25)
    bench.hear_reading("a", at=NOON - 600, vwc=0.1)
    assert bench.service.next_due() is None
    assert bench.store.updates.counters()["readings_not_newer"] == 2


@pytest.mark.parametrize(
    ("sample", "counter"),
    [
        ({"clock": "estimated"}, "samples_of_unsure_time"),
        ({"measured_at": NOON + 301}, "samples_from_the_future"),
    ],
)
def test_unusable_samples(bench: Bench, sample: dict[str, object], counter: str) -> None:
    """A sample of unsure time, or from the future, feeds no decision, and is counted."""
    bench.hear_reading("a", sample=sample)
    assert bench.service.next_due() is None
    assert bench.store.updates.counters()[counter] == 1


def test_weather_station_is_welcome(bench: Bench) -> None:
    """A known gateway's sensor without a zone is no stranger."""
    bench.hear_reading("a", sensor_id=f"{GATEWAY}.weather", zone_id=None, vwc=None)
    assert bench.store.updates.counters() == {"reading_messages": 1, "readings_without_zone": 1}


@pytest.mark.parametrize("told", [{"flow_l_min": 12.0}, {"soil_temperature_c": 18.5}])
def test_a_zones_other_sensors_are_welcome(bench: Bench, told: dict[str, float]) -> None:
    """The flow meter or thermometer of a gateway's own zone is no stranger; of another gateway's zone it is."""
    message = {
        **reading("a", sensor_id=f"{GATEWAY}.beside"),
        "samples": [{"seq": 1, "measured_at": NOON, "clock": "synced", **told}],
    }
    bench.hear(topics.data(f"{GATEWAY}.beside"), message)
    assert bench.store.updates.counters() == {"reading_messages": 1, "readings_without_zone": 1}
    bench.hear(topics.data(f"{GATEWAY}.beside"), {**message, "zone_id": "plot-9z"})
    assert bench.store.updates.counters()["refusals"] == 1


def test_a_probe_without_a_value_is_told(bench: Bench) -> None:
    """A reading without moisture feeds the probe's verdict: three in a row, and nothing goes by it any more."""
    bench.hear_reading("a", vwc=0.25, at=NOON - 900)
    for _ in range(3):
        bench.hear_reading("a", vwc=None)
        bench.tick(60)
    assert bench.commands() == []
    last = bench.store.decisions.last()[-1]
    assert "its last 3 readings are none that soil can give; look at its cable" in last["sentence"]
    assert last["receipt"]["probes"] == {f"{GATEWAY}.soil-a": "dead"}
    assert bench.store.updates.counters()["samples_without_vwc"] == 3


def test_percent_is_told_by_a_refused_reading(bench: Bench) -> None:
    """A reading in percent is refused, and the zone's decision says what is wrong with its probe."""
    bench.hear_reading("a", vwc=18.0)
    bench.tick(10)
    assert bench.commands() == []
    assert "it reports percent where a fraction is wanted" in bench.store.decisions.last()[-1]["sentence"]


def test_percent_is_told_beside_a_missing_value(bench: Bench) -> None:
    """A gateway holds such values back, and its reading says which: the zone's decision names the mistake."""
    for _ in range(3):
        bench.hear_reading("a", vwc=None, sample={"out_of_range": {"vwc": 25.1}})
        bench.tick(60)
        assert bench.store.decisions.last()[-1]["receipt"]["probes"] == {f"{GATEWAY}.soil-a": "percent"}
    bench.now += 900
    bench.hear_reading("a")
    bench.now += 3
    bench.hear_reading("a", vwc=None, sample={"out_of_range": {"vwc": 25.1}})  # beside a clear one it says nothing
    bench.tick(7)
    assert bench.store.decisions.last()[-1]["receipt"]["probes"] == {f"{GATEWAY}.soil-a": "healthy"}


def test_weather_moves_the_balance(bench: Bench) -> None:
    """A station's hours give ET0 and rain to every zone of its gateway, once each; a repeated sample adds nothing."""
    weather = {"air_temperature_c": 25.0, "relative_humidity_pct": 60.0, "wind_speed_m_s": 2.0}
    bench.hear_reading("a", vwc=0.28)
    bench.tick(10)
    for quarter in range(20):
        sample = {**weather, "solar_radiation_w_m2": 600.0, "rain_mm": 0.5, "seq": quarter}
        for _ in range(2):
            bench.hear_reading("a", vwc=None, sample=sample, sensor_id=f"{GATEWAY}.weather", zone_id=None)
        bench.now += 900
    bench.hear_reading("a", vwc=0.28)
    bench.hear_reading("b", vwc=0.28)
    bench.tick(10)
    receipt = next(row["receipt"] for row in reversed(bench.store.decisions.last(zone_id="plot-1a")))
    assert receipt["weather"] == {"measured": 5}
    assert receipt["rain_mm_24h"] == pytest.approx(10)
    assert receipt["et0_mm_24h"] == pytest.approx(5, abs=1)
    assert bench.store.updates.counters()["weather_readings"] == 40


def test_water_that_nobody_asked_for_is_counted(bench: Bench) -> None:
    """A gateway that saw flow through a shut valve has watered its zone, once, and no more than its pipes carry."""
    bench.hear_reading("a", vwc=0.25)
    bench.tick(10)
    for litres, seconds, ago in ((2000, 900, 0), (2000, 900, 0), (999999, 60, 1)):
        bench.hear_leak("a", litres, seconds, bench.now - ago)
    bench.now += 900
    bench.hear_reading("a", vwc=0.27)
    bench.tick(10)
    assert bench.store.decisions.last()[-1]["receipt"]["irrigation_mm_24h"] == pytest.approx((2000 + 300) / 100 * 0.75)


def test_one_pump_waters_the_driest_first(store: InMemoryStore) -> None:
    """Where the pump is enough for one zone only, the driest gets it, and the next as soon as it is done."""
    bench = Bench(store, (zone("a"), zone("b")), pump_l_min=399)
    bench.hear_reading("a", vwc=0.18)
    bench.hear_reading("b", vwc=0.15)
    bench.tick(10)
    assert [command["zone_id"] for command in bench.commands()] == ["plot-1a"]  # nothing was known of b before
    assert (
        "the pump has 199 l/min left while other zones run"
        in bench.store.decisions.last(zone_id="plot-1b")[-1]["sentence"]
    )
    bench.hear_ack(bench.commands()[0], "done")
    bench.now += 3600
    for letter in "ab":
        bench.hear_reading(letter, vwc=0.15)
    bench.tick(10)
    assert [command["zone_id"] for command in bench.commands()] == ["plot-1a", "plot-1b"]


def test_every_probe_of_a_zone_counts(store: InMemoryStore) -> None:
    """A reading of any of them is reason to decide, and where the zone's own is dead the others are gone by."""
    deep = tuple(PlacedProbe(f"{GATEWAY}.soil-a-{depth}cm", depth / 100) for depth in (20, 40))
    bench = Bench(store, (zone("a", probes=deep),))
    for at in (NOON - 120, NOON - 60, NOON):
        bench.hear_reading("a", at, 0.0)
    for at, vwc in ((NOON - 900, 0.15), (NOON, 0.16), (NOON - 1800, 0.14), (NOON, 0.16)):
        bench.hear_reading("a-20cm", at, vwc, zone_id="plot-1a")
    bench.hear_reading("a-40cm", NOON, 0.18, zone_id=None)
    bench.tick(10)
    assert len(bench.commands()) == 1
    assert bench.store.decisions.last()[-1]["receipt"]["probes"] == {
        f"{GATEWAY}.soil-a": "dead",
        f"{GATEWAY}.soil-a-20cm": "healthy",
        f"{GATEWAY}.soil-a-40cm": "healthy",
    }
    model = bench.store.zones.model(bench.zones[0])
    assert model is not None
    assert (model.probes[deep[0].sensor_id].vwc, model.belief.used) == (0.16, tuple(one.sensor_id for one in deep))


def test_a_store_of_version_4_gets_the_index_of_its_water(tmp_path: Path) -> None:
    """A season's file that was there before is as fast as a new one, and its litres are the same."""
    path = tmp_path / "old.sqlite"
    with closing(sqlite3.connect(path)) as old:
        for schema in SCHEMAS[:4]:
            old.executescript(schema)
        old.execute("PRAGMA user_version=4")
        old.executemany("INSERT INTO history VALUES ('plot-1a', ?, 0.2, 1, 2, 0.5, ?)", [(5, 0), (6, 7), (7, 0)])
        old.commit()
    with closing(SqliteStore(path)) as after:
        assert after.database.all("SELECT at, litres FROM history INDEXED BY history_water WHERE litres <> 0") == [
            (6, 7)
        ]
        assert [one.litres for one in after.journal.moments("plot-1a", 0, 9, most=1)] == [7.0]


@pytest.mark.parametrize("version", [1, 2])
def test_a_store_of_a_version_before_is_brought_up_to_date(tmp_path: Path, version: int) -> None:
    """What it held is still there, and it takes what is new."""
    path = tmp_path / "old.sqlite"
    with closing(sqlite3.connect(path)) as old:
        for schema in SCHEMAS[:version]:
            old.executescript(schema)
        old.executescript(
            f"PRAGMA user_version={version}; INSERT INTO zones (zone_id, epoch, vwc) VALUES ('plot-1a', 7, 0.2);"
            f"INSERT INTO deliveries VALUES ('C1', 'plot-1a', {NOON - 60}, 600, NULL, 'none', 'duration');"
            f"INSERT INTO decisions VALUES ('D1', 'plot-1a', {NOON - 60}, 'C1', 'It is dry.', '[]')"
        )
    for _ in range(2):
        with closing(SqliteStore(path)) as after:
            assert after.commands.epoch("plot-1a") == 7
            state = after.zones.zone_state(zone("a"), 0, NOON - 3600, NOON - 3600)
            assert (state.used_today_l, state.runs) == (2000.0, (Run(NOON - 60, 600),))
            assert [row["sentence"] for row in after.decisions.last()] == ["It is dry."]
            assert after.zones.news(zone("a")).water == ()


@pytest.mark.parametrize(
    ("topic", "message", "thing", "why"),
    [
        (
            topics.data("stranger.soil-a"),
            reading(gateway_id="stranger", sensor_id="stranger.soil-a"),
            "stranger",
            "no gateway of this farm",
        ),
        (topics.data(f"{GATEWAY}.soil-b"), reading("a"), GATEWAY, "arrived on the topic of"),
        (topics.data(f"{GATEWAY}.soil-z"), reading("z"), f"{GATEWAY}.soil-z", "not the configured probe of plot-1z"),
        (topics.data(f"{GATEWAY}.soil-a"), reading("a", zone_id="plot-1b"), f"{GATEWAY}.soil-a", "not the configured"),
        (topics.data(f"{GATEWAY}.soil-a"), reading("a", vwc=180.0), GATEWAY, "samples[0].vwc: want a number from 0.0"),
        (topics.data(f"{GATEWAY}.soil-a"), {"v": 2}, GATEWAY, "want 1, got 2"),
        ("irrigation/nonsense", {}, "nobody", "not a topic"),
        (topics.command(GATEWAY), {}, GATEWAY, "missing"),
    ],
)
def test_refusals(bench: Bench, topic: str, message: dict[str, object], thing: str, why: str) -> None:
    """A stranger, a wrong probe, a moisture that is none: refused, counted each time, told once, and no zone moves."""
    for _ in range(3):
        bench.service.handle(topic, json.dumps({"v": 1, **message}).encode())
    [event] = bench.events_of("refusal")
    assert (event["by"], event["thing"]) == ("compute", thing)
    assert why in event["why"]
    assert bench.store.updates.counters()["refusals"] == 3
    assert bench.service.next_due() is None


def test_every_message_of_a_gateway_has_a_route() -> None:
    """Each kind that gateways publish has its handler in the service, and the service waits for no other kind."""
    filters = [name.replace("+/data", "gw.soil/data").replace("+", "gw") for name in topics.from_gateways()]
    kinds = {topics.parse(name)[0] for name in filters}
    assert sorted(kinds - set(ROUTES)) == [], "gateways publish these, and the service has no route for them"
    assert sorted(set(ROUTES) - kinds) == [], "the service has a route for these, and subscribes to none of them"


@pytest.mark.parametrize("kind", sorted(ROUTES))
def test_a_message_without_a_route_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """A kind that this service cannot take changes nothing: it is counted, told once, and the service goes on."""
    command = bench.water("a")
    message = documents(NOON, command["command_id"])[kind]
    monkeypatch.delitem(ROUTES, kind)
    counters, due = bench.store.updates.counters(), bench.service.next_due()
    for _ in range(2):
        bench.hear(TOPICS[kind], message)
    [event] = bench.events_of("refusal")
    assert (event["by"], event["thing"], event["what"]) == ("compute", GATEWAY, kind)
    assert "nothing that a gateway may send" in event["why"]
    assert bench.store.updates.counters() == {**counters, "refusals": 2}
    assert (bench.state_of(command), bench.service.next_due()) == ("pending", due)


def test_garbage_never_raises(bench: Bench) -> None:
    """Whatever bytes arrive on whatever topic, the service goes on, and commands nothing."""
    chance = random.Random(1)
    places = [
        topics.data(f"{GATEWAY}.soil-a"),
        topics.ack(GATEWAY),
        topics.status(GATEWAY),
        topics.errors(GATEWAY),
        topics.updates(),
        "x",
        "",
    ]
    for _ in range(500):
        bench.service.handle(chance.choice(places), chance.randbytes(chance.randrange(40)))
    bench.tick(1000)
    assert bench.published == []


def test_strangers_are_told_at_least_once(bench: Bench) -> None:
    """Every stranger is counted and told, the latest 1000 only once, and no flood of names hides a later one."""
    for number in (*range(1100), *range(100, 1100), 0):
        fake = {"gateway_id": f"fake-{number}", "boot_id": "b", "state": "online", "at": NOON}
        bench.hear(topics.status(f"fake-{number}"), fake)
    assert bench.store.updates.counters() == {"refusals": 2101}
    assert [event["thing"] for event in bench.events_of("refusal")] == [*(f"fake-{n}" for n in range(1100)), "fake-0"]


def test_status_raises_the_epoch(bench: Bench) -> None:
    """A command continues from the epoch that its gateway reports, if that is larger than the store's."""
    status = {"gateway_id": GATEWAY, "boot_id": "b", "state": "online", "at": NOON}
    bench.hear(topics.status(GATEWAY), {**status, "epochs": {"plot-1a": 41, "plot-9z": 7}})
    bench.hear(topics.status(GATEWAY), {**status, "epochs": {"plot-1a": 3}})
    bench.tick(86400)  # what that gateway gave today is not known
    assert bench.water("a")["epoch"] == 42
    assert bench.water("b")["epoch"] == 1


@pytest.mark.parametrize(("claimed", "zone_id"), [(2**53, "plot-1a"), (5, "plot-2a")])
def test_false_epoch_is_refused(bench: Bench, claimed: int, zone_id: str) -> None:
    """An epoch that would use a zone's epochs up, or of another gateway's zone, is not heard, and told."""
    two = Bench(bench.store, (zone("a"), zone(zone_id="plot-2a", gateway_id="gw-2", sensor_id="gw-2.soil-a")))
    status = {"gateway_id": GATEWAY, "boot_id": "b", "state": "online", "at": NOON, "epochs": {zone_id: claimed}}
    two.hear(topics.status(GATEWAY), status)
    assert bench.store.commands.epoch(zone_id) == 0
    assert two.events_of("refusal")[0]["what"] == f"epoch of {zone_id}"


def test_status_settles_nothing(bench: Bench) -> None:
    """A status is a hint: the last will of a gateway ends no run, and one that claims to be idle neither."""
    command = bench.water("a")
    for state in ("offline", "online"):
        bench.hear(
            topics.status(GATEWAY),
            {"gateway_id": GATEWAY, "boot_id": "b", "state": state, "at": bench.now, "open_valves": []},
        )
    assert bench.state_of(command) == "pending"
    [row] = bench.store.updates.gateways()
    assert (row["gateway_id"], row["state"], row["at"], row["heard_at"]) == (GATEWAY, "online", bench.now, bench.now)


def test_ack_of_another_gateway_is_refused(bench: Bench) -> None:
    """No gateway can settle another one's command, nor one of another zone, nor one that never was."""
    two = Bench(bench.store, (zone("a"), zone(zone_id="plot-2a", gateway_id="gw-2", sensor_id="gw-2.soil-a")))
    command = two.water("a")
    two.hear_ack(command, "done", gateway_id="gw-2")
    two.hear_ack(command, "done", zone_id="plot-2a")
    two.hear_ack(command, "done", command_id="unknown")
    assert two.state_of(command) == "pending"
    assert bench.store.commands.deliveries() == []
    assert bench.store.updates.counters()["refusals"] == 3


def test_update_is_published(bench: Bench) -> None:
    """Settings reach the updates topic, from this process and from another one's queue."""
    bench.service.update("all", {"sample_interval_s": 600})
    bench.store.updates.add("U2", GATEWAY, {"publish_interval_s": 900})
    bench.tick()
    bench.tick()
    assert [(topic, update["device_id"], update["settings"]) for topic, update, _ in bench.published] == [
        (topics.updates(), "all", {"sample_interval_s": 600}),
        (topics.updates(), GATEWAY, {"publish_interval_s": 900}),
    ]
    for _, _, on_acked in bench.published:
        on_acked()
    assert len(bench.store.updates.in_states("sent")) == 2


def test_an_update_is_repeated_after_a_crash(bench: Bench) -> None:
    """Settings whose PUBACK never came are published again at the next start, until they are acknowledged."""
    bench.service.update("all", {"sample_interval_s": 600})
    for starts_again in (True, False):
        later = Bench(bench.store, bench.zones)
        later.service.start()
        assert [update["settings"] for _, update, _ in later.published] == [{"sample_interval_s": 600}] * starts_again
        for _, _, on_acked in later.published:
            on_acked()


def test_idle(bench: Bench) -> None:
    """The service is idle unless a publish waits for its PUBACK; a command stays sent until its ack."""
    assert bench.service.idle()
    command = bench.water("a")
    assert not bench.service.idle()
    bench.published[0][2]()
    assert bench.service.idle()
    assert [row.command_id for row in bench.store.commands.in_states("pending", "sent")] == [command["command_id"]]
    bench.hear_ack(command, "received")
    assert bench.store.commands.in_states("pending", "sent") == []


def test_zones_are_decided_by_name(bench: Bench) -> None:
    """Commands of one moment come in the order of the zones' names, however the readings arrived."""
    bench.hear_reading("b")
    bench.hear_reading("a")
    bench.tick(10)
    assert [command["zone_id"] for command in bench.commands()] == ["plot-1a", "plot-1b"]


def test_ack_event_is_what_the_gateway_said(bench: Bench) -> None:
    """The event of an ack has the gateway's own fields, whatever extra ones it sends, and when it was received."""
    command = bench.water("a")
    bench.hear_ack(command, "received", at=NOON + 11, kind="decision")
    [event] = bench.events_of("ack")
    assert (event["at"], event["received_at"], event["state"]) == (NOON + 11, NOON + 10, "received")


def test_threads_take_turns(file_bench: Bench) -> None:
    """Readings from several threads, while the main one ticks, are all handled, and each zone gets one command."""

    def hear(letter: str) -> None:
        for seq in range(100):
            file_bench.hear_reading(letter, sample={"seq": seq})

    threads = [threading.Thread(target=hear, args=(letter,)) for letter in "abab"]
    for thread in threads:
        thread.start()
    file_bench.now += 10
    while any(thread.is_alive() for thread in threads):
        file_bench.service.tick()
    file_bench.tick(10)
    assert file_bench.store.updates.counters()["reading_messages"] == 400
    assert sorted(command["zone_id"] for command in file_bench.commands()) == ["plot-1a", "plot-1b"]


def test_a_publish_that_is_set_aside_is_counted_and_named(bench: Bench) -> None:
    """What the broker hangs up at stands in counters and events by its topic, and the service waits for it no more."""
    command = bench.water()
    topic, _, _ = bench.published[-1]
    bench.service.set_aside(topic, messages.encode("command", command))
    assert bench.service.idle()
    assert bench.store.updates.counters()["publishes_set_aside"] == 1
    (refusal,) = bench.events_of("refusal")
    assert (refusal["thing"], refusal["what"]) == (GATEWAY, f"publish to {topic}")

"""What any store of the service must do, held against each of them; and the two side by side under random calls."""

import copy
import inspect
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, cast

import pytest

from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain import ports
from compute_service.domain.decide import Run, ZoneState
from compute_service.domain.ports import (
    HOURS_KEPT_S,
    WEATHER_KEPT_S,
    AlarmBook,
    CommandLog,
    DecisionBook,
    Journal,
    OrderBook,
    Store,
    Updates,
    ZoneMemory,
)
from compute_service.domain.zone_model import Sample, Water
from compute_service.errors import StoreError
from tests.compute_service.bench import GATEWAY, NOON
from tests.compute_service.in_memory.store import InMemoryStore
from tests.compute_service.kept import (
    KEY,
    WRITES,
    A,
    B,
    alarm,
    command,
    decision,
    delivery,
    everything,
    fill,
    hold,
    hour,
    model,
    order,
    water,
)

PORTS = (ZoneMemory, CommandLog, DecisionBook, Updates, OrderBook, Journal, AlarmBook)


@pytest.fixture(params=["sqlite", "in memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    either = SqliteStore(tmp_path / "store") if request.param == "sqlite" else InMemoryStore()
    with closing(either):
        yield either


# how narrow they are


@pytest.mark.parametrize("port", PORTS, ids=lambda port: port.__name__)
def test_a_port_is_narrow(port: type) -> None:
    """Whoever writes another store has at most a dozen methods a port to write."""
    assert 0 < len(methods(port)) <= 12


@pytest.mark.parametrize("port", [*PORTS, Store], ids=lambda port: port.__name__)
def test_every_method_says_what_it_does(port: type) -> None:
    """A port is a promise in words, so each of its methods has some."""
    assert [name for name in dir(port) if not name.startswith("_") and not getattr(port, name).__doc__] == []


def test_a_store_has_no_other_methods(store: Store) -> None:
    """A part of a store has its port's methods, with the same arguments, and none that another store would lack."""
    for part, port in zip(_parts(store), PORTS, strict=True):
        assert methods(type(part)) == methods(port)


def _parts(store: Store) -> tuple[Any, ...]:
    return (store.zones, store.commands, store.decisions, store.updates, store.orders, store.journal, store.alarms)


def methods(kind: type) -> dict[str, list[str]]:
    return {
        name: list(inspect.signature(function).parameters)
        for name, function in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }


# transactions


@pytest.mark.parametrize("name", WRITES)
def test_what_fails_leaves_nothing(store: Store, name: str) -> None:
    """Whatever was written inside a transaction that fails, the store is as it was before."""
    fill(store)
    before = everything(store)
    with pytest.raises(KeyboardInterrupt), store.transaction():
        WRITES[name](store)
        assert everything(store) != before
        raise KeyboardInterrupt
    assert everything(store) == before
    WRITES[name](store)
    assert everything(store) != before


def test_a_transaction_inside_another_joins_it(store: Store) -> None:
    """The outer one decides: what an inner one wrote is gone with it, and stays if its failure was caught."""
    with pytest.raises(RuntimeError), store.transaction(durable=True):
        with store.transaction():
            store.updates.count("inner")
        raise RuntimeError
    assert store.updates.counters() == {}
    with store.transaction():
        with pytest.raises(RuntimeError), store.transaction(durable=True):
            store.updates.count("inner")
            raise RuntimeError
        store.updates.count("outer")
    assert store.updates.counters() == {"inner": 1, "outer": 1}


def test_a_failed_write_takes_nothing_else_along(store: Store) -> None:
    """An id that is taken is refused, and what was written before it in the transaction still holds."""
    store.commands.add(GATEWAY, command(), NOON)
    with store.transaction():
        store.updates.count("before")
        with pytest.raises(ValueError, match=r"C1|commands\.command_id"):
            store.commands.add(GATEWAY, command(), NOON)
    assert store.updates.counters() == {"before": 1}


def test_threads_take_turns(store: Store) -> None:
    """While one thread is inside a transaction another waits, so none sees or loses half of it."""

    def add_two() -> None:
        for _ in range(50):
            with store.transaction():
                counts.append(store.updates.counters().get("both", 0))
                store.updates.count("both")
                store.updates.count("both")

    counts: list[int] = []
    threads = [threading.Thread(target=add_two) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.updates.counters() == {"both": 400}
    assert sorted(counts) == list(range(0, 400, 2))


# zones' memory


def test_a_sample_is_kept_once(store: Store) -> None:
    """A repeated sample is known; one of the same time but another number or boot is not. The first due time holds."""
    sample = Sample(A.sensor_id, NOON, 0.2)
    first = [store.zones.save_sample(A.zone_id, sample, key, NOON + 10) for key in ((1, "b"), (2, "b"), (1, "c"))]
    again = [store.zones.save_sample(A.zone_id, sample, key, NOON + 99) for key in ((1, "b"), (2, "b"), (1, "c"))]
    assert (first, again) == ([True] * 3, [False] * 3)
    assert store.zones.due() == {A.zone_id: NOON + 10}
    store.zones.save_sample(B.zone_id, Sample(B.sensor_id, NOON, 0.2), KEY, None)
    assert store.zones.due() == {A.zone_id: NOON + 10}


def test_the_newest_sample_with_a_value_counts(store: Store) -> None:
    """Of one sensor and time the last that has a value; sensors and times in their order, whatever came first."""
    rows = [(NOON, 3, None), (NOON, 2, 0.22), (NOON, 1, 0.21), (NOON - 5, 9, 0.3), (NOON + 5, 4, None)]
    for at, seq, vwc in rows:
        store.zones.save_sample(A.zone_id, Sample(A.sensor_id, at, vwc), (seq, "b"), None)
    store.zones.save_sample(A.zone_id, Sample("gw.deep", NOON, 0.4), KEY, None)
    assert store.zones.news(A).samples == (
        Sample(A.sensor_id, NOON - 5, 0.3),
        Sample("gw.deep", NOON, 0.4),
        Sample(A.sensor_id, NOON, 0.22),
        Sample(A.sensor_id, NOON + 5, None),
    )
    assert store.zones.news(B).samples == ()


def test_a_zone_that_is_gone_waits_for_nothing(store: Store) -> None:
    """Its samples are forgotten, and that it is due; other zones', and its own water, are not."""
    for one in (A, B):
        store.zones.save_sample(one.zone_id, Sample(one.sensor_id, NOON, 0.2), KEY, NOON + 10)
        store.zones.add_water(water(one.zone_id, one.zone_id))
    store.zones.forget(A.zone_id)
    assert store.zones.due() == {B.zone_id: NOON + 10}
    assert store.zones.news(A) == ((Water(NOON, A.flow_l_min),), ())
    assert len(store.zones.news(B).samples) == 1


def test_water_is_booked_once(store: Store) -> None:
    """Litres as they are, else seconds at the zone's own rate, less what is taken back; the oldest first."""
    assert store.zones.add_water(water("W2", at=NOON + 1, litres=12))
    assert store.zones.add_water(water("W1", at=NOON + 1))
    assert store.zones.add_water(replace(water("W3"), back_s=30))
    assert not store.zones.add_water(replace(water("W2"), litres=99))
    minute = A.flow_l_min
    assert store.zones.news(A).water == (Water(NOON, minute / 2), Water(NOON + 1, minute), Water(NOON + 1, 12.0))
    booked = [(row.water_id, row.litres) for row in store.journal.water(A, NOON, NOON + 2)]
    assert booked == [("W3", minute / 2), ("W1", minute), ("W2", 12.0)]
    assert [row.water_id for row in store.journal.water(A, NOON, NOON + 1)] == ["W3"]
    assert store.journal.water(B, NOON, NOON + 2) == []
    state = store.zones.zone_state(A, 0, NOON + 1, NOON)
    assert state == ZoneState(used_today_l=minute + 12, used_season_l=minute * 1.5 + 12)


def test_a_model_knows_what_was_new(store: Store) -> None:
    """After a decision nothing is new or due any more, but the water still counts against the zone's caps."""
    store.zones.save_sample(A.zone_id, Sample(A.sensor_id, NOON, 0.2), KEY, NOON + 10)
    store.zones.add_water(water())
    assert store.zones.model(A) is None
    store.zones.save_model(A, model(), [])
    assert store.zones.model(A) == model()
    assert store.zones.news(A) == ((), ())
    assert store.zones.due() == {}
    assert store.zones.zone_state(A, 0, 0, 0).used_season_l == A.flow_l_min
    store.zones.save_model(A, model(NOON + 900), [])
    assert store.zones.model(A) == model(NOON + 900)


def test_an_hour_is_reckoned_once(store: Store) -> None:
    """The first reckoning of an hour holds, and what is too old to be asked for is forgotten, of that gateway alone."""
    old, late = NOON - HOURS_KEPT_S - 3600, NOON
    for gateway_id in (GATEWAY, "gw-2"):
        store.zones.save_weather(gateway_id, NOON - WEATHER_KEPT_S - 1, KEY, {"rain_mm": 1.0})
        store.zones.save_weather(gateway_id, NOON - WEATHER_KEPT_S, KEY, {"rain_mm": 2.0})
    store.zones.save_model(A, model(), [hour(old)])
    store.zones.save_model(replace(A, gateway_id="gw-2"), model(), [hour(old)])
    store.zones.save_model(A, model(), [hour(late)])
    store.zones.save_model(A, model(), [hour(late, et0_mm=9.0)])
    assert store.zones.hour(GATEWAY, late) == hour(late)
    assert store.zones.hour(GATEWAY, old) is None
    assert store.zones.hour("gw-2", old) == hour(old)
    assert [row["rain_mm"] for row in store.zones.weather(GATEWAY, 0, 2 * NOON)] == [2.0]
    assert [row["rain_mm"] for row in store.zones.weather("gw-2", 0, 2 * NOON)] == [1.0, 2.0]


def test_weather_is_kept_once(store: Store) -> None:
    """A station's samples by their time; the end is outside, a repeated one changes nothing."""
    for at, rain_mm in ((NOON + 10, 0.2), (NOON, 0.1), (NOON + 10, 9.0), (NOON + 20, 0.3)):
        store.zones.save_weather(GATEWAY, at, KEY, {"rain_mm": rain_mm})
    store.zones.save_weather("a-gateway", NOON + 20, KEY, {"rain_mm": 7})
    expected = [{"measured_at": NOON, "rain_mm": 0.1}, {"measured_at": NOON + 10, "rain_mm": 0.2}]
    assert store.zones.weather(GATEWAY, NOON, NOON + 20) == expected
    assert store.zones.weather("a-gateway", NOON, NOON + 21) == [{"measured_at": NOON + 20, "rain_mm": 7}]


def test_what_decide_wants_to_know_of_valves(store: Store) -> None:
    """The first open command, settled runs that lasted, and expired ones in full, since the time that is asked for."""
    for number, (end, closed_at) in enumerate((("expired", NOON + 5), ("expired", NOON - 99), ("done", NOON + 9))):
        store.commands.add(GATEWAY, command(f"X{number}", duration_s=100 + number), NOON)
        store.commands.move(f"X{number}", end, "ok", closed_at=closed_at)
    for name, ended_at, duration_s in (("X2", NOON + 9, 300), ("D0", NOON, 0), ("D1", NOON - 99, 50), ("D2", NOON, 60)):
        store.commands.add_delivery(delivery(name, ended_at=ended_at, duration_s=duration_s))
    for name in ("C2", "C1"):
        store.commands.add(GATEWAY, command(name), NOON + 420)
    state = store.zones.zone_state(A, NOON, 0, 0)
    assert state.under_way == "C1"
    assert state.runs == (Run(NOON, 60), Run(NOON + 9, 300), Run(NOON + 5, 100))
    assert store.zones.zone_state(B, 0, 0, 0) == ZoneState(used_today_l=0.0, used_season_l=0.0)


# command log


def test_a_command_is_remembered_to_the_letter(store: Store) -> None:
    """It starts as pending, with the message that was given, whoever changes that afterwards."""
    message = command()
    before = copy.deepcopy(message)
    store.commands.add(GATEWAY, message, NOON + 420)
    message["duration_s"] = 9999
    row = store.commands.get("C1")
    assert row is not None
    assert (row.state, row.gateway_id, row.zone_id, row.give_up_at) == ("pending", GATEWAY, A.zone_id, NOON + 420)
    assert row.message == before
    cast(Any, row.message)["duration_s"] = 9999
    assert [again.message for again in store.commands.open()] == [before]
    assert store.commands.get("C2") is None


def test_an_id_that_is_taken(store: Store) -> None:
    """It is a mistake of the caller; what was there stays."""
    store.commands.add(GATEWAY, command(), NOON)
    with pytest.raises(ValueError, match=r"."):
        store.commands.add("gw-2", command("C1"), NOON)
    assert [row.gateway_id for row in store.commands.in_states("pending")] == [GATEWAY]


def test_a_stop_of_a_whole_gateway(store: Store) -> None:
    """It is of no zone, so no zone has it under way, and without a duration it counts as no run when it expires."""
    stop: Any = {**command("S1", zone_id=cast(Any, None)), "action": "stop_all"}
    del stop["duration_s"]
    close: Any = {**stop, "command_id": "S2", "action": "close", "zone_id": A.zone_id}
    for message in (stop, close):
        store.commands.add(GATEWAY, message, NOON + 9)
    assert [(row.command_id, row.zone_id) for row in store.commands.open()] == [("S1", None), ("S2", A.zone_id)]
    assert [store.zones.zone_state(zone, 0, 0, 0).under_way for zone in (A, B)] == ["S2", None]
    for name in ("S1", "S2"):
        store.commands.move(name, "expired", "no_ack", closed_at=NOON + 9)
    assert store.zones.zone_state(A, 0, 0, 0).runs == ()
    assert [row.code for row in store.commands.in_states("expired")] == ["no_ack", "no_ack"]


def test_a_command_moves_until_it_is_closed(store: Store) -> None:
    """It is open until a time, and overdue at it; closed it waits for nothing, and a late ack can open it again."""
    store.commands.add(GATEWAY, command(), NOON)
    for give_up_at, is_overdue in ((NOON + 50, True), (NOON + 51, False)):
        store.commands.move("C1", "sent", None, give_up_at=give_up_at)
        assert [row.command_id for row in store.commands.open()] == ["C1"]
        assert bool(store.commands.open(overdue_at=NOON + 50)) == is_overdue
    store.commands.move("C1", "expired", "no_ack", closed_at=NOON + 60)
    assert store.commands.open() == []
    assert [row.give_up_at for row in store.commands.in_states("expired")] == [None]
    store.commands.move("C1", "started", None, give_up_at=NOON + 99)
    assert store.zones.zone_state(A, 0, 0, 0).runs == ()
    assert [row.state for row in store.commands.open()] == ["started"]
    store.commands.move("nobody", "done", "ok", closed_at=NOON)
    assert store.commands.counts() == {"started": 1}


def test_a_command_knows_whether_its_water_is_booked(store: Store) -> None:
    """So that what was assumed for it can be taken back, and is never booked twice."""
    store.commands.add(GATEWAY, command("C1"), NOON)
    store.commands.add(GATEWAY, command("C2"), NOON)
    store.zones.add_water(water("C2"))
    assert [(row.command_id, row.is_booked) for row in store.commands.open()] == [("C1", False), ("C2", True)]


def test_commands_come_oldest_first(store: Store) -> None:
    """By the time they were issued, then by their ids, whatever state they are in."""
    for name, issued_at in (("C3", NOON), ("C1", NOON + 1), ("C2", NOON), ("C4", NOON - 1)):
        store.commands.add(GATEWAY, command(name, issued_at=issued_at), NOON)
    store.commands.move("C2", "sent", None, give_up_at=NOON)
    names = [row.command_id for row in store.commands.in_states("sent", "pending")]
    assert names == [row.command_id for row in store.commands.open()] == ["C4", "C2", "C3", "C1"]
    assert [row.command_id for row in store.commands.in_states("sent")] == ["C2"]
    assert store.commands.in_states() == []
    assert store.commands.counts() == {"pending": 3, "sent": 1}


def test_a_command_is_settled_once(store: Store) -> None:
    """The second delivery of a command is a mistake; deliveries come by the time they ended, then by zone."""
    rows = [delivery("C2", B.zone_id), delivery("C1"), delivery("C0", ended_at=NOON + 1), delivery("C3")]
    for row in rows:
        store.commands.add_delivery(row)
    with pytest.raises(ValueError, match=r"."):
        store.commands.add_delivery(delivery("C1", duration_s=1))
    assert store.commands.deliveries() == [rows[1], rows[3], rows[0], rows[2]]


def test_epochs_only_rise(store: Store) -> None:
    """A smaller epoch changes nothing, and no zone has another one's."""
    assert store.commands.epoch(A.zone_id) == 0
    for epoch in (3, 7, 5):
        store.commands.raise_epoch(A.zone_id, epoch)
    assert (store.commands.epoch(A.zone_id), store.commands.epoch(B.zone_id)) == (7, 0)
    store.zones.save_sample(A.zone_id, Sample(A.sensor_id, NOON, 0.2), KEY, NOON)
    store.zones.forget(A.zone_id)
    assert store.commands.epoch(A.zone_id) == 7


# decision book


def test_a_decision_is_kept_with_its_reasons_and_inputs(store: Store) -> None:
    """Both come back as JSON gives them, whoever changes them afterwards; an id that is taken is a mistake."""
    row, inputs = decision(), {"zone": "digest", "hours": [(NOON, 0.5)]}
    store.decisions.add("D1", row, "C1", inputs)
    expected = {"decision_id": "D1", "command_id": "C1", **copy.deepcopy(row)}
    row["receipt"]["depletion_mm"] = 99
    inputs["zone"] = "other"
    assert store.decisions.get("D1") == expected
    [(again, kept_inputs)] = store.decisions.with_inputs(NOON, NOON + 1)
    assert (again, kept_inputs) == (expected, {"zone": "digest", "hours": [[NOON, 0.5]]})
    assert [store.decisions.inputs(name) for name in ("D1", "D2")] == [kept_inputs, None]
    again["receipt"]["depletion_mm"] = 99
    assert store.decisions.last() == [expected]
    assert store.decisions.get("D2") is None
    with pytest.raises(ValueError, match=r"."):
        store.decisions.add("D1", decision(B.zone_id), None, {})


def test_decisions_come_in_their_order(store: Store) -> None:
    """The last ones by time for people, zone by zone for a repetition."""
    rows = [("D5", A, NOON), ("D3", B, NOON), ("D4", A, NOON), ("D1", A, NOON + 9), ("D2", B, NOON - 9)]
    for name, one, at in rows:
        store.decisions.add(name, decision(one.zone_id, at), None, {"of": name})
    assert [row["decision_id"] for row in store.decisions.last()] == ["D2", "D4", "D5", "D3", "D1"]
    assert [row["decision_id"] for row in store.decisions.last(2)] == ["D3", "D1"]
    assert [row["decision_id"] for row in store.decisions.last(2, A.zone_id)] == ["D5", "D1"]
    assert [inputs["of"] for _, inputs in store.decisions.with_inputs(NOON - 9, NOON + 9)] == ["D4", "D5", "D2", "D3"]
    assert store.decisions.last(0) == []


def test_every_zone_that_was_heard_of(store: Store) -> None:
    """A zone that is due, one with an epoch, and one that was decided about, each once, by name."""
    store.commands.raise_epoch("z-3", 1)
    store.zones.save_sample("z-1", Sample(A.sensor_id, NOON, 0.2), KEY, NOON)
    for name, zone_id in (("D1", "z-2"), ("D2", "z-3")):
        store.decisions.add(name, decision(zone_id), None, {})
    assert store.decisions.zone_ids() == ["z-1", "z-2", "z-3"]


def test_settings_are_kept_once(store: Store) -> None:
    """A digest names one text for ever; one that is not there says that a part of the store is lost."""
    store.decisions.save_settings("d1", "first")
    store.decisions.save_settings("d1", "second")
    assert store.decisions.settings("d1") == "first"
    with pytest.raises(StoreError, match="has no settings d2"):
        store.decisions.settings("d2")


# updates, gateways, counters


def test_updates_go_from_queued_to_sent(store: Store) -> None:
    """In the order of their ids, each in its state, with settings that nobody can change afterwards."""
    values = {"sample_interval_s": 600}
    for name in ("U2", "U1"):
        store.updates.add(name, "all", values)
    values["sample_interval_s"] = 10
    store.updates.move("U2", "sent")
    row = {"device_id": "all", "settings": {"sample_interval_s": 600}}
    assert store.updates.in_states("sent", "queued") == [
        {"update_id": "U1", **row, "state": "queued"},
        {"update_id": "U2", **row, "state": "sent"},
    ]
    assert store.updates.in_states("pending") == store.updates.in_states() == []
    with pytest.raises(ValueError, match=r"."):
        store.updates.add("U1", "all", values)


def test_an_order_comes_once(store: Store) -> None:
    """What is repeated under the same key, or id, is the order that is there; those at their end are open no more.

    They stand in the order in which they were given: an id is random within its second, and a stop may follow a resume.
    """
    assert store.orders.add(order("O2", key="k"))
    assert not store.orders.add(order("O3", key="k"))
    assert not store.orders.add(order("O2", key="other"))
    assert store.orders.add(order("O1", "stop", None))
    assert [row.order.order_id for row in store.orders.open()] == ["O2", "O1"]
    store.orders.move("O1", "under_way", command_ids=["C1", "C2"])
    store.orders.move("O2", "refused", reason="why", ended_at=NOON + 3)
    [row] = store.orders.open()
    assert (row.state, row.command_ids, row.order) == ("under_way", ("C1", "C2"), order("O1", "stop", None))
    [second, first] = store.orders.last(2)
    assert (first, second.reason, second.ended_at) == (row, "why", NOON + 3)
    assert store.orders.of_key("k") == store.orders.get("O2") == second


def test_a_hold_never_becomes_shorter(store: Store) -> None:
    """The first stays, until one that lasts longer comes; what has no end lasts longest."""
    untils = (NOON + 5, NOON + 3, NOON + 9, None, NOON + 99)
    expected = (NOON + 5, NOON + 5, NOON + 9, None, None)
    for since, (until, ends) in enumerate(zip(untils, expected, strict=True)):
        store.orders.hold(hold("pause", A.zone_id, since, until))
        assert [one.until for one in store.orders.holds()] == [ends]
    store.orders.hold(hold("pause", None))
    assert store.orders.release(["stop"], None) == store.orders.release(["pause"], B.zone_id) == []
    assert store.orders.release(["pause", "stop"], None) == [hold("pause", None)]
    assert [one.since for one in store.orders.holds()] == [3]


def test_an_alarm_is_seen_and_ended_once(store: Store) -> None:
    """It comes once; the first who has seen it stays; what stands is never forgotten, however old."""
    assert store.alarms.add(alarm("A2", NOON + 2))
    assert store.alarms.add(alarm("A1", NOON, None))
    assert not store.alarms.add(alarm("A1", NOON + 9))
    assert [row.alarm for row in store.alarms.open()] == [alarm("A1", NOON, None), alarm("A2", NOON + 2)]
    assert store.alarms.acknowledge("A2", "ana", NOON + 3)
    assert not store.alarms.acknowledge("A2", "bob", NOON + 4)
    assert not store.alarms.acknowledge("A3", "bob", NOON + 4)
    assert store.alarms.end("A2", NOON + 5)
    assert not store.alarms.end("A2", NOON + 6)
    [row] = store.alarms.last(1)
    assert (row.acknowledged_by, row.acknowledged_at, row.ended_at) == ("ana", NOON + 3, NOON + 5)
    assert (store.alarms.forget(NOON + 5), store.alarms.forget(2 * NOON)) == (0, 1)
    assert [row.alarm.alarm_id for row in store.alarms.last()] == ["A1"]
    assert store.alarms.get("A2") is None


def test_the_ports_are_all_there() -> None:
    """The domain's ports are the ones that are held against the stores here."""
    protocols = {kind for kind in vars(ports).values() if getattr(kind, "_is_protocol", False)}
    assert protocols - {Protocol} == {*PORTS, Store}

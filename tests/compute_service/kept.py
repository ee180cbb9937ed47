"""Small rows for a store to keep, one write of each kind, and all that can be asked of a store."""

from collections.abc import Callable
from typing import Any

from compute_service.domain.alarms import Alarm
from compute_service.domain.hourly_weather import HourRecord
from compute_service.domain.inputs import Inputs, conclude
from compute_service.domain.orders import Hold, Order
from compute_service.domain.ports import Beat, Delivery, Moment, Store, WaterRow
from compute_service.domain.zone_model import Sample, WeatherHour, ZoneModel
from tests.compute_service.bench import GATEWAY, NOON, zone

A, B = zone("a"), zone("b")
ZONES = {one.zone_id: one for one in (A, B)}
KEY = (1, "boot-1")


def command(name: str = "C1", zone_id: str = A.zone_id, issued_at: int = NOON, duration_s: int = 600) -> Any:
    return {
        "command_id": name,
        "device_id": GATEWAY,
        "zone_id": zone_id,
        "action": "open",
        "duration_s": duration_s,
        "issued_at": issued_at,
        "expires_at": issued_at + 300,
        "epoch": 1,
    }


def delivery(name: str = "C1", zone_id: str = A.zone_id, ended_at: int = NOON, duration_s: float = 600) -> Delivery:
    return Delivery(
        command_id=name,
        zone_id=zone_id,
        ended_at=ended_at,
        duration_s=duration_s,
        volume_l=None,
        source="none",
        end_reason=None,
    )


def water(name: str = "W1", zone_id: str = A.zone_id, at: int = NOON, litres: float | None = None) -> WaterRow:
    return WaterRow(water_id=name, zone_id=zone_id, at=at, litres=litres, duration_s=60, source="estimated")


def decision(zone_id: str = A.zone_id, at: int = NOON) -> dict[str, Any]:
    check = {"name": "needs_water", "value": 1.5, "threshold": 2.0, "passed": False, "why": "it is moist"}
    row = {"zone_id": zone_id, "at": at, "intent": None, "checks": [check], "sentence": "No."}
    return {**row, "receipt": {"depletion_mm": 1.5}}


def status(state: str = "online", gateway_id: str = GATEWAY, at: int = NOON) -> Any:
    return {"gateway_id": gateway_id, "boot_id": "boot-1", "state": state, "at": at, "rssi_dbm": -60}


def order(name: str = "O1", action: str = "open", zone_id: str | None = A.zone_id, key: str | None = None) -> Order:
    return Order(
        order_id=name,
        action=action,
        at=NOON,
        by="ana",
        via="shell",
        zone_id=zone_id,
        volume_l=50,
        key=key or f"key-{name}",
    )


def moment(zone_id: str, at: int = NOON, vwc: float | None = 0.2) -> Moment:
    return Moment(zone_id=zone_id, at=at, vwc=vwc, depletion_mm=1, due_mm=None, sigma_mm=0.5, litres=at - NOON)


def hold(kind: str, zone_id: str | None, since: int = NOON, until: int | None = None) -> Hold:
    return Hold(kind=kind, zone_id=zone_id, since=since, until=until, by="ana", order_id="O1", why="")


def alarm(name: str = "A1", raised_at: int = NOON, zone_id: str | None = A.zone_id) -> Alarm:
    return Alarm(
        alarm_id=name,
        kind="run_unseen",
        place=zone_id or "farm",
        zone_id=zone_id,
        gateway_id=GATEWAY,
        severity="warning",
        since=raised_at - 60,
        raised_at=raised_at,
        values={"unseen_mm": 8.5},
    )


def model(at: int = NOON) -> ZoneModel:
    return conclude(A, None, Inputs(samples=(Sample(A.sensor_id, at, 0.25),)), at)[1]


def hour(at: int, et0_mm: float = 0.3) -> HourRecord:
    return HourRecord(WeatherHour(at, et0_mm, 0.0, "measured"), 0.7)


def everything(store: Store) -> list[Any]:
    """All that can be asked of a store about two zones and one gateway."""
    answers: list[Any] = [
        store.zones.due(),
        store.commands.deliveries(),
        store.commands.totals(),
        store.commands.counts(),
        store.commands.open(),
    ]
    for one in ZONES.values():
        answers += [store.zones.news(one), store.zones.zone_state(one, 0, 0, 0), store.zones.model(one)]
        answers += [store.commands.epoch(one.zone_id), store.decisions.last(100, one.zone_id)]
    answers.append(store.zones.weather(GATEWAY, 0, 2 * NOON))
    answers += [store.zones.hour(GATEWAY, NOON), list(store.decisions.with_inputs(0, 2 * NOON))]
    answers += [store.decisions.zone_ids(), store.updates.in_states("queued", "pending", "sent")]
    answers += [store.updates.gateways(), store.updates.statuses(GATEWAY, 0, 2 * NOON), store.updates.counters()]
    answers += [store.orders.open(), store.orders.last(), store.orders.get("O0"), store.orders.of_key("key-new")]
    answers += [store.orders.holds(), store.journal.after(0), store.journal.last(3, ["ack", "order"])]
    answers += [
        store.journal.newest(),
        store.journal.newest_moments(),
        store.journal.newest_moments([A.zone_id, "plot-9"]),
        store.journal.moments(A.zone_id, 0, 2 * NOON, 1),
        store.journal.last_beat(),
        store.updates.config(),
        store.updates.root(),
    ]
    answers += [store.alarms.open(), store.alarms.last(), store.alarms.get("A0")]
    return [*answers, *[store.journal.moments(zone_id, 0, 2 * NOON) for zone_id in ZONES]]


WRITES: dict[str, Callable[[Store], object]] = {
    "save_sample": lambda store: store.zones.save_sample(A.zone_id, Sample(A.sensor_id, NOON + 1, 0.2), KEY, NOON),
    "forget": lambda store: store.zones.forget(B.zone_id),
    "add_water": lambda store: store.zones.add_water(water("new")),
    "save_model": lambda store: store.zones.save_model(B, model(), [hour(NOON)]),
    "save_weather": lambda store: store.zones.save_weather(GATEWAY, NOON + 1, KEY, {"rain_mm": 0.5}),
    "add": lambda store: store.commands.add(GATEWAY, command("new"), NOON + 420),
    "move": lambda store: store.commands.move("C0", "sent", None, give_up_at=NOON + 1),
    "add_delivery": lambda store: store.commands.add_delivery(delivery("new")),
    "raise_epoch": lambda store: store.commands.raise_epoch(A.zone_id, 9),
    "add a decision": lambda store: store.decisions.add("new", decision(), None, {"zone": "x"}),
    "add an update": lambda store: store.updates.add("new", "all", {"sample_interval_s": 600}),
    "move an update": lambda store: store.updates.move("U0", "sent"),
    "save_gateway": lambda store: store.updates.save_gateway(status("offline"), NOON),
    "save_config": lambda store: store.updates.save_config("a farm"),
    "keep_root": lambda store: store.updates.keep_root("irrigation/sitio1"),
    "count": lambda store: store.updates.count("refusals"),
    "add an order": lambda store: store.orders.add(order("new")),
    "move an order": lambda store: store.orders.move("O0", "done", reason="so", ended_at=NOON, command_ids=["C0"]),
    "hold": lambda store: store.orders.hold(hold("pause", B.zone_id)),
    "release": lambda store: store.orders.release(["stop"], None),
    "add to the journal": lambda store: store.journal.add(NOON, "ack", A.zone_id, GATEWAY, {"state": "done"}),
    "forget in the journal": lambda store: store.journal.forget(["order"], NOON + 1),
    "add_moment": lambda store: store.journal.add_moment(moment(B.zone_id, NOON + 1)),
    "beat": lambda store: store.journal.beat(Beat(NOON, 1.5, 1.0)),
    "add an alarm": lambda store: store.alarms.add(alarm("new")),
    "acknowledge": lambda store: store.alarms.acknowledge("A0", "ana", NOON),
    "end": lambda store: store.alarms.end("A0", NOON),
    "forget an alarm": lambda store: store.alarms.forget(NOON),
}


def fill(store: Store) -> None:
    """Something of everything, so that a change of it shows."""
    store.zones.save_sample(B.zone_id, Sample(B.sensor_id, NOON, 0.2), KEY, NOON + 10)
    store.zones.add_water(water("W0", B.zone_id))
    store.commands.add(GATEWAY, command("C0"), NOON + 420)
    store.updates.add("U0", "all", {"sample_interval_s": 600})
    store.updates.save_gateway(status(), NOON - 1)
    store.updates.count("refusals")
    store.orders.add(order("O0"))
    store.orders.hold(hold("stop", None))
    store.journal.add(NOON, "order", None, None, {"order_id": "O0"})
    store.journal.add_moment(moment(B.zone_id))
    store.alarms.add(alarm("A0"))
    store.alarms.add(alarm("over", NOON - 9))
    store.alarms.end("over", NOON - 8)

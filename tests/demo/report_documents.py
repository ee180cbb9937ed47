"""Documents of seasons that never were, for the tests of the report."""

import math
import random
from typing import Any

from compute_service.domain.decide import decide
from tests.compute_service.bench import NOON, zone
from tests.compute_service.test_decide import state

START = 1593576000  # 2020-07-01 00:00 in Montreal
HOUR = 3600
CHECKS = tuple(check.name for check in decide(zone(), state(), NOON).checks)  # all that the service makes, in order
CROPS = (("maize", "sandy loam", 0.22, 0.10), ("potato", "loam", 0.30, 0.14), ("tomato", "clay loam", 0.36, 0.20))


def farm(gateways: int = 8, days: int = 5, seed: int = 1) -> dict[str, Any]:
    """A farm that was irrigated for some days: the six documents that write_report takes, without the folder."""
    chance = random.Random(seed)
    weather = [_hour(number, chance) for number in range(days * 24)]
    zones, traces, events = [], {}, []
    for number in range(gateways * 3):
        zone = _zone(number)
        readings, happened = _irrigated(zone, weather, chance)
        zones.append(zone)
        traces[zone["zone_id"]] = readings
        events += happened
    return {
        "summary": _summary(gateways, days, events, traces, zones),
        "zones": {"farm": "Demonstration farm", "timezone": "America/Toronto", "zones": zones},
        "events": events,
        "traces": traces,
        "weather": weather,
    }


def _hour(number: int, chance: random.Random) -> dict[str, Any]:
    storm = 40 <= number % 110 <= 43
    temperature = 20 + 7 * math.sin((number % 24 - 9) / 24 * 2 * math.pi)
    return {
        "at": START + number * HOUR,
        "rain_mm": round(chance.uniform(0.5, 3.5), 1) if storm else 0.0,
        "air_temperature_c": temperature,
    }


def _zone(number: int) -> dict[str, Any]:
    crop, soil, field_capacity, wilting_point = CROPS[number % 3]
    return {
        "zone_id": f"plot-{number // 3 + 1}{'abc'[number % 3]}",
        "gateway_id": f"irrigation-gateway-{number // 3 + 1}",
        "sensor_id": f"irrigation-gateway-{number // 3 + 1}.soil-{'abc'[number % 3]}",
        "application_rate_mm_h": 12.0,
        "crop": crop,
        "soil": soil,
        "area_m2": 1500 + 250 * (number % 4),
        "field_capacity": field_capacity,
        "wilting_point": wilting_point,
        "sown": "2020-05-10",
        "root_depth_m": 0.5,
        "allowed_depletion": 0.5,
    }


def _irrigated(
    zone: dict[str, Any], weather: list[dict[str, Any]], chance: random.Random
) -> tuple[list[list[float]], list[dict[str, Any]]]:
    thirsty_below = (zone["field_capacity"] + zone["wilting_point"]) / 2
    vwc = thirsty_below + chance.uniform(0.0, 0.08)
    readings: list[list[float]] = []
    events: list[dict[str, Any]] = []
    for hour in weather:
        for quarter in range(4):
            at = hour["at"] + quarter * HOUR // 4
            vwc += hour["rain_mm"] / 4 / 600 - max(hour["air_temperature_c"] - 14, 0) * 0.000022
            vwc = min(vwc, zone["field_capacity"] + 0.01)
            readings.append([at, vwc + chance.gauss(0, 0.0008)])
        waters = vwc < thirsty_below - 0.004 and not any(e["kind"] == "ack" and at - e["at"] < 6 * HOUR for e in events)
        depletion_mm = (zone["field_capacity"] - vwc) * zone["root_depth_m"] * 1000
        events.append(decision(zone, at, depletion_mm, waters=waters))
        if waters:
            events += [command(events[-1]), _ack(zone, at + 2700, chance)]
            vwc += 0.03
    return readings, events


def decision(  # a decision has that many sides
    zone: dict[str, Any], at: int, depletion_mm: float, *, waters: bool = False, failed: str = "", **receipt: Any
) -> dict[str, Any]:
    """A decision about a zone as the service records it; `failed` names a check that kept due water back."""
    available_mm = (zone["field_capacity"] - zone["wilting_point"]) * zone["root_depth_m"] * 1000
    due_mm = 0.5 * available_mm
    rows = [("needs_water", depletion_mm, due_mm, waters or bool(failed))]
    rows += [(failed, receipt.pop("value", None), None, False)] if failed else []
    rows.sort(key=lambda row: CHECKS.index(row[0]) if row[0] in CHECKS else len(CHECKS))
    names = ("name", "value", "threshold", "passed")
    spare_mm = due_mm - depletion_mm
    usual = {
        "depletion_mm": depletion_mm,
        "sigma_mm": 2.0,
        "due_mm": due_mm,
        "readily_available_mm": due_mm,
        "available_mm": available_mm,
        "rain_mm_24h": 0.0,
        "spare_mm": spare_mm,
        "next_water_in_h": max(spare_mm, 0.0) / 5 * 24,
        "probes": {zone["sensor_id"]: "healthy"},
    }
    return {
        "kind": "decision",
        "decision_id": f"d-{zone['zone_id']}-{at}",
        "zone_id": zone["zone_id"],
        "at": at,
        "intent": {"duration_s": 2700, "max_volume_l": 1e5, "depth_mm": 9.0} if waters else None,
        "checks": [{**dict(zip(names, row, strict=True)), "why": ""} for row in rows],
        "sentence": "",
        "receipt": usual | receipt,
    }


def command(decision: dict[str, Any]) -> dict[str, Any]:
    """The command of a decision that waters."""
    zone_id, at = decision["zone_id"], decision["at"]
    identity = {"kind": "command", "command_id": f"{zone_id}-{at + 2700}", "decision_id": decision["decision_id"]}
    return {**identity, "at": at, "issued_at": at, "zone_id": zone_id, "action": "open", "duration_s": 2700}


def _ack(zone: dict[str, Any], at: int, chance: random.Random) -> dict[str, Any]:
    return {
        "kind": "ack",
        "command_id": f"{zone['zone_id']}-{at}",
        "zone_id": zone["zone_id"],
        "gateway_id": zone["gateway_id"],
        "state": "done",
        "code": "ok",
        "duration_s": 2700,
        "volume_source": "measured",
        "end_reason": "duration",
        "received_at": at,
        "volume_l": round(zone["area_m2"] * 12 * chance.uniform(0.9, 1.1), 1),
        "at": at,
    }


def _summary(
    gateways: int,
    days: int,
    events: list[dict[str, Any]],
    traces: dict[str, list[list[float]]],
    zones: list[dict[str, Any]],
) -> dict[str, Any]:
    samples = sum(len(trace) for trace in traces.values())
    acks = [event for event in events if event["kind"] == "ack"]
    return {
        "scenario": "drummondville",
        "gateways": gateways,
        "zones": gateways * 3,
        "faults": 0,
        "water_balance_error_mm": 0.0,
        "field_days": days,
        "seed": 1,
        "broker": "embedded",
        "seconds": 61.4,
        "messages_published": 4210,
        "messages_acked": 4210,
        "samples_taken": samples,
        "samples_in_lake": samples,
        "samples_quarantined": 0,
        "samples_dropped_by_outbox": 0,
        "samples_lost": 0,
        "duplicates_dropped": 12,
        "commands_sent": len(acks),
        "commands_done": len(acks),
        "commands_rejected": 0,
        "commands_expired": 0,
        "valve_bound_violations": 0,
        "litres_delivered": sum(ack["volume_l"] for ack in acks),
        "water_by_calendar_l": 25 / 7 * days * sum(zone["area_m2"] for zone in zones),
        "zones_below_wilting_point": 0,
        "glue_database": "pythoflow",
        "glue_tables": ["samples", "windows"],
        "parquet_dir": "demo-output/lake",
        "events_jsonl": "demo-output/events.jsonl",
        "report": "demo-output/report.html",
        "lake_sha256": "5f" * 32,
    }


def truth(documents: dict[str, Any], faults: list[dict[str, Any]]) -> dict[str, Any]:
    """What no probe sees of such a farm: an account that closes, these faults, a map, a description."""
    zones = documents["zones"]["zones"]
    gateways = sorted({zone["gateway_id"] for zone in zones})
    places = [{"gateway_id": name, "x_m": 0.0, "y_m": 60.0 * n, "kind": "simulated"} for n, name in enumerate(gateways)]
    places[-1]["kind"] = "process"
    rows = {name: 60.0 * n for n, name in enumerate(gateways)}
    return {
        "balance": {zone["zone_id"]: account() for zone in zones},
        "moisture": documents["traces"],
        "faults": faults,
        "layout": {"gateways": places, "zones": [_place(zone, rows[zone["gateway_id"]]) for zone in zones]},
        "scenario": {"name": "test", "description": {"en": "A story.", "pt": "Uma história."}},
    }


def account(**changes: float) -> dict[str, float]:
    """A zone's water in mm, which closes."""
    flows = {
        "stored_at_start_mm": 100.0,
        "stored_at_end_mm": 108.5,
        "rain_mm": 1030.6,
        "irrigation_mm": 40.0,
        "evapotranspiration_mm": 48.1,
        "percolation_mm": 1000.0,
        "runoff_mm": 8.0,
        "lost_mm": 6.0,
    }
    return flows | changes


def _place(zone: dict[str, Any], y_m: float) -> dict[str, Any]:
    number = "abc".index(zone["zone_id"][-1])
    box = {"x_m": 5.0 + 60.0 * number, "y_m": y_m, "width_m": 50.0, "height_m": zone["area_m2"] / 50}
    return {"zone_id": zone["zone_id"], "gateway_id": zone["gateway_id"], **box}


def fault(kind: str, *targets: str, begin: float = START, end: float | None = None, **more: Any) -> dict[str, Any]:
    """A row of the faults of a truth document."""
    row = {"name": f"{kind} {' and '.join(targets)}", "kind": kind, "targets": list(targets), "quantity": "vwc"}
    return {**row, "begin": begin, "end": end, "amount": 0.0, **more}

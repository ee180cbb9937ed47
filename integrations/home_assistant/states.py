"""What Home Assistant is told about a farm's state: one JSON a zone and a gateway, and events as they happen. Pure."""

from datetime import UTC, datetime
from typing import Any

from compute_service.domain.alarm_kinds import words
from compute_service.domain.alarms import Alarm, worst
from compute_service.domain.gateway_status import is_gone
from compute_service.domain.orders import hold_check
from compute_service.domain.ports import JournalRow
from integrations.farm_now import FarmNow, ZoneNow
from integrations.home_assistant.discovery import EVENTS, FRESH_S

OF_AN_ORDER = {"refused": "rejected", "expired": "expired"}  # an order's end that nothing else tells of


def zone_state(farm: FarmNow, zone: ZoneNow) -> dict[str, Any]:
    """A zone's state; what is not known, or too old, is null. Moisture in m3/m3, water in mm and litres."""
    moment, decision = zone.moment, zone.decision
    is_fresh = moment is not None and farm.now - moment.at <= FRESH_S
    next_at = zone.next_water_at
    return {
        "valve": zone.valve,
        "vwc": moment.vwc if moment and is_fresh else None,
        "depletion_mm": moment.depletion_mm if moment else None,
        "due_mm": moment.due_mm if moment else None,
        "next_water_at": None if next_at is None else _iso(next_at),
        "litres_total": round(zone.litres, 1),
        "sentence": decision["sentence"] if decision else "Nothing is decided yet.",
        "decided_at": _iso(decision["at"]) if decision else None,
        "holds": [hold_check(hold, zone.zone.timezone).why for hold in zone.holds],
        "alarms": [words(alarm).wrong for alarm in _alarms(farm) if alarm.zone_id == zone.zone.zone_id],
    }


def gateway_state(farm: FarmNow, gateway_id: str) -> dict[str, Any]:
    """A gateway's state, from its last status; whether the farm's service lives, and what is wrong beyond zones."""
    row = farm.gateways.get(gateway_id)
    status = row["status"] if row else {}
    names = ("rssi_dbm", "outbox_depth", "outbox_dropped", "firmware")
    return {
        **{name: status.get(name) for name in names},
        "heard_at": _iso(row["heard_at"]) if row else None,
        "is_serving": farm.is_serving,
        "holds": [hold_check(hold, farm.config.timezone).why for hold in farm.holds],
        "alarms": [
            words(alarm).wrong
            for alarm in _alarms(farm)
            if alarm.zone_id is None and alarm.gateway_id in {None, gateway_id}
        ],
    }


def availability(farm: FarmNow, gateway_id: str) -> str:
    """`online` or `offline`, as the gateway's last status, or its last will, says; one that sleeps is not away."""
    row = farm.gateways.get(gateway_id)
    return "offline" if row is None or is_gone(row, farm.now) else "online"


def event(row: JournalRow) -> dict[str, Any] | None:
    """What happened, as an event of a zone; None if it is none. `seq` tells a repeat."""
    body = row["body"]
    kind = body.get("state") if row["kind"] == "ack" and not body.get("action") else None  # else it moved no valve
    if row["kind"] == "order":
        kind = OF_AN_ORDER.get(str(body.get("state")))
    if kind not in EVENTS:
        return None
    names = ("code", "reason", "by", "duration_s", "volume_l", "end_reason")
    facts = {name: body[name] for name in names if body.get(name) not in (None, "")}
    return {"event_type": kind, "seq": row["seq"], "at": _iso(row["at"]), **facts}


def refusal(why: str, now: int) -> dict[str, Any]:
    """That a set message orders nothing, as an event."""
    return {"event_type": "rejected", "at": _iso(now), "reason": why}


def _alarms(farm: FarmNow) -> list[Alarm]:
    return [row.alarm for row in worst(farm.alarms)]


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()

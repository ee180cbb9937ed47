"""What Home Assistant is told about a farm's devices: one a zone, connected through one a gateway.

Pure: from a farm to payloads. The keys are Home Assistant's abbreviations; tests hold every payload to its own schema
code, that of an old release and that of the newest.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from compute_service.domain.constraints import MIN_RUN_S
from compute_service.domain.zone import Config, Zone
from integrations.home_assistant.topics import FarmTopics

Component = dict[str, Any]

LONGEST_STATE = 255  # characters that Home Assistant takes as a state
FRESH_S = 10_800  # a moisture that is older says nothing
EVENTS = ("started", "done", "failed", "rejected", "expired")
# The message carries when it was meant: so a repeat acts once, and an open that comes late opens nothing.
ORDER = '{"action": "{{ value }}", "at": {{ now().timestamp() }}}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who announces the devices: the program's version, and a page of the farm for people, if there is one."""

    version: str
    page: str | None = None


def devices(config: Config, topics: FarmTopics, origin: Origin) -> dict[str, dict[str, Any]]:
    """The payload of each discovery topic."""
    gateways = sorted(config.gateway_ids)
    payloads = {topics.discovery(name): _gateway(name, config, topics, origin) for name in gateways}
    return payloads | {topics.discovery(zone.zone_id): _zone(zone, topics, origin) for zone in config.zones}


def least_minutes(_zone: Zone) -> int:
    """The shortest run by hand."""
    return math.ceil(MIN_RUN_S / 60)


def most_minutes(zone: Zone) -> int:
    """The longest run by hand."""
    return max(zone.max_run_s // 60, least_minutes(zone))


def _zone(zone: Zone, topics: FarmTopics, origin: Origin) -> dict[str, Any]:
    name = zone.zone_id
    available = [{"t": topics.status}, {"t": f"{topics.gateway(zone.gateway_id)}/status"}]
    device = {"via_device": topics.device(zone.gateway_id), **_page(origin, f"zones/{name}")}
    parts = {key: {**part, **_of_zone(key, zone)} for key, part in _zone_parts(topics.zone(name)).items()}
    return _device(name, "Zone", device, available, parts, topics, origin)


def _of_zone(key: str, zone: Zone) -> Component:
    return {"min": least_minutes(zone), "max": most_minutes(zone)} if key == "minutes" else {}


def _zone_parts(base: str) -> dict[str, Component]:
    state, commands = {"stat_t": f"{base}/state"}, {"cmd_t": f"{base}/set", "cmd_tpl": ORDER, "qos": 1, "ret": False}
    return {
        "valve": {
            "p": "valve",
            "name": None,
            "dev_cla": "water",
            **state,
            "val_tpl": "{{ value_json.valve }}",
            **commands,
            "pl_open": "open",
            "pl_cls": "close",
        },
        "minutes": {
            "p": "number",
            "name": "Minutes of a run by hand",
            "stat_t": f"{base}/minutes",
            "mode": "box",
            "cmd_t": f"{base}/minutes/set",
            "qos": 1,
            "ret": False,
            "dev_cla": "duration",
            "unit_of_meas": "min",
            "ent_cat": "config",
        },
        "resume": {"p": "button", "name": "Resume", "pl_prs": "resume", **commands},
        **_zone_sensors(base),
        "alarm": _alarm(base),
        "event": {"p": "event", "name": "Run", "stat_t": f"{base}/event", "evt_typ": list(EVENTS)},
    }


def _zone_sensors(base: str) -> dict[str, Component]:
    state = {"stat_t": f"{base}/state"}
    measured = {**state, "stat_cla": "measurement"}
    return {
        "moisture": {
            "p": "sensor",
            "name": "Moisture",
            "dev_cla": "moisture",
            "unit_of_meas": "%",
            **measured,
            "val_tpl": "{{ (value_json.vwc * 100) | round(1) if value_json.vwc is not none else None }}",
            "exp_aft": FRESH_S,
        },
        "used": {
            "p": "sensor",
            "name": "Water lacking",
            "dev_cla": "precipitation",
            "unit_of_meas": "mm",
            **measured,
            "val_tpl": "{{ value_json.depletion_mm }}",
        },
        "next": {
            "p": "sensor",
            "name": "Next water",
            "dev_cla": "timestamp",
            **state,
            "val_tpl": "{{ value_json.next_water_at }}",
        },
        "litres": {
            "p": "sensor",
            "name": "Water given",
            "dev_cla": "water",
            "unit_of_meas": "L",
            **state,
            "stat_cla": "total_increasing",
            "val_tpl": "{{ value_json.litres_total }}",
        },
        "why": {
            "p": "sensor",
            "name": "Why",
            **state,
            "json_attr_t": f"{base}/state",
            "ent_cat": "diagnostic",
            "val_tpl": f"{{{{ value_json.sentence[:{LONGEST_STATE}] }}}}",
        },
    }


def _gateway(name: str, config: Config, topics: FarmTopics, origin: Origin) -> dict[str, Any]:
    device = _page(origin, "gateways")
    parts = _gateway_parts(topics.gateway(name), config.farm)
    return _device(name, "Gateway", device, [{"t": topics.status}], parts, topics, origin)


def _gateway_parts(base: str, farm: str) -> dict[str, Component]:
    diagnostic = {"p": "sensor", "stat_t": f"{base}/state", "ent_cat": "diagnostic"}
    commands = {"cmd_t": f"{base}/set", "cmd_tpl": ORDER, "qos": 1, "ret": False}
    return {
        "connection": {
            "p": "binary_sensor",
            "name": "Connection",
            "dev_cla": "connectivity",
            "ent_cat": "diagnostic",
            "stat_t": f"{base}/status",
            "pl_on": "online",
            "pl_off": "offline",
        },
        "service": {
            "p": "binary_sensor",
            "name": "Service",
            "dev_cla": "running",
            "ent_cat": "diagnostic",
            "stat_t": f"{base}/state",
            "val_tpl": "{{ 'ON' if value_json.is_serving else 'OFF' }}",
        },
        "rssi": {
            **diagnostic,
            "name": "Signal",
            "dev_cla": "signal_strength",
            "unit_of_meas": "dBm",
            "stat_cla": "measurement",
            "val_tpl": "{{ value_json.rssi_dbm }}",
        },
        "outbox": {**diagnostic, "name": "Messages that wait", "val_tpl": "{{ value_json.outbox_depth }}"},
        "dropped": {**diagnostic, "name": "Samples lost", "val_tpl": "{{ value_json.outbox_dropped }}"},
        "firmware": {**diagnostic, "name": "Firmware", "val_tpl": "{{ value_json.firmware }}"},
        "stop": {"p": "button", "name": f"Stop all of {farm}", "pl_prs": "stop", **commands},
        "resume": {"p": "button", "name": f"Resume {farm}", "pl_prs": "resume", **commands},
        "clear": {"p": "button", "name": "Clear a leak", "pl_prs": "clear", "ent_cat": "config", **commands},
        "alarm": _alarm(base),
        "event": {"p": "event", "name": "Order", "stat_t": f"{base}/event", "evt_typ": list(EVENTS)},
    }


def _alarm(base: str) -> Component:
    return {
        "p": "binary_sensor",
        "name": "Alarm",
        "dev_cla": "problem",
        "stat_t": f"{base}/state",
        "val_tpl": "{{ 'ON' if value_json.alarms else 'OFF' }}",
    }


def _page(origin: Origin, path: str) -> dict[str, str]:
    return {"cu": f"{origin.page.rstrip('/')}/{path}"} if origin.page else {}


def _device(  # noqa: PLR0913, PLR0917  # the parts of a payload
    name: str,
    model: str,
    device: Mapping[str, str],
    available: list[dict[str, str]],
    parts: Mapping[str, Component],
    topics: FarmTopics,
    origin: Origin,
) -> dict[str, Any]:
    own_id = topics.device(name)
    words = own_id.lower().replace("-", "_")
    components = {
        f"{own_id}-{key}": {
            **part,
            "uniq_id": f"{own_id}-{key}",
            "def_ent_id": f"{part['p']}.{words}" if key == "valve" else f"{part['p']}.{words}_{key}",
        }
        for key, part in parts.items()
    }
    return {
        "dev": {"ids": [own_id], "name": name, "mf": "PythoFlow", "mdl": model, **device},
        "o": {"name": "PythoFlow", "sw": origin.version},
        "avty": available,
        "avty_mode": "all",
        "cmps": components,
    }

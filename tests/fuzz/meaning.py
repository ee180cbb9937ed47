"""What a message may say by its meaning: physics, names, times, the rules of valves; not by the protocol's table."""

import math
import re
from typing import Any

WORD = re.compile(r"[A-Za-z0-9_-]{1,64}")
SENSOR = re.compile(r"([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{1,64})")
# What can be in a field, in its unit: soil is never more than all water, air no colder than the coldest farm, ...
PHYSICS = {
    "vwc": (0, 1),
    "soil_temperature_c": (-40, 80),
    "air_temperature_c": (-60, 70),
    "relative_humidity_pct": (0, 105),
    "wind_speed_m_s": (0, 100),
    "solar_radiation_w_m2": (-20, 2000),
    "rain_mm": (0, 500),
    "flow_l_min": (0, 100_000),
    "volume_l": (0, 1e9),
    "pressure_kpa": (0, 2000),
    "battery_v": (0, 60),
    "percolation_mm": (0, 500),
}
A_DAY_S = 86400
STATES = {"received", "started", "done", "failed", "rejected"}
NAMES = {"gateway_id", "boot_id", "command_id", "device_id", "update_id", "decision_id", "zone_id"}
COUNTS = {"seq", "epoch", "held_epoch", "uptime_s", "heap_free_bytes", "outbox_depth", "outbox_dropped"}
TIMES = {"at", "issued_at", "expires_at", "measured_at"}


def is_count(value: Any) -> bool:
    """A number of things: no more than a reader with floats alone can count."""
    return type(value) is int and 0 <= value <= 2**53


def is_time(value: Any) -> bool:
    """Unix seconds of 2015 to 2099."""
    return type(value) is int and 1420070400 <= value < 4102444800


def is_amount(value: Any, least: float, most: float) -> bool:
    """A finite number between two."""
    return type(value) in (int, float) and math.isfinite(value) and least <= value <= most


def judge(kind: str, identifier: str | None, message: dict[str, Any]) -> None:
    """Raise AssertionError for a message that says what cannot be, or speaks for another."""
    assert message["v"] == 1 and type(message["v"]) is int
    _fields(message, kind)
    owner = message["device_id"] if kind in {"command", "update"} else message["gateway_id"]
    if identifier is not None:
        assert identifier == (message["sensor_id"] if kind == "reading" else owner), identifier
    if (sensor_id := message.get("sensor_id")) is not None and kind in {"reading", "error"}:
        assert SENSOR.fullmatch(sensor_id) and sensor_id.split(".")[0] == message["gateway_id"], sensor_id
    KINDS[kind](message)


def _fields(message: dict[str, Any], kind: str) -> None:
    """What a name means wherever it stands, if the kind knows it."""
    for name in OF_KIND[kind] & set(message):
        value = message[name]
        if value is None:
            continue
        if name in NAMES:
            assert isinstance(value, str) and WORD.fullmatch(value), (name, value)
        assert name not in COUNTS or is_count(value), (name, value)
        assert name not in TIMES or is_time(value), (name, value)


def _reading(message: dict[str, Any]) -> None:
    assert 1 <= len(message["samples"]) <= 200
    for sample in message["samples"]:
        assert is_count(sample["seq"]) and is_time(sample["measured_at"]), sample
        assert sample["clock"] in {"synced", "estimated"}, sample
        for name, (least, most) in PHYSICS.items():
            assert sample.get(name) is None or is_amount(sample[name], least, most), (name, sample[name])
        if sample.get("leak_s") is not None:
            assert type(sample["leak_s"]) is int and 1 <= sample["leak_s"] <= A_DAY_S
        for name, value in (sample.get("out_of_range") or {}).items():
            assert is_amount(value, -1e9, 1e9), value
            assert name not in PHYSICS or not is_amount(value, *PHYSICS[name]), "an outlier that is none"


def _command(message: dict[str, Any]) -> None:
    action = message["action"]
    assert action in {"open", "close", "stop_all", "fallback", "clear"}
    duration_s = message.get("duration_s")
    assert duration_s is None or (type(duration_s) is int and 1 <= duration_s <= A_DAY_S), duration_s
    assert action not in {"open", "fallback"} or duration_s, "an open or a plan without a bound"
    assert action in {"stop_all", "clear"} or message["zone_id"]
    assert action not in {"fallback", "clear"} or message["device_id"] != "all"
    if action == "clear":
        assert message["epochs"], "a clear of nothing"
    if action == "fallback":
        assert message["max_volume_l"] is not None and 1 <= message["days"] <= 31
        assert is_amount(message["below_vwc"], 0, 1) and message["valid_from"] < message["valid_until"]
        assert message.get("after_offline_s") is None or 3600 <= message["after_offline_s"] <= 30 * A_DAY_S
    assert all(WORD.fullmatch(zone) and is_count(epoch) for zone, epoch in (message.get("epochs") or {}).items())
    assert message["expires_at"] >= message["issued_at"]
    assert message.get("max_volume_l") is None or is_amount(message["max_volume_l"], 0, 1e9)
    assert message.get("reason") is None or len(message["reason"]) <= 400


def _ack(message: dict[str, Any]) -> None:
    assert message["state"] in STATES and message["volume_source"] in {"measured", "estimated", "none"}
    assert isinstance(message["code"], str)
    assert message.get("duration_s") is None or is_amount(message["duration_s"], 0, A_DAY_S)
    assert message.get("volume_l") is None or is_amount(message["volume_l"], 0, 1e9)


def _status(message: dict[str, Any]) -> None:
    assert message["state"] in {"online", "offline"}
    rssi = message.get("rssi_dbm")
    assert rssi is None or (type(rssi) is int and -200 <= rssi <= 0)
    for name in ("open_valves", "latched"):
        assert all(WORD.fullmatch(zone) for zone in message.get(name) or ())
    for name in ("epochs", "fallback_days", "watered_24h_s", "last_end_at"):
        assert all(WORD.fullmatch(zone) and is_count(count) for zone, count in (message.get(name) or {}).items())
    for name in ("firmware", "reset_cause", "certificate"):
        assert message.get(name) is None or len(message[name]) <= 40


def _update(message: dict[str, Any]) -> None:
    least = {"sample_interval_s": 10, "publish_interval_s": 10, "status_interval_s": 60}
    assert message["settings"]
    for name, value in message["settings"].items():
        assert type(value) is int and least[name] <= value <= A_DAY_S, (name, value)


def _error(message: dict[str, Any]) -> None:
    assert isinstance(message["text"], str) and len(message["text"]) <= 400 and WORD.fullmatch(message["code"])
    assert message.get("volume_l") is None or is_amount(message["volume_l"], 0, 1e9)
    assert message.get("duration_s") is None or is_count(message["duration_s"])


def _diagnostics(message: dict[str, Any]) -> None:
    assert len(message["counters"]) <= 64
    assert all(WORD.fullmatch(name) and is_count(count) for name, count in message["counters"].items())


KINDS = {
    "reading": _reading,
    "command": _command,
    "ack": _ack,
    "status": _status,
    "update": _update,
    "error": _error,
    "diagnostics": _diagnostics,
}
_HEAD = {"gateway_id", "boot_id"}
OF_KIND = {
    "reading": {*_HEAD, "zone_id"},
    "command": {"command_id", "device_id", "zone_id", "issued_at", "expires_at", "epoch", "decision_id"},
    "ack": {*_HEAD, "command_id", "zone_id", "epoch", "held_epoch", "seq", "at"},
    "status": {*_HEAD, "at", "uptime_s", "heap_free_bytes", "outbox_depth", "outbox_dropped"},
    "update": {"update_id", "device_id", "issued_at"},
    "error": {*_HEAD, "zone_id", "at"},
    "diagnostics": {*_HEAD, "at"},
}

"""Every message of PythoFlow, as tables of fields: `encode` and `decode` are the only ways in and out.

A message is a dict. Time is an int of Unix seconds, units are in the names, a missing value is None.
Unknown fields pass unread; an unknown version `v` does not.
"""

import json

from protocol import json_text, topics
from protocol.errors import IdentityError, MessageError, VersionError

Message = dict  # what `decode` gives; the .pyi says of what
VERSION = 1
MAX_BYTES = 128 * 1024  # AWS IoT Core refuses more
READING_BYTES = 5 * 1024  # AWS IoT Core bills a message by started 5 KB
MAX_RUN_S = 24 * 3600
EARLIEST = 1420070400  # 2015-01-01: a clock before it was never set
LATEST = 4102444800  # 2100-01-01

# What a sample can hold: name -> (least, most) in the unit of the name; vwc in m3 water / m3 soil.
QUANTITIES = {
    "vwc": (0.0, 1.0),
    "soil_temperature_c": (-40.0, 80.0),
    "air_temperature_c": (-60.0, 70.0),
    "relative_humidity_pct": (0.0, 105.0),
    "wind_speed_m_s": (0.0, 100.0),
    "solar_radiation_w_m2": (-20.0, 2000.0),
    "rain_mm": (0.0, 500.0),
    "flow_l_min": (0.0, 100000.0),
    "volume_l": (0.0, 1e9),
    "pressure_kpa": (0.0, 2000.0),
    "battery_v": (0.0, 60.0),
    "percolation_mm": (0.0, 500.0),
}

# What an Update may set: name -> (least, most).
SETTINGS = {
    "sample_interval_s": (10, 86400),
    "publish_interval_s": (10, 86400),
    "status_interval_s": (60, 86400),
}

ACTIONS = ("open", "close", "stop_all", "fallback", "clear")
AFTER_OFFLINE_S = 24 * 3600  # without a PUBACK, until a fallback plan that does not say waters
CLOCKS = ("synced", "estimated")
ACK_STATES = ("received", "started", "done", "failed", "rejected")
FINAL_STATES = ("done", "failed", "rejected")
ACK_CODES = (
    "ok",
    "clipped",  # obeyed, with the zone's own hard cap instead of the longer run that was asked
    "expired",
    "clock_untrusted",
    "stale_epoch",
    "fenced",  # issued at or before the last stop_all
    "unknown_zone",
    "valve_fault",
    "power_cut",  # the board restarted during the run
    "storage_fault",  # the board could not write what rule 4 or 5 needs, so it moved nothing
    "leak",  # water flowed where none should; only a person's `clear` lets the board open again
)
VOLUME_SOURCES = ("measured", "estimated", "none")
END_REASONS = ("duration", "volume", "close", "stop_all", "replaced", "power_cut", "fault", "leak")
STATES = ("online", "offline")
_ANY_COUNT = (0, 2**53)


def _is_int(value):
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value):
    return _is_int(value) or isinstance(value, float)


def _integer(value, limits):
    least, most = limits
    if not _is_int(value) or not least <= value <= most:
        return "want an integer from %d to %d, got %s" % (least, most, _short(value))


def _number(value, limits):
    least, most = limits
    if not _is_number(value) or not least <= value <= most:
        return "want a number from %s to %s, got %s" % (least, most, _short(value))


def _one_of(value, words):
    if value not in words:
        return "want one of %s, got %s" % (", ".join(words), _short(value))


def _text(value, most):
    if not isinstance(value, str) or len(value) > most:
        return "want a text of at most %d characters, got %s" % (most, _short(value))


def _word(value, _):
    if not topics.is_word(value):
        return "want letters, digits, '_' and '-', got %s" % _short(value)


def _sensor_id(value, _):
    if not topics.is_sensor_id(value):
        return "want <gateway>.<sensor>, got %s" % _short(value)


def _words(value, most):
    if not isinstance(value, list) or len(value) > most:
        return "want a list of at most %d entries, got %s" % (most, _short(value))
    for entry in value:
        why = _word(entry, None)
        if why:
            return why


def _counts(value, most):
    if not isinstance(value, dict) or len(value) > most:
        return "want an object of at most %d entries, got %s" % (most, _short(value))
    for name in value:
        why = _word(name, None) or _integer(value[name], _ANY_COUNT)
        if why:
            return "%s: %s" % (_short(name), why)


def _settings(value, limits):
    if not isinstance(value, dict) or not value:
        return "want an object with a setting or more, got %s" % _short(value)
    for name in value:
        if name not in limits:
            return "unknown setting %s; known: %s" % (_short(name), ", ".join(sorted(limits)))
        why = _integer(value[name], limits[name])
        if why:
            return "%s: %s" % (name, why)


def _samples(value, most):
    if not isinstance(value, list) or not 1 <= len(value) <= most:
        return "want a list of 1 to %d samples, got %s" % (most, _short(value))


def _outliers(value, limits):
    if not isinstance(value, dict) or not value:
        return "want an object with an outlier or more, got %s" % _short(value)
    for name in value:
        least, most = QUANTITIES.get(name, limits)
        why = _number(value[name], limits)
        if why or least <= value[name] <= most:
            return "%s: %s" % (_short(name), why or _short(value[name]))


def _short(value):
    if isinstance(value, (list, dict)):
        return "%s of %d" % (type(value).__name__, len(value))  # its repr could be deep, or huge
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


# A field is a row: its check, "required" | "optional", and what the check takes besides the value. An optional field
# may be absent or None. A board holds all of this in memory, so fields of one sort share their row.
REQUIRED = True
OPTIONAL = False
_a_word = (_word, REQUIRED, None)
_word_or_none = (_word, OPTIONAL, None)
_time = (_integer, REQUIRED, (EARLIEST, LATEST - 1))
_count = (_integer, REQUIRED, _ANY_COUNT)
_count_or_none = (_integer, OPTIONAL, _ANY_COUNT)
_volume_or_none = (_number, OPTIONAL, (0, 1e9))
_label_or_none = (_text, OPTIONAL, 40)
_time_or_none = (_integer, OPTIONAL, (EARLIEST, LATEST - 1))
_counts_or_none = (_counts, OPTIONAL, 64)
_words_or_none = (_words, OPTIONAL, 64)

_FIELDS = {
    "reading": {
        "gateway_id": _a_word,
        "sensor_id": (_sensor_id, REQUIRED, None),
        "zone_id": _word_or_none,
        "boot_id": _a_word,
        "samples": (_samples, REQUIRED, 200),
    },
    "command": {
        "command_id": _a_word,
        "device_id": _a_word,
        "zone_id": _word_or_none,
        "action": (_one_of, REQUIRED, ACTIONS),
        "duration_s": (_integer, OPTIONAL, (1, MAX_RUN_S)),
        "max_volume_l": _volume_or_none,
        "issued_at": _time,
        "expires_at": _time,
        "epoch": _count,
        "days": (_integer, OPTIONAL, (1, 31)),
        "after_offline_s": (_integer, OPTIONAL, (3600, 30 * 86400)),
        "valid_from": _time_or_none,
        "valid_until": _time_or_none,
        "below_vwc": (_number, OPTIONAL, (0, 1)),
        "epochs": _counts_or_none,
        "decision_id": _word_or_none,
        "reason": (_text, OPTIONAL, 400),
    },
    "ack": {
        "command_id": _a_word,
        "gateway_id": _a_word,
        "zone_id": _word_or_none,
        "epoch": _count,
        "held_epoch": _count_or_none,
        "state": (_one_of, REQUIRED, ACK_STATES),
        "code": (_one_of, REQUIRED, ACK_CODES),
        "duration_s": (_number, OPTIONAL, (0, MAX_RUN_S)),
        "volume_l": _volume_or_none,
        "volume_source": (_one_of, REQUIRED, VOLUME_SOURCES),
        "end_reason": (_one_of, OPTIONAL, END_REASONS),
        "boot_id": _a_word,
        "seq": _count,
        "at": _time,
    },
    "status": {
        "gateway_id": _a_word,
        "boot_id": _a_word,
        "state": (_one_of, REQUIRED, STATES),
        "at": _time,
        "firmware": _label_or_none,
        "reset_cause": _label_or_none,
        "uptime_s": _count_or_none,
        "heap_free_bytes": _count_or_none,
        "rssi_dbm": (_integer, OPTIONAL, (-200, 0)),
        "open_valves": _words_or_none,
        "latched": _words_or_none,
        "epochs": _counts_or_none,
        "fallback_days": _counts_or_none,
        "watered_24h_s": _counts_or_none,
        "last_end_at": _counts_or_none,
        "outbox_depth": _count_or_none,
        "outbox_dropped": _count_or_none,
        "wakes_at": _time_or_none,
        "certificate": _label_or_none,
        "certificate_expires_at": _time_or_none,
        "ca_expires_at": _time_or_none,
    },
    "update": {
        "update_id": _a_word,
        "device_id": _a_word,
        "issued_at": _time,
        "settings": (_settings, REQUIRED, SETTINGS),
    },
    "error": {
        "gateway_id": _a_word,
        "boot_id": _a_word,
        "at": _time,
        "code": _a_word,
        "text": (_text, REQUIRED, 400),
        "sensor_id": (_sensor_id, OPTIONAL, None),
        "zone_id": _word_or_none,
        "volume_l": _volume_or_none,
        "duration_s": _count_or_none,
    },
    "diagnostics": {
        "gateway_id": _a_word,
        "boot_id": _a_word,
        "at": _time,
        "counters": (_counts, REQUIRED, 64),
    },
}
PLAN = ("zone_id", "duration_s", "max_volume_l", "days", "valid_from", "valid_until", "below_vwc")
_FOR_ONE = ("fallback", "clear")
_NAMED_BY_TOPIC = {"reading": "sensor_id", "command": "device_id"}  # every other topic names the gateway
_SAMPLE = {
    "seq": _count,
    "measured_at": _time,
    "clock": (_one_of, REQUIRED, CLOCKS),
    "out_of_range": (_outliers, OPTIONAL, (-1e9, 1e9)),
    "leak_s": (_integer, OPTIONAL, (1, MAX_RUN_S)),
}


def encode(kind, message):
    """Turn a message into its payload, checked as a receiver will check it. Raises MessageError."""
    check(kind, message)
    body = {"v": VERSION}
    body.update(message)
    payload = json.dumps(body).encode()
    most = READING_BYTES if kind == "reading" else MAX_BYTES
    if len(payload) > most:
        raise MessageError(kind, "", "%d bytes, at most %d are allowed" % (len(payload), most))
    return payload


def decode(topic, payload):
    """Read what arrived on a topic: `(kind, message)`, checked, and belonging to the topic's own device.

    Raises TopicError, MessageError, VersionError, IdentityError. Nothing else leaves this function, whatever arrives.
    """
    kind, identifier = topics.parse(topic)
    message = _parse_json(kind, payload)
    version = message.get("v")
    if not _is_int(version) or version != VERSION:
        raise VersionError(kind, "v", "want %d, got %s" % (VERSION, _short(version)))
    check(kind, message)
    _check_identity(kind, identifier, message)
    return kind, message


def check(kind, message):
    """Hold a message against its table of fields; raises MessageError with the field and the mistake."""
    _check_fields(kind, "", _FIELDS[kind], message)
    if kind == "reading":
        for index, sample in enumerate(message["samples"]):
            place = "samples[%d]." % index
            if not isinstance(sample, dict):
                raise MessageError(kind, place[:-1], "want an object, got %s" % _short(sample))
            _check_sample(place, sample)
        if topics.gateway_of(message["sensor_id"]) != message["gateway_id"]:
            raise IdentityError(
                kind, "sensor_id", "%s is not a sensor of %s" % (message["sensor_id"], message["gateway_id"])
            )
    elif kind == "command":
        _check_command(message)
    elif kind == "error":
        sensor_id = message.get("sensor_id")
        if sensor_id is not None and topics.gateway_of(sensor_id) != message["gateway_id"]:
            raise IdentityError(kind, "sensor_id", "%s is not a sensor of %s" % (sensor_id, message["gateway_id"]))


def _check_command(message):
    action = message["action"]
    if action == "open" and message.get("duration_s") is None:
        raise MessageError("command", "duration_s", "required to open: no valve opens without a bound")
    if action == "fallback":
        _check_fallback(message)
    elif action == "clear":
        if not message.get("epochs"):
            raise MessageError("command", "epochs", "required to clear: an epoch for each zone of the gateway")
    elif action != "stop_all" and message.get("zone_id") is None:
        raise MessageError("command", "zone_id", "required to %s" % action)
    if message["expires_at"] < message["issued_at"]:
        raise MessageError("command", "expires_at", "earlier than issued_at")
    if action in _FOR_ONE and message["device_id"] == topics.GROUP_ALL:
        raise MessageError("command", "device_id", "%s is for one gateway, not for a group" % action)


def _check_fallback(message):
    for name in PLAN:
        if message.get(name) is None:
            raise MessageError("command", name, "required for a fallback plan")
    if len(message["command_id"]) > 60:  # the id of a run is the plan's and its number
        raise MessageError("command", "command_id", "more than 60 characters")
    if message["valid_until"] <= message["valid_from"]:
        raise MessageError("command", "valid_until", "not later than valid_from")


def _check_sample(place, sample):
    _check_fields("reading", place, _SAMPLE, sample)
    for name in sample:
        limits, value = QUANTITIES.get(name), sample.get(name)
        why = limits and value is not None and _number(value, limits)
        if why:
            raise MessageError("reading", place + name, why)


def _check_fields(kind, place, fields, message):
    for name in fields:
        check_value, required, argument = fields[name]
        value = message.get(name)
        if value is None:
            if required:
                raise MessageError(kind, place + name, "missing")
            continue
        why = check_value(value, argument)
        if why:
            raise MessageError(kind, place + name, why)


def _parse_json(kind, payload):
    if len(payload) > MAX_BYTES:
        raise MessageError(kind, "", "%d bytes, at most %d are allowed" % (len(payload), MAX_BYTES))
    try:
        message = json_text.loads(payload)
    except (ValueError, RuntimeError, MemoryError) as error:  # bad UTF-8 or JSON; nested too deep; too big for a board
        raise MessageError(kind, "", "not JSON: %s" % _short(error)) from error
    if not isinstance(message, dict):
        raise MessageError(kind, "", "want an object, got %s" % _short(message))
    return message


def _check_identity(kind, identifier, message):
    if identifier is None:
        return
    field = _NAMED_BY_TOPIC.get(kind, "gateway_id")
    if message[field] != identifier:
        raise IdentityError(kind, field, "%s arrived on the topic of %s" % (_short(message[field]), identifier))

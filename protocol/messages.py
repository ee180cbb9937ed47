"""Every message of PythoFlow, as tables of fields: `encode` and `decode` are the only ways in and out.

A message is a dict. Time is an int of Unix seconds, units are in the names, a missing value is None.
Unknown fields pass unread; an unknown version `v` does not.
"""

import json

from protocol import topics
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

ACTIONS = ("open", "close", "stop_all")
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
)
VOLUME_SOURCES = ("measured", "estimated", "none")
END_REASONS = ("duration", "volume", "close", "stop_all", "replaced", "power_cut", "fault")
STATES = ("online", "offline")


def _is_int(value):
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value):
    return _is_int(value) or (isinstance(value, float) and value - value == 0.0)  # neither NaN nor infinite


def _integer(least, most):
    def check(value):
        if not _is_int(value) or not least <= value <= most:
            return "want an integer from %d to %d, got %s" % (least, most, _short(value))

    return check


def _number(least, most):
    def check(value):
        if not _is_number(value) or not least <= value <= most:
            return "want a number from %s to %s, got %s" % (least, most, _short(value))

    return check


def _one_of(words):
    def check(value):
        if value not in words:
            return "want one of %s, got %s" % (", ".join(words), _short(value))

    return check


def _text(most):
    def check(value):
        if not isinstance(value, str) or len(value) > most:
            return "want a text of at most %d characters, got %s" % (most, _short(value))

    return check


def _word(value):
    if not topics.is_word(value):
        return "want letters, digits, '_' and '-', got %s" % _short(value)


def _sensor_id(value):
    if not topics.is_sensor_id(value):
        return "want <gateway>.<sensor>, got %s" % _short(value)


def _list_of(check, most):
    def check_list(value):
        if not isinstance(value, list) or len(value) > most:
            return "want a list of at most %d entries, got %s" % (most, _short(value))
        for entry in value:
            why = check(entry)
            if why:
                return why

    return check_list


def _map_of(check, most):
    def check_map(value):
        if not isinstance(value, dict) or len(value) > most:
            return "want an object of at most %d entries, got %s" % (most, _short(value))
        for name in value:
            why = _word(name) or check(value[name])
            if why:
                return "%s: %s" % (_short(name), why)

    return check_map


def _settings(value):
    if not isinstance(value, dict) or not value:
        return "want an object with a setting or more, got %s" % _short(value)
    for name in value:
        if name not in SETTINGS:
            return "unknown setting %s; known: %s" % (_short(name), ", ".join(sorted(SETTINGS)))
        why = _integer(*SETTINGS[name])(value[name])
        if why:
            return "%s: %s" % (name, why)


def _samples(value):
    if not isinstance(value, list) or not 1 <= len(value) <= 200:
        return "want a list of 1 to 200 samples, got %s" % _short(value)


def _short(value):
    if isinstance(value, (list, dict)):
        return "%s of %d" % (type(value).__name__, len(value))  # its repr could be deep, or huge
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


_time = _integer(EARLIEST, LATEST - 1)
_count = _integer(0, 2**53)
_duration = _integer(1, MAX_RUN_S)
_seconds = _number(0, MAX_RUN_S)
_volume = _number(0, 1e9)

# A field: name -> (check, "required" | "optional"). An optional field may be absent or None.
REQUIRED = True
OPTIONAL = False
_FIELDS = {
    "reading": {
        "gateway_id": (_word, REQUIRED),
        "sensor_id": (_sensor_id, REQUIRED),
        "zone_id": (_word, OPTIONAL),
        "boot_id": (_word, REQUIRED),
        "samples": (_samples, REQUIRED),
    },
    "command": {
        "command_id": (_word, REQUIRED),
        "device_id": (_word, REQUIRED),
        "zone_id": (_word, OPTIONAL),
        "action": (_one_of(ACTIONS), REQUIRED),
        "duration_s": (_duration, OPTIONAL),
        "max_volume_l": (_volume, OPTIONAL),
        "issued_at": (_time, REQUIRED),
        "expires_at": (_time, REQUIRED),
        "epoch": (_count, REQUIRED),
        "decision_id": (_word, OPTIONAL),
        "reason": (_text(400), OPTIONAL),
    },
    "ack": {
        "command_id": (_word, REQUIRED),
        "gateway_id": (_word, REQUIRED),
        "zone_id": (_word, OPTIONAL),
        "epoch": (_count, REQUIRED),
        "state": (_one_of(ACK_STATES), REQUIRED),
        "code": (_one_of(ACK_CODES), REQUIRED),
        "duration_s": (_seconds, OPTIONAL),
        "volume_l": (_volume, OPTIONAL),
        "volume_source": (_one_of(VOLUME_SOURCES), REQUIRED),
        "end_reason": (_one_of(END_REASONS), OPTIONAL),
        "boot_id": (_word, REQUIRED),
        "seq": (_count, REQUIRED),
        "at": (_time, REQUIRED),
    },
    "status": {
        "gateway_id": (_word, REQUIRED),
        "boot_id": (_word, REQUIRED),
        "state": (_one_of(STATES), REQUIRED),
        "at": (_time, REQUIRED),
        "firmware": (_text(40), OPTIONAL),
        "reset_cause": (_text(40), OPTIONAL),
        "uptime_s": (_count, OPTIONAL),
        "heap_free_bytes": (_count, OPTIONAL),
        "rssi_dbm": (_integer(-200, 0), OPTIONAL),
        "open_valves": (_list_of(_word, 64), OPTIONAL),
        "epochs": (_map_of(_count, 64), OPTIONAL),
        "outbox_depth": (_count, OPTIONAL),
        "outbox_dropped": (_count, OPTIONAL),
    },
    "update": {
        "update_id": (_word, REQUIRED),
        "device_id": (_word, REQUIRED),
        "issued_at": (_time, REQUIRED),
        "settings": (_settings, REQUIRED),
    },
    "error": {
        "gateway_id": (_word, REQUIRED),
        "boot_id": (_word, REQUIRED),
        "at": (_time, REQUIRED),
        "code": (_word, REQUIRED),
        "text": (_text(400), REQUIRED),
    },
    "diagnostics": {
        "gateway_id": (_word, REQUIRED),
        "boot_id": (_word, REQUIRED),
        "at": (_time, REQUIRED),
        "counters": (_map_of(_count, 64), REQUIRED),
    },
}
_SAMPLE = {
    "seq": (_count, REQUIRED),
    "measured_at": (_time, REQUIRED),
    "clock": (_one_of(CLOCKS), REQUIRED),
}
for _name, _limits in QUANTITIES.items():
    _SAMPLE[_name] = (_number(*_limits), OPTIONAL)


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
            place = "samples[%d]" % index
            if not isinstance(sample, dict):
                raise MessageError(kind, place, "want an object, got %s" % _short(sample))
            _check_fields(kind, place + ".", _SAMPLE, sample)
        if topics.gateway_of(message["sensor_id"]) != message["gateway_id"]:
            raise IdentityError(
                kind, "sensor_id", "%s is not a sensor of %s" % (message["sensor_id"], message["gateway_id"])
            )
    elif kind == "command":
        _check_command(message)


def _check_command(message):
    action = message["action"]
    if action == "open" and message.get("duration_s") is None:
        raise MessageError("command", "duration_s", "required to open: no valve opens without a bound")
    if action != "stop_all" and message.get("zone_id") is None:
        raise MessageError("command", "zone_id", "required to %s" % action)
    if message["expires_at"] < message["issued_at"]:
        raise MessageError("command", "expires_at", "earlier than issued_at")


def _check_fields(kind, place, fields, message):
    for name in fields:
        check_value, required = fields[name]
        value = message.get(name)
        if value is None:
            if required:
                raise MessageError(kind, place + name, "missing")
            continue
        why = check_value(value)
        if why:
            raise MessageError(kind, place + name, why)


def _parse_json(kind, payload):
    if len(payload) > MAX_BYTES:
        raise MessageError(kind, "", "%d bytes, at most %d are allowed" % (len(payload), MAX_BYTES))
    try:
        text = bytes(payload).decode()
        message = json.loads(text)
        twice = _pairs_written(text) != _pairs_kept(message)
    except (ValueError, RuntimeError, MemoryError) as error:  # bad UTF-8 or JSON; nested too deep; too big for a board
        raise MessageError(kind, "", "not JSON: %s" % _short(error)) from error
    if not isinstance(message, dict):
        raise MessageError(kind, "", "want an object, got %s" % _short(message))
    if twice:
        raise MessageError(kind, "", "a name stands twice in one object; two readers could take either value")
    return message


def _pairs_written(text):
    """Name and value pairs in a JSON text: its colons outside of strings."""
    outside = text.replace("\\\\", "").replace('\\"', "").split('"')[::2]
    return sum(part.count(":") for part in outside)


def _pairs_kept(message):
    pairs = 0
    left = [message]  # a list, not recursion: the nesting is a stranger's
    while left:
        value = left.pop()
        if isinstance(value, dict):
            pairs += len(value)
            left += value.values()
        elif isinstance(value, list):
            left += value
    return pairs


def _check_identity(kind, identifier, message):
    if identifier is None:
        return
    field = {"reading": "sensor_id", "command": "device_id", "ack": "gateway_id"}[kind]
    if message[field] != identifier:
        raise IdentityError(kind, field, "%s arrived on the topic of %s" % (_short(message[field]), identifier))

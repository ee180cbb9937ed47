"""Every topic of PythoFlow: one function a topic, one row a pattern."""

from protocol.errors import TopicError

_WORD = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

UPDATES = "irrigation/system/updates"
GROUP_ALL = "all"

# Where gateways of older firmware report: every gateway may publish there, so whose a report is nobody can prove.
OLD_STATUS = "irrigation/gateway/status"
OLD_ERRORS = "irrigation/errors"
OLD_DIAGNOSTICS = "irrigation/diagnostics"
UNPROVEN = (OLD_STATUS, OLD_ERRORS, OLD_DIAGNOSTICS)


def is_word(text):
    """True if `text` may stand as one identifier: letters, digits, `_`, `-`; 1 to 64 characters."""
    return isinstance(text, str) and 0 < len(text) <= 64 and not text.strip(_WORD)


def is_sensor_id(text):
    """True if `text` is `<gateway_id>.<sensor>`, both words."""
    dot = text.find(".") if isinstance(text, str) else 0
    return dot > 0 and is_word(text[:dot]) and is_word(text[dot + 1 :])


def gateway_of(sensor_id):
    """The gateway that owns a sensor: what stands before the dot."""
    return sensor_id.split(".")[0]


def _checked(is_good, identifier, template):
    if not is_good(identifier):
        raise TopicError(template % (identifier,), "identifiers are letters, digits, '_' and '-'")
    return template % identifier


def data(sensor_id):
    """Where a gateway publishes one sensor's readings."""
    return _checked(is_sensor_id, sensor_id, "irrigation/sensors/%s/data")


def command(device_id):
    """Where compute publishes commands for a gateway, or for a group such as `all`."""
    return _checked(is_word, device_id, "irrigation/control/%s/command")


def ack(gateway_id):
    """Where a gateway answers its commands."""
    return _checked(is_word, gateway_id, "irrigation/control/%s/ack")


def status(gateway_id):
    """Where a gateway says how it is, and leaves its last will."""
    return _checked(is_word, gateway_id, "irrigation/gateway/%s/status")


def errors(gateway_id):
    """Where a gateway reports what is wrong at it."""
    return _checked(is_word, gateway_id, "irrigation/errors/%s")


def diagnostics(gateway_id):
    """Where a gateway reports what it has counted."""
    return _checked(is_word, gateway_id, "irrigation/diagnostics/%s")


def for_gateway(gateway_id):
    """The topics that a gateway subscribes to."""
    return (command(gateway_id), command(GROUP_ALL), UPDATES)


def from_gateways():
    """What compute subscribes to: the filters of everything that gateways publish, the unproven last."""
    return tuple([head + "/+" + tail for head, tail, kind, _ in _WITH_ID if kind != "command"]) + UNPROVEN


_FIXED = {UPDATES: "update", OLD_STATUS: "status", OLD_ERRORS: "error", OLD_DIAGNOSTICS: "diagnostics"}
_WITH_ID = (
    ("irrigation/sensors", "/data", "reading", is_sensor_id),
    ("irrigation/control", "/command", "command", is_word),
    ("irrigation/control", "/ack", "ack", is_word),
    ("irrigation/gateway", "/status", "status", is_word),
    (OLD_ERRORS, "", "error", is_word),
    (OLD_DIAGNOSTICS, "", "diagnostics", is_word),
)


def parse(topic):
    """Read a topic as `(kind, identifier)`; the identifier is None where the topic has none.

    Raises TopicError for any topic that is not PythoFlow's.
    """
    if topic in _FIXED:
        return _FIXED[topic], None
    for head, tail, kind, is_good in _WITH_ID:
        if topic.startswith(head + "/") and topic.endswith(tail):
            identifier = topic[len(head) + 1 : len(topic) - len(tail)]
            if is_good(identifier):
                return kind, identifier
    raise TopicError(topic, "not a topic of PythoFlow")

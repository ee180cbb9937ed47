"""Every topic of PythoFlow: one function a topic, one row a pattern."""

from protocol.errors import TopicError

_WORD = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

ROOT = "irrigation"  # of the default farm; another's is `irrigation/<farm id>`, see protocol/farms
GROUP_ALL = "all"

# Where gateways of older firmware report: every gateway may publish there, so whose a report is nobody can prove.
# They know no other root than the default farm's, so no other farm has these topics.
OLD_STATUS = "irrigation/gateway/status"
OLD_ERRORS = "irrigation/errors"
OLD_DIAGNOSTICS = "irrigation/diagnostics"
UNPROVEN = (OLD_STATUS, OLD_ERRORS, OLD_DIAGNOSTICS)

_root = ROOT


def use(root):
    """Make every topic that of the farm with this root, the default farm for None.

    Once in a process, before the first topic is asked for.
    """
    global _root  # noqa: PLW0603  # one farm a process: a board has no byte for an object that says so
    _root = root or ROOT


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


def _of(row, identifier):
    head, tail, _, is_good = _WITH_ID[row]
    topic = _root + head + str(identifier) + tail
    if not is_good(identifier):
        raise TopicError(topic, "identifiers are letters, digits, '_' and '-'")
    return topic


def data(sensor_id):
    """Where a gateway publishes one sensor's readings."""
    return _of(0, sensor_id)


def command(device_id):
    """Where compute publishes commands for a gateway, or for a group such as `all`."""
    return _of(1, device_id)


def ack(gateway_id):
    """Where a gateway answers its commands."""
    return _of(2, gateway_id)


def status(gateway_id):
    """Where a gateway says how it is, and leaves its last will."""
    return _of(3, gateway_id)


def errors(gateway_id):
    """Where a gateway reports what is wrong at it."""
    return _of(4, gateway_id)


def diagnostics(gateway_id):
    """Where a gateway reports what it has counted."""
    return _of(5, gateway_id)


def updates():
    """Where compute publishes settings for gateways."""
    return _root + _UPDATES


def for_gateway(gateway_id):
    """The topics that a gateway subscribes to."""
    return (command(gateway_id), command(GROUP_ALL), updates())


def from_gateways():
    """What compute subscribes to: the filters of everything that gateways publish, the unproven last."""
    own = [_root + head + "+" + tail for head, tail, kind, _ in _WITH_ID if kind != "command"]
    return tuple(own) + (UNPROVEN if _root == ROOT else ())


_UPDATES = "/system/updates"
_FIXED = {OLD_STATUS: "status", OLD_ERRORS: "error", OLD_DIAGNOSTICS: "diagnostics"}
_WITH_ID = (  # what comes before the identifier, and after it
    ("/sensors/", "/data", "reading", is_sensor_id),
    ("/control/", "/command", "command", is_word),
    ("/control/", "/ack", "ack", is_word),
    ("/gateway/", "/status", "status", is_word),
    ("/errors/", "", "error", is_word),
    ("/diagnostics/", "", "diagnostics", is_word),
)


def parse(topic):
    """Read a topic as `(kind, identifier)`; the identifier is None where the topic has none.

    Raises TopicError for any topic that is not PythoFlow's, or another farm's.
    """
    if topic == updates():
        return "update", None
    if _root == ROOT and topic in _FIXED:
        return _FIXED[topic], None
    for head, tail, kind, is_good in _WITH_ID:
        identifier = topic[len(_root + head) : len(topic) - len(tail)]
        if topic == _root + head + identifier + tail and is_good(identifier):
            return kind, identifier
    raise TopicError(topic, "not a topic of PythoFlow")

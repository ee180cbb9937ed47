"""What can be learned from messages that are not proof: refused readings, and reports that anyone may write.

A report's words are the gateway's own, see `lib/gateway`. Nothing here changes anything.
"""

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from compute_service.domain.conditions import STATION_QUANTITIES
from protocol import messages, topics
from protocol.errors import MessageError, ProtocolError

LONGEST = 300  # characters of a stranger's text in one line of the log

if TYPE_CHECKING:
    from protocol.messages import ErrorReport, Reading, Sample

NO_BOOT = "-"  # the boot_id of what did not come as a sample
MOST_FLOW = 1.5  # times the nominal: whoever claims more water than a zone's pipes carry is not believed
_HELD_BACK = re.compile(r"(\S{1,200}): vwc of (-?\d{1,9}(?:\.\d{1,9})?), it can be .*")
_UNASKED = re.compile(r"(\S{1,200}): (\d{1,9}) l in (\d{1,6}) s")


class Unasked(NamedTuple):
    """Water that ran through a valve which should be shut: a leak, or somebody's hand."""

    zone_id: str
    litres: float
    seconds: int


def weather(sample: "Sample") -> dict[str, object]:
    """What a sample tells of the weather; nothing if it is of no weather station."""
    values: Mapping[str, object] = sample
    return {name: values[name] for name in STATION_QUANTITIES if values.get(name) is not None}


def held_back(report: "ErrorReport") -> tuple[str, float] | None:
    """The probe and the moisture that its gateway did not send, since no moisture is so; None if it is about others."""
    match = _HELD_BACK.fullmatch(report["text"]) if report["code"] == "bad_value" else None
    return (match[1], float(match[2])) if match else None


def unasked_water(report: "ErrorReport") -> Unasked | None:
    """The water that a report tells of; None if it is about something else."""
    return unasked(report["code"], report["text"])


def unasked(code: str, text: str) -> Unasked | None:
    """The same, of a report's code and text."""
    match = _UNASKED.fullmatch(text) if code == "flow_while_shut" else None
    return Unasked(match[1], float(match[2]), int(match[3])) if match else None


def in_percent(topic: str, payload: bytes, error: ProtocolError) -> "tuple[str, Sample | None]":
    """The sensor whose topic it came on, and the sample that made a reading refused for a moisture above 1."""
    place = re.fullmatch(r"samples\[(\d+)\]\.vwc", error.field) if isinstance(error, MessageError) else None
    if place is None:
        return "", None
    sensor_id = topics.parse(topic)[1] or ""
    sample: Sample = json.loads(payload)["samples"][int(place[1])]
    value: object = sample["vwc"]  # of this the sample is not what its type says
    is_percent = isinstance(value, (int, float)) and not isinstance(value, bool) and 1 < value <= 100
    try:
        messages.check("reading", _reading(sensor_id, {**sample, "vwc": None}))
    except ProtocolError:
        return sensor_id, None
    return sensor_id, sample if is_percent else None


def _reading(sensor_id: str, sample: "Sample") -> "Reading":
    return {
        "gateway_id": topics.gateway_of(sensor_id),
        "sensor_id": sensor_id,
        "boot_id": NO_BOOT,
        "samples": [sample],
    }


def one_line(text: str) -> str:
    """A stranger's text as it may stand in a log: no line of its own making, and not for ever."""
    return (text if text.isprintable() else ascii(text))[:LONGEST]


def claimed_by(topic: str) -> str:
    """The gateway that a topic names; the topic itself where it names none."""
    try:
        identifier = topics.parse(topic)[1]
    except ProtocolError:
        return topic
    return topics.gateway_of(identifier) if identifier else topic

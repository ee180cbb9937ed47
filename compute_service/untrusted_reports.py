"""What samples tell besides a moisture, and what can be learned from a reading that is refused.

Whose a reading is its topic proves, also that of a refused one. Nothing here changes anything.
"""

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from compute_service.domain.conditions import STATION_QUANTITIES
from compute_service.domain.ports import WaterRow
from compute_service.domain.zone import Zone
from protocol import messages, topics
from protocol.errors import MessageError, ProtocolError

LONGEST = 300  # characters of a stranger's text in one line of the log

if TYPE_CHECKING:
    from protocol.messages import Reading, Sample

NOBODY = "nobody"  # whose a message is on a topic that is none of PythoFlow's
NO_BOOT = "-"  # the boot_id of what did not come as a sample
MOST_FLOW = 1.5  # times the nominal: whoever claims more water than a zone's pipes carry is not believed


def weather(sample: "Sample") -> dict[str, object]:
    """What a sample tells of the weather; nothing if it is of no weather station."""
    values: Mapping[str, object] = sample
    return {name: values[name] for name in STATION_QUANTITIES if values.get(name) is not None}


def moisture(sample: "Sample") -> float | None:
    """What a probe tells: its value, or what its gateway held back since no moisture is so."""
    value = sample.get("vwc")
    return value if value is not None else (sample.get("out_of_range") or {}).get("vwc")


def unasked_water(zone: Zone, boot_id: str, sample: "Sample") -> WaterRow | None:
    """The water that a gateway saw run through a valve which should be shut: a leak, or somebody's hand."""
    litres, seconds, at = sample.get("volume_l"), sample.get("leak_s"), sample["measured_at"]
    if litres is None or seconds is None:
        return None
    return WaterRow(
        water_id=f"{zone.zone_id}:{boot_id}:{at}",
        zone_id=zone.zone_id,
        at=at,
        litres=min(litres, zone.flow_l_min * seconds / 60 * MOST_FLOW),
        duration_s=seconds,
        source="manual",
    )


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
    """The gateway that a topic names, even if no reader takes the rest of it; else the topic, or `NOBODY`.

    Policies let a gateway publish below its own name, whatever follows there.
    """
    if topic in (*topics.UNPROVEN, topics.updates()):
        return topic
    levels = topic.split("/")[len(topics.updates().split("/")) - 2 :]  # below the farm's root
    name = topics.gateway_of(levels[1]) if len(levels) > 1 else ""
    return name if topics.is_word(name) else NOBODY

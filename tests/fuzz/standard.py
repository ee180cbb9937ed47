"""MQTT 3.1.1 as the fuzz room reckons it, from the sections of the standard and from neither of the readers."""

from typing import NamedTuple

MOST_BYTES = 132 * 1024  # of a packet that any of the readers takes


class Told(NamedTuple):
    """A PUBLISH as section 3.3 has it."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    packet_id: int


def cut(stream: bytes) -> list[tuple[int, bytes, bytes]]:
    """Whole packets up to the first whose length has more than four bytes: head, body and all of it (2.2)."""
    found: list[tuple[int, bytes, bytes]] = []
    at = 0
    while at < len(stream):
        size, place = 0, 1
        while True:
            if place > 4 or at + place >= len(stream):
                return found
            byte = stream[at + place]
            size += byte % 128 * 128 ** (place - 1)
            place += 1
            if byte < 128:
                break
        if at + place + size > len(stream) or size > MOST_BYTES:
            return found
        found.append((stream[at], stream[at + place : at + place + size], stream[at : at + place + size]))
        at += place + size
    return found


def publish_of(head: int, body: bytes) -> Told | None:
    """A PUBLISH that the standard allows, else None (1.5.3, 2.3.1, 3.3, 4.7)."""
    qos, size = head // 2 % 4, int.from_bytes(body[:2], "big")
    begin = 2 + size + (2 if qos else 0)
    if qos == 3 or len(body) < max(begin, 2):
        return None
    try:
        topic = body[2 : 2 + size].decode("utf-8")
    except UnicodeDecodeError:
        return None
    packet_id = int.from_bytes(body[2 + size : begin], "big")
    if not topic or set(topic) & {"+", "#", "\0"} or (qos and not packet_id):
        return None
    return Told(topic, body[begin:], qos, head % 2 == 1, packet_id)

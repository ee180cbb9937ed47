"""MQTT 3.1.1 packets: cut, read, and refused if malformed."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_cloud import packets
from local_cloud.errors import PacketError
from local_cloud.packets import Packet, Publish, Splitter

PUBLISH_RAW = b"\x32\x09\x00\x03a/b\x00\x07hi"
CONNECT_RAW = b"\x10\x11\x00\x04MQTT\x04\x02\x00\x1e\x00\x05gw-01"
STREAM = CONNECT_RAW + PUBLISH_RAW + b"\xc0\x00" + b"\x30\x83\x01\x00\x01a" + b"x" * 128 + b"\xe0\x00"


def one(raw: bytes) -> Packet:
    (packet,) = Splitter(1000).feed(raw)
    return packet


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_packets_do_not_depend_on_how_the_stream_was_cut(cuts: list[int]) -> None:
    """However TCP chops a stream, the same packets come out."""
    edges = [0, *sorted(cuts), len(STREAM)]
    splitter = Splitter(1000)
    arrived = [p for start, end in pairwise(edges) for p in splitter.feed(STREAM[start:end])]
    assert [p.kind for p in arrived] == [1, 3, 12, 3, 14]
    assert b"".join(p.raw for p in arrived) == STREAM


def test_a_publish_is_read() -> None:
    """Topic, payload, QoS, retain and identifier."""
    assert packets.read_publish(one(PUBLISH_RAW)) == Publish("a/b", b"hi", 1, False, 7)


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        (b"\x00\x00", one),
        (b"\xf0\x00", one),
        (b"\xc1\x00", one),
        (b"\x80\x00", one),
        (b"\x30\xff\xff\xff\xff\x01", one),
        (b"\x30\xff\xff\x7f", one),
        (b"\x36\x09\x00\x03a/b\x00\x07hi", packets.read_publish),
        (b"\x32\x09\x00\x03a/b\x00\x00hi", packets.read_publish),
        (b"\x32\x09\x00\x03a/+\x00\x07hi", packets.read_publish),
        (b"\x32\x05\x00\x03a/b", packets.read_publish),
        (b"\x30\x02\x00\x00", packets.read_publish),
        (b"\x30\x05\x00\x03a\xff\xfe", packets.read_publish),
        (b"\x30\x05\x00\x03a\x00b", packets.read_publish),
        (b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x1e\x00\x05gw-", packets.read_connect),
        (b"\x10\x11\x00\x04MQTT\x04\x03\x00\x1e\x00\x05gw-01", packets.read_connect),
        (b"\x10\x11\x00\x04MQTT\x04\x22\x00\x1e\x00\x05gw-01", packets.read_connect),
        (b"\x10\x12\x00\x04MQTT\x04\x02\x00\x1e\x00\x05gw-01x", packets.read_connect),
        (b"\x82\x02\x00\x01", packets.read_subscribe),
        (b"\x82\x06\x00\x01\x00\x01a\x03", packets.read_subscribe),
        (b"\x82\x07\x00\x01\x00\x02a+\x00", packets.read_subscribe),
        (b"\x82\x08\x00\x01\x00\x03#/a\x00", packets.read_subscribe),
        (b"\xa2\x02\x00\x01", packets.read_unsubscribe),
        (b"\x40\x01\x00", packets.read_packet_id),
        (b"\x20\x01\x00", packets.read_connack),
    ],
)
def test_malformed_packets_are_refused(raw: bytes, read: Callable[..., object]) -> None:
    """Nothing but PacketError comes of bytes that break the standard."""
    with pytest.raises(PacketError):
        read(raw if read is one else one(raw))


@given(st.binary(max_size=200))
def test_no_bytes_do_anything_else_than_raise_packet_error(data: bytes) -> None:
    """Random bytes give packets or PacketError."""
    readers = {
        1: packets.read_connect,
        3: packets.read_publish,
        8: packets.read_subscribe,
        10: packets.read_unsubscribe,
        4: packets.read_packet_id,
    }
    try:
        for packet in Splitter(100).feed(data):
            readers.get(packet.kind, repr)(packet)
    except PacketError:
        pass


@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/+", "a/b", True),
        ("a/+", "a/b/c", False),
        ("+", "a/b", False),
        ("+/+", "/b", True),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("a/#", "ab", False),
        ("#", "a/b", True),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("$SYS/#", "$SYS/x", True),
        ("a/+/c", "a//c", True),
    ],
)
def test_matching(topic_filter: str, topic: str, expected: bool) -> None:
    """A filter takes the topics that section 4.7 says."""
    assert packets.matches(topic_filter, topic) is expected


def test_a_shared_filter_is_taken_apart() -> None:
    """`$share/group/filter`, also when it is cut short."""
    assert packets.share_of("$share/g/a/+/b") == ("g", "a/+/b")
    assert packets.share_of("a/b") == ("", "a/b")
    assert packets.share_of("$share/g") == ("g", "")

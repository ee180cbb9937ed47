"""The gate at its edges, with an inner broker that the test leads: accounts, limits to the byte, who comes and how."""

import asyncio
from typing import Any

import pytest

from local_cloud import packets
from local_cloud.errors import SpoolError
from tests.local_cloud.conftest import COMPUTE, GATEWAYS, NOW, connect_packet, packet, text
from tests.local_cloud.near import KEPT, SECRET, Start, publish, start
from tests.waiting import eventually

__all__ = ["start"]  # a fixture
GATEWAY, OTHER = GATEWAYS[:2]


# What is in flight.


async def test_a_publish_is_in_flight_until_its_puback(start: Start) -> None:
    """The gate is busy while the broker has not confirmed a publish, and at rest after it."""
    async with start() as w:
        assert w.gate.activity() == 0
        assert w.gate.describe_in_flight() == "nothing is in flight"
        gateway = await w.connected(GATEWAY)
        w.inner.mute = {packets.PUBLISH}
        gateway.send_publish("a/b")
        await eventually(lambda: packets.PUBLISH in w.link().kinds())
        assert w.gate.in_flight() == 1
        assert w.gate.describe_in_flight() == f"{GATEWAY}: 1 of its publishes without PUBACK"
        w.link().writer.write(packets.puback(1))
        await gateway.wait_for(4)
        assert w.gate.in_flight() == 0
        assert w.published == [(GATEWAY, "a/b", b"{}")]


async def test_only_who_was_granted_a_filter_is_waited_for(start: Start) -> None:
    """A delivery is expected for a granted filter, not for one that failed, nor after an UNSUBSCRIBE."""
    async with start() as w:
        compute = await w.connected(COMPUTE)
        w.inner.grants = {"failed": 0x80, "b": 1}
        assert await compute.subscribe("failed", "b") == b"\x80\x01"
        link, gateway = w.link(), await w.connected(GATEWAY)
        compute.acks = False
        for topic, expected in (("failed", 0), ("b", 1)):
            await gateway.publish(topic)
            assert w.gate.in_flight() == expected, topic
        link.deliver("b", packet_id=9)
        assert await compute.message() == ("b", b"{}")
        assert w.gate.describe_in_flight() == f"{COMPUTE}: 1 delivered, and not acknowledged by it"
        compute.ack(9)
        await w.quiet()
        await compute.unsubscribe("b")
        await gateway.publish("b")
        assert w.gate.in_flight() == 0


@pytest.mark.parametrize("present", [1, 0])
async def test_a_stored_session_is_waited_for_if_the_broker_has_it(start: Start, present: int) -> None:
    """Who comes back is expected to hear what it once asked for only if the broker has kept that too."""
    async with start() as w:
        compute = await w.connected(COMPUTE, "b", clean=False)
        await compute.disconnect()
        await eventually(lambda: w.gate.connected() == [])
        w.inner.session_present = present
        back = await w.open(COMPUTE)
        assert await back.connect(COMPUTE, clean=False) == (present, 0)
        gateway = await w.connected(GATEWAY)
        await gateway.publish("b")
        assert w.gate.in_flight() == present


async def test_two_requests_of_one_packet_id_are_both_answered(start: Start) -> None:
    """A client that uses a packet id twice at once gets its answers, and is not cut off."""
    async with start() as w:
        client = await w.connected(GATEWAY)
        client.send(b"".join(packet(0x82, b"\0\1" + text(name) + b"\1") for name in ("a", "b")))
        assert [(await client.wait_for(9))[2:] for _ in "ab"] == [b"\1", b"\1"]
        await client.ping()


async def test_a_delivery_that_is_denied_is_answered_for_its_subscriber(start: Start) -> None:
    """The broker has the acknowledgement if it waits for one, the subscriber hears nothing, and each is recorded."""
    async with start() as w:
        compute = await w.connected(COMPUTE, "#")
        w.link().deliver(SECRET)
        w.link().deliver(SECRET, packet_id=300)
        await eventually(lambda: packets.PUBACK in w.link().kinds())
        assert [each.raw for each in w.link().packets[2:]] == [packets.puback(300)]
        w.link().deliver("open")
        assert await compute.message() == ("open", b"{}")
        assert w.refusals() == [(COMPUTE, f"receive {SECRET}")] * 2
        assert w.gate.in_flight() == 0


async def test_a_denied_delivery_to_who_has_left_harms_nothing(start: Start) -> None:
    """What the broker still sends to a client that is gone is not answered, and breaks nothing."""
    async with start() as w:
        compute = await w.connected(COMPUTE)
        w.inner.lets_go.clear()
        compute.vanish()
        await eventually(lambda: w.link().has_ended)
        w.link().deliver(SECRET, packet_id=300)
        await eventually(lambda: w.refusals() == [(COMPUTE, f"receive {SECRET}")])
        w.inner.lets_go.set()
        await eventually(lambda: w.gate.connected() == [])
        assert w.gate.in_flight() == 0


# Limits.


PASSES = (
    publish("x" * 256),
    publish("a/b/c/d/e/f/g/h"),
    publish("a", b"x" * (128 * 1024)),
    publish("a", b"x" * (128 * 1024), head=0x32),
    publish(KEPT, head=0x31),
    packet(0x82, b"\0\1" + (text("a") + b"\1") * 8),
    packet(0x82, b"\0\1" + text("a/b/c/d/e/f/g/h") + b"\1"),
    packet(0x82, b"\0\1" + text("$share/g/a/b/c/d/e/f/g/h") + b"\1"),
    packet(0x82, b"\0\1" + text("$share/g/" + "x" * 256) + b"\1"),
)
BREACHES: tuple[tuple[bytes, str, str], ...] = (
    (publish("x" * 257), "publish", "topic of 257 bytes, at most 256 are allowed"),
    (publish("é" * 129), "publish", "topic of 258 bytes, at most 256 are allowed"),
    (publish("a/b/c/d/e/f/g/h/i"), "publish a/b/c/d/e/f/g/h/i", "8 slashes, at most 7 are allowed"),
    (publish("a", b"x" * (128 * 1024 + 1)), "publish a", "131073 bytes, at most 131072 are allowed"),
    (publish("a", b"x" * (129 * 1024 - 3)), "publish a", "132093 bytes, at most 131072 are allowed"),
    (publish("a", b"x" * (129 * 1024 - 2)), "packet", "packet of 132097 bytes, at most 132096 are allowed"),
    (publish("a", head=0x34), "publish a", "QoS 2"),
    (publish("a", head=0x31), "publish a", "retained, which is not allowed by its policy"),
    (packet(0x82, b"\0\1" + (text("a") + b"\1") * 9), "subscribe", "9 filters in one packet, at most 8 are allowed"),
    (packet(0x82, b"\0\1" + text("x" * 257) + b"\1"), "subscribe", "topic of 257 bytes, at most 256 are allowed"),
    (
        packet(0x82, b"\0\1" + text("a/b/c/d/e/f/g/h/i") + b"\1"),
        "subscribe a/b/c/d/e/f/g/h/i",
        "8 slashes, at most 7 are allowed",
    ),
    (b"\xd0\x00", "packet", "type 13 is not for a client to send"),
)


async def test_what_is_within_the_limits_passes_to_the_byte(start: Start) -> None:
    """The longest topic, the largest payload, the most slashes and filters of IoT Core reach the broker unchanged."""
    async with start() as w:
        client = await w.connected(GATEWAY)
        for raw in PASSES:
            client.send(raw)
            await client.ping()
        assert [each.raw for each in w.link().packets if each.kind != packets.PINGREQ][1:] == list(PASSES)
        assert w.records == []


async def test_what_is_beyond_a_limit_ends_the_connection(start: Start) -> None:
    """One byte, slash or filter more, and the sender is cut off, with the reason in the record."""
    async with start() as w:
        for raw, what, why in BREACHES:
            client = await w.connected(GATEWAY)
            client.send(raw + b"\xc0\0")
            with pytest.raises((asyncio.IncompleteReadError, OSError)):
                await client.wait_for(13)
            assert w.records == [
                {"at": NOW, "kind": "refusal", "by": "gate", "thing": GATEWAY, "what": what, "why": why}
            ]
            assert w.link().kinds() == [packets.CONNECT]
            w.records.clear()


# Coming.


async def test_what_comes_with_the_connect_counts(start: Start) -> None:
    """Packets in one piece with the CONNECT, and several in one piece later, are all handled."""
    async with start() as w:
        client = await w.open(GATEWAY)
        client.send(connect_packet(GATEWAY) + publish("a", b"1") + publish("a", b"2"))
        assert await client.wait_for(2) == b"\0\0"
        client.send(publish("a", b"3") + publish("a", b"4") + b"\xc0\0")
        await client.wait_for(13)
        assert [payload for _, _, payload in w.published] == [b"1", b"2", b"3", b"4"]


async def test_who_does_not_begin_with_connect_is_cut_off(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """Its breach is recorded and logged, and the broker never hears of it."""
    async with start() as w:
        client = await w.open(GATEWAY)
        client.send(publish("a"))
        assert await client.closed()
        assert w.refusals() == [(GATEWAY, "packet")]
        assert w.inner.links == []
    assert f"refused {GATEWAY}: packet: packet type 3 before CONNECT" in caplog.text


async def test_each_refusal_of_a_connect_has_its_code(start: Start) -> None:
    """Another name, another protocol, a will beyond a limit: the client is told what the matter is, as by IoT Core."""
    async with start() as w:
        asked: list[tuple[dict[str, Any], int]] = [
            ({"client_id": OTHER}, 2),
            ({"client_id": GATEWAY, "level": 3}, 1),
            ({"client_id": GATEWAY, "level": 5}, 1),
            ({"client_id": GATEWAY, "will": ("a", b""), "will_retain": True}, 5),
        ]
        for options, code in asked:
            client = await w.open(GATEWAY)
            assert await client.connect(**options) == (0, code)
            assert await client.closed()
        tried = [f"connect as {OTHER!r}", "connect", "connect", "will a"]
        assert w.refusals() == [(GATEWAY, what) for what in tried]
        assert w.inner.links == []


async def test_a_client_that_the_broker_refuses_was_never_there(start: Start) -> None:
    """It gets the broker's own answer, and its will is not told to the topic rule."""
    async with start() as w:
        w.inner.code = 3
        client = await w.open(GATEWAY)
        assert await client.connect(GATEWAY, will=("a", b"offline")) == (0, 3)
        client.vanish()
        await eventually(lambda: w.gate.connected() == [] and bool(w.inner.links))
        assert w.published == []


async def test_without_its_broker_the_gate_has_failed(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """A client gets the code of a server that is unavailable; the first failure counts, and is logged."""
    async with start() as w:
        w.inner.stop()
        client = await w.open(GATEWAY)
        assert await client.connect(GATEWAY) == (0, 3)
        assert await client.closed()
        assert w.gate.failed.is_set()
        first = w.gate.failure
        w.gate.fail(SpoolError("later"))
        assert w.gate.failure is first
    assert str(first).startswith("the inner broker on port ")
    assert [line for line in caplog.messages if line in {str(first), "later"}] == [str(first), "later"]

"""How long a connection of the gateway's MQTT client lives, and what ends it, without a second of real waiting."""

import asyncio
from itertools import pairwise
from typing import Any, cast

import pytest

from gateway.errors import MqttError, MqttSilence
from gateway.mqtt import Client, Connection
from tests.gateway.peer import (
    CONNECT,
    DISCONNECT,
    PINGREQ,
    PUBLISH,
    Constant,
    Peer,
    Wire,
    broken,
    client_of,
    in_no_time,
    now,
    settle,
    walk_of,
)


def test_a_peer_that_takes_nothing_is_left() -> None:
    """With one packet under way and 256 in all waiting, the next one ends the connection; none is written meanwhile."""

    async def whole() -> None:
        wire = Wire(Peer())
        wire.is_slow = True
        link = Connection(wire.reader, cast(Any, wire))
        living = asyncio.create_task(link.live())
        for number in range(257):
            await settle()
            assert not living.done(), number
            link.post(b"\xc0\x00")
        with pytest.raises(MqttSilence, match="the broker does not read"):
            await living
        assert len(link.waiting) == 256

    in_no_time(whole())


def test_the_first_error_is_told_when_all_has_ended() -> None:
    """`live` raises what came first, and what it ran does not outlive it."""
    ended: list[str] = []

    async def job(link: Connection) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(1)
            ended.append("job")

    async def whole() -> None:
        wire = Wire(Peer())
        link = Connection(wire.reader, cast(Any, wire))
        living = asyncio.create_task(link.live(job))
        await settle()
        link.fail(MqttError("first"))
        link.fail(MqttError("second"))
        with pytest.raises(MqttError, match="first"):
            await living
        assert ended == ["job"]
        await link.close()
        assert wire.is_closed
        assert now() < 1.5

    in_no_time(whole())


@pytest.mark.parametrize("answers", [True, False])
def test_twenty_seconds_for_a_connection_and_for_its_answer(answers: bool) -> None:
    """A network or a broker that says nothing is given up after 20 s, each."""

    async def nothing(*_address: Any, **_tls: Any) -> Any:
        await asyncio.sleep(1000)

    async def job(client: Client, _peer: Peer) -> None:
        await asyncio.sleep(19.95)
        assert client.last_error is None
        assert await broken(client) is MqttSilence
        assert now() < 20.3

    walk_of(job, Peer(connack=b""), **({} if answers else {"open_connection": nothing}))


def test_pings_keep_a_connection() -> None:
    """One at each half of the keep-alive time; while each is answered, nothing ends."""

    async def job(client: Client, _peer: Peer) -> None:
        await asyncio.sleep(3590)
        assert (client.online, client.connects) == (True, 1)

    peer = walk_of(job, keepalive_s=60)
    assert [round(packet.at) for packet in peer.of(PINGREQ)] == list(range(0, 3600, 30))


@pytest.mark.parametrize("subscriptions", [(), ("a",)])
def test_half_a_keep_alive_of_silence_ends_it(subscriptions: tuple[str, ...]) -> None:
    """A ping without an answer, and a SUBSCRIBE without one although the pings are answered."""

    async def job(client: Client, _peer: Peer) -> None:
        await asyncio.sleep(29.9)
        assert client.last_error is None
        assert await broken(client) is MqttSilence
        assert now() < 30.3
        assert str(client.last_error) == "no answer in 30 s"

    walk_of(job, Peer(granted=None, pongs=bool(subscriptions)), subscriptions=subscriptions, keepalive_s=60)


@pytest.mark.parametrize("proof", ["puback", "pong", None])
def test_the_waits_grow_until_a_broker_has_proved_to_be_there(proof: str | None) -> None:
    """Up to a minute between attempts; after an answer to a message or a ping they begin anew, after a CONNACK not."""

    async def job(client: Client, peer: Peer) -> None:
        peer.is_reachable = False
        peer.hang_up()
        await asyncio.sleep(2 + 4 + 8 + 16 + 32 + 60 + 60 + 30)
        peer.is_reachable, peer.pongs = True, proof == "pong"
        await asyncio.sleep(31)
        assert client.online
        if proof == "puback":
            client.send("t", b"", lambda: None)
            await settle()
        peer.hang_up()
        await asyncio.sleep(100)

    times = [asked[-1] for asked in walk_of(job, Peer(pongs=False), keepalive_s=6000).asked]
    waits = [round(later - earlier) for earlier, later in pairwise(times)]
    assert waits == [2, 4, 8, 16, 32, 60, 60, 60, 2 + 1 if proof else 60 + 1]


def test_the_shortest_wait_is_a_second() -> None:
    """Chance never makes it less, as AWS IoT Core allows one CONNECT a second; and closing takes no time."""

    async def job(_client: Client, peer: Peer) -> None:
        for _ in range(5):
            peer.hang_up()
            await asyncio.sleep(1)
            await settle()

    asked = walk_of(job, random=Constant(0.0)).asked
    assert [round(each[-1], 3) for each in asked] == [0, 1, 2, 3, 4, 5]


# A broker that hangs up


@pytest.mark.parametrize("forgets", [True, False])
def test_a_hang_up_with_messages_under_way(forgets: bool) -> None:
    """The owner is asked: what it takes back is gone, and makes room for what waits; else it goes again."""
    asked: list[bool] = []

    async def job(client: Client, peer: Peer) -> None:
        peer.acks = False
        client.send("t", b"x", lambda: None)
        late = asyncio.create_task(client.publish("t", b"late"))
        await settle()
        peer.acks = True
        peer.hang_up()
        await asyncio.sleep(5)
        assert late.done()
        assert client.quiet()

    def hung_up() -> bool:
        asked.append(True)
        return forgets

    peer = walk_of(job, window=1, on_hang_up=hung_up)
    assert asked == [True]
    again = [] if forgets else [b"x"]
    assert [packet.body[5:] for packet in peer.of(PUBLISH)] == [b"x", *again, b"late"]


def test_nobody_is_online_while_the_owner_is_asked() -> None:
    """What the owner has to say of a hang-up waits for the next connection: the old one takes nothing any more."""
    states: list[bool] = []

    clients: list[Client] = []

    def hung_up() -> bool:
        states.append(clients[0].online)
        return False

    async def job(client: Client, peer: Peer) -> None:
        clients.append(client)
        peer.acks = False
        client.send("t", b"x", lambda: None)
        await settle()
        peer.hang_up()
        await settle()

    walk_of(job, on_hang_up=hung_up)
    assert states == [False]


def test_a_hang_up_that_no_message_can_have_caused_is_not_asked_about() -> None:
    """With nothing under way, or before the client was online: the broker has not seen a message of this connection."""
    asked: list[bool] = []

    async def job(client: Client, peer: Peer) -> None:
        peer.hang_up()
        await settle()
        peer.granted = None
        client.send("t", b"x", lambda: None)
        for _ in range(3):
            await asyncio.sleep(65)
            peer.hang_up()
        await settle()
        assert client.connects >= 3
        assert client.in_flight == 1

    walk_of(job, subscriptions=("a",), on_hang_up=lambda: asked.append(True))
    assert asked == []


def test_a_message_outlives_hang_ups_that_nobody_asks_about() -> None:
    """Without an owner to ask, a message goes again with every connection until it is acknowledged."""

    async def job(client: Client, peer: Peer) -> None:
        peer.acks = False
        sending = asyncio.create_task(client.publish("t", b"x"))
        for _ in range(3):
            await settle()
            peer.hang_up()
            await asyncio.sleep(10)
        peer.acks = True
        peer.hang_up()
        await asyncio.sleep(60)
        assert sending.done()

    assert [packet.head for packet in walk_of(job).of(PUBLISH)] == [0x32, 0x3A, 0x3A, 0x3A, 0x3A]


# The farewell


def test_a_farewell_takes_no_longer_than_it_must() -> None:
    """The DISCONNECT is the last that the broker hears, and `run` ends at once."""

    async def whole() -> None:
        peer = Peer()
        client = client_of(peer)
        running = asyncio.create_task(client.run())
        await settle()
        client.send("t", b"x", lambda: None)
        await client.disconnect()
        await running
        assert now() < 0.5
        assert [packet.kind for packet in peer.packets] == [CONNECT, PINGREQ, PUBLISH, DISCONNECT]
        assert (client.online, peer.wires[0].is_closed) == (False, True)

    in_no_time(whole())


def test_a_farewell_ends_when_its_connection_does() -> None:
    """Who leaves over a connection that takes nothing, and then breaks, does not wait for ever."""

    async def whole() -> None:
        peer = Peer()
        client = client_of(peer)
        running = asyncio.create_task(client.run())
        await settle()
        peer.wires[0].is_slow = True
        leaving = asyncio.create_task(client.disconnect())
        await asyncio.sleep(5)
        assert not leaving.done()
        peer.hang_up()
        await asyncio.sleep(0.1)
        assert leaving.done()
        await running
        assert len(peer.asked) == 1

    in_no_time(whole())


@pytest.mark.parametrize("context", [None, "a context"])
def test_a_name_in_the_certificate_is_looked_for_with_tls_only(context: Any) -> None:
    """The board's own way to a connection is asked with address, TLS, and the name that the broker must prove."""

    async def job(client: Client, _peer: Peer) -> None:
        assert client.online

    assert walk_of(job, ssl_context=context).asked == [("broker", 8883, context, context and "name", 0)]

"""The gate in everyday life: relaying, taking over, wills, limits, broken packets, slow readers, and its account."""

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from certs.authority import Authority
from local_cloud.errors import GateError, SpoolError

GATEWAY = "irrigation-gateway-1"
OTHER = "irrigation-gateway-2"
COMPUTE = "irrigation-compute"
FLEET = [f"irrigation-gateway-{number}" for number in range(1, 51)]
COMMANDS = f"irrigation/control/{GATEWAY}/command"
DATA = f"irrigation/sensors/{GATEWAY}.soil/data"
READINGS = "irrigation/sensors/+/data"
STATUS = "irrigation/gateway/status"


async def test_readings_and_commands_pass(world: Any, broker: str) -> None:
    """What the policies allow goes through, both ways, in order."""
    async with world(broker) as w:
        compute = await w.connected(COMPUTE, READINGS)
        gateway = await w.connected(GATEWAY, COMMANDS)
        for number in range(50):
            await gateway.publish(DATA, b'{"n":%d}' % number)
        assert [json.loads((await compute.message())[1])["n"] for _ in range(50)] == list(range(50))
        await compute.publish(COMMANDS, b"{}")
        assert await gateway.message() == (COMMANDS, b"{}")
        await w.quiet()
        assert w.cloud.gate.activity() >= 100
        assert w.refusals() == []


async def test_a_newer_connection_takes_over(world: Any, broker: str) -> None:
    """The same thing connecting again ends its older connection and keeps its session, as on IoT Core."""
    async with world(broker) as w:
        older = await w.connected(GATEWAY, COMMANDS, clean=False)
        newer = await w.open(GATEWAY)
        assert await newer.connect(GATEWAY, clean=False) == (1, 0)
        assert await older.closed()
        compute = await w.connected(COMPUTE)
        await compute.publish(COMMANDS)
        assert (await newer.message())[0] == COMMANDS
        await w.quiet()
        assert w.cloud.gate.connected() == [COMPUTE, GATEWAY]


async def test_a_will_speaks_for_who_vanishes(world: Any, broker: str) -> None:
    """The will comes when a client is gone without a word, and not after a farewell; the account comes to rest."""
    async with world(broker) as w:
        compute = await w.connected(COMPUTE, STATUS)
        polite = await w.connected(OTHER, will=(STATUS, b"never"))
        await polite.disconnect()
        gone = await w.connected(GATEWAY, will=(STATUS, b"offline"))
        gone.vanish()
        assert await compute.message() == (STATUS, b"offline")
        assert await compute.silent(0.2)
        await w.quiet()


async def test_keepalive_ends_a_silent_client(world: Any, broker: str) -> None:
    """A client that stays connected and says nothing for 1.5 times its keepalive is cut off, and its will delivered."""
    async with world(broker) as w:
        compute = await w.connected(COMPUTE, STATUS)
        silent = await w.connected(GATEWAY, keepalive_s=1, will=(STATUS, b"offline"))
        assert await compute.message() == (STATUS, b"offline")
        assert await silent.closed()
        await w.quiet()


LIMITS: list[tuple[str, Callable[[Any], None], str]] = [
    ("too much", lambda c: c.send_publish(DATA, b"x" * (128 * 1024 + 1)), "131073 bytes"),
    ("far too much", lambda c: c.send_publish(DATA, b"x" * (256 * 1024)), "at most"),
    ("CONNECT twice", lambda c: c.send(b"\x10\x10\0\4MQTT\4\2\0\x1e\0\4gw-1"), "not for a client"),
    ("bad flags", lambda c: c.send(b"\x80\x00"), "flags"),
    ("endless length", lambda c: c.send(b"\x30\xff\xff\xff\xff\xff"), "remaining length"),
    ("identifier 0", lambda c: c.send(b"\x32\x07\x00\x03a/b\x00\x00"), "identifier 0"),
    ("noise", lambda c: c.send(bytes(range(255, 0, -1))), "remaining length"),
]


async def test_limits_and_broken_packets_end_that_connection_only(world: Any) -> None:
    """Each breach disconnects its sender, leaves one record with the reason, and nobody else notices."""
    async with world() as w:
        other = await w.connected(OTHER)
        for name, breach, why in LIMITS:
            client = await w.connected(GATEWAY)
            w.records.clear()
            breach(client)
            assert await client.closed(), name
            assert [why in record["why"] for record in w.records] == [True], (name, w.records)
        await other.ping()
        await w.quiet()


async def test_128_kib_pass(world: Any) -> None:
    """The largest message that IoT Core takes arrives whole, and is in the spool."""
    async with world() as w:
        compute = await w.connected(COMPUTE, READINGS)
        gateway = await w.connected(GATEWAY)
        payload = json.dumps({"x": "y" * (128 * 1024 - 9)}).encode()
        await gateway.publish(DATA, payload)
        assert (await compute.message())[1] == payload
        assert w.cloud.rule.received == 1


async def test_what_came_before_a_breach_still_counts(world: Any) -> None:
    """Good packets in the same piece of the stream as a bad one are relayed."""
    async with world() as w:
        compute = await w.connected(COMPUTE, READINGS)
        gateway = await w.connected(GATEWAY)
        gateway.send(
            b"".join([b"\x30" + bytes([2 + len(DATA) + 2, 0, len(DATA)]) + DATA.encode() + b"{}", b"\x00\x00"])
        )
        assert await gateway.closed()
        assert (await compute.message()) == (DATA, b"{}")


async def test_a_silent_socket_is_closed(world: Any) -> None:
    """A client that connects and says nothing does not stay."""
    async with world() as w:
        w.cloud.gate._connect_limit_s = 0.3
        client = await w.open(GATEWAY)
        assert await client.closed()


async def test_the_record_is_on_disk_before_the_puback(world: Any, tmp_path: Any, broker: str) -> None:
    """Whoever has a PUBACK can rely on the spool file."""
    async with world(broker) as w:
        gateway = await w.connected(GATEWAY)
        for number in range(20):
            await gateway.publish(DATA, b'{"n":%d}' % number)
            (spool,) = (tmp_path / "spool").glob("readings-*.jsonl")
            assert json.loads(spool.read_bytes().splitlines()[-1])["n"] == number


async def test_no_puback_without_a_record(world: Any) -> None:
    """If the rule cannot write, the publisher is cut off without a PUBACK, and the gate says that it failed."""
    async with world() as w:

        def no_disk(*_: object) -> None:
            raise SpoolError("no space left on device")

        w.cloud.gate.on_publish = no_disk
        compute = await w.connected(COMPUTE, READINGS)
        gateway = await w.connected(GATEWAY)
        with pytest.raises((asyncio.IncompleteReadError, OSError)):
            await gateway.publish(DATA)
        assert w.cloud.gate.failed.is_set()
        assert isinstance(w.cloud.gate.failure, SpoolError)
        assert await compute.silent(0.2)


async def test_in_flight_until_the_subscriber_acknowledges(world: Any, broker: str) -> None:
    """A reading is in flight until compute's own PUBACK, and the description names who is late."""
    async with world(broker) as w:
        gate = w.cloud.gate
        compute = await w.connected(COMPUTE, READINGS)
        compute.acks = False
        gateway = await w.connected(GATEWAY)
        assert gate.in_flight() == 0
        await gateway.publish(DATA)
        assert gate.in_flight() == 1
        await compute.message()
        assert gate.describe_in_flight() == "irrigation-compute: 1 delivered, and not acknowledged by it"
        compute.ack(compute.held)
        await w.quiet()
        assert gate.describe_in_flight() == "nothing is in flight"


async def test_a_redelivery_neither_sticks_nor_settles_another(world: Any, broker: str) -> None:
    """What a stored session gets again counts once while held; the account is at zero when all is acknowledged."""
    async with world(broker) as w:
        gateway = await w.connected(GATEWAY)
        compute = await w.connected(COMPUTE, READINGS, clean=False)
        compute.acks = False
        await gateway.publish(DATA, b'{"n":1}')
        await compute.message()
        compute.vanish()
        await w.quiet()
        await gateway.publish(DATA, b'{"n":2}')
        await w.quiet()
        back = await w.open(COMPUTE)
        assert await back.connect(COMPUTE, clean=False) == (1, 0)
        again = sorted([await back.message(), await back.message()])
        assert [payload for _, payload in again] == [b'{"n":1}', b'{"n":2}']
        await gateway.publish(DATA, b'{"n":3}')
        assert (await back.message())[1] == b'{"n":3}'
        await w.quiet()


async def test_an_ended_subscription_is_not_waited_for(world: Any, broker: str) -> None:
    """After an UNSUBSCRIBE nothing is expected."""
    async with world(broker) as w:
        compute = await w.connected(COMPUTE, READINGS, STATUS)
        gateway = await w.connected(GATEWAY)
        await compute.unsubscribe(READINGS)
        await gateway.publish(DATA)
        await gateway.publish(STATUS)
        assert (await compute.message())[0] == STATUS
        await w.quiet()


async def test_publishers_that_vanish_leave_nothing_in_flight(world: Any, broker: str) -> None:
    """Whenever a publisher dies, the account comes to rest."""
    async with world(broker) as w:
        compute = await w.connected(COMPUTE, READINGS, STATUS)
        reading = asyncio.create_task(compute.closed())
        for _ in range(10):
            gateway = await w.connected(GATEWAY, will=(STATUS, b"offline"))
            for _ in range(20):
                gateway.send_publish(DATA)
            await asyncio.sleep(0)
            gateway.vanish()
        await w.quiet()
        reading.cancel()


async def test_a_delivery_that_is_denied_is_swallowed(world: Any, broker: str, aws: Callable[[str], Any]) -> None:
    """Without Receive a subscriber stays connected and hears nothing; the broker is told, so nothing is in flight."""
    async with world(broker) as w:
        statement = {"Effect": "Deny", "Action": "iot:Receive", "Resource": "arn:aws:iot:us-east-1:*:topic/*/command"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        aws("iot").create_policy(policyName="deaf", policyDocument=document)
        principal = aws("iot").list_thing_principals(thingName=GATEWAY)["principals"][0]
        aws("iot").attach_policy(policyName="deaf", target=principal)
        await asyncio.to_thread(w.cloud.registry.load)
        gateway = await w.connected(GATEWAY, COMMANDS, "irrigation/system/updates", clean=False)
        compute = await w.connected(COMPUTE)
        await compute.publish(COMMANDS)
        await compute.publish("irrigation/system/updates")
        assert (await gateway.message())[0] == "irrigation/system/updates"
        await w.quiet()
        assert w.refusals() == [(GATEWAY, f"receive {COMMANDS}")]
        await gateway.disconnect()
        back = await w.open(GATEWAY)
        assert await back.connect(GATEWAY, clean=False) == (1, 0)
        assert await back.silent(0.2)
        assert len(w.refusals()) == 1


async def test_a_shared_subscription_delivers_once(world: Any) -> None:
    """With mosquitto, a shared subscription is expected once, and settles."""
    async with world("mosquitto") as w:
        compute = await w.connected(COMPUTE, f"$share/workers/{READINGS}")
        gateway = await w.connected(GATEWAY)
        for _ in range(5):
            await gateway.publish(DATA)
        for _ in range(5):
            await compute.message()
        await w.quiet()
        assert await compute.silent(0.1)


async def test_the_embedded_broker_says_that_it_cannot_share(world: Any) -> None:
    """aedes would grant a shared subscription and deliver nothing: here it is refused."""
    async with world("embedded") as w:
        client = await w.connected(COMPUTE)
        assert await client.subscribe(f"$share/workers/{READINGS}") == b"\x80"


async def test_qos_0_does_not_lose_anybodys_qos_1(world: Any, broker: str) -> None:
    """A gateway that publishes at QoS 0 does not make the broker drop another's readings."""
    async with world(broker) as w:
        compute = await w.connected(COMPUTE, READINGS)
        gateway, other = await w.connected(GATEWAY), await w.connected(OTHER)
        for number in range(300):
            gateway.send_publish(DATA, b'{"n":%d}' % number)
            other.send_publish(f"irrigation/sensors/{OTHER}.soil/data", qos=0)
            if number % 10 == 0:
                await asyncio.sleep(0)
        seen: set[bytes] = set()
        while len(seen) < 300:
            topic, payload = await compute.message()
            if topic == DATA:
                seen.add(payload)
        await w.quiet()


async def test_a_stalled_reader_does_not_fill_the_memory(world: Any, broker: str) -> None:
    """While compute reads nothing, tens of MB are published, and the gate's memory stays small."""
    async with world(broker) as w:
        stalled = await w.connected(COMPUTE, READINGS)
        gateway = await w.connected(GATEWAY)
        before = psutil.Process(os.getpid()).memory_info().rss
        payload = b'"' + b"x" * 100_000 + b'"'

        async def pour() -> None:
            for _ in range(400):
                await gateway.publish(DATA, payload)

        w.cloud.gate.on_publish = lambda *_: None
        pouring = asyncio.create_task(pour())
        await asyncio.wait((pouring,), timeout=4)
        assert psutil.Process(os.getpid()).memory_info().rss - before < 24e6
        stalled.vanish()
        pouring.cancel()
        await asyncio.gather(pouring, return_exceptions=True)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifty gateways and compute, on an authority of their own."""
    authority = Authority(tmp_path_factory.mktemp("fleet"))
    authority.issue_server(["localhost", "127.0.0.1"])
    for thing in (COMPUTE, *FLEET):
        authority.issue(thing)
    return authority.folder


async def test_a_fleet_of_fifty(world: Any, broker: str, fleet: Path) -> None:
    """Fifty gateways at once connect, publish, hear a command to all of them, and leave; the account comes to rest."""
    everyone = "irrigation/control/all/command"

    async def live(w: Any, thing: str) -> None:
        client = await w.connected(thing, everyone)
        for _ in range(4):
            await client.publish(f"irrigation/sensors/{thing}.soil/data")
        assert (await client.message())[0] == everyone
        await client.ping()  # its acknowledgement has gone through
        await client.disconnect()

    async with world(broker, certs=fleet) as w:
        compute = await w.connected(COMPUTE, READINGS)
        gateways = [asyncio.create_task(live(w, thing)) for thing in FLEET]
        heard = [await compute.message() for _ in range(4 * len(FLEET))]
        assert len({topic for topic, _ in heard}) == len(FLEET)
        await compute.publish(everyone)
        await asyncio.gather(*gateways)
        await w.quiet()
        while w.cloud.gate.connected() != [COMPUTE]:
            await asyncio.sleep(0.01)


async def test_a_port_that_is_taken_is_one_line(world: Any) -> None:
    """A second gate on the same port says so, with the remedy."""
    async with world() as w:
        with pytest.raises(GateError, match="choose another port"):
            await w.cloud.gate.start("127.0.0.1", w.cloud.port)

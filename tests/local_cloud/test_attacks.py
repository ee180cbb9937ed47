"""Every attack that some broker fell for is refused here, with either broker behind the gate."""

import asyncio
import shutil
import ssl
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from certs.authority import Authority
from local_cloud.gate import Gate
from tests.waiting import LAST_RESORT_S

VICTIM = "irrigation-gateway-1"
ATTACKER = "irrigation-gateway-2"
COMPUTE = "irrigation-compute"
COMMANDS = f"irrigation/control/{VICTIM}/command"
READINGS = "irrigation/sensors/+/data"


async def assert_still_subscribed(world: Any, victim: Any) -> None:
    compute = await world.connected(COMPUTE)
    await compute.publish(COMMANDS, b'{"hello":1}')
    assert await victim.message() == (COMMANDS, b'{"hello":1}')


async def test_no_certificate_does_not_reach_a_stored_session(world: Any, broker: str) -> None:
    """Without a certificate nobody takes over the stored session of a gateway."""
    async with world(broker) as w:
        victim = await w.connected(VICTIM, COMMANDS, clean=False)
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            attacker = await w.open(None)
            await attacker.connect(VICTIM, clean=False)
        await assert_still_subscribed(w, victim)


async def test_another_authoritys_certificate_is_refused_by_tls(world: Any, broker: str, tmp_path: Path) -> None:
    """A certificate in the victim's name from somebody else's CA does not get through TLS."""
    forged = Authority(tmp_path / "forged").issue(VICTIM)
    async with world(broker) as w:
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            attacker = await w.open(forged)
            await attacker.connect(VICTIM)


@pytest.mark.parametrize("clean", [False, True])
async def test_another_things_certificate_cannot_take_an_id(world: Any, broker: str, clean: bool) -> None:
    """A CONNECT with the victim's id is refused, clean session or not, and the victim stays subscribed."""
    async with world(broker) as w:
        victim = await w.connected(VICTIM, COMMANDS, clean=False)
        attacker = await w.open(ATTACKER)
        _, code = await attacker.connect(VICTIM, clean=clean)
        assert code != 0
        assert await attacker.closed()
        assert w.refusals() == [(ATTACKER, f"connect as {VICTIM!r}")]
        await assert_still_subscribed(w, victim)


async def test_the_stored_session_outlives_an_attack_on_it(world: Any, broker: str) -> None:
    """What was queued for an absent gateway is there after somebody else asked for a clean session in its name."""
    async with world(broker) as w:
        victim = await w.connected(VICTIM, COMMANDS, clean=False)
        await victim.disconnect()
        compute = await w.connected(COMPUTE)
        for number in range(5):
            await compute.publish(COMMANDS, b"%d" % number)
        attacker = await w.open(ATTACKER)
        await attacker.connect(VICTIM, clean=True)
        back = await w.open(VICTIM)
        assert await back.connect(VICTIM, clean=False) == (1, 0)
        assert [(await back.message())[1] for _ in range(5)] == [b"0", b"1", b"2", b"3", b"4"]


async def test_a_foreign_will_is_refused(world: Any, broker: str) -> None:
    """A will on a topic that its client may not publish to is refused with the CONNECT."""
    async with world(broker) as w:
        victim = await w.connected(VICTIM, COMMANDS)
        attacker = await w.open(ATTACKER)
        _, code = await attacker.connect(ATTACKER, will=(COMMANDS, b"open!"))
        assert code == 5
        assert await attacker.closed()
        assert w.refusals() == [(ATTACKER, f"will {COMMANDS}")]
        assert await victim.silent()


async def test_a_retained_will_is_refused(world: Any, broker: str) -> None:
    """A will that would stay behind needs RetainPublish, which nobody has."""
    async with world(broker) as w:
        attacker = await w.open(ATTACKER)
        _, code = await attacker.connect(ATTACKER, will=("irrigation/gateway/status", b"{}"), will_retain=True)
        assert code == 5


async def test_no_retained_command_waits_for_a_newcomer(world: Any, broker: str) -> None:
    """Even compute cannot leave a command behind for whoever subscribes next."""
    async with world(broker) as w:
        compute = await w.connected(COMPUTE)
        compute.send_publish(COMMANDS, b"open!", retain=True)
        assert await compute.closed()
        assert w.refusals() == [(COMPUTE, f"publish {COMMANDS}")]
        newcomer = await w.connected(VICTIM, COMMANDS)
        assert await newcomer.silent()


async def test_a_revoked_certificate_is_cut_off(
    world: Any, broker: str, aws: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection ends at the gate's next look after its certificate's revocation, and cannot be made again.

    The gate looks every 0.75 s, and one look may be under way: 1.5 s at most, on a machine that has time for it.
    """
    assert signature(Gate).parameters["check_every_s"].default <= 0.75
    async with world(broker) as w:
        other = await w.connected(ATTACKER)
        device = await w.connected(VICTIM)
        principal = aws("iot").list_thing_principals(thingName=VICTIM)["principals"][0]
        aws("iot").update_certificate(certificateId=principal.split("/")[1], newStatus="INACTIVE")
        looks, look = [], w.cloud.registry.refresh

        def refresh() -> None:
            looks.append(w.refusals())
            look()

        monkeypatch.setattr(w.cloud.registry, "refresh", refresh)
        assert await device.closed()
        assert looks.count([]) <= 1
        assert w.refusals() == [(VICTIM, "connection")]
        again = await w.open(VICTIM)
        assert (await again.connect(VICTIM))[1] == 5
        await other.ping()


FOREIGN_TOPICS = (
    "irrigation/sensors/irrigation-gateway-10.soil/data",
    "irrigation/sensors/irrigation-gateway-1/data",
    "irrigation/sensors/irrigation-gateway-1.a/b/data",
    "irrigation/control/irrigation-gateway-10/ack",
    "irrigation/control/irrigation-gateway-1/command",
    "irrigation/system/updates",
    "$SYS/broker/uptime",
)


async def test_a_gateway_speaks_only_for_itself(world: Any, broker: str) -> None:
    """A publish on another's topic ends the connection, arrives nowhere, and is never acknowledged."""
    async with world(broker) as w:
        compute = await w.connected(COMPUTE, READINGS, "irrigation/control/+/ack")
        for topic in FOREIGN_TOPICS:
            attacker = await w.connected(VICTIM)
            attacker.send_publish(topic)
            assert await attacker.closed(), topic
        assert w.refusals() == [(VICTIM, f"publish {topic}") for topic in FOREIGN_TOPICS]
        assert await compute.silent(0.2)
        assert w.cloud.rule.received == 0


async def test_a_publish_to_a_wildcard_ends_the_connection(world: Any, broker: str) -> None:
    """A wildcard is no topic to publish to."""
    async with world(broker) as w:
        for topic in ("irrigation/sensors/+/data", "irrigation/#", "#"):
            attacker = await w.connected(VICTIM)
            attacker.send_publish(topic)
            assert await attacker.closed(), topic
        assert w.refusals() == [(VICTIM, "packet")] * 3


async def test_a_foreign_subscription_ends_the_connection(world: Any, broker: str) -> None:
    """A filter that its policy does not hold, word for word, disconnects as on IoT Core."""
    foreign = ("#", "irrigation/control/+/command", f"irrigation/control/{ATTACKER}/command", "$share/g/#")
    async with world(broker) as w:
        for topic_filter in foreign:
            attacker = await w.connected(VICTIM, COMMANDS)
            attacker.send_subscribe(COMMANDS, topic_filter)
            assert await attacker.closed(), topic_filter
        assert w.refusals() == [(VICTIM, f"subscribe {topic_filter}") for topic_filter in foreign]


async def test_paho_as_an_attacker_is_disconnected(world: Any, broker: str, certs: Path) -> None:
    """A common client library sees the same: connected, then cut off at its foreign publish."""
    async with world(broker) as w:
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=VICTIM)
        context = ssl.create_default_context(cafile=certs / "ca" / "certificate.pem")
        context.load_cert_chain(certs / VICTIM / "certificate.pem", certs / VICTIM / "private_key.pem")
        client.tls_set_context(context)

        def attack(*_: Any) -> None:
            client.publish(f"irrigation/sensors/{ATTACKER}.soil/data", b"{}", qos=1)

        def stay_away(*_: Any) -> None:
            client.disconnect()
            loop.call_soon_threadsafe(ended.set)

        client.on_connect, client.on_disconnect = attack, stay_away
        await asyncio.to_thread(client.connect, "localhost", w.cloud.port)
        client.loop_start()
        await asyncio.wait_for(ended.wait(), LAST_RESORT_S)
        await asyncio.to_thread(client.loop_stop)
        assert w.refusals()[0] == (VICTIM, f"publish irrigation/sensors/{ATTACKER}.soil/data")


async def test_an_unregistered_thing_of_our_own_authority_is_refused(
    world: Any, broker: str, certs: Path, tmp_path: Path
) -> None:
    """A certificate that our CA signed, but that nobody registered, does not connect."""
    shutil.copytree(certs / "ca", tmp_path / "ours" / "ca")
    stranger = Authority(tmp_path / "ours").issue("irrigation-gateway-99")
    async with world(broker) as w:
        client = await w.open(stranger)
        assert (await client.connect("irrigation-gateway-99"))[1] == 5

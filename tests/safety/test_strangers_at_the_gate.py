"""Strangers at the gate: a gateway with a valid certificate of its own cannot speak in another's name."""

import asyncio
from contextlib import closing
from typing import Any, NamedTuple, cast

import pytest

from compute_service.adapters.sqlite.store import SqliteStore
from local_cloud.gate import _admit, _Peer, _peer_of, _RefusedError
from local_cloud.packets import Connect
from local_cloud.policy import Policy
from local_cloud.registry import Registration
from protocol import messages, topics
from tests.compute_service.bench import NOON
from tests.local_cloud.conftest import aws, certs, moto_endpoint, world
from tests.safety.garbage import GATEWAY, OTHER, TOPICS, documents, payload, rows
from tests.safety.test_strangers import Compute
from tests.waiting import LAST_RESORT_S

__all__ = ["aws", "certs", "moto_endpoint", "world"]  # fixtures


class Attack(NamedTuple):
    """What a gateway tries with its own, valid certificate."""

    topic: str
    kind: str


ATTACKS = (
    *(Attack(TOPICS[kind], kind) for kind in TOPICS),
    Attack(topics.command(topics.GROUP_ALL), "command"),
    Attack(topics.command(OTHER), "command"),  # not even to itself
)


PLACES = {  # where the gate lets a gateway report: on its own topics, and on those of older firmware
    "status": (topics.status(OTHER), topics.OLD_STATUS),
    "error": (topics.errors(OTHER), topics.OLD_ERRORS),
    "diagnostics": (topics.diagnostics(OTHER), topics.OLD_DIAGNOSTICS),
}


def test_a_certificate_is_good_for_its_own_name_only() -> None:
    """Even if the registry gives a certificate two things, its client id must be the name that stands in it."""
    allow = {"Effect": "Allow", "Action": "iot:Connect", "Resource": "arn:aws:iot:us-east-1:1:client/*"}
    policy = Policy([{"Version": "2012-10-17", "Statement": [allow]}], OTHER, "arn:aws:iot:us-east-1:1")
    both = Registration("arn", "f", frozenset({GATEWAY, OTHER}), {GATEWAY: policy, OTHER: policy})

    def admit(client_id: str, things: Registration | None) -> Policy:
        return _admit(
            things,
            _Peer(OTHER, "f"),
            Connect(protocol="MQTT", level=4, client_id=client_id, clean=True, keepalive_s=30, will=None),
        )

    foreign = Registration("arn", "f", frozenset({GATEWAY}), {GATEWAY: policy})
    assert admit(OTHER, both) is policy
    for client_id, things in ((GATEWAY, both), ("", both), (f"{OTHER}0", both), (OTHER, None), (OTHER, foreign)):
        with pytest.raises(_RefusedError, match=rf"^connect as '{client_id}': "):
            admit(client_id, things)


def test_a_certificate_with_two_names_has_none() -> None:
    """A subject with two common names could be read as either: it is nobody, and connects as nobody."""

    class Tls:
        def getpeercert(self, binary_form: bool = False) -> Any:
            names = tuple((("commonName", name),) for name in subject)
            return b"der" if binary_form else {"subject": ((("organizationName", "PythoFlow"),), *names)}

    class Writer:
        def get_extra_info(self, _name: str) -> Tls:
            return Tls()

    peers = {}
    for subject in ((OTHER,), (OTHER, GATEWAY), (GATEWAY, OTHER), ()):
        peers[subject] = _peer_of(cast("asyncio.StreamWriter", Writer())).thing
    assert peers == {(OTHER,): OTHER, (OTHER, GATEWAY): "", (GATEWAY, OTHER): "", (): ""}


def test_a_policy_that_denies_connect_is_obeyed() -> None:
    """Whose policies allow everything but to connect stays outside, as at AWS."""
    publish = {"Effect": "Allow", "Action": "iot:Publish", "Resource": "*"}
    policy = Policy([{"Version": "2012-10-17", "Statement": [publish]}], OTHER, "arn:aws:iot:us-east-1:1")
    registration = Registration("arn", "f", frozenset({OTHER}), {OTHER: policy})
    connect = Connect(protocol="MQTT", level=4, client_id=OTHER, clean=True, keepalive_s=30, will=None)
    with pytest.raises(_RefusedError, match="not allowed by its policy"):
        _admit(registration, _Peer(OTHER, "f"), connect)


def test_the_gate_lets_nobody_speak_for_another(world: Any) -> None:
    """With its own certificate a gateway can neither connect, publish, nor leave a will in another's name."""
    good = documents(NOON + 10)

    async def walk() -> None:
        async with world() as w:
            heard = await w.connected("irrigation-compute", *topics.from_gateways())
            victim = await w.connected(GATEWAY, *topics.for_gateway(GATEWAY))
            for attack in ATTACKS:
                attacker = await w.connected(OTHER)
                attacker.send_publish(attack.topic, payload(good[attack.kind]))
                assert await attacker.closed(), attack
                assert w.refusals()[-1] == (OTHER, f"publish {attack.topic}")
            for attack in ATTACKS:
                attacker = await w.open(OTHER)
                assert (await attacker.connect(OTHER, will=(attack.topic, payload(good[attack.kind]))))[1] != 0
                assert w.refusals()[-1] == (OTHER, f"will {attack.topic}")
            attacker = await w.open(OTHER)
            assert (await attacker.connect(GATEWAY))[1] != 0
            assert w.refusals()[-1] == (OTHER, f"connect as {GATEWAY!r}")
            assert len(w.refusals()) == 2 * len(ATTACKS) + 1
            assert await victim.silent(0.2)
            assert heard.inbox == []

    asyncio.run(asyncio.wait_for(walk(), 2 * LAST_RESORT_S))


def test_what_the_gate_lets_pass_compute_holds_against_the_farm(world: Any) -> None:
    """On its own topics, and on those of older firmware, a foreign name and garbage get past the gate, no further."""
    chosen = {"wrong identity", "not UTF-8", "unknown version", "a name twice"}
    garbage = [row for row in rows(documents(NOON + 10)) if row.garbage in chosen and row.kind in PLACES]
    passing = [row._replace(topic=PLACES[row.kind][0]) for row in garbage]
    passing += [
        row._replace(topic=PLACES[row.kind][1]) for row in garbage if row.detail != "on the topic of another gateway"
    ]

    async def walk(compute: Compute) -> None:
        async with world() as w:
            heard = await w.connected("irrigation-compute", *topics.from_gateways())
            sender = await w.connected(OTHER)
            kept = compute.kept()
            for number, row in enumerate(passing, start=1):
                await sender.publish(row.topic, row.payload)
                compute.bench.service.handle(*await heard.message())
                assert compute.kept() == kept, row
                assert compute.store.updates.counters()["refusals"] == number, row
            assert w.refusals() == []
            assert len(passing) > 60

    with closing(SqliteStore(":memory:")) as store:
        asyncio.run(asyncio.wait_for(walk(Compute(store)), 2 * LAST_RESORT_S))


@pytest.mark.parametrize("size", [messages.MAX_BYTES + 1, 2**20])
def test_the_gate_passes_nothing_too_big(world: Any, size: int) -> None:
    """More than 128 KB ends the connection, with one refusal, and reaches nobody."""

    async def walk() -> None:
        async with world() as w:
            heard = await w.connected("irrigation-compute", *topics.from_gateways())
            sender = await w.connected(OTHER)
            sender.send_publish(topics.status(OTHER), b" " * size)
            assert await sender.closed()
            assert [thing for thing, _ in w.refusals()] == [OTHER]
            assert await heard.silent(0.2)

    asyncio.run(asyncio.wait_for(walk(), 2 * LAST_RESORT_S))

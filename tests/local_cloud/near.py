"""A gate seen from close by: real TLS and real sockets, an inner broker that does what the test says, no other process.

It shows what no real broker does when asked: to read nothing, to answer late, to stay when it should go.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from certs.authority import REVOKED
from local_cloud import packets
from local_cloud.gate import Gate, server_tls
from local_cloud.packets import Packet, Splitter
from local_cloud.registry import Registry
from tests.local_cloud.conftest import COMPUTE, GATEWAYS, NOW, World, packet, text
from tests.waiting import LAST_RESORT_S, eventually

SCOPE = "arn:aws:iot:us-east-1:123456789012"
PATIENCE_S = LAST_RESORT_S / 4  # of a test that needs some hundredths, and no other process
KEPT, SECRET = "kept/a", "secret/a"  # the only topic to retain on; one that nobody hears
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["iot:Connect", "iot:Publish", "iot:Subscribe", "iot:Receive"],
            "Resource": "*",
        },
        {"Effect": "Allow", "Action": "iot:RetainPublish", "Resource": f"{SCOPE}:topic/{KEPT}"},
        {"Effect": "Deny", "Action": "iot:Receive", "Resource": f"{SCOPE}:topic/{SECRET}"},
    ],
}


class Api:
    """The few answers of the AWS IoT API that the registry reads: a certificate a thing, one policy for all."""

    def __init__(self, certs: Path) -> None:
        self._pems = {thing: (certs / thing / "certificate.pem").read_text() for thing in (*GATEWAYS, COMPUTE)}
        self.status = dict.fromkeys(self._pems, "ACTIVE")
        self.looks = 0
        self.is_torn = False  # what it tells of a new certificate is cut off on the way

    def add_next(self, thing: str, pem: str) -> None:
        """A second certificate of a thing."""
        self._pems[f"{thing}.next"] = pem

    def get_paginator(self, _name: str) -> "Api":
        return self

    def paginate(self, **_options: Any) -> list[Any]:
        self.looks += 1
        names = [*self._pems, *(["new"] if self.is_torn else [])]
        rows = [
            {"certificateId": name, "certificateArn": f"{SCOPE}:cert/{name}", "status": self.status.get(name, "ACTIVE")}
            for name in names
        ]
        return [{"certificates": rows}]

    def describe_certificate(self, *, certificateId: str) -> Any:  # noqa: N803 - as the API calls it
        pem = self._pems.get(certificateId)
        return {"certificateDescription": {"certificatePem": pem}} if pem else {}

    def list_principal_things(self, *, principal: str) -> Any:
        return {"things": [principal.rpartition("/")[2].removesuffix(".next")]}

    def list_attached_policies(self, *, target: str) -> Any:
        return {"policies": [{"policyName": "all"}]}

    def get_policy(self, *, policyName: str) -> Any:  # noqa: N803 - as the API calls it
        return {"policyDocument": json.dumps(POLICY)}


@dataclass
class Link:
    """A connection of the gate's to the inner broker: what came, and whether it ended."""

    writer: asyncio.StreamWriter
    packets: list[Packet] = field(default_factory=list)
    has_ended: bool = False

    def kinds(self) -> list[int]:
        return [each.kind for each in self.packets]

    def deliver(self, topic: str, payload: bytes = b"{}", packet_id: int = 0) -> None:
        """At QoS 1 if it has a packet id."""
        body = text(topic) + (packet_id.to_bytes(2) if packet_id else b"") + payload
        self.writer.write(packet(0x32 if packet_id else 0x30, body))


class Inner:
    """The inner broker: answers everything, routes nothing, and can be told to read nothing or to stay."""

    def __init__(self) -> None:
        self.links: list[Link] = []
        self.session_present, self.code = 0, 0
        self.grants: dict[str, int] = {}  # filter -> what it gets, if not QoS 1
        self.mute: set[int] = set()  # kinds of packets that it does not answer
        self.reads, self.lets_go = asyncio.Event(), asyncio.Event()
        self.reads.set()
        self.lets_go.set()

    async def start(self) -> int:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        listener.bind(("127.0.0.1", 0))
        self._server = await asyncio.start_server(self._serve, sock=listener)
        port: int = listener.getsockname()[1]
        return port

    def stop(self) -> None:
        self.lets_go.set()
        self.reads.set()
        self._server.close()
        for link in self.links:
            link.writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link, splitter = Link(writer), Splitter(2**28)
        self.links.append(link)
        with suppress(OSError):
            while data := await reader.read(65536):
                for each in splitter.feed(data):
                    link.packets.append(each)
                    if each.kind not in self.mute:
                        writer.write(self._answer(each))
                await self.reads.wait()
        link.has_ended = True
        await self.lets_go.wait()
        writer.close()

    def _answer(self, each: Packet) -> bytes:
        if each.kind == packets.CONNECT:
            return bytes([0x20, 2, self.session_present, self.code])
        if each.kind == packets.SUBSCRIBE:
            grants = bytes(self.grants.get(name, 1) for name, _ in packets.read_subscribe(each)[1])
            return packet(0x90, each.body[:2] + grants)
        if each.kind == packets.UNSUBSCRIBE:
            return packet(0xB0, each.body[:2])
        if each.kind == packets.PUBLISH and (packet_id := packets.read_publish(each).packet_id):
            return packets.puback(packet_id)
        return b"\xd0\x00" if each.kind == packets.PINGREQ else b""


@dataclass
class Near(World):
    """As the world of the other tests, with the inner broker and the API in the test's hand."""

    gate: Gate
    inner: Inner
    api: Api
    published: list[tuple[str, str, bytes]]
    errors: list[BaseException]  # of which nobody but the loop heard

    def link(self) -> Link:
        """The newest connection to the broker."""
        return self.inner.links[-1]

    async def looked(self, more: int = 2) -> None:
        """Return after so many more looks at the registry; one may have begun before."""
        before = self.api.looks
        await eventually(lambda: self.api.looks > before + more, "a look at the registry")


def publish(topic: str, payload: bytes = b"{}", head: int = 0x30) -> bytes:
    """A PUBLISH, with packet id 7 if its head has a QoS."""
    return packet(head, text(topic) + (b"\0\7" if head & 6 else b"") + payload)


@asynccontextmanager
async def near(certs: Path, tmp_path: Path, **options: Any) -> AsyncIterator[Near]:
    """A gate that never looks at its registry and never loses patience, if `options` do not say so."""
    inner, api = Inner(), Api(certs)
    registry = Registry(cast(Any, api), tmp_path / REVOKED)
    registry.load()
    records: list[Any] = []
    published: list[tuple[str, str, bytes]] = []
    errors: list[BaseException] = []
    never = {"connect_limit_s": LAST_RESORT_S, "check_every_s": 3600.0, "farewell_s": LAST_RESORT_S}
    gate = Gate(
        registry=registry,
        broker_port=await inner.start(),
        tls=server_tls(certs / "localhost", certs / "ca" / "certificate.pem"),
        now=lambda: NOW,
        record=records.append,
        on_publish=lambda *message: published.append(message),
        **{**never, **options},
    )
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: errors.append(context.get("exception") or RuntimeError(context["message"]))
    )
    cloud: Any = SimpleNamespace(gate=gate, port=await gate.start())
    world = Near(cloud, certs, records, [], gate, inner, api, published, errors)
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield world
    finally:
        async with asyncio.timeout(PATIENCE_S):
            for client in world.clients:
                await client.close()
            inner.stop()
            await gate.stop()
    assert errors == []


Start = Callable[..., AbstractAsyncContextManager[Near]]


@pytest.fixture
def start(certs: Path, tmp_path: Path) -> Start:
    """Starts a gate with `near`'s options."""
    return partial(near, certs, tmp_path)

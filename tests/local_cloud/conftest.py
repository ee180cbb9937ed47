"""A local IoT Core for each test, and a client that sends exactly what a test tells it to."""

import asyncio
import inspect
import logging
import os
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from certs.authority import Authority
from local_cloud.cloud import Cloud, serve
from tests.waiting import LAST_RESORT_S

GATEWAYS = ("irrigation-gateway-1", "irrigation-gateway-2", "irrigation-gateway-10")
COMPUTE = "irrigation-compute"
NOW = 1_780_000_000
BUCKET = "farm"


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine on an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), 2 * LAST_RESORT_S))
    return True


@pytest.fixture(scope="session")
def moto_endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer  # noqa: PLC0415  # half a second, of which most files need nothing

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def aws(moto_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """An empty AWS, as the environment tells it: gives clients by service."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    clients: dict[str, Any] = {}
    make: Any = boto3.client  # its overloads want literals

    def client(service: str) -> Any:
        return clients[service] if service in clients else clients.setdefault(service, make(service))

    _reset(moto_endpoint)
    yield client
    for made in clients.values():
        made.close()


def _reset(endpoint: str) -> None:
    import http.client  # noqa: PLC0415
    from urllib.parse import urlsplit  # noqa: PLC0415

    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc)
    connection.request("POST", "/moto-api/reset")
    connection.getresponse().read()
    connection.close()


@pytest.fixture(scope="session")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    authority = Authority(tmp_path_factory.mktemp("issued"))
    authority.issue_server(["localhost", "127.0.0.1"])
    for thing in (*GATEWAYS, COMPUTE):
        authority.issue(thing)
    return authority.folder


@pytest.fixture(params=["embedded", "mosquitto"])
def broker(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Client:
    """Raw MQTT over mutual TLS; `inbox` holds the messages that came while something else was waited for."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.inbox: list[tuple[str, bytes]] = []
        self.acks = True
        self._packet_id = 0

    def send(self, raw: bytes) -> None:
        self._writer.write(raw)

    async def connect(self, client_id: str, **options: Any) -> tuple[int, int]:
        """Gives session present and the return code."""
        self.send(connect_packet(client_id, **options))
        body = await self.wait_for(2)
        return body[0], body[1]

    async def publish(self, topic: str, payload: bytes = b"{}", qos: int = 1, retain: bool = False) -> None:
        """At QoS 1 return with the PUBACK."""
        self.send_publish(topic, payload, qos, retain)
        if qos:
            await self.wait_for(4)

    def send_publish(self, topic: str, payload: bytes = b"{}", qos: int = 1, retain: bool = False) -> None:
        head = 0x30 | qos << 1 | retain
        self.send(packet(head, text(topic) + (self._next_id() if qos else b"") + payload))

    async def subscribe(self, *filters: str) -> bytes:
        """Gives the return codes."""
        self.send_subscribe(*filters)
        return (await self.wait_for(9))[2:]

    def send_subscribe(self, *filters: str) -> None:
        self.send(packet(0x82, self._next_id() + b"".join(text(f) + b"\x01" for f in filters)))

    async def unsubscribe(self, *filters: str) -> None:
        self.send(packet(0xA2, self._next_id() + b"".join(text(f) for f in filters)))
        await self.wait_for(11)

    async def ping(self) -> None:
        self.send(b"\xc0\x00")
        await self.wait_for(13)

    async def message(self, limit_s: float = LAST_RESORT_S) -> tuple[str, bytes]:
        while not self.inbox:
            await asyncio.wait_for(self._take(), limit_s)
        return self.inbox.pop(0)

    async def silent(self, for_s: float = 0.4) -> bool:
        """True if no message comes."""
        try:
            await self.message(for_s)
        except TimeoutError:
            return True
        return False

    async def closed(self, limit_s: float = LAST_RESORT_S) -> bool:
        """True if the other side ends the connection, whatever it sends before."""
        try:
            async with asyncio.timeout(limit_s):
                while True:
                    await self._take()
        except TimeoutError:
            return False
        except (asyncio.IncompleteReadError, OSError):
            return True

    async def wait_for(self, kind: int) -> bytes:
        while (taken := await asyncio.wait_for(self._take(), LAST_RESORT_S))[0] != kind:
            pass
        return taken[1]

    def ack(self, packet_id: int) -> None:
        self.send(struct.pack("!BBH", 0x40, 2, packet_id))

    async def disconnect(self) -> None:
        self.send(b"\xe0\x00")
        await self.closed()

    def vanish(self) -> None:
        self._writer.transport.abort()

    async def close(self) -> None:
        self._writer.transport.abort()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def _take(self) -> tuple[int, bytes]:
        head = (await self._reader.readexactly(1))[0]
        length = shift = 0
        while True:
            byte = (await self._reader.readexactly(1))[0]
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        body = await self._reader.readexactly(length)
        if head >> 4 == 3:
            self._keep(head, body)
        return head >> 4, body

    def _keep(self, head: int, body: bytes) -> None:
        end = 2 + int.from_bytes(body[:2])
        topic, rest = body[2:end].decode(), body[end:]
        if head >> 1 & 3:
            self.held = int.from_bytes(rest[:2])
            if self.acks:
                self.ack(self.held)
            rest = rest[2:]
        self.inbox.append((topic, rest))

    def _next_id(self) -> bytes:
        self._packet_id += 1
        return struct.pack("!H", self._packet_id)


def text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("!H", len(raw)) + raw


def packet(head: int, body: bytes) -> bytes:
    length, out = len(body), bytearray([head])
    while True:
        out.append((length & 127) | (128 if length > 127 else 0))
        length >>= 7
        if not length:
            return bytes(out) + body


def connect_packet(
    client_id: str,
    *,
    clean: bool = True,
    keepalive_s: int = 30,
    will: tuple[str, bytes] | None = None,
    will_retain: bool = False,
    level: int = 4,
) -> bytes:
    flags = (2 if clean else 0) | ((0x0C | (0x20 if will_retain else 0)) if will else 0)
    last = (text(will[0]) + struct.pack("!H", len(will[1])) + will[1]) if will else b""
    return packet(0x10, text("MQTT") + bytes([level, flags]) + struct.pack("!H", keepalive_s) + text(client_id) + last)


@dataclass
class World:
    """A running cloud, the identities, and what was recorded."""

    cloud: Cloud
    certs: Path
    records: list[Any]
    clients: list[Client]

    async def open(self, identity: Path | str | None) -> Client:
        """A connection with the certificate of a thing, of a folder, or with none."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.certs / "ca" / "certificate.pem")
        if identity is not None:
            folder = self.certs / identity
            context.load_cert_chain(folder / "certificate.pem", folder / "private_key.pem")
        streams = await asyncio.open_connection(
            "127.0.0.1", self.cloud.port, ssl=context, server_hostname="localhost", ssl_shutdown_timeout=1
        )
        client = Client(*streams)
        self.clients.append(client)
        return client

    async def connected(self, thing: str, *filters: str, **options: Any) -> Client:
        client = await self.open(thing)
        assert (await client.connect(thing, **options))[1] == 0
        if filters:
            assert set(await client.subscribe(*filters)) == {1}
        return client

    async def quiet(self, limit_s: float = LAST_RESORT_S) -> None:
        """Return when nothing is in flight."""
        try:
            async with asyncio.timeout(limit_s):
                while self.cloud.gate.in_flight():
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise AssertionError(self.cloud.gate.describe_in_flight()) from None

    def refusals(self) -> list[tuple[str, str]]:
        return [(r["thing"], r["what"]) for r in self.records if r["kind"] == "refusal"]


Start = Callable[..., AbstractAsyncContextManager[World]]


@pytest.fixture
def world(aws: Callable[[str], Any], certs: Path, tmp_path: Path) -> Start:
    """Starts a local cloud with the named broker, and the usual identities unless others are given."""
    usual = certs

    @asynccontextmanager
    async def start(broker: str = "embedded", certs: Path = usual, updates: Path | None = None) -> AsyncIterator[World]:
        records: list[Any] = []
        clients: list[Client] = []
        try:
            async with serve(
                certs=certs,
                spool=tmp_path / "spool",
                bucket=BUCKET,
                prefix="raw/",
                now=lambda: NOW,
                record=records.append,
                broker=broker,
                updates=updates,
            ) as cloud:
                yield World(cloud, certs, records, clients)
        finally:
            for client in clients:
                await client.close()

    return start

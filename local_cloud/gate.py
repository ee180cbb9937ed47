"""The gate: mutual TLS in front of a plain broker, and every packet judged by the policies as IoT Core would.

A client must hold a certificate of our CA that is ACTIVE in the registry, and may call itself only by the thing's name
that the certificate is attached to. Whatever breaks a policy or a limit ends that connection, and leaves one line in
the log and one `refusal` record. A will is published by the broker, because the gate takes leave without a DISCONNECT.
"""

import asyncio
import logging
import os
import ssl
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_cloud import packets
from local_cloud.errors import BrokerError, GateError, LocalCloudError, PacketError, RegistryError
from local_cloud.in_flight import InFlight
from local_cloud.packets import Connect, Packet, Publish, Splitter
from local_cloud.policy import Policy
from local_cloud.registry import Registration, Registry, fingerprint_of

if TYPE_CHECKING:
    from protocol.events import Refusal

log = logging.getLogger(__name__)

# AWS IoT Core's limits.
PAYLOAD_BYTES = 128 * 1024
TOPIC_BYTES = 256
TOPIC_SLASHES = 7
FILTERS_PER_SUBSCRIBE = 8

_PACKET_BYTES = PAYLOAD_BYTES + 1024
_CHUNK_BYTES = 64 * 1024

OnPublish = Callable[[str, str, bytes], None]
Record = Callable[["Refusal"], None]


class _RefusedError(LocalCloudError):
    """The client broke a rule: `what` it tried, `why` not, and the code of the CONNACK that tells it."""

    def __init__(self, what: str, why: str, code: int = packets.REFUSED_AUTHORITY) -> None:
        super().__init__(f"{what}: {why}")
        self.what, self.why, self.code = what, why, code


@dataclass(frozen=True)
class _Peer:
    """Who is at the other end, by its certificate."""

    thing: str
    fingerprint: str


@dataclass(frozen=True)
class _Stream:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class Gate:
    """Listens for clients, and knows what is in flight between them and the broker.

    `on_publish(client_id, topic, payload)` returns before the publish goes on, so before a PUBACK comes back.
    If it raises LocalCloudError, the publish is not acknowledged, and `failed` is set with the error in `failure`.
    """

    def __init__(  # noqa: PLR0913 - the wiring of one process, each part given by name
        self,
        *,
        registry: Registry,
        broker_port: int,
        tls: ssl.SSLContext,
        now: Callable[[], int],
        record: Record,
        on_publish: OnPublish = lambda _client_id, _topic, _payload: None,
        connect_limit_s: float = 10.0,
        check_every_s: float = 0.75,
        farewell_s: float = 2.0,
    ) -> None:
        self.registry = registry
        self.on_publish = on_publish
        self.flight = InFlight()
        self.relayed = 0
        self.failed = asyncio.Event()
        self.failure: LocalCloudError | None = None
        self._broker_port, self._tls, self._now, self._record = broker_port, tls, now, record
        self._connect_limit_s, self._check_every_s, self.farewell_s = connect_limit_s, check_every_s, farewell_s
        self._sessions: dict[str, _Session] = {}
        self._open: dict[asyncio.StreamWriter, asyncio.Task[Any]] = {}

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; gives the port. Raises GateError if it cannot."""
        try:
            self._server = await asyncio.start_server(
                self._serve,
                host,
                port,
                ssl=self._tls,
                ssl_handshake_timeout=self._connect_limit_s,
                ssl_shutdown_timeout=self.farewell_s,
            )
        except (OSError, OverflowError) as error:
            # asyncio wraps the reason in a text of its own, except where there is no error number
            number = getattr(error, "errno", None)
            why = os.strerror(number) if number else str(error)
            raise GateError(f"cannot listen on {host}:{port}: {why}; choose another port") from error
        self._watch = asyncio.create_task(self._watch_registry())
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Let every client go, and return when all are gone."""
        self._watch.cancel()
        self._server.close()
        for session in self._sessions.values():
            session.end()
        for writer in self._open:
            writer.transport.abort()
        await asyncio.gather(*self._open.values(), self._watch, return_exceptions=True)

    def in_flight(self) -> int:
        """QoS 1 publishes whose publisher has no PUBACK yet, and deliveries expected or not yet acknowledged."""
        return self.flight.count()

    def describe_in_flight(self) -> str:
        """What `in_flight` counts, for a person."""
        return self.flight.describe()

    def activity(self) -> int:
        """A count that rises with every packet relayed, either way."""
        return self.relayed

    def connected(self) -> list[str]:
        """The client ids that are connected now."""
        return sorted(self._sessions)

    def refuse(self, thing: str, what: str, why: str) -> None:
        """Say and record that something was refused."""
        log.warning("refused %s: %s: %s", thing, what, why)
        event: Refusal = {
            "at": self._now(),
            "kind": "refusal",
            "by": "gate",
            "thing": thing,
            "what": what,
            "why": why,
        }
        self._record(event)

    def fail(self, error: LocalCloudError) -> None:
        """Note that the cloud cannot do its work any more."""
        log.error("%s", error)
        self.failure = self.failure or error
        self.failed.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._server.is_serving():  # stopped during this client's handshake
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._open[writer] = task
        peer = _peer_of(writer)
        try:
            await self._welcome(peer, _Stream(reader, writer))
        except _RefusedError as refusal:
            self.refuse(peer.thing, refusal.what, refusal.why)
            writer.write(packets.connack(refusal.code))
        except PacketError as error:
            self.refuse(peer.thing, "packet", str(error))
        except BrokerError as error:
            self.fail(error)
            writer.write(packets.connack(packets.REFUSED_SERVER))
        except OSError:
            pass  # gone, or silent for too long, before it was connected
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            del self._open[writer]

    async def _welcome(self, peer: _Peer, client: _Stream) -> None:
        splitter = Splitter(_PACKET_BYTES)
        async with asyncio.timeout(self._connect_limit_s):
            first, *early = await _first_packets(client.reader, splitter)
        if first.kind != packets.CONNECT:
            raise PacketError(f"packet type {first.kind} before CONNECT")
        connect = packets.read_connect(first)
        policy = _admit(self.registry.find(peer.fingerprint), peer, connect)
        while (older := self._sessions.get(connect.client_id)) is not None:
            older.end()
            await older.ended.wait()
        session = _Session(self, peer, policy, connect, client)
        self._sessions[connect.client_id] = session
        try:
            await session.run(first, early, splitter)
        finally:
            del self._sessions[connect.client_id]
            session.ended.set()

    async def dial(self) -> _Stream:
        """Open a connection to the broker. Raises BrokerError."""
        try:
            return _Stream(*await asyncio.open_connection("127.0.0.1", self._broker_port, limit=_CHUNK_BYTES))
        except OSError as error:
            raise BrokerError(f"the inner broker on port {self._broker_port} is gone: {error.strerror}") from error

    async def _watch_registry(self) -> None:
        while True:
            await asyncio.sleep(self._check_every_s)
            try:
                await asyncio.to_thread(self.registry.refresh)
            except RegistryError as error:
                log.warning("%s; what was known before still counts", error)
            for session in list(self._sessions.values()):
                if self.registry.find(session.peer.fingerprint) is None:
                    session.end("connection", "certificate revoked")


class _Session:
    """One client's connection, from its CONNECT to its end."""

    def __init__(self, gate: Gate, peer: _Peer, policy: Policy, connect: Connect, client: _Stream) -> None:
        self.peer = peer
        self.ended = asyncio.Event()
        self._gate, self._flight, self._policy, self._client = gate, gate.flight, policy, client
        self._id, self._clean, self._will = connect.client_id, connect.clean, connect.will
        self._taken = False  # the broker said yes to the CONNECT
        self._leaving = asyncio.Event()
        self._requests: dict[
            int, list[str]
        ] = {}  # filters of SUBSCRIBE and UNSUBSCRIBE without an answer, by packet id
        self._up_handlers: Mapping[int, Callable[[Packet], None]] = {
            packets.PUBLISH: self._judge_publish,
            packets.PUBACK: lambda packet: self._flight.settle(self._id, packets.read_packet_id(packet)),
            packets.SUBSCRIBE: self._judge_subscribe,
            packets.UNSUBSCRIBE: self._note_unsubscribe,
            packets.PINGREQ: lambda _: None,
            packets.DISCONNECT: self._take_leave,
        }
        self._down_handlers: Mapping[int, Callable[[Packet], bytes]] = {
            packets.CONNACK: self._on_connack,
            packets.PUBLISH: self._judge_delivery,
            packets.PUBACK: self._on_puback,
            packets.SUBACK: self._on_suback,
            packets.UNSUBACK: self._on_unsuback,
        }

    def end(self, what: str = "", why: str = "") -> None:
        """End the connection soon; with a reason, it is a refusal."""
        if why and not self._leaving.is_set():
            self._gate.refuse(self.peer.thing, what, why)
        self._leaving.set()

    async def run(self, connect: Packet, early: list[Packet], splitter: Splitter) -> None:
        """Relay both ways until one side is gone, and take leave of the other."""
        self._broker = await self._gate.dial()
        self._flight.arrive(self._id)
        self._broker.writer.write(connect.raw)
        down = asyncio.create_task(self._relay_down())
        up = asyncio.create_task(self._relay_up(early, splitter))
        leaving = asyncio.create_task(self._leaving.wait())
        try:
            await asyncio.wait((up, down, leaving), return_when=asyncio.FIRST_COMPLETED)
            await self._part(down)
        finally:
            for task in (leaving, up, down):
                task.cancel()
            ends = await asyncio.gather(up, down, leaving, return_exceptions=True)
            self._broker.writer.close()  # not waited for: a broker that reads nothing more would hold us for ever
            self._flight.leave(self._id, self._clean)
        for end in ends:
            if isinstance(end, Exception):
                raise end

    async def _part(self, down: asyncio.Task[None]) -> None:
        """Close both sides so that the broker has handled everything, its will included, when this returns."""
        self._leaving.set()
        self._client.writer.close()
        if self._taken and self._will is not None:
            self._announce_will(self._will, expected=not down.done())
        with suppress(OSError):
            # Half a close: what we sent is still read, and the broker's own end tells that it has seen ours.
            self._broker.writer.write_eof()
        await asyncio.wait((down,), timeout=self._gate.farewell_s)

    async def _relay_up(self, early: list[Packet], splitter: Splitter) -> None:
        try:
            self._pass_up(early)
            while (data := await self._client.reader.read(_CHUNK_BYTES)) and not self._leaving.is_set():
                self._pass_up(splitter.feed(data))
                await self._broker.writer.drain()
        except PacketError as error:
            self.end("packet", str(error))
        except _RefusedError as refusal:
            self.end(refusal.what, refusal.why)
        except LocalCloudError as error:
            self._gate.fail(error)
        except OSError:
            pass  # either side is gone

    def _pass_up(self, batch: Iterable[Packet]) -> None:
        """Judge packets and send them on in one piece; those before a bad one still count."""
        pieces = []
        try:
            for packet in batch:
                handler = self._up_handlers.get(packet.kind)
                if handler is None:
                    raise _RefusedError("packet", f"type {packet.kind} is not for a client to send")
                handler(packet)
                pieces.append(packet.raw)
                if packet.kind == packets.DISCONNECT:
                    break
        finally:
            self._gate.relayed += len(pieces)
            self._broker.writer.write(b"".join(pieces))

    async def _relay_down(self) -> None:
        splitter = Splitter(2**28)  # the broker is ours
        with suppress(OSError):
            while data := await self._broker.reader.read(_CHUNK_BYTES):
                answers = [self._pass_down(packet) for packet in splitter.feed(data)]
                self._gate.relayed += len(answers)
                if not self._leaving.is_set():
                    self._client.writer.write(b"".join(answers))
                    with suppress(OSError):  # the client is gone, but the broker still has things to say
                        await self._client.writer.drain()

    def _pass_down(self, packet: Packet) -> bytes:
        handler = self._down_handlers.get(packet.kind)
        return handler(packet) if handler is not None else packet.raw

    def _judge_publish(self, packet: Packet) -> None:
        publish = packets.read_publish(packet)
        _check_publish(self._policy, publish)
        self._gate.on_publish(self._id, publish.topic, publish.payload)
        self._flight.publish(self._id, publish)  # before the broker has it, so that no delivery can come first

    def _announce_will(self, will: Publish, expected: bool) -> None:
        """Tell of the will that the broker publishes. If it ended the connection itself, that may be done already."""
        try:
            self._gate.on_publish(self._id, will.topic, will.payload)
        except LocalCloudError as error:
            self._gate.fail(error)
        if expected:
            self._flight.publish(self._id, will)

    def _judge_subscribe(self, packet: Packet) -> None:
        packet_id, filters = packets.read_subscribe(packet)
        if len(filters) > FILTERS_PER_SUBSCRIBE:
            raise _RefusedError(
                "subscribe", f"{len(filters)} filters in one packet, at most {FILTERS_PER_SUBSCRIBE} are allowed"
            )
        for topic_filter, _ in filters:
            _check_topic("subscribe", topic_filter, packets.share_of(topic_filter)[1])
            if not self._policy.allows("iot:Subscribe", topic_filter):
                raise _RefusedError(f"subscribe {topic_filter}", "not allowed by its policy")
        self._requests[packet_id] = [topic_filter for topic_filter, _ in filters]

    def _note_unsubscribe(self, packet: Packet) -> None:
        packet_id, filters = packets.read_unsubscribe(packet)
        self._requests[packet_id] = filters

    def _take_leave(self, _packet: Packet) -> None:
        self._will = None
        self._leaving.set()

    def _on_connack(self, packet: Packet) -> bytes:
        session_present, code = packets.read_connack(packet)
        if code == 0:
            self._taken = True
            self._flight.resume(self._id, session_present)
        return packet.raw

    def _on_puback(self, packet: Packet) -> bytes:
        self._flight.confirm(self._id, packets.read_packet_id(packet))
        return packet.raw

    def _on_suback(self, packet: Packet) -> bytes:
        filters = self._requests.pop(packets.read_packet_id(packet), [])
        for topic_filter, grant in zip(filters, packet.body[2:], strict=False):
            if grant != packets.FAILURE:
                self._flight.subscribe(self._id, topic_filter, grant)
        return packet.raw

    def _on_unsuback(self, packet: Packet) -> bytes:
        self._flight.unsubscribe(self._id, self._requests.pop(packets.read_packet_id(packet), []))
        return packet.raw

    def _judge_delivery(self, packet: Packet) -> bytes:
        publish = packets.read_publish(packet)
        self._flight.deliver(self._id, publish)
        if self._policy.allows("iot:Receive", publish.topic):
            return packet.raw
        self._gate.refuse(self.peer.thing, f"receive {publish.topic}", "not allowed by its policy")
        if publish.packet_id and not self._leaving.is_set():  # else nothing more may be written to the broker
            self._flight.settle(self._id, publish.packet_id)
            self._broker.writer.write(packets.puback(publish.packet_id))
        return b""


def server_tls(identity: Path, client_ca: Path) -> ssl.SSLContext:
    """TLS for the gate: `identity` is the folder of the server's certificate, `client_ca` the CA of the clients'."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_cert_chain(identity / "certificate.pem", identity / "private_key.pem")
        context.load_verify_locations(client_ca)
    except OSError as error:
        raise GateError(
            f"identity in {identity}, CA {client_ca}: {error}; issue them with: python -m certs issue"
        ) from error
    return context


def _peer_of(writer: asyncio.StreamWriter) -> _Peer:
    tls = writer.get_extra_info("ssl_object")
    subject = tls.getpeercert()["subject"]
    names = [value for entry in subject for key, value in entry if key == "commonName"]
    return _Peer(names[0] if len(names) == 1 else "", fingerprint_of(tls.getpeercert(binary_form=True)))


async def _first_packets(reader: asyncio.StreamReader, splitter: Splitter) -> list[Packet]:
    while data := await reader.read(_CHUNK_BYTES):
        if batch := list(splitter.feed(data)):
            return batch
    raise ConnectionResetError


def _admit(registration: Registration | None, peer: _Peer, connect: Connect) -> Policy:
    """The policy under which this CONNECT is accepted; raises _RefusedError if it is not."""
    what = f"connect as {connect.client_id!r}"
    if (connect.protocol, connect.level) != ("MQTT", 4):
        why = f"protocol {connect.protocol!r} level {connect.level}, not MQTT 3.1.1"
        raise _RefusedError("connect", why, packets.REFUSED_LEVEL)
    if registration is None:
        raise _RefusedError(what, "its certificate is not registered, or not active")
    if connect.client_id != peer.thing or connect.client_id not in registration.things:
        raise _RefusedError(what, "that is not the thing of its certificate", packets.REFUSED_IDENTIFIER)
    policy = registration.policies[connect.client_id]
    if not policy.allows("iot:Connect", connect.client_id):
        raise _RefusedError(what, "not allowed by its policy")
    if connect.will is not None:
        _check_publish(policy, connect.will, "will")
    return policy


def _check_publish(policy: Policy, publish: Publish, verb: str = "publish") -> None:
    what = f"{verb} {publish.topic}"
    _check_topic(verb, publish.topic, publish.topic)
    if publish.qos == 2:
        raise _RefusedError(what, "QoS 2")
    if len(publish.payload) > PAYLOAD_BYTES:
        raise _RefusedError(what, f"{len(publish.payload)} bytes, at most {PAYLOAD_BYTES} are allowed")
    if not policy.allows("iot:Publish", publish.topic):
        raise _RefusedError(what, "not allowed by its policy")
    if publish.retain and not policy.allows("iot:RetainPublish", publish.topic):
        raise _RefusedError(what, "retained, which is not allowed by its policy")


def _check_topic(verb: str, request: str, topic: str) -> None:
    if len(topic.encode()) > TOPIC_BYTES:
        raise _RefusedError(verb, f"topic of {len(topic.encode())} bytes, at most {TOPIC_BYTES} are allowed")
    if topic.count("/") > TOPIC_SLASHES:
        raise _RefusedError(f"{verb} {request}", f"{topic.count('/')} slashes, at most {TOPIC_SLASHES} are allowed")

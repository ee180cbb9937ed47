"""The gate at its ends, with an inner broker that the test leads: farewells, revocations, floods, and its own stop."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from local_cloud import packets
from local_cloud.errors import GateError, SpoolError
from tests.local_cloud.conftest import COMPUTE, GATEWAYS, connect_packet
from tests.local_cloud.near import PATIENCE_S, Start, publish, start
from tests.waiting import eventually

__all__ = ["start"]  # a fixture
GATEWAY, OTHER = GATEWAYS[:2]
TOO_MANY = 100  # publishes of PIECE: more than all buffers on the way hold
PIECE = b"x" * 120_000


async def settled(count: Callable[[], int]) -> int:
    """A count that grew, and does so no more."""
    await eventually(lambda: count() > 0)
    before = 0
    while before != (before := count()):
        await asyncio.sleep(0.05)
    return before


# Going.


async def test_nothing_counts_after_a_disconnect(start: Start) -> None:
    """What follows a DISCONNECT, in the same piece or in a later one, is not relayed, and the will is not spoken."""
    late = publish("late", PIECE)
    async with start() as w:
        for raw in (b"\xe0\0" + publish("late"), publish("a") + b"\xe0\0" + late):
            client = await w.connected(GATEWAY, will=("a", b"offline"))
            client.send(raw)
            assert await client.closed()
            await eventually(lambda: w.gate.connected() == [])
            assert w.link().kinds()[-1] == packets.DISCONNECT
        assert w.published == [(GATEWAY, "a", b"{}")]
        assert w.records == []


async def test_a_will_is_expected_by_its_readers(start: Start) -> None:
    """The will of who vanishes is told to the topic rule, and in flight until its reader has it."""
    async with start() as w:
        compute = await w.connected(COMPUTE, "status")
        readers = w.link()
        gateway = await w.connected(GATEWAY, will=("status", b"offline"))
        gateway.vanish()
        await eventually(lambda: w.published == [(GATEWAY, "status", b"offline")])
        await eventually(lambda: w.gate.connected() == [COMPUTE])
        assert w.gate.in_flight() == 1
        readers.deliver("status", b"offline", packet_id=1)
        assert await compute.message() == ("status", b"offline")
        await w.quiet()


async def test_a_will_that_the_broker_has_spoken_is_not_waited_for(start: Start) -> None:
    """If the broker ended the connection, its will may be out already: the account must not wait for it for ever."""
    async with start() as w:
        await w.connected(COMPUTE, "status")
        gateway = await w.connected(GATEWAY, will=("status", b"offline"))
        w.link().writer.close()
        assert await gateway.closed()
        await eventually(lambda: w.gate.connected() == [COMPUTE])
        assert w.published == [(GATEWAY, "status", b"offline")]
        assert w.gate.in_flight() == 0


@pytest.mark.parametrize("last", [b"", publish("a", head=0x32)])
async def test_what_cannot_be_recorded_is_a_failure(start: Start, last: bytes) -> None:
    """A gate whose topic rule cannot write a publish, or a will, has failed; nothing is confirmed to the publisher."""
    async with start() as w:

        def no_disk(*_: object) -> None:
            raise SpoolError("no space left on device")

        w.gate.on_publish = no_disk
        client = await w.connected(GATEWAY, will=None if last else ("status", b"offline"))
        client.send(last)
        if not last:
            client.vanish()
        await eventually(w.gate.failed.is_set)
        with pytest.raises((asyncio.IncompleteReadError, OSError)):
            await client.wait_for(4)
        assert str(w.gate.failure) == "no space left on device"


async def test_an_error_of_the_gate_s_own_is_heard(start: Start) -> None:
    """A mistake in what the gate calls ends that connection, and is not swallowed; the others stay."""
    async with start() as w:

        def broken(*_: object) -> None:
            raise ZeroDivisionError

        other = await w.connected(OTHER)
        w.gate.on_publish = broken
        client = await w.connected(GATEWAY)
        client.send(publish("a"))
        assert await client.closed()
        await eventually(lambda: bool(w.errors))
        assert [type(error) for error in w.errors] == [ZeroDivisionError]
        w.errors.clear()
        await other.ping()


async def test_a_newer_connection_waits_for_the_end_of_the_older(start: Start) -> None:
    """A client that comes again is let in when the broker has let go of it; to come again breaks no rule."""
    async with start() as w:
        older = await w.connected(GATEWAY)
        link = w.link()
        w.inner.lets_go.clear()
        newer = await w.open(GATEWAY)
        newer.send(connect_packet(GATEWAY))
        assert await older.closed()
        await eventually(lambda: link.has_ended)
        other = await w.connected(OTHER)
        for _ in range(3):
            await other.ping()
        assert len(w.inner.links) == 2
        w.inner.lets_go.set()
        assert await newer.wait_for(2) == b"\0\0"
        assert w.gate.connected() == [GATEWAY, OTHER]
        assert w.records == []


# The registry.


async def test_the_registry_is_asked_no_more_often_than_was_said(start: Start) -> None:
    """Between two looks the API has peace, whatever the clients do."""
    async with start(check_every_s=3600) as w:
        client = await w.connected(GATEWAY)
        for _ in range(5):
            await client.ping()
            await asyncio.sleep(0.01)
        assert w.api.looks == 1


async def test_a_registry_that_answers_nonsense_stops_no_look(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """Half an answer is said in the log, clients stay and come, and a revocation is seen once answers are whole."""
    async with start(check_every_s=0.01) as w:
        stolen = await w.connected(GATEWAY)
        w.api.is_torn = True
        w.api.status[GATEWAY] = "INACTIVE"
        await w.looked()
        await stolen.ping()
        other = await w.connected(OTHER)
        assert "an answer without 'certificateDescription'; what was known before still counts" in caplog.text
        w.api.is_torn = False
        assert await stolen.closed()
        assert w.refusals() == [(GATEWAY, "connection")]
        await other.ping()
        assert w.gate.failure is None


async def test_a_revocation_is_one_refusal_and_leaves_nothing_in_flight(start: Start) -> None:
    """Its client is cut off at once and once, though the broker takes its time, and nothing is waited for after it."""
    async with start(check_every_s=0.01) as w:
        stolen = await w.connected(COMPUTE, "a")
        stolen.acks = False
        w.link().deliver("a", packet_id=1)
        await stolen.message()
        w.inner.lets_go.clear()
        w.api.status[COMPUTE] = "INACTIVE"
        assert await stolen.closed()
        await w.looked()
        assert w.refusals() == [(COMPUTE, "connection")]
        w.inner.lets_go.set()
        await w.quiet()


async def test_who_has_left_is_not_refused(start: Start) -> None:
    """A certificate that is revoked while its client is leaving is no refusal: nobody was there to refuse."""
    async with start(check_every_s=0.01) as w:
        client = await w.connected(GATEWAY)
        w.inner.lets_go.clear()
        client.vanish()
        await eventually(lambda: w.link().has_ended)
        w.api.status[GATEWAY] = "INACTIVE"
        await w.looked()
        assert w.refusals() == []
        w.inner.lets_go.set()


async def test_a_broker_that_stays_is_left(start: Start) -> None:
    """One that does not let go is waited for no longer than was said, and then its connection is closed."""
    async with start(farewell_s=0.02) as w:
        older = await w.connected(GATEWAY)
        link = w.link()
        w.inner.lets_go.clear()
        older.vanish()
        newer = await w.connected(GATEWAY)
        with suppress(OSError):
            while not link.writer.is_closing():
                link.writer.write(b"\xd0\0")
                await link.writer.drain()
                await asyncio.sleep(0)
        await newer.ping()


# Floods.


async def test_a_broker_that_does_not_read_slows_its_publishers(start: Start) -> None:
    """The gate takes no more from a client than it can pass on; and it can be stopped all the same."""
    async with start(farewell_s=0.02) as w:
        client = await w.connected(GATEWAY)
        w.inner.reads.clear()
        client.send(publish("a", PIECE) * TOO_MANY)
        assert await settled(lambda: len(w.published)) < TOO_MANY
        await w.gate.stop()
        assert w.gate.connected() == []


async def test_a_client_that_does_not_read_slows_the_broker(start: Start) -> None:
    """The gate takes no more from the broker than the client takes."""
    async with start() as w:
        await w.connected(GATEWAY)
        w.link().writer.write(publish("a", PIECE) * TOO_MANY)
        assert await settled(w.gate.activity) < TOO_MANY


# The gate itself.


async def test_a_gate_that_has_stopped_holds_nobody(start: Start) -> None:
    """Clients are gone, those who never said a word and those who are just coming too, and the port is free."""
    async with start() as w:
        clients = [await w.open(OTHER), await w.connected(GATEWAY), await w.open(COMPUTE)]
        await w.gate.stop()
        assert w.gate.connected() == []
        for client in clients:
            assert await client.closed()
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", w.cloud.port)


async def test_a_gate_stops_though_a_refused_client_does_not_hang_up(start: Start, certs: Path) -> None:
    """A client that was refused and does not answer the farewell of TLS is let go of when the gate stops."""
    context = ssl.create_default_context(cafile=certs / "ca" / "certificate.pem")
    context.load_cert_chain(certs / OTHER / "certificate.pem", certs / OTHER / "private_key.pem")

    def knock(port: int) -> socket.socket:
        plain = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        tls = context.wrap_socket(plain, server_hostname="localhost")
        tls.sendall(connect_packet(GATEWAY))
        return socket.socket(fileno=tls.detach())

    def read_to_the_end(plain: socket.socket) -> bool:
        plain.settimeout(PATIENCE_S)
        with plain, suppress(ConnectionError):
            while plain.recv(65536):
                pass
        return True

    async with start() as w:
        client = await asyncio.to_thread(knock, w.cloud.port)
        await eventually(lambda: w.refusals() == [(OTHER, f"connect as {GATEWAY!r}")])
        await w.gate.stop()
        assert await asyncio.to_thread(read_to_the_end, client)


async def test_a_port_that_cannot_be_is_one_line(start: Start) -> None:
    """The number is named, with the remedy; as is one that is taken."""
    async with start() as w:
        for port, why in ((70_000, r"bind\(\): port must be 0-65535\."), (w.cloud.port, "Address already in use")):
            with pytest.raises(GateError, match=rf"^cannot listen on 127\.0\.0\.1:{port}: {why}; choose another"):
                await w.gate.start("127.0.0.1", port)

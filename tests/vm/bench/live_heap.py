"""How much of its heap the firmware holds: `python -m tests.vm.bench.live_heap` prints it as JSON.

The VM's objects are as large as the ESP32's, so its count of live bytes is the board's. The firmware as it is flashed
runs, and is connected with mutual TLS to a broker of a few lines in here, so that nothing but Node is needed. What the
bench itself holds is subtracted. Three ways to install the same modules: copied to the flash; run in place from a ROM
file system; frozen into a build of one's own. The last one is not run: it is the second one without what a frozen
build has in ROM for certain, the table of names and each module's constants.

These two are of one life in a heap that cannot grow: it is as large as a chip's, and has room besides for what the
bench holds and for what a frozen build has in ROM. In it the board starts, connects, waters on command and delivers.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware import build
from protocol import messages, topics
from tests.vm.bench.board import MICROPYTHON, Bench, BenchError, VmBoard, running
from tests.vm.bench.field import AT_EACH_EVENT, MODULES, SMALL_BOARD, WORLD, Identities, flash, tomorrow

NAME = "irrigation-gateway-1"
CHIP_HEAP_BYTES = 56 * 1024  # what a chip without PSRAM begins with; the rest of its memory is for TLS
RUNNING_AFTER_S = 30
RUN_S = 60
AN_HOUR_S = 3600
MESSAGES = 10_000
EVERY_S = 10  # the shortest interval of samples and of messages
OFTEN = {"sample_interval_s": EVERY_S, "publish_interval_s": EVERY_S, "status_interval_s": 3600}
EVERYTHING = json.loads((build.FIRMWARE / "pins_example.json").read_text(encoding="utf-8"))  # every driver at work
BLOCK_BYTES = 16  # the least that the heap gives
CONNECT, PUBLISH, SUBSCRIBE, PINGREQ = 1, 3, 8, 12
MISSING, FAILED = 2, 3  # exit codes: a part of the bench, or the firmware


class Answerer:
    """A broker that acknowledges whatever one board says, over mutual TLS, and hands it a command when asked to."""

    def __init__(self) -> None:
        self.port = 0
        self.readings = 0
        self.acks: list[dict[str, Any]] = []
        self._board: asyncio.StreamWriter | None = None

    def send(self, command: Mapping[str, Any]) -> None:
        """Publish a command to the board, with QoS 1."""
        assert self._board is not None
        topic, payload = topics.command(command["device_id"]).encode(), messages.encode("command", dict(command))
        body = struct.pack(">H", len(topic)) + topic + b"\x00\x01" + payload
        self._board.write(bytes([PUBLISH << 4 | 2, len(body) & 127 | 128, len(body) >> 7]) + body)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer packet by packet until the board has gone."""
        self._board = writer
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
            topic = body[2 : 2 + size]
            self.readings += topic.endswith(b"/data")
            self.acks += [json.loads(body[4 + size :])] if topic.endswith(b"/ack") else []
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


async def measure(count: int = MESSAGES) -> dict[str, Any]:
    """Live bytes of each layout after the start and later, and how they grow over so many messages; 0: not asked."""
    with tempfile.TemporaryDirectory() as folder:
        identities = Identities(Path(folder))
        async with running() as bench, answering(identities) as broker:
            identity = identities.issue(NAME)
            files = flash(identity, broker.port, EVERYTHING)
            spared = await spared_of(bench, files)
            live = {"heap_capped_at": CHIP_HEAP_BYTES, **await layouts(bench, files, broker, spared)}
            if count:
                often = flash(identity, broker.port, **OFTEN)
                live.update(await growth(bench, often, broker, count, CHIP_HEAP_BYTES + spared.bytes))
    return live


@dataclass(frozen=True)
class Spared:
    """What is in the heap here, and not in that of a chip with a frozen build, in bytes."""

    bench: int
    in_rom: int  # the firmware's names and constants

    @property
    def bytes(self) -> int:
        """All of it, with what a heap takes for its own account: a thirty-second."""
        return (self.bench + self.in_rom) * 33 // 32


async def spared_of(bench: Bench, files: Mapping[str, bytes]) -> Spared:
    """What a board with these files is spared, measured in a heap with room for anything. Raises BenchError."""
    async with _board(bench, _without_firmware(files), in_rom=True) as board:
        held, names = await board.live_bytes(), await _table_of_names(board)
    async with _board(bench, files, in_rom=True) as board:
        await until_online(board)
        loaded = (await board.run("import sys; _result = ' '.join(sys.modules)")).split()
        constants = sum(constant_bytes(files[path]) for path in map(_path, loaded) if path in files)
        return Spared(held, await _table_of_names(board) - names + constants)


async def layouts(bench: Bench, files: Mapping[str, bytes], broker: Answerer, spared: Spared) -> dict[str, Any]:
    """Live bytes by how the modules are installed: after the start; of a frozen build also after an hour's work."""
    async with _board(bench, _without_firmware(files)) as board:
        bare = await board.live_bytes()
    async with _board(bench, files) as board:
        await until_online(board)
        copied = await board.live_bytes() - bare
    heap_bytes, modules = CHIP_HEAP_BYTES + spared.bytes, [*_drivers(files), *MODULES]
    capped = {**SMALL_BOARD, **AT_EACH_EVENT, "heap_bytes": heap_bytes, "preload": modules}
    async with _board(bench, files, **capped) as board:
        await until_online(board)
        rom = await board.live_bytes() - spared.bench
        await _work(board, broker)
        later = await board.live_bytes() - spared.bench
    return {
        "live_heap_bytes": {"frozen": rom - spared.in_rom, "rom": rom, "copied": copied},
        "live_heap_bytes_later": {"frozen": later - spared.in_rom},
    }


@asynccontextmanager
async def _board(bench: Bench, files: Mapping[str, bytes], **options: Any) -> AsyncIterator[VmBoard]:
    board = await bench.board("measured", files, WORLD, unix_s=tomorrow(), optimized=True, **options)
    await board.power_on()
    yield board
    await board.power_off()


def _drivers(files: Mapping[str, bytes]) -> list[str]:
    paths = [path for path in files if path.startswith("/drivers/") and "__init__" not in path]
    return [path[1:].removesuffix(".mpy").replace("/", ".") for path in paths]


def _without_firmware(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {**files, "/boot.py": b"", "/main.py": b""}


async def _work(board: VmBoard, broker: Answerer) -> None:
    """A command is obeyed to its end, and readings are delivered. Raises BenchError."""
    readings, now = broker.readings, board.unix_s
    open_one = {"command_id": "run-1", "device_id": NAME, "zone_id": "plot-1a", "action": "open", "duration_s": RUN_S}
    broker.send({**open_one, "issued_at": now, "expires_at": now + RUN_S, "epoch": 1})
    await board.until("in")
    await board.advance(AN_HOUR_S)
    states = [ack["state"] for ack in broker.acks]
    delivered = broker.readings - readings
    if states != ["started", "done"] or not delivered or board.seen("end"):
        raise BenchError(_trouble(board, f"the firmware says {states} to a command, and delivers {delivered} readings"))


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
        raise BenchError(_trouble(board, "the firmware does not come online"))


def _trouble(board: VmBoard, what: str) -> str:
    memory = " for want of memory" if any("Memory" in line or "StopIteration" in line for line in board.log) else ""
    return "\n".join([*board.log, f"{what}{memory}"])


async def _table_of_names(board: VmBoard) -> int:
    """The bytes of the table alone: in a ROM file system the names themselves stay where they are."""
    told = len(board.log)
    await board.run("import micropython; micropython.qstr_info()")
    figures = dict(part.split("=") for part in board.log[told].replace("qstr pool: ", "").split(", "))
    return int(figures["n_total_bytes"]) - int(figures["n_str_data_bytes"])


async def growth(
    bench: Bench, files: Mapping[str, bytes], broker: Answerer, count: int, heap_bytes: int
) -> dict[str, int]:
    """In a heap that cannot grow: live bytes after a tenth of the messages, and how many more after all of them."""
    broker.readings = 0
    async with _board(bench, files, **{**SMALL_BOARD, "collect_after": 4 * 1024, "heap_bytes": heap_bytes}) as board:
        await until_online(board)
        before = await _said(board, broker, count // 10)
        after = await _said(board, broker, count)
    return {"messages": broker.readings, "growth_bytes": after - before}


async def _said(board: VmBoard, broker: Answerer, count: int) -> int:
    while broker.readings < count:
        await board.advance((count - broker.readings) * EVERY_S)
        if board.seen("lost") or board.seen("end"):
            raise BenchError(_trouble(board, f"the firmware stopped after {broker.readings} messages"))
    return await board.live_bytes()


def main() -> int:
    """Print the figures, or what is missing to take them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--messages", type=int, default=MESSAGES, help="over how many to look for growth (%(default)s)")
    arguments = parser.parse_args()
    if not MICROPYTHON.is_file():
        sys.stderr.write(f"{MICROPYTHON} is missing; get it: npm ci\n")
        return MISSING
    try:
        figures = asyncio.run(measure(arguments.messages))
    except BenchError as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""How much of its heap the firmware holds once it runs: `python -m tests.vm.bench.live_heap` prints it as JSON.

The VM's objects are as large as the ESP32's, so its count of live bytes is the board's. What the bench itself holds is
subtracted. Three ways to install the same modules: copied to the flash, run in place from a ROM file system, and frozen
into a build of one's own, which has the names in ROM too.
"""

import asyncio
import json
import sys
import tempfile
from pathlib import Path

from tests.vm.bench.board import Bench, running
from tests.vm.bench.field import WORLD, Identities, flash, tomorrow

RUNNING_AFTER_S = 30
NOWHERE = 1  # nobody listens there: the figure needs no broker


async def live_heap() -> dict[str, int]:
    """Live bytes soon after the start, by how the modules are installed."""
    with tempfile.TemporaryDirectory() as folder:
        files = flash(Identities(Path(folder)).issue("irrigation-gateway-1"), NOWHERE)
    nothing = {**files, "/boot.py": b"", "/main.py": b""}
    async with running() as bench:
        copied, _ = await _measure(bench, files, in_rom=False)
        bare, _ = await _measure(bench, nothing, in_rom=False)
        in_rom, names = await _measure(bench, files, in_rom=True)
        bare_in_rom, bare_names = await _measure(bench, nothing, in_rom=True)
    rom_bytes = in_rom - bare_in_rom
    return {"copied_bytes": copied - bare, "rom_bytes": rom_bytes, "frozen_bytes": rom_bytes - (names - bare_names)}


async def _measure(bench: Bench, files: dict[str, bytes], in_rom: bool) -> tuple[int, int]:
    board = await bench.board("measured", files, WORLD, unix_s=tomorrow(), in_rom=in_rom)
    await board.power_on()
    await board.advance(RUNNING_AFTER_S)
    measured = await board.live_bytes(), await board.name_bytes()
    await board.power_off()
    return measured


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(live_heap()), indent=2) + "\n")

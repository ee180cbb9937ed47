"""From the files of a board to the jobs of its gateway; nothing needs it afterwards."""

import asyncio
import gc
import os
import sys

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    Row = dict[str, Any]


async def gateway_jobs(watchdogs: "list[Callable[[], None]]") -> "list[Coroutine[Any, Any, None]]":
    """The jobs of the gateway, see board.py. Raises ConfigError, OSError, ValueError."""
    import board

    about = await _identity()
    entries, pins = await _files()
    entries["identity"] = about
    entries.update(entries["broker"])
    if board.STORE[1:] not in os.listdir("/"):
        os.mkdir(board.STORE)
    entries.setdefault("port", 8883)
    entries.setdefault("outbox_bytes", board.OUTBOX_BYTES[gc.mem_free() > board.PSRAM_BYTES])
    gc.collect()  # before what lives long takes its place
    await asyncio.sleep(0)
    if entries.get("sleep"):
        import sleep

        return [sleep.live(entries, pins, watchdogs)]
    return list(board.gateway_jobs(entries, pins, watchdogs))


async def _identity() -> "tuple[str | None, int | None, int | None]":
    """What a status says of the board's certificates."""
    from gateway import der

    about = der.identity("/certs")
    delattr(sys.modules["gateway"], "der")
    del sys.modules["gateway.der"]
    gc.collect()
    await asyncio.sleep(0)
    return about


async def _files() -> "tuple[Row, Row]":
    """config.json and pins.json, checked; the 8 KB of tables that check them are then nobody's."""
    import config

    entries = config.check_config(await _read(config.load, "/config.json"))
    pins = config.check_pins(await _read(config.load, "/pins.json"), *config.needs(entries))
    del sys.modules["config"]
    return entries, pins


async def _read(load: "Callable[[str], Row]", path: str) -> "Row":
    document = load(path)
    gc.collect()  # to read as strictly as messages are read leaves much behind
    await asyncio.sleep(0)
    return document

"""From the files of a board to the jobs of its gateway; nothing needs it afterwards."""

import asyncio
import gc
import os
import sys

from gateway.errors import ConfigError

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    Row = dict[str, Any]


async def gateway_jobs(watchdogs: "list[Callable[[], None]]") -> "list[Coroutine[Any, Any, None]]":
    """The jobs of the gateway, see board.py, or of its set-up. Raises ConfigError, OSError, ValueError."""
    if "setup.todo" in os.listdir("/"):
        return _setup().finishing()
    try:
        entries, pins = await _files()
    except ConfigError as error:
        return _setup().instead_of(error)
    await _swept()
    entries["certs"] = await _identity()
    import board

    if pins.get("setup_pin") and await _is_wanted(board.Pin(pins["setup_pin"], board.Pin.IN, board.Pin.PULL_UP)):
        return _setup().on_demand()
    entries.update(entries["broker"])
    await _swept()  # before what lives long takes its place
    if entries.get("sleep"):
        import sleep

        return [sleep.live(entries, pins, watchdogs)]
    return list(board.gateway_jobs(entries, pins, watchdogs))


def _setup() -> "Any":
    import setup_page

    return setup_page


async def _is_wanted(button: "Any") -> bool:
    """True if the set-up button is held, and was let go since it opened a page that nobody came to."""
    is_held = await _is_held(button)
    if "setup.left" in os.listdir("/"):
        if not is_held:
            os.remove("/setup.left")
        return False
    return is_held


async def _is_held(button: "Any") -> bool:
    """True if the set-up button connects its pin to ground for three seconds."""
    for _ in range(30):
        if button.value():
            return False
        await asyncio.sleep(0.1)
    return True


async def _identity() -> str:
    """The folder of this start's identity; what a status says of it is written down beside it."""
    from gateway import der

    folder = der.own("")
    for name in ("der", "renewal"):
        if sys.modules.pop("gateway." + name, None):
            delattr(sys.modules["gateway"], name)
    await _swept()
    return folder


async def _files() -> "tuple[Row, Row]":
    """config.json and pins.json, checked; the 8 KB of tables that check them are then nobody's."""
    import config

    entries = config.check_config(await _read(config.load, "/config.json"))
    pins = config.check_pins(await _read(config.load, "/pins.json"), *config.needs(entries))
    del sys.modules["config"]
    return entries, pins


async def _read(load: "Callable[[str], Row]", path: str) -> "Row":
    document = load(path)
    await _swept()  # to read as strictly as messages are read leaves much behind
    return document


async def _swept() -> None:
    gc.collect()
    await asyncio.sleep(0)

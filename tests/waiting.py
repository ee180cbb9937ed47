"""How a test waits for the real world: for the event itself, never for a time.

A limit is only the last resort. It is far above what a machine under load needs, and its end says what was awaited.
"""

import asyncio
import random
import socket
import time
from collections.abc import Callable

LAST_RESORT_S = 120.0
BELOW_EPHEMERAL = range(20_000, 32_000)  # ports that no system hands out by itself
LOOK_EVERY_S = 0.01


def until_true(condition: Callable[[], bool], what: str = "the condition") -> None:
    """Wait for sockets, processes, threads."""
    limit = time.monotonic() + LAST_RESORT_S
    while not condition():
        assert time.monotonic() < limit, f"{what} never came true"
        time.sleep(LOOK_EVERY_S)


async def eventually(condition: Callable[[], bool], what: str = "the condition") -> None:
    """As `until_true`, while the loop of events goes on."""
    limit = time.monotonic() + LAST_RESORT_S
    while not condition():
        assert time.monotonic() < limit, f"{what} never came true"
        await asyncio.sleep(LOOK_EVERY_S / 2)


def free_port() -> int:
    """A port for a server that must be told its own, which may come back to it after a restart.

    Not one that the system gives to the next outgoing connection.
    """
    for port in random.SystemRandom().sample(BELOW_EPHEMERAL, 100):  # not the seed that a test may have set
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")

"""The people of a chaos run: they open, close, stop and resume through the store, as a page or a shell does."""

import asyncio
import random
from collections import Counter
from contextlib import closing

from compute_service import orders
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.orders import Order
from compute_service.errors import ComputeError
from tests.chaos.world import World

OPEN_EVERY_S = 1.5
RUN_S = (60, 600)  # of field time
STOP_EVERY = 60  # orders
STOPPED_S = 4


async def order_all_the_time(world: World, draw: random.Random, given: Counter[str]) -> None:
    """Until cancelled; `given` counts what was ordered, and what could not be."""
    names = [zone.zone_id for zone in world.config.zones][:-1]
    number = 0
    while True:
        number += 1
        if number % STOP_EVERY == 0:
            await give(world, given, "stop")
            await asyncio.sleep(STOPPED_S)
            while not await give(world, given, "resume"):
                await asyncio.sleep(OPEN_EVERY_S)
        zone_id = draw.choice(names)
        await give(world, given, "open", zone_id, draw.randrange(*RUN_S))
        if draw.random() < 0.15:
            await asyncio.sleep(draw.uniform(0, 2))
            await give(world, given, "close", zone_id)
            await asyncio.sleep(draw.uniform(0, 1))
            while not await give(world, given, "resume", zone_id):
                await asyncio.sleep(OPEN_EVERY_S)
        await asyncio.sleep(OPEN_EVERY_S)


async def give(
    world: World, given: Counter[str], action: str, zone_id: str | None = None, duration_s: int | None = None
) -> bool:
    """Write one order down; False if the store, or the rules, would not have it."""
    now = world.place.pace.now_ms() // 1000
    about = {"order_id": orders.new_order_id(now), "action": action, "at": now, "by": "ana", "via": "shell"}
    order = Order(**about, zone_id=zone_id, duration_s=duration_s)  # type: ignore[arg-type]  # of the right kinds

    def write() -> None:
        with closing(SqliteStore(world.place.store, must_exist=True)) as store:
            orders.give(store, world.config, order)

    try:
        async with world.store_lock:
            await asyncio.to_thread(write)
    except ComputeError as error:
        given[f"{action}: {type(error).__name__}"] += 1
        return False
    given[action] += 1
    return True

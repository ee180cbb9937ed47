"""Faults of the network. Each takes a link, and gives what was seen of it there; nothing seen, nothing counted."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from tests.chaos.links import DOWN, UP, Link, Weather

FIELD_DAY = 70.0  # seconds within which a gateway has something to say, a reading or a ping
COMES_BACK_S = 90.0

LinkFault = Callable[[Link, random.Random], Awaitable[str]]


async def until(condition: Callable[[], bool], within_s: float) -> bool:
    """Wait for it; False if it does not come in time."""
    limit = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > limit:
            return False
        await asyncio.sleep(0.1)
    return True


async def _connected_again(link: Link, before: int, what: str) -> str:
    """The other end has noticed: it is back on a new connection."""
    if await until(lambda: link.seen["accepted"] > before and link.live > 0, COMES_BACK_S):
        return f"{what}, connected again"
    return ""


async def cut(link: Link, _draw: random.Random) -> str:
    """Both ends are hung up on."""
    before = link.seen["accepted"]
    if not await until(lambda: link.live > 0, COMES_BACK_S):
        return ""
    link.cut()
    return await _connected_again(link, before, "hung up")


async def tear(link: Link, _draw: random.Random) -> str:
    """The connection ends in the middle of a packet."""
    before, torn = link.seen["accepted"], link.seen["torn"]
    link.set(Weather(tears=True))
    seen = await until(lambda: link.seen["torn"] > torn, FIELD_DAY)
    link.set(Weather())
    return await _connected_again(link, before, "cut within a packet") if seen else ""


async def stall(link: Link, draw: random.Random) -> str:
    """Nothing passes for a while, then all of it, unless an end has lost patience."""
    before = link.seen["stalled"]
    link.set(Weather(is_stalled=True))
    await until(lambda: link.seen["stalled"] > before, FIELD_DAY)
    await asyncio.sleep(draw.uniform(2, 25))
    held = link.seen["stalled"] - before
    link.set(Weather())
    return f"{held} blocks held" if held else ""


async def _swallow(link: Link, draw: random.Random, way: str, what: str) -> str:
    before, accepted = link.seen["swallowed"], link.seen["accepted"]
    link.set(Weather(swallows=way))
    lost = await until(lambda: link.seen["swallowed"] > before, FIELD_DAY)
    await asyncio.sleep(draw.uniform(0.2, 3))
    link.set(Weather())
    link.cut()  # TLS has a hole by now
    return await _connected_again(link, accepted, what) if lost else ""


async def lose_answers(link: Link, draw: random.Random) -> str:
    """Half open: what is sent arrives, and no PUBACK comes back, so that it is sent again."""
    return await _swallow(link, draw, DOWN, "PUBACKs lost, sent again")


async def lose_words(link: Link, draw: random.Random) -> str:
    """Half open the other way: what comes is heard, and what is said is lost."""
    return await _swallow(link, draw, UP, "words lost")


async def delay(link: Link, draw: random.Random) -> str:
    """Every block is late."""
    late = await _through(link, Weather(delay_s=draw.uniform(0.5, 4)), "delayed", 2)
    return f"{late} blocks late" if late else ""


async def throttle(link: Link, draw: random.Random) -> str:
    """A few hundred bytes a second."""
    pieces = await _through(link, Weather(bytes_per_s=draw.randrange(150, 600)), "throttled", 3)
    return f"in {pieces} pieces" if pieces else ""


async def _through(link: Link, weather: Weather, counter: str, enough: int) -> int:
    """How much of what the weather does was seen, once it was `enough` or a day had passed."""
    before = link.seen[counter]
    link.set(weather)
    await until(lambda: link.seen[counter] >= before + enough, FIELD_DAY)
    link.set(Weather())
    return link.seen[counter] - before


async def refuse(link: Link, _draw: random.Random) -> str:
    """No network: whoever connects is hung up on."""
    before, accepted = link.seen["refused"], link.seen["accepted"]
    link.set(Weather(refuses=True))
    link.cut()
    seen = await until(lambda: link.seen["refused"] > before, COMES_BACK_S)
    link.set(Weather())
    return await _connected_again(link, accepted, "refused") if seen else ""


async def be_silent(link: Link, _draw: random.Random) -> str:
    """Connections are taken, and nobody is there."""
    before, accepted = link.seen["unanswered"], link.seen["accepted"]
    link.set(Weather(is_silent=True))
    link.cut()
    seen = await until(lambda: link.seen["unanswered"] > before, COMES_BACK_S)
    link.set(Weather())
    link.cut()
    return await _connected_again(link, accepted + 1, "unanswered") if seen else ""


LINK_FAULTS: dict[str, LinkFault] = {
    "cut": cut,
    "cut within a packet": tear,
    "stalled": stall,
    "half open, answers lost": lose_answers,
    "half open, words lost": lose_words,
    "slow": delay,
    "narrow": throttle,
    "refused": refuse,
    "unanswered": be_silent,
}


async def reorder(links: list[Link], draw: random.Random) -> str:
    """Many links, each late in its own way: what was said first arrives last."""
    before = {link.name: link.seen["delayed"] for link in links}
    for link in links:
        link.set(Weather(delay_s=draw.uniform(0, 4)))
    await asyncio.sleep(12)
    for link in links:
        link.set(Weather())
    late = sum(link.seen["delayed"] > before[link.name] for link in links)
    return f"{late} gateways out of turn" if late > 1 else ""


async def cut_all(links: list[Link], _draw: random.Random) -> str:
    """A mast is gone for a moment: many gateways lose their connections at once, and come back at once."""
    before = {link.name: link.seen["accepted"] for link in links if link.live}
    for link in links:
        link.cut()
    there = [link for link in links if link.name in before]
    await until(lambda: all(link.seen["accepted"] > before[link.name] for link in there), COMES_BACK_S)
    back = sum(link.seen["accepted"] > before[link.name] for link in there)
    return f"{back} of {len(there)} connected again" if there and back == len(there) else ""

"""A chaos run: lanes of faults beside each other, drawn from one seed; then everything is mended and brought home."""

import asyncio
import itertools
import json
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos import breakage, network, people
from tests.chaos.evidence import collect
from tests.chaos.links import Weather
from tests.chaos.place import COMPUTE
from tests.chaos.plan import plan
from tests.chaos.world import World, open_world

ONLINE_WITHIN_S, STOPPED_WITHIN_S = 180, 120
GATEWAY_FAULT_EVERY_S, AT_ONCE = 4.0, 24
CLOSED_AFTER_S = 3 * 3600  # of field time, after which no command waits for an answer any more
Fault = Callable[[], Awaitable[str]]


@dataclass(frozen=True, kw_only=True)
class Strike:
    """One fault as it happened: at which second of the run, how long, and what was seen of it; nothing: ''."""

    number: int
    kind: str
    target: str
    at_s: float
    lasted_s: float
    seen: str


@dataclass
class Chaos:
    """The lanes and what they did."""

    world: World
    seed: int
    seconds: float
    strikes: list[Strike] = field(default_factory=list)
    given: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._began = time.monotonic()
        self._log = (self.world.place.path / "strikes.jsonl").open("a", buffering=1)
        self._busy: set[str] = set()
        self._numbers = itertools.count(1)

    def _left_s(self) -> float:
        return self._began + self.seconds - time.monotonic()

    async def strike(self, kind: str, target: str, fault: Fault) -> None:
        """Let one fault happen, and note it before and after."""
        number, begin = next(self._numbers), time.monotonic()
        head = {"number": number, "begins": kind, "target": target, "field_s": self.world.place.pace.now_ms() // 1000}
        self._log.write(json.dumps(head) + "\n")
        seen = await fault()
        lasted_s = round(time.monotonic() - begin, 1)
        at_s = round(begin - self._began, 1)
        strike = Strike(number=number, kind=kind, target=target, at_s=at_s, lasted_s=lasted_s, seen=seen)
        self.strikes.append(strike)
        self._log.write(json.dumps(asdict(strike)) + "\n")

    async def lane(self, name: str, kinds: dict[str, breakage.Breakage], pause_s: tuple[int, int]) -> None:
        """One fault of these after the other, each kind as often as the others."""
        draw, waiting = random.Random(f"{name}:{self.seed}"), list[str]()
        while self._left_s() > 0:
            waiting = waiting or draw.sample(list(kinds), len(kinds))
            kind = waiting.pop()
            await self.strike(kind, name, lambda kind=kind: kinds[kind](self.world, draw))  # type: ignore[misc]
            await asyncio.sleep(draw.uniform(*pause_s))

    async def service_network(self) -> None:
        """The link between the service and the gate."""
        draw, waiting = random.Random(f"service link:{self.seed}"), list[str]()
        link = self.world.service_link
        while self._left_s() > 0:
            waiting = waiting or draw.sample(list(network.LINK_FAULTS), len(network.LINK_FAULTS))
            kind = waiting.pop()
            await self.strike(f"service's link {kind}", "service", lambda k=kind: network.LINK_FAULTS[k](link, draw))  # type: ignore[misc]
            await asyncio.sleep(draw.uniform(15, 40))

    async def gateway_network(self) -> None:
        """The links of gateways: many under fault at once, each its own."""
        draw, waiting = random.Random(f"links:{self.seed}"), list[str]()
        async with asyncio.TaskGroup() as group:
            while self._left_s() > 0:
                waiting = waiting or draw.sample(list(network.LINK_FAULTS), len(network.LINK_FAULTS))
                free = sorted(set(self.world.links) - self._busy)
                if free and len(self._busy) < AT_ONCE:
                    group.create_task(self._on_link(waiting.pop(), draw.choice(free), draw.random()))
                await asyncio.sleep(GATEWAY_FAULT_EVERY_S)

    async def _on_link(self, kind: str, name: str, seed: float) -> None:
        self._busy.add(name)
        draw, link = random.Random(seed), self.world.links[name]
        try:
            await self.strike(f"link {kind}", name, lambda: network.LINK_FAULTS[kind](link, draw))
        finally:
            link.set(Weather())
            self._busy.discard(name)

    async def masts(self) -> None:
        """A part of all gateways at once."""
        draw = random.Random(f"masts:{self.seed}")
        kinds = {"half of the links late, out of order": network.reorder, "many links cut at once": network.cut_all}
        while self._left_s() > 0:
            for kind, fault in kinds.items():
                free = sorted(set(self.world.links) - self._busy)
                some = draw.sample(free, max(1, len(free) // (2 if fault is network.reorder else 4)))
                self._busy |= set(some)
                links = [self.world.links[name] for name in some]
                await self.strike(kind, f"{len(some)} gateways", lambda f=fault, on=links: f(on, draw))  # type: ignore[misc]
                self._busy -= set(some)
                await asyncio.sleep(draw.uniform(10, 30))

    async def rage(self) -> None:
        """All lanes beside each other until the time is over."""
        lanes = [
            self.lane("service", breakage.SERVICE_FAULTS, (1, 6)),
            self.lane("cloud", breakage.CLOUD_FAULTS, (2, 8)),
            self.lane("lake", breakage.LAKE_FAULTS, (20, 35)),
            self.lane("weather", breakage.WEATHER_FAULTS, (1, 9)),
            *(self.service_network(), self.gateway_network(), self.masts()),
        ]
        draw = random.Random(f"people:{self.seed}")
        ordering = asyncio.create_task(people.order_all_the_time(self.world, draw, self.given))
        try:
            async with asyncio.TaskGroup() as group:
                for lane in lanes:
                    group.create_task(lane)
        finally:
            ordering.cancel()
            await asyncio.gather(ordering, return_exceptions=True)

    async def bring_home(self) -> None:
        """Mend everything; the farm works once more; then it ends in good order."""
        world = self.world
        for link in (*world.links.values(), world.service_link, world.aws_link):
            link.set(Weather())
        world.place.clock_shift.write_text("0")
        while not await people.give(world, self.given, "resume"):
            await asyncio.sleep(1)
        ordering = asyncio.create_task(people.order_all_the_time(world, random.Random("last"), self.given))
        if await world.decides(breakage.DECIDES_WITHIN_S) is None:
            self.errors.append("the service commands nothing after the last fault")
        ordering.cancel()
        await asyncio.gather(ordering, return_exceptions=True)
        if not await network.until(lambda: all(link.live for link in world.links.values()), ONLINE_WITHIN_S):
            self.errors.append(f"offline at the end: {[n for n, link in world.links.items() if not link.live]}")
        await self._shut_everything()
        world.supervisor.let_end("fleet")
        world.supervisor.tell("fleet", "stop")
        if not await network.until(lambda: world.supervisor.code("fleet") is not None, 600):
            self.errors.append("the fleet brings its samples home without end")
        await asyncio.sleep(5)  # the service takes the last acks
        world.place.clock_shift.write_text(str(CLOSED_AFTER_S))
        await asyncio.sleep(10)
        await self._end_service_and_cloud()

    async def _shut_everything(self) -> None:
        """A person stops the farm; its boards answer before they are switched off."""
        start = self.world.witness_size()
        while not await people.give(self.world, self.given, "stop"):
            await asyncio.sleep(1)
        await network.until(lambda: len(self._stopped(start)) >= len(self.world.links), STOPPED_WITHIN_S)
        await asyncio.sleep(5)

    def _stopped(self, start: int) -> set[str]:
        """The gateways that have answered a stop which passed the gate since then."""
        rows = self.world.witnessed(start)
        commands = [json.loads(row[3]) for row in rows if row[1] == COMPUTE]
        stops = {one["command_id"] for one in commands if one.get("action") == "stop_all"}
        acks = [(row[1], json.loads(row[3])) for row in rows if row[2].endswith("/ack") and row[1] in self.world.links]
        return {name for name, ack in acks if ack["command_id"] in stops}

    async def _end_service_and_cloud(self) -> None:
        world = self.world
        world.is_over = True
        for name in ("service", "cloud"):
            world.supervisor.let_end(name)
        world.supervisor.send("service", signal.SIGTERM)
        await network.until(lambda: world.supervisor.code("service") is not None, 60)
        world.supervisor.end_input("cloud")  # it delivers what it holds
        await network.until(lambda: world.supervisor.code("cloud") is not None, 60)
        lake = await breakage.start_lake(world)
        if await lake.wait():
            self.errors.append("the aggregate function fails in the end")


async def run(root: Path, *, gateways: int, seconds: float, seed: int, speed: float) -> None:
    """One run; what is left of it is in `root`, to be judged by `report.report_of`."""
    async with open_world(root, gateways, seed, speed, lambda farm, pace: plan(farm, pace, seconds, seed)) as world:
        links = world.links.values()
        # Not all of them: the plan of what befalls boards has begun with field time.
        if not await network.until(lambda: sum(link.live > 0 for link in links) >= 0.9 * gateways, ONLINE_WITHIN_S):
            raise RuntimeError("the farm does not come online")
        chaos = Chaos(world, seed, seconds)
        await chaos.rage()
        await chaos.bring_home()
        collect(world)
        facts: dict[str, Any] = {"errors": chaos.errors, "orders": dict(chaos.given), "restarts": dict(world.restarts)}
        facts |= {"gateways": gateways, "seconds": seconds, "seed": seed, "speed": speed}
        (root / "run.json").write_text(json.dumps(facts))

"""The power goes at each flash operation and at each await of a watering run: no valve rule is ever broken."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field as field_of

import pytest

from tests.gateway.conftest import Broker
from tests.vm.bench.board import Bench, Cut, Event, running
from tests.vm.bench.field import Commander, Field, Identities, field
from tests.waiting import eventually

Record = Callable[[str, object], None]
AT_ONCE = 3  # boards side by side: a bit more than a small machine has cores
DARK_S = 3
RUN_S = 6
SAMPLING = {"sample_interval_s": 10, "publish_interval_s": 10}


@dataclass
class Life:
    """One board from its first boot over one power cut to the end of everything it was told."""

    name: str
    kind: str
    cut: Cut | None = None
    counted: int = 0
    events: list[Event] = field_of(default_factory=list)  # from the moment on from which operations are counted

    async def live(self, bench: Bench, commander: Commander, identities: Identities, port: int) -> None:
        """Judge it all the way. Raises BrokenPromiseError."""
        options = {"count_awaits": self.kind == "await"}
        identity = identities.issue("irrigation-gateway-1")
        async with field(bench, commander, identity, port, self.name, options=options, **SAMPLING) as farm:
            await farm.start(self.cut if self.kind == "flash" else None)
            begin = 0
            if self.kind == "await":
                await farm.board.arm(self.cut)
                begin = len(farm.board.events)
            await self._water(farm)
            self.counted = farm.board.counts[self.kind]
            self.events = farm.board.events[begin:]
            await self._come_home(farm)

    async def _water(self, farm: Field) -> None:
        steps = (
            lambda: farm.command("open", duration_s=RUN_S),
            lambda: farm.command("open", "plot-1b", duration_s=60),
            lambda: farm.wait(2),
            lambda: farm.command("close", "plot-1b"),
            lambda: farm.wait(RUN_S),
            lambda: farm.command("open", duration_s=60),
            lambda: farm.wait(1),
            lambda: farm.command("stop_all", zone_id=None),
            lambda: farm.wait(3),
        )
        for step in steps:
            farm.board.events.append(Event(farm.board.ms, "step", ()))
            await self._power(farm)
            await step()

    async def _power(self, farm: Field) -> None:
        """A board that went dark gets its power back."""
        if not farm.board.on:
            await farm.board.advance(DARK_S)
            await farm.start()

    async def _come_home(self, farm: Field) -> None:
        await self._power(farm)
        await farm.wait(90)
        assert not farm.judge.oracle.any_open
        for command in farm.commands:
            if command["action"] == "open":
                await eventually(lambda it=command: farm.is_final(it), f"the final ack of {command['command_id']}")  # type: ignore[misc]
        await farm.commander.catch_up()
        for boot_id, seqs in seqs_by_boot(commander=farm.commander, gateway_id=farm.gateway_id).items():
            assert seqs == list(range(1, len(seqs) + 1)), f"samples are missing: {boot_id} {seqs}"
        if self.cut is not None:
            assert len([event for event in farm.board.events if event.what == ("power cut",)]) == 1


def seqs_by_boot(commander: Commander, gateway_id: str) -> dict[str, list[int]]:
    """The numbers of the samples that arrived, each once, in order."""
    found: dict[str, set[int]] = {}
    for reading in commander.of("/data", gateway_id):
        found.setdefault(reading["boot_id"], set()).update(sample["seq"] for sample in reading["samples"])
    return {boot_id: sorted(seqs) for boot_id, seqs in found.items()}


async def live_all(lives: list[Life], commander: Commander, identities: Identities, port: int) -> None:
    """All lives, a few at a time; the first failure is raised with the name of its life."""
    gate = asyncio.Semaphore(AT_ONCE)
    async with running() as bench, asyncio.TaskGroup() as group:

        async def one(life: Life) -> None:
            async with gate:
                try:
                    await life.live(bench, commander, identities, port)
                except Exception as error:
                    error.add_note(f"in {life}")
                    raise

        for life in lives:
            group.create_task(one(life))


async def whole(kind: str, commander: Commander, identities: Identities, port: int) -> Life:
    """A life without a power cut, to know its operations of a kind."""
    life = Life("irrigation-gateway-0", kind)
    await live_all([life], commander, identities, port)
    return life


@pytest.mark.parametrize(
    "parts", [("before", "torn"), pytest.param(("before", "torn", "after"), marks=pytest.mark.soak)], ids=len
)
async def test_at_every_flash_operation(
    mosquitto: Broker, commander: Commander, identities: Identities, record_property: Record, parts: tuple[str, ...]
) -> None:
    """Before and within each one, from the first boot to the end of a run, a close and a stop.

    After one, the flash is what it is before the next, and nobody has moved but the relays: that is the soak's. So is
    within what the flash does whole or not at all, which is any operation but a write: it has not happened.
    """
    life = await whole("flash", commander, identities, mosquitto.port)
    does = [event.what[0] for event in life.events if event.kind == "flash"][: life.counted]
    assert len(does) == life.counted > 30
    assert does.count("write") > 10
    cuts = [
        Cut("flash", number, part)
        for number, what in enumerate(does, 1)
        for part in parts
        if part != "torn" or what == "write" or "after" in parts
    ]
    lives = [Life(f"irrigation-gateway-{n}", "flash", cut) for n, cut in enumerate(cuts, 1)]
    await live_all(lives, commander, identities, mosquitto.port)
    record_property("power cuts at flash operations", len(cuts))


def unlike(life: Life) -> list[int]:
    """The awaits between which and the await before something came out of the board or in, or time passed.

    Power that goes at any other leaves what it would have left at the one before: flash, valves, broker and time are
    the same, and the rest is gone.
    """
    numbers, since, told = [], [("the first",)], None
    for event in life.events:
        if event.kind != "await":
            since += [(event.kind,)] if event.kind != "log" else []
            continue
        number, *given = event.what
        if since or told != (event.ms, given):
            numbers.append(number)
        since, told = [], (event.ms, given)
    return [number for number in numbers if number <= life.counted]


@pytest.mark.parametrize("each", [False, pytest.param(True, marks=pytest.mark.soak)], ids=["unlike", "each"])
async def test_at_every_await(
    mosquitto: Broker, commander: Commander, identities: Identities, record_property: Record, each: bool
) -> None:
    """At each time that a task of the board goes on, from the command to the end of a run, a close and a stop.

    Of those between which nothing happened outside of the VM one is enough; the soak's are all of them.
    """
    life = await whole("await", commander, identities, mosquitto.port)
    assert life.counted > 45
    numbers = list(range(1, life.counted + 1)) if each else unlike(life)
    lives = [Life(f"irrigation-gateway-{n}", "await", Cut("await", n)) for n in numbers]
    await live_all(lives, commander, identities, mosquitto.port)
    record_property("power cuts at awaits", len(numbers))

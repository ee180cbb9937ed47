"""The whole house in one process: the real gateway, its outbox and its supervisor, the real service, and people.

Fake are board, flash, clock and wire, as in `world`. There are no snapshots of a running gateway: to go back,
everything that happened is played again, so this walk is slower and shallower.
"""

import asyncio
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from gateway.gateway import Gateway
from gateway.valves import Valves
from protocol import messages, topics
from tests.safety.explorer import WAITS, Scenario, opening
from tests.safety.office import DEATHS, FARM_ZONES, Office, is_a_persons
from tests.safety.oracle import Ack, Command
from tests.safety.world import GATEWAY, ZONES, Event, World

DAY_S = 86400
CONFIG = {
    "gateway_id": GATEWAY,
    "host": "nowhere",
    "port": 8883,
    "zones": list(ZONES),
    **dict.fromkeys(("sample_interval_s", "publish_interval_s", "status_interval_s"), DAY_S),
}


class _Link:
    """In the place of the gateway's MQTT client: always online; every publish goes to `on_publish`."""

    def __init__(self, on_publish: Callable[[str, bytes, Callable[[], None]], None]) -> None:
        self.send = on_publish
        self.online = False
        self.room = 16
        self.connects = 0
        self.last_error = None
        self.on_online: Callable[[], None]

    async def run(self) -> None:
        self.online = True
        self.on_online()
        await asyncio.Event().wait()


class House(World):
    """One gateway and its compute service, which issues `orders` in turn, the first at once; it may die of that one.

    An order is what compute decides (see `explorer.opening`) or, with a name in `by`, what somebody asks for.
    """

    def __init__(self, orders: tuple[dict[str, Any], ...], copies: int, death: str | None = None) -> None:
        self._loop = asyncio.new_event_loop()
        self.office = Office(lambda: self.truth, self._wire)
        self._given = orders
        self._copies = copies
        self._first_death = death
        self._sleepers: list[tuple[int, asyncio.Future[None]]] = []
        self._run: asyncio.Task[None] | None = None
        self._begin()

    def _begin(self) -> None:
        self._past: list[Event] = []
        self.orders = list(self._given)
        self.uplink: list[tuple[Ack, bytes, Callable[[], None]]] = []  # acks that compute has not heard yet
        self.heard_twice = 0
        self.office.begin()
        super().__init__((), self._copies)
        if self.orders:
            self.on_issue(self._first_death)

    def close(self) -> None:
        """End the loop and the store."""
        self._forget_device()
        self._loop.close()
        self.office.close()

    def snapshot(self) -> tuple[Any, ...]:
        """What has happened so far."""
        return tuple(self._past)

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Begin anew and let it happen again."""
        self._forget_device()
        self.office.take_back()
        self._begin()
        for event in snapshot[1:]:  # the first is the boot
            self.apply(event)

    def state(self, snapshot: tuple[Any, ...], depth: int) -> None:
        """Not all of a running gateway can be seen, so no two houses are known to be the same."""

    def apply(self, event: Event) -> None:
        """Let an event happen; compute gives up what is overdue. Raises BrokenPromiseError."""
        self._past.append(event)
        super().apply(event)
        self.office.give_up()

    # the events that only a house has

    def on_issue(self, death: str | None) -> None:
        """Compute issues its next order, or somebody gives it, and the broker has it; or compute dies of it."""
        self.office.issue(self.orders.pop(0), death)

    def on_restart(self, _: None) -> None:
        """Compute is back after it died."""
        self.office.restart()

    def on_hear(self, what: tuple[int, bool]) -> None:
        """Compute hears an ack; its PUBACK comes back, or is lost, so that the ack comes again."""
        number, is_acked = what
        _, payload, on_acked = self.uplink[number]
        self.office.hear(topics.ack(GATEWAY), payload)
        if not is_acked:
            self.heard_twice += 1
            return
        del self.uplink[number]
        self._within(on_acked)

    def _wire(self, command: Command) -> None:
        """The broker has a command, perhaps once more."""
        names = [one["command_id"] for one in self.commands]
        if command["command_id"] not in names:
            self.issue(command, self._copies)
            return
        number = names.index(command["command_id"])
        self.left = (*self.left[:number], self.left[number] + 1, *self.left[number + 1 :])

    # the device

    def _start(self) -> None:
        for zone_id in FARM_ZONES:
            self.set_valve(zone_id, False)  # as boot.py does, before the gateway is even built
        link = _Link(self._publish)
        self._gateway = gateway = Gateway(CONFIG, self, _Clock(self), self, None, random=random.Random(1))
        gateway._client = link  # type: ignore[assignment]  # sockets are the one part of it that is not under test
        link.on_online = gateway._came_online
        self._valves = gateway._valves
        self._valves._on_ack = self._say
        self._run = self._loop.create_task(gateway.run())
        self._settle()

    def _take(self, command: Command) -> None:
        payload = messages.encode("command", command)
        self._within(self._gateway._receive, topics.command(GATEWAY), payload)

    def _give_tick(self) -> None:
        for _, sleeper in [entry for entry in self._sleepers if entry[0] <= self.at_ms]:
            if not sleeper.done():
                sleeper.set_result(None)
        self._settle()

    def _say(self, ack: Ack) -> None:
        if self.powered:
            self._hear(ack)
            self._gateway._send_ack(ack)

    def _publish(self, topic: str, payload: bytes, on_acked: Callable[[], None]) -> None:
        kind, message = messages.decode(topic, payload)
        if kind == "ack":
            self.uplink.append((dict(message), payload, on_acked))
            return
        if kind == "status":
            self.office.hear(topic, payload)
        on_acked()

    async def sleep(self, ms: int) -> None:
        """The gateway's sleep, in device time."""
        sleeper = (self.at_ms + ms, self._loop.create_future())
        self._sleepers.append(sleeper)
        try:
            await sleeper[1]
        finally:
            self._sleepers.remove(sleeper)

    def _within(self, job: Callable[..., None], *arguments: Any) -> None:
        """Call a function inside the loop, as the gateway's client does."""
        raised: list[BaseException] = []

        def call() -> None:
            try:
                job(*arguments)
            except BaseException as error:  # a power cut or a violation: raised again outside of the loop
                raised.append(error)

        self._loop.call_soon(call)
        self._settle()
        for error in raised:
            raise error

    def _settle(self) -> None:
        """Let every task of the gateway go on as far as it can; a power cut in one of them is one here."""
        self._loop.call_soon(self._turn, 4)
        self._loop.run_forever()
        if self._run and self._run.done() and not self._run.cancelled():
            self._run.result()
        for task in list(self._gateway._tasks.values()):
            if task.done() and not task.cancelled():
                task.result()

    def _turn(self, more: int) -> None:
        if more:
            self._loop.call_soon(self._turn, more - 1)
        else:
            self._loop.stop()

    def on_power(self, _: None) -> None:
        """The power goes; what the broker has already, compute will hear."""
        super().on_power(None)
        self._forget_device()
        self.uplink = [(ack, payload, _nothing) for ack, payload, _ in self.uplink]

    def _forget_device(self) -> None:
        """Its tasks end, and whatever they do on the way out reaches nothing."""
        self.powered = False
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self._loop.run_until_complete(asyncio.wait(tasks))
        for task in tasks:
            if not task.cancelled():
                task.exception()  # asked for, else asyncio complains
        self._run = None
        self._sleepers.clear()

    # board and flash: without power nothing moves

    def read(self) -> list[Any]:
        """No probes."""
        return []

    def health(self) -> dict[str, Any]:
        """Nothing to say."""
        return {}

    def set_valve(self, zone_id: str, is_open: bool) -> None:
        """Move a pin."""
        if self.powered:
            super().set_valve(zone_id, is_open)

    def load(self, name: str) -> bytes | None:
        """Read the flash."""
        return super().load(name)

    def save(self, name: str, data: bytes) -> None:
        """Write to the flash."""
        if self.powered:
            super().save(name, data)

    def append(self, name: str, data: bytes) -> None:
        """Write to the end of a file."""
        if self.powered:
            self._write(name, data, self._files.get(name, b""))

    def remove(self, name: str) -> None:
        """Forget a file."""
        if self.powered:
            self._files.pop(name, None)

    # the end

    def run_out(self) -> None:
        """Let every stop arrive, every run end, and every ack be heard; then the books must be right."""
        if not self.office.is_alive:
            self.apply(Event("restart"))
        if not self.powered:
            self.apply(Event("boot", "kept"))
        if self.office.has_people:
            self._obey_people()
        super().run_out()
        self._hear_all()
        store = self.office.store.commands
        booked = {delivery.command_id: delivery.duration_s for delivery in store.deliveries()}
        for command in self.commands:
            row = store.get(command["command_id"])
            if row and command["action"] == "open":
                self.oracle.booked(row.command_id, row.state, booked.get(row.command_id))

    def _obey_people(self) -> None:
        """The gateway says that it is online, hears what nobody has answered yet, and answers."""
        self._hear_all()
        self._within(self._gateway._came_online)
        for number, command in enumerate(self.commands):
            if command["action"] != "open" and self.left[number]:
                self.apply(Event("deliver", number))
        self._hear_all()
        self.office.judge.ends(self.oracle.open_zones, self.office.unfinished(), self.truth)

    def _hear_all(self) -> None:
        while self.uplink:
            self.on_hear((0, True))


class _Clock:
    """The device's clock, as the gateway sees it."""

    def __init__(self, house: House) -> None:
        self._house = house

    def now(self) -> int:
        return self._house.now

    def ticks_ms(self) -> int:
        return self._house.ticks_ms()

    def trusted(self) -> bool:
        return self._house.trusted

    async def sleep_ms(self, ms: int) -> None:
        await self._house.sleep(ms)


def _nothing() -> None:
    pass


@dataclass(frozen=True, eq=False)
class HouseScenario(Scenario):
    """What may happen to a house with these `orders`; acks come once or twice, in any order, and compute may die.

    `death` is how it dies of the first order, `deaths` how often of later ones.
    """

    orders: tuple[dict[str, Any], ...] = ()
    twice: int = 1
    death: str | None = None
    deaths: int = 0

    def world(self, make: Callable[..., Valves] = Valves) -> House:
        """The house before anything has happened. Close it."""
        return House(self.orders, self.copies, self.death)

    def choices(self, world: World) -> Iterator[Event]:
        """Everything that can happen next."""
        assert isinstance(world, House)
        yield from super().choices(world)
        if not world.powered:
            return
        is_alive = world.office.is_alive
        if world.orders and (is_alive or is_a_persons(world.orders[0])):
            yield Event("issue")
        if not is_alive:
            yield Event("restart")
            return
        if world.orders and world.office.deaths < self.deaths + bool(self.death):
            yield from (Event("issue", death) for death in DEATHS)
        for number in {0, len(world.uplink) - 1} if world.uplink else ():
            yield Event("hear", (number, True))
        if world.uplink and world.heard_twice < self.twice:
            yield Event("hear", (0, False))


def _ask(action: str, zone_id: str | None = None, by: str = "ana", **fields: Any) -> dict[str, Any]:
    """What somebody orders."""
    return {"action": action, "zone_id": zone_id, "by": by, **fields}


STOP, CLOSE, RESUME = _ask("stop"), _ask("close", "plot-1a"), _ask("resume")
PAUSE = _ask("pause", "plot-1a", pause_s=3600)
BY_HAND = _ask("open", "plot-1a", "rui", duration_s=60, key="a form")
_MOST = ("half", "due", "late", "expiry")
_FEW = ("half", "late", "expiry")


def _of_people(name: str, depth: int, orders: tuple[dict[str, Any], ...], **more: Any) -> HouseScenario:
    """What orders can do to each other: each message comes once, and time passes to where that matters to them."""
    return HouseScenario(name, (), depth, 1, 0, orders=orders, waits=_FEW, **more)


HOUSES = (
    HouseScenario("an open", (), 4, orders=(opening(),), waits=_MOST),
    HouseScenario("an open replaced", (), 4, power=1, orders=(opening(max_volume_l=20), opening(86400)), waits=_FEW),
    HouseScenario("an open stopped", (), 4, power=1, orders=(opening(), STOP), waits=_FEW),
    HouseScenario("an open closed, and again", (), 4, power=1, orders=(opening(), CLOSE, opening(90)), waits=_FEW),
    HouseScenario("an open and the clock", (), 3, orders=(opening(),), clock=1, boots=("kept", "lost")),
    _of_people("a stop while compute dies", 4, (opening(), STOP, opening(90)), deaths=1),
    _of_people("an open unsent, and stopped", 4, (opening(), STOP), death="unsent"),
    _of_people("an open unacked, and closed", 4, (opening(), CLOSE), death="unacked"),
    _of_people("a form sent twice", 3, (BY_HAND, BY_HAND, STOP), deaths=1),
    _of_people("an order in an outage", 3, (opening(60, zone_id="plot-1b"), BY_HAND, STOP), deaths=1),
    _of_people("pickers walk in", 5, (opening(86400), PAUSE, opening(90))),
    _of_people("stopped and resumed", 4, (opening(), STOP, RESUME, opening(90))),
)
# The first of them with more moments to which time can pass; to a house, if not to its supervisor, most are alike.
LONG_HOUSES = tuple(
    replace(house, waits=waits) for house, waits in zip(HOUSES, (WAITS, WAITS, _MOST, _MOST), strict=False)
)

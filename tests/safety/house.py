"""The whole house in one process: the real gateway, its outbox and its supervisor, and compute's real command log.

Fake are board, flash, clock and wire, as in `world`, and compute's service around its log. There are no snapshots of a
running gateway: to go back, everything that happened is played again, so this walk is slower and shallower.
"""

import asyncio
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from compute_service import commands
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.decide import Decision, Open
from gateway.gateway import Gateway
from gateway.valves import Valves
from protocol import messages, topics
from tests.compute_service.bench import zone
from tests.safety.explorer import CLOSE, STOP, Scenario, opening
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
FARM_ZONES = {"plot-1a": zone("a"), "plot-1b": zone("b")}


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
    """One gateway and its command log. Compute issues `orders` (see `explorer.issue`) in turn, the first at once."""

    def __init__(self, orders: tuple[dict[str, Any], ...], copies: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._store = SqliteStore(":memory:")
        self._given = orders
        self._copies = copies
        self._sleepers: list[tuple[int, asyncio.Future[None]]] = []
        self._run: asyncio.Task[None] | None = None
        self._begin()

    def _begin(self) -> None:
        self._past: list[Event] = []
        self.orders = list(self._given)
        self.uplink: list[tuple[Ack, Callable[[], None]]] = []  # acks that compute has not heard yet
        self.heard_twice = 0
        self._store.database.connection.execute(
            "BEGIN"
        )  # one transaction: whatever compute writes is taken back at once
        super().__init__((), self._copies)
        self.on_issue(None)

    def close(self) -> None:
        """End the loop and the store."""
        self._forget_device()
        self._loop.close()
        self._store.close()

    def snapshot(self) -> tuple[Any, ...]:
        """What has happened so far."""
        return tuple(self._past)

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Begin anew and let it happen again."""
        self._forget_device()
        self._store.database.connection.execute("ROLLBACK")
        self._begin()
        for event in snapshot[1:]:  # the first is the boot
            self.apply(event)

    def state(self, snapshot: tuple[Any, ...], depth: int) -> None:
        """Not all of a running gateway can be seen, so no two houses are known to be the same."""

    def apply(self, event: Event) -> None:
        """Let an event happen; compute gives up what is overdue. Raises BrokenPromiseError."""
        self._past.append(event)
        super().apply(event)
        commands.give_up(self._store.commands, self._store.zones, self.truth)

    # the events that only a house has

    def on_issue(self, _: None) -> None:
        """Compute issues its next order, and the broker has it."""
        order, now = self.orders.pop(0), self.truth
        zone_id = order.get("zone_id", "plot-1a")
        if order["action"] == "open":
            self.issue(self._decide(order, zone_id, now), self._copies)
            return
        # An operator's: no decision stands behind it, so the log of commands does not know it.
        epoch = self._store.commands.epoch(zone_id) + 1 if order["action"] == "close" else 0
        if epoch:
            self._store.commands.raise_epoch(zone_id, epoch)
        self.issue(
            {
                "command_id": f"{order['action']}-{len(self.commands) + 1}",
                "device_id": GATEWAY,
                "zone_id": zone_id if epoch else None,
                "action": order["action"],
                "issued_at": now,
                "expires_at": now + commands.LIFE_S,
                "epoch": epoch,
            },
            self._copies,
        )

    def _decide(self, order: dict[str, Any], zone_id: str, now: int) -> Command:
        intent = Open(order["duration_s"], order.get("max_volume_l", 1e6), 1.0)
        decision = Decision(zone_id=zone_id, at=now, intent=intent, checks=(), sentence="it is dry", receipt={})
        command_id = f"open-{len(self.commands) + 1}"
        command = commands.remember(self._store.commands, FARM_ZONES[zone_id], decision, "decision", command_id)
        assert command
        commands.on_puback(self._store.commands, command_id)
        return dict(command)

    def on_hear(self, what: tuple[int, bool]) -> None:
        """Compute hears an ack; its PUBACK comes back, or is lost, so that the ack comes again."""
        number, is_acked = what
        ack, on_acked = self.uplink[number]
        self._hear_at_compute(ack)
        if not is_acked:
            self.heard_twice += 1
            return
        del self.uplink[number]
        self._within(on_acked)

    def _hear_at_compute(self, ack: Ack) -> None:
        command = self._store.commands.get(ack["command_id"])
        if command:
            commands.acknowledge(self._store.commands, self._store.zones, command, cast(Any, ack), self.truth)

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
            self.uplink.append((dict(message), on_acked))
        else:
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
        self.uplink = [(ack, _nothing) for ack, _ in self.uplink]

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
        """Let every run end, and every ack be heard; then the books must be right."""
        super().run_out()
        while self.uplink:
            self.on_hear((0, True))
        booked = {delivery.command_id: delivery.duration_s for delivery in self._store.commands.deliveries()}
        for command in self.commands:
            row = self._store.commands.get(command["command_id"])
            if row:
                self.oracle.booked(row.command_id, row.state, booked.get(row.command_id))


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
    """What may happen to a house in which compute issues `orders`; acks come once or twice, in any order."""

    orders: tuple[dict[str, Any], ...] = ()
    twice: int = 1

    def world(self, make: Callable[..., Valves] = Valves) -> House:
        """The house before anything has happened. Close it."""
        return House(self.orders, self.copies)

    def choices(self, world: World) -> Iterator[Event]:
        """Everything that can happen next."""
        assert isinstance(world, House)
        yield from super().choices(world)
        if not world.powered:
            return
        if world.orders:
            yield Event("issue")
        for number in {0, len(world.uplink) - 1} if world.uplink else ():
            yield Event("hear", (number, True))
        if world.uplink and world.heard_twice < self.twice:
            yield Event("hear", (0, False))


HOUSES = (
    HouseScenario("an open", (), 4, orders=(opening(),)),
    HouseScenario("an open replaced", (), 4, power=1, orders=(opening(max_volume_l=20), opening(86400))),
    HouseScenario("an open stopped", (), 4, power=1, orders=(opening(), STOP)),
    HouseScenario("an open closed, and again", (), 4, power=1, orders=(opening(), CLOSE, opening(90))),
    HouseScenario("an open and the clock", (), 3, orders=(opening(),), clock=1, boots=("kept", "lost")),
)

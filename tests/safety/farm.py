"""A farm around a compute service that may die at any moment: real valve supervisors, soil, and a faithful broker.

Field time is a number of seconds that the farm moves itself. The broker keeps what it was given until the receiver has
acknowledged it; what the gateways do, and what they have to say, outlives the service. The service is either in this
process, where it dies at a counted point, or a process of its own, which is killed for real.
"""

import copy
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.zone import Config, Zone
from gateway.store import MemoryStore
from gateway.valves import Valves
from protocol import messages, topics
from tests.compute_service.bench import NOON, SITE, zone

HARD_CAP_S = 3600
ZONES = tuple(
    zone(
        zone_id=f"plot-{n}a",
        gateway_id=f"irrigation-gateway-{n}",
        sensor_id=f"irrigation-gateway-{n}.soil-a",
        daily_cap_s=3600,  # two whole runs
    )
    for n in (1, 2)
)
CONFIG = Config(farm="crash farm", timezone="America/Toronto", site=SITE, zones=ZONES)
READINGS_S = (0, 1200, 3600, 7200, 14400, 21600)
STATUSES_S = (0, 9000, 13000, 20000)
DAY_S = 86400
DRIES_PER_H = 0.02  # m3 of water per m3 of soil
WETS_PER_S = 0.022 / 1800

Message = dict[str, Any]


class KilledError(BaseException):
    """The service is dead."""


@dataclass(frozen=True)
class Luck:
    """What else goes wrong: spans are seconds from the start, `first <= t < last`."""

    copies: int = 1  # of each message that the broker delivers
    pubacks_last: bool = False  # acks overtake the PUBACK of their command
    deaf: tuple[int, int] = (0, 0)  # the broker cannot reach the gateways
    mute: tuple[int, int] = (0, 0)  # what the gateways say waits
    unsure: tuple[int, int] = (0, 0)  # the gateways do not trust their clocks
    cut_at: int | None = None  # the gateways' power goes and comes back


@dataclass
class Opening:
    """A valve stood open for a command."""

    command_id: str
    zone_id: str
    opened_at: int
    seconds: int = 0


class FieldGateway:
    """One gateway of one zone: the real supervisor, a pin that keeps count, a flash that survives, and the soil."""

    def __init__(self, zone: Zone, now: Callable[[], int], say: Callable[[str, Message], None]) -> None:
        self.zone = zone
        self.gateway_id = zone.gateway_id
        self.openings: list[Opening] = []
        self.said: list[Message] = []  # every ack
        self.trusted = True
        self._now, self._say = now, say
        self._store = MemoryStore()
        self._open: Opening | None = None
        self._handling = ""
        self._boots = self._seq = 0
        self.boot()

    # the board

    def read(self) -> list[Any]:
        return []

    def health(self) -> Message:
        return {}

    def set_valve(self, zone_id: str, is_open: bool) -> None:
        if self._open:
            self._open.seconds = self._now() - self._open.opened_at
        if is_open and not self._open:
            self._open = Opening(self._handling, zone_id, self._now())
            self.openings.append(self._open)
        elif not is_open:
            self._open = None

    def metered_l(self, _zone_id: str) -> float | None:
        return None

    def pulse_l(self, _zone_id: str) -> float:
        return 0.0

    # what happens

    def boot(self) -> None:
        """Power: all that is not on the flash is forgotten."""
        self._boots += 1
        zones = [{"zone_id": self.zone.zone_id, "hard_cap_s": HARD_CAP_S, "litres_per_minute": 49}]
        self.valves = Valves(zones, self, self._store, f"boot-{self._boots}", self._ack)
        self.valves.boot(self._now(), self.trusted)

    def obey(self, command: Message) -> None:
        self._handling = command["command_id"]
        self.valves.handle(command, self._now(), self.trusted, self._now() * 1000)

    def due(self) -> int | None:
        due = self.valves.next_deadline_ms()
        return None if due is None else -(-due // 1000)

    def tick(self) -> None:
        self.valves.tick(self._now() * 1000, self._now())

    def send_reading(self) -> None:
        self._seq += 1
        sample = {"seq": self._seq, "measured_at": self._now(), "clock": "synced", "vwc": round(self._vwc(), 4)}
        sensor_id = self.zone.sensor_id
        reading = {"sensor_id": sensor_id, "zone_id": self.zone.zone_id, "boot_id": "boot-1", "samples": [sample]}
        self._say(topics.data(sensor_id), {"gateway_id": self.gateway_id, **reading})

    def send_status(self) -> None:
        status = {"boot_id": f"boot-{self._boots}", "state": "online", "at": self._now(), "epochs": self.valves.epochs}
        status["watered_24h_s"], status["last_end_at"] = self.valves.given(self._now())
        self._say(topics.status(self.gateway_id), {"gateway_id": self.gateway_id, **status})

    def _vwc(self) -> float:
        watered_s = sum(opening.seconds for opening in self.openings)
        return 0.18 + watered_s * WETS_PER_S - (self._now() - NOON) / 3600 * DRIES_PER_H

    def _ack(self, ack: Message) -> None:
        ack = {**ack, "gateway_id": self.gateway_id}
        self.said.append(ack)
        self._say(topics.ack(self.gateway_id), ack)


class Compute(Protocol):
    """A service that can die: every call may raise KilledError."""

    def handle(self, topic: str, payload: bytes) -> None: ...
    def puback(self, number: int) -> None: ...
    def tick(self) -> None: ...
    def next_due(self) -> int | None: ...
    def end(self) -> None: ...


Publish = Callable[[str, bytes, int], None]
Start = Callable[["Farm"], Compute]


class Farm:
    """Two gateways, a broker, and a service that `start(farm)` starts, again after each death, `down_s` later."""

    def __init__(self, start: Start, luck: Luck = Luck(), down_s: int = 0) -> None:
        self.now = NOON
        self.luck, self.down_s = luck, down_s
        self.events: list[Message] = []
        self.published: list[Message] = []  # every command, as often as it was published
        self.deaths, self.died_at = 0, NOON
        self.forgetful = False  # a store was lost, and with it what was given today
        self._start = start
        self._compute: Compute | None = None
        self._up_at = NOON
        self._pubacks: deque[int] = deque()
        self._to_compute: deque[tuple[str, bytes]] = deque()
        self.gateways = [FieldGateway(zone, self.time, self._hear) for zone in ZONES]
        self._to_gateways: dict[str, deque[Message]] = {gateway.gateway_id: deque() for gateway in self.gateways}
        self._plan = self._events_to_come()

    def live(self) -> None:
        """Let the whole story happen, and a day after it for everything to settle."""
        until = NOON + max(READINGS_S) + DAY_S
        while True:
            try:
                if self._settle() and self.now >= until:
                    break
                self._wait(until)
            except KilledError:
                self._bury()
        assert self._compute is not None
        self._compute.end()

    def publish(self, topic: str, payload: bytes, number: int) -> None:
        """The broker takes a message of the service; its PUBACK follows."""
        decoded = messages.decode(topic, payload)
        assert decoded[0] == "command"
        message = dict(decoded[1])
        self.published.append(message)
        for _ in range(self.luck.copies):
            self._to_gateways[decoded[1]["device_id"]].append(message)
        self._pubacks.append(number)

    def twin(self, start: Start) -> "Farm":
        """This farm as it is at this moment, in which its service dies; `start` starts the next."""
        told = [self.events, self.published, *(gateway.said for gateway in self.gateways)]
        known: list[tuple[object, object]] = [
            (self._compute, None),
            (self._start, start),
            *((zone, zone) for zone in ZONES),
        ]
        known += [(messages, [*messages]) for messages in told]  # these grow, but nobody changes a message
        twin = copy.deepcopy(self, {id(here): there for here, there in known if here is not None})
        twin._bury()
        return twin

    def time(self) -> int:
        """Unix seconds."""
        return self.now

    def openings(self) -> list[Opening]:
        """Every opening of every valve."""
        return [opening for gateway in self.gateways for opening in gateway.openings]

    # time

    def _events_to_come(self) -> deque[tuple[int, Callable[[FieldGateway], None]]]:
        plan: list[tuple[int, Callable[[FieldGateway], None]]] = []
        plan += [(at, FieldGateway.send_status) for at in STATUSES_S]
        plan += [(at, FieldGateway.send_reading) for at in READINGS_S]
        for span in (self.luck.deaf, self.luck.mute, self.luck.unsure):
            plan += [(at, self._look_at_clock) for at in span]  # the others only wait for that moment
        if self.luck.cut_at is not None:
            plan.append((self.luck.cut_at, FieldGateway.boot))
        return deque(sorted(((NOON + at, what) for at, what in plan), key=lambda entry: entry[0]))

    def _look_at_clock(self, gateway: FieldGateway) -> None:
        gateway.trusted = not self._within(self.luck.unsure)

    def _within(self, span: tuple[int, int]) -> bool:
        return span[0] <= self.now - NOON < span[1]

    def _wait(self, until: int) -> None:
        dues = [gateway.due() for gateway in self.gateways] + [self._plan[0][0] if self._plan else None]
        dues.append(self._compute.next_due() if self._compute else self._up_at)
        self.now = max(self.now, min([due for due in dues if due is not None] + [until]))

    # what happens at one moment

    def _settle(self) -> bool:
        """Do and carry all that can be done now; True when nothing is left."""
        while self._plan and self._plan[0][0] <= self.now:
            _, happen = self._plan.popleft()
            for gateway in self.gateways:
                happen(gateway)
        for gateway in self.gateways:
            due = gateway.due()
            if due is not None and due <= self.now:
                gateway.tick()
        if self._compute is None and self.now >= self._up_at:
            self._compute = self._start(self)
        while self._carry():
            pass
        if self._compute is None:
            return False
        due = self._compute.next_due()
        if due is not None and due <= self.now:
            self._compute.tick()
            return self._settle()
        return True

    def _carry(self) -> bool:
        steps = [self._carry_pubacks, self._carry_down, self._carry_up]
        return any(step() for step in (reversed(steps) if self.luck.pubacks_last else steps))

    def _carry_pubacks(self) -> bool:
        if self._compute is None or not self._pubacks:
            return False
        self._compute.puback(self._pubacks.popleft())
        return True

    def _carry_down(self) -> bool:
        waiting = [gateway for gateway in self.gateways if self._to_gateways[gateway.gateway_id]]
        if not waiting or self._within(self.luck.deaf):
            return False
        waiting[0].obey(self._to_gateways[waiting[0].gateway_id].popleft())
        return True

    def _carry_up(self) -> bool:
        if self._compute is None or not self._to_compute or self._within(self.luck.mute):
            return False
        for _ in range(self.luck.copies):
            self._compute.handle(*self._to_compute[0])
        self._to_compute.popleft()  # only now the broker has its PUBACK
        return True

    def _hear(self, topic: str, message: Message) -> None:
        self._to_compute.append((topic, messages.encode(topics.parse(topic)[0], message)))

    def _bury(self) -> None:
        self.deaths += 1
        self.died_at = self.now
        self._compute = None
        self._pubacks.clear()  # it was in the memory of the dead
        self._up_at = self.now + self.down_s


# What must hold


def breaches(farm: Farm, store: SqliteStore) -> list[str]:
    """A sentence for everything that no death of the service may cause."""
    commands = {command["command_id"]: command for command in farm.published}
    told = {event["command_id"]: event for event in farm.events if event["kind"] == "command"}
    found = [f"{row.command_id} ended as {row.state}" for row in store.commands.in_states(*_UNFINISHED)]
    decided: set[str] = set()
    for opening in farm.openings():
        command = commands[opening.command_id]
        if opening.seconds > min(command["duration_s"], HARD_CAP_S):
            found.append(f"{opening} of a command for {command['duration_s']} s")
        if command["decision_id"] in decided:
            found.append(f"{opening}: the decision {command['decision_id']} was watered before")
        if opening.command_id not in told:
            found.append(f"{opening} of a command that no record tells of")
        decided.add(command["decision_id"])
    for first, second in zip(farm.published, farm.published[1:], strict=False):
        if first["command_id"] == second["command_id"] and first != second:
            found.append(f"{first['command_id']} was published in two versions")
    for gateway in farm.gateways:
        watered_s, cap_s = sum(opening.seconds for opening in gateway.openings), gateway.zone.daily_cap_s
        if watered_s > cap_s and not farm.forgetful:  # the story fits into one local day
            found.append(f"{gateway.zone.zone_id}: {watered_s} s in a day, at most {cap_s} s are allowed")
    return found


_UNFINISHED = ("pending", "sent", "received", "started")


def balance(farm: Farm, store: SqliteStore) -> list[str]:
    """What the store says was delivered, where it differs from what the pins did."""
    booked = {row.command_id: row.duration_s for row in store.commands.deliveries()}
    done = {opening.command_id: opening.seconds for opening in farm.openings()}
    names = sorted(booked.keys() | done.keys())
    return [
        f"{name}: open {done.get(name, 0)} s, booked {booked.get(name)}"
        for name in names
        if done.get(name, 0) != booked.get(name)
    ]


def story(farm: Farm) -> list[tuple[str, int, int]]:
    """What the fields saw: which valve, when, how long."""
    return [(opening.zone_id, opening.opened_at - NOON, opening.seconds) for opening in farm.openings()]

"""Walks through every interleaving of a scenario down to a depth, on the real supervisor, judged by the oracle.

An interleaving is a sequence of events from a boot on. It counts when it has as many events as the depth says, or when
nothing more can happen, and after it every open valve is watched until it has closed. All are distinct, since they are
the leaves of the tree of events. Instead of starting anew for each of them, the walk goes back to a snapshot. Where it
comes to a state in which it has been, with as many events to go, all that follows has been judged: it is counted again,
and not walked through again.
"""

import marshal
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway import store
from gateway.valves import KEPT_COMMANDS, Valves
from tests.safety.oracle import BrokenPromiseError, Command
from tests.safety.world import BY_VALUE, CLOCK, GATEWAY, NOW, Cut, Event, World

LIFE_S = 300
FIRST_EPOCH = 100
WAITS = ("half", "before", "due", "late", "expiry")
_BETWEEN = ("half", "before")
JUMPS = ("+1h", "-1h", "+1y", "-1y", "1970", "untrusted", "trusted")


def issue(*orders: dict[str, Any]) -> tuple[Command, ...]:
    """Commands as compute issues them: a second apart, the epoch of each zone rising."""
    epochs: Counter[str] = Counter()
    commands = []
    for number, order in enumerate(orders):
        zone_id = None if order["action"] in {"stop_all", "clear"} else order.get("zone_id", "plot-1a")
        epochs[zone_id or ""] += 1
        command = {
            "command_id": f"{order['action']}-{number + 1}",
            "device_id": GATEWAY,
            "zone_id": zone_id,
            "issued_at": NOW + number,
            "expires_at": NOW + number + LIFE_S,
            "epoch": FIRST_EPOCH + epochs[zone_id] if zone_id else 0,
        }
        commands.append({**command, **order})
    return tuple(commands)


def opening(duration_s: int = 60, **more: Any) -> dict[str, Any]:
    """An order to open a valve."""
    return {"action": "open", "duration_s": duration_s, **more}


def planning(duration_s: int = 60, **more: Any) -> dict[str, Any]:
    """A fallback plan, from two hours without the broker on."""
    plan = {"days": 2, "below_vwc": 0.2, "after_offline_s": 7200, "max_volume_l": 1000.0}
    dates = {"valid_from": NOW, "valid_until": NOW + 7 * 86400}
    return {"action": "fallback", "duration_s": duration_s, **plan, **dates, **more}


def clearing(first: int, second: int) -> dict[str, Any]:
    """A clear with an epoch for each zone."""
    return {"action": "clear", "epochs": {"plot-1a": FIRST_EPOCH + first, "plot-1b": FIRST_EPOCH + second}}


CLOSE, CLOSE_B = {"action": "close"}, {"action": "close", "zone_id": "plot-1b"}
STOP = {"action": "stop_all"}
B = {"zone_id": "plot-1b"}


@dataclass(frozen=True, eq=False)
class Scenario:
    """What may happen: the commands on the wire and how many copies of each, and how often of what else."""

    name: str
    commands: tuple[Command, ...]
    depth: int  # in the tests
    copies: int = 2
    power: int = 2
    boots: tuple[str, ...] = ("kept",)
    clock: int = 0
    jumps: tuple[str, ...] = JUMPS
    waits: tuple[str, ...] = WAITS
    drops: bool = False
    wear: bool = False  # the flash may lose everything, once
    flow: float | None = None  # the zones have meters, and so many times the rated flow
    passes: tuple[str, ...] = ()  # how much time may pass at once
    readings: tuple[str, ...] = ()  # what a sample may say
    pubacks: int = 0
    leaks: int = 0
    past: str = ""  # a row of PASTS: what the device has done before

    def world(self, make: Callable[..., Valves] = Valves) -> World:
        """The world before anything of the scenario has happened."""
        world = World(self.commands, self.copies, make, flow=self.flow)
        if self.past:
            PASTS[self.past](world)
        return world

    def choices(self, world: World) -> Iterator[Event]:
        """Everything that can happen next, but for power cuts within it."""
        if not world.powered:
            for kind in self.boots:
                yield Event("boot", kind)
            return
        for name in ("deliver", "drop") if self.drops else ("deliver",):
            for number, left in enumerate(world.left):
                if left:
                    yield Event(name, number)
        for until in self._moments(world):
            yield Event("wait", until)
        if world.used["power"] < self.power:
            yield Event("power")
        if self.wear and not world.used["wear"]:
            yield Event("wear")
        for jump in self._jumps(world):
            yield Event("clock", jump)
        yield from self._days(world)

    def _days(self, world: World) -> Iterator[Event]:
        """What matters to a fallback plan, and to a leak."""
        for name in self.passes:
            yield Event("pass", name)
        for reading in self.readings:
            yield Event("sample", reading)
        if world.used["puback"] < self.pubacks:
            yield Event("puback")
        if world.used["leak"] < self.leaks:
            yield Event("leak", "plot-1b")

    def _jumps(self, world: World) -> Iterator[str]:
        for jump in self.jumps if world.used["clock"] < self.clock else ():
            says, trusted = CLOCK[jump]
            if (says(world.now, world.truth), trusted) != (world.now, world.trusted):
                yield jump

    def _moments(self, world: World) -> Iterator[str]:
        due, at = world.due_ms(), world.at_ms
        if due is not None and due > at:
            is_next = due - 1 == at  # then there is nothing between now and the deadline
            yield from (until for until in self.waits if until != "expiry" and not (is_next and until in _BETWEEN))
        elif due is not None:
            yield "tick"
        if "expiry" in self.waits and any(world.left) and world.truth <= world.last_expiry:
            yield "expiry"


@dataclass
class Tally:
    """What was walked through."""

    interleavings: int = 0
    watered: int = 0  # interleavings in which a valve opened
    planned: int = 0  # in which one opened by a fallback plan
    twice: int = 0  # in which that happened more than once
    events: Counter[str] = field(default_factory=Counter)
    cuts: Counter[str] = field(default_factory=Counter)

    merged: int = 0  # times that the walk came to a state in which it had been

    def add(self, other: "Tally") -> None:
        """Count another walk in."""
        self.interleavings += other.interleavings
        self.watered += other.watered
        self.planned += other.planned
        self.twice += other.twice
        self.events.update(other.events)
        self.cuts.update(other.cuts)
        self.merged += other.merged


class CounterExampleError(AssertionError):
    """A sequence of events that breaks a promise; `tests.safety.story.tell` tells it."""

    def __init__(self, scenario: Scenario, events: Sequence[Event], violation: BrokenPromiseError) -> None:
        super().__init__(scenario, tuple(events), violation)
        self.scenario = scenario
        self.events = tuple(events)
        self.violation = violation


class Explorer:
    """Walks through one scenario. `make` builds the supervisor; without `merge` every interleaving is really played."""

    def __init__(self, scenario: Scenario, make: Callable[..., Valves] = Valves, *, merge: bool = True) -> None:
        self.scenario = scenario
        self.tally = Tally()
        self._make = make
        self._merge = merge
        self._walked: dict[bytes, Tally] = {}  # what followed a state
        self._world: World
        self._path: list[Event] = []

    def run(self, depth: int, prefix: Sequence[Event] = ()) -> Tally:
        """Walk through every interleaving of `depth` events that begins with `prefix`. Raises CounterExampleError."""
        self._path = []
        try:
            with texts_made_once(), closing(self.scenario.world(self._make)) as self._world:
                self._watered = self._world.oracle.opened_valves
                for event in prefix:
                    self._step(event)
                self._walk(depth - len(prefix))
        except BrokenPromiseError as violation:
            raise CounterExampleError(self.scenario, self._path, violation) from violation
        return self.tally

    def prefixes(self, length: int) -> list[tuple[Event, ...]]:
        """Every beginning of that length (or shorter, where nothing more can happen)."""
        finder = _PrefixFinder(self.scenario, self._make)
        finder.run(length)
        return finder.found

    def _walk(self, depth: int) -> None:
        choices = list(self.scenario.choices(self._world)) if depth else []
        if not choices:
            self._leaf()
            return
        snapshot = self._world.snapshot()
        state = self._world.state(snapshot, depth) if self._merge else None
        if state is None:
            self._branch(choices, snapshot, depth)
        elif state in self._walked:
            self.tally.add(self._walked[state])
            self.tally.merged += 1
        else:
            before, self.tally = self.tally, Tally()
            self._branch(choices, snapshot, depth)
            self._walked[state] = self.tally
            before.add(self.tally)
            self.tally = before

    def _branch(self, choices: Sequence[Event], snapshot: tuple[Any, ...], depth: int) -> None:
        for number, event in enumerate(choices):
            if number:
                self._world.restore(snapshot)
            self._step(event)
            cuts = self._cuts(event)
            self._walk(depth - 1)
            self._path.pop()
            for cut in cuts:
                self._world.restore(snapshot)
                self._step(Event(event.name, event.what, cut))
                self._walk(depth - 1)
                self._path.pop()

    def _cuts(self, event: Event) -> list[Cut]:
        is_left = self._world.used["power"] < self.scenario.power and event.name != "power"
        return list(self._world.cuts()) if is_left else []

    def _step(self, event: Event) -> None:
        self._path.append(event)
        self._world.apply(event)
        if event.cut:
            self.tally.cuts[self._place(event)] += 1
        self.tally.events[self._kind(event)] += 1

    def _kind(self, event: Event) -> str:
        return event.name if event.what is None else f"{event.name} {self._what(event)}".strip()

    def _what(self, event: Event) -> str:
        is_message = event.name in {"deliver", "drop"}
        if event.name == "hear":
            return "again" if not event.what[1] else ""
        return str(self._world.commands[event.what]["action"] if is_message else event.what)

    def _place(self, event: Event) -> str:
        assert event.cut
        source = self._what(event) if event.name == "deliver" else event.name
        return f"{source}: {event.cut.when} {self._world.effects[event.cut.effect][0]}"

    def _leaf(self) -> None:
        self._world.run_out()
        self.tally.interleavings += 1
        self.tally.watered += self._world.oracle.opened_valves > self._watered
        self.tally.planned += self._world.oracle.plan_runs > 0
        self.tally.twice += self._world.oracle.plan_runs > 1


@contextmanager
def texts_made_once() -> Iterator[None]:
    """While it lasts, the store makes the text of a document that it has written before from memory.

    A walk writes the same few documents many thousand times, and their texts were half of its work.
    """
    made, known = store._parts, dict[tuple[int, bytes], bytes]()

    def remembered(value: Any, depth: int) -> Iterable[bytes]:
        if not depth or not isinstance(value, dict | list):
            return made(value, depth)
        key = depth, marshal.dumps(value, BY_VALUE)
        if key not in known:
            known[key] = b"".join(made(value, depth))
        return (known[key],)

    store._parts = remembered  # type: ignore[assignment]  # whoever asks takes any bytes, one after the other
    try:
        yield
    finally:
        store._parts = made


class _PrefixFinder(Explorer):
    def __init__(self, scenario: Scenario, make: Callable[..., Valves]) -> None:
        super().__init__(scenario, make, merge=False)
        self.found: list[tuple[Event, ...]] = []

    def _leaf(self) -> None:
        self.found.append(tuple(self._path))


def walk(scenario: Scenario, prefix: Sequence[Event], depth: int) -> Tally:
    """Play all that begins with `prefix`: work for a process of its own. Raises CounterExampleError."""
    return Explorer(scenario, merge=False).run(depth, prefix)


def shortest(make: Callable[..., Valves], scenarios: "Sequence[Scenario] | None" = None) -> CounterExampleError | None:
    """The first of the shortest counter-examples within the scenarios' depths; None if every promise holds."""
    rows = SCENARIOS if scenarios is None else scenarios
    for depth in range(1, 1 + max(scenario.depth for scenario in rows)):
        for scenario in rows:
            if depth <= scenario.depth:
                try:
                    Explorer(scenario, make).run(depth)
                except CounterExampleError as example:
                    return example
    return None


def long_service(world: World) -> None:
    """The device has run more commands than it can remember, each soon expired, the last of them a moment ago."""
    for number in range(KEPT_COMMANDS + 8):
        _past_command(world, number, expires_at=NOW + 12 + number)
        world.apply(Event("wait", "due"))


def flood(world: World) -> None:
    """The device has just rejected more commands than it cares to remember, and none of them has expired."""
    world.oracle.flooded = True
    for number in range(KEPT_COMMANDS):
        _past_command(world, number, zone_id="plot-9z")


def _past_command(world: World, number: int, **more: Any) -> None:
    [command] = issue(opening(1, command_id=f"past-{number}", epoch=number, **more))
    world.issue(command, copies=1)
    world.apply(Event("deliver", len(world.commands) - 1))


PASTS = {"long service": long_service, "flood": flood}

_ALL = ("dry", "wet", "no")
_LONG: dict[str, Any] = {"passes": ("hours", "day"), "waits": ("due",)}
_LEAK: dict[str, Any] = {"power": 1, "passes": ("hours",), "readings": ("dry",), "waits": ("half",)}

SCENARIOS = (
    Scenario("one open", issue(opening()), depth=6, copies=3, power=6, boots=("kept", "lost"), drops=True),
    Scenario("one open, the clock", issue(opening()), 5, power=2, boots=("kept", "lost"), clock=3),
    Scenario("opens with rising epochs", issue(opening(), opening(86400)), 5, boots=("kept", "outage")),
    Scenario("open, close, open", issue(opening(), CLOSE, opening(90)), 5),
    Scenario("open, stop_all, open", issue(opening(), STOP, opening(90)), 5),
    Scenario("stop_all on two zones", issue(opening(), opening(7200, **B), STOP), 5),
    Scenario("volume bounds", issue(opening(max_volume_l=20.0004), opening(600, max_volume_l=7.5, **B)), 5),
    Scenario("meters", issue(opening(max_volume_l=20.0004), opening(60, **B, max_volume_l=0)), 5, flow=2.0),
    Scenario("two zones", issue(opening(), opening(30, **B), CLOSE_B, opening(45, **B)), 4),
    Scenario("stops and clocks", issue(opening(), STOP, CLOSE), 4, clock=2),
    Scenario("everything", issue(opening(), opening(7200, **B), CLOSE, STOP, opening(90)), 4, clock=1, drops=True),
    Scenario("a flash that forgets", issue(opening(), CLOSE_B), 7, waits=("half",), wear=True),
    Scenario("after a long service", issue(opening(), STOP, opening(90)), 4, clock=2, past="long service"),
    Scenario("after a flood of rejections", issue(opening(), STOP), 4, clock=2, past="flood"),
    Scenario("a plan", issue(planning()), 7, power=1, boots=("kept", "days"), pubacks=1, readings=_ALL, **_LONG),
    Scenario("a plan for a day", issue(planning(days=1)), 8, power=1, readings=("dry",), **_LONG),
    Scenario("plans and a close", issue(planning(), CLOSE, planning(90)), 6, power=1, readings=("dry",), **_LONG),
    Scenario("a plan and a late stop", issue(STOP, planning()), 6, power=1, readings=("dry",), **_LONG),
    Scenario("a plan and opens", issue(planning(), opening(30), opening(40)), 6, power=1, readings=("dry",), **_LONG),
    Scenario("a plan and the clock", issue(planning()), 6, 1, 1, ("kept", "lost"), 1, readings=("dry",), **_LONG),
    Scenario(
        "a leak",
        issue(opening(), planning(zone_id="plot-1b"), clearing(3, 3), opening(90, epoch=104)),
        5,
        leaks=1,
        **_LEAK,
    ),
    Scenario("a leak and an old clear", issue(opening(), opening(70, **B), clearing(2, 1)), 5, leaks=2, **_LEAK),
)

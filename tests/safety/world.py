"""The world around one real valve supervisor: pins, flash, wire and clock are fake, and small enough to be copied.

Everything that happens in it is an `Event`. A power cut can strike within an event: before, within or after each write,
and after each move of a pin and each ack. Pins stay as they are while the power is away, as latching valves do, so
that only the boot can close them.
"""

import marshal
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from gateway.valves import Valves
from tests.safety.oracle import Ack, Command, Oracle

NOW = 1_750_000_000  # 2025-06-15 15:06:40 UTC
YEAR_S = 365 * 86400
OUTAGES_S = {"outage": 3600, "days": 2 * 86400}
PASSES_S = {"hours": 2 * 3600, "day": 25 * 3600}
READINGS = {"dry": 0.15, "wet": 0.25, "no": None}  # m3/m3, of both zones
GATEWAY = "irrigation-gateway-1"
ZONES = (
    {"zone_id": "plot-1a", "hard_cap_s": 3900, "litres_per_minute": 60},
    {"zone_id": "plot-1b", "hard_cap_s": 600, "litres_per_minute": 30},
)

# What the device's clock can do: its name -> (what it then says, whether the device trusts it).
CLOCK: dict[str, tuple[Callable[[int, int], int], bool]] = {
    "+1h": (lambda says, truth: says + 3600, True),
    "-1h": (lambda says, truth: says - 3600, True),
    "+1y": (lambda says, truth: says + YEAR_S, True),
    "-1y": (lambda says, truth: says - YEAR_S, True),
    "1970": (lambda says, truth: 0, False),
    "untrusted": (lambda says, truth: says, False),
    "trusted": (lambda says, truth: truth, True),
}
# The clock ran on; it starts in 2000 and is not trusted; the power was away for an hour, or for two days.
BOOTS = ("kept", "lost", *OUTAGES_S)


class Cut(NamedTuple):
    """A power cut within an event: at which of its effects, and before, within (torn) or after it."""

    effect: int
    when: str


class Event(NamedTuple):
    """What happens next: `name` says what kind, `what` which; `cut` if the power goes during it."""

    name: str
    what: Any = None
    cut: Cut | None = None


class PowerCutError(BaseException):
    """The power is away: whatever ran stops here."""


class World:
    """One device under `commands`, each of which may arrive `copies` times.

    `make(zones, board, store, boot_id, on_ack)` builds the supervisor: `Valves`, or a broken one.
    The world is the supervisor's board, store and wire.
    """

    def __init__(
        self,
        commands: Sequence[Command],
        copies: int = 2,
        make: Callable[..., Valves] = Valves,
        zones: Sequence[dict[str, Any]] = ZONES,
        flow: float | None = None,
    ) -> None:
        self.commands = list(commands)
        self.zones = zones
        self.oracle = Oracle(zones, commands, flow)
        self.effects: list[tuple[Any, ...]] = []  # of the event that happened last
        self._make = make
        self._cut: Cut | None = None
        self._handling: Command | None = None
        self._files: dict[str, bytes] = {}
        self.at_ms = 0
        self._boot_ms = 0
        self._says_ms = self._truth_ms = (NOW + 10) * 1000 + 400  # the device's and the true time of day at at_ms 0
        self.trusted = True
        self.powered = False
        self.boots = 0
        self.left = (copies,) * len(self.commands)
        self.used = dict.fromkeys(("power", "clock", "wear", "puback", "leak"), 0)
        self.apply(Event("boot", "kept"))

    @property
    def now(self) -> int:
        """What the device's clock says, in Unix seconds."""
        return (self._says_ms + self.at_ms) // 1000

    @property
    def truth(self) -> int:
        """The time of day for everybody else, in Unix seconds."""
        return (self._truth_ms + self.at_ms) // 1000

    @property
    def last_expiry(self) -> int:
        """When the last command expires, in Unix seconds."""
        return max((int(command["expires_at"]) for command in self.commands), default=0)

    def issue(self, command: Command, copies: int = 2) -> None:
        """Put one more command on the wire."""
        self.commands.append(command)
        self.left += (copies,)
        self.oracle.issued(command)

    def apply(self, event: Event) -> None:
        """Let an event happen. Raises BrokenPromiseError."""
        self._cut = event.cut
        self.effects = []
        try:
            getattr(self, "on_" + event.name)(event.what)
        except PowerCutError:
            self.effects.append(("cut",))
            self.on_power(None)
        self._cut = self._handling = None
        self.oracle.takes(None)

    def cuts(self) -> Iterator[Cut]:
        """Every moment at which the power could have gone during the event that happened last."""
        last = len(self.effects) - 1
        for number, effect in enumerate(self.effects):
            if effect[0] == "save":
                yield Cut(number, "before")
                yield Cut(number, "torn")
                yield Cut(number, "after")
            elif number < last:  # after the last effect: that is a power cut between two events
                yield Cut(number, "after")

    def snapshot(self) -> tuple[Any, ...]:
        """All that can change, to go back to."""
        fields = vars(self)
        values = tuple(fields[name] for name in _VALUES)
        plans = self._valves._fallback
        held = {**vars(plans), "_zero_ms": dict(plans._zero_ms)} if plans else {}
        memory = _copied(vars(self._valves), self._changing), vars(self._slots).copy(), plans, held
        return values, self._files.copy(), self.used.copy(), self.oracle.snapshot(), memory

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Go back to a snapshot, which stays as it is."""
        values, files, used, judged, (memory, slots, plans, held) = snapshot
        vars(self).update(zip(_VALUES, values, strict=True))
        self._files, self.used = files.copy(), used.copy()
        self.oracle.restore(judged)
        vars(self._valves).update(_copied(memory, self._changing))
        vars(self._slots).update(slots)
        self._valves._fallback = plans
        if plans:
            vars(plans).update({**held, "_zero_ms": dict(held["_zero_ms"])})

    def state(self, snapshot: tuple[Any, ...], depth: int) -> bytes | None:
        """All of a snapshot that can make a difference within `depth` events; None: that cannot be said.

        Left out is only what names an ack: the boots and acks until now are counted for that, and for nothing else.
        """
        values, files, used, judged, (memory, slots, _, held) = snapshot
        supervisor = [value for name, value in memory.items() if name not in _PARTS]
        supervisor = [sorted(value) if isinstance(value, set) else value for value in supervisor]
        own = [value for part in (slots, held) for name, value in part.items() if name not in _PARTS]
        return marshal.dumps((depth, values[: len(_STATE)], files, used, judged, supervisor, own), BY_VALUE)

    # the events

    def on_boot(self, kind: str) -> None:
        """The power comes back; `kind` is one of BOOTS."""
        self.boots += 1
        if kind in OUTAGES_S:
            self.pass_outage(OUTAGES_S[kind])
        elif kind == "lost":
            self._says_ms, self.trusted = 946_684_800_000 - self.at_ms, False
            self.oracle.clock_set()
        self.powered, self._boot_ms = True, self.at_ms
        self.oracle.boots()
        self._start()
        self.oracle.works("ended")

    def _start(self) -> None:
        self._valves = self._make(self.zones, self, self, f"boot-{self.boots}", self._hear)
        self._slots = self._valves._slots
        fields = vars(self._valves).items()
        self._changing = [name for name, value in fields if name != "_zones" and isinstance(value, dict | set | list)]
        self._valves.boot(self.now, self.trusted)

    def on_deliver(self, number: int) -> None:
        """A copy of that command arrives."""
        self.left = (*self.left[:number], self.left[number] - 1, *self.left[number + 1 :])
        self._handling = command = self.commands[number]
        self.oracle.clock_read(self.now, self.trusted)
        self.oracle.handles(command, self.now, self.trusted)
        self._take(command)
        self.oracle.handled(command)

    def _take(self, command: Command) -> None:
        self._valves.handle(command, self.now, self.trusted, self.ticks_ms())

    def on_drop(self, number: int) -> None:
        """Every copy of that command that is still under way is lost."""
        self.left = (*self.left[:number], 0, *self.left[number + 1 :])

    def on_wait(self, until: str) -> None:
        """Time passes until one of _MOMENTS, or until every command has expired."""
        due = self.due_ms()
        if until == "expiry":
            self.run_until(self.at_ms + max(0, (self.last_expiry + 1 - self.truth) * 1000))
        elif due is not None:
            self._pass(_MOMENTS[until](self.at_ms, due))
            if until in {"due", "tick"}:
                self._tick()

    def on_pass(self, name: str) -> None:
        """Much time passes, as PASSES_S says."""
        self.run_until(self.at_ms + PASSES_S[name] * 1000)

    def on_sample(self, reading: str) -> None:
        """The probes of both zones are sampled, and have such a value."""
        self.oracle.takes(reading)
        plans = self._valves.fallback(self.ticks_ms())
        if plans:
            rows = [("a probe", zone["zone_id"], {"vwc": READINGS[reading]}) for zone in self.zones]
            plans.look(rows, self.now, self.trusted, self.ticks_ms())

    def on_puback(self, _: None) -> None:
        """The broker acknowledges something."""
        self.used["puback"] += 1
        plans = self._valves.fallback(self.ticks_ms())
        if plans:
            plans.heard(self.ticks_ms())
        self.oracle.heard(self.at_ms)

    def on_leak(self, zone_id: str) -> None:
        """Much water flows where none should."""
        self.used["leak"] += 1
        self._valves.latch([zone_id], self.ticks_ms(), self.now)
        self.oracle.latched()

    def on_clock(self, jump: str) -> None:
        """The device's clock is set, or no longer trusted; `jump` is a name of CLOCK."""
        says, self.trusted = CLOCK[jump][0](self.now, self.truth), CLOCK[jump][1]
        self._says_ms = says * 1000 - self.at_ms + (self._says_ms + self.at_ms) % 1000
        self.used["clock"] += 1
        self.oracle.clock_set()

    def on_wear(self, _: None) -> None:
        """The flash loses everything; the bytes that are left mean nothing."""
        self._files = dict.fromkeys(self._files, b"rubbish")
        self.used["wear"] += 1
        self.oracle.flash_lost()

    def on_power(self, _: None) -> None:
        """The power goes."""
        self.powered = False
        self.used["power"] += 1

    def close(self) -> None:
        """Nothing to let go of."""

    def run_until(self, at_ms: int) -> None:
        """Let device time pass, with every tick in time."""
        due = self.due_ms()
        while due is not None and due <= at_ms:
            self._pass(max(due, self.at_ms))
            self._tick()
            due = self.due_ms()
        self._pass(max(at_ms, self.at_ms))

    def run_out(self) -> None:
        """Let every run end that ever will; a valve that is open still breaks a promise."""
        if not self.powered:
            self.apply(Event("boot", "kept"))
        if self.oracle.any_open:
            self.run_until(self.at_ms + 86_402_000)

    def pass_outage(self, seconds: int) -> None:
        """Time passes for everybody while the power is away: water that a latching valve gives then is no promise."""
        self._truth_ms += seconds * 1000
        self._says_ms += seconds * 1000

    def due_ms(self) -> int | None:
        """When the supervisor wants its next tick, in device time."""
        due = self._valves.next_deadline_ms()
        return None if due is None else due + self._boot_ms - 5000

    def _pass(self, at_ms: int) -> None:
        self.at_ms = at_ms
        self.oracle.passes(at_ms)

    def _tick(self) -> None:
        self.oracle.clock_read(self.now, self.trusted)
        self._give_tick()
        self.oracle.ticked(self.at_ms, self.due_ms())

    def _give_tick(self) -> None:
        self._valves.tick(self.ticks_ms(), self.now)

    def ticks_ms(self) -> int:
        """What the device's monotonic clock says."""
        return self.at_ms - self._boot_ms + 5000

    # the supervisor's board, store and wire

    def set_valve(self, zone_id: str, is_open: bool) -> None:
        """Move a pin; one that moves is an effect."""
        if is_open:
            self._effect("pin", zone_id, True)
            by = self._handling or self._by_plan(zone_id)
            self.oracle.opens(zone_id, self.at_ms, by, self.now, self.trusted)
        else:
            if self.oracle.is_open(zone_id):
                self._effect("pin", zone_id, False)
            self.oracle.closes(zone_id, self.at_ms)
        self._power_goes("after")

    def _by_plan(self, zone_id: str) -> Command | None:
        """Of a zone that opens by no command: the run under a plan that the supervisor says this is."""
        run = self._valves._runs.get(zone_id)
        return self.oracle.plan_run(run["saved"]["command_id"]) if run else None

    def metered_l(self, zone_id: str) -> float | None:
        """What the zone's meter says, if it has one."""
        return self.oracle.metered_l(zone_id, self.at_ms)

    def pulse_l(self, _zone_id: str) -> float:
        """That meter has no steps."""
        return 0.0

    def load(self, name: str) -> bytes | None:
        """What the flash holds."""
        self.oracle.works("read its flash")
        return self._files.get(name)

    def save(self, name: str, data: bytes) -> None:
        """Write to the flash; the power may go before, within or after it."""
        self.oracle.works("wrote")
        self._write(name, data)

    def _write(self, name: str, data: bytes, old: bytes = b"") -> None:
        self._effect("save", name)
        self._power_goes("before")
        if self._cut and self._cut == (len(self.effects) - 1, "torn"):
            data = data[: len(data) // 2]
        self._files[name] = old + data
        self._power_goes("torn")
        self._power_goes("after")

    def _hear(self, ack: Ack) -> None:
        self._effect("ack", ack)
        self.oracle.hears(ack, self.at_ms)
        self._power_goes("after")

    def _effect(self, *effect: Any) -> None:
        self.effects.append(effect)

    def _power_goes(self, when: str) -> None:
        if self._cut and self._cut == (len(self.effects) - 1, when):
            self.powered = False
            raise PowerCutError


# How far time moves from `at` when the supervisor wants its next tick at `due`; the gateway may be 1 s late.
_MOMENTS: dict[str, Callable[[int, int], int]] = {
    "half": lambda at, due: (at + due) // 2,
    "before": lambda at, due: due - 1,
    "due": lambda at, due: due,
    "late": lambda at, due: due + 1000,
    "tick": lambda at, due: at,
}
_STATE = ("at_ms", "_boot_ms", "_says_ms", "_truth_ms", "trusted", "powered", "left")
_VALUES = (*_STATE, "boots", "_valves", "_slots")
_PARTS = {
    "_board",
    "_on_ack",
    "_slots",
    "_store",
    "_zones",
    "_boot_id",
    "_seq",
    "_fallback",
    "_valves",
}  # of supervisor and slots: no state
BY_VALUE = 2  # the version of marshal that writes equal values equally, whether or not they are one object


def _copied(fields: dict[str, Any], changing: list[str]) -> dict[str, Any]:
    """The fields of a supervisor. What it changes in place is two levels deep; a test replays walks to be sure."""
    fields = fields.copy()
    for name in changing:
        value = fields[name]
        fields[name] = copied = value.copy()
        if copied.__class__ is dict:
            for key, entry in copied.items():
                if entry.__class__ is dict:
                    copied[key] = entry.copy()
    return fields

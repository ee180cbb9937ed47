"""Tells a sequence of events as numbered lines that a person can follow: when, what happened, what the device did."""

from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from typing import Any

from gateway.valves import Valves
from tests.safety.explorer import CounterExampleError, Scenario
from tests.safety.oracle import PROMISES, BrokenPromiseError, Command
from tests.safety.world import PASSES_S, Event, World

_BOOTS = {
    "kept": "",
    "lost": ", the clock is lost and not trusted",
    "outage": " after an hour",
    "days": " after two days",
}
_WAITS = {
    "half": ", half of the way to the next deadline",
    "before": " until 1 ms before the next deadline",
    "due": " until the next deadline, and the device is given its tick",
    "late": " until 1 s after the next deadline, and the device was not given its tick yet",
    "tick": ": the device is given the tick that is due",
    "expiry": " until every command has expired",
}
_CLOCK = {
    "+1h": "The device's clock jumps ahead by an hour",
    "-1h": "The device's clock jumps back by an hour",
    "+1y": "The device's clock jumps ahead by a year",
    "-1y": "The device's clock jumps back by a year",
    "1970": "The device's clock falls back to 1970 and is not trusted",
    "untrusted": "The device no longer trusts its clock",
    "trusted": "The device learns the time, and trusts its clock",
}
_READINGS = {"dry": "it is dry", "wet": "it is wet", "no": "they have no value"}
_DEATHS = {
    None: "",
    "untaken": "; compute dies before it has taken that",
    "unsent": "; compute dies before a command of it has left",
    "unacked": "; compute dies before it hears that the broker has it",
}
_PUBACKS = {True: "", False: ", but its PUBACK is lost"}
_WORDS: dict[str, Callable[[Any, Any], str]] = {
    "boot": lambda world, kind: f"The power is back{_BOOTS[kind]}; the device boots",
    "deliver": lambda world, number: f"The broker delivers {_command(world.commands[number])}",
    "drop": lambda world, number: f"The network loses {_command(world.commands[number])} for ever",
    "wait": lambda world, until: f"Time passes{_WAITS[until]}",
    "clock": lambda world, jump: _CLOCK[jump],
    "pass": lambda world, name: f"Time passes, {PASSES_S[name] // 3600} hours of it",
    "sample": lambda world, reading: f"The probes are sampled: {_READINGS[reading]}",
    "puback": lambda world, _: "The broker acknowledges something",
    "leak": lambda world, zone_id: f"Much water flows in {zone_id} where none should",
    "wear": lambda world, _: "The flash loses everything that was written to it",
    "power": lambda world, _: "The power goes",
    "issue": lambda world, death: f"{_order(world.orders[0])}{_DEATHS[death]}",
    "restart": lambda world, _: "Compute is back",
    "hear": lambda world, what: f"Compute hears that {_ack(world.uplink[what[0]][0])}{_PUBACKS[what[1]]}",
}
_TEAR = {"before": "before it wrote", "torn": "while it wrote", "after": "after it wrote"}


def tell(example: CounterExampleError, make: Callable[..., Valves] = Valves) -> str:
    """A counter-example as a story; `make` builds the supervisor that it was found in."""
    scenario, events = example.scenario, example.events
    return "\n".join(
        [
            f"A promise was broken in {len(events)} steps ({scenario.name}):",
            *_steps(scenario, events, make),
            f"Broken is promise ({example.violation.promise}): {PROMISES[example.violation.promise]}.",
            f"But {example.violation}.",
        ]
    )


def _steps(scenario: Scenario, events: Sequence[Event], make: Callable[..., Valves]) -> list[str]:
    try:
        world = scenario.world(make)
    except BrokenPromiseError:
        return ["  0. The device boots for the first time."]
    with closing(world):
        lines: list[str] = []
        with suppress(BrokenPromiseError):  # the last line of the story says what is wrong
            for number, event in enumerate(events, 1):
                narrate(world, event, number, lines)
        try:
            world.effects = []
            world.run_out()
        except BrokenPromiseError:
            lines += ["     Nothing else happens.", *_effects(world.effects)]
    return lines


def narrate(world: World, event: Event, number: int, lines: list[str]) -> None:
    """Let an event happen, and tell it in `lines`. Raises BrokenPromiseError."""
    words = _WORDS[event.name](world, event.what)
    try:
        world.apply(event)
    finally:
        lines += [f"{number:3}. {_times(world)}  {words}.", *_effects(world.effects, event)]


def _times(world: World) -> str:
    clock = datetime.fromtimestamp(world.now, UTC).isoformat(" ").removesuffix("+00:00")
    return f"[device {world.at_ms / 1000:.3f} s, its clock {clock}{'' if world.trusted else ' (not trusted)'}]"


def _effects(effects: Sequence[tuple[Any, ...]], event: Event | None = None) -> list[str]:
    lines = []
    for number, effect in enumerate(effects):
        cut = event and event.cut
        when = cut.when if cut and cut.effect == number else ""
        lines.append("       " + _effect(effect, when))
    return lines


def _effect(effect: tuple[Any, ...], cut: str) -> str:
    if effect[0] == "cut":
        return "The power goes."
    if effect[0] == "save":
        return f"{_TEAR[cut].capitalize()} its state, ..." if cut else "It writes its state."
    if effect[0] == "pin":
        return f"It {'OPENS' if effect[2] else 'closes'} {effect[1]}."
    return f"It says: {_ack(effect[1])}."


def _ack(ack: dict[str, Any]) -> str:
    details = [ack["code"]]
    if ack["duration_s"] is not None:
        details.append(f"{ack['duration_s']:g} s")
    if ack["end_reason"]:
        details.append(f"ended by {ack['end_reason']}")
    return f"{ack['command_id']} is {ack['state']} ({', '.join(details)})"


def _order(order: dict[str, Any]) -> str:
    if "by" not in order:
        return f"Compute issues its next command, {order['action']}"
    return f"{order['by']} orders: {order['action']} {order.get('zone_id') or 'the farm'}"


def _command(command: Command) -> str:
    where = command["zone_id"] or "all valves"
    parts = [f"epoch {command['epoch']}"] if command["zone_id"] else []
    if command["action"] == "open":
        parts.append(f"{command['duration_s']} s")
        if command.get("max_volume_l") is not None:
            parts.append(f"at most {command['max_volume_l']:g} l")
    parts.append(f"issued {datetime.fromtimestamp(command['issued_at'], UTC):%H:%M:%S}")
    parts.append(f"expires {datetime.fromtimestamp(command['expires_at'], UTC):%H:%M:%S}")
    return f"{command['command_id']} for {where} ({', '.join(parts)})"

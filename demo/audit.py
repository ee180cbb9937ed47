"""Valve rule 6, counted from outside: what the pins did, held against what was commanded."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

DAY_MS = 86_400_000
GRACE_MS = 1000  # of device time past a deadline, by valve rule 6

Event = dict[str, Any]


@dataclass(frozen=True)
class OpenSpan:
    """A valve stood open from `start_ms` to `end_ms` (Unix milliseconds of field time); None: it never closed."""

    zone_id: str
    start_ms: int
    end_ms: int | None


def open_spans(events: Iterable[Event]) -> list[OpenSpan]:
    """Pair the edges of every valve."""
    edges = sorted((e for e in events if e["kind"] == "valve_edge"), key=lambda e: e["at_ms"])
    open_since: dict[str, int] = {}
    spans = []
    for edge in edges:
        zone_id = edge["zone_id"]
        if edge["open"]:
            open_since.setdefault(zone_id, edge["at_ms"])
        elif zone_id in open_since:
            spans.append(OpenSpan(zone_id, open_since.pop(zone_id), edge["at_ms"]))
    return spans + [OpenSpan(zone_id, start_ms, None) for zone_id, start_ms in open_since.items()]


def valve_bound_violations(events: Iterable[Event], hard_caps_s: Mapping[str, int]) -> list[str]:
    """A sentence for every opening that its commands do not bound.

    Each command bounds one opening, once; a fallback plan one in any 24 h, on as many days as it says.
    """
    events = list(events)
    # A service that was killed may tell of a command again: it is the same one.
    commands = list({e["command_id"]: e for e in events if e["kind"] == "command"}.values())
    unused = defaultdict(list)
    for command in commands:
        if command["action"] == "open":
            unused[command["zone_id"]].append(command)
    plans = _Plans(commands, [e for e in events if e["kind"] == "ack"])
    spans = sorted(open_spans(events), key=lambda span: span.start_ms)
    violations = (_violation(span, unused[span.zone_id], commands, plans, hard_caps_s) for span in spans)
    return [why for why in violations if why]


def _violation(
    span: OpenSpan, unused: list[Event], commands: list[Event], plans: "_Plans", hard_caps_s: Mapping[str, int]
) -> str | None:
    place = f"{span.zone_id} at {span.start_ms // 1000}"
    if span.end_ms is None:
        return f"{place}: opened and never closed"
    valid = [c for c in unused if c["issued_at"] * 1000 <= span.end_ms and span.start_ms <= c["expires_at"] * 1000]
    if not valid and (plan := plans.held(span)):
        why = plans.run(plan, span, hard_caps_s[span.zone_id])
        return why and f"{place}: {why}"
    if not valid:
        return f"{place}: opened without a command that was valid then"
    for command in valid:
        unused.remove(command)
    bound_ms = sum(min(c["duration_s"], hard_caps_s[span.zone_id]) for c in valid) * 1000
    if span.end_ms - span.start_ms > bound_ms + GRACE_MS:
        return f"{place}: open for {span.end_ms - span.start_ms} ms, {bound_ms} ms were allowed"
    if stop := _later_stop(span, max(c["issued_at"] for c in valid), commands):
        return f"{place}: opened after {stop['action']} {stop['command_id']}, issued later than its command"
    return None


def _later_stop(span: OpenSpan, issued_at: int, commands: list[Event]) -> Event | None:
    for command in commands:
        stops = command["action"] == "stop_all" or (command["action"] == "close" and command["zone_id"] == span.zone_id)
        if stops and issued_at < command["issued_at"] and command["issued_at"] * 1000 <= span.start_ms:
            return command
    return None


class _Plans:
    """The fallback plans that boards held, by what these acknowledged: a board that is away hears no later command."""

    def __init__(self, commands: list[Event], acks: list[Event]) -> None:
        self._heard_at: dict[str, int] = {}
        for ack in sorted(acks, key=lambda ack: ack["at"]):
            self._heard_at.setdefault(ack["command_id"], ack["at"])
        self._commands = commands
        self._runs: defaultdict[str, list[OpenSpan]] = defaultdict(list)

    def held(self, span: OpenSpan) -> Event | None:
        """The plan of the zone as an opening began; None if there was none, or a command had ended it."""
        own = [c for c in self._commands if c.get("zone_id") in (span.zone_id, None) and self._is_heard(c, span)]
        latest = max(own, key=lambda c: (self._heard_at[c["command_id"]], c["epoch"]), default=None)
        return latest if latest and latest["action"] == "fallback" else None

    def run(self, plan: Event, span: OpenSpan, hard_cap_s: int) -> str | None:
        """What is wrong with a run under a plan."""
        assert span.end_ms is not None
        before, bound_ms = self._runs[plan["command_id"]], min(plan["duration_s"], hard_cap_s) * 1000
        before.append(span)
        if not plan["valid_from"] * 1000 <= span.start_ms <= plan["valid_until"] * 1000:
            return f"opened by plan {plan['command_id']} outside of its time"
        if span.end_ms - span.start_ms > bound_ms + GRACE_MS:
            return f"open for {span.end_ms - span.start_ms} ms, plan {plan['command_id']} allowed {bound_ms} ms"
        if len(before) > plan["days"]:
            return f"opened for the {len(before)}th time by plan {plan['command_id']} of {plan['days']} days"
        if len(before) > 1 and span.start_ms - before[-2].start_ms < DAY_MS:
            return f"opened twice in 24 h by plan {plan['command_id']}"
        return None

    def _is_heard(self, command: Event, span: OpenSpan) -> bool:
        return self._heard_at.get(command["command_id"], math.inf) * 1000 <= span.start_ms

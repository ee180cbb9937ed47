"""Valve rule 6, counted from outside: what the pins did, held against what was commanded."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

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
    """A sentence for every opening that its commands do not bound. Each command bounds one opening, once."""
    events = list(events)
    # A service that was killed may tell of a command again: it is the same one.
    commands = list({e["command_id"]: e for e in events if e["kind"] == "command"}.values())
    unused = defaultdict(list)
    for command in commands:
        if command["action"] == "open":
            unused[command["zone_id"]].append(command)
    spans = sorted(open_spans(events), key=lambda span: span.start_ms)
    return [why for span in spans if (why := _violation(span, unused[span.zone_id], commands, hard_caps_s))]


def _violation(
    span: OpenSpan, unused: list[Event], commands: list[Event], hard_caps_s: Mapping[str, int]
) -> str | None:
    place = f"{span.zone_id} at {span.start_ms // 1000}"
    if span.end_ms is None:
        return f"{place}: opened and never closed"
    valid = [c for c in unused if c["issued_at"] * 1000 <= span.end_ms and span.start_ms <= c["expires_at"] * 1000]
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

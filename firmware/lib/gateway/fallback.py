"""Fallback plans: a zone's water for days without a cloud. In memory while one is held, and no longer.

A plan is part of the supervisor's state, and every run under one is a run like any other. What is counted, seconds
without the broker and seconds since a zone's run, is what this board measured itself, by a clock that nobody sets: what
passes between the last save and a power cut, and while the power is away, is never counted.
"""

from gateway.clock import wire_time
from protocol.messages import AFTER_OFFLINE_S, PLAN

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from gateway.valves import Valves

    Message = dict[str, Any]
    Row = tuple[str, str | None, Message]

DAY_MS = 86_400_000
PARTS = PLAN + ("command_id", "action", "issued_at", "epoch", "after_offline_s")  # noqa: RUF005  # no `*` in here
SAVE_EVERY_MS = 3_600_000


class Fallback:
    """Keeps the plans in the state of `valves`, and runs them when all of their conditions hold.

    Counts are kept as the ticks at which they were 0: "" is the time without the broker, a zone's the time since the
    bound of its last run under a plan was over.
    """

    def __init__(self, valves: "Valves", ticks_ms: int) -> None:
        self._valves = valves
        self._saved_ms = ticks_ms
        counts = valves._state.get("counts", {})
        self._zero_ms = {name: ticks_ms - counts[name] * 1000 for name in counts}
        self._zero_ms.setdefault("", ticks_ms)

    def days(self) -> "dict[str, int]":
        """Of each plan the days that are left."""
        plans = self._valves._state.get("plans", {})
        return {zone_id: plans[zone_id]["days"] for zone_id in plans}

    def hold(self, state: "Message", command: "Mapping[str, Any]", ticks_ms: int) -> bool:
        """Put a plan in `state`, in place of the zone's plan before; what brought it is a word of the broker."""
        plan = {name: command.get(name) for name in PARTS}
        plan["ran"] = 0
        state.setdefault("plans", {})[plan["zone_id"]] = plan
        self._zero_ms[""] = ticks_ms
        state["counts"] = self._counts(ticks_ms)
        return True

    def heard(self, ticks_ms: int) -> None:
        """The broker has acknowledged something: how long it does not is counted anew."""
        self._zero_ms[""] = ticks_ms
        if "" in self._valves._state.get("counts", ()):
            state = self._valves._copy()
            del state["counts"][""]
            self._valves._settle(state, ())

    def look(self, samples: "Sequence[Row]", now: int, trusted: bool, ticks_ms: int) -> None:
        """Run what is due by the samples of this very moment, one zone at a time, or save what was counted."""
        valves = self._valves
        state = valves._copy()
        plans = state.get("plans", {})
        for zone_id in sorted(plans):
            plan = plans[zone_id]
            if plan["days"] <= 0 and zone_id not in valves._runs:  # it is finished; the rest that it leaves is kept
                del plans[zone_id]
                state["counts"] = self._counts(ticks_ms)
                valves._settle(state, ())
                return
            if trusted and self._is_due(plan, samples, now, ticks_ms):
                state["counts"] = self._counts(ticks_ms)
                self._run(plan, state, now, ticks_ms)
                return
        if plans and ticks_ms - self._saved_ms >= SAVE_EVERY_MS:
            self._saved_ms = ticks_ms
            state["counts"] = self._counts(ticks_ms)
            if state != valves._state:
                valves._settle(state, ())

    def _is_due(self, plan: "Message", samples: "Sequence[Row]", now: int, ticks_ms: int) -> bool:
        valves, zone_id = self._valves, plan["zone_id"]
        after_ms = (plan.get("after_offline_s") or AFTER_OFFLINE_S) * 1000
        own = [sample.get("vwc") for _, where, sample in samples if where == zone_id]
        vwc = [value for value in own if value is not None]
        return (
            ticks_ms - self._zero_ms[""] >= after_ms
            and plan["valid_from"] <= now < plan["valid_until"]
            and plan["days"] > 0
            and ticks_ms - self._zero_ms.get(zone_id, -DAY_MS) >= DAY_MS
            and valves.given(now)[0].get(zone_id) == 0
            and not (valves.open_valves or valves.latched)
            # Firmware from before, put back for a while, obeys a close or stop, and leaves the plan.
            and plan["epoch"] == valves.epochs[zone_id]
            and plan["issued_at"] > valves._state["fence"]
            and valves._room(valves._state, now)
            and sum(vwc) < plan["below_vwc"] * len(vwc)
        )

    def _run(self, plan: "Message", state: "Message", now: int, ticks_ms: int) -> None:
        valves, zone_id, order = self._valves, plan["zone_id"], dict(plan)
        plan = dict(plan)
        plan["ran"] += 1
        plan["days"] -= 1
        state["plans"][zone_id] = plan
        state["counts"][zone_id] = 0  # a power cut from now on ends the run, and it is counted from the boot after it
        order["command_id"] += "-%d" % plan["ran"]
        order["expires_at"] = now
        valves._at = wire_time(now)
        if valves._start(order, now, ticks_ms, state, plan["valid_until"] - now):
            self._zero_ms[zone_id] = ticks_ms + state["running"][zone_id]["bound_s"] * 1000
            self._saved_ms = ticks_ms

    def _counts(self, ticks_ms: int) -> "dict[str, int]":
        """In seconds, what is worth a place in the flash: hours without the broker, and rests that are not over."""
        counts = {}
        for name in self._zero_ms:
            ms = ticks_ms - self._zero_ms[name]
            if ms < DAY_MS if name else ms >= SAVE_EVERY_MS:
                counts[name] = max(0, ms // 1000)
        return counts

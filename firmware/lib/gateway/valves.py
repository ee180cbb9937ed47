"""The valve supervisor: every rule under which a valve may open, and what closes it.

Synchronous, and fed with the time by its caller, so that tests can walk through every interleaving. Each open follows
one order: write down, arm the deadline, move the relay, speak. Each close: move the relay, write down, speak.
"""

import gc
import sys

from gateway.clock import wire_time
from gateway.errors import StorageError, ValveError
from gateway.store import TwoSlots
from protocol.messages import EARLIEST, MAX_RUN_S

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from gateway.fallback import Fallback
    from gateway.interfaces import Board, Store

    Message = dict[str, Any]
    Incoming = Mapping[str, Any]  # a message that `decode` has checked
    State = dict[str, Any]
    Zones = Sequence[Message]
    Say = Callable[[Message], None]

KEPT_COMMANDS = 32  # whose last ack is remembered; an open beyond them waits until one has expired
DAY_S = 86400
KEPT_RUNS = 4  # of a zone in the last day; with more the oldest two count as one, with the later end
PLAN_BYTES = 8000  # of free heap, with which a board takes a fallback plan: what it works with is left
RETRY_MS = 1000  # a valve that did not close, a state that could not be written
_FIELDS = ("command_id", "zone_id", "epoch", "state", "code", "duration_s", "volume_l", "volume_source", "end_reason")


class Valves:
    """Opens and closes the valves of `zones`, rows of {zone_id, hard_cap_s, litres_per_minute}.

    `on_ack(ack)` receives every ack, complete but for `gateway_id`. Times are Unix seconds (`now`) and monotonic
    milliseconds (`ticks_ms`). Call `boot` first, `tick` not later than `next_deadline_ms()`.
    """

    _fallback: "Fallback | None" = None

    def __init__(self, zones: "Zones", board: "Board", store: "Store", boot_id: str, on_ack: "Say") -> None:
        self._zones = {zone["zone_id"]: zone for zone in zones}
        self._board = board
        self._slots = TwoSlots(store, "valves")
        self._boot_id = boot_id
        self._on_ack = on_ack
        self._at = EARLIEST
        self._seq = 0
        # What must outlive a power cut. `known` holds the last ack of each open: id -> [expires_at, its _FIELDS].
        # Only where there is such a thing: `leak`, the zones that latched; of fallback plans `plans` and `counts`.
        self._state: State = {"epochs": {}, "fence": 0, "known": {}, "running": {}, "given": {}}
        self._unsaved = False
        self._runs: dict[str, Message] = {}
        self._faulty: set[str] = set()
        self._retry_ms = 0

    @property
    def open_valves(self) -> "list[str]":
        """The zones whose valve is open, or did not close when it was told to."""
        return sorted(set(self._runs) | self._faulty)

    @property
    def stuck(self) -> "list[str]":
        """The zones whose valve did not close when it was told to."""
        return sorted(self._faulty)

    @property
    def epochs(self) -> "dict[str, int]":
        """Each zone's epoch: an open must have a greater one."""
        return {zone_id: self._state["epochs"].get(zone_id, 0) for zone_id in self._zones}

    @property
    def latched(self) -> "Sequence[str]":
        """The zones in which water flowed where none should; while there are any no valve opens."""
        return self._state.get("leak", [])  # type: ignore[no-any-return]  # what was read from flash

    def given(self, now: int) -> "tuple[dict[str, int], dict[str, int]]":
        """Of each zone the seconds open within the last 24 h, rounded up, and when its last run ended, if one did.

        A run under way counts as if it went on to its bound.
        """
        watered, ended = {}, {}
        for zone_id in self._zones:
            rows = self._state["given"].get(zone_id, ())
            recent = [rows[n + 1] for n in range(0, len(rows), 2) if rows[n] + EARLIEST > now - DAY_S]
            if rows:
                ended[zone_id] = min(rows[-2] + EARLIEST, now)
            run = self._runs.get(zone_id)
            if run:
                recent.append(run["saved"]["bound_s"])
                ended[zone_id] = now + run["saved"]["bound_s"]
            watered[zone_id] = min(sum(recent), DAY_S)
        return watered, ended

    def boot(self, now: int, trusted: bool = False) -> None:
        """Close every valve, then report the runs that the last power cut ended."""
        self._at = wire_time(now)
        for zone_id in sorted(self._zones):
            self._shut(zone_id)
        record = self._slots.load()
        if record is None:
            self._state["must_fence"] = self._slots.lost
            return
        self._state = dict(record, known={row[1]: row for row in record["known"]})
        self._state.setdefault("given", {})  # older firmware kept none
        state, running = self._copy(), self._state["running"]
        state["running"] = {}
        acks = [self._cut_off(running[zone_id], now, trusted) for zone_id in sorted(running)]
        plans = state.get("plans", {})
        orphans = [plans.pop(zone_id) for zone_id in list(plans) if zone_id not in self._zones]  # no close reaches them
        if acks or orphans:
            self._settle(state, acks)

    def repeat_acks(self, was_said: "Callable[[Message], bool]") -> None:
        """After `boot`: send the remembered acks that a power cut kept from being said."""
        plans = self._state.get("plans", {}).values()
        for ack in [_recall(row) for row in self._state["known"].values()] + [self._plan_ack(plan) for plan in plans]:
            if not was_said(ack):
                self._emit(ack)

    def handle(self, command: "Incoming", now: int, trusted: bool, ticks_ms: int) -> None:
        """Obey, repeat or reject one command."""
        self._at = wire_time(now)
        if command["action"] == "close":
            self._close(command, ticks_ms)
        elif command["action"] == "stop_all":
            self._stop_all(command, ticks_ms)
        else:
            self._consider(command, now, trusted, ticks_ms)

    def tick(self, ticks_ms: int, now: int) -> None:
        """End the runs that have reached their bound; try again what failed."""
        self._at = wire_time(now)
        for zone_id in sorted(self._faulty):
            self._shut(zone_id)
        self._end(self._due(ticks_ms), ticks_ms)
        if self._unsaved:
            self._commit(self._state)
        self._retry_ms = ticks_ms + RETRY_MS

    def next_deadline_ms(self) -> "int | None":
        """When `tick` is due next, in `ticks_ms`; None while nothing is open and nothing failed."""
        due = [run["check_ms"] for run in self._runs.values()]
        if self._faulty or self._unsaved:
            due.append(self._retry_ms)
        return min(due) if due else None

    def close_all(self, ticks_ms: int, now: int) -> None:
        """Close every valve because the gateway itself stops."""
        self._at = wire_time(now)
        self._end_all("close", ticks_ms)

    def latch(self, zone_ids: "Sequence[str]", ticks_ms: int, now: int) -> None:
        """Water flows in these zones where none should: end every run, and open nothing until a `clear`."""
        self._at = wire_time(now)
        state = self._copy()
        state["leak"] = sorted(set(self.latched) | set(zone_ids))
        self._end_all("leak", ticks_ms, state)

    def fallback(self, ticks_ms: int, arrives: bool = False) -> "Fallback | None":
        """What keeps and runs the fallback plans; None if there is none, or no room for it in memory."""
        is_needed = arrives or self._state.get("plans")
        if is_needed and not self._fallback:
            try:
                from gateway.fallback import Fallback  # noqa: PLC0415  # the first moment that needs it

                self._fallback = Fallback(self, ticks_ms)
            except MemoryError:
                pass  # no plan is taken or run, watering goes on
        elif self._fallback and not (is_needed or self._runs):  # the rest after a run begins with the run's end
            self._fallback = None
            if hasattr(gc, "mem_free") and sys.modules.pop("gateway.fallback", False):  # elsewhere gateways share it
                delattr(sys.modules["gateway"], "fallback")
        return self._fallback

    def _consider(self, command: "Incoming", now: int, trusted: bool, ticks_ms: int) -> None:
        """Obey, repeat or reject what counts once: open, fallback, clear."""
        command_id = command["command_id"]
        plan, entry = self._state.get("plans", {}).get(command.get("zone_id")), self._state["known"].get(command_id)
        if entry or (plan and plan["command_id"] == command_id):
            self._emit(_recall(entry) if entry else self._plan_ack(plan))
            return
        if trusted and self._state.get("must_fence"):
            # All that was persisted is lost: whatever was issued until now may have run already.
            state = self._copy()
            state.update({"must_fence": False, "fence": max(now, state["fence"])})
            self._settle(state, ())
        code = self._why_not(command, now, trusted)
        if not code and not self._take(command, now, ticks_ms):
            code = "storage_fault"
        if code:
            self._reject(command, code, now, trusted)

    def _why_not(self, command: "Incoming", now: int, trusted: bool) -> "str | None":
        action, zone_id, epochs = command["action"], command.get("zone_id"), self._wanted(command)
        rules = (
            ("unknown_zone", action != "clear" and zone_id not in self._zones),
            ("clock_untrusted", not trusted),
            ("expired", now >= command["expires_at"]),
            ("fenced", command["issued_at"] <= self._state["fence"]),
            ("stale_epoch", any(epochs[name] <= self._state["epochs"].get(name, 0) for name in epochs)),
            ("leak", action != "clear" and "leak" in self._state),
            ("valve_fault", action == "open" and zone_id in self._faulty),
            ("storage_fault", action == "open" and not self._room(self._state, now)),
            ("storage_fault", action == "fallback" and _is_short()),
        )
        return next((code for code, holds in rules if holds), None)

    def _wanted(self, command: "Incoming") -> "dict[str, int]":
        """The epochs that a command wants to raise: of every zone of the board to clear, else of its own."""
        if command["action"] == "clear":
            return {zone_id: command["epochs"].get(zone_id, 0) for zone_id in self._zones}
        return {command["zone_id"]: command["epoch"]}

    def _take(self, command: "Incoming", now: int, ticks_ms: int) -> bool:
        """Open, take a fallback plan, or forget a leak; False if there is no room for that."""
        action = command["action"]
        if action == "open":
            return self._start(command, now, ticks_ms, self._copy(), MAX_RUN_S)
        if action == "clear":  # what runs does so by an epoch that is over
            self._end([(zone_id, "close") for zone_id in sorted(self._runs)], ticks_ms)
        state, ack = self._copy(), _ack(command, "done", "ok")
        self._raise(state, command)
        self._forget_expired(state, now)
        if action == "fallback":  # its id stands in the plan, and takes no place from an open
            ack, fallback = self._plan_ack(command), self.fallback(ticks_ms, True)
            if not (fallback and fallback.hold(state, command, ticks_ms)):
                return False
        else:
            state.pop("leak", None)
            self._remember_once(state, ack, command)
        if self._commit(state):
            self._emit(ack)
        return not self._unsaved

    def _start(self, command: "Incoming", now: int, ticks_ms: int, state: "State", most_s: int) -> bool:
        """Run for at most `most_s`, written down in `state` before; False if that could not be written."""
        zone_id = command["zone_id"]
        run = self._run_of(command, now, ticks_ms, most_s)
        replaced = self._runs.get(zone_id)
        self._forget_expired(state, now)
        self._raise(state, command)
        state["running"][zone_id] = run["saved"]
        started = _ack(run["saved"], "started", run["code"], duration_s=run["saved"]["bound_s"])
        _remember(state, started, command["expires_at"])
        ended = replaced and self._final(replaced, ticks_ms, "replaced")
        if ended:
            _remember(state, ended)
            self._count_given(state, ended)
        if not self._commit(state):
            return False
        if ended:
            self._shut(zone_id)
            self._emit(ended)
        self._move(zone_id, run, started, ticks_ms)
        return True

    def _move(self, zone_id: str, run: "Message", started: "Message", ticks_ms: int) -> None:
        run["meter_l"] = self._board.metered_l(zone_id)
        self._runs[zone_id] = run  # the deadline is armed; only now may the relay move
        self._watch(run, ticks_ms)
        try:
            if zone_id in self._faulty:
                raise ValveError("the valve did not close after the run before")
            self._board.set_valve(zone_id, True)
        except ValveError:
            self._end([(zone_id, "fault")], ticks_ms)
            return
        self._emit(started)

    def _close(self, command: "Incoming", ticks_ms: int) -> None:
        zone_id = command["zone_id"]
        if zone_id not in self._zones:
            self._emit(_ack(command, "rejected", "unknown_zone"))
            return
        state = self._copy()
        self._raise(state, command)
        state.get("plans", {}).pop(zone_id, None)
        self._shut(zone_id)
        self._end([(zone_id, "close")], ticks_ms, state)
        self._answer_stop(command, zone_id in self._faulty)

    def _stop_all(self, command: "Incoming", ticks_ms: int) -> None:
        state = self._copy()
        state["fence"] = max(command["issued_at"], state["fence"])
        state.pop("plans", None)
        self._end_all("stop_all", ticks_ms, state)
        self._answer_stop(command, bool(self._faulty))

    def _end_all(self, reason: str, ticks_ms: int, state: "State | None" = None) -> None:
        for zone_id in sorted(self._zones):
            self._shut(zone_id)
        self._end([(zone_id, reason) for zone_id in sorted(self._runs)], ticks_ms, state)

    def _end(self, endings: "Sequence[tuple[str, str]]", ticks_ms: int, state: "State | None" = None) -> None:
        """Close the valves of the runs in `endings`, write `state` with their acks, then send these."""
        runs = [(self._runs.pop(zone_id), reason) for zone_id, reason in endings if zone_id in self._runs]
        for run, _ in runs:
            self._shut(run["saved"]["zone_id"])
        if not runs and state is None:
            return
        state = state or self._copy()
        for run, _ in runs:
            state["running"].pop(run["saved"]["zone_id"], None)
        self._settle(state, [self._final(run, ticks_ms, reason) for run, reason in runs])

    def _settle(self, state: "State", acks: "Sequence[Message]") -> None:
        for ack in acks:
            _remember(state, ack)
            self._count_given(state, ack)
        if not self._commit(state):
            self._state = state  # a stop holds even if it cannot be written; `tick` tries again
        for ack in acks:
            self._emit(ack)

    def _count_given(self, state: "State", ack: "Message") -> None:
        """How long a run was, and when it ended: so much a service that lost its store cannot know."""
        zone_id = ack["zone_id"]
        run = self._state["running"][zone_id]
        at = max(self._at, run["started_at"]) - EARLIEST  # small enough to need no heap
        rows = list(state["given"].get(zone_id, ()))
        if len(rows) == 2 * KEPT_RUNS:
            rows[3] += rows[1]
            del rows[:2]
        rows.extend((at, int(-(-ack["duration_s"] // 1))))
        state["given"][zone_id] = rows

    def _shut(self, zone_id: str) -> None:
        try:
            self._board.set_valve(zone_id, False)
        except ValveError:
            self._faulty.add(zone_id)
        else:
            self._faulty.discard(zone_id)

    def _run_of(self, command: "Incoming", now: int, ticks_ms: int, most_s: int) -> "Message":
        cap_s = min(self._zones[command["zone_id"]]["hard_cap_s"], most_s)
        bound_s = min(command["duration_s"], cap_s)
        return {
            "saved": {
                "command_id": command["command_id"],
                "zone_id": command["zone_id"],
                "epoch": command["epoch"],
                "started_at": now,
                "bound_s": bound_s,
            },
            "code": "ok" if bound_s == command["duration_s"] else "clipped",
            "max_volume_l": command.get("max_volume_l"),
            "started_ms": ticks_ms,
            "deadline_ms": ticks_ms + bound_s * 1000,
        }

    def _due(self, ticks_ms: int) -> "list[tuple[str, str]]":
        due = []
        for zone_id in sorted(self._runs):
            run = self._runs[zone_id]
            if ticks_ms >= run["deadline_ms"]:
                due.append((zone_id, "duration"))
            elif run["max_volume_l"] is not None and self._remaining_l(run, ticks_ms) <= 0:
                due.append((zone_id, "volume"))
            else:
                self._watch(run, ticks_ms)
        return due

    def _watch(self, run: "Message", ticks_ms: int) -> None:
        """Look again at the deadline; under a volume bound earlier, when that volume can have been reached."""
        run["check_ms"] = run["deadline_ms"]
        rate = self._zones[run["saved"]["zone_id"]].get("litres_per_minute")
        if run["max_volume_l"] is None or not (rate or run["meter_l"] is not None):
            return
        # Rounded up: a check a moment too early would find almost nothing missing, and be due again at once.
        wait_ms = max(0, -int(-self._remaining_l(run, ticks_ms) * 60000 / rate // 1)) if rate else RETRY_MS
        if run["meter_l"] is not None and wait_ms:
            wait_ms = max(RETRY_MS, wait_ms // 2)  # the real flow may be up to twice the rated one
        run["check_ms"] = min(run["deadline_ms"], ticks_ms + wait_ms)

    def _remaining_l(self, run: "Message", ticks_ms: int) -> float:
        volume_l = self._delivered(run, ticks_ms)[0]  # a meter that has not moved may be dead: then the nominal flow's
        volume_l = volume_l or self._estimate(run["saved"]["zone_id"], (ticks_ms - run["started_ms"]) / 1000)[0]
        return float(run["max_volume_l"] - (volume_l or 0.0))

    def _delivered(self, run: "Message", ticks_ms: int) -> "tuple[float | None, str]":
        zone_id = run["saved"]["zone_id"]
        meter_l = self._board.metered_l(zone_id)
        if meter_l is not None and run["meter_l"] is not None and meter_l >= run["meter_l"]:
            return round(meter_l - run["meter_l"], 3), "measured"
        return self._estimate(zone_id, (ticks_ms - run["started_ms"]) / 1000)

    def _estimate(self, zone_id: str, seconds: float) -> "tuple[float | None, str]":
        rate = self._zones.get(zone_id, {}).get("litres_per_minute")
        return (None, "none") if rate is None else (round(rate * seconds / 60, 3), "estimated")

    def _final(self, run: "Message", ticks_ms: int, reason: str) -> "Message":
        volume_l, source = self._delivered(run, ticks_ms)
        failed = reason == "fault" or run["saved"]["zone_id"] in self._faulty
        state, code, why = ("failed", "valve_fault", "fault") if failed else ("done", run["code"], reason)
        ack = _ack(run["saved"], state, code, volume_l=volume_l, volume_source=source, end_reason=why)
        ack["duration_s"] = min((ticks_ms - run["started_ms"]) / 1000, MAX_RUN_S)
        return ack

    def _cut_off(self, run: "Message", now: int, trusted: bool) -> "Message":
        """The ack of a run that a power cut ended: it ran at most from its start until now, never past its bound."""
        elapsed_s = now - run["started_at"]
        seconds = min(run["bound_s"], elapsed_s) if trusted and elapsed_s >= 0 else run["bound_s"]
        volume_l, source = self._estimate(run["zone_id"], seconds)
        why = "power_cut"
        return _ack(run, "failed", why, duration_s=seconds, volume_l=volume_l, volume_source=source, end_reason=why)

    def _reject(self, command: "Incoming", code: str, now: int, trusted: bool) -> None:
        """A rejection is final: it uses its epoch up, so that this holds even where its id finds no room."""
        ack = _ack(command, "rejected", code)
        state = self._copy()
        if trusted:
            self._forget_expired(state, now)
        self._remember_once(state, ack, command)
        self._raise(state, command)
        if state != self._state:
            self._settle(state, ())
        self._emit(ack)

    def _raise(self, state: "State", command: "Incoming") -> None:
        """A greater epoch holds from now on, and ends what an earlier one has planned."""
        for zone_id, epoch in self._wanted(command).items():
            if zone_id in self._zones and epoch > state["epochs"].get(zone_id, 0):
                state["epochs"][zone_id] = epoch
                state.get("plans", {}).pop(zone_id, None)

    def _plan_ack(self, plan: "Incoming") -> "Message":
        return _ack(plan, "done", self._run_of(plan, 0, 0, MAX_RUN_S)["code"])

    def _remember_once(self, state: "State", ack: "Message", command: "Incoming") -> None:
        """What its epoch makes count once leaves half of the memory to runs: a flood of it keeps no zone dry."""
        if len(state["known"]) < KEPT_COMMANDS // 2:
            _remember(state, ack, command["expires_at"])

    def _answer_stop(self, command: "Incoming", stuck: bool) -> None:
        code = "valve_fault" if stuck else "storage_fault" if self._unsaved else "ok"
        self._emit(_ack(command, "done" if code == "ok" else "failed", code))

    def _emit(self, ack: "Message") -> None:
        self._seq += 1
        message = dict(ack)
        if ack["code"] == "stale_epoch" and ack["zone_id"]:  # so that a service which lost its store goes on from here
            message["held_epoch"] = self._state["epochs"].get(ack["zone_id"], 0)
        message.update({"boot_id": self._boot_id, "seq": self._seq, "at": self._at})
        self._on_ack(message)

    def _room(self, state: "State", now: int) -> bool:
        return len(state["known"]) < KEPT_COMMANDS or bool(self._forgettable(state, now))

    def _forget_expired(self, state: "State", now: int) -> None:
        for command_id in self._forgettable(state, now):
            del state["known"][command_id]

    def _forgettable(self, state: "State", now: int) -> "list[str]":
        running, entries = [run["command_id"] for run in state["running"].values()], state["known"]
        return [name for name in entries if entries[name][0] < now and name not in running]

    def _copy(self) -> "State":
        old = self._state
        return {name: dict(old[name]) if isinstance(old[name], dict) else old[name] for name in old}

    def _commit(self, state: "State") -> bool:
        """Write the state; it becomes ours only when it is written."""
        try:
            self._slots.save(dict(state, known=list(state["known"].values())))
            self._state, self._unsaved = state, False
        except (StorageError, MemoryError):
            self._unsaved = True
        return not self._unsaved


def _ack(run: "Incoming", state: str, code: str, **amounts: "Any") -> "Message":
    ack = {name: run.get(name) for name in _FIELDS[:3]}
    ack.update({"state": state, "code": code, "duration_s": None, "volume_l": None})
    ack.update({"volume_source": "none", "end_reason": None})
    ack.update(amounts)
    return ack


def _remember(state: "State", ack: "Message", expires_at: "int | None" = None) -> None:
    expires_at = state["known"][ack["command_id"]][0] if expires_at is None else expires_at
    state["known"][ack["command_id"]] = [expires_at] + [ack[name] for name in _FIELDS]


def _recall(row: "Sequence[Any]") -> "Message":
    return {name: row[1 + n] for n, name in enumerate(_FIELDS)}


def _is_short() -> bool:
    """Is this board too full for one more plan beside what it works with?"""
    if not hasattr(gc, "mem_free"):
        return False
    gc.collect()
    return bool(gc.mem_free() < PLAN_BYTES)

"""The judge of an interleaving: it knows the commands that were issued and sees pins, time and acks, nothing else.

It never asks the supervisor. The letters are those of the promises in `PROMISES`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from protocol.messages import AFTER_OFFLINE_S, FINAL_STATES, MAX_RUN_S

Command = dict[str, Any]
Ack = dict[str, Any]

GRACE_MS = 1000  # rule 6: at most 1 s of device time past a deadline
DAY_MS = 86_400_000

PROMISES = {
    "a": "a command gives water once: in all no longer than its bound, over every repeat and reboot",
    "b": "no valve is open more than 1 s of device time past its deadline",
    "c": "no valve opens by a command issued at or before a stop that the device had obeyed",
    "d": "boot closes every valve before it does anything else",
    "e": "no valve opens on a clock that is not trusted, or by a command that has expired by that clock",
    "f": "every ack tells the truth, and a repeated command gets the same final ack",
    "g": "a valve opens only by a command whose epoch is greater than that of every open and close obeyed before it",
    "h": "a tick gets somewhere: the next one is due later than it",
    "i": "compute books for a command what its valve delivered, once",
    "j": "after a person's stop, close or pause no open leaves for that place before its end, or a resume",
    "k": "a person's open acts once, within a minute, and gives no more than was ordered",
    "m": "a fallback plan gives its days and no more, 24 h apart, and only without a cloud, by a trusted clock and a "
    "dry reading of this very moment; none after a stop, a close or a greater epoch",
    "n": "while a leak is latched no valve is open, until a clear with a greater epoch for every zone",
    "l": "a stop, close or pause is said until it is answered or withdrawn, and then every valve of its place is shut",
}


class BrokenPromiseError(AssertionError):
    """A promise is broken; `promise` is its letter."""

    def __init__(self, promise: str, what: str) -> None:
        super().__init__(promise, what)
        self.promise = promise

    def __str__(self) -> str:
        return str(self.args[1])


class Oracle:
    """Judges one device with `zones`, rows of {zone_id, hard_cap_s, litres_per_minute}. Times are device milliseconds.

    `flow` is what really flows, in multiples of the rated flow, where the zones have meters; None: they have none.

    Clock jumps excuse exactly this: expiry and a fence after lost storage are judged by the device's trusted clock, as
    wrong as that may be, an id may be forgotten once that clock has passed its expiry, and the length that is reported
    of a run cut off by power is only as good as the clock. Nothing excuses (a) to (e) and (g).
    """

    def __init__(
        self, zones: Sequence[Mapping[str, Any]], commands: Sequence[Command] = (), flow: float | None = None
    ) -> None:
        self._zones = {zone["zone_id"]: zone for zone in zones}
        self._flow = flow
        self._bounds: dict[str, int] = {}
        self._commands: dict[str, Command] = {}
        for command in commands:
            self.issued(command)
        self._unclosed: frozenset[str] = frozenset()
        self._open: dict[str, tuple[str, int]] = {}  # zone -> the command that opened it, since when
        self._opened: dict[str, int] = {}  # command -> how often the clock had been set when it opened a valve
        self._ran: dict[str, int] = {}  # command -> milliseconds of the ended runs
        self._flowed: dict[str, int] = {}  # zone -> milliseconds of the ended runs
        self._finals: dict[str, tuple[Any, ...]] = {}
        self._epochs: dict[str, tuple[int, bool]] = {}  # zone -> the greatest epoch obeyed, and whether by a close
        self._stopped_at = 0
        self._greatest: dict[str, int] = {}  # zone -> the greatest epoch that was used up
        self._plan_ends: dict[str, int] = {}  # zone -> when its last run under a plan ended
        self._plan_runs: dict[str, int] = {}  # plan -> its runs until now
        self._came: frozenset[str] = frozenset()  # plans that have come
        self._gone: frozenset[str] = frozenset()  # plans that must not water any more
        self._heard_ms = 0  # when the broker was heard last
        self._latched = False
        self._over: frozenset[str] = frozenset()  # plans whose end has come, so that their id may be forgotten
        self._cleared: frozenset[str] = frozenset()  # clears that counted
        self._reading: str | None = None  # of the sample that is being taken
        self._clock_sets = 0
        self._latest = 0  # what the trusted clock has said at most
        self.flooded = False  # rejections may have found no room: their repeats are rejected, but for any reason
        self._flash_lost = False  # every copy: what is repeated is rejected, and no ack tells of a run that was cut off

    def issued(self, command: Command) -> None:
        """Learn of a command that may be on its way from now on."""
        self._commands[command["command_id"]] = command
        if command["action"] == "open":
            self._bounds[command["command_id"]] = self._bound_ms(command)

    @property
    def open_zones(self) -> set[str]:
        """The zones whose valve is open."""
        return set(self._open)

    @property
    def opened_valves(self) -> int:
        """How many commands have opened a valve."""
        return len(self._opened)

    @property
    def any_open(self) -> bool:
        """True while any valve is open."""
        return bool(self._open)

    def is_open(self, zone_id: str) -> bool:
        """True while that valve is open."""
        return zone_id in self._open

    def booked(self, command_id: str, state: str, duration_s: float | None) -> None:
        """After everything is over: what compute's log says of a command; `duration_s` None: it booked no delivery."""
        ran = self._ran.get(command_id, 0)
        if command_id not in self._opened:
            if duration_s and state != "failed":  # the power may have gone just before the valve moved
                raise BrokenPromiseError("i", f"{command_id} is booked with {duration_s:g} s, and moved no valve")
        elif state not in {"done", "failed"} or duration_s is None:
            raise BrokenPromiseError("i", f"{command_id} is booked as {state}, and ran for {_s(ran)}")
        elif duration_s * 1000 < ran - GRACE_MS and self._opened[command_id] == self._clock_sets:
            raise BrokenPromiseError("i", f"{command_id} is booked with {duration_s:g} s, and ran for {_s(ran)}")

    def metered_l(self, zone_id: str, at_ms: int) -> float | None:
        """What the zone's meter says."""
        if self._flow is None:
            return None
        return self._litres(zone_id, self._flowed.get(zone_id, 0) + at_ms - self._open.get(zone_id, ("", at_ms))[1])

    def _litres(self, zone_id: str, ms: int) -> float:
        return float(self._zones[zone_id]["litres_per_minute"]) * (self._flow or 1) * ms / 60000

    def snapshot(self) -> tuple[Any, ...]:
        """All that changes, to go back to."""
        parts = (self._open, self._opened, self._ran, self._flowed, self._finals, self._epochs)
        plans = (self._greatest, self._plan_ends, self._plan_runs, self._bounds)
        single = (self._unclosed, self._stopped_at, self._clock_sets, self._latest, self._flash_lost)
        sets = tuple(tuple(sorted(names)) for names in (self._came, self._gone, self._over, self._cleared))
        return (*(dict(part) for part in (*parts, *plans)), *sets, self._heard_ms, self._latched, *single)

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Go back to a snapshot, which stays as it is."""
        self._open, self._opened, self._ran, self._flowed = (dict(part) for part in snapshot[:4])
        self._finals, self._epochs = (dict(part) for part in snapshot[4:6])
        self._greatest, self._plan_ends, self._plan_runs, self._bounds = (dict(part) for part in snapshot[6:10])
        self._came, self._gone, self._over, self._cleared = (frozenset(names) for names in snapshot[10:14])
        self._heard_ms, self._latched = snapshot[14:16]
        self._unclosed, self._stopped_at, self._clock_sets, self._latest, self._flash_lost = snapshot[16:]

    # what happens

    def boots(self) -> None:
        """The device starts; until every valve was closed it may do nothing else."""
        self._unclosed = frozenset(self._zones)

    def works(self, doing: str) -> None:
        """The device reads, writes, speaks or opens."""
        if self._unclosed:
            raise BrokenPromiseError("d", f"boot {doing} before it closed {', '.join(sorted(self._unclosed))}")

    def clock_set(self) -> None:
        """Somebody set the device's clock, or it was lost."""
        self._clock_sets += 1

    def flash_lost(self) -> None:
        """Nothing that was written can be read any more."""
        self._flash_lost = True
        self._latched = False

    def heard(self, at_ms: int) -> None:
        """The broker has acknowledged something that the device said."""
        self._heard_ms = at_ms

    def latched(self) -> None:
        """The device has seen a leak, and all that it does about that."""
        self._latched = True
        if self._open:
            raise BrokenPromiseError("n", f"{', '.join(sorted(self._open))} is open after a leak was seen")

    @property
    def plan_runs(self) -> int:
        """How many runs there were under fallback plans."""
        return sum(self._plan_runs.values())

    def next_run(self, zone_id: str) -> Command | None:
        """The run that would be the next one under the zone's newest plan."""
        plans = [one for one in self._commands.values() if one["action"] == "fallback" and one["zone_id"] == zone_id]
        plan_id = plans[-1]["command_id"] if plans else ""
        return self.plan_run(f"{plan_id}-{self._plan_runs.get(plan_id, 0) + 1}")

    def plan_run(self, command_id: str) -> Command | None:
        """A run under a plan, as the command that it is like; None for what is none."""
        plan = self._commands.get(command_id.rpartition("-")[0])
        if plan is None or plan["action"] != "fallback":
            return None
        return {**plan, "command_id": command_id, "plan_id": plan["command_id"]}

    def clock_read(self, now: int, trusted: bool) -> None:
        """The device was told the time of day."""
        if trusted and now > self._latest:
            self._latest = now

    def passes(self, at_ms: int) -> None:
        """Device time moves on; every valve that is still open must be allowed to."""
        for zone_id, (owner, since) in self._open.items():
            ran, bound = self._ran.get(owner, 0) + at_ms - since, self._bounds[owner]
            if at_ms - since > bound + GRACE_MS:
                raise BrokenPromiseError(
                    "b", f"{zone_id} is open for {_s(at_ms - since)}, the bound of {owner} is {_s(bound)}"
                )
            if ran > bound + GRACE_MS:
                raise BrokenPromiseError(
                    "a", f"{owner} has held {zone_id} open for {_s(ran)}, its bound is {_s(bound)}"
                )

    def closes(self, zone_id: str, at_ms: int) -> None:
        """A pin was told to close."""
        self._unclosed -= {zone_id}
        owner, since = self._open.pop(zone_id, (None, at_ms))
        if owner and self.plan_run(owner):
            self._plan_ends[zone_id] = at_ms
        if owner:
            self._ran[owner] = self._ran.get(owner, 0) + at_ms - since
            self._flowed[zone_id] = self._flowed.get(zone_id, 0) + at_ms - since

    def takes(self, reading: str | None) -> None:
        """The device begins to take a sample that says so, or is done with it (None)."""
        self._reading = reading

    def opens(self, zone_id: str, at_ms: int, by: Command | None, now: int, trusted: bool) -> None:
        """A pin was told to open while the device handled the message `by` (None: while it handled none).

        While it takes a sample `by` is the run that it says this is.
        """
        reading = self._reading
        self.works(f"opened {zone_id}")
        if by is None or by["action"] != ("fallback" if reading else "open") or by["zone_id"] != zone_id:
            raise BrokenPromiseError("a", f"{zone_id} opened although no command to open it was being handled")
        if self._latched:
            raise BrokenPromiseError("n", f"{by['command_id']} opened {zone_id} while a leak was latched")
        command_id = by["command_id"]
        if reading:
            self._may_run(by, at_ms, now, trusted, reading)
            self._bounds[command_id] = min(self._bound_ms(by), (by["valid_until"] - now) * 1000)
            self._plan_runs[by["plan_id"]] = self._plan_runs.get(by["plan_id"], 0) + 1
        else:
            self._may_open(by, now, trusted)
        self.closes(zone_id, at_ms)
        self._open[zone_id] = (command_id, at_ms)
        self._opened[command_id] = self._clock_sets
        self._epochs[zone_id] = (by["epoch"], False)

    def _may_run(self, run: Command, at_ms: int, now: int, trusted: bool, reading: str) -> None:
        zone_id, plan_id = run["zone_id"], run["plan_id"]
        since_ms = at_ms - self._plan_ends.get(zone_id, at_ms - DAY_MS)
        rules = (
            ("by a reading that is not dry", reading != "dry"),
            ("on a clock that is not trusted", not trusted),
            ("outside of its dates", not run["valid_from"] <= now < run["valid_until"]),
            (f"{_s(at_ms - self._heard_ms)} after a word of the broker", at_ms - self._heard_ms < _offline_ms(run)),
            (f"{_s(since_ms)} after the run before", since_ms < DAY_MS),
            ("on a day that it does not have", self._plan_runs.get(plan_id, 0) >= run["days"]),
            ("after a greater epoch", run["epoch"] < self._greatest.get(zone_id, 0)),
            ("after a stop or a close", plan_id in self._gone or run["issued_at"] <= self._stopped_at),
            ("for a second time", run["command_id"] in self._opened),
            ("beside another valve", bool(self._open)),
        )
        for why, broken in rules:
            if broken:
                raise BrokenPromiseError("m", f"{run['command_id']} opened {zone_id} {why}")

    def _may_open(self, by: Command, now: int, trusted: bool) -> None:
        zone_id, command_id = by["zone_id"], by["command_id"]
        if command_id in self._finals:
            raise BrokenPromiseError(
                "f", f"{command_id} opened {zone_id} after its final ack, {self._finals[command_id][0]}"
            )
        if not trusted:
            raise BrokenPromiseError("e", f"{command_id} opened {zone_id} on a clock that is not trusted")
        if now >= by["expires_at"]:
            raise BrokenPromiseError("e", f"{command_id} opened {zone_id} {now - by['expires_at']} s after it expired")
        if by["issued_at"] <= self._stopped_at:
            raise BrokenPromiseError(
                "c", f"{command_id} opened {zone_id} after a stop_all that was not issued before it"
            )
        epoch, by_close = self._epochs.get(zone_id, (-1, False))
        if by["epoch"] <= epoch:
            before = "the close" if by_close else "the open"
            why = f"{command_id} (epoch {by['epoch']}) opened {zone_id} after {before} of epoch {epoch}"
            raise BrokenPromiseError("c" if by_close else "g", why)

    def ticked(self, at_ms: int, due_ms: int | None) -> None:
        """The device was given its tick, and says when it wants the next one."""
        if due_ms is not None and due_ms <= at_ms:
            raise BrokenPromiseError(
                "h", "after its tick the device wants another one at the same moment, and so for ever"
            )

    def handles(self, command: Command, now: int, trusted: bool) -> None:
        """A message has come to the device, which has done nothing of it yet."""
        self._over |= {
            name for name, plan in self._commands.items() if plan["action"] == "fallback" and _ends(command, plan)
        }
        if command["action"] == "clear" and command["command_id"] not in self._finals:
            is_newer = all(command["epochs"].get(name, 0) > self._greatest.get(name, 0) for name in self._zones)
            in_time = trusted and now < command["expires_at"] and command["issued_at"] > self._stopped_at
            if is_newer and in_time:
                self._cleared |= {command["command_id"]}
                self._latched = False

    def handled(self, command: Command) -> None:
        """The device has taken a message in completely: a stop holds from now on, whatever happens."""
        self._use_up(command)
        if command["action"] == "fallback":
            self._came |= {command["command_id"]}
        if command["action"] == "stop_all":
            self._stopped_at = max(self._stopped_at, command["issued_at"])
        elif command["action"] == "close" and command["zone_id"] in self._zones:
            epoch, by_close = self._epochs.get(command["zone_id"], (-1, False))
            self._epochs[command["zone_id"]] = max((command["epoch"], True), (epoch, by_close))

    def _use_up(self, command: Command) -> None:
        """A command, obeyed or not, uses its epochs up; a close and a stop end every plan that has come until then."""
        epochs = command["epochs"] if command["action"] == "clear" else {command["zone_id"]: command["epoch"]}
        for zone_id in self._zones:
            self._greatest[zone_id] = max(self._greatest.get(zone_id, 0), epochs.get(zone_id, 0))
        if command["action"] in {"close", "stop_all"}:
            ends = {name for name in self._came if command["zone_id"] in {None, self._commands[name]["zone_id"]}}
            self._gone |= ends

    def hears(self, ack: Ack, at_ms: int) -> None:
        """The device sent an ack."""
        self.works("spoke")
        command = self._commands.get(ack["command_id"]) or {
            **(self.plan_run(ack["command_id"]) or {}),
            "action": "open",
        }
        if command["action"] in {"fallback", "clear"}:
            self._hears_of_plan(command, ack)
            return
        if command["action"] != "open":
            self._hears_of_stop(command, ack)
            return
        self._same_final(command, ack)
        judge = {"started": self._started, "done": self._done, "failed": self._failed, "rejected": self._rejected}
        judge[ack["state"]](ack, at_ms)

    def _hears_of_stop(self, command: Command, ack: Ack) -> None:
        zones = [command["zone_id"]] if command["action"] == "close" else list(self._zones)
        if ack["state"] == "done" and any(zone_id in self._open for zone_id in zones):
            raise BrokenPromiseError("f", f"{ack['command_id']} is done, and a valve that it closes is open")

    def _hears_of_plan(self, command: Command, ack: Ack) -> None:
        if command["action"] == "clear" and ack["state"] == "done":
            self._ends_what_is_older(command)
        self._same_final(command, ack)
        if ack["state"] == "done" and command["action"] == "clear" and command["command_id"] not in self._cleared:
            raise BrokenPromiseError("n", f"{command['command_id']} is done, and was no good clear")

    def _ends_what_is_older(self, clear: Command) -> None:
        for zone_id, (owner, _) in self._open.items():
            by = self._commands.get(owner) or self.plan_run(owner)
            if by and by["epoch"] <= clear["epochs"].get(zone_id, 0):
                raise BrokenPromiseError("n", f"{clear['command_id']} is done, and {owner} of an older epoch goes on")

    def _same_final(self, command: Command, ack: Ack) -> None:
        name, state = ack["command_id"], ack["state"]
        told = tuple(ack[field] for field in ("state", "code", "duration_s", "volume_l", "end_reason"))
        before = self._finals.get(name, told)
        if state in FINAL_STATES:
            self._finals[name] = before
        # Past its expiry an id may be forgotten, and what repeats it is then rejected for that.
        forgotten = self._latest >= command["expires_at"] or (self.flooded and before[0] == "rejected")
        forgotten = forgotten or self._flash_lost or self._is_over(command)
        if before != told and not (state == "rejected" and forgotten):
            raise BrokenPromiseError("f", f"{name} was {_told(before)} first, and is {_told(told)} now")

    def _is_over(self, command: Command) -> bool:
        """A plan that was ended or used up: its id went with it, and its epoch is no zone's any more."""
        if command["action"] != "fallback":
            return False
        name = command["command_id"]
        return name in self._over or self._plan_runs.get(name, 0) >= command["days"]

    def _started(self, ack: Ack, at_ms: int) -> None:
        if self._open.get(ack["zone_id"], ("", 0))[0] != ack["command_id"]:
            raise BrokenPromiseError("f", f"{ack['command_id']} is said to have started, and its valve is shut")
        command = self._commands.get(ack["command_id"]) or self.plan_run(ack["command_id"]) or {}
        if ack["duration_s"] > self._longest_s(command):
            raise BrokenPromiseError(
                "f", f"{ack['command_id']} is said to run for {ack['duration_s']} s, more than its bound"
            )

    def _done(self, ack: Ack, at_ms: int) -> None:
        self._must_be_shut(ack)
        ran = self._ran.get(ack["command_id"], 0)
        if ack["command_id"] not in self._opened or abs(ack["duration_s"] * 1000 - ran) > GRACE_MS:
            what = f"{ack['command_id']} is said to have run for {ack['duration_s']} s, and ran for {_s(ran)}"
            raise BrokenPromiseError("f", what)
        if ack["volume_source"] == "measured":
            litres, off = self._litres(ack["zone_id"], ran), self._litres(ack["zone_id"], GRACE_MS)
            if abs(ack["volume_l"] - litres) > off:
                raise BrokenPromiseError("f", f"{ack['volume_l']:g} l are said to be measured, {litres:g} l flowed")

    def _failed(self, ack: Ack, at_ms: int) -> None:
        self._must_be_shut(ack)
        name, ran = ack["command_id"], self._ran.get(ack["command_id"], 0)
        if self._opened.get(name) == self._clock_sets and ack["duration_s"] * 1000 < ran - GRACE_MS:
            raise BrokenPromiseError(
                "f", f"{name} is said to have run for at most {ack['duration_s']} s, and ran for {_s(ran)}"
            )

    def _rejected(self, ack: Ack, at_ms: int) -> None:
        self._must_be_shut(ack)
        command = self._commands.get(ack["command_id"], {"expires_at": 0})
        is_known = self._latest < command["expires_at"] and not self._flash_lost
        if ack["command_id"] in self._opened and is_known:
            raise BrokenPromiseError("f", f"{ack['command_id']} is rejected, and moved a valve")

    def _must_be_shut(self, ack: Ack) -> None:
        if any(owner == ack["command_id"] for owner, _ in self._open.values()):
            raise BrokenPromiseError("f", f"{ack['command_id']} is {ack['state']}, and its valve is open")

    def _bound_ms(self, command: Command) -> int:
        zone = self._zones.get(command["zone_id"], {})
        litres, rate = command.get("max_volume_l"), zone.get("litres_per_minute")
        # Litres are counted to the millilitre, and a meter is read once a second at most: their bound is kept to that.
        seconds = (litres + 0.001) / rate * 60 if rate and litres is not None else MAX_RUN_S
        if self._flow is not None:
            seconds = seconds / self._flow + 1
        return math.ceil(min(self._longest_s(command), seconds) * 1000)

    def _longest_s(self, command: Command) -> int:
        zone = self._zones.get(command["zone_id"], {"hard_cap_s": 0})
        return int(min(command["duration_s"], zone["hard_cap_s"], MAX_RUN_S))


def _ends(command: Command, plan: Command) -> bool:
    """Does a command end a plan, if it counts?"""
    if command["action"] in {"close", "stop_all"}:
        return command["zone_id"] in {None, plan["zone_id"]}
    if command["action"] == "clear":
        return bool(command["epochs"].get(plan["zone_id"], 0) > plan["epoch"])
    return bool(command["zone_id"] == plan["zone_id"] and command["epoch"] > plan["epoch"])


def _offline_ms(plan: Command) -> int:
    return int(plan.get("after_offline_s") or AFTER_OFFLINE_S) * 1000


def _s(ms: int) -> str:
    return f"{ms / 1000:g} s"


def _told(told: tuple[Any, ...]) -> str:
    state, code, duration_s, _, end_reason = told
    length = "" if duration_s is None else f" after {duration_s:g} s"
    return f"{state} ({code}){length}" + (f", ended by {end_reason}" if end_reason else "")

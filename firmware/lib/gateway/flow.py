"""The flow watch of a board with meters: water where none should flow is told, and much of it latches the board.

A meter counts in whole pulses: what has flowed is what it counted, or up to a pulse more or less. Only what holds
either way is told, and each event once. The smallest step that a meter made between two looks is doubted, too.
"""

from protocol.messages import MAX_RUN_S

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from gateway.gateway import Gateway
    from gateway.interfaces import Values

    Message = dict[str, Any]

# Of the nominal flow. Through a valve that is shut, more than the first is a leak, and more than the second latches. In
# a run, less than the third and more than the fourth is a line that is blocked or broken; the fourth latches, too.
SHARES = (0.02, 0.1, 0.5, 1.5)
LOOKS_S = (300, 60)  # how often to look at meters that rest, and at those that move or should
JUDGED_MS = 60_000  # a run shorter than this says little about the flow; so does its first minute: a pipe fills
SILENT_MS = 180_000  # so long a meter that does not move in a run is waited for
WINDOW_MS = 1_800_000  # after which the look at a zone begins anew


class Flow:
    """Watches the meters of a gateway's zones, whose nominal flows are `rates`, litres a minute by zone."""

    def __init__(self, gateway: "Gateway", rates: "Mapping[str, float]") -> None:
        self._gateway = gateway
        self._rates = rates
        self._quiet: dict[str, int] = {}  # zones that a valve has just moved in: a pipe fills, or a valve shuts slowly
        self._shut: dict[str, tuple[int, float]] = {}  # zones as a sample saw them shut: ms, litres
        self._marks: dict[str, list[Any]] = {}  # zones since a look: ms, litres then and last, smallest step
        # Zones in which water does what it should not: what was told of it; ms and litres since which it may be over.
        self._alarms: dict[str, list[Any]] = {}

    def leaks(self) -> "list[tuple[str, str | None, Values]]":
        """Samples of water through valves that were shut all the time since the last ones, told of too."""
        gateway, before = self._gateway, self._shut
        self._shut = {}
        leaks: list[tuple[str, str | None, Values]] = []
        now_ms = gateway._clock.ticks_ms()
        for zone_id in self._rates:
            litres = gateway._board.metered_l(zone_id)
            if litres is None or zone_id in gateway._valves.open_valves:
                continue
            self._shut[zone_id] = now = (now_ms, litres)
            since_ms, since = before.get(zone_id, now)
            litres, ms = litres - since, now_ms - since_ms
            too_much = litres - self._shut_l(zone_id, ms)
            if too_much > gateway._board.pulse_l(zone_id):
                if zone_id not in self._alarms:
                    self._alarms[zone_id] = ["flow_while_shut", now_ms, now[1]]
                    self._tell("flow_while_shut", zone_id, litres, ms)
                seconds, litres = _amounts(litres, ms)
                leaks.append((zone_id, zone_id, {"volume_l": litres, "leak_s": seconds}))
            elif too_much > 0:
                self._shut[zone_id] = before[zone_id]  # the next pulse will say
        return leaks

    def every_s(self) -> int:
        """How often to look, for now."""
        moves = self._gateway._valves.open_valves or any(self._marks[zone_id][3] for zone_id in self._marks)
        return LOOKS_S[bool(moves)]

    def look(self) -> None:
        """Latch the board where too much water flows, and tell of what just began."""
        gateway = self._gateway
        news: list[Any] = []
        valves, now_ms = gateway._valves, gateway._clock.ticks_ms()
        for zone_id in self._rates:
            litres = gateway._board.metered_l(zone_id)
            if litres is not None and zone_id not in valves.stuck:
                self._look_at(zone_id, litres, now_ms, news)
        leaking = [row[1] for row in news if row[0] == "leak"]
        if leaking:
            valves.latch(leaking, now_ms, gateway._clock.now())
            gateway._repeat_status()
        for row in news:
            self._tell(*row)

    def _look_at(self, zone_id: str, litres: float, now_ms: int, news: "list[Any]") -> None:
        run, mark = self._gateway._valves._runs.get(zone_id), self._marks.get(zone_id)
        if mark and litres >= mark[2]:
            ms, step = now_ms - mark[0], litres - mark[2]
            if step:
                mark[2:4] = litres, min(step, mark[3] or step)
            code = self._judge(zone_id, mark, ms, bool(run))
            alarm = self._alarms.get(zone_id)
            is_known = zone_id in self._gateway._valves.latched if code == "leak" else alarm
            if code and not is_known:
                news.append((code, zone_id, litres - mark[1], ms))
                self._alarms[zone_id] = [code, now_ms, litres]
            if ms < WINDOW_MS:
                return
            if alarm and not run and now_ms - alarm[1] >= WINDOW_MS:
                self._end(alarm, zone_id, litres, now_ms)
        if now_ms >= self._quiet.get(zone_id, 0):
            self._marks[zone_id] = [now_ms, litres, litres, 0]

    def _end(self, alarm: "list[Any]", zone_id: str, litres: float, now_ms: int) -> None:
        """What was told of a shut zone is over when a pulse more would not be too much for all the time since."""
        flowed = litres - alarm[2]
        if flowed + self._gateway._board.pulse_l(zone_id) <= self._shut_l(zone_id, now_ms - alarm[1]):
            del self._alarms[zone_id]
        elif flowed:
            alarm[1:] = now_ms, litres

    def forget(self) -> None:
        """A person has looked: what the meters counted before is over."""
        self._marks.clear()
        self._shut.clear()
        self._alarms.clear()

    def heard(self, ack: "Message") -> None:
        """A run began or ended: look at its zone anew. An unusual flow in it is told, if it was not yet."""
        zone_id, seconds = ack["zone_id"], ack["duration_s"]
        if seconds is None:
            return
        self._shut.pop(zone_id, None)
        self._marks.pop(zone_id, None)
        alarm = self._alarms.pop(zone_id, None)
        self._quiet[zone_id] = self._gateway._clock.ticks_ms() + JUDGED_MS
        # The rate is not known of a zone that was configured when the power went.
        if ack["volume_source"] != "measured" or seconds * 1000 < JUDGED_MS or zone_id not in self._rates or alarm:
            return
        nominal, pulse = self._nominal(zone_id, seconds * 1000), self._gateway._board.pulse_l(zone_id)
        if not SHARES[2] * nominal - pulse <= ack["volume_l"] <= SHARES[3] * nominal + pulse:
            self._tell("unusual_flow", zone_id, ack["volume_l"], seconds * 1000)

    def _judge(self, zone_id: str, mark: "list[Any]", ms: int, runs: bool) -> "str | None":
        """What is to be told of a zone; a leak latches the board."""
        nominal, litres = self._nominal(zone_id, ms), mark[2] - mark[1]
        pulse = max(mark[3], self._gateway._board.pulse_l(zone_id))
        certain = litres - pulse
        if certain > nominal * SHARES[3 if runs else 1]:
            return "leak"
        if not runs and certain > self._shut_l(zone_id, ms):
            return "flow_while_shut"
        return "unusual_flow" if runs and ms >= SILENT_MS and litres + pulse < nominal * SHARES[2] else None

    def _shut_l(self, zone_id: str, ms: float) -> float:
        """What may pass a valve that is shut."""
        return self._nominal(zone_id, ms) * SHARES[0] + 1

    def _nominal(self, zone_id: str, ms: float) -> float:
        return self._rates[zone_id] * ms / 60000

    def _tell(self, code: str, zone_id: str, litres: float, ms: float) -> None:
        seconds, litres = _amounts(litres, ms)
        text = f"{zone_id}: {litres:.0f} l in {seconds} s, nominal {self._nominal(zone_id, ms):.0f} l"
        self._gateway._error_at = None  # whatever was told a moment ago, this is told too
        self._gateway._report(code, text, {"zone_id": zone_id, "volume_l": litres, "duration_s": seconds})


def _amounts(litres: float, ms: float) -> "tuple[int, float]":
    """Seconds, as a message takes them, and litres."""
    return min(max(1, int(ms // 1000)), MAX_RUN_S), round(litres, 3)

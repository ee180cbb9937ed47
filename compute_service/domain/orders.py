"""What people ask the service for, and what holds it: orders, holds, and who may not be overruled.

An order is written down by whoever takes it (a shell, a page, a bridge) and obeyed by the running service, once. A hold
keeps decisions from opening valves: what was stopped or closed by hand, and what is paused. Times are Unix seconds.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from compute_service.domain.constraints import Check

STOP, CLOSE, PAUSE, CLEAR = "stop", "close", "pause", "clear"
ACTIONS = (STOP, CLOSE, "open", PAUSE, "resume", CLEAR)
NOT_LATE = ("open", CLEAR)  # what changes what a valve may do never happens late
SETTINGS = "settings"  # another text for the zones file: an order that `settings.edit` gives, and nobody else
OPEN_LIFE_S = 60  # an open, or a clear, that the service has not taken by then never happens
WAITING, UNDER_WAY, DONE, REFUSED, EXPIRED = "waiting", "under_way", "done", "refused", "expired"
ENDS = (DONE, REFUSED, EXPIRED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What somebody asks for; `zone_id` None is the farm. An `open` has `duration_s` or `volume_l`, a pause `until`.

    A `clear` is for the whole gateway of its zone.

    `settings` asks for what stands in the zones file already, and waits for the service to go by it.
    `by` is a person or a token by its name, `via` where it came from: shell, page, bridge. `key`: a repeat with the
    same one is the same order.
    """

    order_id: str
    action: str
    at: int
    by: str
    via: str
    zone_id: str | None = None
    duration_s: int | None = None
    volume_l: float | None = None
    until: int | None = None
    why: str = ""
    key: str | None = None

    def is_late(self, now: int) -> bool:
        """It is too late to begin; for a stop it never is: it is obeyed whenever it can be.

        An open or clear of a time to come was given while the clock was ahead, nobody knows how long ago.
        """
        if self.action in NOT_LATE:
            return abs(now - self.at) >= OPEN_LIFE_S
        return self.action == PAUSE and self.until is not None and now >= self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRow:
    """An order and what became of it; `command_ids` are the commands that it ends with."""

    order: Order
    state: str = WAITING
    reason: str = ""
    ended_at: int | None = None
    command_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """What keeps a zone, or with None the farm, shut: by whom, since when, until when (None: until `resume`)."""

    kind: str
    zone_id: str | None
    since: int
    until: int | None
    by: str
    order_id: str
    why: str = ""


class ManualRun(NamedTuple):
    """A run that a person asked for: at most so many seconds, or litres, or both."""

    order_id: str
    by: str
    duration_s: int | None
    volume_l: float | None


def overtaken(order: Order, later: Iterable[Order]) -> str:
    """Why an `open` is not obeyed any more, although nothing holds its zone yet: who shut it since; else empty."""
    if order.action != "open":
        return ""
    shutting = [one for one in later if one.action in _VERBS and one.zone_id in {None, order.zone_id}]
    return f"{shutting[0].by} has since ordered {shutting[0].action}" if shutting else ""


def in_force(holds: Iterable[Hold], zone_id: str | None, now: int) -> tuple[Hold, ...]:
    """The holds of a zone (those of the farm are) at a time, the strongest first."""
    ours = [hold for hold in holds if hold.zone_id in (None, zone_id) and (hold.until is None or now < hold.until)]
    return tuple(sorted(ours, key=lambda hold: (_STRENGTH[hold.kind], hold.zone_id is not None, hold.since)))


def hold_check(hold: Hold, timezone: str) -> Check:
    """A hold as a check that does not pass: who, since when, and what ends it."""
    since = clock(hold.since, timezone)
    until = f"until {clock(hold.until, timezone)}" if hold.until is not None else "until somebody resumes"
    place = "the farm" if hold.zone_id is None else "it"
    why = f"{hold.by} {_VERBS[hold.kind]} {place} at {since}, {until}{f' ({hold.why})' if hold.why else ''}"
    return Check(_CHECKS[hold.kind], hold.by, hold.until, False, why)


def clock(at: int, timezone: str) -> str:
    """A time on the farm's own clock."""
    return datetime.fromtimestamp(at, ZoneInfo(timezone)).strftime("%Y-%m-%d %H:%M")


def end_of_day(now: int, timezone: str) -> int:
    """The farm's next midnight."""
    farm = ZoneInfo(timezone)
    today = datetime.fromtimestamp(now, farm).date()
    return int(datetime.fromordinal(today.toordinal() + 1).replace(tzinfo=farm).timestamp())


_STRENGTH = {STOP: 0, PAUSE: 1, CLOSE: 2}
_CHECKS = {STOP: "not_stopped", PAUSE: "not_paused", CLOSE: "not_closed"}
_VERBS = {STOP: "stopped", PAUSE: "paused", CLOSE: "closed"}
HOLD_REMEDIES = {
    "not_stopped": "an order to resume the farm",
    "not_paused": "the end of the pause, or an order to resume",
    "not_closed": "the end of the farm's day, or an order to resume",
}
# What a person's open overrules: what speaks against water, never what keeps water within bounds.
OVERRULED = frozenset(
    {
        "fresh_reading",
        "believable_probes",
        "cooled_down",
        "needs_water",
        "allowed_hour",
        "calm",
        "no_rain_now",
        "no_rain_ahead",
    }
)

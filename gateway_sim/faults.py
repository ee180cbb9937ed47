"""Labelled, scheduled faults: what breaks, where, from when until when, and by how much.

Faults of a value are pure functions of the true value, the time and a draw that depends on (seed, sensor, time) alone.
Faults of a line go to `hydraulics` (`defects`); faults of a device are a schedule that the fleet asks
(`Faults.active`, `Faults.next_change`).
"""

import math
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from gateway_sim.errors import FaultError
from gateway_sim.farm import WEATHER
from gateway_sim.hydraulics import Defect
from protocol.messages import QUANTITIES
from protocol.topics import gateway_of

if TYPE_CHECKING:  # the interfaces are types only, and no module
    from gateway.interfaces import Clock

DAY_S = 86400
Values = dict[str, float | int | None]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault from `begin` to before `end` (Unix s, field time; `end` may be inf). Its label is `name`.

    `targets` are sensor ids, zone ids or gateway ids, as the kind asks; `amount` is in the kind's unit.
    """

    kind: str
    targets: tuple[str, ...]
    begin: float
    end: float
    amount: float
    quantity: str = "vwc"

    @property
    def name(self) -> str:
        """What the reports call it."""
        return f"{self.kind} {' and '.join(self.targets)}"

    def active(self, at: float) -> bool:
        """True from `begin` to just before `end`."""
        return self.begin <= at < self.end


Change = Callable[[float, Fault, float, random.Random], float | None]
"""New value of (true value, fault, Unix s, draw)."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a kind of fault strikes (`sensor`, `zone` or `gateway`), the unit and limits of its amount, what it does."""

    strikes: str
    says: str
    unit: str
    default: float | None  # None: the amount must be given
    least: float = -math.inf
    most: float = math.inf
    targets: int = 1
    change: Change | None = None


KINDS = {
    "noise": Kind(
        strikes="sensor",
        says="a value scatters with this standard deviation",
        unit="units",
        default=0.03,
        least=0.0,
        change=lambda value, fault, _, draw: value + draw.gauss(0.0, fault.amount),
    ),
    "bias": Kind(
        strikes="sensor",
        says="a value is off by this much",
        unit="units",
        default=0.05,
        change=lambda value, fault, _at, _draw: value + fault.amount,
    ),
    "drift": Kind(
        strikes="sensor",
        says="a value is off by this much more every day",
        unit="units a day",
        default=0.005,
        change=lambda value, fault, at, _: value + fault.amount * (at - fault.begin) / DAY_S,
    ),
    "stuck": Kind(
        strikes="sensor",
        says="a value is always this one",
        unit="units",
        default=None,
        change=lambda _value, fault, _at, _draw: fault.amount,
    ),
    "dropout": Kind(
        strikes="sensor",
        says="this share of the values is missing",
        unit="0..1",
        default=1.0,
        least=0.0,
        most=1.0,
        change=lambda value, fault, _, draw: None if draw.random() < fault.amount else value,
    ),
    "percent": Kind(
        strikes="sensor",
        says="a fraction is reported times this",
        unit="factor",
        default=100.0,
        least=1.0,
        change=lambda value, fault, _at, _draw: value * fault.amount,
    ),
    "swapped": Kind(
        strikes="sensor",
        says="two sensors are wired to each other's place",
        unit="-",
        default=0.0,
        least=0.0,
        most=0.0,
        targets=2,
    ),
    "dead_valve": Kind(
        strikes="zone",
        says="a valve does not open (0) or does not close (1)",
        unit="0 or 1",
        default=0.0,
        least=0.0,
        most=1.0,
    ),
    "clogged": Kind(
        strikes="zone",
        says="emitters pass this share less at nominal pressure",
        unit="0..0.99",
        default=0.6,
        least=0.0,
        most=0.99,
    ),
    "burst": Kind(
        strikes="zone",
        says="a line loses this times the nominal flow before the emitters",
        unit="share",
        default=1.0,
        least=0.0,
        most=10.0,
    ),
    "wrong_clock": Kind(strikes="gateway", says="the clock is off by this much", unit="s", default=3600.0),
    "reboot": Kind(
        strikes="gateway",
        says="the board loses power at the begin, and starts this much later",
        unit="s",
        default=5.0,
        least=0.0,
        most=DAY_S,
    ),
    "wifi_loss": Kind(
        strikes="gateway", says="nothing is sent or received", unit="-", default=0.0, least=0.0, most=0.0
    ),
    "brown_out": Kind(
        strikes="gateway",
        says="each opening of a valve resets the board, which starts this much later",
        unit="s",
        default=5.0,
        least=0.0,
        most=DAY_S,
    ),
}


class Faults:
    """The schedule of a season, for any part of the farm to ask; effects are in the order of the faults."""

    def __init__(self, faults: Iterable[Fault] = (), seed: int = 0) -> None:
        self.all = tuple(faults)
        self._seed = seed
        self._of_target: dict[str, list[Fault]] = {}
        for fault in self.all:
            for target in fault.targets:
                self._of_target.setdefault(target, []).append(fault)

    def moved(self, seconds: int) -> "Faults":
        """The same, so much later."""
        later = [replace(fault, begin=fault.begin + seconds, end=fault.end + seconds) for fault in self.all]
        return Faults(later, self._seed)

    def active(self, target: str, at: float, kind: str | None = None) -> list[Fault]:
        """The faults that strike a target at a time (Unix s), of one kind or of all."""
        return [fault for fault in self._of_target.get(target, ()) if fault.active(at) and kind in {None, fault.kind}]

    def of(self, target: str) -> list[Fault]:
        """All that will ever strike a target."""
        return list(self._of_target.get(target, ()))

    def next_change(self, after: float) -> float:
        """The next time (Unix s) later than `after` at which a fault begins or ends; inf if none does."""
        times = (time for fault in self.all for time in (fault.begin, fault.end))
        return min((time for time in times if time > after), default=math.inf)

    def wired(self, sensor_id: str, at: float) -> str:
        """The sensor id whose place a sensor is really in; another one where two are swapped."""
        for fault in self.active(sensor_id, at, "swapped"):
            first, second = fault.targets
            return second if sensor_id == first else first
        return sensor_id

    def told(self, sensor_id: str, values: Mapping[str, float | int | None], measured_at: int) -> Values:
        """What a sensor says instead of its values; the same for the same seed, sensor and time."""
        reading = dict(values)
        for number, fault in enumerate(self.active(sensor_id, measured_at)):
            change = KINDS[fault.kind].change
            value = reading.get(fault.quantity)
            if change and value is not None:
                key = f"{self._seed}:{sensor_id}:{measured_at}:{number}:{fault.kind}"
                reading[fault.quantity] = _rounded(change(value, fault, measured_at, random.Random(key)))  # noqa: S311  # no secret
        return reading

    def clock_offset_s(self, gateway_id: str, at: float) -> int:
        """How far a gateway's clock is off at a time."""
        return int(sum(fault.amount for fault in self.active(gateway_id, at, "wrong_clock")))

    def offline(self, gateway_id: str, at: float) -> bool:
        """True while a gateway has no network."""
        return bool(self.active(gateway_id, at, "wifi_loss"))

    def reboots(self, gateway_id: str) -> list[tuple[float, float]]:
        """(Unix s of the power cut, seconds without power) of the scheduled reboots, in order."""
        faults = self._of_target.get(gateway_id, ())
        return sorted((fault.begin, fault.amount) for fault in faults if fault.kind == "reboot")

    def powerless_s(self, gateway_id: str, at: float) -> float:
        """Seconds until the power is back after a scheduled reboot; 0 if it is there."""
        dark_s = [begin + off_s - at for begin, off_s in self.reboots(gateway_id) if begin <= at]
        return max([0.0, *dark_s])

    def brown_out_s(self, gateway_id: str, at: float) -> float | None:
        """Seconds without power if the opening of a valve at this time resets the board; None if it does not."""
        return max((fault.amount for fault in self.active(gateway_id, at, "brown_out")), default=None)

    def defects(self, zone_ids: Iterable[str]) -> list[Defect]:
        """What `hydraulics.Supply` needs to know of these zones' lines and valves."""
        faults = [fault for zone_id in zone_ids for fault in self._of_target.get(zone_id, ())]
        return [_defect(fault) for fault in faults]


class SkewedClock:
    """A gateway's clock, off by what its `wrong_clock` faults say; ticks and sleep are sound, as a crystal's are."""

    def __init__(self, clock: "Clock", faults: Faults, gateway_id: str) -> None:
        self._clock = clock
        self._faults = faults
        self._gateway_id = gateway_id

    def now(self) -> int:
        true = self._clock.now()
        return true + self._faults.clock_offset_s(self._gateway_id, true)

    def ticks_ms(self) -> int:
        return self._clock.ticks_ms()

    def trusted(self) -> bool:
        return self._clock.trusted()

    async def sleep_ms(self, ms: int) -> None:
        await self._clock.sleep_ms(ms)


def parse(rows: object, targets: Mapping[str, Sequence[str]], start: int, seed: int = 0) -> Faults:
    """The faults of a scenario: a list of {kind, target, from, until, amount, quantity}.

    `targets` lists the ids that exist, by what a kind strikes (`sensor`, `zone`, `gateway`). `target` is one id, or a
    list of two for `swapped`. `from` and `until` are times since `start` (Unix s) such as `2d`, `1d 6h 30m`, or ISO
    date-times with an offset; without `until` a fault stays. Raises FaultError.
    """
    if rows is None:
        return Faults((), seed)
    if not isinstance(rows, list):
        raise FaultError(f"faults: want a list of rows, not {rows!r}")
    return Faults([read(f"fault {number}", row, targets, start) for number, row in enumerate(rows, 1)], seed)


def read(place: str, row: object, ids: Mapping[str, Sequence[str]], start: int) -> Fault:
    """One row of `parse`; `place` begins what is said of a mistake. Raises FaultError."""
    if not isinstance(row, dict):
        raise FaultError(f"{place}: want kind, target, from ..., not {row!r}")
    unknown = set(row) - {"kind", "target", "from", "until", "amount", "quantity"}
    if unknown:
        raise FaultError(f"{place}: unknown {', '.join(sorted(map(str, unknown)))}")
    name = row.get("kind")
    if not isinstance(name, str) or name not in KINDS:
        raise FaultError(f"{place}: unknown kind {name!r}; there are {', '.join(KINDS)}")
    kind = KINDS[name]
    place = f"{place} ({name})"
    begin = _time(f"{place}: from", row.get("from", "0d"), start)
    end = math.inf if row.get("until") is None else _time(f"{place}: until", row["until"], start)
    if end <= begin:
        raise FaultError(f"{place}: until {row['until']} is not after from {row.get('from', '0d')}")
    targets = _targets(place, kind, row.get("target"), ids)
    quantity = str(row.get("quantity", "vwc"))
    if quantity not in QUANTITIES:
        raise FaultError(f"{place}: no quantity {quantity!r}; there are {', '.join(QUANTITIES)}")
    return Fault(
        kind=name,
        targets=targets,
        begin=begin,
        end=end,
        amount=_amount(place, kind, row.get("amount")),
        quantity=quantity,
    )


def _targets(place: str, kind: Kind, target: object, ids: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    targets = tuple(target) if isinstance(target, list) else (target,)
    if len(set(map(str, targets))) != kind.targets or len(targets) != kind.targets:
        how_many = "one" if kind.targets == 1 else f"a list of {kind.targets} different"
        raise FaultError(f"{place}: target {target!r}; want {how_many} {kind.strikes} id")
    for one in targets:
        if one not in ids.get(kind.strikes, ()):
            there = ", ".join(ids.get(kind.strikes, ())) or "none"
            raise FaultError(f"{place}: no {kind.strikes} {one!r}; there are {there}")
    names = tuple(str(one) for one in targets)
    stations = [name for name in names if name.endswith(f".{WEATHER}")]
    if kind.targets == 2 and (stations or len({gateway_of(name) for name in names}) > 1):
        raise FaultError(f"{place}: {' and '.join(names)}; want two moisture probes of one gateway")
    return names


def _amount(place: str, kind: Kind, amount: object) -> float:
    if amount is None and kind.default is not None:
        return kind.default
    number = isinstance(amount, int | float) and not isinstance(amount, bool)
    if not number or not kind.least <= float(str(amount)) <= kind.most:
        limits = "" if kind.least == -math.inf else f" from {kind.least:g} to {kind.most:g}"
        raise FaultError(f"{place}: amount {amount!r}; want a number{limits} ({kind.unit}): {kind.says}")
    return float(str(amount))


SINCE = re.compile(r"(?:(\d+)d)?\s*(?:(\d+)h)?\s*(?:(\d+)m)?\s*(?:(\d+)s)?")


def _time(place: str, value: object, start: int) -> float:
    if isinstance(value, datetime) and value.tzinfo:
        return value.timestamp()
    text = str(value).strip()
    since = SINCE.fullmatch(text)
    if text and since:
        days, hours, minutes, seconds = (int(part or 0) for part in since.groups())
        return start + days * DAY_S + hours * 3600 + minutes * 60 + seconds
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = datetime.min
    if at.tzinfo is None:
        raise FaultError(f"{place} {value!r}: want a time since the start as 1d 6h 30m, or 2020-07-01T06:00-04:00")
    return at.timestamp()


def _defect(fault: Fault) -> Defect:
    amount = fault.amount
    return Defect(
        zone_id=fault.targets[0],
        begin_ms=fault.begin * 1000,
        end_ms=fault.end * 1000,
        clogged=amount if fault.kind == "clogged" else 0.0,
        burst=amount if fault.kind == "burst" else 0.0,
        does_not_open=fault.kind == "dead_valve" and amount < 1,
        does_not_close=fault.kind == "dead_valve" and amount == 1,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)

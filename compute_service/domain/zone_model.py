"""What is believed of a zone, and how it moves: the balance by the hour, water as it is settled, probes as they report.

`advance` is pure: the same model and inputs give the same model, bit for bit. The past is never rewritten: what comes
late changes the present. All water is in mm over the zone's area, as the roots get it; times are Unix seconds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from compute_service.domain import balance, crops, fusion
from compute_service.domain.balance import Account, Soil, State, Weather
from compute_service.domain.crops import Crop, Kc
from compute_service.domain.fusion import Belief, Ground
from compute_service.domain.probes import Probe, Verdict, hear, responded, weights
from compute_service.domain.refill import Emitters, net_mm
from compute_service.domain.strategy import STRATEGY, Strategy, wanted_mm
from compute_service.domain.zone import Zone

HOUR_S, DAY_S = 3600, 86400
ASSUMED_ET0_MM_D = 5.0  # while nothing else is known
MOST_EVAPORABLE = 0.7  # of the surface's water, that coarse soils give off easily (FAO-56, table 19)
SEEN_AFTER_S = 3 * HOUR_S  # so long after a run its water has reached the probes
LEAST_SEEN_MM = 3.0  # a smaller run may stay unseen
OF_PERCENT = 100.0
BRIM = 0.04  # over field capacity, m3/m3: farther off than this a good probe seldom is


class Sample(NamedTuple):
    """One moisture that a probe reported, m3/m3; None is no value."""

    sensor_id: str
    at: int
    vwc: float | None


class Hour(NamedTuple):
    """The weather of the hour that begins at `at`, and where its ET0 is from: see `station`."""

    at: int
    et0_mm: float
    rain_mm: float
    source: str


class Water(NamedTuple):
    """Litres out of the zone's emitters, known at `at`; negative where less came than was booked before."""

    at: int
    litres: float


class Moved(NamedTuple):
    """What moved in an hour that began at `at`, or when water came, mm; `source` as in Hour, "" of water.

    `unmet_mm` is what a thirsty crop would have transpired besides.
    """

    at: int
    et0_mm: float
    rain_mm: float
    irrigation_mm: float
    evaporation_mm: float
    transpiration_mm: float
    percolation_mm: float
    source: str
    unmet_mm: float = 0.0


@dataclass(frozen=True, slots=True)
class Day:
    """The 24 hours before a model's `at`: the crop, the account of them for `strategy`, ET0 and where it was from."""

    kc: Kc
    account: Account
    et0_mm: float
    sources: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Refilling:
    """A refill under way: it ends at a depletion of `left_mm`, and a rest below `least_mm` is not worth a run."""

    begun_at: int
    left_mm: float
    least_mm: float
    soak_s: int


@dataclass(frozen=True, slots=True)
class Watch:
    """A run that the probes should see: what each read before, and at most since; nothing is settled while it runs."""

    before: Mapping[str, float]
    highest: Mapping[str, float]
    net_mm: float = 0.0
    settled_at: int = 0


@dataclass(frozen=True, slots=True)
class ZoneModel:
    """All that is believed of a zone. The balance has moved until `at`; no probe saw a last run of `unseen_mm`."""

    at: int
    state: State
    belief: Belief
    probes: Mapping[str, Probe]
    day: Day  # what `moved` comes to
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    moved: tuple[Moved, ...] = ()  # in the last 24 hours
    refilling: Refilling | None = None
    watch: Watch | None = None
    unseen_mm: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, texts, lists and dicts."""
        return {
            "at": self.at,
            "state": _kept(self.state),
            "belief": {**_kept(self.belief), "known": [list(self.belief.known.mean), list(self.belief.known.cov)]},
            "probes": {name: _kept(probe) for name, probe in self.probes.items()},
            "verdicts": {name: [verdict.kind, verdict.why] for name, verdict in self.verdicts.items()},
            "moved": [list(row) for row in self.moved],
            "refilling": self.refilling and _kept(self.refilling),
            "watch": self.watch and _kept(self.watch),
            "unseen_mm": self.unseen_mm,
        }

    @classmethod
    def from_json(cls, zone: Zone, kept: Mapping[str, Any]) -> "ZoneModel":
        """What `to_json` gave, perhaps by way of a text, for a zone of the same or of newer settings."""
        moved, state = tuple(Moved(*row) for row in kept["moved"]), State(**kept["state"])
        return cls(
            kept["at"],
            state,
            Belief.from_json(kept["belief"]),
            {name: Probe.from_json(probe) for name, probe in kept["probes"].items()},
            _day(place_of(zone), kept["at"], moved, state.roots_m),
            {name: Verdict(*verdict) for name, verdict in kept["verdicts"].items()},
            moved,
            Refilling(**kept["refilling"]) if kept["refilling"] else None,
            Watch(**kept["watch"]) if kept["watch"] else None,
            kept["unseen_mm"],
        )


@dataclass(frozen=True, slots=True)
class Place:
    """What a zone's settings come to: its soil, its crop with this field's roots, its emitters, its strategy."""

    soil: Soil
    crop: Crop
    emitters: Emitters
    sown_at: int
    strategy: Strategy

    def day(self, at: int) -> float:
        """Days since sowing; negative before."""
        return (at - self.sown_at) / DAY_S

    def season_begun(self, at: int) -> int:
        """When this season began: a perennial's comes round again."""
        cycle_s = sum(self.crop.days) * DAY_S
        return at - (at - self.sown_at) % cycle_s if self.crop.perennial else self.sown_at


@cache
def place_of(zone: Zone) -> Place:
    """A zone's settings in the terms of the balance."""
    top_mm = 1000 * (zone.field_capacity - 0.5 * zone.wilting_point) * 0.1
    soil = Soil(zone.field_capacity, zone.wilting_point, readily_evaporable_mm=min(8.0, MOST_EVAPORABLE * top_mm))
    crop = replace(crops.crop(zone.crop, zone.calendar), roots_m=zone.root_depth_m)
    strategy = STRATEGY
    if zone.allowed_depletion is not None:  # a grower's own limit is one: neither stage nor weather goes beyond it
        crop = replace(crop, depletion=zone.allowed_depletion, closes=zone.allowed_depletion)
        strategy = replace(STRATEGY, mid=1.0, late=1.0, most=1.0, counted=1.0)
    emitters = Emitters(zone.area_m2, zone.application_rate_mm_h, zone.efficiency, zone.infiltration_mm_h)
    sown = datetime(zone.sown.year, zone.sown.month, zone.sown.day, tzinfo=ZoneInfo(zone.timezone))
    return Place(soil, crop, emitters, int(sown.timestamp()), strategy)


def begin(zone: Zone, now: int) -> ZoneModel:
    """What is believed of a zone before anything was heard of it."""
    place, at = place_of(zone), now // HOUR_S * HOUR_S
    depths = {probe.sensor_id: probe.depth_m for probe in zone.probes}
    depths[zone.sensor_id] = zone.probe_depth_m or zone.root_depth_m / 2
    probes = {name: Probe(depths[name]) for name in zone.sensor_ids}
    state = State(roots_m=crops.kc(place.crop, place.day(at)).roots_m)
    return ZoneModel(at, state, fusion.begin(), probes, _day(place, at, (), state.roots_m))


def advance(  # noqa: PLR0913, PLR0917  # all that a zone hears
    zone: Zone,
    model: ZoneModel | None,
    hours: Iterable[Hour],
    water: Iterable[Water],
    samples: Iterable[Sample],
    now: int,
) -> ZoneModel:
    """Move on to `now`: whole hours of weather, settled water, then what the probes reported; each in order of time."""
    model = _with_its_probes(zone, model) if model else begin(zone, now)
    place = place_of(zone)
    for hour in hours:
        if hour.at >= model.at:
            model = _through(place, model, hour)
    for one in water:
        model = _soaked(place, model, one)
    return _judged(_observed(zone, model, _heard(zone, model, samples), now), now)


def _with_its_probes(zone: Zone, model: ZoneModel) -> ZoneModel:
    """The model with the probes that the zones file knows, each at its depth."""
    if tuple(model.probes) == zone.sensor_ids:
        return model
    fresh = begin(zone, model.at).probes
    return replace(model, probes={name: model.probes.get(name, probe) for name, probe in fresh.items()})


def _through(place: Place, model: ZoneModel, hour: Hour) -> ZoneModel:
    kc = model.day.kc if hour.at == model.at else crops.kc(place.crop, place.day(hour.at))
    weather = Weather(hour.et0_mm * model.belief.demand, hour.rain_mm, crop_mm_d=kc.single * model.day.et0_mm)
    state, account = balance.step(place.soil, model.state, kc, weather)
    belief = fusion.predict(model.belief, account, hour.at + HOUR_S, 1 / 24)
    row = _row(hour.at, hour.et0_mm, account, hour.source)
    moved = (*(old for old in model.moved if old.at > hour.at - DAY_S), row)
    at, state = hour.at + HOUR_S, _lacking(state, belief)
    day = _day(place, at, moved, state.roots_m)
    rest = (model.refilling, model.watch, model.unseen_mm)
    return ZoneModel(at, state, belief, model.probes, day, model.verdicts, moved, *rest)


def _lacking(state: State, belief: Belief) -> State:
    """The balance where it is believed to be."""
    return State(belief.depletion_mm, state.surface_mm, state.subsoil_mm, state.roots_m, state.wetted)


def _soaked(place: Place, model: ZoneModel, water: Water) -> ZoneModel:
    """The water as if it came at once: where it went, the probes will tell."""
    mm = net_mm(place.emitters, water.litres)
    kc = crops.kc(place.crop, place.day(water.at))
    state, account = balance.step(place.soil, model.state, kc, Weather(0.0, irrigation_mm=mm))
    belief = fusion.predict(model.belief, account, water.at, 0.0)
    watch, moved = model.watch or _watch(model), (*model.moved, _row(water.at, 0.0, account, ""))
    return replace(
        model,
        state=_lacking(state, belief),
        belief=belief,
        moved=moved,
        day=_day(place, model.at, moved, state.roots_m),
        watch=replace(watch, net_mm=watch.net_mm + mm, settled_at=water.at),
    )


def _day(place: Place, at: int, moved: tuple[Moved, ...], roots_m: float) -> Day:
    """The last 24 hours; hours that are not known take what is usual."""
    kc = crops.kc(place.crop, place.day(at))
    sources: dict[str, int] = {}
    for row in moved:
        if row.source:
            sources[row.source] = sources.get(row.source, 0) + 1
    _, et0, rain, irrigation, evaporation, transpired, percolation, _, unmet = (
        zip(*moved, strict=True) if moved else [()] * 9
    )
    unknown_mm = ASSUMED_ET0_MM_D * max(24 - sum(sources.values()), 0) / 24
    unknown_mm = min(unknown_mm, max(ASSUMED_ET0_MM_D - sum(et0), 0.0))
    et0_mm, available = sum(et0) + unknown_mm, place.soil.available_mm(roots_m)
    p = balance.adjusted_p(kc.depletion, kc.single * et0_mm)
    transpiration_mm = sum(transpired) + unknown_mm * kc.single
    asked_mm = transpiration_mm + sum(unmet)
    account = Account(
        rain_mm=sum(rain),
        irrigation_mm=sum(irrigation),
        runoff_mm=0.0,
        evaporation_mm=sum(evaporation),
        transpiration_mm=transpiration_mm,
        percolation_mm=sum(percolation),
        grown_mm=0.0,
        available_mm=available,
        readily_available_mm=p * available,
        depletion_share=p,
        stress=transpiration_mm / asked_mm if asked_mm else 1.0,
        evaporation_kc=0.0,
    )
    return Day(kc, account, et0_mm, sources)


def _row(at: int, et0_mm: float, account: Account, source: str) -> Moved:
    return Moved(
        at,
        round(et0_mm, 4),
        round(account.rain_mm, 4),
        round(account.irrigation_mm, 4),
        round(account.evaporation_mm, 4),
        round(account.transpiration_mm, 4),
        round(account.percolation_mm, 4),
        source,
        round(wanted_mm(account) - account.evapotranspiration_mm, 4),
    )


def _heard(zone: Zone, model: ZoneModel, samples: Iterable[Sample]) -> dict[str, Probe]:
    """What probes told; a value above 1 counts only for one that told no other: that may be somebody else's word."""
    probes = dict(model.probes)
    told = tuple(samples)
    clear = {sample.sensor_id for sample in told if sample.vwc is not None and sample.vwc <= 1}
    for sample in told:
        probe, vwc = probes[sample.sensor_id], sample.vwc
        if vwc is not None and vwc > 1 and sample.sensor_id in clear:
            continue
        if vwc is None and probe.percent:  # the gateway holds such a value back: it is as the one before
            vwc = OF_PERCENT * zone.field_capacity
        probes[sample.sensor_id] = hear(probe, vwc, sample.at, zone.wilting_point)
    return probes


def _observed(zone: Zone, model: ZoneModel, heard: Mapping[str, Probe], now: int) -> ZoneModel:
    """The belief held against the probes; the first values that can be believed begin it.

    Soil beyond field capacity is full and no more: what probes tell above that would only look like a surprise.
    """
    ground = Ground(zone.field_capacity, zone.wilting_point, model.state.roots_m)
    belief = model.belief
    if not belief.at and (told := [probe.vwc for probe in heard.values() if probe.vwc is not None]):
        whole = 1000 * ground.roots_m
        lacking = (ground.field_capacity - sum(told) / len(told)) * whole
        most = (ground.field_capacity - ground.wilting_point) * whole
        belief = fusion.begin(min(max(lacking, 0.0), most))
    most = zone.field_capacity + BRIM
    brim = {name: probe.vwc for name, probe in heard.items() if probe.vwc is not None and probe.vwc > most}
    seen = {**heard, **{name: replace(heard[name], vwc=most) for name in brim}} if brim else heard
    belief, probes, verdicts = fusion.observe(belief, seen, ground, now)
    for name, vwc in brim.items():
        probes[name] = replace(probes[name], vwc=vwc)
    state = _lacking(model.state, belief)
    rest = (model.day, verdicts, model.moved, model.refilling, model.watch, model.unseen_mm)
    return ZoneModel(model.at, state, belief, probes, *rest)


# A run should be seen by the probes


def _watch(model: ZoneModel) -> Watch:
    read = {name: model.probes[name].vwc for name in model.probes if usable(model, name)}
    before = {name: vwc for name, vwc in read.items() if vwc is not None}
    return Watch(before, before)


def _judged(model: ZoneModel, now: int) -> ZoneModel:
    """Once a run's water has had its time, what the probes saw of it."""
    watch = model.watch
    if watch is None:
        return model
    highest = {name: max(most, model.probes[name].vwc or most) for name, most in watch.highest.items()}
    watch = replace(watch, highest=highest)
    if not watch.settled_at or now - watch.settled_at < SEEN_AFTER_S:
        return replace(model, watch=watch)
    names = sorted(watch.before, key=lambda name: (model.probes[name].depth_m, name))
    if watch.net_mm < LEAST_SEEN_MM or not names:
        return replace(model, watch=None)
    before, after = ([told[name] for name in names] for told in (watch.before, watch.highest))
    share = weights([model.probes[name].depth_m for name in names], model.state.roots_m)
    seen = responded(before, after, share, watch.net_mm, model.state.roots_m)
    return replace(model, watch=None, unseen_mm=0.0 if seen else round(watch.net_mm, 2))


def commanded(model: ZoneModel, refilling: Refilling | None) -> ZoneModel:
    """The model once a valve was told to open, perhaps for a part of a refill only."""
    return replace(model, refilling=refilling, watch=model.watch or _watch(model))


def usable(model: ZoneModel, name: str) -> bool:
    """True if a probe's value can be gone by."""
    verdict = model.verdicts.get(name)
    return verdict is not None and verdict.usable and model.probes[name].vwc is not None


# Frozen parts as plain dicts, without the recursion of `dataclasses.asdict`

_Part = TypeVar("_Part", State, Belief, Probe, Refilling, Watch)
_NAMES = {part: tuple(one.name for one in fields(part)) for part in (State, Belief, Probe, Refilling, Watch)}
_VALUES = {part: attrgetter(*names) for part, names in _NAMES.items()}


def _kept(part: _Part) -> dict[str, Any]:
    return dict(zip(_NAMES[type(part)], _VALUES[type(part)](part), strict=True))

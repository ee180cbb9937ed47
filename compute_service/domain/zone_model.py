"""What is believed of a zone, and how it moves: the balance by the hour, water as it is settled, probes as they report.

`advance` is pure: the same model and inputs give the same model, bit for bit. The past is never rewritten: what comes
late changes the present. All water is in mm over the zone's area, as the roots get it; times are Unix seconds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

from agronomy import balance, crops, fusion
from agronomy.balance import Account, Soil, State, Weather
from agronomy.crops import Kc
from agronomy.fusion import Belief, Ground
from agronomy.probes import Probe, Verdict, hear, responded, weights
from agronomy.refill import net_mm
from agronomy.strategy import demand_mm
from agronomy.units import DAY_S, HOUR_S
from compute_service.domain import model_check
from compute_service.domain.model_check import ModelError
from compute_service.domain.tables import columns, rows
from compute_service.domain.zone import Place, Zone

ASSUMED_ET0_MM_D = 5.0  # while nothing else is known
SEEN_AFTER_S = 3 * HOUR_S  # so long after a run its water has reached the probes
LEAST_SEEN_MM = 3.0  # a smaller run may stay unseen
OF_PERCENT = 100.0


class Sample(NamedTuple):
    """One moisture that a probe reported, m3/m3; None is no value."""

    sensor_id: str
    at: int
    vwc: float | None


class WeatherHour(NamedTuple):
    """The weather of the hour that begins at `at`, and where its ET0 is from: see `hourly_weather`."""

    at: int
    et0_mm: float
    rain_mm: float
    source: str


class Water(NamedTuple):
    """Litres out of the zone's emitters, known at `at`; negative where less came than was booked before."""

    at: int
    litres: float


class Fluxes(NamedTuple):
    """What moved in an hour that began at `at`, or when water came, mm; `source` as in WeatherHour, "" of water.

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
class LastDay:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneModel:
    """All that is believed of a zone. The balance has moved until `at`; no probe saw a last run of `unseen_mm`."""

    at: int
    state: State
    belief: Belief
    probes: Mapping[str, Probe]
    day: LastDay  # what `fluxes` come to
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    fluxes: tuple[Fluxes, ...] = ()  # in the last 24 hours
    refilling: Refilling | None = None
    watch: Watch | None = None
    unseen_mm: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, texts, lists and dicts."""
        return {
            "at": self.at,
            "state": _by_name(self.state),
            "belief": self.belief.to_json(),
            "probes": {name: _by_name(probe) for name, probe in self.probes.items()},
            "verdicts": {name: _by_name(verdict) for name, verdict in self.verdicts.items()},
            "moved": columns(self.fluxes),
            "refilling": self.refilling and _by_name(self.refilling),
            "watch": self.watch and _by_name(self.watch),
            "unseen_mm": self.unseen_mm,
        }

    @classmethod
    def from_json(cls, place: Place, row: Mapping[str, Any]) -> "ZoneModel":
        """What `to_json` gave, perhaps by way of a text, for a zone of the same or of newer settings.

        A service before this one kept verdicts and what moved as lists. Raises ModelError for what cannot be believed.
        """
        try:
            model = cls._from_row(place, row)
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
            raise ModelError(f"is no model: {type(error).__name__} {error!s:.80}") from error
        model_check.check(model)
        return model

    @classmethod
    def _from_row(cls, place: Place, row: Mapping[str, Any]) -> "ZoneModel":
        at, state, fluxes = row["at"], State(**row["state"]), rows(Fluxes, row["moved"])
        verdicts = row["verdicts"].items()
        return cls(
            at=at,
            state=state,
            belief=Belief.from_json(row["belief"]),
            probes={name: Probe.from_json(probe) for name, probe in row["probes"].items()},
            day=_last_day(place.soil, _kc(place, at), fluxes, state.roots_m),
            verdicts={name: Verdict(*one) if isinstance(one, list) else Verdict(**one) for name, one in verdicts},
            fluxes=fluxes,
            refilling=Refilling(**row["refilling"]) if row["refilling"] else None,
            watch=Watch(**row["watch"]) if row["watch"] else None,
            unseen_mm=row["unseen_mm"],
        )


def begin(zone: Zone, now: int) -> ZoneModel:
    """What is believed of a zone before anything was heard of it."""
    place = zone.place
    at = now // HOUR_S * HOUR_S
    kc = _kc(place, at)
    day = _last_day(place.soil, kc, (), kc.roots_m)
    return ZoneModel(at=at, state=State(roots_m=kc.roots_m), belief=fusion.begin(), probes=_new_probes(zone), day=day)


def _kc(place: Place, at: int) -> Kc:
    """The crop at a time."""
    return crops.kc(place.crop, place.day(at))


def _new_probes(zone: Zone) -> dict[str, Probe]:
    """The zone's own probe, then the others, each at its depth."""
    own_m = zone.probe_depth_m or zone.root_depth_m / 2
    return {zone.sensor_id: Probe(own_m), **{probe.sensor_id: Probe(probe.depth_m) for probe in zone.probes}}


def advance(  # noqa: PLR0913, PLR0917  # all that a zone hears
    zone: Zone,
    model: ZoneModel | None,
    hours: Iterable[WeatherHour],
    water: Iterable[Water],
    samples: Iterable[Sample],
    now: int,
) -> ZoneModel:
    """Move on to `now`: whole hours of weather, settled water, then what the probes reported; each in order of time."""
    place = zone.place
    model = _with_its_probes(zone, model) if model else begin(zone, now)
    for hour in hours:
        if hour.at >= model.at:
            model = _through(place, model, hour)
    for one in water:
        model = _soaked(place, model, one)
    probes = _heard(place.soil, model.probes, tuple(samples))
    ground = Ground(place.soil.field_capacity, place.soil.wilting_point, model.state.roots_m)
    belief, probes, verdicts = fusion.believe(model.belief, probes, ground, now)
    state = _lacking(model.state, belief)
    return _judged(replace(model, state=state, belief=belief, probes=probes, verdicts=verdicts), now)


def _with_its_probes(zone: Zone, model: ZoneModel) -> ZoneModel:
    """The model with the probes that the zones file knows, each at its depth."""
    if tuple(model.probes) == zone.sensor_ids:
        return model
    probes = {name: model.probes.get(name, probe) for name, probe in _new_probes(zone).items()}
    return replace(model, probes=probes)


def _through(place: Place, model: ZoneModel, hour: WeatherHour) -> ZoneModel:
    """On by an hour of weather."""
    end = hour.at + HOUR_S
    kc = model.day.kc if hour.at == model.at else _kc(place, hour.at)
    weather = Weather(hour.et0_mm * model.belief.demand, rain_mm=hour.rain_mm, crop_mm_d=kc.single * model.day.et0_mm)
    state, belief, account = _step(place.soil, model, kc, weather, end, 1 / 24)
    last_day = [row for row in model.fluxes if row.at > hour.at - DAY_S]
    fluxes = (*last_day, _fluxes(hour.at, hour.et0_mm, account, hour.source))
    day = _last_day(place.soil, _kc(place, end), fluxes, state.roots_m)
    return replace(model, at=end, state=state, belief=belief, day=day, fluxes=fluxes)


def _soaked(place: Place, model: ZoneModel, water: Water) -> ZoneModel:
    """The water as if it came at once: where it went, the probes will tell."""
    mm = net_mm(place.emitters, water.litres)
    weather = Weather(0.0, irrigation_mm=mm)
    state, belief, account = _step(place.soil, model, _kc(place, water.at), weather, water.at, 0.0)
    fluxes = (*model.fluxes, _fluxes(water.at, 0.0, account, ""))
    day = _last_day(place.soil, model.day.kc, fluxes, state.roots_m)
    watch = model.watch or _watch(model)
    watch = replace(watch, net_mm=watch.net_mm + mm, settled_at=water.at)
    return replace(model, state=state, belief=belief, day=day, fluxes=fluxes, watch=watch)


def _step(  # noqa: PLR0913, PLR0917  # a step of the balance, and its end
    soil: Soil, model: ZoneModel, kc: Kc, weather: Weather, end: int, days: float
) -> tuple[State, Belief, Account]:
    """The balance where it is believed to be after a step, the belief, and the account of the step."""
    state, account = balance.step(soil, model.state, kc, weather)
    belief = fusion.predict(model.belief, account, end, days)
    return _lacking(state, belief), belief, account


def _lacking(state: State, belief: Belief) -> State:
    """The balance where it is believed to be."""
    return State(belief.depletion_mm, state.surface_mm, state.subsoil_mm, state.roots_m, state.wetted)


def _fluxes(at: int, et0_mm: float, account: Account, source: str) -> Fluxes:
    return Fluxes(
        at=at,
        et0_mm=round(et0_mm, 4),
        rain_mm=round(account.rain_mm, 4),
        irrigation_mm=round(account.irrigation_mm, 4),
        evaporation_mm=round(account.evaporation_mm, 4),
        transpiration_mm=round(account.transpiration_mm, 4),
        percolation_mm=round(account.percolation_mm, 4),
        source=source,
        unmet_mm=round(demand_mm(account) - account.evapotranspiration_mm, 4),
    )


def _last_day(soil: Soil, kc: Kc, fluxes: tuple[Fluxes, ...], roots_m: float) -> LastDay:
    """The last 24 hours; hours that are not known take what is usual."""
    sources: dict[str, int] = {}
    for row in fluxes:
        if row.source:
            sources[row.source] = sources.get(row.source, 0) + 1
    _, et0, rain, irrigation, evaporation, transpiration, percolation, _, unmet = (
        zip(*fluxes, strict=True) if fluxes else [()] * 9
    )
    unknown_mm = ASSUMED_ET0_MM_D * max(24 - sum(sources.values()), 0) / 24
    unknown_mm = min(unknown_mm, max(ASSUMED_ET0_MM_D - sum(et0), 0.0))
    et0_mm, available_mm = sum(et0) + unknown_mm, soil.available_mm(roots_m)
    p = balance.adjusted_p(kc.depletion_fraction, kc.single * et0_mm)
    transpiration_mm = sum(transpiration) + unknown_mm * kc.single
    unstressed_mm = transpiration_mm + sum(unmet)
    account = Account(
        rain_mm=sum(rain),
        irrigation_mm=sum(irrigation),
        runoff_mm=0.0,
        evaporation_mm=sum(evaporation),
        transpiration_mm=transpiration_mm,
        percolation_mm=sum(percolation),
        grown_mm=0.0,
        available_mm=available_mm,
        readily_available_mm=p * available_mm,
        depletion_fraction=p,
        stress=transpiration_mm / unstressed_mm if unstressed_mm else 1.0,
        evaporation_kc=0.0,
    )
    return LastDay(kc, account, et0_mm, sources)


def _heard(soil: Soil, probes: Mapping[str, Probe], samples: tuple[Sample, ...]) -> dict[str, Probe]:
    """What probes told; a value above 1 counts only for one that told no other: that may be somebody else's word."""
    after = dict(probes)
    clear = {sample.sensor_id for sample in samples if sample.vwc is not None and sample.vwc <= 1}
    for sample in samples:
        probe, vwc = after[sample.sensor_id], sample.vwc
        if vwc is not None and vwc > 1 and sample.sensor_id in clear:
            continue
        if vwc is None and probe.percent:  # the gateway holds such a value back: it is as the one before
            vwc = OF_PERCENT * soil.field_capacity
        after[sample.sensor_id] = hear(probe, vwc, sample.at, soil.wilting_point)
    return after


# A run should be seen by the probes


def _watch(model: ZoneModel) -> Watch:
    values = {name: model.probes[name].vwc for name in model.probes if usable(model, name)}
    before = {name: vwc for name, vwc in values.items() if vwc is not None}
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
    before, after = [watch.before[name] for name in names], [watch.highest[name] for name in names]
    roots_m = model.state.roots_m
    shares = weights([model.probes[name].depth_m for name in names], roots_m)
    is_seen = responded(before, after, shares, watch.net_mm, roots_m)
    return replace(model, watch=None, unseen_mm=0.0 if is_seen else round(watch.net_mm, 2))


def commanded(model: ZoneModel, refilling: Refilling | None) -> ZoneModel:
    """The model once a valve was told to open, perhaps for a part of a refill only."""
    return replace(model, refilling=refilling, watch=model.watch or _watch(model))


def usable(model: ZoneModel, name: str) -> bool:
    """True if a probe's value can be gone by."""
    verdict = model.verdicts.get(name)
    return verdict is not None and verdict.usable and model.probes[name].vwc is not None


# Frozen parts as plain dicts, without the recursion of `dataclasses.asdict`

_Part = TypeVar("_Part", State, Probe, Verdict, Refilling, Watch)
_NAMES = {part: tuple(one.name for one in fields(part)) for part in (State, Probe, Verdict, Refilling, Watch)}
_VALUES = {part: attrgetter(*names) for part, names in _NAMES.items()}


def _by_name(part: _Part) -> dict[str, Any]:
    return dict(zip(_NAMES[type(part)], _VALUES[type(part)](part), strict=True))

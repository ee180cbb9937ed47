"""Past and coming runs of every zone on one axis of time, as rows of shapes; a thousand units are the whole span."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.plan import PlannedRun, ZonePlan
from compute_service.domain.ports import WaterRow
from compute_service.reading import OPEN
from console import rows
from console.farm_now import FarmNow, ZoneNow
from views.language import Language

PAST_DAYS, AHEAD_DAYS = 2, 3
UNITS = 1000
COMING = 4  # runs that are told in words
LEAST_UNITS = 3.0  # a short run is still seen


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A run: `kind` is past, now, due (when it may come) or likely, or advised where only a person opens."""

    kind: str
    x: float
    width: float
    words: str


@dataclass(frozen=True, kw_only=True)
class Lane:
    """A zone's bars, and what keeps it shut meanwhile."""

    zone_id: str
    bars: Sequence[Bar]
    notes: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A midnight on the axis, with its day."""

    x: float
    words: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """All of it; `now` is where the present is."""

    lanes: Sequence[Lane]
    marks: Sequence[Mark]
    now: float


@dataclass(frozen=True)
class _Axis:
    begin: int
    end: int

    def x(self, at: float) -> float:
        return round(min(max((at - self.begin) / (self.end - self.begin), 0.0), 1.0) * UNITS, 1)


def chart(store: SqliteStore, farm: FarmNow, language: Language) -> Chart:
    """The runs of the farm's zones in the last days, what runs now, and what is due."""
    midnight = rows.local_time(farm.now, farm).replace(hour=0, minute=0, second=0, microsecond=0)
    begin = int((midnight - timedelta(days=PAST_DAYS - 1)).timestamp())
    end = int((midnight + timedelta(days=AHEAD_DAYS)).timestamp())
    axis = _Axis(begin, end)
    days = [midnight + timedelta(days=count) for count in range(1 - PAST_DAYS, AHEAD_DAYS)]
    marks = [Mark(x=axis.x(day.timestamp()), words=language.date("weekday", day)) for day in days]
    lanes = []
    for zone in farm.zones:
        bars = _past(store, zone, axis, farm, language)
        bars += _coming(zone, axis, farm, language)
        lanes.append(Lane(zone_id=zone.zone.zone_id, bars=bars, notes=rows.plan_notes(zone, farm, language)))
    return Chart(lanes=lanes, marks=marks, now=axis.x(farm.now))


def runs(water: Iterable[WaterRow]) -> list[WaterRow]:
    """The runs of a zone: what was assumed is left out once its ack came after all."""
    water_rows = list(water)
    late = {row.water_id.removesuffix(".late") for row in water_rows if row.water_id.endswith(".late")}
    return [row for row in water_rows if row.water_id not in late and row.duration_s > 0]


def _past(store: SqliteStore, zone: ZoneNow, axis: _Axis, farm: FarmNow, language: Language) -> list[Bar]:
    water = store.journal.water(zone.zone, axis.begin, farm.now + 1)
    return [_bar("past", axis, row.at - row.duration_s, row.at, _run_words(row, farm, language)) for row in runs(water)]


def _run_words(row: WaterRow, farm: FarmNow, language: Language) -> str:
    begin, end = (rows.moment(round(at), farm, language) for at in (row.at - row.duration_s, row.at))
    litres = row.litres or 0.0
    return language.say("timeline_run", begin=begin, end=end, water=language.volume(max(litres, 0.0)))


def _coming(zone: ZoneNow, axis: _Axis, farm: FarmNow, language: Language) -> Iterator[Bar]:
    if zone.valve.state == OPEN and zone.valve.shuts_by:
        words = f"{language.say('valve_open')} {rows.until(zone.valve, farm, language)}"
        yield _bar("now", axis, farm.now, max(zone.valve.shuts_by, farm.now + 60), words)
    plan = zone.plan
    for number, run in enumerate((*plan.runs, *plan.advice) if plan else ()):
        words = _run_to_come(run, plan, farm, language)
        if number == 0 and run.earliest < axis.end:  # farther ahead the bands say nothing any more
            yield _bar("due", axis, run.earliest, run.latest or axis.end, words)
        if run.likely is not None and run.likely < axis.end:
            kind = "advised" if plan and plan.is_advice else "likely"
            yield _bar(kind, axis, run.likely, run.likely + run.duration_s, words)


def coming_words(zone: ZoneNow, farm: FarmNow, language: Language) -> list[str]:
    """What keeps a zone shut, and its next runs; empty while nothing is known of it."""
    plan = zone.plan
    if plan is None:
        return []
    runs = [_run_to_come(run, plan, farm, language) for run in (*plan.runs, *plan.advice)[:COMING]]
    if not runs and not plan.holds:
        runs = [language.say("plan_none")]
    return [*rows.plan_notes(zone, farm, language), *runs]


def _run_to_come(run: PlannedRun, plan: ZonePlan | None, farm: FarmNow, language: Language) -> str:
    words = plan_words(run, farm, language)
    return language.say("plan_advised", run=words) if plan and plan.is_advice else words


def plan_words(run: PlannedRun, farm: FarmNow, language: Language) -> str:
    """A run to come, as exactly as anybody can know it."""
    earliest = rows.moment(run.earliest, farm, language)
    if run.likely is None:
        return language.say("plan_perhaps", earliest=earliest)
    places = {"earliest": earliest, "likely": rows.moment(run.likely, farm, language)}
    places |= {"water": language.volume(run.litres), "span": language.span(run.duration_s)}
    if run.latest is None:
        return language.say("plan_open_end", **places)
    return language.say("plan_run", latest=rows.moment(run.latest, farm, language), **places)


def _bar(kind: str, axis: _Axis, begin: float, end: float, words: str) -> Bar:
    x = axis.x(begin)
    return Bar(kind=kind, x=x, width=max(round(axis.x(end) - x, 1), LEAST_UNITS), words=words)

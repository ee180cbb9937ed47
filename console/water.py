"""How much water each zone got: by day on the farm's clock, for people and as a table to take away."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, NamedTuple
from zoneinfo import ZoneInfo

import polars
from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.ports import Moment
from compute_service.domain.units import CALENDAR_MM_A_WEEK
from compute_service.domain.zone import Zone
from console.errors import FormError
from console.farm_now import FarmNow
from console.house import PAGES, FarmDep, HeadDep, ReaderDep
from console.pages import SPANS, ZoneId, zone_of

router = APIRouter(include_in_schema=False)
DAYS = 30
LONGEST_DAYS = 400
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class DayRow(NamedTuple):
    """A zone's water on a day."""

    day: date
    zone_id: str
    litres: float
    mm: float


@dataclass(frozen=True, kw_only=True)
class ZoneTotals:
    """A zone's litres: today, in 7 days, in all days shown, this season; and what a calendar would have given then."""

    zone_id: str
    today: float
    week: float
    span: float
    season: float | None
    calendar: float


def day_rows(store: SqliteStore, farm: FarmNow, zones: Iterable[Zone], begin: date, end: date) -> Iterator[DayRow]:
    """Every zone's water of every day with any, both days among them."""
    clock = ZoneInfo(farm.config.timezone)
    first, beyond = _midnight(begin, clock), _midnight(end + timedelta(days=1), clock)
    for zone in zones:
        litres: dict[date, float] = defaultdict(float)
        for row in store.journal.water(zone, first, beyond):
            litres[datetime.fromtimestamp(row.at, clock).date()] += row.litres or 0.0
        for day, amount in sorted(litres.items()):
            yield DayRow(day, zone.zone_id, round(amount, 1), round(amount / zone.area_m2, 2))


def _midnight(day: date, clock: ZoneInfo) -> int:
    return int(datetime.combine(day, time(), clock).timestamp())


@router.get("/water")
def water_page(request: Request, store: ReaderDep, farm: FarmDep) -> HTMLResponse:
    """The farm's water: by zone and by day, against a calendar."""
    today = _today(farm)
    begin = today - timedelta(days=DAYS - 1)
    rows = list(day_rows(store, farm, farm.config.zones, begin, today))
    days = [begin + timedelta(days=count) for count in range(DAYS)]
    by_day = dict.fromkeys(days, 0.0)
    for row in rows:
        by_day[row.day] += row.litres
    return PAGES.show(
        request,
        "water.html",
        farm,
        totals=_totals(farm, rows, today),
        days=[(datetime.combine(day, time()), by_day[day]) for day in days],
        most=max(*by_day.values(), 1.0),
        begin=begin,
        today=today,
        span_days=DAYS,
    )


def _totals(farm: FarmNow, rows: Sequence[DayRow], today: date) -> list[ZoneTotals]:
    totals = []
    by_zone: dict[str, list[DayRow]] = defaultdict(list)
    for row in rows:
        by_zone[row.zone_id].append(row)
    for now in farm.zones:
        own = by_zone[now.zone.zone_id]
        season = now.receipt.get("used_season_l")
        totals.append(
            ZoneTotals(
                zone_id=now.zone.zone_id,
                today=sum(row.litres for row in own if row.day == today),
                week=sum(row.litres for row in own if row.day > today - timedelta(days=7)),
                span=sum(row.litres for row in own),
                season=season,
                calendar=CALENDAR_MM_A_WEEK / 7 * DAYS * now.zone.area_m2,
            )
        )
    return totals


def _today(farm: FarmNow) -> date:
    return datetime.fromtimestamp(farm.now, ZoneInfo(farm.config.timezone)).date()


Day = Annotated[str, Query(max_length=10)]


@router.get("/water.csv")
def water_csv(store: ReaderDep, farm: HeadDep, begin: Day = "", end: Day = "") -> Response:
    """The days of a time as comma-separated values."""
    rows = _asked(store, farm, begin, end)
    return _attachment(csv_text(DayRow._fields, rows), "text/csv; charset=utf-8", "water.csv")


@router.get("/water.parquet")
def water_parquet(store: ReaderDep, farm: HeadDep, begin: Day = "", end: Day = "") -> Response:
    """The days of a time as Parquet."""
    rows = _asked(store, farm, begin, end)
    kinds = {"day": polars.Date, "zone_id": polars.String, "litres": polars.Float64, "mm": polars.Float64}
    file = io.BytesIO()
    polars.DataFrame([row._asdict() for row in rows], schema=kinds).write_parquet(file)
    return _attachment(file.getvalue(), "application/vnd.apache.parquet", "water.parquet")


@router.get("/zones/{zone_id}/history.csv")
def history_csv(store: ReaderDep, farm: HeadDep, zone_id: ZoneId, days: str = "7") -> Response:
    """A zone's moments as comma-separated values."""
    _check_zone(farm, zone_id)
    begin = farm.now - SPANS.get(days, 7) * 86400
    moments = store.journal.moments(zone_id, begin, farm.now + 1)
    names = ("time", "zone_id", "vwc", "depletion_mm", "due_mm", "sigma_mm", "litres")
    clock = ZoneInfo(farm.config.timezone)
    return _attachment(
        csv_text(names, (_moment_cells(one, clock) for one in moments)), "text/csv; charset=utf-8", "history.csv"
    )


def _check_zone(farm: FarmNow, zone_id: str) -> None:
    if all(zone.zone_id != zone_id for zone in farm.config.zones):
        zone_of(farm, zone_id)


def _moment_cells(one: Moment, clock: ZoneInfo) -> tuple[Any, ...]:
    local = datetime.fromtimestamp(one.at, clock).isoformat()
    return (local, one.zone_id, one.vwc, one.depletion_mm, one.due_mm, one.sigma_mm, one.litres)


def _asked(store: SqliteStore, farm: FarmNow, begin: str, end: str) -> list[DayRow]:
    last = _day(end) or _today(farm)
    first = _day(begin) or last - timedelta(days=DAYS - 1)
    if not 0 <= (last - first).days < LONGEST_DAYS or not 2000 <= first.year <= last.year < 2100:
        raise FormError("bad_days", first=str(first), last=str(last), most=str(LONGEST_DAYS))
    return list(day_rows(store, farm, farm.config.zones, first, last))


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise FormError("bad_day", value=text) from error


def csv_text(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """Comma-separated values with a head; no cell of a stranger begins what a spreadsheet takes for a formula."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(names)
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    return file.getvalue().encode()


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _attachment(body: bytes, kind: str, name: str) -> Response:
    return Response(body, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})

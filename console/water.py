"""How much water each zone got: by day on the farm's clock, for people and as a table to take away."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response

from agronomy.units import CALENDAR_MM_A_WEEK
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.ports import Moment
from compute_service.domain.zone import Zone
from console.errors import FormError
from console.farm_now import FarmNow
from console.house import PAGES, FarmDep, HeadDep, ReaderDep
from console.pages import SPANS, ZoneId, zone_of

router = APIRouter(include_in_schema=False)
DAYS = 30
LONGEST_DAYS = 400
SEASON = "season"
PERIODS = {"day": 1, "week": 7, "month": DAYS, SEASON: LONGEST_DAYS}  # days that end with the chosen one
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRow:
    """A zone's water on a day, what it cost (None without a price), and what a calendar would have given."""

    day: date
    zone_id: str
    litres: float
    mm: float
    calendar_litres: float
    cost: float | None
    currency: str | None


NAMES = tuple(field.name for field in fields(DayRow))


@dataclass(frozen=True, kw_only=True)
class Question:
    """What somebody asks for: the days from `begin` to `end`, both among them, of some zones.

    A season has of each zone the days since its own sowing.
    """

    begin: date
    end: date
    zones: Sequence[Zone]
    is_season: bool = False

    def days(self, zone: Zone) -> list[date]:
        """The days of a zone; none if it was sown later."""
        first = max(self.begin, zone.sown) if self.is_season else self.begin
        return [first + timedelta(days=count) for count in range((self.end - first).days + 1)]


@dataclass(frozen=True, kw_only=True)
class ZoneTotals:
    """A zone's litres today; its litres, mm and cost in the days shown, and a calendar's litres then."""

    zone_id: str
    today: float
    span: float
    mm: float
    calendar: float
    cost: float


def day_rows(store: SqliteStore, farm: FarmNow, question: Question) -> Iterator[DayRow]:
    """Every day of every zone, also those without water."""
    clock, price = ZoneInfo(farm.config.timezone), price_of(farm)
    for zone in question.zones:
        days = question.days(zone)
        if not days:
            continue
        litres: dict[date, float] = defaultdict(float)
        for row in store.journal.water(zone, _midnight(days[0], clock), _midnight(days[-1] + timedelta(days=1), clock)):
            litres[datetime.fromtimestamp(row.at, clock).date()] += row.litres or 0.0
        for day in days:
            yield _day_row(day, zone, litres.get(day, 0.0), price, farm.config.currency)


def price_of(farm: FarmNow) -> float | None:
    """What a litre costs, its energy with it; None if the zones file has no price."""
    prices = [price for price in (farm.config.water_price_m3, farm.config.energy_price_m3) if price is not None]
    return sum(prices) / 1000 if prices else None


def _day_row(day: date, zone: Zone, litres: float, price: float | None, currency: str | None) -> DayRow:
    return DayRow(
        day=day,
        zone_id=zone.zone_id,
        litres=round(litres, 1),
        mm=round(litres / zone.area_m2, 2),
        calendar_litres=round(CALENDAR_MM_A_WEEK / 7 * zone.area_m2, 1),
        cost=None if price is None else round(litres * price, 4),
        currency=None if price is None else currency,
    )


def _midnight(day: date, clock: ZoneInfo) -> int:
    return int(datetime.combine(day, time(), clock).timestamp())


Short = Annotated[str, Query(max_length=100)]
Day = Annotated[str, Query(max_length=10)]


def question_of(  # noqa: PLR0913, PLR0917  # a question's parts
    farm: FarmDep, zone: Short = "", span: Day = "", day: Day = "", begin: Day = "", end: Day = ""
) -> Question:
    """The days and zones of a query: a `span` that ends with a `day` (else today), or from `begin` to `end`."""
    zones = [zone_of(farm, zone).zone] if zone else list(farm.config.zones)
    last = _day(end or day) or _today(farm)
    first = _day(begin) or last - timedelta(days=PERIODS.get(span, DAYS) - 1)
    is_season = span == SEASON and not begin
    if is_season:
        first = max(first, min((one.sown for one in zones), default=last))
        first = min(first, last)
    if not 0 <= (last - first).days < LONGEST_DAYS or not 2000 <= first.year <= last.year < 2100:
        raise FormError("bad_days", first=str(first), last=str(last), most=str(LONGEST_DAYS))
    return Question(begin=first, end=last, zones=zones, is_season=is_season)


QuestionDep = Annotated[Question, Depends(question_of)]


@router.get("/water")
def water_page(  # noqa: PLR0913, PLR0917  # a question's parts
    request: Request,
    store: ReaderDep,
    farm: FarmDep,
    question: QuestionDep,
    zone: Short = "",
    span: Day = "",
    day: Day = "",
) -> HTMLResponse:
    """The farm's water: by zone and by day, its cost, and against a calendar."""
    rows = list(day_rows(store, farm, question))
    today = _today(farm)
    of_today = Question(begin=today, end=today, zones=question.zones)
    days = [question.begin + timedelta(days=count) for count in range((question.end - question.begin).days + 1)]
    by_day: dict[date, float] = dict.fromkeys(days, 0.0)
    for row in rows:
        by_day[row.day] += row.litres
    return PAGES.show(
        request,
        "water.html",
        farm,
        totals=_totals(question, rows, {row.zone_id: row.litres for row in day_rows(store, farm, of_today)}),
        days=[(datetime.combine(one, time()), litres) for one, litres in by_day.items()],
        most=max(*by_day.values(), 1.0),
        begin=question.begin,
        end=question.end,
        today=today,
        chosen_zone=zone,
        chosen_span=span if span in PERIODS else "month",
        periods=PERIODS,
        query=urlencode({"zone": zone, "span": span, "day": day}),
        has_price=price_of(farm) is not None,
    )


def _totals(question: Question, rows: Iterable[DayRow], today: Mapping[str, float]) -> list[ZoneTotals]:
    own: dict[str, list[DayRow]] = defaultdict(list)
    for row in rows:
        own[row.zone_id].append(row)
    return [
        ZoneTotals(
            zone_id=zone_id,
            today=today.get(zone_id, 0.0),
            span=sum(row.litres for row in own[zone_id]),
            mm=sum(row.mm for row in own[zone_id]),
            calendar=sum(row.calendar_litres for row in own[zone_id]),
            cost=sum(row.cost or 0.0 for row in own[zone_id]),
        )
        for zone_id in (zone.zone_id for zone in question.zones)
    ]


def _today(farm: FarmNow) -> date:
    return datetime.fromtimestamp(farm.now, ZoneInfo(farm.config.timezone)).date()


@router.get("/water.csv")
def water_csv(store: ReaderDep, farm: FarmDep, question: QuestionDep) -> Response:
    """What the page with the same query shows, as comma-separated values."""
    return _attachment(
        csv_text(NAMES, (astuple(row) for row in day_rows(store, farm, question))),
        "text/csv; charset=utf-8",
        "water.csv",
    )


@router.get("/water.parquet")
def water_parquet(store: ReaderDep, farm: FarmDep, question: QuestionDep) -> Response:
    """The same as Parquet."""
    import polars  # noqa: PLC0415  # a tenth of the console's start and of its memory, for this one page

    kinds = {"day": polars.Date, "zone_id": polars.String, "currency": polars.String}
    schema = {name: kinds.get(name, polars.Float64) for name in NAMES}
    file = io.BytesIO()
    polars.DataFrame([asdict(row) for row in day_rows(store, farm, question)], schema=schema).write_parquet(file)
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
